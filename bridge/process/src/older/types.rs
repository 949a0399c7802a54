//! Devices, groups and alerts as checkpoints up to version 6 have them, where they differ by more than fields at the end.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Deserialize;
use tidegate_telemetry::{
    AlertChange, AlertState, DeviceIndex, DeviceState, InAlert, Severity, StateCounts, TimeOrigin, Value,
};

use crate::alerts::{AlertKey, Alerts, Cleared};
use crate::device::{AggregateSlot, Cell, Device};
use crate::device_clock::DeviceClock;
use crate::expected::Promise;
use crate::given::Given;
use crate::group_index::GroupIndex;
use crate::groups::{Group, Groups, Rounds, Sums};
use crate::interval::Interval;
use crate::names::Figures;
use crate::partial::{NO_DEVICE, Partial};
use crate::rule_state::RuleState;
use crate::shards::Shards;
use crate::shelves::Shelves;
use crate::time::Moment;

/// No time that a device gave lies further ahead of its receipt.
const AHEAD_MAX_MS: i64 = 86_400_000;

/// The fleet when nobody asked whose the time of the newest value is.
#[derive(Debug, Deserialize)]
pub(crate) struct OlderFleet(Vec<Option<OlderDevice>>);

#[derive(Debug, Deserialize)]
struct OlderDevice {
    id: Arc<str>,
    group: Arc<str>,
    counted_in: GroupIndex,
    client: Arc<str>,
    principal: Arc<str>,
    cells: Vec<OlderCell>,
    clock: DeviceClock,
    interval: Interval,
    interval_ms: i64,
    heard_ms: i64,
    state: DeviceState,
    since_ms: i64,
    rule_states: Vec<RuleState>,
}

#[derive(Debug, Deserialize)]
struct OlderCell {
    name: Arc<str>,
    value: Value,
    time_ms: i64,
    heard_ms: i64,
    baseline: u32,
    decimals: u8,
    aggregate: AggregateSlot,
}

impl OlderFleet {
    /// Its devices as they were at `now_ms` (Unix ms).
    pub(crate) fn at(self, now_ms: i64) -> impl Iterator<Item = Option<Device>> {
        let known_after_ms = now_ms.saturating_add(AHEAD_MAX_MS);
        self.0.into_iter().map(move |device| device.map(|device| device.known_after(known_after_ms)))
    }
}

impl OlderDevice {
    fn known_after(self, known_after_ms: i64) -> Device {
        let has_times = self.clock.has_times();
        let origin = if has_times { TimeOrigin::Device } else { TimeOrigin::Receipt };
        Device {
            id: self.id,
            group: self.group,
            counted_in: self.counted_in,
            client: self.client,
            principal: self.principal,
            address: None,
            cells: self.cells.into_iter().map(|cell| cell.given(Given::first(origin))).collect(),
            clock: self.clock,
            known_after_ms,
            interval: self.interval,
            interval_ms: self.interval_ms,
            heard: Moment(self.heard_ms),
            state: self.state,
            since_ms: self.since_ms,
            wake: None,
            rule_states: self.rule_states,
            alerts: [0; 3],
            is_imported: false,
            cells_imported: 0,
            facts: None,
            promise: Promise::default(),
            said: None,
            own_group: None,
            usual_silence_ms: 0,
        }
    }
}

impl OlderCell {
    fn given(self, given: Given) -> Cell {
        let OlderCell { name, value, time_ms, heard_ms, baseline, decimals, aggregate } = self;
        Cell::known(name, value, (time_ms, given), (Moment(heard_ms), baseline), (decimals, aggregate))
    }
}

/// Alerts when nobody asked how far they went.
#[derive(Debug, Deserialize)]
pub(crate) struct OlderAlerts {
    alerts: Shelves<AlertKey, OlderAlert>,
    cleared: VecDeque<Cleared>,
}

#[derive(Debug, Clone, Deserialize)]
struct OlderAlert {
    id: Arc<str>,
    rule: Arc<str>,
    severity: Severity,
    _device: DeviceIndex,
    device_id: Arc<str>,
    group: Arc<str>,
    metric: Option<Arc<str>>,
    text: Arc<str>,
    state: AlertState,
    value: Option<f64>,
    raised_ms: i64,
    acknowledged: Option<(i64, Arc<str>)>,
    cleared_ms: Option<i64>,
}

impl From<OlderAlerts> for Alerts {
    fn from(older: OlderAlerts) -> Self {
        let mut alerts = Shelves::default();
        older.alerts.iter().for_each(|(key, alert)| alerts.push(*key, alert.clone().now()));
        Alerts::of(alerts, older.cleared)
    }
}

impl OlderAlert {
    fn now(self) -> AlertChange {
        // Of one that cleared only the value that cleared it is known.
        let raised_value = self.value.filter(|_| self.state != AlertState::Cleared);
        AlertChange {
            id: self.id,
            rule: self.rule,
            severity: self.severity,
            device_id: self.device_id,
            group: self.group,
            metric: self.metric,
            condition: None,
            unit: None,
            decimals: None,
            words: self.text,
            state: self.state,
            value: self.value,
            raised_ms: self.raised_ms,
            acknowledged: self.acknowledged,
            cleared_ms: self.cleared_ms,
            raised_value,
            peak: raised_value,
            comment: None,
            unacknowledged: None,
        }
    }
}

/// A group when nobody asked whose its extremes are.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct OlderGroup {
    path: Arc<str>,
    parent: Option<GroupIndex>,
    children: Vec<GroupIndex>,
    members: Vec<DeviceIndex>,
    marked: bool,
    own: OlderSums,
    total: OlderSums,
}

#[derive(Debug, Clone, Deserialize)]
struct OlderSums {
    partials: Vec<(u16, OlderPartial)>,
    states: StateCounts,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct OlderPartial {
    count: u32,
    devices: u32,
    sum: f64,
    min: f64,
    max: f64,
    oldest_ms: i64,
}

impl OlderGroup {
    pub(crate) fn now(self) -> Group {
        let OlderGroup { path, parent, children, members, marked, own, total } = self;
        Group { path, parent, children, members, marked, own: own.now(), total: total.now() }
    }
}

impl OlderSums {
    fn now(self) -> Sums {
        let partials = self.partials.into_iter().map(|(place, partial)| (place, partial.now())).collect();
        Sums { partials, states: self.states, in_alert: InAlert::default() }
    }
}

impl OlderPartial {
    fn now(self) -> Partial {
        let OlderPartial { count, devices, sum, min, max, oldest_ms } = self;
        Partial { count, devices, sum, min, max, oldest_ms, min_of: NO_DEVICE, max_of: NO_DEVICE }
    }
}

/// As checkpoints up to version 3 have it: groups never went.
#[derive(Debug, Deserialize)]
pub(crate) struct LastingGroups {
    groups: Vec<OlderGroup>,
    metrics: Vec<Arc<str>>,
    marked: Vec<GroupIndex>,
    round_ms: i64,
}

/// As checkpoints of versions 4 and 5 have it: names of metrics kept their figures for good.
#[derive(Debug, Deserialize)]
pub(crate) struct LastingNames {
    groups: Shards<OlderGroup>,
    metrics: Vec<Arc<str>>,
    marked: Vec<GroupIndex>,
    round_ms: i64,
}

/// As checkpoints of version 6 have it: nobody knew whose the extremes are, and who is in alert.
#[derive(Debug, Deserialize)]
pub(crate) struct NamelessGroups {
    groups: Shards<OlderGroup>,
    figures: Vec<Figures>,
    marked: Vec<GroupIndex>,
    round_ms: i64,
}

impl From<LastingGroups> for Groups {
    /// Groups that are empty go with the next round.
    fn from(LastingGroups { groups, metrics, marked, round_ms }: LastingGroups) -> Self {
        LastingNames { groups: groups.into_iter().map(Some).collect(), metrics, marked, round_ms }.into()
    }
}

impl From<LastingNames> for Groups {
    fn from(LastingNames { groups, metrics, marked, round_ms }: LastingNames) -> Self {
        let figures = metrics.into_iter().map(Figures::Of).collect();
        NamelessGroups { groups, figures, marked, round_ms }.into()
    }
}

impl From<NamelessGroups> for Groups {
    /// The next round finds whose the extremes are.
    fn from(NamelessGroups { groups, figures, marked, round_ms }: NamelessGroups) -> Self {
        let mut groups = Groups::of(groups.map(OlderGroup::now), Rounds { figures, marked, round: Moment(round_ms) });
        groups.mark_all();
        groups
    }
}
