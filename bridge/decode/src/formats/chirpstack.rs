//! ChirpStack 4 (and 3) through its MQTT integration: `application/{id}/device/{devEUI}/event/{event}`, JSON.
//!
//! The shapes are those of `api/proto/integration/integration.proto` of ChirpStack 4.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate_telemetry::{Availability, Decoded, PowerSource, Reason, Rejection, Value};

use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input};
use crate::gather::Place;

use super::json;
use super::parts::{date, part, whole};
use super::radio::{Added, Heard, Located, Registered, Uplink, describe};

pub(super) const CHIRPSTACK: FormatEntry = FormatEntry {
    name: "chirpstack",
    meaning: "LoRaWAN through ChirpStack",
    new: |_| Box::new(ChirpStack { added: Added::new() }),
};

#[derive(Debug)]
struct ChirpStack {
    added: Added,
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
        input.topic.starts_with("application/") && split(input.topic).is_some()
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let (eui, event) = split(input.topic).ok_or_else(unknown_topic)?;
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
        describe(&place, said.registered(&info, &mut flaws).facts(input), out);
        flaws.into_result(&mut out.further)
    }
}

impl ChirpStack {
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

    fn registered<'i>(&self, info: &'i DeviceInfo<'_>, flaws: &mut Flaws) -> Registered<'i> {
        let tag = |names: &[&str]| {
            let named = |(key, _): &(&Cow<'_, str>, _)| names.iter().any(|name| name.eq_ignore_ascii_case(key));
            info.tags.iter().find(named).map(|(_, value)| &**value)
        };
        let power = part("externalPowerSource", self.external_power_source, flaws);
        Registered {
            name: Some(&info.device_name),
            model: tag(&["model"]).or(Some(&info.device_profile_name)),
            maker: tag(&["maker", "manufacturer", "vendor", "brand"]),
            firmware: tag(&["firmware", "version"]),
            power: power.map(|external: bool| if external { PowerSource::Mains } else { PowerSource::Battery }),
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

/// DevEUI and event. Levels may stand before, where a bridge puts them.
fn split(topic: &str) -> Option<(&str, &str)> {
    let mut levels = topic.rsplit('/');
    let (event, kind, eui, device, _) =
        (levels.next()?, levels.next()?, levels.next()?, levels.next()?, levels.next()?);
    let is_one = device == "device" && matches!(kind, "event" | "command") && levels.next() == Some("application");
    (is_one && !eui.is_empty()).then_some((eui, if kind == "event" { event } else { "" }))
}

fn no_codec() -> Rejection {
    let detail = "the uplink holds data that nobody decoded: give the device's profile in ChirpStack a codec";
    Rejection::new(Reason::NotUnderstood, detail)
}

fn unknown_topic() -> Rejection {
    let detail = "no topic of ChirpStack: it is application/{id}/device/{devEUI}/event/{event}";
    Rejection::new(Reason::NotUnderstood, detail)
}
