//! The clock was set. No time passed, so whatever an age is measured from moves with it.

use serde::{Deserialize, Serialize};
use tidegate_settings::millis;
use tidegate_telemetry::Change;

use crate::deadlines::Deadlines;
use crate::output::Output;
use crate::process::Process;

/// Jumps kept apart; of more the oldest two become one.
const JUMPS_MAX: usize = 64;

impl Process {
    /// The clock stands at `at_ms` (Unix ms) now, `by_ms` further than time has passed; negative: it was set back. Then no
    /// time that is shown lies after now, and what was stamped ahead is not the newest for longer than until it is heard
    /// of again.
    pub(crate) fn set_clock(&mut self, at_ms: i64, by_ms: i64, output: &mut Output) {
        self.deadlines = Deadlines::default();
        for index in self.state.fleet.indexes() {
            let device = self.state.fleet.get_mut(index).expect("indexes() names devices that exist");
            device.set_clock(by_ms);
            if by_ms < 0 && device.begin_anew(at_ms, millis(self.config.future_max)) {
                output.changes.push(Change::State { device: index, state: device.state, since_ms: device.since_ms });
            }
            self.schedule_watches(index);
            self.wake_later(index);
        }
        self.set_clock_of_waits(by_ms);
        self.state.fleet.settle_all();
        self.state.groups.set_clock(by_ms);
        self.state.commands.set_clock(at_ms, by_ms, output);
        if by_ms < 0 {
            self.state.alerts.cleared_by(at_ms);
        }
    }
}

/// When the clock was set (Unix ms, by the new time) and by how much, for ages of times that stay as they are. Of those
/// none lies after a jump back that it was before.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Jumps(Vec<(i64, i64)>);

impl Jumps {
    /// Adds a jump, and forgets those that nothing from `oldest_ms` on has seen.
    pub(crate) fn add(&mut self, at_ms: i64, by_ms: i64, oldest_ms: i64) {
        self.0.retain(|&(before_ms, _)| before_ms > oldest_ms);
        self.0.push((at_ms, by_ms));
        if self.0.len() > JUMPS_MAX {
            // What lies between the two counts as younger than it is.
            let (_, oldest_by_ms) = self.0.remove(0);
            self.0[0].1 = self.0[0].1.saturating_add(oldest_by_ms);
        }
    }

    /// What the clock of now would have said at `unix_ms`: the difference to now is time that passed.
    pub(crate) fn by_now(&self, unix_ms: i64) -> i64 {
        let after = self.0.iter().rev().take_while(|&&(at_ms, _)| at_ms > unix_ms);
        after.fold(unix_ms, |time_ms, &(_, by_ms)| time_ms.saturating_add(by_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_older_by_what_passed_and_not_by_what_the_clock_was_set() {
        let mut jumps = Jumps::default();
        jumps.add(5_000, 4_000, 0);
        jumps.add(9_000, 3_000, 0);
        let by_now: Vec<i64> = [500, 1_000, 5_000, 6_000, 9_000, 9_500].map(|at_ms| jumps.by_now(at_ms)).into();
        assert_eq!(by_now, [7_500, 8_000, 8_000, 9_000, 9_000, 9_500]);
    }

    #[test]
    fn jumps_that_nothing_has_seen_are_forgotten_and_too_many_make_nothing_older() {
        let mut jumps = Jumps::default();
        for n in 1..=1_000 {
            jumps.add(n * 10, 8, 0);
        }
        assert_eq!(jumps.0.len(), JUMPS_MAX);
        assert_eq!(jumps.by_now(0), 8_000);
        assert_eq!(jumps.by_now(9_995), 9_995 + 8);
        jumps.add(10_010, 8, 9_995);
        assert_eq!(jumps.0, [(10_000, 8), (10_010, 8)]);
    }
}
