//! ThingsBoard's device API over MQTT: `v1/devices/me/telemetry` and `attributes`, where the device is who publishes, and
//! `v1/gateway/telemetry` and `attributes`, which name devices in the payload.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate_telemetry::{Availability, Decoded, DeviceDescription, DeviceFacts, Reason, Rejection};

use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input};
use crate::gather::Place;

use super::json;
use super::parts::{date, part, whole};

pub(super) const THINGSBOARD: FormatEntry =
    FormatEntry { name: "thingsboard", meaning: "device API of ThingsBoard", new: |_| Box::new(ThingsBoard) };

#[derive(Debug)]
struct ThingsBoard;

/// Values with their time.
#[derive(Debug, Deserialize)]
struct Timed<'a> {
    #[serde(borrow)]
    ts: Option<&'a RawValue>,
    values: Option<&'a RawValue>,
}

/// `v1/gateway/connect`, `disconnect`.
#[derive(Debug, Deserialize)]
struct Connection {
    device: String,
    r#type: Option<String>,
}

impl Format for ThingsBoard {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        input.topic.starts_with("v1/devices/me/") || input.topic.starts_with("v1/gateway/")
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let mut flaws = Flaws::default();
        let topic = input.topic;
        let of = |end: &str| topic.ends_with(end);
        if of("v1/devices/me/telemetry") || of("v1/devices/me/attributes") {
            let place = Place { device: publisher(input)?, group: Arc::default() };
            let said: &RawValue = whole(input, "ThingsBoard")?;
            telemetry(said, &place, input, out, &mut flaws);
        } else if of("v1/gateway/telemetry") || of("v1/gateway/attributes") {
            let said: BTreeMap<String, &RawValue> = whole(input, "a gateway of ThingsBoard")?;
            let group = publisher(input).unwrap_or_default();
            for (device, said) in said {
                match input.name("device of the gateway", &device) {
                    Ok(device) => telemetry(said, &Place { device, group: group.clone() }, input, out, &mut flaws),
                    Err(flaw) => flaws.add(flaw),
                }
            }
        } else if of("v1/gateway/connect") || of("v1/gateway/disconnect") {
            connection(of("/connect"), input, out)?;
        }
        flaws.into_result(&mut out.further)
    }
}

/// Who publishes: by its identity, else by its client identifier.
fn publisher(input: &mut Input<'_>) -> Result<Arc<str>, Rejection> {
    let name = match input.principal() {
        "" | "anonymous" => input.client(),
        principal => principal,
    };
    if name.is_empty() {
        let detail = "the device of ThingsBoard is who publishes, and who that is the broker in front does not tell";
        return Err(Rejection::new(Reason::InvalidName, detail));
    }
    input.name("publisher", name)
}

/// An object of values, one with their time, or a list of either.
fn telemetry(said: &RawValue, place: &Place, input: &mut Input<'_>, out: &mut Decoded, flaws: &mut Flaws) {
    if !said.get().starts_with('[') {
        return values(said, place, input, out, flaws);
    }
    let list: Vec<&RawValue> = part("the list", Some(said), flaws).unwrap_or_default();
    let max = input.config.readings_max;
    list.iter().take(max).for_each(|said| values(said, place, input, out, flaws));
    if list.len() > max {
        let detail = format!("more than decode.readings_max ({max}) readings: {} were left out", list.len() - max);
        flaws.add(Rejection::new(Reason::TooManyMetrics, detail));
    }
}

fn values(said: &RawValue, place: &Place, input: &mut Input<'_>, out: &mut Decoded, flaws: &mut Flaws) {
    let timed = serde_json::from_str::<Timed<'_>>(said.get()).ok();
    let timed = timed.and_then(|timed| timed.ts.zip(timed.values)).filter(|(_, values)| values.get().starts_with('{'));
    let (time_ms, values) = match timed {
        Some((ts, values)) => (date(Some(ts), input, flaws), values),
        None => (None, said),
    };
    out.readings.extend(json::object(input, flaws, values.get(), place, time_ms));
}

fn connection(is_connected: bool, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
    let said: Connection = whole(input, "a gateway of ThingsBoard")?;
    let device = input.name("device of the gateway", &said.device)?;
    if let Some(model) = said.r#type.filter(|model| model.len() <= input.config.name_bytes_max) {
        let facts = DeviceFacts { model: Some(input.names.text(&model)), ..DeviceFacts::default() };
        out.devices.push(DeviceDescription { device: Arc::clone(&device), facts: Arc::new(facts) });
    }
    out.availability.push(Availability { device, is_connected });
    Ok(())
}
