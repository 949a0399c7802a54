//! The embedded log against the contract, crashes, damage, a failing disk, and a model.
#![allow(clippy::unwrap_used)]

mod crash;
mod damage;
mod failure;
mod files;
mod model;
mod reading;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tidegate_telemetry::{Entry, Position};

use crate::config::OpenError;
use crate::contract::{Fixture, number, publication, read_through, wait_durable};
use crate::frame::{HEADER_BYTES, Header};
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::times::Last;
use crate::{EmbeddedLog, Log, LogConfig};

/// Opens a log. A process that another test is about to start has the lock of one that was closed for the moment until it is
/// another program, so that is tried again.
fn open(config: LogConfig) -> EmbeddedLog {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match EmbeddedLog::open(config.clone()) {
            Err(OpenError::InUse { .. }) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
            opened => return opened.unwrap(),
        }
    }
}

struct Embedded {
    directory: TempDir,
}

impl Embedded {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }
}

impl Fixture for Embedded {
    fn open(&self) -> Box<dyn Log> {
        Box::new(open(small(self.directory.path())))
    }

    fn record_bytes_max(&self) -> usize {
        small(Path::new("")).record_bytes_max
    }

    fn unread_bytes_max(&self) -> u64 {
        small(Path::new("")).unread_bytes_max
    }

    fn replay_bytes_max(&self) -> u64 {
        small(Path::new("")).replay_bytes_max
    }
}

crate::contract_tests!(Embedded::new());

/// Everything small, so that a few entries fill segments and leave memory.
fn small(directory: &Path) -> LogConfig {
    LogConfig {
        directory: directory.to_owned(),
        segment_bytes: 32 << 10,
        disk_reserve_bytes: 0,
        commit_bytes: 4 << 10,
        commit_interval: Duration::from_millis(1),
        record_bytes_max: 8 << 10,
        undurable_bytes_max: 64 << 10,
        unread_bytes_max: 128 << 10,
        replay_bytes_max: 512 << 10,
        tail_bytes_max: 4 << 10,
        read_entries_max: 7,
        ..LogConfig::default()
    }
}

/// Appends and waits for the disk: one commit (as long as it is small and the machine is not too slow).
fn commit(log: &EmbeddedLog, entries: impl IntoIterator<Item = Entry>) -> Position {
    let last = log.append(&mut entries.into_iter().collect()).unwrap();
    wait_durable(log, last);
    last
}

fn numbers(log: &dyn Log) -> Vec<u64> {
    read_through(log, Position::START, log.appended()).iter().map(number).collect()
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    crate::segment::list(directory).unwrap()
}

/// Where the frames of a segment begin.
fn frames(path: &Path) -> Vec<(usize, Header)> {
    let bytes = std::fs::read(path).unwrap();
    let salt = SegmentHeader::parse(&bytes, path).unwrap().salt;
    let mut frames = Vec::new();
    let mut offset = SEGMENT_HEADER_BYTES;
    while let Some(header) = bytes.get(offset..).and_then(|rest| Header::parse(rest, salt)) {
        frames.push((offset, header));
        offset += header.frame_bytes();
    }
    frames
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// What a kill -9 or a power cut at this moment would leave.
fn image(directory: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for path in segments_unless_gone(directory) {
        let _ = std::fs::copy(&path, copy.path().join(path.file_name().unwrap()));
    }
    copy
}

fn segments_unless_gone(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|item| item.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths.sort();
    paths
}

/// A log of `count` commits of one entry each, closed, without the mark of an orderly end.
fn killed(count: u64) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let log = open(small(directory.path()));
    for n in 0..count {
        commit(&log, [publication(n, 20)]);
    }
    image(directory.path())
}

const FRAME_HEADER: usize = HEADER_BYTES;
