//! ESPHome: `{node}/{component}/{object}/state` has the state of one thing, `{node}/status` whether the node is there
//! (<https://esphome.io/components/mqtt>). Home Assistant's discovery may describe the same topics: device and metrics have
//! the same names then.

use tidegate_telemetry::{Availability, Decoded, Frozen, Reading, Rejection};

use super::json::{self, Found};
use crate::config::DecodeConfig;
use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input, StateError};
use crate::meaning::Meaning;
use crate::sources::Sources;

pub(super) const ESPHOME: FormatEntry = FormatEntry {
    name: "esphome",
    meaning: "ESPHome without Home Assistant's discovery",
    new: |config| Box::new(EspHome::new(config)),
};

/// The group of nodes that say no place.
pub(super) const GROUP: &str = "ESPHome";

/// Components that have a state.
const COMPONENTS: [&str; 18] = [
    "sensor",
    "binary_sensor",
    "switch",
    "text_sensor",
    "light",
    "fan",
    "cover",
    "climate",
    "number",
    "select",
    "text",
    "lock",
    "valve",
    "event",
    "date",
    "time",
    "datetime",
    "alarm_control_panel",
];

/// States besides the main one.
const PARTS: [&str; 18] = [
    "mode",
    "action",
    "current_temperature",
    "target_temperature",
    "target_temperature_low",
    "target_temperature_high",
    "current_humidity",
    "target_humidity",
    "fan_mode",
    "custom_fan_mode",
    "swing_mode",
    "preset",
    "custom_preset",
    "position",
    "tilt",
    "speed_level",
    "oscillation",
    "direction",
];

/// What a topic of ESPHome is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Subject<'t> {
    pub(super) node: &'t str,
    pub(super) component: &'t str,
    /// Name of the thing, and below it that of a state besides the main one.
    object: &'t str,
    part: Option<&'t str>,
}

impl<'t> Subject<'t> {
    /// Of `{node}/{component}/{object}/state`, which nothing else looks like; `None` for another topic.
    pub(super) fn of_state(topic: &'t str) -> Option<Subject<'t>> {
        Subject::above(topic.strip_suffix("/state")?)
    }

    fn above(path: &'t str) -> Option<Subject<'t>> {
        let (above, last) = path.rsplit_once('/')?;
        let (node, component) = above.rsplit_once('/')?;
        if COMPONENTS.contains(&component) {
            return Subject::new(node, component, last, None);
        }
        // One level deeper: the last one is a part of an object.
        let (object, part) = (component, Some(last).filter(|part| PARTS.contains(part))?);
        let (node, component) = node.rsplit_once('/').filter(|(_, component)| COMPONENTS.contains(component))?;
        Subject::new(node, component, object, part.into())
    }

    fn new(node: &'t str, component: &'t str, object: &'t str, part: Option<&'t str>) -> Option<Subject<'t>> {
        let is_id = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
        let is_subject = !node.is_empty() && !object.is_empty() && object.bytes().all(is_id);
        // What Home Assistant publishes of its own entities has the same form.
        let is_of_others = node.split('/').next() == Some("homeassistant");
        (is_subject && !is_of_others).then_some(Subject { node, component, object, part })
    }

    /// Whether its state may be a JSON object.
    fn has_json(&self) -> bool {
        matches!(self.component, "light" | "event" | "fan")
    }

    /// The metric of its state; `within` is a path in a payload that is JSON.
    pub(super) fn metric(&self, within: Option<&str>) -> String {
        let parts = [Some(self.object), self.part, within];
        parts.into_iter().flatten().collect::<Vec<_>>().join(".")
    }

    /// What its texts mean, where nothing more is known.
    pub(super) fn meaning(&self) -> Meaning {
        match self.component {
            "text_sensor" | "select" | "text" | "date" | "time" | "datetime" | "event" => Meaning::Text,
            "climate" if self.part.is_some_and(|part| !part.contains("temperature") && !part.contains("humidity")) => {
                Meaning::Text
            }
            _ => Meaning::Any,
        }
    }
}

/// The node whose log or command this is; `None` where the payload does not look like one. Neither is telemetry.
pub(super) fn node_aside<'t>(topic: &'t str, text: &str) -> Option<&'t str> {
    if let Some(node) = topic.strip_suffix("/debug") {
        return is_log(text).then_some(node);
    }
    let subject = topic.strip_suffix("/command").and_then(Subject::above)?;
    (!text.starts_with(['{', '[']) || subject.has_json()).then_some(subject.node)
}

/// A line of the log: `[D][sensor:094]: …`, with a colour before it or not.
fn is_log(text: &str) -> bool {
    let level = |rest: &str| rest.starts_with(|first: char| first.is_ascii_uppercase()) && rest.contains("][");
    text.starts_with('\u{1b}') || text.strip_prefix('[').is_some_and(level)
}

#[derive(Debug)]
struct EspHome {
    /// Nodes that sent a state.
    nodes: Sources<bool>,
}

impl EspHome {
    fn new(config: &DecodeConfig) -> Self {
        EspHome { nodes: Sources::new(config.sources_max) }
    }
}

impl Format for EspHome {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        let topic = input.topic();
        let Ok(text) = input.text() else { return Subject::of_state(topic).is_some() };
        if let Some(subject) = Subject::of_state(topic) {
            return !text.starts_with(['{', '[']) || subject.has_json();
        }
        if let Some(node) = topic.strip_suffix("/status") {
            return matches!(text, "online" | "offline") && self.nodes.get(node).is_some();
        }
        node_aside(topic, text).is_some_and(|node| self.nodes.get(node).is_some())
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let topic = input.topic();
        if let Some(subject) = Subject::of_state(topic) {
            *self.nodes.of(subject.node, input.position()) = true;
            return state(input, &subject, out);
        }
        let Some(node) = topic.strip_suffix("/status") else { return Ok(()) };
        let device = input.name("node", node)?;
        match input.text()? {
            "online" => out.availability.push(Availability { device, is_connected: true }),
            "offline" => out.availability.push(Availability { device, is_connected: false }),
            _ => {}
        }
        Ok(())
    }

    fn forget(&mut self, device: &str) {
        self.nodes.remove(device);
    }

    fn remembers(&self, device: &str) -> bool {
        self.nodes.get(device).is_some()
    }

    fn freeze(&self) -> Option<Frozen> {
        Some(self.nodes.freeze())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.nodes.restore(state)
    }
}

fn state(input: &mut Input<'_>, subject: &Subject<'_>, out: &mut Decoded) -> Result<(), Rejection> {
    let text = input.text()?;
    let mut flaws = Flaws::default();
    let found = match text.starts_with('{') && subject.has_json() {
        true => {
            let found = json::found(input, text, &[], &mut flaws)?;
            below(input, subject, found)?
        }
        false => {
            let name = subject.metric(None);
            let value = subject.meaning().read(input, &name, text)?;
            let metric = input.name("metric", &name)?;
            match value {
                Some(value) => Found { metrics: [(metric, value)].into_iter().collect(), ..Found::default() },
                None => Found { without_value: vec![metric], ..Found::default() },
            }
        }
    };
    let (device, group) = (input.name("node", subject.node)?, input.name("group", GROUP)?);
    let Found { metrics, without_value, .. } = found;
    if !metrics.is_empty() || !without_value.is_empty() {
        out.readings.push(Reading { device, group, time_ms: None, corrects: false, metrics, without_value });
    }
    flaws.into_result(&mut out.further)
}

/// With the name of the object before the names in its JSON.
fn below(input: &mut Input<'_>, subject: &Subject<'_>, mut found: Found) -> Result<Found, Rejection> {
    for (metric, _) in &mut found.metrics {
        *metric = input.name("metric", &subject.metric(Some(metric)))?;
    }
    for metric in &mut found.without_value {
        *metric = input.name("metric", &subject.metric(Some(metric)))?;
    }
    Ok(found)
}
