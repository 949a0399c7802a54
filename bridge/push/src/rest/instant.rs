//! Instants in requests: Unix ms, or RFC 3339.

use tidegate_telemetry::unix_ms;

/// As far as JavaScript's time goes (ECMAScript section "Time Values and Time Range"): the years -271821 to 275760.
const UNIX_MS_MAX: u64 = 8_640_000_000_000_000;

/// Unix ms of a text that is an integer or an RFC 3339 `date-time`; `None` for anything else. An integer that is a time
/// between 2001 and 2200 in s, ms, µs or ns is that one, any other is in ms. Digits of a second beyond the third are cut
/// off; a leap second counts as the first of the next minute.
pub fn parse(text: &str) -> Option<i64> {
    let whole = super::parameters::whole(text).parse().ok();
    let in_ms = |whole: i64| unix_ms(whole).or(Some(whole).filter(|ms| ms.unsigned_abs() <= UNIX_MS_MAX));
    whole.and_then(in_ms).or_else(|| rfc3339(text))
}

fn rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let shape = bytes.get(..19)?;
    let separated = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')].iter().all(|&(at, mark)| shape[at] == mark);
    if !separated || !matches!(shape[10], b'T' | b't' | b' ') {
        return None;
    }
    let (year, month, day) = (digits(&shape[..4])?, digits(&shape[5..7])?, digits(&shape[8..10])?);
    let (hour, minute, second) = (digits(&shape[11..13])?, digits(&shape[14..16])?, digits(&shape[17..19])?);
    if !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction_ms, zone) = fraction(&bytes[19..])?;
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some((seconds - offset_s(zone)?) * 1_000 + fraction_ms)
}

/// Milliseconds of `.123…`, if there, and what follows.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(after) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let count = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let milliseconds = (0..3).fold(0, |sum, at| sum * 10 + if at < count { i64::from(after[at] - b'0') } else { 0 });
    Some((milliseconds, &after[count..]))
}

/// Seconds east of UTC of `Z` or `+01:00`.
fn offset_s(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-' | b' '), hour @ .., b':', m1, m2] if hour.len() == 2 => {
            let (hours, minutes) = (digits(hour)?, digits(&[*m1, *m2])?);
            let offset = hours * 3_600 + minutes * 60;
            // A plus that nobody percent-encoded arrives as a space.
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar, by eras of 400 years that start in March (Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`).
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_same_instant_is_written_in_many_ways() {
        for text in [
            "1704723845000",
            "1704723845",
            "1704723845000000",
            "1704723845000000000",
            "2024-01-08T14:24:05Z",
            "2024-01-08t14:24:05.000z",
            "2024-01-08T15:24:05+01:00",
            "2024-01-08T15:24:05 01:00",
            "2024-01-08 09:54:05-04:30",
        ] {
            assert_eq!(parse(text), Some(1_704_723_845_000), "{text}");
        }
    }

    #[test]
    fn leap_days_fractions_and_years_before_1970_are_right() {
        assert_eq!(parse("2024-02-29T00:00:00Z"), Some(1_709_164_800_000));
        assert_eq!(parse("1969-12-31T23:59:59.999Z"), Some(-1));
        assert_eq!(parse("2000-03-01T00:00:00.1239Z"), Some(951_868_800_123));
        assert_eq!(parse("-5"), Some(-5));
        assert_eq!(parse("8640000000000000"), Some(8_640_000_000_000_000), "the last time that JavaScript has");
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "now",
            "1e3",
            "8640000000000001",
            "2024-01-08",
            "2024-01-08T14:24:05",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-08T24:00:00Z",
            "2024-01-08T14:24:05.Z",
            "2024-01-08T14:24:05+1:00",
            "2024-01-08T14:24:05+24:00",
            "2024-01-08T14:24:05Zx",
            "２０２４-01-08T14:24:05Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
