//! The nanosecond of a value. InfluxDB keeps one value of a series, field and time: what is another point within one
//! millisecond has to have another nanosecond, and the same one whenever the log is read again.

use std::sync::Arc;

use tidegate_telemetry::history::{ReadingsCursor, ReadingsQuery};
use tidegate_telemetry::{History, HistoryError, Position, Value};

/// Nanoseconds of a millisecond.
const MS: i64 = 1_000_000;

/// So many values of one time have places by their rank; a further one has one by what it is.
const RANKS: usize = 1_000;

/// So many are read from history at once.
const POINTS_MAX: usize = 50_000;

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

/// Of values of one series for times that may have had some: by their ranks among those that history has of that time, in
/// order of arrival. The same value again has the place that it had. Where history cannot be read, knows too many, or does not
/// keep what is as old, what it is decides. History is read once for the values of an hour.
pub fn by_rank(
    history: Option<&dyn History>,
    (device, metric): (&Arc<str>, &Arc<str>),
    values: &[(i64, Value)],
) -> Vec<i64> {
    let mut places = vec![0; values.len()];
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by_key(|at| values[*at].0);
    for of_hour in order.chunk_by(|one, other| hour(values[*one].0) == hour(values[*other].0)) {
        let known = history.map(|history| {
            let times_ms = (values[of_hour[0]].0, values[of_hour[of_hour.len() - 1]].0);
            known(history, (device, metric), times_ms).inspect_err(|error| {
                tracing::warn!(%error, %device, %metric, "history does not say which values it has of one time");
            })
        });
        for &at in of_hour {
            let (time_ms, value) = &values[at];
            let place = match &known {
                None => 0,
                Some(Ok(known)) => place(known, *time_ms, value),
                Some(Err(_)) => by_value(value),
            };
            places[at] = of_device(*time_ms).saturating_add(place);
        }
    }
    places
}

fn hour(time_ms: i64) -> i64 {
    time_ms.div_euclid(3_600_000)
}

/// What history has from one time to another, both included.
fn known(
    history: &dyn History,
    (device, metric): (&Arc<str>, &Arc<str>),
    (first_ms, last_ms): (i64, i64),
) -> Result<Vec<(i64, Value)>, HistoryError> {
    let (device, metric, from) = (device.clone(), metric.clone(), ReadingsCursor::from(first_ms));
    let limit = if first_ms == last_ms { RANKS } else { POINTS_MAX };
    let mut query = ReadingsQuery { device, metric, from, to_ms: last_ms.saturating_add(1), limit };
    let mut known = Vec::new();
    loop {
        let page = history.readings(&query, &|| true)?;
        known.extend(page.points);
        match page.next {
            Some(next) if limit > RANKS => query.from = next,
            _ => return Ok(known),
        }
    }
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
