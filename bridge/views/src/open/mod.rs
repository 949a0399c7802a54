//! Opening, changing and closing a view: the only moments at which a client writes into the shared state.
//!
//! - `selection`: from names to rows and lines
//! - `membership`: which rows a view has, and who watches them
//! - `history`: buckets of charts and events of alerts on their way in

mod history;
mod membership;
mod selection;

use std::collections::VecDeque;
use std::sync::Arc;

use tidegate_telemetry::Position;

use self::membership::drop_one;
use crate::alerts::AlertScope;
use crate::directory::Found;
use crate::groups::Subtree;
use crate::spec::{UpdateSpec, ViewError, ViewSpec, WindowSpec};
use crate::subscription::{
    AlertsView, Cells, CommandsView, GapReason, GroupView, Phase, RowsView, Selector, Snapshot, Subscription, View,
};
use crate::views::{SubscriberId, Views};

/// Where a client that comes back had got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// The position it reached in this view.
    pub position: Position,
    /// Whether it belongs to the present epoch.
    pub same_epoch: bool,
}

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
    /// # Errors
    /// [`ViewError`] when a field is wrong, a name fits several devices, or the view is too large.
    pub fn open(
        &mut self,
        subscriber: SubscriberId,
        id: u32,
        spec: &ViewSpec,
        since: Option<Since>,
    ) -> Result<Subscription, ViewError> {
        let phase = match since {
            None => Phase::Snapshot(Snapshot::default()),
            Some(Since { position, same_epoch }) if !same_epoch || !self.may_have_shown(position) => {
                Phase::Gap { from: position.0, reason: GapReason::Epoch }
            }
            Some(_) => Phase::Live,
        };
        let at = since.map_or(0, |since| since.position.0);
        let view = match spec {
            ViewSpec::Device { device, metrics } => {
                self.rows_of_names(std::slice::from_ref(device), Cells::Metrics(boxed(metrics.as_deref())))?
            }
            ViewSpec::Devices { devices, group, metrics, after, limit } => {
                let cells = Cells::Metrics(boxed(metrics.as_deref()));
                self.rows_of_devices(devices.as_deref(), group.as_deref(), cells, after.as_deref(), *limit)?
            }
            ViewSpec::Fleet { group, metric } => {
                let cells = Cells::Fleet(metric.as_deref().map(Into::into));
                View::Rows(RowsView::new(Selector::Group(group.as_str().into()), cells))
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
        self.check_size(&subscription)?;
        self.enter(&mut subscription);
        Ok(subscription)
    }

    /// Whether anybody can have reached the position in this epoch. A client that heard of this epoch, and lost its link
    /// before the first snapshot of it, still stands where it stood in the one before.
    fn may_have_shown(&self, position: Position) -> bool {
        self.begun.is_some_and(|begun| (begun..=self.version).contains(&position.0))
    }

    /// Ends a subscription: nobody is woken for it any more.
    pub fn close(&mut self, subscription: Subscription) {
        let subscriber = subscription.subscriber;
        match subscription.view {
            View::Rows(mut view) => self.leave_rows(&mut view, subscriber),
            View::Group(view) => self.groups.unwatch(&view.within, subscriber),
            View::Series(view) => self.leave_charts(&view, subscriber),
            View::Alerts(view) => self.alerts.unwatch(&view.scope, subscriber),
            View::Commands(_) => drop_one(&mut self.watchers.commands, subscriber),
        }
    }

    /// Changes a subscription without losing its place.
    ///
    /// # Errors
    /// [`ViewError`]; then nothing was changed.
    pub fn update(&mut self, subscription: &mut Subscription, change: &UpdateSpec) -> Result<(), ViewError> {
        let subscriber = subscription.subscriber;
        if !change.add.is_empty() || !change.remove.is_empty() {
            self.update_list(subscription, change)?;
        }
        if let Some(metric) = &change.metric {
            match &mut subscription.view {
                View::Rows(RowsView { cells: Cells::Fleet(shown), .. }) => *shown = Some(metric.as_str().into()),
                _ => return Err(invalid("`metric` can be changed in a view of kind `fleet`")),
            }
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

    /// Begins anew with a receipt and a snapshot.
    pub(crate) fn restart_with_gap(&mut self, subscription: &mut Subscription) {
        self.restart(subscription);
        subscription.phase = Phase::Gap { from: subscription.at, reason: GapReason::Horizon };
    }

    fn restart(&mut self, subscription: &mut Subscription) {
        let subscriber = subscription.subscriber;
        if let View::Rows(view) = &mut subscription.view {
            let names: Vec<String> = match view.selector {
                Selector::Names => {
                    let known = view.all_rows().filter_map(|row| self.rows.get_any(row)).map(|row| row.id.to_string());
                    known.chain(view.missing.iter().map(ToString::to_string)).collect()
                }
                _ => Vec::new(),
            };
            self.leave_rows(view, subscriber);
            let selector = std::mem::replace(&mut view.selector, Selector::Names);
            let cells = std::mem::replace(&mut view.cells, Cells::Metrics(None));
            *view = RowsView::new(selector, cells);
            for name in names {
                match self.directory.find(&name) {
                    Found::Unique(row) => view.rows.push(row),
                    _ => view.missing.push(name.into()),
                }
            }
            view.rows.sort_unstable();
            view.rows.dedup();
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
            drop_one(&mut self.watchers.commands, subscriber);
            *view = CommandsView::new(view.device.take(), view.limit);
        }
        subscription.phase = Phase::Snapshot(Snapshot::default());
        self.enter(subscription);
    }
}

impl RowsView {
    fn new(selector: Selector, cells: Cells) -> Self {
        RowsView {
            selector,
            cells,
            rows: Vec::new(),
            joining: Vec::new(),
            leaving: Vec::new(),
            missing: Vec::new(),
            members_at: 0,
        }
    }

    pub(crate) fn has(&self, row: u32) -> bool {
        self.rows.contains(&row) || self.joining.contains(&row)
    }

    fn all_rows(&self) -> impl Iterator<Item = u32> {
        self.rows.iter().chain(&self.joining).copied()
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

    fn row_place(&mut self) -> Option<&mut usize> {
        use crate::subscription::Place;
        match self {
            Phase::Snapshot(Snapshot { place: Place::Row(index), .. })
            | Phase::Delta { place: Place::Row(index), .. } => Some(index),
            _ => None,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tidegate_telemetry::{Change, DeviceIndex};

    use super::*;
    use crate::{Epoch, Frame, ViewsConfig};

    #[test]
    fn a_position_before_the_epoch_began_is_of_another_whatever_the_client_says() {
        let mut views = Views::new(Epoch { name: "e".into(), time_base_ms: 0 }, ViewsConfig::default());
        let device = Change::Device { device: DeviceIndex(0), id: "dev7".into(), group: "".into() };
        views.apply(Position(40), 0, &[device], &mut |_, _| ());
        views.apply(Position(41), 0, &[], &mut |_, _| ());
        let spec = ViewSpec::Fleet { group: String::new(), metric: None };
        for (position, reason) in [(39, "epoch"), (42, "epoch"), (40, ""), (41, "")] {
            let since = Since { position: Position(position), same_epoch: true };
            let mut cursor = views.open(SubscriberId(0), 1, &spec, Some(since)).unwrap();
            let mut out = Vec::new();
            let frame = views.frame(&mut cursor, &mut out, 1_000);
            let expected = if reason.is_empty() { Frame::Nothing } else { Frame::Written };
            assert_eq!(frame, expected, "{position}: {}", String::from_utf8_lossy(&out));
            assert!(String::from_utf8_lossy(&out).contains(reason), "{position}");
        }
    }
}
