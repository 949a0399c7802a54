//! `raw-2026-11-22.db`: the closed hours of a day of UTC.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::{Connection, params};

use crate::catalogue::SeriesId;
use crate::chunk;
use crate::codec::Damaged;
use crate::error::StoreError;
use crate::hour::{Day, Hour};
use crate::point::Run;
use crate::sqlite::{self, Database};

/// Before 2, a point that was merged twice was one.
pub(crate) const FORMAT: i64 = 2;

const SCHEMA: &str = "
    CREATE TABLE closed (hour INTEGER PRIMARY KEY, points INTEGER NOT NULL);
    CREATE TABLE merged (hour INTEGER PRIMARY KEY, part INTEGER NOT NULL, series_end INTEGER NOT NULL);
    CREATE TABLE chunk (
        hour INTEGER, series INTEGER, slice INTEGER, data BLOB NOT NULL, PRIMARY KEY (hour, series, slice)
    ) WITHOUT ROWID";

/// From format 1, with the first transaction that writes.
const UPGRADE: &str = "
    CREATE TABLE IF NOT EXISTS merged (hour INTEGER PRIMARY KEY, part INTEGER NOT NULL, series_end INTEGER NOT NULL);
    PRAGMA user_version = 2";

const PREFIX: &str = "raw-";
const SUFFIX: &str = ".db";

/// The file of a day, and what is known of it without reading points.
#[derive(Debug)]
pub(crate) struct DayFile {
    pub(crate) database: Database,
    /// Closed hours and their points.
    pub(crate) closed: BTreeMap<Hour, u64>,
    /// What closed hours have of parts that may still be in `head.db`.
    pub(crate) merged: BTreeMap<Hour, Merged>,
    /// By which rules it was thinned.
    pub(crate) thinned: Option<u32>,
}

/// How far the parts of a closed hour are in the file of its day: the points of parts up to `part` are, of series below
/// `series_end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Merged {
    pub(crate) part: u32,
    pub(crate) series_end: u32,
}

impl Merged {
    pub(crate) fn has(&self, part: u32, series: SeriesId) -> bool {
        part <= self.part && series.0 < self.series_end
    }
}

impl DayFile {
    pub(crate) fn open(directory: &Path, day: Day) -> Result<Self, StoreError> {
        let database = Database::open(directory.join(file_name(day)), SCHEMA, FORMAT)?;
        let closed = database.read(|connection| {
            let mut statement = connection.prepare("SELECT hour, points FROM closed")?;
            let hours = statement.query_map([], |row| Ok((hour_of(day, row.get(0)?), row.get(1)?)))?;
            hours.collect()
        })?;
        let merged =
            if database.format()? < FORMAT { BTreeMap::new() } else { database.read(|it| load_merged(it, day))? };
        let thinned = database.read(sqlite::thinned)?;
        Ok(DayFile { database, closed, merged, thinned })
    }

    /// Appends what the file has of a series in an hour.
    pub(crate) fn read_series(&self, hour: Hour, series: SeriesId, run: &mut Run) -> Result<(), StoreError> {
        let damaged = self.database.read(|connection| read_series(connection, hour, series, run))?;
        damaged.map_or(Ok(()), |what| Err(self.database.damaged(what)))
    }

    /// Comes to each row of a series in the closed hours from `first` to `last`, in order, until `each` says `false`.
    pub(crate) fn each_row(
        &self,
        (first, last): (Hour, Hour),
        series: SeriesId,
        mut each: impl FnMut(Hour, &[u8]) -> Result<bool, Damaged>,
    ) -> Result<(), StoreError> {
        // The hours lead: rows of a series lie apart, one place for each hour.
        let sql = "SELECT chunk.hour, chunk.data FROM closed CROSS JOIN chunk
            ON chunk.hour = closed.hour AND chunk.series = ?1
            WHERE closed.hour BETWEEN ?2 AND ?3 ORDER BY closed.hour, chunk.slice";
        let damaged = self.database.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![series.0, hour_of_day(first), hour_of_day(last)])?;
            while let Some(row) = rows.next()? {
                match each(hour_of(first.day(), row.get(0)?), row.get_ref(1)?.as_blob()?) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(damaged) => return Ok(Some(damaged)),
                }
            }
            Ok(None)
        })?;
        damaged.map_or(Ok(()), |what| Err(self.database.damaged(what)))
    }

    /// All runs of an hour for series from `from` to below `to`.
    pub(crate) fn read_range(&self, hour: Hour, (from, to): (u32, u32)) -> Result<BTreeMap<SeriesId, Run>, StoreError> {
        let sql = "SELECT series, data FROM chunk WHERE hour = ? AND series >= ? AND series < ? ORDER BY series, slice";
        let mut runs = BTreeMap::new();
        let damaged = self.database.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![hour_of_day(hour), from, to])?;
            chunk::open_all(&mut rows, hour, &mut runs)
        })?;
        damaged.map_or(Ok(runs), |what| Err(self.database.damaged(what)))
    }

    /// Whether a closed hour has something of a series.
    pub(crate) fn has(&self, series: SeriesId) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM closed WHERE EXISTS
            (SELECT 1 FROM chunk WHERE chunk.hour = closed.hour AND chunk.series = ?))";
        self.database.read(|connection| connection.prepare_cached(sql)?.query_row([series.0], |row| row.get(0)))
    }

    /// The largest series of an hour.
    pub(crate) fn last_series(&self, hour: Hour) -> Result<Option<u32>, StoreError> {
        let sql = "SELECT max(series) FROM chunk WHERE hour = ?";
        self.database.read(|connection| connection.query_row(sql, [hour_of_day(hour)], |row| row.get(0)))
    }
}

fn load_merged(connection: &Connection, day: Day) -> rusqlite::Result<BTreeMap<Hour, Merged>> {
    let mut statement = connection.prepare("SELECT hour, part, series_end FROM merged")?;
    let merged = statement
        .query_map([], |row| Ok((hour_of(day, row.get(0)?), Merged { part: row.get(1)?, series_end: row.get(2)? })))?;
    merged.collect()
}

fn read_series(
    connection: &Connection,
    hour: Hour,
    series: SeriesId,
    run: &mut Run,
) -> rusqlite::Result<Option<Damaged>> {
    let sql = "SELECT data FROM chunk WHERE hour = ? AND series = ? ORDER BY slice";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![hour_of_day(hour), series.0])?;
    while let Some(row) = rows.next()? {
        if let Err(damaged) = chunk::open(row.get_ref(0)?.as_blob()?, hour, run) {
            return Ok(Some(damaged));
        }
    }
    Ok(None)
}

/// Puts the run of a series in the place of what an hour has of it.
pub(crate) fn replace(connection: &Connection, hour: Hour, series: SeriesId, run: &Run) -> rusqlite::Result<()> {
    remove(connection, hour, series)?;
    append(connection, series, run)
}

/// Whether a day has anything of some series.
pub(crate) fn has_any(connection: &Connection, series: &BTreeSet<SeriesId>) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM chunk WHERE hour = ? AND series = ?)";
    let mut statement = connection.prepare_cached(sql)?;
    for hour in 0..24 {
        for series in series {
            if statement.query_row([hour, series.0], |row| row.get(0))? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Deletes what an hour has of a series.
pub(crate) fn remove(connection: &Connection, hour: Hour, series: SeriesId) -> rusqlite::Result<()> {
    let sql = "DELETE FROM chunk WHERE hour = ? AND series = ?";
    connection.prepare_cached(sql)?.execute(params![hour_of_day(hour), series.0]).map(|_| ())
}

/// How many points an hour has, besides those in damaged rows.
pub(crate) fn count_points(connection: &Connection, hour: Hour) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT data FROM chunk WHERE hour = ?")?;
    let mut rows = statement.query([hour_of_day(hour)])?;
    let mut points = 0;
    while let Some(row) = rows.next()? {
        let mut run = Run::default();
        points += chunk::open(row.get_ref(0)?.as_blob()?, hour, &mut run).map_or(0, |()| run.points.len() as u64);
    }
    Ok(points)
}

/// Notes how many points a closed hour has.
pub(crate) fn note_points(connection: &Connection, hour: Hour, points: u64) -> rusqlite::Result<()> {
    let sql = "UPDATE closed SET points = ? WHERE hour = ?";
    connection.prepare_cached(sql)?.execute(params![points, hour_of_day(hour)]).map(|_| ())
}

/// Adds a series to an hour that does not have it yet.
pub(crate) fn append(connection: &Connection, series: SeriesId, run: &Run) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT INTO chunk VALUES (?, ?, ?, ?)")?;
    for piece in chunk::pieces(&run.points) {
        let key = (hour_of_day(piece.hour), series.0, piece.slice);
        statement.execute(params![key.0, key.1, key.2, chunk::row(&piece, run)])?;
    }
    Ok(())
}

/// Notes that an hour is closed, how many points it has, and which parts are in it.
pub(crate) fn close(connection: &Connection, hour: Hour, points: u64, merged: Merged) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO closed VALUES (?, ?)")?;
    statement.execute(params![hour_of_day(hour), points])?;
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO merged VALUES (?, ?, ?)")?;
    statement.execute(params![hour_of_day(hour), merged.part, merged.series_end])?;
    Ok(())
}

/// Makes the present format of an older one.
pub(crate) fn bring_up_to_date(connection: &Connection) -> rusqlite::Result<()> {
    let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if format < FORMAT { connection.execute_batch(UPGRADE) } else { Ok(()) }
}

/// 0 to 23: one byte a row less than the hour since 1970.
fn hour_of_day(hour: Hour) -> i64 {
    hour.0.rem_euclid(24)
}

fn hour_of(day: Day, hour_of_day: i64) -> Hour {
    Hour(day.first_hour().0 + hour_of_day)
}

fn file_name(day: Day) -> String {
    let (year, month, date) = day.civil();
    format!("{PREFIX}{year:04}-{month:02}-{date:02}{SUFFIX}")
}

/// The day that a file name stands for; `None` for other files.
pub(crate) fn day_of(file_name: &str) -> Option<Day> {
    let date = file_name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let (rest, date) = date.rsplit_once('-')?;
    let (year, month) = rest.rsplit_once('-')?;
    Some(Day::of_civil(year.parse().ok()?, month.parse().ok()?, date.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_names_its_day() {
        assert_eq!(file_name(Day(20_779)), "raw-2026-11-22.db");
        for day in [Day(0), Day(-1), Day(20_779), Day(-800_000)] {
            assert_eq!(day_of(&file_name(day)), Some(day));
        }
        assert_eq!(day_of("raw-2026-11-22.db-wal"), None);
        assert_eq!(day_of("head.db"), None);
    }
}
