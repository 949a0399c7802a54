//! What the store does to its files besides flushing: closing hours, merging late data, retention.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::close::{self, Closing};
use super::erase::Erasing;
use super::names::Left;
use super::thin::thin;
use crate::aged::Aged;
use crate::counters;
use crate::error::StoreError;
use crate::files::Files;
use crate::head::{HeadWriter, Part};
use crate::hour::{Day, Hour, Month};
use crate::store::{Inner, Store};

const DAY_MS: i64 = 86_400_000;

/// What [`Store::maintain`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MaintainReport {
    /// Hours whose parts became one, for the first time or because late data had come.
    pub hours_closed: usize,
    /// Hours whose summaries were made again from raw readings.
    pub hours_summarized: usize,
    /// Files deleted by age or bytes.
    pub files_deleted: usize,
    /// Alert events deleted by age or number.
    pub events_deleted: usize,
    /// Devices whose names left the catalogue, since nothing of them was left.
    pub devices_forgotten: usize,
    /// Time was up before all was done: go on soon.
    pub unfinished: bool,
}

/// What maintenance remembers from one time to the next.
#[derive(Debug, Default)]
pub(crate) struct Maintenance {
    /// The newest part of each past hour when it last looked: an hour is merged once it is quiet.
    parts_seen: FxHashMap<Hour, u32>,
    /// Hours that are being closed.
    closing: VecDeque<Closing>,
    /// Series that are being erased.
    erasing: Option<Erasing>,
    /// Merged parts have left room in `head.db`.
    freed: bool,
    /// As `head.db` has it.
    aged_saved: Option<Aged>,
    /// Why something could not be erased or thinned: it is tried again once the rest is done.
    failed: Option<StoreError>,
    /// Of what devices there is still something.
    left: Left,
}

impl Store {
    /// [`Store::maintain_for`] until all is done.
    ///
    /// # Errors
    /// When a file cannot be read or written, or is damaged.
    pub fn maintain(&self, now_ms: i64) -> Result<MaintainReport, StoreError> {
        self.maintain_for(now_ms, Duration::MAX)
    }

    /// Closes hours that have ended, merges late data, and keeps the store within its bounds. Call it after each flush
    /// and at least once a minute, on the thread that flushes; blocks for the disk. It stops soon after `budget` and
    /// goes on where it was when it is called again, so that a flush need not wait for a whole hour. `now_ms` is
    /// Unix ms. Ages are measured to what [`Store::age_to`] was told, or else to now.
    ///
    /// # Errors
    /// When a file cannot be read or written, or is damaged.
    pub fn maintain_for(&self, now_ms: i64, budget: Duration) -> Result<MaintainReport, StoreError> {
        let begun = Instant::now();
        let inner = &*self.inner;
        let mut todo = inner.writing.lock();
        let aged_ms = todo.age(inner, now_ms)?;
        let files_deleted = unlink_expired(inner, aged_ms)?;
        if files_deleted > 0 {
            todo.left.look_again();
        }
        let mut report = MaintainReport { files_deleted, ..MaintainReport::default() };
        let is_late = |now: Instant| now.duration_since(begun) >= budget;
        let is_done = todo.go_on(inner, (now_ms, aged_ms), is_late, &mut report);
        count(&report);
        match is_done {
            Ok(true) => todo.failed.take().map_or(Ok(report), Err),
            Ok(false) => Ok(MaintainReport { unfinished: true, ..report }),
            Err(error) => {
                todo.failed = None;
                Err(error)
            }
        }
    }
}

impl Maintenance {
    pub(crate) fn begin(aged_saved: Option<Aged>) -> Self {
        Maintenance { aged_saved, ..Maintenance::default() }
    }

    /// `true`: all is done.
    fn go_on(
        &mut self,
        inner: &Inner,
        (now_ms, aged_ms): (i64, i64),
        is_late: impl Fn(Instant) -> bool + Copy,
        report: &mut MaintainReport,
    ) -> Result<bool, StoreError> {
        if self.failed.is_none() {
            match self.erase_and_thin(inner, aged_ms, is_late) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => self.failed = Some(error),
            }
        }
        self.choose_hours(inner, now_ms);
        while let Some(closing) = self.closing.front_mut() {
            if closing.step(inner, aged_ms)? {
                self.closing.pop_front();
                self.freed = true;
                report.hours_closed += 1;
            }
            if is_late(Instant::now()) && !self.closing.is_empty() {
                return Ok(false);
            }
        }
        let unsummarized = hours_without_summaries(&inner.files.read());
        for hour in unsummarized {
            close::summarize_hour(inner, hour)?;
            report.hours_summarized += 1;
        }
        let surplus = unlink_surplus(inner)?;
        report.files_deleted += surplus;
        report.events_deleted = trim_events(inner, aged_ms)?;
        if surplus > 0 {
            self.left.look_again();
        }
        report.devices_forgotten = self.left.forget_names(inner)?;
        let files = inner.files.read();
        files.close_idle();
        if std::mem::take(&mut self.freed) {
            files.head.database.shrink(&inner.written_bytes)?;
        }
        Ok(true)
    }

    /// Neither waits for the other's errors.
    fn erase_and_thin(
        &mut self,
        inner: &Inner,
        aged_ms: i64,
        is_late: impl Fn(Instant) -> bool + Copy,
    ) -> Result<bool, StoreError> {
        let erased = self.erase(inner, is_late);
        if erased.is_err() {
            // Hours that are closed meanwhile may make files in which there is something of it.
            self.erasing = None;
        }
        if let Ok(false) = erased {
            return Ok(false);
        }
        let thinned = thin(inner, aged_ms, &mut self.left, is_late);
        erased.and(thinned)
    }

    /// Erases what is to be erased, until the time is up; `true`: nothing is left of it.
    fn erase(&mut self, inner: &Inner, until: impl Fn(Instant) -> bool) -> Result<bool, StoreError> {
        loop {
            if self.erasing.is_none() {
                self.erasing = Erasing::begin(&inner.files.read());
            }
            let Some(erasing) = &mut self.erasing else { return Ok(true) };
            // Who closes an hour counts its points, and would count what is erased.
            self.closing.clear();
            if !erasing.go_on(inner, &until)? {
                return Ok(false);
            }
            self.erasing = None;
        }
    }

    /// What ages are measured to. It is written down first: a later run does not measure to less than was deleted by.
    fn age(&mut self, inner: &Inner, now_ms: i64) -> Result<i64, StoreError> {
        let Some(aged) = inner.memory.lock().aged else { return Ok(now_ms) };
        if self.aged_saved.is_none_or(|saved| saved.is_far_from(aged)) {
            let head = inner.files.read().head.clone();
            let connection = head.database.writer()?;
            HeadWriter { connection: &connection }.aged(aged).map_err(|error| head.database.error(error))?;
            head.database.checkpoint(&connection, &inner.written_bytes)?;
            self.aged_saved = Some(aged);
        }
        Ok(aged.to_ms.min(now_ms))
    }

    /// When no hour is being closed: past hours with parts that are quiet since the last time, or have many.
    fn choose_hours(&mut self, inner: &Inner, now_ms: i64) {
        let files = inner.files.read();
        self.closing.retain(|closing| closing.is_current(&files));
        if !self.closing.is_empty() {
            return;
        }
        let ended = |hour: &Hour| {
            hour.end_ms().saturating_add(tidegate_settings::millis(inner.config.hour_close_delay)) <= now_ms
        };
        let past = files.parts.iter().filter(|(hour, _)| ended(hour));
        let newest_of = |parts: &[Part]| parts.last().map(|part| part.part);
        let due = past.clone().filter(|(hour, parts)| {
            parts.len() >= inner.config.late_parts_max || self.parts_seen.get(hour).copied() == newest_of(parts)
        });
        self.closing = due.map(|(&hour, _)| Closing::new(hour, files.parts_to_merge(hour))).collect();
        self.parts_seen = past.filter_map(|(&hour, parts)| Some((hour, newest_of(parts)?))).collect();
    }
}

fn hours_without_summaries(files: &Files) -> Vec<Hour> {
    let closed = files.days.values().flat_map(|day| day.closed.keys().copied());
    let has = |hour: Hour| files.months.get(&hour.month()).is_some_and(|month| month.closed.contains(&hour));
    closed.filter(|&hour| !has(hour)).collect()
}

/// Deletes what is older than the configuration keeps.
fn unlink_expired(inner: &Inner, aged_ms: i64) -> Result<usize, StoreError> {
    let oldest_raw_ms = aged_ms - i64::from(inner.config.retention_age_days) * DAY_MS;
    let oldest_rollup_ms = match inner.config.rollup_retention_age_days {
        0 => i64::MIN,
        days => aged_ms - i64::from(days) * DAY_MS,
    };
    let (days, months) = {
        let files = inner.files.read();
        let days = files.days.keys().copied().chain(files.parts.keys().map(|hour| hour.day()));
        let mut days: Vec<Day> = days.filter(|day| day.end_ms() <= oldest_raw_ms).collect();
        days.sort_unstable();
        days.dedup();
        let months = files.months.keys().copied().filter(|month| month.end_ms() <= oldest_rollup_ms);
        (days, months.collect::<Vec<_>>())
    };
    let mut deleted = 0;
    for day in days {
        deleted += unlink_day(inner, day, "age")?;
    }
    for month in months {
        deleted += unlink_month(inner, month)?;
    }
    Ok(deleted)
}

/// Deletes the oldest days, then the oldest months of summaries, until the files are within their bytes.
fn unlink_surplus(inner: &Inner) -> Result<usize, StoreError> {
    let mut deleted = 0;
    loop {
        let (day, month) = {
            let files = inner.files.read();
            if files.bytes() <= inner.config.retention_bytes {
                return Ok(deleted);
            }
            let oldest_day = files.days.keys().next().copied().filter(|_| files.days.len() > 1);
            (oldest_day, files.months.keys().next().copied().filter(|_| files.months.len() > 1))
        };
        deleted += match (day, month) {
            (Some(day), _) => {
                inner.memory.lock().deleted_before(day.end_ms());
                unlink_day(inner, day, "bytes")?
            }
            (None, Some(month)) => unlink_month(inner, month)?,
            (None, None) => return Ok(deleted),
        };
    }
}

fn unlink_day(inner: &Inner, day: Day, reason: &'static str) -> Result<usize, StoreError> {
    let mut files = inner.files.write();
    let closed: u64 = files.days.get(&day).map_or(0, |file| file.closed.values().sum());
    let hours: Vec<(Hour, Vec<Part>)> =
        files.parts.iter().filter(|(hour, _)| hour.day() == day).map(|(&hour, parts)| (hour, parts.clone())).collect();
    let in_parts: u64 = hours.iter().flat_map(|(_, parts)| parts).map(|part| part.points).sum();
    counters::removed(reason, closed + in_parts);
    if !hours.is_empty() {
        let head = files.head.clone();
        let connection = head.database.writer()?;
        let writer = HeadWriter { connection: &connection };
        let remove = || -> rusqlite::Result<()> {
            writer.begin()?;
            hours.iter().try_for_each(|(hour, parts)| writer.remove_parts(*hour, parts))?;
            writer.commit()
        };
        remove().map_err(|error| head.database.error(error))?;
        head.database.checkpoint(&connection, &inner.written_bytes)?;
        files.parts.retain(|hour, _| hour.day() != day);
    }
    match files.days.remove(&day) {
        Some(file) => unlinked(inner, file.database.unlink()),
        None => Ok(0),
    }
}

fn unlink_month(inner: &Inner, month: Month) -> Result<usize, StoreError> {
    match inner.files.write().months.remove(&month) {
        Some(file) => unlinked(inner, file.database.unlink()),
        None => Ok(0),
    }
}

fn unlinked(inner: &Inner, result: std::io::Result<()>) -> Result<usize, StoreError> {
    let directory = inner.config.directory.clone();
    result.map(|()| 1).map_err(|source| StoreError::Directory { directory, source })
}

fn trim_events(inner: &Inner, aged_ms: i64) -> Result<usize, StoreError> {
    let head = inner.files.read().head.clone();
    let connection = head.database.writer()?;
    let oldest_ms = aged_ms - i64::from(inner.config.events_age_days) * DAY_MS;
    let trimmed = HeadWriter { connection: &connection }.trim_events(inner.config.events_max, oldest_ms);
    let deleted = trimmed.map_err(|error| head.database.error(error))?;
    if deleted > 0 {
        head.database.checkpoint(&connection, &inner.written_bytes)?;
    }
    Ok(deleted)
}

fn count(report: &MaintainReport) {
    metrics::counter!("tidegate_store_closed_hours_total").increment(report.hours_closed as u64);
    metrics::counter!("tidegate_store_deleted_files_total").increment(report.files_deleted as u64);
    metrics::counter!("tidegate_store_deleted_events_total").increment(report.events_deleted as u64);
    metrics::counter!("tidegate_store_forgotten_devices_total").increment(report.devices_forgotten as u64);
}
