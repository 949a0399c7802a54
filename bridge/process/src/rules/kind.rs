//! How rules judge.

use std::fmt::Debug;

use crate::watch::{Standing, Verdict};

/// How rules of one kind judge a metric, or a device as a whole.
///
/// What a kind remembers before it raises is a case of [`Standing`] that no other kind looks at.
pub(crate) trait Kind: Debug + Send {
    /// The metric or device was heard.
    fn heard(&self, standing: &mut Standing, heard: Heard) -> Verdict;

    /// When time alone raises, Unix ms, if nothing is heard before. `heard_ms`: when it was last heard, Unix ms.
    fn due_ms(&self, standing: Standing, heard_ms: i64) -> Option<i64>;

    /// The device says that it has no value just now.
    fn without_value(&self, _standing: &mut Standing) {}

    /// Whether a value is further beyond than the one that was furthest since it raised.
    fn is_further(&self, _value: f64, _furthest: f64) -> bool {
        false
    }

    /// Whether it is the silence that raises: then no value did, and a device that was never heard may be awaited.
    fn is_about_silence(&self) -> bool {
        false
    }
}

/// What was heard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    /// The newest value, if it is a number.
    pub(crate) value: Option<f64>,
    /// Event time, Unix ms.
    pub(crate) time_ms: i64,
    /// Time of receipt, Unix ms.
    pub(crate) received_ms: i64,
}
