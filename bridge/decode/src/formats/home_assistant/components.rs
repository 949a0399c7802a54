//! What each component of Home Assistant has states of.

use std::sync::Arc;

use super::keys::Keys;
use crate::meaning::Meaning;

/// A state of a component.
#[derive(Debug, PartialEq)]
pub(super) struct Role {
    /// The key that names its topic.
    pub(super) topic: &'static str,
    /// The key that names its template.
    pub(super) template: &'static str,
    /// The template where none is named.
    pub(super) implied: Option<&'static str>,
    /// Its name below that of the entity; empty: it is the main one.
    pub(super) name: &'static str,
    kind: Kind,
}

#[derive(Debug, PartialEq)]
enum Kind {
    Number,
    Sensor,
    Switch,
    Text,
    Any,
}

const fn role(topic: &'static str, template: &'static str, name: &'static str, kind: Kind) -> Role {
    Role { topic, template, implied: None, name, kind }
}

const fn implied(topic: &'static str, template: &'static str, name: &'static str, kind: Kind) -> Role {
    Role { topic, template: "", implied: Some(template), name, kind }
}

const MAIN: &str = "state_topic";
const VALUE: &str = "value_template";

const SENSOR: &[Role] = &[role(MAIN, VALUE, "", Kind::Sensor)];
const SWITCH: &[Role] = &[role(MAIN, VALUE, "", Kind::Switch)];
const NUMBER: &[Role] = &[role(MAIN, VALUE, "", Kind::Number)];
const TEXT: &[Role] = &[role(MAIN, VALUE, "", Kind::Text)];
const ANY: &[Role] = &[role(MAIN, VALUE, "", Kind::Any)];
const COVER: &[Role] = &[
    role(MAIN, VALUE, "", Kind::Any),
    role("position_topic", "position_template", "position", Kind::Number),
    role("tilt_status_topic", "tilt_status_template", "tilt", Kind::Number),
];
const FAN: &[Role] = &[
    role(MAIN, "state_value_template", "", Kind::Switch),
    role("percentage_state_topic", "percentage_value_template", "percentage", Kind::Number),
    role("preset_mode_state_topic", "preset_mode_value_template", "preset_mode", Kind::Text),
    role("oscillation_state_topic", "oscillation_value_template", "oscillation", Kind::Any),
];
const LIGHT: &[Role] = &[
    role(MAIN, "state_value_template", "", Kind::Switch),
    role("brightness_state_topic", "brightness_value_template", "brightness", Kind::Number),
    role("color_temp_state_topic", "color_temp_value_template", "color_temp", Kind::Number),
    role("effect_state_topic", "effect_value_template", "effect", Kind::Text),
];
const LIGHT_JSON: &[Role] = &[
    implied(MAIN, "{{ value_json.state }}", "state", Kind::Switch),
    implied(MAIN, "{{ value_json.brightness }}", "brightness", Kind::Number),
    implied(MAIN, "{{ value_json.color_temp }}", "color_temp", Kind::Number),
    implied(MAIN, "{{ value_json.effect }}", "effect", Kind::Text),
];
const LIGHT_TEMPLATE: &[Role] = &[role(MAIN, "state_template", "", Kind::Any)];
const CLIMATE: &[Role] = &[
    role("current_temperature_topic", "current_temperature_template", "current_temperature", Kind::Number),
    role("temperature_state_topic", "temperature_state_template", "target_temperature", Kind::Number),
    role("temperature_low_state_topic", "temperature_low_state_template", "target_temperature_low", Kind::Number),
    role("temperature_high_state_topic", "temperature_high_state_template", "target_temperature_high", Kind::Number),
    role("current_humidity_topic", "current_humidity_template", "current_humidity", Kind::Number),
    role("target_humidity_state_topic", "target_humidity_state_template", "target_humidity", Kind::Number),
    role("mode_state_topic", "mode_state_template", "mode", Kind::Text),
    role("action_topic", "action_template", "action", Kind::Text),
    role("fan_mode_state_topic", "fan_mode_state_template", "fan_mode", Kind::Text),
    role("swing_mode_state_topic", "swing_mode_state_template", "swing_mode", Kind::Text),
    role("preset_mode_state_topic", "preset_mode_value_template", "preset_mode", Kind::Text),
];
const HUMIDIFIER: &[Role] = &[
    role(MAIN, "state_value_template", "", Kind::Switch),
    role("current_humidity_topic", "current_humidity_template", "current_humidity", Kind::Number),
    role("target_humidity_state_topic", "target_humidity_state_template", "target_humidity", Kind::Number),
    role("mode_state_topic", "mode_state_template", "mode", Kind::Text),
    role("action_topic", "action_template", "action", Kind::Text),
];
const TRACKER: &[Role] = &[
    role(MAIN, VALUE, "", Kind::Text),
    implied("json_attributes_topic", "{{ value_json.latitude }}", "latitude", Kind::Number),
    implied("json_attributes_topic", "{{ value_json.longitude }}", "longitude", Kind::Number),
    implied("json_attributes_topic", "{{ value_json.gps_accuracy }}", "gps_accuracy", Kind::Number),
];
const EVENT: &[Role] = &[Role { implied: Some("{{ value_json.event_type }}"), ..role(MAIN, VALUE, "", Kind::Text) }];
const UPDATE: &[Role] = &[
    Role {
        implied: Some("{{ value_json.installed_version if value_json is mapping else value }}"),
        ..role(MAIN, VALUE, "installed_version", Kind::Text)
    },
    role("latest_version_topic", "latest_version_template", "latest_version", Kind::Text),
];
const UPDATE_ALONE: &[Role] = &[
    implied(
        MAIN,
        "{{ value_json.installed_version if value_json is mapping else value }}",
        "installed_version",
        Kind::Text,
    ),
    implied(MAIN, "{{ value_json.latest_version if value_json is mapping }}", "latest_version", Kind::Text),
];
const VACUUM: &[Role] = &[
    implied(MAIN, "{{ value_json.state }}", "state", Kind::Text),
    implied(MAIN, "{{ value_json.battery_level }}", "battery_level", Kind::Number),
];
const MOWER: &[Role] = &[role("activity_state_topic", "activity_value_template", "", Kind::Text)];

/// The states of a component; `None` for one that is not known.
pub(super) fn roles(component: &str, keys: &Keys<'_>) -> Option<&'static [Role]> {
    Some(match component {
        "sensor" => SENSOR,
        "binary_sensor" | "switch" | "siren" => SWITCH,
        "number" => NUMBER,
        "select" | "text" | "alarm_control_panel" | "date" | "time" | "datetime" => TEXT,
        "lock" => ANY,
        "cover" | "valve" => COVER,
        "fan" => FAN,
        "light" => match keys.text("schema") {
            Some("json") => LIGHT_JSON,
            Some("template") => LIGHT_TEMPLATE,
            _ => LIGHT,
        },
        "climate" | "water_heater" => CLIMATE,
        "humidifier" => HUMIDIFIER,
        "device_tracker" => TRACKER,
        "event" => EVENT,
        "update" if keys.text(VALUE).is_some() || keys.text("latest_version_topic").is_some() => UPDATE,
        "update" => UPDATE_ALONE,
        "vacuum" => VACUUM,
        "lawn_mower" => MOWER,
        "button" | "scene" | "notify" | "camera" | "image" | "tag" | "device_automation" => &[],
        _ => return None,
    })
}

impl Role {
    /// What texts of this state mean, in this configuration.
    pub(super) fn meaning(&self, keys: &Keys<'_>) -> Meaning {
        match self.kind {
            Kind::Number => Meaning::Number,
            Kind::Text => Meaning::Text,
            Kind::Any => Meaning::Any,
            Kind::Sensor => sensor(keys),
            Kind::Switch => {
                let text = |first, second, default| {
                    let text = keys.payload(first).or_else(|| keys.payload(second));
                    text.map_or_else(|| Arc::from(default), Arc::from)
                };
                Meaning::Switch(text("state_on", "payload_on", "ON"), text("state_off", "payload_off", "OFF"))
            }
        }
    }

    /// The class of a state that is not the main one.
    pub(super) fn class(&self) -> Option<&'static str> {
        match self.name {
            name if name.contains("temperature") => Some("temperature"),
            name if name.contains("humidity") => Some("humidity"),
            "battery_level" => Some("battery"),
            _ => None,
        }
    }
}

/// A sensor with a unit or a state class has numbers; times and words of a list are texts.
fn sensor(keys: &Keys<'_>) -> Meaning {
    match keys.text("device_class") {
        Some("timestamp" | "date" | "enum") => Meaning::Text,
        Some(_) => Meaning::Number,
        None if keys.text("unit_of_measurement").is_some() || keys.text("state_class").is_some() => Meaning::Number,
        None => Meaning::Any,
    }
}
