//! What entries of the log hold: devices that come, move and go, their readings, alerts and figures.

use smallvec::smallvec;
use tidegate_telemetry::{
    AggregateChange, AlertChange, AlertState, AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex,
    DeviceState, DeviceWord, InAlert, MetricIndex, SaidOfDevice, Severity, StateCounts, TimeOrigin, Value as Measured,
};

use super::{GROUPS, Known, World};

impl World {
    pub(super) fn change(&mut self) -> Vec<Change> {
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
                self.moves.push((self.version, self.id(device)));
                vec![self.device(number)]
            }
            2 => vec![self.say(device)],
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

    /// People call it something, and hide it or show it again.
    fn say(&mut self, device: DeviceIndex) -> Change {
        self.moves.push((self.version, self.id(device)));
        let name = self.dice.one_in(2).then(|| format!("name {}", self.dice.roll(5)).into());
        let word = DeviceWord { name, hidden: self.dice.one_in(3), ..DeviceWord::default() };
        let said = SaidOfDevice { word, by: "Ann".into(), at_ms: self.now_ms, undo: Vec::new() };
        Change::Said { device, said: said.into() }
    }

    pub(super) fn appear(&mut self) -> Vec<Change> {
        let id = if self.appeared == 0 { "site/dev0".into() } else { format!("site/dev{}", 1 + self.dice.roll(29)) };
        if self.devices.iter().flatten().any(|known| known.id == id) {
            return Vec::new();
        }
        self.appeared += 1;
        self.lives.insert(id.clone(), (self.version, self.now_ms));
        let number = self.devices.iter().position(Option::is_none).unwrap_or(self.devices.len());
        self.devices.resize(self.devices.len().max(number + 1), None);
        self.devices[number] = Some(Known { id, group: self.dice.roll(5) });
        let device = DeviceIndex(number as u32);
        let mut changes = vec![self.device(number)];
        changes.extend((0..3).map(|column| metric(device, column, false)));
        changes
    }

    /// As processing does it: the alerts of the device end first.
    fn forget(&mut self, device: DeviceIndex) -> Vec<Change> {
        let mut changes = Vec::new();
        while self.open_alert(device).is_some() {
            changes.extend(self.alert(device));
        }
        let id = self.id(device);
        self.promised.retain(|(version, of, _, _)| *version < self.version || *of != id);
        self.devices[device.0 as usize] = None;
        changes.push(Change::Removed { device });
        changes
    }

    fn device(&self, number: usize) -> Change {
        let Known { id, group } = self.devices[number].as_ref().unwrap();
        Change::Device {
            device: DeviceIndex(number as u32),
            id: id.as_str().into(),
            group: GROUPS[*group as usize].into(),
        }
    }

    fn id(&self, device: DeviceIndex) -> String {
        self.devices[device.0 as usize].as_ref().unwrap().id.clone()
    }

    fn open_alert(&self, device: DeviceIndex) -> Option<usize> {
        let id = self.id(device);
        self.alerts.iter().position(|alert| *alert.device_id == *id && alert.state != AlertState::Cleared)
    }

    fn reading(&mut self, device: DeviceIndex) -> Change {
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
        let origin = if self.dice.one_in(8) { TimeOrigin::Before } else { TimeOrigin::Device };
        Change::Reading(AppliedReading { device, time_ms, origin, received_ms: self.now_ms, class, cells })
    }

    fn alert(&mut self, device: DeviceIndex) -> Vec<Change> {
        let Some(at) = self.open_alert(device) else {
            let alert = AlertChange {
                id: format!("a-{}-{}", self.version, self.alerts.len()).into(),
                rule: ["hot", "cold"][self.dice.roll(2) as usize].into(),
                severity: [Severity::Info, Severity::Warning, Severity::Critical][self.dice.roll(3) as usize],
                device_id: self.id(device).into(),
                group: GROUPS[self.devices[device.0 as usize].as_ref().unwrap().group as usize].into(),
                metric: None,
                condition: None,
                unit: None,
                decimals: None,
                words: "Above 8.0 °C".into(),
                state: AlertState::Raised,
                value: Some(9.5),
                raised_ms: self.now_ms,
                acknowledged: None,
                cleared_ms: None,
                raised_value: None,
                peak: None,
                comment: None,
                unacknowledged: None,
            };
            self.alerts.push(alert.clone());
            return vec![Change::Alert(alert)];
        };
        if self.alerts[at].state == AlertState::Raised && self.dice.one_in(4) {
            self.alerts[at].state = AlertState::Acknowledged;
            self.alerts[at].acknowledged = Some((self.now_ms, "Ann".into()));
            return vec![Change::Alert(self.alerts[at].clone())];
        }
        if self.dice.one_in(3) {
            self.alerts[at].peak = Some(9.5 + self.dice.roll(100) as f64);
            return vec![Change::AlertPeak(self.alerts[at].clone())];
        }
        self.alerts[at].state = AlertState::Cleared;
        self.alerts[at].cleared_ms = Some(self.now_ms);
        vec![Change::Alert(self.alerts[at].clone())]
    }

    fn aggregate(&mut self) -> Vec<Change> {
        let group = ["", "a", "a/b", "c", "d", "e"][self.dice.roll(6) as usize];
        let devices = self.dice.roll(3) as u32;
        if self.dice.one_in(2) {
            let counts = StateCounts { fresh: devices, ..StateCounts::default() };
            return vec![Change::States { group: group.into(), counts, in_alert: InAlert::default() }];
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
            min_device: None,
            max_device: None,
        })]
    }
}

fn metric(device: DeviceIndex, column: u16, unit: bool) -> Change {
    Change::Metric {
        device,
        metric: MetricIndex(column),
        name: format!("m{column}").into(),
        unit: unit.then(|| "°C".into()),
        guessed: unit,
        decimals: unit.then_some(1),
    }
}
