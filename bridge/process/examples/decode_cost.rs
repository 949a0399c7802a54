//! CPU time of decoding and applying JSON readings of 5, 50 and 200 metrics: 1,000 devices, seven runs each, the fastest
//! counts. `cargo run --release --workspace --example decode_cost`
#![allow(clippy::unwrap_used)]

use tidegate_decode::{DecodeConfig, Decoder};
use tidegate_process::{Output, Process, ProcessConfig};
use tidegate_telemetry::{Entry, LogEntry, Position, Publication};
use tidegate_testing::{cpu_ns, publication};

const DEVICES: usize = 1_000;
const RUNS: usize = 7;
/// Metrics of all readings of a run together.
const METRICS: usize = 400_000;

fn main() {
    for metrics in [5, 50, 200] {
        let entries: Vec<LogEntry> = (0..METRICS / metrics).map(|n| entry(n, metrics).into()).collect();
        let fastest_ns = (0..RUNS).map(|_| run_ns(&entries)).min().unwrap();
        println!("{metrics} metrics: {:.2} us a publication", fastest_ns as f64 / 1e3 / entries.len() as f64);
    }
}

fn run_ns(entries: &[LogEntry]) -> u64 {
    let (mut process, mut output) = (Process::new(ProcessConfig::default()), Output::default());
    let mut decoder = Decoder::new(DecodeConfig::default());
    let before = cpu_ns();
    for (place, entry) in entries.iter().enumerate() {
        output.clear();
        let position = Position(place as u64 + 1);
        process.apply(position, entry, decoder.entry(position, &entry.entry), &mut output);
    }
    cpu_ns() - before
}

fn entry(n: usize, metrics: usize) -> Entry {
    let (device, received_ms) = (n % DEVICES, 1_704_723_840_000 + n as i64);
    let values = (0..metrics).map(|metric| format!(r#""metric_{metric}":{:.1}"#, (n * 7 + metric) as f64 % 97.0 / 3.0));
    let values = values.collect::<Vec<_>>().join(",");
    let topic = format!("sensors/sensor_{device:05}/telemetry");
    let publication = publication(
        &topic,
        format!(r#"{{"deviceId":"sensor_{device:05}","timestamp":{},{values}}}"#, received_ms - 20),
    );
    Entry::Publication(Publication { received_ms, client: format!("client_{device}"), ..publication })
}
