//! <https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Mqtt>

use serde_json::json;

use super::{Said, Thing, address, value};
use crate::model::payload::Reading;

fn id(spec: &Thing<'_>) -> String {
    format!("shellyplusht-{}", address(spec))
}

pub(super) fn announce(spec: &Thing<'_>) -> Vec<Said> {
    vec![Said::kept(format!("{}/online", id(spec)), "true")]
}

pub(super) fn state(spec: &Thing<'_>, reading: &Reading) -> Vec<Said> {
    let (id, samples) = (id(spec), &reading.samples);
    let celsius = value(samples, "temperature").unwrap_or_default();
    let mut parameters = json!({
        "ts": reading.time_ms.unwrap_or_default() as f64 / 1e3,
        "temperature:0": { "id": 0, "tC": celsius, "tF": (celsius * 18.0).round() / 10.0 + 32.0 },
        "humidity:0": { "id": 0, "rh": value(samples, "humidity") },
        "sys": { "mac": address(spec).to_uppercase(), "wakeup_period": spec.interval.as_secs() },
    });
    if let Some(percent) = value(samples, "battery") {
        let battery = json!({ "V": (480.0 + percent * 1.2).round() / 100.0, "percent": percent });
        parameters["devicepower:0"] = json!({ "id": 0, "battery": battery, "external": { "present": false } });
    }
    let payload =
        json!({ "src": id, "dst": format!("{id}/events"), "method": "NotifyFullStatus", "params": parameters });
    vec![Said::new(format!("{id}/events/rpc"), payload)]
}
