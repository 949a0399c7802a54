//! One entry at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use smallvec::SmallVec;
use tidegate_settings::millis;
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, CommandId, CommandMessage, Decoded, DeviceIndex, DeviceState, Entry, Intent,
    LogEntry, MetricIndex, Position, Reading, Reason, Sender, TimeOrigin, Value,
};

use crate::alerts::{AlertKey, Alerts};
use crate::catalogue::Catalogue;
use crate::checkpoint::{self, Checkpoint};
use crate::commands::Commands;
use crate::config::ProcessConfig;
use crate::deadlines::Deadlines;
use crate::device::{AggregateSlot, Cell, ValueOutcome};
use crate::device_clock::Ranked;
use crate::fleet::Fleet;
use crate::groups::Groups;
use crate::left::Left;
use crate::newcomer::Newcomer;
use crate::news::News;
use crate::output::Output;
use crate::reach::Reach;
use crate::redelivery::Redelivery;
use crate::refusals::{Refusals, is_its, may_speak_for, outvoted, time_ahead, too_many_metrics, without_figures};
use crate::register::Register;
use crate::rule_state::RuleState;
use crate::rules::Rules;
use crate::state::{RestoreError, Restored, State};
use crate::time::Time;
use crate::unheard::{Unheard, Wait};

/// The state of the fleet, as the entries of the log have made it.
#[derive(Debug)]
pub struct Process {
    pub(crate) config: ProcessConfig,
    pub(crate) catalogue: Catalogue,
    pub(crate) rules: Rules,
    pub(crate) state: State,
    pub(crate) deadlines: Deadlines,
    /// Active alerts whose rule the configuration no longer has; cleared by the first entries after a restart.
    pub(crate) orphans: Vec<AlertKey>,
    /// Metrics of the reading at hand.
    pub(crate) news: News,
    pub(crate) reach: Arc<Reach>,
    /// Rules that wait for a device from the next entry on.
    pub(crate) waits_to_begin: Vec<u16>,
    restore_notes: Vec<String>,
    /// Nothing was applied yet, and no checkpoint was read.
    is_blank: bool,
}

impl Process {
    /// A fleet that nothing was heard of.
    #[must_use]
    pub fn new(config: ProcessConfig) -> Self {
        let fleet = Fleet::default();
        let (alerts, commands) = (Alerts::default(), Commands::default());
        let (redelivery, unheard) = (Redelivery::default(), Unheard::new());
        let (time, groups, register) = (Time::new(), Groups::new(), Register::default());
        let state = State { time, fleet, groups, alerts, commands, redelivery, unheard, register };
        let mut process = Process { is_blank: true, ..Process::with(config, state) };
        process.go_on_waiting();
        process
    }

    /// Goes on from a checkpoint. Rules may have changed since: alerts of those that are gone are cleared by the next
    /// entry. What the checkpoint lacked, or had too much, [`Process::restore_notes`] says.
    ///
    /// # Errors
    /// [`RestoreError`] when the bytes are not a checkpoint of this version or an earlier one.
    pub fn restore(config: ProcessConfig, checkpoint: &[u8]) -> Result<Self, RestoreError> {
        let Restored { rules, state, notes } = checkpoint::read(checkpoint, &config)?;
        let mut process = Process { restore_notes: notes, rules: Rules::of(rules), ..Process::with(config, state) };
        let mut known = BTreeSet::new();
        for index in process.state.fleet.indexes() {
            process.select_rules(index);
            process.wake_later(index);
            let device = process.state.fleet.get_mut(index).expect("indexes() names devices that exist");
            device.cells.iter_mut().for_each(|cell| cell.guess = process.catalogue.guess(&cell.name));
            known.extend(device.rule_states.iter().filter_map(RuleState::alert));
        }
        process.go_on_waiting();
        known.extend(process.state.unheard.values().filter_map(Wait::alert));
        process.orphans = process.state.alerts.orphans(&known);
        process.reach.count(&process.rules, &process.state.fleet);
        Ok(process)
    }

    fn with(config: ProcessConfig, state: State) -> Self {
        Process {
            catalogue: Catalogue::new(&config.metrics),
            reach: Arc::default(),
            waits_to_begin: Vec::new(),
            restore_notes: Vec::new(),
            is_blank: false,
            rules: Rules::default(),
            config,
            state,
            deadlines: Deadlines::default(),
            orphans: Vec::new(),
            news: News::default(),
        }
    }

    /// What the checkpoint lacked or had that is not known here, and what was done about it: for people, a sentence each.
    #[must_use]
    pub fn restore_notes(&self) -> &[String] {
        &self.restore_notes
    }

    /// All of the state as it is now, to be written while it goes on.
    #[must_use]
    pub fn freeze(&self) -> Checkpoint {
        Checkpoint { rules: self.rules.all(), state: self.state.then(), sources: Vec::new() }
    }

    /// All of the state at once, for [`Process::restore`].
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        self.freeze().to_bytes()
    }

    /// Applies the entry at `position`, and adds what it led to. What was due before it was received comes first; if with it
    /// the clock is set, by the time before. `decoded` is what a publication means; it is empty for other entries, and
    /// afterwards.
    pub fn apply(&mut self, position: Position, entry: &LogEntry, decoded: &mut Decoded, output: &mut Output) {
        if std::mem::take(&mut self.is_blank) && position > Position::START.next() {
            // What came before is not in the log any more.
            self.state.fleet.left = Left::Anybody;
        }
        self.state.time.pass(entry);
        let now_ms = self.state.time.now_ms();
        self.state.alerts.begin(position);
        let orphans = self.orphans.drain(..self.orphans.len().min(self.config.due_per_entry_max));
        for orphan in orphans.collect::<Vec<_>>() {
            self.end_alert(orphan, None, now_ms, output);
        }
        self.begin_to_wait();
        self.fire_due(output);
        let State { commands, fleet, time, alerts, .. } = &mut self.state;
        commands.expire(time, &self.config.commands, output);
        match &entry.entry {
            Entry::Publication(publication) => self.publication(publication.sender(), decoded, now_ms, output),
            Entry::Intent(Intent::AcknowledgeAlert { alert, by, comment, .. }) => {
                alerts.acknowledge(alert, by, comment.as_deref(), now_ms, output);
            }
            Entry::Intent(Intent::UnacknowledgeAlert { alert, by, .. }) => {
                alerts.unacknowledge(alert, by, now_ms, output);
            }
            Entry::Intent(Intent::SendCommand { by, request, .. }) => {
                let is_known = fleet.find(&request.device).is_some();
                commands.ask(CommandId(position), by, request, is_known, time, &self.config.commands, output);
            }
            Entry::Intent(Intent::PutRule { rule, .. }) => self.put_rule(rule, now_ms, output),
            Entry::Intent(Intent::RemoveRule { rule, .. }) => self.remove_rule(rule, now_ms, output),
            Entry::Intent(Intent::EraseDevice { device, .. }) => self.erase(device, now_ms, output),
            Entry::Intent(Intent::DescribeDevice { by, device, changes, .. }) => {
                self.describe(device, by, changes, now_ms, output);
            }
            Entry::Tick(_) => output.counts.ticks += 1,
            Entry::Command(message) => commands.gone_out(message.command),
            Entry::CommandReport(report) => {
                let client = |device: &str| fleet.find(device).and_then(|index| fleet.get(index)).map(|of| &*of.client);
                commands.report(report, client, time, output);
            }
            Entry::ClockSet { at_ms, by_ms } => self.clock_was_set(*at_ms, *by_ms, output),
            Entry::Import(import) => self.import(import, output),
        }
        let State { groups, fleet, time, .. } = &mut self.state;
        let lost = groups.round(time.moment(), &self.config, fleet, &mut output.changes);
        output.counts.metrics_without_figures += lost.len() as u64;
        output.problems.extend(lost.iter().map(|metric| outvoted(metric, time.now_ms(), &self.config)));
    }

    /// When something waits for time, Unix ms: a tick is wanted then, unless another entry is received first.
    #[must_use]
    pub fn next_deadline(&self) -> Option<i64> {
        let State { time, groups, commands, .. } = &self.state;
        let at_once = (!self.orphans.is_empty() || !self.waits_to_begin.is_empty()).then_some(time.moment());
        let due = [self.deadlines.first(), groups.due(&self.config), commands.due(), at_once];
        due.into_iter().flatten().min().map(|due| time.shown_ms(due))
    }

    /// The whole state as changes: what views need to begin with.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Change> {
        self.changes().collect()
    }

    /// Those of [`Process::snapshot`] one after the other, so that they need not be in memory all at once.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let State { time, fleet, groups, alerts, commands, .. } = &self.state;
        let devices = fleet.iter().flat_map(|(index, device)| device.changes(index, &self.catalogue, time));
        let alerts = alerts.changes(time.moment(), &self.config);
        devices.chain(groups.changes(fleet)).chain(alerts).chain(commands.changes())
    }

    /// The names of devices and metrics as changes: what history needs before their first reading.
    pub fn names(&self) -> impl Iterator<Item = Change> {
        self.state.fleet.iter().flat_map(|(index, device)| device.names(index, &self.catalogue))
    }

    /// The time (Unix ms) of the newest value of each metric of each device: what came for it before was of no later one,
    /// or of a clock that was ahead then.
    pub fn newest(&self) -> impl Iterator<Item = (DeviceIndex, MetricIndex, i64)> {
        self.state.fleet.iter().flat_map(|(index, device)| {
            let cells = (0u16..).map(MetricIndex).zip(&device.cells).filter(|(_, cell)| !cell.is_imported);
            cells.map(move |(metric, cell)| (index, metric, cell.time_ms))
        })
    }

    /// Commands that were accepted and are not in the log as going out: after a restart they are to go out.
    #[must_use]
    pub fn commands_due(&self) -> Vec<CommandMessage> {
        self.state.commands.to_go_out(self.state.time.now_ms())
    }

    /// The rules, and what each looks at, for whoever wants to know; it goes on being counted.
    #[must_use]
    pub fn reach(&self) -> Arc<Reach> {
        Arc::clone(&self.reach)
    }

    fn publication(&mut self, sender: Sender<'_>, decoded: &mut Decoded, now_ms: i64, output: &mut Output) {
        output.counts.publications += 1;
        let State { commands, fleet, time, .. } = &mut self.state;
        let is_own = |device: &str| {
            let device = fleet.find(device).and_then(|index| fleet.get(index));
            device.is_some_and(|of| *of.client == *sender.client() && *of.principal == *sender.principal())
        };
        if commands.answer(sender, is_own, time, &self.config.commands, output) {
            output.counts.publications_ignored += 1;
            return decoded.clear();
        }
        if self.state.redelivery.is_again(sender) {
            output.counts.publications_redelivered += 1;
            return decoded.clear();
        }
        if decoded.is_empty() {
            output.counts.publications_ignored += 1;
        }
        let future_ms = now_ms.saturating_add(millis(self.config.future_max));
        let is_undated = |reading: &Reading| {
            !reading.metrics.is_empty() && reading.time_ms.is_none_or(|time_ms| time_ms > future_ms)
        };
        if decoded.readings.iter().any(is_undated) {
            self.state.redelivery.remember(sender, self.state.time.moment(), &self.config);
        }
        let mut refusals = Refusals::default();
        for reading in decoded.readings.drain(..) {
            self.reading(sender, reading, now_ms, &mut refusals, output);
        }
        for series in decoded.history.drain(..) {
            self.history(sender, &series, &mut refusals, output);
        }
        for said in decoded.devices.drain(..) {
            self.device_description(sender, said, &mut refusals, output);
        }
        for description in decoded.descriptions.drain(..) {
            self.description(sender, description, &mut refusals, output);
        }
        for availability in decoded.availability.drain(..) {
            self.availability(sender, &availability, now_ms, &mut refusals, output);
        }
        let undecoded = decoded.rejection.take().into_iter().chain(decoded.further.drain(..));
        output.problems.extend(undecoded.chain(refusals.into_rejections()).map(|it| sender.problem(it)));
    }

    fn reading(
        &mut self,
        sender: Sender<'_>,
        reading: Reading,
        now_ms: i64,
        refusals: &mut Refusals,
        output: &mut Output,
    ) {
        if !may_speak_for(sender, &reading.device, refusals) {
            return;
        }
        output.counts.values_absent += reading.without_value.len() as u64;
        self.catch_up(&reading.device, output);
        let index = match self.state.fleet.find(&reading.device) {
            Some(index) => index,
            None if reading.metrics.is_empty() => return,
            None => match self.admit(Newcomer::of(sender, &reading), now_ms, refusals, output) {
                Some(index) => index,
                None => return,
            },
        };
        self.claim(index, sender);
        let device = self.state.fleet.get(index).expect("found by its identifier or just added");
        if !is_its(sender, device, refusals) {
            return;
        }
        if *device.own_group() != reading.group {
            self.reports_from(index, reading.group.clone(), output);
        } else if self.state.groups.has_room_nearer(device.counted_in, &device.group, self.config.groups_max) {
            self.count_in_its_group(index);
        }
        self.is_heard_at_last(index, sender, &reading, now_ms, output);
        if sender.is_retained_copy() {
            return self.take_copy(index, reading, now_ms, refusals, output);
        }
        let ranked = self.hear(index, &reading, now_ms, output);
        if ranked.skewed {
            refusals.add(Reason::TimeAhead, || time_ahead(&reading, now_ms, &self.config));
        }
        self.hold_off(index, &reading.without_value);
        self.apply_metrics(index, sender, reading, ranked, now_ms, refusals, output);
        self.judge(index, ranked, output);
    }

    /// Has what is due for a device happen before it is heard again.
    pub(crate) fn catch_up(&mut self, device: &str, output: &mut Output) {
        if self.is_behind()
            && let Some(index) = self.state.fleet.find(device)
        {
            self.fire_due_of(index, output);
        }
    }

    /// The device is alive: ranks the time it sent, learns its interval, and makes it fresh.
    fn hear(&mut self, index: DeviceIndex, reading: &Reading, now_ms: i64, output: &mut Output) -> Ranked {
        let standing = self.state.fleet.standing(index);
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        let sent_as = if reading.corrects { TimeOrigin::Correction } else { TimeOrigin::Device };
        let (time, heard) = (&self.state.time, self.state.time.moment());
        device.is_heard(time, millis(self.config.future_max));
        let newest_ms = device.clock.newest_ms();
        let ranked = device.clock.rank(reading.time_ms, sent_as, time, millis(self.config.future_max));
        if ranked.rebased {
            device.known_after_ms = device.known_after_ms.max(newest_ms.unwrap_or(i64::MIN));
        }
        output.counts.readings_skewed += u64::from(ranked.skewed);
        output.counts.clocks_rebased += u64::from(ranked.rebased);
        if device.interval.learn(ranked.lasting_ms(heard), heard, ranked.rebased) {
            device.interval_ms = device.interval.ms(millis(self.config.interval_default));
            device.usual_silence_ms = device.interval.usual_silence_ms(heard);
        }
        self.enter(index, DeviceState::Fresh, now_ms, output);
        self.state.fleet.settle(index, standing);
        self.wake_later(index);
        ranked
    }

    /// Puts the values where they belong, and tells of them.
    #[allow(clippy::too_many_arguments)]
    fn apply_metrics(
        &mut self,
        index: DeviceIndex,
        sender: Sender<'_>,
        reading: Reading,
        ranked: Ranked,
        now_ms: i64,
        refusals: &mut Refusals,
        output: &mut Output,
    ) {
        let heard = self.state.time.moment();
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        let (cells_before, vote_before) = (device.cells.len(), device.vote());
        let (mut cells, mut joined) = (SmallVec::new(), SmallVec::<[_; 6]>::new());
        self.news.clear();
        let mut hint = 0;
        for (name, value) in reading.metrics {
            let value = self.catalogue.kept(&device.id, &name, value);
            let (place, known) = match device.metric(&name, hint) {
                Some(place) => (place, true),
                None if device.cells.len() < self.config.metrics_per_device_max => {
                    let baseline = device.clock.baseline;
                    let cell = Cell::new(name, value.clone(), &self.catalogue, ranked, heard, baseline);
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
            let (outcome, is_new) = match known {
                true => cell.offer(&value, ranked, heard, device.clock.baseline),
                false => (ValueOutcome::Latest, true),
            };
            let is_new = ranked.origin == TimeOrigin::Receipt || (is_new && ranked.time_ms > device.known_after_ms);
            self.news.add(metric, outcome == ValueOutcome::Latest);
            match outcome {
                ValueOutcome::Duplicate => {
                    output.counts.values_duplicate += 1;
                    continue;
                }
                ValueOutcome::Late => output.counts.values_late += 1,
                ValueOutcome::Latest => {
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
            cells.push(AppliedCell { metric, value, latest: outcome == ValueOutcome::Latest, is_new });
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
                class: sender.qos().into(),
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
            self.add_rule_states_of_metrics(index, cells_before, now_ms, output);
        }
    }
}
