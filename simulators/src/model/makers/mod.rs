//! Devices as the software of their makers lets them speak: what they say once of themselves, and their readings.

mod chirpstack;
mod esphome;
mod shelly;
mod sparkplug;
mod tasmota;
mod zigbee2mqtt;

use std::time::Duration;

use super::payload::Reading;
use super::room::Samples;

/// Whose software a device, or its gateway, speaks as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Maker {
    /// Zigbee sensors behind Zigbee2MQTT.
    Zigbee2mqtt,
    /// Plugs and sensors with Tasmota.
    Tasmota,
    /// Shelly Plus H&T and its kin, second generation.
    Shelly,
    /// ESP32 with ESPHome, which describes itself by Home Assistant's discovery.
    Esphome,
    /// LoRaWAN sensors behind ChirpStack 4.
    Chirpstack,
    /// Sparkplug B edge nodes.
    Sparkplug,
}

/// Every maker, in the order in which a mixed house has them.
pub const MAKERS: [Maker; 6] =
    [Maker::Zigbee2mqtt, Maker::Tasmota, Maker::Shelly, Maker::Esphome, Maker::Chirpstack, Maker::Sparkplug];

/// A device, as its maker's software knows it.
#[derive(Debug, Clone, Copy)]
pub struct Thing<'a> {
    /// Name, unique in the fleet.
    pub name: &'a str,
    /// `Building A`.
    pub building: &'a str,
    /// `Floor 3`.
    pub floor: &'a str,
    /// Between two readings.
    pub interval: Duration,
    /// For its address.
    pub seed: u64,
}

/// A message of a maker's software.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Whether the broker keeps it.
    pub retain: bool,
}

impl Said {
    fn new(topic: String, payload: impl ToString) -> Said {
        Said { topic, payload: payload.to_string().into_bytes(), retain: false }
    }

    fn kept(topic: String, payload: impl ToString) -> Said {
        Said { retain: true, ..Said::new(topic, payload) }
    }
}

impl Maker {
    /// What a device says when it is connected. `fleet` are the names of all devices of this maker, of which `spec` is one: a
    /// gateway lists them.
    pub fn announce(self, spec: &Thing<'_>, fleet: &[String], reading: &Reading) -> Vec<Said> {
        match self {
            Maker::Zigbee2mqtt => zigbee2mqtt::announce(spec, fleet),
            Maker::Tasmota => tasmota::announce(spec),
            Maker::Shelly => shelly::announce(spec),
            Maker::Esphome => esphome::announce(spec, &reading.samples),
            Maker::Chirpstack => Vec::new(),
            Maker::Sparkplug => sparkplug::birth(spec, reading),
        }
    }

    /// A reading; `count` is that of readings since the device was connected, from 1.
    pub fn state(self, spec: &Thing<'_>, reading: &Reading, count: u32) -> Vec<Said> {
        match self {
            Maker::Zigbee2mqtt => zigbee2mqtt::state(spec, &reading.samples),
            Maker::Tasmota => tasmota::state(spec, reading),
            Maker::Shelly => shelly::state(spec, reading),
            Maker::Esphome => esphome::state(spec, &reading.samples),
            Maker::Chirpstack => chirpstack::state(spec, reading, count),
            Maker::Sparkplug => sparkplug::data(spec, reading, count),
        }
    }
}

/// The value of a metric, rounded as the sensor rounds; `None`: it has no such metric.
fn value(samples: &Samples, metric: &str) -> Option<f64> {
    let sample = samples.iter().find(|sample| sample.metric == metric)?;
    let tens = 10f64.powi(i32::from(sample.decimals));
    Some((sample.value * tens).round() / tens)
}

/// Twelve hexadecimal digits that are the device's own.
fn address(spec: &Thing<'_>) -> String {
    format!("{:012x}", spec.seed & 0xffff_ffff_ffff)
}

/// A name as nodes have it: `living_room`.
fn node_name(spec: &Thing<'_>) -> String {
    spec.name.replace(' ', "_")
}
