use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tidegate_telemetry::{DeviceState, InAlert, Severity, StateCounts, Value};
use tidegate_views::read;

use super::about::{AboutDevice, AboutMetric};

/// A device, its newest values, and what is to be known of its history.
#[derive(Serialize)]
pub struct Device<'a> {
    id: &'a str,
    group: &'a str,
    state: DeviceState,
    since: i64,
    alert: Option<Severity>,
    about: Option<AboutDevice<'a>>,
    #[serde(serialize_with = "metrics")]
    metrics: &'a read::Named<read::Metric>,
    /// Why nothing of it comes into history.
    not_kept: Option<&'static str>,
}

/// The newest value of a metric.
#[derive(Serialize)]
struct Metric<'a> {
    #[serde(serialize_with = "value")]
    value: Option<&'a Value>,
    time: Option<i64>,
    unit: Option<&'a str>,
    unit_guessed: bool,
    decimals: Option<u8>,
    about: Option<AboutMetric<'a>>,
}

/// A group and its aggregates, over itself and everything below it.
#[derive(Serialize)]
pub struct Group<'a> {
    path: &'a str,
    devices: StateCounts,
    in_alert: InAlert,
    #[serde(serialize_with = "figures")]
    metrics: &'a read::Named<read::Figures>,
}

/// Aggregate of the newest values of one metric; figures are `null` when `count` is 0.
#[derive(Serialize)]
struct Figures<'a> {
    count: u32,
    devices: u32,
    mean: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    oldest: Option<i64>,
    min_device: Option<&'a str>,
    max_device: Option<&'a str>,
}

impl<'a> Device<'a> {
    pub fn of(device: &'a read::Device, not_kept: Option<&'static str>) -> Self {
        Device {
            id: &device.id,
            group: &device.group,
            state: device.state,
            since: device.since,
            alert: device.alert,
            about: AboutDevice::of(device.facts.as_deref(), device.said.as_deref()),
            metrics: &device.metrics,
            not_kept,
        }
    }
}

impl<'a> From<&'a read::Group> for Group<'a> {
    fn from(group: &'a read::Group) -> Self {
        let read::Group { path, devices, in_alert, metrics } = group;
        Group { path, devices: *devices, in_alert: *in_alert, metrics }
    }
}

fn metrics<S: Serializer>(metrics: &read::Named<read::Metric>, serializer: S) -> Result<S::Ok, S::Error> {
    named(metrics, serializer, |metric| Metric {
        value: metric.value.as_ref(),
        time: metric.time,
        unit: metric.unit.as_deref(),
        unit_guessed: metric.unit_guessed,
        decimals: metric.decimals,
        about: AboutMetric::of(metric.facts.as_deref()),
    })
}

fn figures<S: Serializer>(metrics: &read::Named<read::Figures>, serializer: S) -> Result<S::Ok, S::Error> {
    named(metrics, serializer, |figures| Figures {
        count: figures.count,
        devices: figures.devices,
        mean: figures.mean,
        min: figures.min,
        max: figures.max,
        oldest: figures.oldest,
        min_device: figures.min_device.as_deref(),
        max_device: figures.max_device.as_deref(),
    })
}

/// An object, with the names in their order.
fn named<'a, S: Serializer, T, U: Serialize>(
    things: &'a read::Named<T>,
    serializer: S,
    shape: impl Fn(&'a T) -> U,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(things.0.len()))?;
    for (name, thing) in &things.0 {
        let name: &Arc<str> = name;
        map.serialize_entry(&**name, &shape(thing))?;
    }
    map.end()
}

/// Number, boolean or text; `null` before the first.
#[allow(clippy::ref_option)] // serde gives a reference to the field
fn value<S: Serializer>(value: &Option<&Value>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        None => serializer.serialize_none(),
        Some(Value::Number(number)) => serializer.serialize_f64(*number),
        Some(Value::Bool(on)) => serializer.serialize_bool(*on),
        Some(Value::Text(text)) => serializer.serialize_str(text),
    }
}
