//! Reading entries back from segments.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use tidegate_telemetry::{Entry, Position};

use crate::frame::{self, HEADER_BYTES, Header, LENGTH_BYTES};
use crate::seam::ReadError;
use crate::segments::Located;

/// Bytes read from a file at once, at least.
const WINDOW_BYTES: usize = 256 << 10;

/// A place in a segment. Reads only what is known to be durable.
#[derive(Debug)]
pub(crate) struct FileCursor {
    file: File,
    path: PathBuf,
    segment: Position,
    salt: u64,
    offset: u64,
    next: Position,
    bytes: u64,
    window: Vec<u8>,
    window_offset: u64,
}

/// An entry as read, with the bytes of all entries up to it.
pub(crate) type ReadEntry = (Position, Arc<Entry>, u64);

impl FileCursor {
    pub(crate) fn open(located: Located) -> Result<Self, ReadError> {
        let file = File::open(&located.path)
            .map_err(|error| ReadError::Storage(format!("{}: {error}", located.path.display())))?;
        Ok(Self {
            file,
            path: located.path,
            segment: located.segment,
            salt: located.salt,
            offset: located.place.offset,
            next: located.place.position,
            bytes: located.place.bytes_before,
            window: Vec::new(),
            window_offset: 0,
        })
    }

    /// Whether the entry at `position` of the segment that begins with `segment` lies ahead.
    pub(crate) fn leads_to(&self, segment: Position, position: Position) -> bool {
        self.segment == segment && self.next <= position
    }

    /// Adds the entries after `after` of the next frame that has some to `out`.
    pub(crate) fn read(&mut self, after: Position, out: &mut impl Extend<ReadEntry>) -> Result<(), ReadError> {
        loop {
            let header = self.read_frame()?;
            let body_at =
                usize::try_from(self.offset - self.window_offset).expect("the window fits memory") + HEADER_BYTES;
            let body = &self.window[body_at..body_at + header.body_bytes as usize];
            let (mut position, mut bytes) = (header.first, self.bytes);
            for record in frame::records(body) {
                bytes += (LENGTH_BYTES + record.len()) as u64;
                if position > after {
                    let entry = Entry::decode(record).map_err(|error| self.damaged(&error.to_string()))?;
                    out.extend([(position, Arc::new(entry), bytes)]);
                }
                position = position.next();
            }
            self.offset += header.frame_bytes() as u64;
            self.next = header.next();
            self.bytes = bytes;
            if self.next > after.next() {
                return Ok(());
            }
        }
    }

    /// Brings the whole next frame into the window and checks it.
    fn read_frame(&mut self) -> Result<Header, ReadError> {
        if let Some(header) = self.frame_in_window() {
            return Ok(header);
        }
        // The window may be older than the frame, or end within it.
        self.load(WINDOW_BYTES)?;
        let frame_bytes = Header::parse(&self.window, self.salt).map_or(0, |header| header.frame_bytes());
        if frame_bytes > self.window.len() {
            self.load(frame_bytes)?;
        }
        self.frame_in_window().ok_or_else(|| self.damaged("not the frame that was written there"))
    }

    fn frame_in_window(&self) -> Option<Header> {
        let at = usize::try_from(self.offset.checked_sub(self.window_offset)?).ok()?;
        let bytes = self.window.get(at..)?;
        let header = Header::parse(bytes, self.salt).filter(|header| header.first == self.next)?;
        header.fits(bytes.get(HEADER_BYTES..header.frame_bytes())?).then_some(header)
    }

    /// Makes the window begin at the next frame and hold `bytes`, or what the file has.
    fn load(&mut self, bytes: usize) -> Result<(), ReadError> {
        self.window.resize(bytes, 0);
        self.window_offset = self.offset;
        let mut filled = 0;
        while filled < self.window.len() {
            match self.file.read_at(&mut self.window[filled..], self.offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.damaged(&error.to_string())),
            }
        }
        self.window.truncate(filled);
        Ok(())
    }

    fn damaged(&self, what: &str) -> ReadError {
        ReadError::Storage(format!("{} at byte {} (entry {}): {what}", self.path.display(), self.offset, self.next))
    }
}
