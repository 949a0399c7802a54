//! Points of one series in one hour: as blocks of bounded size, and as the rows of a day's file, a block and a checksum.

use std::collections::BTreeMap;

use crate::catalogue::SeriesId;
use crate::codec::{self, Damaged};
use crate::hour::Hour;
use crate::point::{Point, Run};

/// Points of one block: past a few KiB SQLite puts a row on pages of its own, half empty.
pub(crate) const POINTS_MAX: usize = 1024;

/// Points of one block.
#[derive(Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) hour: Hour,
    /// Counts the blocks of one series in one hour; nearly always there is only slice 0.
    pub(crate) slice: u32,
    pub(crate) points: &'a [Point],
}

/// Cuts settled points at hours and block sizes.
pub(crate) fn pieces(points: &[Point]) -> impl Iterator<Item = Piece<'_>> {
    let hours = points.chunk_by(|a, b| Hour::of(a.time_ms()) == Hour::of(b.time_ms()));
    hours.flat_map(|points| {
        let hour = Hour::of(points[0].time_ms());
        (0..).zip(points.chunks(POINTS_MAX)).map(move |(slice, points)| Piece { hour, slice, points })
    })
}

/// A piece of `run` as a row.
pub(crate) fn row(piece: &Piece<'_>, run: &Run) -> Vec<u8> {
    let mut row = Vec::with_capacity(piece.points.len() * 2 + 16);
    codec::encode(piece.points, &run.texts, piece.hour.start_ms(), &mut row);
    codec::put_checksum(&mut row);
    row
}

/// Appends the points of a row to `run`.
pub(crate) fn open(data: &[u8], hour: Hour, run: &mut Run) -> Result<(), Damaged> {
    append(codec::checked(data)?, hour, run)
}

/// Appends the points of a block to `run`.
pub(crate) fn append(block: &[u8], hour: Hour, run: &mut Run) -> Result<(), Damaged> {
    codec::decode(block, hour.start_ms(), run)
}

/// Appends the points of many rows of (series, data) to the runs of their series.
pub(crate) fn open_all(
    rows: &mut rusqlite::Rows<'_>,
    hour: Hour,
    runs: &mut BTreeMap<SeriesId, Run>,
) -> rusqlite::Result<Option<Damaged>> {
    while let Some(row) = rows.next()? {
        let run = runs.entry(SeriesId(row.get(0)?)).or_default();
        if let Err(damaged) = open(row.get_ref(1)?.as_blob()?, hour, run) {
            return Ok(Some(damaged));
        }
    }
    Ok(None)
}
