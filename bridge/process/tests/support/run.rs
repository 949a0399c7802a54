//! A fleet with all kinds of rules and little room, entry by entry.
#![allow(dead_code)]

use std::time::Duration;

use tidegate_decode::{DecodeConfig, Decoder};
use tidegate_process::{CommandsConfig, Condition, Output, Process, ProcessConfig, Rule};
use tidegate_telemetry::{AggregateChange, AlertChange, Change, CommandRequest, Entry, InAlert, Position, Qos, words};

use super::{above, named, rule};

pub fn config() -> ProcessConfig {
    ProcessConfig {
        devices_max: 6,
        metrics_per_device_max: 4,
        groups_max: 4,
        aggregate_metrics_max: 2,
        late_after_intervals: 2,
        lost_after_intervals: 6,
        forget_after: Some(Duration::from_secs(500)),
        alerts_recent_max: 3,
        commands: CommandsConfig {
            per_device_max: 3,
            total_max: 6,
            bytes_max: 3_000,
            age_max: Duration::from_secs(600),
        },
        redelivery_per_client_max: 8,
        redelivery_bytes_max: 350,
        rules: vec![
            named("at once", above(3.0, 1.0, 0)),
            named("lasting", above(2.0, 0.0, 20_000)),
            named("silent", rule(None, Condition::NoReading { for_ms: 45_000 })),
            named("metric silent", rule(Some("b"), Condition::NoReading { for_ms: 90_000 })),
            Rule {
                device: Some("d8".into()),
                ..named("missed", rule(Some("b"), Condition::NoReading { for_ms: 70_000 }))
            },
            Rule {
                group: Some("A*".into()),
                ..named("any low", rule(None, Condition::Below { threshold: 1.0, hysteresis: 0.5, for_ms: 5_000 }))
            },
        ],
        ..ProcessConfig::default()
    }
}

pub fn request(device: u8, key: u8, expires_in_s: u32) -> CommandRequest {
    CommandRequest {
        device: format!("d{device}").into(),
        topic: format!("d{device}/command").into(),
        payload: "on".into(),
        content_type: None,
        qos: if device == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce },
        response_topic: format!("d{device}/response").into(),
        expires_in_s,
        key: (key > 0).then(|| format!("k{key}").into()),
    }
}

pub fn apply(process: &mut Process, place: usize, entry: &Entry) -> Output {
    let (position, mut output) = (Position(place as u64 + 1), Output::default());
    let mut decoder = Decoder::new(DecodeConfig::default());
    process.apply(position, &entry.clone().into(), decoder.entry(position, entry), &mut output);
    output
}

/// The snapshot without what only the next round after an upgrade finds: whose the extremes are, and who is in alert.
pub fn as_then(process: &Process) -> Vec<Change> {
    let then = |change| match change {
        Change::Aggregate(of) => Change::Aggregate(AggregateChange { min_device: None, max_device: None, ..of }),
        Change::States { group, counts, .. } => Change::States { group, counts, in_alert: InAlert::default() },
        other => other,
    };
    told(process.changes()).into_iter().map(then).collect()
}

/// Changes with alerts in words, as all are that a program of before raised.
pub fn told(changes: impl IntoIterator<Item = Change>) -> Vec<Change> {
    let in_words = |alert: AlertChange| AlertChange {
        words: words::of_alert(&alert).into(),
        condition: None,
        unit: None,
        decimals: None,
        ..alert
    };
    let told = changes.into_iter().map(|change| match change {
        Change::Alert(alert) => Change::Alert(in_words(alert)),
        Change::AlertPeak(alert) => Change::AlertPeak(in_words(alert)),
        other => other,
    });
    told.collect()
}
