//! The log as all its threads see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};
use tidegate_telemetry::{Entry, LogEntry, Position};
use tokio::sync::{Notify, watch};

use crate::config::LogConfig;
use crate::meters::Meters;
use crate::seam::AppendError;
use crate::segments::Segments;
use crate::state::{ReadMark, State, WriterWait};

/// One lock for what changes with every entry; numbers that are only looked at are atomics, written under it.
pub(crate) struct Shared {
    pub(crate) config: LogConfig,
    pub(crate) state: Mutex<State>,
    pub(crate) segments: Segments,
    pub(crate) meters: Meters,
    pub(crate) writer_wake: Condvar,
    pub(crate) readers_wake: Condvar,
    pub(crate) durable: watch::Sender<Position>,
    room: Notify,
    appended: AtomicU64,
    appended_bytes: AtomicU64,
    durable_bytes: AtomicU64,
    read_bytes: AtomicU64,
    trimmed_bytes: AtomicU64,
    closed: AtomicBool,
    disk_full: AtomicBool,
    /// The next frame begins a segment.
    pub(crate) is_to_roll: AtomicBool,
}

impl Shared {
    pub(crate) fn new(config: LogConfig, state: State, segments: Segments) -> Self {
        let (last, bytes) = (state.tail.last(), state.tail.bytes_through());
        Self {
            config,
            state: Mutex::new(state),
            segments,
            meters: Meters::new(),
            writer_wake: Condvar::new(),
            readers_wake: Condvar::new(),
            durable: watch::Sender::new(last),
            room: Notify::new(),
            appended: AtomicU64::new(last.0),
            appended_bytes: AtomicU64::new(bytes),
            durable_bytes: AtomicU64::new(bytes),
            read_bytes: AtomicU64::new(u64::MAX),
            trimmed_bytes: AtomicU64::new(bytes),
            closed: AtomicBool::new(false),
            disk_full: AtomicBool::new(false),
            is_to_roll: AtomicBool::new(false),
        }
    }

    pub(crate) fn append(&self, entries: &mut Vec<Entry>) -> Result<Position, AppendError> {
        let mut state = self.state.lock();
        if state.closed {
            entries.clear();
            return Err(AppendError::Closed);
        }
        let pending_before = state.pending_bytes();
        let appended = state.append(entries, self.config.record_bytes_max);
        self.note_space(&state);
        appended?;
        let last = state.tail.last();
        self.appended_bytes.store(state.tail.bytes_through(), Ordering::Release);
        self.appended.store(last.0, Ordering::Release);
        let enough = pending_before < self.config.commit_bytes && state.pending_bytes() >= self.config.commit_bytes;
        let wake_writer = match state.writer {
            WriterWait::Busy => false,
            WriterWait::Idle => state.pending_bytes() > 0,
            WriterWait::Deadline => enough,
        };
        if wake_writer {
            state.writer = WriterWait::Busy;
        }
        let wake_readers = state.readers_waiting > 0;
        drop(state);
        if wake_readers {
            self.readers_wake.notify_all();
        }
        if wake_writer {
            self.writer_wake.notify_one();
        }
        Ok(last)
    }

    pub(crate) fn is_disk_full(&self) -> bool {
        self.disk_full.load(Ordering::Acquire)
    }

    /// Looks whether publications are refused now, and says so when that has changed.
    pub(crate) fn note_space(&self, state: &State) {
        let is_full = state.space.is_full();
        if is_full == self.is_disk_full() {
            return;
        }
        self.disk_full.store(is_full, Ordering::Release);
        self.meters.disk_full.set(if is_full { 1.0 } else { 0.0 });
        let (directory, reserve_bytes) = (self.config.directory.display(), self.config.disk_reserve_bytes);
        if is_full {
            tracing::error!(%directory, reserve_bytes, "publications are refused, the disk is full: free some \
                of it, or lower log.disk_reserve_bytes");
        } else {
            tracing::info!(%directory, "publications are taken again, there is room on the disk");
        }
    }

    pub(crate) fn appended(&self) -> Position {
        Position(self.appended.load(Ordering::Acquire))
    }

    /// A closed log has room, so that whoever waits goes on and is told that it is closed.
    pub(crate) fn has_room(&self) -> bool {
        self.closed.load(Ordering::Acquire)
            || (self.undurable_bytes() <= self.config.undurable_bytes_max
                && self.unread_bytes() <= self.config.unread_bytes_max
                && self.replay_bytes() <= self.config.replay_bytes_max)
    }

    pub(crate) async fn room(self: Arc<Self>) {
        loop {
            let mut notified = std::pin::pin!(self.room.notified());
            notified.as_mut().enable();
            if self.has_room() {
                return;
            }
            notified.await;
        }
    }

    pub(crate) fn undurable_bytes(&self) -> u64 {
        let durable = self.durable_bytes.load(Ordering::Acquire);
        self.appended_bytes.load(Ordering::Acquire).saturating_sub(durable)
    }

    pub(crate) fn unread_bytes(&self) -> u64 {
        let read = self.read_bytes.load(Ordering::Acquire);
        self.appended_bytes.load(Ordering::Acquire).saturating_sub(read)
    }

    /// Bytes after the position that was trimmed last, of those that came since the log was opened.
    pub(crate) fn replay_bytes(&self) -> u64 {
        let trimmed = self.trimmed_bytes.load(Ordering::Acquire);
        self.appended_bytes.load(Ordering::Acquire).saturating_sub(trimmed)
    }

    /// Nobody needs these bytes any more.
    pub(crate) fn trimmed(&self, bytes: u64) {
        self.trimmed_bytes.fetch_max(bytes, Ordering::AcqRel);
        self.room_changed();
    }

    pub(crate) fn appended_bytes(&self) -> u64 {
        self.appended_bytes.load(Ordering::Acquire)
    }

    /// Everything up to `position` is on disk.
    pub(crate) fn committed(&self, position: Position, bytes: u64) {
        let released = {
            let mut state = self.state.lock();
            state.durable = position;
            self.durable_bytes.store(bytes, Ordering::Release);
            self.release(&mut state)
        };
        drop(released);
        self.durable.send_replace(position);
        self.room.notify_waiters();
    }

    /// A reader is further, or gone.
    pub(crate) fn readers_moved(&self, state: &mut State) -> Vec<Arc<LogEntry>> {
        let bytes = state.readers.slowest().map_or(u64::MAX, |mark| mark.bytes);
        self.read_bytes.store(bytes, Ordering::Release);
        self.release(state)
    }

    /// Tells those who wait for room to look again.
    pub(crate) fn room_changed(&self) {
        self.room.notify_waiters();
    }

    fn release(&self, state: &mut State) -> Vec<Arc<LogEntry>> {
        let read = state.readers.slowest().map_or(Position(u64::MAX), |ReadMark { position, .. }| position);
        let durable = state.durable;
        state.tail.release(durable, read, self.config.tail_bytes_max)
    }

    /// Takes no more entries; `failed` when a commit did.
    pub(crate) fn stop(&self, failed: bool) {
        {
            let mut state = self.state.lock();
            state.closed = true;
            state.failed |= failed;
            state.writer = WriterWait::Busy;
            self.closed.store(true, Ordering::Release);
        }
        self.writer_wake.notify_all();
        self.readers_wake.notify_all();
        self.room.notify_waiters();
    }
}
