//! The questions of [`History`], answered from files and memory as of one moment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidegate_buckets::{Bucket, Rung};
use tidegate_telemetry::history::{
    AlertEvent, ProblemGroup, ReadingsCursor, ReadingsPage, ReadingsQuery, SeriesAnswer, SeriesQuery, StoreStats,
    TimesQuery, Wanted,
};
use tidegate_telemetry::{History, HistoryError, Position, Value};

use crate::catalogue::SeriesId;
use crate::chunk;
use crate::error::StoreError;
use crate::files::Files;
use crate::hour::Hour;
use crate::memory::Erasure;
use crate::point::Run;
use crate::store::Store;

impl History for Store {
    fn readings(&self, query: &ReadingsQuery, wanted: Wanted<'_>) -> Result<ReadingsPage, HistoryError> {
        let files = self.inner.files.read();
        let (view, _) = View::take(self, &files, &query.device, &query.metric)?;
        let mut page = Page::default();
        let Some(view) = view else { return Ok(page.finished()) };
        for hour in view.hours(query.from.time_ms, query.to_ms) {
            check(wanted)?;
            let mut run = view.hour(hour)?;
            run.clip(query.from.time_ms, query.to_ms);
            if !page.fill(&run, query) {
                break;
            }
        }
        Ok(page.finished())
    }

    fn readings_at(
        &self,
        queries: &[TimesQuery],
        limit: usize,
        wanted: Wanted<'_>,
    ) -> Result<Vec<Vec<(i64, Value)>>, HistoryError> {
        self.at_times(queries, limit, wanted)
    }

    fn series(&self, query: &SeriesQuery, wanted: Wanted<'_>) -> Result<SeriesAnswer, HistoryError> {
        let files = self.inner.files.read();
        let (view, through) = View::take(self, &files, &query.device, &query.metric)?;
        let mut buckets = Vec::new();
        if let Some(view) = view {
            for hour in view.hours(query.from_ms, query.to_ms) {
                check(wanted)?;
                view.summarize(hour, query, &mut buckets)?;
            }
        }
        Ok(SeriesAnswer { buckets, through })
    }

    fn numbers(
        &self,
        query: &SeriesQuery,
        wanted: Wanted<'_>,
        each: &mut dyn FnMut(i64, f64),
    ) -> Result<(), HistoryError> {
        let files = self.inner.files.read();
        let Some(view) = View::take(self, &files, &query.device, &query.metric)?.0 else { return Ok(()) };
        let hours: Vec<Hour> = view.hours(query.from_ms, query.to_ms).into_iter().collect();
        let mut hand_over = |run: &Run| {
            let within = run.points.iter().filter(|point| (query.from_ms..query.to_ms).contains(&point.time_ms()));
            let numbers = within.filter_map(|point| Some((point.time_ms(), point.sample.as_number()?)));
            numbers.for_each(|(time_ms, number)| each(time_ms, number));
        };
        for hours in hours.chunk_by(|a, b| a.day() == b.day()) {
            check(wanted)?;
            if view.is_in_file_alone(hours) {
                view.each_row(hours, &mut |run| {
                    hand_over(run);
                    wanted()
                })?;
                continue;
            }
            for &hour in hours {
                check(wanted)?;
                hand_over(&view.hour(hour)?);
            }
        }
        check(wanted)
    }

    fn names(&self, before: usize, limit: usize) -> Vec<(Arc<str>, Vec<Arc<str>>)> {
        self.inner.memory.lock().catalogue.names(before, limit)
    }

    fn has_device(&self, device: &str) -> bool {
        self.inner.memory.lock().catalogue.knows(device)
    }

    fn alert_events(&self, before: Option<Position>, limit: usize) -> Result<Vec<AlertEvent>, HistoryError> {
        let files = self.inner.files.read();
        let erased: Vec<Erasure> = self.inner.memory.lock().erased().cloned().collect();
        let is_erased = |event: &AlertEvent| {
            erased.iter().any(|of| event.position <= of.position && event.alert.device_id == of.device)
        };
        let mut asked = limit;
        loop {
            let mut events = self.events_in_memory(before, asked);
            files.head.events(before, asked, &mut events)?;
            let is_all = events.len() < asked;
            events.retain(|event| !is_erased(event));
            // What was erased and is still there takes nobody's place in the answer.
            if is_all || events.len() >= limit {
                return Ok(events);
            }
            asked = asked.saturating_mul(2);
        }
    }

    fn problems(&self, limit: usize) -> (Vec<ProblemGroup>, u64) {
        self.inner.quarantine.lock().groups(limit)
    }

    fn stats(&self) -> StoreStats {
        self.figures()
    }

    fn kept_from_ms(&self) -> i64 {
        self.inner.kept_from_ms.load(Ordering::Relaxed)
    }

    fn keeps_from_ms(&self, now_ms: i64) -> (i64, &'static str) {
        let (kept_from_ms, for_bytes) = self.inner.memory.lock().keeps_from_ms(now_ms);
        (kept_from_ms, if for_bytes { "store.retention_bytes" } else { "store.retention_age_days" })
    }
}

impl Store {
    fn events_in_memory(&self, before: Option<Position>, limit: usize) -> Vec<AlertEvent> {
        let memory = self.inner.memory.lock();
        let sealed = memory.sealed.iter().rev().flat_map(|generation| generation.events.iter().rev());
        let newest_first = memory.active.events.iter().rev().chain(sealed);
        let mut events: Vec<AlertEvent> = Vec::new();
        for event in newest_first.filter(|event| before.is_none_or(|before| event.position < before)) {
            // Those of one position stay together, so that the next page can begin before it.
            if events.len() >= limit && events.last().is_none_or(|last| last.position != event.position) {
                break;
            }
            events.push(event.clone());
        }
        events
    }
}

/// A page of readings while it is filled.
#[derive(Default)]
struct Page {
    points: Vec<(i64, Value)>,
    /// How many of the newest time there were, those before the page included.
    tied: (i64, usize),
    next: Option<ReadingsCursor>,
}

impl Page {
    /// Adds what has room; `false` when something had none.
    fn fill(&mut self, run: &Run, query: &ReadingsQuery) -> bool {
        for point in &run.points {
            let time_ms = point.time_ms();
            let skip = if time_ms == self.tied.0 { self.tied.1 } else { 0 };
            if time_ms > query.from.time_ms || skip >= query.from.skip {
                if self.points.len() == query.limit {
                    self.next = Some(ReadingsCursor { time_ms, skip });
                    return false;
                }
                self.points.push((time_ms, run.value(point.sample)));
            }
            self.tied = (time_ms, skip + 1);
        }
        true
    }

    fn finished(self) -> ReadingsPage {
        ReadingsPage { points: self.points, next: self.next }
    }
}

/// One series as of one moment: its points in memory, copied, and the files, which the caller holds still.
pub(crate) struct View<'a> {
    files: &'a Files,
    pub(crate) series: SeriesId,
    pub(crate) memory: Run,
}

impl<'a> View<'a> {
    /// `None` when there is no such series.
    pub(crate) fn take(
        store: &Store,
        files: &'a Files,
        device: &str,
        metric: &str,
    ) -> Result<(Option<Self>, Position), StoreError> {
        let memory = store.inner.memory.lock();
        let through = memory.applied;
        let Some(series) = memory.catalogue.series_named(device, metric) else { return Ok((None, through)) };
        let sealed: Vec<_> = memory.sealed.iter().cloned().collect();
        let active = memory.active.buffer(series).map(|buffer| buffer.compressed());
        drop(memory);
        let sealed = sealed.iter().filter_map(|generation| generation.buffer(series)).map(|buffer| buffer.compressed());
        let mut run = Run::default();
        for snapshot in sealed.chain(active) {
            let newer = snapshot.run().expect("blocks in memory are what the store encoded");
            run.extend(&newer.points, &newer.texts);
        }
        run.settle();
        Ok((Some(View { files, series, memory: run }), through))
    }

    /// The hours within `[from_ms, to_ms)` that may have points, ascending.
    fn hours(&self, from_ms: i64, to_ms: i64) -> BTreeSet<Hour> {
        if from_ms >= to_ms {
            return BTreeSet::new();
        }
        let (first, last) = (Hour::of(from_ms), Hour::of(to_ms - 1));
        let in_memory = self.memory.points.iter().map(|point| Hour::of(point.time_ms()));
        let mut hours = self.files.hours(first, last);
        hours.extend(in_memory.filter(|hour| (first..=last).contains(hour)));
        hours
    }

    /// All points of an hour, settled.
    fn hour(&self, hour: Hour) -> Result<Run, StoreError> {
        let mut run = Run::default();
        self.files.read(hour, self.series, &mut run)?;
        let points = &self.memory.points;
        let from = points.partition_point(|point| Hour::of(point.time_ms()) < hour);
        let to = points.partition_point(|point| Hour::of(point.time_ms()) <= hour);
        run.extend(&points[from..to], &self.memory.texts);
        run.settle();
        Ok(run)
    }

    /// Whether all there is of some hours of one day is in its file.
    fn is_in_file_alone(&self, hours: &[Hour]) -> bool {
        hours.iter().all(|hour| !self.files.parts.contains_key(hour) && !self.has_in_memory(*hour))
    }

    /// Hands over what the file of a day has of some hours, row by row, as it was settled when it was written; until
    /// `each` says `false`.
    fn each_row(&self, hours: &[Hour], each: &mut dyn FnMut(&Run) -> bool) -> Result<(), StoreError> {
        let ([first, ..], Some(last)) = (hours, hours.last()) else { return Ok(()) };
        let Some(day) = self.files.days.get(&first.day()) else { return Ok(()) };
        let mut run = Run::default();
        day.each_row((*first, *last), self.series, |hour, row| {
            run.points.clear();
            run.texts.clear();
            chunk::open(row, hour, &mut run)?;
            Ok(each(&run))
        })
    }

    fn has_in_memory(&self, hour: Hour) -> bool {
        let points = &self.memory.points;
        let next = points.partition_point(|point| Hour::of(point.time_ms()) < hour);
        points.get(next).is_some_and(|point| Hour::of(point.time_ms()) == hour)
    }

    /// Adds the buckets of an hour, from its summary where that says it all.
    fn summarize(&self, hour: Hour, query: &SeriesQuery, buckets: &mut Vec<(i64, Bucket)>) -> Result<(), StoreError> {
        let whole = query.from_ms <= hour.start_ms() && hour.end_ms() <= query.to_ms;
        if whole && query.rung >= Rung::Hour && !self.has_in_memory(hour) && self.files.is_summarized(hour) {
            let summary = self.files.summary(hour, self.series)?;
            summary.iter().for_each(|summary| add(summary, query.rung, buckets));
            return Ok(());
        }
        let mut run = self.hour(hour)?;
        run.clip(query.from_ms, query.to_ms);
        for point in &run.points {
            if let Some(number) = point.sample.as_number() {
                add(&Bucket::of(point.time_ms(), number), query.rung, buckets);
            }
        }
        Ok(())
    }
}

pub(crate) fn check(wanted: Wanted<'_>) -> Result<(), HistoryError> {
    if wanted() { Ok(()) } else { Err(HistoryError::Withdrawn) }
}

/// Merges a summary that is later than all before it.
fn add(summary: &Bucket, rung: Rung, buckets: &mut Vec<(i64, Bucket)>) {
    let start_ms = rung.start_ms(summary.first_ms);
    match buckets.last_mut() {
        Some((last_ms, bucket)) if *last_ms == start_ms => bucket.merge(summary),
        _ => buckets.push((start_ms, *summary)),
    }
}
