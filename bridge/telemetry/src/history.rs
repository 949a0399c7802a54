//! The questions a dashboard asks about the past, and the port that answers them.
//!
//! Calls may read files: run them where blocking is allowed.

use std::sync::Arc;

use bytes::Bytes;
use tidegate_buckets::{Bucket, Rung};

use crate::change::AlertChange;
use crate::position::Position;
use crate::problem::Reason;
use crate::reading::Value;

/// Where a page of readings begins. Many readings may have the same time, so the time alone does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadingsCursor {
    /// Unix ms, inclusive.
    pub time_ms: i64,
    /// Readings of exactly that time that the pages before had.
    pub skip: usize,
}

impl From<i64> for ReadingsCursor {
    /// Before the first reading of a time, Unix ms.
    fn from(time_ms: i64) -> Self {
        ReadingsCursor { time_ms, skip: 0 }
    }
}

/// Raw readings of one series from `from` to before `to_ms`, oldest first; those of the same time in the order in which
/// they arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadingsQuery {
    /// Full device identifier.
    pub device: Arc<str>,
    /// Metric name.
    pub metric: Arc<str>,
    /// Where to begin.
    pub from: ReadingsCursor,
    /// Unix ms, exclusive.
    pub to_ms: i64,
    /// Largest number of points in the answer.
    pub limit: usize,
}

/// Raw readings of one series at some times.
#[derive(Debug, Clone, PartialEq)]
pub struct TimesQuery {
    /// Full device identifier.
    pub device: Arc<str>,
    /// Metric name.
    pub metric: Arc<str>,
    /// Unix ms, ascending.
    pub times_ms: Vec<i64>,
}

/// Answer to a [`ReadingsQuery`].
#[derive(Debug, Clone, PartialEq)]
pub struct ReadingsPage {
    /// Time (Unix ms) and value, ascending in time.
    pub points: Vec<(i64, Value)>,
    /// Where to go on: ask again with `from` set to it. `None` at the end.
    pub next: Option<ReadingsCursor>,
}

/// A chart of one series within `[from_ms, to_ms)`.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesQuery {
    /// Full device identifier.
    pub device: Arc<str>,
    /// Metric name.
    pub metric: Arc<str>,
    /// Unix ms, inclusive.
    pub from_ms: i64,
    /// Unix ms, exclusive.
    pub to_ms: i64,
    /// Bucket width.
    pub rung: Rung,
}

/// Answer to a [`SeriesQuery`].
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesAnswer {
    /// Start (Unix ms, a multiple of the rung's width) and summary, ascending; spans without points are absent.
    pub buckets: Vec<(i64, Bucket)>,
    /// Every entry up to here is in the answer, none after it: the live part begins right there.
    pub through: Position,
}

/// Where two histories meet in an answer: what is older comes from another one than this program's own files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seam {
    /// Unix ms; from here on it is this program's.
    pub at_ms: i64,
    /// Whose the older part is: `influxdb`.
    pub older: &'static str,
    /// Why the older part is not in the answer, for people; `None`: it is.
    pub missing: Option<Arc<str>>,
}

/// An answer that may reach beyond this program's own files.
#[derive(Debug, Clone, PartialEq)]
pub struct Across<T> {
    /// What was asked for; where the older part is missing, what is here of it.
    pub answer: T,
    /// `None`: all of it is this program's.
    pub seam: Option<Seam>,
}

impl<T> From<T> for Across<T> {
    fn from(answer: T) -> Self {
        Across { answer, seam: None }
    }
}

/// One change of an alert, newest first in an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertEvent {
    /// The entry that caused it.
    pub position: Position,
    /// Unix ms.
    pub at_ms: i64,
    /// The alert after the change.
    pub alert: AlertChange,
}

/// Problems of one topic and reason, folded together.
#[derive(Debug, Clone, PartialEq)]
pub struct ProblemGroup {
    /// Why.
    pub reason: Reason,
    /// Topic; empty when it never got that far.
    pub topic: Arc<str>,
    /// Client of the newest.
    pub client: Arc<str>,
    /// What exactly, of the newest.
    pub detail: Arc<str>,
    /// How many.
    pub count: u64,
    /// Unix ms of the first.
    pub first_ms: i64,
    /// Unix ms of the newest.
    pub last_ms: i64,
    /// First bytes of the newest payload.
    pub sample: Bytes,
}

/// How much there is of one kind of history, and for how long it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TierStats {
    /// Unix ms of the oldest of it in files of its own; `None`: there is none.
    pub oldest_ms: Option<i64>,
    /// Bytes of its files.
    pub bytes: u64,
    /// Bytes that a day of it took lately; `None`: no whole one is there yet.
    pub day_bytes: Option<u64>,
    /// Days that it is kept at most; `None`: for ever.
    pub days: Option<u32>,
}

/// Figures of the store, for the status page.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StoreStats {
    /// Series known.
    pub series: u64,
    /// Points held, in memory and in files.
    pub points: u64,
    /// Bytes of sealed blocks and tails in memory.
    pub memory_bytes: u64,
    /// Bytes of all files.
    pub file_bytes: u64,
    /// Bytes handed to the files since the start.
    pub written_bytes: u64,
    /// Last position whose data is in the files.
    pub flushed: Position,
    /// Unix ms of the oldest raw point in the files; `None` when there is none.
    pub oldest_ms: Option<i64>,
    /// Raw readings of closed hours, a file a day.
    pub raw: TierStats,
    /// Summaries of hours, a file a month.
    pub hours: TierStats,
    /// Bytes of all files at most.
    pub bytes_max: u64,
    /// Series of erased devices that may still be in files; at least one for each device.
    pub erasing: u64,
}

/// Why history could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// A file could not be read.
    #[error("the store could not be read: {0}; see the log of the program, and check the disk")]
    Storage(String),
    /// A value in a file is not what it should be.
    #[error("{file} is damaged ({what}): restore it from a backup, or move it away to go on without that day")]
    Corrupt {
        /// File name.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// Nobody waited for the answer any more.
    #[error("the question was withdrawn")]
    Withdrawn,
}

/// Whether somebody still waits for an answer. Looked at before each hour that is read, so it has to be cheap.
pub type Wanted<'a> = &'a dyn Fn() -> bool;

/// Answers questions about the past.
pub trait History: Send + Sync + 'static {
    /// Raw readings.
    ///
    /// # Errors
    /// When a file cannot be read, or nobody wants the answer any more.
    fn readings(&self, query: &ReadingsQuery, wanted: Wanted<'_>) -> Result<ReadingsPage, HistoryError>;

    /// Raw readings of many series, each at most once, at some times: for each in order, those of one time in the order in
    /// which they arrived, and no more of them than `limit`.
    ///
    /// # Errors
    /// When a file cannot be read, or nobody wants the answer any more.
    fn readings_at(
        &self,
        queries: &[TimesQuery],
        limit: usize,
        wanted: Wanted<'_>,
    ) -> Result<Vec<Vec<(i64, Value)>>, HistoryError> {
        let at = |query: &TimesQuery, time_ms: i64| {
            let (device, metric) = (query.device.clone(), query.metric.clone());
            let page = ReadingsQuery { device, metric, from: time_ms.into(), to_ms: time_ms.saturating_add(1), limit };
            self.readings(&page, wanted).map(|page| page.points)
        };
        let of = |query: &TimesQuery| {
            let found: Result<Vec<_>, _> = query.times_ms.iter().map(|time_ms| at(query, *time_ms)).collect();
            found.map(|found| found.concat())
        };
        queries.iter().map(of).collect()
    }

    /// Buckets of a chart.
    ///
    /// # Errors
    /// When a file cannot be read, or nobody wants the answer any more.
    fn series(&self, query: &SeriesQuery, wanted: Wanted<'_>) -> Result<SeriesAnswer, HistoryError>;

    /// Raw readings; those that are older than what is kept here from where they are kept longer.
    ///
    /// # Errors
    /// As [`History::readings`]. What is not here and cannot be read is told in the answer.
    fn readings_across(&self, query: &ReadingsQuery, wanted: Wanted<'_>) -> Result<Across<ReadingsPage>, HistoryError> {
        self.readings(query, wanted).map(Across::from)
    }

    /// Buckets of a chart; those that are older than what is kept here from where they are kept longer. No bucket is of both.
    ///
    /// # Errors
    /// As [`History::series`]. What is not here and cannot be read is told in the answer.
    fn series_across(&self, query: &SeriesQuery, wanted: Wanted<'_>) -> Result<Across<SeriesAnswer>, HistoryError> {
        self.series(query, wanted).map(Across::from)
    }

    /// Whether an answer that begins at a time (Unix ms) would have an older part from elsewhere, which may take a while.
    /// Does not block.
    fn is_across(&self, _from_ms: i64) -> bool {
        false
    }

    /// Hands over the numbers of a span, oldest first, whatever the rung; texts and truths are left out.
    ///
    /// # Errors
    /// When a file cannot be read, or nobody wants the answer any more.
    fn numbers(
        &self,
        query: &SeriesQuery,
        wanted: Wanted<'_>,
        each: &mut dyn FnMut(i64, f64),
    ) -> Result<(), HistoryError> {
        let SeriesQuery { device, metric, from_ms, to_ms, .. } = query.clone();
        let mut page = ReadingsQuery { device, metric, from: from_ms.into(), to_ms, limit: 10_000 };
        loop {
            let ReadingsPage { points, next } = self.readings(&page, wanted)?;
            let numbers = points.iter().filter_map(|(time_ms, value)| Some((*time_ms, value.as_number()?)));
            numbers.for_each(|(time_ms, number)| each(time_ms, number));
            let Some(next) = next else { return Ok(()) };
            page.from = next;
        }
    }

    /// Up to `limit` devices that have series, those before left out by their count: full identifiers, and the metrics of
    /// each. Devices keep their places, and one that was erased or left leaves an empty name without metrics; none: that was all.
    fn names(&self, before: usize, limit: usize) -> Vec<(Arc<str>, Vec<Arc<str>>)>;

    /// Whether history knows a device by its full identifier.
    fn has_device(&self, device: &str) -> bool;

    /// Changes of alerts before `before` (`None`: from the newest), newest first.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn alert_events(&self, before: Option<Position>, limit: usize) -> Result<Vec<AlertEvent>, HistoryError>;

    /// Problems, newest first, and how many were dropped from the quarantine for its bounds.
    fn problems(&self, limit: usize) -> (Vec<ProblemGroup>, u64);

    /// Figures.
    fn stats(&self) -> StoreStats;

    /// Readings of before are not kept, Unix ms: what the last ones that came were measured by. Does not block.
    fn kept_from_ms(&self) -> i64 {
        i64::MIN
    }

    /// Of what is received now (Unix ms), readings of before are not kept, Unix ms; and the key of the configuration that says so.
    fn keeps_from_ms(&self, _now_ms: i64) -> (i64, &'static str) {
        (self.kept_from_ms(), "store.retention_age_days")
    }
}
