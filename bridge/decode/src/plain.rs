//! A plain value: `23.5` on `site/a/floor3/dev7/temperature`.

use smallvec::smallvec;
use tidegate_telemetry::{Reading, Reason, Value};

use crate::config::DecodeConfig;
use crate::names::Names;
use crate::rejection::Rejection;
use crate::{non_finite, topic};

pub(crate) fn decode(
    config: &DecodeConfig,
    names: &mut Names,
    topic: &str,
    text: &str,
    out: &mut Vec<Reading>,
) -> Result<(), Rejection> {
    let (path, metric) = topic::split_last(topic).ok_or_else(topic_too_short)?;
    let value = value(config, names, text.trim())?;
    let device = names.name("device's topic path", path)?;
    let metric = names.name("metric's topic level", metric)?;
    let group = names.group_of_topic(path, None)?;
    out.push(Reading { device, group, time_ms: None, metrics: smallvec![(metric, value)] });
    Ok(())
}

fn value(config: &DecodeConfig, names: &mut Names, text: &str) -> Result<Value, Rejection> {
    match text {
        "true" => return Ok(Value::Bool(true)),
        "false" => return Ok(Value::Bool(false)),
        _ => {}
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => return Ok(Value::Number(number)),
        Ok(_) => return Err(non_finite::refusal(text)),
        Err(_) => {}
    }
    let unquoted = text.starts_with('"').then(|| serde_json::from_str::<String>(text).ok()).flatten();
    let text = unquoted.as_deref().unwrap_or(text);
    if text.is_empty() || text.len() > config.text_bytes_max || text.contains(char::is_control) {
        return Err(not_a_value(config));
    }
    Ok(Value::Text(names.text(text)))
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
