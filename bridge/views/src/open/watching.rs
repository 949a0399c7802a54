//! Which sessions are woken for which rows and branches.

use std::sync::Arc;

use crate::branches::Owed;
use crate::rows::short_name;
use crate::subscriber::SubscriberId;
use crate::subscription::{Cells, Held, RowsView, Selector, SeriesView};
use crate::views::Views;

impl Views {
    /// Leaves at most `rows_per_lock` of the rows and names that a view holds, and with the last of them its branch.
    /// `true`: there are more.
    pub(super) fn leave_some(&mut self, view: &mut RowsView, subscriber: SubscriberId) -> bool {
        for _ in 0..self.config.rows_per_lock {
            if let Some(row) = view.held.rows.pop_first() {
                self.unwatch_row(row, subscriber);
            } else if let Some((_, name)) = view.held.missing.pop_first() {
                self.directory.unwant(&name, subscriber);
            } else {
                self.leave_branch(view, subscriber);
                return false;
            }
        }
        true
    }

    fn leave_branch(&mut self, view: &RowsView, subscriber: SubscriberId) {
        if !matches!(view.selector, Selector::Names) {
            let keep_until_ms = self.keep_until_ms();
            self.directory.branches.leave(view.branch, view.is_owed(subscriber), keep_until_ms);
        }
    }

    pub(super) fn leave_charts(&mut self, view: &SeriesView, subscriber: SubscriberId) {
        for line in &view.lines {
            self.charts.leave(line.key, subscriber, line.waiting);
            self.release(line.key.row);
        }
    }

    pub(super) fn watch_row(&mut self, row: u32, subscriber: SubscriberId) {
        if let Some(row) = self.rows.get_any_mut(row) {
            row.watchers.add(subscriber);
        }
    }

    pub(super) fn unwatch_row(&mut self, number: u32, subscriber: SubscriberId) {
        let keep_until_ms = self.keep_until_ms();
        let Some(row) = self.rows.get_any_mut(number) else { return };
        row.watchers.remove(subscriber);
        if row.watchers.is_empty() {
            row.kept_until_ms = keep_until_ms;
            self.release(number);
        }
    }

    /// What nobody is owed any more from now on is kept until then, Unix ms, and freed by a sweep after it.
    pub(crate) fn keep_until_ms(&mut self) -> i64 {
        let until_ms = self.now_ms.saturating_add(tidegate_settings::millis(self.config.envelope_linger));
        self.sweep.request(until_ms);
        until_ms
    }

    /// A name stands for nobody: the session is woken when it does.
    pub(super) fn miss(&mut self, held: &mut Held, name: Arc<str>, subscriber: SubscriberId) {
        let short = short_name(&name);
        let short = if short.len() == name.len() { Arc::clone(&name) } else { short.into() };
        if held.missing.insert((short, Arc::clone(&name))) {
            self.directory.want(&name, subscriber);
        }
    }

    pub(super) fn miss_no_more(&mut self, held: &mut Held, name: &str, subscriber: SubscriberId) {
        if !held.missing.is_empty() && held.missing.remove(&(short_name(name).into(), name.into())) {
            self.directory.unwant(name, subscriber);
        }
    }
}

impl RowsView {
    /// Which extremes must be kept for it, besides those of the rows that it watches.
    pub(super) fn is_owed(&self, subscriber: SubscriberId) -> Owed {
        match (&self.selector, &self.cells) {
            (Selector::Group, Cells::Metrics(_)) => Owed::All(subscriber),
            (Selector::Page { .. }, _) => Owed::Newcomers,
            (Selector::Group | Selector::Names, _) => Owed::Nobody,
        }
    }
}

pub(super) fn drop_one<const N: usize>(watchers: &mut smallvec::SmallVec<[SubscriberId; N]>, subscriber: SubscriberId)
where
    [SubscriberId; N]: smallvec::Array<Item = SubscriberId>,
{
    if let Some(at) = watchers.iter().position(|&watcher| watcher == subscriber) {
        watchers.swap_remove(at);
        if watchers.spilled() && watchers.capacity() > 4 * watchers.len() {
            watchers.shrink_to_fit();
        }
    }
}
