//! Hours and days of UTC, counted from 1970.

use tidegate_buckets::Rung;

/// Number of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Hour(pub(crate) i64);

/// Number of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(pub(crate) i64);

/// Number of a month, counted from the year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Month(pub(crate) i64);

impl Hour {
    pub(crate) const fn of(time_ms: i64) -> Self {
        Hour(time_ms.div_euclid(Rung::Hour.width_ms()))
    }

    /// Unix ms. Saturates, for times that no clock shows.
    pub(crate) const fn start_ms(self) -> i64 {
        self.0.saturating_mul(Rung::Hour.width_ms())
    }

    pub(crate) const fn end_ms(self) -> i64 {
        self.start_ms().saturating_add(Rung::Hour.width_ms())
    }

    pub(crate) const fn day(self) -> Day {
        Day(self.0.div_euclid(24))
    }

    pub(crate) const fn month(self) -> Month {
        let (year, month, _) = self.day().civil();
        Month::of_civil(year, month)
    }
}

impl Month {
    /// Year, and month from 1 to 12.
    pub(crate) const fn civil(self) -> (i64, i64) {
        (self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }

    pub(crate) const fn of_civil(year: i64, month: i64) -> Self {
        Month(year * 12 + month - 1)
    }

    /// Unix ms of the first moment after it.
    pub(crate) const fn end_ms(self) -> i64 {
        let (year, month) = Month(self.0 + 1).civil();
        Day::of_civil(year, month, 1).first_hour().start_ms()
    }
}

impl Day {
    pub(crate) const fn first_hour(self) -> Hour {
        Hour(self.0 * 24)
    }

    /// Unix ms of the first moment after it.
    pub(crate) const fn end_ms(self) -> i64 {
        Hour(self.0 * 24 + 23).end_ms()
    }

    /// Year, month (1 to 12) and day of the month in the proleptic Gregorian calendar (Howard Hinnant's
    /// `civil_from_days`).
    pub(crate) const fn civil(self) -> (i64, i64, i64) {
        let shifted = self.0 + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        (year_of_era + era * 400 + if month <= 2 { 1 } else { 0 }, month, day)
    }

    /// `days_from_civil` of the same source.
    pub(crate) const fn of_civil(year: i64, month: i64, day: i64) -> Self {
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let march_month = (month + 9) % 12;
        let day_of_year = (153 * march_month + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Day(era * 146_097 + day_of_era - 719_468)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_and_its_date_name_each_other() {
        assert_eq!(Day(0).civil(), (1970, 1, 1));
        assert_eq!(Day::of_civil(2026, 11, 22), Day(20_779));
        for day in -800_000..800_000 {
            let (year, month, date) = Day(day).civil();
            assert_eq!(Day::of_civil(year, month, date), Day(day));
        }
    }

    #[test]
    fn an_hour_before_1970_starts_before_its_times() {
        assert_eq!(Hour::of(-1).start_ms(), -3_600_000);
        assert_eq!(Hour(-1).day(), Day(-1));
    }
}
