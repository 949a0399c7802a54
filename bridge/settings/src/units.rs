//! Sizes and durations as people write them.

use std::time::Duration;

const SIZES: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

const DURATIONS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

/// Bytes from `64 KiB`.
///
/// # Errors
/// What to write instead.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor = SIZES.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    match (number.parse::<u64>(), factor) {
        (Ok(number), Some(factor)) => number.checked_mul(factor).ok_or_else(|| format!("{text:?} is too large")),
        _ => Err(format!("{text:?} is not a size such as \"64 KiB\" (B, kB, MB, GB, KiB, MiB, GiB, TiB)")),
    }
}

/// A duration from `30 s`.
///
/// # Errors
/// What to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let factor = DURATIONS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    match (number.parse::<u32>(), factor) {
        (Ok(number), Some(factor)) => Ok(Duration::from_millis(u64::from(number) * factor)),
        _ => Err(format!("{text:?} is not a duration such as \"30 s\" (ms, s, min, h, d)")),
    }
}

/// A duration of the configuration for arithmetic with times, in whole milliseconds.
#[must_use]
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The largest unit that divides a size.
pub fn bytes_text(bytes: u64) -> String {
    let fits =
        |(_, factor): &&(&str, u64)| bytes >= *factor && bytes.is_multiple_of(*factor) && factor.is_power_of_two();
    SIZES.iter().find(fits).map_or_else(|| format!("{bytes} B"), |(unit, factor)| format!("{} {unit}", bytes / factor))
}

/// The largest unit that divides a duration.
pub fn duration_text(duration: Duration) -> String {
    let ms = duration.as_millis();
    let fits = |(_, factor): &&(&str, u64)| ms >= u128::from(*factor) && ms.is_multiple_of(u128::from(*factor));
    let (unit, factor) = DURATIONS.iter().find(fits).unwrap_or(&("ms", 1));
    format!("{} {unit}", ms / u128::from(*factor))
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_back() {
        for bytes in [0, 1, 1_000, 1_024, 65_536, 64 << 20, (64 << 20) + 1] {
            assert_eq!(parse_bytes(&bytes_text(bytes)), Ok(bytes));
        }
        for duration_ms in [0, 1, 2, 1_000, 1_500, 30_000, 60_000, 3_600_000, 30 * 86_400_000] {
            let duration = Duration::from_millis(duration_ms);
            assert_eq!(parse_duration(&duration_text(duration)), Ok(duration));
        }
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for text in ["", "ten", "5 parsecs", "-1 s", "1.5 s", "99999999999999999999 B"] {
            assert!(parse_bytes(text).is_err_and(|what| what.contains("such as")), "{text}");
            assert!(parse_duration(text).is_err_and(|what| what.contains("such as")), "{text}");
        }
    }
}
