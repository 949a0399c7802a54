//! Every device, by number and by identifier.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use tidegate_telemetry::{DeviceIndex, Holder, MetricIndex};

use crate::alerts::Alerts;
use crate::config::ProcessConfig;
use crate::crowd::Crowd;
use crate::device::Device;
use crate::left::Left;
use crate::shards::{Places, Shards};
use crate::texts::Texts;
use crate::time::Moment;

/// The key of a limit that is met, and its value.
pub(crate) type Full = (&'static str, usize);

/// Every device, by number. Maps are for looking up only: their order never shows.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    devices: Shards<Device>,
    by_id: HashMap<Arc<str>, DeviceIndex>,
    by_client: HashMap<Holder, usize>,
    crowd: Option<Crowd>,
    /// Who was here before.
    pub(crate) left: Left,
}

impl Fleet {
    /// The fleet of a checkpoint's devices, by number; who left before is not known. Texts that many have, as the names of
    /// metrics, are one in memory, as they were when the readings came.
    ///
    /// # Errors
    /// Those of `devices`.
    pub(crate) fn of<E>(devices: impl IntoIterator<Item = Result<Option<Device>, E>>) -> Result<Self, E> {
        let mut texts = Texts::default();
        let shared = devices.into_iter().map(|device| {
            device.map(|mut device| {
                if let Some(device) = &mut device {
                    device.share(&mut texts);
                    device.promise = device.promised();
                }
                device
            })
        });
        let devices = shared.collect::<Result<Shards<Device>, E>>()?;
        let mut fleet = Fleet::default();
        for (index, device) in devices.iter() {
            fleet.index(DeviceIndex(index), device.id.clone(), device.holder());
        }
        fleet.devices = devices;
        fleet.left = Left::Anybody;
        Ok(fleet)
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

    /// Whether somebody has a device.
    pub(crate) fn has_devices_of(&self, holder: &Holder) -> bool {
        self.by_client.contains_key(holder)
    }

    /// Whether one more device of this client fits, and which one gives way to it if so; else the key of the limit and its
    /// value.
    pub(crate) fn room(&mut self, config: &ProcessConfig, newcomer: &Holder) -> Result<Option<DeviceIndex>, Full> {
        let of_client = self.by_client.get(newcomer).copied().unwrap_or(0);
        // Engines that are not told who publishes leave the client empty: that is nobody's limit.
        if of_client >= config.devices_per_client_max && !newcomer.1.is_empty() {
            return Err(("process.devices_per_client_max", config.devices_per_client_max));
        }
        if self.len() < config.devices_max {
            return Ok(None);
        }
        let crowd = self.crowd.get_or_insert_with(|| {
            let mut crowd = Crowd::new(config.devices_max);
            self.devices.iter().for_each(|(index, device)| crowd.add(DeviceIndex(index), device));
            crowd
        });
        crowd.gives_way_to(newcomer).map(Some).ok_or(("process.devices_max", config.devices_max))
    }

    pub(crate) fn add(&mut self, device: Device) -> DeviceIndex {
        let (id, holder) = (device.id.clone(), device.holder());
        let index = DeviceIndex(self.devices.insert(device));
        self.index(index, id, holder);
        if let (Some(crowd), Some(device)) = (&mut self.crowd, self.devices.get(index.0)) {
            crowd.add(index, device);
        }
        index
    }

    pub(crate) fn remove(&mut self, index: DeviceIndex) -> Option<Device> {
        let device = self.devices.remove(index.0)?;
        self.by_id.remove(&device.id);
        self.left.add(&device.id);
        let holder = device.holder();
        if let Some(count) = self.by_client.get_mut(&holder) {
            *count -= 1;
            if *count == 0 {
                self.by_client.remove(&holder);
            }
        }
        if let Some(crowd) = &mut self.crowd {
            crowd.remove(index, &device);
        }
        self.crowd.take_if(|crowd| crowd.is_over());
        Some(device)
    }

    /// How a device stands among those that may give way, for [`Fleet::settle`].
    pub(crate) fn standing(&self, index: DeviceIndex) -> Option<Moment> {
        self.crowd.as_ref().and_then(|_| self.get(index)?.spare_since())
    }

    /// A device was changed since it stood so.
    pub(crate) fn settle(&mut self, index: DeviceIndex, before: Option<Moment>) {
        if let (Some(crowd), Some(device)) = (&mut self.crowd, self.devices.get(index.0)) {
            crowd.settle(index, device, before);
        }
    }

    /// Says where clients that proved nothing were when they brought devices in.
    pub(crate) fn set_addresses(&mut self, addresses: Vec<(DeviceIndex, IpAddr)>) {
        for (index, address) in addresses {
            if let Some(device) = self.get_mut(index) {
                device.address = Some(address);
            }
        }
        self.by_client.clear();
        for (_, device) in self.devices.iter() {
            *self.by_client.entry(device.holder()).or_default() += 1;
        }
    }

    /// A device that is known from imports alone belongs to who is the first to speak for it.
    pub(crate) fn claim(&mut self, index: DeviceIndex, client: &str, principal: &str, address: Option<IpAddr>) {
        let Some(mut device) = self.get(index).cloned() else { return };
        let before = device.holder();
        if let Some(crowd) = &mut self.crowd {
            crowd.remove(index, &device);
        }
        (device.client, device.principal, device.address) = (client.into(), principal.into(), address);
        if let Some(crowd) = &mut self.crowd {
            crowd.add(index, &device);
        }
        if let Some(count) = self.by_client.get_mut(&before) {
            *count -= 1;
            if *count == 0 {
                self.by_client.remove(&before);
            }
        }
        *self.by_client.entry(device.holder()).or_default() += 1;
        if let Some(place) = self.get_mut(index) {
            *place = device;
        }
    }

    /// A number of the metric cannot be one in the unit that its name suggests.
    pub(crate) fn set_misnamed(&mut self, device: DeviceIndex, metric: MetricIndex) {
        let cells = self.get_mut(device).map(|device| &mut device.cells);
        if let Some(cell) = cells.and_then(|cells| cells.get_mut(usize::from(metric.0))) {
            cell.is_misnamed = true;
        }
    }

    /// Counts each device's alerts that hold.
    pub(crate) fn count_alerts(&mut self, alerts: &Alerts) {
        for (id, severity) in alerts.active() {
            if let Some(device) = self.find(id).and_then(|index| self.get_mut(index)) {
                device.alerts[severity as usize] += 1;
            }
        }
    }

    /// Changes each device, in the order of their numbers.
    pub(crate) fn each_mut(&mut self, change: impl FnMut(&mut Device)) {
        self.devices.each_mut(change);
    }

    fn index(&mut self, index: DeviceIndex, id: Arc<str>, holder: Holder) {
        self.by_id.insert(id, index);
        *self.by_client.entry(holder).or_default() += 1;
    }
}
