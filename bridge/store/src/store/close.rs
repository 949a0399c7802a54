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
use tidegate_buckets::Bucket;

use crate::catalogue::SeriesId;
use crate::day::{self, DayFile, Merged};
use crate::error::StoreError;
use crate::files::Files;
use crate::head::{HeadWriter, Part};
use crate::hour::Hour;
use crate::month;
use crate::point::Run;
use crate::retention::{Ages, is_past};
use crate::sqlite::{self, Database};
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

    /// Merges the next series; `true` when the hour is closed. After an error the same step is to be made again. Ages are
    /// measured to `aged_ms` (Unix ms). The caller holds `writing`.
    pub(crate) fn step(&mut self, inner: &Inner, aged_ms: i64) -> Result<bool, StoreError> {
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
        let unthinned = Unthinned::of(inner, (&files, self.hour), runs.keys(), aged_ms);
        let added = self.merge(&files, runs, &transactions)?;
        unthinned.note(&files, self.hour, &transactions)?;
        let points = closed_points.unwrap_or(self.points).saturating_add_signed(added);
        let merged = self.merged(day, if is_last { u32::MAX } else { to });
        let closed = (is_last || closed_points.is_some()).then_some((points, merged));
        if let Some((points, merged)) = closed {
            let noted = day::close(&transactions.raw, self.hour, points, merged);
            noted.map_err(|error| day.database.error(error))?;
        }
        self.commit(inner, files, transactions, (closed, is_last, unthinned))?;
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
            let is_again = day.merged.get(&self.hour).is_some_and(|merged| merged.has(self.last_part(), series));
            let before = summary::of(&run);
            if !is_again {
                run.extend(&late.points, &late.texts);
                run.settle();
            }
            added += run.points.len() as i64 - known;
            // A try that did not come to its end may have left rows.
            day::replace(raw, self.hour, series, &run).map_err(|error| day.database.error(error))?;
            let knows_more = match () {
                // Late readings of a day that was deleted for the bytes.
                () if !is_closed => month.closed.contains(&self.hour),
                // What a rule took out of it may be in there.
                () if day.thinned.is_some() => {
                    let summary = month.read(self.hour, series)?;
                    summary.is_some_and(|summary| knows_more(&summary, before.as_ref(), is_again))
                }
                () => false,
            };
            if !knows_more {
                let summarized = month::replace(rollup, self.hour, series, summary::of(&run).as_ref());
                summarized.map_err(|error| month.database.error(error))?;
            }
        }
        Ok(added)
    }

    fn commit(
        &self,
        inner: &Inner,
        files: RwLockUpgradableReadGuard<'_, Files>,
        Transactions { raw, rollup }: Transactions,
        (closed, is_last, unthinned): (Option<(u64, Merged)>, bool, Unthinned),
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
        if unthinned.day {
            day.thinned = Some(sqlite::UNTHINNED);
        }
        let month = files.month(self.hour.month())?;
        commit(&rollup, &month.database)?;
        if unthinned.month {
            month.thinned = Some(sqlite::UNTHINNED);
        }
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

/// Whether a summary is of readings that are there no more, rather than of those that were there before it was merged. Where
/// they were merged before a crash, it may be of a part of them.
fn knows_more(summary: &Bucket, raw: Option<&Bucket>, is_again: bool) -> bool {
    let Some(raw) = raw else { return true };
    if !is_again {
        return summary != raw;
    }
    let is_within = summary.count <= raw.count
        && (summary.first_ms >= raw.first_ms && summary.last_ms <= raw.last_ms)
        && (summary.min >= raw.min && summary.max <= raw.max);
    !is_within
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

/// Files that were thinned before something was merged into them that rules take out of them: they are to be gone through again.
#[derive(Clone, Copy)]
struct Unthinned {
    day: bool,
    month: bool,
}

impl Unthinned {
    fn of<'a>(
        inner: &Inner,
        (files, hour): (&Files, Hour),
        series: impl Iterator<Item = &'a SeriesId> + Clone,
        aged_ms: i64,
    ) -> Unthinned {
        let memory = inner.memory.lock();
        let has = |is_past: &dyn Fn(Ages) -> bool| series.clone().any(|of| is_past(memory.catalogue.ages(*of)));
        let (day_ms, month_ms) = (hour.day().end_ms(), hour.month().end_ms());
        Unthinned {
            day: files.days[&hour.day()].thinned.is_some() && has(&|ages| is_past(ages.raw_days, day_ms, aged_ms)),
            month: files.months[&hour.month()].thinned.is_some()
                && has(&|ages| is_past(ages.hours_days, month_ms, aged_ms)),
        }
    }

    fn note(self, files: &Files, hour: Hour, Transactions { raw, rollup }: &Transactions) -> Result<(), StoreError> {
        if self.day {
            let noted = sqlite::note_thinned(raw, sqlite::UNTHINNED);
            noted.map_err(|error| files.days[&hour.day()].database.error(error))?;
        }
        if self.month {
            let noted = sqlite::note_thinned(rollup, sqlite::UNTHINNED);
            noted.map_err(|error| files.months[&hour.month()].database.error(error))?;
        }
        Ok(())
    }
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
