//! Zigbee2MQTT: `{base}/{name}` has the state of a device, `{base}/{name}/availability` whether it is there, and
//! `{base}/bridge/devices` what each of them is
//! (<https://www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html>).

mod exposes;
mod house;

use std::sync::Arc;

use tidegate_telemetry::{Availability, Decoded, Frozen, Reading, Reason, Rejection};

use super::json::{self, Found};
use super::plain;
use crate::config::DecodeConfig;
use crate::described;
use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input, StateError};
use crate::sources::Sources;
use crate::topic;
use house::House;

pub(super) const ZIGBEE2MQTT: FormatEntry =
    FormatEntry { name: "zigbee2mqtt", meaning: "Zigbee2MQTT", new: |config| Box::new(Zigbee2Mqtt::new(config)) };

/// The base topic that Zigbee2MQTT has where nobody changed it.
const BASE: &str = "zigbee2mqtt";

/// The group of devices whose names say no place.
const GROUP: &str = "Zigbee2MQTT";

/// When the device was heard last. What Zigbee2MQTT has in its cache, and publishes when it starts, is of before.
const TIME_KEYS: &[&str] = &["last_seen"];

/// Whether a topic is of this format where nothing is configured.
pub(super) fn owns(topic: &str) -> bool {
    topic.strip_prefix(BASE).is_some_and(|below| below.starts_with('/'))
}

#[derive(Debug)]
struct Zigbee2Mqtt {
    /// By base topic.
    houses: Sources<Arc<House>>,
}

/// What is published below the base topic.
enum Subject<'t> {
    Devices,
    BridgeState,
    /// Of this device.
    Availability(&'t str),
    /// Of the device, or of one of its attributes, of this name.
    State(&'t str),
    Nothing,
}

impl<'t> Subject<'t> {
    fn of(below: &'t str) -> Subject<'t> {
        let is_command = |verb: &str| {
            below.strip_suffix(verb).is_some_and(|name| name.ends_with('/')) || below.contains(&format!("/{verb}/"))
        };
        match below {
            "bridge/devices" => Subject::Devices,
            "bridge/state" => Subject::BridgeState,
            "" | "bridge" => Subject::Nothing,
            _ if below.starts_with("bridge/") || is_command("set") || is_command("get") => Subject::Nothing,
            _ => match below.strip_suffix("/availability") {
                Some(name) => Subject::Availability(name),
                None => Subject::State(below),
            },
        }
    }
}

impl Zigbee2Mqtt {
    fn new(config: &DecodeConfig) -> Self {
        Zigbee2Mqtt { houses: Sources::new(config.sources_max) }
    }

    fn state(
        &mut self,
        input: &mut Input<'_>,
        base: &str,
        name: &str,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) -> Result<(), Rejection> {
        let text = input.text()?;
        let house = self.houses.get(base);
        let (name, mut found) = match text.starts_with('{') {
            true => (name, json::found(input, text, TIME_KEYS, flaws)?),
            false => attribute(input, name, text, flaws)?,
        };
        found.metrics.retain(|(metric, _)| !is_about_itself(metric));
        found.without_value.retain(|metric| !is_about_itself(metric));
        if found.metrics.is_empty() && found.without_value.is_empty() {
            return Ok(());
        }
        let known = house.and_then(|house| house.devices.get(name));
        let device = input.name("topic", &format!("{base}/{name}"))?;
        let group = group(input, name)?;
        if let Some(known) = known {
            found.metrics.iter_mut().for_each(|(metric, value)| known.correct(metric, value));
        }
        let Found { time_ms, metrics, without_value } = found;
        let reading = Reading { device, group, time_ms, corrects: false, metrics, without_value };
        described::say(out, reading, known.map(|known| &known.facts), |metric| known?.metric(metric));
        Ok(())
    }

    fn availability(
        &mut self,
        input: &mut Input<'_>,
        base: &str,
        name: &str,
        out: &mut Decoded,
    ) -> Result<(), Rejection> {
        let is_connected = is_online(input.text()?)?;
        let device = input.name("topic", &format!("{base}/{name}"))?;
        let is_news = |house: &&Arc<House>| house.devices.get(name).is_some_and(|known| known.is_gone == is_connected);
        if self.houses.get(base).filter(is_news).is_some() {
            let house = Arc::make_mut(self.houses.of(base, input.position()));
            if let Some(known) = house.devices.get_mut(name) {
                Arc::make_mut(known).is_gone = !is_connected;
            }
        }
        out.availability.push(Availability { device, is_connected });
        Ok(())
    }

    /// Base topics, and the names below them, at which a device of this identifier is known.
    fn listed(&self, device: &str) -> Vec<(Arc<str>, Arc<str>)> {
        let at = |(base, house): (&Arc<str>, &Arc<House>)| {
            let name = device.strip_prefix(&**base)?.strip_prefix('/')?;
            house.devices.get_key_value(name).map(|(name, _)| (Arc::clone(base), Arc::clone(name)))
        };
        self.houses.iter().filter_map(at).collect()
    }

    /// With the bridge all devices go and come, but those which were gone before.
    fn bridge_state(&mut self, input: &mut Input<'_>, base: &str, out: &mut Decoded) -> Result<(), Rejection> {
        let is_connected = is_online(input.text()?)?;
        let Some(house) = self.houses.get(base) else { return Ok(()) };
        for (name, _) in house.devices.iter().filter(|(_, known)| !known.is_gone) {
            let device = input.name("topic", &format!("{base}/{name}"))?;
            out.availability.push(Availability { device, is_connected });
        }
        Ok(())
    }
}

impl Format for Zigbee2Mqtt {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        owns(input.topic())
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let topic = input.topic();
        let base = base(input);
        let below = topic[base.len()..].trim_start_matches('/');
        let mut flaws = Flaws::default();
        match Subject::of(below) {
            Subject::Devices => {
                let text = input.text()?;
                let before = self.houses.get(base).cloned().unwrap_or_default();
                let house = House::read(input, base, text, &before, out, &mut flaws)?;
                *self.houses.of(base, input.position()) = Arc::new(house);
            }
            Subject::BridgeState => self.bridge_state(input, base, out)?,
            Subject::Availability(name) => self.availability(input, base, name, out)?,
            Subject::State(name) => self.state(input, base, name, out, &mut flaws)?,
            Subject::Nothing => {}
        }
        flaws.into_result(&mut out.further)
    }

    /// The bridge lists it again when it starts, as long as the device is in its network.
    fn forget(&mut self, device: &str) {
        for (base, name) in self.listed(device) {
            if let Some(house) = self.houses.of_known(&base) {
                Arc::make_mut(house).devices.remove(&*name);
            }
        }
    }

    fn remembers(&self, device: &str) -> bool {
        !self.listed(device).is_empty()
    }

    fn freeze(&self) -> Option<Frozen> {
        Some(self.houses.freeze())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.houses.restore(state)
    }
}

/// The base topic: of a source that names this format, what its filter has before a wildcard, else the first level.
fn base<'a>(input: &Input<'a>) -> &'a str {
    let topic = input.topic();
    let named = input.named_prefix();
    match named.and_then(|named| Some((named, topic.strip_prefix(named)?))) {
        Some((named, below)) if below.starts_with('/') => named,
        _ => topic.split('/').next().unwrap_or_default(),
    }
}

/// Names with slashes say where a device is.
fn group(input: &mut Input<'_>, name: &str) -> Result<Arc<str>, Rejection> {
    match topic::group_above(name) {
        place if place.is_empty() => input.name("group", GROUP),
        place => input.name("group", &place),
    }
}

/// What Zigbee2MQTT says of the device itself, and of versions of its software as numbers.
fn is_about_itself(metric: &str) -> bool {
    metric.starts_with("device.")
        || metric.strip_prefix("update.").is_some_and(|below| !matches!(below, "state" | "progress" | "remaining"))
}

/// One attribute on a topic of its own, as with `output: attribute`.
fn attribute<'t>(
    input: &mut Input<'_>,
    name: &'t str,
    text: &str,
    flaws: &mut Flaws,
) -> Result<(&'t str, Found), Rejection> {
    let Some((device, attribute)) = topic::split_last(name) else {
        let detail = "neither a state in JSON nor an attribute on a topic of its own: set output: json in Zigbee2MQTT";
        return Err(Rejection::new(Reason::NotUnderstood, detail));
    };
    Ok((device, plain::found(input, attribute, text, flaws)?))
}

/// `online` or `offline`, alone or as `{"state":"online"}`.
fn is_online(text: &str) -> Result<bool, Rejection> {
    #[derive(serde::Deserialize)]
    struct State {
        state: String,
    }
    let state = match text.starts_with('{') {
        true => serde_json::from_str::<State>(text).map(|it| it.state).unwrap_or_default(),
        false => text.trim_matches('"').to_owned(),
    };
    match &*state {
        "online" => Ok(true),
        "offline" => Ok(false),
        _ => {
            let detail = format!("{text:.60} is neither online nor offline: publish one of these");
            Err(Rejection::new(Reason::NotUnderstood, detail))
        }
    }
}
