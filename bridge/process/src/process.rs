//! One entry at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use smallvec::SmallVec;
use tidegate_decode::Decoder;
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, CommandId, CommandMessage, DeviceIndex, DeviceState, Entry, Intent,
    MetricIndex, Position, Publication, Reading, Reason, TimeOrigin, Value, scope,
};

use crate::alerts::{AlertKey, Alerts};
use crate::catalogue::Catalogue;
use crate::checkpoint::{self, Checkpoint, RestoreError, State};
use crate::clock::{Clock, Ranked};
use crate::commands::Commands;
use crate::config::ProcessConfig;
use crate::deadlines::Deadlines;
use crate::device::{AggregateSlot, Cell, Device, Place};
use crate::fleet::Fleet;
use crate::groups::Groups;
use crate::interval::Interval;
use crate::news::News;
use crate::output::Output;
use crate::redelivery::Redelivery;
use crate::refusals::{
    Refusals, conflict, gave_way, not_its_device, outvoted, problem, too_many_devices, too_many_metrics,
    without_figures,
};
use crate::rules::Rules;
use crate::watch::Watch;

/// The state of the fleet, as the entries of the log have made it.
#[derive(Debug)]
pub struct Process {
    pub(crate) config: ProcessConfig,
    pub(crate) catalogue: Catalogue,
    pub(crate) rules: Rules,
    decoder: Decoder,
    pub(crate) state: State,
    pub(crate) deadlines: Deadlines,
    /// Active alerts whose rule the configuration no longer has; cleared by the first entries after a restart.
    orphans: Vec<AlertKey>,
    /// Readings of the publication at hand.
    readings: Vec<Reading>,
    /// Metrics of the reading at hand.
    pub(crate) news: News,
}

impl Process {
    /// A fleet that nothing was heard of.
    #[must_use]
    pub fn new(config: ProcessConfig) -> Self {
        let fleet = Fleet::default();
        let (alerts, commands) = (Alerts::default(), Commands::default());
        let redelivery = Redelivery::default();
        let state = State { now_ms: i64::MIN, fleet, groups: Groups::new(), alerts, commands, redelivery };
        Process::with(config, state)
    }

    /// Goes on from a checkpoint. Rules may have changed since: alerts of those that are gone are cleared by the next
    /// entry.
    ///
    /// # Errors
    /// [`RestoreError`] when the bytes are not a checkpoint of this version.
    pub fn restore(config: ProcessConfig, checkpoint: &[u8]) -> Result<Self, RestoreError> {
        let (rules_then, state) = checkpoint::read(checkpoint)?;
        let mut process = Process::with(config, state);
        process.renumber_rules(&rules_then);
        let mut watched = BTreeSet::new();
        for index in process.state.fleet.indexes() {
            process.choose_watches(index);
            process.wake_later(index);
            let device = process.state.fleet.get_mut(index).expect("indexes() names devices that exist");
            device.cells.iter_mut().for_each(|cell| cell.guess = process.catalogue.guess(&cell.name));
            watched.extend(device.watches.iter().filter_map(Watch::alert));
        }
        process.orphans = process.state.alerts.orphans(&watched);
        Ok(process)
    }

    fn with(config: ProcessConfig, state: State) -> Self {
        Process {
            catalogue: Catalogue::new(&config.metrics),
            rules: Rules::new(&config.rules),
            decoder: Decoder::new(config.decode.clone()),
            config,
            state,
            deadlines: Deadlines::default(),
            orphans: Vec::new(),
            readings: Vec::new(),
            news: News::default(),
        }
    }

    /// All of the state as it is now, to be written while it goes on.
    #[must_use]
    pub fn freeze(&self) -> Checkpoint {
        Checkpoint { rules: self.rules.identities(), state: self.state.then() }
    }

    /// All of the state at once, for [`Process::restore`].
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        self.freeze().to_bytes()
    }

    /// Applies the entry at `position`, and adds what it led to. What was due before it was received comes first.
    pub fn apply(&mut self, position: Position, entry: &Entry, output: &mut Output) {
        // What was due before the clock was set was so by the time before.
        let set_by_ms = if let Entry::ClockSet { by_ms, .. } = entry { *by_ms } else { 0 };
        let now_ms = entry.received_ms().saturating_sub(set_by_ms).max(self.state.now_ms);
        self.state.now_ms = now_ms;
        self.state.alerts.begin(position);
        let orphans = self.orphans.drain(..self.orphans.len().min(self.config.due_per_entry_max));
        for orphan in orphans.collect::<Vec<_>>() {
            self.end_alert(orphan, None, now_ms, output);
        }
        self.fire_due(now_ms, output);
        self.state.commands.expire(now_ms, &self.config.commands, output);
        match entry {
            Entry::Publication(publication) => self.publication(position, publication, now_ms, output),
            Entry::Intent(Intent::AcknowledgeAlert { alert, by, comment, .. }) => {
                self.state.alerts.acknowledge(alert, by, comment.as_deref(), now_ms, output);
            }
            Entry::Intent(Intent::UnacknowledgeAlert { alert, by, .. }) => {
                self.state.alerts.unacknowledge(alert, by, now_ms, output);
            }
            Entry::Intent(Intent::SendCommand { by, request, .. }) => {
                let is_known = self.state.fleet.find(&request.device).is_some();
                let id = CommandId(position);
                self.state.commands.ask(id, by, request, is_known, now_ms, &self.config.commands, output);
            }
            Entry::Tick(_) => output.counts.ticks += 1,
            Entry::Command(message) => self.state.commands.gone_out(message.command),
            Entry::CommandReport(report) => {
                let State { commands, fleet, .. } = &mut self.state;
                let client = |device: &str| fleet.find(device).and_then(|index| fleet.get(index)).map(|of| &*of.client);
                commands.report(report, client, now_ms, output);
            }
            Entry::ClockSet { at_ms, by_ms } => {
                self.state.now_ms = if *by_ms < 0 { *at_ms } else { now_ms.max(*at_ms) };
                self.set_clock(*at_ms, *by_ms, output);
            }
        }
        let State { groups, fleet, now_ms, .. } = &mut self.state;
        let lost = groups.round(*now_ms, &self.config, fleet, &mut output.changes);
        output.counts.metrics_without_figures += lost.len() as u64;
        output.problems.extend(lost.iter().map(|metric| outvoted(metric, *now_ms, &self.config)));
    }

    /// When something waits for time, Unix ms: a tick is wanted then, unless another entry is received first.
    #[must_use]
    pub fn next_deadline(&self) -> Option<i64> {
        let round_ms = self.state.groups.due_ms(&self.config);
        let orphans_ms = (!self.orphans.is_empty()).then_some(self.state.now_ms);
        let due_ms = [self.deadlines.first_ms(), round_ms, self.state.commands.due_ms(), orphans_ms];
        due_ms.into_iter().flatten().min()
    }

    /// The whole state as changes: what views need to begin with.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Change> {
        self.changes().collect()
    }

    /// Those of [`Process::snapshot`] one after the other, so that they need not be in memory all at once.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let State { now_ms, fleet, groups, alerts, commands, .. } = &self.state;
        let devices = fleet.iter().flat_map(|(index, device)| device.changes(index, &self.catalogue));
        devices.chain(groups.changes(fleet)).chain(alerts.changes(*now_ms, &self.config)).chain(commands.changes())
    }

    /// The names of devices and metrics as changes: what history needs before their first reading.
    pub fn names(&self) -> impl Iterator<Item = Change> {
        self.state.fleet.iter().flat_map(|(index, device)| device.names(index, &self.catalogue))
    }

    /// Commands that were accepted and are not in the log as going out: after a restart they are to go out.
    #[must_use]
    pub fn commands_due(&self) -> Vec<CommandMessage> {
        self.state.commands.to_go_out(self.state.now_ms)
    }

    fn publication(&mut self, position: Position, publication: &Publication, now_ms: i64, output: &mut Output) {
        output.counts.publications += 1;
        let State { commands, fleet, .. } = &mut self.state;
        let is_own = |device: &str| {
            let device = fleet.find(device).and_then(|index| fleet.get(index));
            device.is_some_and(|of| *of.client == *publication.client && *of.principal == *publication.principal)
        };
        if commands.answer(publication, is_own, now_ms, &self.config.commands, output) {
            output.counts.publications_ignored += 1;
            return;
        }
        if self.state.redelivery.is_again(publication) {
            output.counts.publications_redelivered += 1;
            return;
        }
        let mut readings = std::mem::take(&mut self.readings);
        let decoded = self.decoder.decode(position, publication, &mut readings);
        if readings.is_empty() && decoded.is_ok() {
            output.counts.publications_ignored += 1;
        }
        let future_ms = now_ms.saturating_add(self.config.future_max_ms);
        let is_undated = |reading: &Reading| {
            !reading.metrics.is_empty() && reading.time_ms.is_none_or(|time_ms| time_ms > future_ms)
        };
        if readings.iter().any(is_undated) {
            self.state.redelivery.remember(publication, now_ms, &self.config);
        }
        let mut refusals = Refusals::default();
        for reading in readings.drain(..) {
            self.reading(publication, reading, now_ms, &mut refusals, output);
        }
        self.readings = readings;
        let undecoded = decoded.err().map(|rejection| (rejection.reason, rejection.detail));
        for (reason, detail) in undecoded.into_iter().chain(refusals.into_details()) {
            output.problems.push(problem(publication, reason, detail));
        }
    }

    fn reading(
        &mut self,
        publication: &Publication,
        reading: Reading,
        now_ms: i64,
        refusals: &mut Refusals,
        output: &mut Output,
    ) {
        if let Some(scope) = publication.scope.as_ref().filter(|of| !of.holds(&reading.device, &publication.topic)) {
            refusals.add(Reason::NotItsDevice, || not_its_device(publication, scope, &reading.device));
            return;
        }
        output.counts.values_absent += reading.without_value.len() as u64;
        if self.is_behind(now_ms)
            && let Some(index) = self.state.fleet.find(&reading.device)
        {
            self.fire_due_of(index, now_ms, output);
        }
        let index = match self.state.fleet.find(&reading.device) {
            Some(index) => index,
            None if reading.metrics.is_empty() => return,
            None => match self.admit(publication, &reading, now_ms, refusals, output) {
                Some(index) => index,
                None => return,
            },
        };
        let device = self.state.fleet.get(index).expect("found by its identifier or just added");
        if *device.principal != *publication.principal && !scope::is_named_by(&publication.topic, &reading.device) {
            refusals.add(Reason::IdentityConflict, || conflict(device, &publication.principal));
            return;
        }
        if device.group != reading.group {
            self.regroup(index, reading.group.clone(), output);
        } else if self.state.groups.has_room_nearer(device.counted_in, &device.group, self.config.groups_max) {
            self.count_in_its_group(index);
        }
        if publication.is_retained_copy() {
            return self.take_copy(index, reading, now_ms, refusals, output);
        }
        let ranked = self.hear(index, &reading, now_ms, output);
        self.hold_off(index, &reading.without_value);
        self.apply_metrics(index, publication, reading, ranked, now_ms, refusals, output);
        self.judge(index, ranked.time_ms, now_ms, output);
    }

    /// Takes in a device that was never heard of.
    fn admit(
        &mut self,
        publication: &Publication,
        reading: &Reading,
        now_ms: i64,
        refusals: &mut Refusals,
        output: &mut Output,
    ) -> Option<DeviceIndex> {
        let newcomer = (publication.owner(), publication.client.as_str().into());
        match self.state.fleet.room(&self.config, &newcomer) {
            Ok(None) => {}
            Ok(Some(gives_way)) => self.give_way(gives_way, now_ms, output),
            Err(full) => {
                refusals.add(Reason::DeviceLimit, || too_many_devices(&reading.device, full, &newcomer.0));
                return None;
            }
        }
        let state = if publication.is_retained_copy() { DeviceState::Late } else { DeviceState::Fresh };
        let device = Device {
            id: reading.device.clone(),
            group: reading.group.clone(),
            counted_in: self.state.groups.group(&reading.group, self.config.groups_max),
            client: publication.client.as_str().into(),
            principal: publication.principal.as_str().into(),
            address: publication.address,
            cells: Vec::with_capacity(reading.metrics.len()),
            clock: Clock::default(),
            known_after_ms: now_ms.saturating_add(self.config.future_max_ms),
            interval: Interval::default(),
            interval_ms: self.config.interval_default_ms,
            heard_ms: now_ms,
            state,
            since_ms: now_ms,
            wake_ms: None,
            watches: Vec::new(),
            alerts: [0; 3],
        };
        let (id, group, counted_in) = (device.id.clone(), device.group.clone(), device.counted_in);
        let index = self.state.fleet.add(device);
        self.state.groups.join(counted_in, index);
        output.changes.push(Change::Device { device: index, id, group });
        output.changes.push(Change::State { device: index, state, since_ms: now_ms });
        output.counts.devices_added += 1;
        self.wake_later(index);
        self.rewatch(index, now_ms, output);
        Some(index)
    }

    /// Forgets a device because others need the room: its owner has most of them. Its history stays.
    fn give_way(&mut self, index: DeviceIndex, now_ms: i64, output: &mut Output) {
        let Some(device) = self.state.fleet.get(index) else { return };
        output.problems.push(gave_way(device, now_ms, &self.config));
        output.counts.devices_gave_way += 1;
        self.forget(index, now_ms, output);
    }

    /// A device now reports from another group.
    fn regroup(&mut self, index: DeviceIndex, group: Arc<str>, output: &mut Output) {
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        device.group = group.clone();
        let id = device.id.clone();
        self.count_in_its_group(index);
        output.changes.push(Change::Device { device: index, id, group });
        self.rewatch(index, self.state.now_ms, output);
    }

    /// Has a device count in its group, or as near to it as there is room.
    fn count_in_its_group(&mut self, index: DeviceIndex) {
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        let counted_in = self.state.groups.group(&device.group, self.config.groups_max);
        let left = std::mem::replace(&mut device.counted_in, counted_in);
        if left != counted_in {
            self.state.groups.leave(left, index);
            self.state.groups.join(counted_in, index);
        }
    }

    /// The device is alive: ranks the time it sent, learns its interval, and makes it fresh.
    fn hear(&mut self, index: DeviceIndex, reading: &Reading, now_ms: i64, output: &mut Output) -> Ranked {
        let standing = self.state.fleet.standing(index);
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        let sent_as = if reading.corrects { TimeOrigin::Correction } else { TimeOrigin::Device };
        let newest_ms = device.clock.newest_ms();
        let ranked = device.clock.rank(reading.time_ms, sent_as, now_ms, self.config.future_max_ms);
        if ranked.rebased {
            device.known_after_ms = device.known_after_ms.max(newest_ms.unwrap_or(i64::MIN));
        }
        output.counts.readings_skewed += u64::from(ranked.skewed);
        output.counts.clocks_rebased += u64::from(ranked.rebased);
        if device.interval.learn(ranked.time_ms, now_ms, ranked.rebased) {
            device.interval_ms = device.interval.ms(self.config.interval_default_ms);
        }
        device.heard_ms = now_ms;
        if device.state != DeviceState::Fresh {
            device.state = DeviceState::Fresh;
            device.since_ms = now_ms;
            self.state.groups.mark(device.counted_in);
            output.changes.push(Change::State { device: index, state: DeviceState::Fresh, since_ms: now_ms });
        }
        self.state.fleet.settle(index, standing);
        self.wake_later(index);
        ranked
    }

    /// Puts the values where they belong, and tells of them.
    #[allow(clippy::too_many_arguments)]
    fn apply_metrics(
        &mut self,
        index: DeviceIndex,
        publication: &Publication,
        reading: Reading,
        ranked: Ranked,
        now_ms: i64,
        refusals: &mut Refusals,
        output: &mut Output,
    ) {
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        let (cells_before, vote_before) = (device.cells.len(), device.vote());
        let (mut cells, mut joined) = (SmallVec::new(), SmallVec::<[_; 6]>::new());
        self.news.clear();
        let mut hint = 0;
        for (name, value) in reading.metrics {
            let value = self.catalogue.kept(&name, value);
            let (place, known) = match device.metric(&name, hint) {
                Some(place) => (place, true),
                None if device.cells.len() < self.config.metrics_per_device_max => {
                    let baseline = device.clock.baseline;
                    let cell = Cell::new(name, value.clone(), &self.catalogue, ranked, now_ms, baseline);
                    device.cells.push(cell);
                    (device.cells.len() - 1, false)
                }
                None => {
                    refusals.add(Reason::MetricLimit, || too_many_metrics(device, &name, &self.config));
                    continue;
                }
            };
            hint = place + 1;
            let cell = &mut device.cells[place];
            let metric = MetricIndex(place as u16);
            let was_number = matches!(cell.value, Value::Number(_));
            let (standing, is_new) = match known {
                true => cell.offer(&value, ranked, now_ms, device.clock.baseline),
                false => (Place::Latest, true),
            };
            let is_new = ranked.origin == TimeOrigin::Receipt || (is_new && ranked.time_ms > device.known_after_ms);
            self.news.add(metric, standing == Place::Latest);
            match standing {
                Place::Duplicate => {
                    output.counts.values_duplicate += 1;
                    continue;
                }
                Place::Late => output.counts.values_late += 1,
                Place::Latest => {
                    if cell.aggregate == AggregateSlot::NotYet && value.as_number().is_some() {
                        let (names, max) = (self.state.groups.names_mut(), self.config.aggregate_metrics_max);
                        let number = names.join(&cell.name, vote_before, max);
                        cell.aggregate = AggregateSlot::Metric(number);
                        joined.push((number, place));
                    }
                    if cell.learn(was_number) || !known {
                        output.changes.push(cell.change(index, metric, &self.catalogue));
                    }
                }
            }
            cells.push(AppliedCell { metric, value, latest: standing == Place::Latest, is_new });
        }
        if cells.iter().any(|cell: &AppliedCell| cell.latest) {
            self.state.groups.mark(device.counted_in);
        }
        if !cells.is_empty() {
            output.counts.readings += 1;
            output.counts.values += cells.len() as u64;
            output.changes.push(Change::Reading(AppliedReading {
                device: index,
                time_ms: ranked.time_ms,
                origin: ranked.origin,
                received_ms: now_ms,
                class: publication.qos.into(),
                cells,
            }));
        }
        let vote = device.vote();
        if vote != vote_before {
            let names = self.state.groups.names_mut();
            device.voted().for_each(|name| names.revote(name, vote_before, vote));
        }
        for (_, place) in joined.into_iter().filter(|(name, _)| self.state.groups.names().is_left_out(*name)) {
            output.counts.metrics_without_figures += 1;
            refusals.add(Reason::MetricLimit, || without_figures(&device.cells[place].name, &self.config));
        }
        if device.cells.len() > cells_before {
            self.watch_metrics(index, cells_before);
        }
    }
}
