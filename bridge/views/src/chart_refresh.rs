//! Buckets of open charts that a late or corrected reading made uncertain are read from history again.

use std::sync::Arc;

use tidegate_telemetry::history::{Seam, SeriesAnswer, SeriesQuery};

use crate::charts::ChartKey;
use crate::open::Seeded;
use crate::subscriber::{Lane, SubscriberId};
use crate::views::Views;

/// Buckets of an open chart to be read from history again.
#[derive(Debug)]
pub struct UncertainBuckets {
    key: ChartKey,
    /// What to ask history.
    pub query: SeriesQuery,
}

impl Views {
    /// Charts with buckets that have to be read again: a reading came that they may have already, or that corrects
    /// one they have.
    #[must_use]
    pub fn uncertain_charts(&self) -> usize {
        self.charts.uncertain()
    }

    /// The chart that has waited longest, to be answered by [`Views::refresh`] or [`Views::leave_uncertain`] before another
    /// is asked for.
    pub fn next_uncertain(&mut self) -> Option<UncertainBuckets> {
        while let Some(key) = self.charts.next_uncertain() {
            let Some(row) = self.rows.get_any(key.row) else { continue };
            let Some(column) = row.columns.get(usize::from(key.column)) else { continue };
            let Some(span) = self.charts.begin_refresh(key, self.version) else { continue };
            let end_ms = span.last_ms.saturating_add(key.rung.width_ms());
            let query = SeriesQuery {
                device: Arc::clone(&row.id),
                metric: Arc::clone(&column.name),
                from_ms: span.first_ms,
                to_ms: key.closed.map_or(end_ms, |(_, to_ms)| end_ms.min(to_ms)),
                rung: key.rung,
            };
            return Some(UncertainBuckets { key, query });
        }
        None
    }

    /// Puts what history answered in their place, and names whom that concerns.
    pub fn refresh(
        &mut self,
        buckets: &UncertainBuckets,
        answer: &SeriesAnswer,
        dirty: &mut impl FnMut(SubscriberId, Lane),
    ) -> Seeded {
        if answer.through.0 > self.version {
            return Seeded::ViewsBehind;
        }
        let now = (self.version, self.now_ms);
        let refreshed = self.charts.refresh(buckets.key, answer, now, &mut |watcher| dirty(watcher, Lane::Views));
        if refreshed { Seeded::Done } else { Seeded::HistoryBehind }
    }

    /// Where that history is from, after [`Views::refresh`] took it; names whom that concerns.
    pub fn refreshed_across(
        &mut self,
        buckets: &UncertainBuckets,
        seam: &Seam,
        dirty: &mut impl FnMut(SubscriberId, Lane),
    ) {
        self.charts.tell_seam(buckets.key, seam, &mut |watcher| dirty(watcher, Lane::Views));
    }

    /// History could not be read: they are asked for again.
    pub fn leave_uncertain(&mut self, buckets: &UncertainBuckets) {
        self.charts.leave_uncertain(buckets.key);
    }
}
