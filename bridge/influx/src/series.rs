//! The part of a line that stays: measurement and tags of each metric of each device.

use std::sync::Arc;

use tidegate_lines::line::{head, tags};
use tidegate_telemetry::{Change, DeviceIndex, MetricIndex};

/// A metric of a device.
pub struct Series {
    /// Its name.
    pub name: Arc<str>,
    /// Everything before the field.
    pub head: Arc<str>,
    /// No value came that is newer, Unix ms; `None`: none came.
    pub newest_ms: Option<i64>,
}

/// A device.
pub struct Device {
    /// Its full identifier.
    pub id: Arc<str>,
    group: Arc<str>,
    tags: String,
    metrics: Vec<Option<Series>>,
}

/// All of them, by their numbers.
pub struct Catalogue {
    /// As the configuration has it, `%m` for the metric's name.
    measurement: String,
    devices: Vec<Option<Device>>,
}

impl Catalogue {
    pub fn new(measurement: String) -> Catalogue {
        Catalogue { measurement, devices: Vec::new() }
    }

    /// Learns from a change; most have no name in them.
    pub fn learn(&mut self, change: &Change) {
        match change {
            Change::Device { device, id, group } => self.device(*device, id, group),
            Change::Metric { device, metric, name, .. } => self.metric(*device, *metric, name),
            Change::Removed { device } => {
                if let Some(known) = self.devices.get_mut(device.0 as usize) {
                    *known = None;
                }
            }
            _ => {}
        }
    }

    /// What a number stands for.
    pub fn series(&mut self, device: DeviceIndex, metric: MetricIndex) -> Option<(&Arc<str>, &mut Series)> {
        let device = self.devices.get_mut(device.0 as usize)?.as_mut()?;
        Some((&device.id, device.metrics.get_mut(usize::from(metric.0))?.as_mut()?))
    }

    fn device(&mut self, device: DeviceIndex, id: &Arc<str>, group: &Arc<str>) {
        let at = device.0 as usize;
        if at >= self.devices.len() {
            self.devices.resize_with(at + 1, || None);
        }
        let metrics = match self.devices[at].take() {
            Some(known) if known.id == *id && known.group == *group => {
                self.devices[at] = Some(known);
                return;
            }
            Some(known) if known.id == *id => known.metrics,
            _ => Vec::new(),
        };
        let mut known = Device { id: id.clone(), group: group.clone(), tags: tags(id, group), metrics };
        for series in known.metrics.iter_mut().flatten() {
            series.head = head(&self.measurement, &known.tags, &series.name).into();
        }
        self.devices[at] = Some(known);
    }

    fn metric(&mut self, device: DeviceIndex, metric: MetricIndex, name: &Arc<str>) {
        let Some(Some(device)) = self.devices.get_mut(device.0 as usize) else { return };
        let at = usize::from(metric.0);
        if at >= device.metrics.len() {
            device.metrics.resize_with(at + 1, || None);
        }
        let place = &mut device.metrics[at];
        if place.as_ref().is_none_or(|known| known.name != *name) {
            let head = head(&self.measurement, &device.tags, name).into();
            *place = Some(Series { name: name.clone(), head, newest_ms: None });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn device(group: &str) -> Change {
        Change::Device { device: DeviceIndex(1), id: "site/a b".into(), group: group.into() }
    }

    fn metric() -> Change {
        let (device, metric, name) = (DeviceIndex(1), MetricIndex(0), "temp=x".into());
        Change::Metric { device, metric, name, unit: None, guessed: false, decimals: None }
    }

    #[test]
    fn a_series_is_its_metric_its_device_and_the_levels_of_its_group() {
        for (measurement, group, expected) in [
            ("%m", "", "temp=x,device=site/a\\ b"),
            ("%m", "site/hall 1", "temp=x,device=site/a\\ b,group=site/hall\\ 1,group1=site,group2=hall\\ 1"),
            ("all", "g", "all,device=site/a\\ b,group=g,group1=g,metric=temp\\=x"),
        ] {
            let mut catalogue = Catalogue::new(measurement.into());
            [device("before"), metric(), device(group)].iter().for_each(|change| catalogue.learn(change));
            let (id, series) = catalogue.series(DeviceIndex(1), MetricIndex(0)).unwrap();
            assert_eq!((&**id, &*series.head), ("site/a b", expected));
            catalogue.learn(&Change::Removed { device: DeviceIndex(1) });
            assert!(catalogue.series(DeviceIndex(1), MetricIndex(0)).is_none());
        }
    }
}
