//! Parts of views of alerts.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use serde::Serialize;
use smallvec::smallvec;
use tidegate_telemetry::{AlertChange, Severity};

use super::Part;
use crate::alerts::{Counts, Line};
use crate::encode::json::{self, List};
use crate::read::AlertObject;
use crate::subscription::{AlertsView, Place};
use crate::views::Views;

/// In place of an identifier: every line.
const EVERY_LINE: &str = "*";

impl Views {
    /// How many alerts there are; events that were not sent; lines that left the view; lines that came or changed after
    /// `since` (all, when there is none).
    pub(super) fn alerts_part(
        &self,
        view: &mut AlertsView,
        since: Option<u64>,
        place: Place,
        bytes_max: usize,
    ) -> Part {
        let (mut counts, mut events, mut gone, mut rows) =
            (List::default(), List::default(), List::default(), List::default());
        if place == Place::Start {
            self.begin_alerts(view, since);
            write_counts(&mut counts, &self.alerts.counts(&view.scope));
        }
        let mut next = None;
        let mut sent = if let Place::Row(sent) = place { Some(sent) } else { None };
        if sent.is_none() && since.is_some() {
            next = self.alert_events(view, &place, &mut events, bytes_max);
        }
        if next.is_none() {
            let lines =
                self.alert_lines(view, sent.take().unwrap_or(0), (&mut gone, &mut rows), bytes_max, events.len());
            next = lines.map(Place::Row);
        }
        if next.is_none() {
            (view.leaving, view.sending) = (Vec::new(), Vec::new());
        }
        Part { lists: smallvec![("n", counts), ("x", gone), ("r", rows), ("e", events)], next }
    }

    /// Decides what a snapshot or delta that begins now consists of.
    fn begin_alerts(&self, view: &mut AlertsView, since: Option<u64>) {
        let wanted = self.alerts.window(&view.scope, view.limit);
        let had = std::mem::take(&mut view.has);
        let since = since.filter(|_| !std::mem::take(&mut view.anew));
        if let Some(since) = since {
            let had: FxHashSet<&Arc<str>> = had.iter().collect();
            let stays: FxHashSet<&Arc<str>> = wanted.iter().collect();
            let is_news = |id: &&Arc<str>| {
                let line = || self.alerts.line(&view.scope, id);
                !had.contains(id) || line().is_some_and(|line| line.version() > since)
            };
            view.leaving = had.iter().filter(|id| !stays.contains(**id)).map(|id| Arc::clone(id)).collect();
            view.sending = wanted.iter().filter(is_news).map(Arc::clone).collect();
        } else {
            (view.leaving, view.sending) = (vec![EVERY_LINE.into()], wanted.clone());
        }
        view.has = wanted;
    }

    /// Lines from that of an index on; answers the index at which the next part begins.
    fn alert_lines(
        &self,
        view: &AlertsView,
        sent: usize,
        (gone, rows): (&mut List, &mut List),
        bytes_max: usize,
        bytes: usize,
    ) -> Option<usize> {
        let steps = view.leaving.iter().map(|id| (id, true)).chain(view.sending.iter().map(|id| (id, false)));
        for (index, (id, leaves)) in steps.enumerate().skip(sent) {
            let list = if leaves { &mut *gone } else { &mut *rows };
            let before = list.len();
            // What was forgotten since the first part is left out; the next delta says so.
            if leaves {
                json::text(list.next(), id);
            } else if let Some(line) = self.alerts.line(&view.scope, id) {
                write_line(list.next(), &line);
            }
            if (index > sent || bytes > 0) && bytes + gone.len() + rows.len() > bytes_max {
                let list = if leaves { gone } else { rows };
                list.bytes.truncate(before);
                return Some(index);
            }
        }
        None
    }

    /// Events that were not sent yet, those from the store first.
    fn alert_events(&self, view: &mut AlertsView, place: &Place, events: &mut List, bytes_max: usize) -> Option<Place> {
        while let Some(event) = view.supplied.front() {
            let before = events.len();
            write_event(events.next(), (event.position.0, event.at_ms), &event.alert);
            if before > 0 && events.len() > bytes_max {
                events.bytes.truncate(before);
                return Some(Place::Event(0, 0));
            }
            view.supplied.pop_front();
        }
        if view.events_from < self.alerts.versions(&view.scope).1 {
            // Forgotten since the last part: the next delta begins with reading them from the store.
            return None;
        }
        let (mut version, mut sent) = if let Place::Event(version, sent) = *place { (version, sent) } else { (0, 0) };
        for event in self.alerts.events_since(view.events_from).skip(sent) {
            let before = events.len();
            if view.scope.has(&event.change) {
                write_event(events.next(), (event.version, event.at_ms), &event.change);
            }
            if before > 0 && events.len() > bytes_max {
                events.bytes.truncate(before);
                // Of a version that is told in part the rest is found among all of it.
                let (told, of_next) = if event.version == version { (version - 1, sent) } else { (version, 0) };
                view.events_from = view.events_from.max(told);
                return Some(Place::Event(version, of_next));
            }
            sent = if event.version == version { sent + 1 } else { 1 };
            version = event.version;
        }
        view.events_from = self.version;
        None
    }
}

/// Alerts of one rule that came close to each other, as a line.
#[derive(Serialize)]
struct BurstObject<'a> {
    id: &'a str,
    rule: &'a str,
    severity: Severity,
    text: &'a str,
    count: u32,
    raised: u32,
    acknowledged: u32,
    /// Unix ms.
    first: i64,
    last: i64,
}

fn write_line(out: &mut Vec<u8>, line: &Line<'_>) {
    match line {
        Line::Alert(alert) => json::object(out, &AlertObject::from(&*alert.change)),
        Line::Burst(id, burst, share) => json::object(
            out,
            &BurstObject {
                id,
                rule: &burst.rule,
                severity: burst.severity,
                text: &burst.text,
                count: share.count,
                raised: share.raised,
                acknowledged: share.acknowledged,
                first: share.first_ms,
                last: share.last_ms,
            },
        ),
    }
}

/// `[raised, acknowledged, cleared]`; those that hold as `[critical, warning, info]`.
fn write_counts(list: &mut List, counts: &Counts) {
    for by_severity in [&counts.raised, &counts.acknowledged] {
        let [info, warning, critical] = *by_severity;
        json::object(list.next(), &[critical, warning, info]);
    }
    json::integer(list.next(), counts.cleared);
}

fn write_event(out: &mut Vec<u8>, (position, at_ms): (u64, i64), alert: &AlertChange) {
    out.push(b'[');
    json::integer(out, position);
    out.push(b',');
    json::integer(out, at_ms);
    out.push(b',');
    json::object(out, &AlertObject::from(alert));
    out.push(b']');
}
