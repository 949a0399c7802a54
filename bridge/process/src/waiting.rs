//! What time alone brings about.

use tidegate_telemetry::{Change, DeviceIndex};

use crate::deadlines::Waiting;
use crate::judging::unschedule;
use crate::liveness::{self, Next};
use crate::output::Output;
use crate::process::Process;
use crate::watch::Watch;

impl Process {
    /// Lets happen what is due, in the order in which it came due.
    pub(crate) fn fire_due(&mut self, now_ms: i64, output: &mut Output) {
        while let Some((at_ms, index, waiting)) = self.deadlines.pop_due(now_ms) {
            match waiting {
                Waiting::Watch(rule, metric) => self.fire_watch(at_ms, index, (rule, metric), output),
                Waiting::State => self.fire_state(at_ms, index, output),
            }
        }
    }

    /// The deadline of a device's state came up: changes it if that is due, else waits on.
    fn fire_state(&mut self, at_ms: i64, index: DeviceIndex, output: &mut Output) {
        let Some(device) = self.state.fleet.get_mut(index) else { return };
        device.wake_ms = None;
        match liveness::next(&self.config, device.state, device.interval_ms, device.heard_ms) {
            Some((due_ms, next)) if due_ms <= at_ms => match next {
                Next::State(state) => {
                    device.state = state;
                    device.since_ms = due_ms;
                    self.state.groups.mark(device.counted_in);
                    output.changes.push(Change::State { device: index, state, since_ms: due_ms });
                }
                Next::Forgotten => return self.forget(index, at_ms, output),
            },
            _ => {}
        }
        self.wake_later(index);
    }

    /// Sees to it that a device's state comes up no later than it is due. Mostly it stands there already, somewhat
    /// early: then there is nothing to do.
    pub(crate) fn wake_later(&mut self, index: DeviceIndex) {
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        let next = liveness::next(&self.config, device.state, device.interval_ms, device.heard_ms);
        let due_ms = next.map(|(due_ms, _)| due_ms);
        match (device.wake_ms, due_ms) {
            (Some(wake_ms), Some(due_ms)) if wake_ms <= due_ms => return,
            (Some(wake_ms), _) => self.deadlines.remove(wake_ms, index, Waiting::State),
            (None, _) => {}
        }
        device.wake_ms = due_ms;
        if let Some(due_ms) = due_ms {
            self.deadlines.insert(due_ms, index, Waiting::State);
        }
    }

    fn forget(&mut self, index: DeviceIndex, at_ms: i64, output: &mut Output) {
        let Some(mut device) = self.state.fleet.remove(index) else { return };
        unschedule(&mut self.deadlines, index, &mut device.watches);
        for alert in device.watches.iter().filter_map(Watch::alert) {
            self.state.alerts.clear(alert, None, at_ms, &self.config, output);
        }
        self.state.groups.leave(device.counted_in, index);
        output.changes.push(Change::Removed { device: index });
        output.counts.devices_forgotten += 1;
    }
}
