//! Parts of views of alerts.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use smallvec::smallvec;

use super::Part;
use crate::alerts::{AlertLine, Counts};
use crate::encoding::Writer;
use crate::message::{AlertCounts, BurstLine, BySeverity, Element, List, ListName};
use crate::position::StreamPosition;
use crate::subscription::{AlertsView, Cursor};
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
        cursor: Cursor,
        writer: &Writer<'_>,
    ) -> Part {
        let (mut counts, mut events, mut gone, mut rows) =
            (List::default(), List::default(), List::default(), List::default());
        if cursor == Cursor::Start {
            self.begin_alerts(view, since);
            writer.add(&mut counts, &Element::Counts(self.alerts.counts(&view.scope).into()));
        }
        let mut next = None;
        let mut sent = if let Cursor::Row(sent) = cursor { Some(sent) } else { None };
        if sent.is_none() && since.is_some() {
            next = self.alert_events(view, &cursor, &mut events, writer);
        }
        if next.is_none() {
            let sent = sent.take().unwrap_or(0);
            let lines = self.alert_lines(view, sent, (&mut gone, &mut rows), writer, events.len());
            next = lines.map(Cursor::Row);
        }
        if next.is_none() {
            (view.leaving, view.sending) = (Vec::new(), Vec::new());
        }
        let lists = smallvec![
            (ListName::Counts, counts),
            (ListName::Left, gone),
            (ListName::Rows, rows),
            (ListName::Events, events)
        ];
        Part { lists, next }
    }

    /// Decides what a snapshot or delta that begins now consists of.
    fn begin_alerts(&self, view: &mut AlertsView, since: Option<u64>) {
        let wanted = self.alerts.window(&view.scope, view.limit);
        let had = std::mem::take(&mut view.has);
        let is_snapshot = since.is_none();
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
            view.leaving = if is_snapshot { Vec::new() } else { vec![EVERY_LINE.into()] };
            view.sending.clone_from(&wanted);
        }
        view.has = wanted;
    }

    /// Lines from that of an index on; answers the index at which the next part begins.
    fn alert_lines(
        &self,
        view: &AlertsView,
        sent: usize,
        (gone, rows): (&mut List, &mut List),
        writer: &Writer<'_>,
        bytes: usize,
    ) -> Option<usize> {
        let steps = view.leaving.iter().map(|id| (id, true)).chain(view.sending.iter().map(|id| (id, false)));
        for (index, (id, leaves)) in steps.enumerate().skip(sent) {
            let list = if leaves { &mut *gone } else { &mut *rows };
            let before = list.mark();
            // What was forgotten since the first part is left out; the next delta says so.
            if leaves {
                let is_all = **id == *EVERY_LINE;
                writer.add(list, &if is_all { Element::AllLinesLeft } else { Element::LineLeft(id) });
            } else if let Some(line) = self.alerts.line(&view.scope, id) {
                writer.add(list, &element_of(&line));
            }
            if (index > sent || bytes > 0) && bytes + gone.len() + rows.len() > writer.bytes_max {
                let list = if leaves { gone } else { rows };
                list.truncate(before);
                return Some(index);
            }
        }
        None
    }

    /// Events that were not sent yet, those from the store first.
    fn alert_events(
        &self,
        view: &mut AlertsView,
        cursor: &Cursor,
        events: &mut List,
        writer: &Writer<'_>,
    ) -> Option<Cursor> {
        let at = |version: u64| StreamPosition { epoch: &self.epoch.name, version };
        while let Some(event) = view.supplied.front() {
            let before = events.mark();
            writer.add(events, &Element::AlertEvent(at(event.position.0), event.at_ms, &event.alert));
            if before.bytes > 0 && events.len() > writer.bytes_max {
                events.truncate(before);
                return Some(Cursor::Event(0, 0));
            }
            view.supplied.pop_front();
        }
        if view.events_from < self.alerts.versions(&view.scope).1 {
            // Forgotten since the last part: the next delta begins with reading them from the store.
            return None;
        }
        let (mut version, mut sent) = if let Cursor::Event(version, sent) = *cursor { (version, sent) } else { (0, 0) };
        for event in self.alerts.events_since(view.events_from).skip(sent) {
            let before = events.mark();
            if view.scope.has(&event.change) {
                writer.add(events, &Element::AlertEvent(at(event.version), event.at_ms, &event.change));
            }
            if before.bytes > 0 && events.len() > writer.bytes_max {
                events.truncate(before);
                // Of a version that is told in part the rest is found among all of it.
                let (told, of_next) = if event.version == version { (version - 1, sent) } else { (version, 0) };
                view.events_from = view.events_from.max(told);
                return Some(Cursor::Event(version, of_next));
            }
            sent = if event.version == version { sent + 1 } else { 1 };
            version = event.version;
        }
        view.events_from = self.version;
        None
    }
}

fn element_of<'a>(line: &AlertLine<'a>) -> Element<'a> {
    match *line {
        AlertLine::Alert(alert) => Element::Alert(&alert.change),
        AlertLine::Burst(id, burst, share) => Element::Burst(BurstLine {
            id,
            rule: &burst.rule,
            severity: burst.severity,
            text: &burst.text,
            count: share.count,
            raised: share.raised,
            acknowledged: share.acknowledged,
            first_ms: share.first_ms,
            last_ms: share.last_ms,
        }),
    }
}

impl From<Counts> for AlertCounts {
    fn from(counts: Counts) -> Self {
        let by_severity = |[info, warning, critical]: [u32; 3]| BySeverity { critical, warning, info };
        let (raised, acknowledged) = (by_severity(counts.raised), by_severity(counts.acknowledged));
        AlertCounts { raised, acknowledged, cleared: counts.cleared }
    }
}
