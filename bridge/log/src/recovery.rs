//! Opening what is on disk: every frame is checked, a torn tail is cut, anything else that is wrong stops the start.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use tidegate_telemetry::{Entry, Position};

use crate::config::{LogConfig, OpenError};
use crate::frame::{self, Header};
use crate::segment::{self, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::segments::{Index, Place, Segment};

/// What was found, and the newest segment to go on with.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) segments: VecDeque<Segment>,
    /// The newest segment.
    pub(crate) file: File,
    pub(crate) file_bytes: u64,
    /// Where its next frame goes.
    pub(crate) offset: u64,
    /// Whether it ends with the mark of an orderly end.
    pub(crate) ended: bool,
    pub(crate) last: Position,
    /// Bytes of all entries.
    pub(crate) bytes: u64,
    /// Unix ms of the last entry.
    pub(crate) received_ms: i64,
    /// Bytes of an incomplete commit that were cut off.
    pub(crate) torn_bytes: u64,
}

/// Opens the directory's segments, or makes the first one.
pub(crate) fn recover(config: &LogConfig) -> Result<Recovered, OpenError> {
    let directory = &config.directory;
    let paths = segment::remove_unfinished(directory).and_then(|()| segment::list(directory));
    let paths = paths.map_err(|source| io_error("list", directory, source))?;
    let Some((newest, older)) = paths.split_last() else { return begin(config) };

    let mut segments = VecDeque::new();
    let mut expected = None;
    let mut bytes = 0;
    let mut buffer = Vec::new();
    for path in older {
        let (header, scan) = scan_file(path, expected, bytes, &mut buffer)?;
        if scan.end != End::Clean {
            return Err(scan.damaged(path));
        }
        (expected, bytes) = (Some(scan.next), scan.bytes);
        segments.push_back(Segment { first: header.first, salt: header.salt, index: scan.index });
    }

    let (header, scan) = scan_file(newest, expected, bytes, &mut buffer)?;
    let received_ms = last_received_ms(newest, &header, &scan, &buffer)?;
    let file = OpenOptions::new().read(true).write(true).open(newest);
    let file = file.map_err(|source| io_error("open", newest, source))?;
    let torn_bytes = match scan.end {
        End::Clean => 0,
        End::Torn { bytes } => bytes,
        End::Damaged => return Err(scan.damaged(newest)),
    };
    let file_bytes = buffer.len().max(scan.offset) as u64;
    if torn_bytes > 0 {
        let cut = segment::cut(&file, scan.offset as u64, file_bytes);
        cut.map_err(|source| io_error("cut the torn tail of", newest, source))?;
    }
    // A killed process leaves frames that only the page cache has; they are called durable from here on.
    file.sync_data().map_err(|source| io_error("sync", newest, source))?;
    segments.push_back(Segment { first: header.first, salt: header.salt, index: scan.index });
    Ok(Recovered {
        segments,
        file,
        file_bytes,
        offset: scan.offset as u64,
        ended: scan.ended,
        last: Position(scan.next.0 - 1),
        bytes: scan.bytes,
        received_ms,
        torn_bytes,
    })
}

/// Makes the first segment of an empty directory.
fn begin(config: &LogConfig) -> Result<Recovered, OpenError> {
    let header = SegmentHeader::new(config.begin_after.next(), i64::MIN);
    let file = segment::allocate(&config.directory, config.segment_bytes);
    let file = file.and_then(|file| segment::begin(&file, &config.directory, &header).map(|()| file));
    let file = file.map_err(|source| io_error("make the first log segment in", &config.directory, source))?;
    Ok(Recovered {
        segments: VecDeque::from([Segment { first: header.first, salt: header.salt, index: Index::default() }]),
        file,
        file_bytes: config.segment_bytes,
        offset: SEGMENT_HEADER_BYTES as u64,
        ended: false,
        last: config.begin_after,
        bytes: 0,
        received_ms: i64::MIN,
        torn_bytes: 0,
    })
}

/// Reads a segment into `buffer` and checks it; it must begin with `expected`.
fn scan_file(
    path: &Path,
    expected: Option<Position>,
    bytes_before: u64,
    buffer: &mut Vec<u8>,
) -> Result<(SegmentHeader, Scan), OpenError> {
    buffer.clear();
    let read = File::open(path).and_then(|mut file| file.read_to_end(buffer));
    read.map_err(|source| io_error("read", path, source))?;
    let header = SegmentHeader::parse(buffer, path)?;
    match expected {
        Some(expected) if expected < header.first => {
            Err(OpenError::Missing { from: expected, through: Position(header.first.0 - 1), path: path.to_owned() })
        }
        Some(expected) if expected > header.first => Err(OpenError::NotASegment { path: path.to_owned() }),
        _ => Ok((header, scan(buffer, &header, bytes_before))),
    }
}

/// What a segment holds.
#[derive(Debug)]
struct Scan {
    index: Index,
    /// After the last intact frame.
    offset: usize,
    /// Position after the last intact entry.
    next: Position,
    /// Bytes of all entries up to there.
    bytes: u64,
    /// Body of the last frame that is not empty.
    last_body: Option<Range<usize>>,
    /// The last frame is the mark of an orderly end.
    ended: bool,
    end: End,
}

/// What follows the last intact frame.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Zeros.
    Clean,
    /// The rest of a commit that was not completed.
    Torn { bytes: u64 },
    /// Something that was durable and is not intact any more.
    Damaged,
}

impl Scan {
    fn damaged(&self, path: &Path) -> OpenError {
        OpenError::Damaged { path: path.to_owned(), offset: self.offset as u64, position: self.next }
    }
}

/// Walks the frames of a segment.
fn scan(segment: &[u8], header: &SegmentHeader, bytes_before: u64) -> Scan {
    let mut scan = Scan {
        index: Index::default(),
        offset: SEGMENT_HEADER_BYTES,
        next: header.first,
        bytes: bytes_before,
        last_body: None,
        ended: false,
        end: End::Clean,
    };
    while let Some((frame, body)) = intact_frame(segment, scan.offset, scan.next, header.salt) {
        if frame.entries > 0 {
            scan.index.note(Place { position: frame.first, offset: scan.offset as u64, bytes_before: scan.bytes });
            scan.bytes += u64::from(frame.body_bytes);
            scan.last_body = Some(body);
        }
        scan.ended = frame.entries == 0;
        scan.next = frame.next();
        scan.offset += frame.frame_bytes();
    }
    scan.end = end_after(&segment[scan.offset..], scan.next, header.salt);
    scan
}

fn intact_frame(segment: &[u8], offset: usize, next: Position, salt: u64) -> Option<(Header, Range<usize>)> {
    let header = Header::parse(segment.get(offset..)?, salt).filter(|header| header.first == next)?;
    let body = offset + frame::HEADER_BYTES..offset + header.frame_bytes();
    header.fits(segment.get(body.clone())?).then_some((header, body))
}

/// Judges what follows the last intact frame; see [`crate::frame`] for why a later header is proof of damage.
fn end_after(rest: &[u8], next: Position, salt: u64) -> End {
    let written = bytes_before_zeros(rest);
    if written == 0 {
        return End::Clean;
    }
    // A header may end in zeros.
    let rest = &rest[..rest.len().min(written + frame::HEADER_BYTES)];
    let wrong_order = Header::parse(rest, salt).is_some_and(|header| header.first != next);
    if wrong_order || frame::find_header(&rest[1..], next, salt).is_some() {
        return End::Damaged;
    }
    End::Torn { bytes: written as u64 }
}

/// Length of `bytes` without the zeros it ends with. A preallocated segment is mostly zeros, so pages of them go fast.
fn bytes_before_zeros(bytes: &[u8]) -> usize {
    const PAGE_BYTES: usize = 4096;
    let is_zero = |page: &&[u8]| page.iter().fold(0, |any, byte| any | byte) == 0;
    let zero_bytes: usize = bytes.rchunks(PAGE_BYTES).take_while(is_zero).map(<[u8]>::len).sum();
    let bytes = &bytes[..bytes.len() - zero_bytes];
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

fn last_received_ms(path: &Path, header: &SegmentHeader, scan: &Scan, segment: &[u8]) -> Result<i64, OpenError> {
    let last_record = scan.last_body.clone().and_then(|body| frame::records(&segment[body]).last());
    let Some(record) = last_record else { return Ok(header.received_before_ms) };
    let entry = Entry::decode(record).map_err(|source| OpenError::Entry { path: path.to_owned(), source })?;
    Ok(entry.received_ms())
}

pub(crate) fn io_error(action: &'static str, path: &Path, source: io::Error) -> OpenError {
    OpenError::Io { action, path: PathBuf::from(path), source }
}
