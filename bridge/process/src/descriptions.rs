//! What is known of devices and metrics besides values.

use std::sync::Arc;

use tidegate_telemetry::{Change, Description, DeviceDescription, DeviceIndex, MetricIndex, Sender};

use crate::output::Output;
use crate::process::Process;
use crate::refusals::{Refusals, is_its, may_speak_for};

impl Process {
    /// Keeps what is said of a device that is known, and tells of it where that is news.
    pub(crate) fn device_description(
        &mut self,
        sender: Sender<'_>,
        said: DeviceDescription,
        refusals: &mut Refusals,
        output: &mut Output,
    ) {
        let Some(index) = self.speaks_for(sender, &said.device, refusals) else { return };
        let Some(device) = self.state.fleet.get_mut(index) else { return };
        if device.facts.as_ref() != Some(&said.facts) {
            device.facts = Some(Arc::clone(&said.facts));
            output.changes.push(Change::Facts { device: index, facts: said.facts });
        }
    }

    /// Keeps what is said of a metric that is known, and tells of it where that is news.
    pub(crate) fn description(
        &mut self,
        sender: Sender<'_>,
        said: Description,
        refusals: &mut Refusals,
        output: &mut Output,
    ) {
        let Some(index) = self.speaks_for(sender, &said.device, refusals) else { return };
        let Some(device) = self.state.fleet.get_mut(index) else { return };
        let Some(place) = device.metric(&said.metric, 0) else { return };
        let cell = &mut device.cells[place];
        if cell.described.as_ref() != Some(&said.facts) {
            cell.described = Some(said.facts);
            output.changes.push(cell.change(index, MetricIndex(place as u16), &self.catalogue));
        }
    }

    /// The device of this identifier, if it is known and the sender may speak for it.
    fn speaks_for(&self, sender: Sender<'_>, id: &str, refusals: &mut Refusals) -> Option<DeviceIndex> {
        if !may_speak_for(sender, id, refusals) {
            return None;
        }
        let index = self.state.fleet.find(id)?;
        self.state.fleet.get(index).filter(|device| is_its(sender, device, refusals)).map(|_| index)
    }
}
