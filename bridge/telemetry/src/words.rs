//! What alerts and rules say, in words for people. Whoever shows one takes its words from here, and nothing reads them back.

use crate::change::AlertChange;
use crate::rule::Condition;

/// What an alert says of its rule: `Above 8.0 °C for 30 s`.
#[must_use]
pub fn of_alert(alert: &AlertChange) -> String {
    match &alert.condition {
        Some(condition) => of_condition(condition, alert.metric.as_deref(), alert.unit.as_deref(), alert.decimals),
        None => alert.words.to_string(),
    }
}

/// What a condition is about a metric, or the device as a whole: `Below 2 °C`, `No temperature for 5 min`. Without decimals
/// a number has those it needs.
#[must_use]
pub fn of_condition(condition: &Condition, metric: Option<&str>, unit: Option<&str>, decimals: Option<u8>) -> String {
    let lasting = match condition.for_ms() {
        for_ms if for_ms > 0 => format!(" for {}", span(for_ms)),
        _ => String::new(),
    };
    match *condition {
        Condition::Above { threshold, .. } => format!("Above {}{lasting}", number(threshold, unit, decimals)),
        Condition::Below { threshold, .. } => format!("Below {}{lasting}", number(threshold, unit, decimals)),
        Condition::NoReading { .. } => format!("No {}{lasting}", metric.unwrap_or("reading")),
    }
}

/// When what a condition raised clears, where that is not at the threshold: `clears below 7.5 °C`.
#[must_use]
pub fn of_clearing(condition: &Condition, unit: Option<&str>, decimals: Option<u8>) -> Option<String> {
    let (end, clears_at) = match *condition {
        Condition::Above { threshold, hysteresis, .. } if hysteresis > 0.0 => ("below", threshold - hysteresis),
        Condition::Below { threshold, hysteresis, .. } if hysteresis > 0.0 => ("above", threshold + hysteresis),
        _ => return None,
    };
    Some(format!("clears {end} {}", number(clears_at, unit, decimals)))
}

fn number(number: f64, unit: Option<&str>, decimals: Option<u8>) -> String {
    let number = match decimals {
        Some(decimals) => format!("{number:.*}", usize::from(decimals)),
        None => number.to_string(),
    };
    match unit {
        Some("%") => format!("{number}%"),
        Some(unit) => format!("{number} {unit}"),
        None => number,
    }
}

/// A span of time for people, in the largest unit that leaves a whole number: `90 s`, `5 min`, `250 ms`.
fn span(ms: i64) -> String {
    for (unit_ms, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")] {
        if ms % unit_ms == 0 {
            return format!("{} {unit}", ms / unit_ms);
        }
    }
    format!("{ms} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_largest_whole_unit() {
        let told: Vec<String> = [30_000, 90_000, 300_000, 250, 7_200_000, 86_400_000].map(span).into();
        assert_eq!(told, ["30 s", "90 s", "5 min", "250 ms", "2 h", "1 d"]);
    }

    #[test]
    fn a_condition_says_what_holds_and_when_it_clears() {
        let above = Condition::Above { threshold: 8.0, hysteresis: 0.5, for_ms: 30_000 };
        assert_eq!(of_condition(&above, Some("temperature"), Some("°C"), Some(1)), "Above 8.0 °C for 30 s");
        assert_eq!(of_clearing(&above, Some("°C"), Some(1)).as_deref(), Some("clears below 7.5 °C"));
        let below = Condition::Below { threshold: -18.0, hysteresis: 0.0, for_ms: 0 };
        assert_eq!(of_condition(&below, None, Some("%"), None), "Below -18%");
        assert_eq!(of_clearing(&below, Some("%"), None), None);
        let silent = Condition::NoReading { for_ms: 600_000 };
        assert_eq!(of_condition(&silent, None, Some("°C"), None), "No reading for 10 min");
        assert_eq!(of_condition(&silent, Some("door"), None, None), "No door for 10 min");
    }
}
