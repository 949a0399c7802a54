//! Which device gives way when there are `process.devices_max` of them.

use std::collections::BTreeSet;

use tidegate_telemetry::{DeviceIndex, Holder, Shares};

use crate::device::Device;
use crate::time::Moment;

/// Which device gives way to a newcomer when there are as many as there may be.
///
/// It follows from the devices, and costs more than it is worth while there is room: it is worked out when there is
/// none, in one pass, and kept until an eighth of the devices has gone.
#[derive(Debug)]
pub(crate) struct Crowd {
    held: Shares,
    /// Of these the devices that may give way.
    spare: Shares,
    /// Who was silent for longest comes first.
    in_turn: BTreeSet<(Holder, Moment, DeviceIndex)>,
    /// It is no longer kept below so many devices.
    devices_min: usize,
}

impl Crowd {
    pub(crate) fn new(devices_max: usize) -> Self {
        let (held, spare) = Default::default();
        Crowd { held, spare, in_turn: BTreeSet::new(), devices_min: devices_max - devices_max / 8 }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.held.total() < self.devices_min
    }

    pub(crate) fn add(&mut self, index: DeviceIndex, device: &Device) {
        self.held.add(&device.holder(), 1);
        self.settle(index, device, None);
    }

    pub(crate) fn remove(&mut self, index: DeviceIndex, device: &Device) {
        self.held.remove(&device.holder(), 1);
        if let Some(heard) = device.spare_since() {
            self.unspare(index, device, heard);
        }
    }

    /// A device stands otherwise than `before`, which is what [`Device::spare_since`] was.
    pub(crate) fn settle(&mut self, index: DeviceIndex, device: &Device, before: Option<Moment>) {
        let now = device.spare_since();
        if before == now {
            return;
        }
        if let Some(heard) = before {
            self.unspare(index, device, heard);
        }
        if let Some(heard) = now {
            self.spare.add(&device.holder(), 1);
            self.in_turn.insert((device.holder(), heard, index));
        }
    }

    fn unspare(&mut self, index: DeviceIndex, device: &Device, heard: Moment) {
        self.spare.remove(&device.holder(), 1);
        self.in_turn.remove(&(device.holder(), heard, index));
    }

    /// The device that gives way to one more of this holder.
    pub(crate) fn gives_way_to(&self, newcomer: &Holder) -> Option<DeviceIndex> {
        let owner = self.held.gives_way_to(newcomer)?;
        let client = self.spare.largest_of(&owner)?;
        let holder = (owner, client);
        let first = self.in_turn.range((holder.clone(), Moment::START, DeviceIndex(0))..).next();
        first.filter(|_| holder != *newcomer).map(|(.., index)| *index)
    }
}
