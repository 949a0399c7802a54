//! A fleet in a test: entries go in, changes come out.
#![allow(dead_code, clippy::unwrap_used)]

pub mod run;

use tidegate_decode::{DecodeConfig, Decoder};
use tidegate_process::{Condition, Output, Process, ProcessConfig, Rule};
use tidegate_telemetry::record::read_varint;
use tidegate_telemetry::{
    AlertChange, AppliedReading, Availability, Change, Decoded, DeviceState, Entry, Intent, LogEntry, Position,
    Publication, Reason, Severity, Value,
};

/// Where the tests' time begins, Unix ms; a whole second.
pub const T0: i64 = 1_704_723_840_000;

pub struct Fleet {
    pub decoder: Decoder,
    pub process: Process,
    pub position: u64,
    pub output: Output,
}

impl Fleet {
    pub fn new() -> Self {
        Fleet::with(ProcessConfig::default())
    }

    pub fn with(config: ProcessConfig) -> Self {
        Fleet::reading(DecodeConfig::default(), config)
    }

    pub fn reading(decode: DecodeConfig, config: ProcessConfig) -> Self {
        Fleet { decoder: Decoder::new(decode), process: new(config), position: 0, output: Output::default() }
    }

    pub fn with_rule(rule: Rule) -> Self {
        Fleet::with(ProcessConfig { rules: vec![rule], ..ProcessConfig::default() })
    }

    /// Restarts with another configuration: what its rules change.
    pub fn restart(&mut self, config: ProcessConfig) -> Vec<Change> {
        let checkpoint = self.process.checkpoint();
        self.go_on(config, &checkpoint)
    }

    /// As [`Fleet::restart`], from a checkpoint.
    pub fn go_on(&mut self, config: ProcessConfig, checkpoint: &[u8]) -> Vec<Change> {
        self.process = Process::restore(config, checkpoint).unwrap();
        let intents = self.process.rules_to_change(self.process.last_received_ms().unwrap_or(T0));
        intents.into_iter().flat_map(|intent| self.apply(&Entry::Intent(intent)).to_vec()).collect()
    }

    /// Applies an entry; the output is of it alone.
    pub fn apply(&mut self, entry: &Entry) -> &[Change] {
        self.apply_logged(&entry.clone().into())
    }

    /// As [`Fleet::apply`], an entry with which the log says how much time had passed.
    pub fn apply_logged(&mut self, entry: &LogEntry) -> &[Change] {
        self.position += 1;
        self.output.clear();
        let decoded = self.decoder.entry(Position(self.position), &entry.entry);
        self.process.apply(Position(self.position), entry, decoded, &mut self.output);
        &self.output.changes
    }

    /// The publication says that a device is connected or gone.
    pub fn is_said(&mut self, by: &Entry, device: &str, is_connected: bool) -> &[Change] {
        let availability = vec![Availability { device: device.into(), is_connected }];
        self.means(by, Decoded { availability, ..Decoded::default() })
    }

    /// Applies a publication with this meaning.
    pub fn means(&mut self, publication: &Entry, mut decoded: Decoded) -> &[Change] {
        self.position += 1;
        self.output.clear();
        self.process.apply(Position(self.position), &publication.clone().into(), &mut decoded, &mut self.output);
        assert!(decoded.is_empty(), "all of it is taken");
        &self.output.changes
    }

    /// At `received_s` seconds, `device` publishes metrics measured at `time_s` seconds.
    pub fn sends(&mut self, device: &str, received_s: i64, time_s: i64, metrics: &str) -> &[Change] {
        let time_ms = T0 + time_s * 1_000;
        let payload = format!(r#"{{"deviceId":"{device}","timestamp":{time_ms},{metrics}}}"#);
        self.apply(&publication(T0 + received_s * 1_000, "c1", "hall/telemetry", &payload))
    }

    /// As [`Fleet::sends`], a temperature measured as it is sent.
    pub fn feels(&mut self, device: &str, at_s: i64, temperature: f64) -> &[Change] {
        self.sends(device, at_s, at_s, &format!(r#""temperature":{temperature}"#))
    }

    pub fn tick(&mut self, at_s: i64) -> &[Change] {
        self.apply(&Entry::Tick(T0 + at_s * 1_000))
    }

    /// The clock stood at `from_s` seconds, and is set forward; negative: back.
    pub fn set_forward(&mut self, from_s: i64, by_s: i64) -> &[Change] {
        let by_ms = by_s * 1_000;
        self.apply(&Entry::ClockSet { at_ms: T0 + from_s * 1_000 + by_ms, by_ms })
    }

    pub fn acknowledge(&mut self, at_s: i64, alert: &str, by: &str) -> &[Change] {
        let received_ms = T0 + at_s * 1_000;
        self.apply(&Entry::Intent(Intent::AcknowledgeAlert {
            received_ms,
            alert: alert.into(),
            by: by.into(),
            comment: None,
        }))
    }

    pub fn acknowledge_with(&mut self, at_s: i64, alert: &str, by: &str, comment: &str) -> &[Change] {
        let (received_ms, comment) = (T0 + at_s * 1_000, Some(comment.to_owned()));
        let intent = Intent::AcknowledgeAlert { received_ms, alert: alert.into(), by: by.into(), comment };
        self.apply(&Entry::Intent(intent))
    }

    pub fn unacknowledge(&mut self, at_s: i64, alert: &str, by: &str) -> &[Change] {
        let received_ms = T0 + at_s * 1_000;
        self.apply(&Entry::Intent(Intent::UnacknowledgeAlert { received_ms, alert: alert.into(), by: by.into() }))
    }

    /// Writes ticks as they are wanted, up to `until_s`, and returns all they changed.
    pub fn wait(&mut self, until_s: i64) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some(at_ms) = self.process.next_deadline().filter(|&at_ms| at_ms <= T0 + until_s * 1_000) {
            changes.extend_from_slice(self.apply(&Entry::Tick(at_ms)));
        }
        changes
    }

    /// Newest values of a metric in the snapshot, with their times in seconds.
    pub fn latest(&self, metric: &str) -> Vec<(i64, Value)> {
        let snapshot = self.process.snapshot();
        let wanted = snapshot.iter().filter_map(|change| match change {
            Change::Metric { device, metric: index, name, .. } if &**name == metric => Some((*device, *index)),
            _ => None,
        });
        let wanted: Vec<_> = wanted.collect();
        let mut latest = Vec::new();
        for reading in readings(&snapshot) {
            for cell in reading.cells.iter().filter(|cell| wanted.contains(&(reading.device, cell.metric))) {
                latest.push(((reading.time_ms - T0) / 1_000, cell.value.clone()));
            }
        }
        latest
    }

    pub fn reasons(&self) -> Vec<Reason> {
        self.output.problems.iter().map(|problem| problem.reason).collect()
    }
}

/// A fleet that has the rules of its configuration.
pub fn new(config: ProcessConfig) -> Process {
    with_its_rules(Process::new(config))
}

/// A fleet as it is after a restart: with the rules of its configuration, which may have changed.
pub fn restore(config: ProcessConfig, checkpoint: &[u8]) -> Process {
    with_its_rules(Process::restore(config, checkpoint).unwrap())
}

fn with_its_rules(mut process: Process) -> Process {
    let received_ms = process.last_received_ms().unwrap_or(T0);
    for intent in process.rules_to_change(received_ms) {
        let entry = Entry::Intent(intent);
        process.apply(Position(0), &entry.into(), &mut Decoded::default(), &mut Output::default());
    }
    process
}

pub fn publication(received_ms: i64, client: &str, topic: &str, payload: &str) -> Entry {
    Entry::Publication(Publication {
        received_ms,
        client: client.into(),
        ..tidegate_testing::publication(topic, payload)
    })
}

/// The same, by a client that proved to be `principal`, or at `address` that proved nothing.
pub fn by(entry: Entry, principal: &str, address: Option<&str>) -> Entry {
    let Entry::Publication(mut publication) = entry else { panic!("not a publication") };
    publication.principal = principal.into();
    publication.address = address.map(|address| address.parse().unwrap());
    Entry::Publication(publication)
}

pub fn number(value: f64) -> Value {
    Value::Number(value)
}

pub fn readings(changes: &[Change]) -> Vec<&AppliedReading> {
    changes
        .iter()
        .filter_map(|change| if let Change::Reading(reading) = change { Some(reading) } else { None })
        .collect()
}

pub fn alerts(changes: &[Change]) -> Vec<&AlertChange> {
    changes.iter().filter_map(|change| if let Change::Alert(alert) = change { Some(alert) } else { None }).collect()
}

/// State changes, with their times in seconds.
pub fn states(changes: &[Change]) -> Vec<(DeviceState, i64)> {
    let state = |change: &Change| match change {
        Change::State { state, since_ms, .. } => Some((*state, (since_ms - T0) / 1_000)),
        _ => None,
    };
    changes.iter().filter_map(state).collect()
}

pub fn rule(metric: Option<&str>, condition: Condition) -> Rule {
    Rule {
        id: Rule::configured_id("rule"),
        name: "rule".into(),
        severity: Severity::Warning,
        metric: metric.map(Into::into),
        device: None,
        group: None,
        condition,
    }
}

/// The rule by another name, and so another one.
pub fn named(name: &str, rule: Rule) -> Rule {
    Rule { id: Rule::configured_id(name), name: name.into(), ..rule }
}

pub fn above(threshold: f64, hysteresis: f64, for_ms: i64) -> Rule {
    rule(Some("temperature"), Condition::Above { threshold, hysteresis, for_ms })
}

/// A part of a section: its name, its version, its bytes.
pub type Part = (String, u64, Vec<u8>);

/// The parts of a checkpoint after its first byte.
pub fn parts(checkpoint: &[u8]) -> Vec<Part> {
    let (mut rest, mut parts) = (&checkpoint[1..], Vec::new());
    while rest != [0] {
        let (name, after) = rest[1..].split_at(rest[0].into());
        rest = after;
        let version = read_varint(&mut rest).unwrap();
        let length = read_varint(&mut rest).unwrap();
        let (bytes, after) = rest.split_at(length.try_into().unwrap());
        rest = after;
        parts.push((String::from_utf8(name.into()).unwrap(), version, bytes.into()));
    }
    parts
}
