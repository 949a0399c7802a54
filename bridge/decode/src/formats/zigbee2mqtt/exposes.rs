//! What a device exposes (<https://www.zigbee2mqtt.io/guide/usage/exposes.html>).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tidegate_telemetry::{MetricFacts, StateClass, Value};

use crate::format::Input;

/// Published states have this bit of `access`.
const STATE: u64 = 0b001;
/// Deepest nesting of features.
const DEPTH_MAX: usize = 8;

/// An element of `exposes`, or of `features` in one.
#[derive(Deserialize)]
pub(super) struct Expose {
    #[serde(default, rename = "type")]
    kind: String,
    name: Option<String>,
    label: Option<String>,
    property: Option<String>,
    access: Option<u64>,
    unit: Option<String>,
    #[serde(default)]
    value_on: Json,
    #[serde(default)]
    value_off: Json,
    #[serde(default)]
    values: Vec<Json>,
    #[serde(default)]
    features: Vec<Expose>,
}

/// What is known of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Exposed {
    pub(super) metric: Arc<str>,
    pub(super) facts: Arc<MetricFacts>,
    kind: Kind,
}

/// What its texts mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Other,
    /// The texts for `true` and `false`.
    Binary(String, String),
    /// One of these texts, even where it looks like a switch.
    Enum(Vec<String>),
}

impl Exposed {
    /// Makes of a value that is not a number what it means.
    pub(super) fn correct(&self, value: &mut Value) {
        let meant = match (&self.kind, &*value) {
            (Kind::Binary(on, _), Value::Text(text)) if **text == **on => Value::Bool(true),
            (Kind::Binary(_, off), Value::Text(text)) if **text == **off => Value::Bool(false),
            (Kind::Enum(values), Value::Bool(on)) => match values.iter().find(|text| switch(text) == Some(*on)) {
                Some(text) => Value::Text(text.as_str().into()),
                None => return,
            },
            _ => return,
        };
        *value = meant;
    }
}

/// Which switch a text would be taken for.
fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "open" | "true" | "yes" => Some(true),
        "off" | "closed" | "false" | "no" => Some(false),
        _ => None,
    }
}

impl Expose {
    /// Adds what it says of metrics below `prefix`.
    pub(super) fn add_to(&self, input: &mut Input<'_>, prefix: &str, metrics: &mut Vec<Exposed>) {
        let is_full = metrics.len() >= input.config.metrics_max;
        if is_full || prefix.split('.').count() > DEPTH_MAX || self.access.is_some_and(|access| access & STATE == 0) {
            return;
        }
        let Some(property) = self.property.as_ref().filter(|property| !property.is_empty()) else {
            return self.features.iter().for_each(|feature| feature.add_to(input, prefix, metrics));
        };
        let path = format!("{prefix}{property}");
        match &*self.kind {
            "composite" => {
                let below = format!("{path}.");
                self.features.iter().for_each(|feature| feature.add_to(input, &below, metrics));
            }
            "numeric" | "binary" | "enum" | "text" => {
                // Two features may be one property: color as x, y and as hue, saturation.
                if metrics.iter().all(|known| *known.metric != *path)
                    && let Ok(metric) = input.name("property", &path)
                {
                    metrics.push(Exposed { metric, facts: Arc::new(self.facts()), kind: self.meaning() });
                }
            }
            _ => {}
        }
    }

    fn facts(&self) -> MetricFacts {
        let name = self.name.as_deref().unwrap_or_default();
        let (class, state_class) = quantity(name);
        let is_number = self.kind == "numeric";
        let text = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(Arc::<str>::from);
        MetricFacts {
            unit: if is_number { text(&self.unit) } else { Some("".into()) },
            decimals: None,
            class: if is_number { class.map(Arc::from) } else { self.switched(name).map(Arc::from) },
            state_class: if is_number { state_class } else { None },
            words: self.words(name),
            name: text(&self.label),
        }
    }

    fn switched(&self, name: &str) -> Option<&'static str> {
        if self.kind == "binary" { binary(name) } else { None }
    }

    fn words(&self, name: &str) -> Option<[Arc<str>; 2]> {
        if self.kind != "binary" {
            return None;
        }
        match (&self.value_off, &self.value_on) {
            // A contact that touches is a door that is shut.
            (Json::Bool(true), Json::Bool(false)) if name.contains("contact") => Some(["open".into(), "closed".into()]),
            (Json::String(off), Json::String(on)) if switch(off).is_none() || switch(on).is_none() => {
                Some([off.to_lowercase().into(), on.to_lowercase().into()])
            }
            _ => None,
        }
    }

    fn meaning(&self) -> Kind {
        match (&*self.kind, &self.value_on, &self.value_off) {
            ("binary", Json::String(on), Json::String(off)) => Kind::Binary(on.clone(), off.clone()),
            ("enum", ..) => {
                let texts = self.values.iter().filter_map(Json::as_str).filter(|text| switch(text).is_some());
                Kind::Enum(texts.map(str::to_owned).collect())
            }
            _ => Kind::Other,
        }
    }
}

/// Class of a number by the name that Zigbee2MQTT's converters give it, and how it goes on.
fn quantity(name: &str) -> (Option<&'static str>, Option<StateClass>) {
    let measured = |class| (Some(class), Some(StateClass::Measurement));
    let counted = |class| (Some(class), Some(StateClass::TotalIncreasing));
    match name {
        "temperature"
        | "device_temperature"
        | "local_temperature"
        | "soil_temperature"
        | "cpu_temperature"
        | "external_temperature"
        | "floor_temperature" => measured("temperature"),
        "humidity" => measured("humidity"),
        "soil_moisture" => measured("moisture"),
        "pressure" => measured("atmospheric_pressure"),
        "battery" => measured("battery"),
        "voltage" | "battery_voltage" => measured("voltage"),
        "current" => measured("current"),
        "power" => measured("power"),
        "power_apparent" => measured("apparent_power"),
        "power_reactive" => measured("reactive_power"),
        "power_factor" => measured("power_factor"),
        "ac_frequency" => measured("frequency"),
        "energy" | "produced_energy" | "consumed_energy" => counted("energy"),
        "water_consumed" => counted("water"),
        "volume" => counted("volume"),
        "illuminance" | "illuminance_lux" => measured("illuminance"),
        "co2" => measured("carbon_dioxide"),
        "co" => measured("carbon_monoxide"),
        "pm1" => measured("pm1"),
        "pm25" => measured("pm25"),
        "pm10" => measured("pm10"),
        "voc" | "voc_parts" => measured("volatile_organic_compounds"),
        "aqi" => measured("aqi"),
        "distance" | "target_distance" => measured("distance"),
        "noise" => measured("sound_pressure"),
        "flow" => measured("volume_flow_rate"),
        "linkquality" | "formaldehyd" | "hcho" | "gas_value" | "eco2" => (None, Some(StateClass::Measurement)),
        _ => (None, None),
    }
}

/// Class of a switch, likewise.
fn binary(name: &str) -> Option<&'static str> {
    Some(match name {
        "contact" => "door",
        "garage_door_contact" => "garage_door",
        "occupancy" => "motion",
        "presence" => "presence",
        "water_leak" => "moisture",
        "smoke" => "smoke",
        "carbon_monoxide" => "carbon_monoxide",
        "gas" => "gas",
        "tamper" => "tamper",
        "vibration" => "vibration",
        "battery_low" => "battery",
        "moving" => "moving",
        "sos" => "safety",
        "window" => "window",
        "valve_state" => "opening",
        "consumer_connected" => "connectivity",
        _ => return None,
    })
}
