//! Buckets of the charts that somebody looks at: read from history once, then kept by the readings themselves.
//!
//! A bucket does not know its points, and most readings say themselves that they are new. Some leave it uncertain: a late
//! one that may have come before, a correction. Such buckets are read from history anew.
//!
//! - [`Charts`]: every open chart, and which of them are uncertain
//! - `chart`: one series in buckets; `bucket`: what one more reading does to a bucket

mod bucket;
mod chart;

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use tidegate_buckets::Rung;
use tidegate_telemetry::history::{Seam, SeriesAnswer};

pub(crate) use self::bucket::{BucketCell, Sample};
pub(crate) use self::chart::{Chart, Span};
use crate::subscriber::SubscriberId;

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
    /// Charts with uncertain buckets, each once, the one that waits longest first.
    uncertain: VecDeque<ChartKey>,
    /// How often history took the place of buckets.
    pub refreshes: u64,
}

impl Charts {
    /// Joins a chart. `true`: its history must be read (and [`Charts::seed`] be called); readings are recorded from now
    /// on, `now` being the newest version.
    pub fn join(&mut self, key: ChartKey, subscriber: SubscriberId, from_ms: i64, keep_ms: i64, now: u64) -> bool {
        let chart = self.charts.entry(key).or_insert_with(|| {
            self.by_row.entry(key.row).or_default().push(key);
            Chart::opened(now)
        });
        chart.join(subscriber, from_ms, keep_ms, now)
    }

    /// Leaves a chart; the last one out frees it. `reading`: its history had not come yet.
    pub fn leave(&mut self, key: ChartKey, subscriber: SubscriberId, reading: bool) {
        let Some(chart) = self.charts.get_mut(&key) else { return };
        if chart.leave(subscriber, reading) {
            return;
        }
        self.charts.remove(&key);
        self.uncertain.retain(|other| *other != key);
        if let Some(keys) = self.by_row.get_mut(&key.row) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_row.remove(&key.row);
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

    /// Takes one value into every chart of its series; calls `wake` for each watcher.
    pub fn take(
        &mut self,
        (row, column): (u32, u16),
        sample: Sample,
        (now_ms, recording_max): (i64, usize),
        wake: &mut impl FnMut(SubscriberId),
    ) {
        let Some(keys) = self.by_row.get(&row) else { return };
        for key in keys.iter().filter(|key| key.column == column) {
            if key.closed.is_some_and(|(from, to)| sample.time_ms < from || sample.time_ms >= to) {
                continue;
            }
            let Some(chart) = self.charts.get_mut(key) else { continue };
            let was_uncertain = chart.is_uncertain();
            if chart.take(key.rung, sample, now_ms, recording_max) {
                chart.watchers.iter().copied().for_each(&mut *wake);
            }
            if !was_uncertain && chart.is_uncertain() {
                self.uncertain.push_back(*key);
            }
        }
    }

    /// Puts history in front of what a chart holds; see [`Chart::seed`].
    pub fn seed(&mut self, key: ChartKey, from_ms: i64, answer: &SeriesAnswer, now_ms: i64) -> bool {
        self.change(key, |chart| chart.seed(key.rung, from_ms, answer, now_ms)).unwrap_or(true)
    }

    /// Where the history of a chart is from; calls `wake` for each watcher when that is new.
    pub fn tell_seam(&mut self, key: ChartKey, seam: &Seam, wake: &mut impl FnMut(SubscriberId)) {
        self.refreshes += 1;
        let refresh = self.refreshes;
        self.change(key, |chart| chart.tell_seam(key.rung, seam, refresh));
        let chart = self.charts.get(&key).filter(|chart| chart.seam_refresh == refresh);
        chart.into_iter().flat_map(|chart| &chart.watchers).copied().for_each(wake);
    }

    /// Charts with uncertain buckets.
    pub fn uncertain(&self) -> usize {
        self.uncertain.len()
    }

    /// Takes the next of them out.
    pub fn next_uncertain(&mut self) -> Option<ChartKey> {
        self.uncertain.pop_front()
    }

    /// The span of buckets of a chart whose history must be read, and [`Charts::refresh`] or [`Charts::leave_uncertain`] be
    /// called then. Readings are recorded from now on, `now` being the newest version.
    pub fn begin_refresh(&mut self, key: ChartKey, now: u64) -> Option<Span> {
        self.charts.get_mut(&key)?.begin_refresh(now)
    }

    /// Puts history in place of the span that [`Charts::begin_refresh`] gave; see [`Chart::refresh`].
    pub fn refresh(
        &mut self,
        key: ChartKey,
        answer: &SeriesAnswer,
        (now, now_ms): (u64, i64),
        wake: &mut impl FnMut(SubscriberId),
    ) -> bool {
        self.refreshes += 1;
        let refresh = self.refreshes;
        let refreshed =
            self.change(key, |chart| chart.refresh(key.rung, answer, (refresh, now, now_ms))).unwrap_or(true);
        let chart = self.charts.get(&key).filter(|chart| chart.refresh == refresh);
        chart.into_iter().flat_map(|chart| &chart.watchers).copied().for_each(wake);
        refreshed
    }

    /// History could not be read: the span is as uncertain as it was.
    pub fn leave_uncertain(&mut self, key: ChartKey) {
        self.change(key, Chart::leave_uncertain);
    }

    /// Changes a chart, and remembers when that makes it uncertain.
    fn change<T>(&mut self, key: ChartKey, change: impl FnOnce(&mut Chart) -> T) -> Option<T> {
        let chart = self.charts.get_mut(&key)?;
        let was_uncertain = chart.is_uncertain();
        let changed = change(chart);
        if !was_uncertain && chart.is_uncertain() {
            self.uncertain.push_back(key);
        }
        Some(changed)
    }
}
