//! <https://www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html>

use serde_json::{Value, json};

use super::{Said, Thing, address, value};
use crate::model::room::Samples;

const BASE: &str = "zigbee2mqtt";

pub(super) fn announce(spec: &Thing<'_>, fleet: &[String]) -> Vec<Said> {
    let mut said = vec![Said::kept(format!("{BASE}/{}/availability", spec.name), json!({ "state": "online" }))];
    if fleet.first().is_some_and(|first| first == spec.name) {
        let devices: Vec<Value> = fleet.iter().enumerate().map(|(number, name)| listed(number, name)).collect();
        said.push(Said::kept(format!("{BASE}/bridge/state"), json!({ "state": "online" })));
        said.push(Said::kept(format!("{BASE}/bridge/devices"), Value::from(devices)));
    }
    said
}

fn listed(number: usize, name: &str) -> Value {
    let numeric = |name: &str, unit: &str| json!({ "type": "numeric", "property": name, "name": name, "unit": unit, "access": 1 });
    json!({
        "friendly_name": name,
        "ieee_address": format!("0x00158d00{number:08x}"),
        "type": "EndDevice",
        "power_source": "Battery",
        "supported": true,
        "interview_completed": true,
        "model_id": "lumi.weather",
        "manufacturer": "LUMI",
        "definition": {
            "model": "WSDCGQ11LM",
            "vendor": "Aqara",
            "description": "Temperature and humidity sensor",
            "exposes": [
                numeric("battery", "%"), numeric("temperature", "°C"), numeric("humidity", "%"), numeric("pressure", "hPa"),
                numeric("voltage", "mV"), numeric("linkquality", "lqi"),
            ],
        },
    })
}

pub(super) fn state(spec: &Thing<'_>, samples: &Samples) -> Vec<Said> {
    let quality = 60 + i64::from_str_radix(&address(spec)[..2], 16).unwrap_or_default() / 2;
    let mut payload = json!({ "linkquality": quality, "voltage": 2955 });
    for metric in ["temperature", "humidity", "pressure", "battery"] {
        if let Some(value) = value(samples, metric) {
            payload[metric] = value.into();
        }
    }
    vec![Said::new(format!("{BASE}/{}", spec.name), payload)]
}
