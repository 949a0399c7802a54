//! Everything that can be asked, against the map.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value as Json;
use tidegate_backup::Access;
use tidegate_buckets::{Bucket, Rung};
use tidegate_store::{check_store, store_files, traces_in_store};
use tidegate_telemetry::history::{ReadingsQuery, SeriesQuery};
use tidegate_telemetry::{DeviceState, History, Position, Reason, TimeOrigin, Value};
use tidegate_views::read::{Device, DevicesQuery, Group, Lookup};

use crate::oracle::Latest;
use crate::world::World;

const DAY_MS: i64 = 86_400_000;

impl World {
    pub fn judge(&mut self) {
        // A round of aggregates is due.
        self.now_ms += 2_000;
        self.tick();
        let devices = self.devices();
        self.judge_devices(&devices);
        self.judge_groups(&devices);
        self.judge_names(&devices);
        self.judge_viewers(&devices);
        self.judge_history();
        self.judge_alerts();
        self.judge_quarantine();
        if self.dice.one_in(2) {
            self.flush();
            self.now_ms += 4_000_000;
            // An hour is merged once it is quiet: the second time sees that it is.
            self.maintain(Duration::MAX);
            self.maintain(Duration::MAX);
            self.judge_history();
            self.judge_alerts();
            self.judge_files();
        }
    }

    /// Files hold what they note of themselves, and nothing of devices that were erased and never came back.
    fn judge_files(&self) {
        assert_eq!(self.store().stats().erasing, 0, "all is erased");
        let files = store_files(self.store().directory()).unwrap();
        let (_, flaws) = check_store(&files, Access::Shared);
        assert!(flaws.is_empty(), "{flaws:#?}");
        let erased: BTreeSet<&String> = self.erased.iter().map(|(device, _)| device).collect();
        for device in erased {
            let is_back =
                self.oracle.history.keys().any(|(of, _)| of == device) || self.oracle.devices.contains_key(device);
            let mut traces = traces_in_store(&files, Access::Shared, device).unwrap();
            // What came to its topics afterwards may not be understood either.
            traces.retain(|trace| !trace.ends_with("problems that name it"));
            assert!(is_back || traces.is_empty(), "{device:?}: {traces:#?}");
        }
    }

    fn devices(&self) -> Vec<Device> {
        let (mut devices, mut cursor) = (Vec::new(), None);
        loop {
            let query = DevicesQuery { cursor: cursor.as_deref(), limit: 3, ..DevicesQuery::default() };
            let page = self.hub().read(|views| views.devices(&query));
            devices.extend(page.devices);
            cursor = page.next;
            if cursor.is_none() {
                return devices;
            }
        }
    }

    fn judge_devices(&self, devices: &[Device]) {
        let found: Vec<_> = devices.iter().map(|device| (device.id.to_string(), device.group.to_string())).collect();
        let there = self.oracle.devices.iter().map(|(id, known)| (id.clone(), known.group.clone()));
        assert_eq!(found, there.collect::<Vec<_>>(), "devices and groups");
        for (device, known) in devices.iter().zip(self.oracle.devices.values()) {
            let found: BTreeMap<_, _> =
                device.metrics.0.iter().map(|(name, it)| (name.to_string(), &it.value)).collect();
            assert_eq!(found.len(), device.metrics.0.len(), "{}: a metric is there once", device.id);
            let there = known.latest.keys().cloned();
            assert_eq!(
                found.keys().cloned().collect::<Vec<_>>(),
                there.collect::<Vec<_>>(),
                "metrics of {}",
                device.id
            );
            for (name, it) in &device.metrics.0 {
                let Latest { value, time_ms, .. } = &known.latest[&**name];
                let what = format!("{name:?} of {:?}", device.id);
                assert_eq!((it.value.as_ref(), it.time), (Some(value), Some(*time_ms)), "{what}");
            }
        }
    }

    /// A full identifier names its device, whatever it looks like; a last level does while only one has it.
    fn judge_names(&self, devices: &[Device]) {
        for device in devices {
            assert_eq!(self.device(&device.id), Lookup::Unique(device.clone()));
            let short = device.id.rsplit('/').next().unwrap();
            let same = devices.iter().filter(|other| other.id.rsplit('/').next() == Some(short));
            let full = devices.iter().find(|other| *other.id == *short);
            match (full, same.collect::<Vec<_>>().as_slice()) {
                (Some(full), _) => assert_eq!(self.device(short), Lookup::Unique(full.clone())),
                (None, [one]) => assert_eq!(self.device(short), Lookup::Unique((*one).clone())),
                (None, many) => {
                    let ids = many.iter().map(|device| device.id.clone()).collect();
                    assert_eq!(self.device(short), Lookup::Ambiguous(ids));
                }
            }
        }
        assert_eq!(self.device("nobody"), Lookup::Unknown);
    }

    fn device(&self, name: &str) -> Lookup<Device> {
        self.hub().read(|views| views.device(name))
    }

    fn judge_groups(&self, devices: &[Device]) {
        let mut paths = BTreeSet::new();
        for device in devices {
            let mut path = Some(&*device.group);
            while let Some(group) = path.filter(|group| !group.is_empty()) {
                paths.insert(group.to_owned());
                path = group.rsplit_once('/').map(|(above, _)| above);
            }
            paths.insert(String::new());
        }
        let groups: BTreeMap<String, Group> = self
            .hub()
            .read(|views| views.groups(None, usize::MAX).0)
            .into_iter()
            .map(|group| (group.path.to_string(), group))
            .collect();
        assert_eq!(groups.keys().collect::<Vec<_>>(), paths.iter().collect::<Vec<_>>(), "groups");
        for (path, group) in &groups {
            let below = |device: &&Device| {
                path.is_empty() || *device.group == **path || device.group.starts_with(&format!("{path}/"))
            };
            let members: Vec<&Device> = devices.iter().filter(below).collect();
            let states = |state| members.iter().filter(|device| device.state == state).count() as u32;
            let counts = group.devices;
            let found = [counts.fresh, counts.late, counts.asleep, counts.lost];
            use DeviceState::{Asleep, Fresh, Late, Lost};
            assert_eq!(found, [Fresh, Late, Asleep, Lost].map(states), "devices of {path:?} by state");
            self.judge_figures(path, group, &members);
        }
    }

    fn judge_figures(&self, path: &str, group: &Group, members: &[&Device]) {
        let mut figures: BTreeMap<&str, Newest> = BTreeMap::new();
        for device in members {
            for (name, metric) in &device.metrics.0 {
                let Some(number) = metric.value.as_ref().and_then(Value::as_number) else { continue };
                let (devices, numbers) = figures.entry(name).or_default();
                *devices += 1;
                if matches!(device.state, DeviceState::Fresh | DeviceState::Asleep) {
                    numbers.push((number, metric.time.unwrap()));
                }
            }
        }
        let found: BTreeMap<_, _> = group.metrics.0.iter().map(|(name, it)| (&**name, it)).collect();
        assert_eq!(found.keys().collect::<Vec<_>>(), figures.keys().collect::<Vec<_>>(), "figures of {path:?}");
        for (name, (devices, numbers)) in figures {
            let (it, what) = (found[name], format!("{name:?} of group {path:?}: {:?} of {numbers:?}", found[name]));
            assert_eq!((it.devices, it.count as usize), (devices, numbers.len()), "{what}");
            let least = numbers.iter().map(|(number, _)| *number).reduce(f64::min);
            let most = numbers.iter().map(|(number, _)| *number).reduce(f64::max);
            assert_eq!(
                (it.min, it.max, it.oldest),
                (least, most, numbers.iter().map(|(_, time)| *time).min()),
                "{what}"
            );
            let (Some(least), Some(most)) = (least, most) else {
                assert_eq!(it.mean, None, "{what}");
                continue;
            };
            let mean = it.mean.unwrap();
            assert!((least..=most).contains(&mean), "{what}: a mean lies between the extremes");
            judge_mean(mean, numbers.iter().map(|(number, _)| *number), &what);
        }
    }

    fn judge_viewers(&mut self, devices: &[Device]) {
        let base_ms = self.hub().read(|views| views.epoch().time_base_ms);
        let mut viewers = std::mem::take(&mut self.viewers);
        self.hub().write(|views| viewers.settle(views));
        self.viewers = viewers;
        for client in self.viewers.all() {
            let fresh = self.hub().write(|views| client.fresh(views));
            assert_eq!(client.view.map, fresh.view.map, "the map of {:?} is what a newcomer gets", client.spec);
        }
        let all = &self.viewers.all()[0].view.map;
        assert_eq!(all.len(), devices.len());
        for device in devices {
            let row = all.values().find(|row| row["id"] == *device.id).expect("a row for each device");
            assert_eq!(row["group"], *device.group);
            for (index, (name, metric)) in device.metrics.0.iter().enumerate() {
                assert_eq!(row["metrics"][index][0], **name);
                let cell = &row["cells"][index.to_string()];
                let what = format!("{name:?} of {:?}: {cell} is {metric:?}", device.id);
                assert!(is(&cell[0], metric.value.as_ref().unwrap()), "{what}");
                assert_eq!(cell[1].as_i64().map(|since_ms| base_ms + since_ms), metric.time, "{what}");
            }
        }
    }

    /// The first moment of which raw readings are still owed.
    fn kept_from_ms(&self) -> i64 {
        let oldest_ms = self.now_ms - self.oracle.limits.retention_ms;
        oldest_ms.div_euclid(DAY_MS) * DAY_MS + DAY_MS
    }

    fn judge_history(&self) {
        let kept_from_ms = self.kept_from_ms();
        for ((device, metric), points) in &self.oracle.history {
            let kept = flat(points.range(kept_from_ms..));
            let what = format!("{metric:?} of {device:?}");
            assert_eq!(shown(&self.readings(device, metric, kept_from_ms)), shown(&kept), "{what}");
            for rung in Rung::ALL {
                let from_ms = kept_from_ms;
                let query = SeriesQuery {
                    device: device.as_str().into(),
                    metric: metric.as_str().into(),
                    from_ms,
                    to_ms: i64::MAX,
                    rung,
                };
                let answer = self.store().series(&query, &|| true).unwrap();
                assert_eq!(answer.through, self.store().applied());
                judge_buckets(&answer.buckets, &kept, rung, &format!("{what} by {rung:?}"));
            }
        }
        for series @ (device, metric) in &self.erased {
            let is_back = self.oracle.history.contains_key(series);
            assert!(is_back || self.readings(device, metric, i64::MIN).is_empty(), "{series:?} was erased");
        }
        let series = self.oracle.history.len() as u64;
        assert!(self.store().stats().series >= series, "no series is there twice or not at all");
    }

    fn readings(&self, device: &str, metric: &str, from_ms: i64) -> Vec<(i64, Value)> {
        let (mut points, mut next) = (Vec::new(), Some(from_ms.into()));
        while let Some(from) = next {
            let (device, metric) = (device.into(), metric.into());
            let query = ReadingsQuery { device, metric, from, to_ms: i64::MAX, limit: 7 };
            let page = self.store().readings(&query, &|| true).unwrap();
            points.extend(page.points);
            next = page.next;
        }
        points
    }

    fn judge_alerts(&self) {
        let mut found: BTreeMap<u64, Vec<_>> = BTreeMap::new();
        let mut before = None;
        loop {
            let page = self.store().alert_events(before, 5).unwrap();
            let Some(last) = page.last() else { break };
            before = Some(Position(last.position.0));
            for event in page {
                found.entry(event.position.0).or_default().insert(0, (event.alert.id.to_string(), event.alert.state));
            }
        }
        assert_eq!(found, self.alerts, "every change of an alert is in history");
    }

    fn judge_quarantine(&self) {
        // Problems that name an erased device are gone, and those of its topics counted anew.
        if !self.erased.is_empty() {
            return;
        }
        let (groups, dropped) = self.store().problems(usize::MAX);
        // What history does not take is told by history, where the map does not look.
        let of_processing = groups.iter().filter(|group| group.reason != Reason::OlderThanRetention);
        let kept: BTreeMap<_, _> =
            of_processing.map(|group| ((group.reason, group.topic.to_string()), group.count)).collect();
        assert_eq!(kept, self.told, "each problem is counted; {dropped} payloads were dropped");
    }
}

/// How many devices have a metric, and the newest values that count, with their times.
type Newest = (u32, Vec<(f64, i64)>);

/// Points one after the other.
pub fn flat<'a>(points: impl IntoIterator<Item = (&'a i64, &'a Vec<(TimeOrigin, Value)>)>) -> Vec<(i64, Value)> {
    let tied =
        points.into_iter().flat_map(|(&time_ms, tied)| tied.iter().map(move |(_, value)| (time_ms, value.clone())));
    tied.collect()
}

/// Points so that -0.0 shows its sign.
fn shown(points: &[(i64, Value)]) -> Vec<(i64, String)> {
    points.iter().map(|(time_ms, value)| (*time_ms, format!("{value:?}"))).collect()
}

fn judge_buckets(found: &[(i64, Bucket)], points: &[(i64, Value)], rung: Rung, what: &str) {
    let mut expected: BTreeMap<i64, (Bucket, Vec<f64>)> = BTreeMap::new();
    for &(time_ms, ref value) in points {
        let Some(number) = value.as_number() else { continue };
        let point = Bucket::of(time_ms, number);
        let (bucket, numbers) = expected.entry(rung.start_ms(time_ms)).or_insert_with(|| (point, Vec::new()));
        if !numbers.is_empty() {
            bucket.merge(&point);
        }
        numbers.push(number);
    }
    assert_eq!(found.iter().map(|(at, _)| at).collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{what}");
    for ((_, found), (expected, numbers)) in found.iter().zip(expected.values()) {
        assert_eq!(Bucket { sum: 0.0, ..*found }, Bucket { sum: 0.0, ..*expected }, "{what}");
        let mean = found.mean();
        assert!((found.min..=found.max).contains(&mean), "{what}: a mean lies between the extremes: {found:?}");
        judge_mean(mean, numbers.iter().copied(), what);
    }
}

/// The mean, but for rounding; where a sum is beyond binary64 it is anything between the extremes.
fn judge_mean(mean: f64, numbers: impl Iterator<Item = f64> + Clone, what: &str) {
    let (sum, magnitude) = (numbers.clone().sum::<f64>(), numbers.clone().map(f64::abs).sum::<f64>());
    if magnitude.is_finite() {
        let count = numbers.count() as f64;
        assert!((mean - sum / count).abs() <= magnitude * 1e-12, "{what}: {mean}");
    }
}

fn is(found: &Json, value: &Value) -> bool {
    match value {
        Value::Number(number) => found.as_f64() == Some(*number),
        Value::Bool(on) => found.as_bool() == Some(*on),
        Value::Text(text) => found.as_str() == Some(&**text),
    }
}
