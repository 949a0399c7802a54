//! The state as a whole, and how a change enters it.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use smallvec::SmallVec;
use tidegate_telemetry::{
    AlertChange, AppliedReading, Change, DeviceIndex, DeviceState, Position, SaidOfDevice, TimeOrigin,
};

use crate::alerts::Alerts;
use crate::branches::Branch;
use crate::charts::{Charts, Sample};
use crate::commands::Commands;
use crate::config::{Epoch, ViewsConfig};
use crate::directory::{Before, Directory, Move, is_within};
use crate::groups::Groups;
use crate::rows::{Row, Rows};
use crate::stands::Stands;
use crate::subscriber::{Lane, SubscriberId};
use crate::sweep::Sweep;

/// The newest state of the fleet, as keyed cells with versions. What a client has of it
/// says its [`Subscription`](crate::Subscription).
#[derive(Debug)]
pub struct Views {
    pub(crate) epoch: Epoch,
    pub(crate) config: ViewsConfig,
    /// Position of the newest entry applied.
    pub(crate) version: u64,
    /// Position of what was applied first: nobody reached an earlier one in this epoch.
    pub(crate) begun: Option<u64>,
    pub(crate) now_ms: i64,
    pub(crate) rows: Rows,
    pub(crate) directory: Directory,
    pub(crate) groups: Groups,
    pub(crate) alerts: Alerts,
    pub(crate) commands: Commands,
    pub(crate) charts: Charts,
    /// Sessions that wait for what becomes of commands, one entry for each view.
    pub(crate) command_watchers: SmallVec<[SubscriberId; 4]>,
    /// Whom figures concern that are here before their entry.
    figures_ahead: FxHashSet<SubscriberId>,
    pub(crate) sweep: Sweep,
    pub(crate) stands: Stands,
}

impl Views {
    /// An empty state.
    #[must_use]
    pub fn new(epoch: Epoch, mut config: ViewsConfig) -> Self {
        config.rows_per_lock = config.rows_per_lock.max(1);
        Views {
            epoch,
            config,
            version: 0,
            begun: None,
            now_ms: 0,
            rows: Rows::default(),
            directory: Directory::default(),
            groups: Groups::default(),
            alerts: Alerts::default(),
            commands: Commands::default(),
            charts: Charts::default(),
            command_watchers: SmallVec::new(),
            figures_ahead: FxHashSet::default(),
            sweep: Sweep::default(),
            stands: Stands::default(),
        }
    }

    /// Applies what one entry of the log changed, and names whom that concerns (perhaps several times).
    ///
    /// Positions only grow; those of [`History`](tidegate_telemetry::History) answers must be the same, entry by entry.
    pub fn apply(
        &mut self,
        position: Position,
        received_ms: i64,
        changes: &[Change],
        dirty: &mut impl FnMut(SubscriberId, Lane),
    ) {
        debug_assert!(position.0 >= self.version, "positions only grow");
        self.begun.get_or_insert(position.0);
        self.version = position.0.max(self.version);
        if received_ms < self.now_ms {
            self.set_back(self.now_ms - received_ms);
        }
        self.now_ms = received_ms;
        self.expire(dirty);
        self.figures_ahead.drain().for_each(|subscriber| dirty(subscriber, Lane::Aggregates));
        for change in changes {
            self.apply_one(change, dirty);
        }
    }

    /// Applies figures of groups, of an entry whose other changes are applied next, in one piece; all of a group at once.
    /// Who looks before that may see them early, and is sent them again; who is to be woken is so with the entry.
    pub fn apply_figures(&mut self, position: Position, changes: &[Change]) {
        debug_assert!(position.0 >= self.version, "the entry itself is still to come");
        let mut ahead = std::mem::take(&mut self.figures_ahead);
        for change in changes {
            self.apply_group(position.0, change, &mut |subscriber, _| {
                ahead.insert(subscriber);
            });
        }
        self.figures_ahead = ahead;
    }

    /// Position of the newest entry applied.
    #[must_use]
    pub fn position(&self) -> Position {
        Position(self.version)
    }

    /// Unix ms of receipt of the newest entry applied.
    #[must_use]
    pub fn received_ms(&self) -> i64 {
        self.now_ms
    }

    /// The present life of the state.
    #[must_use]
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    fn apply_one(&mut self, change: &Change, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        match change {
            Change::Device { device, id, group } => self.apply_device(*device, id, group, dirty),
            Change::Metric { device, metric, name, unit, guessed, decimals } => {
                let version = self.version;
                let Some(number) = self.rows.of(*device) else { return };
                if let Some(row) = self.rows.get_mut(number) {
                    row.define_column(*metric, name, (unit.as_ref(), *guessed), *decimals, version);
                    self.touch(number, dirty);
                }
            }
            Change::Facts { device, facts } => {
                self.apply_about(*device, |row| row.facts = Some(Arc::clone(facts)), dirty);
            }
            Change::Said { device, said } => self.apply_said(*device, said, dirty),
            Change::MetricFacts { device, metric, facts } => {
                let version = self.version;
                let Some(number) = self.rows.of(*device) else { return };
                if let Some(row) = self.rows.get_mut(number) {
                    row.describe_column(*metric, facts, version);
                    self.touch(number, dirty);
                }
            }
            Change::Reading(reading) => self.apply_reading(reading, dirty),
            Change::State { device, state, since_ms } => self.apply_state(*device, *state, *since_ms, dirty),
            Change::Aggregate(_) | Change::States { .. } => self.apply_group(self.version, change, dirty),
            Change::Alert(alert) => self.apply_alert(alert, dirty),
            Change::AlertPeak(alert) => {
                self.alerts.peak(alert, self.version, &mut |it| dirty(it, Lane::Alerts));
            }
            Change::Command(command) => {
                self.commands.take(command, self.version);
                wake(&self.command_watchers, Lane::Commands, dirty);
            }
            Change::CommandForgotten(id) => {
                self.commands.forget(*id, self.version, self.config.membership_entries_max);
                wake(&self.command_watchers, Lane::Commands, dirty);
            }
            Change::Removed { device } => self.apply_removed(*device, dirty),
            Change::Erased { device, .. } => {
                self.alerts.erase(device, self.version, &mut |it| dirty(it, Lane::Alerts));
            }
        }
    }

    fn apply_group(&mut self, version: u64, change: &Change, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        let (gone_max, mut wake) = (self.config.membership_entries_max, |it| dirty(it, Lane::Aggregates));
        match change {
            Change::Aggregate(aggregate) => self.groups.aggregate(aggregate, version, gone_max, &mut wake),
            Change::States { group, counts, in_alert } => {
                self.groups.states(group, (*counts, *in_alert), version, gone_max, &mut wake);
            }
            _ => {}
        }
    }

    fn apply_device(
        &mut self,
        device: DeviceIndex,
        id: &Arc<str>,
        group: &Arc<str>,
        dirty: &mut impl FnMut(SubscriberId, Lane),
    ) {
        match self.rows.of(device) {
            Some(row) => self.regroup(row, group, dirty),
            None => {
                let newcomer = Row::new(Arc::clone(id), Arc::clone(group), self.version, self.now_ms);
                // A rule that names it may have raised before its first word.
                let row = self.rows.insert(device, Row { worst_alert: self.alerts.worst_of(id), ..newcomer });
                self.settle_in(row, dirty);
                self.note_move(row, None, dirty);
                self.keep_first_extremes(row);
            }
        }
    }

    /// What is known of a device besides values is otherwise now.
    fn apply_about(
        &mut self,
        device: DeviceIndex,
        change: impl FnOnce(&mut Row),
        dirty: &mut impl FnMut(SubscriberId, Lane),
    ) {
        let version = self.version;
        let Some(number) = self.rows.of(device) else { return };
        let Some(row) = self.rows.get_mut(number) else { return };
        change(row);
        row.facts_version = version;
        self.touch(number, dirty);
    }

    /// People say something of a device. One that they hide, or show again, leaves and joins views as one that moves.
    fn apply_said(
        &mut self,
        device: DeviceIndex,
        said: &Arc<SaidOfDevice>,
        dirty: &mut impl FnMut(SubscriberId, Lane),
    ) {
        let Some(row) = self.rows.of(device).and_then(|number| self.rows.get(number)) else { return };
        let was_hidden = row.is_hidden();
        self.apply_about(device, |row| row.said = Some(Arc::clone(said)), dirty);
        let version = self.version;
        let Some(number) = self.rows.of(device) else { return };
        if let Some(row) = self.rows.get_mut(number).filter(|row| row.is_hidden() != was_hidden) {
            row.moved = version;
            let (branch, before) = (row.branch, Before { group: Arc::clone(&row.group), was_hidden });
            self.stir(branch, dirty);
            self.note_move(number, Some(before), dirty);
        }
    }

    /// What a device goes through before it has its row in a view that waits for it is owed to that view.
    fn keep_first_extremes(&mut self, number: u32) {
        let Some(row) = self.rows.get(number) else { return };
        let is_awaited = self.directory.who_wants(&row.id).next().is_some();
        if is_awaited || self.directory.branches.owes_newcomers(row.branch) {
            let keep_until_ms = self.keep_until_ms();
            if let Some(row) = self.rows.get_mut(number) {
                row.kept_until_ms = keep_until_ms;
            }
        }
    }

    fn regroup(&mut self, row: u32, group: &Arc<str>, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        let Some(known) = self.rows.get_mut(row).filter(|known| known.group != *group) else { return };
        known.moved = self.version;
        let before = std::mem::replace(&mut known.group, Arc::clone(group));
        let before = Before { group: before, was_hidden: known.is_hidden() };
        let (id, branch) = (Arc::clone(&known.id), known.branch);
        self.stir(branch, dirty);
        self.directory.remove(&id, branch, row);
        self.settle_in(row, dirty);
        self.note_move(row, Some(before), dirty);
    }

    /// A row takes its place in the directory.
    fn settle_in(&mut self, row: u32, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        let Some(known) = self.rows.get_mut(row) else { return };
        known.branch = self.directory.insert(&known.id, &known.group, row, self.version);
        let branch = known.branch;
        self.stir(branch, dirty);
    }

    /// Somebody comes to a branch, or goes.
    fn stir(&mut self, branch: u32, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        let version = self.version;
        self.directory.branches.each_above(branch, |branch| {
            (branch.moved, branch.changed) = (version, version);
            branch.moves.wake_all(|subscriber| dirty(subscriber, Lane::Views));
            branch.changes.wake_all(|subscriber| dirty(subscriber, Lane::Views));
        });
    }

    fn apply_reading(&mut self, reading: &AppliedReading, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        let Some(number) = self.rows.of(reading.device) else { return };
        let now_ms = self.now_ms;
        let Some(row) = self.rows.get(number) else { return };
        let keeps = row.keeps_extremes(now_ms) || self.directory.branches.keeps_extremes(row.branch, now_ms);
        let standing = if keeps && row.asks_who_stands(reading) { self.who_stands(row) } else { SmallVec::new() };
        let Some(row) = self.rows.get_mut(number) else { return };
        let changed = row.take(reading, self.version, keeps.then_some(&standing));
        // What is of no known time is in no chart.
        let dated = if reading.origin == TimeOrigin::Before { &[][..] } else { &reading.cells[..] };
        for cell in dated {
            let (version, value) = (self.version, cell.value.as_number());
            // A text is in no bucket, and takes no number out of one unless it corrects it.
            let is_new = cell.is_new || (value.is_none() && reading.origin != TimeOrigin::Correction);
            let sample = Sample { version, time_ms: reading.time_ms, value, is_new };
            let bounds = (self.now_ms, self.config.chart_recording_max);
            let series = (number, cell.metric.0);
            self.charts.take(series, sample, bounds, &mut |watcher| dirty(watcher, Lane::Views));
        }
        if changed {
            self.touch(number, dirty);
        }
    }

    /// Versions at which viewers stand who are owed the extremes of a row, but for those who had its newest values but one.
    fn who_stands(&self, row: &Row) -> SmallVec<[u64; 16]> {
        let viewers = row.watchers.iter().chain(self.directory.branches.owed(row.branch));
        let mut standing: SmallVec<[u64; 16]> = SmallVec::new();
        for at in viewers.flat_map(|viewer| self.stands.of(viewer)).filter(|&at| at < row.previous_value_version) {
            if let Err(place) = standing.binary_search(&at) {
                standing.insert(place, at);
            }
        }
        standing
    }

    fn apply_state(
        &mut self,
        device: DeviceIndex,
        state: DeviceState,
        since_ms: i64,
        dirty: &mut impl FnMut(SubscriberId, Lane),
    ) {
        let version = self.version;
        let Some(number) = self.rows.of(device) else { return };
        let Some(row) = self.rows.get_mut(number) else { return };
        if (row.state, row.since_ms) != (state, since_ms) {
            (row.state, row.since_ms) = (state, since_ms);
            row.status_version = version;
            self.touch(number, dirty);
        }
    }

    fn apply_alert(&mut self, alert: &AlertChange, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        let version = self.version;
        let bounds = self.config.alert_bounds();
        let worst = self.alerts.take(alert, version, self.now_ms, &bounds, &mut |it| dirty(it, Lane::Alerts));
        let Some(row) = self.directory.row_of(&alert.device_id) else { return };
        if let Some(device) = self.rows.get_mut(row).filter(|device| device.worst_alert != worst) {
            device.worst_alert = worst;
            device.status_version = version;
            self.touch(row, dirty);
        }
    }

    fn apply_removed(&mut self, device: DeviceIndex, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        let Some(number) = self.rows.remove(device, self.version, |row| self.charts.has(row)) else { return };
        let Some(row) = self.rows.get_any(number) else { return };
        let before = Before { group: Arc::clone(&row.group), was_hidden: row.is_hidden() };
        let (id, branch) = (Arc::clone(&row.id), row.branch);
        self.stir(branch, dirty);
        self.note_move(number, Some(before), dirty);
        self.directory.remove(&id, branch, number);
    }

    fn note_move(&mut self, number: u32, before: Option<Before>, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        self.touch(number, dirty);
        if let Some(row) = self.rows.get_any(number) {
            self.directory.who_wants(&row.id).for_each(|subscriber| dirty(subscriber, Lane::Views));
        }
        let moved = Move { version: self.version, row: number, before };
        if let Some(forgotten) = self.directory.note(moved, self.config.membership_entries_max) {
            self.release(forgotten);
        }
    }

    /// Rows of a group in order of their identifiers, after one, and up to one. `branch` has all of them; those of hidden devices
    /// are among them if they are asked for.
    pub(crate) fn members<'a>(
        &'a self,
        branch: &'a Branch,
        (group, with_hidden): (&'a str, bool),
        after: Option<&'a str>,
        last: Option<&'a str>,
    ) -> impl DoubleEndedIterator<Item = (&'a Arc<str>, u32)> {
        let is_all = *branch.path == *group;
        let is_meant = move |row: &Row| (with_hidden || !row.is_hidden()) && (is_all || is_within(&row.group, group));
        let is_in = move |row| (is_all && with_hidden) || self.rows.get(row).is_some_and(is_meant);
        branch.between(after, last).filter(move |&(_, row)| is_in(row))
    }

    /// Frees the number of a removed row once nobody means the device by it any more: clients that stand behind the horizon of the
    /// directory begin anew, those before it know of the removal; watchers and charts have left.
    ///
    /// Views of whole groups watch no single row: they take nothing of a row that moved after what they are sent was
    /// determined.
    pub(crate) fn release(&mut self, row: u32) {
        let is_unknown = |removed: u64| removed <= self.directory.horizon;
        let may_go = |row: &Row| row.removed.is_some_and(is_unknown) && row.watchers.is_empty();
        if self.rows.get_any(row).is_some_and(may_go) && !self.charts.has(row) {
            self.rows.free(row);
        }
    }

    /// Notes that a row changed, and wakes who watches it or a branch that it is on.
    fn touch(&mut self, row: u32, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        let version = self.version;
        self.rows.touch(row, version);
        let Some(row) = self.rows.get_any(row) else { return };
        row.watchers.iter().for_each(|subscriber| dirty(subscriber, Lane::Views));
        self.directory.branches.each_above(row.branch, |branch| {
            branch.changed = version;
            branch.changes.wake_all(|subscriber| dirty(subscriber, Lane::Views));
        });
    }

    /// The clock of the receipts was set back: what waits goes on waiting as long as before.
    fn set_back(&mut self, by_ms: i64) {
        self.alerts.set_back(by_ms);
    }

    fn expire(&mut self, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        let cleared_before_ms = self.now_ms - tidegate_settings::millis(self.config.cleared_alert_time);
        self.alerts.expire(cleared_before_ms, self.version, &mut |watcher| dirty(watcher, Lane::Alerts));
        for row in self.sweep.step(self.now_ms, self.rows.end()) {
            let Some(row) = self.rows.get_any_mut(row) else { continue };
            if !row.keeps_extremes(self.now_ms) && !self.directory.branches.keeps_extremes(row.branch, self.now_ms) {
                row.forget_envelopes();
            }
        }
    }
}

fn wake(watchers: &[SubscriberId], lane: Lane, dirty: &mut impl FnMut(SubscriberId, Lane)) {
    for &watcher in watchers {
        dirty(watcher, lane);
    }
}
