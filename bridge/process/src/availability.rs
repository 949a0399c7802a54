//! A device is said to be connected, or gone.

use tidegate_settings::millis;
use tidegate_telemetry::{Availability, Change, DeviceIndex, DeviceState, Sender};

use crate::output::Output;
use crate::process::Process;
use crate::refusals::{Refusals, is_its, may_speak_for};

impl Process {
    /// A device that is gone counts as lost at once, one that is connected as heard. Neither says anything about values, and
    /// a device that never sent one is not taken in.
    pub(crate) fn availability(
        &mut self,
        sender: Sender<'_>,
        said: &Availability,
        now_ms: i64,
        refusals: &mut Refusals,
        output: &mut Output,
    ) {
        // What a broker had kept says nothing about now, but that who was gone then was not heard since.
        let is_old = sender.is_retained_copy() && said.is_connected;
        if is_old || !may_speak_for(sender, &said.device, refusals) {
            return;
        }
        self.catch_up(&said.device, output);
        let Some(index) = self.state.fleet.find(&said.device) else { return };
        let standing = self.state.fleet.standing(index);
        let Some(device) = self.state.fleet.get_mut(index) else { return };
        if !is_its(sender, device, refusals) {
            return;
        }
        if said.is_connected {
            device.is_heard(&self.state.time, millis(self.config.future_max));
        }
        let state = if said.is_connected { DeviceState::Fresh } else { DeviceState::Lost };
        self.enter(index, state, now_ms, output);
        self.state.fleet.settle(index, standing);
        self.wake_later(index);
    }

    /// Puts a device into a state, since `now_ms` (Unix ms) if it was in another one.
    pub(crate) fn enter(&mut self, index: DeviceIndex, state: DeviceState, now_ms: i64, output: &mut Output) {
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        if device.state != state {
            (device.state, device.since_ms) = (state, now_ms);
            self.state.groups.mark(device.counted_in);
            output.changes.push(Change::State { device: index, state, since_ms: now_ms });
        }
    }
}
