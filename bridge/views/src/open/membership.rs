//! Which rows a list or a page holds. Both are brought up to date by looking at what moved since; or, when more moved than
//! they hold, at what they hold: by the smaller of the two, once.

use std::sync::Arc;

use crate::directory::Found;
use crate::rows::{Row, short_name};
use crate::subscriber::SubscriberId;
use crate::subscription::{Held, Phase, RowsView, Selector, Subscription, Todo, View};
use crate::views::Views;

impl Views {
    /// Takes up who came and went since the client's rows were determined, at most
    /// [`ViewsConfig::rows_per_lock`](crate::ViewsConfig::rows_per_lock) of them. Needed when [`Views::frame`](Views::frame)
    /// answers that it is, which it does again until all are taken up.
    pub fn follow(&mut self, subscription: &mut Subscription) {
        let subscriber = subscription.subscriber;
        let View::Rows(view) = &mut subscription.view else { return self.restart_with_gap(subscription) };
        if view.held.gone_matter && self.directory.moves_from(view.held.moves_seen).is_none() {
            view.held.gone_matter = false;
            return self.restart_with_gap(subscription);
        }
        view.held.follows = (0..self.config.rows_per_lock).all(|_| self.follow_one(view, subscriber));
        if !view.held.follows {
            view.held.members_at = self.version;
        }
    }

    /// Finds out from where on the view is to be followed.
    pub(super) fn enter_rows(&mut self, subscription: &mut Subscription) {
        let since = subscription.at;
        let resumes = matches!(subscription.phase, Phase::Live);
        let View::Rows(view) = &mut subscription.view else { return };
        let is_named = matches!(view.selector, Selector::Names);
        let held = &mut view.held;
        held.entering = !matches!(view.selector, Selector::Group);
        held.members_at = if resumes { since } else { self.version };
        held.moves_seen =
            if resumes && is_named { self.directory.first_move_after(since) } else { self.directory.moves() };
        view.resumes = resumes;
        if resumes && is_named && since < self.directory.horizon {
            self.restart_with_gap(subscription);
        }
    }

    /// Takes one step; `false` when there is none to take.
    fn follow_one(&mut self, view: &mut RowsView, subscriber: SubscriberId) -> bool {
        if let Some(Todo::Had(_)) = view.held.todo.front()
            && let Some(todo) = view.held.todo.pop_front()
        {
            self.obey(&mut view.held, todo, subscriber);
        } else if let Some(row) = view.held.scan.pop() {
            self.look_at(view, row, subscriber);
        } else if view.held.entering {
            view.held.entering = false;
            view.held.gone_matter = self.gone_matter(view);
        } else if let Some(name) = view.held.scan_names.pop() {
            self.find_missing(&mut view.held, &name, subscriber);
        } else if self.is_rather_scanned(view) {
            self.begin_scan(view);
        } else if let Some(moved) = self.directory.moves_from(view.held.moves_seen).and_then(|mut moves| moves.next()) {
            let row = moved.row;
            view.held.moves_seen += 1;
            self.look_at(view, row, subscriber);
        } else if std::mem::take(&mut view.held.looks_again) && view.held.gone_matter {
            let is_known = view.held.members_at >= self.directory.horizon;
            view.held.moves_seen = if is_known { self.directory.first_move_after(view.held.members_at) } else { 0 };
            return is_known;
        } else if let Some(todo) = view.held.todo.pop_front() {
            self.obey(&mut view.held, todo, subscriber);
        } else {
            return self.fit_page(view, subscriber);
        }
        true
    }

    /// Whether a list that a client comes back to may have had devices that are gone: not if each of its names stands for
    /// one that was there then.
    fn gone_matter(&self, view: &RowsView) -> bool {
        let held = &view.held;
        let was_there = |row| self.rows.get_any(row).is_some_and(|row| row.appeared <= held.members_at);
        view.resumes
            && matches!(view.selector, Selector::Names)
            && !(held.missing.is_empty() && held.rows.iter().all(was_there))
    }

    /// Whether to look at what is held is less than to look at what moved, or all that is left.
    pub(crate) fn is_rather_scanned(&self, view: &RowsView) -> bool {
        let held = &view.held;
        let moved = self.directory.moves() - held.moves_seen;
        let own = (held.rows.len() + held.missing.len()) as u64;
        !held.gone_matter && (moved > own || self.directory.moves_from(held.moves_seen).is_none())
    }

    fn begin_scan(&self, view: &mut RowsView) {
        let held = &mut view.held;
        held.moves_seen = self.directory.moves();
        held.scan.extend(held.rows.iter());
        held.scan_names.extend(held.missing.iter().map(|(_, name)| Arc::clone(name)));
        self.begin_page(view);
    }

    /// The page as it is now is to be looked at.
    pub(super) fn begin_page(&self, view: &mut RowsView) {
        let Selector::Page { after, limit, last } = &mut view.selector else { return };
        let Some(branch) = self.directory.branches.get(view.branch) else { return };
        let before = view.held.scan.len();
        *last = None;
        for (id, row) in self.members(branch, (&view.group, view.with_hidden), after.as_deref(), None).take(*limit) {
            view.held.scan.push(row);
            if view.held.scan.len() - before == *limit {
                *last = Some(Arc::clone(id));
            }
        }
    }

    /// Takes up what became of a row: whatever device has the number now.
    fn look_at(&mut self, view: &mut RowsView, number: u32, subscriber: SubscriberId) {
        let Some(row) = self.rows.get_any(number) else { return };
        let is_in = match &view.selector {
            Selector::Page { .. } => self.is_on_page(view, row),
            Selector::Names | Selector::Group => row.removed.is_none() && view.held.rows.contains(number),
        };
        let (was_in, has_moved) = (view.held.rows.contains(number), row.moved > view.held.members_at);
        let (id, is_named) = (Arc::clone(&row.id), matches!(view.selector, Selector::Names));
        if is_named && view.held.gone_matter && self.was_named(&view.held, row) {
            view.held.leaving.insert(number);
        }
        match (was_in, is_in) {
            (true, false) => {
                self.leave_row(&mut view.held, number, subscriber);
                if is_named {
                    self.miss(&mut view.held, Arc::clone(&id), subscriber);
                    view.held.looks_again = view.held.gone_matter;
                }
            }
            (false, true) => self.join_row(&mut view.held, number, subscriber),
            (true, true) if has_moved => _ = view.held.joining.insert(number),
            _ => {}
        }
        if is_named && !view.held.missing.is_empty() {
            self.find_missing(&mut view.held, &id, subscriber);
            self.find_missing(&mut view.held, short_name(&id), subscriber);
        }
    }

    /// Whether a device that is there belongs to a page.
    pub(crate) fn is_on_page(&self, view: &RowsView, row: &Row) -> bool {
        let Selector::Page { after, limit, last } = &view.selector else { return false };
        row.removed.is_none()
            && *limit > 0
            && after.as_ref().is_none_or(|after| **after < *row.id)
            && last.as_ref().is_none_or(|last| row.id <= *last)
            && view.shows(row)
    }

    /// Whether a device that is gone has a name of the list: then the client may have it.
    pub(crate) fn was_named(&self, held: &Held, row: &Row) -> bool {
        let short = row.short_name();
        let is_missing = |name: &str| held.missing.contains(&(short.into(), name.into()));
        let is_other = |name: &str| matches!(self.directory.find(name), Found::Unique(row) if held.rows.contains(row));
        row.removed.is_some() && [&*row.id, short].into_iter().any(|name| is_missing(name) || is_other(name))
    }

    /// A missing name may stand for a device now.
    fn find_missing(&mut self, held: &mut Held, name: &str, subscriber: SubscriberId) {
        let is_missing = || held.missing.contains(&(short_name(name).into(), name.into()));
        if is_missing()
            && let Found::Unique(row) = self.directory.find(name)
        {
            self.join_row(held, row, subscriber);
        }
    }

    fn obey(&mut self, held: &mut Held, todo: Todo, subscriber: SubscriberId) {
        match todo {
            Todo::Had(name) | Todo::Add(name) => match self.directory.find(&name) {
                Found::Unique(row) => self.join_row(held, row, subscriber),
                Found::Ambiguous(_) | Found::Unknown => self.miss(held, name, subscriber),
            },
            Todo::Drop(name) => self.drop_name(held, name, subscriber),
        }
    }

    /// A name of a list is dropped. One that stands for nobody may be written in full or not: both are the same wish.
    fn drop_name(&mut self, held: &mut Held, name: Arc<str>, subscriber: SubscriberId) {
        let short: Arc<str> = short_name(&name).into();
        let mut missing = held.missing.range((Arc::clone(&short), "".into())..);
        if let Some((_, missing)) = missing.next().filter(|(other, _)| *other == short) {
            let missing = Arc::clone(missing);
            self.miss_no_more(held, &missing, subscriber);
            return held.todo.push_front(Todo::Drop(name));
        }
        if let Found::Unique(row) = self.directory.find(&name)
            && held.rows.contains(row)
        {
            self.leave_row(held, row, subscriber);
        }
    }

    fn join_row(&mut self, held: &mut Held, number: u32, subscriber: SubscriberId) {
        let Some(row) = self.rows.get(number) else { return };
        let (id, has_moved) = (Arc::clone(&row.id), row.moved > held.members_at);
        self.miss_no_more(held, &id, subscriber);
        self.miss_no_more(held, short_name(&id), subscriber);
        if held.rows.insert(number) {
            self.watch_row(number, subscriber);
            if has_moved || !held.entering {
                held.joining.insert(number);
            }
        }
    }

    fn leave_row(&mut self, held: &mut Held, row: u32, subscriber: SubscriberId) {
        if held.rows.remove(row) {
            held.joining.remove(&row);
            held.leaving.insert(row);
            self.unwatch_row(row, subscriber);
        }
    }

    /// Once it has all up to its last one: a page that has too many lets the last go, one that has too few takes the next.
    /// `false` when it has as many as it should.
    fn fit_page(&mut self, view: &mut RowsView, subscriber: SubscriberId) -> bool {
        let Selector::Page { after, limit, last } = &mut view.selector else { return false };
        let Some(branch) = self.directory.branches.get(view.branch) else { return false };
        let has = view.held.rows.len();
        if has < *limit {
            let Some(behind) = last.take() else { return false };
            let Some((id, row)) = self.members(branch, (&view.group, view.with_hidden), Some(&behind), None).next()
            else {
                return true;
            };
            *last = Some(Arc::clone(id));
            self.join_row(&mut view.held, row, subscriber);
            return true;
        }
        if has == *limit && last.is_some() || *limit == 0 {
            return false;
        }
        let (leaves, greatest) = {
            let mut backwards =
                self.members(branch, (&view.group, view.with_hidden), after.as_deref(), last.as_deref()).rev();
            let leaves = if has > *limit { backwards.next().map(|(_, row)| row) } else { None };
            (leaves, backwards.next().map(|(id, _)| Arc::clone(id)))
        };
        *last = greatest;
        let is_changed = leaves.is_some() || last.is_some();
        if let Some(row) = leaves {
            self.leave_row(&mut view.held, row, subscriber);
        }
        is_changed
    }
}
