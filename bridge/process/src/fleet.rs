use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use tidegate_telemetry::DeviceIndex;

use crate::config::ProcessConfig;
use crate::device::Device;
use crate::shards::{self, Places, Shards};
use crate::texts::Texts;

/// Every device, by number. Maps are for looking up only: their order never shows.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Fleet {
    #[serde(deserialize_with = "read")]
    devices: Shards<Device>,
    #[serde(skip)]
    by_id: HashMap<Arc<str>, DeviceIndex>,
    #[serde(skip)]
    by_client: HashMap<Arc<str>, usize>,
}

impl Fleet {
    /// A fleet that is to be rebuilt.
    pub(crate) fn of(devices: Shards<Device>) -> Self {
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

    /// The devices as they are now, for a checkpoint.
    pub(crate) fn places(&self) -> Places<Device> {
        self.devices.places()
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

    /// Changes each device, in the order of their numbers.
    pub(crate) fn each_mut(&mut self, change: impl FnMut(&mut Device)) {
        self.devices.each_mut(change);
    }

    fn index(&mut self, index: DeviceIndex, id: &Arc<str>, client: &Arc<str>) {
        self.by_id.insert(id.clone(), index);
        *self.by_client.entry(client.clone()).or_default() += 1;
    }
}

/// Reads the devices of a checkpoint. Texts that many have, as the names of metrics, are one in memory, as they were when
/// the readings came.
fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Shards<Device>, D::Error> {
    let mut texts = Texts::default();
    shards::read_each(deserializer, |device: &mut Device| device.share(&mut texts))
}
