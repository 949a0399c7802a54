//! `rollup-2026-11.db`: the summaries of the hours of a month. Everything in it is derived from raw readings.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};
use tidegate_buckets::Bucket;

use crate::catalogue::SeriesId;
use crate::error::StoreError;
use crate::hour::{Hour, Month};
use crate::sqlite::{self, Database};
use crate::summary;

pub(crate) const FORMAT: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE closed (hour INTEGER PRIMARY KEY);
    CREATE TABLE summary (hour INTEGER, series INTEGER, data BLOB NOT NULL, PRIMARY KEY (hour, series)) WITHOUT ROWID";

const PREFIX: &str = "rollup-";
const SUFFIX: &str = ".db";

/// The file of a month, and which hours it has.
#[derive(Debug)]
pub(crate) struct MonthFile {
    pub(crate) database: Database,
    pub(crate) closed: BTreeSet<Hour>,
    /// By which rules it was thinned.
    pub(crate) thinned: Option<u32>,
}

impl MonthFile {
    /// Opens the file. A damaged one is moved aside, and an empty one takes its place.
    pub(crate) fn open(directory: &Path, month: Month) -> Result<Self, StoreError> {
        let path = directory.join(file_name(month));
        match Self::try_open(directory, month) {
            Err(StoreError::Damaged { what, .. }) => {
                let aside = path.with_extension("db.damaged");
                let moved = std::fs::rename(&path, &aside);
                moved.map_err(|source| StoreError::Directory { directory: directory.to_owned(), source })?;
                metrics::counter!("tidegate_store_rollups_rebuilt_total").increment(1);
                tracing::warn!(
                    file = %path.display(), moved_to = %aside.display(), what,
                    "a file of summaries is damaged: it is made again from the raw readings that are still there"
                );
                Self::try_open(directory, month)
            }
            opened => opened,
        }
    }

    fn try_open(directory: &Path, month: Month) -> Result<Self, StoreError> {
        let database = Database::open(directory.join(file_name(month)), SCHEMA, FORMAT)?;
        let closed = database.read(|connection| {
            let mut statement = connection.prepare("SELECT hour FROM closed")?;
            let hours = statement.query_map([], |row| Ok(Hour(row.get(0)?)))?;
            hours.collect()
        })?;
        let thinned = database.read(sqlite::thinned)?;
        Ok(MonthFile { database, closed, thinned })
    }

    /// Whether a closed hour has something of a series.
    pub(crate) fn has(&self, series: SeriesId) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM closed WHERE EXISTS
            (SELECT 1 FROM summary WHERE summary.hour = closed.hour AND summary.series = ?))";
        self.database.read(|connection| connection.prepare_cached(sql)?.query_row([series.0], |row| row.get(0)))
    }

    /// The summary of a series' hour; `None` when it has no numbers.
    pub(crate) fn read(&self, hour: Hour, series: SeriesId) -> Result<Option<Bucket>, StoreError> {
        let sql = "SELECT data FROM summary WHERE hour = ? AND series = ?";
        let read = self.database.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let decode = |row: &rusqlite::Row<'_>| Ok(summary::decode(row.get_ref(0)?.as_blob()?, hour));
            statement.query_row(params![hour.0, series.0], decode).optional()
        })?;
        read.transpose().map_err(|what| self.database.damaged(what))
    }
}

/// Puts a summary in the place of the one there is.
pub(crate) fn replace(
    connection: &Connection,
    hour: Hour,
    series: SeriesId,
    bucket: Option<&Bucket>,
) -> rusqlite::Result<()> {
    let Some(bucket) = bucket else {
        let sql = "DELETE FROM summary WHERE hour = ? AND series = ?";
        return connection.prepare_cached(sql)?.execute(params![hour.0, series.0]).map(|_| ());
    };
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO summary VALUES (?, ?, ?)")?;
    statement.execute(params![hour.0, series.0, summary::encode(bucket, hour)])?;
    Ok(())
}

/// Deletes the summaries of series; returns how many there were.
pub(crate) fn remove_all(connection: &Connection, series: &BTreeSet<SeriesId>) -> rusqlite::Result<usize> {
    let hours: (Option<i64>, Option<i64>) =
        connection.query_row("SELECT min(hour), max(hour) FROM summary", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(first), Some(last)) = hours else { return Ok(0) };
    let mut statement = connection.prepare_cached("DELETE FROM summary WHERE hour = ? AND series = ?")?;
    let mut removed = 0;
    for hour in first..=last {
        for series in series {
            removed += statement.execute(params![hour, series.0])?;
        }
    }
    Ok(removed)
}

/// Deletes the summaries of many series, an hour after the other; returns how many there were.
pub(crate) fn remove_from(connection: &Connection, hour: Hour, series: &BTreeSet<SeriesId>) -> rusqlite::Result<usize> {
    let mut find = connection.prepare_cached("SELECT series FROM summary WHERE hour = ?")?;
    let there: BTreeSet<SeriesId> =
        find.query_map([hour.0], |row| row.get(0).map(SeriesId))?.collect::<Result<_, _>>()?;
    let mut remove = connection.prepare_cached("DELETE FROM summary WHERE hour = ? AND series = ?")?;
    there.intersection(series).map(|series| remove.execute(params![hour.0, series.0])).sum()
}

/// Notes that all series of an hour are summarized.
pub(crate) fn close(connection: &Connection, hour: Hour) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT OR IGNORE INTO closed VALUES (?)")?.execute([hour.0])?;
    Ok(())
}

fn file_name(month: Month) -> String {
    let (year, month) = month.civil();
    format!("{PREFIX}{year:04}-{month:02}{SUFFIX}")
}

/// The month that a file name stands for; `None` for other files.
pub(crate) fn month_of(file_name: &str) -> Option<Month> {
    let (year, month) = file_name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.rsplit_once('-')?;
    Some(Month::of_civil(year.parse().ok()?, month.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_names_its_month() {
        assert_eq!(file_name(Month::of_civil(2026, 11)), "rollup-2026-11.db");
        assert_eq!(month_of("rollup-2026-11.db"), Some(Month::of_civil(2026, 11)));
        assert_eq!(month_of("rollup-2026-11.db.damaged"), None);
    }
}
