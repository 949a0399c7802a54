//! What a view of devices has to say next. It is found from the newest change on, or from what the view has where that is
//! less: by what changed since its last frame, however long it is open and whatever the fleet went through before.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::directory::{Found, is_within};
use crate::row_set::RowSet;
use crate::rows::Row;
use crate::subscriber::SubscriberId;
use crate::subscription::{Cells, Held, RowsView, Selector, Sending};
use crate::views::Views;

/// Moves are looked at some tens of nanoseconds each; so many times more of them than of rows under one hold of the lock.
const MOVES_A_ROW: usize = 8;

/// Up to so many rows of a view, the versions of all are looked at sooner than the first change is found among its rows: a
/// tree that nobody looked at for a while is in no cache of the processor.
const FEW_ROWS: usize = 256;

/// Of many rows, so many versions are looked at in the time that a change takes, which is looked up among them.
const VERSIONS_A_CHANGE: usize = 32;

/// What is to be done about a view of devices.
pub(super) enum Due {
    Nothing,
    /// What is to be said is in [`RowsView::sending`].
    Delta,
    /// Rows that it holds are to be taken up first.
    Follow,
    /// Something after where the client stands is no longer known.
    Anew,
}

impl Views {
    /// Decides what a client is sent that stands at `since`.
    pub(super) fn rows_due(&self, view: &mut RowsView, since: u64, subscriber: SubscriberId) -> Due {
        if self.must_follow(view, subscriber) {
            return Due::Follow;
        }
        let resumes = std::mem::take(&mut view.resumes);
        view.held.gone_matter = false;
        let sending = match view.selector {
            Selector::Group => self.group_sending(view, since),
            Selector::Page { .. } if resumes && self.page_has_moved(view, since) => None,
            Selector::Names | Selector::Page { .. } => Some(self.held_sending(view, since)),
        };
        let knows = |&row: &u32| self.rows.get(row).is_none_or(|row| row.knows_extremes_since(since));
        let is_fleet = matches!(view.cells, Cells::Fleet(_));
        // One that moved may have been in the view all the time; what is new there tells what is known of it.
        let is_new = |&&row: &&u32| self.rows.get(row).is_none_or(|row| row.appeared > since);
        let knows_all = |sending: &Sending| {
            sending.changed.iter().all(knows) && sending.joined.iter().filter(|row| !is_new(row)).all(knows)
        };
        let Some(sending) = sending.filter(|sending| !resumes || is_fleet || knows_all(sending)) else {
            return Due::Anew;
        };
        view.sending = sending;
        view.known = std::mem::take(&mut view.ahead);
        if view.sending.is_empty() { Due::Nothing } else { Due::Delta }
    }

    /// Whether rows or names that a view holds are not those that it should hold. Moves that do not concern it are done with.
    pub(super) fn must_follow(&self, view: &mut RowsView, subscriber: SubscriberId) -> bool {
        if matches!(view.selector, Selector::Group) {
            return false;
        }
        if view.held.has_work() {
            return true;
        }
        if view.held.moves_seen == self.directory.moves() {
            return false;
        }
        if self.is_rather_scanned(view) {
            let own = view.held.rows.len() + view.held.missing.len();
            if own > self.config.rows_per_lock || self.differs(view) {
                return true;
            }
            view.held.moves_seen = self.directory.moves();
        } else if self.is_concerned(view, subscriber) {
            return true;
        }
        view.held.members_at = self.version;
        false
    }

    /// Goes through the moves since the view was followed last, up to the first that concerns it.
    fn is_concerned(&self, view: &mut RowsView, subscriber: SubscriberId) -> bool {
        let Some(moves) = self.directory.moves_from(view.held.moves_seen) else { return true };
        let moves_max = MOVES_A_ROW * self.config.rows_per_lock;
        for (looked_at, moved) in moves.enumerate() {
            if looked_at == moves_max || self.concerns(view, moved.row, subscriber) {
                return true;
            }
            view.held.moves_seen += 1;
        }
        false
    }

    fn concerns(&self, view: &RowsView, number: u32, subscriber: SubscriberId) -> bool {
        let held = &view.held;
        if held.rows.contains(number) {
            return true;
        }
        let Some(row) = self.rows.get_any(number) else { return false };
        if matches!(view.selector, Selector::Page { .. }) {
            return self.is_on_page(view, row);
        }
        let wants = |name: &str| self.directory.wants(name, subscriber);
        !held.missing.is_empty() && (wants(&row.id) || wants(row.short_name()))
            || held.gone_matter && self.was_named(held, row)
    }

    /// Whether what the view holds is not what is there, or moved since it was followed last.
    fn differs(&self, view: &RowsView) -> bool {
        let held = &view.held;
        let has_moved = |row| self.rows.get_any(row).is_none_or(|row| row.moved > held.members_at);
        let is_found = |name: &str| matches!(self.directory.find(name), Found::Unique(_));
        held.rows.iter().any(has_moved)
            || held.missing.iter().any(|(_, name)| is_found(name))
            || self.page_differs(view)
    }

    fn page_differs(&self, view: &RowsView) -> bool {
        let Selector::Page { after, limit, .. } = &view.selector else { return false };
        let Some(branch) = self.directory.branches.get(view.branch) else { return false };
        let mut rows = 0;
        for (_, row) in self.members(branch, (&view.group, view.with_hidden), after.as_deref(), None).take(*limit) {
            if !view.held.rows.contains(row) {
                return true;
            }
            rows += 1;
        }
        rows != view.held.rows.len()
    }

    /// Whether a page was another one at `since`, or nobody knows. The page of then would need its neighbours of then: it is
    /// sent anew.
    fn page_has_moved(&self, view: &RowsView, since: u64) -> bool {
        if self.directory.branches.get(view.branch).is_none_or(|branch| branch.moved <= since) {
            return false;
        }
        let Selector::Page { after, last, .. } = &view.selector else { return false };
        let is_between = |id: &str| {
            after.as_ref().is_none_or(|after| **after < *id) && last.as_ref().is_none_or(|last| *id <= **last)
        };
        let mut moves = self.directory.moves_after(since);
        since < self.directory.horizon
            || moves.any(|moved| {
                let was = moved.was_in(&view.group, true);
                let row = self.rows.get_any(moved.row).filter(|row| was || is_within(&row.group, &view.group));
                row.is_some_and(|row| is_between(&row.id))
            })
    }

    fn held_sending(&self, view: &mut RowsView, since: u64) -> Sending {
        let Held { rows, joining, leaving, .. } = &mut view.held;
        let mut changed = self.newest_of(rows, since).unwrap_or_else(|| {
            let has_changed = |row: &u32| self.rows.version(*row) > since;
            rows.side_by_side().iter().copied().filter(has_changed).collect()
        });
        if !joining.is_empty() {
            changed.retain(|row| !joining.contains(row));
        }
        Sending::of(std::mem::take(leaving), changed, std::mem::take(joining))
    }

    /// Which of them changed after a version, by what changed in the fleet; `None` where to look at each is less.
    fn newest_of(&self, rows: &RowSet, since: u64) -> Option<SmallVec<[u32; 2]>> {
        if rows.len() <= FEW_ROWS {
            return None;
        }
        let mut newest = self.rows.changed_after(since);
        let looked_at = newest.by_ref().take(rows.len() / VERSIONS_A_CHANGE);
        let changed = looked_at.filter(|&row| rows.contains(row)).collect();
        newest.next().is_none().then_some(changed)
    }

    /// `None`: who moved since is no longer known.
    fn group_sending(&self, view: &mut RowsView, since: u64) -> Option<Sending> {
        let Some(branch) = self.directory.branches.get(view.branch) else { return Some(Sending::default()) };
        if *branch.path == *view.group {
            view.size = branch.members.len();
        }
        if branch.changed <= since {
            return Some(Sending::default());
        }
        // Whether each that moved was in the group at `since`.
        let mut moved: FxHashMap<u32, bool> = FxHashMap::default();
        if branch.moved > since {
            if since < self.directory.horizon {
                return None;
            }
            for it in self.directory.moves_after(since) {
                moved.entry(it.row).or_insert_with(|| it.was_in(&view.group, view.with_hidden));
            }
        }
        let is_in = |row: &Row| view.shows(row);
        let is_member = |row: u32| self.rows.get(row).is_some_and(is_in);
        let joined = moved.keys().copied().filter(|&row| is_member(row));
        let left = moved.iter().filter(|&(&row, &was_in)| was_in && !is_member(row)).map(|(&row, _)| row);
        let (left, joined): (SmallVec<[u32; 2]>, SmallVec<[u32; 2]>) = (left.collect(), joined.collect());
        let has_stayed = |row: &u32| !moved.contains_key(row) && is_member(*row);
        let mut looked_at = 0;
        let newest =
            self.rows.changed_after(since).inspect(|_| looked_at += 1).take(branch.members.len() + moved.len());
        let mut changed: SmallVec<[u32; 2]> = newest.filter(has_stayed).collect();
        if looked_at == branch.members.len() + moved.len() {
            let has_changed = |row: &u32| self.rows.version(*row) > since && has_stayed(row);
            changed = branch.members.values().copied().filter(has_changed).collect();
        }
        Some(Sending::of(left, changed, joined))
    }
}

impl Sending {
    fn of(
        left: impl IntoIterator<Item = u32>,
        changed: SmallVec<[u32; 2]>,
        joined: impl IntoIterator<Item = u32>,
    ) -> Self {
        let (mut left, mut changed, mut joined) =
            (left.into_iter().collect::<SmallVec<_>>(), changed, joined.into_iter().collect::<SmallVec<_>>());
        for rows in [&mut left, &mut changed, &mut joined] {
            rows.sort_unstable_by(|a, b| b.cmp(a));
        }
        Sending { left, changed, joined }
    }
}
