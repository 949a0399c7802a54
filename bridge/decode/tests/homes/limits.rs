//! What discovery keeps, of whom, and for how long.

use tidegate_telemetry::{Reason, Value};

use crate::{House, number};

fn checkpoint_bytes(house: &House) -> usize {
    house.decoder.freeze().iter().map(|(_, state)| state.to_bytes().len()).sum()
}

/// A device of 1,024 components and a list of 16 topics of availability.
fn large(base: &str, state: impl Fn(usize) -> String) -> String {
    let availability = [r#"{"t":"~"}"#; 16].join(",");
    let components: Vec<String> =
        (0..1024).map(|n| format!(r#""c{n}":{{"p":"sensor","stat_t":"{}"}}"#, state(n))).collect();
    let components = components.join(",");
    format!(r#"{{"~":"{base}","dev":{{"ids":"x"}},"avty":[{availability}],"cmps":{{{components}}}}}"#)
}

#[test]
fn what_a_configuration_says_of_availability_is_bounded() {
    let mut house = House::new();
    let said = house.say("homeassistant/device/x/config", large(&"b".repeat(190_000), |n| format!("x/{n}")));
    assert!(said.reasons().contains(&Reason::InvalidName), "{:?}", said.reasons());
    assert!(checkpoint_bytes(&house) < 1 << 20);
    let config = r#"{"stat_t":"y/state","avty_t":"y/there","pl_avail":"W","dev":{"ids":"y"}}"#;
    let said = house.say("homeassistant/sensor/y/config", config.replace('W', &"w".repeat(10_000)));
    assert_eq!(said.reasons(), [Reason::PayloadTooLarge]);
}

#[test]
fn a_list_of_availability_is_kept_once_for_all_components() {
    let mut house = House::new();
    house.hear("homeassistant/device/x/config", large(&"b".repeat(200), |n| format!("x/{n}"))).is_nothing();
    assert_eq!(house.hear("x/7", "3").of().0, "homeassistant/x");
    assert!(checkpoint_bytes(&house) < 1 << 20, "{}", checkpoint_bytes(&house));
}

#[test]
fn lists_of_availability_of_many_devices_count_until_no_more_are_kept() {
    let mut house = House::new();
    let mut reasons = Vec::new();
    for round in 0..30 {
        let config = large(&"b".repeat(250), |n| format!("n{round}-{n}/sensor/x/state"));
        reasons.extend(house.say(&format!("homeassistant/device/x{round}/config"), config).reasons());
    }
    assert!(reasons.contains(&Reason::PayloadTooLarge), "{reasons:?}");
}

#[test]
fn a_configuration_counts_for_what_its_publisher_publishes_and_nothing_else() {
    let mut house = House::new();
    for (topic, config) in [
        ("homeassistant/sensor/a/config", r#"{"stat_t":"press/p1/level","avty_t":"press/p1/there","dev":{"ids":"a"}}"#),
        ("homeassistant/sensor/b/config", r#"{"stat_t":"press/p1/speed","en":false,"dev":{"ids":"a"}}"#),
        ("homeassistant/sensor/c/config", r#"{"stat_t":"hall/sensor/x/state","dev":{"ids":"a"}}"#),
    ] {
        assert_eq!(house.say_by("mallory", topic, config).reasons(), []);
    }
    house.restart();
    for (topic, device) in
        [("press/p1/level", "press/p1"), ("press/p1/there", "press/p1"), ("press/p1/speed", "press/p1")]
    {
        for other in ["ann", "anonymous", ""] {
            let said = house.say_by(other, topic, "3");
            assert_eq!((said.of().0, said.availability().len()), (device, 0), "{topic} of {other:?}");
        }
    }
    assert_eq!(house.say_by("ann", "hall/debug", "[D][x:1]: y").reasons(), [Reason::InvalidJson]);
    house.say_by("mallory", "hall/debug", "[D][x:1]: y").is_nothing();
    assert_eq!(house.say_by("mallory", "press/p1/level", "3").of().0, "homeassistant/a");
    assert_eq!(house.say_by("mallory", "press/p1/there", "offline").availability(), [("homeassistant/a", false)]);
    house.say_by("mallory", "press/p1/speed", "3").is_nothing();
    // Who describes it anew has it.
    let config = r#"{"stat_t":"press/p1/level","avty_t":"press/p1/there","dev":{"ids":"a"}}"#;
    house.say_by("ann", "homeassistant/sensor/a/config", config).is_nothing();
    assert_eq!(house.say_by("ann", "press/p1/level", "3").of().0, "homeassistant/a");
    assert_eq!(house.say_by("mallory", "press/p1/level", "3").of().0, "press/p1");
}

#[test]
fn those_that_nobody_proved_to_be_are_one() {
    let mut house = House::new();
    house.say_by("", "homeassistant/sensor/a/config", r#"{"stat_t":"a/level","dev":{"ids":"a"}}"#).is_nothing();
    assert_eq!(house.say_by("anonymous", "a/level", "3").of().0, "homeassistant/a");
}

#[test]
fn a_topic_that_is_named_for_commands_is_not_silenced() {
    let mut house = House::new();
    let config = r#"{"stat_t":"a/level","cmd_t":"press/p1/speed","dev":{"ids":"a"}}"#;
    house.hear("homeassistant/number/a/config", config).is_nothing();
    assert_eq!(house.hear("press/p1/speed", "3").values(), [("speed", number(3.0))]);
    assert_eq!(house.hear("press/p1/speed", r#"{"rpm":3}"#).values(), [("rpm", number(3.0))]);
}

#[test]
fn a_topic_has_so_many_states_and_one_more_is_told() {
    let mut house = House::new();
    let config =
        |n: usize| format!(r#"{{"stat_t":"m/state","val_tpl":"{{{{ value_json.v{n} }}}}","dev":{{"ids":"m"}}}}"#);
    for n in 0..64 {
        house.hear(&format!("homeassistant/sensor/m/v{n}/config"), config(n)).is_nothing();
    }
    let said = house.say("homeassistant/sensor/m/v64/config", config(64));
    assert_eq!(said.reasons(), [Reason::TooManyMetrics]);
    house.hear("homeassistant/sensor/m/v0/config", "");
    let changed = config(64).replace("m/state", "m/state\",\"unit_of_meas\":\"A");
    house.hear("homeassistant/sensor/m/v64/config", changed).is_nothing();
    assert_eq!(house.hear("m/state", r#"{"v64":1}"#).values(), [("v64", number(1.0))]);
}

#[test]
fn templates_of_one_publication_share_what_they_may_cost() {
    let mut house = House::new();
    for n in 0..8 {
        let template = format!("{{% for i in range(3000) %}}{{% endfor %}}{{{{ value_json.v + {n} }}}}");
        let config = format!(r#"{{"stat_t":"m/state","val_tpl":"{template}","name":"s{n}","dev":{{"ids":"m"}}}}"#);
        house.hear(&format!("homeassistant/sensor/m/s{n}/config"), config).is_nothing();
    }
    for _ in 0..2 {
        let said = house.say("m/state", r#"{"v":1}"#);
        let read = said.values().len();
        assert!((1..8).contains(&read), "{read} of 8");
        assert!(said.reasons().contains(&Reason::NotUnderstood));
    }
    let config = r#"{"stat_t":"d/state","val_tpl":"{{ debug() }}"}"#;
    let said = house.say("homeassistant/sensor/d/config", config);
    assert!(said.0.rejection.unwrap().detail.contains("debug"));
}

#[test]
fn with_a_configuration_goes_what_it_said_of_availability() {
    let config = |of: &str, there: &str| format!(r#"{{"stat_t":"s/{of}","avty_t":"{there}","dev":{{"ids":"s"}}}}"#);
    let mut house = House::new();
    for of in ["a", "b"] {
        house.hear(&format!("homeassistant/sensor/s/{of}/config"), config(of, "old/there")).is_nothing();
    }
    assert_eq!(house.hear("old/there", "online").availability(), [("homeassistant/s", true)]);
    for of in ["a", "b"] {
        house.hear(&format!("homeassistant/sensor/s/{of}/config"), config(of, "new/there")).is_nothing();
        house.restart();
    }
    assert_eq!(house.hear("new/there", "online").availability(), [("homeassistant/s", true)]);
    assert_eq!(house.hear("new/there", "offline").availability(), [("homeassistant/s", false)]);
    assert_eq!(house.hear("old/there", "online").of().0, "old", "nobody names it any more");
}

#[test]
fn a_payload_says_its_time_beside_what_is_described() {
    let config = r#"{"stat_t":"t/state","val_tpl":"{{ value_json.temperature }}","dev":{"ids":"t"}}"#;
    let mut house = House::new();
    house.hear("homeassistant/sensor/t/config", config).is_nothing();
    for time in ["1704723845000", r#""2024-01-08T14:24:05Z""#] {
        let said = house.hear("t/state", format!(r#"{{"temperature":21,"timestamp":{time}}}"#));
        assert_eq!((said.time_ms(), said.value("temperature")), (Some(1_704_723_845_000), number(21.0)));
    }
    let local = r#"{"temperature":21,"Time":"2024-01-08T14:24:05"}"#;
    assert_eq!(house.hear("t/state", local).time_ms(), None);
    let unset = house.say("t/state", r#"{"temperature":21,"ts":5}"#);
    assert_eq!((unset.time_ms(), unset.reasons().len()), (None, 1));
}

#[test]
fn a_source_that_names_no_format_moves_no_prefix() {
    let mut house = House::with_source("plant/#", "auto", Some("Europe/Berlin"));
    assert_eq!(house.hear("plant/status", "3").values(), [("status", number(3.0))]);
    assert_eq!(house.hear("plant/press/p1/config", r#"{"t":1}"#).values(), [("t", number(1.0))]);
    let mut house = House::with_source("zigbee2mqtt/hall/#", "auto", None);
    assert_eq!(house.hear("zigbee2mqtt/hall/lamp", r#"{"state":"ON"}"#).of().0, "zigbee2mqtt/hall/lamp");
    house.hear("zigbee2mqtt/hall/lamp/set", r#"{"state":"ON"}"#).is_nothing();
    assert_eq!(house.hear("zigbee2mqtt/hall/lamp/availability", "online").availability()[0].0, "zigbee2mqtt/hall/lamp");
    let mut house = House::with_source("rtl_433/attic/#", "auto", Some("Europe/Berlin"));
    let said = house.hear("rtl_433/attic/events", r#"{"model":"Acurite","id":7,"temperature_C":3}"#);
    assert_eq!(said.of().0, "rtl_433/Acurite/7");
}

#[test]
fn a_topic_of_a_source_whose_levels_have_names_is_of_that_source() {
    let mut house = House::with_source("plant/+line/#", "plain", None);
    house.hear("homeassistant/sensor/a/config", r#"{"stat_t":"plant/l1/level","dev":{"ids":"a"}}"#).is_nothing();
    assert!(house.decoder.mentions("homeassistant/a").is_empty());
    let said = house.hear("plant/l1/level", "true");
    assert_eq!(said.value("level"), Value::Bool(true));
}
