//! <https://esphome.io/components/mqtt.html>, <https://www.home-assistant.io/integrations/mqtt/>

use serde_json::json;

use super::{Said, Thing, address, node_name, value};
use crate::model::room::Samples;

/// Object, metric, unit, device class, decimals.
const SENSORS: [(&str, &str, &str, &str, u8); 4] = [
    ("temperature", "temperature", "°C", "temperature", 1),
    ("humidity", "humidity", "%", "humidity", 1),
    ("pressure", "pressure", "hPa", "atmospheric_pressure", 1),
    ("co2", "co2", "ppm", "carbon_dioxide", 0),
];

pub(super) fn announce(spec: &Thing<'_>, samples: &Samples) -> Vec<Said> {
    let node = node_name(spec);
    let mut said = vec![Said::kept(format!("{node}/status"), "online")];
    let there = SENSORS.iter().filter(|(_, metric, ..)| value(samples, metric).is_some());
    said.extend(there.map(|(object, _, unit, class, decimals)| {
        let config = json!({
            "name": object, "stat_t": format!("{node}/sensor/{object}/state"), "avty_t": format!("{node}/status"),
            "unit_of_meas": unit, "dev_cla": class, "stat_cla": "measurement", "sug_dsp_prc": decimals,
            "uniq_id": format!("ESPsensor{node}{object}"),
            "dev": {
                "ids": [address(spec)], "name": spec.name, "sw": "esphome v2025.10", "mdl": "esp32dev", "mf": "Espressif",
                "sa": format!("{}/{}", spec.building, spec.floor),
            },
        });
        Said::kept(format!("homeassistant/sensor/{node}/{object}/config"), config)
    }));
    said
}

pub(super) fn state(spec: &Thing<'_>, samples: &Samples) -> Vec<Said> {
    let node = node_name(spec);
    let there = SENSORS.iter().filter_map(|(object, metric, ..)| Some((object, value(samples, metric)?)));
    there.map(|(object, value)| Said::new(format!("{node}/sensor/{object}/state"), value)).collect()
}
