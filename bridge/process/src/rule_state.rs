//! What a rule knows of one device or metric: whether its condition holds, since when, and which alert it raised.

use serde::{Deserialize, Serialize};
use tidegate_telemetry::MetricIndex;

use crate::alerts::AlertKey;
use crate::time::Moment;

/// Where one rule stands on one device or metric.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RuleState {
    /// Number of the rule.
    pub(crate) rule: u16,
    /// `None`: the device as a whole.
    pub(crate) metric: Option<MetricIndex>,
    pub(crate) phase: RulePhase,
    /// When it is looked at again, at or before it is due; follows from the rest.
    #[serde(skip)]
    pub(crate) wake: Option<Moment>,
    /// The newest value of its metric is a text; follows from the rest.
    #[serde(skip)]
    pub(crate) is_text: bool,
}

/// From a condition that does not hold to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RulePhase {
    /// The condition does not hold.
    Inactive,
    /// It holds, but not for long enough.
    Pending(Pending),
    /// There is an alert.
    Active(AlertKey),
}

/// The condition holds, but not for long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// Since when, by event time ([`Ranked::lasting_ms`](crate::device_clock::Ranked::lasting_ms)).
    pub(crate) since_ms: i64,
    /// When it will have held for long enough if nothing is heard.
    pub(crate) due: Moment,
}

/// What follows from news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Nothing,
    Raise,
    Clear(AlertKey),
}

impl RuleState {
    pub(crate) fn new(rule: u16, metric: Option<MetricIndex>) -> Self {
        RuleState { rule, metric, phase: RulePhase::Inactive, wake: None, is_text: false }
    }

    /// Rule and metric; the rule states of a device stand in this order.
    pub(crate) fn key(&self) -> (u16, Option<MetricIndex>) {
        (self.rule, self.metric)
    }

    /// Its alert, while there is one.
    pub(crate) fn alert(&self) -> Option<AlertKey> {
        match self.phase {
            RulePhase::Active(alert) => Some(alert),
            _ => None,
        }
    }

    /// Its alert is not known any more.
    pub(crate) fn forget_alert(&mut self) {
        if self.alert().is_some() {
            self.phase = RulePhase::Inactive;
        }
    }
}
