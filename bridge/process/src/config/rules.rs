//! The sections `[[alert]]`: their keys, and what they must be.

use tidegate_settings::{Item, Reader, Section, chosen, millis, number, parse_duration, text};
use tidegate_telemetry::{Condition, Rule, Severity};

const ALERT_SAMPLE: &str = r#"
# Alert rules, any number of them. Exactly one of above, below and no_reading_for; everything but name is optional.
# [[alert]]
# name = "cold-room-warm"
# severity = "critical"          # "info", "warning" (default) or "critical"
# metric = "temperature"         # without it: each metric; for no_reading_for: the device as a whole
# device = "truck-*"             # device identifiers; * is any text. no_reading_for of one named in full raises also if it never spoke
# group = "Cold chain/*"         # group paths
# above = 8.0                    # or: below = 2.0, or: no_reading_for = "10 min"
# hysteresis = 0.5               # cleared only below 7.5; default 0
# for = "30 s"                   # must hold that long; default at once
"#;

/// The rules, and the section that each is written in.
pub(super) fn rules(reader: &mut Reader) -> (Vec<Rule>, Vec<String>) {
    let paths = reader.list("alert", ALERT_SAMPLE);
    paths.into_iter().filter_map(|path| Some((rule(&mut reader.at(&path))?, path))).unzip()
}

fn rule(section: &mut Section<'_>) -> Option<Rule> {
    let name = section.optional("name", text);
    let severities = [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];
    let severity = section.optional("severity", |item| chosen(item, &severities));
    let (metric, device, group) =
        (section.optional("metric", text), section.optional("device", text), section.optional("group", text));
    let condition = condition(section);
    if name.is_none() {
        section.wrong("needs a name: name = \"…\"");
    }
    let severity = severity.unwrap_or(Severity::Warning);
    let (name, condition) = (name?, condition?);
    Some(Rule { id: Rule::configured_id(&name), name: name.into(), severity, metric, device, group, condition })
}

fn condition(section: &mut Section<'_>) -> Option<Condition> {
    let finite = |item: &Item| number(item).ok_or_else(|| "is a number".to_owned());
    let (above, below) = (section.optional("above", finite), section.optional("below", finite));
    let no_reading = duration(section, "no_reading_for");
    let hysteresis = section.optional("hysteresis", |item| match number(item) {
        Some(number) if number >= 0.0 => Ok(number),
        _ => Err("is a number of 0 or more".into()),
    });
    let (hysteresis, for_ms) = (hysteresis.unwrap_or(0.0), duration(section, "for").unwrap_or(0));
    match (above, below, no_reading) {
        (Some(threshold), None, None) => Some(Condition::Above { threshold, hysteresis, for_ms }),
        (None, Some(threshold), None) => Some(Condition::Below { threshold, hysteresis, for_ms }),
        (None, None, Some(for_ms)) => Some(Condition::NoReading { for_ms }),
        _ => {
            section.wrong("needs exactly one of above, below and no_reading_for");
            None
        }
    }
}

fn duration(section: &mut Section<'_>, key: &str) -> Option<i64> {
    section.optional(key, |item| {
        parse_duration(item.as_str().ok_or("is a duration such as \"30 s\", \"10 min\" or \"1 h\"")?).map(millis)
    })
}

/// What of a rule cannot be meant so, with the keys that say it.
pub(super) fn mistakes_of(rule: &Rule) -> Vec<(&'static [&'static str], String)> {
    let mut mistakes: Vec<(&'static [&'static str], String)> = Vec::new();
    let mut say = |keys: &'static [&'static str], what: &str| mistakes.push((keys, what.to_owned()));
    if rule.name.is_empty() {
        say(&["name"], "a rule needs a name");
    }
    match rule.condition {
        Condition::Above { threshold, hysteresis, for_ms } | Condition::Below { threshold, hysteresis, for_ms } => {
            if !threshold.is_finite() {
                say(&["above", "below"], "the threshold must be a finite number");
            }
            if !hysteresis.is_finite() || hysteresis < 0.0 {
                say(&["hysteresis"], "must be 0 or more");
            }
            if for_ms < 0 {
                say(&["for"], "must be 0 or more");
            }
        }
        Condition::NoReading { for_ms } => {
            if for_ms <= 0 {
                say(&["no_reading_for"], "must be more than 0");
            }
        }
    }
    mistakes
}
