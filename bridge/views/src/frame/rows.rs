//! Parts of views that have a row for each device.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use super::Part;
use crate::encode::json::{self, List};
use crate::encode::{device, fleet};
use crate::rows::Row;
use crate::subscription::{Cells, Place, RowsView, Selector, Sending, Snapshot};
use crate::views::Views;

impl Views {
    /// A part of what [`RowsView::sending`] says, of a delta that leads to `to`: first who left, then what changed, then who
    /// joined, so that whoever applies parts in order ends right.
    ///
    /// A row that moved after `to` is left out: the next delta has it in full, or says that it left. And so its number may
    /// be another device's meanwhile.
    pub(super) fn rows_delta(&self, view: &mut RowsView, (since, to): (u64, u64), bytes_max: usize) -> Part {
        let RowsView { cells, sending, ahead, known, .. } = view;
        let since_of = |number| known.get(&number).map_or(since, |&known| known.max(since));
        let mut note = |number| self.note_ahead(ahead, number, to);
        let row_of = |number: u32| self.rows.get(number).filter(|row| row.moved <= to);
        let mut left = List::default();
        while left.len() < bytes_max
            && let Some(row) = sending.left.pop()
        {
            json::integer(left.next(), row);
        }
        let mut lists = device::Lists::default();
        while sending.left.is_empty()
            && let Some(&number) = sending.changed.last()
        {
            let before = lists.marks();
            if let Some(row) = row_of(number) {
                self.write_changes(&mut lists, number, row, cells, since_of(number));
            }
            let used = left.len() + before.len();
            if used > 0 && left.len() + lists.len() > bytes_max {
                lists.truncate(&before);
                break;
            }
            sending.changed.pop();
            note(number);
        }
        let mut joined = List::default();
        while sending.left.is_empty()
            && sending.changed.is_empty()
            && let Some(&number) = sending.joined.last()
        {
            let before = joined.len();
            if let Some(row) = row_of(number) {
                let since = Some(since_of(number));
                write_row(joined.next(), number, row, (cells, since), self.epoch.time_base_ms, None);
            }
            let used = left.len() + lists.len() + before;
            if used > 0 && left.len() + lists.len() + joined.len() > bytes_max {
                joined.bytes.truncate(before);
                break;
            }
            sending.joined.pop();
            note(number);
        }
        let next = (!sending.is_empty()).then_some(Place::Sending);
        if next.is_none() {
            *sending = Sending::default();
            *known = FxHashMap::default();
        }
        let device::Lists { values, status, columns } = lists;
        Part { lists: smallvec![("m", columns), ("x", left), ("a", joined), ("r", values), ("s", status)], next }
    }

    /// What was just written of a row may be newer than the version that the client gets to.
    fn note_ahead(&self, ahead: &mut FxHashMap<u32, u64>, number: u32, to: u64) {
        if self.rows.version(number) > to {
            ahead.insert(number, self.version);
        }
    }

    fn write_changes(&self, lists: &mut device::Lists, number: u32, row: &Row, cells: &Cells, since: u64) {
        let base_ms = self.epoch.time_base_ms;
        match cells {
            Cells::Metrics(filter) => device::changes(lists, number, row, since, filter.as_deref(), base_ms),
            Cells::Fleet(shown) if fleet::changed(row, shown, since) => {
                fleet::change(lists.values.next(), number, row, shown, base_ms);
            }
            Cells::Fleet(_) => {}
        }
    }

    /// A part of a snapshot of version `at`. A row that moved after it is left out: the first delta has it.
    pub(super) fn rows_snapshot(
        &self,
        view: &mut RowsView,
        snapshot: &mut Snapshot,
        (at, place): (u64, Place),
        bytes_max: usize,
    ) -> Part {
        let mut ahead = std::mem::take(&mut view.ahead);
        let (mut rows, mut groups) = (List::default(), List::default());
        let mut next = None;
        let mut last = place.clone();
        for (number, row) in self.rows_from(view, &place) {
            if row.moved > at {
                continue;
            }
            let marks = (rows.len(), groups.len());
            let group = matches!(view.cells, Cells::Fleet(_)).then(|| name_group(snapshot, &mut groups, &row.group));
            write_row(rows.next(), number, row, (&view.cells, None), self.epoch.time_base_ms, group);
            if marks.0 > 0 && rows.len() + groups.len() > bytes_max {
                rows.bytes.truncate(marks.0);
                if groups.len() > marks.1 {
                    groups.bytes.truncate(marks.1);
                    snapshot.groups.remove(&row.group);
                }
                next = Some(last);
                break;
            }
            self.note_ahead(&mut ahead, number, at);
            last = match view.selector {
                Selector::Group => Place::Member(Arc::clone(&row.id)),
                Selector::Names | Selector::Page { .. } => Place::Held(number),
            };
        }
        view.ahead = ahead;
        Part { lists: smallvec![("groups", groups), ("rows", rows)], next }
    }

    /// Rows of a view behind a place, each behind the one before.
    fn rows_from<'a>(&'a self, view: &'a RowsView, place: &'a Place) -> Box<dyn Iterator<Item = (u32, &'a Row)> + 'a> {
        let there = |number: u32| Some((number, self.rows.get(number)?));
        if let Selector::Group = view.selector {
            let after = if let Place::Member(id) = place { Some(&**id) } else { None };
            let branch = self.directory.branches.get(view.branch);
            let members = branch.into_iter().flat_map(move |branch| self.members(branch, &view.group, after, None));
            return Box::new(members.filter_map(move |(_, row)| there(row)));
        }
        let first = if let Place::Held(number) = place { number + 1 } else { 0 };
        Box::new(view.held.rows.range(first..).filter_map(move |&row| there(row)))
    }
}

/// The number of a group within a snapshot; one that is new is named.
fn name_group(snapshot: &mut Snapshot, groups: &mut List, group: &Arc<str>) -> usize {
    let known = snapshot.groups.len();
    let number = *snapshot.groups.entry(Arc::clone(group)).or_insert(known);
    if number == known {
        json::text(groups.next(), group);
    }
    number
}

/// The row in full; with what its values went through after a version, if one is given.
fn write_row(
    out: &mut Vec<u8>,
    number: u32,
    row: &Row,
    (cells, since): (&Cells, Option<u64>),
    base_ms: i64,
    group: Option<usize>,
) {
    match cells {
        Cells::Metrics(filter) => device::whole(out, number, row, (filter.as_deref(), since), base_ms),
        Cells::Fleet(shown) => fleet::whole(out, number, row, shown, base_ms, |out| match group {
            Some(group) => json::integer(out, group),
            None => json::text(out, &row.group),
        }),
    }
}

/// Names of a list that stand for nobody, in order.
pub(super) fn missing_names(view: &RowsView) -> SmallVec<[&str; 4]> {
    let mut names: SmallVec<[&str; 4]> = view.held.missing.iter().map(|(_, name)| &**name).collect();
    names.sort_unstable();
    names
}
