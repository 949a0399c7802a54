//! Instants in requests: Unix ms, or RFC 3339.

use jiff::civil::DateTime;
use tidegate_telemetry::unix_ms;

/// As far as JavaScript's time goes (ECMAScript section "Time Values and Time Range"): the years -271821 to 275760.
const UNIX_MS_MAX: u64 = 8_640_000_000_000_000;

/// Unix ms of a text that is an integer or an RFC 3339 `date-time`; `None` for anything else. An integer that is a time
/// between 2001 and 2200 in s, ms, µs or ns is that one, any other is in ms. Digits of a second beyond the third are cut
/// off; a leap second counts as the first of the next minute.
pub fn parse(text: &str) -> Option<i64> {
    let whole = super::numbers::whole(text).parse().ok();
    let in_ms = |whole: i64| unix_ms(whole).or(Some(whole).filter(|ms| ms.unsigned_abs() <= UNIX_MS_MAX));
    whole.and_then(in_ms).or_else(|| rfc3339(text))
}

/// jiff's time stamps end a day before the year 9999 does, and people write its last second for "for ever": so the local
/// time is read by jiff, and its offset here.
fn rfc3339(text: &str) -> Option<i64> {
    let shape = text.as_bytes().get(..19)?;
    let separated = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')].iter().all(|&(at, mark)| shape[at] == mark);
    if !separated || !matches!(shape[10], b'T' | b't' | b' ') {
        return None;
    }
    let zone_at = 19 + text.get(19..)?.find(|char: char| char != '.' && !char.is_ascii_digit())?;
    let (local, zone) = text.split_at(zone_at);
    let is_leap_second = shape.ends_with(b":60");
    let local: DateTime = local.parse().ok()?;
    let since_1970 = local.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    let milliseconds = i64::try_from(since_1970.as_nanos().div_euclid(1_000_000)).ok()?;
    // jiff has no leap seconds, and reads one as the second before it.
    Some(milliseconds + i64::from(is_leap_second) * 1_000 - offset_s(zone.as_bytes())? * 1_000)
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
        assert_eq!(parse("1969-12-31T23:59:59.9995Z"), Some(-1), "digits are cut off");
        assert_eq!(parse("2016-12-31T23:59:60Z"), parse("2017-01-01T00:00:00Z"), "a leap second");
        assert_eq!(parse("9999-12-31T23:59:59.999Z"), Some(253_402_300_799_999), "for ever, to some");
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
