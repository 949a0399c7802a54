use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_telemetry::{DeviceIndex, Numbered};

use crate::config::ProcessConfig;
use crate::device::Device;

/// Every device, by number. Maps are for looking up only: their order never shows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Fleet {
    devices: Numbered<Device>,
    #[serde(skip)]
    by_id: HashMap<Arc<str>, DeviceIndex>,
    #[serde(skip)]
    by_client: HashMap<Arc<str>, usize>,
}

impl Fleet {
    /// A fleet that is to be rebuilt.
    pub(crate) fn of(devices: Numbered<Device>) -> Self {
        Fleet { devices, ..Fleet::default() }
    }

    pub(crate) fn find(&self, id: &str) -> Option<DeviceIndex> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn get(&self, device: DeviceIndex) -> Option<&Device> {
        self.devices.get(device.0)
    }

    pub(crate) fn get_mut(&mut self, device: DeviceIndex) -> Option<&mut Device> {
        self.devices.get_mut(device.0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (DeviceIndex, &Device)> {
        self.devices.iter().map(|(index, device)| (DeviceIndex(index), device))
    }

    pub(crate) fn indexes(&self) -> Vec<DeviceIndex> {
        self.iter().map(|(index, _)| index).collect()
    }

    /// Number of devices.
    pub(crate) fn len(&self) -> usize {
        self.devices.len()
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

    pub(crate) fn add(&mut self, device: Device) -> DeviceIndex {
        let (id, client) = (device.id.clone(), device.client.clone());
        let index = DeviceIndex(self.devices.insert(device));
        self.index(index, &id, &client);
        index
    }

    pub(crate) fn remove(&mut self, index: DeviceIndex) -> Option<Device> {
        let device = self.devices.remove(index.0)?;
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
        for (index, device) in devices.iter() {
            self.index(DeviceIndex(index), &device.id, &device.client);
        }
        self.devices = devices;
    }

    fn index(&mut self, index: DeviceIndex, id: &Arc<str>, client: &Arc<str>) {
        self.by_id.insert(id.clone(), index);
        *self.by_client.entry(client.clone()).or_default() += 1;
    }
}
