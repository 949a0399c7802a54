//! The disk under the segments: what is free on it, and the next segment, made ahead of its use.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::config::LogConfig;
use crate::segment::{self, SegmentFile};
use crate::space;

/// How often the disk is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What segments are made of; a seam of its own so that a test can make a disk fail or fill.
pub(crate) trait Disk: Send {
    /// Bytes that a program without privileges may still take.
    fn free_bytes(&self, directory: &Path) -> io::Result<u64>;
    /// Takes the room of a segment.
    fn allocate(&self, directory: &Path, bytes: u64) -> io::Result<File>;
    /// Makes of a file what frames are written to.
    fn open(&self, file: File) -> Box<dyn SegmentFile>;
}

/// The disk there is.
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn free_bytes(&self, directory: &Path) -> io::Result<u64> {
        let of = rustix::fs::statvfs(directory)?;
        Ok(of.f_bavail.saturating_mul(of.f_frsize))
    }

    fn allocate(&self, directory: &Path, bytes: u64) -> io::Result<File> {
        segment::allocate(directory, bytes)
    }

    fn open(&self, file: File) -> Box<dyn SegmentFile> {
        Box::new(file)
    }
}

/// The disk, and the next segment if there is room for one.
pub(crate) struct Storage {
    pub(crate) disk: Box<dyn Disk>,
    next: Option<File>,
    pub(crate) look_at: Instant,
}

impl Storage {
    pub(crate) fn new(disk: Box<dyn Disk>) -> Self {
        Self { disk, next: None, look_at: Instant::now() }
    }

    /// Makes the next segment if it is not there, and leaves the reserve alone. Returns the bytes that are free.
    pub(crate) fn look(&mut self, config: &LogConfig) -> io::Result<u64> {
        self.look_at = Instant::now() + LOOK_INTERVAL;
        let free_bytes = self.disk.free_bytes(&config.directory)?;
        if self.next.is_none() && space::may_grow(config, free_bytes) {
            self.next = match self.disk.allocate(&config.directory, config.segment_bytes) {
                Err(error) if space::is_no_room(&error) => None,
                made => Some(made?),
            };
        }
        Ok(free_bytes)
    }

    pub(crate) fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// The next segment's file, of `bytes` at least. Another one is due then.
    pub(crate) fn take(&mut self, config: &LogConfig, bytes: u64) -> io::Result<File> {
        self.look_at = Instant::now();
        match self.next.take() {
            Some(file) if bytes <= config.segment_bytes => Ok(file),
            _ => self.disk.allocate(&config.directory, bytes),
        }
    }
}
