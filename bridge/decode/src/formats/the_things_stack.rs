//! The Things Stack 3 through its MQTT server: `v3/{application}@{tenant}/devices/{device}/{event}`, JSON.
//!
//! The shapes are those of its reference "Data Formats"; what is empty, 0 or false it leaves out.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate_telemetry::{Availability, Decoded, Reason, Rejection, Value};

use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input};
use crate::gather::Place;

use super::json;
use super::parts::{date, part, whole};
use super::radio::{Added, Heard, Located, Registered, Uplink, describe};

pub(super) const THE_THINGS_STACK: FormatEntry = FormatEntry {
    name: "the-things-stack",
    meaning: "LoRaWAN through The Things Stack",
    new: |_| Box::new(TheThingsStack { added: Added::new() }),
};

#[derive(Debug)]
struct TheThingsStack {
    added: Added,
}

#[derive(Debug, Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    received_at: Option<&'a RawValue>,
    uplink_message: Option<&'a RawValue>,
    location_solved: Option<&'a RawValue>,
    service_data: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct UplinkMessage<'a> {
    #[serde(borrow)]
    f_port: Option<&'a RawValue>,
    frm_payload: Option<&'a RawValue>,
    decoded_payload: Option<&'a RawValue>,
    rx_metadata: Option<&'a RawValue>,
    received_at: Option<&'a RawValue>,
    version_ids: Option<&'a RawValue>,
    last_battery_percentage: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct VersionIds<'a> {
    #[serde(borrow)]
    brand_id: Cow<'a, str>,
    #[serde(borrow)]
    model_id: Cow<'a, str>,
    #[serde(borrow)]
    firmware_version: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
struct LastBattery {
    value: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct LocationSolved {
    location: Option<Located>,
}

#[derive(Debug, Deserialize)]
struct ServiceData<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Application, device and event of a topic.
#[derive(Debug, Clone, Copy)]
struct Topic<'t> {
    /// With its tenant: `app1@tenant`.
    application: &'t str,
    device: &'t str,
    event: &'t str,
}

impl Format for TheThingsStack {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        input.topic.starts_with("v3/")
            && Topic::of(input.topic).is_some_and(|topic| topic.has_known_event() && topic.is_meant(input))
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let topic = Topic::of(input.topic).ok_or_else(unknown_topic)?;
        if !matches!(topic.event, "up" | "join" | "location/solved" | "service/data") {
            return Ok(());
        }
        let said: Event<'_> = whole(input, "The Things Stack")?;
        let device = input.name("topic", &format!("{}/{}", topic.application, topic.device))?;
        let group = input.name("topic", topic.application.split('@').next().unwrap_or_default())?;
        let (place, mut flaws) = (Place { device, group }, Flaws::default());
        let received_ms = date(said.received_at, input, &mut flaws);
        match topic.event {
            "join" => out.availability.push(Availability { device: place.device.clone(), is_connected: true }),
            "up" => {
                let uplink = part::<UplinkMessage<'_>>("uplink_message", said.uplink_message, &mut flaws);
                self.uplink(uplink.ok_or_else(no_uplink)?, received_ms, &place, &topic, input, out, &mut flaws);
            }
            _ => self.added(&said, received_ms, &place, input, out, &mut flaws),
        }
        flaws.into_result(&mut out.further)
    }
}

impl TheThingsStack {
    #[allow(clippy::too_many_arguments)]
    fn uplink(
        &self,
        said: UplinkMessage<'_>,
        received_ms: Option<i64>,
        place: &Place,
        topic: &Topic<'_>,
        input: &mut Input<'_>,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) {
        let time_ms = date(said.received_at, input, flaws).or(received_ms);
        let object = said.decoded_payload.map(RawValue::get).filter(|object| *object != "null");
        let measured = object.and_then(|object| json::object(input, flaws, object, place, time_ms));
        let mut uplink = Uplink::new(place, time_ms, measured, &mut out.descriptions);
        uplink.add(&self.added.port, part("f_port", said.f_port, flaws).map(Value::Number));
        let battery = part::<LastBattery>("last_battery_percentage", said.last_battery_percentage, flaws);
        uplink.add(&self.added.battery, battery.and_then(|battery| battery.value).map(Value::Number));
        uplink.add_best(&self.added, &part::<Vec<Heard>>("rx_metadata", said.rx_metadata, flaws).unwrap_or_default());
        uplink.finish(&mut out.readings);
        if object.is_none() && said.frm_payload.is_some() {
            flaws.add(no_formatter());
        }
        let version: VersionIds<'_> = part("version_ids", said.version_ids, flaws).unwrap_or_default();
        let registered = Registered {
            name: Some(topic.device),
            model: Some(&version.model_id),
            maker: Some(&version.brand_id),
            firmware: Some(&version.firmware_version),
            power: None,
        };
        describe(place, registered.facts(input), out);
    }

    /// What a service of the network worked out.
    fn added(
        &self,
        said: &Event<'_>,
        time_ms: Option<i64>,
        place: &Place,
        input: &mut Input<'_>,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) {
        let service = part::<ServiceData<'_>>("service_data", said.service_data, flaws).and_then(|said| said.data);
        let measured = service.and_then(|data| json::object(input, flaws, data.get(), place, time_ms));
        let mut uplink = Uplink::new(place, time_ms, measured, &mut out.descriptions);
        let solved = part::<LocationSolved>("location_solved", said.location_solved, flaws);
        if let Some(at) = solved.and_then(|solved| solved.location) {
            uplink.locate(&self.added, at);
        }
        uplink.finish(&mut out.readings);
    }
}

impl<'t> Topic<'t> {
    fn of(topic: &'t str) -> Option<Self> {
        let rest = topic.strip_prefix("v3/").or_else(|| topic.split_once("/v3/").map(|(_, rest)| rest))?;
        let (application, rest) = rest.split_once("/devices/")?;
        let (device, event) = rest.split_once('/')?;
        let is_one = !application.is_empty() && !application.contains('/') && !device.is_empty();
        is_one.then_some(Topic { application, device, event })
    }

    /// Whether it is an event of The Things Stack, whatever becomes of it.
    fn has_known_event(&self) -> bool {
        match self.event.split_once('/') {
            None => matches!(self.event, "up" | "join"),
            Some(("down", what)) => {
                matches!(what, "push" | "replace" | "queued" | "sent" | "ack" | "nack" | "failed")
            }
            Some(_) => matches!(self.event, "up/normalized" | "location/solved" | "service/data"),
        }
    }

    /// Whether its network or its message is one of The Things Stack: the levels alone may be those of anybody's own topics.
    fn is_meant(&self, input: &Input<'_>) -> bool {
        let is_of_network = |text: &str| {
            self.application.contains('@') || text.contains("\"end_device_ids\"") || text.contains("\"uplink_message\"")
        };
        input.text.is_ok_and(|text| text.starts_with('{') && is_of_network(text))
    }
}

fn no_uplink() -> Rejection {
    Rejection::new(Reason::NotUnderstood, "no uplink_message in it: The Things Stack sends one on .../up")
}

fn no_formatter() -> Rejection {
    let detail = "the uplink holds a payload that nobody decoded: give the device or application a payload formatter";
    Rejection::new(Reason::NotUnderstood, detail)
}

fn unknown_topic() -> Rejection {
    let detail = "no topic of The Things Stack: it is v3/{application}@{tenant}/devices/{device}/{event}";
    Rejection::new(Reason::NotUnderstood, detail)
}
