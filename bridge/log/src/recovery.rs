//! Opening what is on disk: every frame is checked, a torn tail is cut, anything else that is wrong stops the start.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use tidegate_telemetry::{LogEntry, Position};

use crate::config::{LogConfig, OpenError};
use crate::frame::{self, Header};
use crate::segment::{self, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::segments::{Index, Segment, SegmentLocation};
use crate::times::Last;
use crate::window::{WINDOW_BYTES, Window};

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
    /// Times of the last entry.
    pub(crate) times: Last,
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
    for path in older {
        let (header, scan, _) = scan_file(path, expected, bytes)?;
        if scan.end != End::Clean {
            return Err(scan.damaged(path));
        }
        (expected, bytes) = (Some(scan.next), scan.bytes);
        segments.push_back(Segment { first: header.first, salt: header.salt, index: scan.index });
    }

    let (header, scan, mut window) = scan_file(newest, expected, bytes)?;
    let times = last_times(newest, &header, &scan, &mut window)?;
    let file = OpenOptions::new().read(true).write(true).open(newest);
    let file = file.map_err(|source| io_error("open", newest, source))?;
    let torn_bytes = match scan.end {
        End::Clean => 0,
        End::Torn { bytes } => bytes,
        End::Damaged => return Err(scan.damaged(newest)),
    };
    let file_bytes = window.file_bytes().map_err(|source| io_error("look at", newest, source))?.max(scan.offset);
    if torn_bytes > 0 {
        let cut = segment::cut(&file, scan.offset, file_bytes);
        cut.map_err(|source| io_error("cut the torn tail of", newest, source))?;
    }
    // A killed process leaves frames that only the page cache has; they are called durable from here on.
    file.sync_data().map_err(|source| io_error("sync", newest, source))?;
    segments.push_back(Segment { first: header.first, salt: header.salt, index: scan.index });
    Ok(Recovered {
        segments,
        file,
        file_bytes,
        offset: scan.offset,
        ended: scan.ended,
        last: Position(scan.next.0 - 1),
        bytes: scan.bytes,
        times,
        torn_bytes,
    })
}

/// Makes the first segment of an empty directory.
fn begin(config: &LogConfig) -> Result<Recovered, OpenError> {
    let header = SegmentHeader::new(config.begin_after.next(), Last::none(config.begin_ahead_ms));
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
        times: Last::none(config.begin_ahead_ms),
        torn_bytes: 0,
    })
}

/// Checks a segment, piece by piece; it must begin with `expected`.
fn scan_file(
    path: &Path,
    expected: Option<Position>,
    bytes_before: u64,
) -> Result<(SegmentHeader, Scan, Window), OpenError> {
    let file = File::open(path).map_err(|source| io_error("read", path, source))?;
    scan_open(file, path, (expected, bytes_before), None)
}

/// Checks a segment that is open, as far as `through`; what follows is judged where there is no such end.
pub(crate) fn scan_open(
    file: File,
    path: &Path,
    (expected, bytes_before): (Option<Position>, u64),
    through: Option<Position>,
) -> Result<(SegmentHeader, Scan, Window), OpenError> {
    let read = |source| io_error("read", path, source);
    let written = if through.is_none() { segment::written(&file).map_err(read)? } else { Vec::new() };
    let mut window = Window::new(file);
    let header = SegmentHeader::parse(window.load(0, WINDOW_BYTES).map_err(read)?, path)?;
    match expected {
        Some(expected) if expected < header.first => {
            Err(OpenError::Missing { from: expected, through: Position(header.first.0 - 1), path: path.to_owned() })
        }
        Some(expected) if expected > header.first => Err(OpenError::NotASegment { path: path.to_owned() }),
        _ => {
            let end = through.unwrap_or(Position(u64::MAX));
            let mut scan = scan(&mut window, &header, bytes_before, end).map_err(read)?;
            if through.is_none() {
                scan.end = end_after(&mut window, &written, &scan, header.salt).map_err(read)?;
            }
            Ok((header, scan, window))
        }
    }
}

/// What a segment holds.
#[derive(Debug)]
pub(crate) struct Scan {
    index: Index,
    /// After the last intact frame.
    pub(crate) offset: u64,
    /// Position after the last intact entry.
    pub(crate) next: Position,
    /// Bytes of all entries up to there.
    bytes: u64,
    /// The last frame that is not empty, and where it begins.
    last_frame: Option<(u64, Header)>,
    /// The last frame is the mark of an orderly end.
    ended: bool,
    pub(crate) end: End,
}

/// What follows the last intact frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Zeros.
    Clean,
    /// The rest of a commit that was not completed.
    Torn { bytes: u64 },
    /// Something that was durable and is not intact any more.
    Damaged,
}

impl Scan {
    pub(crate) fn damaged(&self, path: &Path) -> OpenError {
        OpenError::Damaged { path: path.to_owned(), offset: self.offset, position: self.next }
    }
}

/// Walks the frames of a segment that have entries up to `through`.
fn scan(window: &mut Window, header: &SegmentHeader, bytes_before: u64, through: Position) -> io::Result<Scan> {
    let mut scan = Scan {
        index: Index::default(),
        offset: SEGMENT_HEADER_BYTES as u64,
        next: header.first,
        bytes: bytes_before,
        last_frame: None,
        ended: false,
        end: End::Clean,
    };
    while scan.next <= through
        && let Some(frame) = window.frame(scan.offset, scan.next, header.salt)?
    {
        if frame.entries > 0 {
            scan.index.note(SegmentLocation { position: frame.first, offset: scan.offset, bytes_before: scan.bytes });
            scan.bytes += u64::from(frame.body_bytes);
            scan.last_frame = Some((scan.offset, frame));
        }
        scan.ended = frame.entries == 0;
        scan.next = frame.next();
        scan.offset += frame.frame_bytes() as u64;
    }
    Ok(scan)
}

/// Judges what follows the last intact frame; see [`crate::frame`] for why a later header is proof of damage. Of a
/// segment that is not full most of it is preallocated, and not read.
fn end_after(window: &mut Window, written: &[Range<u64>], scan: &Scan, salt: u64) -> io::Result<End> {
    let (end, next) = (scan.offset, scan.next);
    let wrong_order = Header::parse(window.load(end, WINDOW_BYTES)?, salt).is_some_and(|header| header.first != next);
    if wrong_order {
        return Ok(End::Damaged);
    }
    let mut written_bytes = 0;
    for part in written {
        let mut offset = part.start.max(end);
        while offset < part.end {
            let piece = window.load(offset, WINDOW_BYTES)?;
            let until_zeros = bytes_before_zeros(piece);
            if until_zeros > 0 {
                // The frame at the end itself is known to be none that is intact.
                if frame::find_header(&piece[usize::from(offset == end)..], next, salt).is_some() {
                    return Ok(End::Damaged);
                }
                written_bytes = offset - end + until_zeros as u64;
            }
            // A header may lie across two pieces.
            offset += (WINDOW_BYTES - (frame::HEADER_BYTES - 1)) as u64;
        }
    }
    Ok(if written_bytes == 0 { End::Clean } else { End::Torn { bytes: written_bytes } })
}

/// Length of `bytes` without the zeros it ends with. A preallocated segment is mostly zeros, so pages of them go fast.
fn bytes_before_zeros(bytes: &[u8]) -> usize {
    const PAGE_BYTES: usize = 4096;
    let is_zero = |page: &&[u8]| page.iter().fold(0, |any, byte| any | byte) == 0;
    let zero_bytes: usize = bytes.rchunks(PAGE_BYTES).take_while(is_zero).map(<[u8]>::len).sum();
    let bytes = &bytes[..bytes.len() - zero_bytes];
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

fn last_times(path: &Path, header: &SegmentHeader, scan: &Scan, window: &mut Window) -> Result<Last, OpenError> {
    let Some((offset, last)) = &scan.last_frame else { return Ok(header.before) };
    let read = window.frame(*offset, last.first, header.salt).map_err(|source| io_error("read", path, source))?;
    let last_record = read.and_then(|frame| frame::records(window.body(*offset, &frame)).last());
    let Some(record) = last_record else { return Ok(header.before) };
    let entry = LogEntry::decode(record).map_err(|source| OpenError::Entry { path: path.to_owned(), source })?;
    Ok(Last::of(&entry))
}

pub(crate) fn io_error(action: &'static str, path: &Path, source: io::Error) -> OpenError {
    OpenError::Io { action, path: PathBuf::from(path), source }
}
