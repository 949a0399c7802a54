//! Which files there are and what they hold, known without reading points.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_buckets::Bucket;
use tidegate_telemetry::history::TierStats;

use crate::catalogue::SeriesId;
use crate::day::{self, DayFile, Merged};
use crate::error::StoreError;
use crate::head::{Head, Loaded, Part, Parts};
use crate::hour::{Day, Hour, Month};
use crate::month::{self, MonthFile};
use crate::point::Run;

/// So many series of an hour are read one by one; of more, whole parts are gone through.
const FEW: usize = 8;

/// What a day takes is told by so many of them.
const DAYS_LATELY: usize = 7;

/// All files of the store.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) directory: PathBuf,
    pub(crate) head: Arc<Head>,
    pub(crate) parts: Parts,
    pub(crate) days: BTreeMap<Day, DayFile>,
    pub(crate) months: BTreeMap<Month, MonthFile>,
    /// Series of which nothing is to stay in the files.
    pub(crate) erasing: BTreeSet<SeriesId>,
}

impl Files {
    pub(crate) fn open(directory: &Path) -> Result<(Self, Loaded), StoreError> {
        let names = file_names(directory)?;
        if Head::is_empty(directory)
            && names.iter().any(|name| day::day_of(name).is_some() || month::month_of(name).is_some())
        {
            return Err(StoreError::HeadMissing { directory: directory.to_owned() });
        }
        let head = Head::open(directory)?;
        let mut loaded = head.load()?;
        let mut files = Files {
            directory: directory.to_owned(),
            head: Arc::new(head),
            parts: std::mem::take(&mut loaded.parts),
            days: BTreeMap::new(),
            months: BTreeMap::new(),
            erasing: std::mem::take(&mut loaded.erasing),
        };
        for name in names {
            if let Some(day) = day::day_of(&name) {
                files.day(day)?;
            } else if let Some(month) = month::month_of(&name) {
                files.month(month)?;
            }
        }
        files.close_idle();
        Ok((files, loaded))
    }

    /// The file of a day, made when it is missing.
    pub(crate) fn day(&mut self, day: Day) -> Result<&mut DayFile, StoreError> {
        use std::collections::btree_map::Entry::{Occupied, Vacant};
        match self.days.entry(day) {
            Occupied(file) => Ok(file.into_mut()),
            Vacant(place) => Ok(place.insert(DayFile::open(&self.directory, day)?)),
        }
    }

    /// The file of a month, made when it is missing.
    pub(crate) fn month(&mut self, month: Month) -> Result<&mut MonthFile, StoreError> {
        use std::collections::btree_map::Entry::{Occupied, Vacant};
        match self.months.entry(month) {
            Occupied(file) => Ok(file.into_mut()),
            Vacant(place) => Ok(place.insert(MonthFile::open(&self.directory, month)?)),
        }
    }

    pub(crate) fn add_part(&mut self, part: u32, points: &BTreeMap<Hour, u64>) {
        for (&hour, &points) in points {
            self.parts.entry(hour).or_default().push(Part { part, points });
        }
    }

    /// Forgets parts that were merged.
    pub(crate) fn remove_parts(&mut self, hour: Hour, merged: &[Part]) {
        if let Some(parts) = self.parts.get_mut(&hour) {
            parts.retain(|part| !merged.contains(part));
            if parts.is_empty() {
                self.parts.remove(&hour);
            }
        }
    }

    /// The hours from `first` to `last`, both included, that have points or summaries of some series.
    pub(crate) fn hours(&self, first: Hour, last: Hour) -> BTreeSet<Hour> {
        let in_parts = self.parts.range(first..=last).map(|(&hour, _)| hour);
        let days = self.days.range(first.day()..=last.day());
        let in_days = days.flat_map(|(_, day)| day.closed.range(first..=last).map(|(&hour, _)| hour));
        let months = self.months.range(first.month()..=last.month());
        let in_months = months.flat_map(|(_, month)| month.closed.range(first..=last).copied());
        in_parts.chain(in_days).chain(in_months).collect()
    }

    /// Appends the points of a series in an hour, in order of arrival.
    pub(crate) fn read(&self, hour: Hour, series: SeriesId, run: &mut Run) -> Result<(), StoreError> {
        if let Some(day) = self.days.get(&hour.day()).filter(|day| day.closed.contains_key(&hour)) {
            day.read_series(hour, series, run)?;
        }
        let Some(parts) = self.parts.get(&hour) else { return Ok(()) };
        match self.merged(hour) {
            Some(merged) => {
                let rest = parts.iter().copied().filter(|part| !merged.has(part.part, series));
                self.head.read_series(hour, &rest.collect::<Vec<_>>(), series, run)
            }
            None => self.head.read_series(hour, parts, series, run),
        }
    }

    /// The points of some series in an hour, in order of arrival for each of them.
    pub(crate) fn read_some(
        &self,
        hour: Hour,
        series: &BTreeSet<SeriesId>,
        each: &mut dyn FnMut(SeriesId, Run),
    ) -> Result<(), StoreError> {
        let parts = self.parts.get(&hour).map_or(&[][..], Vec::as_slice);
        let are_new = self.merged(hour).is_none_or(|merged| parts.iter().all(|part| part.part > merged.part));
        let is_one_by_one = series.len() < FEW || !are_new;
        for &of in series {
            let mut run = Run::default();
            if is_one_by_one {
                self.read(hour, of, &mut run)?;
            } else if let Some(day) = self.days.get(&hour.day()).filter(|day| day.closed.contains_key(&hour)) {
                day.read_series(hour, of, &mut run)?;
            }
            each(of, run);
        }
        if is_one_by_one { Ok(()) } else { self.head.read_some(hour, parts, series, each) }
    }

    fn merged(&self, hour: Hour) -> Option<Merged> {
        self.days.get(&hour.day())?.merged.get(&hour).copied()
    }

    /// Parts of an hour that are merged together: those that were when something came between, else all.
    pub(crate) fn parts_to_merge(&self, hour: Hour) -> Vec<Part> {
        let parts = self.parts.get(&hour).map_or(&[][..], Vec::as_slice);
        let begun = parts.partition_point(|part| self.merged(hour).is_some_and(|merged| part.part <= merged.part));
        if begun > 0 { parts[..begun].to_vec() } else { parts.to_vec() }
    }

    /// The number of the next part is no smaller: it would be taken for one that was merged.
    pub(crate) fn part_least(&self) -> u32 {
        let merged = self.days.values().flat_map(|day| day.merged.values());
        merged.map(|merged| merged.part + 1).max().unwrap_or(0)
    }

    /// Whether the summaries of an hour hold all of its points: there is no part that they have not seen.
    pub(crate) fn is_summarized(&self, hour: Hour) -> bool {
        let month = self.months.get(&hour.month());
        !self.parts.contains_key(&hour) && month.is_some_and(|month| month.closed.contains(&hour))
    }

    pub(crate) fn summary(&self, hour: Hour, series: SeriesId) -> Result<Option<Bucket>, StoreError> {
        self.months.get(&hour.month()).map_or(Ok(None), |month| month.read(hour, series))
    }

    pub(crate) fn points(&self) -> u64 {
        let in_parts: u64 = self.parts.values().flatten().map(|part| part.points).sum();
        let in_days: u64 = self.days.values().flat_map(|day| day.closed.values()).sum();
        in_parts + in_days
    }

    pub(crate) fn bytes(&self) -> u64 {
        let days: u64 = self.days.values().map(|day| day.database.bytes()).sum();
        let months: u64 = self.months.values().map(|month| month.database.bytes()).sum();
        self.head.database.bytes() + days + months
    }

    pub(crate) fn oldest_ms(&self) -> Option<i64> {
        let in_parts = self.parts.keys().next();
        let in_days = self.days.values().find_map(|day| day.closed.keys().next());
        in_parts.into_iter().chain(in_days).min().map(|hour| hour.start_ms())
    }

    /// Raw readings, as they lie in files of days.
    pub(crate) fn raw_tier(&self, days: u32) -> TierStats {
        let oldest = self.days.iter().find_map(|(_, day)| day.closed.keys().next());
        // The newest one still grows.
        let lately: Vec<u64> =
            self.days.values().rev().skip(1).take(DAYS_LATELY).map(|day| day.database.bytes()).collect();
        let day_bytes = (!lately.is_empty()).then(|| lately.iter().sum::<u64>() / lately.len() as u64);
        let bytes = self.days.values().map(|day| day.database.bytes()).sum();
        TierStats { oldest_ms: oldest.map(|hour| hour.start_ms()), bytes, day_bytes, days: Some(days) }
    }

    /// Summaries of hours. Of 0 `days` they are kept for ever.
    pub(crate) fn hours_tier(&self, days: u32) -> TierStats {
        let oldest = self.months.values().find_map(|month| month.closed.first());
        let is_of_a_day = |month: &&MonthFile| month.closed.len() >= 24;
        let lately = self.months.values().rev().find(is_of_a_day);
        let day_bytes = lately.map(|month| month.database.bytes() * 24 / month.closed.len() as u64);
        let bytes = self.months.values().map(|month| month.database.bytes()).sum();
        TierStats {
            oldest_ms: oldest.map(|hour| hour.start_ms()),
            bytes,
            day_bytes,
            days: Some(days).filter(|days| *days > 0),
        }
    }

    /// The end of the newest hour with raw readings, Unix ms.
    pub(crate) fn newest_ms(&self) -> Option<i64> {
        let in_parts = self.parts.keys().next_back();
        let in_days = self.days.values().rev().find_map(|day| day.closed.keys().next_back());
        in_parts.into_iter().chain(in_days).max().map(|hour| hour.end_ms())
    }

    /// Points of hours that begin after `time_ms` (Unix ms).
    pub(crate) fn points_after(&self, time_ms: i64) -> u64 {
        let first = Hour(Hour::of(time_ms).0 + 1);
        let in_parts: u64 = self.parts.range(first..).flat_map(|(_, parts)| parts).map(|part| part.points).sum();
        let days = self.days.range(first.day()..).flat_map(|(_, day)| day.closed.range(first..));
        in_parts + days.map(|(_, points)| points).sum::<u64>()
    }

    /// The end of the last day of which the raw readings were deleted and summaries are left, Unix ms; the smallest
    /// time when there is none.
    pub(crate) fn raw_from_ms(&self) -> i64 {
        let Some(oldest) = self.days.keys().next().map(|day| day.first_hour()) else { return i64::MIN };
        let deleted = self.months.values().filter_map(|month| month.closed.range(..oldest).next_back());
        deleted.max().map_or(i64::MIN, |hour| hour.day().end_ms())
    }

    /// Gives back the connections that nobody uses.
    pub(crate) fn close_idle(&self) {
        self.days.values().for_each(|day| day.database.close_idle());
        self.months.values().for_each(|month| month.database.close_idle());
    }
}

pub(crate) fn file_names(directory: &Path) -> Result<Vec<String>, StoreError> {
    let list = || -> std::io::Result<Vec<String>> {
        std::fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    list().map_err(|source| StoreError::Directory { directory: directory.to_owned(), source })
}
