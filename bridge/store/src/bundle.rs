//! Points of neighbouring series in one hour as one row of `head.db`.
//!
//! A flush has a few points of each of very many series, and a row of its own would cost each of them as much as its
//! points do. So their blocks share rows of a quarter page, each row with one checksum:
//!
//! ```text
//! (series - first series of the row: varint | bytes of the block: varint | block)… | checksum
//! ```
//! A series is in rows with one first series only: the last one that is not after it. Where its blocks do not fit a
//! row that others have begun it begins one, and goes on in further slices of that.

use crate::catalogue::SeriesId;
use crate::codec::{self, Damaged};

/// Bytes of a row, so that four fill a page of 8 KiB. A larger one would lie on pages of its own (SQLite file format,
/// section 1.6: at most 2,030 bytes of an index entry stay on its page).
const ROW_BYTES_MAX: usize = 2_000;
/// Most bytes before a block.
const HEAD_BYTES_MAX: usize = 10;

/// One row.
#[derive(Debug)]
pub(crate) struct Bundle<'a> {
    pub(crate) first: SeriesId,
    /// Counts the rows that begin with the same series.
    pub(crate) slice: u32,
    pub(crate) data: &'a [u8],
}

/// Makes rows of the blocks of one part in one hour; series come in ascending order.
#[derive(Debug)]
pub(crate) struct Packer {
    first: SeriesId,
    slice: u32,
    data: Vec<u8>,
}

impl Packer {
    pub(crate) fn new() -> Self {
        Packer { first: SeriesId(0), slice: 0, data: Vec::new() }
    }

    /// Adds all blocks of a series, and hands rows that are full to `each`.
    pub(crate) fn add<E>(
        &mut self,
        series: SeriesId,
        blocks: &[Vec<u8>],
        each: &mut impl FnMut(&Bundle<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let bytes: usize = blocks.iter().map(|block| HEAD_BYTES_MAX + block.len()).sum();
        if self.data.len() + bytes > ROW_BYTES_MAX {
            self.finish(each)?;
        }
        if self.data.is_empty() {
            (self.first, self.slice) = (series, 0);
        }
        for block in blocks {
            if !self.data.is_empty() && self.data.len() + HEAD_BYTES_MAX + block.len() > ROW_BYTES_MAX {
                self.finish(each)?;
                self.slice += 1;
            }
            codec::put_varint(u64::from(series.0 - self.first.0), &mut self.data);
            codec::put_varint(block.len() as u64, &mut self.data);
            self.data.extend_from_slice(block);
        }
        Ok(())
    }

    /// Hands out the row that is not full.
    pub(crate) fn finish<E>(&mut self, each: &mut impl FnMut(&Bundle<'_>) -> Result<(), E>) -> Result<(), E> {
        if self.data.is_empty() {
            return Ok(());
        }
        codec::put_checksum(&mut self.data);
        let handed = each(&Bundle { first: self.first, slice: self.slice, data: &self.data });
        self.data.clear();
        handed
    }
}

/// The blocks of a row with their series, ascending.
pub(crate) fn blocks(
    first: SeriesId,
    data: &[u8],
) -> Result<impl Iterator<Item = Result<(SeriesId, &[u8]), Damaged>>, Damaged> {
    let mut rest = codec::checked(data)?;
    Ok(std::iter::from_fn(move || (!rest.is_empty()).then(|| block(first, &mut rest))))
}

fn block<'a>(first: SeriesId, rest: &mut &'a [u8]) -> Result<(SeriesId, &'a [u8]), Damaged> {
    let too_early = Damaged("a row ends too early");
    let offset = codec::take_varint(rest)?;
    let series = u32::try_from(offset).ok().and_then(|offset| first.0.checked_add(offset));
    let bytes = usize::try_from(codec::take_varint(rest)?).map_err(|_| too_early)?;
    let (block, after) = rest.split_at_checked(bytes).ok_or(too_early)?;
    *rest = after;
    Ok((SeriesId(series.ok_or(Damaged("a row names an impossible series"))?), block))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Rows of (series, bytes of each block), as (first, slice, data).
    fn packed(series: &[(u32, &[usize])]) -> Vec<(u32, u32, Vec<u8>)> {
        let (mut packer, mut rows) = (Packer::new(), Vec::new());
        let mut keep = |row: &Bundle<'_>| -> Result<(), ()> {
            rows.push((row.first.0, row.slice, row.data.to_vec()));
            Ok(())
        };
        for &(series, blocks) in series {
            let blocks: Vec<Vec<u8>> = blocks.iter().map(|&bytes| vec![series as u8; bytes]).collect();
            packer.add(SeriesId(series), &blocks, &mut keep).unwrap();
        }
        packer.finish(&mut keep).unwrap();
        rows
    }

    fn series_of((first, _, data): &(u32, u32, Vec<u8>)) -> Vec<u32> {
        blocks(SeriesId(*first), data).unwrap().map(|block| block.unwrap().0.0).collect()
    }

    #[test]
    fn small_blocks_share_a_row_and_come_back() {
        let rows = packed(&[(3, &[20]), (4, &[25]), (900, &[7, 9])]);
        assert_eq!(rows.len(), 1);
        let found: Vec<_> = blocks(SeriesId(3), &rows[0].2).unwrap().map(|block| block.unwrap()).collect();
        let lengths: Vec<_> = found.iter().map(|(series, block)| (series.0, block.len())).collect();
        assert_eq!(lengths, [(3, 20), (4, 25), (900, 7), (900, 9)]);
        assert!(found.iter().all(|(series, block)| block.iter().all(|&byte| byte == series.0 as u8)));
    }

    #[test]
    fn all_blocks_of_a_series_are_in_rows_that_begin_with_the_same_series() {
        let rows = packed(&[(1, &[1_500]), (2, &[600]), (5, &[900, 900, 900, 3_000, 10]), (6, &[20]), (7, &[1_990])]);
        let keys: Vec<(u32, u32)> = rows.iter().map(|(first, slice, _)| (*first, *slice)).collect();
        assert_eq!(keys, [(1, 0), (2, 0), (5, 0), (5, 1), (5, 2), (5, 3), (7, 0)]);
        assert_eq!(series_of(&rows[5]), [5, 6], "a slice with room takes what comes next");
        assert!(rows.iter().all(|(_, _, data)| data.len() <= ROW_BYTES_MAX + 10 || data.len() > 3_000));
    }

    #[test]
    fn a_wrong_byte_anywhere_is_noticed() {
        let row = packed(&[(3, &[20]), (4, &[25])]).remove(0).2;
        for at in 0..row.len() {
            let mut wrong = row.clone();
            wrong[at] ^= 1;
            assert!(blocks(SeriesId(3), &wrong).is_err(), "byte {at}");
        }
        assert!(blocks(SeriesId(3), &[]).is_err());
    }
}
