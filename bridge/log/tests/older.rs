//! Logs that older programs wrote.
#![allow(clippy::unwrap_used)]

mod entries;

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tidegate_log::{EmbeddedLog, Log, LogConfig};
use tidegate_telemetry::{Elapsed, Entry, LogEntry, Position};

/// The log as it was left by a program that did not count how much time passed.
fn log_then() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir("tests/logs/version-7").unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), directory.path().join(file.file_name())).unwrap();
    }
    directory
}

fn open(directory: &TempDir) -> EmbeddedLog {
    let config = LogConfig {
        directory: directory.path().into(),
        segment_bytes: 4096,
        disk_reserve_bytes: 0,
        record_bytes_max: 2048,
        ..LogConfig::default()
    };
    EmbeddedLog::open(config).unwrap()
}

fn all(log: &dyn Log) -> Vec<Arc<LogEntry>> {
    let (mut reader, mut entries) = (log.reader(Position::START).unwrap(), Vec::new());
    while (entries.len() as u64) < log.appended().0 {
        reader.read(Duration::from_secs(1), &mut entries).unwrap();
    }
    entries.into_iter().map(|(_, entry)| entry).collect()
}

#[test]
fn every_entry_of_an_older_log_is_read_and_the_log_goes_on_with_time_that_is_counted() {
    let directory = log_then();
    let (then, log) = (entries::batches().concat(), open(&directory));
    let read: Vec<Entry> = all(&log).iter().map(|entry| entry.entry.clone()).collect();
    assert_eq!(read, then);
    let last_ms = then.last().unwrap().received_ms();
    let hour_ms = 3_600_000;
    let set = Entry::ClockSet { at_ms: last_ms + 2_000 + hour_ms, by_ms: hour_ms };
    log.append(&mut vec![Entry::Tick(last_ms + 1_000), set]).unwrap();
    log.close();
    let log = open(&directory);
    log.append(&mut vec![Entry::Tick(last_ms + 3_000 + hour_ms)]).unwrap();
    let entries = all(&log);
    let (counted, new) = (then.len(), &entries[then.len()..]);
    assert!(entries[..counted].iter().all(|entry| entry.elapsed_ms.is_none()), "nobody counted it");
    let elapsed: Vec<i64> = new.iter().map(|entry| entry.elapsed_ms.unwrap() - last_ms).collect();
    assert_eq!(elapsed, [1_000, 2_000, 3_000]);
    let mut elapsed = Elapsed::default();
    let passed: Vec<i64> = entries.iter().map(|entry| elapsed.pass(entry)).collect();
    let one_by_one = [0, 1_000, 1_000, 100, 100, 800, 1_000, 6_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000];
    assert_eq!(passed[..counted], one_by_one, "of them it follows from when they were received");
    assert_eq!(passed[counted..], [1_000; 3]);
}
