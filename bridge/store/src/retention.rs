//! The sections `[[retention]]`: some series are kept for a shorter time than the others.

use tidegate_settings::{Item, Reader, Section, text};
use tidegate_telemetry::scope::glob_matches;

const SAMPLE: &str = r#"
# What is kept for a shorter time than the rest, any number of sections; of those that fit a series the first counts. A day goes
# when all of it is older, and a month of hourly summaries too. Readings that are older when they come are refused and counted.
# [[retention]]
# metric = "vibration.*"         # names of metrics; * is any text. Without it: each
# device = "truck-*"             # device identifiers
# group = "Cold chain/*"         # group paths
# raw_days = 30                  # readings; without it as store.retention_age_days
# hours_days = 365               # hourly summaries, no shorter than readings; without it as store.rollup_retention_age_days
"#;

/// For how long series are kept that fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionRule {
    /// Pattern of the metric's name.
    pub metric: Option<String>,
    /// Pattern of the device's identifier.
    pub device: Option<String>,
    /// Pattern of the device's group path.
    pub group: Option<String>,
    /// Days of raw readings.
    pub raw_days: Option<u32>,
    /// Days of hourly summaries.
    pub hours_days: Option<u32>,
}

/// For how many days something of a series is kept; `None`: as long as of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ages {
    pub(crate) raw_days: Option<u32>,
    pub(crate) hours_days: Option<u32>,
}

fn fits(pattern: Option<&String>, text: &str) -> bool {
    pattern.is_none_or(|pattern| glob_matches(pattern, text))
}

/// What the first rule that fits says. Of a device whose group is not known, no rule behind one that asks for a group is
/// taken: what goes is gone, and that one may keep it longer.
pub(crate) fn ages_of(rules: &[RetentionRule], device: &str, group: Option<&str>, metric: &str) -> Ages {
    for rule in rules.iter().filter(|rule| fits(rule.device.as_ref(), device) && fits(rule.metric.as_ref(), metric)) {
        match (&rule.group, group) {
            (Some(_), None) => return Ages::default(),
            (Some(pattern), Some(group)) if !glob_matches(pattern, group) => {}
            _ => return Ages { raw_days: rule.raw_days, hours_days: rule.hours_days },
        }
    }
    Ages::default()
}

/// Whether what ends at `end_ms` is older than so many days, of something for which a rule says how many. Both times are Unix ms.
pub(crate) fn is_past(days: Option<u32>, end_ms: i64, aged_ms: i64) -> bool {
    days.is_some_and(|days| end_ms <= aged_ms.saturating_sub(i64::from(days) * 86_400_000))
}

/// The rules of a file. `raw_days` and `hours_days` are those of everything else; 0 hours' days: for ever.
pub(crate) fn rules(reader: &mut Reader, raw_days: u32, hours_days: u32) -> Vec<RetentionRule> {
    let paths = reader.list("retention", SAMPLE);
    let most = (raw_days, if hours_days == 0 { u32::MAX } else { hours_days });
    paths.into_iter().filter_map(|path| rule(&mut reader.at(&path), most)).collect()
}

fn rule(section: &mut Section<'_>, (raw_max, hours_max): (u32, u32)) -> Option<RetentionRule> {
    let metric = section.optional("metric", text);
    let (device, group) = (section.optional("device", text), section.optional("group", text));
    let (raw_days, hours_days) = (section.optional("raw_days", days), section.optional("hours_days", days));
    if raw_days.is_none() && hours_days.is_none() {
        section.wrong("needs raw_days or hours_days: for how long it is kept");
        return None;
    }
    let longer = |key: &str, most: u32| format!("is longer than everything is kept: raise {key} ({most})");
    if raw_days.is_some_and(|days| days > raw_max) {
        section.wrong_key("raw_days", &longer("store.retention_age_days", raw_max));
    }
    if hours_days.is_some_and(|days| days > hours_max) {
        section.wrong_key("hours_days", &longer("store.rollup_retention_age_days", hours_max));
    }
    let raw = raw_days.unwrap_or(raw_max);
    if hours_days.is_some_and(|days| days < raw) {
        let shorter = format!(
            "is shorter than its readings are kept ({raw} days), whose hours charts show from summaries: \
             give raw_days of at most hours_days, or raise hours_days"
        );
        section.wrong_key("hours_days", &shorter);
    }
    Some(RetentionRule { metric, device, group, raw_days, hours_days })
}

fn days(item: &Item) -> Result<u32, String> {
    let days = item.as_integer().and_then(|days| u32::try_from(days).ok()).filter(|days| *days > 0);
    days.ok_or_else(|| "is a whole number of days, from 1 on".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_says_how_long_and_mistakes_are_named() {
        let text = "[[retention]]\nmetric = \"vib*\"\ngroup = \"A/*\"\nraw_days = 3\n[[retention]]\nmetric = \"vib*\"\n\
                    hours_days = 900\n[[retention]]\nmetric = \"t\"\nraw_days = 500\n[[retention]]\ndevice = \"d\"\n";
        let mut reader = Reader::new(text);
        let rules = rules(&mut reader, 400, 0);
        let ages = |group, metric| ages_of(&rules, "d", Some(group), metric);
        assert_eq!(ages("A/1", "vibration"), Ages { raw_days: Some(3), hours_days: None });
        assert_eq!(ages("B", "vibration"), Ages { raw_days: None, hours_days: Some(900) });
        assert_eq!(ages("A/1", "power"), Ages::default());
        assert_eq!(ages_of(&rules, "d", None, "vibration"), Ages::default(), "its group may be one of A");
        let mistakes: Vec<String> = reader.finish().0.iter().map(ToString::to_string).collect();
        assert!(mistakes[0].contains("raise store.retention_age_days (400)"), "{mistakes:?}");
        assert!(mistakes.iter().any(|mistake| mistake.contains("needs raw_days or hours_days")), "{mistakes:?}");
    }

    #[test]
    fn summaries_that_would_go_before_their_readings_are_refused_where_they_are_written() {
        let text = "[[retention]]\nmetric = \"a\"\nhours_days = 90\n[[retention]]\nmetric = \"b\"\nraw_days = 30\n\
                    hours_days = 29\n[[retention]]\nmetric = \"c\"\nraw_days = 30\nhours_days = 30\n";
        let mut reader = Reader::new(text);
        rules(&mut reader, 400, 0);
        let mistakes: Vec<String> = reader.finish().0.iter().map(ToString::to_string).collect();
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        for (mistake, (line, raw_days)) in mistakes.iter().zip([(3, 400), (7, 30)]) {
            assert!(mistake.starts_with(&format!("line {line}: ")), "{mistake}");
            assert!(mistake.contains(&format!("({raw_days} days)")), "{mistake}");
        }
    }
}
