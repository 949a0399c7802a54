//! Reading entries back from segments.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use tidegate_telemetry::{LogEntry, Position};

use crate::frame::{self, Header, LENGTH_BYTES};
use crate::seam::ReadError;
use crate::segments::Located;
use crate::window::Window;

/// A place in a segment. Reads only what is known to be durable.
#[derive(Debug)]
pub(crate) struct FileCursor {
    window: Window,
    path: PathBuf,
    segment: Position,
    salt: u64,
    offset: u64,
    next: Position,
    bytes: u64,
}

/// An entry as read, with the bytes of all entries up to it.
pub(crate) type ReadEntry = (Position, Arc<LogEntry>, u64);

impl FileCursor {
    pub(crate) fn open(located: Located) -> Result<Self, ReadError> {
        let file = File::open(&located.path)
            .map_err(|error| ReadError::Storage(format!("{}: {error}", located.path.display())))?;
        Ok(Self {
            window: Window::new(file),
            path: located.path,
            segment: located.segment,
            salt: located.salt,
            offset: located.place.offset,
            next: located.place.position,
            bytes: located.place.bytes_before,
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
            let body = self.window.body(self.offset, &header);
            let (mut position, mut bytes) = (header.first, self.bytes);
            for record in frame::records(body) {
                bytes += (LENGTH_BYTES + record.len()) as u64;
                if position > after {
                    let entry = LogEntry::decode(record).map_err(|error| self.damaged(&error.to_string()))?;
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
        let frame = self.window.frame(self.offset, self.next, self.salt);
        frame
            .map_err(|error| self.damaged(&error.to_string()))?
            .ok_or_else(|| self.damaged("not the frame that was written there"))
    }

    fn damaged(&self, what: &str) -> ReadError {
        ReadError::Storage(format!("{} at byte {} (entry {}): {what}", self.path.display(), self.offset, self.next))
    }
}
