//! One device and the newest value of each of its metrics.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::smallvec;
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeliveryClass, DeviceFacts, DeviceIndex, DeviceState, Holder, MetricFacts,
    MetricIndex, Owner, SaidOfDevice, Severity, TimeOrigin, Value,
};

use crate::catalogue::{self, Catalogue, Guess, Style};
use crate::config::ProcessConfig;
use crate::device_clock::{DeviceClock, Ranked};
use crate::expected::{Expected, Promise};
use crate::given::Given;
use crate::group_index::GroupIndex;
use crate::interval::Interval;
use crate::names::{NameIndex, vote};
use crate::rule_state::RuleState;
use crate::texts::Texts;
use crate::time::{Moment, Time};

/// What is known of one device. It stands in checkpoints as a [record](tidegate_telemetry::record): a new field comes last,
/// and has a default.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) id: Arc<str>,
    /// Group path as people say it, else as the device gives it.
    pub(crate) group: Arc<str>,
    /// Where it counts: its group, or the nearest ancestor that exists.
    pub(crate) counted_in: GroupIndex,
    /// The client that brought it in, for the limit on devices of a client.
    pub(crate) client: Arc<str>,
    /// Whose device it is.
    pub(crate) principal: Arc<str>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) clock: DeviceClock,
    /// Of what it says of later times nothing can have come before it did so here: of no device that had its name, of no
    /// clock of its own that was ahead, and by no import. Unix ms.
    pub(crate) known_after_ms: i64,
    pub(crate) interval: Interval,
    /// The interval as last learnt, ms.
    pub(crate) interval_ms: i64,
    /// When its last reading was received.
    pub(crate) heard: Moment,
    pub(crate) state: DeviceState,
    /// Since when it is in that state, Unix ms.
    pub(crate) since_ms: i64,
    /// When its state is looked at again, at or before it is due; `None`: never. Follows from the rest.
    #[serde(skip)]
    pub(crate) wake: Option<Moment>,
    /// Where the rules stand on it, by rule and metric.
    pub(crate) rule_states: Vec<RuleState>,
    /// Its alerts that hold, by severity. Follows from the alerts.
    #[serde(skip)]
    pub(crate) alerts: [u32; 3],
    /// Where the client was that brought it in, if it proved nothing.
    #[serde(default)]
    pub(crate) address: Option<IpAddr>,
    /// It is known from imports alone: nothing of it was heard here.
    #[serde(default)]
    pub(crate) is_imported: bool,
    /// Of its metrics those that are known from imports alone.
    #[serde(default)]
    pub(crate) cells_imported: u16,
    /// What its format, or a gateway, says of it.
    #[serde(default)]
    pub(crate) facts: Option<Arc<DeviceFacts>>,
    /// How often it is to be heard. Follows from what is known of it.
    #[serde(skip)]
    pub(crate) promise: Promise,
    /// What people say of it.
    #[serde(default)]
    pub(crate) said: Option<Arc<SaidOfDevice>>,
    /// The group as the device gives it, where people say another one.
    #[serde(default)]
    pub(crate) own_group: Option<Box<Arc<str>>>,
    /// How long it is silent at times like that of its last report, as it taught, ms; 0: it keeps to its interval.
    #[serde(default)]
    pub(crate) usual_silence_ms: i64,
}

impl Device {
    /// In whose share of all devices it counts.
    pub(crate) fn holder(&self) -> Holder {
        (Owner::of(&self.principal, self.address), self.client.clone())
    }

    /// Whether it may give way to others, and since when it was silent: it reported once and never again, or is
    /// lost.
    pub(crate) fn spare_since(&self) -> Option<Moment> {
        (self.interval.is_unknown() || self.state == DeviceState::Lost).then_some(self.heard)
    }

    /// What each of its metrics has of its vote on which metrics have figures by group.
    pub(crate) fn vote(&self) -> u64 {
        vote(self.cells.len())
    }

    /// Its metrics that have, or may have, figures by group.
    pub(crate) fn voted(&self) -> impl Iterator<Item = NameIndex> {
        self.cells.iter().filter_map(|cell| match cell.aggregate {
            AggregateSlot::Metric(name) => Some(name),
            AggregateSlot::NotYet | AggregateSlot::Refused => None,
        })
    }

    /// The metric of this name. Readings mostly carry the same metrics in the same order, so `hint` is tried first.
    pub(crate) fn metric(&mut self, name: &Arc<str>, hint: usize) -> Option<usize> {
        if self.cells.get(hint).is_some_and(|cell| Arc::ptr_eq(&cell.name, name)) {
            return Some(hint);
        }
        let is_there = self.cells.get(hint).is_some_and(|cell| cell.name == *name);
        let place = if is_there { hint } else { self.cells.iter().position(|cell| cell.name == *name)? };
        // The same text at another place in memory, as after a restart: the next time a look at the pointer is enough.
        self.cells[place].name = name.clone();
        Some(place)
    }

    /// When it is late if it stays silent.
    pub(crate) fn expected(&self, config: &ProcessConfig) -> Expected {
        self.promise.expected(self.interval_ms, self.usual_silence_ms, config)
    }

    /// What follows from what is known of it.
    pub(crate) fn promised(&self) -> Promise {
        let declared_ms = self.facts.as_ref().and_then(|facts| facts.report_ms);
        Promise::of(declared_ms, self.said.as_ref().and_then(|said| said.word.report_ms))
    }

    /// The group that its readings have.
    pub(crate) fn own_group(&self) -> &Arc<str> {
        self.own_group.as_deref().unwrap_or(&self.group)
    }

    /// Whether people said that it is not to be shown.
    pub(crate) fn is_hidden(&self) -> bool {
        self.said.as_ref().is_some_and(|said| said.word.hidden)
    }

    /// Keeps texts that other devices have too only once.
    pub(crate) fn share(&mut self, texts: &mut Texts) {
        for text in [&mut self.group, &mut self.client, &mut self.principal] {
            texts.share(text);
        }
        if let Some(facts) = self.facts.as_mut().and_then(Arc::get_mut) {
            let DeviceFacts { model, maker, firmware, .. } = facts;
            [model, maker, firmware].into_iter().flatten().for_each(|text| texts.share(text));
        }
        for cell in &mut self.cells {
            texts.share(&mut cell.name);
            if let Value::Text(text) = &mut cell.value {
                texts.share(text);
            }
            if let Some(facts) = &mut cell.described {
                texts.share_facts(facts);
            }
        }
    }

    /// What names it and its metrics.
    pub(crate) fn names(&self, device: DeviceIndex, catalogue: &Catalogue) -> impl Iterator<Item = Change> {
        let cells = (0u16..).map(MetricIndex).zip(&self.cells);
        let metrics = cells.flat_map(move |(metric, cell)| {
            let facts = cell.described.clone().map(|facts| Change::MetricFacts { device, metric, facts });
            std::iter::once(cell.change(device, metric, catalogue)).chain(facts)
        });
        let named = Change::Device { device, id: self.id.clone(), group: self.group.clone() };
        let facts = self.facts.clone().map(|facts| Change::Facts { device, facts });
        let said = self.said.clone().map(|said| Change::Said { device, said });
        std::iter::once(named).chain(facts).chain(said).chain(metrics)
    }

    /// All of it as changes.
    pub(crate) fn changes(
        &self,
        device: DeviceIndex,
        catalogue: &Catalogue,
        time: &Time,
    ) -> impl Iterator<Item = Change> {
        let state = Change::State { device, state: self.state, since_ms: self.since_ms };
        let latest = self.latest(device, time).into_iter().map(Change::Reading);
        self.names(device, catalogue).chain(latest).chain(std::iter::once(state))
    }

    /// Its newest values as readings: one for each time.
    fn latest(&self, device: DeviceIndex, time: &Time) -> Vec<AppliedReading> {
        let mut readings: Vec<AppliedReading> = Vec::new();
        let cells = (0u16..).map(MetricIndex).zip(&self.cells).filter(|(_, cell)| !cell.is_imported);
        for (metric, cell) in cells {
            // What is known already is in history.
            let received_ms = time.shown_ms(cell.heard);
            let applied = AppliedCell { metric, value: cell.value.clone(), latest: true, is_new: false };
            let origin = if cell.given == Given::Before { TimeOrigin::Before } else { TimeOrigin::Device };
            let has_its_time =
                |reading: &&mut AppliedReading| (reading.time_ms, reading.origin) == (cell.time_ms, origin);
            match readings.iter_mut().find(has_its_time) {
                Some(reading) => {
                    reading.received_ms = reading.received_ms.max(received_ms);
                    reading.cells.push(applied);
                }
                None => readings.push(AppliedReading {
                    device,
                    time_ms: cell.time_ms,
                    origin,
                    received_ms,
                    class: DeliveryClass::Latest,
                    cells: smallvec![applied],
                }),
            }
        }
        readings
    }

    /// Something of it was received just now.
    pub(crate) fn is_heard(&mut self, time: &Time, future_max_ms: i64) {
        self.heed_set_backs(time, future_max_ms);
        self.heard = time.moment();
    }

    /// What it was heard of by a clock that was set back since does not compare to what comes.
    pub(crate) fn heed_set_backs(&mut self, time: &Time, future_max_ms: i64) {
        if let Some(at_ms) = time.set_back_since(self.heard) {
            // What it said by that clock may be of times that come again.
            self.known_after_ms = self.known_after_ms.max(self.clock.newest_ms().unwrap_or(i64::MIN));
            self.clock.compare_none_after(at_ms.saturating_add(future_max_ms));
        }
    }

    /// The gravest alert that holds.
    pub(crate) fn worst_alert(&self) -> Option<Severity> {
        let by_gravity = [Severity::Critical, Severity::Warning, Severity::Info];
        by_gravity.into_iter().find(|severity| self.alerts[*severity as usize] > 0)
    }

    /// Whether its values are in the figures of its group.
    pub(crate) fn counts(&self) -> bool {
        matches!(self.state, DeviceState::Fresh | DeviceState::Asleep)
    }
}

/// The newest value of one metric; in checkpoints a record, as [`Device`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) name: Arc<str>,
    pub(crate) value: Value,
    /// Event time, Unix ms.
    pub(crate) time_ms: i64,
    /// What the device gave for that time.
    pub(crate) given: Given,
    /// When anything of this metric was last received.
    pub(crate) heard: Moment,
    /// The clock's baseline that `time_ms` belongs to.
    pub(crate) baseline: u32,
    /// Decimals learnt from the values; [`catalogue::DECIMALS_UNKNOWN`] before the first number.
    pub(crate) decimals: u8,
    pub(crate) aggregate: AggregateSlot,
    /// The unit that its name suggests. Follows from that and the configuration.
    #[serde(skip)]
    pub(crate) guess: Option<Guess>,
    /// A number came that cannot be one in that unit: it has none.
    #[serde(default)]
    pub(crate) is_misnamed: bool,
    /// What the device says of it. Most say nothing, as all did to programs that knew no format that can.
    #[serde(default)]
    pub(crate) described: Option<Arc<MetricFacts>>,
    /// It is known from imports alone, and has no newest value: `value` is one of those that were brought.
    #[serde(default)]
    pub(crate) is_imported: bool,
}

/// Where a metric's aggregates are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AggregateSlot {
    /// It never had a number.
    NotYet,
    /// Number of the metric's name.
    Metric(NameIndex),
    /// In checkpoints up to version 4: there were too many metric names before it.
    Refused,
}

/// How a value compares to what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueOutcome {
    /// It is the newest now.
    Latest,
    /// There is a newer one.
    Late,
    /// The device gave it for the newest time before.
    Duplicate,
}

impl Cell {
    pub(crate) fn new(
        name: Arc<str>,
        value: Value,
        catalogue: &Catalogue,
        ranked: Ranked,
        heard: Moment,
        baseline: u32,
    ) -> Self {
        // Where the catalogue knows the decimals there is nothing to learn.
        let is_known = catalogue.style(&name).decimals.is_some();
        let decimals = if is_known { catalogue::DECIMALS_LEARNT_MAX } else { catalogue::DECIMALS_UNKNOWN };
        let (given, guess) = (Given::first(ranked.origin), catalogue.guess(&name));
        let is_imported = ranked.origin == TimeOrigin::Imported;
        let known = (ranked.time_ms, given);
        let cell = Cell::known(name, value, known, (heard, baseline), (decimals, AggregateSlot::NotYet));
        Cell { guess, is_imported, ..cell }
    }

    /// One of which nothing was guessed, described or imported.
    pub(crate) fn known(
        name: Arc<str>,
        value: Value,
        (time_ms, given): (i64, Given),
        (heard, baseline): (Moment, u32),
        (decimals, aggregate): (u8, AggregateSlot),
    ) -> Self {
        let (guess, is_misnamed, described, is_imported) = (None, false, None, false);
        Cell {
            name,
            value,
            time_ms,
            given,
            heard,
            baseline,
            decimals,
            aggregate,
            guess,
            is_misnamed,
            described,
            is_imported,
        }
    }

    /// Takes a value if it is the newest; of two with the same time the one that came later is. Also says whether
    /// nothing of its time came before that it could repeat or replace.
    pub(crate) fn offer(
        &mut self,
        value: &Value,
        ranked: Ranked,
        heard: Moment,
        baseline: u32,
    ) -> (ValueOutcome, bool) {
        self.heard = heard;
        let Ranked { time_ms, origin, .. } = ranked;
        let is_dated = self.given != Given::Before;
        let has_time = is_dated && time_ms == self.time_ms;
        if has_time && self.given.is_repeated(&self.value, value, origin) {
            return (ValueOutcome::Duplicate, false);
        }
        if is_dated && self.baseline == baseline && time_ms < self.time_ms {
            return (ValueOutcome::Late, false);
        }
        let mut is_new = true;
        if has_time {
            is_new = self.given.add(&self.value, value, origin);
        } else {
            self.given = Given::first(origin);
        }
        self.value.clone_from(value);
        self.time_ms = time_ms;
        self.baseline = baseline;
        (ValueOutcome::Latest, is_new)
    }

    /// Learns from the value how it is shown; `true` when that is otherwise now. `was_number`: the value before was one.
    pub(crate) fn learn(&mut self, was_number: bool) -> bool {
        let number = if let Value::Number(number) = self.value { Some(number) } else { None };
        let is_news = number.is_some_and(|it| !self.is_misnamed && self.guess.is_some_and(|guess| !guess.fits(it)));
        if is_news {
            self.is_misnamed = true;
            self.decimals = catalogue::DECIMALS_UNKNOWN;
        }
        self.learn_decimals() || is_news || was_number != number.is_some()
    }

    fn learn_decimals(&mut self) -> bool {
        let Value::Number(number) = self.value else { return false };
        let known = self.decimals;
        let least = if known == catalogue::DECIMALS_UNKNOWN { 0 } else { known };
        self.decimals = catalogue::decimals_of(number, least);
        self.decimals != known
    }

    pub(crate) fn change(&self, device: DeviceIndex, metric: MetricIndex, catalogue: &Catalogue) -> Change {
        let Style { unit, guessed, decimals } = self.style(catalogue);
        Change::Metric { device, metric, name: self.name.clone(), unit, guessed, decimals }
    }

    /// How it is shown: as the catalogue says, or with the decimals that were learnt. Only numbers have a unit.
    pub(crate) fn style(&self, catalogue: &Catalogue) -> Style {
        let described = self.described.as_ref();
        let style = match described.and_then(|facts| facts.unit.as_ref()) {
            Some(unit) if !catalogue.says_unit(&self.name) => {
                let (unit, decimals) = (Some(Arc::clone(unit)), catalogue.style(&self.name).decimals);
                Style { unit: unit.filter(|unit| !unit.is_empty()), guessed: false, decimals }
            }
            _ if self.is_misnamed => catalogue.said(&self.name),
            _ => catalogue.style(&self.name),
        };
        let said = described.and_then(|facts| facts.decimals).filter(|_| catalogue.said(&self.name).decimals.is_none());
        let style = Style { decimals: said.or(style.decimals), ..style };
        let learnt = (self.decimals != catalogue::DECIMALS_UNKNOWN).then_some(self.decimals);
        let decimals = style.decimals.or(learnt);
        match self.value {
            Value::Number(_) => Style { decimals, ..style },
            Value::Bool(_) | Value::Text(_) => Style { unit: None, guessed: false, decimals },
        }
    }
}
