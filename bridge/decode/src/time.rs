//! Times as devices write them.

use tidegate_telemetry::Reason;

use crate::rejection::Rejection;

/// 2000-01-01, Unix seconds: no device had telemetry to send before.
const FIRST_S: f64 = 946_684_800.0;
/// 2200-01-01, Unix seconds.
const END_S: f64 = 7_258_118_400.0;

/// Unix ms of a number in seconds, milliseconds, microseconds or nanoseconds since 1970.
///
/// The unit is the one that puts the time between 2000 and 2200. The four ranges do not meet: seconds end at
/// 7.3e9, milliseconds begin at 9.5e11, and so on by thousands.
pub(crate) fn from_number(number: f64) -> Result<i64, Rejection> {
    for (per_second, per_millisecond) in [(1.0, 1e-3), (1e3, 1.0), (1e6, 1e3), (1e9, 1e6)] {
        if (FIRST_S * per_second..END_S * per_second).contains(&number) {
            return Ok((number / per_millisecond).round() as i64);
        }
    }
    Err(invalid(&number.to_string()))
}

/// As [`from_number`], without the rounding of binary64 to some 128 ns in nanoseconds.
pub(crate) fn from_integer(integer: i64) -> Result<i64, Rejection> {
    let first_ms = FIRST_S as i64 * 1_000;
    let end_ms = END_S as i64 * 1_000;
    [integer.checked_mul(1_000), Some(integer), Some(integer / 1_000), Some(integer / 1_000_000)]
        .into_iter()
        .flatten()
        .find(|ms| (first_ms..end_ms).contains(ms))
        .ok_or_else(|| invalid(&integer.to_string()))
}

/// Unix ms of a text: RFC 3339 (`2024-02-24T22:20:38.5+01:00`), or a number in digits.
pub(crate) fn from_text(text: &str) -> Result<i64, Rejection> {
    if let Ok(integer) = text.parse::<i64>() {
        return from_integer(integer);
    }
    if let Ok(number) = text.parse::<f64>() {
        return from_number(number);
    }
    let ms = rfc3339(text.as_bytes()).ok_or_else(|| invalid(text))?;
    if (FIRST_S as i64 * 1_000..END_S as i64 * 1_000).contains(&ms) { Ok(ms) } else { Err(invalid(text)) }
}

pub(crate) fn invalid(what: &str) -> Rejection {
    let shown: String = what.chars().take(40).collect();
    Rejection::new(
        Reason::InvalidTime,
        format!(
            "the time {shown:?} is not between 2000 and 2200 in any unit: send Unix s, ms, us or ns, or RFC 3339 with \
             an offset, or no time at all while the clock is not set"
        ),
    )
}

/// RFC 3339 section 5.6. The offset is required: without it nobody knows the instant.
fn rfc3339(text: &[u8]) -> Option<i64> {
    let number = |from: usize, digits: usize| -> Option<i64> {
        text.get(from..from + digits)?
            .iter()
            .try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    };
    let separator = |at: usize, allowed: &[u8]| text.get(at).filter(|byte| allowed.contains(byte)).map(|_| ());
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    separator(4, b"-")?;
    separator(7, b"-")?;
    separator(10, b"Tt ")?;
    separator(13, b":")?;
    separator(16, b":")?;
    let in_range = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !in_range {
        return None;
    }
    let (millisecond, offset_at) = fraction_ms(text, 19)?;
    let offset_minutes = match (text.get(offset_at)?, text.len() - offset_at) {
        (b'Z' | b'z', 1) => 0,
        (sign @ (b'+' | b'-'), 6) => {
            separator(offset_at + 3, b":")?;
            let minutes = number(offset_at + 1, 2)? * 60 + number(offset_at + 4, 2)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let seconds = days_from_1970(year, month, day) * 86_400 + (hour * 60 + minute - offset_minutes) * 60 + second;
    Some(seconds * 1_000 + millisecond)
}

/// Milliseconds of a fraction that begins at `at`, and where it ends.
fn fraction_ms(text: &[u8], at: usize) -> Option<(i64, usize)> {
    if text.get(at) != Some(&b'.') {
        return Some((0, at));
    }
    let digits = text[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = |place: usize| if place < digits { i64::from(text[at + 1 + place] - b'0') } else { 0 };
    (digits > 0).then(|| (value(0) * 100 + value(1) * 10 + value(2), at + 1 + digits))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (H. Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `days_from_civil`).
fn days_from_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_gives_the_same_instant() {
        for number in [1_704_723_845, 1_704_723_845_000, 1_704_723_845_000_000, 1_704_723_845_000_000_000] {
            assert_eq!(from_integer(number), Ok(1_704_723_845_000));
            assert_eq!(from_number(number as f64), Ok(1_704_723_845_000));
            assert_eq!(from_text(&number.to_string()), Ok(1_704_723_845_000));
        }
        assert_eq!(from_number(1_680_962_879.62), Ok(1_680_962_879_620));
    }

    #[test]
    fn a_time_that_no_unit_makes_plausible_is_refused() {
        for integer in [0, -1, 1, 123_456, 946_684_799, 7_258_118_400, i64::MIN, i64::MAX] {
            assert_eq!(from_integer(integer).map_err(|r| r.reason), Err(Reason::InvalidTime), "{integer}");
        }
        assert!(from_number(f64::NAN).is_err());
    }

    #[test]
    fn rfc_3339_needs_an_offset() {
        assert_eq!(from_text("2024-01-08T14:24:05Z"), Ok(1_704_723_845_000));
        assert_eq!(from_text("2024-01-08T15:24:05.25+01:00"), Ok(1_704_723_845_250));
        assert_eq!(from_text("2024-01-08 09:24:05.0009-05:00"), Ok(1_704_723_845_000));
        assert_eq!(from_text("2024-02-29T00:00:00Z"), Ok(1_709_164_800_000));
        for text in [
            "2024-01-08T14:24:05",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "1999-01-01T00:00:00Z",
            "2024-01-08T14:24:05.Z",
            "2024-01-08T14:24:05Zz",
            "yesterday",
            "",
        ] {
            assert!(from_text(text).is_err(), "{text}");
        }
    }
}
