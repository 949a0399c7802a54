//! A disk that fails.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::seam::{AppendError, ReadError};
use crate::segment::SegmentFile;
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

fn open_on_failing_disk(config: LogConfig, broken: &Arc<AtomicBool>) -> EmbeddedLog {
    let broken = Arc::clone(broken);
    let wrap = move |file| Box::new(FailingFile { file, broken: Arc::clone(&broken) }) as Box<dyn SegmentFile>;
    EmbeddedLog::open_with(config, Box::new(wrap)).unwrap()
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
