//! Points of neighbouring series in one hour as one row of `head.db`.
//!
//! A flush has a few points of each of very many series, and a row of its own would cost each of them as much as its
//! points do. So their blocks share rows of a quarter page, each row with one checksum:
//!
//! ```text
//! (bytes of the block * 4 + flags: varint | series after the block before: varint, if flagged | block)… | checksum
//! ```
//! Nor would each of them keep times of its own: the metrics of a reading have one time. A block whose times, and whose
//! they are, are those of the last block before it in its row that has times of its own is flagged, and is one of samples only.
//!
//! A series is in rows with one first series only: the last one that is not after it. One that takes several blocks
//! begins a row, and goes on in further slices of that.

use std::sync::Arc;

use crate::catalogue::SeriesId;
use crate::chunk;
use crate::codec::{self, Damaged};
use crate::hour::Hour;
use crate::point::{Point, Run, Stamp};

/// Bytes of a row, so that four fill a page of 8 KiB. A larger one would lie on pages of its own (SQLite file format,
/// section 1.6: at most 2,030 bytes of an index entry stay on its page).
const ROW_BYTES_MAX: usize = 2_000;
/// Most bytes before a block.
const HEAD_BYTES_MAX: usize = 10;

/// The block is not of the series after that of the block before: how many further comes next. The first block counts
/// from the series before the row's first.
const STEPS: u64 = 1;
/// The block has samples only.
const SHARES_TIMES: u64 = 2;
const FLAG_BITS: u32 = 2;

const CHECKSUM_BYTES: usize = 4;

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    /// Number of the flush.
    pub(crate) part: u32,
    pub(crate) hour: Hour,
    pub(crate) first: SeriesId,
    /// Counts the rows of a part and an hour that begin with the same series.
    pub(crate) slice: u32,
}

impl Key {
    /// Of the key and of what stands there: SQLite has no checksums, and neither a wrong bit nor a row in another's
    /// place may give a wrong number without a word.
    fn checksum(&self, content: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let mut checksum = crc32c::crc32c(&self.hour.0.to_le_bytes());
        for number in [self.part, self.first.0, self.slice] {
            checksum = crc32c::crc32c_append(checksum, &number.to_le_bytes());
        }
        crc32c::crc32c_append(checksum, content).to_le_bytes()
    }
}

/// Makes rows of the points of one part in one hour; series come in ascending order.
#[derive(Debug)]
pub(crate) struct Packer {
    key: Key,
    /// Series of the last block of the row.
    last: i64,
    data: Vec<u8>,
    /// Stamps of the last block of the row that has times of its own.
    stamps: Vec<Stamp>,
    /// The block that comes next.
    block: Vec<u8>,
}

impl Packer {
    pub(crate) fn new(part: u32, hour: Hour) -> Self {
        let key = Key { part, hour, first: SeriesId(0), slice: 0 };
        Packer { key, last: -1, data: Vec::new(), stamps: Vec::new(), block: Vec::new() }
    }

    /// Adds all points of a series, ascending and of the hour, and hands rows that are full to `each`.
    pub(crate) fn add<E>(
        &mut self,
        series: SeriesId,
        points: &[Point],
        texts: &[Arc<str>],
        each: &mut impl FnMut(&Key, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let begins_row = points.len() > chunk::POINTS_MAX;
        for (at, points) in points.chunks(chunk::POINTS_MAX).enumerate() {
            let mut shares = self.encode(points, texts);
            let is_full = self.data.len() + HEAD_BYTES_MAX + self.block.len() > ROW_BYTES_MAX;
            if !self.data.is_empty() && (is_full || (at == 0 && begins_row)) {
                self.finish(each)?;
                shares = self.encode(points, texts);
            }
            match (self.data.is_empty(), at) {
                (true, 0) => self.begin(series, 0),
                (true, _) => self.begin(self.key.first, self.key.slice + 1),
                (false, _) => {}
            }
            self.put(series, points, shares);
        }
        Ok(())
    }

    /// Makes the next block; `true` when it goes without times, because the row has them.
    fn encode(&mut self, points: &[Point], texts: &[Arc<str>]) -> bool {
        let shares = points.iter().map(|point| &point.stamp).eq(&self.stamps);
        self.block.clear();
        if shares {
            codec::encode_samples(points, texts, &mut self.block);
        } else {
            codec::encode(points, texts, self.key.hour.start_ms(), &mut self.block);
        }
        shares
    }

    fn begin(&mut self, first: SeriesId, slice: u32) {
        (self.key.first, self.key.slice) = (first, slice);
        self.last = i64::from(first.0) - 1;
    }

    fn put(&mut self, series: SeriesId, points: &[Point], shares: bool) {
        let steps = (i64::from(series.0) - self.last) as u64;
        let flags = if steps == 1 { 0 } else { STEPS } | if shares { SHARES_TIMES } else { 0 };
        codec::put_varint((self.block.len() as u64) << FLAG_BITS | flags, &mut self.data);
        if steps != 1 {
            codec::put_varint(steps, &mut self.data);
        }
        self.data.extend_from_slice(&self.block);
        self.last = i64::from(series.0);
        if !shares {
            self.stamps.clear();
            self.stamps.extend(points.iter().map(|point| point.stamp));
        }
    }

    /// Hands out the row that is not full.
    pub(crate) fn finish<E>(&mut self, each: &mut impl FnMut(&Key, &[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.data.is_empty() {
            return Ok(());
        }
        let checksum = self.key.checksum(&self.data);
        self.data.extend_from_slice(&checksum);
        let handed = each(&self.key, &self.data);
        self.data.clear();
        // A row is read without those before it.
        self.stamps.clear();
        handed
    }
}

/// Goes through the blocks of a row.
#[derive(Debug)]
pub(crate) struct Blocks<'a> {
    hour: Hour,
    rest: &'a [u8],
    last: i64,
    /// The block that [`Blocks::next`] came to.
    block: &'a [u8],
    shares_times: bool,
    /// The last block that has times of its own.
    timed: Option<&'a [u8]>,
    /// Its stamps, once they were needed.
    stamps: Vec<Stamp>,
}

impl<'a> Blocks<'a> {
    pub(crate) fn open(key: &Key, data: &'a [u8]) -> Result<Self, Damaged> {
        let (rest, checksum) = data.split_last_chunk().ok_or(Damaged("a row is too short"))?;
        if key.checksum(rest) != *checksum {
            return Err(Damaged("the checksum of a row does not match"));
        }
        let (hour, last) = (key.hour, i64::from(key.first.0) - 1);
        Ok(Blocks { hour, rest, last, block: &[], shares_times: false, timed: None, stamps: Vec::new() })
    }

    /// Goes to the next block, and names its series; they ascend.
    pub(crate) fn next(&mut self) -> Result<Option<SeriesId>, Damaged> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let head = codec::take_varint(&mut self.rest)?;
        let steps = if head & STEPS == 0 { 1 } else { codec::take_varint(&mut self.rest)? };
        let series = u32::try_from(steps).ok().and_then(|steps| u32::try_from(self.last + i64::from(steps)).ok());
        let series = series.ok_or(Damaged("a row names an impossible series"))?;
        let bytes = usize::try_from(head >> FLAG_BITS).ok();
        let split = bytes.and_then(|bytes| self.rest.split_at_checked(bytes));
        (self.block, self.rest) = split.ok_or(Damaged("a row ends too early"))?;
        self.last = i64::from(series);
        self.shares_times = head & SHARES_TIMES != 0;
        if !self.shares_times {
            self.timed = Some(self.block);
            self.stamps.clear();
        }
        Ok(Some(SeriesId(series)))
    }

    /// Appends the points of the block to `run`.
    pub(crate) fn append(&mut self, run: &mut Run) -> Result<(), Damaged> {
        if !self.shares_times {
            let start = run.points.len();
            chunk::append(self.block, self.hour, run)?;
            self.keep_stamps(&run.points[start..]);
            return Ok(());
        }
        if self.stamps.is_empty() {
            let timed = self.timed.ok_or(Damaged("a row shares times that it does not hold"))?;
            let mut neighbour = Run::default();
            chunk::append(timed, self.hour, &mut neighbour)?;
            self.keep_stamps(&neighbour.points);
        }
        codec::decode_samples(self.block, &self.stamps, run)
    }

    fn keep_stamps(&mut self, points: &[Point]) {
        self.stamps.clear();
        self.stamps.extend(points.iter().map(|point| point.stamp));
    }
}

/// How many points a row holds.
pub(crate) fn points(key: &Key, data: &[u8]) -> Result<u64, Damaged> {
    let (mut blocks, mut points) = (Blocks::open(key, data)?, 0);
    while blocks.next()?.is_some() {
        let mut run = Run::default();
        blocks.append(&mut run)?;
        points += run.points.len() as u64;
    }
    Ok(points)
}

#[cfg(test)]
mod tests;
