//! What is known of devices and metrics besides values, as REST and the live protocol show it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use tidegate_telemetry::{DeviceFacts, MetricFacts, PowerSource, SaidOfDevice, StateClass, WordChange};

/// What is known of a device; what nobody said is absent.
#[derive(Debug, Default, Serialize)]
pub struct AboutDevice<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maker: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firmware: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    power: Option<PowerSource>,
    /// Longest time between two reports, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_ms: Option<i64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    hidden: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<Said<'a>>,
}

/// Who said what of it, where a device or its gateway may say otherwise.
#[derive(Debug, Serialize)]
struct Said<'a> {
    by: &'a str,
    /// Unix ms.
    time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_ms: Option<i64>,
    /// What to send to take the last change back.
    undo: Map<String, Value>,
}

/// What is known of a metric; what nobody said is absent.
#[derive(Debug, Serialize)]
pub struct AboutMetric<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_class: Option<StateClass>,
    /// For `false` and `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<[&'a str; 2]>,
}

impl<'a> AboutDevice<'a> {
    /// `None`: nothing is known. What people say outweighs what the device says of itself.
    pub fn of(facts: Option<&'a DeviceFacts>, said: Option<&'a SaidOfDevice>) -> Option<Self> {
        let declared = facts.map_or_else(AboutDevice::default, |facts| {
            let DeviceFacts { name, model, maker, firmware, power, report_ms } = facts;
            AboutDevice {
                name: name.as_deref(),
                model: model.as_deref(),
                maker: maker.as_deref(),
                firmware: firmware.as_deref(),
                power: *power,
                interval_ms: *report_ms,
                ..AboutDevice::default()
            }
        });
        let Some(SaidOfDevice { word, .. }) = said else { return facts.map(|_| declared) };
        Some(AboutDevice {
            name: word.name.as_deref().or(declared.name),
            interval_ms: word.report_ms.or(declared.interval_ms),
            labels: word.labels.iter().map(|(key, value)| (&**key, &**value)).collect(),
            notes: word.notes.as_deref(),
            hidden: word.hidden,
            said: said.map(Said::from),
            ..declared
        })
    }
}

impl<'a> From<&'a SaidOfDevice> for Said<'a> {
    fn from(said: &'a SaidOfDevice) -> Self {
        let SaidOfDevice { word, by, at_ms, undo } = said;
        let (name, group, undo) = (word.name.as_deref(), word.group.as_deref(), patch_of(undo));
        Said { by, time: *at_ms, name, group, interval_ms: word.report_ms, undo }
    }
}

/// Changes as the body of a request that asks for them.
fn patch_of(changes: &[WordChange]) -> Map<String, Value> {
    let text = |text: &Option<_>| text.as_deref().map_or(Value::Null, |text: &str| text.into());
    let (mut patch, mut labels) = (Map::new(), Map::new());
    for change in changes {
        let (key, value) = match change {
            WordChange::Label(key, value) => {
                labels.insert((**key).to_owned(), text(value));
                continue;
            }
            WordChange::Name(name) => ("name", text(name)),
            WordChange::Group(group) => ("group", text(group)),
            WordChange::Notes(notes) => ("notes", text(notes)),
            WordChange::Hidden(hidden) => ("hidden", (*hidden).into()),
            WordChange::ReportMs(ms) => ("interval_ms", (*ms).into()),
        };
        patch.insert(key.to_owned(), value);
    }
    if !labels.is_empty() {
        patch.insert("labels".to_owned(), labels.into());
    }
    patch
}

impl<'a> AboutMetric<'a> {
    /// `None`: nothing is known beyond its unit and decimals.
    pub fn of(facts: Option<&'a MetricFacts>) -> Option<Self> {
        let facts = facts?;
        let MetricFacts { class, state_class, name, .. } = facts;
        let (name, class, state_class, words) = (name.as_deref(), class.as_deref(), *state_class, facts.words());
        let says_any = name.is_some() || class.is_some() || state_class.is_some() || words.is_some();
        says_any.then_some(AboutMetric { name, class, state_class, words })
    }
}
