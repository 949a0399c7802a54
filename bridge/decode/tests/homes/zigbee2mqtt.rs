//! Zigbee2MQTT (<https://www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html>).

use tidegate_telemetry::{PowerSource, Reason, StateClass, Value};

use crate::{House, number, shown, text};

/// `bridge/devices` of a small house.
const DEVICES: &str = r#"[
{"ieee_address":"0x00124b00120144ae","type":"Coordinator","network_address":0,"supported":false,"friendly_name":"Coordinator",
 "definition":null,"power_source":null,"date_code":null,"model_id":null,"interviewing":false,"interview_completed":true},
{"ieee_address":"0x00158d00018255df","type":"EndDevice","network_address":29159,"supported":true,"disabled":false,
 "friendly_name":"Kitchen window","endpoints":{"1":{"bindings":[],"configured_reportings":[],"clusters":{"input":["genBasic"],
     "output":[]}}},
 "definition":{"model":"MCCGQ11LM","vendor":"Aqara","description":"Door and window sensor","supports_ota":false,"options":[],"exposes":[
  {"access":1,"description":"Remaining battery in %","label":"Battery","name":"battery","property":"battery","type":"numeric",
     "unit":"%","value_max":100,"value_min":0},
  {"access":1,"description":"Indicates if the contact is closed (= true) or open (= false)","label":"Contact","name":"contact",
     "property":"contact","type":"binary","value_off":true,"value_on":false},
  {"access":1,"label":"Device temperature","name":"device_temperature","property":"device_temperature","type":"numeric","unit":"°C"},
  {"access":1,"label":"Voltage","name":"voltage","property":"voltage","type":"numeric","unit":"mV"},
  {"access":1,"label":"Linkquality","name":"linkquality","property":"linkquality","type":"numeric","unit":"lqi","value_max":255,
     "value_min":0}]},
 "power_source":"Battery","software_build_id":"3000-0001","date_code":"20161128","model_id":"lumi.sensor_magnet.aq2",
     "manufacturer":"LUMI"},
{"ieee_address":"0x90fd9ffffe6494fc","type":"Router","network_address":57440,"supported":true,"friendly_name":"living room/lamp",
 "definition":{"model":"LED1624G9","vendor":"IKEA","description":"TRADFRI LED bulb","options":[],"exposes":[
  {"type":"light","features":[
   {"access":7,"label":"State","name":"state","property":"state","type":"binary","value_off":"OFF","value_on":"ON",
     "value_toggle":"TOGGLE"},
   {"access":7,"label":"Brightness","name":"brightness","property":"brightness","type":"numeric","value_max":254,"value_min":0},
   {"access":7,"label":"Color (X/Y)","name":"color_xy","property":"color","type":"composite","features":[
     {"access":7,"label":"X","name":"x","property":"x","type":"numeric"},{"access":7,"label":"Y","name":"y","property":"y",
     "type":"numeric"}]},
   {"access":7,"label":"Color (HS)","name":"color_hs","property":"color","type":"composite","features":[
     {"access":7,"label":"Hue","name":"hue","property":"hue","type":"numeric"}]}]},
  {"access":2,"label":"Effect","name":"effect","property":"effect","type":"enum","values":["blink","breathe"]},
  {"access":7,"label":"Power-on behavior","name":"power_on_behavior","property":"power_on_behavior","type":"enum","values":["off","on",
     "toggle","previous"]},
  {"access":1,"label":"Linkquality","name":"linkquality","property":"linkquality","type":"numeric","unit":"lqi","value_max":255,
     "value_min":0}]},
 "power_source":"Mains (single phase)","software_build_id":"1.3.009","model_id":"TRADFRI bulb E27 CWS opal 600lm"},
{"ieee_address":"0x1","type":"EndDevice","friendly_name":"front door","definition":{"model":"YDM40","vendor":"Yale","exposes":[
  {"type":"lock","features":[{"access":7,"label":"State","name":"state","property":"state","type":"binary","value_on":"LOCK",
     "value_off":"UNLOCK"}]}]},
 "power_source":"DC Source"},
{"ieee_address":"0x00169a00022256da","type":"Router","supported":false,"friendly_name":"my_sensor","definition":null,
     "power_source":"Battery","model_id":null},
{"friendly_name":17}
]"#;

pub(crate) const SAMPLES: &[(&str, &str)] = &[
    ("zigbee2mqtt/bridge/devices", DEVICES),
    ("zigbee2mqtt/bridge/state", r#"{"state":"online"}"#),
    ("zigbee2mqtt/Kitchen window", WINDOW),
    ("zigbee2mqtt/living room/lamp", LAMP),
    ("zigbee2mqtt/living room/lamp/state", "ON"),
    ("zigbee2mqtt/Kitchen window/availability", r#"{"state":"offline"}"#),
    ("zigbee2mqtt/Kitchen window/availability", "online"),
];

const WINDOW: &str = r#"{"battery":100,"contact":false,"device_temperature":24,"linkquality":94,"voltage":3015,
 "last_seen":"2024-01-08T15:24:05+01:00"}"#;
const LAMP: &str = r#"{"brightness":215,"color":{"x":0.4599,"y":0.4106},"color_mode":"xy","linkquality":120,"power_on_behavior":"on",
 "state":"ON","update":{"installed_version":587753009,"latest_version":587753009,"state":"idle"},"update_available":null}"#;

/// A house whose list of devices was heard.
fn house() -> House {
    let mut house = House::new();
    let said = house.say("zigbee2mqtt/bridge/devices", DEVICES);
    assert_eq!(said.reasons(), [Reason::NotUnderstood], "the last one of the list is broken, and costs itself alone");
    house
}

#[test]
fn a_state_is_a_reading_of_its_device_without_anything_else() {
    let mut house = House::new();
    let payload = r#"{"temperature":8.77,"linkquality":94,"humidity":85.15,"battery":74,"voltage":2955}"#;
    let said = house.hear("zigbee2mqtt/Kitchen window", payload);
    assert_eq!(said.of(), ("zigbee2mqtt/Kitchen window", "Zigbee2MQTT"));
    assert_eq!(said.value("humidity"), number(85.15));
    assert_eq!((said.time_ms(), said.values().len()), (None, 5));
    assert_eq!(house.hear("zigbee2mqtt/kitchen/window", r#"{"contact":true}"#).of().1, "kitchen");
}

#[test]
fn a_listed_device_has_a_name_a_maker_and_a_power_source() {
    let mut house = house();
    let said = house.hear("zigbee2mqtt/Kitchen window", WINDOW);
    let facts = said.device();
    let texts = [&facts.name, &facts.model, &facts.maker, &facts.firmware].map(|text| text.as_deref().unwrap());
    assert_eq!(texts, ["Kitchen window", "MCCGQ11LM", "Aqara", "3000-0001"]);
    assert_eq!(facts.power, Some(PowerSource::Battery));
    let lamp = house.hear("zigbee2mqtt/living room/lamp", LAMP);
    assert_eq!(lamp.of().1, "living room");
    assert_eq!((lamp.device().name.as_deref(), lamp.device().power), (Some("lamp"), Some(PowerSource::Mains)));
    let unsupported = house.hear("zigbee2mqtt/my_sensor", r#"{"linkquality":3}"#);
    assert_eq!((unsupported.device().model.as_deref(), unsupported.about("linkquality")), (None, None));
}

#[test]
fn what_it_exposes_gives_units_classes_and_words() {
    let mut house = house();
    let said = house.hear("zigbee2mqtt/Kitchen window", WINDOW);
    assert_eq!(shown(said.facts("voltage")), ("mV", "voltage", None));
    assert_eq!(shown(said.facts("battery")), ("%", "battery", None));
    assert_eq!(shown(said.facts("contact")), ("", "door", Some(["open", "closed"])));
    assert_eq!(said.value("contact"), Value::Bool(false), "as it was sent: history of before goes on");
    assert_eq!(said.facts("device_temperature").state_class, Some(StateClass::Measurement));
    assert_eq!(said.facts("device_temperature").name.as_deref(), Some("Device temperature"));
    let lamp = house.hear("zigbee2mqtt/living room/lamp", LAMP);
    assert_eq!(lamp.facts("color.x").name.as_deref(), Some("X"));
    assert!(lamp.about("effect").is_none() && lamp.about("brightness").is_some());
    assert_eq!(lamp.value("state"), Value::Bool(true));
}

#[test]
fn a_text_means_what_the_description_says() {
    let mut house = house();
    let lamp = house.hear("zigbee2mqtt/living room/lamp", LAMP);
    assert_eq!(lamp.value("power_on_behavior"), text("on"), "one of several words, no switch");
    let door = house.hear("zigbee2mqtt/front door", r#"{"state":"UNLOCK"}"#);
    assert_eq!(door.value("state"), Value::Bool(false));
    assert_eq!(shown(door.facts("state")).2, Some(["unlock", "lock"]));
    let unlisted = house.hear("zigbee2mqtt/back door", r#"{"state":"UNLOCK"}"#);
    assert_eq!(unlisted.value("state"), text("UNLOCK"));
}

#[test]
fn of_an_update_its_state_is_kept_and_no_number_of_a_version() {
    let lamp = House::new().hear("zigbee2mqtt/living room/lamp", LAMP);
    let updates: Vec<_> = lamp.values().into_iter().filter(|(name, _)| name.starts_with("update")).collect();
    assert_eq!(updates, [("update.state", text("idle"))]);
    assert_eq!(lamp.0.readings[0].without_value, ["update_available".into()]);
}

#[test]
fn the_device_as_it_describes_itself_in_each_message_is_no_metric() {
    let payload =
        r#"{"temperature":1,"device":{"friendlyName":"w","model":"X","powerSource":"Battery","networkAddress":4}}"#;
    assert_eq!(House::new().hear("zigbee2mqtt/w", payload).values(), [("temperature", number(1.0))]);
}

#[test]
fn when_the_device_was_heard_is_the_time_of_its_reading() {
    let mut house = House::new();
    assert_eq!(house.hear("zigbee2mqtt/Kitchen window", WINDOW).time_ms(), Some(1_704_723_845_000));
    let epoch = house.hear("zigbee2mqtt/w", r#"{"last_seen":1704723845123,"battery":3}"#);
    assert_eq!((epoch.time_ms(), epoch.values().len()), (Some(1_704_723_845_123), 1));
}

#[test]
fn availability_is_read_in_both_forms() {
    let mut house = House::new();
    for (payload, expected) in
        [(r#"{"state":"offline"}"#, false), (r#"{"state":"online"}"#, true), ("offline", false), ("online", true)]
    {
        let said = house.hear("zigbee2mqtt/living room/lamp/availability", payload);
        assert_eq!(said.availability(), [("zigbee2mqtt/living room/lamp", expected)], "{payload}");
        assert!(said.0.readings.is_empty());
    }
    assert_eq!(house.say("zigbee2mqtt/x/availability", "perhaps").reasons(), [Reason::NotUnderstood]);
}

#[test]
fn when_the_bridge_goes_its_devices_go_and_who_was_gone_before_does_not_come_back_with_it() {
    let mut house = house();
    house.hear("zigbee2mqtt/Kitchen window/availability", "offline");
    house.restart();
    for (payload, expected) in [(r#"{"state":"offline"}"#, false), ("online", true)] {
        let said = house.hear("zigbee2mqtt/bridge/state", payload);
        let expected =
            ["front door", "living room/lamp", "my_sensor"].map(|name| (format!("zigbee2mqtt/{name}"), expected));
        let said: Vec<_> = said.availability().into_iter().map(|(name, is)| (name.to_owned(), is)).collect();
        assert_eq!(said, expected);
    }
}

#[test]
fn commands_and_what_the_bridge_says_are_no_readings() {
    let mut house = House::new();
    for (topic, payload) in [
        ("zigbee2mqtt/Kitchen window/set", r#"{"state":"ON"}"#),
        ("zigbee2mqtt/Kitchen window/set/state", "ON"),
        ("zigbee2mqtt/Kitchen window/get", r#"{"state":""}"#),
        ("zigbee2mqtt/Kitchen window/left/get", r#"{"state":""}"#),
        ("zigbee2mqtt/bridge/logging", r#"{"level":"info","message":"x"}"#),
        ("zigbee2mqtt/bridge/info", r#"{"version":"1.13.0-dev","permit_join":true}"#),
        ("zigbee2mqtt/bridge/groups", r#"[{"id":1,"friendly_name":"my_group"}]"#),
        ("zigbee2mqtt/bridge/response/networkmap", r#"{"data":{},"status":"ok"}"#),
        ("zigbee2mqtt/bridge/state", "online"),
        ("zigbee2mqtt/empty", "{}"),
    ] {
        house.hear(topic, payload).is_nothing();
    }
}

#[test]
fn attributes_on_topics_of_their_own_are_of_the_same_device() {
    let mut house = house();
    let said = house.hear("zigbee2mqtt/living room/lamp/brightness", "215");
    assert_eq!((said.of().0, said.values()), ("zigbee2mqtt/living room/lamp", vec![("brightness", number(215.0))]));
    assert!(said.about("brightness").is_some());
    assert_eq!(house.say("zigbee2mqtt/lamp", "215").reasons(), [Reason::NotUnderstood]);
}

#[test]
fn another_base_topic_is_read_where_the_configuration_says_so() {
    let mut house = House::with_source("house/zigbee/#", "zigbee2mqtt", None);
    house.say("house/zigbee/bridge/devices", DEVICES);
    let said = house.hear("house/zigbee/living room/lamp", LAMP);
    assert_eq!(said.of(), ("house/zigbee/living room/lamp", "living room"));
    assert_eq!(said.device().maker.as_deref(), Some("IKEA"));
    house.hear("house/zigbee/bridge/info", "{}").is_nothing();
    let elsewhere = House::new().hear("house/zigbee/bridge/info", r#"{"version":1}"#);
    assert_eq!(elsewhere.of().0, "house/zigbee/bridge/info");
}

#[test]
fn the_same_facts_come_with_every_reading_over_a_restart_too() {
    let mut house = house();
    let first = house.hear("zigbee2mqtt/Kitchen window", WINDOW);
    house.say("zigbee2mqtt/bridge/devices", DEVICES);
    let again = house.hear("zigbee2mqtt/Kitchen window", WINDOW);
    assert!(std::sync::Arc::ptr_eq(first.device(), again.device()));
    assert!(std::sync::Arc::ptr_eq(first.facts("battery"), again.facts("battery")));
    house.restart();
    assert_eq!(house.hear("zigbee2mqtt/Kitchen window", WINDOW).0, first.0);
}

#[test]
fn a_list_that_comes_again_says_only_what_is_new() {
    let mut house = house();
    let again = house.say("zigbee2mqtt/bridge/devices", DEVICES);
    assert_eq!((again.0.devices.len(), again.0.descriptions.len()), (0, 0));
    let renamed = DEVICES.replace("Aqara", "Xiaomi");
    let news = house.say("zigbee2mqtt/bridge/devices", renamed);
    assert_eq!((news.0.devices.len(), news.device().maker.as_deref()), (1, Some("Xiaomi")));
    house.say("zigbee2mqtt/bridge/devices", "[]");
    assert!(house.hear("zigbee2mqtt/Kitchen window", WINDOW).0.devices.is_empty());
    assert_eq!(house.say("zigbee2mqtt/bridge/devices", "{").reasons(), [Reason::InvalidJson]);
}

#[test]
fn a_flaw_costs_only_itself() {
    let said = House::new().say("zigbee2mqtt/w", r#"{"temperature":NaN,"humidity":40,"name":"a\u0000"}"#);
    assert_eq!(said.value("humidity"), number(40.0));
    assert_eq!(said.reasons(), [Reason::NotFinite]);
    assert_eq!(House::new().say("zigbee2mqtt/w", r#"{"temperature":"#).reasons(), [Reason::InvalidJson]);
}
