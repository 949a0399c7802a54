//! Times as devices write them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tidegate_telemetry::{Reason, Rejection, unix_ms};

/// 2001-01-01, Unix seconds. No device had telemetry to send before, and a clock without a battery begins in 2000.
const FIRST_S: i64 = 978_307_200;
/// 2200-01-01, Unix seconds.
const END_S: i64 = 7_258_118_400;
/// What a clock that was never set shows, Unix seconds: the years 1970 and 2000.
const UNSET_S: [std::ops::Range<i64>; 2] = [0..31_536_000, 946_684_800..FIRST_S];

/// Units a number may be in, in parts of a second.
const UNITS: [i64; 4] = [1, 1_000, 1_000_000, 1_000_000_000];

/// Unix ms of a number in seconds, milliseconds, microseconds or nanoseconds since 1970.
///
/// The unit is the one that puts the time between 2001 and 2200. The four ranges do not meet: seconds end at
/// 7.3e9, milliseconds begin at 9.8e11, and so on by thousands.
pub(crate) fn from_number(number: f64) -> Result<i64, Rejection> {
    let in_range = |unit: &i64| ((FIRST_S * unit) as f64..(END_S as f64 * *unit as f64)).contains(&number);
    match UNITS.iter().find(|unit| in_range(unit)) {
        Some(&unit) => Ok((number / unit as f64 * 1e3).round() as i64),
        None => Err(implausible(&number.to_string(), number as i64)),
    }
}

/// As [`from_number`], without the rounding of binary64 to some 128 ns in nanoseconds.
pub(crate) fn from_integer(integer: i64) -> Result<i64, Rejection> {
    unix_ms(integer).ok_or_else(|| implausible(&integer.to_string(), integer))
}

/// Unix ms of a text: a number in digits, RFC 3339, or ISO 8601 as devices write it (a space for the `T`, no seconds, a
/// comma before the fraction, the basic form, an offset without colon or minutes or after a space, a trailing `UTC`). One
/// without an offset is a time in `zone`; where clocks are set back and it comes twice, the earlier.
pub(crate) fn from_text(text: &str, zone: Option<&TimeZone>) -> Result<i64, Rejection> {
    let text = text.trim();
    if let Ok(integer) = text.parse::<i64>() {
        return from_integer(integer);
    }
    if let Some(number) = text.parse::<f64>().ok().filter(|number| number.is_finite()) {
        return from_number(number);
    }
    let ms = instant(text, zone)?;
    if (FIRST_S * 1_000..END_S * 1_000).contains(&ms) { Ok(ms) } else { Err(implausible(text, ms.div_euclid(1_000))) }
}

/// Whether times can be written so, and read again.
///
/// # Errors
/// What to write instead.
pub(crate) fn check_format(format: &str) -> Result<(), String> {
    let written = jiff::fmt::strtime::format(format, Timestamp::UNIX_EPOCH).map_err(|error| error.to_string());
    let read = written.and_then(|text| jiff::fmt::strtime::parse(format, text).map_err(|error| error.to_string()));
    let is_whole =
        |parsed: &jiff::fmt::strtime::BrokenDownTime| parsed.to_timestamp().is_ok() || parsed.to_datetime().is_ok();
    match read {
        Ok(parsed) if is_whole(&parsed) => Ok(()),
        Ok(_) => Err("says no date with its year, or no time of day: write such as \"%d.%m.%Y %H:%M:%S\"".to_owned()),
        Err(error) => Err(format!("is no format of strftime ({error}): write such as \"%d.%m.%Y %H:%M:%S\"")),
    }
}

/// Unix ms of a text that is written as `format` says, in the conversions of POSIX `strftime`: `%d.%m.%Y %H:%M`. One without an
/// offset is a time in `zone`.
pub(crate) fn in_format(text: &str, format: &str, zone: Option<&TimeZone>) -> Result<i64, Rejection> {
    let other = |_| {
        flaw(Reason::InvalidTime, text, &format!("is not written as time_format = {format:?} of its [[source]] says"))
    };
    let parsed = jiff::fmt::strtime::parse(format, text.trim()).map_err(other)?;
    let ms = match parsed.to_timestamp() {
        Ok(timestamp) => timestamp.as_millisecond(),
        Err(_) => {
            let local = parsed.to_datetime().map_err(other)?;
            let zone = zone.ok_or_else(|| no_offset(text))?;
            zone.to_timestamp(local).map(Timestamp::as_millisecond).map_err(other)?
        }
    };
    if (FIRST_S * 1_000..END_S * 1_000).contains(&ms) { Ok(ms) } else { Err(implausible(text, ms.div_euclid(1_000))) }
}

fn instant(text: &str, zone: Option<&TimeZone>) -> Result<i64, Rejection> {
    let timestamp = text.parse::<Timestamp>().ok().or_else(|| with_its_offset(text)?.parse().ok());
    if let Some(timestamp) = timestamp {
        return Ok(timestamp.as_millisecond());
    }
    let (local, zone) = match without_utc(text) {
        Some(local) => (local, Some(&TimeZone::UTC)),
        None => (text, zone),
    };
    // A date alone says nothing about the time of day.
    let local = local.parse::<DateTime>().ok().filter(|_| local.contains(':') || local.contains(['T', 't']));
    let local = local.ok_or_else(|| not_a_time(text))?;
    let zone = zone.ok_or_else(|| no_offset(text))?;
    zone.to_timestamp(local).map(Timestamp::as_millisecond).map_err(|_| not_a_time(text))
}

/// The text with its offset right behind the time: `2024-01-08 15:24:05 +0100`, as several languages print it.
fn with_its_offset(text: &str) -> Option<String> {
    let (local, offset) = text.rsplit_once(' ').filter(|(_, offset)| offset.starts_with(['+', '-']))?;
    Some(format!("{}{offset}", local.trim_end()))
}

/// What stands before a trailing `UTC`, `GMT` or ` Z`.
fn without_utc(text: &str) -> Option<&str> {
    let (local, suffix) = text.split_at_checked(text.len().checked_sub(3)?)?;
    match suffix.to_ascii_uppercase().as_str() {
        "UTC" | "GMT" => Some(local.trim_end()),
        _ => text.strip_suffix(['Z', 'z']).map(str::trim_end),
    }
}

/// What becomes of the values.
const AT_RECEIPT: &str = "the values count as of their receipt";
/// What may be sent.
const UNDERSTOOD: &str = "send Unix s, ms, us or ns, or RFC 3339 (2026-11-28T14:57:38Z)";

/// Why `true`, `false`, an object or an array is no time.
pub(crate) fn neither_number_nor_text() -> Rejection {
    let detail = format!("the time is neither a number nor a text: {UNDERSTOOD}; {AT_RECEIPT}");
    Rejection::new(Reason::InvalidTime, detail)
}

/// Why a text is no time at all.
fn not_a_time(text: &str) -> Rejection {
    flaw(Reason::InvalidTime, text, &format!("is none that is understood: {UNDERSTOOD}"))
}

fn no_offset(text: &str) -> Rejection {
    flaw(
        Reason::TimeWithoutOffset,
        text,
        "has no offset from UTC: send it with one (Z or +01:00), or say where its clock is by timezone = \
         \"Europe/Berlin\" in a [[source]] whose topic matches",
    )
}

fn implausible(text: &str, seconds: i64) -> Rejection {
    if UNSET_S.iter().any(|range| range.contains(&seconds)) {
        let wrong = "is of a clock that was never set (1970 or 2000): set it, or send no time until it is";
        flaw(Reason::DeviceClockUnset, text, wrong)
    } else {
        flaw(
            Reason::InvalidTime,
            text,
            "is not between 2001 and 2200 in s, ms, us or ns: correct the device's clock, or send no time",
        )
    }
}

fn flaw(reason: Reason, what: &str, wrong: &str) -> Rejection {
    let shown: String = what.chars().take(40).collect();
    Rejection::new(reason, format!("the time {shown:?} {wrong}; {AT_RECEIPT}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const AT_MS: i64 = 1_704_723_845_000;

    fn text(text: &str) -> Result<i64, String> {
        from_text(text, None).map_err(|rejection| rejection.detail)
    }

    #[test]
    fn every_unit_gives_the_same_instant() {
        for number in [1_704_723_845, 1_704_723_845_000, 1_704_723_845_000_000, 1_704_723_845_000_000_000] {
            assert_eq!(from_integer(number), Ok(AT_MS));
            assert_eq!(from_number(number as f64), Ok(AT_MS));
            assert_eq!(text(&number.to_string()), Ok(AT_MS));
        }
        assert_eq!(from_number(1_680_962_879.62), Ok(1_680_962_879_620));
        assert_eq!(text("1680962879.62"), Ok(1_680_962_879_620));
    }

    #[test]
    fn a_clock_that_was_never_set_is_told_from_a_time_that_cannot_be() {
        for integer in [0, 1, 123_456, 20_240_108, 946_684_800, 946_684_799 + 86_400] {
            let detail = from_integer(integer).unwrap_err().detail;
            assert!(detail.contains("never set"), "{integer}: {detail}");
        }
        for integer in [-1, 100_000_000, 946_684_799, 7_258_118_400, i64::MIN, i64::MAX] {
            let detail = from_integer(integer).unwrap_err().detail;
            assert!(detail.contains("between 2001 and 2200"), "{integer}: {detail}");
        }
        assert!(from_number(f64::NAN).is_err());
        assert!(text("1970-01-01T00:00:12Z").unwrap_err().contains("never set"));
        assert!(text("1999-06-01T00:00:00Z").unwrap_err().contains("between 2001 and 2200"));
    }

    #[test]
    fn iso_8601_is_read_as_devices_write_it() {
        for same in [
            "2024-01-08T14:24:05Z",
            " 2024-01-08t14:24:05z ",
            "2024-01-08 14:24:05Z",
            "2024-01-08 14:24:05 Z",
            "2024-01-08T15:24:05+01:00",
            "2024-01-08T15:24:05+0100",
            "2024-01-08T15:24:05+01",
            "2024-01-08 09:24:05-05:00",
            "20240108T142405Z",
            "20240108T152405+0100",
            "2024-01-08 14:24:05 UTC",
            "2024-01-08T14:24:05UTC",
            "2024-01-08 14:24:05 gmt",
            "2024-01-08T15:24:05+01:00[Europe/Berlin]",
            "2024-01-08 15:24:05 +01:00",
            "2024-01-08 15:24:05 +0100",
            "2024-01-08 09:24:05  -05",
        ] {
            assert_eq!(text(same), Ok(AT_MS), "{same}");
        }
        assert_eq!(text("2024-01-08T15:24:05.25+01:00"), Ok(AT_MS + 250));
        assert_eq!(text("2024-01-08T14:24:05,25Z"), Ok(AT_MS + 250));
        assert_eq!(text("2024-01-08T14:24:05.0009Z"), Ok(AT_MS));
        assert_eq!(text("2024-01-08T14:24Z"), Ok(AT_MS - 5_000));
        assert_eq!(text("2024-02-29T00:00:00Z"), Ok(1_709_164_800_000));
    }

    #[test]
    fn a_local_time_is_one_of_its_zone_or_says_what_it_lacks() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (local, at_ms) in [
            ("2024-01-08T15:24:05", AT_MS),
            ("2024-01-08 15:24:05", AT_MS),
            ("20240108T152405", AT_MS),
            ("2024-07-08T16:24:05", 1_720_448_645_000),
            ("2024-01-08T14:24:05Z", AT_MS),
        ] {
            assert_eq!(from_text(local, Some(&berlin)), Ok(at_ms), "{local}");
        }
        let detail = text("2026-11-28 14:57:38").unwrap_err();
        assert!(detail.contains("no offset") && detail.contains("timezone"), "{detail}");
        assert!(!detail.contains("2200"), "{detail}");
    }

    #[test]
    fn what_is_no_time_says_so() {
        for wrong in [
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-08T14:24:05.Z",
            "2024-01-08T14:24:05Zz",
            "2024-01-08",
            "yesterday",
            "UTC",
            "NaN",
            "1e999",
            "ü",
            "",
        ] {
            assert!(text(wrong).unwrap_err().contains("none that is understood"), "{wrong}");
        }
    }
}
