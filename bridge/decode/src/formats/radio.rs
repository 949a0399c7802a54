//! What LoRaWAN networks say besides what a device measured: how well it is heard, how full its battery is, where it is.

use std::sync::Arc;

use serde::Deserialize;
use smallvec::SmallVec;
use tidegate_telemetry::{Decoded, Description, DeviceFacts, MetricFacts, PowerSource, Reading, StateClass, Value};

use crate::format::Input;
use crate::gather::Place;

/// Metrics that a network adds, with what is known of them; the same in memory each time.
#[derive(Debug)]
pub(super) struct Added {
    pub(super) rssi: Known,
    pub(super) snr: Known,
    pub(super) port: Known,
    pub(super) battery: Known,
    pub(super) margin: Known,
    pub(super) external_power: Known,
    latitude: Known,
    longitude: Known,
    altitude: Known,
}

/// A metric that is added.
#[derive(Debug)]
pub(super) struct Known {
    name: Arc<str>,
    facts: Arc<MetricFacts>,
}

impl Added {
    pub(super) fn new() -> Self {
        let known = |name: &str, unit: Option<&str>, class: Option<&str>, decimals| {
            let facts = MetricFacts {
                unit: unit.map(Into::into),
                class: class.map(Into::into),
                decimals,
                state_class: unit.map(|_| StateClass::Measurement),
                ..MetricFacts::default()
            };
            Known { name: name.into(), facts: Arc::new(facts) }
        };
        Added {
            rssi: known("rssi", Some("dBm"), Some("signal_strength"), Some(0)),
            snr: known("snr", Some("dB"), Some("signal_strength"), Some(1)),
            port: known("fPort", None, None, Some(0)),
            battery: known("battery", Some("%"), Some("battery"), Some(0)),
            margin: known("margin", Some("dB"), None, Some(0)),
            external_power: known("externalPower", None, Some("plug"), None),
            latitude: known("latitude", Some("°"), None, Some(5)),
            longitude: known("longitude", Some("°"), None, Some(5)),
            altitude: known("altitude", Some("m"), Some("distance"), Some(0)),
        }
    }
}

/// How a gateway heard a device. A gateway leaves out what is 0.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Heard {
    rssi: Option<f64>,
    #[serde(alias = "loRaSNR")]
    snr: Option<f64>,
}

/// A position on the earth, by WGS 84.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Located {
    latitude: Option<f64>,
    longitude: Option<f64>,
    altitude: Option<f64>,
}

/// A reading with what the network adds to it.
pub(super) struct Uplink<'o> {
    reading: Reading,
    descriptions: &'o mut Vec<Description>,
}

impl<'o> Uplink<'o> {
    /// Of what was measured; without it of the network's own words alone.
    pub(super) fn new(
        place: &Place,
        time_ms: Option<i64>,
        measured: Option<Reading>,
        descriptions: &'o mut Vec<Description>,
    ) -> Self {
        let reading = measured.unwrap_or_else(|| Reading {
            device: Arc::clone(&place.device),
            group: Arc::clone(&place.group),
            time_ms,
            corrects: false,
            metrics: SmallVec::new(),
            without_value: Vec::new(),
        });
        Uplink { reading, descriptions }
    }

    /// Adds a metric, unless the device said it itself.
    pub(super) fn add(&mut self, known: &Known, value: Option<Value>) {
        let Some(value) = value.filter(|value| !matches!(value, Value::Number(number) if !number.is_finite())) else {
            return;
        };
        if self.reading.metrics.iter().any(|(name, _)| *name == known.name) {
            return;
        }
        let device = Arc::clone(&self.reading.device);
        let (metric, facts) = (Arc::clone(&known.name), Arc::clone(&known.facts));
        self.reading.metrics.push((Arc::clone(&metric), value));
        self.descriptions.push(Description { device, metric, facts });
    }

    /// Adds how the gateway that heard it best did so.
    pub(super) fn add_best(&mut self, added: &Added, heard: &[Heard]) {
        let strength = |heard: &&Heard| heard.rssi.unwrap_or(f64::MIN);
        let Some(best) = heard.iter().max_by(|a, b| strength(a).total_cmp(&strength(b))) else { return };
        self.add(&added.rssi, best.rssi.map(Value::Number));
        self.add(&added.snr, best.snr.map(Value::Number));
    }

    pub(super) fn locate(&mut self, added: &Added, at: Located) {
        let known = [(&added.latitude, at.latitude), (&added.longitude, at.longitude), (&added.altitude, at.altitude)];
        known.into_iter().for_each(|(known, value)| self.add(known, value.map(Value::Number)));
    }

    /// Ends it: one without any metric is none.
    pub(super) fn finish(self, readings: &mut Vec<Reading>) {
        if !self.reading.metrics.is_empty() || !self.reading.without_value.is_empty() {
            readings.push(self.reading);
        }
    }
}

/// What the network's register says of a device.
#[derive(Debug, Default)]
pub(super) struct Registered<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) model: Option<&'a str>,
    pub(super) maker: Option<&'a str>,
    pub(super) firmware: Option<&'a str>,
    pub(super) power: Option<PowerSource>,
}

impl Registered<'_> {
    /// Facts of a device; words that are longer than a name may be are left out.
    pub(super) fn facts(&self, input: &mut Input<'_>) -> Option<Arc<DeviceFacts>> {
        let max = input.config.name_bytes_max;
        let mut kept = |text: Option<&str>| {
            let text = text.map(str::trim).filter(|text| !text.is_empty() && text.len() <= max)?;
            Some(input.names.text(text))
        };
        let facts = DeviceFacts {
            name: kept(self.name),
            model: kept(self.model),
            maker: kept(self.maker),
            firmware: kept(self.firmware),
            power: self.power,
            ..DeviceFacts::default()
        };
        (facts != DeviceFacts::default()).then(|| Arc::new(facts))
    }
}

/// Says what is known of a device.
pub(super) fn describe(place: &Place, facts: Option<Arc<DeviceFacts>>, out: &mut Decoded) {
    let device = Arc::clone(&place.device);
    out.devices.extend(facts.map(|facts| tidegate_telemetry::DeviceDescription { device, facts }));
}
