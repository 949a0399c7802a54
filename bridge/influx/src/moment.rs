//! The nanosecond of a value. InfluxDB keeps one value of a series, field and time: what is another point within one
//! millisecond has to have another nanosecond, and the same one whenever the log is read again.

use std::sync::Arc;

use tidegate_telemetry::history::{ReadingsCursor, ReadingsQuery};
use tidegate_telemetry::{History, HistoryError, Position, Value};

/// Nanoseconds of a millisecond.
const MS: i64 = 1_000_000;

/// So many values of one time have places by their rank; a further one has one by what it is.
const RANKS: usize = 1_000;

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

/// Of a value for a time that may have had one: by its rank among those that history has of that time, in order of arrival.
/// The same value again has the place that it had. Where history cannot be read, or knows too many, what it is decides.
pub fn by_rank(
    history: Option<&dyn History>,
    (device, metric): (&Arc<str>, &Arc<str>),
    time_ms: i64,
    value: &Value,
) -> i64 {
    let place = match history.map(|history| rank(history, (device, metric), time_ms, value)) {
        None | Some(Ok(Rank::Unknown)) => 0,
        Some(Ok(Rank::Known(rank))) => rank as i64,
        Some(Ok(Rank::TooMany)) => by_value(value),
        Some(Err(error)) => {
            tracing::warn!(%error, %device, %metric, "history does not say which values it has of one time");
            by_value(value)
        }
    };
    of_device(time_ms).saturating_add(place)
}

enum Rank {
    Known(usize),
    /// History does not keep what is as old.
    Unknown,
    TooMany,
}

fn rank(
    history: &dyn History,
    (device, metric): (&Arc<str>, &Arc<str>),
    time_ms: i64,
    value: &Value,
) -> Result<Rank, HistoryError> {
    let (device, metric, from) = (device.clone(), metric.clone(), ReadingsCursor::from(time_ms));
    let query = ReadingsQuery { device, metric, from, to_ms: time_ms.saturating_add(1), limit: RANKS };
    let known = history.readings(&query, &|| true)?.points;
    Ok(match known.iter().position(|(_, other)| other == value) {
        Some(rank) => Rank::Known(rank),
        None if known.len() < RANKS => Rank::Unknown,
        None => Rank::TooMany,
    })
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
