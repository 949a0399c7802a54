//! What appending threads, the writer and readers share under the lock. No I/O.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tidegate_telemetry::{Entry, Intent, Position};

use crate::frame::{self, Frame};
use crate::seam::AppendError;
use crate::space::Space;
use crate::tail::Tail;
use crate::times::{Last, Times};

/// A frame takes no more entries past this size, so that a reader needs little memory for one.
const FRAME_BYTES_MAX: usize = 1 << 20;
/// Larger buffers are given back instead of being used again.
const SPARE_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;

/// The mutable part of the log.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) tail: Tail,
    /// Frames that the writer has not taken yet; the last one takes more entries.
    pending: VecDeque<Frame>,
    pending_bytes: usize,
    pending_since: Option<Instant>,
    spare: Vec<u8>,
    times: Times,
    pub(crate) space: Space,
    pub(crate) durable: Position,
    pub(crate) readers: Readers,
    pub(crate) readers_waiting: usize,
    pub(crate) writer: WriterWait,
    /// No entry is taken any more.
    pub(crate) closed: bool,
    /// A commit failed; what is after `durable` may be lost.
    pub(crate) failed: bool,
}

/// What the writer waits for, so that it is woken only when that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriterWait {
    /// Nothing: it is at work.
    Busy,
    /// The first entry.
    Idle,
    /// Its deadline, or enough bytes.
    Deadline,
}

impl State {
    pub(crate) fn new(last: Position, bytes: u64, times: Last) -> Self {
        Self {
            tail: Tail::new(last, bytes),
            pending: VecDeque::new(),
            pending_bytes: 0,
            pending_since: None,
            spare: Vec::new(),
            times: Times::after(times),
            space: Space::default(),
            durable: last,
            readers: Readers::default(),
            readers_waiting: 0,
            writer: WriterWait::Busy,
            closed: false,
            failed: false,
        }
    }

    /// Appends all entries, or none. `entries` is empty afterwards.
    pub(crate) fn append(&mut self, entries: &mut Vec<Entry>, record_bytes_max: usize) -> Result<(), AppendError> {
        let (times_before, tail_before) = (self.times, self.tail.len());
        self.open_frame();
        let frame = self.pending.back_mut().expect("a frame was opened just now");
        let mark = frame.mark();
        let opening = if frame.is_empty() { frame::HEADER_BYTES } else { 0 };
        let is_publication = entries.iter().any(|entry| {
            matches!(entry, Entry::Publication(_) | Entry::Import(_) | Entry::Intent(Intent::SendCommand { .. }))
        });
        let added = self.push_all(entries, record_bytes_max).and_then(|added| {
            let fits = self.space.take((opening + added) as u64, is_publication);
            fits.then_some(added).ok_or(AppendError::DiskFull)
        });
        match added {
            Ok(added) => {
                if self.pending_bytes == 0 && added > 0 {
                    self.pending_since = Some(Instant::now());
                }
                self.pending_bytes += added;
                Ok(())
            }
            Err(error) => {
                self.pending.back_mut().expect("it was there before").rewind(mark);
                self.tail.truncate(tail_before);
                self.times = times_before;
                Err(error)
            }
        }
    }

    /// Adds entries to the open frame and the tail; returns their bytes. An error leaves some of them there.
    fn push_all(&mut self, entries: &mut Vec<Entry>, record_bytes_max: usize) -> Result<usize, AppendError> {
        let frame = self.pending.back_mut().expect("the caller opened one");
        let mut added = 0;
        for entry in entries.drain(..) {
            let entry = self.times.stamp(entry);
            let bytes = frame.push(&entry, record_bytes_max)?;
            self.tail.push(Arc::new(entry), bytes);
            added += bytes;
        }
        Ok(added)
    }

    /// Makes the last pending frame one that takes entries.
    fn open_frame(&mut self) {
        if self.pending.back().is_none_or(|frame| frame.body_bytes() >= FRAME_BYTES_MAX) {
            let buffer = std::mem::take(&mut self.spare);
            self.pending.push_back(Frame::begin(self.tail.last().next(), self.times.last(), buffer));
        }
    }

    /// By how much times of receipt are ahead of the time that has passed, ms.
    pub(crate) fn ahead_ms(&self) -> i64 {
        self.times.set_by_ms()
    }

    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Bytes that the pending frames will take in a segment.
    pub(crate) fn pending_frame_bytes(&self) -> u64 {
        let frames = self.pending.iter().filter(|frame| !frame.is_empty());
        frames.map(|frame| (frame::HEADER_BYTES + frame.body_bytes()) as u64).sum()
    }

    /// When the oldest pending entry began to wait.
    pub(crate) fn pending_since(&self) -> Option<Instant> {
        self.pending_since
    }

    /// The next frame to commit.
    pub(crate) fn take_frame(&mut self) -> Option<Frame> {
        if self.pending_bytes == 0 {
            return None;
        }
        let frame = self.pending.pop_front()?;
        self.pending_bytes -= frame.body_bytes();
        if self.pending_bytes == 0 {
            self.pending_since = None;
        }
        Some(frame)
    }

    /// An empty frame: the mark that everything before it was written in an orderly way.
    pub(crate) fn end_mark(&self) -> Frame {
        Frame::begin(self.tail.last().next(), self.times.last(), Vec::new())
    }

    /// Takes the memory of a committed frame back.
    pub(crate) fn recycle(&mut self, frame: Frame) {
        let buffer = frame.into_buffer();
        if buffer.capacity() <= SPARE_BYTES_MAX {
            self.spare = buffer;
        }
    }
}

/// How far each live reader is.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    marks: BTreeMap<u64, ReadMark>,
    next_id: u64,
}

/// How far a reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadMark {
    pub(crate) position: Position,
    pub(crate) bytes: u64,
}

impl Readers {
    pub(crate) fn add(&mut self, mark: ReadMark) -> u64 {
        self.next_id += 1;
        self.marks.insert(self.next_id, mark);
        self.next_id
    }

    pub(crate) fn advance(&mut self, id: u64, mark: ReadMark) {
        self.marks.insert(id, mark);
    }

    pub(crate) fn remove(&mut self, id: u64) {
        self.marks.remove(&id);
    }

    /// The reader that is furthest behind.
    pub(crate) fn slowest(&self) -> Option<ReadMark> {
        self.marks.values().copied().min_by_key(|mark| mark.position)
    }
}
