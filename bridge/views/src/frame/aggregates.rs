//! Parts of charts.

use smallvec::smallvec;

use super::Part;
use crate::charts::BucketCell;
use crate::encode::json::{self, List};
use crate::subscription::{Place, SeriesView};
use crate::views::Views;

impl Views {
    pub(super) fn series_part(
        &self,
        view: &mut SeriesView,
        since: Option<u64>,
        place: Place,
        bytes_max: usize,
    ) -> Part {
        let (first_line, first_ms) = match place {
            Place::Bucket(line, from_ms) => (line, from_ms),
            _ => {
                view.seeing = self.charts.mends;
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
                if rows.len() + gone.len() > bytes_max.saturating_sub(160) {
                    let next = Some(Place::Bucket(index, cell.start_ms));
                    return Part { lists: smallvec![("x", gone), ("r", rows)], next };
                }
                if cell.is_empty() {
                    write_key(gone.next(), index, cell.start_ms);
                } else {
                    write_bucket(rows.next(), index, cell);
                }
            }
        }
        view.seen = view.seeing;
        Part { lists: smallvec![("x", gone), ("r", rows)], next: None }
    }
}

fn write_key(out: &mut Vec<u8>, line: usize, start_ms: i64) {
    out.push(b'[');
    json::integer(out, line);
    out.push(b',');
    json::integer(out, start_ms);
    out.push(b']');
}

fn write_bucket(out: &mut Vec<u8>, line: usize, cell: &BucketCell) {
    out.push(b'[');
    json::integer(out, line);
    out.push(b',');
    json::integer(out, cell.start_ms);
    out.push(b',');
    json::integer(out, cell.bucket.count);
    for figure in [cell.bucket.mean(), cell.bucket.min, cell.bucket.max, cell.bucket.last] {
        out.push(b',');
        json::number(out, figure);
    }
    out.push(b']');
}
