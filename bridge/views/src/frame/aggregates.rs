//! Parts of views of charts and alerts.

use std::sync::Arc;

use smallvec::smallvec;

use super::Part;
use crate::charts::BucketCell;
use crate::directory::is_within;
use crate::encode::json::{self, List};
use crate::read::AlertObject;
use crate::subscription::{AlertsView, Place, SeriesView};
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

    pub(super) fn alerts_snapshot(&self, view: &AlertsView, place: Place, bytes_max: usize) -> Part {
        let after = if let Place::Alert(after) = place { after } else { None };
        let mut rows = List::default();
        let next = self.alert_rows(view, after.as_deref(), None, &mut rows, bytes_max);
        Part { lists: smallvec![("r", rows)], next }
    }

    pub(super) fn alerts_delta(&self, view: &mut AlertsView, since: u64, place: Place, bytes_max: usize) -> Part {
        let (mut events, mut gone, mut rows) = (List::default(), List::default(), List::default());
        let mut next = None;
        if !matches!(place, Place::Alert(_)) {
            next = self.alert_events(view, place.clone(), &mut events, bytes_max);
            if next.is_none() {
                for id in self.alerts.removed_since(since) {
                    json::text(gone.next(), id);
                }
            }
        }
        if next.is_none() {
            let after = if let Place::Alert(after) = place { after } else { None };
            let room = bytes_max.saturating_sub(events.len() + gone.len());
            next = if room < bytes_max / 4 {
                Some(Place::Alert(after))
            } else {
                self.alert_rows(view, after.as_deref(), Some(since), &mut rows, room)
            };
        }
        Part { lists: smallvec![("x", gone), ("r", rows), ("e", events)], next }
    }

    /// Alerts changed after `since`, in order of identifiers.
    pub(super) fn alert_rows(
        &self,
        view: &AlertsView,
        after: Option<&str>,
        since: Option<u64>,
        rows: &mut List,
        bytes_max: usize,
    ) -> Option<Place> {
        let mut last = after.map(Arc::from);
        let shown = |group: &str| is_within(group, &view.group);
        for alert in self.alerts.after(after) {
            if since.is_some_and(|since| alert.version <= since) || !shown(&alert.change.group) {
                continue;
            }
            let before = rows.len();
            json::object(rows.next(), &AlertObject::from(&*alert.change));
            if before > 0 && rows.len() > bytes_max {
                rows.bytes.truncate(before);
                return Some(Place::Alert(last));
            }
            last = Some(Arc::clone(&alert.change.id));
        }
        None
    }

    /// Events that were not sent yet, those from the store first.
    pub(super) fn alert_events(
        &self,
        view: &mut AlertsView,
        place: Place,
        events: &mut List,
        bytes_max: usize,
    ) -> Option<Place> {
        while let Some(event) = view.supplied.front() {
            let before = events.len();
            if is_within(&event.alert.group, &view.group) {
                write_event(events.next(), (event.position.0, event.at_ms), &event.alert);
            }
            if before > 0 && events.len() > bytes_max {
                events.bytes.truncate(before);
                return Some(Place::Event(0, 0));
            }
            view.supplied.pop_front();
        }
        if view.events_from < self.alerts.events_horizon {
            // Forgotten since the last part: the next delta begins with reading them from the store.
            return None;
        }
        let (mut version, mut sent) = if let Place::Event(version, sent) = place { (version, sent) } else { (0, 0) };
        for event in self.alerts.events_since(view.events_from).skip(sent) {
            let before = events.len();
            if is_within(&event.change.group, &view.group) {
                write_event(events.next(), (event.version, event.at_ms), &event.change);
            }
            if before > 0 && events.len() > bytes_max {
                events.bytes.truncate(before);
                view.events_from = view.events_from.max(version.saturating_sub(1));
                return Some(Place::Event(version, sent));
            }
            sent = if event.version == version { sent + 1 } else { 1 };
            version = event.version;
        }
        view.events_from = self.version;
        None
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

fn write_event(out: &mut Vec<u8>, (position, at_ms): (u64, i64), alert: &tidegate_telemetry::AlertChange) {
    out.push(b'[');
    json::integer(out, position);
    out.push(b',');
    json::integer(out, at_ms);
    out.push(b',');
    json::object(out, &AlertObject::from(alert));
    out.push(b']');
}
