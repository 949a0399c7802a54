//! Home Assistant's discovery (<https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery>).

use tidegate_telemetry::{Reason, StateClass, Value};

use crate::{House, number, shown, text};

/// As Home Assistant's documents have it: one component on a topic.
const HUMIDITY: &str = r#"{"device_class":"humidity","state_topic":"homeassistant/sensor/sensorBedroom/state",
 "unit_of_measurement":"%","value_template":"{{ value_json.humidity}}","unique_id":"hum01ae","expire_after":3600,
 "suggested_display_precision":1,
 "device":{"identifiers":["bedroom01ae"],"name":"Bedroom","manufacturer":"Example sensors Ltd.","model":"Example Sensor",
 "model_id":"K9","serial_number":"12AE3010545","hw_version":"1.01a","sw_version":"2024.1.0","suggested_area":"Upstairs"}}"#;
const TEMPERATURE: &str = r#"{"dev_cla":"temperature","~":"homeassistant/sensor/sensorBedroom","stat_t":"~/state",
 "unit_of_meas":"°C","stat_cla":"measurement","val_tpl":"{{ value_json.temperature | round(1) }}","name":"Warmth",
 "uniq_id":"temp01ae","dev":{"ids":["bedroom01ae"]}}"#;

/// As Home Assistant's documents have it: all components of a device.
const DEVICE: &str = r#"{"dev":{"ids":"ea334450945afc","name":"Kitchen","mf":"Bla electronics","mdl":"xya","sw":"1.0","sn":"ea334450945afc",
  "hw":"1.0rev2"},
 "o":{"name":"bla2mqtt","sw":"2.1","url":"https://bla2mqtt.example.com/support"},
 "cmps":{
  "some_unique_component_id1":{"p":"sensor","device_class":"temperature","unit_of_measurement":"°C",
   "value_template":"{{ value_json.temperature }}","unique_id":"temp01ae_t"},
  "some_unique_id2":{"p":"sensor","device_class":"humidity","unit_of_measurement":"%",
   "value_template":"{{ value_json.humidity }}","unique_id":"temp01ae_h"},
  "door":{"p":"binary_sensor","device_class":"door","state_topic":"sensorBedroom/door","payload_on":"open","payload_off":"shut"},
  "bla1":{"p":"device_automation","automation_type":"trigger","payload":"short_press","topic":"foobar/triggers/button1",
   "type":"button_short_press","subtype":"button_1"}},
 "state_topic":"sensorBedroom/state","qos":2,"availability":[{"topic":"bla/bridge"},
  {"t":"sensorBedroom/there","pl_avail":"yes","pl_not_avail":"no"}],"availability_mode":"all"}"#;

const CLIMATE: &str = r#"{"name":null,"dev":{"ids":["hvac1"],"name":"Hall heating"},"mode_stat_t":"hvac/mode",
 "modes":["off","heat"],"curr_temp_t":"hvac/state","curr_temp_tpl":"{{ value_json.now }}","temp_stat_t":"hvac/state",
 "temp_stat_tpl":"{{ value_json.wanted }}","act_t":"hvac/state",
 "act_tpl":"{% set a = {'idle':'idle','heat':'heating'} %}{{ a[value_json.running] }}","temp_unit":"F","cmd_t":"hvac/set",
 "mode_cmd_t":"hvac/mode/set"}"#;
const TRACKER: &str = r#"{"state_topic":"a4567d663eaf/state","name":"My Tracker","payload_home":"home","payload_not_home":"not_home",
 "json_attributes_topic":"a4567d663eaf/attributes","device":{"identifiers":["a4567d663eaf"],"name":"Phone"}}"#;
const EVENT: &str =
    r#"{"state_topic":"doorbell/state","event_types":["press","hold"],"device":{"identifiers":"bell","name":"Bell"}}"#;
const UPDATE: &str = r#"{"name":"Firmware","state_topic":"shield/update","device":{"identifiers":"shield"}}"#;

pub(crate) const SAMPLES: &[(&str, &str)] = &[
    ("homeassistant/sensor/sensorBedroomH/config", HUMIDITY),
    ("homeassistant/sensor/bedroom/temperature/config", TEMPERATURE),
    ("homeassistant/sensor/sensorBedroom/state", r#"{"temperature":23.456,"humidity":43.70}"#),
    ("homeassistant/device/0AFFD2/bla/config", DEVICE),
    ("sensorBedroom/state", r#"{"temperature":23.456,"humidity":43.70}"#),
    ("sensorBedroom/door", "open"),
    ("sensorBedroom/there", "yes"),
    ("homeassistant/climate/hvac1/config", CLIMATE),
    ("hvac/state", r#"{"now":65,"wanted":68.5,"running":"heat"}"#),
    ("homeassistant/device_tracker/a4567d663eaf/config", TRACKER),
    ("a4567d663eaf/attributes", r#"{"latitude":32.87336,"longitude":-117.22743,"gps_accuracy":1.2}"#),
    ("homeassistant/event/bell/config", EVENT),
    ("doorbell/state", r#"{"event_type":"press","duration":0.1}"#),
    ("homeassistant/update/shield/config", UPDATE),
    ("shield/update", r#"{"installed_version":"2.0","latest_version":"2.1"}"#),
    ("homeassistant/status", "online"),
];

fn house(configurations: &[(&str, &str)]) -> House {
    let mut house = House::new();
    configurations.iter().for_each(|(topic, payload)| house.hear(topic, payload).is_nothing());
    house
}

#[test]
fn components_of_one_device_are_one_device() {
    let mut house = house(&[SAMPLES[0], SAMPLES[1]]);
    let said = house.hear("homeassistant/sensor/sensorBedroom/state", r#"{"temperature":23.456,"humidity":43.70}"#);
    assert_eq!(said.of(), ("homeassistant/bedroom01ae", "Upstairs"));
    assert_eq!(said.values(), [("humidity", number(43.7)), ("temperature", number(23.5))]);
    let facts = said.device();
    let texts = [&facts.name, &facts.model, &facts.maker, &facts.firmware].map(|text| text.as_deref().unwrap());
    assert_eq!(texts, ["Bedroom", "Example Sensor", "Example sensors Ltd.", "2024.1.0"]);
    assert_eq!(facts.report_ms, Some(3_600_000));
    assert_eq!(shown(said.facts("temperature")), ("°C", "temperature", None));
    assert_eq!(said.facts("temperature").state_class, Some(StateClass::Measurement));
    assert_eq!((said.facts("temperature").name.as_deref(), said.facts("humidity").decimals), (Some("Warmth"), Some(1)));
}

#[test]
fn a_device_is_described_in_one_message_too() {
    let mut house = house(&[SAMPLES[3]]);
    let said = house.hear("sensorBedroom/state", r#"{"temperature":23.4,"humidity":43.70}"#);
    assert_eq!(said.of(), ("homeassistant/ea334450945afc", "bla2mqtt"));
    assert_eq!(said.values(), [("temperature", number(23.4)), ("humidity", number(43.7))]);
    assert_eq!(said.device().maker.as_deref(), Some("Bla electronics"));
    let door = house.hear("sensorBedroom/door", "open");
    assert_eq!((door.of().0, door.value("door")), ("homeassistant/ea334450945afc", Value::Bool(true)));
    assert_eq!(shown(door.facts("door")), ("", "door", Some(["shut", "open"])));
    assert_eq!(house.say("sensorBedroom/door", "ajar").reasons(), [Reason::NotUnderstood]);
}

#[test]
fn a_component_that_is_not_listed_any_more_goes_and_so_does_what_is_cleared() {
    let mut house = house(&[SAMPLES[3]]);
    let without = DEVICE.replace(r#""p":"binary_sensor","#, r#""p":"button","#);
    house.hear("homeassistant/device/0AFFD2/bla/config", without).is_nothing();
    assert_eq!(house.hear("sensorBedroom/door", "open").of().0, "sensorBedroom", "a plain value again");
    assert_eq!(house.hear("sensorBedroom/state", r#"{"humidity":1}"#).of().0, "homeassistant/ea334450945afc");
    house.hear("homeassistant/device/0AFFD2/bla/config", "").is_nothing();
    assert_eq!(house.hear("sensorBedroom/state", r#"{"humidity":1}"#).of().0, "sensorBedroom/state");
    house.hear("bla/bridge", "online");
    assert!(house.hear("sensorBedroom/there", "yes").availability().is_empty());
}

#[test]
fn availability_follows_its_mode_and_its_words() {
    let mut house = house(&[SAMPLES[3]]);
    let device = "homeassistant/ea334450945afc";
    assert_eq!(
        house.hear("sensorBedroom/there", "yes").availability(),
        [(device, false)],
        "the bridge said nothing yet"
    );
    assert_eq!(house.hear("bla/bridge", "online").availability(), [(device, true)]);
    house.restart();
    assert_eq!(house.hear("sensorBedroom/there", "no").availability(), [(device, false)]);
    assert_eq!(house.hear("sensorBedroom/there", "maybe").availability(), []);
    assert_eq!(house.hear("bla/bridge", "online").availability(), [(device, false)]);
    assert_eq!(house.hear("sensorBedroom/there", "yes").availability(), [(device, true)]);
    let any = DEVICE.replace(r#""all""#, r#""any""#);
    house.hear("homeassistant/device/0AFFD2/bla/config", any).is_nothing();
    house.hear("bla/bridge", "offline");
    assert_eq!(house.hear("sensorBedroom/there", "yes").availability(), [(device, true)]);
}

#[test]
fn availability_may_have_a_template() {
    let config = r#"{"stat_t":"x/state","avty":{"t":"x/there","val_tpl":"{{ value_json.state }}"},"dev":{"ids":"x"}}"#;
    let mut house = house(&[("homeassistant/sensor/x/config", config)]);
    assert_eq!(house.hear("x/there", r#"{"state":"offline"}"#).availability(), [("homeassistant/x", false)]);
    assert_eq!(house.hear("x/there", r#"{"state":"online"}"#).availability(), [("homeassistant/x", true)]);
}

#[test]
fn climate_is_read_and_its_commands_are_no_part_of_it() {
    let mut house = house(&[SAMPLES[7]]);
    let said = house.hear("hvac/state", r#"{"now":65,"wanted":68.5,"running":"heat"}"#);
    assert_eq!(said.of(), ("homeassistant/hvac1", "Home Assistant"));
    assert_eq!(said.values(), [("now", number(65.0)), ("wanted", number(68.5)), ("hvac1.action", text("heating"))]);
    assert_eq!(shown(said.facts("now")), ("°F", "temperature", None));
    assert_eq!(house.hear("hvac/mode", "off").values(), [("hvac1.mode", text("off"))]);
    assert_eq!(house.hear("hvac/mode/set", "off").of().0, "hvac/mode", "nobody described it as a state");
}

#[test]
fn trackers_events_and_updates_are_read() {
    let mut house = house(&[SAMPLES[9], SAMPLES[11], SAMPLES[13]]);
    assert_eq!(house.hear("a4567d663eaf/state", "not_home").values(), [("my_tracker", text("not_home"))]);
    let at =
        house.hear("a4567d663eaf/attributes", r#"{"latitude":32.87336,"longitude":-117.22743,"gps_accuracy":1.2}"#);
    assert_eq!((at.of().0, at.value("longitude")), ("homeassistant/a4567d663eaf", number(-117.22743)));
    let event = house.hear("doorbell/state", r#"{"event_type":"press","duration":0.1}"#);
    assert_eq!(event.values(), [("event_type", text("press"))]);
    let update = house.hear("shield/update", r#"{"installed_version":"2.0","latest_version":"2.1"}"#);
    assert_eq!(
        update.values(),
        [("firmware.installed_version", text("2.0")), ("firmware.latest_version", text("2.1"))]
    );
    assert_eq!(house.hear("shield/update", "2.1").values(), [("firmware.installed_version", text("2.1"))]);
}

#[test]
fn a_sensor_that_has_a_unit_is_a_number_or_has_no_value() {
    let mut house = house(&[SAMPLES[0]]);
    let mut say = |payload: &str| house.say("homeassistant/sensor/sensorBedroom/state", payload);
    for none in [r#"{"humidity":"unavailable"}"#, r#"{"humidity":null}"#, r#"{"humidity":"None"}"#] {
        assert_eq!(say(none).0.readings[0].without_value, ["humidity".into()], "{none}");
    }
    say(r#"{"temperature":3}"#).is_nothing();
    say(r#"{"humidity":""}"#).is_nothing();
    assert_eq!(say(r#"{"humidity":"wet"}"#).reasons(), [Reason::NotUnderstood]);
    assert_eq!(say("hello").reasons(), [Reason::InvalidJson]);
    assert_eq!(say(r#"{"humidity":"12.5"}"#).value("humidity"), number(12.5));
}

#[test]
fn booleans_compare_as_python_writes_them() {
    let config =
        r#"{"stat_t":"x/state","val_tpl":"{{ value_json.contact }}","pl_on":false,"pl_off":true,"dev":{"ids":"x"}}"#;
    let mut house = house(&[("homeassistant/binary_sensor/x/contact/config", config)]);
    assert_eq!(house.hear("x/state", r#"{"contact":false}"#).value("contact"), Value::Bool(true));
}

#[test]
fn what_a_more_specific_format_reads_stays_with_it() {
    let config = r#"{"availability":[{"topic":"zigbee2mqtt/bridge/state","value_template":"{{ value_json.state }}"}],
     "device":{"identifiers":["zigbee2mqtt_0x00158d00018255df"],"manufacturer":"Aqara","name":"Kitchen window"},
     "device_class":"battery","enabled_by_default":true,"state_class":"measurement","state_topic":"zigbee2mqtt/Kitchen window",
     "unique_id":"0x00158d00018255df_battery_zigbee2mqtt","unit_of_measurement":"%","value_template":"{{ value_json.battery }}"}"#;
    let mut house = house(&[("homeassistant/sensor/0x00158d00018255df/battery/config", config)]);
    assert_eq!(house.hear("zigbee2mqtt/Kitchen window", r#"{"battery":3}"#).of().0, "zigbee2mqtt/Kitchen window");
    assert!(house.hear("zigbee2mqtt/bridge/state", "offline").availability().is_empty());
    let mut elsewhere = House::with_source("house/#", "ignore", None);
    elsewhere.hear("homeassistant/sensor/x/config", config.replace("zigbee2mqtt/", "house/")).is_nothing();
    elsewhere.hear("house/Kitchen window", r#"{"battery":3}"#).is_nothing();
}

#[test]
fn without_a_device_a_state_is_of_the_device_that_its_topic_names() {
    let mut house = house(&[
        (
            "homeassistant/sensor/a/config",
            r#"{"stat_t":"site/b/dev7","val_tpl":"{{ value_json.t }}","unit_of_meas":"°C"}"#,
        ),
        ("homeassistant/sensor/b/config", r#"{"stat_t":"site/b/dev8/level","unit_of_meas":"m"}"#),
    ]);
    let json = house.hear("site/b/dev7", r#"{"t":4,"other":5}"#);
    assert_eq!((json.of(), json.values()), (("site/b/dev7", "site/b"), vec![("t", number(4.0))]));
    let plain = house.hear("site/b/dev8/level", "2.5");
    assert_eq!((plain.of(), plain.values()), (("site/b/dev8", "site/b"), vec![("level", number(2.5))]));
    assert_eq!(plain.facts("level").unit.as_deref(), Some("m"));
}

#[test]
fn two_states_of_one_path_have_names_of_their_own() {
    let config = |n: u8| {
        format!(r#"{{"stat_t":"r/{n}","val_tpl":"{{{{ value_json.state }}}}","name":"Relay {n}","dev":{{"ids":"r"}}}}"#)
    };
    let mut house = House::new();
    for n in 1..=2 {
        house.hear(&format!("homeassistant/switch/r/relay{n}/config"), config(n)).is_nothing();
    }
    assert_eq!(house.hear("r/1", r#"{"state":"ON"}"#).values(), [("state", Value::Bool(true))]);
    assert_eq!(house.hear("r/2", r#"{"state":"OFF"}"#).values(), [("relay_2", Value::Bool(false))]);
}

#[test]
fn what_cannot_be_read_is_told_by_name_and_costs_nothing_else() {
    let mut house = House::new();
    for (config, named) in [
        (r#"{"stat_t":"x/state","val_tpl":"{{ value | frobnicate }}"}"#, "frobnicate"),
        (r#"{"stat_t":"x/state","val_tpl":"{{ states('sensor.y') }}"}"#, "states"),
        (r#"{"stat_t":"x/+/state"}"#, "wildcard"),
        (r#"{"stat_t":"#, "no JSON"),
        (r#"[1]"#, "no JSON"),
    ] {
        let said = house.say("homeassistant/sensor/x/config", config);
        let detail = &said.0.rejection.as_ref().unwrap().detail;
        assert!(detail.contains(named), "{config}: {detail}");
    }
    let said = house.say("homeassistant/teapot/x/config", r#"{"stat_t":"x/state"}"#);
    assert!(said.0.rejection.unwrap().detail.contains("teapot"));
    let broken = DEVICE.replace("{{ value_json.humidity }}", "{% if %}");
    assert_eq!(house.say("homeassistant/device/a/config", broken).reasons(), [Reason::NotUnderstood]);
    assert_eq!(house.hear("sensorBedroom/state", r#"{"temperature":1,"humidity":2}"#).values().len(), 1);
}

#[test]
fn one_that_is_off_by_default_is_silent() {
    let config = r#"{"stat_t":"x/rssi","en":false,"dev":{"ids":"x"}}"#;
    let mut house = house(&[("homeassistant/sensor/x/rssi/config", config)]);
    house.hear("x/rssi", "-70").is_nothing();
}

#[test]
fn another_prefix_is_read_where_the_configuration_says_so() {
    let mut house = House::with_source("ha/discovery/#", "homeassistant", None);
    house.hear("ha/discovery/sensor/x/config", r#"{"stat_t":"y/level","dev":{"ids":"y"}}"#).is_nothing();
    assert_eq!(house.hear("y/level", "3").of().0, "homeassistant/y");
}

#[test]
fn a_restart_changes_nothing() {
    let mut house = house(&[SAMPLES[0], SAMPLES[1], SAMPLES[3], SAMPLES[7]]);
    let (topic, payload) = SAMPLES[2];
    let before = house.hear(topic, payload);
    house.restart();
    assert_eq!(house.hear(topic, payload).0, before.0);
    house.hear(SAMPLES[0].0, SAMPLES[0].1).is_nothing();
    let after = house.hear(topic, payload);
    assert_eq!(after.0, before.0);
}

#[test]
fn what_home_assistant_says_of_itself_is_no_reading() {
    House::new().hear("homeassistant/status", "online").is_nothing();
}
