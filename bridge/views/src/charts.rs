//! Buckets of the charts that somebody looks at: read from history once, then kept by the readings themselves.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use tidegate_buckets::{Bucket, Rung};
use tidegate_telemetry::history::SeriesAnswer;

use crate::views::SubscriberId;

/// Which chart. Viewers of the same one share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ChartKey {
    pub row: u32,
    pub column: u16,
    pub rung: Rung,
    /// `[from, to)` in Unix ms of a window that ends in the past; `None` for all that go on.
    pub closed: Option<(i64, i64)>,
}

/// Every open chart.
#[derive(Debug, Default)]
pub(crate) struct Charts {
    charts: FxHashMap<ChartKey, Chart>,
    by_row: FxHashMap<u32, SmallVec<[ChartKey; 2]>>,
}

/// One series in buckets of one width.
#[derive(Debug, Default)]
pub(crate) struct Chart {
    buckets: VecDeque<BucketCell>,
    /// Buckets before this one are not held. `None` until history was read.
    covered_from_ms: Option<i64>,
    /// Longest window anybody has on it.
    keep_ms: i64,
    pub version: u64,
    pub watchers: SmallVec<[SubscriberId; 2]>,
    /// Readings since the first of the present readers of history began: version, time, value.
    recording: Vec<(u64, i64, f64)>,
    /// Every reading of a later version is in the recording.
    recorded_from: u64,
    readers: u32,
}

/// A bucket and the version at which it last changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BucketCell {
    pub start_ms: i64,
    pub bucket: Bucket,
    pub version: u64,
}

impl Charts {
    /// Joins a chart. `true`: its history must be read (and [`Chart::seed`] be called); readings are recorded from now
    /// on, `now` being the newest version.
    pub fn join(&mut self, key: ChartKey, subscriber: SubscriberId, from_ms: i64, keep_ms: i64, now: u64) -> bool {
        let chart = self.charts.entry(key).or_insert_with(|| {
            self.by_row.entry(key.row).or_default().push(key);
            Chart::default()
        });
        chart.watchers.push(subscriber);
        chart.keep_ms = chart.keep_ms.max(keep_ms);
        let must_read = !chart.covers(from_ms);
        if must_read {
            chart.begin_reading(now);
        }
        must_read
    }

    /// Leaves a chart; the last one out frees it. `reading`: its history had not come yet.
    pub fn leave(&mut self, key: ChartKey, subscriber: SubscriberId, reading: bool) {
        let Some(chart) = self.charts.get_mut(&key) else { return };
        if let Some(at) = chart.watchers.iter().position(|&watcher| watcher == subscriber) {
            chart.watchers.swap_remove(at);
        }
        if reading {
            chart.end_reading();
        }
        if chart.watchers.is_empty() {
            self.charts.remove(&key);
            if let Some(keys) = self.by_row.get_mut(&key.row) {
                keys.retain(|other| *other != key);
                if keys.is_empty() {
                    self.by_row.remove(&key.row);
                }
            }
        }
    }

    /// Whether there is a chart of the row.
    pub fn has(&self, row: u32) -> bool {
        self.by_row.contains_key(&row)
    }

    pub fn get(&self, key: &ChartKey) -> Option<&Chart> {
        self.charts.get(key)
    }

    pub fn get_mut(&mut self, key: &ChartKey) -> Option<&mut Chart> {
        self.charts.get_mut(key)
    }

    /// Takes one value into every chart of its series; calls `wake` for each watcher.
    pub fn take(
        &mut self,
        (row, column): (u32, u16),
        (version, time_ms, value): (u64, i64, f64),
        recording_max: usize,
        wake: &mut impl FnMut(SubscriberId),
    ) {
        let Some(keys) = self.by_row.get(&row) else { return };
        for key in keys.iter().filter(|key| key.column == column) {
            if key.closed.is_some_and(|(from, to)| time_ms < from || time_ms >= to) {
                continue;
            }
            let Some(chart) = self.charts.get_mut(key) else { continue };
            chart.record(version, time_ms, value, recording_max);
            if chart.add(key.rung, version, time_ms, value) {
                chart.watchers.iter().copied().for_each(&mut *wake);
            }
        }
    }
}

impl Chart {
    /// Whether a window that begins at `from_ms` is held.
    pub fn covers(&self, from_ms: i64) -> bool {
        self.covered_from_ms.is_some_and(|covered| covered <= from_ms)
    }

    /// Buckets from `from_ms` on.
    pub fn from(&self, from_ms: i64) -> impl Iterator<Item = &BucketCell> {
        let first = self.buckets.partition_point(|cell| cell.start_ms < from_ms);
        self.buckets.range(first..)
    }

    /// Puts history in front of what is held. What came after `answer.through` is added from the recording.
    /// `false` when history lags behind the recording: read it again a little later.
    pub fn seed(&mut self, rung: Rung, from_ms: i64, answer: &SeriesAnswer) -> bool {
        if answer.through.0 < self.recorded_from && !self.covers(from_ms) {
            return false;
        }
        let until_ms = self.covered_from_ms.unwrap_or(i64::MAX);
        if from_ms < until_ms {
            let older = answer.buckets.iter().filter(|(start, _)| *start < until_ms && *start >= from_ms);
            let through = answer.through.0;
            let mut merged: VecDeque<BucketCell> =
                older.map(|&(start_ms, bucket)| BucketCell { start_ms, bucket, version: through }).collect();
            merged.append(&mut self.buckets);
            self.buckets = merged;
            self.covered_from_ms = Some(from_ms);
            for (version, time_ms, value) in std::mem::take(&mut self.recording) {
                let start_ms = rung.start_ms(time_ms);
                if version > through && start_ms >= from_ms && start_ms < until_ms {
                    self.add(rung, version, time_ms, value);
                }
                self.recording.push((version, time_ms, value));
            }
        }
        self.end_reading();
        true
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

    fn record(&mut self, version: u64, time_ms: i64, value: f64, recording_max: usize) {
        if self.readers == 0 {
            return;
        }
        if self.recording.len() >= recording_max {
            self.recorded_from = self.recording.last().map_or(version, |&(version, ..)| version);
            self.recording.clear();
        }
        self.recording.push((version, time_ms, value));
    }

    /// Adds a value to its bucket; `false` when the bucket is not held.
    fn add(&mut self, rung: Rung, version: u64, time_ms: i64, value: f64) -> bool {
        let start_ms = rung.start_ms(time_ms);
        if !self.covers(start_ms) {
            return false;
        }
        let at = self.buckets.partition_point(|cell| cell.start_ms < start_ms);
        match self.buckets.get_mut(at).filter(|cell| cell.start_ms == start_ms) {
            Some(cell) => {
                cell.bucket.add(time_ms, value);
                cell.version = cell.version.max(version);
            }
            None => {
                self.buckets.insert(at, BucketCell { start_ms, bucket: Bucket::of(time_ms, value), version });
                self.drop_old();
            }
        }
        self.version = self.version.max(version);
        true
    }

    /// Forgets buckets a quarter of a window older than anybody shows.
    fn drop_old(&mut self) {
        let Some(newest_ms) = self.buckets.back().map(|cell| cell.start_ms) else { return };
        let oldest_ms = newest_ms.saturating_sub(self.keep_ms.saturating_add(self.keep_ms / 4));
        while self.buckets.front().is_some_and(|cell| cell.start_ms < oldest_ms) {
            self.buckets.pop_front();
            self.covered_from_ms = self.covered_from_ms.max(Some(oldest_ms));
        }
    }
}
