//! What a publication means once decoded.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::publication::Qos;

/// A measured or reported value.
///
/// Numbers are IEEE 754 binary64, the range JSON interoperates on (RFC 8259 section 6). NaN and infinities never
/// get here: `decode` refuses them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A number; finite.
    Number(f64),
    /// On or off.
    Bool(bool),
    /// A word such as `ON` or `heating`.
    Text(Arc<str>),
}

impl Value {
    /// The number that history and charts keep: numbers as they are, `true` as 1, `false` as 0, text not at all.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Bool(on) => Some(f64::from(u8::from(*on))),
            Value::Text(_) => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => number.fmt(f),
            Value::Bool(on) => on.fmt(f),
            Value::Text(text) => text.fmt(f),
        }
    }
}

/// How much of a stream of changes a viewer is promised to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryClass {
    /// The newest value only (QoS 0).
    Latest,
    /// The newest value with count, minimum and maximum of what lay between (QoS 1).
    Envelope,
    /// Each one, in order (QoS 2).
    Every,
}

impl From<Qos> for DeliveryClass {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => DeliveryClass::Latest,
            Qos::AtLeastOnce => DeliveryClass::Envelope,
            Qos::ExactlyOnce => DeliveryClass::Every,
        }
    }
}

/// Whose the time of a reading is. That decides what a second one with the same time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TimeOrigin {
    /// The receipt: every reading is a point of its own, however fast they come.
    Receipt,
    /// The device: the same time and value is the same reading come again, another value is another point.
    Device,
    /// A device that corrects itself: whatever it said of that time before is replaced.
    Correction,
    /// Whoever brought it of before: it is a point where history has none of the same time and value, whatever its origin.
    Imported,
    /// Nobody's: a broker had kept the value, and when it was measured is not known. The time is that at which it was handed
    /// over, and history does not have it.
    Before,
}

/// What one device said about one instant: one or more metrics with a common time.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Full device identifier: the payload's own, else the topic path above the metric.
    pub device: Arc<str>,
    /// Group path, levels joined by `/`, empty for none: `Building A/Floor 3`.
    pub group: Arc<str>,
    /// Unix ms by the device's clock; `None` when it sent no time.
    pub time_ms: Option<i64>,
    /// Whether it takes the place of what its source said of the same time before ([`TimeOrigin::Correction`]).
    pub corrects: bool,
    /// Metric names (nested objects flattened with dots) and values, in the order sent, each name once.
    pub metrics: SmallVec<[(Arc<str>, Value); 6]>,
    /// Metrics it named and had no value for (`null`, `unavailable`), in the order sent.
    pub without_value: Vec<Arc<str>>,
}
