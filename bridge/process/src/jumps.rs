//! What checkpoints of before have of a clock that was set.

use serde::{Deserialize, Serialize};

/// When the clock was set (Unix ms, by the new time) and by how much, as programs had it that did not count the time that
/// passed: for ages of times that stayed as they were. Of those none lies after a jump back that it was before.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Jumps(Vec<(i64, i64)>);

impl Jumps {
    /// What the clock of then would have said at `unix_ms`: the difference to then is time that passed.
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
        let jumps = Jumps(vec![(5_000, 4_000), (9_000, 3_000)]);
        let by_now: Vec<i64> = [500, 1_000, 5_000, 6_000, 9_000, 9_500].map(|at_ms| jumps.by_now(at_ms)).into();
        assert_eq!(by_now, [7_500, 8_000, 8_000, 9_000, 9_000, 9_500]);
    }
}
