//! rtl_433 (<https://triq.org/rtl_433/DATA_FORMAT.html>).

use tidegate_telemetry::{Reason, StateClass, Value};

use crate::{House, number, shown};

const WEATHER: &str = r#"{"time":"2026-11-28 14:57:38","model":"Bresser-5in1","id":37,"battery_ok":1,"temperature_C":4.3,"humidity":88,
 "wind_max_m_s":3.1,"wind_dir_deg":157.5,"rain_mm":12.4,"mic":"CHECKSUM","mod":"FSK","freq1":868.3,"freq2":868.2,
 "rssi":-2.4,"snr":28.1,
 "noise":-30.5}"#;
const THERMOMETER: &str = r#"{"time":"2026-11-28T14:57:38+0100","protocol":40,"model":"Acurite-Tower","id":11524,"channel":"A",
 "battery_ok":0,"temperature_C":21.5,"humidity":43}"#;

pub(crate) const SAMPLES: &[(&str, &str)] = &[
    ("rtl_433/attic/events", WEATHER),
    ("rtl_433/cellar/events", THERMOMETER),
    ("rtl_433/attic/devices/Acurite-Tower/A/11524/temperature_C", "21.5"),
];

#[test]
fn a_device_is_its_model_channel_and_id_whoever_hears_it() {
    let mut house = House::new();
    let said = house.hear("rtl_433/attic/events", WEATHER);
    assert_eq!(said.of(), ("rtl_433/Bresser-5in1/37", "rtl_433"));
    assert_eq!(house.hear("rtl_433/cellar/events", WEATHER).of().0, "rtl_433/Bresser-5in1/37");
    assert_eq!(said.value("temperature_C"), number(4.3));
    assert!(said.values().iter().all(|(name, _)| !["id", "model", "mic", "mod", "freq1"].contains(name)));
    assert_eq!(shown(said.facts("temperature_C")), ("°C", "temperature", None));
    assert_eq!(shown(said.facts("wind_max_m_s")), ("m/s", "wind_speed", None));
    assert_eq!(said.facts("rain_mm").state_class, Some(StateClass::TotalIncreasing));
    assert_eq!(said.device().model.as_deref(), Some("Bresser-5in1"));
    let tower = house.hear("rtl_433/cellar/events", THERMOMETER);
    assert_eq!((tower.of().0, tower.time_ms()), ("rtl_433/Acurite-Tower/A/11524", Some(1_795_874_258_000)));
}

#[test]
fn fields_on_topics_of_their_own_are_of_the_same_device() {
    let mut house = House::new();
    let said = house.hear("rtl_433/attic/devices/Acurite-Tower/A/11524/temperature_C", "21.5");
    assert_eq!((said.of().0, said.values()), ("rtl_433/Acurite-Tower/A/11524", vec![("temperature_C", number(21.5))]));
    for (field, payload) in [("time", "2026-11-28 14:57:38"), ("id", "11524"), ("channel", "A"), ("mic", "CRC")] {
        house.hear(&format!("rtl_433/attic/devices/Acurite-Tower/A/11524/{field}"), payload).is_nothing();
    }
}

#[test]
fn local_times_are_where_the_configuration_says() {
    assert_eq!(House::new().hear("rtl_433/attic/events", WEATHER).time_ms(), None);
    let mut house = House::with_source("rtl_433/#", "rtl_433", Some("Europe/Berlin"));
    let said = house.hear("rtl_433/attic/events", WEATHER);
    assert_eq!((said.time_ms(), said.of().0), (Some(1_795_874_258_000), "rtl_433/Bresser-5in1/37"));
}

#[test]
fn a_battery_is_fine_or_low() {
    let mut house = House::new();
    assert_eq!(house.hear("rtl_433/attic/events", WEATHER).value("battery_ok"), Value::Bool(true));
    let low = house.hear("rtl_433/attic/events", THERMOMETER);
    assert_eq!(low.value("battery_ok"), Value::Bool(false));
    assert_eq!(shown(low.facts("battery_ok")), ("", "", Some(["low", "ok"])));
}

#[test]
fn without_a_model_nobody_knows_whose_it_is() {
    let said = House::new().say("rtl_433/attic/events", r#"{"time":"2026-11-28 14:57:38","temperature_C":4}"#);
    assert_eq!((said.reasons(), said.0.readings.len()), (vec![Reason::NotUnderstood], 0));
    House::new().hear("rtl_433/attic/states", r#"{"frames":1}"#).is_nothing();
}
