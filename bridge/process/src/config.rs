//! Limits, spans of time and rules.

use std::collections::HashMap;

use tidegate_telemetry::{Condition, Rule};

use crate::conversion::Conversion;

/// How processing behaves. Spans are milliseconds.
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    /// Most devices. Past it one that reported once or is lost gives way, of whoever has most, to one of an owner that has
    /// less than its part; else the new one is refused.
    pub devices_max: usize,
    /// Most devices that one MQTT client may bring in.
    pub devices_per_client_max: usize,
    /// Most metrics of one device.
    pub metrics_per_device_max: usize,
    /// Most groups; devices of further ones count in the nearest ancestor that exists.
    pub groups_max: usize,
    /// Most metric names with aggregates; past it those have them that most devices share.
    pub aggregate_metrics_max: usize,
    /// Shortest span between two rounds of aggregates, of received time.
    pub aggregate_interval_ms: i64,
    /// Changes that time alone brings about, of states and alerts, with one entry at most; the rest with the next ones.
    pub due_per_entry_max: usize,
    /// A reading whose time is further ahead of its receipt than this ranks by its receipt.
    pub future_max_ms: i64,
    /// Interval of a device of which too few readings are known.
    pub interval_default_ms: i64,
    /// A device is late after so many of its intervals without a reading ...
    pub late_after_intervals: u32,
    /// ... but not before this span.
    pub late_after_min_ms: i64,
    /// A device is lost after so many of its intervals without a reading ...
    pub lost_after_intervals: u32,
    /// ... but not before this span.
    pub lost_after_min_ms: i64,
    /// A device with an interval at least this long sleeps between its reports.
    pub sleeper_interval_ms: i64,
    /// A sleeper counts as asleep this long after its report.
    pub asleep_after_ms: i64,
    /// A lost device is forgotten this long after its last reading; `None`: never.
    pub forget_after_ms: Option<i64>,
    /// Messages of one client that are known when they are sent again ...
    pub redelivery_per_client_max: usize,
    /// ... and bytes of those of all clients; past it those of clients that were quiet for a day go first, then the
    /// oldest of the clients that have most.
    pub redelivery_bytes_max: usize,
    /// Cleared alerts stay in [`crate::Process::snapshot`] this long ...
    pub alerts_recent_ms: i64,
    /// ... and so many at most.
    pub alerts_recent_max: usize,
    /// How many commands are remembered, and for how long.
    pub commands: CommandsConfig,
    /// Units and decimals beyond, or other than, the well-known ones.
    pub metrics: Vec<MetricConfig>,
    /// The rules of the configuration; [`crate::Process::rules_to_change`] brings the state to them.
    pub rules: Vec<Rule>,
}

impl Default for ProcessConfig {
    fn default() -> Self {
        ProcessConfig {
            devices_max: 200_000,
            devices_per_client_max: 10_000,
            metrics_per_device_max: 256,
            groups_max: 10_000,
            aggregate_metrics_max: 1_000,
            aggregate_interval_ms: 1_000,
            due_per_entry_max: 256,
            future_max_ms: 60_000,
            interval_default_ms: 60_000,
            late_after_intervals: 3,
            late_after_min_ms: 10_000,
            lost_after_intervals: 10,
            lost_after_min_ms: 60_000,
            sleeper_interval_ms: 120_000,
            asleep_after_ms: 60_000,
            forget_after_ms: None,
            redelivery_per_client_max: 1_024,
            redelivery_bytes_max: 4 << 20,
            alerts_recent_ms: 3_600_000,
            alerts_recent_max: 1_000,
            commands: CommandsConfig::default(),
            metrics: Vec::new(),
            rules: Vec::new(),
        }
    }
}

/// Bounds of the commands that are remembered. Those that wait for their device are never forgotten: where only such
/// are left, a further one is refused. The key of a command is remembered as long as the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandsConfig {
    /// Most commands of one device.
    pub per_device_max: usize,
    /// Most commands of all devices together ...
    pub total_max: usize,
    /// ... and most bytes of them, payloads and answers included.
    pub bytes_max: usize,
    /// How long a command is remembered.
    pub age_max_ms: i64,
}

impl Default for CommandsConfig {
    fn default() -> Self {
        CommandsConfig {
            per_device_max: 100,
            total_max: 10_000,
            bytes_max: 16 * 1024 * 1024,
            age_max_ms: 7 * 24 * 3_600_000,
        }
    }
}

/// Unit and decimals of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricConfig {
    /// Metric name, in full (`env.temperature`).
    pub name: String,
    /// Unit for people: `°C`; an empty one: it has none. `None`: what its name suggests.
    pub unit: Option<String>,
    /// Decimals to show; learnt from the values when absent.
    pub decimals: Option<u8>,
    /// From what devices send to what is kept, shown and compared with rules. `None`: they send that.
    pub conversion: Option<Conversion>,
    /// The same for devices whose full identifier a pattern matches; the first that does decides.
    pub by_device: Vec<(String, Conversion)>,
}

/// Something that cannot be meant so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Number of the rule it is about; `None`: processing as a whole.
    pub rule: Option<usize>,
    /// Keys that may be wrong: what is written there is what to look at.
    pub keys: &'static [&'static str],
    /// What is wrong and what would be right.
    pub what: String,
}

impl ProcessConfig {
    /// Every mistake in it.
    #[must_use]
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes_of_rules();
        let mut say = |keys: &'static [&'static str], what: String| mistakes.push(Mistake { rule: None, keys, what });
        for (key, max) in [
            (&["metrics_per_device_max"], self.metrics_per_device_max),
            (&["aggregate_metrics_max"], self.aggregate_metrics_max),
        ] {
            if max > METRICS_MAX {
                say(key, format!("is {max}, it must be at most {METRICS_MAX}"));
            }
        }
        if self.late_after_intervals < 1 {
            say(&["late_after_intervals"], "must be at least 1".to_owned());
        }
        if self.lost_after_intervals < self.late_after_intervals {
            say(&["lost_after_intervals", "late_after_intervals"], BEFORE_LATE.to_owned());
        }
        if self.due_per_entry_max == 0 {
            say(&["due_per_entry_max"], "must be at least 1: else time would bring nothing about".to_owned());
        }
        if self.lost_after_min_ms < self.late_after_min_ms {
            say(&["lost_after_min", "late_after_min"], BEFORE_LATE.to_owned());
        }
        mistakes
    }

    fn mistakes_of_rules(&self) -> Vec<Mistake> {
        let mut named: HashMap<&str, usize> = HashMap::new();
        for rule in &self.rules {
            *named.entry(&rule.name).or_default() += 1;
        }
        let mut mistakes = Vec::new();
        for (number, rule) in self.rules.iter().enumerate() {
            let mut found = mistakes_of(rule);
            if named[&*rule.name] > 1 {
                found
                    .push((&["name"], format!("several rules are named {:?}: give each a name of its own", rule.name)));
            }
            mistakes.extend(found.into_iter().map(|(keys, what)| Mistake { rule: Some(number), keys, what }));
        }
        if self.rules.len() > RULES_MAX {
            let what = format!("more than {RULES_MAX} rules: use wildcards in `device` and `group` to join some");
            mistakes.push(Mistake { rule: Some(RULES_MAX), keys: &["name"], what });
        }
        mistakes
    }
}

const BEFORE_LATE: &str = "a device must not be lost before it is late: lost_after_… must be at least late_after_…";
/// Metrics are numbered in 16 bits.
const METRICS_MAX: usize = u16::MAX as usize;
/// Rules are, too.
const RULES_MAX: usize = 10_000;

/// What of a rule cannot be meant so, with the keys that say it.
fn mistakes_of(rule: &Rule) -> Vec<(&'static [&'static str], String)> {
    let mut mistakes: Vec<(&'static [&'static str], String)> = Vec::new();
    let mut say = |keys: &'static [&'static str], what: &str| mistakes.push((keys, what.to_owned()));
    if rule.name.is_empty() {
        say(&["name"], "a rule needs a name");
    }
    match rule.condition {
        Condition::Above { threshold, hysteresis, for_ms } | Condition::Below { threshold, hysteresis, for_ms } => {
            if !threshold.is_finite() {
                say(&["above", "below"], "the threshold must be a finite number");
            }
            if !hysteresis.is_finite() || hysteresis < 0.0 {
                say(&["hysteresis"], "must be 0 or more");
            }
            if for_ms < 0 {
                say(&["for"], "must be 0 or more");
            }
        }
        Condition::NoReading { for_ms } => {
            if for_ms <= 0 {
                say(&["no_reading_for"], "must be more than 0");
            }
        }
    }
    mistakes
}
