//! Limits, spans of time and rules, as the configuration says them.
//!
//! - `rules`: alert rules; `metrics`: units and decimals

mod metrics;
mod rules;

use std::collections::HashMap;
use std::time::Duration;

use tidegate_settings::{Reader, section};
use tidegate_telemetry::Rule;

pub use metrics::MetricConfig;

section! {
    /// How processing behaves.
    #[derive(Debug, Clone)]
    pub struct ProcessConfig {
        /// How many commands are remembered, and for how long.
        pub commands: CommandsConfig = CommandsConfig::default(),
        /// Units and decimals beyond, or other than, the well-known ones.
        pub metrics: Vec<MetricConfig> = Vec::new(),
        /// How much of what people say of devices is kept.
        pub register: RegisterConfig = RegisterConfig::default(),
        /// The rules of the configuration; [`crate::Process::rules_to_change`] brings the state to them.
        pub rules: Vec<Rule> = Vec::new(),
    }
    /// Devices, groups and when a device counts as late, asleep or lost.
    [process] {
        /// Most devices; past it those of whoever has most give way that reported once or are lost, else new ones are
        /// refused.
        ///
        /// One gives way only to one of an owner that has less than its part.
        pub devices_max: usize = count(200_000),
        /// Most devices that one MQTT client may bring in.
        pub devices_per_client_max: usize = count(10_000),
        /// Most metrics of one device.
        pub metrics_per_device_max: usize = count(256),
        /// Most groups with devices; devices of further ones count in an ancestor.
        pub groups_max: usize = count(10_000),
        /// Most metric names with aggregates by group; past it those have them that most devices share.
        pub aggregate_metrics_max: usize = count(1_000),
        /// Shortest time between two rounds of aggregates.
        ///
        /// Of received time.
        pub aggregate_interval: Duration = duration(Duration::from_secs(1)),
        /// Changes of states and alerts that time brings about at once; the rest follows, with readings between.
        pub due_per_entry_max: usize = count(256),
        /// A time further ahead than this counts as its receipt.
        pub future_max: Duration = duration(Duration::from_secs(60)),
        /// Interval of a device until its own is learnt.
        pub interval_default: Duration = duration(Duration::from_secs(60)),
        /// Late after so many intervals…
        pub late_after_intervals: u32 = count(3),
        /// …but not before this time.
        pub late_after_min: Duration = duration(Duration::from_secs(10)),
        /// Lost after so many intervals…
        pub lost_after_intervals: u32 = count(10),
        /// …but not before this time.
        pub lost_after_min: Duration = duration(Duration::from_secs(60)),
        /// A device that reports this rarely, or rarer, sleeps between its reports.
        pub sleeper_interval: Duration = duration(Duration::from_secs(120)),
        /// It counts as asleep this long after a report.
        pub asleep_after: Duration = duration(Duration::from_secs(60)),
        /// A lost device is forgotten this long after its last reading; "0 ms": never.
        pub forget_after: Option<Duration> = duration_or_never(None),
        /// QoS 1 messages of a client whose readings have no time that are known when they are sent again…
        pub redelivery_per_client_max: usize = count(1_024),
        /// …and memory for those of all clients; then who sent most is remembered less.
        ///
        /// Those of clients that were quiet for a day go first, then the oldest of the clients that have most.
        pub redelivery_bytes_max: usize = bytes(4 << 20),
        /// Time a cleared alert is remembered…
        ///
        /// Until then it stays in [`crate::Process::snapshot`].
        pub alerts_recent: Duration = duration(Duration::from_secs(3_600)),
        /// …and so many at most, for viewers too.
        pub alerts_recent_max: usize = count(1_000),
    }
    then ProcessConfig::read_on;
}

section! {
    /// Bounds of the commands that are remembered. Those that wait for their device are never forgotten: where only such
    /// are left, a further one is refused. The key of a command is remembered as long as the command.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CommandsConfig {}
    [commands] {
        /// Commands of one device that are remembered; when all of them wait, a further one is answered 409.
        pub per_device_max: usize = count(100),
        /// Commands of all devices that are remembered.
        pub total_max: usize = count(10_000),
        /// Bytes of all of them, payloads and answers included.
        pub bytes_max: usize = bytes(16 * 1024 * 1024),
        /// How long a command, and its key, is remembered.
        pub age_max: Duration = duration(Duration::from_secs(7 * 24 * 3_600)),
    }
}

section! {
    /// Bounds of what people say of devices.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct RegisterConfig {}
    [register] {
        /// Bytes, about, of the names, places, labels and notes that people gave to devices.
        ///
        /// Past it what was said of devices that are gone is forgotten, the longest gone first; then a further name is
        /// answered 409.
        pub bytes_max: usize = bytes(32 << 20),
        /// Devices that are gone of which it is remembered what people said, until they come again.
        pub absent_max: usize = count(10_000),
    }
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
    fn read_on(&mut self, reader: &mut Reader) {
        let sections;
        (self.rules, sections) = rules::rules(reader);
        self.metrics = metrics::metrics(reader);
        self.commands = CommandsConfig::read(reader);
        self.register = RegisterConfig::read(reader);
        for mistake in self.mistakes() {
            let section = mistake.rule.and_then(|rule| sections.get(rule)).map_or("process", String::as_str);
            reader.at(section).wrong_keys(mistake.keys, &mistake.what);
        }
    }

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
        if self.lost_after_min < self.late_after_min {
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
            let mut found = rules::mistakes_of(rule);
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
