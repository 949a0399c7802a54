//! A reader of the embedded log: from files while it is behind, from memory once it has caught up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_telemetry::{LogEntry, Position};

use crate::file_cursor::{FileCursor, ReadEntry};
use crate::seam::{LogReader, ReadError};
use crate::shared::Shared;
use crate::state::{ReadMark, State};

/// Reads in order from a position; while it lives, what it has not read counts as unread, unless it only follows.
pub(crate) struct EmbeddedReader {
    shared: Arc<Shared>,
    /// Among the readers that writers wait for; `None`: it only follows.
    id: Option<u64>,
    mark: ReadMark,
    cursor: Option<FileCursor>,
    /// Entries from files that did not fit the last batch.
    ready: VecDeque<ReadEntry>,
}

impl EmbeddedReader {
    pub(crate) fn open(shared: Arc<Shared>, after: Position) -> Result<Self, ReadError> {
        let mut state = shared.state.lock();
        let mark = mark_after(&shared, &state, after)?;
        let id = Some(state.readers.add(mark));
        let released = shared.readers_moved(&mut state);
        drop(state);
        drop(released);
        Ok(Self { shared, id, mark, cursor: None, ready: VecDeque::new() })
    }

    /// A reader that nobody waits for.
    pub(crate) fn follow(shared: Arc<Shared>, after: Position) -> Result<Self, ReadError> {
        let mark = mark_after(&shared, &shared.state.lock(), after)?;
        Ok(Self { shared, id: None, mark, cursor: None, ready: VecDeque::new() })
    }

    /// Waits for entries in memory. `None` when the next one is only in files.
    fn read_memory(
        &mut self,
        wait: Duration,
        out: &mut Vec<(Position, Arc<LogEntry>)>,
    ) -> Option<Result<bool, ReadError>> {
        let shared = Arc::clone(&self.shared);
        let mut deadline = None;
        let mut state = shared.state.lock();
        loop {
            let before = out.len();
            if !state.tail.read(self.mark.position, shared.config.read_entries_max, out) {
                return None;
            }
            if let Some((position, _)) = out[before..].last() {
                let bytes = state.tail.bytes_through_position(*position).expect("it was read from the tail just now");
                self.mark = ReadMark { position: *position, bytes };
                self.cursor = None;
                let Some(id) = self.id else { return Some(Ok(true)) };
                state.readers.advance(id, self.mark);
                let released = shared.readers_moved(&mut state);
                drop(state);
                drop(released);
                shared.room_changed();
                return Some(Ok(true));
            }
            if state.failed {
                return Some(Err(ReadError::Storage("a commit failed, the log has ended".to_owned())));
            }
            if state.closed {
                return Some(Ok(false));
            }
            let until = *deadline.get_or_insert_with(|| Instant::now().checked_add(wait));
            state.readers_waiting += 1;
            let timed_out = match until {
                Some(until) => shared.readers_wake.wait_until(&mut state, until).timed_out(),
                None => {
                    shared.readers_wake.wait(&mut state);
                    false
                }
            };
            state.readers_waiting -= 1;
            if timed_out && state.tail.last() == self.mark.position {
                return Some(Ok(true));
            }
        }
    }

    /// Reads the next frame that is durable and no longer in memory.
    fn read_files(&mut self) -> Result<(), ReadError> {
        let wanted = self.mark.position.next();
        let located = self.shared.segments.locate(wanted).ok_or_else(|| trimmed(&self.shared, self.mark.position))?;
        let cursor = match self.cursor.take() {
            Some(cursor) if cursor.leads_to(located.segment, wanted) => cursor,
            _ => FileCursor::open(located)?,
        };
        self.cursor.insert(cursor).read(self.mark.position, &mut self.ready)
    }

    /// Moves a batch of what was read from files to `out`.
    fn hand_out(&mut self, out: &mut Vec<(Position, Arc<LogEntry>)>) {
        let count = self.ready.len().min(self.shared.config.read_entries_max);
        for (position, entry, bytes) in self.ready.drain(..count) {
            self.mark = ReadMark { position, bytes };
            out.push((position, entry));
        }
        let Some(id) = self.id else { return };
        let mut state = self.shared.state.lock();
        state.readers.advance(id, self.mark);
        let released = self.shared.readers_moved(&mut state);
        drop(state);
        drop(released);
        self.shared.room_changed();
    }
}

impl LogReader for EmbeddedReader {
    fn read(&mut self, wait: Duration, out: &mut Vec<(Position, Arc<LogEntry>)>) -> Result<bool, ReadError> {
        if self.ready.is_empty() {
            if let Some(result) = self.read_memory(wait, out) {
                return result;
            }
            self.read_files()?;
        }
        self.hand_out(out);
        Ok(true)
    }
}

impl Drop for EmbeddedReader {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let mut state = self.shared.state.lock();
        state.readers.remove(id);
        let released = self.shared.readers_moved(&mut state);
        drop(state);
        drop(released);
        self.shared.room_changed();
    }
}

/// Where a reader of everything after a position begins.
fn mark_after(shared: &Shared, state: &State, after: Position) -> Result<ReadMark, ReadError> {
    let last = state.tail.last();
    if after > last {
        return Err(ReadError::Beyond { asked: after, last });
    }
    let bytes = match state.tail.bytes_through_position(after) {
        Some(bytes) => bytes,
        None => shared.segments.locate(after.next()).ok_or_else(|| trimmed(shared, after))?.place.bytes_before,
    };
    Ok(ReadMark { position: after, bytes })
}

fn trimmed(shared: &Shared, asked: Position) -> ReadError {
    ReadError::Trimmed { asked, first_kept: Position(shared.segments.first().0 - 1) }
}
