//! Rules: which condition on which metric of which devices raises an alert.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::scope::glob_matches;
use crate::severity::Severity;

/// A rule: which condition, on which metric of which devices, raises an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Identifier: the rule is the same for as long as it has it, over restarts too.
    pub id: Arc<str>,
    /// Name for people; its alerts carry it.
    pub name: Arc<str>,
    /// How grave its alerts are.
    pub severity: Severity,
    /// Metric name. `None`: the device as a whole for [`Condition::NoReading`], each of its metrics otherwise.
    pub metric: Option<String>,
    /// Device identifiers it is about; `*` stands for any text, `?` for any character. `None`: all.
    pub device: Option<String>,
    /// Group paths it is about, as `device`. `None`: all.
    pub group: Option<String>,
    /// What must hold.
    pub condition: Condition,
}

/// What the identifiers of the configuration's rules begin with.
const CONFIGURED: &str = "configured/";

impl Rule {
    /// The identifier of a rule of the configuration, where names are unique.
    #[must_use]
    pub fn configured_id(name: &str) -> Arc<str> {
        format!("{CONFIGURED}{name}").into()
    }

    /// Whether it is of the configuration, and goes with it.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.id.starts_with(CONFIGURED)
    }

    /// Whether it is about a device of this identifier and group path.
    #[must_use]
    pub fn selects(&self, id: &str, group: &str) -> bool {
        let is_about =
            |pattern: &Option<String>, text: &str| pattern.as_deref().is_none_or(|pattern| glob_matches(pattern, text));
        is_about(&self.device, id) && is_about(&self.group, group)
    }

    /// The one device whose silence it is about, heard or not.
    #[must_use]
    pub fn awaits(&self) -> Option<&str> {
        self.device.as_deref().filter(|device| self.condition.is_about_silence() && !device.contains(['*', '?']))
    }
}

/// What raises an alert. A new kind is a case here, and the compiler leads to all that has to be said of it.
///
/// Time counts twice, and the first count to reach `for_ms` raises: event time, from the reading that first met the
/// condition to a later one that still does (so a backlog is judged by when it was measured); and received time since
/// that first reading arrived (so a value that stays beyond the threshold raises also when no further reading comes).
/// Late readings and repeated ones neither raise nor clear.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Condition {
    /// The newest value is above `threshold`; over when it is at or below `threshold - hysteresis`.
    Above {
        /// In the metric's unit.
        threshold: f64,
        /// In the metric's unit, at least 0.
        hysteresis: f64,
        /// How long it must hold, ms; 0: at once.
        for_ms: i64,
    },
    /// The newest value is below `threshold`; over when it is at or above `threshold + hysteresis`.
    Below {
        /// In the metric's unit.
        threshold: f64,
        /// In the metric's unit, at least 0.
        hysteresis: f64,
        /// How long it must hold, ms; 0: at once.
        for_ms: i64,
    },
    /// Nothing was received for so long; over with the next reading.
    NoReading {
        /// How long, ms, of received time; more than 0.
        for_ms: i64,
    },
}

impl Condition {
    /// The name of its kind in REST answers and the live protocol.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Condition::Above { .. } => "above",
            Condition::Below { .. } => "below",
            Condition::NoReading { .. } => "no_reading",
        }
    }

    /// Whether it is silence that raises: then no value did, a rule without a metric is about the device as a whole, and a
    /// device that was never heard may be awaited.
    #[must_use]
    pub fn is_about_silence(&self) -> bool {
        matches!(self, Condition::NoReading { .. })
    }

    /// The threshold, in the metric's unit; `None` where it is about no value.
    #[must_use]
    pub fn threshold(&self) -> Option<f64> {
        match *self {
            Condition::Above { threshold, .. } | Condition::Below { threshold, .. } => Some(threshold),
            Condition::NoReading { .. } => None,
        }
    }

    /// How far a value must come back behind the threshold, in the metric's unit; `None` where it is about no value.
    #[must_use]
    pub fn hysteresis(&self) -> Option<f64> {
        match *self {
            Condition::Above { hysteresis, .. } | Condition::Below { hysteresis, .. } => Some(hysteresis),
            Condition::NoReading { .. } => None,
        }
    }

    /// How long it must hold, ms.
    #[must_use]
    pub fn for_ms(&self) -> i64 {
        match *self {
            Condition::Above { for_ms, .. } | Condition::Below { for_ms, .. } | Condition::NoReading { for_ms } => {
                for_ms
            }
        }
    }
}
