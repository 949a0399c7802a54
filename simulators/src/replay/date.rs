//! Dates as people and loggers write them. Without an offset they are UTC.

/// Unix milliseconds of a written time, or `None` when it is not one.
///
/// Understood: `2010/01/01 00:00`, `2010-01-01T00:00:00.250+02:00`, `2010-01-01`, `31.01.2010 13:45`, `1/31/2010 13:45`
/// (month first), and Unix times in s, ms, us or ns, told apart by their size.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return unix(number);
    }
    let split = text.find(['T', ' ']).unwrap_or(text.len());
    let (date, rest) = text.split_at(split);
    let days = days(date)?;
    let time = rest.trim_start_matches(['T', ' ']).trim();
    let (clock, offset_ms) = split_offset(time)?;
    Some(days * 86_400_000 + clock_ms(clock)? - offset_ms)
}

fn unix(number: f64) -> Option<i64> {
    let scale = match number.abs() {
        size if size < 1e8 => return None,
        size if size < 1e11 => 1000.0,
        size if size < 1e14 => 1.0,
        size if size < 1e17 => 1e-3,
        size if size < 1e20 => 1e-6,
        _ => return None,
    };
    Some((number * scale).round() as i64)
}

fn days(date: &str) -> Option<i64> {
    let separator = date.find(['-', '/', '.']).map(|at| date.as_bytes()[at] as char)?;
    let parts: Vec<&str> = date.split(separator).collect();
    let [a, b, c] = parts.as_slice() else { return None };
    let number = |part: &str| part.parse::<i64>().ok();
    let (year, month, day) = match (a.len(), separator) {
        (4, _) => (number(a)?, number(b)?, number(c)?),
        (_, '.') => (number(c)?, number(b)?, number(a)?),
        (_, '/') => (number(c)?, number(a)?, number(b)?),
        _ => return None,
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    ((1..=longest).contains(&day) && (1800..3000).contains(&year)).then(|| days_from_civil(year, month, day))
}

/// Days since 1970-01-01 in the Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let sign = if time.as_bytes()[at] == b'-' { -1 } else { 1 };
    let digits: String = time[at + 1..].chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) = match digits.len() {
        2 => (digits.parse::<i64>().ok()?, 0),
        4 => (digits[..2].parse::<i64>().ok()?, digits[2..].parse::<i64>().ok()?),
        _ => return None,
    };
    Some((time[..at].trim_end(), sign * (hours * 60 + minutes) * 60_000))
}

fn clock_ms(clock: &str) -> Option<i64> {
    if clock.is_empty() {
        return Some(0);
    }
    let mut parts = clock.split(':');
    let hour: i64 = parts.next()?.parse().ok()?;
    let minute: i64 = parts.next()?.parse().ok()?;
    let second: f64 = parts.next().map_or(Ok(0.0), str::parse).ok()?;
    let valid = (0..24).contains(&hour) && (0..60).contains(&minute) && (0.0..61.0).contains(&second);
    (valid && parts.next().is_none()).then(|| (hour * 60 + minute) * 60_000 + (second * 1000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_ways_of_writing_a_time_are_understood() {
        let midnight_ms = 1_262_304_000_000;
        for text in [
            "2010/01/01 00:00",
            "2010-01-01",
            "2010-01-01T00:00:00Z",
            "2010-01-01T02:00:00+02:00",
            "2009-12-31 19:30 -0430",
            "01.01.2010 00:00:00",
            "1/1/2010 00:00",
            "1262304000",
            "1262304000000",
            "1262304000000000",
            "1262304000000000000",
        ] {
            assert_eq!(parse(text), Some(midnight_ms), "{text}");
        }
        assert_eq!(parse("2024-02-29T12:30:15.250"), Some(1_709_209_815_250));
        assert_eq!(parse("31.12.1969"), Some(-86_400_000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "yesterday", "2010-13-01", "2010/02/30 00:00", "2010-01-01 25:00", "47.8", "2010-01", "12:30"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
