//! How long history lasts: what a day takes, what is kept, and whether the disk is enough for it.

use serde::Serialize;
use tidegate_telemetry::history::{StoreStats, TierStats};

const DAY_MS: i64 = 86_400_000;
/// Nobody plans further.
const DAYS_MAX: u32 = 36_500;

/// What there is of each kind of history, and what ends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outlook {
    raw_oldest: Option<i64>,
    raw_bytes: u64,
    raw_day_bytes: Option<u64>,
    raw_kept_days: Option<u32>,
    hours_oldest: Option<i64>,
    hours_bytes: u64,
    hours_day_bytes: Option<u64>,
    hours_kept_days: Option<u32>,
    most_bytes: u64,
    free_bytes: Option<u64>,
    /// Days until the disk is full; absent where retention comes first.
    disk_lasts_days: Option<u32>,
    ends_by: Option<EndsBy>,
}

/// What makes history end where it will.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum EndsBy {
    /// All is kept for as long as told.
    Age,
    /// The oldest goes before, for `store.retention_bytes`.
    Bytes,
    /// The disk is full before either.
    Disk,
}

impl Outlook {
    /// As of `now_ms` (Unix ms), with so many bytes left on the disk.
    pub fn of(stats: &StoreStats, free_bytes: Option<u64>, now_ms: i64) -> Self {
        let StoreStats { raw, hours, bytes_max, .. } = *stats;
        let ends = free_bytes.and_then(|free| ends(stats, free, now_ms));
        Outlook {
            raw_oldest: raw.oldest_ms,
            raw_bytes: raw.bytes,
            raw_day_bytes: raw.day_bytes,
            raw_kept_days: raw.days,
            hours_oldest: hours.oldest_ms,
            hours_bytes: hours.bytes,
            hours_day_bytes: hours.day_bytes,
            hours_kept_days: hours.days,
            most_bytes: bytes_max,
            free_bytes,
            disk_lasts_days: ends.and_then(|(by, days)| (by == EndsBy::Disk).then_some(days)),
            ends_by: ends.map(|(by, _)| by),
        }
    }
}

/// What comes first when each day takes what it took lately, and after how many days; `None`: no day is whole yet.
fn ends(stats: &StoreStats, free_bytes: u64, now_ms: i64) -> Option<(EndsBy, u32)> {
    let StoreStats { raw, hours, bytes_max, file_bytes, .. } = *stats;
    raw.day_bytes?;
    for days in 1..=DAYS_MAX {
        let more = grown(raw, days, now_ms).saturating_add(grown(hours, days, now_ms));
        if more > free_bytes {
            return Some((EndsBy::Disk, days - 1));
        }
        if file_bytes.saturating_add(more) > bytes_max {
            return Some((EndsBy::Bytes, days));
        }
    }
    Some((EndsBy::Age, DAYS_MAX))
}

/// Bytes that are more after so many days: once the oldest goes for its age, nothing is.
fn grown(tier: TierStats, days: u32, now_ms: i64) -> u64 {
    let has_days = tier.oldest_ms.map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms).max(0) / DAY_MS);
    let left = tier.days.map_or(u64::MAX, |kept| u64::from(kept).saturating_sub(has_days.unsigned_abs()));
    tier.day_bytes.unwrap_or(0).saturating_mul(u64::from(days).min(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_age_bytes_and_disk_ends_history() {
        let now_ms = 1_000 * DAY_MS;
        let raw = |kept| TierStats {
            oldest_ms: Some(now_ms - 10 * DAY_MS),
            bytes: 100,
            day_bytes: Some(10),
            days: Some(kept),
        };
        let stats =
            |kept, bytes_max| StoreStats { raw: raw(kept), bytes_max, file_bytes: 100, ..StoreStats::default() };
        let ends = |kept, bytes_max, free| super::ends(&stats(kept, bytes_max), free, now_ms);
        assert_eq!(ends(30, 10_000, 500), Some((EndsBy::Age, DAYS_MAX)), "20 days more take 200");
        assert_eq!(ends(400, 10_000, 500), Some((EndsBy::Disk, 50)));
        assert_eq!(ends(400, 300, 500), Some((EndsBy::Bytes, 21)));
        assert_eq!(ends(400, 300, 0), Some((EndsBy::Disk, 0)));
        assert_eq!(super::ends(&StoreStats::default(), 5, now_ms), None, "nothing is known of a day");
        // Hours are kept for ever.
        let hours = TierStats { day_bytes: Some(1), days: None, ..TierStats::default() };
        let stats = StoreStats { hours, ..stats(30, 100_000) };
        assert_eq!(super::ends(&stats, 500, now_ms), Some((EndsBy::Disk, 300)));
    }
}
