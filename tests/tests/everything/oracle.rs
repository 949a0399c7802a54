//! The plain map: what there has to be after what was said.

use std::collections::BTreeMap;

use tidegate_telemetry::Value;

use crate::devices::{Meant, Said};

/// What the rooms are configured with, as far as it decides what is taken.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub devices_max: usize,
    pub metrics_per_device_max: usize,
    pub future_max_ms: i64,
    pub retention_ms: i64,
}

/// Points of a series by time.
pub type Points = BTreeMap<i64, Value>;

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
    /// Newest values by name: value, time, and the clock it belongs to.
    pub latest: BTreeMap<String, (Value, i64, u32)>,
    newest_ms: Option<i64>,
    clock: u32,
    /// Readings in a row that were behind: how many, and time and receipt of the last.
    behind: Option<(u32, i64, i64)>,
}

/// What was made of a publication.
#[derive(Debug, Default, PartialEq)]
pub struct Taken {
    /// Values that are new.
    pub values: u64,
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
        let future = meant.time_ms.is_some_and(|time_ms| time_ms > now_ms + self.limits.future_max_ms);
        let time_ms = meant.time_ms.filter(|_| !future).unwrap_or(now_ms);
        device.tick(time_ms, now_ms);
        for (name, value) in &meant.metrics {
            let metrics = device.latest.len();
            match device.latest.get_mut(name) {
                None if metrics >= self.limits.metrics_per_device_max => {
                    taken.told = true;
                    continue;
                }
                None => {
                    device.latest.insert(name.clone(), (value.clone(), time_ms, device.clock));
                }
                Some((known, known_ms, clock)) if *clock == device.clock && time_ms == *known_ms && known == value => {
                    taken.repeated += 1;
                    continue;
                }
                Some((_, known_ms, clock)) if *clock == device.clock && time_ms < *known_ms => {}
                Some(latest) => *latest = (value.clone(), time_ms, device.clock),
            }
            taken.values += 1;
            if !in_files && time_ms >= now_ms - self.limits.retention_ms {
                let series = (meant.device.clone(), name.clone());
                self.history.entry(series).or_default().insert(time_ms, value.clone());
            }
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
