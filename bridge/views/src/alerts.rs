//! Alerts that hold, those that cleared lately, and each change of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use tidegate_telemetry::{AlertChange, AlertState, DeviceIndex, Severity};

/// What holds for one device.
type Active = SmallVec<[(Arc<str>, Severity); 1]>;

/// The alerts view's state.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    alerts: BTreeMap<Arc<str>, Alert>,
    /// Processing clears all of a device before it forgets it.
    active_by_device: FxHashMap<DeviceIndex, Active>,
    /// Cleared alerts in the order they will leave: Unix ms of clearing, identifier.
    leaving: VecDeque<(i64, Arc<str>)>,
    removed: VecDeque<(u64, Arc<str>)>,
    events: VecDeque<Event>,
    /// Removals at or below this version are forgotten.
    pub removed_horizon: u64,
    /// Events at or below this version are forgotten.
    pub events_horizon: u64,
    /// Version at which anything last changed.
    pub version: u64,
}

/// One alert and the version at which it last changed.
#[derive(Debug)]
pub(crate) struct Alert {
    pub change: Arc<AlertChange>,
    pub version: u64,
}

/// One change of an alert.
#[derive(Debug)]
pub(crate) struct Event {
    pub version: u64,
    pub at_ms: i64,
    pub change: Arc<AlertChange>,
}

impl Alerts {
    /// Takes a change; answers the worst severity that now holds for the device.
    pub fn take(&mut self, change: &AlertChange, version: u64, at_ms: i64, events_max: usize) -> Option<Severity> {
        let change = Arc::new(change.clone());
        self.version = version;
        self.events.push_back(Event { version, at_ms, change: Arc::clone(&change) });
        while self.events.len() > events_max {
            self.events_horizon = self.events.pop_front().map_or(0, |event| event.version);
        }
        if change.state == AlertState::Cleared {
            self.leaving.push_back((at_ms, Arc::clone(&change.id)));
        }
        let worst = self.take_active(&change);
        self.alerts.insert(Arc::clone(&change.id), Alert { change, version });
        worst
    }

    /// Removes alerts that cleared before `before_ms`; `true` when there was one.
    pub fn expire(&mut self, before_ms: i64, version: u64, removed_max: usize) -> bool {
        let mut any = false;
        while self.leaving.front().is_some_and(|&(cleared_ms, _)| cleared_ms < before_ms) {
            let Some((_, id)) = self.leaving.pop_front() else { break };
            let cleared = |alert: &Alert| alert.change.state == AlertState::Cleared;
            if self.alerts.get(&id).is_some_and(cleared) {
                self.alerts.remove(&id);
                self.removed.push_back((version, id));
                self.version = version;
                any = true;
            }
        }
        while self.removed.len() > removed_max {
            self.removed_horizon = self.removed.pop_front().map_or(0, |(version, _)| version);
        }
        any
    }

    pub fn get(&self, id: &str) -> Option<&Alert> {
        self.alerts.get(id)
    }

    /// Every alert that is held, in order of identifiers.
    pub fn iter(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values()
    }

    /// Alerts after an identifier.
    pub fn after<'a>(&'a self, id: Option<&'a str>) -> impl Iterator<Item = &'a Alert> {
        use std::ops::Bound;
        let start = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.alerts.range::<str, _>((start, Bound::Unbounded)).map(|(_, alert)| alert)
    }

    /// Events after `since` (or, within its version, after the first `skip`), in order.
    pub fn events_since(&self, since: u64) -> impl Iterator<Item = &Event> {
        let first = self.events.partition_point(|event| event.version <= since);
        self.events.range(first..)
    }

    /// Identifiers of alerts removed after `since`.
    pub fn removed_since(&self, since: u64) -> impl Iterator<Item = &Arc<str>> {
        let first = self.removed.partition_point(|&(version, _)| version <= since);
        self.removed.range(first..).map(|(_, id)| id)
    }

    fn take_active(&mut self, change: &AlertChange) -> Option<Severity> {
        let active = self.active_by_device.entry(change.device).or_default();
        active.retain(|(id, _)| *id != change.id);
        if change.state != AlertState::Cleared {
            active.push((Arc::clone(&change.id), change.severity));
        }
        let worst = active.iter().map(|&(_, severity)| severity).max();
        if active.is_empty() {
            self.active_by_device.remove(&change.device);
        }
        worst
    }
}
