use serde::{Deserialize, Serialize};
use tidegate_telemetry::MetricIndex;

use crate::alerts::AlertKey;
use crate::config::Condition;

/// Where one rule stands on one device or metric.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Watch {
    /// Number of the rule.
    pub(crate) rule: u16,
    /// `None`: the device as a whole.
    pub(crate) metric: Option<MetricIndex>,
    pub(crate) standing: Standing,
    /// When it is looked at again, at or before it is due; follows from the rest.
    #[serde(skip)]
    pub(crate) wake_ms: Option<i64>,
    /// The newest value of its metric is a text; follows from the rest.
    #[serde(skip)]
    pub(crate) is_text: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Standing {
    /// The condition does not hold.
    Quiet,
    /// It holds, but not for long enough: since when by event time, and when it will have by received time.
    Pending { since_ms: i64, due_ms: i64 },
    /// There is an alert.
    Active(AlertKey),
}

/// What a watch makes of news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Nothing,
    Raise,
    Clear(AlertKey),
}

impl Watch {
    pub(crate) fn new(rule: u16, metric: Option<MetricIndex>) -> Self {
        Watch { rule, metric, standing: Standing::Quiet, wake_ms: None, is_text: false }
    }

    /// What it is a watch of; watches of a device stand in this order.
    pub(crate) fn key(&self) -> (u16, Option<MetricIndex>) {
        (self.rule, self.metric)
    }

    /// Its alert, while there is one.
    pub(crate) fn alert(&self) -> Option<AlertKey> {
        match self.standing {
            Standing::Active(alert) => Some(alert),
            _ => None,
        }
    }

    /// Its alert is not known any more.
    pub(crate) fn forget_alert(&mut self) {
        if self.alert().is_some() {
            self.standing = Standing::Quiet;
        }
    }

    /// When time alone may change something, if nothing else does.
    pub(crate) fn due_ms(&self, condition: &Condition, heard_ms: i64) -> Option<i64> {
        match (self.standing, condition) {
            (Standing::Pending { due_ms, .. }, _) => Some(due_ms),
            (Standing::Quiet, Condition::NoReading { for_ms }) => Some(heard_ms.saturating_add(*for_ms)),
            _ => None,
        }
    }

    /// The clock was set.
    pub(crate) fn set_clock(&mut self, by_ms: i64) {
        if let Standing::Pending { since_ms, due_ms } = &mut self.standing {
            // Times that follow may be of the clock that was set or of the device's own: by the latter it is due late.
            *since_ms = since_ms.saturating_add(by_ms);
            *due_ms = due_ms.saturating_add(by_ms);
        }
        self.wake_ms = None;
    }

    /// There is no value just now: a condition that held does not hold any more.
    pub(crate) fn hold_off(&mut self) {
        if let Standing::Pending { .. } = self.standing {
            self.standing = Standing::Quiet;
        }
    }

    /// The device or metric was heard; `value` is the new latest, if it has one that is a number.
    pub(crate) fn heard(
        &mut self,
        condition: &Condition,
        value: Option<f64>,
        time_ms: i64,
        received_ms: i64,
    ) -> Verdict {
        let (beyond, over, for_ms) = match (*condition, value) {
            (Condition::NoReading { .. }, _) => (false, true, 0),
            (_, None) => return Verdict::Nothing,
            (Condition::Above { threshold, hysteresis, for_ms }, Some(value)) => {
                (value > threshold, value <= threshold - hysteresis, for_ms)
            }
            (Condition::Below { threshold, hysteresis, for_ms }, Some(value)) => {
                (value < threshold, value >= threshold + hysteresis, for_ms)
            }
        };
        match self.standing {
            Standing::Active(alert) if over => {
                self.standing = Standing::Quiet;
                Verdict::Clear(alert)
            }
            Standing::Active(_) => Verdict::Nothing,
            _ if !beyond => {
                self.standing = Standing::Quiet;
                Verdict::Nothing
            }
            Standing::Pending { since_ms, .. } if time_ms - since_ms < for_ms => Verdict::Nothing,
            Standing::Quiet if for_ms > 0 => {
                self.standing = Standing::Pending { since_ms: time_ms, due_ms: received_ms.saturating_add(for_ms) };
                Verdict::Nothing
            }
            _ => Verdict::Raise,
        }
    }
}
