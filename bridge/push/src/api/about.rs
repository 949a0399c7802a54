//! What is known of devices and metrics besides values, as REST and the live protocol show it.

use serde::Serialize;
use tidegate_telemetry::{DeviceFacts, MetricFacts, PowerSource, StateClass};

/// What is known of a device; what nobody said is absent.
#[derive(Debug, Serialize)]
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
    /// `None`: nothing is known.
    pub fn of(facts: Option<&'a DeviceFacts>) -> Option<Self> {
        let DeviceFacts { name, model, maker, firmware, power, report_ms } = facts?;
        let about = AboutDevice {
            name: name.as_deref(),
            model: model.as_deref(),
            maker: maker.as_deref(),
            firmware: firmware.as_deref(),
            power: *power,
            interval_ms: *report_ms,
        };
        Some(about)
    }
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
