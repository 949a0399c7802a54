//! Which rows a view has, and who watches them.

use std::sync::Arc;

use crate::directory::{Found, is_within};
use crate::rows::short_name;
use crate::subscription::{Cells, Line, Phase, RowsView, Selector, SeriesView, Snapshot, Subscription, View};
use crate::views::{SubscriberId, Views};

impl Views {
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
            let (wanted, had) = (self.is_wanted(view, row), view.has(row));
            if had && !wanted && matches!(view.selector, Selector::Names) {
                view.missing.extend(self.rows.get_any(row).map(|row| Box::from(&*row.id)));
            }
            if had {
                self.leave_row(view, row, subscriber);
            }
            if wanted {
                if had {
                    view.leaving.pop();
                }
                self.join_row(view, row, subscriber);
            }
        }
        view.members_at = self.version;
    }

    /// Finds the rows, and has the session woken for them from now on.
    pub(super) fn enter(&mut self, subscription: &mut Subscription) {
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
            View::Group(view) => self.groups.watch(&view.within, subscriber),
            View::Series(view) => {
                for line in &mut view.lines {
                    let keep_ms = view.to_ms.saturating_sub(view.from_ms);
                    line.waiting = self.charts.join(line.key, subscriber, view.from_ms, keep_ms, self.version);
                }
                // Which buckets were emptied while nobody looked is not known: they are sent anew.
                let is_known = |line: &Line| {
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
                self.watchers.commands.push(subscriber);
            }
        }
        if horizon_passed {
            self.restart_with_gap(subscription);
        }
    }

    /// Turns the rows of now into those of `since`, so that following on from there tells what came and went.
    /// `false` when that, or an extreme since then, is no longer known.
    pub(super) fn rewind(&self, view: &mut RowsView, since: u64) -> bool {
        if since < self.directory.horizon {
            return false;
        }
        let moved = self.directory.moved_since(since);
        match &view.selector {
            Selector::Names => {
                // Backwards: a device may have gone and come again, each time with another row.
                for moved in moved.iter().rev() {
                    let Some(row) = self.rows.get_any(moved.row) else { continue };
                    let names = |name: &str| *name == *row.id || name == short_name(&row.id);
                    if moved.before.is_none() && view.rows.contains(&moved.row) {
                        view.rows.retain(|&other| other != moved.row);
                        view.missing.push(Box::from(&*row.id));
                    } else if moved.before.is_some() && row.removed.is_some() {
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

    pub(super) fn members_of(&self, selector: &Selector) -> Vec<u32> {
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

    pub(super) fn join_row(&mut self, view: &mut RowsView, row: u32, subscriber: SubscriberId) {
        if view.has(row) {
            return;
        }
        if let Some(known) = self.rows.get(row) {
            view.missing.retain(|name| **name != *known.id && **name != *known.short_name());
        }
        view.joining.push(row);
        self.watch_row(row, subscriber, &view.cells);
    }

    pub(super) fn leave_row(&mut self, view: &mut RowsView, row: u32, subscriber: SubscriberId) {
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

    pub(super) fn leave_rows(&mut self, view: &mut RowsView, subscriber: SubscriberId) {
        let rows: Vec<u32> = view.all_rows().collect();
        for row in rows {
            self.unwatch_row(row, subscriber, &view.cells);
        }
        drop_one(&mut self.watchers.membership, subscriber);
        if matches!(view.cells, Cells::Fleet(_)) {
            drop_one(&mut self.watchers.all_rows, subscriber);
        }
    }

    pub(super) fn leave_charts(&mut self, view: &SeriesView, subscriber: SubscriberId) {
        for line in &view.lines {
            self.charts.leave(line.key, subscriber, line.waiting);
            self.release(line.key.row);
        }
    }

    pub(super) fn watch_row(&mut self, row: u32, subscriber: SubscriberId, cells: &Cells) {
        // A fleet view is woken by every row and shows no envelopes.
        if let (Cells::Metrics(_), Some(row)) = (cells, self.rows.get_any_mut(row)) {
            row.watchers.push(subscriber);
            row.keeps_envelopes = true;
        }
    }

    pub(super) fn unwatch_row(&mut self, number: u32, subscriber: SubscriberId, cells: &Cells) {
        if let (Cells::Metrics(_), Some(row)) = (cells, self.rows.get_any_mut(number)) {
            drop_one(&mut row.watchers, subscriber);
            if row.watchers.is_empty() {
                self.lingering.push_back((self.now_ms, number));
                self.release(number);
            }
        }
    }
}

pub(super) fn drop_one<const N: usize>(watchers: &mut smallvec::SmallVec<[SubscriberId; N]>, subscriber: SubscriberId)
where
    [SubscriberId; N]: smallvec::Array<Item = SubscriberId>,
{
    if let Some(at) = watchers.iter().position(|&watcher| watcher == subscriber) {
        watchers.swap_remove(at);
    }
}
