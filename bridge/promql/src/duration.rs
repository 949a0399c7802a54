//! Durations as Prometheus writes them: `5m`, `1h30m`, `250ms`.

/// Units and their lengths in ms, longest first.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Longer ones are beyond any time that is asked for, and sums of them stay far from the ends of 64 bits.
const MS_MAX: i64 = 1_000 * 365 * 86_400_000;

/// Reads a duration, in ms. `None` when the text is none: units come once each, longest first, each with a whole number,
/// and 1,000 years are the longest.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut sum_ms = 0i64;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, next) = behind.split_at(letters);
        let (_, length_ms) = units.find(|(name, _)| *name == unit)?;
        sum_ms = sum_ms.checked_add(number.parse::<i64>().ok()?.checked_mul(*length_ms)?)?;
        rest = next;
    }
    (!text.is_empty() && sum_ms <= MS_MAX).then_some(sum_ms)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn units_come_once_and_longest_first() {
        assert_eq!(parse("5m"), Some(300_000));
        assert_eq!(parse("1h30m"), Some(5_400_000));
        assert_eq!(parse("1d12h250ms"), Some(129_600_250));
        for wrong in ["", "5", "m", "5x", "30m1h", "1h1h", "1.5h", "-5m", "99999999999999999999y", "1001y"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
