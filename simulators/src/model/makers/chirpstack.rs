//! <https://www.chirpstack.io/docs/chirpstack/integrations/events.html>

use serde_json::{Map, Value, json};

use super::{Said, Thing, address, value};
use crate::model::payload::Reading;

const APPLICATION: &str = "5f2b7d1c-0d3c-4a49-9f0e-1f6a1b1c2d3e";

pub(super) fn state(spec: &Thing<'_>, reading: &Reading, count: u32) -> Vec<Said> {
    let eui = format!("70b3{}", address(spec));
    let metrics = ["temperature", "humidity", "co2", "battery"];
    let there =
        metrics.iter().filter_map(|metric| Some(((*metric).to_owned(), value(&reading.samples, metric)?.into())));
    let object: Map<String, Value> = there.collect();
    let payload = json!({
        "deviceInfo": {
            "tenantName": "Tidegate", "applicationId": APPLICATION, "applicationName": spec.building,
            "deviceProfileName": "Milesight EM300", "deviceName": spec.name, "devEui": eui,
            "tags": { "floor": spec.floor },
        },
        "devAddr": "00189440", "adr": true, "dr": 5, "fCnt": count, "fPort": 85, "confirmed": false, "object": object,
        "rxInfo": [{ "gatewayId": "0016c001f153a14c", "rssi": -57 - i64::from(count % 7), "snr": 10.0, "channel": 2 }],
    });
    vec![Said::new(format!("application/{APPLICATION}/device/{eui}/event/up"), payload)]
}
