//! Windows of time, one behind the other.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

const DAY_MS: i64 = 86_400_000;
/// 1970 began on a Thursday: the Monday of its first week, in days.
const MONDAY: i64 = -3;

/// Why there are no windows as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlaid {
    /// There would be more than may be.
    TooMany,
    /// In a zone a window is a part of a day, or whole days.
    Uneven,
    /// The calendar does not have these times.
    NoSuchDay,
}

/// Where windows begin: those that have something of `[from_ms, to_ms)`, and the end of the last one. Times are Unix ms.
///
/// They are counted from 1970 in UTC. Whole days begin at midnight of the zone, whole weeks on Mondays; parts of a day are counted
/// from its midnight, by the time that passes, so that the last one of a day on which clocks are set is shorter or there is
/// one more. `None`: one window, the span itself.
///
/// # Errors
/// [`Unlaid`]
pub fn bounds(
    (from_ms, to_ms): (i64, i64),
    every_ms: Option<i64>,
    zone: &TimeZone,
    max: usize,
) -> Result<Vec<i64>, Unlaid> {
    let Some(every_ms) = every_ms else { return Ok(vec![from_ms, to_ms]) };
    if to_ms.saturating_sub(from_ms) / every_ms > i64::try_from(max).unwrap_or(i64::MAX) {
        return Err(Unlaid::TooMany);
    }
    let bounds = if *zone == TimeZone::UTC {
        even((from_ms, to_ms), every_ms)
    } else if every_ms % DAY_MS == 0 {
        days((from_ms, to_ms), every_ms / DAY_MS, zone, max)?
    } else if DAY_MS % every_ms == 0 {
        parts_of_days((from_ms, to_ms), every_ms, zone, max)?
    } else {
        return Err(Unlaid::Uneven);
    };
    if bounds.len() > max.saturating_add(1) { Err(Unlaid::TooMany) } else { Ok(bounds) }
}

fn even((from_ms, to_ms): (i64, i64), every_ms: i64) -> Vec<i64> {
    let origin_ms = if every_ms % (7 * DAY_MS) == 0 { MONDAY * DAY_MS } else { 0 };
    let first_ms = from_ms - (from_ms - origin_ms).rem_euclid(every_ms);
    let mut bounds: Vec<i64> =
        (0..).map(|n: i64| first_ms + n * every_ms).take_while(|&start_ms| start_ms < to_ms).collect();
    bounds.push(first_ms + bounds.len() as i64 * every_ms);
    bounds
}

fn days((from_ms, to_ms): (i64, i64), every: i64, zone: &TimeZone, max: usize) -> Result<Vec<i64>, Unlaid> {
    let origin = if every % 7 == 0 { MONDAY } else { 0 };
    let day = day_of(from_ms, zone)?;
    let mut day = day - (day - origin).rem_euclid(every);
    let mut bounds = vec![midnight(day, zone)?];
    while bounds.last().is_some_and(|&start_ms| start_ms < to_ms) {
        if bounds.len() > max {
            return Err(Unlaid::TooMany);
        }
        day += every;
        bounds.push(midnight(day, zone)?);
    }
    Ok(bounds)
}

fn parts_of_days((from_ms, to_ms): (i64, i64), every_ms: i64, zone: &TimeZone, max: usize) -> Result<Vec<i64>, Unlaid> {
    let mut day = day_of(from_ms, zone)?;
    let mut start_ms = midnight(day, zone)?;
    // The part that the span begins in: those before it are not laid.
    let mut part_ms = start_ms + (from_ms - start_ms).max(0) / every_ms * every_ms;
    let mut bounds = Vec::new();
    loop {
        let end_ms = midnight(day + 1, zone)?;
        while part_ms < end_ms {
            bounds.push(part_ms);
            if part_ms >= to_ms {
                return Ok(bounds);
            }
            if bounds.len() > max {
                return Err(Unlaid::TooMany);
            }
            part_ms += every_ms;
        }
        (day, start_ms) = (day + 1, end_ms);
        part_ms = start_ms;
    }
}

/// The day that a time is on, counted from 1970.
fn day_of(time_ms: i64, zone: &TimeZone) -> Result<i64, Unlaid> {
    let time = Timestamp::from_millisecond(time_ms).map_err(|_| Unlaid::NoSuchDay)?;
    let since_1970 = zone.to_datetime(time).date().since(Date::constant(1970, 1, 1)).map_err(|_| Unlaid::NoSuchDay)?;
    Ok(i64::from(since_1970.get_days()))
}

/// When a day begins: where its midnight is left out, with the moment after.
fn midnight(day: i64, zone: &TimeZone) -> Result<i64, Unlaid> {
    let span = jiff::Span::new().try_days(day).map_err(|_| Unlaid::NoSuchDay)?;
    let date = Date::constant(1970, 1, 1).checked_add(span).map_err(|_| Unlaid::NoSuchDay)?;
    let time = zone.to_ambiguous_timestamp(date.at(0, 0, 0, 0)).compatible().map_err(|_| Unlaid::NoSuchDay)?;
    Ok(time.as_millisecond())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn zoned(from: &str, to: &str, every_ms: i64, zone: &str) -> Vec<i64> {
        bounds((at(from), at(to)), Some(every_ms), &TimeZone::get(zone).unwrap(), 1_000).unwrap()
    }

    #[test]
    fn windows_are_counted_from_1970_and_cover_the_span() {
        let even = |from, to, every| bounds((from, to), Some(every), &TimeZone::UTC, 1_000).unwrap();
        assert_eq!(even(7, 21, 5), [5, 10, 15, 20, 25]);
        assert_eq!(even(-7, 5, 5), [-10, -5, 0, 5]);
        assert_eq!((even(7, 7, 5), even(5, 5, 5)), (vec![5, 10], vec![5]), "nothing lies between them");
        assert_eq!(bounds((7, 21), None, &TimeZone::UTC, 1).unwrap(), [7, 21]);
        assert_eq!(bounds((0, 5_001), Some(5), &TimeZone::UTC, 1_000), Err(Unlaid::TooMany));
        assert_eq!(
            even(at("2026-11-29T12:00:00Z"), at("2026-11-29T13:00:00Z"), 7 * DAY_MS)[0],
            at("2026-11-23T00:00:00Z")
        );
    }

    #[test]
    fn days_of_a_zone_are_as_long_as_its_clocks_make_them() {
        let days = zoned("2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z", DAY_MS, "Europe/Berlin");
        let lengths: Vec<_> = days.windows(2).map(|pair| (pair[1] - pair[0]) / HOUR_MS).collect();
        assert_eq!((days[0], &lengths[..]), (at("2026-10-23T22:00:00Z"), &[24, 25, 24][..]));
        let weeks = zoned("2026-11-29T12:00:00Z", "2026-11-30T12:00:00Z", 7 * DAY_MS, "Europe/Berlin");
        assert_eq!(weeks, ["2026-11-22T23:00:00Z", "2026-11-29T23:00:00Z", "2026-12-06T23:00:00Z"].map(at));
        // Clocks went from 24:00 to 1:00.
        let days = zoned("2018-11-04T12:00:00Z", "2018-11-04T13:00:00Z", DAY_MS, "America/Sao_Paulo");
        assert_eq!(days, ["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"].map(at));
    }

    #[test]
    fn parts_of_a_day_are_counted_from_its_midnight() {
        let parts = zoned("2026-10-25T01:30:00Z", "2026-10-25T23:30:00Z", 6 * HOUR_MS, "Europe/Berlin");
        let lengths: Vec<_> = parts.windows(2).map(|pair| (pair[1] - pair[0]) / HOUR_MS).collect();
        assert_eq!((parts[0], &lengths[..]), (at("2026-10-24T22:00:00Z"), &[6, 6, 6, 6, 1, 6][..]));
        let parts = zoned("2026-11-29T12:10:00Z", "2026-11-29T12:50:00Z", HOUR_MS, "Asia/Kolkata");
        assert_eq!(parts, ["2026-11-29T11:30:00Z", "2026-11-29T12:30:00Z", "2026-11-29T13:30:00Z"].map(at));
        let zone = TimeZone::get("Asia/Kolkata").unwrap();
        assert_eq!(bounds((0, DAY_MS), Some(7 * HOUR_MS), &zone, 1_000), Err(Unlaid::Uneven));
        let noon_ms = at("2026-11-29T12:00:00Z");
        let (short, first) = (bounds((noon_ms, noon_ms + 3), Some(1), &zone, 1_000).unwrap(), noon_ms);
        assert_eq!((short[0], short.len(), short.capacity() < 1_000), (first, 4, true), "no part before it is laid");
        assert_eq!(bounds((noon_ms, noon_ms), Some(HOUR_MS), &zone, 1_000).unwrap().len(), 2);
        assert_eq!(bounds((0, DAY_MS), Some(DAY_MS / 2), &zone, 2), Err(Unlaid::TooMany));
        assert_eq!(bounds((-8_640_000_000_000_000, 0), Some(400 * DAY_MS), &zone, 1_000_000), Err(Unlaid::NoSuchDay));
    }
}
