//! The kinds of rules, a file each: when a condition raises, and when what it raised is over. A new kind is its file, its `mod`
//! and its line in [`of`], and a case in [`Condition`] with the words for it.

mod silence;
mod threshold;

use tidegate_telemetry::Condition;

use crate::rules::kind::Kind;

/// What judges a condition.
pub(crate) fn of(condition: &Condition) -> Box<dyn Kind> {
    match *condition {
        Condition::Above { threshold, hysteresis, for_ms } => threshold::above(threshold, hysteresis, for_ms),
        Condition::Below { threshold, hysteresis, for_ms } => threshold::below(threshold, hysteresis, for_ms),
        Condition::NoReading { for_ms } => Box::new(silence::Silence { for_ms }),
    }
}
