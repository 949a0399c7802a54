//! What would come of a publication.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tidegate_telemetry::{
    Availability, Description, DeviceDescription, DeviceFacts, ImportedSeries, MetricFacts, Reading, Rejection, Value,
};

use crate::ports;

/// What would come of a publication, and why.
#[derive(Debug, Serialize)]
pub(crate) struct Trial {
    source: Option<String>,
    format: Option<&'static str>,
    readings: Vec<Read>,
    history: Vec<Before>,
    devices: Vec<Described>,
    metrics: Vec<DescribedMetric>,
    availability: Vec<Said>,
    effects: Vec<String>,
    problems: Vec<Flaw>,
    proposal: Option<String>,
}

#[derive(Debug, Serialize)]
struct Read {
    device: Arc<str>,
    group: Arc<str>,
    /// Unix ms; `null`: the receipt's.
    time: Option<i64>,
    metrics: BTreeMap<Arc<str>, serde_json::Value>,
    without_value: Vec<Arc<str>>,
}

/// Values of before, for history alone.
#[derive(Debug, Serialize)]
struct Before {
    device: Arc<str>,
    metric: Arc<str>,
    points: usize,
}

#[derive(Debug, Serialize)]
struct Described {
    device: Arc<str>,
    facts: DeviceFacts,
}

#[derive(Debug, Serialize)]
struct DescribedMetric {
    device: Arc<str>,
    metric: Arc<str>,
    facts: MetricFacts,
}

#[derive(Debug, Serialize)]
struct Said {
    device: Arc<str>,
    connected: bool,
}

#[derive(Debug, Serialize)]
struct Flaw {
    reason: &'static str,
    detail: String,
}

impl From<ports::Trial> for Trial {
    fn from(trial: ports::Trial) -> Self {
        let ports::Trial { source, format, decoded, proposal } = trial;
        let problems = decoded.rejection.into_iter().chain(decoded.further);
        Trial {
            source,
            format,
            readings: decoded.readings.into_iter().map(Read::from).collect(),
            history: decoded.history.into_iter().map(Before::from).collect(),
            devices: decoded.devices.into_iter().map(Described::from).collect(),
            metrics: decoded.descriptions.into_iter().map(DescribedMetric::from).collect(),
            availability: decoded.availability.into_iter().map(Said::from).collect(),
            effects: decoded.effects.into_iter().map(|effect| effect.topic).collect(),
            problems: problems.map(Flaw::from).collect(),
            proposal,
        }
    }
}

impl From<Reading> for Read {
    fn from(reading: Reading) -> Self {
        let value = |value: Value| match value {
            Value::Number(number) => serde_json::Number::from_f64(number).map_or(serde_json::Value::Null, Into::into),
            Value::Bool(on) => on.into(),
            Value::Text(text) => (*text).into(),
        };
        let Reading { device, group, time_ms: time, metrics, without_value, .. } = reading;
        let metrics = metrics.into_iter().map(|(name, it)| (name, value(it))).collect();
        Read { device, group, time, metrics, without_value }
    }
}

impl From<ImportedSeries> for Before {
    fn from(ImportedSeries { device, metric, points, .. }: ImportedSeries) -> Self {
        Before { device, metric, points: points.len() }
    }
}

impl From<DeviceDescription> for Described {
    fn from(DeviceDescription { device, facts }: DeviceDescription) -> Self {
        Described { device, facts: Arc::unwrap_or_clone(facts) }
    }
}

impl From<Description> for DescribedMetric {
    fn from(Description { device, metric, facts }: Description) -> Self {
        DescribedMetric { device, metric, facts: Arc::unwrap_or_clone(facts) }
    }
}

impl From<Availability> for Said {
    fn from(Availability { device, is_connected: connected }: Availability) -> Self {
        Said { device, connected }
    }
}

impl From<Rejection> for Flaw {
    fn from(Rejection { reason, detail, .. }: Rejection) -> Self {
        Flaw { reason: reason.name(), detail: detail.to_string() }
    }
}
