//! The nanosecond of a value. InfluxDB keeps one value of a series, field and time: what is another point within one
//! millisecond has to have another nanosecond, and the same one whenever the log is read again.

use std::sync::Arc;

use tidegate_telemetry::history::TimesQuery;
use tidegate_telemetry::{History, Position, Value};

/// Nanoseconds of a millisecond.
const MS: i64 = 1_000_000;

/// So many values of one time have places by their rank; a further one has one by what it is.
const RANKS: usize = 1_000;

/// History is asked for so many series at once.
const SERIES_AT_ONCE: usize = 4_096;

/// Of a reading that has the time of its receipt each is a point of its own, so its place comes from its entry, and which
/// reading of the entry it is. The step is coprime to the number of places: a million entries of one millisecond differ.
#[must_use]
pub fn of_receipt(time_ms: i64, position: Position, reading: u64) -> i64 {
    let place = (u128::from(position.0) * 10_007 + u128::from(reading)) % 999_999;
    time_ms.saturating_mul(MS).saturating_add(1 + place as i64)
}

/// Of the first value that a device gave for a time.
#[must_use]
pub fn of_device(time_ms: i64) -> i64 {
    time_ms.saturating_mul(MS)
}

/// Of values for times that may have had some, by series: by their ranks among those that history has of that time, in order of
/// arrival. The same value again has the place that it had. Where history cannot be read, knows too many, or does not keep what
/// is as old, what it is decides. History is asked for many series at once; when that fails, for each alone.
pub fn by_rank(history: Option<&dyn History>, of: &[Unplaced]) -> Vec<Vec<i64>> {
    let Some(history) = history else {
        return of.iter().map(|of| of.values.iter().map(|(time_ms, _)| of_device(*time_ms)).collect()).collect();
    };
    let queries: Vec<TimesQuery> = of.iter().map(Unplaced::query).collect();
    let mut places = Vec::with_capacity(of.len());
    for (of, queries) in of.chunks(SERIES_AT_ONCE).zip(queries.chunks(SERIES_AT_ONCE)) {
        match history.readings_at(queries, RANKS, &|| true) {
            Ok(known) => places.extend(of.iter().zip(known).map(|(of, known)| of.places(Some(&known)))),
            Err(_) => places.extend(of.iter().zip(queries).map(|(of, query)| alone(history, of, query))),
        }
    }
    places
}

/// Values of one series.
pub struct Unplaced {
    pub device: Arc<str>,
    pub metric: Arc<str>,
    /// Unix ms and value, in order of arrival.
    pub values: Vec<(i64, Value)>,
}

impl Unplaced {
    fn query(&self) -> TimesQuery {
        let mut times_ms: Vec<i64> = self.values.iter().map(|(time_ms, _)| *time_ms).collect();
        times_ms.sort_unstable();
        times_ms.dedup();
        TimesQuery { device: Arc::clone(&self.device), metric: Arc::clone(&self.metric), times_ms }
    }

    /// By what history knows of their times; `None`: that cannot be read.
    fn places(&self, known: Option<&[(i64, Value)]>) -> Vec<i64> {
        let place = |time_ms, value| known.map_or_else(|| by_value(value), |known| place(known, time_ms, value));
        self.values.iter().map(|(time_ms, value)| of_device(*time_ms).saturating_add(place(*time_ms, value))).collect()
    }
}

fn alone(history: &dyn History, of: &Unplaced, query: &TimesQuery) -> Vec<i64> {
    let (device, metric) = (&of.device, &of.metric);
    let known = history.readings_at(std::slice::from_ref(query), RANKS, &|| true).inspect_err(|error| {
        tracing::warn!(%error, %device, %metric, "history does not say which values it has of one time");
    });
    of.places(known.ok().and_then(|mut known| known.pop()).as_deref())
}

fn place(known: &[(i64, Value)], time_ms: i64, value: &Value) -> i64 {
    let first = known.partition_point(|(other_ms, _)| *other_ms < time_ms);
    let of_time = known[first..].iter().take_while(|(other_ms, _)| *other_ms == time_ms).take(RANKS);
    let rank = of_time.enumerate().find(|(_, (_, other))| other == value).map(|(rank, _)| rank as i64);
    rank.unwrap_or_else(|| by_value(value))
}

fn by_value(value: &Value) -> i64 {
    RANKS as i64 + i64::from(crc32c::crc32c(format!("{value:?}").as_bytes()) % 990_000)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_thousand_messages_of_one_millisecond_have_a_thousand_places_within_it() {
        let places: BTreeSet<i64> = (5_000..15_000).map(|entry| of_receipt(7, Position(entry), 0)).collect();
        assert_eq!(places.len(), 10_000);
        assert!(places.iter().all(|place| (7_000_001..8_000_000).contains(place)));
        let readings: BTreeSet<i64> = (0..10_000).map(|reading| of_receipt(7, Position(u64::MAX), reading)).collect();
        assert_eq!(readings.len(), 10_000);
    }
}
