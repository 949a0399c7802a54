//! History that goes on in InfluxDB where this program's own ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use tidegate_buckets::{Bucket, Rung};
use tidegate_telemetry::history::{
    Across, AlertEvent, ProblemGroup, ReadingsPage, ReadingsQuery, Seam, SeriesAnswer, SeriesQuery, StoreStats,
    TimesQuery, Wanted,
};
use tidegate_telemetry::{History, HistoryError, Position, Value};

use crate::config::HistoryRead;
use crate::reader::{Reader, Unread};

/// What InfluxDB is called in answers.
const NAME: &str = "influxdb";

/// What is so new may be on its way to InfluxDB, ms.
const NEW_MS: i64 = 3_600_000;

/// This program's history, and the older part that InfluxDB has.
pub struct AcrossInflux {
    here: Arc<dyn History>,
    there: Reader,
    read: HistoryRead,
    /// When the newest entry was received that InfluxDB has, Unix ms.
    written_ms: Arc<AtomicI64>,
}

impl AcrossInflux {
    pub fn new(here: Arc<dyn History>, there: Reader, read: HistoryRead, written_ms: Arc<AtomicI64>) -> AcrossInflux {
        AcrossInflux { here, there, read, written_ms }
    }

    /// What is older comes from InfluxDB, Unix ms: a whole hour at least, so that it does not move with each answer.
    fn seam_ms(&self) -> i64 {
        let now_ms = now_ms();
        let kept_ms = rounded_up(self.here.keeps_from_ms(now_ms).0, Rung::Hour);
        match self.read {
            HistoryRead::Embedded => i64::MIN,
            HistoryRead::Both => kept_ms,
            HistoryRead::Influxdb => {
                let written_ms = self.written_ms.load(Ordering::Relaxed).min(now_ms);
                kept_ms.max(Rung::Hour.start_ms(written_ms.saturating_sub(NEW_MS)))
            }
        }
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The start of the first bucket that begins at or after a time.
fn rounded_up(time_ms: i64, rung: Rung) -> i64 {
    let start_ms = rung.start_ms(time_ms);
    if start_ms == time_ms || start_ms == i64::MIN { time_ms } else { start_ms.saturating_add(rung.width_ms()) }
}

/// What both have of the time before the seam: of each bucket the one with more points in it. Of days of which the raw
/// readings are gone here there may be summaries; and InfluxDB may have begun later.
fn merged(here: Vec<(i64, Bucket)>, there: Vec<(i64, Bucket)>) -> Vec<(i64, Bucket)> {
    let mut all = here;
    all.extend(there);
    // Stable: where both have as many it is the one of here.
    all.sort_by_key(|(start_ms, bucket)| (*start_ms, std::cmp::Reverse(bucket.count)));
    all.dedup_by_key(|(start_ms, _)| *start_ms);
    all
}

impl History for AcrossInflux {
    fn readings(&self, query: &ReadingsQuery, wanted: Wanted<'_>) -> Result<ReadingsPage, HistoryError> {
        self.here.readings(query, wanted)
    }

    fn readings_at(
        &self,
        queries: &[TimesQuery],
        limit: usize,
        wanted: Wanted<'_>,
    ) -> Result<Vec<Vec<(i64, Value)>>, HistoryError> {
        self.here.readings_at(queries, limit, wanted)
    }

    fn series(&self, query: &SeriesQuery, wanted: Wanted<'_>) -> Result<SeriesAnswer, HistoryError> {
        self.here.series(query, wanted)
    }

    fn readings_across(&self, query: &ReadingsQuery, wanted: Wanted<'_>) -> Result<Across<ReadingsPage>, HistoryError> {
        let at_ms = self.seam_ms();
        if query.from.time_ms >= at_ms || query.from.time_ms >= query.to_ms {
            return self.here.readings(query, wanted).map(Across::from);
        }
        let mut seam = Seam { at_ms, older: NAME, missing: None };
        let mut page = match self.there.points(query, query.to_ms.min(at_ms), wanted) {
            Ok(page) => page,
            Err(Unread::Withdrawn) => return Err(HistoryError::Withdrawn),
            Err(Unread::Away(why)) => {
                seam.missing = Some(why);
                return Ok(Across { answer: self.here.readings(query, wanted)?, seam: Some(seam) });
            }
        };
        if page.next.is_none() && query.to_ms > at_ms {
            let limit = query.limit.saturating_sub(page.points.len());
            if limit == 0 {
                page.next = Some(at_ms.into());
            } else {
                let rest = ReadingsQuery { from: at_ms.into(), limit, ..query.clone() };
                let ReadingsPage { points, next } = self.here.readings(&rest, wanted)?;
                page.points.extend::<Vec<(i64, Value)>>(points);
                page.next = next;
            }
        }
        Ok(Across { answer: page, seam: Some(seam) })
    }

    fn series_across(&self, query: &SeriesQuery, wanted: Wanted<'_>) -> Result<Across<SeriesAnswer>, HistoryError> {
        // No bucket is of both.
        let at_ms = rounded_up(self.seam_ms(), query.rung);
        if query.from_ms >= at_ms || query.from_ms >= query.to_ms {
            return self.here.series(query, wanted).map(Across::from);
        }
        let mut seam = Seam { at_ms, older: NAME, missing: None };
        // First, so that what is here reaches as far as it can once the other has answered.
        let there = match self.there.buckets(query, (query.from_ms, query.to_ms.min(at_ms)), wanted) {
            Ok(buckets) => buckets,
            Err(Unread::Withdrawn) => return Err(HistoryError::Withdrawn),
            Err(Unread::Away(why)) => {
                seam.missing = Some(why);
                Vec::new()
            }
        };
        let SeriesAnswer { buckets, through } = self.here.series(query, wanted)?;
        let answer = SeriesAnswer { buckets: merged(buckets, there), through };
        Ok(Across { answer, seam: Some(seam) })
    }

    fn is_across(&self, from_ms: i64) -> bool {
        from_ms < rounded_up(self.seam_ms(), Rung::Day)
    }

    fn numbers(
        &self,
        query: &SeriesQuery,
        wanted: Wanted<'_>,
        each: &mut dyn FnMut(i64, f64),
    ) -> Result<(), HistoryError> {
        self.here.numbers(query, wanted, each)
    }

    fn names(&self, before: usize, limit: usize) -> Vec<(Arc<str>, Vec<Arc<str>>)> {
        self.here.names(before, limit)
    }

    fn has_device(&self, device: &str) -> bool {
        self.here.has_device(device)
    }

    fn alert_events(&self, before: Option<Position>, limit: usize) -> Result<Vec<AlertEvent>, HistoryError> {
        self.here.alert_events(before, limit)
    }

    fn problems(&self, limit: usize) -> (Vec<ProblemGroup>, u64) {
        self.here.problems(limit)
    }

    fn stats(&self) -> StoreStats {
        self.here.stats()
    }

    fn kept_from_ms(&self) -> i64 {
        self.here.kept_from_ms()
    }

    fn keeps_from_ms(&self, now_ms: i64) -> (i64, &'static str) {
        self.here.keeps_from_ms(now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seam_is_where_a_bucket_begins() {
        assert_eq!(rounded_up(3_600_001, Rung::Hour), 7_200_000);
        assert_eq!(rounded_up(3_600_000, Rung::Hour), 3_600_000);
        assert_eq!(rounded_up(i64::MIN, Rung::Day), i64::MIN);
        assert_eq!(rounded_up(-1, Rung::Day), 0);
    }

    #[test]
    fn of_two_buckets_the_one_with_more_points_counts() {
        let of = |start_ms: i64, count: u64, sum: f64| (start_ms, Bucket { count, sum, ..Bucket::of(start_ms, 1.0) });
        let (here, there) =
            (vec![of(1, 2, 1.0), of(2, 3, 1.0), of(4, 1, 1.0)], vec![of(1, 2, 9.0), of(2, 4, 9.0), of(3, 1, 9.0)]);
        assert_eq!(merged(here, there), [of(1, 2, 1.0), of(2, 4, 9.0), of(3, 1, 9.0), of(4, 1, 1.0)]);
    }
}
