//! The one operation: what a subscription is sent next.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use crate::directory::is_within;
use crate::encode::json::{self, List};
use crate::encode::{device, fleet, group};
use crate::read::AlertObject;
use crate::subscription::{
    AlertsView, Cells, GapReason, Phase, Place, RowsView, Selector, SeriesView, Snapshot, Subscription, View,
};
use crate::views::Views;

/// Room that the head and the tail of a frame take besides its rows.
const FRAME_MARGIN_BYTES: usize = 256;

/// What became of a request for a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// The client has everything.
    Nothing,
    /// One message was written; there may be more.
    Written,
    /// What the view consists of changed: call [`Views::follow`], then ask again.
    MustFollow,
    /// Alert events after this position and up to the next are no longer in memory: read them from history, call
    /// [`Views::supply_events`], then ask again.
    WantsEvents {
        /// Events after this position.
        after: u64,
        /// Up to this one.
        through: u64,
    },
}

/// What a part of a view wrote, and where the next one begins.
#[derive(Debug, Default)]
struct Part {
    /// Lists in the order of the protocol: key and elements.
    lists: SmallVec<[(&'static str, List); 5]>,
    /// `None`: this part was the last.
    next: Option<Place>,
}

impl Views {
    /// Appends the next message of a subscription to `out`: at most about `bytes_max`, but always at least one row.
    pub fn frame(&self, subscription: &mut Subscription, out: &mut Vec<u8>, bytes_max: usize) -> Frame {
        let rows_bytes_max = bytes_max.saturating_sub(FRAME_MARGIN_BYTES);
        loop {
            match &mut subscription.phase {
                Phase::Waiting { .. } => return Frame::Nothing,
                Phase::Gap { from, reason } => {
                    let reason = match reason {
                        GapReason::Epoch => "epoch",
                        GapReason::Horizon => "horizon",
                    };
                    write_gap(out, subscription.id, (*from, self.version), reason, "snapshot");
                    subscription.phase = Phase::Snapshot(Snapshot::default());
                    return Frame::Written;
                }
                Phase::Snapshot(_) => return self.snapshot_part(subscription, out, rows_bytes_max),
                Phase::Delta { to, place } => {
                    let (to, place) = (*to, std::mem::take(place));
                    return self.delta_part(subscription, to, place, out, rows_bytes_max);
                }
                Phase::Live => match self.begin_delta(subscription) {
                    Some(frame) => return frame,
                    None => {
                        if let Some(frame) = self.receipt(subscription, out) {
                            return frame;
                        }
                        subscription.phase = Phase::Delta { to: self.version, place: Place::Start };
                    }
                },
            }
        }
    }

    /// Decides whether a delta is due: `None` when it is.
    fn begin_delta(&self, subscription: &mut Subscription) -> Option<Frame> {
        let checked = subscription.checked;
        let due = match &subscription.view {
            View::Rows(view) => {
                if view.members_at < self.directory.newest && self.must_follow(view) {
                    return Some(Frame::MustFollow);
                }
                let versions = &self.rows.versions;
                !view.joining.is_empty()
                    || !view.leaving.is_empty()
                    || view.rows.iter().any(|&row| versions.get(row as usize).is_some_and(|&it| it > checked))
            }
            View::Group { .. } => self.groups.version > checked,
            View::Series(view) => {
                view.lines.iter().any(|line| self.charts.get(&line.key).is_some_and(|chart| chart.version > checked))
            }
            View::Alerts(view) => {
                if checked < self.alerts.removed_horizon {
                    return Some(Frame::MustFollow);
                }
                let (after, through) = (view.events_from, self.alerts.events_horizon);
                if after < through {
                    return Some(Frame::WantsEvents { after, through });
                }
                view.receipt.is_some() || self.alerts.version > checked
            }
        };
        if !due {
            subscription.checked = self.version;
            return Some(Frame::Nothing);
        }
        None
    }

    fn must_follow(&self, view: &RowsView) -> bool {
        view.members_at < self.directory.horizon
            || self.directory.moved_since(view.members_at).iter().any(|moved| match &view.selector {
                Selector::Names => view.has(moved.row) || self.is_wanted(view, moved.row),
                Selector::Group(group) | Selector::Page { group, .. } => {
                    moved.before.as_ref().is_some_and(|before| is_within(before, group))
                        || self.rows.get(moved.row).is_some_and(|row| is_within(&row.group, group))
                }
            })
    }

    /// Says that events come from the store.
    fn receipt(&self, subscription: &mut Subscription, out: &mut Vec<u8>) -> Option<Frame> {
        let View::Alerts(view) = &mut subscription.view else { return None };
        let receipt = view.receipt.take()?;
        write_gap(out, subscription.id, receipt, "horizon", "store");
        subscription.phase = Phase::Delta { to: self.version, place: Place::Start };
        Some(Frame::Written)
    }

    fn delta_part(
        &self,
        subscription: &mut Subscription,
        to: u64,
        place: Place,
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Frame {
        let since = subscription.checked;
        let is_first = place == Place::Start;
        let part = match &mut subscription.view {
            View::Rows(view) => self.rows_delta(view, since, place, bytes_max),
            View::Group { group, depth, metrics } => {
                self.group_part((group.as_ref(), *depth, metrics.as_deref()), Some(since), place, bytes_max)
            }
            View::Series(view) => self.series_part(view, since, place, bytes_max),
            View::Alerts(view) => self.alerts_delta(view, since, place, bytes_max),
        };
        let from = subscription.at;
        match part.next {
            Some(next) => subscription.phase = Phase::Delta { to, place: next },
            None => {
                subscription.phase = Phase::Live;
                subscription.checked = to;
            }
        }
        let is_last = matches!(subscription.phase, Phase::Live);
        if is_first && is_last && part.lists.iter().all(|(_, list)| list.is_empty()) {
            return Frame::Nothing;
        }
        out.extend_from_slice(b"{\"d\":[");
        json::integer(out, subscription.id);
        out.push(b',');
        json::integer(out, from);
        out.push(b',');
        json::integer(out, to);
        out.push(b']');
        if is_last {
            subscription.at = to;
        } else {
            out.extend_from_slice(b",\"more\":true");
        }
        for (key, list) in &part.lists {
            list.finish(key, out);
        }
        out.push(b'}');
        Frame::Written
    }

    fn snapshot_part(&self, subscription: &mut Subscription, out: &mut Vec<u8>, bytes_max: usize) -> Frame {
        if let View::Rows(view) = &subscription.view
            && view.members_at < self.directory.newest
            && matches!(&subscription.phase, Phase::Snapshot(Snapshot { at: None, .. }))
            && self.must_follow(view)
        {
            return Frame::MustFollow;
        }
        let Phase::Snapshot(snapshot) = &mut subscription.phase else { return Frame::Nothing };
        let at = *snapshot.at.get_or_insert(self.version);
        let place = std::mem::take(&mut snapshot.place);
        let mut missing: &[Box<str>] = &[];
        let mut rung_ms = None;
        let mut part = match &mut subscription.view {
            View::Rows(view) => {
                if snapshot.part == 0 {
                    view.rows.append(&mut view.joining);
                    view.leaving.clear();
                }
                missing = &view.missing;
                self.rows_snapshot(view, snapshot, place, bytes_max)
            }
            View::Group { group, depth, metrics } => {
                self.group_part((group.as_ref(), *depth, metrics.as_deref()), None, place, bytes_max)
            }
            View::Series(view) => {
                rung_ms = Some(view.rung.width_ms());
                self.series_part(view, 0, place, bytes_max)
            }
            View::Alerts(view) => {
                view.events_from = at;
                self.alerts_snapshot(view, place, bytes_max)
            }
        };
        let is_last = part.next.is_none();
        out.extend_from_slice(b"{\"type\":\"snapshot\",\"id\":");
        json::integer(out, subscription.id);
        out.extend_from_slice(b",\"part\":");
        json::integer(out, snapshot.part);
        out.extend_from_slice(b",\"at\":");
        json::integer(out, at);
        out.extend_from_slice(if is_last { b",\"last\":true" } else { b",\"last\":false" });
        if let Some(rung_ms) = rung_ms {
            out.extend_from_slice(b",\"rung_ms\":");
            json::integer(out, rung_ms);
        }
        if is_last && !missing.is_empty() {
            out.extend_from_slice(b",\"missing\":");
            json::object(out, &missing);
        }
        write_snapshot_rows(&mut part, out);
        match part.next {
            Some(next) => (snapshot.place, snapshot.part) = (next, snapshot.part + 1),
            None => {
                subscription.phase = Phase::Live;
                (subscription.at, subscription.checked) = (at, at);
            }
        }
        Frame::Written
    }

    fn rows_delta(&self, view: &mut RowsView, since: u64, place: Place, bytes_max: usize) -> Part {
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
            let Some(row) = self.rows.get(number) else { continue };
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
                let Some(row) = self.rows.get(number) else {
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

    fn rows_snapshot(&self, view: &RowsView, snapshot: &mut Snapshot, place: Place, bytes_max: usize) -> Part {
        let base_ms = self.epoch.time_base_ms;
        let mut index = if let Place::Row(index) = place { index } else { 0 };
        let (mut rows, mut groups) = (List::default(), List::default());
        while index < view.rows.len() {
            let number = view.rows[index];
            index += 1;
            let Some(row) = self.rows.get(number) else { continue };
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

    fn group_part(
        &self,
        (path, depth, metrics): (&str, usize, Option<&[Box<str>]>),
        since: Option<u64>,
        place: Place,
        bytes_max: usize,
    ) -> Part {
        let (mut rows, mut gone) = (List::default(), List::default());
        let mut last: Option<(&Arc<str>, Option<&Arc<str>>)> = None;
        let mut next = None;
        let changed = |version: u64| since.is_none_or(|since| version > since);
        let groups = self.groups.below(path, depth).filter(|(_, group)| changed(group.version));
        for cell in groups.flat_map(|(path, group)| group::cells_of(path, group, metrics)) {
            let key = (&**cell.group, cell.metric.map_or("", |metric| &**metric));
            if let Place::Aggregate(group, metric) = &place
                && key <= (&**group, &**metric)
            {
                continue;
            }
            if !changed(cell.version) || (cell.is_gone() && since.is_none()) {
                continue;
            }
            if rows.len() + gone.len() + 2 * key.0.len() + 128 > bytes_max
                && let Some((group, metric)) = last
            {
                next = Some(Place::Aggregate(Arc::clone(group), metric.map_or_else(|| "".into(), Arc::clone)));
                break;
            }
            last = Some((cell.group, cell.metric));
            if cell.is_gone() {
                cell.key(gone.next());
            } else {
                cell.row(rows.next(), self.epoch.time_base_ms);
            }
        }
        Part { lists: smallvec![("x", gone), ("r", rows)], next }
    }

    fn series_part(&self, view: &SeriesView, since: u64, place: Place, bytes_max: usize) -> Part {
        let (first_line, first_ms) =
            if let Place::Bucket(line, from_ms) = place { (line, from_ms) } else { (0, i64::MIN) };
        let mut rows = List::default();
        for (index, line) in view.lines.iter().enumerate().skip(first_line) {
            let Some(chart) = self.charts.get(&line.key) else { continue };
            let from_ms = if index == first_line { first_ms.max(view.from_ms) } else { view.from_ms };
            for cell in chart.from(from_ms).filter(|cell| cell.version > since || since == 0) {
                if rows.len() > bytes_max.saturating_sub(160) {
                    return Part { lists: smallvec![("r", rows)], next: Some(Place::Bucket(index, cell.start_ms)) };
                }
                write_bucket(rows.next(), index, cell);
            }
        }
        Part { lists: smallvec![("r", rows)], next: None }
    }

    fn alerts_snapshot(&self, view: &AlertsView, place: Place, bytes_max: usize) -> Part {
        let after = if let Place::Alert(after) = place { after } else { None };
        let mut rows = List::default();
        let next = self.alert_rows(view, after.as_deref(), None, &mut rows, bytes_max);
        Part { lists: smallvec![("r", rows)], next }
    }

    fn alerts_delta(&self, view: &mut AlertsView, since: u64, place: Place, bytes_max: usize) -> Part {
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
    fn alert_rows(
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
    fn alert_events(&self, view: &mut AlertsView, place: Place, events: &mut List, bytes_max: usize) -> Option<Place> {
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

fn write_bucket(out: &mut Vec<u8>, line: usize, cell: &crate::charts::BucketCell) {
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

fn write_gap(out: &mut Vec<u8>, id: u32, (from, to): (u64, u64), reason: &str, done: &str) {
    out.extend_from_slice(b"{\"type\":\"gap\",\"id\":");
    json::integer(out, id);
    out.extend_from_slice(b",\"from\":");
    json::integer(out, from);
    out.extend_from_slice(b",\"to\":");
    json::integer(out, to);
    out.extend_from_slice(b",\"reason\":\"");
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\",\"done\":\"");
    out.extend_from_slice(done.as_bytes());
    out.extend_from_slice(b"\"}");
}

/// Lists under the names that a snapshot has for them; `rows` is there even when it is empty.
fn write_snapshot_rows(part: &mut Part, out: &mut Vec<u8>) {
    for (key, list) in &part.lists {
        match *key {
            "groups" => list.finish("groups", out),
            "r" | "rows" => {
                out.extend_from_slice(b",\"rows\":[");
                out.extend_from_slice(&list.bytes);
                out.push(b']');
            }
            _ => {}
        }
    }
    out.push(b'}');
}
