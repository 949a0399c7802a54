//! The thread that commits: one frame, one write, one sync, and only then the next.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use tidegate_telemetry::Position;

use crate::frame::Frame;
use crate::recovery::Recovered;
use crate::segment::{self, SEGMENT_HEADER_BYTES, SegmentFile, SegmentHeader};
use crate::segments::{Index, Place, Segment};
use crate::shared::Shared;
use crate::state::WriterWait;

/// Smallest piece that storage is written in.
const PAGE_BYTES: u64 = 4096;

/// Makes of a file what frames are written to.
pub(crate) type WrapFile = Box<dyn Fn(File) -> Box<dyn SegmentFile> + Send>;

/// The newest segment, and the loop that fills it.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    wrap: WrapFile,
    file: Box<dyn SegmentFile>,
    file_bytes: u64,
    offset: u64,
    salt: u64,
    /// Bytes of all entries written.
    bytes: u64,
    /// The newest frame is the mark of an orderly end.
    ended: bool,
    /// Holds the directory for this process until the last commit is done.
    _lock: File,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, recovered: Recovered, lock: File, wrap: WrapFile) -> Self {
        let salt = recovered.segments.back().expect("recovery gives at least one segment").salt;
        Self {
            shared,
            file: wrap(recovered.file),
            wrap,
            file_bytes: recovered.file_bytes,
            offset: recovered.offset,
            salt,
            bytes: recovered.bytes,
            ended: recovered.ended || recovered.last < recovered.segments.back().map_or(Position::START, |s| s.first),
            _lock: lock,
        }
    }

    /// Commits until the log is closed and everything is durable, or a commit fails.
    pub(crate) fn run(mut self) {
        while let Some(frame) = self.next_frame() {
            if let Err(error) = self.commit(frame) {
                return self.fail(&error);
            }
        }
        if !self.ended {
            let mut mark = self.shared.state.lock().end_mark();
            if let Err(error) = self.write(&mut mark) {
                self.fail(&error);
            }
        }
    }

    /// Waits until a commit is due; `None` when the log is closed and nothing is left.
    fn next_frame(&self) -> Option<Frame> {
        let config = &self.shared.config;
        let mut state = self.shared.state.lock();
        loop {
            let deadline = state.pending_since().map(|since| since + config.commit_interval);
            let full = state.pending_bytes() >= config.commit_bytes;
            match deadline {
                Some(deadline) if full || state.closed || deadline <= Instant::now() => {
                    state.writer = WriterWait::Busy;
                    return state.take_frame();
                }
                Some(deadline) => {
                    state.writer = WriterWait::Deadline;
                    self.shared.writer_wake.wait_until(&mut state, deadline);
                }
                None if state.closed => return None,
                None => {
                    state.writer = WriterWait::Idle;
                    self.shared.writer_wake.wait(&mut state);
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
        if self.offset + frame_bytes > self.file_bytes {
            self.roll(frame, frame_bytes)?;
        }
        self.file.write_at(frame.seal(self.salt), self.offset)?;
        self.file.sync()?;
        self.ended = frame.is_empty();
        if !frame.is_empty() {
            self.shared.segments.note(Place { position: frame.first(), offset: self.offset, bytes_before: self.bytes });
        }
        let end = self.offset + frame_bytes;
        let pages = end.div_ceil(PAGE_BYTES) - self.offset / PAGE_BYTES;
        self.offset = end;
        Ok(pages * PAGE_BYTES)
    }

    /// Goes on in a new segment that begins with `frame`.
    fn roll(&mut self, frame: &Frame, frame_bytes: u64) -> io::Result<()> {
        let segments = &self.shared.segments;
        let header = SegmentHeader::new(frame.first(), frame.received_before_ms());
        let file_bytes = self.shared.config.segment_bytes.max(SEGMENT_HEADER_BYTES as u64 + frame_bytes);
        let file = segment::create(segments.directory(), &header, file_bytes)?;
        segments.push(Segment { first: header.first, salt: header.salt, index: Index::default() });
        self.shared.meters.segments.set(segments.len() as f64);
        self.file = (self.wrap)(file);
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
            "a log commit failed, what came after the durable position may be lost: check that the disk is not full and sound, then start again",
        );
        self.shared.config.on_failure.take();
        self.shared.stop(true);
    }
}
