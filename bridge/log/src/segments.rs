//! Which segments there are, and roughly where in them each position lies.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use parking_lot::Mutex;
use tidegate_telemetry::Position;

use crate::segment;

/// Bytes of a segment between two index points: what a reader skips at most to find its place.
const INDEX_STRIDE_BYTES: u64 = 64 << 10;

/// The segments on disk, oldest first; never empty after the log was opened.
#[derive(Debug)]
pub(crate) struct Segments {
    directory: PathBuf,
    list: Mutex<VecDeque<Segment>>,
    /// One trim at a time; apart from `list`, so that commits do not wait for a file to be deleted.
    trimming: Mutex<()>,
}

/// One segment and its sparse index.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) first: Position,
    pub(crate) salt: u64,
    pub(crate) index: Index,
}

/// Where some of the frames of a segment begin.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index(Vec<SegmentLocation>);

/// Where a frame begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentLocation {
    /// First entry of the frame.
    pub(crate) position: Position,
    /// In the file.
    pub(crate) offset: u64,
    /// Bytes of all entries before it; see [`crate::tail::Tail`].
    pub(crate) bytes_before: u64,
}

/// The place to start reading from to find an entry.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    /// First position of the segment.
    pub(crate) segment: Position,
    pub(crate) salt: u64,
    pub(crate) path: PathBuf,
    pub(crate) place: SegmentLocation,
}

impl Index {
    /// Notes a frame if it is far enough from the one noted last.
    pub(crate) fn note(&mut self, place: SegmentLocation) {
        if self.0.last().is_none_or(|last| place.offset - last.offset >= INDEX_STRIDE_BYTES) {
            self.0.push(place);
        }
    }

    fn before(&self, position: Position) -> Option<SegmentLocation> {
        let after = self.0.partition_point(|place| place.position <= position);
        self.0.get(after.checked_sub(1)?).copied()
    }
}

impl Segments {
    pub(crate) fn new(directory: PathBuf, list: VecDeque<Segment>) -> Self {
        Self { directory, list: Mutex::new(list), trimming: Mutex::new(()) }
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// Adds the newest segment. It replaces one that begins with the same entry: that one held none yet, and was too
    /// small for the first frame.
    pub(crate) fn push(&self, segment: Segment) {
        let mut list = self.list.lock();
        if list.back().is_some_and(|newest| newest.first == segment.first) {
            list.pop_back();
        }
        list.push_back(segment);
    }

    /// Notes a frame of the newest segment.
    pub(crate) fn note(&self, place: SegmentLocation) {
        if let Some(newest) = self.list.lock().back_mut() {
            newest.index.note(place);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.lock().len()
    }

    /// The first position that is on disk.
    pub(crate) fn first(&self) -> Position {
        self.list.lock().front().map_or(Position::START.next(), |segment| segment.first)
    }

    /// Where to look for the entry at `position`; `None` when it was trimmed (or never written).
    pub(crate) fn locate(&self, position: Position) -> Option<Located> {
        let list = self.list.lock();
        let after = list.partition_point(|segment| segment.first <= position);
        let segment = list.get(after.checked_sub(1)?)?;
        Some(Located {
            segment: segment.first,
            salt: segment.salt,
            path: segment::path(&self.directory, segment.first),
            place: segment.index.before(position)?,
        })
    }

    /// Bytes of all entries before the first one on disk.
    pub(crate) fn bytes_before_first(&self) -> Option<u64> {
        let list = self.list.lock();
        list.iter().find_map(|segment| segment.index.0.first()).map(|place| place.bytes_before)
    }

    /// Deletes the segments that hold nothing after `through`, oldest first and each for good before the next, so that
    /// a crash never leaves a gap. The newest stays.
    pub(crate) fn trim(&self, through: Position) -> io::Result<()> {
        let _one_at_a_time = self.trimming.lock();
        while let Some(oldest) = self.oldest_before(through.next()) {
            // One that cannot be deleted stays the oldest: deleting the next one would leave a gap.
            std::fs::remove_file(segment::path(&self.directory, oldest))?;
            self.list.lock().pop_front();
            segment::sync_directory(&self.directory)?;
        }
        Ok(())
    }

    /// First position of the oldest segment when all of it lies before `position`.
    fn oldest_before(&self, position: Position) -> Option<Position> {
        let list = self.list.lock();
        (list.get(1)?.first <= position).then(|| list[0].first)
    }
}
