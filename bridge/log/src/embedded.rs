//! The log in files of this machine.

use std::fs::{File, TryLockError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tidegate_telemetry::{Entry, Position};
use tokio::sync::watch;

use crate::config::{LogConfig, OpenError};
use crate::reader::EmbeddedReader;
use crate::recovery::{self, io_error};
use crate::seam::{AppendError, Log, LogReader, ReadError, Room};
use crate::segments::Segments;
use crate::shared::Shared;
use crate::state::State;
use crate::storage::{Disk, RealDisk};
use crate::writer::Writer;

/// Name of the file that keeps a second process out.
pub(crate) const LOCK_NAME: &str = "lock";

/// A [`Log`] in preallocated segment files, with one thread that commits.
///
/// Dropping it closes it; readers may outlive it and read to the end.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Entries after it are not deleted.
    kept_after: AtomicU64,
}

impl EmbeddedLog {
    /// Opens the log in `config.directory`, or begins one there. Install the metrics recorder before.
    ///
    /// # Errors
    /// [`OpenError`]; above all when something that was durable is not intact any more.
    pub fn open(config: LogConfig) -> Result<Self, OpenError> {
        Self::open_on(config, Box::new(RealDisk))
    }

    pub(crate) fn open_on(config: LogConfig, disk: Box<dyn Disk>) -> Result<Self, OpenError> {
        config.check()?;
        let directory = config.directory.clone();
        std::fs::create_dir_all(&directory).map_err(|source| io_error("make", &directory, source))?;
        let lock = lock(&config)?;
        let recovered = recovery::recover(&config)?;
        let state = State::new(recovered.last, recovered.bytes, recovered.times);
        let segments = Segments::new(directory.clone(), recovered.segments.clone());
        let shared = Arc::new(Shared::new(config, state, segments));
        shared.meters.segments.set(shared.segments.len() as f64);
        if recovered.torn_bytes > 0 {
            shared.meters.torn_tail(recovered.torn_bytes);
            let (bytes, last) = (recovered.torn_bytes, recovered.last.0);
            tracing::warn!(bytes, last, "cut an incomplete commit off the log; none of it was acknowledged");
        }
        let writer = Writer::new(Arc::clone(&shared), recovered, lock, disk);
        let handle = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(|| writer.run())
            .map_err(|source| io_error("start the writer of", &directory, source))?;
        Ok(Self { shared, writer: Mutex::new(Some(handle)), kept_after: AtomicU64::new(u64::MAX) })
    }
}

impl Log for EmbeddedLog {
    fn append(&self, entries: &mut Vec<Entry>) -> Result<Position, AppendError> {
        self.shared.append(entries)
    }

    fn appended(&self) -> Position {
        self.shared.appended()
    }

    fn durable(&self) -> watch::Receiver<Position> {
        self.shared.durable.subscribe()
    }

    fn has_room(&self) -> bool {
        self.shared.has_room()
    }

    fn ahead_ms(&self) -> i64 {
        self.shared.state.lock().ahead_ms()
    }

    fn is_disk_full(&self) -> bool {
        self.shared.is_disk_full()
    }

    fn room(&self) -> Room {
        Box::pin(Arc::clone(&self.shared).room())
    }

    fn reader(&self, after: Position) -> Result<Box<dyn LogReader>, ReadError> {
        Ok(Box::new(EmbeddedReader::open(Arc::clone(&self.shared), after)?))
    }

    fn follower(&self, after: Position) -> Result<Box<dyn LogReader>, ReadError> {
        Ok(Box::new(EmbeddedReader::follow(Arc::clone(&self.shared), after)?))
    }

    fn keep(&self, after: Option<Position>) {
        self.kept_after.store(after.map_or(u64::MAX, |after| after.0), Ordering::Release);
    }

    fn first(&self) -> Position {
        self.shared.segments.first()
    }

    fn set_apart(&self) {
        self.shared.is_to_roll.store(true, Ordering::Release);
    }

    fn trim(&self, through: Position) {
        self.shared.trimmed(self.bytes_through(through.min(self.appended())).unwrap_or(0));
        match self.shared.segments.trim(through.min(Position(self.kept_after.load(Ordering::Acquire)))) {
            Ok(()) => self.shared.meters.segments.set(self.shared.segments.len() as f64),
            Err(error) => {
                tracing::warn!(%error, "an old log segment could not be deleted; it takes space until a later trim succeeds")
            }
        }
    }

    fn bytes_after(&self, position: Position) -> u64 {
        self.shared.appended_bytes().saturating_sub(self.bytes_through(position).unwrap_or(u64::MAX))
    }

    fn close(&self) {
        self.shared.stop(false);
        if let Some(writer) = self.writer.lock().take() {
            writer.join().expect("the log's writer does not panic");
        }
    }
}

impl EmbeddedLog {
    /// Bytes of all entries up to `position`; up to 64 KiB less for one that is not in memory.
    fn bytes_through(&self, position: Position) -> Option<u64> {
        let in_memory = self.shared.state.lock().tail.bytes_through_position(position);
        let segments = &self.shared.segments;
        in_memory
            .or_else(|| segments.locate(position.next()).map(|located| located.place.bytes_before))
            .or_else(|| segments.bytes_before_first())
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.close();
    }
}

/// Takes the directory for this process; the file's lock goes with the process, whatever ends it.
fn lock(config: &LogConfig) -> Result<File, OpenError> {
    let path = config.directory.join(LOCK_NAME);
    let file = File::create(&path).map_err(|source| io_error("open", &path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: config.directory.clone() }),
        Err(TryLockError::Error(source)) => Err(io_error("lock", &path, source)),
    }
}
