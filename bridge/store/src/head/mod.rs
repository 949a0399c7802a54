//! `head.db`: everything that a flush writes, in one transaction, with the log position that it holds.
//!
//! The catalogue of series, the parts of hours that are not closed, alert events and the quarantine. Parts are keyed
//! by the order of the flushes, so that each flush appends; space of merged parts is used again.

mod upgrade;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use rustc_hash::FxHashMap;
use tidegate_telemetry::history::AlertEvent;
use tidegate_telemetry::{Owner, Position, Problem, Reason};

use crate::aged::Aged;
use crate::bundle::{Blocks, Key};
use crate::catalogue::{Catalogue, Row, SeriesId};
use crate::codec::Damaged;
use crate::error::StoreError;
use crate::hour::Hour;
use crate::memory::Erasure;
use crate::point::Run;
use crate::quarantine;
use crate::sqlite::Database;

/// Name of the file in the store's directory.
pub(crate) const FILE_NAME: &str = "head.db";

/// Before 2, each series had rows of its own; before 3, times of its own; before 4, all times were the devices'.
pub(crate) const FORMAT: i64 = 4;

const SCHEMA: &str = "
    CREATE TABLE flushed (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL);
    INSERT INTO flushed VALUES (1, 0);
    CREATE TABLE device (id INTEGER PRIMARY KEY, name TEXT NOT NULL, device_index INTEGER);
    CREATE TABLE series (
        id INTEGER PRIMARY KEY, device INTEGER NOT NULL, metric TEXT NOT NULL, metric_index INTEGER NOT NULL
    );
    CREATE TABLE part (part INTEGER, hour INTEGER, points INTEGER NOT NULL, PRIMARY KEY (part, hour)) WITHOUT ROWID;
    CREATE TABLE bundle (
        part INTEGER, hour INTEGER, first INTEGER, slice INTEGER, data BLOB NOT NULL,
        PRIMARY KEY (part, hour, first, slice)
    ) WITHOUT ROWID;
    CREATE TABLE alert_event (
        sequence INTEGER PRIMARY KEY, position INTEGER NOT NULL, at_ms INTEGER NOT NULL, alert TEXT NOT NULL
    );
    CREATE INDEX alert_event_position ON alert_event (position);
    CREATE TABLE problem (
        sequence INTEGER PRIMARY KEY, reason TEXT NOT NULL, topic TEXT NOT NULL, client TEXT NOT NULL,
        detail TEXT NOT NULL, received_ms INTEGER NOT NULL, payload BLOB NOT NULL,
        group_count INTEGER NOT NULL, group_first_ms INTEGER NOT NULL, owner TEXT
    )";

/// What ages are measured to. Programs that know no such table leave it alone.
const AGED: &str = "
    CREATE TABLE IF NOT EXISTS aged (one INTEGER PRIMARY KEY CHECK (one = 1), to_ms INTEGER NOT NULL, surely_ms INTEGER)";

/// Series whose device was erased, as long as the files may have something of them. Programs that know no such table leave it alone.
const ERASING: &str = "CREATE TABLE IF NOT EXISTS erasing (series INTEGER PRIMARY KEY)";

/// One flush's points of one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) part: u32,
    pub(crate) points: u64,
}

/// The parts there are, oldest first in each hour.
pub(crate) type Parts = BTreeMap<Hour, Vec<Part>>;

/// The file that flushes write.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) database: Database,
}

/// What the file holds at start, besides points.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) flushed: Position,
    pub(crate) catalogue: Catalogue,
    pub(crate) parts: Parts,
    pub(crate) problems: Vec<quarantine::Row>,
    pub(crate) aged: Option<Aged>,
    pub(crate) erasing: BTreeSet<SeriesId>,
}

impl Head {
    /// Whether there is no file yet, or nothing in it.
    pub(crate) fn is_empty(directory: &Path) -> bool {
        directory.join(FILE_NAME).metadata().map_or(true, |metadata| metadata.len() == 0)
    }

    pub(crate) fn open(directory: &Path) -> Result<Self, StoreError> {
        let database = Database::open(directory.join(FILE_NAME), SCHEMA, FORMAT)?;
        let format = database.format()?;
        if format < FORMAT {
            upgrade::bring_up_to_date(&database, format)?;
        }
        let add =
            |connection: &Connection| connection.execute_batch(AGED).and_then(|()| connection.execute_batch(ERASING));
        add(&database.writer()?).map_err(|error| database.error(error))?;
        upgrade::give_problems_owners(&database)?;
        Ok(Head { database })
    }

    pub(crate) fn load(&self) -> Result<Loaded, StoreError> {
        self.database.read(|connection| {
            Ok(Loaded {
                flushed: Position(connection.query_row("SELECT position FROM flushed", [], |row| row.get(0))?),
                catalogue: load_catalogue(connection)?,
                parts: load_parts(connection)?,
                problems: load_problems(connection)?,
                aged: load_aged(connection)?,
                erasing: load_erasing(connection)?,
            })
        })
    }

    /// Appends what the parts hold of a series in an hour, in order of arrival.
    pub(crate) fn read_series(
        &self,
        hour: Hour,
        parts: &[Part],
        series: SeriesId,
        run: &mut Run,
    ) -> Result<(), StoreError> {
        self.each_block(hour, parts, (series.0, series.0 + 1), |_, blocks| blocks.append(run))
    }

    /// The parts' runs of an hour for series from `from` to below `to`, in order of arrival.
    pub(crate) fn read_range(
        &self,
        hour: Hour,
        parts: &[Part],
        (from, to): (u32, u32),
    ) -> Result<BTreeMap<SeriesId, Run>, StoreError> {
        let mut runs: BTreeMap<SeriesId, Run> = BTreeMap::new();
        let append = |series, blocks: &mut Blocks<'_>| blocks.append(runs.entry(series).or_default());
        self.each_block(hour, parts, (from, to), append)?;
        Ok(runs)
    }

    /// The parts' runs of an hour for some series, in order of arrival for each of them.
    pub(crate) fn read_some(
        &self,
        hour: Hour,
        parts: &[Part],
        series: &BTreeSet<SeriesId>,
        each: &mut dyn FnMut(SeriesId, Run),
    ) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (series.first(), series.last()) else { return Ok(()) };
        self.each_block(hour, parts, (first.0, last.0 + 1), |of, blocks| {
            if series.contains(&of) {
                let mut run = Run::default();
                blocks.append(&mut run)?;
                each(of, run);
            }
            Ok(())
        })
    }

    /// Comes to each block of series from `from` to below `to`, in order of arrival for each of them.
    fn each_block(
        &self,
        hour: Hour,
        parts: &[Part],
        (from, to): (u32, u32),
        mut each: impl FnMut(SeriesId, &mut Blocks<'_>) -> Result<(), Damaged>,
    ) -> Result<(), StoreError> {
        // The first row may begin before `from`.
        let sql = "SELECT first, slice, data FROM bundle WHERE part = ?1 AND hour = ?2 AND first >= coalesce(
                (SELECT max(first) FROM bundle WHERE part = ?1 AND hour = ?2 AND first <= ?3), ?3) AND first < ?4
            ORDER BY first, slice";
        let mut open = |key: &Key, data: &[u8]| -> Result<(), Damaged> {
            let mut blocks = Blocks::open(key, data)?;
            while let Some(series) = blocks.next()? {
                if (from..to).contains(&series.0) {
                    each(series, &mut blocks)?;
                }
            }
            Ok(())
        };
        let read = self.database.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            for part in parts {
                let mut rows = statement.query(params![part.part, hour.0, from, to])?;
                while let Some(row) = rows.next()? {
                    let key = Key { part: part.part, hour, first: SeriesId(row.get(0)?), slice: row.get(1)? };
                    if let Err(damaged) = open(&key, row.get_ref(2)?.as_blob()?) {
                        return Ok(Err(damaged));
                    }
                }
            }
            Ok(Ok(()))
        })?;
        read.map_err(|what| self.database.damaged(what))
    }

    /// Adds alert events before `before`, newest first, until there are `limit`; those of one position stay together.
    pub(crate) fn events(
        &self,
        before: Option<Position>,
        limit: usize,
        events: &mut Vec<AlertEvent>,
    ) -> Result<(), StoreError> {
        let sql = "SELECT position, at_ms, alert FROM alert_event WHERE position < ?
            ORDER BY position DESC, sequence DESC";
        // SQLite's integers are signed; no log gets near the end of them.
        let before = before.map_or(i64::MAX, |position| i64::try_from(position.0).unwrap_or(i64::MAX));
        let damaged = self.database.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([before])?;
            while let Some(row) = rows.next()? {
                let position = Position(row.get(0)?);
                if events.len() >= limit && events.last().is_none_or(|last| last.position != position) {
                    break;
                }
                match serde_json::from_str(row.get_ref(2)?.as_str()?) {
                    Ok(alert) => events.push(AlertEvent { position, at_ms: row.get(1)?, alert }),
                    Err(error) => return Ok(Some(error)),
                }
            }
            Ok(None)
        })?;
        damaged.map_or(Ok(()), |error| {
            let what = format!("an alert event is not what was written: {error}");
            Err(StoreError::Damaged { file: self.database.path().to_owned(), what })
        })
    }
}

fn load_catalogue(connection: &Connection) -> rusqlite::Result<Catalogue> {
    let mut catalogue = Catalogue::default();
    let mut devices = connection.prepare("SELECT id, name, device_index FROM device ORDER BY id")?;
    let mut rows = devices.query([])?;
    while let Some(row) = rows.next()? {
        catalogue.load(Row::Device { id: row.get(0)?, name: text(row, 1)?, index: row.get(2)? });
    }
    let mut series = connection.prepare("SELECT id, device, metric, metric_index FROM series ORDER BY id")?;
    let mut rows = series.query([])?;
    while let Some(row) = rows.next()? {
        let (id, metric) = (SeriesId(row.get(0)?), text(row, 2)?);
        catalogue.load(Row::Series { id, device: row.get(1)?, metric, index: row.get(3)? });
    }
    Ok(catalogue)
}

fn load_parts(connection: &Connection) -> rusqlite::Result<Parts> {
    let mut parts = Parts::new();
    let mut statement = connection.prepare("SELECT part, hour, points FROM part ORDER BY part")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        parts.entry(Hour(row.get(1)?)).or_default().push(Part { part: row.get(0)?, points: row.get(2)? });
    }
    Ok(parts)
}

fn load_aged(connection: &Connection) -> rusqlite::Result<Option<Aged>> {
    let aged = |row: &rusqlite::Row<'_>| Ok(Aged { to_ms: row.get(0)?, surely_ms: row.get(1)? });
    connection.query_row("SELECT to_ms, surely_ms FROM aged", [], aged).optional()
}

fn load_erasing(connection: &Connection) -> rusqlite::Result<BTreeSet<SeriesId>> {
    let mut statement = connection.prepare("SELECT series FROM erasing")?;
    statement.query_map([], |row| row.get(0).map(SeriesId))?.collect()
}

fn load_problems(connection: &Connection) -> rusqlite::Result<Vec<quarantine::Row>> {
    let sql = "SELECT sequence, reason, topic, client, detail, received_ms, payload, group_count, group_first_ms, owner
        FROM problem ORDER BY sequence";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut problems = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(1)?;
        // A reason that only a newer program knows.
        let Some(reason) = Reason::ALL.into_iter().find(|reason| reason.name() == name) else { continue };
        let problem = Problem {
            reason,
            topic: text(row, 2)?,
            client: text(row, 3)?,
            owner: Owner::from_text(row.get::<_, Option<String>>(9)?.as_deref()),
            detail: row.get(4)?,
            received_ms: row.get(5)?,
            payload: Bytes::from(row.get::<_, Vec<u8>>(6)?),
        };
        problems.push(quarantine::Row { sequence: row.get(0)?, count: row.get(7)?, first_ms: row.get(8)?, problem });
    }
    Ok(problems)
}

fn text(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Arc<str>> {
    Ok(row.get_ref(column)?.as_str()?.into())
}

/// One transaction on the head file, or what is left to do in it.
pub(crate) struct HeadWriter<'a> {
    pub(crate) connection: &'a Connection,
}

impl HeadWriter<'_> {
    pub(crate) fn begin(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")
    }

    pub(crate) fn commit(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch("COMMIT")
    }

    pub(crate) fn position(&self, through: Position) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached("UPDATE flushed SET position = ?")?;
        statement.execute([through.0])?;
        Ok(())
    }

    pub(crate) fn aged(&self, aged: Aged) -> rusqlite::Result<()> {
        let values = params![aged.to_ms, aged.surely_ms];
        self.connection.execute("INSERT OR REPLACE INTO aged VALUES (1, ?, ?)", values).map(|_| ())
    }

    /// Notes that nothing is to stay of series, and deletes what there is about alerts of their devices.
    pub(crate) fn begin_to_erase(&self, erased: &[Erasure]) -> rusqlite::Result<()> {
        let Some(last) = erased.iter().map(|of| of.position).max() else { return Ok(()) };
        let mut until: FxHashMap<&str, Position> = FxHashMap::default();
        for Erasure { device, position, .. } in erased {
            let until = until.entry(device).or_insert(*position);
            *until = (*until).max(*position);
        }
        // Each event is looked at once, however many devices go.
        let sql = "SELECT sequence, position, json_extract(alert, '$.device_id') FROM alert_event WHERE position <= ?";
        let mut events = self.connection.prepare_cached(sql)?;
        let mut rows = events.query([last.0])?;
        let mut gone: Vec<i64> = Vec::new();
        while let Some(row) = rows.next()? {
            let device = row.get_ref(2)?.as_str().unwrap_or_default();
            if until.get(device).is_some_and(|until| row.get::<_, u64>(1).is_ok_and(|at| at <= until.0)) {
                gone.push(row.get(0)?);
            }
        }
        let mut delete = self.connection.prepare_cached("DELETE FROM alert_event WHERE sequence = ?")?;
        gone.iter().try_for_each(|sequence| delete.execute([sequence]).map(|_| ()))?;
        let mut note = self.connection.prepare_cached("INSERT OR IGNORE INTO erasing VALUES (?)")?;
        let mut series = erased.iter().flat_map(|erased| &erased.series);
        series.try_for_each(|series| note.execute([series.0]).map(|_| ()))
    }

    /// Nothing of series is in the files any more.
    pub(crate) fn end_erasing(&self, series: &BTreeSet<SeriesId>) -> rusqlite::Result<()> {
        let mut forget = self.connection.prepare_cached("DELETE FROM erasing WHERE series = ?")?;
        series.iter().try_for_each(|series| forget.execute([series.0]).map(|_| ()))
    }

    /// A number for a part that no part has, and none below `least`.
    pub(crate) fn next_part(&self, least: u32) -> rusqlite::Result<u32> {
        let largest: Option<u32> =
            self.connection.query_row("SELECT max(part) FROM part", [], |row| row.get(0)).optional()?.flatten();
        Ok(largest.map_or(0, |part| part + 1).max(least))
    }

    pub(crate) fn catalogue(&self, rows: &[Row]) -> rusqlite::Result<()> {
        let mut device = self.connection.prepare_cached("INSERT OR REPLACE INTO device VALUES (?, ?, ?)")?;
        let mut series = self.connection.prepare_cached("INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?)")?;
        let mut no_series = self.connection.prepare_cached("DELETE FROM series WHERE id = ?")?;
        for row in rows {
            match row {
                Row::Device { id, name, index } => device.execute(params![id, &**name, index])?,
                Row::Series { id, device, metric, index } => series.execute(params![id.0, device, &**metric, index])?,
                Row::NoSeries { id } => no_series.execute([id.0])?,
            };
        }
        Ok(())
    }

    pub(crate) fn bundle(&self, key: &Key, data: &[u8]) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached("INSERT INTO bundle VALUES (?, ?, ?, ?, ?)")?;
        statement.execute(params![key.part, key.hour.0, key.first.0, key.slice, data])?;
        Ok(())
    }

    pub(crate) fn part(&self, hour: Hour, part: Part) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached("INSERT INTO part VALUES (?, ?, ?)")?;
        statement.execute(params![part.part, hour.0, part.points])?;
        Ok(())
    }

    pub(crate) fn remove_parts(&self, hour: Hour, parts: &[Part]) -> rusqlite::Result<()> {
        for part in parts {
            let key = params![part.part, hour.0];
            self.connection.prepare_cached("DELETE FROM bundle WHERE part = ? AND hour = ?")?.execute(key)?;
            self.connection.prepare_cached("DELETE FROM part WHERE part = ? AND hour = ?")?.execute(key)?;
        }
        Ok(())
    }

    pub(crate) fn events(&self, events: &[AlertEvent]) -> rusqlite::Result<()> {
        let sql = "INSERT INTO alert_event (position, at_ms, alert) VALUES (?, ?, ?)";
        let mut statement = self.connection.prepare_cached(sql)?;
        for event in events {
            let alert = serde_json::to_string(&event.alert).expect("an alert is plain data with text keys");
            statement.execute(params![event.position.0, event.at_ms, alert])?;
        }
        Ok(())
    }

    /// Deletes events beyond the newest `events_max` and those before `oldest_ms`. Reads what it deletes and no more.
    pub(crate) fn trim_events(&self, events_max: usize, oldest_ms: i64) -> rusqlite::Result<usize> {
        let by_count = "DELETE FROM alert_event WHERE sequence <= (SELECT max(sequence) FROM alert_event) - ?";
        let by_age = "DELETE FROM alert_event WHERE sequence < coalesce(
            (SELECT sequence FROM alert_event WHERE at_ms >= ? ORDER BY sequence LIMIT 1), 9223372036854775807)";
        let events_max = i64::try_from(events_max).unwrap_or(i64::MAX);
        Ok(self.connection.execute(by_count, [events_max])? + self.connection.execute(by_age, [oldest_ms])?)
    }

    pub(crate) fn quarantine(&self, changes: &quarantine::Changes) -> rusqlite::Result<()> {
        let mut remove = self.connection.prepare_cached("DELETE FROM problem WHERE sequence = ?")?;
        for sequence in &changes.removed {
            remove.execute([sequence])?;
        }
        let sql = "INSERT OR REPLACE INTO problem VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let mut add = self.connection.prepare_cached(sql)?;
        for quarantine::Row { sequence, count, first_ms, problem } in &changes.added {
            let Problem { reason, detail, topic, client, owner, received_ms, payload } = problem;
            let (reason, payload, owner) = (reason.name(), payload.as_ref(), owner.to_text());
            let (topic, client) = (&**topic, &**client);
            add.execute(params![
                sequence,
                reason,
                topic,
                client,
                detail,
                received_ms,
                payload,
                count,
                first_ms,
                owner
            ])?;
        }
        Ok(())
    }
}
