//! Opening, changing and closing a view: the only moments at which a client writes into the shared state.

use std::sync::Arc;

use tidegate_buckets::Rung;
use tidegate_telemetry::Position;
use tidegate_telemetry::history::{AlertEvent, SeriesAnswer, SeriesQuery};

use crate::charts::ChartKey;
use crate::directory::{Found, is_within};
use crate::rows::short_name;
use crate::spec::{SeriesSpec, UpdateSpec, ViewError, ViewSpec, WindowSpec};
use crate::subscription::{
    AlertsView, Cells, GapReason, Line, Phase, RowsView, Selector, SeriesView, Snapshot, Subscription, View,
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
            Some(Since { position, same_epoch }) if !same_epoch || position.0 > self.version => {
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
                View::Group { group: group.as_str().into(), depth: *depth, metrics: boxed(metrics.as_deref()) }
            }
            ViewSpec::Series { series, window } => View::Series(self.series_view(series, *window)?),
            ViewSpec::Alerts { group } => View::Alerts(AlertsView::new(group)),
        };
        let mut subscription = Subscription { id, subscriber, at, checked: at, phase, view };
        self.check_size(&subscription)?;
        self.enter(&mut subscription);
        Ok(subscription)
    }

    /// Ends a subscription: nobody is woken for it any more.
    pub fn close(&mut self, subscription: Subscription) {
        let subscriber = subscription.subscriber;
        match subscription.view {
            View::Rows(mut view) => self.leave_rows(&mut view, subscriber),
            View::Group { .. } => drop_one(&mut self.watchers.groups, subscriber),
            View::Series(mut view) => self.leave_charts(&mut view, subscriber),
            View::Alerts(_) => drop_one(&mut self.watchers.alerts, subscriber),
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
            self.leave_charts(view, subscriber);
            *view = fresh;
            subscription.phase = Phase::Snapshot(Snapshot::default());
            self.enter(subscription);
        }
        Ok(())
    }

    /// History that a chart waits for. Ask it where blocking is allowed, and hand the answers to [`Views::seed`].
    #[must_use]
    pub fn wanted_history(&self, subscription: &Subscription) -> Vec<(usize, SeriesQuery)> {
        let View::Series(view) = &subscription.view else { return Vec::new() };
        let waiting = view.lines.iter().enumerate().filter(|(_, line)| line.waiting);
        let query = |line: &Line| {
            let row = self.rows.get_any(line.key.row)?;
            let metric = &row.columns.get(usize::from(line.key.column))?.name;
            Some(SeriesQuery {
                device: Arc::clone(&row.id),
                metric: Arc::clone(metric),
                from_ms: view.from_ms,
                to_ms: line.key.closed.map_or(i64::MAX, |(_, to_ms)| to_ms),
                rung: view.rung,
            })
        };
        waiting.filter_map(|(index, line)| Some((index, query(line)?))).collect()
    }

    /// Puts an answer of history into a chart: `line` and `query` are one of [`Views::wanted_history`].
    pub fn seed(
        &mut self,
        subscription: &mut Subscription,
        line: usize,
        query: &SeriesQuery,
        answer: &SeriesAnswer,
    ) -> Seeded {
        let View::Series(view) = &mut subscription.view else { return Seeded::Done };
        if answer.through.0 > self.version {
            return Seeded::ViewsBehind;
        }
        // The window may have been changed while history was read: that answer is nobody's.
        let fits = query.from_ms == view.from_ms && query.rung == view.rung;
        let Some(line) = view.lines.get_mut(line).filter(|line| fits && line.waiting) else { return Seeded::Done };
        let seeded = self.charts.get_mut(&line.key).is_none_or(|chart| chart.seed(view.rung, view.from_ms, answer));
        if !seeded {
            return Seeded::HistoryBehind;
        }
        line.waiting = false;
        if view.lines.iter().all(|line| !line.waiting) {
            subscription.phase.end_waiting();
        }
        Seeded::Done
    }

    /// Takes up who came and went since the client's rows were determined. Needed when
    /// [`Views::frame`](Views::frame) answers that it is.
    pub fn follow(&mut self, subscription: &mut Subscription) {
        let subscriber = subscription.subscriber;
        let View::Rows(view) = &mut subscription.view else { return self.restart_with_gap(subscription) };
        if view.members_at < self.directory.horizon {
            return self.restart_with_gap(subscription);
        }
        let moves: Vec<(u32, Option<Arc<str>>)> = {
            let moved = self.directory.moved_since(view.members_at);
            moved.iter().map(|moved| (moved.row, moved.before.clone())).collect()
        };
        if let Selector::Page { .. } = view.selector {
            let fresh = self.members_of(&view.selector);
            let left: Vec<u32> = view.all_rows().filter(|row| !fresh.contains(row)).collect();
            let joined: Vec<u32> = fresh.into_iter().filter(|row| !view.has(*row)).collect();
            left.into_iter().for_each(|row| self.leave_row(view, row, subscriber));
            joined.into_iter().for_each(|row| self.join_row(view, row, subscriber));
        }
        for (row, _) in moves {
            let wanted = self.is_wanted(view, row);
            if view.has(row) {
                self.leave_row(view, row, subscriber);
                if !wanted && matches!(view.selector, Selector::Names) {
                    view.missing.extend(self.rows.get_any(row).map(|row| Box::from(&*row.id)));
                }
            }
            if wanted {
                if view.leaving.last() == Some(&row) {
                    view.leaving.pop();
                }
                self.join_row(view, row, subscriber);
            }
        }
        view.members_at = self.version;
    }

    /// Gives the events that [`Frame::WantsEvents`](crate::Frame::WantsEvents) asked for, oldest first; `complete` when none since the client's position is missing.
    /// Without them the client gets a receipt for a snapshot.
    pub fn supply_events(
        &mut self,
        subscription: &mut Subscription,
        (after, through): (u64, u64),
        events: Vec<AlertEvent>,
        complete: bool,
    ) {
        let View::Alerts(view) = &mut subscription.view else { return };
        if !complete {
            return self.restart_with_gap(subscription);
        }
        let wanted = |event: &AlertEvent| event.position.0 > after && event.position.0 <= through;
        view.supplied.extend(events.into_iter().filter(wanted));
        view.receipt = Some((after, through));
        view.events_from = through;
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
        if let View::Alerts(view) = &mut subscription.view {
            drop_one(&mut self.watchers.alerts, subscriber);
            *view = AlertsView::new(&view.group);
        }
        subscription.phase = Phase::Snapshot(Snapshot::default());
        self.enter(subscription);
    }

    /// Finds the rows, and has the session woken for them from now on.
    fn enter(&mut self, subscription: &mut Subscription) {
        let (subscriber, resumes, since) =
            (subscription.subscriber, matches!(subscription.phase, Phase::Live), subscription.at);
        let mut horizon_passed = false;
        match &mut subscription.view {
            View::Rows(view) => {
                if !matches!(view.selector, Selector::Names) {
                    view.rows = self.members_of(&view.selector);
                }
                view.members_at = self.version;
                horizon_passed = resumes && !self.rewind(view, since);
                for &row in &view.rows {
                    self.watch_row(row, subscriber, &view.cells);
                }
                self.watchers.membership.push(subscriber);
                if matches!(view.cells, Cells::Fleet(_)) {
                    self.watchers.all_rows.push(subscriber);
                }
            }
            View::Group { .. } => self.watchers.groups.push(subscriber),
            View::Series(view) => {
                for line in &mut view.lines {
                    let keep_ms = view.to_ms.saturating_sub(view.from_ms);
                    line.waiting = self.charts.join(line.key, subscriber, view.from_ms, keep_ms, self.version);
                }
                if view.lines.iter().any(|line| line.waiting) {
                    subscription.phase.begin_waiting();
                }
            }
            View::Alerts(view) => {
                view.events_from = since;
                self.watchers.alerts.push(subscriber);
            }
        }
        if horizon_passed {
            self.restart_with_gap(subscription);
        }
    }

    /// Turns the rows of now into those of `since`, so that following on from there tells what came and went.
    /// `false` when that, or an extreme since then, is no longer known.
    fn rewind(&self, view: &mut RowsView, since: u64) -> bool {
        if since < self.directory.horizon {
            return false;
        }
        let moved = self.directory.moved_since(since);
        match &view.selector {
            Selector::Names => {
                for moved in &moved {
                    let Some(row) = self.rows.get_any(moved.row) else { continue };
                    let names = |name: &str| *name == *row.id || name == short_name(&row.id);
                    if moved.before.is_none() && view.rows.contains(&moved.row) {
                        view.rows.retain(|&other| other != moved.row);
                        view.missing.push(Box::from(&*row.id));
                    } else if moved.before.is_some() && row.removed {
                        let before = view.missing.len();
                        view.missing.retain(|name| !names(name));
                        if view.missing.len() != before {
                            view.rows.push(moved.row);
                        }
                    }
                }
            }
            Selector::Group(group) => {
                for moved in &moved {
                    view.rows.retain(|&row| row != moved.row);
                    if moved.before.as_ref().is_some_and(|before| is_within(before, group)) {
                        view.rows.push(moved.row);
                    }
                }
            }
            // The page of then would need its neighbours of then: rare enough to send it anew.
            Selector::Page { .. } if !moved.is_empty() => return false,
            Selector::Page { .. } => {}
        }
        view.members_at = since;
        matches!(view.cells, Cells::Fleet(_))
            || view.rows.iter().all(|&row| self.rows.get_any(row).is_none_or(|row| row.knows_extremes_since(since)))
    }

    fn rows_of_devices(
        &self,
        devices: Option<&[String]>,
        group: Option<&str>,
        cells: Cells,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<View, ViewError> {
        match (devices, group) {
            (Some(names), None) if after.is_none() && limit.is_none() => self.rows_of_names(names, cells),
            (Some(_), None) => Err(invalid("`after` and `limit` page a `group`, not a list of `devices`")),
            (None, Some(group)) => {
                let selector = match limit {
                    Some(limit) => Selector::Page { group: group.into(), after: after.map(Into::into), limit },
                    None if after.is_some() => return Err(invalid("`after` needs a `limit`")),
                    None => Selector::Group(group.into()),
                };
                Ok(View::Rows(RowsView::new(selector, cells)))
            }
            _ => Err(invalid("a view of kind `devices` needs either `devices` (a list) or `group` (a path)")),
        }
    }

    fn rows_of_names(&self, names: &[String], cells: Cells) -> Result<View, ViewError> {
        if names.len() > self.config.rows_max {
            return Err(ViewError::TooLarge { what: "devices", rows: names.len(), max: self.config.rows_max });
        }
        let mut view = RowsView::new(Selector::Names, cells);
        for name in names {
            match self.resolve(name)? {
                Some(row) => view.rows.push(row),
                None => view.missing.push(name.as_str().into()),
            }
        }
        view.rows.sort_unstable();
        view.rows.dedup();
        view.missing.sort_unstable();
        view.missing.dedup();
        Ok(View::Rows(view))
    }

    fn resolve(&self, name: &str) -> Result<Option<u32>, ViewError> {
        match self.directory.find(name) {
            Found::Unique(row) => Ok(Some(row)),
            Found::Unknown => Ok(None),
            Found::Ambiguous(rows) => {
                Err(ViewError::Ambiguous { name: name.to_owned(), candidates: self.identifiers(&rows) })
            }
        }
    }

    fn series_view(&self, series: &[SeriesSpec], window: WindowSpec) -> Result<SeriesView, ViewError> {
        if series.is_empty() || series.len() > self.config.series_max {
            let max = self.config.series_max;
            return Err(invalid(format!(
                "a view of kind `series` has between 1 and {max} series, not {}",
                series.len()
            )));
        }
        let line = |spec: &SeriesSpec| {
            let Some(row) = self.resolve(&spec.device)? else {
                return Err(invalid(format!("no device \"{}\" has been heard of", spec.device)));
            };
            let column = self.rows.get(row).and_then(|row| row.column(&spec.metric));
            let Some((column, _)) = column else {
                return Err(invalid(format!("device \"{}\" has no metric \"{}\"", spec.device, spec.metric)));
            };
            Ok((row, u16::try_from(column).expect("metric numbers are u16")))
        };
        self.series_window(series.iter().map(line).collect::<Result<_, _>>()?, window)
    }

    fn series_window(&self, lines: Vec<(u32, u16)>, window: WindowSpec) -> Result<SeriesView, ViewError> {
        let (from_ms, to_ms, live) = match (window.from, window.to, window.last) {
            (Some(from), Some(to), None) if from < to => (from, to, to > self.now_ms),
            (None, None, Some(last)) if last > 0 => (self.now_ms.saturating_sub(last), self.now_ms, true),
            _ => return Err(invalid("a chart needs `from` before `to`, or a `last` above 0, in milliseconds")),
        };
        let Some(width) = window.width.filter(|&width| (1..=16_384).contains(&width)) else {
            return Err(invalid("a chart needs a `width` between 1 and 16384 pixels"));
        };
        let span_ms = to_ms.saturating_sub(from_ms);
        let rung = Rung::for_span(span_ms, width);
        let buckets = usize::try_from(span_ms / rung.width_ms()).unwrap_or(usize::MAX).saturating_mul(lines.len());
        if buckets > self.config.rows_max.saturating_mul(self.config.series_max) {
            let max = self.config.rows_max.saturating_mul(self.config.series_max);
            return Err(ViewError::TooLarge { what: "buckets", rows: buckets, max });
        }
        let from_ms = rung.start_ms(from_ms);
        let closed = (!live).then_some((from_ms, to_ms));
        let line = |(row, column)| Line { key: ChartKey { row, column, rung, closed }, waiting: false };
        Ok(SeriesView { lines: lines.into_iter().map(line).collect(), window, rung, from_ms, to_ms })
    }

    fn update_list(&mut self, subscription: &mut Subscription, change: &UpdateSpec) -> Result<(), ViewError> {
        let (subscriber, max) = (subscription.subscriber, self.config.rows_max);
        let (rows_before, mut place) = (subscription.rows(), subscription.phase.row_place());
        let View::Rows(view) = &mut subscription.view else {
            return Err(invalid("`add` and `remove` are for a view of kind `devices` with a list"));
        };
        if !matches!((&view.selector, &view.cells), (Selector::Names, Cells::Metrics(_))) {
            return Err(invalid("`add` and `remove` are for a view of kind `devices` with a list"));
        }
        if rows_before + change.add.len() > max {
            return Err(ViewError::TooLarge { what: "devices", rows: rows_before + change.add.len(), max });
        }
        let added = change.add.iter().map(|name| Ok((name, self.resolve(name)?)));
        let added = added.collect::<Result<Vec<_>, ViewError>>()?;
        for name in &change.remove {
            // A name that stands for nobody may be written in full or not: both are the same wish.
            view.missing.retain(|missing| short_name(missing) != short_name(name));
            let Found::Unique(row) = self.directory.find(name) else { continue };
            if let (Some(at), Some(place)) = (view.rows.iter().position(|&other| other == row), place.as_deref_mut()) {
                *place -= usize::from(at < *place);
            }
            self.leave_row(view, row, subscriber);
        }
        for (name, row) in added {
            match row {
                Some(row) => {
                    view.leaving.retain(|&other| other != row);
                    self.join_row(view, row, subscriber);
                }
                None if !view.missing.iter().any(|missing| **missing == **name) => {
                    view.missing.push(name.as_str().into());
                }
                None => {}
            }
        }
        Ok(())
    }

    fn check_size(&self, subscription: &Subscription) -> Result<(), ViewError> {
        let View::Rows(view) = &subscription.view else { return Ok(()) };
        let rows = match &view.selector {
            Selector::Names => return Ok(()),
            Selector::Page { limit, .. } => *limit,
            Selector::Group(group) if group.is_empty() => self.directory.len(),
            Selector::Group(_) => self.members_of(&view.selector).len(),
        };
        let max = self.config.rows_max;
        if rows > max { Err(ViewError::TooLarge { what: "devices", rows, max }) } else { Ok(()) }
    }

    fn members_of(&self, selector: &Selector) -> Vec<u32> {
        let within = |group: &str, row: u32| self.rows.get(row).is_some_and(|row| is_within(&row.group, group));
        match selector {
            Selector::Names => Vec::new(),
            Selector::Group(group) => {
                self.rows.iter().filter(|(_, row)| is_within(&row.group, group)).map(|(row, _)| row).collect()
            }
            Selector::Page { group, after, limit } => {
                let rows = self.directory.after(after.as_deref()).map(|(_, row)| row);
                rows.filter(|&row| within(group, row)).take(*limit).collect()
            }
        }
    }

    /// Whether a device that came, moved or went belongs to the view now.
    pub(crate) fn is_wanted(&self, view: &RowsView, number: u32) -> bool {
        let Some(row) = self.rows.get(number) else { return false };
        match &view.selector {
            Selector::Names => {
                let short = || self.directory.find(row.short_name()) == Found::Unique(number);
                view.has(number)
                    || view.missing.iter().any(|name| **name == *row.id || (**name == *row.short_name() && short()))
            }
            Selector::Group(group) => is_within(&row.group, group),
            Selector::Page { .. } => view.has(number),
        }
    }

    fn join_row(&mut self, view: &mut RowsView, row: u32, subscriber: SubscriberId) {
        if view.has(row) {
            return;
        }
        if let Some(known) = self.rows.get(row) {
            view.missing.retain(|name| **name != *known.id && **name != *known.short_name());
        }
        view.joining.push(row);
        self.watch_row(row, subscriber, &view.cells);
    }

    fn leave_row(&mut self, view: &mut RowsView, row: u32, subscriber: SubscriberId) {
        if view.joining.contains(&row) {
            view.joining.retain(|&other| other != row);
        } else if view.rows.contains(&row) {
            view.rows.retain(|&other| other != row);
        } else {
            return;
        }
        view.leaving.push(row);
        self.unwatch_row(row, subscriber, &view.cells);
    }

    fn leave_rows(&mut self, view: &mut RowsView, subscriber: SubscriberId) {
        let rows: Vec<u32> = view.all_rows().collect();
        for row in rows {
            self.unwatch_row(row, subscriber, &view.cells);
        }
        drop_one(&mut self.watchers.membership, subscriber);
        if matches!(view.cells, Cells::Fleet(_)) {
            drop_one(&mut self.watchers.all_rows, subscriber);
        }
    }

    fn leave_charts(&mut self, view: &mut SeriesView, subscriber: SubscriberId) {
        for line in &view.lines {
            self.charts.leave(line.key, subscriber, line.waiting);
        }
    }

    fn watch_row(&mut self, row: u32, subscriber: SubscriberId, cells: &Cells) {
        // A fleet view is woken by every row and shows no envelopes.
        if let (Cells::Metrics(_), Some(row)) = (cells, self.rows.get_any_mut(row)) {
            row.watchers.push(subscriber);
            row.keeps_envelopes = true;
        }
    }

    fn unwatch_row(&mut self, number: u32, subscriber: SubscriberId, cells: &Cells) {
        if let (Cells::Metrics(_), Some(row)) = (cells, self.rows.get_any_mut(number)) {
            drop_one(&mut row.watchers, subscriber);
            if row.watchers.is_empty() {
                self.lingering.push_back((self.now_ms, number));
            }
        }
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

impl AlertsView {
    fn new(group: &str) -> Self {
        AlertsView { group: group.into(), supplied: std::collections::VecDeque::new(), events_from: 0, receipt: None }
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

fn drop_one<const N: usize>(watchers: &mut smallvec::SmallVec<[SubscriberId; N]>, subscriber: SubscriberId)
where
    [SubscriberId; N]: smallvec::Array<Item = SubscriberId>,
{
    if let Some(at) = watchers.iter().position(|&watcher| watcher == subscriber) {
        watchers.swap_remove(at);
    }
}
