//! What a log does, whatever it is made of: the traits `Log` and `LogReader`, and their errors.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidegate_telemetry::{Entry, LogEntry, Position};
use tokio::sync::watch;

/// Why an entry was not appended. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The log was closed for shutdown, or has failed.
    #[error("the log takes no more entries: the program is stopping")]
    Closed,
    /// The disk has no room for publications. Those that are appended already become durable all the same.
    #[error(
        "the disk is full: free some of it, or lower log.disk_reserve_bytes; publications are taken again by themselves"
    )]
    DiskFull,
    /// The entry's encoding is larger than a record may be.
    #[error(
        "an entry of {bytes} bytes is larger than log.record_bytes_max ({max}): publish smaller messages or raise the limit"
    )]
    TooLarge {
        /// Size of the encoded entry.
        bytes: usize,
        /// The limit.
        max: usize,
    },
}

/// Why entries could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The position was trimmed away.
    #[error(
        "the log begins after position {first_kept}, position {asked} is gone: the checkpoint and the log do not belong together"
    )]
    Trimmed {
        /// What was asked for.
        asked: Position,
        /// The oldest position a reader may start after.
        first_kept: Position,
    },
    /// The position was never written.
    #[error(
        "the log ends at position {last}, position {asked} was never in it: the checkpoint and the log do not belong together"
    )]
    Beyond {
        /// What was asked for.
        asked: Position,
        /// The last position there is.
        last: Position,
    },
    /// The storage failed or holds something else than was written.
    #[error("the log could not be read: {0}")]
    Storage(String),
}

/// Resolves when the log has room again; see [`Log::room`].
pub type Room = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An ordered, durable sequence of entries.
///
/// `appended` is how far entries are in order and visible to readers; `durable` is how far they survive a crash.
/// `durable` follows `appended` within the commit interval. A commit that fails ends the process: after a failed
/// fsync nobody knows what is on disk.
pub trait Log: Send + Sync + 'static {
    /// Appends entries in order, without waiting for the disk, and returns the position of the last one.
    /// Received times are raised to that of the entry before, so that they never step back; with an [`Entry::ClockSet`] that
    /// sets the clock back they begin anew at its time, also for what was stamped just before it and comes just after.
    /// With each the log notes how much time has passed ([`LogEntry::elapsed_ms`]).
    /// `entries` is drained in any case; on error none was appended.
    ///
    /// # Errors
    /// [`AppendError`] when the log is closed, the disk is full or one of the entries is too large.
    fn append(&self, entries: &mut Vec<Entry>) -> Result<Position, AppendError>;

    /// Last position that readers can see.
    fn appended(&self) -> Position;

    /// Last position that survives a crash; wakes its watchers once a commit.
    fn durable(&self) -> watch::Receiver<Position>;

    /// `true` while a writer may go on; `false` when the bytes not yet durable, not yet read by the slowest reader, or
    /// not yet trimmed are past their limit. Of what was there when the log was opened nothing counts as untrimmed.
    fn has_room(&self) -> bool;

    /// By how much times of receipt are ahead of the time that has passed, ms: what the clock was set by since the log was begun.
    fn ahead_ms(&self) -> i64 {
        0
    }

    /// Whether publications are refused with [`AppendError::DiskFull`] for now.
    fn is_disk_full(&self) -> bool {
        false
    }

    /// Waits until [`Log::has_room`], or until the log is closed.
    fn room(&self) -> Room;

    /// A reader of everything after `after`: from the files first, then from memory as it is appended.
    ///
    /// # Errors
    /// [`ReadError::Trimmed`] when entries after `after` are gone, [`ReadError::Beyond`] when the log ends before it.
    fn reader(&self, after: Position) -> Result<Box<dyn LogReader>, ReadError>;

    /// The oldest entry that is there; after the last one when there is none.
    fn first(&self) -> Position {
        Position::START.next()
    }

    /// What is appended next shall not lie with what is there in one file, so that [`Log::trim`] can delete that for good soon.
    /// Where the disk has no room for it now, it is done later.
    fn set_apart(&self) {}

    /// Nobody needs entries up to and including `through` any more, also after a restart; they may be deleted.
    fn trim(&self, through: Position);

    /// A reader that nobody waits for: what it has not read holds back no writer, and its memory is that of others. Where
    /// it is behind it reads files, as long as they are there ([`Log::keep`]).
    ///
    /// # Errors
    /// As [`Log::reader`].
    fn follower(&self, after: Position) -> Result<Box<dyn LogReader>, ReadError> {
        self.reader(after)
    }

    /// Entries after `after` are kept on disk even where [`Log::trim`] lets go of them, from the next trim on; `None`: none
    /// are. They do not count as what a restart would replay.
    fn keep(&self, _after: Option<Position>) {}

    /// Bytes of entries after `position` (as appended); what a restart from there would replay. May be up to 64 KiB
    /// more than exact for a position that is not in memory.
    fn bytes_after(&self, position: Position) -> u64;

    /// Takes no more entries, makes all appended ones durable, and returns. Readers see the end.
    fn close(&self);
}

/// Reads a log in order. Blocking: belongs on a thread of its own.
pub trait LogReader: Send {
    /// Waits up to `wait` for entries and moves those there are (a bounded batch) to `out`.
    /// Returns `false` when the log is closed and everything was read.
    ///
    /// # Errors
    /// [`ReadError::Storage`]; [`ReadError::Trimmed`] when entries it has yet to read were trimmed.
    fn read(&mut self, wait: Duration, out: &mut Vec<(Position, Arc<LogEntry>)>) -> Result<bool, ReadError>;
}
