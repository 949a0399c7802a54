//! The clock was set. No time passed, so nothing that waits notices; but what was told by the time before is told anew where it
//! would lie after now, or says when something will be.

use tidegate_telemetry::Change;

use crate::output::Output;
use crate::process::Process;

impl Process {
    /// The clock stands at `at_ms` (Unix ms) now, `by_ms` further than time has passed; negative: it was set back. Then no
    /// time that is shown lies after now.
    pub(crate) fn clock_was_set(&mut self, at_ms: i64, by_ms: i64, output: &mut Output) {
        self.state.time.set(at_ms, by_ms);
        if by_ms < 0 {
            self.show_no_state_since_later_than(at_ms, output);
            self.state.alerts.show_none_cleared_after(at_ms);
            self.state.commands.show_nothing_after(at_ms, output);
        }
        self.state.commands.show_deadlines(&self.state.time, output);
    }

    fn show_no_state_since_later_than(&mut self, at_ms: i64, output: &mut Output) {
        let ahead = self.state.fleet.iter().filter(|(_, device)| device.since_ms > at_ms).map(|(index, _)| index);
        for index in ahead.collect::<Vec<_>>() {
            if let Some(device) = self.state.fleet.get_mut(index) {
                device.since_ms = at_ms;
                output.changes.push(Change::State { device: index, state: device.state, since_ms: at_ms });
            }
        }
    }
}
