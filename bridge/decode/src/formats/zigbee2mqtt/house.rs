//! What `bridge/devices` says of the devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidegate_telemetry::{
    Decoded, Description, DeviceDescription, DeviceFacts, MetricFacts, PowerSource, Reason, Rejection, Value,
};

use super::exposes::{Expose, Exposed};
use crate::flaws::Flaws;
use crate::format::Input;

/// Most devices of one base topic; a Zigbee network has some hundreds.
const DEVICES_MAX: usize = 4_096;

/// The devices of a base topic, by name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct House {
    pub(super) devices: BTreeMap<Arc<str>, Arc<Known>>,
}

/// What is known of a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) facts: Arc<DeviceFacts>,
    /// Those of its metrics of which something is known; devices of one model have the same ones in memory.
    metrics: Arc<Vec<Exposed>>,
    /// Whether it was said to be offline.
    pub(super) is_gone: bool,
}

impl Known {
    pub(super) fn metric(&self, name: &str) -> Option<Arc<MetricFacts>> {
        self.metrics.iter().find(|exposed| *exposed.metric == *name).map(|exposed| Arc::clone(&exposed.facts))
    }

    /// Makes of a value what the device's description says that it means.
    pub(super) fn correct(&self, name: &str, value: &mut Value) {
        if matches!(value, Value::Number(_)) {
            return;
        }
        if let Some(exposed) = self.metrics.iter().find(|exposed| *exposed.metric == *name) {
            exposed.correct(value);
        }
    }
}

#[derive(Deserialize)]
struct Listed {
    friendly_name: String,
    #[serde(default, rename = "type")]
    kind: String,
    power_source: Option<String>,
    manufacturer: Option<String>,
    model_id: Option<String>,
    software_build_id: Option<String>,
    definition: Option<Definition>,
}

#[derive(Deserialize)]
struct Definition {
    model: Option<String>,
    vendor: Option<String>,
    #[serde(default)]
    exposes: Vec<Expose>,
}

impl House {
    /// Reads the list. What it says of a device that sends readings counts at once.
    pub(super) fn read(
        input: &mut Input<'_>,
        base: &str,
        text: &str,
        before: &House,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) -> Result<House, Rejection> {
        let listed: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
            Rejection::new(Reason::InvalidJson, format!("the list of devices is not well-formed ({error})"))
        })?;
        let mut house = House::default();
        let mut models: BTreeMap<String, Arc<Vec<Exposed>>> = BTreeMap::new();
        for (place, device) in listed.iter().enumerate() {
            if place >= DEVICES_MAX {
                flaws.add(too_many(listed.len()));
                break;
            }
            match serde_json::from_str::<Listed>(device.get()) {
                Ok(listed) if listed.kind == "Coordinator" => {}
                Ok(listed) => {
                    if let Err(rejection) = house.take(input, base, listed, before, &mut models, out) {
                        flaws.add(rejection);
                    }
                }
                Err(error) => {
                    let detail = format!("device {place} of the list is not as Zigbee2MQTT describes one ({error})");
                    flaws.add(Rejection::new(Reason::NotUnderstood, detail));
                }
            }
        }
        Ok(house)
    }

    fn take(
        &mut self,
        input: &mut Input<'_>,
        base: &str,
        listed: Listed,
        before: &House,
        models: &mut BTreeMap<String, Arc<Vec<Exposed>>>,
        out: &mut Decoded,
    ) -> Result<(), Rejection> {
        let name = input.name("device's name", &listed.friendly_name)?;
        let device = input.name("topic", &format!("{base}/{name}"))?;
        let known_before = before.devices.get(&name);
        let metrics = metrics_of(input, &listed, models);
        let facts = facts(input, &listed);
        let known = Known {
            facts: match known_before {
                Some(known) if *known.facts == facts => Arc::clone(&known.facts),
                _ => Arc::new(facts),
            },
            metrics: match known_before {
                Some(known) if known.metrics == metrics => Arc::clone(&known.metrics),
                _ => metrics,
            },
            is_gone: known_before.is_some_and(|known| known.is_gone),
        };
        if known_before.is_none_or(|before| **before != known) {
            out.devices.push(DeviceDescription { device: device.clone(), facts: Arc::clone(&known.facts) });
            let description = |exposed: &Exposed| Description {
                device: device.clone(),
                metric: exposed.metric.clone(),
                facts: Arc::clone(&exposed.facts),
            };
            out.descriptions.extend(known.metrics.iter().map(description));
        }
        self.devices.insert(name, Arc::new(known));
        Ok(())
    }
}

/// The metrics of a device. Devices with one definition have the same ones in memory.
fn metrics_of(
    input: &mut Input<'_>,
    listed: &Listed,
    models: &mut BTreeMap<String, Arc<Vec<Exposed>>>,
) -> Arc<Vec<Exposed>> {
    let Some(definition) = &listed.definition else { return Arc::default() };
    let mut metrics = Vec::new();
    definition.exposes.iter().for_each(|expose| expose.add_to(input, "", &mut metrics));
    let model = definition.model.clone().unwrap_or_default();
    match models.get(&model).filter(|known| ***known == metrics) {
        Some(known) => Arc::clone(known),
        None => {
            let metrics = Arc::new(metrics);
            models.insert(model, Arc::clone(&metrics));
            metrics
        }
    }
}

fn facts(input: &mut Input<'_>, listed: &Listed) -> DeviceFacts {
    let definition = listed.definition.as_ref();
    let mut text = |text: Option<&String>| {
        text.filter(|text| !text.is_empty()).and_then(|text| input.name("description", text).ok())
    };
    let name = listed.friendly_name.rsplit('/').next().map(str::to_owned);
    DeviceFacts {
        name: text(name.as_ref()),
        model: text(definition.and_then(|it| it.model.as_ref()).or(listed.model_id.as_ref())),
        maker: text(definition.and_then(|it| it.vendor.as_ref()).or(listed.manufacturer.as_ref())),
        firmware: text(listed.software_build_id.as_ref()),
        power: listed.power_source.as_deref().and_then(power),
        report_ms: None,
    }
}

/// Zigbee's names of power sources (ZCL revision 8, 3.2.2.2.8), as herdsman writes them.
fn power(source: &str) -> Option<PowerSource> {
    match source {
        "Battery" => Some(PowerSource::Battery),
        "DC Source" => Some(PowerSource::Mains),
        _ if source.starts_with("Mains") || source.starts_with("Emergency mains") => Some(PowerSource::Mains),
        _ => None,
    }
}

fn too_many(listed: usize) -> Rejection {
    let detail = format!("{listed} devices are listed, of which {DEVICES_MAX} count: split the network");
    Rejection::new(Reason::TooManyMetrics, detail)
}
