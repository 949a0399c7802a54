//! A plain value: `23.5` on `site/a/floor3/dev7/temperature`.

use smallvec::smallvec;
use tidegate_telemetry::{Decoded, Reading, Reason, Rejection, Value};

use super::json::Found;
use crate::config::DecodeConfig;
use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input};
use crate::topic;
use crate::words::{self, Meaning};

pub(super) const PLAIN: FormatEntry =
    FormatEntry { name: "plain", meaning: "the value alone", new: |_| Box::new(Plain) };

#[derive(Debug)]
struct Plain;

impl Format for Plain {
    fn recognizes(&self, _: &Input<'_>) -> bool {
        true
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let text = input.text()?;
        let mut flaws = Flaws::default();
        out.readings.push(reading(input, text, &mut flaws)?);
        flaws.into_result(&mut out.further)
    }
}

fn reading(input: &mut Input<'_>, text: &str, flaws: &mut Flaws) -> Result<Reading, Rejection> {
    let (path, metric) = topic::split_last(input.topic).ok_or_else(topic_too_short)?;
    let value = value(input, metric, text, flaws)?;
    let names = &mut *input.names;
    let device = names.name("device's topic path", path)?;
    let metric = names.name("metric's topic level", metric)?;
    let group = names.group_of_topic(path, None)?;
    let (metrics, without_value) = match value {
        Some(value) => (smallvec![(metric, value)], Vec::new()),
        None => (smallvec![], vec![metric]),
    };
    Ok(Reading { device, group, time_ms: None, corrects: false, metrics, without_value })
}

/// A value alone, of a metric that the format knows.
pub(super) fn found(input: &mut Input<'_>, metric: &str, text: &str, flaws: &mut Flaws) -> Result<Found, Rejection> {
    let value = value(input, metric, text, flaws)?;
    let metric = input.name("metric's topic level", metric)?;
    Ok(match value {
        Some(value) => Found { metrics: smallvec![(metric, value)], ..Found::default() },
        None => Found { without_value: vec![metric], ..Found::default() },
    })
}

/// `None` when the sensor has no value.
fn value(input: &mut Input<'_>, metric: &str, text: &str, flaws: &mut Flaws) -> Result<Option<Value>, Rejection> {
    let config = input.config;
    let unquoted = text.starts_with('"').then(|| serde_json::from_str::<String>(text).ok()).flatten();
    let text = unquoted.as_deref().unwrap_or(text);
    Ok(match words::read(&config.label_words, metric, text)? {
        Meaning::Number(number) => Some(Value::Number(number)),
        Meaning::Switch(on) => Some(Value::Bool(on)),
        Meaning::NoValue => None,
        Meaning::LongInteger(digits, number) if unquoted.is_none() => {
            flaws.add(words::not_exact(metric, digits, number));
            Some(Value::Number(number))
        }
        Meaning::Text(text) | Meaning::LongInteger(text, _) => {
            if text.len() > config.text_bytes_max || text.contains(char::is_control) {
                return Err(not_a_value(config));
            }
            Some(Value::Text(input.names.text(text)))
        }
    })
}

fn topic_too_short() -> Rejection {
    Rejection::new(
        Reason::NotUnderstood,
        "a plain value needs a topic of two levels or more, …/{device}/{metric}: publish it there, or send JSON",
    )
}

fn not_a_value(config: &DecodeConfig) -> Rejection {
    let max = config.text_bytes_max;
    let detail = format!(
        "neither JSON nor a plain value (a number, true, false, or printable text up to decode.text_bytes_max, {max} \
         bytes): publish one of these, or configure the topic's format"
    );
    Rejection::new(Reason::NotUnderstood, detail)
}
