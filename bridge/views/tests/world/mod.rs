//! A fleet that changes at random, with everything that views are told of it.

#![allow(missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

use smallvec::smallvec;
use tidegate_telemetry::{
    AggregateChange, AlertChange, AlertState, AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex,
    DeviceState, MetricIndex, Position, Severity, StateCounts, TimeOrigin, Value as Measured,
};
use tidegate_views::{Epoch, SubscriberId, Subscription, ViewSpec, Views, ViewsConfig};

use crate::support::{ClientView, CommandsOfDevices, Dice};

pub const BASE_MS: i64 = 1_704_700_000_000;
/// Groups of devices; the last two lie too deep to have branches of their own.
pub const GROUPS: [&str; 5] =
    ["a", "a/b", "c", "d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/e", "d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/f"];

/// One client and its only view.
pub struct Client {
    pub subscriber: SubscriberId,
    /// It had everything when it was served last: only a wake-up means that there is more.
    pub is_quiet: bool,
    pub spec: ViewSpec,
    pub view: ClientView,
    pub cursor: Option<Subscription>,
    /// The list as the client changed it.
    pub names: Vec<String>,
    /// A change of the list may not have been answered yet: the position belongs to the list before.
    pub list_pending: bool,
    pub bytes_max: usize,
    /// Rows that the client was told to drop, and versions at which rows came that it did not have: what such a device
    /// went through before is not owed.
    pub left: BTreeSet<u64>,
    pub joined: BTreeMap<u64, u64>,
}

pub struct World {
    pub dice: Dice,
    pub views: Views,
    pub version: u64,
    pub now_ms: i64,
    /// Devices by number; the numbers, and some of the names, of those that were forgotten come again.
    pub devices: Vec<Option<Known>>,
    pub appeared: usize,
    /// Promised values: version, device, column, value.
    pub promised: Vec<(u64, String, usize, f64)>,
    pub alerts: Vec<AlertChange>,
    pub commands: CommandsOfDevices,
    /// An entry of which only the figures of groups were applied.
    pub begun: Option<(u64, Vec<Change>)>,
    pub clients: u32,
    /// Sessions that were woken and not served since.
    pub woken: BTreeSet<SubscriberId>,
}

#[derive(Clone)]
pub struct Known {
    pub id: String,
    pub group: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let config = ViewsConfig {
            membership_entries_max: 1 + dice.roll(32) as usize,
            alert_events_max: 4 + dice.roll(40) as usize,
            cleared_alert_ms: 5_000,
            cleared_alerts_max: 1 + dice.roll(12) as usize,
            alert_burst_min: [0, 2, 3, 5][dice.roll(4) as usize],
            alert_burst_window_ms: dice.roll(8_000) as i64,
            envelope_linger_ms: 1 + dice.roll(20_000) as i64,
            rows_per_lock: 1 + dice.roll(6) as usize,
            ..ViewsConfig::default()
        };
        let epoch = Epoch { name: "e".into(), time_base_ms: BASE_MS };
        let views = Views::new(epoch, config);
        let mut world = World {
            dice,
            views,
            version: 0,
            now_ms: BASE_MS,
            devices: Vec::new(),
            appeared: 0,
            promised: Vec::new(),
            alerts: Vec::new(),
            commands: CommandsOfDevices::default(),
            begun: None,
            clients: 0,
            woken: BTreeSet::new(),
        };
        // The device whose commands are watched stays.
        let first = world.appear();
        world.views.apply(Position(0), BASE_MS, &first, &mut |_, _| ());
        world
    }

    /// One entry of the log, with one to three changes; sometimes the figures of groups come ahead.
    pub fn happen(&mut self) {
        self.finish();
        let before = self.version;
        self.version += 1 + self.dice.roll(2);
        self.now_ms += self.dice.roll(1_500) as i64;
        let changes: Vec<Change> = (0..=self.dice.roll(3)).flat_map(|_| self.change()).collect();
        let (figures, rest): (Vec<Change>, Vec<Change>) = changes.into_iter().partition(|it| it.group().is_some());
        self.begun = Some((self.version, rest));
        self.views.apply_figures(Position(self.version), &figures);
        if self.dice.one_in(4) {
            self.version = before;
        } else {
            self.finish();
        }
    }

    /// Applies the rest of an entry.
    pub fn finish(&mut self) {
        let Some((version, changes)) = self.begun.take() else { return };
        self.version = version;
        self.views
            .apply(Position(version), self.now_ms, &changes, &mut |subscriber, _| _ = self.woken.insert(subscriber));
    }

    pub fn change(&mut self) -> Vec<Change> {
        if self.dice.one_in(5) {
            return self.commands.change(&mut self.dice, self.now_ms);
        }
        let number = self.dice.roll(24) as usize;
        if number >= self.devices.len() || self.devices[number].is_none() {
            return if self.dice.one_in(2) || self.devices.len() < 4 { self.appear() } else { Vec::new() };
        }
        let device = DeviceIndex(number as u32);
        match self.dice.roll(24) {
            0 => self.appear(),
            1 => {
                self.devices[number].as_mut().unwrap().group = self.dice.roll(5);
                vec![self.device(number)]
            }
            10 | 11 if number > 0 => self.forget(device),
            3 | 4 => {
                let states = [DeviceState::Fresh, DeviceState::Late, DeviceState::Asleep, DeviceState::Lost];
                let state = states[self.dice.roll(4) as usize];
                vec![Change::State { device, state, since_ms: self.now_ms }]
            }
            5 => vec![metric(device, self.dice.roll(3) as u16, true)],
            6 | 7 => self.alert(device),
            8 | 9 | 12 => self.aggregate(),
            _ => vec![self.reading(device)],
        }
    }

    pub fn appear(&mut self) -> Vec<Change> {
        let id = if self.appeared == 0 { "site/dev0".into() } else { format!("site/dev{}", 1 + self.dice.roll(29)) };
        if self.devices.iter().flatten().any(|known| known.id == id) {
            return Vec::new();
        }
        self.appeared += 1;
        let number = self.devices.iter().position(Option::is_none).unwrap_or(self.devices.len());
        self.devices.resize(self.devices.len().max(number + 1), None);
        self.devices[number] = Some(Known { id, group: self.dice.roll(5) });
        let device = DeviceIndex(number as u32);
        let mut changes = vec![self.device(number)];
        changes.extend((0..3).map(|column| metric(device, column, false)));
        changes
    }

    /// As processing does it: the alerts of the device end first.
    pub fn forget(&mut self, device: DeviceIndex) -> Vec<Change> {
        let mut changes = Vec::new();
        while self.open_alert(device).is_some() {
            changes.extend(self.alert(device));
        }
        self.devices[device.0 as usize] = None;
        changes.push(Change::Removed { device });
        changes
    }

    pub fn device(&self, number: usize) -> Change {
        let Known { id, group } = self.devices[number].as_ref().unwrap();
        Change::Device {
            device: DeviceIndex(number as u32),
            id: id.as_str().into(),
            group: GROUPS[*group as usize].into(),
        }
    }

    pub fn id(&self, device: DeviceIndex) -> String {
        self.devices[device.0 as usize].as_ref().unwrap().id.clone()
    }

    pub fn open_alert(&self, device: DeviceIndex) -> Option<usize> {
        self.alerts.iter().position(|alert| alert.device == device && alert.state != AlertState::Cleared)
    }

    pub fn reading(&mut self, device: DeviceIndex) -> Change {
        let class = [DeliveryClass::Latest, DeliveryClass::Envelope, DeliveryClass::Every][self.dice.roll(3) as usize];
        let (mut cells, late) = (smallvec![], self.dice.one_in(6));
        for column in 0..3_u16 {
            if self.dice.one_in(2) {
                continue;
            }
            let number = self.dice.roll(1_000) as f64 / 10.0;
            let value = if self.dice.one_in(12) { Measured::Text("on".into()) } else { Measured::Number(number) };
            if class != DeliveryClass::Latest && !late && value.as_number().is_some() {
                self.promised.push((self.version, self.id(device), usize::from(column), number));
            }
            cells.push(AppliedCell { metric: MetricIndex(column), value, latest: !late, is_new: false });
        }
        let time_ms = self.now_ms - if late { 60_000 } else { 0 };
        let origin = TimeOrigin::Device;
        Change::Reading(AppliedReading { device, time_ms, origin, received_ms: self.now_ms, class, cells })
    }

    pub fn alert(&mut self, device: DeviceIndex) -> Vec<Change> {
        let Some(at) = self.open_alert(device) else {
            let alert = AlertChange {
                id: format!("a-{}-{}", self.version, self.alerts.len()).into(),
                rule: ["hot", "cold"][self.dice.roll(2) as usize].into(),
                severity: [Severity::Info, Severity::Warning, Severity::Critical][self.dice.roll(3) as usize],
                device,
                device_id: self.id(device).into(),
                group: GROUPS[self.devices[device.0 as usize].as_ref().unwrap().group as usize].into(),
                metric: None,
                text: "Above 8.0 °C".into(),
                state: AlertState::Raised,
                value: Some(9.5),
                raised_ms: self.now_ms,
                acknowledged: None,
                cleared_ms: None,
            };
            self.alerts.push(alert.clone());
            return vec![Change::Alert(alert)];
        };
        if self.alerts[at].state == AlertState::Raised && self.dice.one_in(4) {
            self.alerts[at].state = AlertState::Acknowledged;
            self.alerts[at].acknowledged = Some((self.now_ms, "Ann".into()));
            return vec![Change::Alert(self.alerts[at].clone())];
        }
        self.alerts[at].state = AlertState::Cleared;
        self.alerts[at].cleared_ms = Some(self.now_ms);
        vec![Change::Alert(self.alerts[at].clone())]
    }

    pub fn aggregate(&mut self) -> Vec<Change> {
        let group = ["", "a", "a/b", "c", "d", "e"][self.dice.roll(6) as usize];
        let devices = self.dice.roll(3) as u32;
        if self.dice.one_in(2) {
            let counts = StateCounts { fresh: devices, ..StateCounts::default() };
            return vec![Change::States { group: group.into(), counts }];
        }
        vec![Change::Aggregate(AggregateChange {
            group: group.into(),
            metric: ["t", "h"][self.dice.roll(2) as usize].into(),
            count: devices.min(1),
            devices,
            sum: self.dice.roll(100) as f64,
            min: 1.0,
            max: 2.0,
            oldest_ms: Some(self.now_ms),
        })]
    }
}

fn metric(device: DeviceIndex, column: u16, unit: bool) -> Change {
    Change::Metric {
        device,
        metric: MetricIndex(column),
        name: format!("m{column}").into(),
        unit: unit.then(|| "°C".into()),
        decimals: unit.then_some(1),
    }
}
