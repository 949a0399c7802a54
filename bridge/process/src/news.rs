//! Which metrics the reading at hand has, so that only rules about these look at it.

use tidegate_telemetry::MetricIndex;

/// Which metrics of a device a reading has, and whether each is the newest of its kind: found by number, since a device may
/// have many metrics and many rules on each.
#[derive(Debug, Default)]
pub(crate) struct News {
    by_metric: Vec<Option<bool>>,
    metrics: Vec<MetricIndex>,
}

impl News {
    pub(crate) fn clear(&mut self) {
        for metric in self.metrics.drain(..) {
            self.by_metric[usize::from(metric.0)] = None;
        }
    }

    /// Adds a metric. Of one that comes twice, the first counts.
    pub(crate) fn add(&mut self, metric: MetricIndex, is_newest: bool) {
        let place = usize::from(metric.0);
        if place >= self.by_metric.len() {
            self.by_metric.resize(place + 1, None);
        }
        if self.by_metric[place].is_none() {
            self.by_metric[place] = Some(is_newest);
            self.metrics.push(metric);
        }
    }

    /// Whether the metric is the newest of its kind; `None` when the reading has nothing of it.
    pub(crate) fn of(&self, metric: MetricIndex) -> Option<bool> {
        self.by_metric.get(usize::from(metric.0)).copied().flatten()
    }
}
