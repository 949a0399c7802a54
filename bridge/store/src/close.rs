//! Closing an hour: its parts become one row a series in the day's file, and its summaries are written. Late data is
//! merged in the same way.
//!
//! The day's file is committed first, then the summaries, then the parts leave `head.db`. A crash in between leaves
//! parts that are merged again to the same result; as long as they are there no query trusts the summaries.

use std::collections::BTreeMap;

use parking_lot::RwLockUpgradableReadGuard;
use rusqlite::Connection;

use crate::catalogue::SeriesId;
use crate::day;
use crate::error::StoreError;
use crate::files::Files;
use crate::head::{HeadWriter, Part};
use crate::hour::Hour;
use crate::month;
use crate::point::Run;
use crate::sqlite::Database;
use crate::store::Inner;
use crate::summary;

/// Series merged at a time: bounds memory to a few MiB.
const SERIES_AT_A_TIME: usize = 1024;

/// Merges the parts of an hour. The caller holds `writing`.
pub(crate) fn close_hour(inner: &Inner, hour: Hour, parts: &[Part]) -> Result<(), StoreError> {
    make_files(inner, hour)?;
    // Other readers go on; only this thread writes, so nothing changes until the upgrade.
    let files = inner.files.upgradable_read();
    let (day, month) = (&files.days[&hour.day()], &files.months[&hour.month()]);
    let (raw, rollup) = (begin(&day.database)?, begin(&month.database)?);
    let mut points = day.closed.get(&hour).copied().unwrap_or(0);
    let last = files.head.last_series(hour, parts)?;
    for from in (0..=last.unwrap_or(0)).step_by(SERIES_AT_A_TIME) {
        let runs = files.head.read_range(hour, parts, (from, from + SERIES_AT_A_TIME as u32))?;
        points = merge(&files, hour, runs, (&raw, &rollup), points)?;
    }
    day::close(&raw, hour, points).map_err(|error| day.database.error(error))?;
    month::close(&rollup, hour).map_err(|error| month.database.error(error))?;
    let head = files.head.clone();
    let head_connection = begin(&head.database)?;
    let head_writer = HeadWriter { connection: &head_connection };
    head_writer.remove_parts(hour, parts).map_err(|error| head.database.error(error))?;

    let mut files = RwLockUpgradableReadGuard::upgrade(files);
    let day = files.day(hour.day())?;
    commit(&raw, &day.database)?;
    day.closed.insert(hour, points);
    let month = files.month(hour.month())?;
    commit(&rollup, &month.database)?;
    month.closed.insert(hour);
    commit(&head_connection, &head.database)?;
    files.parts.remove(&hour);
    drop(files);

    let files = inner.files.read();
    files.days[&hour.day()].database.checkpoint(&raw, &inner.written_bytes)?;
    files.months[&hour.month()].database.checkpoint(&rollup, &inner.written_bytes)?;
    head.database.checkpoint(&head_connection, &inner.written_bytes)
}

/// Merges `runs` into what the day's file has, and returns how many points the hour has then.
fn merge(
    files: &Files,
    hour: Hour,
    runs: BTreeMap<SeriesId, Run>,
    (raw, rollup): (&Connection, &Connection),
    mut points: u64,
) -> Result<u64, StoreError> {
    let (day, month) = (&files.days[&hour.day()], &files.months[&hour.month()]);
    let is_closed = day.closed.contains_key(&hour);
    for (series, late) in runs {
        let mut run = Run::default();
        if is_closed {
            day.read_series(hour, series, &mut run)?;
        }
        let known = run.points.len() as u64;
        run.extend(&late.points, &late.texts);
        run.settle();
        points = points + run.points.len() as u64 - known;
        let written = match known {
            0 => day::append(raw, series, &run),
            _ => day::replace(raw, hour, series, &run),
        };
        written.map_err(|error| day.database.error(error))?;
        let summarized = month::replace(rollup, hour, series, summary::of(&run).as_ref());
        summarized.map_err(|error| month.database.error(error))?;
    }
    Ok(points)
}

/// Makes the summaries of a closed hour again.
pub(crate) fn summarize_hour(inner: &Inner, hour: Hour) -> Result<(), StoreError> {
    make_files(inner, hour)?;
    let files = inner.files.upgradable_read();
    let (day, month) = (&files.days[&hour.day()], &files.months[&hour.month()]);
    let rollup = begin(&month.database)?;
    for from in (0..=day.last_series(hour)?.unwrap_or(0)).step_by(SERIES_AT_A_TIME) {
        for (series, run) in day.read_range(hour, (from, from + SERIES_AT_A_TIME as u32))? {
            let written = month::replace(&rollup, hour, series, summary::of(&run).as_ref());
            written.map_err(|error| month.database.error(error))?;
        }
    }
    month::close(&rollup, hour).map_err(|error| month.database.error(error))?;
    let mut files = RwLockUpgradableReadGuard::upgrade(files);
    let month = files.month(hour.month())?;
    commit(&rollup, &month.database)?;
    month.closed.insert(hour);
    month.database.checkpoint(&rollup, &inner.written_bytes)
}

fn make_files(inner: &Inner, hour: Hour) -> Result<(), StoreError> {
    let mut files = inner.files.write();
    files.day(hour.day())?;
    files.month(hour.month())?;
    Ok(())
}

fn begin(database: &Database) -> Result<Connection, StoreError> {
    let connection = database.writer()?;
    connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| database.error(error))?;
    Ok(connection)
}

fn commit(connection: &Connection, database: &Database) -> Result<(), StoreError> {
    connection.execute_batch("COMMIT").map_err(|error| database.error(error))
}
