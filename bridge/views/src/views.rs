use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashSet;
use smallvec::SmallVec;
use tidegate_telemetry::{AlertChange, AppliedReading, Change, DeviceIndex, DeviceState, Position};

use crate::alerts::Alerts;
use crate::charts::{Charts, Sample};
use crate::commands::Commands;
use crate::config::{Epoch, ViewsConfig};
use crate::directory::{Directory, Move};
use crate::groups::Groups;
use crate::rows::{Row, Rows};
use crate::subscription::{Cells, RowsView};

/// Whom to wake: a number that the caller gives to each session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriberId(pub u32);

/// How urgent a change is; a lane goes out when those above it are empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// At once.
    Alerts,
    /// What became of commands: before all else that the link carries.
    Commands,
    /// What is on the screen.
    Views,
    /// Figures of groups: once a second is enough.
    Aggregates,
}

impl Lane {
    /// Every lane, the most urgent first.
    pub const ALL: [Lane; 4] = [Lane::Alerts, Lane::Commands, Lane::Views, Lane::Aggregates];
}

/// The newest state of the fleet, as keyed cells with versions. A client is a cursor: see
/// [`Subscription`](crate::Subscription).
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
    pub(crate) watchers: Watchers,
    /// Whom figures concern that are here before their entry.
    figures_ahead: FxHashSet<SubscriberId>,
    /// Rows that nobody watches any more, and since when (Unix ms of receipt).
    pub(crate) lingering: VecDeque<(i64, u32)>,
}

/// Sessions that wait for more than single rows.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    /// Views of many rows, woken by every change of any row.
    pub all_rows: SmallVec<[SubscriberId; 4]>,
    /// Views whose rows come and go.
    pub membership: SmallVec<[SubscriberId; 4]>,
    pub commands: SmallVec<[SubscriberId; 4]>,
}

impl Views {
    /// An empty state.
    #[must_use]
    pub fn new(epoch: Epoch, config: ViewsConfig) -> Self {
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
            watchers: Watchers::default(),
            figures_ahead: FxHashSet::default(),
            lingering: VecDeque::new(),
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
        self.now_ms = received_ms.max(self.now_ms);
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
            Change::Metric { device, metric, name, unit, decimals } => {
                let version = self.version;
                let Some(number) = self.rows.of(*device) else { return };
                if let Some(row) = self.rows.get_mut(number) {
                    row.define_column(*metric, name, unit.as_ref(), *decimals, version);
                    self.touch(number, dirty);
                }
            }
            Change::Reading(reading) => self.apply_reading(reading, dirty),
            Change::State { device, state, since_ms } => self.apply_state(*device, *state, *since_ms, dirty),
            Change::Aggregate(_) | Change::States { .. } => self.apply_group(self.version, change, dirty),
            Change::Alert(alert) => self.apply_alert(alert, dirty),
            Change::Command(command) => {
                self.commands.take(command, self.version);
                wake(&self.watchers.commands, Lane::Commands, dirty);
            }
            Change::CommandForgotten(id) => {
                self.commands.forget(*id, self.version, self.config.membership_entries_max);
                wake(&self.watchers.commands, Lane::Commands, dirty);
            }
            Change::Removed { device } => self.apply_removed(*device, dirty),
        }
    }

    fn apply_group(&mut self, version: u64, change: &Change, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        let (gone_max, mut wake) = (self.config.membership_entries_max, |it| dirty(it, Lane::Aggregates));
        match change {
            Change::Aggregate(aggregate) => self.groups.aggregate(aggregate, version, gone_max, &mut wake),
            Change::States { group, counts } => self.groups.states(group, *counts, version, gone_max, &mut wake),
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
        let known = self.rows.of(device);
        if let Some(row) = known
            && let Some(known) = self.rows.get_mut(row)
        {
            if known.group != *group {
                let before = std::mem::replace(&mut known.group, Arc::clone(group));
                self.note_move(row, Some(before), dirty);
            }
            return;
        }
        let new = Row::new(Arc::clone(id), Arc::clone(group), self.version, self.now_ms);
        let row = self.rows.insert(device, new);
        self.directory.insert(id, row);
        self.note_move(row, None, dirty);
    }

    fn apply_reading(&mut self, reading: &AppliedReading, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        let Some(number) = self.rows.of(reading.device) else { return };
        let Some(row) = self.rows.get_mut(number) else { return };
        let changed = row.take(reading, self.version);
        for cell in &reading.cells {
            let (version, value) = (self.version, cell.value.as_number());
            let sample = Sample { version, time_ms: reading.time_ms, value };
            let bounds = (self.now_ms, self.config.chart_recording_max);
            let series = (number, cell.metric.0);
            self.charts.take(series, sample, bounds, &mut |watcher| dirty(watcher, Lane::Views));
        }
        if changed {
            self.touch(number, dirty);
        }
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
        let Some(row) = self.rows.of(alert.device) else { return };
        if let Some(device) = self.rows.get_mut(row).filter(|device| device.worst_alert != worst) {
            device.worst_alert = worst;
            device.status_version = version;
            self.touch(row, dirty);
        }
    }

    fn apply_removed(&mut self, device: DeviceIndex, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        let Some(number) = self.rows.remove(device, self.version, |row| self.charts.has(row)) else { return };
        let Some(row) = self.rows.get_any(number) else { return };
        let (id, group) = (Arc::clone(&row.id), Arc::clone(&row.group));
        self.directory.remove(&id, number);
        self.note_move(number, Some(group), dirty);
    }

    fn note_move(&mut self, row: u32, before: Option<Arc<str>>, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        let moved = Move { version: self.version, row, before };
        let forgotten = self.directory.note(moved, self.config.membership_entries_max);
        wake(&self.watchers.membership, Lane::Views, dirty);
        self.touch(row, dirty);
        if let Some(row) = forgotten {
            self.release(row);
        }
    }

    /// Frees the number of a removed row once nobody means the device by it any more: cursors behind the horizon of the
    /// directory begin anew, those before it know of the removal; watchers and charts have left.
    ///
    /// Views of whole fleets watch no single row: they tell by the version at which a row appeared ([`Views::row_in`]).
    pub(crate) fn release(&mut self, row: u32) {
        let is_unknown = |removed: u64| removed <= self.directory.horizon;
        let may_go = |row: &Row| row.removed.is_some_and(is_unknown) && row.watchers.is_empty();
        if self.rows.get_any(row).is_some_and(may_go) && !self.charts.has(row) {
            self.rows.free(row);
        }
    }

    /// The device that a view means by a row number, while it is there.
    pub(crate) fn row_in(&self, view: &RowsView, number: u32) -> Option<&Row> {
        let is_meant = |row: &&Row| matches!(view.cells, Cells::Metrics(_)) || row.appeared <= view.members_at;
        self.rows.get(number).filter(is_meant)
    }

    /// Notes that a row changed, and wakes who watches it.
    fn touch(&mut self, row: u32, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        self.rows.touch(row, self.version);
        if let Some(row) = self.rows.get_any(row) {
            wake(&row.watchers, Lane::Views, dirty);
        }
        wake(&self.watchers.all_rows, Lane::Views, dirty);
    }

    fn expire(&mut self, dirty: &mut impl FnMut(SubscriberId, Lane)) {
        let cleared_before_ms = self.now_ms - self.config.cleared_alert_ms;
        self.alerts.expire(cleared_before_ms, self.version, &mut |watcher| dirty(watcher, Lane::Alerts));
        let unwatched_before_ms = self.now_ms - self.config.envelope_linger_ms;
        while self.lingering.front().is_some_and(|&(since_ms, _)| since_ms < unwatched_before_ms) {
            let Some((_, row)) = self.lingering.pop_front() else { break };
            if let Some(row) = self.rows.get_any_mut(row).filter(|row| row.watchers.is_empty()) {
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
