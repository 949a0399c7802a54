//! Metrics that come one by one, put together: those of a device and time are one reading.

use std::sync::Arc;

use smallvec::smallvec;
use tidegate_telemetry::{Reading, Reason, Rejection, Value};

use crate::config::DecodeConfig;
use crate::flaws::Flaws;

/// So many of the last readings are looked at for one of the same device and time.
const SEARCHED_MAX: usize = 8;

/// Whose a metric is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) device: Arc<str>,
    pub(crate) group: Arc<str>,
}

/// The readings of one publication while its metrics are read.
#[derive(Debug)]
pub(crate) struct Gather<'o> {
    out: &'o mut Vec<Reading>,
    from: usize,
    metrics_max: usize,
    readings_max: usize,
    left_out: usize,
}

impl<'o> Gather<'o> {
    pub(crate) fn new(config: &DecodeConfig, out: &'o mut Vec<Reading>) -> Self {
        let (metrics_max, readings_max) = (config.metrics_max.max(1), config.readings_max);
        Gather { from: out.len(), out, metrics_max, readings_max, left_out: 0 }
    }

    /// Adds a metric; one without a value is named alone. A metric that a reading has already begins another one of the same
    /// time, and so does one past the limit of a reading: nothing of a large batch is lost.
    pub(crate) fn add(&mut self, place: &Place, time_ms: Option<i64>, metric: Arc<str>, value: Option<Value>) -> bool {
        let Some(reading) = self.reading(place, time_ms, &metric) else {
            self.left_out += 1;
            return false;
        };
        match value {
            Some(value) => reading.metrics.push((metric, value)),
            None => reading.without_value.push(metric),
        }
        true
    }

    fn reading(&mut self, place: &Place, time_ms: Option<i64>, metric: &Arc<str>) -> Option<&mut Reading> {
        let first = self.from.max(self.out.len().saturating_sub(SEARCHED_MAX));
        let has = |reading: &Reading| {
            let known = reading.metrics.iter().map(|(name, _)| name).chain(&reading.without_value);
            known.into_iter().any(|name| Arc::ptr_eq(name, metric) || name == metric)
        };
        let is_full = |reading: &Reading| reading.metrics.len() + reading.without_value.len() >= self.metrics_max;
        let fits = |reading: &Reading| {
            reading.time_ms == time_ms && reading.device == place.device && !is_full(reading) && !has(reading)
        };
        let found = self.out[first..].iter().rposition(fits);
        let at = match found {
            Some(place) => first + place,
            None if self.out.len() - self.from >= self.readings_max => return None,
            None => {
                self.out.push(Reading {
                    device: Arc::clone(&place.device),
                    group: Arc::clone(&place.group),
                    time_ms,
                    corrects: false,
                    metrics: smallvec![],
                    without_value: Vec::new(),
                });
                self.out.len() - 1
            }
        };
        self.out.get_mut(at)
    }

    /// Says what was too much.
    pub(crate) fn finish(self, flaws: &mut Flaws) {
        if self.left_out > 0 {
            let detail = format!(
                "more than decode.readings_max ({}) readings: {} values were left out, publish fewer at once",
                self.readings_max, self.left_out
            );
            flaws.add(Rejection::new(Reason::TooManyMetrics, detail));
        }
    }
}
