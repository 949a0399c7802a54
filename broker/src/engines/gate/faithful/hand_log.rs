use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidegate_log::{AppendError, Log, LogReader, ReadError, Room};
use tidegate_telemetry::{Entry, LogEntry, Position, Publication};
use tokio::sync::watch;

use super::world::CLOCK;

/// A log in memory that becomes durable when it is told to, and no further.
pub(super) struct HandLog {
    entries: Mutex<Vec<LogEntry>>,
    durable: watch::Sender<Position>,
}

impl HandLog {
    pub(super) fn new() -> Arc<HandLog> {
        HandLog::holding(Vec::new())
    }

    fn holding(entries: Vec<LogEntry>) -> Arc<HandLog> {
        let durable = watch::Sender::new(Position(entries.len() as u64));
        Arc::new(HandLog { entries: Mutex::new(entries), durable })
    }

    /// What is left of it after a crash.
    pub(super) fn after_crash(&self) -> Arc<HandLog> {
        let durable = self.durable.borrow().0 as usize;
        HandLog::holding(self.entries.lock()[..durable].to_vec())
    }

    pub(super) fn is_durable(&self, position: Position) -> bool {
        *self.durable.borrow() >= position
    }

    /// Makes up to `count` more entries durable; returns whether there were any.
    pub(super) fn commit(&self, count: u64) -> bool {
        let end = self.appended();
        self.durable.send_if_modified(|durable| {
            let before = std::mem::replace(durable, end.min(Position(durable.0.saturating_add(count))));
            before < end
        })
    }

    /// Hands on the publications after `after`, with their positions.
    pub(super) fn for_each_after(&self, after: Position, mut each: impl FnMut(Position, &Publication)) {
        for (index, entry) in self.entries.lock().iter().enumerate().skip(after.0 as usize) {
            if let Entry::Publication(publication) = &entry.entry {
                each(Position(index as u64 + 1), publication);
            }
        }
    }
}

/// An entry with the time that had passed, without what the clock was set by with it.
fn counted(entry: Entry) -> LogEntry {
    let set_by_ms = if let Entry::ClockSet { by_ms, .. } = entry { by_ms } else { 0 };
    let elapsed_ms = (CLOCK.elapsed_at)(entry.received_ms() - set_by_ms);
    LogEntry::new(entry, elapsed_ms)
}

impl Log for HandLog {
    fn append(&self, new: &mut Vec<Entry>) -> Result<Position, AppendError> {
        let mut entries = self.entries.lock();
        entries.extend(new.drain(..).map(counted));
        Ok(Position(entries.len() as u64))
    }

    fn appended(&self) -> Position {
        Position(self.entries.lock().len() as u64)
    }

    fn durable(&self) -> watch::Receiver<Position> {
        self.durable.subscribe()
    }

    fn has_room(&self) -> bool {
        true
    }

    fn room(&self) -> Room {
        Box::pin(std::future::ready(()))
    }

    fn reader(&self, after: Position) -> Result<Box<dyn LogReader>, ReadError> {
        let entries = self.entries.lock()[after.0 as usize..].to_vec();
        Ok(Box::new(Rest { after, entries }))
    }

    fn trim(&self, _: Position) {}

    fn bytes_after(&self, _: Position) -> u64 {
        0
    }

    fn close(&self) {}
}

/// Reads what was there when it was made.
struct Rest {
    after: Position,
    entries: Vec<LogEntry>,
}

impl LogReader for Rest {
    fn read(&mut self, _: Duration, out: &mut Vec<(Position, Arc<LogEntry>)>) -> Result<bool, ReadError> {
        for entry in self.entries.drain(..) {
            self.after = self.after.next();
            out.push((self.after, Arc::new(entry)));
        }
        Ok(true)
    }
}
