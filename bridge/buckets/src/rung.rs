use serde::{Deserialize, Serialize};

/// One width of the ladder: 1 s, 10 s, 1 min, 10 min, 1 h, 1 d. Each width divides the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Rung {
    /// 1 second.
    Second,
    /// 10 seconds.
    TenSeconds,
    /// 1 minute.
    Minute,
    /// 10 minutes.
    TenMinutes,
    /// 1 hour.
    Hour,
    /// 1 day of UTC.
    Day,
}

impl Rung {
    /// Every rung, finest first.
    pub const ALL: [Rung; 6] = [Rung::Second, Rung::TenSeconds, Rung::Minute, Rung::TenMinutes, Rung::Hour, Rung::Day];

    /// The width in milliseconds.
    #[must_use]
    pub const fn width_ms(self) -> i64 {
        match self {
            Rung::Second => 1_000,
            Rung::TenSeconds => 10_000,
            Rung::Minute => 60_000,
            Rung::TenMinutes => 600_000,
            Rung::Hour => 3_600_000,
            Rung::Day => 86_400_000,
        }
    }

    /// The start (Unix ms) of the bucket that `time_ms` falls into; also right before 1970. Saturates, for times that no
    /// clock shows.
    #[must_use]
    pub const fn start_ms(self, time_ms: i64) -> i64 {
        time_ms.saturating_sub(time_ms.rem_euclid(self.width_ms()))
    }

    /// The finest rung with which `span_ms` needs at most `buckets_max` buckets; the day when none does.
    #[must_use]
    pub fn for_span(span_ms: i64, buckets_max: u32) -> Rung {
        let needed = |rung: &Rung| span_ms.max(0).div_euclid(rung.width_ms());
        Rung::ALL.into_iter().find(|rung| needed(rung) <= i64::from(buckets_max.max(1))).unwrap_or(Rung::Day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_width_divides_the_next() {
        for pair in Rung::ALL.windows(2) {
            assert_eq!(pair[1].width_ms() % pair[0].width_ms(), 0);
        }
    }

    #[test]
    fn a_bucket_before_1970_starts_before_its_points() {
        assert_eq!(Rung::Minute.start_ms(-1), -60_000);
        assert_eq!(Rung::Minute.start_ms(0), 0);
        assert_eq!(Rung::ALL.map(|rung| rung.start_ms(i64::MIN)), [i64::MIN; 6]);
    }

    #[test]
    fn six_hours_on_800_pixels_are_minutes() {
        assert_eq!(Rung::for_span(6 * 3_600_000, 800), Rung::Minute);
        assert_eq!(Rung::for_span(900_000, 1_000), Rung::Second);
        assert_eq!(Rung::for_span(i64::MAX, 10), Rung::Day);
    }
}
