//! A segment: one preallocated file of frames, named by its first position.
//!
//! ```text
//! "TIDELOG\0" | format version u32 | checksum u32 | first position u64 | salt u64 | last time received i64
//!     | by how much that is ahead of the time that has passed i64 | 0 to 64 bytes
//! ```
//! The header holds the times of the last entry before it, so that times stay monotone when older segments are gone. Programs
//! that counted no elapsed time left 0 there.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::Errno;
use tidegate_telemetry::Position;

use crate::config::{FORMAT_VERSION, OpenError};
use crate::times::Last;

/// Where the first frame begins.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 64;
const MAGIC: &[u8; 8] = b"TIDELOG\0";
const SUFFIX: &str = ".log";
/// What a segment is called until its header is on disk.
const UNFINISHED_NAME: &str = "next.log.new";
const UNFINISHED_SUFFIX: &str = ".log.new";

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) first: Position,
    /// Random; see [`crate::frame`].
    pub(crate) salt: u64,
    /// Times of the last entry before `first`.
    pub(crate) before: Last,
}

impl SegmentHeader {
    pub(crate) fn new(first: Position, before: Last) -> Self {
        Self { first, salt: RandomState::new().build_hasher().finish(), before }
    }

    fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut out = [0; SEGMENT_HEADER_BYTES];
        out[0..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        out[16..24].copy_from_slice(&self.first.0.to_le_bytes());
        out[24..32].copy_from_slice(&self.salt.to_le_bytes());
        out[32..40].copy_from_slice(&self.before.received_ms.to_le_bytes());
        out[40..48].copy_from_slice(&self.before.ahead_ms.to_le_bytes());
        let checksum = crc32c::crc32c(&out[16..]);
        out[12..16].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Reads the header of the segment at `path` from its first bytes.
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Self, OpenError> {
        let not_a_segment = || OpenError::NotASegment { path: path.to_owned() };
        let bytes: &[u8; SEGMENT_HEADER_BYTES] = bytes.first_chunk().ok_or_else(not_a_segment)?;
        if &bytes[0..8] != MAGIC {
            return Err(not_a_segment());
        }
        let version = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        if version != FORMAT_VERSION {
            return Err(OpenError::UnknownVersion { path: path.to_owned(), version });
        }
        if crc32c::crc32c(&bytes[16..]).to_le_bytes() != bytes[12..16] {
            return Err(not_a_segment());
        }
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let before = Last { received_ms: number(32).cast_signed(), ahead_ms: number(40).cast_signed() };
        Ok(Self { first: Position(number(16)), salt: number(24), before })
    }
}

/// Where frames are written; a seam of its own so that a test can make a disk fail.
pub(crate) trait SegmentFile: Send {
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Returns when everything written is on the device.
    fn sync(&self) -> io::Result<()>;
}

impl SegmentFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Takes the room of a segment that nobody knows yet: it is zeros, and on disk.
pub(crate) fn allocate(directory: &Path, bytes: u64) -> io::Result<File> {
    let unfinished = directory.join(UNFINISHED_NAME);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(unfinished)?;
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes)?;
    file.sync_all()?;
    Ok(file)
}

/// Makes an allocated file the segment of `header`: it has its name only once its header is durable.
pub(crate) fn begin(file: &File, directory: &Path, header: &SegmentHeader) -> io::Result<()> {
    file.write_all_at(&header.encode(), 0)?;
    file.sync_all()?;
    std::fs::rename(directory.join(UNFINISHED_NAME), path(directory, header.first))?;
    sync_directory(directory)
}

/// Cuts everything from `offset` on and gives the segment its full, zero-filled length again.
pub(crate) fn cut(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    file.set_len(offset)?;
    rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes.max(offset))?;
    file.sync_all()
}

/// Which parts of a file were ever written; the rest is preallocated, and zeros. Ask before reading: what the system read
/// ahead it takes for written. A file system that does not tell them apart says that all of it was.
pub(crate) fn written(file: &File) -> io::Result<Vec<Range<u64>>> {
    let file_bytes = file.metadata()?.len();
    let (mut parts, mut end) = (Vec::new(), 0);
    while end < file_bytes {
        let start = match rustix::fs::seek(file, SeekFrom::Data(end)) {
            Err(Errno::NXIO) => break,
            start => start.unwrap_or(end),
        };
        end = rustix::fs::seek(file, SeekFrom::Hole(start)).unwrap_or(file_bytes);
        parts.push(start..end);
    }
    Ok(parts)
}

/// The name of the segment that begins with `first`.
pub(crate) fn path(directory: &Path, first: Position) -> PathBuf {
    directory.join(format!("{:020}{SUFFIX}", first.0))
}

/// Removes what was being made when the process ended.
pub(crate) fn remove_unfinished(directory: &Path) -> io::Result<()> {
    for item in std::fs::read_dir(directory)? {
        let item = item?;
        if item.file_name().to_string_lossy().ends_with(UNFINISHED_SUFFIX) {
            std::fs::remove_file(item.path())?;
        }
    }
    Ok(())
}

/// The segments of a directory in order.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut segments = Vec::new();
    for item in std::fs::read_dir(directory)? {
        let item = item?;
        if item.file_name().to_string_lossy().ends_with(SUFFIX) {
            segments.push(item.path());
        }
    }
    segments.sort();
    Ok(segments)
}

/// Makes created, renamed and removed names durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
