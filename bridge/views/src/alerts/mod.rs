//! Alerts that hold, the newest that cleared, and each change of them.
//!
//! - `scope`: what the views of a group show: counts, and lines in their order
//! - `bursts`: what happens to many devices at once under one rule is one line

mod bursts;
mod scope;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use tidegate_telemetry::{AlertChange, AlertState, Severity};

use self::bursts::Bursts;
pub(crate) use self::bursts::{Burst, BurstBounds};
pub(crate) use self::scope::{Counts, Share};
use self::scope::{Rank, Scope};
use crate::directory::is_within;
use crate::groups::self_and_above;
use crate::subscriber::SubscriberId;

/// Every alert that is held.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    alerts: FxHashMap<Arc<str>, Alert>,
    /// Unix ms of raising, identifier.
    by_time: BTreeSet<(i64, Arc<str>)>,
    /// Those that cleared, in that order: Unix ms of it, identifier.
    cleared: VecDeque<(i64, Arc<str>)>,
    /// By path of each group that has one, or that is watched.
    groups: FxHashMap<Box<str>, Scope>,
    by_device: FxHashMap<Arc<str>, OfDevice>,
    watched_devices: FxHashMap<Arc<str>, WatchedDevice>,
    active_by_rule: FxHashMap<Arc<str>, usize>,
    bursts: Bursts,
    /// Changes that are told one by one.
    events: VecDeque<Event>,
    /// Version at which anything last changed.
    pub version: u64,
    /// Events at or below this version are forgotten.
    events_horizon: u64,
    /// How many went because of their number, before their time.
    pub crowded_out: u64,
}

/// One alert and the version at which it last changed.
#[derive(Debug, Clone)]
pub(crate) struct Alert {
    pub change: Arc<AlertChange>,
    pub version: u64,
    /// The burst that it is told with.
    pub burst: Option<Arc<str>>,
}

/// One change of an alert.
#[derive(Debug)]
pub(crate) struct Event {
    pub version: u64,
    pub at_ms: i64,
    pub change: Arc<AlertChange>,
}

/// What a view of alerts is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AlertScope {
    Group(Box<str>),
    /// Full identifier.
    Device(Arc<str>),
}

/// A line of a view.
pub(crate) enum AlertLine<'a> {
    Alert(&'a Alert),
    Burst(&'a Arc<str>, &'a Burst, &'a Share),
}

/// How much is held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub events_max: usize,
    pub cleared_max: usize,
    pub bursts: BurstBounds,
}

#[derive(Debug, Default)]
struct OfDevice {
    active: SmallVec<[Arc<str>; 1]>,
    /// In the order they cleared.
    cleared: VecDeque<Arc<str>>,
}

#[derive(Debug, Default)]
struct WatchedDevice {
    watchers: SmallVec<[SubscriberId; 2]>,
    version: u64,
    events_horizon: u64,
}

impl AlertScope {
    pub fn has(&self, alert: &AlertChange) -> bool {
        match self {
            AlertScope::Group(group) => is_within(&alert.group, group),
            AlertScope::Device(device) => alert.device_id == *device,
        }
    }
}

impl Alert {
    fn is_active(&self) -> bool {
        self.change.state != AlertState::Cleared
    }

    fn rank(&self) -> Rank {
        let change = &self.change;
        Rank::new(change.state, change.severity, change.cleared_ms.unwrap_or(change.raised_ms), &change.id)
    }
}

impl AlertLine<'_> {
    pub fn version(&self) -> u64 {
        match self {
            AlertLine::Alert(alert) => alert.version,
            AlertLine::Burst(_, _, share) => share.version,
        }
    }
}

impl Alerts {
    /// Takes a change and names whom it concerns; answers the worst severity that now holds for the device.
    pub fn take(
        &mut self,
        change: &AlertChange,
        version: u64,
        at_ms: i64,
        bounds: &Bounds,
        wake: &mut impl FnMut(SubscriberId),
    ) -> Option<Severity> {
        let change = Arc::new(change.clone());
        let known = self.alerts.get(&change.id).cloned();
        let burst = match &known {
            Some(known) => known.burst.clone(),
            None => self.join_burst(&change, version, &bounds.bursts, wake),
        };
        if burst.is_none() || is_by_a_person(&change) {
            self.note_event(Event { version, at_ms, change: Arc::clone(&change) }, bounds.events_max);
        }
        if change.state == AlertState::Cleared {
            self.cleared.push_back((at_ms, Arc::clone(&change.id)));
        }
        self.replace(known.as_ref(), Some(Alert { change: Arc::clone(&change), version, burst }), version);
        self.wake(&change, wake);
        while self.cleared.len() > bounds.cleared_max {
            self.crowded_out += 1;
            self.forget_oldest(version, wake);
        }
        self.worst_of(&change.device_id)
    }

    /// Takes another peak of an alert that holds, which is no event. One that a burst stands for shows it to views of its
    /// device alone.
    pub fn peak(&mut self, change: &AlertChange, version: u64, wake: &mut impl FnMut(SubscriberId)) {
        let Some(alert) = self.alerts.get_mut(&change.id).filter(|alert| alert.is_active()) else { return };
        (alert.change, alert.version) = (Arc::new(change.clone()), version);
        let is_shown = alert.burst.is_none();
        self.version = version;
        if let Some(watched) = self.watched_devices.get_mut(&change.device_id) {
            watched.version = version;
            watched.watchers.iter().for_each(|&watcher| wake(watcher));
        }
        for path in self_and_above(&change.group).filter(|_| is_shown) {
            if let Some(scope) = self.groups.get_mut(path) {
                scope.version = version;
                scope.watchers.iter().for_each(|&watcher| wake(watcher));
            }
        }
    }

    /// Removes alerts that cleared before `before_ms`.
    pub fn expire(&mut self, before_ms: i64, version: u64, wake: &mut impl FnMut(SubscriberId)) {
        while self.cleared.front().is_some_and(|&(cleared_ms, _)| cleared_ms < before_ms) {
            self.forget_oldest(version, wake);
        }
    }

    /// All alerts of a device are gone, and so is what was told of them.
    pub fn erase(&mut self, device: &str, version: u64, wake: &mut impl FnMut(SubscriberId)) {
        let of_device: Vec<Alert> = self.of_device(device).into_iter().cloned().collect();
        for alert in &of_device {
            self.replace(Some(alert), None, version);
            self.wake(&alert.change, wake);
        }
        let Alerts { alerts, cleared, events, .. } = self;
        cleared.retain(|(_, id)| alerts.contains_key(id));
        events.retain(|event| *event.change.device_id != *device);
    }

    /// The clock was set back: those that cleared leave when as much time has passed as before.
    pub fn set_back(&mut self, by_ms: i64) {
        self.cleared.iter_mut().for_each(|(cleared_ms, _)| *cleared_ms -= by_ms);
        self.bursts.begin_anew();
    }

    pub fn get(&self, id: &str) -> Option<&Alert> {
        self.alerts.get(id)
    }

    /// Alerts raised before a time and identifier, the newest first; of a burst, if one is given.
    pub fn before<'a>(&'a self, before: Option<(i64, &str)>, burst: Option<&str>) -> impl Iterator<Item = &'a Alert> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let of_burst =
            burst.map(|burst| self.bursts.get(burst).map_or((0, -1), |burst| (burst.first_ms, burst.last_ms)));
        let start = of_burst.map_or(Unbounded, |(first_ms, _)| Included((first_ms, Arc::from(""))));
        let end_of_burst = of_burst.map(|(_, last_ms)| (last_ms.saturating_add(1), Arc::from("")));
        let before = before.map(|(raised_ms, id)| (raised_ms, Arc::from(id)));
        let end = end_of_burst.into_iter().chain(before).min();
        let is_empty = of_burst.zip(end.as_ref()).is_some_and(|((first_ms, _), (end_ms, _))| first_ms > *end_ms);
        let range = if is_empty { None } else { Some(self.by_time.range((start, end.map_or(Unbounded, Excluded)))) };
        range.into_iter().flat_map(Iterator::rev).filter_map(|(_, id)| self.alerts.get(id))
    }

    /// Alerts of a device, the newest first.
    pub fn of_device(&self, device: &str) -> Vec<&Alert> {
        let of_device = self.by_device.get(device);
        let ids = of_device.into_iter().flat_map(|of| of.active.iter().chain(&of.cleared));
        let mut alerts: Vec<&Alert> = ids.filter_map(|id| self.alerts.get(id)).collect();
        alerts.sort_unstable_by(|a, b| (b.change.raised_ms, &b.change.id).cmp(&(a.change.raised_ms, &a.change.id)));
        alerts
    }

    /// How many of a rule hold.
    pub fn active_of_rule(&self, rule: &str) -> usize {
        self.active_by_rule.get(rule).copied().unwrap_or(0)
    }

    /// Identifiers of the worst and newest `limit` lines that hold, and of the `limit` that cleared last.
    pub fn window(&self, scope: &AlertScope, limit: usize) -> Vec<Arc<str>> {
        match scope {
            AlertScope::Group(group) => self.groups.get(group).map_or_else(Vec::new, |scope| scope.window(limit)),
            AlertScope::Device(device) => {
                let Some(of) = self.by_device.get(device) else { return Vec::new() };
                let ranks = of.active.iter().filter_map(|id| self.alerts.get(id)).map(Alert::rank);
                let mut ranks: Vec<Rank> = ranks.collect();
                ranks.sort_unstable();
                let active = ranks.into_iter().take(limit).map(|rank| rank.id);
                active.chain(of.cleared.iter().rev().take(limit).map(Arc::clone)).collect()
            }
        }
    }

    /// The line of an identifier.
    pub fn line<'a>(&'a self, scope: &AlertScope, id: &'a Arc<str>) -> Option<AlertLine<'a>> {
        if let Some(alert) = self.alerts.get(id) {
            return Some(AlertLine::Alert(alert));
        }
        let AlertScope::Group(group) = scope else { return None };
        Some(AlertLine::Burst(id, self.bursts.get(id)?, self.groups.get(group)?.share(id)?))
    }

    pub fn counts(&self, scope: &AlertScope) -> Counts {
        match scope {
            AlertScope::Group(group) => self.groups.get(group).map_or_else(Counts::default, |scope| scope.counts),
            AlertScope::Device(device) => {
                let mut counts = Counts::default();
                self.of_device(device).into_iter().for_each(|alert| counts.add(&alert.change));
                counts
            }
        }
    }

    /// Version at which anything of a scope that is watched last changed, and up to which its events are forgotten.
    pub fn versions(&self, scope: &AlertScope) -> (u64, u64) {
        match scope {
            AlertScope::Group(group) => self.groups.get(group).map(|scope| (scope.version, scope.events_horizon)),
            AlertScope::Device(device) => self.watched_devices.get(device).map(|it| (it.version, it.events_horizon)),
        }
        .unwrap_or((self.version, self.events_horizon))
    }

    /// Events after `since`, in order.
    pub fn events_since(&self, since: u64) -> impl Iterator<Item = &Event> {
        let first = self.events.partition_point(|event| event.version <= since);
        self.events.range(first..)
    }

    /// Has a session woken for what a scope has.
    pub fn watch(&mut self, scope: &AlertScope, subscriber: SubscriberId) {
        let (version, horizon) = (self.version, self.events_horizon);
        match scope {
            AlertScope::Group(group) => {
                let scope = self.groups.entry(group.clone()).or_insert_with(|| Scope::new(version, horizon));
                scope.watchers.push(subscriber);
            }
            AlertScope::Device(device) => {
                let unknown = || WatchedDevice { version, events_horizon: horizon, ..WatchedDevice::default() };
                self.watched_devices.entry(Arc::clone(device)).or_insert_with(unknown).watchers.push(subscriber);
            }
        }
    }

    pub fn unwatch(&mut self, scope: &AlertScope, subscriber: SubscriberId) {
        match scope {
            AlertScope::Group(group) => {
                let Some(scope) = self.groups.get_mut(group) else { return };
                drop_one(&mut scope.watchers, subscriber);
                if scope.is_idle() {
                    self.groups.remove(group);
                }
            }
            AlertScope::Device(device) => {
                let Some(watched) = self.watched_devices.get_mut(device) else { return };
                drop_one(&mut watched.watchers, subscriber);
                if watched.watchers.is_empty() {
                    self.watched_devices.remove(device);
                }
            }
        }
    }

    /// The burst of an alert that was just raised. Those before it that make it one leave the lines of their own.
    fn join_burst(
        &mut self,
        change: &Arc<AlertChange>,
        version: u64,
        bounds: &BurstBounds,
        wake: &mut impl FnMut(SubscriberId),
    ) -> Option<Arc<str>> {
        let (burst, with) = self.bursts.join(change, bounds)?;
        for id in with {
            if let Some(alert) = self.alerts.get(&id).filter(|alert| alert.burst.is_none()).cloned() {
                let joined = Alert { version, burst: Some(Arc::clone(&burst)), ..alert.clone() };
                self.replace(Some(&alert), Some(joined), version);
                self.wake(&alert.change, wake);
            }
        }
        Some(burst)
    }

    fn forget_oldest(&mut self, version: u64, wake: &mut impl FnMut(SubscriberId)) {
        let Some((_, id)) = self.cleared.pop_front() else { return };
        let Some(alert) = self.alerts.get(&id).cloned() else { return };
        self.replace(Some(&alert), None, version);
        self.wake(&alert.change, wake);
    }

    /// Puts what an alert is now in the place of what it was, everywhere.
    fn replace(&mut self, old: Option<&Alert>, new: Option<Alert>, version: u64) {
        let Some(change) = new.as_ref().or(old).map(|alert| Arc::clone(&alert.change)) else { return };
        self.version = version;
        self.bursts.replace(old, new.as_ref());
        for path in self_and_above(&change.group) {
            let scope = match self.groups.get_mut(path) {
                Some(scope) => scope,
                None => self.groups.entry(path.into()).or_insert_with(|| Scope::new(version, self.events_horizon)),
            };
            scope.replace(old, new.as_ref(), version, &self.bursts);
            if scope.is_idle() {
                self.groups.remove(path);
            }
        }
        self.replace_of_device(old, new.as_ref(), &change, version);
        self.count_of_rule(old, new.as_ref(), &change.rule);
        if let Some(burst) = old.and_then(|old| old.burst.as_ref()) {
            self.bursts.forget_if_empty(burst);
        }
        let key = || (change.raised_ms, Arc::clone(&change.id));
        match new {
            Some(new) => {
                if old.is_none() {
                    self.by_time.insert(key());
                }
                self.alerts.insert(Arc::clone(&change.id), new);
            }
            None => {
                self.by_time.remove(&key());
                self.alerts.remove(&change.id);
            }
        }
    }

    fn count_of_rule(&mut self, old: Option<&Alert>, new: Option<&Alert>, rule: &Arc<str>) {
        let active = |alert: Option<&Alert>| alert.is_some_and(Alert::is_active);
        match (active(old), active(new)) {
            (false, true) => *self.active_by_rule.entry(Arc::clone(rule)).or_default() += 1,
            (true, false) => {
                if let Some(active) = self.active_by_rule.get_mut(rule) {
                    *active -= 1;
                }
            }
            _ => {}
        }
    }

    fn replace_of_device(&mut self, old: Option<&Alert>, new: Option<&Alert>, change: &AlertChange, version: u64) {
        if let Some(watched) = self.watched_devices.get_mut(&change.device_id) {
            watched.version = version;
        }
        let of = self.by_device.entry(Arc::clone(&change.device_id)).or_default();
        match old {
            Some(old) if old.is_active() => of.active.retain(|id| *id != change.id),
            // They are forgotten in the order they cleared.
            Some(_) if of.cleared.front() == Some(&change.id) => drop(of.cleared.pop_front()),
            Some(_) => of.cleared.retain(|id| *id != change.id),
            None => {}
        }
        match new {
            Some(new) if new.is_active() => of.active.push(Arc::clone(&change.id)),
            Some(_) => of.cleared.push_back(Arc::clone(&change.id)),
            None => {}
        }
        if of.active.is_empty() && of.cleared.is_empty() {
            self.by_device.remove(&change.device_id);
        }
    }

    fn note_event(&mut self, event: Event, events_max: usize) {
        self.events.push_back(event);
        while self.events.len() > events_max {
            let Some(Event { version, change, .. }) = self.events.pop_front() else { break };
            self.events_horizon = version;
            for path in self_and_above(&change.group) {
                if let Some(scope) = self.groups.get_mut(path) {
                    scope.events_horizon = version;
                }
            }
            if let Some(watched) = self.watched_devices.get_mut(&change.device_id) {
                watched.events_horizon = version;
            }
        }
    }

    /// The gravest that holds for a device.
    pub fn worst_of(&self, device: &str) -> Option<Severity> {
        let active = self.by_device.get(device)?.active.iter().filter_map(|id| self.alerts.get(id));
        active.map(|alert| alert.change.severity).max()
    }

    fn wake(&self, change: &AlertChange, wake: &mut impl FnMut(SubscriberId)) {
        let groups = self_and_above(&change.group).filter_map(|path| self.groups.get(path));
        let of_device = self.watched_devices.get(&change.device_id).into_iter().flat_map(|watched| &watched.watchers);
        groups.flat_map(|scope| &scope.watchers).chain(of_device).for_each(|&watcher| wake(watcher));
    }
}

/// Whether somebody took the alert on, or gave it back.
fn is_by_a_person(change: &AlertChange) -> bool {
    match change.state {
        AlertState::Raised => change.unacknowledged.is_some(),
        AlertState::Acknowledged => true,
        AlertState::Cleared => false,
    }
}

fn drop_one(watchers: &mut SmallVec<[SubscriberId; 2]>, subscriber: SubscriberId) {
    if let Some(at) = watchers.iter().position(|&watcher| watcher == subscriber) {
        watchers.swap_remove(at);
    }
}
