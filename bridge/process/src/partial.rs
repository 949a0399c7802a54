//! Figures of one metric (count, sum, extremes) that can be merged.

use serde::{Deserialize, Serialize};
use tidegate_telemetry::DeviceIndex;

/// Figures of one metric over some devices; merges with those of other devices.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Partial {
    pub(crate) count: u32,
    pub(crate) devices: u32,
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) oldest_ms: i64,
    /// Which device has the smallest; meaningless when `count` is 0.
    pub(crate) min_of: DeviceIndex,
    /// Which device has the largest, as `min_of`.
    pub(crate) max_of: DeviceIndex,
}

/// Stands for a device that nobody knows.
pub(crate) const NO_DEVICE: DeviceIndex = DeviceIndex(u32::MAX);

impl Partial {
    pub(crate) const EMPTY: Partial = Partial {
        count: 0,
        devices: 0,
        sum: 0.0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        oldest_ms: i64::MAX,
        min_of: NO_DEVICE,
        max_of: NO_DEVICE,
    };

    /// A device's newest value, if it is in the figures.
    pub(crate) fn add(&mut self, value: f64, time_ms: i64, device: DeviceIndex) {
        self.count += 1;
        self.sum += value;
        self.reach((value, device), (value, device));
        self.oldest_ms = self.oldest_ms.min(time_ms);
    }

    pub(crate) fn merge(&mut self, other: &Partial) {
        self.count += other.count;
        self.devices += other.devices;
        self.sum += other.sum;
        self.reach((other.min, other.min_of), (other.max, other.max_of));
        self.oldest_ms = self.oldest_ms.min(other.oldest_ms);
    }

    /// Of equal values the first one counts.
    fn reach(&mut self, (min, min_of): (f64, DeviceIndex), (max, max_of): (f64, DeviceIndex)) {
        if min < self.min {
            (self.min, self.min_of) = (min, min_of);
        }
        if max > self.max {
            (self.max, self.max_of) = (max, max_of);
        }
    }
}

/// Partials by metric number, in its order.
pub(crate) type Partials = Vec<(u16, Partial)>;

/// Sums up partials by metric: dense while it works, sparse when it is done.
#[derive(Debug, Default)]
pub(crate) struct Summing {
    by_metric: Vec<Partial>,
    touched: Vec<u16>,
}

impl Summing {
    /// The sum of one metric, to which the caller adds a device or more.
    pub(crate) fn at(&mut self, metric: u16) -> &mut Partial {
        let place = usize::from(metric);
        if place >= self.by_metric.len() {
            self.by_metric.resize(place + 1, Partial::EMPTY);
        }
        let partial = &mut self.by_metric[place];
        if partial.devices == 0 {
            self.touched.push(metric);
        }
        partial
    }

    pub(crate) fn merge(&mut self, partials: &Partials) {
        for (metric, partial) in partials {
            self.at(*metric).merge(partial);
        }
    }

    /// The sums by metric, and starts anew.
    pub(crate) fn finish(&mut self) -> Partials {
        self.touched.sort_unstable();
        let by_metric = &mut self.by_metric;
        let take = |metric: u16| (metric, std::mem::replace(&mut by_metric[usize::from(metric)], Partial::EMPTY));
        self.touched.drain(..).map(take).collect()
    }
}
