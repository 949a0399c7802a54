//! A disk that fails.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::seam::{AppendError, ReadError};
use crate::segment::SegmentFile;
use crate::storage::{Disk, RealDisk};
use crate::{FailureAction, LogReader};

/// Fails every sync once told so.
struct FailingFile {
    file: File,
    broken: Arc<AtomicBool>,
}

impl SegmentFile for FailingFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        SegmentFile::write_at(&self.file, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        match self.broken.load(Ordering::Acquire) {
            true => Err(io::Error::other("the device is gone")),
            false => self.file.sync(),
        }
    }
}

/// A disk whose files fail once told so, and on which there is only so much room.
struct FailingDisk {
    broken: Arc<AtomicBool>,
    free_bytes: Arc<AtomicU64>,
}

impl Disk for FailingDisk {
    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(self.free_bytes.load(Ordering::Acquire))
    }

    fn allocate(&self, directory: &Path, bytes: u64) -> io::Result<File> {
        match self.free_bytes.load(Ordering::Acquire) < bytes {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => RealDisk.allocate(directory, bytes),
        }
    }

    fn open(&self, file: File) -> Box<dyn SegmentFile> {
        Box::new(FailingFile { file, broken: Arc::clone(&self.broken) })
    }
}

fn open_on_failing_disk(config: LogConfig, broken: &Arc<AtomicBool>) -> EmbeddedLog {
    let disk = FailingDisk { broken: Arc::clone(broken), free_bytes: Arc::new(AtomicU64::new(u64::MAX)) };
    EmbeddedLog::open_on(config, Box::new(disk)).unwrap()
}

fn open_on_disk_with(config: LogConfig, free_bytes: &Arc<AtomicU64>) -> EmbeddedLog {
    let disk = FailingDisk { broken: Arc::default(), free_bytes: Arc::clone(free_bytes) };
    EmbeddedLog::open_on(config, Box::new(disk)).unwrap()
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(std::time::Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn on_a_full_disk_what_was_taken_becomes_durable_the_rest_is_refused_and_room_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    let free_bytes = Arc::new(AtomicU64::new(10_000));
    let config = LogConfig { segment_bytes: 256 << 10, undurable_bytes_max: 1 << 30, ..small(directory.path()) };
    let log = open_on_disk_with(config.clone(), &free_bytes);
    // Before its first commit the writer has looked at the disk.
    let mut taken = commit(&log, [publication(0, 4_000)]).0;
    let refused = loop {
        match log.append(&mut vec![publication(taken, 4_000)]) {
            Ok(last) => taken = last.0,
            Err(error) => break error,
        }
        assert!(taken < 1_000, "it is never full");
    };
    assert!(matches!(refused, AppendError::DiskFull), "{refused}");
    assert!(log.is_disk_full() && matches!(log.append(&mut vec![publication(0, 1)]), Err(AppendError::DiskFull)));
    free_bytes.store(u64::MAX, Ordering::Release);
    eventually("there is room", || !log.is_disk_full());
    let last = commit(&log, [publication(taken, 4_000)]);
    assert_eq!(last, Position(taken + 1), "none that was refused is in it");
    assert!(numbers(&log).into_iter().eq(0..=taken));
    drop(log);
    assert_eq!(open(config).appended(), last);
}

#[test]
fn the_programs_own_entries_are_taken_when_the_reserve_is_touched() {
    let directory = tempfile::tempdir().unwrap();
    let free_bytes = Arc::new(AtomicU64::new(900));
    let config = LogConfig { disk_reserve_bytes: 1_000, ..small(directory.path()) };
    let log = open_on_disk_with(config, &free_bytes);
    eventually("the disk is full", || log.is_disk_full());
    assert!(matches!(log.append(&mut vec![publication(0, 1)]), Err(AppendError::DiskFull)));
    let tick = log.append(&mut vec![Entry::Tick(1)]).unwrap();
    wait_durable(&log, tick);
}

#[test]
fn after_a_failed_sync_nothing_more_is_durable_or_taken() {
    let directory = tempfile::tempdir().unwrap();
    let (broken, acted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let on_failure = FailureAction::run({
        let acted = Arc::clone(&acted);
        move || acted.store(true, Ordering::Release)
    });
    let log = open_on_failing_disk(LogConfig { on_failure, ..small(directory.path()) }, &broken);
    let good = commit(&log, [publication(0, 10)]);
    broken.store(true, Ordering::Release);
    let mut reader = log.reader(good).unwrap();
    log.append(&mut vec![publication(1, 10)]).unwrap();
    let error = read_to_the_error(reader.as_mut());
    assert!(matches!(error, ReadError::Storage(_)), "{error}");
    assert!(acted.load(Ordering::Acquire));
    assert_eq!(*log.durable().borrow(), good);
    assert!(log.has_room(), "who waits for room goes on to be told");
    assert!(matches!(log.append(&mut vec![publication(2, 10)]), Err(AppendError::Closed)));
    log.close();
    assert_eq!(*log.durable().borrow(), good);
}

fn read_to_the_error(reader: &mut dyn LogReader) -> ReadError {
    let mut out = Vec::new();
    for _ in 0..100 {
        if let Err(error) = reader.read(Duration::from_millis(100), &mut out) {
            return error;
        }
    }
    panic!("the reader was never told");
}

const CHILD_DIRECTORY: &str = "TIDEGATE_LOG_TEST_DIRECTORY";

#[test]
fn a_failed_sync_ends_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::failure::child_whose_disk_fails", "--ignored"])
        .env(CHILD_DIRECTORY, directory.path())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(6), "SIGABRT, not {status}");
}

#[test]
#[ignore = "run by a_failed_sync_ends_the_process in a process of its own"]
fn child_whose_disk_fails() {
    let directory = std::env::var_os(CHILD_DIRECTORY).expect("run by a_failed_sync_ends_the_process");
    let broken = Arc::new(AtomicBool::new(true));
    let log = open_on_failing_disk(small(Path::new(&directory)), &broken);
    log.append(&mut vec![publication(1, 10)]).unwrap();
    std::thread::sleep(Duration::from_secs(10));
}
