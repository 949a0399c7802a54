//! The thread that commits: one frame, one write, one sync, and only then the next.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tidegate_telemetry::Position;

use crate::frame;
use crate::frame::Frame;
use crate::recovery::Recovered;
use crate::segment::{self, SEGMENT_HEADER_BYTES, SegmentFile, SegmentHeader};
use crate::segments::{Index, Segment, SegmentLocation};
use crate::shared::Shared;
use crate::space;
use crate::state::WriterWait;
use crate::storage::{Disk, Storage};

/// Smallest piece that storage is written in.
const PAGE_BYTES: u64 = 4096;

/// Pause before what found no room on the disk is tried again.
const ROOM_INTERVAL: Duration = Duration::from_millis(500);

/// What the writer does next.
enum Next {
    Commit(Frame),
    Look,
    End,
}

/// The newest segment, and the loop that fills it.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    storage: Storage,
    file: Box<dyn SegmentFile>,
    file_bytes: u64,
    offset: u64,
    salt: u64,
    /// Bytes of all entries written.
    bytes: u64,
    /// The newest frame is the mark of an orderly end.
    ended: bool,
    /// When the last commit began.
    began: Option<Instant>,
    /// Holds the directory for this process until the last commit is done.
    _lock: File,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, recovered: Recovered, lock: File, disk: Box<dyn Disk>) -> Self {
        let salt = recovered.segments.back().expect("recovery gives at least one segment").salt;
        Self {
            shared,
            file: disk.open(recovered.file),
            storage: Storage::new(disk),
            file_bytes: recovered.file_bytes,
            offset: recovered.offset,
            salt,
            bytes: recovered.bytes,
            ended: recovered.ended || recovered.last < recovered.segments.back().map_or(Position::START, |s| s.first),
            began: None,
            _lock: lock,
        }
    }

    /// Commits until the log is closed and everything is durable, or a commit fails.
    pub(crate) fn run(mut self) {
        if let Err(error) = self.commit_all().and_then(|()| self.mark_end()) {
            self.fail(&error);
        }
    }

    fn commit_all(&mut self) -> io::Result<()> {
        loop {
            if self.storage.look_at <= Instant::now() {
                self.look_at_disk()?;
            }
            match self.next() {
                Next::Commit(frame) => self.commit(frame)?,
                Next::Look => {}
                Next::End => return Ok(()),
            }
        }
    }

    /// Marks an orderly end. On a full disk there may be no room for the mark, and it is no promise.
    fn mark_end(&mut self) -> io::Result<()> {
        let mut mark = self.shared.state.lock().end_mark();
        let fits = self.offset + frame::HEADER_BYTES as u64 <= self.file_bytes || self.storage.has_next();
        if !self.ended && fits {
            self.write(&mut mark)?;
        }
        Ok(())
    }

    /// Makes the next segment where there is room, and says how much may be appended where there is none.
    fn look_at_disk(&mut self) -> io::Result<()> {
        let config = &self.shared.config;
        let free_bytes = self.storage.look(config)?;
        self.shared.meters.disk_free_bytes.set(free_bytes as f64);
        let mut state = self.shared.state.lock();
        state.space.sees_free(free_bytes, config.disk_reserve_bytes);
        if self.storage.has_next() {
            state.space.is_ample();
        } else {
            // What is left holds the mark of an orderly end too.
            let taken_bytes = state.pending_frame_bytes() + frame::HEADER_BYTES as u64;
            state.space.ends_after((self.file_bytes - self.offset).saturating_sub(taken_bytes));
        }
        self.shared.note_space(&state);
        Ok(())
    }

    /// Waits until a commit is due, the disk is to be looked at, or the log is closed and nothing is left.
    fn next(&mut self) -> Next {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state.lock();
        loop {
            let now = Instant::now();
            let due = state.pending_since().map(|since| due(since, self.began, shared.config.commit_interval));
            let full = state.pending_bytes() >= shared.config.commit_bytes;
            match due {
                Some(due) if full || state.closed || due <= now => {
                    state.writer = WriterWait::Busy;
                    self.began = Some(now);
                    return state.take_frame().map_or(Next::End, Next::Commit);
                }
                Some(due) => {
                    state.writer = WriterWait::Deadline;
                    shared.writer_wake.wait_until(&mut state, due);
                }
                None if state.closed => return Next::End,
                None => {
                    state.writer = WriterWait::Idle;
                    if shared.writer_wake.wait_until(&mut state, self.storage.look_at).timed_out() {
                        state.writer = WriterWait::Busy;
                        return Next::Look;
                    }
                }
            }
        }
    }

    fn commit(&mut self, mut frame: Frame) -> io::Result<()> {
        let started = Instant::now();
        let written_bytes = self.write(&mut frame)?;
        let bytes = frame.body_bytes() as u64;
        self.bytes += bytes;
        self.shared.committed(frame.last(), self.bytes);
        let meters = &self.shared.meters;
        meters.committed(u64::from(frame.entries()), bytes, written_bytes, started.elapsed());
        meters.undurable_bytes.set(self.shared.undurable_bytes() as f64);
        meters.unread_bytes.set(self.shared.unread_bytes() as f64);
        self.shared.state.lock().recycle(frame);
        Ok(())
    }

    /// Writes a frame and syncs it; returns the bytes of the pages it touched.
    fn write(&mut self, frame: &mut Frame) -> io::Result<u64> {
        let frame_bytes = frame.seal(self.salt).len() as u64;
        if self.offset + frame_bytes > self.file_bytes || self.is_to_roll(frame) {
            self.roll(frame, frame_bytes)?;
        }
        let (file, salt, offset) = (&self.file, self.salt, self.offset);
        until_there_is_room(&self.shared, || file.write_at(frame.seal(salt), offset))?;
        // Whatever the reason is, after a failed sync it is in doubt what is on disk.
        self.file.sync().map_err(io::Error::other)?;
        self.ended = frame.is_empty();
        if !frame.is_empty() {
            self.shared.segments.note(SegmentLocation {
                position: frame.first(),
                offset: self.offset,
                bytes_before: self.bytes,
            });
        }
        let end = self.offset + frame_bytes;
        let pages = end.div_ceil(PAGE_BYTES) - self.offset / PAGE_BYTES;
        self.offset = end;
        Ok(pages * PAGE_BYTES)
    }

    /// Whether somebody wants the frame apart from what is there, and a segment stands ready.
    fn is_to_roll(&self, frame: &Frame) -> bool {
        let begins = self.offset <= SEGMENT_HEADER_BYTES as u64;
        let may = !frame.is_empty() && !begins && self.storage.has_next();
        may && self.shared.is_to_roll.swap(false, Ordering::AcqRel)
    }

    /// Goes on in a new segment that begins with `frame`.
    fn roll(&mut self, frame: &Frame, frame_bytes: u64) -> io::Result<()> {
        let segments = &self.shared.segments;
        let header = SegmentHeader::new(frame.first(), frame.before());
        let config = &self.shared.config;
        let file_bytes = config.segment_bytes.max(SEGMENT_HEADER_BYTES as u64 + frame_bytes);
        let storage = &mut self.storage;
        let file = until_there_is_room(&self.shared, || storage.take(config, file_bytes))?;
        segment::begin(&file, segments.directory(), &header)?;
        segments.push(Segment { first: header.first, salt: header.salt, index: Index::default() });
        self.shared.meters.segments.set(segments.len() as f64);
        self.file = self.storage.disk.open(file);
        self.file_bytes = file_bytes;
        self.offset = SEGMENT_HEADER_BYTES as u64;
        self.salt = header.salt;
        Ok(())
    }

    fn fail(&self, error: &io::Error) {
        tracing::error!(
            directory = %self.shared.segments.directory().display(),
            durable = self.shared.durable.borrow().0,
            %error,
            "a log commit failed, what came after the durable position may be lost: check that the disk has \
                room and is sound, then start again",
        );
        // What waited for room when the log was closed is known not to be there: that is no reason to end hard.
        if !space::is_no_room(error) {
            self.shared.config.on_failure.take();
        }
        self.shared.stop(true);
    }
}

/// When what waits `since` is committed: an interval after the commit before it `began`. So a commit that follows none
/// waits for nothing, and many entries share one that follows another: pages written are bounded by the interval.
fn due(since: Instant, began: Option<Instant>, interval: Duration) -> Instant {
    began.map_or(since, |began| began.min(since) + interval)
}

/// Tries again while the disk is full. What waits here is promised to nobody, and nothing of it is in doubt; nothing
/// more is taken meanwhile. When the log is closed it stays unwritten.
fn until_there_is_room<T>(shared: &Shared, mut step: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match step() {
            Err(error) if space::is_no_room(&error) => {
                let mut state = shared.state.lock();
                if state.closed {
                    return Err(error);
                }
                state.space.ends_after(0);
                shared.note_space(&state);
                shared.writer_wake.wait_for(&mut state, ROOM_INTERVAL);
            }
            done => return done,
        }
    }
}
