//! What processing made of an entry. Views and store know nothing else of the fleet.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::command::{Command, CommandId};
use crate::facts::{DeviceFacts, MetricFacts};
use crate::reading::{DeliveryClass, TimeOrigin, Value};
use crate::register::SaidOfDevice;
use crate::rule::Condition;
use crate::severity::Severity;

/// Dense number of a device, assigned by processing and kept over restarts. After [`Change::Removed`] the number may be
/// another device's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceIndex(pub u32);

impl DeviceIndex {
    /// No device has this number: that of alerts about a device that was never heard.
    pub const NONE: DeviceIndex = DeviceIndex(u32::MAX);
}

/// Dense number of a metric within its device, in order of appearance; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MetricIndex(pub u16);

/// Whether a device is heard of as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceState {
    /// Its last reading is as recent as its interval lets expect.
    Fresh,
    /// A reading is overdue.
    Late,
    /// A device that reports rarely is between two reports, as planned.
    Asleep,
    /// Overdue for so long that somebody should look.
    Lost,
}

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// The condition holds and nobody took it on.
    Raised,
    /// The condition holds and somebody took it on.
    Acknowledged,
    /// The condition no longer holds.
    Cleared,
}

/// One metric of a reading as it was applied.
#[derive(Debug, Clone, PartialEq)]
pub struct AppliedCell {
    /// Which metric of the device.
    pub metric: MetricIndex,
    /// Its value.
    pub value: Value,
    /// Whether it is now the newest value of the metric. `false`: it came late, history only.
    pub latest: bool,
    /// Whether it certainly is a point of its own: nothing came before that it could repeat or take the place of.
    pub is_new: bool,
}

/// A reading as it was applied. Those that repeat what the device last gave for the newest time never get here.
#[derive(Debug, Clone, PartialEq)]
pub struct AppliedReading {
    /// Whose.
    pub device: DeviceIndex,
    /// Event time, Unix ms: the device's own, or the receipt when it sent none or one too far in the future.
    pub time_ms: i64,
    /// Which of the two it is, or neither.
    pub origin: TimeOrigin,
    /// Unix ms of receipt.
    pub received_ms: i64,
    /// What a viewer is promised to see of it.
    pub class: DeliveryClass,
    /// The metrics; at least one.
    pub cells: SmallVec<[AppliedCell; 6]>,
}

/// An alert after it changed; carries all of its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertChange {
    /// Identifier, derived from the log position that raised it: `a-<position>-<n>`.
    pub id: Arc<str>,
    /// Name of the rule.
    pub rule: Arc<str>,
    /// How grave.
    pub severity: Severity,
    /// Full identifier of the device, of which perhaps nothing was heard yet.
    pub device_id: Arc<str>,
    /// The device's group path.
    pub group: Arc<str>,
    /// The metric's name; `None` when the rule is about the device as a whole.
    pub metric: Option<Arc<str>>,
    /// What an older program, which kept no facts, said of it: `Above 8.0 °C for 30 s`. Empty where there are facts.
    #[serde(rename = "text", default)]
    pub words: Arc<str>,
    /// Where it stands now.
    pub state: AlertState,
    /// Value that raised it, or the newest when it cleared; `None` for "no reading".
    pub value: Option<f64>,
    /// Unix ms.
    pub raised_ms: i64,
    /// Unix ms and who.
    pub acknowledged: Option<(i64, Arc<str>)>,
    /// Unix ms.
    pub cleared_ms: Option<i64>,
    /// Value that raised it, also after it cleared. `None` for "no reading", and where an older program wrote it.
    #[serde(default)]
    pub raised_value: Option<f64>,
    /// The value furthest beyond the threshold since it was raised; as `raised_value` where there is none.
    #[serde(default)]
    pub peak: Option<f64>,
    /// What who acknowledged it had to say.
    #[serde(default)]
    pub comment: Option<Arc<str>>,
    /// Unix ms and who, where an acknowledgement was taken back and none came since.
    #[serde(default)]
    pub unacknowledged: Option<(i64, Arc<str>)>,
    /// What held. `None` where an older program wrote it, which kept no more than its words.
    #[serde(default)]
    pub condition: Option<Condition>,
    /// Unit of its threshold and values, for people: `°C`.
    #[serde(default)]
    pub unit: Option<Arc<str>>,
    /// Decimals to show of its threshold.
    #[serde(default)]
    pub decimals: Option<u8>,
}

/// The facts of an alert's rule, as they are shown beside its words; each is absent where there is none, and all but the unit
/// where an older program raised it, which kept no more than the words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertFacts {
    /// The kind of its condition.
    pub condition: Option<&'static str>,
    /// The threshold, where it is about one.
    pub threshold: Option<f64>,
    /// How long it had to hold, ms.
    pub for_ms: Option<i64>,
    /// Unit of the threshold and of the values.
    pub unit: Option<Arc<str>>,
}

impl AlertChange {
    /// The facts of its rule.
    #[must_use]
    pub fn facts(&self) -> AlertFacts {
        AlertFacts {
            condition: self.condition.as_ref().map(Condition::name),
            threshold: self.condition.and_then(|condition| condition.threshold()),
            for_ms: self.condition.map(|condition| condition.for_ms()),
            unit: self.unit(),
        }
    }

    /// The value that cleared it; `None` while it holds, and where it ended for another reason than a value.
    #[must_use]
    pub fn cleared_value(&self) -> Option<f64> {
        self.value.filter(|_| self.state == AlertState::Cleared)
    }

    /// The unit of its values. An older program kept it in its words alone: behind the number, before the span.
    #[must_use]
    pub fn unit(&self) -> Option<Arc<str>> {
        let in_words = |words: &str| -> Option<Arc<str>> {
            let number = words.strip_prefix("Above ").or_else(|| words.strip_prefix("Below "))?;
            let number = number.split(" for ").next()?;
            let unit = number.trim_start_matches(|it: char| it.is_ascii_digit() || matches!(it, '-' | '.')).trim();
            (!unit.is_empty()).then(|| unit.into())
        };
        self.unit.clone().or_else(|| in_words(&self.words))
    }

    /// When it came to stand as it does, Unix ms.
    #[must_use]
    pub fn changed_ms(&self) -> i64 {
        let by_a_person = |step: &Option<(i64, Arc<str>)>| step.as_ref().map(|(at_ms, _)| *at_ms);
        let changed_ms = match self.state {
            AlertState::Raised => by_a_person(&self.unacknowledged),
            AlertState::Acknowledged => by_a_person(&self.acknowledged),
            AlertState::Cleared => self.cleared_ms,
        };
        changed_ms.unwrap_or(self.raised_ms)
    }
}

/// Number of devices of a group, by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StateCounts {
    /// Heard of as expected.
    pub fresh: u32,
    /// Overdue.
    pub late: u32,
    /// Between two planned reports.
    pub asleep: u32,
    /// Overdue for long.
    pub lost: u32,
}

/// Number of devices of a group that have an alert, by the gravest that holds on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InAlert {
    /// With a critical one.
    pub critical: u32,
    /// With a warning and nothing graver.
    pub warning: u32,
    /// With nothing graver than an information.
    pub info: u32,
}

impl InAlert {
    /// The count of a severity.
    pub fn of(&mut self, severity: Severity) -> &mut u32 {
        match severity {
            Severity::Critical => &mut self.critical,
            Severity::Warning => &mut self.warning,
            Severity::Info => &mut self.info,
        }
    }

    /// Adds those of another group.
    pub fn add(&mut self, other: InAlert) {
        self.critical += other.critical;
        self.warning += other.warning;
        self.info += other.info;
    }
}

/// Aggregate of the newest values of one metric over a group and everything below it. Merges by field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AggregateChange {
    /// Group path; empty for the whole fleet.
    pub group: Arc<str>,
    /// Metric name.
    pub metric: Arc<str>,
    /// Devices whose newest value is in the figures (fresh or asleep as planned).
    pub count: u32,
    /// Devices of the group that have the metric at all: `count` of `devices` is the coverage.
    pub devices: u32,
    /// Sum of the values in the figures; beyond binary64 it is infinite or not a number.
    pub sum: f64,
    /// Smallest; meaningless when `count` is 0.
    pub min: f64,
    /// Largest; meaningless when `count` is 0.
    pub max: f64,
    /// Event time (Unix ms) of the oldest value in the figures; `None` when `count` is 0.
    pub oldest_ms: Option<i64>,
    /// Full identifier of the device that has the smallest; of several one of them. `None` when `count` is 0.
    pub min_device: Option<Arc<str>>,
    /// Full identifier of the device that has the largest, as `min_device`.
    pub max_device: Option<Arc<str>>,
}

impl AggregateChange {
    /// The arithmetic mean; `None` when `count` is 0.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| tidegate_buckets::mean(self.sum, f64::from(self.count), (self.min, self.max)))
    }
}

/// One change of the fleet's state, in the order it happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A device appeared, or moved to another group.
    Device {
        /// Its number.
        device: DeviceIndex,
        /// Its full identifier.
        id: Arc<str>,
        /// Its group path.
        group: Arc<str>,
    },
    /// A device has a metric that it did not have before, or its unit or decimals are others now.
    Metric {
        /// Whose.
        device: DeviceIndex,
        /// Its number within the device.
        metric: MetricIndex,
        /// Its name.
        name: Arc<str>,
        /// Unit for people: `°C`.
        unit: Option<Arc<str>>,
        /// Whether the unit is guessed from the name: nobody has said it.
        guessed: bool,
        /// Decimals to show.
        decimals: Option<u8>,
    },
    /// What is known of a device besides its values is otherwise now.
    Facts {
        /// Whose.
        device: DeviceIndex,
        /// All that is known.
        facts: Arc<DeviceFacts>,
    },
    /// What people say of a device is otherwise now.
    Said {
        /// Of which.
        device: DeviceIndex,
        /// All that is said, by whom and when.
        said: Arc<SaidOfDevice>,
    },
    /// What is known of a metric besides its values is otherwise now. Its unit and decimals as they are shown are told besides.
    MetricFacts {
        /// Whose.
        device: DeviceIndex,
        /// Which.
        metric: MetricIndex,
        /// All that is known.
        facts: Arc<MetricFacts>,
    },
    /// A reading was applied.
    Reading(AppliedReading),
    /// A device is now fresh, late, asleep or lost.
    State {
        /// Whose.
        device: DeviceIndex,
        /// The new state.
        state: DeviceState,
        /// Since when, Unix ms.
        since_ms: i64,
    },
    /// A group's aggregate moved.
    Aggregate(AggregateChange),
    /// A group's devices by state, itself and everything below it.
    States {
        /// Group path; empty for the whole fleet.
        group: Arc<str>,
        /// The counts.
        counts: StateCounts,
        /// Those of them that have an alert.
        in_alert: InAlert,
    },
    /// An alert was raised, acknowledged or cleared, or an acknowledgement was taken back.
    Alert(AlertChange),
    /// An alert that holds went further beyond its threshold: it has another peak, and is otherwise as it was.
    AlertPeak(AlertChange),
    /// A command was accepted, or came further.
    Command(Arc<Command>),
    /// A command was forgotten.
    CommandForgotten(CommandId),
    /// A device was forgotten.
    Removed {
        /// Which.
        device: DeviceIndex,
    },
    /// All there ever was of a device is to be gone: its readings, its alerts, its name. What comes of it later is of another one.
    Erased {
        /// Its full identifier.
        device: Arc<str>,
        /// When that was wished, Unix ms.
        at_ms: i64,
    },
}

impl Change {
    /// The group whose figures it tells.
    #[must_use]
    pub fn group(&self) -> Option<&Arc<str>> {
        match self {
            Change::Aggregate(aggregate) => Some(&aggregate.group),
            Change::States { group, .. } => Some(group),
            _ => None,
        }
    }
}
