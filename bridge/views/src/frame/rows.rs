//! Parts of views that have a row for each device.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use super::Part;
use crate::encoding::Writer;
use crate::message::{DeviceRow, Element, FleetRow, GroupRef, List, ListName, Mark, Told};
use crate::rows::Row;
use crate::subscription::{Cells, Cursor, RowsView, Selector, Sending, Snapshot};
use crate::views::Views;

impl Views {
    /// A part of what [`RowsView::sending`] says, of a delta that leads to `to`: first who left, then what changed, then who
    /// joined, so that whoever applies parts in order ends right.
    ///
    /// A row that moved after `to` is left out: the next delta has it in full, or says that it left. And so its number may
    /// be another device's meanwhile.
    pub(super) fn rows_delta(&self, view: &mut RowsView, (since, to): (u64, u64), writer: &Writer<'_>) -> Part {
        let RowsView { cells, sending, ahead, known, .. } = view;
        let since_of = |number| known.get(&number).map_or(since, |&known| known.max(since));
        let mut note = |number| self.note_ahead(ahead, number, to);
        let row_of = |number: u32| self.rows.get(number).filter(|row| row.moved <= to);
        let mut left = List::default();
        while left.len() < writer.bytes_max
            && let Some(row) = sending.left.pop()
        {
            writer.add(&mut left, &Element::RowLeft(row));
        }
        let mut lists = Changes::default();
        while sending.left.is_empty()
            && let Some(&number) = sending.changed.last()
        {
            let before = lists.marks();
            if let Some(row) = row_of(number) {
                lists.add(writer, (number, row), cells, since_of(number));
            }
            let used = left.len() + before.len();
            if used > 0 && left.len() + lists.len() > writer.bytes_max {
                lists.truncate(before);
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
            let before = joined.mark();
            if let Some(row) = row_of(number) {
                let (since, group) = (Some(since_of(number)), GroupRef::Path(&row.group));
                writer.add(&mut joined, &whole((number, row), cells, since, group));
            }
            let used = left.len() + lists.len() + before.bytes;
            if used > 0 && left.len() + lists.len() + joined.len() > writer.bytes_max {
                joined.truncate(before);
                break;
            }
            sending.joined.pop();
            note(number);
        }
        let next = (!sending.is_empty()).then_some(Cursor::Sending);
        if next.is_none() {
            *sending = Sending::default();
            *known = FxHashMap::default();
        }
        let Changes { values, status, columns, facts } = lists;
        let lists = smallvec![
            (ListName::Columns, columns),
            (ListName::Left, left),
            (ListName::Joined, joined),
            (ListName::Rows, values),
            (ListName::Status, status),
            (ListName::Facts, facts)
        ];
        Part { lists, next }
    }

    /// What was just written of a row may be newer than the version that the client gets to.
    fn note_ahead(&self, ahead: &mut FxHashMap<u32, u64>, number: u32, to: u64) {
        if self.rows.version(number) > to {
            ahead.insert(number, self.version);
        }
    }

    /// A part of a snapshot of version `at`. A row that moved after it is left out: the first delta has it.
    pub(super) fn rows_snapshot(
        &self,
        view: &mut RowsView,
        snapshot: &mut Snapshot,
        (at, cursor): (u64, Cursor),
        writer: &Writer<'_>,
    ) -> Part {
        let mut ahead = std::mem::take(&mut view.ahead);
        let (mut rows, mut groups) = (List::default(), List::default());
        let mut next = None;
        let mut last = cursor.clone();
        for (number, row) in self.rows_from(view, &cursor) {
            if row.moved > at {
                continue;
            }
            let marks = (rows.mark(), groups.mark());
            let group = match view.cells {
                Cells::Fleet(_) => GroupRef::Number(number_of(snapshot, &row.group, (writer, &mut groups))),
                Cells::Metrics(_) => GroupRef::Path(&row.group),
            };
            writer.add(&mut rows, &whole((number, row), &view.cells, None, group));
            if marks.0.bytes > 0 && rows.len() + groups.len() > writer.bytes_max {
                rows.truncate(marks.0);
                if groups.len() > marks.1.bytes {
                    groups.truncate(marks.1);
                    snapshot.groups.remove(&row.group);
                }
                next = Some(last);
                break;
            }
            self.note_ahead(&mut ahead, number, at);
            last = match view.selector {
                Selector::Group => Cursor::Member(Arc::clone(&row.id)),
                Selector::Names | Selector::Page { .. } => Cursor::Held(number),
            };
        }
        view.ahead = ahead;
        Part { lists: smallvec![(ListName::Groups, groups), (ListName::Rows, rows)], next }
    }

    /// Rows of a view behind a cursor, each behind the one before.
    fn rows_from<'a>(
        &'a self,
        view: &'a RowsView,
        cursor: &'a Cursor,
    ) -> Box<dyn Iterator<Item = (u32, &'a Row)> + 'a> {
        let there = |number: u32| Some((number, self.rows.get(number)?));
        if let Selector::Group = view.selector {
            let after = if let Cursor::Member(id) = cursor { Some(&**id) } else { None };
            let branch = self.directory.branches.get(view.branch);
            let members = branch
                .into_iter()
                .flat_map(move |branch| self.members(branch, (&view.group, view.with_hidden), after, None));
            return Box::new(members.filter_map(move |(_, row)| there(row)));
        }
        let first = if let Cursor::Held(number) = cursor { number + 1 } else { 0 };
        Box::new(view.held.rows.from(first).filter_map(there))
    }
}

/// Lists of what changed in rows.
#[derive(Debug, Default)]
struct Changes {
    values: List,
    status: List,
    columns: List,
    facts: List,
}

/// Lengths of these lists at some time.
#[derive(Debug, Clone, Copy)]
struct Marks {
    values: Mark,
    status: Mark,
    columns: Mark,
    facts: Mark,
}

impl Changes {
    /// What changed in a row after `since`.
    fn add(&mut self, writer: &Writer<'_>, (number, row): (u32, &Row), cells: &Cells, since: u64) {
        let filter = match cells {
            Cells::Metrics(filter) => filter.as_deref(),
            Cells::Fleet(shown) => {
                let device = FleetRow::new(number, row, (shown.metric.as_deref(), shown.heard));
                if device.changed_after(since) {
                    writer.add(&mut self.values, &Element::FleetChange(device));
                }
                if row.facts_version > since {
                    writer.add(&mut self.facts, &Element::FleetName(device));
                }
                return;
            }
        };
        let device = DeviceRow::new(number, row, filter, Told::After(since));
        if row.value_version > since && (filter.is_none() || device.tells_any()) {
            writer.add_values(&mut self.values, device);
        }
        if row.status_version > since {
            writer.add(&mut self.status, &Element::Status(device));
        }
        if row.facts_version > since {
            writer.add(&mut self.facts, &Element::About(device));
        }
        if row.columns_version > since {
            for (index, column) in row.columns.iter().enumerate().filter(|(_, it)| it.definition_version > since) {
                writer.add(&mut self.columns, &Element::Column { row: number, index, definition: column.into() });
            }
        }
    }

    fn len(&self) -> usize {
        self.values.len() + self.status.len() + self.columns.len() + self.facts.len()
    }

    fn marks(&self) -> Marks {
        let Changes { values, status, columns, facts } = self;
        Marks { values: values.mark(), status: status.mark(), columns: columns.mark(), facts: facts.mark() }
    }

    fn truncate(&mut self, marks: Marks) {
        self.values.truncate(marks.values);
        self.status.truncate(marks.status);
        self.columns.truncate(marks.columns);
        self.facts.truncate(marks.facts);
    }
}

impl Marks {
    fn len(&self) -> usize {
        self.values.bytes + self.status.bytes + self.columns.bytes + self.facts.bytes
    }
}

/// The number of a group within a snapshot; one that is new is named.
fn number_of(snapshot: &mut Snapshot, group: &Arc<str>, (writer, groups): (&Writer<'_>, &mut List)) -> usize {
    let known = snapshot.groups.len();
    let number = *snapshot.groups.entry(Arc::clone(group)).or_insert(known);
    if number == known {
        writer.add(groups, &Element::GroupName(group));
    }
    number
}

/// The row in full; with what its values went through after a version, if one is given.
fn whole<'a>((number, row): (u32, &'a Row), cells: &'a Cells, since: Option<u64>, group: GroupRef<'a>) -> Element<'a> {
    match cells {
        Cells::Metrics(filter) => Element::Device(DeviceRow::new(number, row, filter.as_deref(), Told::All(since))),
        Cells::Fleet(shown) => {
            Element::FleetDevice(FleetRow::new(number, row, (shown.metric.as_deref(), shown.heard)), group)
        }
    }
}

/// Names of a list that stand for nobody, in order.
pub(super) fn missing_names(view: &RowsView) -> SmallVec<[&str; 4]> {
    let mut names: SmallVec<[&str; 4]> = view.held.missing.iter().map(|(_, name)| &**name).collect();
    names.sort_unstable();
    names
}
