//! What a viewer is promised.
//!
//! - `promises`: sessions over real sockets
//! - `protocol`: what is said when, and to whom it says something wrong; over real sockets
//! - `document`: docs/protocol.md says what sessions say
//! - `encodings`: one that is not JSON in its place; positions
//! - `frames`: as few as it takes
//! - `simulation`: whatever happens to a viewer's link, it ends at the truth
//! - `chart_refresh`: an open chart becomes what history says
//! - `turns`: nobody waits for what another asks of history
//! - [`link`]: a session at the end of a link in memory

#![allow(clippy::unwrap_used)]

mod chart_refresh;
mod document;
mod encodings;
mod frames;
mod link;
mod promises;
mod protocol;
mod simulation;
mod turns;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use tidegate_buckets::Bucket;
use tidegate_telemetry::history::{
    AlertEvent, ProblemGroup, ReadingsPage, ReadingsQuery, SeriesAnswer, SeriesQuery, StoreStats, Wanted,
};
use tidegate_telemetry::{History, HistoryError, Position};

const BASE_MS: i64 = 1_704_700_000_000;

/// What a history says of a chart.
type Charts = Box<dyn Fn(&SeriesQuery, Wanted<'_>) -> Result<SeriesAnswer, HistoryError> + Send + Sync>;

/// A history of alerts, and of one bucket or of what `charts` says.
#[derive(Default)]
struct Past {
    charts: Option<Charts>,
    bucket: Option<(i64, Bucket)>,
    /// Everything up to here is in it.
    through: AtomicU64,
    /// Oldest first.
    events: Mutex<Vec<AlertEvent>>,
}

impl Past {
    /// One that says of charts what `charts` does.
    fn of_charts(
        charts: impl Fn(&SeriesQuery, Wanted<'_>) -> Result<SeriesAnswer, HistoryError> + Send + Sync + 'static,
    ) -> Past {
        Past { charts: Some(Box::new(charts)), ..Past::default() }
    }
}

impl History for Past {
    fn readings(&self, _: &ReadingsQuery, _: Wanted<'_>) -> Result<ReadingsPage, HistoryError> {
        Ok(ReadingsPage { points: Vec::new(), next: None })
    }

    fn series(&self, query: &SeriesQuery, wanted: Wanted<'_>) -> Result<SeriesAnswer, HistoryError> {
        if let Some(charts) = &self.charts {
            return charts(query, wanted);
        }
        Ok(SeriesAnswer { buckets: self.bucket.into_iter().collect(), through: Position(self.through.load(Relaxed)) })
    }

    fn alert_events(&self, before: Option<Position>, limit: usize) -> Result<Vec<AlertEvent>, HistoryError> {
        let events = self.events.lock();
        let wanted = events.iter().rev().filter(|event| before.is_none_or(|before| event.position < before));
        Ok(wanted.take(limit).cloned().collect())
    }

    fn has_device(&self, _: &str) -> bool {
        false
    }

    fn names(&self, _: usize, _: usize) -> Vec<(Arc<str>, Vec<Arc<str>>)> {
        Vec::new()
    }

    fn problems(&self, _: usize) -> (Vec<ProblemGroup>, u64) {
        (Vec::new(), 0)
    }

    fn stats(&self) -> StoreStats {
        StoreStats::default()
    }
}
