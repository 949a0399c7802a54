//! Tasmota (<https://tasmota.github.io/docs/MQTT/>).

use tidegate_telemetry::{PowerSource, Reason, StateClass, Value};

use crate::{House, number, shown, text};

const SENSOR: &str = r#"{"Time":"2024-02-24T22:20:38","AM2301":{"Temperature":21.3,"Humidity":40.1,"DewPoint":7.2},
 "BMP280":{"Temperature":70.1,"Pressure":751.8},"PressureUnit":"mmHg","TempUnit":"C"}"#;
const ENERGY: &str = r#"{"Time":"2024-04-16T09:15:03","ANALOG":{"Temperature1":28.6},"ENERGY":{"TotalStartTime":"2023-11-13T19:36:00",
 "Total":235.645,"Yesterday":0.000,"Today":0.015,"Period":[2,0],"Power":[24,3],"ApparentPower":[24,3],"ReactivePower":[0,1],
 "Factor":[1.00,0.9],"Frequency":50,"Voltage":237,"Current":[0.099,0.01]},"TempUnit":"F"}"#;
const STATE: &str = r#"{"Time":"2021-03-13T09:20:26","Uptime":"0T13:20:12","UptimeSec":48012,"Heap":17,"SleepMode":"Dynamic","Sleep":50,
 "LoadAvg":19,"MqttCount":1,"POWER1":"ON","POWER2":"OFF","Wifi":{"AP":1,"SSId":"hello-nantes","BSSId":"30:23:03:00:00:01","Channel":5,
 "RSSI":64,"Signal":-68,"LinkCount":1,"Downtime":"0T00:00:05"}}"#;
const CONFIG: &str = r#"{"ip":"192.168.137.72","dn":"Tasmota","fn":["Lamp","Fan",null,null],"hn":"x-4177","mac":"E8DB8494B051",
 "md":"Sonoff T1 2CH","ty":0,"if":0,"ofln":"Offline","onln":"Online","state":["OFF","ON","TOGGLE","HOLD"],"sw":"12.4.0","t":"hall",
 "ft":"%prefix%/%topic%/","tp":["cmnd","stat","tele"],"rl":[1,1,0,0],"so":{"4":0,"11":0},"lk":0,"lt_st":0,"bat":1,"dslp":3600,"ver":1}"#;
const SENSORS: &str = r#"{"sn":{"Time":"2022-11-28T16:17:32","ANALOG":{"Temperature1":23.2},"TempUnit":"C"},"ver":1}"#;

pub(crate) const SAMPLES: &[(&str, &str)] = &[
    ("tasmota/discovery/E8DB8494B051/config", CONFIG),
    ("tasmota/discovery/E8DB8494B051/sensors", SENSORS),
    ("tele/hall/SENSOR", SENSOR),
    ("tele/hall/STATE", STATE),
    ("home/cellar/tele/SENSOR", ENERGY),
    ("tele/hall/LWT", "Online"),
    ("stat/hall/RESULT", r#"{"POWER1":"ON"}"#),
    ("stat/hall/POWER2", "OFF"),
    (
        "stat/hall/STATUS10",
        r#"{"StatusSNS":{"Time":"2024-02-24T22:20:38","AM2301":{"Temperature":21.3},"TempUnit":"C"}}"#,
    ),
    (
        "tele/hall/INFO1",
        r#"{"Info1":{"Module":"Generic","Version":"13.2.0(tasmota)","FallbackTopic":"cmnd/DVES_0_fb/"}}"#,
    ),
];

#[test]
fn sensors_have_the_units_that_the_message_says() {
    let mut house = House::new();
    let said = house.hear("tele/hall/SENSOR", SENSOR);
    assert_eq!(said.of(), ("tele/hall", "Tasmota"));
    let names: Vec<_> = said.values().into_iter().map(|(name, _)| name.to_owned()).collect();
    let expected =
        ["AM2301.Temperature", "AM2301.Humidity", "AM2301.DewPoint", "BMP280.Temperature", "BMP280.Pressure"];
    assert_eq!(names, expected);
    assert_eq!(shown(said.facts("AM2301.Temperature")), ("°C", "temperature", None));
    assert_eq!(shown(said.facts("BMP280.Pressure")), ("mmHg", "atmospheric_pressure", None));
    assert_eq!(said.time_ms(), None, "a time without an offset, and nobody said where the clock is");
    let again = house.hear("tele/hall/SENSOR", SENSOR);
    assert!(std::sync::Arc::ptr_eq(said.facts("AM2301.Humidity"), again.facts("AM2301.Humidity")));
}

#[test]
fn its_clock_is_where_the_configuration_says() {
    let mut house = House::with_source("tele/#", "tasmota", Some("Europe/Berlin"));
    assert_eq!(house.hear("tele/hall/SENSOR", SENSOR).time_ms(), Some(1_708_809_638_000));
    let with_offset = SENSOR.replace("22:20:38", "22:20:38+01:00");
    assert_eq!(House::new().hear("tele/hall/SENSOR", with_offset).time_ms(), Some(1_708_809_638_000));
    let unset = SENSOR.replace("2024-02-24T22", "1970-01-01T00");
    let said = House::with_source("tele/#", "tasmota", Some("UTC")).say("tele/hall/SENSOR", unset);
    assert_eq!((said.reasons(), said.values().len()), (vec![Reason::DeviceClockUnset], 5));
}

#[test]
fn energy_by_channel_is_read() {
    let said = House::new().hear("home/cellar/tele/SENSOR", ENERGY);
    assert_eq!(said.of(), ("home/cellar", "home"));
    assert_eq!((said.value("ENERGY.Power.1"), said.value("ENERGY.Total")), (number(3.0), number(235.645)));
    assert_eq!(said.facts("ENERGY.Total").state_class, Some(StateClass::TotalIncreasing));
    assert_eq!(shown(said.facts("ENERGY.Power.1")), ("W", "power", None));
    assert_eq!(shown(said.facts("ANALOG.Temperature1")), ("°F", "temperature", None));
    assert!(said.values().iter().all(|(name, _)| !name.contains("TotalStartTime") && !name.contains("Unit")));
}

#[test]
fn a_state_has_its_switches_and_its_signal() {
    let mut house = House::new();
    house.hear("tasmota/discovery/E8DB8494B051/config", CONFIG);
    let said = house.hear("tele/hall/STATE", STATE);
    assert_eq!((said.value("POWER1"), said.value("POWER2")), (Value::Bool(true), Value::Bool(false)));
    assert_eq!(said.facts("POWER2").name.as_deref(), Some("Fan"));
    assert_eq!((said.value("Wifi.Signal"), said.value("Wifi.SSId")), (number(-68.0), text("hello-nantes")));
    assert_eq!(shown(said.facts("Wifi.Signal")), ("dBm", "signal_strength", None));
    assert!(said.values().iter().all(|(name, _)| *name != "Uptime"));
}

#[test]
fn it_describes_itself() {
    let mut house = House::new();
    house.hear("tele/hall/SENSOR", SENSOR);
    house.hear("tasmota/discovery/E8DB8494B051/config", CONFIG);
    house.hear("tasmota/discovery/E8DB8494B051/sensors", SENSORS).is_nothing();
    house.restart();
    let said = house.hear("tele/hall/SENSOR", SENSOR);
    let facts = said.device();
    let texts = [&facts.name, &facts.model, &facts.maker, &facts.firmware].map(|text| text.as_deref().unwrap());
    assert_eq!(texts, ["Lamp", "Sonoff T1 2CH", "Tasmota", "12.4.0"]);
    assert_eq!((facts.power, facts.report_ms), (Some(PowerSource::Battery), Some(3_600_000)));
    house.hear("tele/hall/INFO1", SAMPLES[9].1);
    let info = house.hear("tele/hall/SENSOR", SENSOR);
    assert_eq!(
        (info.device().firmware.as_deref(), info.device().name.as_deref()),
        (Some("13.2.0(tasmota)"), Some("Lamp"))
    );
    house.hear("tele/hall/INFO2", r#"{"Info2":{"WebServerMode":"Admin","Hostname":"x"}}"#).is_nothing();
}

#[test]
fn the_will_is_availability_in_its_own_words() {
    let mut house = House::new();
    assert_eq!(house.hear("tele/hall/LWT", "Offline").availability(), [("tele/hall", false)]);
    assert_eq!(house.hear("hall/tele/LWT", "Online").availability(), [("hall", true)]);
    house.hear("tasmota/discovery/E8DB8494B051/config", CONFIG.replace(r#""Offline""#, r#""gone""#));
    assert_eq!(house.hear("tele/hall/LWT", "gone").availability(), [("tele/hall", false)]);
    assert_eq!(house.say("tele/hall/LWT", "Offline").reasons(), [Reason::NotUnderstood]);
}

#[test]
fn answers_are_states_and_nothing_else() {
    let mut house = House::new();
    let said = house.hear("stat/hall/RESULT", r#"{"POWER1":"ON"}"#);
    assert_eq!((said.of().0, said.values()), ("tele/hall", vec![("POWER1", Value::Bool(true))]));
    assert_eq!(house.hear("stat/hall/POWER2", "OFF").values(), [("POWER2", Value::Bool(false))]);
    let status = house.hear("stat/hall/STATUS10", SAMPLES[8].1);
    assert_eq!((status.of().0, status.values()), ("tele/hall", vec![("AM2301.Temperature", number(21.3))]));
    for (topic, payload) in [
        ("stat/hall/RESULT", r#"{"Command":"Unknown"}"#),
        ("stat/hall/RESULT", r#"{"TelePeriod":300}"#),
        ("stat/hall/STATUS", r#"{"Status":{"Module":1,"FriendlyName":["Lamp"]}}"#),
        ("stat/hall/STATUS5", r#"{"StatusNET":{"Hostname":"x"}}"#),
        ("stat/hall/LOGGING", "22:20:38 MQT: stat/hall/RESULT"),
        ("cmnd/hall/POWER", "ON"),
        ("hall/cmnd/POWER", "ON"),
        ("tele/hall/HASS_STATE", r#"{"Version":"13.2.0"}"#),
    ] {
        house.hear(topic, payload).is_nothing();
    }
}

#[test]
fn its_own_words_for_on_and_off_are_switches() {
    let mut house = House::new();
    house.hear("tasmota/discovery/E8DB8494B051/config", CONFIG.replace(r#"["OFF","ON","#, r#"["aus","an","#));
    assert_eq!(house.hear("stat/hall/POWER1", "an").values(), [("POWER1", Value::Bool(true))]);
}

#[test]
fn places_in_the_topic_are_groups_and_other_topics_are_of_others() {
    let mut house = House::new();
    assert_eq!(house.hear("tele/house/cellar/pump/SENSOR", SENSOR).of(), ("tele/house/cellar/pump", "house/cellar"));
    assert_eq!(house.hear("house/stat/pump/POWER", "ON").of().0, "house/tele/pump");
    assert_eq!(house.hear("tele/hall/level", "3").of().0, "tele/hall");
    assert_eq!(house.hear("site/hall/SENSOR", r#"{"a":1}"#).of().0, "site/hall/SENSOR");
}

#[test]
fn what_it_does_not_write_on_topics_of_these_forms_is_of_others() {
    let mut house = House::new();
    assert_eq!(house.hear("stat/plc1/STATUS", "3").values(), [("STATUS", number(3.0))]);
    assert_eq!(house.hear("tele/pump/STATE", "running").values(), [("STATE", text("running"))]);
    let said = house.hear("tele/gw/STATE", r#"{"deviceId":"d7","t":1}"#);
    assert_eq!((said.of().0, said.values()), ("d7", vec![("t", number(1.0))]));
    let nested = house.hear("tele/gw/SENSOR", r#"{"Bridge":{"deviceId":"d7","t":1}}"#);
    assert_eq!(nested.of().0, "tele/gw", "no key at the top");
    assert_eq!(house.hear("stat/gw/RESULT", "5").values(), [("RESULT", number(5.0))]);
    assert_eq!(house.hear("tele/gw/UPTIME", "12").values(), [("UPTIME", number(12.0))]);
    assert_eq!(house.hear("tele/gw/LOGGING", "12").values(), [("LOGGING", number(12.0))]);
    assert_eq!(house.hear("tele/gw/LWT", "7").values(), [("LWT", number(7.0))]);
    assert_eq!(house.hear("stat/gw/POWER1", r#"{"deviceId":"d7","t":1}"#).of().0, "d7");
    assert_eq!(house.hear("tele/gw/SENSOR", r#"[{"deviceId":"d7","t":1}]"#).of().0, "d7");
}
