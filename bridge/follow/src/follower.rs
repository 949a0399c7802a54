//! The trait that history, views and sinks are told changes through.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegate_telemetry::{DeviceIndex, History, MetricIndex, Position, Reason};

use crate::changes::{Changes, Followed};

/// Why something could not be written. Each follower has errors of its own; they are logged and tried again.
pub type FlushError = Box<dyn Error + Send + Sync>;

/// One that is told what the entries of the log changed.
///
/// It is told the names of all devices and metrics ([`Change::Device`](tidegate_telemetry::Change::Device),
/// [`Change::Metric`](tidegate_telemetry::Change::Metric)) before the first change that has their numbers, and may be told
/// them again, at a position that it has already.
pub trait Follower: Send {
    /// Up to where it has changes durably: after a restart it is told those that come after, each once.
    ///
    /// `None`: it keeps nothing over a restart. Then it is told the whole state before anything else, as changes.
    fn position(&self) -> Option<Followed>;

    /// Told once, before anything else, to one that has a thread of its own: history, which has what it is told, or will.
    fn begin(&mut self, history: Arc<dyn History>) {
        drop(history);
    }

    /// Told to one that has a thread of its own, after the names and before the first entry that comes from the log: of which
    /// time (Unix ms) the newest value of each metric of each device is. What history told before is among it.
    fn newest(&mut self, newest: &mut dyn Iterator<Item = (DeviceIndex, MetricIndex, i64)>) {
        let _ = newest;
    }

    /// Takes what entries changed, into memory. Positions only grow. What it does not take it adds to `refused`.
    ///
    /// One that follows within the pipeline (store, views) must not wait here, and answers for each change in well under
    /// a microsecond or two; one that has a thread of its own may take as long as it likes.
    fn apply(&mut self, changes: &Changes, refused: &mut Vec<Refused>);

    /// Sets apart what was applied, to be written by [`Flushing::run`] on another thread; `None`: there is nothing to be
    /// written. `through` is the last entry that was read, whether or not it changed anything. Cheap.
    fn flush(&mut self, through: Followed) -> Option<Box<dyn Flushing>>;

    /// Whether so much is in memory that it should be written now.
    fn wants_flush(&self) -> bool {
        false
    }
}

/// What [`Follower::flush`] set apart. Dropped without [`Flushing::run`] it is not written.
pub trait Flushing: Send {
    /// Writes it. When it returns everything up to the position of the flush is durable. It may be called again after an
    /// error, and after it has succeeded: nothing is written twice.
    ///
    /// # Errors
    /// When it cannot be written now.
    fn run(&mut self) -> Result<(), FlushError>;

    /// After an error: how long to wait before the next attempt, where whoever did not take it said so.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// What will never be taken, since the last call.
    fn set_aside(&mut self) -> Vec<SetAside> {
        Vec::new()
    }
}

/// Something that whoever a follower writes to refuses for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Which series or thing: those of one are shown together.
    pub about: Arc<str>,
    /// Why, for people, in the words of who refused it.
    pub detail: String,
    /// What was refused.
    pub content: Bytes,
}

/// Something of an entry that a follower does not take: a problem of whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The entry.
    pub position: Position,
    /// Why.
    pub reason: Reason,
    /// The same for people, with what to do.
    pub detail: String,
}
