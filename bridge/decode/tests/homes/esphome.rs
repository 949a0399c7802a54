//! ESPHome (<https://esphome.io/components/mqtt>), with and without Home Assistant's discovery of it.

use tidegate_telemetry::Value;

use crate::{House, number, shown, text};

/// As ESPHome 2024 publishes it.
const TEMPERATURE: &str = r#"{"dev_cla":"temperature","unit_of_meas":"°C","stat_cla":"measurement","name":"Room Temperature",
 "stat_t":"livingroom/sensor/room_temperature/state","avty_t":"livingroom/status","uniq_id":"ESPsensorroom_temperature",
 "dev":{"ids":"a4cf12d5e0f7","name":"livingroom","sw":"esphome v2024.2.0 (Jan  8 2024, 14:24:05)","mdl":"nodemcu-32s","mf":"espressif",
 "sa":"Ground floor"}}"#;
const RELAY: &str = r#"{"name":"Relay","stat_t":"livingroom/switch/relay/state","cmd_t":"livingroom/switch/relay/command",
 "avty_t":"livingroom/status","uniq_id":"ESPswitchrelay","dev":{"ids":"a4cf12d5e0f7","name":"livingroom"}}"#;
const LIGHT: &str = r#"{"schema":"json","brightness":true,"name":"Lamp","stat_t":"livingroom/light/lamp/state",
 "cmd_t":"livingroom/light/lamp/command","avty_t":"livingroom/status","dev":{"ids":"a4cf12d5e0f7"}}"#;
const VERSION: &str =
    r#"{"name":"Version","stat_t":"livingroom/text_sensor/version/state","dev":{"ids":"a4cf12d5e0f7"}}"#;

const CONFIGURATIONS: &[(&str, &str)] = &[
    ("homeassistant/sensor/livingroom/room_temperature/config", TEMPERATURE),
    ("homeassistant/switch/livingroom/relay/config", RELAY),
    ("homeassistant/light/livingroom/lamp/config", LIGHT),
    ("homeassistant/sensor/livingroom/version/config", VERSION),
];

const STATES: &[(&str, &str)] = &[
    ("livingroom/sensor/room_temperature/state", "21.4"),
    ("livingroom/switch/relay/state", "ON"),
    ("livingroom/light/lamp/state", r#"{"color_mode":"brightness","state":"ON","brightness":180}"#),
    ("livingroom/text_sensor/version/state", "2024.2"),
    ("livingroom/sensor/room_temperature/state", "nan"),
];

pub(crate) const SAMPLES: &[(&str, &str)] = &[
    CONFIGURATIONS[0],
    CONFIGURATIONS[2],
    STATES[0],
    STATES[1],
    STATES[2],
    ("livingroom/status", "online"),
    ("livingroom/climate/stove/mode/state", "heat"),
];

#[test]
fn states_of_a_node_are_metrics_of_one_device() {
    let mut house = House::new();
    let said: Vec<_> = STATES.iter().map(|(topic, payload)| house.hear(topic, payload)).collect();
    assert!(said.iter().all(|said| said.of() == ("livingroom", "ESPHome")));
    assert_eq!(said[0].values(), [("room_temperature", number(21.4))]);
    assert_eq!(said[1].values(), [("relay", Value::Bool(true))]);
    assert_eq!(said[2].value("lamp.brightness"), number(180.0));
    assert_eq!(said[3].values(), [("version", text("2024.2"))]);
    assert_eq!(said[4].0.readings[0].without_value, ["room_temperature".into()]);
}

#[test]
fn discovery_adds_what_is_known_and_changes_no_name() {
    let mut house = House::new();
    let bare: Vec<_> = STATES.iter().map(|(topic, payload)| house.hear(topic, payload)).collect();
    CONFIGURATIONS.iter().for_each(|(topic, payload)| house.hear(topic, payload).is_nothing());
    house.restart();
    for (bare, (topic, payload)) in bare.iter().zip(STATES) {
        let described = house.hear(topic, payload);
        assert_eq!(described.of().0, bare.of().0);
        for (metric, value) in described.values() {
            assert_eq!(bare.value(metric), value, "{metric}");
        }
        assert_eq!(described.0.readings[0].without_value, bare.0.readings[0].without_value);
    }
    let said = house.hear(STATES[0].0, STATES[0].1);
    assert_eq!((said.of().1, shown(said.facts("room_temperature"))), ("Ground floor", ("°C", "temperature", None)));
    assert_eq!(
        (said.device().maker.as_deref(), said.device().model.as_deref()),
        (Some("espressif"), Some("nodemcu-32s"))
    );
}

#[test]
fn the_status_of_a_node_that_is_known_is_its_availability() {
    for described in [false, true] {
        let mut house = House::new();
        match described {
            true => house.hear(CONFIGURATIONS[0].0, CONFIGURATIONS[0].1).is_nothing(),
            false => drop(house.hear(STATES[0].0, STATES[0].1)),
        }
        house.restart();
        for (payload, is) in [("offline", false), ("online", true)] {
            let said = house.hear("livingroom/status", payload);
            assert_eq!((said.availability(), said.0.readings.len()), (vec![("livingroom", is)], 0));
        }
        house.hear("livingroom/debug", "\u{1b}[0;36m[D][sensor:094]: 'Room'\u{1b}[0m").is_nothing();
    }
    assert_eq!(House::new().hear("pump/status", "online").of().0, "pump", "nobody said that it is a node");
}

#[test]
fn climate_and_covers_have_states_below_their_object() {
    let mut house = House::new();
    let mode = house.hear("esp/climate/stove/mode/state", "off");
    assert_eq!((mode.of().0, mode.values()), ("esp", vec![("stove.mode", text("off"))]));
    let temperature = house.hear("esp/climate/stove/current_temperature/state", "19.5");
    assert_eq!(temperature.values(), [("stove.current_temperature", number(19.5))]);
    assert_eq!(house.hear("a/b/cover/blind/position/state", "40").of().0, "a/b");
}

#[test]
fn commands_are_no_readings_and_topics_of_other_forms_are_of_others() {
    let mut house = House::new();
    assert_eq!(
        house.hear("livingroom/switch/relay/command", "ON").of().0,
        "livingroom/switch/relay",
        "of nobody known"
    );
    house.hear("livingroom/switch/relay/state", "ON");
    house.hear("livingroom/switch/relay/command", "ON").is_nothing();
    let mut described = House::new();
    CONFIGURATIONS.iter().for_each(|(topic, payload)| described.hear(topic, payload).is_nothing());
    described.hear("livingroom/switch/relay/command", "ON").is_nothing();
    described.hear("livingroom/light/lamp/command", r#"{"state":"ON"}"#).is_nothing();
    for topic in ["site/a/dev7/state", "site/sensor/Dev 7/state", "sensor/x/state", "homeassistant/sensor/x/state"] {
        assert_eq!(house.hear(topic, "1").values(), [("state", number(1.0))], "{topic}");
    }
}

#[test]
fn telemetry_of_others_on_topics_of_these_forms_is_read() {
    let mut house = House::new();
    let said = house.hear("plant/sensor/s1/state", r#"{"deviceId":"s1","temperature":23.5}"#);
    assert_eq!((said.of().0, said.values()), ("s1", vec![("temperature", number(23.5))]));
    assert_eq!(house.hear("plant/sensor/s1/state", r#"[{"deviceId":"s2","t":1}]"#).of().0, "s2");
    assert_eq!(house.hear("hall/sensor/dev1/state", "3").of(), ("hall", "ESPHome"));
    for topic in ["hall/status", "hall/debug", "hall/switch/relay/command"] {
        assert_eq!(house.hear(topic, r#"{"t":1}"#).values(), [("t", number(1.0))], "{topic}");
    }
    for topic in ["hall/status", "hall/debug"] {
        assert_eq!(house.hear(topic, "7").values().len(), 1, "{topic}");
    }
    assert_eq!(house.hear("hall/status", "online").availability(), [("hall", true)]);
    for line in ["[D][sensor:094]: 'Room'", "\u{1b}[0;32m[I][app:100]: on\u{1b}[0m"] {
        house.hear("hall/debug", line).is_nothing();
    }
}
