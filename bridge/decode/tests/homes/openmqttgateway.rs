//! OpenMQTTGateway and Theengs (<https://docs.openmqttgateway.com/use/ble.html>).

use tidegate_telemetry::PowerSource;

use crate::{House, number, shown, text};

const THERMOMETER: &str = r#"{"id":"AA:BB:CC:DD:EE:FF","mac_type":0,"name":"LYWSD03MMC","rssi":-70,"brand":"Xiaomi","model":"TH Sensor",
 "model_id":"LYWSD03MMC","type":"THB","tempc":21.4,"tempf":70.52,"hum":45,"batt":88,"volt":2.9,"servicedata":"a4c138"}"#;
const RADIO: &str =
    r#"{"model":"LaCrosse-TX141Bv3","id":3,"channel":1,"battery_ok":1,"temperature_C":18.2,"rssi":-61,"protocol":"x"}"#;
const SYSTEM: &str =
    r#"{"uptime":4213,"version":"v1.7.0","rssi":-55,"SSID":"net","ip":"10.0.0.7","freemem":143216,"modules":["BT"]}"#;

pub(crate) const SAMPLES: &[(&str, &str)] = &[
    ("home/attic/BTtoMQTT/AABBCCDDEEFF", THERMOMETER),
    ("home/cellar/RTL_433toMQTT/LaCrosse-TX141Bv3/1/3", RADIO),
    ("home/attic/433toMQTT", r#"{"value":4201236,"protocol":1,"length":24,"delay":350}"#),
    ("home/attic/LORAtoMQTT", r#"{"rssi":-16,"snr":9.25,"pferror":-3598,"packetSize":3,"message":"abc"}"#),
    ("home/attic/SYStoMQTT", SYSTEM),
    ("home/attic/LWT", "offline"),
];

#[test]
fn two_gateways_hear_one_device() {
    let mut house = House::new();
    let attic = house.hear("home/attic/BTtoMQTT/AABBCCDDEEFF", THERMOMETER);
    let cellar = house.hear("home/cellar/BTtoMQTT/AABBCCDDEEFF", THERMOMETER.replace("-70", "-91"));
    assert_eq!(attic.of(), ("home/BTtoMQTT/AABBCCDDEEFF", "OpenMQTTGateway"));
    assert_eq!(cellar.of(), attic.of());
    assert_eq!(attic.values()[1..], cellar.values()[1..]);
    assert_eq!((attic.value("rssi.attic"), cellar.value("rssi.cellar")), (number(-70.0), number(-91.0)));
    let names: Vec<_> = attic.values().into_iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["rssi.attic", "tempc", "hum", "batt", "volt"]);
}

#[test]
fn a_device_has_its_maker_and_its_units() {
    let mut house = House::new();
    let said = house.hear("home/attic/BTtoMQTT/AABBCCDDEEFF", THERMOMETER);
    let facts = said.device();
    let texts = [&facts.name, &facts.model, &facts.maker].map(|text| text.as_deref().unwrap());
    assert_eq!((texts, facts.power), (["LYWSD03MMC", "LYWSD03MMC", "Xiaomi"], Some(PowerSource::Battery)));
    assert_eq!(shown(said.facts("tempc")), ("°C", "temperature", None));
    assert_eq!(shown(said.facts("rssi.attic")), ("dBm", "signal_strength", None));
    house.restart();
    let short =
        house.hear("home/cellar/BTtoMQTT/AABBCCDDEEFF", r#"{"id":"AA:BB:CC:DD:EE:FF","rssi":-80,"tempc":21.5}"#);
    assert_eq!(short.device(), said.device());
}

#[test]
fn what_rtl_433_decodes_in_a_gateway_is_named_as_there() {
    let said = House::new().hear("home/cellar/RTL_433toMQTT/LaCrosse-TX141Bv3/1/3", RADIO);
    assert_eq!(said.of().0, "home/RTL_433toMQTT/LaCrosse-TX141Bv3/1/3");
    assert_eq!(said.value("temperature_C"), number(18.2));
    assert_eq!(House::new().hear("home/cellar/RTL_433toMQTT", RADIO).of().0, said.of().0);
}

#[test]
fn what_says_no_device_is_of_the_receiver() {
    let mut house = House::new();
    let code = house.hear("home/attic/433toMQTT", SAMPLES[2].1);
    assert_eq!((code.of().0, code.value("value")), ("home/433toMQTT", number(4_201_236.0)));
    let lora = house.hear("home/attic/LORAtoMQTT", SAMPLES[3].1);
    assert_eq!((lora.of().0, lora.value("snr.attic")), ("home/LORAtoMQTT", number(9.25)));
}

#[test]
fn a_gateway_is_a_device_too() {
    let mut house = House::new();
    assert_eq!(house.hear("home/attic/LWT", "online").value("LWT"), text("online"), "nobody said that it is a gateway");
    let said = house.hear("home/attic/SYStoMQTT", SYSTEM);
    assert_eq!((said.of().0, said.value("freemem")), ("home/attic", number(143_216.0)));
    house.restart();
    assert_eq!(house.hear("home/attic/LWT", "offline").availability(), [("home/attic", false)]);
    house.hear("home/commands/MQTTtoBT/config", r#"{"interval":1}"#);
}

#[test]
fn discovery_of_it_names_no_device_twice() {
    let config = r#"{"stat_t":"+/+/BTtoMQTT/AABBCCDDEEFF","dev_cla":"temperature","unit_of_meas":"°C",
     "val_tpl":"{{ value_json.tempc | is_defined }}",
     "device":{"identifiers":["AABBCCDDEEFF"],"name":"TH"}}"#;
    let mut house = House::new();
    house.hear("homeassistant/sensor/AABBCCDDEEFF-tempc/config", config).is_nothing();
    assert_eq!(house.hear("home/attic/BTtoMQTT/AABBCCDDEEFF", THERMOMETER).of().0, "home/BTtoMQTT/AABBCCDDEEFF");
}
