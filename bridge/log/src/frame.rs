//! A frame: the entries of one commit, as they lie in a segment. No I/O.
//!
//! ```text
//! magic u32 | header checksum u32 | first position u64 | entries u32 | body bytes u32 | body checksum u32 | 0 u32
//! then, for each entry: length u32 | encoded entry
//! ```
//! All numbers are little-endian, checksums CRC-32C (RFC 3720 appendix B.4).
//!
//! The frame is the unit of tearing: the writer syncs one before it writes the next, so after a power cut at most the
//! last frame is incomplete, in any of its pages, and none of its entries was ever called durable. Hence an intact
//! header behind a bad frame proves that the bad one had been synced: that is corruption, not a torn tail.
//! The header's checksum starts from its segment's random salt, so neither a stale frame of a reused block nor bytes
//! that a device publishes can pass for a header.

use tidegate_telemetry::{LogEntry, Position};

use crate::seam::AppendError;
use crate::times::Last;

/// Bytes before the body.
pub(crate) const HEADER_BYTES: usize = 32;
/// Bytes before each entry.
pub(crate) const LENGTH_BYTES: usize = 4;
const MAGIC: u32 = u32::from_le_bytes(*b"TGFR");

/// Entries that are to be committed together.
#[derive(Debug)]
pub(crate) struct Frame {
    bytes: Vec<u8>,
    first: Position,
    before: Last,
    entries: u32,
}

impl Frame {
    /// An empty frame whose first entry will be `first`, after one with the times `before`.
    /// Uses the memory of `buffer`.
    pub(crate) fn begin(first: Position, before: Last, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.resize(HEADER_BYTES, 0);
        Self { bytes: buffer, first, before, entries: 0 }
    }

    /// Adds an entry; returns the bytes it takes. A refused one leaves nothing.
    pub(crate) fn push(&mut self, entry: &LogEntry, record_bytes_max: usize) -> Result<usize, AppendError> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; LENGTH_BYTES]);
        entry.encode_into(&mut self.bytes);
        let encoded = self.bytes.len() - start - LENGTH_BYTES;
        match u32::try_from(encoded) {
            Ok(length) if encoded <= record_bytes_max => {
                self.bytes[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
                self.entries += 1;
                Ok(LENGTH_BYTES + encoded)
            }
            _ => {
                self.bytes.truncate(start);
                Err(AppendError::TooLarge { bytes: encoded, max: record_bytes_max })
            }
        }
    }

    /// Where the frame ends now, to come back to with [`Frame::rewind`].
    pub(crate) fn mark(&self) -> (usize, u32) {
        (self.bytes.len(), self.entries)
    }

    /// Forgets what was added after `mark`.
    pub(crate) fn rewind(&mut self, (bytes, entries): (usize, u32)) {
        self.bytes.truncate(bytes);
        self.entries = entries;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    pub(crate) fn entries(&self) -> u32 {
        self.entries
    }

    pub(crate) fn first(&self) -> Position {
        self.first
    }

    /// Times of the entry before the first.
    pub(crate) fn before(&self) -> Last {
        self.before
    }

    /// Position of the last entry; the one before the first for an empty frame.
    pub(crate) fn last(&self) -> Position {
        Position(self.first.0 + u64::from(self.entries) - 1)
    }

    pub(crate) fn body_bytes(&self) -> usize {
        self.bytes.len() - HEADER_BYTES
    }

    /// Fills in the header and gives what goes to the file.
    pub(crate) fn seal(&mut self, salt: u64) -> &[u8] {
        let header = Header {
            first: self.first,
            entries: self.entries,
            body_bytes: u32::try_from(self.body_bytes()).expect("frames are closed long before 4 GiB"),
            body_checksum: crc32c::crc32c(&self.bytes[HEADER_BYTES..]),
        };
        self.bytes[..HEADER_BYTES].copy_from_slice(&header.encode(salt));
        &self.bytes
    }

    /// The memory, for the next frame.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }
}

/// What stands before a frame's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Position of the first entry; for an empty frame (the mark of an orderly end) of the one that comes next.
    pub(crate) first: Position,
    pub(crate) entries: u32,
    pub(crate) body_bytes: u32,
    body_checksum: u32,
}

impl Header {
    fn encode(&self, salt: u64) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        out[8..16].copy_from_slice(&self.first.0.to_le_bytes());
        out[16..20].copy_from_slice(&self.entries.to_le_bytes());
        out[20..24].copy_from_slice(&self.body_bytes.to_le_bytes());
        out[24..28].copy_from_slice(&self.body_checksum.to_le_bytes());
        let checksum = header_checksum(&out, salt);
        out[4..8].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    /// The header at the start of `bytes`; `None` when there is no intact one of this segment.
    pub(crate) fn parse(bytes: &[u8], salt: u64) -> Option<Header> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let intact = u32_at(bytes, 0) == MAGIC && u32_at(bytes, 4) == header_checksum(bytes, salt);
        intact.then(|| Header {
            first: Position(u64::from(u32_at(bytes, 8)) | u64::from(u32_at(bytes, 12)) << 32),
            entries: u32_at(bytes, 16),
            body_bytes: u32_at(bytes, 20),
            body_checksum: u32_at(bytes, 24),
        })
    }

    /// Whether this is the body that was written with the header.
    pub(crate) fn fits(&self, body: &[u8]) -> bool {
        body.len() == self.body_bytes as usize && crc32c::crc32c(body) == self.body_checksum
    }

    /// Bytes of header and body.
    pub(crate) fn frame_bytes(&self) -> usize {
        HEADER_BYTES + self.body_bytes as usize
    }

    /// Position after the last entry.
    pub(crate) fn next(&self) -> Position {
        Position(self.first.0 + u64::from(self.entries))
    }
}

/// The encoded entries of an intact body.
pub(crate) fn records(mut body: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = body.split_first_chunk::<LENGTH_BYTES>()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        body = rest;
        Some(record)
    })
}

/// Offset of the first intact header in `bytes` for an entry at or after `from`.
pub(crate) fn find_header(bytes: &[u8], from: Position, salt: u64) -> Option<usize> {
    let first_byte = MAGIC.to_le_bytes()[0];
    let mut offset = 0;
    while let Some(found) = bytes[offset..].iter().position(|&byte| byte == first_byte) {
        offset += found;
        if Header::parse(&bytes[offset..], salt).is_some_and(|header| header.first >= from) {
            return Some(offset);
        }
        offset += 1;
    }
    None
}

fn header_checksum(header: &[u8; HEADER_BYTES], salt: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), &header[8..])
}

fn u32_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
