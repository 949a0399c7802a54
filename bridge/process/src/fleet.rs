use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_telemetry::DeviceIndex;

use crate::config::ProcessConfig;
use crate::device::Device;

/// Every device, by number. Maps are for looking up only: their order never shows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Fleet {
    /// `None`: forgotten; numbers are never reused.
    devices: Vec<Option<Device>>,
    #[serde(skip)]
    by_id: HashMap<Arc<str>, DeviceIndex>,
    #[serde(skip)]
    by_client: HashMap<Arc<str>, usize>,
}

impl Fleet {
    pub(crate) fn find(&self, id: &str) -> Option<DeviceIndex> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn get(&self, device: DeviceIndex) -> Option<&Device> {
        self.devices.get(device.0 as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, device: DeviceIndex) -> Option<&mut Device> {
        self.devices.get_mut(device.0 as usize)?.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (DeviceIndex, &Device)> {
        let numbered = self.devices.iter().enumerate();
        numbered.filter_map(|(index, device)| Some((DeviceIndex(index as u32), device.as_ref()?)))
    }

    pub(crate) fn indexes(&self) -> Vec<DeviceIndex> {
        self.iter().map(|(index, _)| index).collect()
    }

    /// Number of devices.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether one more device of this client fits; else the key of the limit and its value.
    pub(crate) fn room(&self, config: &ProcessConfig, client: &str) -> Result<(), (&'static str, usize)> {
        if self.len() >= config.devices_max {
            return Err(("process.devices_max", config.devices_max));
        }
        // Engines that are not told who publishes leave the client empty: that is nobody's limit.
        if client.is_empty() {
            return Ok(());
        }
        let of_client = self.by_client.get(client).copied().unwrap_or(0);
        if of_client >= config.devices_per_client_max {
            return Err(("process.devices_per_client_max", config.devices_per_client_max));
        }
        Ok(())
    }

    /// The number that the next device gets.
    pub(crate) fn next_index(&self) -> DeviceIndex {
        DeviceIndex(self.devices.len() as u32)
    }

    pub(crate) fn add(&mut self, device: Device) -> DeviceIndex {
        let index = self.next_index();
        self.index(index, &device.id, &device.client);
        self.devices.push(Some(device));
        index
    }

    pub(crate) fn remove(&mut self, index: DeviceIndex) -> Option<Device> {
        let device = self.devices.get_mut(index.0 as usize)?.take()?;
        self.by_id.remove(&device.id);
        if let Some(count) = self.by_client.get_mut(&device.client) {
            *count -= 1;
            if *count == 0 {
                self.by_client.remove(&device.client);
            }
        }
        Some(device)
    }

    /// Fills the look-ups after reading a checkpoint.
    pub(crate) fn rebuild(&mut self) {
        let devices = std::mem::take(&mut self.devices);
        for (index, device) in devices.iter().enumerate() {
            if let Some(device) = device {
                self.index(DeviceIndex(index as u32), &device.id, &device.client);
            }
        }
        self.devices = devices;
    }

    fn index(&mut self, index: DeviceIndex, id: &Arc<str>, client: &Arc<str>) {
        self.by_id.insert(id.clone(), index);
        *self.by_client.entry(client.clone()).or_default() += 1;
    }
}
