//! Which series there are, by name and by processing's numbers.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use tidegate_follow::ByNumber;
use tidegate_telemetry::{DeviceIndex, MetricIndex};

use crate::retention::{Ages, RetentionRule, ages_of};

/// Number of a series, counted from 0. One whose device left, since nothing of it was anywhere, is used again; one that was
/// erased never is: files may still have something of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SeriesId(pub(crate) u32);

/// What the file has to learn. What was erased keeps its number, which is nobody's any more, and has no name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Row {
    /// A device, or its new number in processing.
    Device { id: u32, name: Arc<str>, index: Option<u32> },
    /// A series, or its metric's new number in processing.
    Series { id: SeriesId, device: u32, metric: Arc<str>, index: u16 },
    /// The series is no more. Its device's row stays, without a name, until another device takes its place.
    NoSeries { id: SeriesId },
}

/// Devices and series. Names stay as long as anything refers to them; processing's numbers may be given anew after its state was
/// lost.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// One without a name is a free place.
    devices: Vec<Device>,
    free_devices: Vec<u32>,
    free_series: Vec<SeriesId>,
    by_name: FxHashMap<Arc<str>, u32>,
    /// Devices and series by processing's numbers.
    by_index: ByNumber<u32, SeriesId>,
    metric_names: FxHashSet<Arc<str>>,
    series: u32,
    unsaved: Vec<Row>,
    /// Processing forgot a device since somebody asked.
    has_left: bool,
    /// How many devices and series there were at the start, and free numbers that were given while the log is replayed.
    loaded: (u32, u32),
    is_replayed: bool,
    reused_devices: FxHashSet<u32>,
    reused_series: FxHashSet<SeriesId>,
    rules: Vec<RetentionRule>,
    /// For how long series are kept, by their numbers; none where there are no rules.
    ages: Vec<Ages>,
}

#[derive(Debug)]
struct Device {
    name: Arc<str>,
    /// As it was told last; none of one that was not told of since the start.
    group: Option<Arc<str>>,
    index: Option<u32>,
    metrics: Vec<(Arc<str>, SeriesId)>,
}

impl Catalogue {
    /// Rebuilds one row at start; rows come in order of their identifiers.
    pub(crate) fn load(&mut self, row: Row) {
        match row {
            Row::Device { id, name, .. } if name.is_empty() => {
                self.devices.push(Device::nobody());
                self.free_devices.push(id);
                self.loaded.0 = id + 1;
            }
            Row::Device { name, index, .. } => {
                let id = self.append_device(name);
                self.loaded.0 = id + 1;
                self.devices[id as usize].index = index;
                if let Some(index) = index {
                    self.by_index.set_device(DeviceIndex(index), id);
                }
            }
            Row::Series { id, device, metric, index } => {
                self.free_series.extend((self.series..id.0).map(SeriesId));
                self.series = self.series.max(id.0 + 1);
                self.loaded.1 = self.series;
                if metric.is_empty() {
                    return;
                }
                let metric = self.interned(&metric);
                let Some(known) = self.devices.get_mut(device as usize) else { return };
                known.add(metric, id);
                if let Some(device_index) = known.index.map(DeviceIndex)
                    && self.by_index.device(device_index) == Some(&device)
                {
                    self.by_index.set_metric(device_index, MetricIndex(index), id);
                }
            }
            Row::NoSeries { .. } => {}
        }
    }

    /// Has series kept by rules.
    pub(crate) fn keep_by(&mut self, rules: Vec<RetentionRule>) {
        self.rules = rules;
        (0..self.devices.len() as u32).for_each(|device| self.look_up_ages(device));
    }

    fn look_up_ages(&mut self, device: u32) {
        if self.rules.is_empty() {
            return;
        }
        let Device { name, group, metrics, .. } = &self.devices[device as usize];
        for (metric, SeriesId(id)) in metrics {
            let at = *id as usize;
            if at >= self.ages.len() {
                self.ages.resize(at + 1, Ages::default());
            }
            self.ages[at] = ages_of(&self.rules, name, group.as_deref(), metric);
        }
    }

    /// For how long a series is kept.
    pub(crate) fn ages(&self, series: SeriesId) -> Ages {
        self.ages.get(series.0 as usize).copied().unwrap_or_default()
    }

    /// Series of whose ages something is said that is so.
    pub(crate) fn series_kept(&self, is_so: impl Fn(Ages) -> bool) -> BTreeSet<SeriesId> {
        let series = (0..).map(SeriesId).zip(&self.ages).filter(|(_, ages)| is_so(**ages));
        series.map(|(series, _)| series).collect()
    }

    /// Processing gave the device `id` the number `index`, in a group.
    pub(crate) fn device(&mut self, index: DeviceIndex, id: &Arc<str>, group: &Arc<str>) {
        let device = match self.by_name.get(id) {
            Some(&device) => device,
            None => self.add_device(id.clone()),
        };
        if !self.rules.is_empty() && self.devices[device as usize].group.as_ref() != Some(group) {
            self.devices[device as usize].group = Some(group.clone());
            self.look_up_ages(device);
        }
        let holder = self.by_index.device(index).copied();
        if holder == Some(device) && self.devices[device as usize].index == Some(index.0) {
            return;
        }
        if let Some(holder) = holder {
            self.lose(holder, index.0);
        }
        if let Some(before) = self.devices[device as usize].index {
            self.lose(device, before);
        }
        self.devices[device as usize].index = Some(index.0);
        self.unsaved.push(Row::Device { id: device, name: id.clone(), index: Some(index.0) });
        self.by_index.set_device(index, device);
    }

    /// A number no longer stands for a device: where processing has lost its state it begins to number anew.
    fn lose(&mut self, device: u32, index: u32) {
        if self.by_index.device(DeviceIndex(index)) == Some(&device) {
            self.by_index.remove(DeviceIndex(index));
        }
        let known = &mut self.devices[device as usize];
        if known.index == Some(index) {
            known.index = None;
            self.has_left = true;
            self.unsaved.push(Row::Device { id: device, name: known.name.clone(), index: None });
        }
    }

    /// Processing gave the metric `name` of a device the number `index`.
    pub(crate) fn metric(&mut self, device: DeviceIndex, index: MetricIndex, name: &Arc<str>) {
        let Some(&row) = self.by_index.device(device) else { return };
        let known = self.devices[row as usize].series_of(name, index);
        let id = known.unwrap_or_else(|| self.add_series(row, name));
        let metric = self.interned(name);
        if self.by_index.set_metric(device, index, id) != Some(id) {
            self.unsaved.push(Row::Series { id, device: row, metric, index: index.0 });
        }
    }

    /// Processing forgot the device; its history stays under its name.
    pub(crate) fn removed(&mut self, index: DeviceIndex) {
        let Some(id) = self.by_index.remove(index) else { return };
        let device = &mut self.devices[id as usize];
        if device.index == Some(index.0) {
            device.index = None;
            self.has_left = true;
            self.unsaved.push(Row::Device { id, name: device.name.clone(), index: None });
        }
    }

    /// What comes now is in no file yet: nobody asks any more which numbers were given anew.
    pub(crate) fn end_replay(&mut self) {
        if !std::mem::replace(&mut self.is_replayed, true) {
            (self.reused_devices, self.reused_series) = Default::default();
        }
    }

    /// A device has no name any more, nor have its series, which are returned: what comes under its name later is another's.
    /// `known`: the files have that already, and what they have of the name came later.
    pub(crate) fn erase(&mut self, name: &str, known: bool) -> Vec<SeriesId> {
        let Some(&id) = self.by_name.get(name) else { return Vec::new() };
        let goes_device = !known || id >= self.loaded.0 || self.reused_devices.contains(&id);
        let goes = |id: SeriesId| !known || id.0 >= self.loaded.1 || self.reused_series.contains(&id);
        let device = &mut self.devices[id as usize];
        let gone: Vec<SeriesId> = device.metrics.iter().map(|(_, id)| *id).filter(|id| goes(*id)).collect();
        device.metrics.retain(|(_, id)| !goes(*id));
        self.unsaved.retain(|row| !matches!(row, Row::Series { id, .. } if gone.contains(id)));
        let nameless = |&of| Row::Series { id: of, device: id, metric: Arc::default(), index: 0 };
        self.unsaved.extend(gone.iter().map(nameless));
        if goes_device {
            self.erase_device(id);
        }
        gone
    }

    fn erase_device(&mut self, id: u32) {
        let device = &mut self.devices[id as usize];
        let name = std::mem::take(&mut device.name);
        if let Some(index) = device.index.take()
            && self.by_index.device(DeviceIndex(index)) == Some(&id)
        {
            self.by_index.remove(DeviceIndex(index));
        }
        self.by_name.remove(&name);
        self.unsaved.retain(|row| !matches!(row, Row::Device { id: of, .. } if *of == id));
        self.unsaved.push(Row::Device { id, name: Arc::default(), index: None });
    }

    pub(crate) fn series_of(&self, device: DeviceIndex, metric: MetricIndex) -> Option<SeriesId> {
        self.by_index.metric(device, metric).copied()
    }

    /// The full identifier of a device.
    pub(crate) fn device_of(&self, device: DeviceIndex) -> Option<&Arc<str>> {
        let id = *self.by_index.device(device)?;
        Some(&self.devices[id as usize].name)
    }

    pub(crate) fn knows(&self, device: &str) -> bool {
        self.by_name.contains_key(device)
    }

    pub(crate) fn series_named(&self, device: &str, metric: &str) -> Option<SeriesId> {
        let device = &self.devices[*self.by_name.get(device)? as usize];
        device.metrics.iter().find(|(name, _)| &**name == metric).map(|(_, id)| *id)
    }

    /// Devices that processing does not know (any more), and their series.
    pub(crate) fn left(&self) -> impl Iterator<Item = (u32, Vec<SeriesId>)> {
        let left = (0..).zip(&self.devices).filter(|(_, device)| device.index.is_none() && !device.name.is_empty());
        left.map(|(id, device)| (id, device.metrics.iter().map(|(_, id)| *id).collect()))
    }

    /// Whether processing forgot a device since the last call.
    pub(crate) fn take_has_left(&mut self) -> bool {
        std::mem::take(&mut self.has_left)
    }

    /// The series of a device that processing does not know; `None`: it does, or there is no such device.
    pub(crate) fn series_left(&self, device: u32) -> Option<Vec<SeriesId>> {
        let known =
            self.devices.get(device as usize).filter(|known| known.index.is_none() && !known.name.is_empty())?;
        Some(known.metrics.iter().map(|(_, id)| *id).collect())
    }

    /// A device to whose series nothing refers leaves, and its numbers are free.
    pub(crate) fn forget(&mut self, device: u32) {
        let known = std::mem::replace(&mut self.devices[device as usize], Device::nobody());
        self.by_name.remove(&known.name);
        self.unsaved.push(Row::Device { id: device, name: Arc::default(), index: None });
        self.free_devices.push(device);
        for (_, id) in &known.metrics {
            self.unsaved.push(Row::NoSeries { id: *id });
            self.free_series.push(*id);
        }
        drop(known);
        self.metric_names.retain(|name| Arc::strong_count(name) > 1);
    }

    /// A page of devices in the order in which they came, and the metrics of each; one that was erased or left is without either.
    pub(crate) fn names(&self, before: usize, limit: usize) -> Vec<(Arc<str>, Vec<Arc<str>>)> {
        let metrics = |device: &Device| device.metrics.iter().map(|(name, _)| name.clone()).collect();
        let page = self.devices.iter().skip(before).take(limit);
        page.map(|device| (device.name.clone(), metrics(device))).collect()
    }

    /// Every identifier of a series is below.
    pub(crate) fn series_end(&self) -> u32 {
        self.series
    }

    /// How many series there are.
    pub(crate) fn series_count(&self) -> usize {
        self.series as usize - self.free_series.len()
    }

    /// What changed since the last call.
    pub(crate) fn take_unsaved(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.unsaved)
    }

    fn add_device(&mut self, name: Arc<str>) -> u32 {
        let Some(id) = self.free_devices.pop() else { return self.append_device(name) };
        if !self.is_replayed {
            self.reused_devices.insert(id);
        }
        self.by_name.insert(name.clone(), id);
        self.devices[id as usize].name = name;
        id
    }

    fn append_device(&mut self, name: Arc<str>) -> u32 {
        let id = self.devices.len() as u32;
        if !name.is_empty() {
            self.by_name.insert(name.clone(), id);
        }
        self.devices.push(Device { name, group: None, index: None, metrics: Vec::new() });
        id
    }

    fn add_series(&mut self, device: u32, metric: &Arc<str>) -> SeriesId {
        let id = match self.free_series.pop() {
            Some(id) => id,
            None => SeriesId(self.series),
        };
        if id.0 < self.series && !self.is_replayed {
            self.reused_series.insert(id);
        }
        self.series = self.series.max(id.0 + 1);
        let metric = self.interned(metric);
        self.devices[device as usize].add(metric, id);
        self.look_up_ages(device);
        id
    }

    /// Thousands of devices share a few metric names.
    fn interned(&mut self, name: &Arc<str>) -> Arc<str> {
        if let Some(known) = self.metric_names.get(name) {
            return known.clone();
        }
        self.metric_names.insert(name.clone());
        name.clone()
    }
}

impl Device {
    /// A free place.
    fn nobody() -> Device {
        Device { name: Arc::default(), group: None, index: None, metrics: Vec::new() }
    }

    /// Devices are many and stay as they are: doubling would leave room that is never used.
    fn add(&mut self, metric: Arc<str>, id: SeriesId) {
        if self.metrics.len() == self.metrics.capacity() {
            self.metrics.reserve_exact(1 + self.metrics.len() / 8);
        }
        self.metrics.push((metric, id));
    }

    /// The series of a metric. Processing numbers metrics as they came, so most stand where their number says.
    fn series_of(&self, name: &Arc<str>, index: MetricIndex) -> Option<SeriesId> {
        let expected = self.metrics.get(usize::from(index.0)).filter(|(metric, _)| metric == name);
        expected.or_else(|| self.metrics.iter().find(|(metric, _)| metric == name)).map(|(_, id)| *id)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeMap;
    use tidegate_testing::cpu_ns;

    /// Processing names devices, each with one metric.
    fn tell(catalogue: &mut Catalogue, devices: &[(u32, &str)]) {
        for &(index, id) in devices {
            catalogue.device(DeviceIndex(index), &id.into(), &"".into());
            catalogue.metric(DeviceIndex(index), MetricIndex(0), &"t".into());
        }
    }

    fn series(catalogue: &Catalogue, devices: &[(u32, &str)]) -> Vec<Option<SeriesId>> {
        let told = devices.iter().map(|&(index, _)| catalogue.series_of(DeviceIndex(index), MetricIndex(0)));
        let named = devices.iter().map(|&(_, id)| catalogue.series_named(id, "t"));
        assert_eq!(told.clone().collect::<Vec<_>>(), named.collect::<Vec<_>>(), "{devices:?}");
        told.collect()
    }

    /// CPU time of this thread to tell the names of one device again, as at a restart, ns.
    fn cost_ns(metrics: u16) -> u64 {
        let names: Vec<Arc<str>> = (0..metrics).map(|metric| format!("metric {metric:05}").into()).collect();
        let mut catalogue = Catalogue::default();
        catalogue.device(DeviceIndex(0), &"d".into(), &"".into());
        let mut tell = || {
            (0u16..).zip(&names).for_each(|(index, name)| catalogue.metric(DeviceIndex(0), MetricIndex(index), name))
        };
        tell();
        let before = cpu_ns();
        (0..5_000_000 / u32::from(metrics) / 10).for_each(|_| tell());
        cpu_ns() - before
    }

    #[test]
    fn a_metric_of_many_is_found_as_fast_as_one_of_few() {
        let (few, many) = (cost_ns(50), cost_ns(2_000));
        assert!(many < 8 * few, "{many} ns among 2,000, {few} ns among 50");
    }

    #[test]
    fn a_number_stands_for_one_device_after_processing_numbered_anew() {
        let mut catalogue = Catalogue::default();
        tell(&mut catalogue, &[(0, "c"), (1, "b"), (2, "a")]);
        // Its state was lost, and "c" is not heard of yet.
        tell(&mut catalogue, &[(0, "a"), (1, "b")]);
        assert_eq!(series(&catalogue, &[(0, "a"), (1, "b")]), [Some(SeriesId(2)), Some(SeriesId(1))]);
        assert_eq!(catalogue.series_of(DeviceIndex(2), MetricIndex(0)), None);

        // As the file has it, and lost again.
        let rows = catalogue.take_unsaved().into_iter().map(|row| match row {
            Row::Device { id, .. } => ((0, id), row),
            Row::Series { id, .. } | Row::NoSeries { id } => ((1, id.0), row),
        });
        let mut loaded = Catalogue::default();
        rows.collect::<BTreeMap<_, _>>().into_values().for_each(|row| loaded.load(row));
        assert_eq!(series(&loaded, &[(0, "a"), (1, "b")]), [Some(SeriesId(2)), Some(SeriesId(1))]);
        tell(&mut loaded, &[(0, "c"), (1, "a"), (2, "b")]);
        series(&loaded, &[(0, "c"), (1, "a"), (2, "b")]);
    }

    #[test]
    fn a_file_that_gives_two_devices_one_number_is_put_right_by_their_names() {
        let mut catalogue = Catalogue::default();
        for (id, name) in [(0, "b"), (1, "a")] {
            catalogue.load(Row::Device { id, name: name.into(), index: Some(1) });
        }
        for id in 0..2 {
            catalogue.load(Row::Series { id: SeriesId(id), device: id, metric: "t".into(), index: 0 });
        }
        tell(&mut catalogue, &[(1, "b"), (0, "a")]);
        assert_eq!(series(&catalogue, &[(1, "b"), (0, "a")]), [Some(SeriesId(0)), Some(SeriesId(1))]);
    }
}
