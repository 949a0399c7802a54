//! Points of one series in one hour as a row: the codec's block and a checksum.

use std::collections::BTreeMap;

use crate::catalogue::SeriesId;
use crate::codec::{self, Damaged};
use crate::hour::Hour;
use crate::point::{Point, Run};

/// Points of one row: past a few KiB SQLite puts a row on pages of its own, half empty.
const POINTS_MAX: usize = 1024;
/// One row of points.
#[derive(Debug)]
pub(crate) struct Chunk<'a> {
    pub(crate) hour: Hour,
    /// Counts the rows of one series in one hour; nearly always there is only slice 0.
    pub(crate) slice: u32,
    pub(crate) data: &'a [u8],
}

/// Cuts a settled run at hours and row sizes, and hands each row to `each` with its number of points.
pub(crate) fn cut<E>(run: &Run, mut each: impl FnMut(&Chunk<'_>, usize) -> Result<(), E>) -> Result<(), E> {
    let mut data = Vec::new();
    for points in run.points.chunk_by(|a, b| Hour::of(a.time_ms) == Hour::of(b.time_ms)) {
        let hour = Hour::of(points[0].time_ms);
        for (slice, points) in (0..).zip(points.chunks(POINTS_MAX)) {
            close(points, run, hour, &mut data);
            each(&Chunk { hour, slice, data: &data }, points.len())?;
        }
    }
    Ok(())
}

fn close(points: &[Point], run: &Run, hour: Hour, data: &mut Vec<u8>) {
    data.clear();
    codec::encode(points, &run.texts, hour.start_ms(), data);
    codec::put_checksum(data);
}

/// Appends the points of a row to `run`.
pub(crate) fn open(data: &[u8], hour: Hour, run: &mut Run) -> Result<(), Damaged> {
    codec::decode(codec::checked(data)?, hour.start_ms(), run)
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
