//! Parts of views that have a row for each device.

use std::sync::Arc;

use smallvec::smallvec;

use super::Part;
use crate::encode::json::{self, List};
use crate::encode::{device, fleet};
use crate::subscription::{Cells, Place, RowsView, Snapshot};
use crate::views::Views;

impl Views {
    pub(super) fn rows_delta(&self, view: &mut RowsView, since: u64, place: Place, bytes_max: usize) -> Part {
        let base_ms = self.epoch.time_base_ms;
        let mut index = if let Place::Row(index) = place { index } else { 0 };
        let mut lists = device::Lists::default();
        let (mut joined, mut left) = (List::default(), List::default());
        for row in view.leaving.drain(..) {
            json::integer(left.next(), row);
        }
        while index < view.rows.len() && lists.len() + left.len() < bytes_max {
            let number = view.rows[index];
            index += 1;
            if self.rows.version(number) <= since {
                continue;
            }
            let Some(row) = self.row_in(view, number) else { continue };
            let before = lists.len();
            let marks = (lists.values.len(), lists.status.len(), lists.columns.len());
            match &view.cells {
                Cells::Metrics(filter) => device::changes(&mut lists, number, row, since, filter.as_deref(), base_ms),
                Cells::Fleet(metric) => {
                    if fleet::changed(row, metric.as_deref(), since) {
                        fleet::change(lists.values.next(), number, row, metric.as_deref(), base_ms);
                    }
                }
            }
            if before > 0 && lists.len() + left.len() > bytes_max {
                lists.values.bytes.truncate(marks.0);
                lists.status.bytes.truncate(marks.1);
                lists.columns.bytes.truncate(marks.2);
                index -= 1;
                break;
            }
        }
        let mut next = (index < view.rows.len()).then_some(Place::Row(index));
        if next.is_none() {
            let mut used = lists.len() + left.len();
            while let Some(&number) = view.joining.last() {
                let Some(row) = self.row_in(view, number) else {
                    // Removed since the delta began: the next one says so, for the client may have an older row of it.
                    view.joining.pop();
                    view.rows.push(number);
                    continue;
                };
                let before = joined.len();
                write_row(joined.next(), number, row, &view.cells, base_ms, None);
                if used > 0 && used + joined.len() > bytes_max {
                    joined.bytes.truncate(before);
                    break;
                }
                used += joined.len() - before;
                view.joining.pop();
                view.rows.push(number);
            }
            // Rows that were just sent in full end the list, so that the next part begins behind them.
            next = (!view.joining.is_empty()).then_some(Place::Row(view.rows.len()));
        }
        let device::Lists { values, status, columns } = lists;
        Part { lists: smallvec![("m", columns), ("x", left), ("a", joined), ("r", values), ("s", status)], next }
    }

    pub(super) fn rows_snapshot(
        &self,
        view: &RowsView,
        snapshot: &mut Snapshot,
        place: Place,
        bytes_max: usize,
    ) -> Part {
        let base_ms = self.epoch.time_base_ms;
        let mut index = if let Place::Row(index) = place { index } else { 0 };
        let (mut rows, mut groups) = (List::default(), List::default());
        while index < view.rows.len() {
            let number = view.rows[index];
            index += 1;
            let Some(row) = self.row_in(view, number) else { continue };
            let marks = (rows.len(), groups.len());
            let mut group = None;
            if matches!(view.cells, Cells::Fleet(_)) {
                let known = snapshot.groups.len();
                let named = *snapshot.groups.entry(Arc::clone(&row.group)).or_insert(known);
                if named == known {
                    json::text(groups.next(), &row.group);
                }
                group = Some(named);
            }
            write_row(rows.next(), number, row, &view.cells, base_ms, group);
            if marks.0 > 0 && rows.len() + groups.len() > bytes_max {
                rows.bytes.truncate(marks.0);
                if groups.len() > marks.1 {
                    groups.bytes.truncate(marks.1);
                    snapshot.groups.remove(&row.group);
                }
                index -= 1;
                break;
            }
        }
        let next = (index < view.rows.len()).then_some(Place::Row(index));
        Part { lists: smallvec![("groups", groups), ("rows", rows)], next }
    }
}

fn write_row(
    out: &mut Vec<u8>,
    number: u32,
    row: &crate::rows::Row,
    cells: &Cells,
    base_ms: i64,
    group: Option<usize>,
) {
    match cells {
        Cells::Metrics(filter) => device::whole(out, number, row, filter.as_deref(), base_ms),
        Cells::Fleet(metric) => fleet::whole(out, number, row, metric.as_deref(), base_ms, |out| match group {
            Some(group) => json::integer(out, group),
            None => json::text(out, &row.group),
        }),
    }
}
