//! Parts of views of groups.

use smallvec::smallvec;

use super::Part;
use crate::encoding::Writer;
use crate::message::{AggregateCell, Element, List, ListName, cells_of};
use crate::subscription::{Cursor, GroupView};
use crate::views::Views;

impl Views {
    /// Figures that went, then those that are there and changed after `since` (all, when there is none).
    pub(super) fn group_part(
        &self,
        view: &mut GroupView,
        since: Option<u64>,
        cursor: Cursor,
        writer: &Writer<'_>,
    ) -> Part {
        let (mut index, mut after) = match cursor {
            Cursor::Group(index, after) => (index, after),
            _ => {
                self.begin_group(view, since);
                (0, None)
            }
        };
        let (mut gone, mut rows) = (List::default(), List::default());
        while let Some((group, metric)) = view.leaving.pop_front() {
            writer.add(&mut gone, &Element::FiguresLeft(&group, metric.as_deref()));
            if gone.len() > writer.bytes_max {
                return Part { lists: smallvec![(ListName::Left, gone)], next: Some(Cursor::Group(index, after)) };
            }
        }
        let is_news = |cell: &AggregateCell<'_>| !cell.is_gone() && since.is_none_or(|since| cell.version() > since);
        while let Some(&number) = view.sending.get(index) {
            let mut last = None;
            let group = self.groups.get_in(&view.within, number);
            let cells = group.into_iter().flat_map(|group| cells_of(group, view.metrics.as_deref(), after.as_deref()));
            for cell in cells.filter(is_news) {
                let before = rows.mark();
                writer.add(&mut rows, &Element::Figures(cell));
                if before.bytes + gone.len() > 0 && rows.len() + gone.len() > writer.bytes_max {
                    rows.truncate(before);
                    let next = Some(Cursor::Group(index, last.or_else(|| after.clone())));
                    return Part { lists: smallvec![(ListName::Left, gone), (ListName::Rows, rows)], next };
                }
                last = Some(cell.key().1.unwrap_or_default());
            }
            (index, after) = (index + 1, None);
        }
        view.sending = Vec::new();
        Part { lists: smallvec![(ListName::Left, gone), (ListName::Rows, rows)], next: None }
    }

    /// Decides what a snapshot or delta that begins now consists of.
    fn begin_group(&self, view: &mut GroupView, since: Option<u64>) {
        view.leaving.clear();
        let Some(since) = since else {
            view.sending = self.groups.within(&view.within).collect();
            return;
        };
        view.sending = self.groups.changed_within(&view.within, since);
        let groups = view.sending.iter().filter_map(|&number| self.groups.get_in(&view.within, number));
        let cells = groups.flat_map(|group| cells_of(group, view.metrics.as_deref(), None));
        let gone = cells.filter(|cell| cell.is_gone() && cell.version() > since);
        view.leaving = gone.map(|cell| cell.key()).collect();
    }
}
