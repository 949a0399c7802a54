//! What files of a store still have of a device: its name anywhere, and points that are nobody's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::Connection;
use tidegate_backup::{Access, Image};
use tidegate_telemetry::mention::{is_named_in, is_topic_of};

use crate::bundle::{Blocks, Key};
use crate::catalogue::SeriesId;
use crate::day;
use crate::error::StoreError;
use crate::head::FILE_NAME;
use crate::hour::Hour;

/// Series that have a name.
type Named = BTreeSet<u32>;

/// Looks through files of a store for a device, and for points and summaries of series that no device has: for people, a
/// sentence each. Nothing, where nothing is left of it.
///
/// # Errors
/// When a file cannot be read.
pub fn traces_in_store(files: &[(String, PathBuf)], access: Access, device: &str) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    let Some((_, head)) = files.iter().find(|(name, _)| name == FILE_NAME) else { return Ok(found) };
    let image = Image::open(head, access)?;
    found.extend(image.ask(|connection| names(connection, device))?);
    let named = image.ask(named_series)?;
    let stray = image.ask(|connection| bundled(connection, &named))?;
    found.extend(
        stray.map_err(|what| StoreError::damaged(head, what))?.map(|series| points_of_nobody(FILE_NAME, series)),
    );
    for (name, path) in files.iter().filter(|(name, _)| name != FILE_NAME) {
        found.extend(strays(name, path, access, &named)?);
    }
    Ok(found)
}

fn points_of_nobody(file: &str, series: usize) -> String {
    format!(
        "store/{file} has something of {series} series whose device was erased: start the program, which goes on erasing"
    )
}

/// Where `head.db` says the name.
fn names(connection: &Connection, device: &str) -> rusqlite::Result<Vec<String>> {
    let mut found = Vec::new();
    let count = |sql: &str| connection.query_row(sql, [device], |row| row.get::<_, i64>(0));
    let mut say = |count: i64, what: &str| {
        if count > 0 {
            found.push(format!("store/{FILE_NAME} has {count} {what}"));
        }
    };
    say(count("SELECT count(*) FROM device WHERE name = ?")?, "device of that name");
    let of_device = "SELECT count(*) FROM alert_event WHERE json_extract(alert, '$.device_id') = ?";
    say(count(of_device)?, "events of its alerts");
    say(problems(connection, device)?, "problems that name it");
    let has_table = "SELECT count(*) FROM sqlite_schema WHERE name = 'erasing'";
    if connection.query_row(has_table, [], |row| row.get::<_, i64>(0))? > 0 {
        let erasing = connection.query_row("SELECT count(*) FROM erasing", [], |row| row.get(0))?;
        say(erasing, "series that are still to be erased: start the program, which goes on erasing");
    }
    Ok(found)
}

fn problems(connection: &Connection, device: &str) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare("SELECT topic, detail, payload FROM problem")?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let (topic, detail): (Arc<str>, Arc<str>) = (row.get(0)?, row.get(1)?);
        let payload = Bytes::from(row.get::<_, Vec<u8>>(2)?);
        let is_its =
            is_topic_of(&topic, device) || is_named_in(detail.as_bytes(), device) || is_named_in(&payload, device);
        count += i64::from(is_its);
    }
    Ok(count)
}

fn named_series(connection: &Connection) -> rusqlite::Result<Named> {
    let mut statement = connection.prepare("SELECT id FROM series WHERE metric <> ''")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// How many series without a name have points in `head.db`; `None`: none have.
fn bundled(connection: &Connection, named: &Named) -> rusqlite::Result<Result<Option<usize>, crate::codec::Damaged>> {
    let mut stray = BTreeSet::new();
    let mut bundles = connection.prepare("SELECT part, hour, first, slice, data FROM bundle")?;
    let mut rows = bundles.query([])?;
    while let Some(row) = rows.next()? {
        let (part, hour, first) = (row.get(0)?, Hour(row.get(1)?), SeriesId(row.get(2)?));
        let key = Key { part, hour, first, slice: row.get(3)? };
        let mut blocks = match Blocks::open(&key, row.get_ref(4)?.as_blob()?) {
            Ok(blocks) => blocks,
            Err(damaged) => return Ok(Err(damaged)),
        };
        loop {
            match blocks.next() {
                Ok(Some(series)) => stray.extend((!named.contains(&series.0)).then_some(series)),
                Ok(None) => break,
                Err(damaged) => return Ok(Err(damaged)),
            }
        }
    }
    Ok(Ok(Some(stray.len()).filter(|count| *count > 0)))
}

/// Series without a name of which a day or month has something.
fn strays(name: &str, path: &Path, access: Access, named: &Named) -> Result<Option<String>, StoreError> {
    let table = if day::day_of(name).is_some() { "chunk" } else { "summary" };
    let image = Image::open(path, access)?;
    let series: Named = image.ask(|connection| {
        let mut statement = connection.prepare(&format!("SELECT DISTINCT series FROM {table}"))?;
        statement.query_map([], |row| row.get(0))?.collect()
    })?;
    let stray = series.difference(named).count();
    Ok((stray > 0).then(|| points_of_nobody(name, stray)))
}
