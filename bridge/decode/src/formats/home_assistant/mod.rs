//! Home Assistant's discovery: retained messages say which topics there are, and what is on them. The states then come on
//! any topic, and are found by what was said of it.

mod components;
mod discovery;
mod filters;
mod keys;
mod register;
mod template;

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use serde_json::Value as Json;
use smallvec::SmallVec;
use tidegate_telemetry::{Availability, Decoded, DeviceFacts, Frozen, MetricFacts, Reading, Reason, Rejection, Value};

use crate::config::{DecodeConfig, FormatChoice};
use crate::described;
use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input, StateError};
use crate::formats::{esphome, openmqttgateway, rtl_433, shelly, tasmota, zigbee2mqtt};
use crate::{time, topic};
use discovery::Subject;
use register::{Device, Part, Register, Watch};
use template::{Payload, Rendered, Templates};

pub(super) const HOME_ASSISTANT: FormatEntry = FormatEntry {
    name: "homeassistant",
    meaning: "Home Assistant's discovery, and the states it describes",
    new: |config| Box::new(HomeAssistant::new(config)),
};

/// Where configurations are, unless a source says otherwise.
const PREFIX: &str = "homeassistant";

/// The group of devices that say no area and whose software says no name.
const GROUP: &str = "Home Assistant";

/// So many topics, configurations and devices for each source that other formats may have.
const SHARE: usize = 20;

/// Texts and facts that are in memory once.
const SHARED_MAX: usize = 16_384;

#[derive(Debug)]
struct HomeAssistant {
    register: Register,
    templates: Templates,
    texts: Shared<str>,
    kept: Shared<MetricFacts>,
    watches: Shared<Watch>,
}

/// What is in memory once. Only a cache.
#[derive(Debug)]
struct Shared<T: ?Sized + Hash + Eq>(HashSet<Arc<T>>);

impl<T: ?Sized + Hash + Eq> Shared<T> {
    fn new() -> Self {
        Shared(HashSet::new())
    }

    fn one_of(&mut self, value: impl Borrow<T> + Into<Arc<T>>) -> Arc<T> {
        if let Some(known) = self.0.get(value.borrow()) {
            return Arc::clone(known);
        }
        if self.0.len() >= SHARED_MAX {
            self.0.clear();
        }
        let value = value.into();
        self.0.insert(Arc::clone(&value));
        value
    }
}

/// Whether another format reads a topic, by the configuration or since it looks like one of its own: then what is
/// discovered of it is known there, and the device is not to appear twice.
fn is_of_another(input: &Input<'_>, topic: &str) -> bool {
    let place = input.filters.iter().position(|filter| topic::filter_matches(filter, topic));
    match place.map(|place| input.config.sources[place].format) {
        Some(FormatChoice::Named(name)) => name != HOME_ASSISTANT.name,
        Some(FormatChoice::Ignore) => true,
        Some(FormatChoice::Auto) | None => {
            let owners = [zigbee2mqtt::owns, tasmota::owns, shelly::owns, openmqttgateway::owns, rtl_433::owns];
            owners.iter().any(|owns| owns(topic))
        }
    }
}

/// Who publishes: what is discovered counts for what the same one publishes. All that nobody proved to be are one.
fn principal<'t>(input: &Input<'t>) -> &'t str {
    match input.principal() {
        "" => "anonymous",
        principal => principal,
    }
}

/// The topic below the prefix of configurations.
fn below_prefix<'t>(input: &Input<'t>) -> Option<&'t str> {
    input.topic().strip_prefix(input.named_prefix().unwrap_or(PREFIX))?.strip_prefix('/')
}

impl HomeAssistant {
    fn new(config: &DecodeConfig) -> Self {
        HomeAssistant {
            register: Register::new(config.sources_max.saturating_mul(SHARE)),
            templates: Templates::new(),
            texts: Shared::new(),
            kept: Shared::new(),
            watches: Shared::new(),
        }
    }

    /// Whether what comes on a topic was described by who publishes it, as a state or as what is not read.
    fn is_described(&self, input: &Input<'_>) -> bool {
        let Some(topic) = self.register.topics.get(input.topic()) else { return false };
        let by = principal(input);
        let looks_aside = || input.text().is_ok_and(|text| esphome::node_aside(input.topic(), text).is_some());
        topic.parts.iter().any(|part| *part.by == *by)
            || topic.watched_by.contains_key(by)
            || topic.asides.iter().any(|aside| *aside.by == *by && (aside.is_state || looks_aside()))
    }

    fn state(&mut self, input: &mut Input<'_>, out: &mut Decoded, flaws: &mut Flaws) -> Result<(), Rejection> {
        let HomeAssistant { register: Register { topics, devices, .. }, templates, .. } = self;
        let Some(topic) = topics.used(input.topic(), input.position()) else { return Ok(()) };
        let by = principal(input);
        let mut payload = Payload::new(input.text()?);
        templates.begin(false);
        let of_publisher: SmallVec<[&Part; 8]> = topic.parts.iter().filter(|part| *part.by == *by).collect();
        let time_ms = if of_publisher.is_empty() { None } else { time(input, &mut payload, flaws) };
        for parts in of_publisher.chunk_by(|one, next| one.device == next.device) {
            let device = devices.get(&parts[0].device);
            let (mut metrics, mut without_value) = (SmallVec::new(), Vec::new());
            for part in parts {
                match value(input, templates, part, &mut payload) {
                    Ok(Some(Some(value))) => metrics.push((part.metric.clone(), value)),
                    Ok(Some(None)) => without_value.push(part.metric.clone()),
                    Ok(None) => {}
                    Err(rejection) => flaws.add(rejection),
                }
            }
            if metrics.is_empty() && without_value.is_empty() {
                continue;
            }
            let group = device.map(|device| device.group.clone()).unwrap_or_default();
            let id = parts[0].device.clone();
            let reading = Reading { device: id, group, time_ms, corrects: false, metrics, without_value };
            let facts = device.map(|device| &device.facts).filter(|facts| ***facts != DeviceFacts::default());
            let mut described = parts.iter();
            described::say(out, reading, facts, |metric| {
                // In the same order, but for those without a value.
                let part = described.find(|part| *part.metric == *metric)?;
                (*part.facts != MetricFacts::default()).then(|| Arc::clone(&part.facts))
            });
        }
        let mut last = None;
        for (id, _) in topic.watched_by.get(by).into_iter().flatten() {
            if last.replace(id) == Some(id) {
                continue;
            }
            match is_available(input, templates, devices.get(id), &mut payload) {
                Ok(Some(is_available)) => {
                    let is_connected = devices.of(id, input.position()).hear(input.topic(), is_available);
                    out.availability.push(Availability { device: id.clone(), is_connected });
                }
                Ok(None) => {}
                Err(rejection) => flaws.add(rejection),
            }
        }
        Ok(())
    }
}

/// The time that a payload says, by the keys that the configuration has for it. One without an offset is no flaw: most have none.
fn time(input: &Input<'_>, payload: &mut Payload<'_>, flaws: &mut Flaws) -> Option<i64> {
    let mut wrong = None;
    for key in &input.config.time_keys {
        let said = match payload.at(key) {
            Some(Json::Number(number)) => match number.as_i64() {
                Some(integer) => time::from_integer(integer),
                None => time::from_number(number.as_f64().unwrap_or(f64::NAN)),
            },
            Some(Json::String(text)) => time::from_text(text, input.zone),
            _ => continue,
        };
        match said {
            Ok(ms) => return Some(ms),
            Err(flaw) => wrong = wrong.or(Some(flaw)),
        }
    }
    wrong.into_iter().filter(|flaw| flaw.reason != Reason::TimeWithoutOffset).for_each(|flaw| flaws.add(flaw));
    None
}

/// What a state of a payload is: `None`, nothing is said of it; `Some(None)`, it has no value.
fn value(
    input: &mut Input<'_>,
    templates: &mut Templates,
    part: &Part,
    payload: &mut Payload<'_>,
) -> Result<Option<Option<Value>>, Rejection> {
    match templates.render(part.template.as_ref(), payload)? {
        Rendered::Absent => Ok(None),
        Rendered::Null => Ok(Some(None)),
        Rendered::Number(number) => part.meaning.read_number(input, &part.metric, number).map(Some),
        Rendered::Text(text) if text.trim().is_empty() => Ok(None),
        Rendered::Text(text) => part.meaning.read(input, &part.metric, &text).map(Some),
    }
}

/// Whether a payload on a topic of availability says that the device is there; `None` where it says neither.
fn is_available(
    input: &Input<'_>,
    templates: &mut Templates,
    device: Option<&Device>,
    payload: &mut Payload<'_>,
) -> Result<Option<bool>, Rejection> {
    let items = device.into_iter().flat_map(|device| &device.watches).flat_map(|watched| &watched.watch.items);
    for item in items.filter(|item| *item.topic == *input.topic()) {
        let text = match templates.render(item.template.as_ref(), payload)? {
            Rendered::Text(text) => text,
            Rendered::Number(number) => number.to_string().into(),
            Rendered::Null | Rendered::Absent => continue,
        };
        if *text == *item.available {
            return Ok(Some(true));
        }
        if *text == *item.gone {
            return Ok(Some(false));
        }
    }
    Ok(None)
}

impl Format for HomeAssistant {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        self.is_described(input)
            || below_prefix(input).is_some_and(|below| below == "status" || Subject::of(below).is_some())
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let mut flaws = Flaws::default();
        match below_prefix(input).and_then(Subject::of) {
            Some(subject) => self.configure(input, &subject, &mut flaws)?,
            None => self.state(input, out, &mut flaws)?,
        }
        flaws.into_result(&mut out.further)
    }

    fn clear(&mut self, input: &Input<'_>) {
        if below_prefix(input).and_then(Subject::of).is_some() {
            self.register.forget(input.topic(), input.position());
        }
    }

    fn forget(&mut self, device: &str) {
        self.register.forget_device(device);
    }

    fn remembers(&self, device: &str) -> bool {
        self.register.devices.get(device).is_some()
    }

    fn freeze(&self) -> Option<Frozen> {
        Some(self.register.freeze())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.register.restore(state)?;
        for part in self.register.topics.states_mut().flat_map(|topic| &mut topic.parts) {
            part.facts = self.kept.one_of((*part.facts).clone());
            part.by = self.texts.one_of(&*part.by);
            part.template = part.template.as_deref().map(|template| self.texts.one_of(template));
        }
        for watched in self.register.devices.states_mut().flat_map(|device| &mut device.watches) {
            watched.watch = self.watches.one_of(Watch::clone(&watched.watch));
        }
        Ok(())
    }
}
