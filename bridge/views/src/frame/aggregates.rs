//! Parts of charts.

use smallvec::smallvec;

use super::Part;
use crate::charts::BucketCell;
use crate::encoding::Writer;
use crate::message::{Element, List, ListName};
use crate::subscription::{Cursor, SeriesView};
use crate::views::Views;

impl Views {
    pub(super) fn series_part(
        &self,
        view: &mut SeriesView,
        since: Option<u64>,
        cursor: Cursor,
        writer: &Writer<'_>,
    ) -> Part {
        let mut seams = List::default();
        let (first_line, first_ms) = match cursor {
            Cursor::Bucket(line, from_ms) => (line, from_ms),
            _ => {
                view.seeing = self.charts.refreshes;
                self.add_seams(view, since.is_none(), writer, &mut seams);
                (0, i64::MIN)
            }
        };
        let (mut rows, mut gone) = (List::default(), List::default());
        let is_news = |cell: &BucketCell| match since {
            Some(since) => cell.is_news(since, view.seen),
            None => !cell.is_empty(),
        };
        for (index, line) in view.lines.iter().enumerate().skip(first_line) {
            let Some(chart) = self.charts.get(&line.key) else { continue };
            let from_ms = if index == first_line { first_ms.max(view.from_ms) } else { view.from_ms };
            for cell in chart.from(from_ms).filter(|cell| is_news(cell)) {
                if rows.len() + gone.len() > writer.bytes_max.saturating_sub(160) {
                    let next = Some(Cursor::Bucket(index, cell.start_ms));
                    let lists = smallvec![(ListName::Seams, seams), (ListName::Left, gone), (ListName::Rows, rows)];
                    return Part { lists, next };
                }
                if cell.is_empty() {
                    writer.add(&mut gone, &Element::BucketLeft(index, cell.start_ms));
                } else {
                    writer.add(&mut rows, &Element::Bucket(index, cell.start_ms, &cell.bucket));
                }
            }
        }
        view.seen = view.seeing;
        let lists = smallvec![(ListName::Seams, seams), (ListName::Left, gone), (ListName::Rows, rows)];
        Part { lists, next: None }
    }

    /// Where the lines of a chart are from: all of them, or those of which that is news.
    fn add_seams(&self, view: &SeriesView, is_all: bool, writer: &Writer<'_>, seams: &mut List) {
        for (index, line) in view.lines.iter().enumerate() {
            let Some(chart) = self.charts.get(&line.key) else { continue };
            let seam = chart.seam.as_ref().filter(|_| is_all || chart.seam_refresh > view.seen);
            if let Some(seam) = seam.filter(|seam| seam.at_ms > view.from_ms) {
                writer.add(seams, &Element::Seam(index, seam));
            }
        }
    }
}
