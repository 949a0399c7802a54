//! Whether files of a store are what was written: every row's checksum, every point, and whether their counts are those that were noted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tidegate_backup::{Access, Image};
use tidegate_telemetry::{AlertChange, Position};

use crate::bundle::{self, Key};
use crate::catalogue::SeriesId;
use crate::error::StoreError;
use crate::files::file_names;
use crate::head::FILE_NAME;
use crate::hour::Hour;
use crate::images::is_of_the_store;
use crate::point::Run;
use crate::{chunk, day, head, month, summary};

/// What the files of a store hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreReport {
    /// Up to where history is in them.
    pub flushed: Position,
    /// Points, each decoded.
    pub points: u64,
    /// Summaries of hours, each decoded.
    pub summaries: u64,
    /// Events of alerts.
    pub alert_events: u64,
    /// Each file that is of an older format, which the program brings up to date: it was not looked into.
    pub older: Vec<String>,
}

/// The format of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFormat {
    /// Its name.
    pub name: String,
    /// The format it has.
    pub found: i64,
    /// The format that this program writes.
    pub writes: i64,
    /// Whether it is written anew at the next start; else it stays as it is until late readings come to it.
    pub is_rewritten: bool,
}

/// The files in a store's folder: their names, and where they are.
///
/// # Errors
/// When the folder cannot be read.
pub fn store_files(directory: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let names = file_names(directory)?.into_iter().filter(|name| is_of_the_store(name));
    let mut files: Vec<_> = names.map(|name| (name.clone(), directory.join(name))).collect();
    files.sort();
    Ok(files)
}

/// Reads everything in files of a store, and gives what was found with what is wrong: of each file the first.
#[must_use]
pub fn check_store(files: &[(String, PathBuf)], access: Access) -> (StoreReport, Vec<StoreError>) {
    let (mut report, mut wrong) = (StoreReport::default(), Vec::new());
    for (name, path) in files {
        if let Err(error) = check_file(name, path, access, &mut report) {
            wrong.push(error);
        }
    }
    (report, wrong)
}

/// The formats of a store's files.
///
/// # Errors
/// When one cannot be read.
pub fn store_formats(files: &[(String, PathBuf)], access: Access) -> Result<Vec<StoreFormat>, StoreError> {
    let format = |(name, path): &(String, PathBuf)| {
        let image = Image::open(path, access)?;
        let is_rewritten = name == FILE_NAME && format_of(&image)? < head::FORMAT;
        Ok(StoreFormat { name: name.clone(), found: format_of(&image)?, writes: written(name), is_rewritten })
    };
    files.iter().map(format).collect()
}

fn check_file(name: &str, path: &Path, access: Access, report: &mut StoreReport) -> Result<(), StoreError> {
    let image = Image::open(path, access)?;
    let (format, supported) = (format_of(&image)?, written(name));
    if format > supported {
        return Err(StoreError::Format { file: path.to_owned(), format, supported });
    }
    let found: String =
        image.ask(|connection| connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)))?;
    if found != "ok" {
        return Err(StoreError::Damaged { file: path.to_owned(), what: found.replace('\n', "; ") });
    }
    let checked = if name == FILE_NAME && format < supported {
        report.older.push(name.to_owned());
        return Ok(());
    } else if name == FILE_NAME {
        image.ask(|connection| check_head(connection, report))?
    } else if day::day_of(name).is_some() {
        image.ask(|connection| check_day(connection, report))?
    } else {
        image.ask(|connection| check_month(connection, report))?
    };
    checked.map_err(|what| StoreError::Damaged { file: path.to_owned(), what })
}

fn written(name: &str) -> i64 {
    match name {
        FILE_NAME => head::FORMAT,
        name if day::day_of(name).is_some() => day::FORMAT,
        _ => month::FORMAT,
    }
}

fn format_of(image: &Image) -> Result<i64, StoreError> {
    Ok(image.ask(|connection| connection.pragma_query_value(None, "user_version", |row| row.get(0)))?)
}

/// What SQLite says of a file, then what is wrong with what is in it.
type Checked = rusqlite::Result<Result<(), String>>;

/// Points that were noted, less those there are.
type Counts<K> = BTreeMap<K, i128>;

fn even<K: Ord>(counts: &Counts<K>, told: impl Fn(&K) -> String) -> Result<(), String> {
    let odd = counts.iter().find(|(_, difference)| **difference != 0);
    odd.map_or(Ok(()), |(key, difference)| Err(format!("{} lacks {difference} points that were noted", told(key))))
}

fn check_head(connection: &Connection, report: &mut StoreReport) -> Checked {
    report.flushed = Position(connection.query_row("SELECT position FROM flushed", [], |row| row.get(0))?);
    let mut counts = Counts::new();
    let mut parts = connection.prepare("SELECT part, hour, points FROM part")?;
    let mut rows = parts.query([])?;
    while let Some(row) = rows.next()? {
        counts.insert((row.get::<_, u32>(0)?, row.get::<_, i64>(1)?), i128::from(row.get::<_, i64>(2)?));
    }
    let mut bundles = connection.prepare("SELECT part, hour, first, slice, data FROM bundle")?;
    let mut rows = bundles.query([])?;
    while let Some(row) = rows.next()? {
        let (part, hour) = (row.get(0)?, row.get(1)?);
        let key = Key { part, hour: Hour(hour), first: SeriesId(row.get(2)?), slice: row.get(3)? };
        match bundle::points(&key, row.get_ref(4)?.as_blob()?) {
            Ok(points) => {
                report.points += points;
                *counts.entry((part, hour)).or_default() -= i128::from(points);
            }
            Err(what) => return Ok(Err(format!("part {part} of hour {hour}: {what}"))),
        }
    }
    if let Err(what) = even(&counts, |(part, hour)| format!("part {part} of hour {hour}")) {
        return Ok(Err(what));
    }
    check_events(connection, report)
}

fn check_events(connection: &Connection, report: &mut StoreReport) -> Checked {
    let mut events = connection.prepare("SELECT position, alert FROM alert_event")?;
    let mut rows = events.query([])?;
    while let Some(row) = rows.next()? {
        if let Err(error) = serde_json::from_str::<AlertChange>(row.get_ref(1)?.as_str()?) {
            let position: i64 = row.get(0)?;
            return Ok(Err(format!("the alert event of entry {position} cannot be read: {error}")));
        }
        report.alert_events += 1;
    }
    Ok(Ok(()))
}

fn check_day(connection: &Connection, report: &mut StoreReport) -> Checked {
    let mut counts = Counts::new();
    let mut closed = connection.prepare("SELECT hour, points FROM closed")?;
    let mut rows = closed.query([])?;
    while let Some(row) = rows.next()? {
        counts.insert(row.get::<_, i64>(0)?, i128::from(row.get::<_, i64>(1)?));
    }
    let mut chunks = connection.prepare("SELECT hour, series, data FROM chunk")?;
    let mut rows = chunks.query([])?;
    while let Some(row) = rows.next()? {
        let (hour, series): (i64, i64) = (row.get(0)?, row.get(1)?);
        let mut run = Run::default();
        if let Err(what) = chunk::open(row.get_ref(2)?.as_blob()?, Hour(hour), &mut run) {
            return Ok(Err(format!("hour {hour}, series {series}: {what}")));
        }
        // An hour that is being closed has rows before it is noted.
        if let Some(count) = counts.get_mut(&hour) {
            report.points += run.points.len() as u64;
            *count -= run.points.len() as i128;
        }
    }
    Ok(even(&counts, |hour| format!("hour {hour}")))
}

fn check_month(connection: &Connection, report: &mut StoreReport) -> Checked {
    let mut summaries = connection.prepare("SELECT hour, series, data FROM summary")?;
    let mut rows = summaries.query([])?;
    while let Some(row) = rows.next()? {
        let (hour, series): (i64, i64) = (row.get(0)?, row.get(1)?);
        if let Err(what) = summary::decode(row.get_ref(2)?.as_blob()?, Hour(hour)) {
            return Ok(Err(format!("the summary of hour {hour}, series {series}: {what}")));
        }
        report.summaries += 1;
    }
    Ok(Ok(()))
}
