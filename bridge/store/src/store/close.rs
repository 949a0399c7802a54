//! Closing an hour: its parts become one row a series in the day's file, and its summaries are written. Late data is
//! merged in the same way.
//!
//! An hour of very many series takes seconds, so it is done a slice of them at a time, and flushes go on in between.
//! No query looks into the day's file for an hour that is not closed there, nor trusts summaries while there are parts.
//! With the last slice the day's file says that the hour is closed, then the summaries do, then the parts leave
//! `head.db`. What is merged into a closed hour is noted with it, slice by slice: after a crash anywhere the same parts are
//! gone through again, and no point is merged twice.

use std::collections::BTreeMap;

use parking_lot::RwLockUpgradableReadGuard;
use rusqlite::Connection;

use crate::catalogue::SeriesId;
use crate::day::{self, DayFile, Merged};
use crate::error::StoreError;
use crate::files::Files;
use crate::head::{HeadWriter, Part};
use crate::hour::Hour;
use crate::month;
use crate::point::Run;
use crate::sqlite::Database;
use crate::store::Inner;
use crate::summary;

/// Series merged at a time: bounds memory to a few MiB, and the time that a flush waits to about a tenth of a second.
const SERIES_AT_A_TIME: u32 = 512;

/// An hour on its way into the file of its day.
#[derive(Debug)]
pub(crate) struct Closing {
    hour: Hour,
    /// What came later stays for the next time.
    parts: Vec<Part>,
    /// The first series that is not merged yet.
    next: u32,
    /// Points merged, as long as the hour was not closed before.
    points: u64,
}

/// Transactions on the file of the day and on that of the month.
struct Transactions {
    raw: Connection,
    rollup: Connection,
}

impl Closing {
    pub(crate) fn new(hour: Hour, parts: Vec<Part>) -> Self {
        Closing { hour, parts, next: 0, points: 0 }
    }

    /// Whether its parts are still there: retention may have deleted the day meanwhile.
    pub(crate) fn is_current(&self, files: &Files) -> bool {
        files.parts.get(&self.hour).is_some_and(|parts| parts.starts_with(&self.parts))
    }

    /// Merges the next series; `true` when the hour is closed. After an error the same step is to be made again. The
    /// caller holds `writing`.
    pub(crate) fn step(&mut self, inner: &Inner) -> Result<bool, StoreError> {
        make_files(inner, self.hour)?;
        let series_end = inner.memory.lock().catalogue.series_end();
        let to = self.next.saturating_add(SERIES_AT_A_TIME);
        let is_last = to >= series_end;
        // Other readers go on; only this thread writes, so nothing changes until the upgrade.
        let files = inner.files.upgradable_read();
        let (day, month) = (&files.days[&self.hour.day()], &files.months[&self.hour.month()]);
        let transactions = Transactions { raw: begin(&day.database)?, rollup: begin(&month.database)? };
        day::bring_up_to_date(&transactions.raw).map_err(|error| day.database.error(error))?;
        let closed_points = day.closed.get(&self.hour).copied();
        let runs = files.head.read_range(self.hour, &self.parts, (self.next, to))?;
        let added = self.merge(&files, runs, &transactions)?;
        let points = closed_points.unwrap_or(self.points).saturating_add_signed(added);
        let merged = self.merged(day, if is_last { u32::MAX } else { to });
        let closed = (is_last || closed_points.is_some()).then_some((points, merged));
        if let Some((points, merged)) = closed {
            let noted = day::close(&transactions.raw, self.hour, points, merged);
            noted.map_err(|error| day.database.error(error))?;
        }
        self.commit(inner, files, transactions, (closed, is_last))?;
        (self.next, self.points) = (to, points);
        Ok(is_last)
    }

    fn last_part(&self) -> u32 {
        self.parts.last().map_or(0, |part| part.part)
    }

    /// What is merged once series below `series_end` are. When this was begun before, that may be more.
    fn merged(&self, day: &DayFile, series_end: u32) -> Merged {
        let part = self.last_part();
        let before = day.merged.get(&self.hour).filter(|merged| merged.part >= part);
        before.copied().filter(|merged| merged.series_end > series_end).unwrap_or(Merged { part, series_end })
    }

    /// Merges `runs` into what the day's file has, and returns by how many points that grew.
    fn merge(
        &self,
        files: &Files,
        runs: BTreeMap<SeriesId, Run>,
        Transactions { raw, rollup }: &Transactions,
    ) -> Result<i64, StoreError> {
        let (day, month) = (&files.days[&self.hour.day()], &files.months[&self.hour.month()]);
        let is_closed = day.closed.contains_key(&self.hour);
        let mut added = 0;
        for (series, late) in runs {
            let mut run = Run::default();
            if is_closed {
                day.read_series(self.hour, series, &mut run)?;
            }
            let known = run.points.len() as i64;
            if !day.merged.get(&self.hour).is_some_and(|merged| merged.has(self.last_part(), series)) {
                run.extend(&late.points, &late.texts);
                run.settle();
            }
            added += run.points.len() as i64 - known;
            // A try that did not come to its end may have left rows.
            day::replace(raw, self.hour, series, &run).map_err(|error| day.database.error(error))?;
            let is_deleted = if is_closed { known == 0 && day.thinned.is_some() } else { true };
            if is_deleted
                && month.closed.contains(&self.hour)
                && (!is_closed || month.read(self.hour, series)?.is_some())
            {
                // Late readings of a day that was deleted for the bytes, or of what a rule took out of it: its summaries know more.
                continue;
            }
            let summarized = month::replace(rollup, self.hour, series, summary::of(&run).as_ref());
            summarized.map_err(|error| month.database.error(error))?;
        }
        Ok(added)
    }

    fn commit(
        &self,
        inner: &Inner,
        files: RwLockUpgradableReadGuard<'_, Files>,
        Transactions { raw, rollup }: Transactions,
        (closed, is_last): (Option<(u64, Merged)>, bool),
    ) -> Result<(), StoreError> {
        let head = files.head.clone();
        let mut head_connection = None;
        if is_last {
            let month = &files.months[&self.hour.month()];
            month::close(&rollup, self.hour).map_err(|error| month.database.error(error))?;
            let connection = head_connection.insert(begin(&head.database)?);
            let removed = HeadWriter { connection }.remove_parts(self.hour, &self.parts);
            removed.map_err(|error| head.database.error(error))?;
        }

        let mut files = RwLockUpgradableReadGuard::upgrade(files);
        let day = files.day(self.hour.day())?;
        commit(&raw, &day.database)?;
        if let Some((points, merged)) = closed {
            day.closed.insert(self.hour, points);
            day.merged.insert(self.hour, merged);
        }
        let month = files.month(self.hour.month())?;
        commit(&rollup, &month.database)?;
        if let Some(connection) = &head_connection {
            month.closed.insert(self.hour);
            commit(connection, &head.database)?;
            files.remove_parts(self.hour, &self.parts);
        }
        drop(files);

        let files = inner.files.read();
        files.days[&self.hour.day()].database.checkpoint(&raw, &inner.written_bytes)?;
        files.months[&self.hour.month()].database.checkpoint(&rollup, &inner.written_bytes)?;
        head_connection.map_or(Ok(()), |connection| head.database.checkpoint(&connection, &inner.written_bytes))
    }
}

/// Makes the summaries of a closed hour again.
pub(crate) fn summarize_hour(inner: &Inner, hour: Hour) -> Result<(), StoreError> {
    make_files(inner, hour)?;
    let files = inner.files.upgradable_read();
    let (day, month) = (&files.days[&hour.day()], &files.months[&hour.month()]);
    let rollup = begin(&month.database)?;
    for from in (0..=day.last_series(hour)?.unwrap_or(0)).step_by(SERIES_AT_A_TIME as usize) {
        for (series, run) in day.read_range(hour, (from, from + SERIES_AT_A_TIME))? {
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

pub(super) fn begin(database: &Database) -> Result<Connection, StoreError> {
    let connection = database.writer()?;
    connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| database.error(error))?;
    Ok(connection)
}

pub(super) fn commit(connection: &Connection, database: &Database) -> Result<(), StoreError> {
    connection.execute_batch("COMMIT").map_err(|error| database.error(error))
}
