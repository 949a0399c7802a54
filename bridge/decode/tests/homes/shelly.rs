//! Shelly (<https://shelly-api-docs.shelly.cloud>).

use tidegate_telemetry::{PowerSource, Reason, StateClass, Value};

use crate::{House, number, shown, text};

const SLEEPER: &str = r#"{"src":"shellyplusht-08b61fce63c4","dst":"shellyplusht-08b61fce63c4/events","method":"NotifyFullStatus","params":{
 "ts":1680962879.62,"ble":{},"cloud":{"connected":false},
 "devicepower:0":{"id":0,"battery":{"V":5.9,"percent":90},"external":{"present":false}},"ht_ui":{},"humidity:0":{"id":0,"rh":54.3},
 "mqtt":{"connected":true},"sys":{"mac":"08B61FCE63C4","restart_required":false,"time":null,"unixtime":null,"uptime":1,
 "ram_size":235504,"ram_free":165340,"fs_size":458752,"fs_free":131072,"cfg_rev":16,"kvs_rev":0,"webhook_rev":0,"available_updates":{},
 "wakeup_reason":{"boot":"deepsleep_wake","cause":"periodic"},"wakeup_period":7200},"temperature:0":{"id":0,"tC":19.9,"tF":67.8},
 "wifi":{"sta_ip":"172.17.0.80","status":"got ip","ssid":"my-wifi","rssi":-70},"ws":{"connected":false}}}"#;
const SWITCH: &str = r#"{"id":0,"source":"MQTT","output":false,"apower":12.5,"voltage":237.0,"freq":50.0,"current":0.053,"pf":0.99,
 "aenergy":{"total":62758.285,"by_minute":[0.000,0.000,0.000],"minute_ts":1709223337},"temperature":{"tC":35.5,"tF":96.0}}"#;
const PARTIAL: &str = r#"{"src":"shellypro4pm-f008d1d8b8b8","dst":"user_1","method":"NotifyStatus","params":{"ts":1631186545.04,
 "switch:0":{"id":0,"output":true,"source":"button"}}}"#;
const EVENT: &str = r#"{"src":"shellyplusi4-1","dst":"x","method":"NotifyEvent","params":{"ts":1631266595.44,
 "events":[{"component":"input:0","id":0,"event":"single_push","ts":1631266595.44},
 {"component":"sys","event":"config_changed","ts":1631266595.44}]}}"#;

pub(crate) const SAMPLES: &[(&str, &str)] = &[
    ("shellyplusht-08b61fce63c4/events/rpc", SLEEPER),
    ("house/plug/status/switch:0", SWITCH),
    ("shellypro4pm-f008d1d8b8b8/events/rpc", PARTIAL),
    ("shellyplusi4-1/events/rpc", EVENT),
    ("shellypro4pm-f008d1d8b8b8/online", "true"),
    ("shellies/shelly-plug-s1/relay/0/power", "20.58"),
    ("shellies/shelly-plug-s1/relay/0/energy", "94736"),
    ("shellies/shelly-plug-s1/relay/0", "on"),
    (
        "shellies/announce",
        r#"{"id":"shelly-plug-s1","model":"SHPLG-S","mac":"C18B12","ip":"10.0.0.3","new_fw":false,"fw_ver":"20230913-112316"}"#,
    ),
    ("shellies/shellyht-1/sensor/temperature", "22.28"),
    (
        "shellies/shellyht-1/info",
        r#"{"wifi_sta":{"connected":true,"ssid":"x","ip":"10.0.0.4","rssi":-61},"uptime":4,"has_update":false}"#,
    ),
    ("shellies/shellyix3-1/input_event/0", r#"{"event":"S","event_cnt":2}"#),
];

#[test]
fn a_sleeper_says_all_and_when_it_wakes_again() {
    let mut house = House::new();
    let said = house.hear("shellyplusht-08b61fce63c4/events/rpc", SLEEPER);
    assert_eq!(said.of(), ("shellyplusht-08b61fce63c4", "Shelly"));
    assert_eq!(said.time_ms(), Some(1_680_962_879_620));
    let expected = [
        ("devicepower:0.battery.V", number(5.9)),
        ("devicepower:0.battery.percent", number(90.0)),
        ("devicepower:0.external.present", Value::Bool(false)),
        ("humidity:0.rh", number(54.3)),
        ("sys.restart_required", Value::Bool(false)),
        ("sys.uptime", number(1.0)),
        ("sys.ram_free", number(165_340.0)),
        ("sys.fs_free", number(131_072.0)),
        ("temperature:0.tC", number(19.9)),
        ("wifi.ssid", text("my-wifi")),
        ("wifi.rssi", number(-70.0)),
    ];
    assert_eq!(said.values(), expected);
    assert_eq!(shown(said.facts("temperature:0.tC")), ("°C", "temperature", None));
    assert_eq!(shown(said.facts("devicepower:0.battery.percent")), ("%", "battery", None));
    let facts = said.device();
    assert_eq!((facts.model.as_deref(), facts.maker.as_deref()), (Some("shellyplusht"), Some("Shelly")));
    assert_eq!((facts.power, facts.report_ms), (Some(PowerSource::Battery), Some(7_200_000)));
}

#[test]
fn a_battery_says_nothing_while_there_is_power_from_outside() {
    let mut house = House::new();
    let powered = SLEEPER
        .replace(r#""V":5.9,"percent":90"#, r#""V":0.43,"percent":0"#)
        .replace(r#""present":false"#, r#""present":true"#);
    let said = house.hear("shellyplusht-08b61fce63c4/events/rpc", &powered);
    assert_eq!(said.0.readings[0].without_value.len(), 2);
    assert!(said.values().iter().all(|(name, _)| !name.contains("battery")));
    assert_eq!(said.device().power, Some(PowerSource::Mains));
    house.restart();
    let part = r#"{"src":"shellyplusht-08b61fce63c4","method":"NotifyStatus","params":{"devicepower:0":
     {"battery":{"V":0.4,"percent":0}}}}"#;
    let said = house.hear("shellyplusht-08b61fce63c4/events/rpc", part);
    assert_eq!((said.values().len(), said.0.readings[0].without_value.len()), (0, 2));
    let said = house.hear("shellyplusht-08b61fce63c4/events/rpc", SLEEPER);
    assert_eq!(said.value("devicepower:0.battery.percent"), number(90.0));
}

#[test]
fn a_clock_that_was_not_set_yet_is_usual() {
    let said = House::new().hear("s/events/rpc", SLEEPER.replace("1680962879.62", "1.33"));
    assert_eq!(said.time_ms(), None);
}

#[test]
fn a_part_and_a_whole_component_are_the_same_metrics() {
    let mut house = House::new();
    let part = house.hear("house/plug/events/rpc", PARTIAL);
    assert_eq!((part.of().0, part.values()), ("house/plug", vec![("switch:0.output", Value::Bool(true))]));
    let whole = house.hear("house/plug/status/switch:0", SWITCH);
    assert_eq!((whole.of().0, whole.value("switch:0.output")), ("house/plug", Value::Bool(false)));
    assert_eq!(whole.value("switch:0.aenergy.total"), number(62_758.285));
    assert_eq!(shown(whole.facts("switch:0.aenergy.total")), ("Wh", "energy", None));
    assert_eq!(whole.facts("switch:0.aenergy.total").state_class, Some(StateClass::TotalIncreasing));
    assert_eq!(whole.facts("switch:0.temperature.tC").unit.as_deref(), Some("°C"));
    assert_eq!(whole.values().len(), 8);
    assert_eq!(whole.device().power, Some(PowerSource::Mains));
    let phases =
        house.hear("house/plug/status/em:0", r#"{"id":0,"a_voltage":230.1,"b_act_power":12.0,"total_current":1.5}"#);
    assert_eq!(shown(phases.facts("em:0.a_voltage")), ("V", "voltage", None));
    assert_eq!(shown(phases.facts("em:0.total_current")), ("A", "current", None));
}

#[test]
fn events_are_words_of_their_input() {
    let said = House::new().hear("shellyplusi4-1/events/rpc", EVENT);
    assert_eq!(
        (said.values(), said.time_ms()),
        (vec![("input:0.event", text("single_push"))], Some(1_631_266_595_440))
    );
}

#[test]
fn whether_it_is_there_is_availability_where_it_is_known_to_be_one() {
    let mut house = House::new();
    assert_eq!(house.hear("shellyplug-1/online", "false").availability(), [("shellyplug-1", false)]);
    assert_eq!(house.hear("house/plug/online", "true").of().0, "house/plug", "anybody's plain value");
    house.hear("house/plug/status/switch:0", SWITCH);
    house.restart();
    assert_eq!(house.hear("house/plug/online", "true").availability(), [("house/plug", true)]);
    let alive = house.hear("house/plug/status/cloud", r#"{"connected":false}"#);
    assert_eq!((alive.availability(), alive.0.readings.len()), (vec![("house/plug", true)], 0));
    for topic in ["shellyplug-1/rpc", "house/plug/command/switch:0", "shellyplug-1/debug/log"] {
        house.hear(topic, r#"{"id":1}"#).is_nothing();
    }
}

#[test]
fn a_flaw_costs_only_itself() {
    let said = House::new().say("s/events/rpc", SLEEPER.replace("54.3", "NaN"));
    // What is around it is read whole, and one thing in it cannot be: nothing is guessed.
    assert_eq!((said.reasons(), said.0.readings.len()), (vec![Reason::InvalidJson], 0));
    let said = House::new().say("s/status/switch:0", SWITCH.replace("12.5", "NaN"));
    assert_eq!((said.reasons(), said.values().len()), (vec![Reason::NotFinite], 7));
}

#[test]
fn plain_values_of_the_first_generation_are_metrics_of_one_device() {
    let mut house = House::new();
    house.hear("shellies/announce", SAMPLES[8].1).is_nothing();
    let power = house.hear("shellies/shelly-plug-s1/relay/0/power", "20.58");
    assert_eq!(power.of(), ("shellies/shelly-plug-s1", "Shelly"));
    assert_eq!(
        (power.value("relay.0.power"), shown(power.facts("relay.0.power"))),
        (number(20.58), ("W", "power", None))
    );
    assert_eq!(
        (power.device().model.as_deref(), power.device().firmware.as_deref()),
        (Some("SHPLG-S"), Some("20230913-112316"))
    );
    let energy = house.hear("shellies/shelly-plug-s1/relay/0/energy", "94740");
    assert_eq!(
        (energy.value("relay.0.energy"), energy.facts("relay.0.energy").unit.as_deref()),
        (number(1579.0), Some("Wh"))
    );
    assert_eq!(house.hear("shellies/em/emeter/0/total", "94736.1").value("emeter.0.total"), number(94_736.1));
    assert_eq!(house.hear("shellies/shelly-plug-s1/relay/0", "on").value("relay.0"), Value::Bool(true));
    assert_eq!(house.hear("shellies/x/overtemperature", "0").value("overtemperature"), Value::Bool(false));
    assert_eq!(house.hear("shellies/x/roller/0", "open").value("roller.0"), text("open"));
    assert_eq!(house.hear("shellies/x/input_event/0", SAMPLES[11].1).value("input_event.0.event"), text("S"));
}

#[test]
fn its_sensors_run_on_batteries() {
    let mut house = House::new();
    let said = house.hear("shellies/shellyht-1/sensor/temperature", "22.28");
    assert_eq!((said.value("temperature"), said.device().power), (number(22.28), Some(PowerSource::Battery)));
    assert_eq!(house.hear("shellies/shellydw-1/sensor/state", "close").value("state"), Value::Bool(false));
    let info = house.hear("shellies/shellyht-1/info", SAMPLES[10].1);
    assert_eq!((info.value("rssi"), info.values().len()), (number(-61.0), 3));
    assert_eq!(house.hear("shellies/shellyht-1/online", "false").availability(), [("shellies/shellyht-1", false)]);
    for (topic, payload) in
        [("shellies/command", "announce"), ("shellies/x/relay/0/command", "on"), ("shellies/x/settings", "{}")]
    {
        house.hear(topic, payload).is_nothing();
    }
}
