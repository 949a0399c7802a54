//! A segment read front to back in pieces, so that no more of it is in memory than a frame or a few.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use tidegate_telemetry::Position;

use crate::frame::{HEADER_BYTES, Header};

/// Bytes read from a file at once, at least.
pub(crate) const WINDOW_BYTES: usize = 256 << 10;

/// The part of a file that is in memory.
#[derive(Debug)]
pub(crate) struct Window {
    file: File,
    bytes: Vec<u8>,
    /// Of its first byte in the file.
    offset: u64,
}

impl Window {
    pub(crate) fn new(file: File) -> Self {
        Self { file, bytes: Vec::new(), offset: 0 }
    }

    /// What is in memory from `offset` on.
    pub(crate) fn from(&self, offset: u64) -> &[u8] {
        let at = offset.checked_sub(self.offset).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.bytes.get(at..)).unwrap_or_default()
    }

    /// Brings `bytes` from `offset` on into memory, or what the file has of them.
    pub(crate) fn load(&mut self, offset: u64, bytes: usize) -> io::Result<&[u8]> {
        self.bytes.resize(bytes, 0);
        self.offset = offset;
        let mut filled = 0;
        while filled < bytes {
            match self.file.read_at(&mut self.bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes.truncate(filled);
        Ok(&self.bytes)
    }

    /// Brings the whole frame at `offset` into memory, which begins with `first`; `None` when there is no intact one.
    pub(crate) fn frame(&mut self, offset: u64, first: Position, salt: u64) -> io::Result<Option<Header>> {
        if let Some(header) = self.frame_in_memory(offset, first, salt) {
            return Ok(Some(header));
        }
        // What is in memory may be older than the frame, or end within it.
        self.load(offset, WINDOW_BYTES)?;
        let frame_bytes = Header::parse(&self.bytes, salt).map_or(0, |header| header.frame_bytes());
        if frame_bytes > self.bytes.len() {
            self.load(offset, frame_bytes)?;
        }
        Ok(self.frame_in_memory(offset, first, salt))
    }

    fn frame_in_memory(&self, offset: u64, first: Position, salt: u64) -> Option<Header> {
        let bytes = self.from(offset);
        let header = Header::parse(bytes, salt).filter(|header| header.first == first)?;
        header.fits(bytes.get(HEADER_BYTES..header.frame_bytes())?).then_some(header)
    }

    /// The body of a frame that was brought into memory.
    pub(crate) fn body(&self, offset: u64, header: &Header) -> &[u8] {
        &self.from(offset)[HEADER_BYTES..header.frame_bytes()]
    }

    pub(crate) fn file_bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}
