//! rtl_433: `rtl_433/{host}/events` has readings in JSON, `rtl_433/{host}/devices/{model}/{channel}/{id}/{field}` the same by
//! fields (<https://triq.org/rtl_433/DATA_FORMAT.html>). A device is its model, channel and id, whichever host hears it.

use std::sync::Arc;

use tidegate_telemetry::{Availability, Decoded, DeviceFacts, Frozen, Reading, Reason, Rejection, Value};

use super::json::{self, Found};
use super::{plain, receivers};
use crate::config::DecodeConfig;
use crate::described::{self, Kept};
use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input, StateError};
use crate::sources::Sources;
use crate::topic;

pub(super) const RTL_433: FormatEntry =
    FormatEntry { name: "rtl_433", meaning: "rtl_433", new: |config| Box::new(Rtl433::new(config)) };

const PREFIX: &str = "rtl_433";
const GROUP: &str = "rtl_433";
const TIME_KEYS: &[&str] = &["time"];

/// Fields that say which device it is; they are part of its identifier, and no metrics.
const IDENTITY: [&str; 4] = ["model", "subtype", "channel", "id"];
/// Fields that say how it was received.
const RECEPTION: [&str; 8] = ["mic", "mod", "freq", "freq1", "freq2", "protocol", "type", "sequence_num"];

/// Whether a topic is of this format where nothing is configured.
pub(super) fn owns(topic: &str) -> bool {
    topic.strip_prefix(PREFIX).is_some_and(|below| below.starts_with('/'))
}

/// What the devices are called by, from the fields of a message.
pub(super) struct Identity {
    pub(super) model: Option<Arc<str>>,
    /// Model, channel and id, joined.
    pub(super) path: String,
}

impl Identity {
    /// Takes what identifies the device out of the metrics. `None` where nothing does.
    pub(super) fn take(found: &mut Found) -> Option<Identity> {
        let mut parts: [Option<String>; 4] = Default::default();
        let mut model = None;
        found.metrics.retain(|(name, value)| {
            let Some(place) = IDENTITY.iter().position(|field| **name == **field) else {
                return !RECEPTION.contains(&&**name);
            };
            if let (0, Value::Text(text)) = (place, &*value) {
                model = Some(Arc::clone(text));
            }
            parts[place] = Some(value.to_string().replace('/', "-")).filter(|part| !part.is_empty());
            false
        });
        parts[0].as_ref()?;
        let path = parts.into_iter().flatten().collect::<Vec<_>>().join("/");
        Some(Identity { model, path })
    }
}

#[derive(Debug)]
struct Rtl433 {
    /// What is known of each device; of a device it is the model that stands in its messages.
    devices: Sources<Option<Arc<DeviceFacts>>>,
    kept: Kept,
}

impl Rtl433 {
    fn new(config: &DecodeConfig) -> Self {
        Rtl433 { devices: Sources::new(config.sources_max), kept: Kept::default() }
    }

    fn event(
        &mut self,
        input: &mut Input<'_>,
        base: &str,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) -> Result<(), Rejection> {
        let mut found = json::found(input, input.text()?, TIME_KEYS, flaws)?;
        let Some(Identity { model, path }) = Identity::take(&mut found) else {
            let detail = "an event without a model: nobody knows which device it is of";
            return Err(Rejection::new(Reason::NotUnderstood, detail));
        };
        self.say(input, &format!("{base}/{path}"), model, found, out)
    }

    /// One field of a device, on a topic of its own.
    fn field(
        &mut self,
        input: &mut Input<'_>,
        base: &str,
        path: &str,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) -> Result<(), Rejection> {
        let Some((device, field)) = topic::split_last(path) else { return Ok(()) };
        if field == "time" || IDENTITY.contains(&field) || RECEPTION.contains(&field) {
            return Ok(());
        }
        let found = plain::found(input, field, input.text()?, flaws)?;
        let model = input.name("model", device.split('/').next().unwrap_or(device))?;
        self.say(input, &format!("{base}/{device}"), Some(model), found, out)
    }

    fn say(
        &mut self,
        input: &mut Input<'_>,
        id: &str,
        model: Option<Arc<str>>,
        mut found: Found,
        out: &mut Decoded,
    ) -> Result<(), Rejection> {
        let battery = found.metrics.iter_mut().find(|(name, _)| &**name == "battery_ok");
        // 1 is fine and 0 is low; some say how far, between the two.
        if let Some((_, value)) = battery
            && let Value::Number(number @ (0.0 | 1.0)) = *value
        {
            *value = Value::Bool(number == 1.0);
        }
        if found.metrics.is_empty() && found.without_value.is_empty() {
            return Ok(());
        }
        let (device, group) = (input.name("device", id)?, input.name("group", GROUP)?);
        let is_known = self.devices.used(id, input.position()).is_some_and(|known| known.is_some());
        if !is_known {
            let facts = DeviceFacts { model, ..DeviceFacts::default() };
            *self.devices.of(id, input.position()) = Some(Arc::new(facts));
        }
        let facts = self.devices.get(id).and_then(Option::as_ref);
        let Found { time_ms, metrics, without_value } = found;
        let reading = Reading { device, group, time_ms, corrects: false, metrics, without_value };
        let kept = &mut self.kept;
        described::say(out, reading, facts, |field| kept.of(field, || facts_of(field)));
        Ok(())
    }
}

/// `battery_ok` is true while it is fine, which a class of batteries has the other way round.
fn facts_of(field: &str) -> Option<tidegate_telemetry::MetricFacts> {
    let mut facts = receivers::facts(field)?;
    if field == "battery_ok" {
        facts.class = None;
        facts.words = Some(["low".into(), "ok".into()]);
    }
    Some(facts)
}

impl Format for Rtl433 {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        owns(input.topic())
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let topic = input.topic();
        let base = input.named_prefix().filter(|fixed| topic.starts_with(*fixed)).unwrap_or(PREFIX);
        let base = base.split("/devices").next().unwrap_or(base).trim_end_matches("/events");
        let mut flaws = Flaws::default();
        if topic.ends_with("/events") || topic.ends_with("/states") {
            if topic.ends_with("/events") {
                self.event(input, base, out, &mut flaws)?;
            }
        } else if let Some((_, path)) = topic.split_once("/devices/") {
            self.field(input, base, path, out, &mut flaws)?;
        } else if let Some(host) = topic.strip_suffix("/availability") {
            let device = input.name("host", host)?;
            out.availability.push(Availability { device, is_connected: input.text()? == "online" });
        }
        flaws.into_result(&mut out.further)
    }

    fn forget(&mut self, device: &str) {
        self.devices.remove(device);
    }

    fn remembers(&self, device: &str) -> bool {
        self.devices.get(device).is_some()
    }

    fn freeze(&self) -> Option<Frozen> {
        Some(self.devices.freeze())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.devices.restore(state)
    }
}
