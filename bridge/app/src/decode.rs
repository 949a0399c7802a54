//! `tidegate decode`: what would come of a payload, by which rule and why.

use std::io::{Read, Write};

use anyhow::{Context, Result, bail};
use tidegate_decode::{FORMATS, Trial};
use tidegate_telemetry::{Publication, PublishProperties, Qos, Value};

use crate::cli::Decode;
use crate::words::utc;

/// Tries the payload on stdin, and says what comes of it.
///
/// # Errors
/// When the configuration or the payload cannot be read, and when nothing of the payload is understood.
pub fn run(arguments: &Decode) -> Result<()> {
    let (config, _) = crate::load(arguments.config.as_deref())?;
    let mut payload = Vec::new();
    std::io::stdin().read_to_end(&mut payload).context("cannot read the payload on stdin")?;
    // A shell's echo ends its line; MQTT clients do not send that.
    let trial = Trial::of(&config.node.decode, &publication(arguments, payload));
    let told = told(&trial);
    std::io::stdout().write_all(told.as_bytes()).context("cannot write to stdout")?;
    if trial.decoded.readings.is_empty() && trial.decoded.rejection.is_some() {
        bail!("nothing of it is understood");
    }
    Ok(())
}

fn publication(arguments: &Decode, payload: Vec<u8>) -> Publication {
    let properties = arguments
        .content_type
        .clone()
        .map(|it| Box::new(PublishProperties { content_type: Some(it), ..PublishProperties::default() }));
    Publication {
        received_ms: 0,
        client: String::new(),
        principal: String::new(),
        session: 0,
        packet_id: 0,
        topic: arguments.topic.clone(),
        payload: payload.into(),
        qos: Qos::AtMostOnce,
        retain: false,
        dup: false,
        properties,
        scope: None,
        address: None,
    }
}

fn told(trial: &Trial) -> String {
    let mut lines = Vec::new();
    let meaning = |name: &str| FORMATS.iter().find(|format| format.name == name).map_or("", |format| format.meaning);
    lines.push(match (&trial.source, trial.format) {
        (None, Some(format)) => format!("read as {format:?} ({})", meaning(format)),
        (Some(topic), Some(format)) => {
            format!("read as {format:?} ({}), with [[source]] topic = {topic:?}", meaning(format))
        }
        (Some(topic), None) => format!("read by [[source]] topic = {topic:?}"),
        (None, None) => {
            "no telemetry: topics that begin with $ belong to brokers, unless a [[source]] says otherwise".to_owned()
        }
    });
    let decoded = &trial.decoded;
    for reading in &decoded.readings {
        lines.push(String::new());
        let group = if reading.group.is_empty() { "none" } else { &reading.group };
        let time = reading.time_ms.map_or_else(|| "that of its receipt".to_owned(), utc);
        lines.push(format!("device {:?}, group {group:?}, time {time}", reading.device));
        lines.extend(reading.metrics.iter().map(|(name, value)| format!("  {name} = {}", shown(value))));
        lines.extend(reading.without_value.iter().map(|name| format!("  {name} has no value")));
    }
    for series in &decoded.history {
        lines.push(format!("history of {:?}: {} values of {:?}", series.device, series.points.len(), series.metric));
    }
    for said in &decoded.availability {
        let word = if said.is_connected { "connected" } else { "gone" };
        lines.push(format!("device {:?} is {word}", said.device));
    }
    for said in &decoded.devices {
        lines.push(format!("device {:?}: {:?}", said.device, said.facts));
    }
    for said in &decoded.descriptions {
        let unit = said.facts.unit.as_deref().unwrap_or("not said");
        lines.push(format!("metric {:?} of {:?}: unit {unit}", said.metric, said.device));
    }
    for problem in decoded.rejection.iter().chain(&decoded.further) {
        lines.push(format!("\n{}: {}", problem.reason.name(), problem.detail));
    }
    if decoded.is_empty() && trial.format.is_some() {
        lines.push("it says nothing about any device".to_owned());
    }
    if let Some(proposal) = &trial.proposal {
        lines.push(format!(
            "\nThis may have it understood; look at it, and put it into the configuration:\n\n{proposal}"
        ));
    }
    lines.join("\n") + "\n"
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}
