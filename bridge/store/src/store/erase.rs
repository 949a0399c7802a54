//! Erasing: nothing of a series stays in any file.
//!
//! With the flush that has a device's names go, `head.db` notes its series as those that are being erased; they are nobody's
//! from then on, so nothing is added to them and no question finds them. Then each file is gone through, in a transaction of
//! its own that changes what the file notes of itself too; at last the note goes. After a crash anywhere the same files are gone
//! through again, and what is gone already is not found. Deleted bytes are overwritten, in write-ahead logs too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use parking_lot::RwLockUpgradableReadGuard;
use rusqlite::{Connection, params};

use super::close::{self, commit};
use crate::bundle::{Blocks, Key, Packer};
use crate::catalogue::SeriesId;
use crate::codec::Damaged;
use crate::day::DayFile;
use crate::error::StoreError;
use crate::files::Files;
use crate::head::{HeadWriter, Part};
use crate::hour::{Day, Hour, Month};
use crate::point::Run;
use crate::sqlite::Database;
use crate::store::Inner;
use crate::{bundle, counters, day, month, sqlite};

/// Files that are still to be gone through, for the series that are being erased.
#[derive(Debug)]
pub(crate) struct Erasing {
    series: BTreeSet<SeriesId>,
    hours: Vec<Hour>,
    days: Vec<Day>,
    months: Vec<Month>,
    /// Why a file could not be gone through: the others are all the same.
    failed: Option<StoreError>,
}

impl Erasing {
    /// What is to be done for what is being erased now; `None`: nothing is.
    pub(crate) fn begin(files: &Files) -> Option<Erasing> {
        let series = files.erasing.clone();
        (!series.is_empty()).then(|| Erasing {
            series,
            hours: files.parts.keys().copied().collect(),
            days: files.days.keys().copied().collect(),
            months: files.months.keys().copied().collect(),
            failed: None,
        })
    }

    /// Goes through files until the time is up; `true`: all is done. After an error it is to be begun again. The caller
    /// holds `writing`.
    pub(crate) fn go_on(&mut self, inner: &Inner, until: impl Fn(Instant) -> bool) -> Result<bool, StoreError> {
        loop {
            let gone_through = if let Some(hour) = self.hours.pop() {
                erase_in_parts(inner, hour, &self.series)
            } else if let Some(day) = self.days.pop() {
                erase_in_day(inner, day, &self.series)
            } else if let Some(month) = self.months.pop() {
                erase_in_month(inner, month, &self.series)
            } else {
                return self.failed.take().map_or_else(|| end(inner, &self.series).map(|()| true), Err);
            };
            if let Err(error) = gone_through {
                self.failed.get_or_insert(error);
            }
            if until(Instant::now()) {
                return Ok(false);
            }
        }
    }
}

/// Nothing is left: the note of it goes, and the room in `head.db`.
fn end(inner: &Inner, series: &BTreeSet<SeriesId>) -> Result<(), StoreError> {
    let head = inner.files.read().head.clone();
    let connection = begin(&head.database)?;
    HeadWriter { connection: &connection }.end_erasing(series).map_err(|error| head.database.error(error))?;
    commit(&connection, &head.database)?;
    inner.files.write().erasing.retain(|of| !series.contains(of));
    drop(connection);
    metrics::counter!("tidegate_store_erased_series_total").increment(series.len() as u64);
    head.database.shrink(&inner.written_bytes)
}

/// Makes rows of the parts of an hour anew where they hold something of the series.
fn erase_in_parts(inner: &Inner, hour: Hour, series: &BTreeSet<SeriesId>) -> Result<(), StoreError> {
    let files = inner.files.upgradable_read();
    let Some(parts) = files.parts.get(&hour).cloned() else { return Ok(()) };
    let head = files.head.clone();
    let connection = begin(&head.database)?;
    let mut left = Vec::new();
    for part in parts {
        let rows = Rows { database: &head.database, connection: &connection, part: part.part, hour };
        let points = match rows.erase(series)? {
            Some(erased) => part.points.saturating_sub(erased),
            None => rows.points()?,
        };
        if points != part.points {
            note_points(&connection, hour, Part { points, ..part }).map_err(|error| head.database.error(error))?;
            counters::removed("erased", part.points.saturating_sub(points));
        }
        left.extend((points > 0).then_some(Part { points, ..part }));
    }
    let mut files = RwLockUpgradableReadGuard::upgrade(files);
    commit(&connection, &head.database)?;
    if left.is_empty() {
        files.parts.remove(&hour);
    } else {
        files.parts.insert(hour, left);
    }
    drop(files);
    settle(&head.database, &connection, inner)
}

fn note_points(connection: &Connection, hour: Hour, part: Part) -> rusqlite::Result<()> {
    let sql = if part.points > 0 {
        "UPDATE part SET points = ?3 WHERE part = ?1 AND hour = ?2"
    } else {
        "DELETE FROM part WHERE part = ?1 AND hour = ?2 AND ?3 = 0"
    };
    connection.execute(sql, params![part.part, hour.0, part.points]).map(|_| ())
}

/// The rows of one part in one hour.
struct Rows<'a> {
    database: &'a Database,
    connection: &'a Connection,
    part: u32,
    hour: Hour,
}

impl Rows<'_> {
    /// Makes the rows anew that hold something of the series; returns how many points went, if that is known.
    fn erase(&self, series: &BTreeSet<SeriesId>) -> Result<Option<u64>, StoreError> {
        let firsts: BTreeSet<u32> =
            series.iter().map(|of| self.first_of(*of)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        firsts.into_iter().map(|first| self.erase_in_rows(first, series)).sum()
    }

    /// With which series the rows begin that may hold something of a series.
    fn first_of(&self, series: SeriesId) -> Result<Option<u32>, StoreError> {
        let sql = "SELECT max(first) FROM bundle WHERE part = ? AND hour = ? AND first <= ?";
        let first = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(params![self.part, self.hour.0, series.0], |row| row.get(0)));
        first.map_err(|error| self.database.error(error))
    }

    fn erase_in_rows(&self, first: u32, series: &BTreeSet<SeriesId>) -> Result<Option<u64>, StoreError> {
        let (mut runs, is_damaged) = self.read(first)?;
        let mut erased = 0;
        runs.retain(|of, run| {
            let stays = !series.contains(of);
            erased += if stays { 0 } else { run.points.len() as u64 };
            stays
        });
        if erased > 0 || is_damaged {
            self.write(first, &runs).map_err(|error| self.database.error(error))?;
        }
        Ok((!is_damaged).then_some(erased))
    }

    /// How many points there are, besides those in damaged rows.
    fn points(&self) -> Result<u64, StoreError> {
        let count = || -> rusqlite::Result<u64> {
            let sql = "SELECT first, slice, data FROM bundle WHERE part = ? AND hour = ?";
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![self.part, self.hour.0])?;
            let mut points = 0;
            while let Some(row) = rows.next()? {
                let (part, hour) = (self.part, self.hour);
                let key = Key { part, hour, first: SeriesId(row.get(0)?), slice: row.get(1)? };
                points += bundle::points(&key, row.get_ref(2)?.as_blob()?).unwrap_or(0);
            }
            Ok(points)
        };
        count().map_err(|error| self.database.error(error))
    }

    /// What the rows hold, and whether one is damaged: nobody can read it, nor say that it has nothing of the series.
    fn read(&self, first: u32) -> Result<(BTreeMap<SeriesId, Run>, bool), StoreError> {
        let sql = "SELECT slice, data FROM bundle WHERE part = ? AND hour = ? AND first = ? ORDER BY slice";
        let mut runs: BTreeMap<SeriesId, Run> = BTreeMap::new();
        let mut is_damaged = false;
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![self.part, self.hour.0, first])?;
            while let Some(row) = rows.next()? {
                let key = Key { part: self.part, hour: self.hour, first: SeriesId(first), slice: row.get(0)? };
                let data = row.get_ref(1)?.as_blob()?;
                if let Err(Damaged(what)) = append(&key, data, &mut runs) {
                    let (file, hour) = (self.database.path().display(), self.hour.0);
                    tracing::warn!(%file, hour, what, "a damaged row went with what is erased");
                    is_damaged = true;
                }
            }
            Ok(())
        };
        read().map_err(|error| self.database.error(error))?;
        Ok((runs, is_damaged))
    }

    fn write(&self, first: u32, runs: &BTreeMap<SeriesId, Run>) -> rusqlite::Result<()> {
        let sql = "DELETE FROM bundle WHERE part = ? AND hour = ? AND first = ?";
        self.connection.prepare_cached(sql)?.execute(params![self.part, self.hour.0, first])?;
        let writer = HeadWriter { connection: self.connection };
        let (mut packer, mut each) =
            (Packer::new(self.part, self.hour), |key: &Key, data: &[u8]| writer.bundle(key, data));
        for (series, run) in runs {
            packer.add(*series, &run.points, &run.texts, &mut each)?;
        }
        packer.finish(&mut each)
    }
}

fn append(key: &Key, data: &[u8], runs: &mut BTreeMap<SeriesId, Run>) -> Result<(), Damaged> {
    let mut blocks = Blocks::open(key, data)?;
    while let Some(series) = blocks.next()? {
        blocks.append(runs.entry(series).or_default())?;
    }
    Ok(())
}

fn erase_in_day(inner: &Inner, day: Day, series: &BTreeSet<SeriesId>) -> Result<(), StoreError> {
    let has_any = match inner.files.read().days.get(&day) {
        Some(file) => file.database.read(|connection| day::has_any(connection, series))?,
        None => false,
    };
    if has_any { remove_in_day(inner, day, series, None).map(|_| ()) } else { Ok(()) }
}

/// Deletes what a day has of series; `true`: it had something. `thinned`: it is because of these rules, not for good and all.
pub(super) fn remove_in_day(
    inner: &Inner,
    day: Day,
    series: &BTreeSet<SeriesId>,
    thinned: Option<u32>,
) -> Result<bool, StoreError> {
    let files = inner.files.upgradable_read();
    let Some(file) = files.days.get(&day) else { return Ok(false) };
    let connection = if thinned.is_some() { close::begin(&file.database)? } else { begin(&file.database)? };
    let (mut closed, mut removed, mut has_any) = (BTreeMap::new(), 0, false);
    for (hour, runs) in hours_of(file, day, series)? {
        has_any |= !runs.is_empty();
        let erased: Option<u64> = runs.iter().map(|(_, points)| *points).sum();
        let noted = file.closed.get(&hour).copied();
        let points = remove_in_hour(&connection, (hour, noted), &runs, erased);
        if let Some((before, points)) = noted.zip(points.map_err(|error| file.database.error(error))?) {
            closed.insert(hour, points);
            removed += before.saturating_sub(points);
        }
    }
    if let Some(rules) = thinned {
        sqlite::note_thinned(&connection, rules).map_err(|error| file.database.error(error))?;
    }
    let mut files = RwLockUpgradableReadGuard::upgrade(files);
    let file = files.day(day)?;
    commit(&connection, &file.database)?;
    file.closed.extend(closed);
    file.thinned = thinned.or(file.thinned);
    drop(files);
    counters::removed(if thinned.is_some() { "rule" } else { "erased" }, removed);
    if let Some(file) = inner.files.read().days.get(&day) {
        finish(&file.database, connection, has_any, inner)?;
    }
    Ok(has_any)
}

/// Deletes rows of an hour, and notes how many of its points are left, where so many were noted. Where it is not known how many
/// went they are counted.
fn remove_in_hour(
    connection: &Connection,
    (hour, noted): (Hour, Option<u64>),
    runs: &[(SeriesId, Option<u64>)],
    erased: Option<u64>,
) -> rusqlite::Result<Option<u64>> {
    runs.iter().try_for_each(|(series, _)| day::remove(connection, hour, *series))?;
    let Some(noted) = noted else { return Ok(None) };
    let left = erased.map_or_else(|| day::count_points(connection, hour), |erased| Ok(noted.saturating_sub(erased)))?;
    day::note_points(connection, hour, left)?;
    Ok(Some(left))
}

/// By hour the series that a day has something of, with how many points; none are known of what is damaged.
type Found = Vec<(Hour, Vec<(SeriesId, Option<u64>)>)>;

fn hours_of(file: &DayFile, day: Day, series: &BTreeSet<SeriesId>) -> Result<Found, StoreError> {
    let mut found = Found::new();
    for hour in (0..24).map(|of_day| Hour(day.first_hour().0 + of_day)) {
        let mut of_hour = Vec::new();
        for series in series {
            let mut run = Run::default();
            let points = match file.read_series(hour, *series, &mut run) {
                Ok(()) if run.points.is_empty() => continue,
                Ok(()) => Some(run.points.len() as u64),
                Err(StoreError::Damaged { file, what }) => {
                    tracing::warn!(file = %file.display(), hour = hour.0, what, "damaged readings were deleted");
                    None
                }
                Err(error) => return Err(error),
            };
            of_hour.push((*series, points));
        }
        found.push((hour, of_hour));
    }
    Ok(found)
}

fn erase_in_month(inner: &Inner, month: Month, series: &BTreeSet<SeriesId>) -> Result<(), StoreError> {
    let files = inner.files.read();
    let Some(file) = files.months.get(&month) else { return Ok(()) };
    let connection = begin(&file.database)?;
    let erased = month::remove_all(&connection, series).map_err(|error| file.database.error(error))?;
    commit(&connection, &file.database)?;
    if erased > 0 { finish(&file.database, connection, true, inner) } else { Ok(()) }
}

fn begin(database: &Database) -> Result<Connection, StoreError> {
    let connection = database.eraser()?;
    connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| database.error(error))?;
    Ok(connection)
}

/// Rows of a file went: the room that they left is given back to the disk.
pub(super) fn finish(
    database: &Database,
    connection: Connection,
    has_room: bool,
    inner: &Inner,
) -> Result<(), StoreError> {
    settle(database, &connection, inner)?;
    drop(connection);
    if has_room { database.shrink(&inner.written_bytes) } else { Ok(()) }
}

/// What was written over is over in the file too, and the write-ahead log is empty, unless somebody reads it just now.
fn settle(database: &Database, connection: &Connection, inner: &Inner) -> Result<(), StoreError> {
    database.checkpoint(connection, &inner.written_bytes)?;
    database.empty_log(connection)
}
