//! Thinning: what rules keep for a shorter time than the rest leaves the files of days and months once it is old enough.
//!
//! A file is gone through once for the rules that concern it by then, and notes which they were: a start goes through none again.
//! What comes late is refused where a rule no longer keeps it; what was taken in time, and merged afterwards, has the file
//! gone through again.

use std::collections::BTreeSet;
use std::time::Instant;

use parking_lot::RwLockUpgradableReadGuard;

use crate::catalogue::SeriesId;
use crate::error::StoreError;
use crate::hour::{Day, Month};
use crate::retention::{Ages, RetentionRule, is_past};
use crate::store::Inner;
use crate::{month, sqlite};

use super::close::{begin, commit};
use super::erase::{finish, remove_in_day};
use super::names::{Left, Place};

/// Goes through files until the time is up; `true`: all is done. Names may leave of what is `left` nowhere else. The caller
/// holds `writing`.
pub(super) fn thin(
    inner: &Inner,
    aged_ms: i64,
    left: &mut Left,
    until: impl Fn(Instant) -> bool,
) -> Result<bool, StoreError> {
    if inner.config.rules.is_empty() {
        return Ok(true);
    }
    while let Some((day, rules)) = next_day(inner, aged_ms) {
        let series = series_of(inner, |ages| is_past(ages.raw_days, day.end_ms(), aged_ms));
        if remove_in_day(inner, day, &series, Some(rules))? {
            left.look_again_in(Place::Day(day));
        }
        if until(Instant::now()) {
            return Ok(false);
        }
    }
    while let Some((month, rules)) = next_month(inner, aged_ms) {
        let series = series_of(inner, |ages| is_past(ages.hours_days, month.end_ms(), aged_ms));
        if thin_month(inner, month, &series, rules)? {
            left.look_again_in(Place::Month(month));
        }
        if until(Instant::now()) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn series_of(inner: &Inner, is_so: impl Fn(Ages) -> bool) -> BTreeSet<SeriesId> {
    inner.memory.lock().catalogue.series_kept(is_so)
}

/// A day that the rules which concern it by now have not gone through, and a number that stands for these.
fn next_day(inner: &Inner, aged_ms: i64) -> Option<(Day, u32)> {
    let files = inner.files.read();
    let due = |day: &Day| due(&inner.config.rules, |rule| is_past(rule.raw_days, day.end_ms(), aged_ms));
    files
        .days
        .iter()
        .find_map(|(day, file)| due(day).filter(|rules| file.thinned != Some(*rules)).map(|rules| (*day, rules)))
}

fn next_month(inner: &Inner, aged_ms: i64) -> Option<(Month, u32)> {
    let files = inner.files.read();
    let due = |month: &Month| due(&inner.config.rules, |rule| is_past(rule.hours_days, month.end_ms(), aged_ms));
    let is_new = |(month, file): (&Month, &crate::month::MonthFile)| {
        due(month).filter(|rules| file.thinned != Some(*rules)).map(|rules| (*month, rules))
    };
    files.months.iter().find_map(is_new)
}

/// A number for all rules and which of them are due; `None`: none is. The first that fits counts, so others matter too.
fn due(rules: &[RetentionRule], is_due: impl Fn(&RetentionRule) -> bool) -> Option<u32> {
    let due: Vec<bool> = rules.iter().map(is_due).collect();
    due.contains(&true).then(|| crc32c::crc32c(format!("{rules:?}{due:?}").as_bytes()))
}

/// `true`: it had something of the series.
fn thin_month(inner: &Inner, month: Month, series: &BTreeSet<SeriesId>, rules: u32) -> Result<bool, StoreError> {
    let files = inner.files.upgradable_read();
    let Some(file) = files.months.get(&month) else { return Ok(false) };
    let connection = begin(&file.database)?;
    let remove = || -> rusqlite::Result<usize> {
        let hours = file.closed.iter().map(|hour| month::remove_from(&connection, *hour, series));
        let removed = hours.sum::<rusqlite::Result<usize>>()?;
        sqlite::note_thinned(&connection, rules)?;
        Ok(removed)
    };
    let removed = remove().map_err(|error| file.database.error(error))?;
    let mut files = RwLockUpgradableReadGuard::upgrade(files);
    let file = files.month(month)?;
    commit(&connection, &file.database)?;
    file.thinned = Some(rules);
    drop(files);
    metrics::counter!("tidegate_store_removed_summaries_total").increment(removed as u64);
    if let Some(file) = inner.files.read().months.get(&month) {
        finish(&file.database, connection, removed > 0, inner)?;
    }
    Ok(removed > 0)
}
