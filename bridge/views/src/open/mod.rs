//! Opening, changing and closing a view: the only moments at which a client writes into the shared state.
//!
//! - `selection`: from what is asked for to views
//! - `membership`: which rows a view holds, followed a slice at a time; `watching`: who is woken for them
//! - `history`: buckets of charts and events of alerts on their way in

mod history;
mod membership;
mod selection;
mod watching;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use self::watching::drop_one;
use crate::alerts::AlertScope;
use crate::directory::is_within;
use crate::groups::Subtree;
use crate::message::GapReason;
use crate::position::StreamPosition;
use crate::rows::Row;
use crate::spec::{UpdateSpec, ViewError, ViewSpec, WindowSpec};
use crate::subscriber::SubscriberId;
use crate::subscription::{
    AlertsView, Cells, CommandsView, GroupView, Phase, Reached, RowsView, Sending, SeriesLine, Shown, Snapshot,
    Subscription, View,
};
use crate::views::Views;

/// What became of history that was put into a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeded {
    /// It is in.
    Done,
    /// It ends before the chart's live part begins: ask history again a little later.
    HistoryBehind,
    /// It holds entries that have not been applied here yet: offer it again a little later.
    ViewsBehind,
}

impl Views {
    /// Opens a view. Chart lines that [`Views::wanted_history`] lists must be seeded before anything is sent.
    ///
    /// The first [`ViewsConfig::rows_per_lock`](crate::ViewsConfig::rows_per_lock) devices of a list or a page are looked up at
    /// once, more by [`Views::follow`]; until all are, nothing is sent. A name of a list that fits several devices counts
    /// as nobody's there: ask [`Views::check_names`] before.
    ///
    /// # Errors
    /// [`ViewError`] when a field is wrong or the view is too large.
    pub fn open(
        &mut self,
        subscriber: SubscriberId,
        id: u32,
        spec: &ViewSpec,
        since: Option<StreamPosition<'_>>,
    ) -> Result<Subscription, ViewError> {
        let phase = match since {
            None => Phase::Snapshot(Snapshot::default()),
            Some(since) if !self.may_have_shown(since) => {
                let from = Reached { epoch: since.epoch.into(), version: since.version };
                Phase::Gap { from, reason: GapReason::Epoch }
            }
            Some(_) => Phase::Live,
        };
        let at = since.map_or(0, |since| since.version);
        let view = match spec {
            ViewSpec::Device { device, metrics } => {
                let cells = Cells::Metrics(boxed(metrics.as_deref()));
                View::Rows(Box::new(self.view_of_names(std::slice::from_ref(device), cells)?))
            }
            ViewSpec::Devices { devices, group, metrics, after, limit, hidden } => {
                let cells = Cells::Metrics(boxed(metrics.as_deref()));
                let page = (after.as_deref(), *limit);
                View::Rows(Box::new(self.view_of_devices(
                    devices.as_deref(),
                    group.as_deref().map(|group| (group, *hidden)),
                    cells,
                    page,
                    subscriber,
                )?))
            }
            ViewSpec::Fleet { group, metric, heard, hidden } => {
                let cells = Cells::Fleet(Shown { metric: metric.as_deref().map(Into::into), heard: *heard });
                View::Rows(Box::new(self.view_of_group((group, *hidden), cells, subscriber)?))
            }
            ViewSpec::Group { group, depth, metrics } => {
                let within = Subtree { path: group.as_str().into(), depth: *depth };
                View::Group(GroupView::new(within, boxed(metrics.as_deref())))
            }
            ViewSpec::Series { series, window } => View::Series(self.series_view(series, *window)?),
            ViewSpec::Alerts { group, device, limit } => {
                View::Alerts(self.alerts_view(group, device.as_deref(), *limit)?)
            }
            ViewSpec::Commands { device, limit } => View::Commands(self.commands_view(device.as_deref(), *limit)?),
        };
        let mut subscription = Subscription { id, subscriber, at, checked: at, phase, view };
        self.enter(&mut subscription);
        if subscription.shows_values() {
            self.stands.enter(subscriber, id, subscription.stands_at());
        }
        if subscription.must_follow() {
            self.follow(&mut subscription);
        }
        Ok(subscription)
    }

    /// Whether anybody can have reached the position: it is of this epoch, whatever the client says. Of protocol 1, one that
    /// heard of this epoch, and lost its link before the first snapshot of it, still stands where it stood in the one before.
    fn may_have_shown(&self, position: StreamPosition<'_>) -> bool {
        *position.epoch == *self.epoch.name
            && self.begun.is_some_and(|begun| (begun..=self.version).contains(&position.version))
    }

    /// Ends a subscription: nobody is woken for it any more.
    pub fn close(&mut self, subscription: Subscription) {
        let mut rest = Some(subscription);
        while let Some(subscription) = rest {
            rest = self.close_some(subscription);
        }
    }

    /// Ends a subscription as [`Views::close`] does, but at most
    /// [`ViewsConfig::rows_per_lock`](crate::ViewsConfig::rows_per_lock) rows of it: the rest is to be closed again, so that
    /// nobody waits for all of a large one.
    pub fn close_some(&mut self, mut subscription: Subscription) -> Option<Subscription> {
        let subscriber = subscription.subscriber;
        match &mut subscription.view {
            View::Rows(view) => {
                if self.leave_some(view, subscriber) {
                    return Some(subscription);
                }
                if subscription.shows_values() {
                    self.stands.leave(subscriber, subscription.id);
                }
            }
            View::Group(view) => self.groups.unwatch(&view.within, subscriber),
            View::Series(view) => self.leave_charts(view, subscriber),
            View::Alerts(view) => self.alerts.unwatch(&view.scope, subscriber),
            View::Commands(_) => drop_one(&mut self.command_watchers, subscriber),
        }
        None
    }

    /// Changes a subscription without losing its place. Names that are added are looked up as in [`Views::open`].
    ///
    /// # Errors
    /// [`ViewError`]; then nothing was changed.
    pub fn update(&mut self, subscription: &mut Subscription, change: &UpdateSpec) -> Result<(), ViewError> {
        let subscriber = subscription.subscriber;
        if !change.add.is_empty() || !change.remove.is_empty() {
            self.update_list(subscription, change)?;
        }
        if let Some(metric) = &change.metric {
            let shown = match &mut subscription.view {
                View::Rows(view) => match &mut view.cells {
                    Cells::Fleet(shown) => Some(shown),
                    Cells::Metrics(_) => None,
                },
                _ => None,
            };
            let shown = shown.ok_or_else(|| invalid("`metric` can be changed in a view of kind `fleet`"))?;
            shown.metric = Some(metric.as_str().into());
            self.restart(subscription);
        }
        if let Some(window) = change.window {
            let View::Series(view) = &mut subscription.view else {
                return Err(invalid("`from`, `to`, `last` and `width` can be changed in a view of kind `series`"));
            };
            let keys = view.lines.iter().map(|line| (line.key.row, line.key.column));
            let fresh = self.series_window(keys.collect(), view.window.changed_by(window))?;
            let before = std::mem::replace(view, fresh);
            subscription.phase = Phase::Snapshot(Snapshot::default());
            // First in, then out: the row of a device that was forgotten is held by its charts alone.
            self.enter(subscription);
            self.leave_charts(&before, subscriber);
        }
        Ok(())
    }

    /// Has the session woken from now on.
    fn enter(&mut self, subscription: &mut Subscription) {
        let (subscriber, resumes, since) =
            (subscription.subscriber, matches!(subscription.phase, Phase::Live), subscription.at);
        let mut horizon_passed = false;
        match &mut subscription.view {
            View::Rows(_) => self.enter_rows(subscription),
            View::Group(view) => self.groups.watch(&view.within, subscriber),
            View::Series(view) => {
                for line in &mut view.lines {
                    let keep_ms = view.to_ms.saturating_sub(view.from_ms);
                    line.waiting = self.charts.join(line.key, subscriber, view.from_ms, keep_ms, self.version);
                }
                // Which buckets were emptied while nobody looked is not known: they are sent anew.
                let is_known = |line: &SeriesLine| {
                    !line.waiting && self.charts.get(&line.key).is_some_and(|chart| since > chart.opened_at)
                };
                if resumes && !view.lines.iter().all(is_known) {
                    subscription.phase = Phase::Snapshot(Snapshot::default());
                }
                if view.lines.iter().any(|line| line.waiting) {
                    subscription.phase.begin_waiting();
                }
            }
            View::Alerts(view) => {
                view.events_from = since;
                self.alerts.watch(&view.scope, subscriber);
                if resumes {
                    // Which lines were shown is not remembered; without a change they are those of now.
                    view.has = self.alerts.window(&view.scope, view.limit);
                    view.anew = self.alerts.versions(&view.scope).0 > since;
                }
            }
            View::Commands(view) => {
                if resumes {
                    let has = self.commands.newest_at(since, view.device.as_deref(), view.limit);
                    horizon_passed = has.is_none();
                    view.has = has.unwrap_or_default();
                }
                self.command_watchers.push(subscriber);
            }
        }
        if horizon_passed {
            self.restart_with_gap(subscription);
        }
    }

    /// Begins anew with a receipt and a snapshot.
    pub(crate) fn restart_with_gap(&mut self, subscription: &mut Subscription) {
        self.restart(subscription);
        let from = Reached { epoch: Arc::clone(&self.epoch.name), version: subscription.at };
        subscription.phase = Phase::Gap { from, reason: GapReason::Horizon };
    }

    fn restart(&mut self, subscription: &mut Subscription) {
        let subscriber = subscription.subscriber;
        if let View::Rows(view) = &mut subscription.view {
            view.begin_anew();
            subscription.phase = Phase::Snapshot(Snapshot::default());
            return;
        }
        if let View::Group(view) = &mut subscription.view {
            self.groups.unwatch(&view.within, subscriber);
            (view.leaving, view.sending) = (VecDeque::new(), Vec::new());
        }
        if let View::Alerts(view) = &mut subscription.view {
            self.alerts.unwatch(&view.scope, subscriber);
            *view = AlertsView::new(view.scope.clone(), view.limit);
        }
        if let View::Commands(view) = &mut subscription.view {
            drop_one(&mut self.command_watchers, subscriber);
            *view = CommandsView::new(view.device.take(), view.limit);
        }
        subscription.phase = Phase::Snapshot(Snapshot::default());
        self.enter(subscription);
    }
}

impl RowsView {
    /// Whether a device that is there is one of those of its group.
    pub(crate) fn shows(&self, row: &Row) -> bool {
        (self.with_hidden || !row.is_hidden()) && is_within(&row.group, &self.group)
    }

    /// A snapshot comes: what was on its way is in it.
    pub(crate) fn begin_anew(&mut self) {
        (self.resumes, self.sending) = (false, Sending::default());
        (self.ahead, self.known) = (FxHashMap::default(), FxHashMap::default());
        (self.held.joining, self.held.leaving) = (BTreeSet::new(), BTreeSet::new());
    }
}

impl GroupView {
    fn new(within: Subtree, mut metrics: Option<Vec<Box<str>>>) -> Self {
        if let Some(metrics) = &mut metrics {
            metrics.sort_unstable();
            metrics.dedup();
        }
        GroupView { within, metrics, leaving: VecDeque::new(), sending: Vec::new() }
    }
}

impl AlertsView {
    fn new(scope: AlertScope, limit: usize) -> Self {
        AlertsView {
            scope,
            limit,
            has: Vec::new(),
            anew: false,
            leaving: Vec::new(),
            sending: Vec::new(),
            supplied: VecDeque::new(),
            events_from: 0,
            receipt: None,
        }
    }
}

impl CommandsView {
    fn new(device: Option<Arc<str>>, limit: usize) -> Self {
        CommandsView { device, limit, has: Vec::new(), leaving: Vec::new(), sending: Vec::new() }
    }
}

impl Phase {
    fn begin_waiting(&mut self) {
        let then = std::mem::replace(self, Phase::Live);
        *self = Phase::Waiting { then: Box::new(then) };
    }

    fn end_waiting(&mut self) {
        if let Phase::Waiting { then } = self {
            *self = std::mem::replace(&mut **then, Phase::Live);
        }
    }
}

impl WindowSpec {
    /// The window after a change: a span replaces the other form of span, the width stays unless it is given.
    fn changed_by(self, change: WindowSpec) -> WindowSpec {
        let span = if change.from.or(change.to).or(change.last).is_some() { change } else { self };
        WindowSpec { width: change.width.or(self.width), ..span }
    }
}

fn boxed(names: Option<&[String]>) -> Option<Vec<Box<str>>> {
    names.map(|names| names.iter().map(|name| name.as_str().into()).collect())
}

fn invalid(what: impl Into<String>) -> ViewError {
    ViewError::Invalid(what.into())
}
