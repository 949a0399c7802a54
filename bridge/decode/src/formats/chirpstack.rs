//! ChirpStack 4 (and 3) through its MQTT integration: `application/{id}/device/{devEUI}/event/{event}`, JSON.
//!
//! The shapes are those of `api/proto/integration/integration.proto` of ChirpStack 4.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidegate_telemetry::{Availability, Decoded, Frozen, PowerSource, Reason, Rejection, Value};

use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input, StateError};
use crate::gather::Place;
use crate::sources::Sources;

use super::json;
use super::parts::{date, part, whole};
use super::radio::{Added, Heard, Located, Registered, Uplink, describe};

pub(super) const CHIRPSTACK: FormatEntry = FormatEntry {
    name: "chirpstack",
    meaning: "LoRaWAN through ChirpStack",
    new: |config| Box::new(ChirpStack { added: Added::new(), powers: Sources::new(config.sources_max) }),
};

/// Hexadecimal digits of a DevEUI.
const EUI_DIGITS: usize = 16;

#[derive(Debug)]
struct ChirpStack {
    added: Added,
    /// By DevEUI where the power comes from: a status says so, and uplinks do not.
    powers: Sources<Power>,
}

/// Where the power of a device comes from, as the first who said so says.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Power {
    source: Option<PowerSource>,
    /// Empty: nobody who is named.
    principal: Arc<str>,
}

/// An event of any kind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    device_info: Option<&'a RawValue>,
    time: Option<&'a RawValue>,
    f_port: Option<&'a RawValue>,
    object: Option<&'a RawValue>,
    /// What was sent, whether a codec understood it or not.
    data: Option<&'a RawValue>,
    rx_info: Option<&'a RawValue>,
    margin: Option<&'a RawValue>,
    external_power_source: Option<&'a RawValue>,
    battery_level_unavailable: Option<&'a RawValue>,
    battery_level: Option<&'a RawValue>,
    location: Option<&'a RawValue>,
    level: Option<&'a RawValue>,
    code: Option<&'a RawValue>,
    description: Option<&'a RawValue>,
    /// ChirpStack 3 has these beside the rest, and the decoded object as text.
    application_name: Option<&'a RawValue>,
    device_name: Option<&'a RawValue>,
    device_profile_name: Option<&'a RawValue>,
    #[serde(rename = "objectJSON")]
    object_json: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DeviceInfo<'a> {
    #[serde(borrow)]
    application_name: Cow<'a, str>,
    #[serde(borrow)]
    device_profile_name: Cow<'a, str>,
    #[serde(borrow)]
    device_name: Cow<'a, str>,
    #[serde(borrow)]
    tags: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

impl Format for ChirpStack {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        input.topic.starts_with("application/") && split(input.topic).is_some_and(|topic| topic.is_meant(input))
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let Topic { eui, kind, event } = split(input.topic).ok_or_else(unknown_topic)?;
        let event = if kind == "event" { event } else { "" };
        if !matches!(event, "up" | "status" | "join" | "location" | "integration" | "log") {
            return Ok(());
        }
        let mut flaws = Flaws::default();
        let said: Event<'_> = whole(input, "ChirpStack")?;
        let info = said.info(&mut flaws);
        let device = input.name("DevEUI", eui)?;
        // Where a device stands is no reason to lose what it measured.
        let group = input.names.group_of_location(&info.application_name);
        let group = group.map_err(|flaw| flaws.add(flaw)).unwrap_or_default();
        let place = Place { device, group };
        match event {
            "join" => out.availability.push(Availability { device: place.device.clone(), is_connected: true }),
            "log" => said.log(&mut flaws),
            _ => self.reading(event, &said, &place, input, out, &mut flaws),
        }
        let power = self.power(eui, said.power(&mut flaws), input);
        describe(&place, said.registered(&info, power).facts(input), out);
        flaws.into_result(&mut out.further)
    }

    fn forget(&mut self, device: &str) {
        self.powers.remove(device);
    }

    fn remembers(&self, device: &str) -> bool {
        self.powers.get(device).is_some()
    }

    fn freeze(&self) -> Option<Frozen> {
        Some(self.powers.freeze())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.powers.restore(state)
    }
}

impl ChirpStack {
    /// Where the power of a device comes from, as it says now or said last.
    fn power(&mut self, eui: &str, said: Option<PowerSource>, input: &Input<'_>) -> Option<PowerSource> {
        let (principal, known) = (input.principal(), self.powers.used(eui, input.position));
        // What a stranger says is for the device's owner to refuse, and not to be repeated as its own.
        let is_strange = known.is_some_and(|known| {
            !known.principal.is_empty() && !principal.is_empty() && *known.principal != *principal
        });
        let source = known.and_then(|known| known.source);
        if is_strange || said.is_none() {
            return said.or(source.filter(|_| !is_strange));
        }
        if source != said {
            let known = self.powers.of(eui, input.position);
            known.source = said;
            if known.principal.is_empty() {
                known.principal = principal.into();
            }
        }
        said
    }

    fn reading(
        &self,
        event: &str,
        said: &Event<'_>,
        place: &Place,
        input: &mut Input<'_>,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) {
        let time_ms = date(said.time, input, flaws);
        let text = part::<String>("objectJSON", said.object_json, flaws).filter(|text| !text.is_empty());
        let object = said.object.map(RawValue::get).filter(|object| *object != "null").or(text.as_deref());
        let measured = object.and_then(|object| json::object(input, flaws, object, place, time_ms));
        let mut uplink = Uplink::new(place, time_ms, measured, &mut out.descriptions);
        let number = |name, raw, flaws: &mut Flaws| part::<f64>(name, raw, flaws).map(Value::Number);
        uplink.add(&self.added.port, number("fPort", said.f_port, flaws));
        uplink.add(&self.added.margin, number("margin", said.margin, flaws));
        let external = part("externalPowerSource", said.external_power_source, flaws);
        uplink.add(&self.added.external_power, external.map(Value::Bool));
        let has_battery = !part("batteryLevelUnavailable", said.battery_level_unavailable, flaws).unwrap_or(false);
        let level = number("batteryLevel", said.battery_level, flaws);
        uplink.add(&self.added.battery, level.filter(|_| has_battery && external != Some(true)));
        uplink.add_best(&self.added, &part::<Vec<Heard>>("rxInfo", said.rx_info, flaws).unwrap_or_default());
        if let Some(at) = part::<Located>("location", said.location, flaws) {
            uplink.locate(&self.added, at);
        }
        uplink.finish(&mut out.readings);
        let has_data = said.data.is_some_and(|data| !matches!(data.get(), "null" | r#""""#));
        if event == "up" && object.is_none() && has_data {
            flaws.add(no_codec());
        }
    }
}

impl<'a> Event<'a> {
    fn info(&self, flaws: &mut Flaws) -> DeviceInfo<'a> {
        let info: Option<DeviceInfo<'a>> = part("deviceInfo", self.device_info, flaws);
        info.unwrap_or_else(|| {
            let mut text = |name, raw| part::<Cow<'a, str>>(name, raw, flaws).unwrap_or_default();
            DeviceInfo {
                application_name: text("applicationName", self.application_name),
                device_name: text("deviceName", self.device_name),
                device_profile_name: text("deviceProfileName", self.device_profile_name),
                tags: BTreeMap::new(),
            }
        })
    }

    fn power(&self, flaws: &mut Flaws) -> Option<PowerSource> {
        let external = part("externalPowerSource", self.external_power_source, flaws);
        external.map(|external: bool| if external { PowerSource::Mains } else { PowerSource::Battery })
    }

    fn registered<'i>(&self, info: &'i DeviceInfo<'_>, power: Option<PowerSource>) -> Registered<'i> {
        let tag = |names: &[&str]| {
            let named = |(key, _): &(&Cow<'_, str>, _)| names.iter().any(|name| name.eq_ignore_ascii_case(key));
            info.tags.iter().find(named).map(|(_, value)| &**value)
        };
        Registered {
            name: Some(&info.device_name),
            model: tag(&["model"]).or(Some(&info.device_profile_name)),
            maker: tag(&["maker", "manufacturer", "vendor", "brand"]),
            firmware: tag(&["firmware", "version"]),
            power,
        }
    }

    /// What went wrong at ChirpStack, such as a codec that fails, is why there is no reading.
    fn log(&self, flaws: &mut Flaws) {
        let mut text = |name, raw| part::<String>(name, raw, flaws).unwrap_or_default();
        let (level, code) = (text("level", self.level), text("code", self.code));
        let description: String = text("description", self.description).chars().take(200).collect();
        if level == "ERROR" || level == "WARNING" {
            flaws.add(Rejection::new(Reason::NotUnderstood, format!("ChirpStack tells {code}: {description}")));
        }
    }
}

/// Whose event or command a topic is of.
#[derive(Debug, Clone, Copy)]
struct Topic<'t> {
    eui: &'t str,
    /// `event` or `command`.
    kind: &'t str,
    event: &'t str,
}

impl Topic<'_> {
    /// Whether the levels and the message are those of ChirpStack: either alone may be of anybody's own making.
    fn is_meant(&self, input: &Input<'_>) -> bool {
        const EVENTS: [&str; 9] = ["up", "status", "join", "location", "integration", "log", "ack", "txack", "error"];
        let is_eui = self.eui.len() == EUI_DIGITS && self.eui.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (is_known, fields) = match self.kind {
            "event" => (EVENTS.contains(&self.event), ["\"deviceInfo\"", "\"devEUI\""]),
            _ => (self.event == "down", ["\"fPort\"", "\"devEui\""]),
        };
        let has_fields = |text: &str| !text.starts_with('{') || fields.iter().any(|field| text.contains(field));
        is_eui && is_known && input.text.map_or(true, has_fields)
    }
}

/// The parts of a topic. Levels may stand before, where a bridge puts them.
fn split(topic: &str) -> Option<Topic<'_>> {
    let mut levels = topic.rsplit('/');
    let (event, kind, eui, device, _) =
        (levels.next()?, levels.next()?, levels.next()?, levels.next()?, levels.next()?);
    let is_one = device == "device" && matches!(kind, "event" | "command") && levels.next() == Some("application");
    (is_one && !eui.is_empty()).then_some(Topic { eui, kind, event })
}

fn no_codec() -> Rejection {
    let detail = "the uplink holds data that nobody decoded: give the device's profile in ChirpStack a codec";
    Rejection::new(Reason::NotUnderstood, detail)
}

fn unknown_topic() -> Rejection {
    let detail = "no topic of ChirpStack: it is application/{id}/device/{devEUI}/event/{event}";
    Rejection::new(Reason::NotUnderstood, detail)
}
