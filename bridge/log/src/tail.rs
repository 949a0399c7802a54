//! The newest entries, in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use tidegate_telemetry::{LogEntry, Position};

/// An unbroken run of entries that ends with the last one appended.
#[derive(Debug)]
pub(crate) struct Tail {
    entries: VecDeque<Kept>,
    /// Position before the first kept entry.
    before: Position,
    /// Bytes of all entries up to `before`, counted from the first one on disk when the log was opened.
    bytes_before: u64,
}

#[derive(Debug)]
struct Kept {
    entry: Arc<LogEntry>,
    bytes_through: u64,
}

impl Tail {
    /// Nothing in memory yet; the log on disk ends with `last`.
    pub(crate) fn new(last: Position, bytes: u64) -> Self {
        Self { entries: VecDeque::new(), before: last, bytes_before: bytes }
    }

    pub(crate) fn push(&mut self, entry: Arc<LogEntry>, bytes: usize) {
        let bytes_through = self.bytes_through() + bytes as u64;
        self.entries.push_back(Kept { entry, bytes_through });
    }

    /// Forgets the newest entries down to a length of `len`.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.entries.truncate(len);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Position of the last entry appended.
    pub(crate) fn last(&self) -> Position {
        Position(self.before.0 + self.entries.len() as u64)
    }

    /// Bytes of all entries appended.
    pub(crate) fn bytes_through(&self) -> u64 {
        self.entries.back().map_or(self.bytes_before, |kept| kept.bytes_through)
    }

    /// Bytes of all entries up to `position`; `None` when that lies before the tail.
    pub(crate) fn bytes_through_position(&self, position: Position) -> Option<u64> {
        match position.0.checked_sub(self.before.0)? {
            0 => Some(self.bytes_before),
            nth => self.entries.get(usize::try_from(nth - 1).ok()?).map(|kept| kept.bytes_through),
        }
    }

    /// Moves up to `max` entries after `after` to `out`; `false` when the next one is only on disk.
    pub(crate) fn read(&self, after: Position, max: usize, out: &mut Vec<(Position, Arc<LogEntry>)>) -> bool {
        let Some(skip) = after.0.checked_sub(self.before.0) else { return false };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(self.entries.len());
        let batch = self.entries.range(skip..).take(max);
        out.extend((after.0 + 1..).zip(batch).map(|(position, kept)| (Position(position), Arc::clone(&kept.entry))));
        true
    }

    /// Takes out the oldest entries that may go: up to `through` at most (later ones are not on disk), and of these
    /// only what all readers have (`read`) or what exceeds `bytes_max`.
    pub(crate) fn release(&mut self, through: Position, read: Position, bytes_max: u64) -> Vec<Arc<LogEntry>> {
        let floor = self.bytes_through().saturating_sub(bytes_max);
        let on_disk = usize::try_from(through.0.saturating_sub(self.before.0)).unwrap_or(usize::MAX);
        let read = usize::try_from(read.0.saturating_sub(self.before.0)).unwrap_or(usize::MAX);
        let excess = self.entries.partition_point(|kept| kept.bytes_through <= floor);
        let count = on_disk.min(read.max(excess)).min(self.entries.len());
        let Some(newest) = count.checked_sub(1).and_then(|nth| self.entries.get(nth)) else { return Vec::new() };
        self.bytes_before = newest.bytes_through;
        self.before = Position(self.before.0 + count as u64);
        self.entries.drain(..count).map(|kept| kept.entry).collect()
    }
}
