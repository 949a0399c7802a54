use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tidegate_telemetry::{LogEntry, Position};

use crate::config::OpenError;
use crate::embedded::LOCK_NAME;
use crate::frame;
use crate::recovery::{End, Scan, io_error, scan_open};
use crate::segment::{self, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::window::Window;

/// The segments of a log, held open: what is trimmed or appended meanwhile changes nothing of what they have.
#[derive(Debug)]
pub struct OpenFiles {
    directory: PathBuf,
    files: Vec<(PathBuf, File)>,
}

/// The first bytes of a segment.
#[derive(Debug)]
pub struct LogFile {
    /// Its name in the log's folder.
    pub name: String,
    /// The file; it may have been deleted.
    pub file: File,
    /// How much of it belongs to the log.
    pub bytes: u64,
}

/// A log as it is at one position: with its files in a folder of their own it opens, and ends there.
#[derive(Debug)]
pub struct LogFiles {
    /// Oldest first.
    pub files: Vec<LogFile>,
    /// Of its first entry; the one after `last` when there is none.
    pub first: Position,
    /// Of its last entry.
    pub last: Position,
    /// Bytes behind it of a commit that a crash has torn.
    pub torn_bytes: u64,
}

/// What a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogReport {
    /// Of its first entry.
    pub first: Position,
    /// Of its last entry.
    pub last: Position,
    /// How many can be read.
    pub entries: u64,
    /// Of these, how many are as older programs wrote them.
    pub without_head: u64,
    /// Bytes behind the last one of a commit that a crash has torn: they were never acknowledged.
    pub torn_bytes: u64,
}

impl OpenFiles {
    /// Opens all segments there are. One that is deleted meanwhile is left out: nobody needs it.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn open(directory: &Path) -> Result<OpenFiles, OpenError> {
        let mut open = OpenFiles { directory: directory.to_owned(), files: Vec::new() };
        open.open_newer()?;
        Ok(open)
    }

    fn open_newer(&mut self) -> Result<(), OpenError> {
        let newest = self.files.last().map(|(path, _)| path.clone());
        let list = segment::list(&self.directory).map_err(|source| io_error("list", &self.directory, source))?;
        for path in list.into_iter().filter(|path| newest.as_ref().is_none_or(|newest| path > newest)) {
            match File::open(&path) {
                Ok(file) => self.files.push((path, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(io_error("read", &path, source)),
            }
        }
        Ok(())
    }

    /// What they hold up to and including the entry at `through`, which is durable. `None`: all there is, of a log that nobody
    /// writes.
    ///
    /// # Errors
    /// When something up to there is not intact.
    pub fn through(mut self, through: Option<Position>) -> Result<LogFiles, OpenError> {
        // What was begun since they were opened may hold some of it.
        self.open_newer()?;
        let newest = self.files.len().saturating_sub(1);
        let mut log =
            LogFiles { files: Vec::new(), first: Position::START.next(), last: Position::START, torn_bytes: 0 };
        let mut expected = None;
        for (at, (path, file)) in self.files.into_iter().enumerate() {
            if at > 0 && through.is_some_and(|through| log.last >= through) {
                break;
            }
            let (header, scan) = scanned(&file, &path, expected, through)?;
            log.torn_bytes = torn_bytes(&scan, &path, at == newest)?;
            log.first = if at == 0 { header.first } else { log.first };
            (log.last, expected) = (Position(scan.next.0 - 1), Some(scan.next));
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            log.files.push(LogFile { name, file, bytes: scan.offset.max(SEGMENT_HEADER_BYTES as u64) });
        }
        match through {
            Some(through) if log.last < through => {
                Err(OpenError::Missing { from: log.last.next(), through, path: self.directory })
            }
            _ => Ok(log),
        }
    }
}

impl LogFiles {
    /// How many entries there are.
    #[must_use]
    pub fn entries(&self) -> u64 {
        (self.last.0 + 1).saturating_sub(self.first.0)
    }
}

/// The segments of a log's folder, oldest first.
///
/// # Errors
/// When it cannot be read.
pub fn segments(directory: &Path) -> Result<Vec<PathBuf>, OpenError> {
    segment::list(directory).map_err(|source| io_error("list", directory, source))
}

/// Reads every entry of segments, oldest first, whose names may be any.
///
/// # Errors
/// When something is not what was written: the first that is wrong.
pub fn check(segments: &[PathBuf]) -> Result<LogReport, OpenError> {
    check_each(segments, &mut |_, _| ())
}

/// As [`check`]; `each` sees every entry with its position.
///
/// # Errors
/// As [`check`].
pub fn check_each(segments: &[PathBuf], each: &mut dyn FnMut(Position, &LogEntry)) -> Result<LogReport, OpenError> {
    let start = Position::START;
    let mut report = LogReport { first: start.next(), last: start, entries: 0, without_head: 0, torn_bytes: 0 };
    let mut expected = None;
    for (at, path) in segments.iter().enumerate() {
        let file = File::open(path).map_err(|source| io_error("read", path, source))?;
        let (header, scan, mut window) = scan_open(file, path, (expected, 0), None)?;
        report.torn_bytes = torn_bytes(&scan, path, at + 1 == segments.len())?;
        report.first = if at == 0 { header.first } else { report.first };
        (report.last, expected) = (Position(scan.next.0 - 1), Some(scan.next));
        decode(&mut window, (&header, &scan), path, &mut report, each)?;
    }
    Ok(report)
}

/// Reads the entries of a segment that was scanned.
fn decode(
    window: &mut Window,
    (header, scan): (&SegmentHeader, &Scan),
    path: &Path,
    report: &mut LogReport,
    each: &mut dyn FnMut(Position, &LogEntry),
) -> Result<(), OpenError> {
    let (mut offset, mut next) = (SEGMENT_HEADER_BYTES as u64, header.first);
    while offset < scan.offset {
        let frame = window.frame(offset, next, header.salt).map_err(|source| io_error("read", path, source))?;
        let Some(frame) = frame else { return Err(scan.damaged(path)) };
        for (position, record) in (frame.first.0..).zip(frame::records(window.body(offset, &frame))) {
            let entry = LogEntry::decode(record);
            each(Position(position), &entry.map_err(|source| OpenError::Entry { path: path.to_owned(), source })?);
            report.entries += 1;
            report.without_head += u64::from(LogEntry::is_without_head(record));
        }
        (offset, next) = (offset + frame.frame_bytes() as u64, frame.next());
    }
    Ok(())
}

/// Keeps programs out of a log's folder as long as the file lives; `None`: no program was ever there.
///
/// # Errors
/// [`OpenError::InUse`] when one is there now.
pub fn held_alone(directory: &Path) -> Result<Option<File>, OpenError> {
    let path = directory.join(LOCK_NAME);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io_error("open", &path, source)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: directory.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io_error("lock", &path, source)),
    }
}

fn scanned(
    file: &File,
    path: &Path,
    expected: Option<Position>,
    through: Option<Position>,
) -> Result<(SegmentHeader, Scan), OpenError> {
    let file = file.try_clone().map_err(|source| io_error("read", path, source))?;
    let (header, scan, _) = scan_open(file, path, (expected, 0), through)?;
    Ok((header, scan))
}

/// What a crash has torn off the newest segment. Anywhere else it is damage.
fn torn_bytes(scan: &Scan, path: &Path, is_newest: bool) -> Result<u64, OpenError> {
    match scan.end {
        End::Clean => Ok(0),
        End::Torn { bytes } if is_newest => Ok(bytes),
        _ => Err(scan.damaged(path)),
    }
}
