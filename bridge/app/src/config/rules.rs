//! Alert rules, the catalogue of metrics, and formats by topic.

use jiff::tz::TimeZone;
use tidegate_decode::{FormatChoice, SameTime, SourceConfig};
use tidegate_process::{Condition, Conversion, MetricConfig, Rule};
use tidegate_telemetry::Severity;

use super::reader::{Reader, Section, number};
use super::units;

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

const METRIC_SAMPLE: &str = r#"
# Units and decimals of metrics that are not well known, or shown differently. `unit` names what devices send, and "" says
# that it has none; without it the unit is guessed from the name, and marked as a guess.
# [metric.soil_moisture]
# unit = "%"
# decimals = 0
# [metric.voltage]
# unit = "V"
# sent_unit = "mV"               # numbers are converted as they come in; or: scale = 0.001
# sent_units = { "meter/*" = "kV", "rack-7" = "V" }  # some devices send others: by full identifier, * is any text, the first counts
"#;

const SOURCE_SAMPLE: &str = r#"
# How payloads are read, by topic; the first filter that fits decides. Everything but topic is optional.
# [[source]]
# topic = "factory/+/raw/#"
# format = "plain"               # {formats}
# timezone = "Europe/Berlin"     # where its clocks are, for times without an offset from UTC
# same_time = "last"             # of values with one time of the device the last counts; default "each" does
"#;

/// The rules, and the section that each is written in.
pub fn rules(reader: &mut Reader) -> (Vec<Rule>, Vec<String>) {
    let paths = reader.list("alert", ALERT_SAMPLE);
    paths.into_iter().filter_map(|path| Some((rule(&mut reader.at(&path))?, path))).unzip()
}

fn rule(section: &mut Section<'_>) -> Option<Rule> {
    let name = text(section, "name");
    let severity = section.optional("severity", |item| match item.as_str() {
        Some("info") => Ok(Severity::Info),
        Some("warning") => Ok(Severity::Warning),
        Some("critical") => Ok(Severity::Critical),
        _ => Err("is one of \"info\", \"warning\", \"critical\"".into()),
    });
    let (metric, device, group) = (text(section, "metric"), text(section, "device"), text(section, "group"));
    let condition = condition(section);
    if name.is_none() {
        section.wrong("needs a name: name = \"…\"");
    }
    let severity = severity.unwrap_or(Severity::Warning);
    let (name, condition) = (name?, condition?);
    Some(Rule { id: Rule::configured_id(&name), name: name.into(), severity, metric, device, group, condition })
}

fn condition(section: &mut Section<'_>) -> Option<Condition> {
    let finite = |item: &toml_edit::Item| number(item).ok_or_else(|| "is a number".to_owned());
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

pub fn metrics(reader: &mut Reader) -> Vec<MetricConfig> {
    let named = reader.named("metric", METRIC_SAMPLE);
    let read = |(name, path): (String, String)| {
        let mut section = reader.at(&path);
        let unit = section.optional("unit", |item| match item.as_str() {
            Some(unit) => Ok(unit.to_owned()),
            None => Err("is a text in quotes".into()),
        });
        let decimals = section.optional("decimals", |item| {
            let decimals =
                item.as_integer().and_then(|whole| u8::try_from(whole).ok()).filter(|decimals| *decimals <= 9);
            decimals.ok_or_else(|| "is a whole number from 0 to 9".into())
        });
        let conversion = conversion(&mut section, unit.as_deref());
        let by_device = conversions(&mut section, unit.as_deref());
        MetricConfig { name, unit, decimals, conversion, by_device }
    };
    named.into_iter().map(read).collect()
}

fn conversion(section: &mut Section<'_>, unit: Option<&str>) -> Option<Conversion> {
    let by_unit = section.optional("sent_unit", |item| {
        let sent = item.as_str().filter(|sent| !sent.is_empty()).ok_or("is a text in quotes")?;
        between(sent, unit, "give scale = … in its place")
    });
    let scaled = section.optional("scale", |item| {
        let scale = number(item).filter(|scale| *scale != 0.0 && (1.0 / scale).is_finite());
        scale.map(Conversion::scaled).ok_or_else(|| "is a number other than 0".into())
    });
    if by_unit.is_some() && scaled.is_some() {
        section.wrong("has sent_unit and scale: one of them is enough");
    }
    by_unit.or(scaled)
}

/// What some devices send, by patterns of their identifiers.
fn conversions(section: &mut Section<'_>, unit: Option<&str>) -> Vec<(String, Conversion)> {
    section.entries("sent_units", |pattern, sent| {
        let sent = sent.as_str().ok_or("is a unit in quotes")?;
        Ok((pattern.to_owned(), between(sent, unit, "convert it at the device")?))
    })
}

fn between(sent: &str, unit: Option<&str>, otherwise: &str) -> Result<Conversion, String> {
    let unit = unit.filter(|unit| !unit.is_empty()).ok_or("needs the unit to convert to: unit = \"…\"")?;
    let known = Conversion::between(sent, unit);
    known.ok_or_else(|| format!("cannot be converted from {sent:?} to {unit:?}: {otherwise}"))
}

pub fn sources(reader: &mut Reader) -> Vec<SourceConfig> {
    let formats: Vec<_> = FormatChoice::all().map(|(name, meaning)| format!("{name:?} ({meaning})")).collect();
    let paths = reader.list("source", &SOURCE_SAMPLE.replace("{formats}", &formats.join(", ")));
    paths.iter().filter_map(|path| source(&mut reader.at(path))).collect()
}

fn source(section: &mut Section<'_>) -> Option<SourceConfig> {
    let topic = text(section, "topic");
    let format = section.optional("format", |item| {
        item.as_str().and_then(FormatChoice::parse).ok_or_else(|| {
            let names: Vec<_> = FormatChoice::all().map(|(name, _)| format!("{name:?}")).collect();
            format!("is one of {}", names.join(", "))
        })
    });
    let timezone = section.optional("timezone", |item| {
        let zone = item.as_str().and_then(|name| TimeZone::get(name).ok());
        zone.ok_or_else(|| "is a time zone of the IANA database, such as \"Europe/Berlin\" or \"UTC\"".into())
    });
    let same_time = section.optional("same_time", |item| match item.as_str() {
        Some("each") => Ok(SameTime::Each),
        Some("last") => Ok(SameTime::Last),
        _ => Err("is one of \"each\", \"last\"".into()),
    });
    if topic.is_none() {
        section.wrong("needs a topic");
    }
    let (format, same_time) = (format.unwrap_or(FormatChoice::Auto), same_time.unwrap_or_default());
    Some(SourceConfig { topic: topic?, format, timezone, same_time })
}

fn text(section: &mut Section<'_>, key: &str) -> Option<String> {
    section.optional(key, |item| match item.as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err("is a text in quotes".into()),
    })
}

fn duration(section: &mut Section<'_>, key: &str) -> Option<i64> {
    section.optional(key, |item| {
        units::parse_duration_ms(item.as_str().ok_or("is a duration such as \"30 s\", \"10 min\" or \"1 h\"")?)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tidegate_process::Conversion;

    use crate::config::parse;

    #[test]
    fn what_some_devices_send_is_said_by_their_names() {
        let text = "[metric.\"env.voltage\"]\nunit = \"V\"\nsent_unit = \"mV\"\n\
                    sent_units = { \"meter/*\" = \"kV\", \"a.b\" = \"V\" }\n";
        let config = parse(text).unwrap();
        let metric = &config.process.metrics[0];
        let sent = |unit| Conversion::between(unit, "V").unwrap();
        assert_eq!((&*metric.name, metric.conversion), ("env.voltage", Some(sent("mV"))));
        assert_eq!(metric.by_device, [("meter/*".to_owned(), sent("kV")), ("a.b".to_owned(), sent("V"))]);

        let text = "[metric.voltage]\nunit = \"V\"\nsent_units = { a = \"furlong\", \"b/*\" = 3 }\n";
        let mistakes = parse(text).unwrap_err();
        let found: Vec<(usize, &str)> = mistakes.iter().map(|mistake| (mistake.line, mistake.key.as_str())).collect();
        assert_eq!(found, [(3, "metric.voltage.sent_units.a"), (3, "metric.voltage.sent_units.b/*")]);
    }
}
