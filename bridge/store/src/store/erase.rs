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
use crate::day::DayFile;
use crate::error::StoreError;
use crate::files::Files;
use crate::head::{HeadWriter, Part};
use crate::hour::{Day, Hour, Month};
use crate::point::Run;
use crate::sqlite::Database;
use crate::store::Inner;
use crate::{counters, day, month, sqlite};

/// Files that are still to be gone through, for the series that are being erased.
#[derive(Debug)]
pub(crate) struct Erasing {
    series: BTreeSet<SeriesId>,
    hours: Vec<Hour>,
    days: Vec<Day>,
    months: Vec<Month>,
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
        })
    }

    /// Goes through files until the time is up; `true`: all is done. After an error the same file is to be gone through
    /// again. The caller holds `writing`.
    pub(crate) fn go_on(&mut self, inner: &Inner, until: impl Fn(Instant) -> bool) -> Result<bool, StoreError> {
        loop {
            if let Some(&hour) = self.hours.last() {
                erase_in_parts(inner, hour, &self.series)?;
                self.hours.pop();
            } else if let Some(&day) = self.days.last() {
                erase_in_day(inner, day, &self.series)?;
                self.days.pop();
            } else if let Some(&month) = self.months.last() {
                erase_in_month(inner, month, &self.series)?;
                self.months.pop();
            } else {
                return end(inner, &self.series).map(|()| true);
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
    let connection = head.database.eraser()?;
    HeadWriter { connection: &connection }.end_erasing(series).map_err(|error| head.database.error(error))?;
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
        let erased = Rows { database: &head.database, connection: &connection, part: part.part, hour }.erase(series)?;
        let part = Part { points: part.points.saturating_sub(erased), ..part };
        if erased > 0 {
            note_points(&connection, hour, part).map_err(|error| head.database.error(error))?;
            counters::removed("erased", erased);
        }
        left.extend((part.points > 0).then_some(part));
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
    /// Makes the rows anew that hold something of the series; returns how many points went.
    fn erase(&self, series: &BTreeSet<SeriesId>) -> Result<u64, StoreError> {
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

    fn erase_in_rows(&self, first: u32, series: &BTreeSet<SeriesId>) -> Result<u64, StoreError> {
        let mut runs = self.read(first)?;
        let mut erased = 0;
        runs.retain(|of, run| {
            let stays = !series.contains(of);
            erased += if stays { 0 } else { run.points.len() as u64 };
            stays
        });
        if erased > 0 {
            self.write(first, &runs).map_err(|error| self.database.error(error))?;
        }
        Ok(erased)
    }

    fn read(&self, first: u32) -> Result<BTreeMap<SeriesId, Run>, StoreError> {
        let sql = "SELECT slice, data FROM bundle WHERE part = ? AND hour = ? AND first = ? ORDER BY slice";
        let mut runs: BTreeMap<SeriesId, Run> = BTreeMap::new();
        let mut read = || -> rusqlite::Result<Result<(), crate::codec::Damaged>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![self.part, self.hour.0, first])?;
            while let Some(row) = rows.next()? {
                let key = Key { part: self.part, hour: self.hour, first: SeriesId(first), slice: row.get(0)? };
                let data = row.get_ref(1)?.as_blob()?;
                if let Err(damaged) = append(&key, data, &mut runs) {
                    return Ok(Err(damaged));
                }
            }
            Ok(Ok(()))
        };
        let read = read().map_err(|error| self.database.error(error))?;
        read.map(|()| runs).map_err(|damaged| self.database.damaged(damaged))
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

fn append(key: &Key, data: &[u8], runs: &mut BTreeMap<SeriesId, Run>) -> Result<(), crate::codec::Damaged> {
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
    if has_any { remove_in_day(inner, day, series, None) } else { Ok(()) }
}

/// Deletes what a day has of series. `thinned`: it is because of these rules, not for good and all.
pub(super) fn remove_in_day(
    inner: &Inner,
    day: Day,
    series: &BTreeSet<SeriesId>,
    thinned: Option<u32>,
) -> Result<(), StoreError> {
    let files = inner.files.upgradable_read();
    let Some(file) = files.days.get(&day) else { return Ok(()) };
    let connection = if thinned.is_some() { close::begin(&file.database)? } else { begin(&file.database)? };
    let (mut closed, mut removed) = (BTreeMap::new(), 0);
    for (hour, runs) in hours_of(file, day, series)? {
        let erased: u64 = runs.iter().map(|(_, points)| points).sum();
        for (series, _) in runs {
            day::remove(&connection, hour, series).map_err(|error| file.database.error(error))?;
        }
        if let Some(points) = file.closed.get(&hour).map(|points| points.saturating_sub(erased)) {
            day::note_points(&connection, hour, points).map_err(|error| file.database.error(error))?;
            closed.insert(hour, points);
        }
        removed += erased;
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
    let files = inner.files.read();
    let Some(file) = files.days.get(&day) else { return Ok(()) };
    settle(&file.database, &connection, inner)?;
    drop(connection);
    if removed > 0 { file.database.shrink(&inner.written_bytes) } else { Ok(()) }
}

/// By hour the series that a day has something of, with how many points.
type Found = Vec<(Hour, Vec<(SeriesId, u64)>)>;

fn hours_of(file: &DayFile, day: Day, series: &BTreeSet<SeriesId>) -> Result<Found, StoreError> {
    let mut found = Found::new();
    for hour in (0..24).map(|of_day| Hour(day.first_hour().0 + of_day)) {
        let mut of_hour = Vec::new();
        for series in series {
            let mut run = Run::default();
            file.read_series(hour, *series, &mut run)?;
            of_hour.extend((!run.points.is_empty()).then_some((*series, run.points.len() as u64)));
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
    if erased == 0 {
        return Ok(());
    }
    settle(&file.database, &connection, inner)?;
    drop(connection);
    file.database.shrink(&inner.written_bytes)
}

fn begin(database: &Database) -> Result<Connection, StoreError> {
    let connection = database.eraser()?;
    connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| database.error(error))?;
    Ok(connection)
}

/// What was written over is over in the file too, and the write-ahead log is empty, unless somebody reads it just now.
pub(super) fn settle(database: &Database, connection: &Connection, inner: &Inner) -> Result<(), StoreError> {
    database.checkpoint(connection, &inner.written_bytes)?;
    database.empty_log(connection)
}
