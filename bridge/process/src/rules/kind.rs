//! The trait of a kind of rules: what it makes of a reading, and when time alone raises.

use std::fmt::Debug;

use crate::rule_state::{RulePhase, Verdict};
use crate::time::Moment;

/// How rules of one kind judge a metric, or a device as a whole.
///
/// What a kind remembers before it raises is a case of [`RulePhase`] that no other kind looks at.
pub(crate) trait Kind: Debug + Send {
    /// The metric or device was heard.
    fn heard(&self, phase: &mut RulePhase, heard: Heard) -> Verdict;

    /// When time alone raises, if nothing is heard before. `heard`: when it was last heard.
    fn due(&self, phase: RulePhase, heard: Moment) -> Option<Moment>;

    /// The device says that it has no value just now.
    fn without_value(&self, _phase: &mut RulePhase) {}

    /// Whether a value is further beyond than the one that was furthest since it raised.
    fn is_further(&self, _value: f64, _furthest: f64) -> bool {
        false
    }
}

/// What was heard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    /// The newest value, if it is a number.
    pub(crate) value: Option<f64>,
    /// Event time, ms, on the scale of what lasts ([`Ranked::lasting_ms`](crate::device_clock::Ranked::lasting_ms)).
    pub(crate) time_ms: i64,
    /// When it was received.
    pub(crate) at: Moment,
}
