//! Readings together with what is known of their device and metrics.

use std::collections::HashMap;
use std::sync::Arc;

use tidegate_telemetry::{Decoded, Description, DeviceDescription, DeviceFacts, MetricFacts, Reading};

/// Facts that are kept, so that each reading brings the same ones in memory.
const KEPT_MAX: usize = 8_192;

/// Adds a reading, and what is known of what it is about.
pub(crate) fn say(
    out: &mut Decoded,
    reading: Reading,
    device: Option<&Arc<DeviceFacts>>,
    mut of_metric: impl FnMut(&str) -> Option<Arc<MetricFacts>>,
) {
    if let Some(facts) = device {
        out.devices.push(DeviceDescription { device: reading.device.clone(), facts: Arc::clone(facts) });
    }
    for (metric, _) in &reading.metrics {
        if let Some(facts) = of_metric(metric) {
            out.descriptions.push(Description { device: reading.device.clone(), metric: metric.clone(), facts });
        }
    }
    out.readings.push(reading);
}

/// Facts of metrics by whatever tells them apart. Only a cache: what it holds never shows.
#[derive(Debug, Default)]
pub(crate) struct Kept(HashMap<Box<str>, Option<Arc<MetricFacts>>>);

impl Kept {
    /// The facts of this key, which are worked out where they are not there.
    pub(crate) fn of(&mut self, key: &str, make: impl FnOnce() -> Option<MetricFacts>) -> Option<Arc<MetricFacts>> {
        if let Some(known) = self.0.get(key) {
            return known.clone();
        }
        if self.0.len() >= KEPT_MAX {
            self.0.clear();
        }
        let facts = make().map(Arc::new);
        self.0.insert(key.into(), facts.clone());
        facts
    }
}
