//! Devices say how their metrics are to be shown.

use tidegate_telemetry::{Description, MetricIndex, Sender};

use crate::output::Output;
use crate::process::Process;
use crate::refusals::{Refusals, is_its, may_speak_for};

impl Process {
    /// Keeps the unit of a metric that is known, and tells of it where it is another one.
    pub(crate) fn description(
        &mut self,
        sender: Sender<'_>,
        said: Description,
        refusals: &mut Refusals,
        output: &mut Output,
    ) {
        if !may_speak_for(sender, &said.device, refusals) {
            return;
        }
        let Some(index) = self.state.fleet.find(&said.device) else { return };
        let Some(device) = self.state.fleet.get_mut(index).filter(|device| is_its(sender, device, refusals)) else {
            return;
        };
        let Some(place) = device.metric(&said.metric, 0) else { return };
        let cell = &mut device.cells[place];
        if cell.described.as_deref() != Some(&said.unit) {
            cell.described = Some(Box::new(said.unit));
            output.changes.push(cell.change(index, MetricIndex(place as u16), &self.catalogue));
        }
    }
}
