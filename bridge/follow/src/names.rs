//! Which device and metric a number stands for.

use std::sync::Arc;

use tidegate_telemetry::{Change, DeviceIndex, MetricIndex};

/// What belongs to the numbers of devices (`D`) and of their metrics (`M`). Numbers are dense, so it is found by index.
#[derive(Debug, Clone)]
pub struct ByNumber<D, M>(Vec<Option<(D, Vec<Option<M>>)>>);

impl<D, M> Default for ByNumber<D, M> {
    fn default() -> Self {
        ByNumber(Vec::new())
    }
}

impl<D, M> ByNumber<D, M> {
    /// What belongs to a device.
    #[must_use]
    pub fn device(&self, device: DeviceIndex) -> Option<&D> {
        self.known(device).map(|(device, _)| device)
    }

    /// What belongs to a metric of a device.
    #[must_use]
    pub fn metric(&self, device: DeviceIndex, metric: MetricIndex) -> Option<&M> {
        self.known(device)?.1.get(usize::from(metric.0))?.as_ref()
    }

    /// The number stands for another device from now on, of which no metric is known yet.
    pub fn set_device(&mut self, device: DeviceIndex, what: D) {
        let at = device.0 as usize;
        if at >= self.0.len() {
            self.0.resize_with(at + 1, || None);
        }
        self.0[at] = Some((what, Vec::new()));
    }

    /// What the number of a metric stands for; what it stood for before is returned. Of a device that is not known
    /// nothing is kept.
    pub fn set_metric(&mut self, device: DeviceIndex, metric: MetricIndex, what: M) -> Option<M> {
        let (_, metrics) = self.0.get_mut(device.0 as usize)?.as_mut()?;
        let at = usize::from(metric.0);
        if at >= metrics.len() {
            metrics.reserve_exact(at + 1 - metrics.len());
            metrics.resize_with(at + 1, || None);
        }
        metrics[at].replace(what)
    }

    /// The number stands for no device any more; what it stood for is returned.
    pub fn remove(&mut self, device: DeviceIndex) -> Option<D> {
        self.0.get_mut(device.0 as usize)?.take().map(|(device, _)| device)
    }

    /// Every metric, by the numbers.
    pub fn iter(&self) -> impl Iterator<Item = (DeviceIndex, MetricIndex, &D, &M)> {
        let known = (0_u32..).map(DeviceIndex).zip(&self.0).filter_map(|(index, known)| Some((index, known.as_ref()?)));
        known.flat_map(|(index, (device, metrics))| {
            let metrics = (0_u16..).map(MetricIndex).zip(metrics);
            metrics.filter_map(move |(number, metric)| Some((index, number, device, metric.as_ref()?)))
        })
    }

    fn known(&self, device: DeviceIndex) -> Option<&(D, Vec<Option<M>>)> {
        self.0.get(device.0 as usize)?.as_ref()
    }
}

/// Full identifiers of devices and names of metrics, for a follower that needs them in full.
#[derive(Debug, Clone, Default)]
pub struct Names(ByNumber<Arc<str>, Arc<str>>);

impl Names {
    /// Learns from a change; most have no name in them.
    pub fn learn(&mut self, change: &Change) {
        match change {
            // Told again, or of another group: its metrics stay.
            Change::Device { device, id, .. } if self.0.device(*device) == Some(id) => {}
            Change::Device { device, id, .. } => self.0.set_device(*device, id.clone()),
            Change::Metric { device, metric, name, .. } => {
                self.0.set_metric(*device, *metric, name.clone());
            }
            Change::Removed { device } => {
                self.0.remove(*device);
            }
            _ => {}
        }
    }

    /// The full identifier of a device.
    #[must_use]
    pub fn device(&self, device: DeviceIndex) -> Option<&Arc<str>> {
        self.0.device(device)
    }

    /// The name of a metric of a device.
    #[must_use]
    pub fn metric(&self, device: DeviceIndex, metric: MetricIndex) -> Option<&Arc<str>> {
        self.0.metric(device, metric)
    }

    /// Every series: its numbers, the device's full identifier and the metric's name.
    pub fn iter(&self) -> impl Iterator<Item = (DeviceIndex, MetricIndex, &Arc<str>, &Arc<str>)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: u32, id: &str, group: &str) -> Change {
        Change::Device { device: DeviceIndex(number), id: id.into(), group: group.into() }
    }

    fn metric(number: u32, index: u16, name: &str) -> Change {
        let (device, metric, unit, decimals) = (DeviceIndex(number), MetricIndex(index), None, None);
        Change::Metric { device, metric, name: name.into(), unit, guessed: false, decimals }
    }

    fn shown(names: &Names) -> Vec<(u32, u16, &str, &str)> {
        names.iter().map(|(device, metric, id, name)| (device.0, metric.0, &**id, &**name)).collect()
    }

    #[test]
    fn a_number_stands_for_what_was_said_last_and_a_device_that_moves_keeps_its_metrics() {
        let mut names = Names::default();
        for change in [device(2, "a", "x"), metric(2, 1, "t"), device(2, "a", "y"), metric(7, 0, "of nobody")] {
            names.learn(&change);
        }
        assert_eq!(shown(&names), [(2, 1, "a", "t")]);
        names.learn(&device(2, "b", ""));
        assert_eq!(shown(&names), [], "another device has no metric of the one before");
        names.learn(&metric(2, 0, "h"));
        assert_eq!(names.metric(DeviceIndex(2), MetricIndex(0)).map(|name| &**name), Some("h"));
        names.learn(&Change::Removed { device: DeviceIndex(2) });
        assert_eq!((shown(&names), names.device(DeviceIndex(2))), (vec![], None));
    }
}
