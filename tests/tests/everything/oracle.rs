//! The plain map: what there has to be after what was said.

use std::collections::BTreeMap;

use tidegate_telemetry::{TimeOrigin, Value};

use crate::devices::{Meant, Said};

/// Values of its newest time that are remembered of a metric.
const GIVEN_MAX: usize = 16;

/// What the rooms are configured with, as far as it decides what is taken.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub devices_max: usize,
    pub metrics_per_device_max: usize,
    pub future_max_ms: i64,
    pub retention_ms: i64,
    /// Every source corrects itself.
    pub corrects: bool,
}

/// Points of a series by time, those of one time in order of arrival.
pub type Points = BTreeMap<i64, Vec<(TimeOrigin, Value)>>;

/// By device and metric.
pub type History = BTreeMap<(String, String), Points>;

#[derive(Debug)]
pub struct Oracle {
    pub limits: Limits,
    /// Devices that are there.
    pub devices: BTreeMap<String, Known>,
    /// Every point that was ever taken, whatever became of its device.
    pub history: History,
}

/// A device.
#[derive(Debug, Default, Clone)]
pub struct Known {
    pub group: String,
    /// Newest values by name.
    pub latest: BTreeMap<String, Latest>,
    newest_ms: Option<i64>,
    clock: u32,
    /// Readings in a row that were behind: how many, and time and receipt of the last.
    behind: Option<(u32, i64, i64)>,
}

/// The newest value of a metric.
#[derive(Debug, Clone)]
pub struct Latest {
    pub value: Value,
    pub time_ms: i64,
    /// The clock that it belongs to.
    clock: u32,
    /// What the device gave for its time.
    given: Vec<Value>,
}

/// What was made of a publication.
#[derive(Debug, Default, PartialEq)]
pub struct Taken {
    /// Values that are told; of each, whether it is one point more in history. `None`: it does not get there, or has long
    /// been there.
    pub values: Vec<Option<bool>>,
    /// Values that repeat the newest.
    pub repeated: u64,
    /// Something has to be told.
    pub told: bool,
}

impl Oracle {
    pub fn new(limits: Limits) -> Self {
        Oracle { limits, devices: BTreeMap::new(), history: History::new() }
    }

    /// Takes what was said; its points are in history already when they are `in_files`.
    pub fn take(&mut self, said: &Said, now_ms: i64, in_files: bool) -> Taken {
        let mut taken = Taken { told: said.flawed, ..Taken::default() };
        for meant in &said.readings {
            self.reading(meant, now_ms, in_files, &mut taken);
        }
        taken
    }

    fn reading(&mut self, meant: &Meant, now_ms: i64, in_files: bool, taken: &mut Taken) {
        if !self.devices.contains_key(&meant.device) && self.devices.len() >= self.limits.devices_max {
            taken.told = true;
            return;
        }
        let device = self.devices.entry(meant.device.clone()).or_default();
        device.group.clone_from(&meant.group);
        let origin = self.limits.origin(meant, now_ms);
        taken.told |= meant.time_ms.is_some() && origin == TimeOrigin::Receipt;
        let time_ms = meant.time_ms.filter(|_| origin != TimeOrigin::Receipt).unwrap_or(now_ms);
        device.tick(time_ms, now_ms);
        for (name, value) in &meant.metrics {
            let metrics = device.latest.len();
            match device.latest.get_mut(name) {
                None if metrics >= self.limits.metrics_per_device_max => {
                    taken.told = true;
                    continue;
                }
                None => {
                    device.latest.insert(name.clone(), Latest::new(value, time_ms, origin, device.clock));
                }
                Some(latest) if latest.is_repeated(value, time_ms, origin) => {
                    taken.repeated += 1;
                    continue;
                }
                Some(latest) if latest.clock == device.clock && time_ms < latest.time_ms => {}
                Some(latest) => latest.replace(value, time_ms, origin, device.clock),
            }
            let is_kept = !in_files && time_ms >= now_ms - self.limits.retention_ms;
            taken.values.push(is_kept.then(|| {
                let series = (meant.device.clone(), name.clone());
                take(self.history.entry(series).or_default().entry(time_ms).or_default(), origin, value)
            }));
        }
    }
}

/// Takes one more value of a time; `true` when it is one point more and nothing else.
fn take(tied: &mut Vec<(TimeOrigin, Value)>, origin: TimeOrigin, value: &Value) -> bool {
    let before = tied.len();
    if origin == TimeOrigin::Correction {
        tied.retain(|(origin, _)| *origin == TimeOrigin::Receipt);
    }
    let is_again = |(known, same): &(TimeOrigin, Value)| *known != TimeOrigin::Receipt && same == value;
    if origin == TimeOrigin::Receipt || !tied.iter().any(is_again) {
        tied.push((origin, value.clone()));
    }
    tied.len() == before + 1
}

impl Limits {
    /// Whose time a reading has that is received at `now_ms`.
    pub fn origin(&self, meant: &Meant, now_ms: i64) -> TimeOrigin {
        match meant.time_ms {
            Some(time_ms) if time_ms > now_ms + self.future_max_ms => TimeOrigin::Receipt,
            Some(_) if self.corrects => TimeOrigin::Correction,
            Some(_) => TimeOrigin::Device,
            None => TimeOrigin::Receipt,
        }
    }
}

impl Latest {
    fn new(value: &Value, time_ms: i64, origin: TimeOrigin, clock: u32) -> Latest {
        let given = if origin == TimeOrigin::Receipt { Vec::new() } else { vec![value.clone()] };
        Latest { value: value.clone(), time_ms, clock, given }
    }

    fn is_repeated(&self, value: &Value, time_ms: i64, origin: TimeOrigin) -> bool {
        time_ms == self.time_ms
            && match origin {
                TimeOrigin::Receipt | TimeOrigin::Imported | TimeOrigin::Before => false,
                TimeOrigin::Device => self.given.contains(value),
                TimeOrigin::Correction => self.given == [value.clone()],
            }
    }

    fn replace(&mut self, value: &Value, time_ms: i64, origin: TimeOrigin, clock: u32) {
        let mut given = std::mem::take(&mut self.given);
        let same_time = time_ms == self.time_ms;
        *self = Latest::new(value, time_ms, origin, clock);
        if same_time && origin != TimeOrigin::Correction {
            let room = GIVEN_MAX - given.len();
            given.extend(self.given.drain(..).take(room));
            self.given = given;
        }
    }
}

impl Known {
    /// A clock that stepped back is believed when three readings in a row behind arrive at the pace of their own times.
    fn tick(&mut self, time_ms: i64, now_ms: i64) {
        if self.newest_ms.is_none_or(|newest_ms| time_ms >= newest_ms) {
            (self.newest_ms, self.behind) = (Some(time_ms), None);
            return;
        }
        let mut count = 1;
        if let Some((before, last_ms, last_received_ms)) = self.behind {
            let waited_ms = now_ms - last_received_ms;
            if waited_ms < 500 {
                return;
            }
            let advanced_ms = time_ms - last_ms;
            if advanced_ms > 0 && (advanced_ms - waited_ms).abs() <= (waited_ms / 2).max(2_000) {
                count = before + 1;
            }
        }
        self.behind = Some((count, time_ms, now_ms));
        if count >= 3 {
            self.clock += 1;
            (self.newest_ms, self.behind) = (Some(time_ms), None);
        }
    }
}
