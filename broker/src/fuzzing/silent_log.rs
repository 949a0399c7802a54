use std::time::Duration;

use tidegate_log::{AppendError, Log, LogReader, ReadError, Room};
use tidegate_telemetry::{Entry, LogEntry, Position};
use tokio::sync::watch;

/// A log in which nothing ever stands, for a session store by itself.
pub(crate) struct SilentLog;

impl Log for SilentLog {
    fn append(&self, _: &mut Vec<Entry>) -> Result<Position, AppendError> {
        Err(AppendError::Closed)
    }

    fn appended(&self) -> Position {
        Position::START
    }

    fn durable(&self) -> watch::Receiver<Position> {
        watch::Sender::new(Position::START).subscribe()
    }

    fn has_room(&self) -> bool {
        true
    }

    fn room(&self) -> Room {
        Box::pin(std::future::pending())
    }

    fn reader(&self, _: Position) -> Result<Box<dyn LogReader>, ReadError> {
        Ok(Box::new(Nothing))
    }

    fn trim(&self, _: Position) {}

    fn bytes_after(&self, _: Position) -> u64 {
        0
    }

    fn close(&self) {}
}

struct Nothing;

impl LogReader for Nothing {
    fn read(&mut self, _: Duration, _: &mut Vec<(Position, std::sync::Arc<LogEntry>)>) -> Result<bool, ReadError> {
        Ok(false)
    }
}
