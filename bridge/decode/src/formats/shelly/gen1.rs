//! Shelly of the first generation: plain values below `shellies/{id}`
//! (<https://shelly-api-docs.shelly.cloud/gen1/#mqtt-support>).

use std::sync::Arc;

use serde::Deserialize;
use tidegate_telemetry::{Availability, Decoded, MetricFacts, PowerSource, Reason, Rejection, Value};

use super::{News, Shelly};
use crate::flaws::Flaws;
use crate::format::Input;
use crate::formats::json::{self, Found};
use crate::meaning::Meaning;
use crate::quantities::{Quantity, counted, measured, shown, switched};

const PREFIX: &str = "shellies/";

/// Watt-minutes in a watt-hour: relays count in those, and so do meters but for their totals.
const WATT_MINUTES: f64 = 60.0;

/// The topic of a device, and what stands below it. Nothing is below it of what all of them say or are told.
pub(super) fn below(topic: &str) -> Option<(&str, &str)> {
    let path = topic.strip_prefix(PREFIX)?;
    Some(match path.split_once('/') {
        Some((id, below)) => (&topic[..PREFIX.len() + id.len()], below),
        None => (topic, ""),
    })
}

#[derive(Deserialize)]
struct Announcement {
    id: String,
    model: Option<String>,
    fw_ver: Option<String>,
}

impl Shelly {
    pub(super) fn gen1(
        &mut self,
        input: &mut Input<'_>,
        id: &str,
        below: &str,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) -> Result<(), Rejection> {
        let text = input.text()?;
        match below {
            "" if id.ends_with("/announce") => self.announcement(input, text),
            "announce" => self.announcement(input, text),
            "online" => {
                let device = input.name("topic", id)?;
                if matches!(text, "true" | "false") {
                    out.availability.push(Availability { device, is_connected: text == "true" });
                }
                Ok(())
            }
            "" | "settings" => Ok(()),
            _ if below.ends_with("command") || below.ends_with("/set") => Ok(()),
            _ => {
                let found = match text.starts_with('{') {
                    true => object(input, below, text, flaws)?,
                    false => value(input, below, text)?,
                };
                let sleeps = below.starts_with("sensor/").then_some(PowerSource::Battery);
                self.learn(id, input, &News { power: sleeps, ..News::default() });
                self.say(input, id, found, facts, out)
            }
        }
    }

    fn announcement(&mut self, input: &mut Input<'_>, text: &str) -> Result<(), Rejection> {
        let said: Announcement = serde_json::from_str(text).map_err(|error| {
            Rejection::new(Reason::InvalidJson, format!("the announcement is not as Shelly writes it ({error})"))
        })?;
        let mut named = |text: Option<String>| text.and_then(|text| input.name("description", &text).ok());
        let news = News { model: named(said.model), firmware: named(said.fw_ver), ..News::default() };
        let id = input.name("topic", &format!("{PREFIX}{}", said.id))?;
        self.learn(&id, input, &news);
        Ok(())
    }
}

/// The metric of a topic: `relay/0/power` is `relay.0.power`, `sensor/battery` is `battery`.
fn metric(input: &mut Input<'_>, below: &str) -> Result<Arc<str>, Rejection> {
    let name = below.strip_prefix("sensor/").unwrap_or(below).replace('/', ".");
    input.name("metric", &name)
}

fn value(input: &mut Input<'_>, below: &str, text: &str) -> Result<Found, Rejection> {
    let metric = metric(input, below)?;
    let value = match meaning(below).read(input, &metric, text)? {
        Some(Value::Number(number)) if is_watt_minutes(below) => Some(Value::Number(number / WATT_MINUTES)),
        value => value,
    };
    Ok(match value {
        _ if below == "temperature_f" => Found::default(),
        Some(value) => Found { metrics: [(metric, value)].into_iter().collect(), ..Found::default() },
        None => Found { without_value: vec![metric], ..Found::default() },
    })
}

/// Of `info` what changes; of `input_event/0`, `status` and `light/0/status` everything.
fn object(input: &mut Input<'_>, below: &str, text: &str, flaws: &mut Flaws) -> Result<Found, Rejection> {
    let mut found = json::found(input, text, &[], flaws)?;
    if below == "info" {
        found.without_value.clear();
        let mut kept = Found::default();
        for (name, value) in found.metrics.drain(..) {
            let known = match &*name {
                "wifi_sta.rssi" => "rssi",
                "uptime" => "uptime",
                "has_update" => "has_update",
                "bat.voltage" => "battery_voltage",
                _ => continue,
            };
            kept.metrics.push((input.name("metric", known)?, value));
        }
        return Ok(kept);
    }
    let prefix = below.strip_suffix("status").unwrap_or(below).trim_end_matches('/').replace('/', ".");
    if !prefix.is_empty() {
        for (name, _) in &mut found.metrics {
            *name = input.name("metric", &format!("{prefix}.{name}"))?;
        }
        for name in &mut found.without_value {
            *name = input.name("metric", &format!("{prefix}.{name}"))?;
        }
    }
    Ok(found)
}

fn first_and_last(below: &str) -> (&str, &str) {
    (below.split('/').next().unwrap_or(below), below.rsplit('/').next().unwrap_or(below))
}

fn meaning(below: &str) -> Meaning {
    let switch = |on: &str, off: &str| Meaning::Switch(on.into(), off.into());
    match first_and_last(below) {
        ("input" | "longpush" | "overtemperature", _) => switch("1", "0"),
        ("roller", "pos" | "power" | "energy") => Meaning::Number,
        ("roller", _) => Meaning::Text,
        ("sensor", "state") => switch("open", "close"),
        ("sensor", "act_reasons") => Meaning::Text,
        _ => Meaning::Any,
    }
}

fn is_watt_minutes(below: &str) -> bool {
    let (first, last) = first_and_last(below);
    matches!(last, "energy" | "returned_energy") && first != "sensor"
}

fn facts(metric: &str) -> Option<MetricFacts> {
    let (first, last) = (metric.split('.').next()?, metric.rsplit('.').next()?);
    let quantity: Quantity = match last {
        "power" => measured("power", "W"),
        "reactive_power" => measured("reactive_power", "var"),
        "energy" | "returned_energy" | "total" | "total_returned" => counted("energy", "Wh"),
        "voltage" | "battery_voltage" => measured("voltage", "V"),
        "current" => measured("current", "A"),
        "pf" => measured("power_factor", ""),
        "temperature" => shown("temperature", "°C", 1),
        "humidity" => shown("humidity", "%", 1),
        "battery" | "bat" => measured("battery", "%"),
        "lux" => measured("illuminance", "lx"),
        "tilt" => measured("", "°"),
        "pos" | "brightness" | "gain" => measured("", "%"),
        "rssi" => measured("signal_strength", "dBm"),
        "uptime" => counted("duration", "s"),
        "concentration" => measured("", "ppm"),
        "flood" => return Some(switched("moisture")),
        "motion" => return Some(switched("motion")),
        "vibration" => return Some(switched("vibration")),
        "smoke" => return Some(switched("smoke")),
        "state" if first == "state" => return Some(switched("door")),
        _ if matches!(first, "relay" | "input" | "overtemperature") => {
            return Some(switched(if first == "overtemperature" { "heat" } else { "" }));
        }
        _ => return None,
    };
    Some(quantity.facts())
}
