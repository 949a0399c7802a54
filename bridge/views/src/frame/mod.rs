//! The one operation: what a subscription is sent next.
//!
//! - `changes`: what a view with a row for each device has to say; `rows`: parts of it
//! - `groups`: parts of views of groups
//! - `alerts`: parts of views of alerts
//! - `aggregates`: parts of charts
//! - `commands`: parts of views of commands

mod aggregates;
mod alerts;
mod changes;
mod commands;
mod groups;
mod rows;

use smallvec::SmallVec;

use self::changes::Due;
use crate::encode::json::{self, List};
use crate::subscription::{GapReason, Phase, Place, Selector, Snapshot, Subscription, View};
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
        let frame = self.next_frame(subscription, out, bytes_max);
        if subscription.shows_values() {
            self.stands.note(subscription.subscriber, subscription.id, subscription.stands_at());
        }
        if matches!(subscription.phase, Phase::Live) && matches!(frame, Frame::Written | Frame::Nothing) {
            self.wait(subscription);
        }
        frame
    }

    /// The client has everything up to here: its session is woken for the next change.
    fn wait(&self, subscription: &Subscription) {
        let View::Rows(view) = &subscription.view else { return };
        let Some(branch) = self.directory.branches.get(view.branch) else { return };
        match view.selector {
            Selector::Group => branch.changes.wait(subscription.subscriber),
            Selector::Page { .. } => branch.moves.wait(subscription.subscriber),
            Selector::Names => {}
        }
    }

    fn next_frame(&self, subscription: &mut Subscription, out: &mut Vec<u8>, bytes_max: usize) -> Frame {
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
                    None if !matches!(subscription.phase, Phase::Live) => {}
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

    /// Decides whether a delta is due: `None` when it is, or a gap.
    fn begin_delta(&self, subscription: &mut Subscription) -> Option<Frame> {
        let checked = subscription.checked;
        let due = match &mut subscription.view {
            View::Rows(view) => match self.rows_due(view, checked, subscription.subscriber) {
                Due::Nothing => false,
                Due::Delta => true,
                Due::Follow => return Some(Frame::MustFollow),
                Due::Anew => {
                    subscription.phase = Phase::Gap { from: subscription.at, reason: GapReason::Horizon };
                    return None;
                }
            },
            View::Group(_) => {
                // Figures may be here before their entry: what that forgot is followed with it.
                if checked < self.groups.gone_horizon.min(self.version) {
                    return Some(Frame::MustFollow);
                }
                self.groups.version > checked && self.version > checked
            }
            View::Series(view) => {
                let mut charts = view.lines.iter().filter_map(|line| self.charts.get(&line.key));
                charts.any(|chart| chart.version > checked || chart.mend > view.seen)
            }
            View::Alerts(view) => {
                let (newest, horizon) = self.alerts.versions(&view.scope);
                let is_due = view.anew || view.receipt.is_some() || newest > checked;
                if is_due && view.events_from < horizon {
                    return Some(Frame::WantsEvents { after: view.events_from, through: horizon });
                }
                if !is_due {
                    view.events_from = self.version;
                }
                is_due
            }
            View::Commands(_) => self.commands.version > checked,
        };
        if !due {
            subscription.checked = self.version;
            return Some(Frame::Nothing);
        }
        None
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
            View::Rows(view) => self.rows_delta(view, (since, to), bytes_max),
            View::Group(view) => self.group_part(view, Some(since), place, bytes_max),
            View::Series(view) => self.series_part(view, Some(since), place, bytes_max),
            View::Alerts(view) => self.alerts_part(view, Some(since), place, bytes_max),
            View::Commands(view) => self.commands_part(view, Some(since), &place, bytes_max),
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
        out.extend_from_slice(b"{\"type\":\"d\",\"d\":[");
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
        if let View::Rows(view) = &mut subscription.view
            && matches!(&subscription.phase, Phase::Snapshot(Snapshot { at: None, .. }))
        {
            if self.must_follow(view, subscription.subscriber) {
                return Frame::MustFollow;
            }
            view.begin_anew();
        }
        let Phase::Snapshot(snapshot) = &mut subscription.phase else { return Frame::Nothing };
        let at = *snapshot.at.get_or_insert(self.version);
        let place = std::mem::take(&mut snapshot.place);
        let mut missing: SmallVec<[&str; 4]> = SmallVec::new();
        let mut rung_ms = None;
        let mut part = match &mut subscription.view {
            View::Rows(view) => {
                let part = self.rows_snapshot(view, snapshot, (at, place), bytes_max);
                if part.next.is_none() {
                    missing = rows::missing_names(view);
                }
                part
            }
            View::Group(view) => self.group_part(view, None, place, bytes_max),
            View::Series(view) => {
                rung_ms = Some(view.rung.width_ms());
                self.series_part(view, None, place, bytes_max)
            }
            View::Alerts(view) => {
                view.events_from = at;
                self.alerts_part(view, None, place, bytes_max)
            }
            View::Commands(view) => self.commands_part(view, None, &place, bytes_max),
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
        if !missing.is_empty() {
            out.extend_from_slice(b",\"missing\":");
            json::object(out, &missing.as_slice());
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
            "n" => list.finish("counts", out),
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
