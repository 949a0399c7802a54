//! What a reading costs: 10,000 devices in 200 groups, five metrics a reading, 2,000 readings a second of received
//! time, rules and aggregates on. `cargo run --release -p tidegate-process --example process_cost [DEVICES]`
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use tidegate_decode::{DecodeConfig, Decoder};
use tidegate_process::{Condition, Output, Process, ProcessConfig, Rule};
use tidegate_telemetry::{Decoded, Entry, LogEntry, Position, Publication, Severity};
use tidegate_testing::publication;

const READINGS: usize = 200_000;
const T0: i64 = 1_704_723_840_000;

fn main() {
    let devices = std::env::args().nth(1).map_or(10_000, |devices| devices.parse().unwrap());
    let entries: Vec<LogEntry> = (0..READINGS).map(|n| entry(n, devices).into()).collect();

    let mut decoder = Decoder::new(DecodeConfig::default());
    let started = Instant::now();
    for entry in &entries {
        assert_eq!(decoder.entry(Position(1), &entry.entry).rejection, None);
    }
    report("decode", started);

    let above = Condition::Above { threshold: 40.0, hysteresis: 1.0, for_ms: 30_000 };
    let rule = |name: &str, metric: Option<&str>, condition| Rule {
        id: Rule::configured_id(name),
        name: name.into(),
        severity: Severity::Warning,
        metric: metric.map(Into::into),
        device: None,
        group: None,
        condition,
    };
    let rules =
        vec![rule("hot", Some("temperature"), above), rule("silent", None, Condition::NoReading { for_ms: 60_000 })];
    let mut process = Process::new(ProcessConfig { rules, ..ProcessConfig::default() });
    let mut output = Output::default();
    for intent in process.rules_to_change(T0) {
        process.apply(Position(0), &Entry::Intent(intent).into(), &mut Decoded::default(), &mut output);
    }
    let started = Instant::now();
    let mut changes = 0;
    for (place, entry) in entries.iter().enumerate() {
        output.clear();
        let position = Position(place as u64 + 1);
        process.apply(position, entry, decoder.entry(position, &entry.entry), &mut output);
        changes += output.changes.len();
    }
    report("decode and apply", started);
    println!("{:.2} changes a reading", changes as f64 / READINGS as f64);

    let started = Instant::now();
    let frozen = process.freeze();
    println!("frozen for a checkpoint in {:.3} ms", started.elapsed().as_secs_f64() * 1e3);
    let started = Instant::now();
    for (place, entry) in entries.iter().enumerate().take(READINGS / 10) {
        output.clear();
        let position = Position((READINGS + place) as u64 + 1);
        process.apply(position, entry, decoder.entry(position, &entry.entry), &mut output);
    }
    let each_us = started.elapsed().as_secs_f64() * 1e7 / READINGS as f64;
    println!("decode and apply while it lives: {each_us:.2} us a reading");
    let started = Instant::now();
    let checkpoint = frozen.to_bytes();
    println!("checkpoint: {} bytes in {:.1} ms", checkpoint.len(), started.elapsed().as_secs_f64() * 1e3);
    let started = Instant::now();
    let restored = Process::restore(ProcessConfig::default(), &checkpoint).unwrap();
    println!("restore of {} devices: {:.1} ms", restored.devices(), started.elapsed().as_secs_f64() * 1e3);
}

fn entry(n: usize, devices: usize) -> Entry {
    let device = n % devices;
    let received_ms = T0 + n as i64 / 2;
    let x = (n % 97) as f64 / 10.0;
    let payload = format!(
        concat!(
            r#"{{"deviceId":"sensor_{:05}","temperature":{:.1},"humidity":{:.1},"pressure":{:.2},"#,
            r#""battery":{},"co2":{},"timestamp":{},"location":"Building {}, Floor {}"}}"#
        ),
        device,
        20.0 + x,
        40.0 + x,
        1_000.25 + x,
        n % 100,
        400 + n % 300,
        received_ms - 20,
        device % 20,
        device / 20 % 10,
    );
    let topic = format!("sensors/sensor_{device:05}/telemetry");
    let publication = publication(&topic, payload);
    Entry::Publication(Publication { received_ms, client: format!("client_{device}"), ..publication })
}

fn report(what: &str, started: Instant) {
    println!("{what}: {:.2} us a reading", started.elapsed().as_secs_f64() * 1e6 / READINGS as f64);
}
