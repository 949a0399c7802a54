//! One series in buckets of one width, from history on.

use std::collections::VecDeque;

use smallvec::SmallVec;
use tidegate_buckets::Rung;
use tidegate_telemetry::history::{Seam, SeriesAnswer};

use super::bucket::{BucketCell, Sample, Taken};
use crate::subscriber::SubscriberId;

/// One series in buckets of one width.
#[derive(Debug, Default)]
pub(crate) struct Chart {
    buckets: VecDeque<BucketCell>,
    /// Buckets before this one are not held. `None` until history was read.
    covered_from_ms: Option<i64>,
    /// Longest window anybody has on it.
    keep_ms: i64,
    /// The newest of its buckets' ...
    pub version: u64,
    /// ... and when history changed one of them last; see [`BucketCell::refresh`].
    pub refresh: u64,
    /// Version at which somebody opened it: of buckets that were emptied before nothing is known.
    pub opened_at: u64,
    pub watchers: SmallVec<[SubscriberId; 2]>,
    /// Readings since the first of the present readers of history began.
    recording: Vec<Sample>,
    /// Every reading of a later version is in the recording.
    recorded_from: u64,
    readers: u32,
    /// Among these are buckets that are not what history says ...
    uncertain: Option<Span>,
    /// ... and these are being read.
    refreshing: Option<Span>,
    /// Where older history was from, and ...
    pub seam: Option<Seam>,
    /// ... when that changed last; see [`BucketCell::refresh`].
    pub seam_refresh: u64,
}

/// From the start of one bucket to that of another, which is within; Unix ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub first_ms: i64,
    pub last_ms: i64,
}

impl Span {
    fn of(start_ms: i64) -> Self {
        Span { first_ms: start_ms, last_ms: start_ms }
    }

    fn with(self, other: Option<Span>) -> Self {
        let other = other.unwrap_or(self);
        Span { first_ms: self.first_ms.min(other.first_ms), last_ms: self.last_ms.max(other.last_ms) }
    }

    fn contains(self, start_ms: i64) -> bool {
        (self.first_ms..=self.last_ms).contains(&start_ms)
    }
}

impl Chart {
    pub(super) fn opened(now: u64) -> Self {
        Chart { opened_at: now, ..Chart::default() }
    }

    /// One more looks at it. `true`: its history must be read.
    pub(super) fn join(&mut self, subscriber: SubscriberId, from_ms: i64, keep_ms: i64, now: u64) -> bool {
        self.watchers.push(subscriber);
        self.keep_ms = self.keep_ms.max(keep_ms);
        let must_read = !self.covers(from_ms);
        if must_read {
            self.begin_reading(now);
        }
        must_read
    }

    /// One less does; `false` when nobody is left.
    pub(super) fn leave(&mut self, subscriber: SubscriberId, reading: bool) -> bool {
        if let Some(at) = self.watchers.iter().position(|&watcher| watcher == subscriber) {
            self.watchers.swap_remove(at);
        }
        if reading {
            self.end_reading();
        }
        !self.watchers.is_empty()
    }

    /// Whether a window that begins at `from_ms` is held.
    fn covers(&self, from_ms: i64) -> bool {
        self.covered_from_ms.is_some_and(|covered| covered <= from_ms)
    }

    /// Buckets from `from_ms` on.
    pub fn from(&self, from_ms: i64) -> impl Iterator<Item = &BucketCell> {
        let first = self.buckets.partition_point(|cell| cell.start_ms < from_ms);
        self.buckets.range(first..)
    }

    pub fn is_uncertain(&self) -> bool {
        self.uncertain.is_some()
    }

    /// Takes a value that just came; `true` when a bucket changed.
    pub(super) fn take(&mut self, rung: Rung, sample: Sample, now_ms: i64, recording_max: usize) -> bool {
        self.record(sample, recording_max);
        self.add(rung, sample, now_ms)
    }

    /// Puts history in front of what is held. What came after `answer.through` is added from the recording.
    /// `false` when history lags behind the recording: read it again a little later.
    pub(super) fn seed(&mut self, rung: Rung, from_ms: i64, answer: &SeriesAnswer, now_ms: i64) -> bool {
        if answer.through.0 < self.recorded_from && !self.covers(from_ms) {
            return false;
        }
        let until_ms = self.covered_from_ms.unwrap_or(i64::MAX);
        if from_ms < until_ms {
            let older = answer.buckets.iter().filter(|(start, _)| *start < until_ms && *start >= from_ms);
            let version = answer.through.0;
            let mut merged: VecDeque<BucketCell> =
                older.map(|&(start_ms, bucket)| BucketCell { start_ms, bucket, version, refresh: 0 }).collect();
            merged.append(&mut self.buckets);
            self.buckets = merged;
            self.covered_from_ms = Some(from_ms);
            self.replay(version, |start_ms| start_ms >= from_ms && start_ms < until_ms, rung, now_ms);
        }
        self.end_reading();
        true
    }

    /// History said where it is from. What is missing is as if it had become uncertain: it is read again.
    pub(super) fn tell_seam(&mut self, rung: Rung, seam: &Seam, refresh: u64) {
        if seam.missing.is_some()
            && let Some(first_ms) = self.covered_from_ms.filter(|covered_ms| *covered_ms < seam.at_ms)
        {
            let last_ms = rung.start_ms(seam.at_ms.saturating_sub(1));
            self.uncertain = Some(Span { first_ms, last_ms }.with(self.uncertain));
        }
        if self.seam.as_ref() != Some(seam) {
            self.seam = Some(seam.clone());
            (self.refresh, self.seam_refresh) = (refresh, refresh);
        }
    }

    /// The span of buckets to be read again. Readings are recorded from now on.
    pub(super) fn begin_refresh(&mut self, now: u64) -> Option<Span> {
        let span = self.uncertain.take()?;
        self.refreshing = Some(span);
        self.begin_reading(now);
        Some(span)
    }

    /// The span that is being read stays uncertain.
    pub(super) fn leave_uncertain(&mut self) {
        if let Some(span) = self.refreshing.take() {
            self.uncertain = Some(span.with(self.uncertain));
            self.end_reading();
        }
    }

    /// Puts history in place of the span that was read; as [`Chart::seed`]. `now` is the newest version.
    pub(super) fn refresh(
        &mut self,
        rung: Rung,
        answer: &SeriesAnswer,
        (refresh, now, now_ms): (u64, u64, i64),
    ) -> bool {
        // Another chart of the same name, which was opened meanwhile, has nothing to refresh.
        let Some(span) = self.refreshing else { return true };
        if answer.through.0 < self.recorded_from {
            return false;
        }
        self.refreshing = None;
        let before = self.put_history(span, answer);
        self.replay(answer.through.0, |start_ms| span.contains(start_ms), rung, now_ms);
        self.end_reading();
        let first = self.buckets.partition_point(|cell| cell.start_ms < span.first_ms);
        for cell in self.buckets.range_mut(first..).take_while(|cell| cell.start_ms <= span.last_ms) {
            let known = before.binary_search_by_key(&cell.start_ms, |known| known.start_ms);
            match known.map(|at| before[at]) {
                Ok(known) if known.bucket == cell.bucket => *cell = known,
                _ => {
                    (cell.version, cell.refresh) = (now, refresh);
                    self.refresh = refresh;
                }
            }
        }
        true
    }

    /// Exchanges the buckets of a span, and answers what was there. One that has nothing left stays, empty, so that
    /// viewers can be told.
    fn put_history(&mut self, span: Span, answer: &SeriesAnswer) -> Vec<BucketCell> {
        let first = self.buckets.partition_point(|cell| cell.start_ms < span.first_ms);
        let mut newer = self.buckets.split_off(first);
        let older_than_end = newer.partition_point(|cell| cell.start_ms <= span.last_ms);
        let before: Vec<BucketCell> = newer.drain(..older_than_end).collect();
        let version = answer.through.0;
        let held = answer.buckets.iter().filter(|(start, _)| span.contains(*start) && self.covers(*start));
        let mut fresh: Vec<BucketCell> =
            held.map(|&(start_ms, bucket)| BucketCell { start_ms, bucket, version, refresh: 0 }).collect();
        let has = |start_ms: i64| answer.buckets.binary_search_by_key(&start_ms, |(start, _)| *start).is_ok();
        fresh.extend(before.iter().filter(|cell| !has(cell.start_ms)).map(|cell| cell.emptied()));
        fresh.sort_unstable_by_key(|cell| cell.start_ms);
        self.buckets.extend(fresh);
        self.buckets.append(&mut newer);
        before
    }

    fn end_reading(&mut self) {
        self.readers = self.readers.saturating_sub(1);
        if self.readers == 0 {
            self.recording = Vec::new();
        }
    }

    fn begin_reading(&mut self, now: u64) {
        if self.readers == 0 {
            self.recorded_from = now;
        }
        self.readers += 1;
    }

    fn record(&mut self, sample: Sample, recording_max: usize) {
        if self.readers == 0 {
            return;
        }
        if self.recording.len() >= recording_max {
            self.recorded_from = self.recording.last().map_or(sample.version, |last| last.version);
            self.recording.clear();
        }
        self.recording.push(sample);
    }

    /// Adds what was recorded after `through` to some of the buckets.
    fn replay(&mut self, through: u64, is_wanted: impl Fn(i64) -> bool, rung: Rung, now_ms: i64) {
        let recording = std::mem::take(&mut self.recording);
        for &sample in recording.iter().filter(|sample| sample.version > through) {
            if is_wanted(rung.start_ms(sample.time_ms)) {
                self.add(rung, sample, now_ms);
            }
        }
        self.recording = recording;
    }

    /// Adds a value to its bucket; `true` when the bucket changed.
    fn add(&mut self, rung: Rung, sample: Sample, now_ms: i64) -> bool {
        let start_ms = rung.start_ms(sample.time_ms);
        if !self.covers(start_ms) {
            return false;
        }
        let at = self.buckets.partition_point(|cell| cell.start_ms < start_ms);
        let taken = match (self.buckets.get_mut(at).filter(|cell| cell.start_ms == start_ms), sample.value) {
            (Some(cell), _) => cell.take(sample),
            (None, Some(value)) => {
                self.buckets.insert(at, BucketCell::of(rung, sample, value));
                self.drop_old(now_ms);
                Taken::Changed
            }
            (None, None) => Taken::Nothing,
        };
        // History refuses what is older than it keeps, which is today at the least.
        let is_refused = taken == Taken::Changed && sample.time_ms < Rung::Day.start_ms(now_ms);
        if taken == Taken::Uncertain || is_refused {
            self.uncertain = Some(Span::of(start_ms).with(self.uncertain));
        }
        if taken == Taken::Changed {
            self.version = self.version.max(sample.version);
        }
        taken == Taken::Changed
    }

    /// Forgets buckets a quarter of a window older than anybody shows. A device whose clock is ahead hides nothing.
    fn drop_old(&mut self, now_ms: i64) {
        let Some(newest_ms) = self.buckets.back().map(|cell| cell.start_ms.min(now_ms)) else { return };
        let oldest_ms = newest_ms.saturating_sub(self.keep_ms.saturating_add(self.keep_ms / 4));
        while self.buckets.front().is_some_and(|cell| cell.start_ms < oldest_ms) {
            self.buckets.pop_front();
            self.covered_from_ms = self.covered_from_ms.max(Some(oldest_ms));
        }
    }
}
