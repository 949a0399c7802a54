//! ThingsBoard's device API over MQTT: `v1/devices/me/telemetry` and `attributes`, where the device is who publishes, and
//! `v1/gateway/telemetry` and `attributes`, which name devices in the payload.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate_telemetry::shares::ANONYMOUS;
use tidegate_telemetry::{Availability, Decoded, DeviceDescription, DeviceFacts, Reason, Rejection};

use crate::config::DecodeConfig;
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
            let whose = Whose::of_publisher(input)?;
            let said: &RawValue = whole(input, "ThingsBoard")?;
            telemetry(said, &whose, input, out, &mut flaws);
        } else if of("v1/gateway/telemetry") || of("v1/gateway/attributes") {
            let said: BTreeMap<String, &RawValue> = whole(input, "a gateway of ThingsBoard")?;
            let group = publisher(input).unwrap_or_default();
            for (device, said) in said {
                match input.name("device of the gateway", &device) {
                    Ok(device) => {
                        let whose = Whose::Known(Place { device, group: group.clone() });
                        telemetry(said, &whose, input, out, &mut flaws);
                    }
                    Err(flaw) => flaws.add(flaw),
                }
            }
        } else if of("v1/gateway/connect") || of("v1/gateway/disconnect") {
            connection(of("/connect"), input, out)?;
        }
        flaws.into_result(&mut out.further)
    }
}

/// Whose values are.
enum Whose {
    Known(Place),
    /// Of whom the values name; else of the client, where it is known.
    Named(Option<Place>),
}

impl Whose {
    /// A principal speaks for itself. Of a client that proved nothing, and behind another broker, the payload may say who it is.
    fn of_publisher(input: &mut Input<'_>) -> Result<Self, Rejection> {
        let of = |device| Place { device, group: Arc::default() };
        Ok(match (is_proven(input), input.client()) {
            (true, _) => Whose::Known(of(publisher(input)?)),
            (false, "") => Whose::Named(None),
            (false, _) => Whose::Named(Some(of(publisher(input)?))),
        })
    }

    /// The place of `values`, which may be within `said`, and the key that named it.
    fn place_of<'c>(
        &self,
        [values, said]: [&RawValue; 2],
        input: &mut Input<'c>,
    ) -> Result<(Place, Option<&'c str>), Rejection> {
        let fallback = match self {
            Whose::Known(place) => return Ok((place.clone(), None)),
            Whose::Named(fallback) => fallback,
        };
        let config = input.config;
        match identifier(values, config).or_else(|| identifier(said, config)) {
            Some((key, id)) => {
                let device = input.name("device identifier", &id)?;
                Ok((Place { device, group: Arc::default() }, Some(key)))
            }
            None => fallback.clone().map(|place| (place, None)).ok_or_else(unknown_publisher),
        }
    }
}

/// The best of the keys that name a device, and the device: a text or a whole number.
fn identifier<'c>(said: &RawValue, config: &'c DecodeConfig) -> Option<(&'c str, String)> {
    let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(said.get()).ok()?;
    let id = |raw: &&RawValue| {
        let number = || raw.get().parse::<i128>().ok().map(|number| number.to_string());
        serde_json::from_str::<String>(raw.get()).ok().or_else(number).filter(|id| !id.is_empty())
    };
    config.identifier_keys.iter().find_map(|key| Some((key.as_str(), fields.get(key.as_str()).and_then(id)?)))
}

fn is_proven(input: &Input<'_>) -> bool {
    !matches!(input.principal(), "" | ANONYMOUS)
}

/// Who publishes: by its identity, else by its client identifier.
fn publisher(input: &mut Input<'_>) -> Result<Arc<str>, Rejection> {
    let name = if is_proven(input) { input.principal() } else { input.client() };
    if name.is_empty() {
        return Err(unknown_publisher());
    }
    input.name("publisher", name)
}

fn unknown_publisher() -> Rejection {
    let detail = "the device of ThingsBoard is who publishes, and who that is the broker in front does not tell: send the \
                  device in a key of decode.identifier_keys";
    Rejection::new(Reason::InvalidName, detail)
}

/// An object of values, one with their time, or a list of either.
fn telemetry(said: &RawValue, whose: &Whose, input: &mut Input<'_>, out: &mut Decoded, flaws: &mut Flaws) {
    if !said.get().starts_with('[') {
        return values(said, whose, input, out, flaws);
    }
    let list: Vec<&RawValue> = part("the list", Some(said), flaws).unwrap_or_default();
    let max = input.config.readings_max;
    list.iter().take(max).for_each(|said| values(said, whose, input, out, flaws));
    if list.len() > max {
        let detail = format!("more than decode.readings_max ({max}) readings: {} were left out", list.len() - max);
        flaws.add(Rejection::new(Reason::TooManyMetrics, detail));
    }
}

fn values(said: &RawValue, whose: &Whose, input: &mut Input<'_>, out: &mut Decoded, flaws: &mut Flaws) {
    let timed = serde_json::from_str::<Timed<'_>>(said.get()).ok();
    let timed = timed.and_then(|timed| timed.ts.zip(timed.values)).filter(|(_, values)| values.get().starts_with('{'));
    let (time_ms, values) = match timed {
        Some((ts, values)) => (date(Some(ts), input, flaws), values),
        None => (None, said),
    };
    let (place, key) = match whose.place_of([values, said], input) {
        Ok(place) => place,
        Err(flaw) => return flaws.add(flaw),
    };
    let mut reading = json::object(input, flaws, values.get(), &place, time_ms);
    if let (Some(reading), Some(key)) = (&mut reading, key) {
        reading.metrics.retain(|(metric, _)| **metric != *key);
    }
    out.readings.extend(reading.filter(|it| !it.metrics.is_empty() || !it.without_value.is_empty()));
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
