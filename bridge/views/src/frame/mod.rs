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

use std::sync::Arc;

use smallvec::SmallVec;

use self::changes::Due;
use crate::encoding::{Encoding, Writer};
use crate::message::{GapDone, GapReason, Head, List, ListName};
use crate::position::StreamPosition;
use crate::subscription::{Cursor, Phase, Reached, Selector, Snapshot, Subscription, View};
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
    lists: SmallVec<[(ListName, List); 5]>,
    /// `None`: this part was the last.
    next: Option<Cursor>,
}

impl Part {
    /// Writes the message that it is the content of.
    fn write(&mut self, encoding: &dyn Encoding, head: &Head<'_>, out: &mut Vec<u8>) -> Frame {
        self.lists.retain(|(_, list)| !list.is_empty());
        encoding.message(out, head, &self.lists);
        Frame::Written
    }
}

impl Views {
    /// Appends the next message of a subscription to `out`, as an encoding writes it: at most about `bytes_max`, but always
    /// at least one row.
    pub fn frame(
        &self,
        subscription: &mut Subscription,
        encoding: &dyn Encoding,
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Frame {
        let bytes_max = bytes_max.saturating_sub(FRAME_MARGIN_BYTES);
        let writer = Writer { encoding, base_ms: self.epoch.time_base_ms, bytes_max };
        let frame = self.next_frame(subscription, &writer, out);
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

    fn next_frame(&self, subscription: &mut Subscription, writer: &Writer<'_>, out: &mut Vec<u8>) -> Frame {
        loop {
            match &mut subscription.phase {
                Phase::Waiting { .. } => return Frame::Nothing,
                Phase::Gap { from, reason } => {
                    let (id, to, done) = (subscription.id, self.at(self.version), GapDone::Snapshot);
                    let head = Head::Gap { id, from: from.position(), to, reason: *reason, done };
                    let frame = Part::default().write(writer.encoding, &head, out);
                    subscription.phase = Phase::Snapshot(Snapshot::default());
                    return frame;
                }
                Phase::Snapshot(_) => return self.snapshot_part(subscription, writer, out),
                Phase::Delta { to, cursor } => {
                    let (to, cursor) = (*to, std::mem::take(cursor));
                    return self.delta_part(subscription, (to, cursor), writer, out);
                }
                Phase::Live => match self.begin_delta(subscription) {
                    Some(frame) => return frame,
                    None if !matches!(subscription.phase, Phase::Live) => {}
                    None => {
                        if let Some(frame) = self.receipt(subscription, writer, out) {
                            return frame;
                        }
                        subscription.phase = Phase::Delta { to: self.version, cursor: Cursor::Start };
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
                    let from = Reached { epoch: Arc::clone(&self.epoch.name), version: subscription.at };
                    subscription.phase = Phase::Gap { from, reason: GapReason::Horizon };
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
                charts.any(|chart| chart.version > checked || chart.refresh > view.seen)
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

    /// A version of the present epoch, as clients are told it.
    pub(crate) fn at(&self, version: u64) -> StreamPosition<'_> {
        StreamPosition { epoch: &self.epoch.name, version }
    }

    /// Says that events come from the store.
    fn receipt(&self, subscription: &mut Subscription, writer: &Writer<'_>, out: &mut Vec<u8>) -> Option<Frame> {
        let View::Alerts(view) = &mut subscription.view else { return None };
        let (from, to) = view.receipt.take()?;
        let (from, to, reason, done) = (self.at(from), self.at(to), GapReason::Horizon, GapDone::Store);
        let head = Head::Gap { id: subscription.id, from, to, reason, done };
        subscription.phase = Phase::Delta { to: self.version, cursor: Cursor::Start };
        Some(Part::default().write(writer.encoding, &head, out))
    }

    fn delta_part(
        &self,
        subscription: &mut Subscription,
        (to, cursor): (u64, Cursor),
        writer: &Writer<'_>,
        out: &mut Vec<u8>,
    ) -> Frame {
        let since = subscription.checked;
        let is_first = cursor == Cursor::Start;
        let mut part = match &mut subscription.view {
            View::Rows(view) => self.rows_delta(view, (since, to), writer),
            View::Group(view) => self.group_part(view, Some(since), cursor, writer),
            View::Series(view) => self.series_part(view, Some(since), cursor, writer),
            View::Alerts(view) => self.alerts_part(view, Some(since), cursor, writer),
            View::Commands(view) => self.commands_part(view, Some(since), &cursor, writer),
        };
        let from = subscription.at;
        match part.next.take() {
            Some(next) => subscription.phase = Phase::Delta { to, cursor: next },
            None => {
                subscription.phase = Phase::Live;
                subscription.checked = to;
            }
        }
        let is_last = matches!(subscription.phase, Phase::Live);
        if is_first && is_last && part.lists.iter().all(|(_, list)| list.is_empty()) {
            return Frame::Nothing;
        }
        if is_last {
            subscription.at = to;
        }
        let (id, from, to) = (subscription.id, self.at(from), self.at(to));
        part.write(writer.encoding, &Head::Delta { id, from, to, more: !is_last }, out)
    }

    fn snapshot_part(&self, subscription: &mut Subscription, writer: &Writer<'_>, out: &mut Vec<u8>) -> Frame {
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
        let cursor = std::mem::take(&mut snapshot.cursor);
        let mut missing: SmallVec<[&str; 4]> = SmallVec::new();
        let mut rung_ms = None;
        let mut part = match &mut subscription.view {
            View::Rows(view) => {
                let part = self.rows_snapshot(view, snapshot, (at, cursor), writer);
                if part.next.is_none() {
                    missing = rows::missing_names(view);
                }
                part
            }
            View::Group(view) => self.group_part(view, None, cursor, writer),
            View::Series(view) => {
                rung_ms = Some(view.rung.width_ms());
                self.series_part(view, None, cursor, writer)
            }
            View::Alerts(view) => {
                view.events_from = at;
                self.alerts_part(view, None, cursor, writer)
            }
            View::Commands(view) => self.commands_part(view, None, &cursor, writer),
        };
        let (id, number, last) = (subscription.id, snapshot.part, part.next.is_none());
        let head = Head::Snapshot { id, part: number, at: self.at(at), last, rung_ms, missing: &missing };
        let frame = part.write(writer.encoding, &head, out);
        match part.next {
            Some(next) => (snapshot.cursor, snapshot.part) = (next, number + 1),
            None => {
                subscription.phase = Phase::Live;
                (subscription.at, subscription.checked) = (at, at);
            }
        }
        frame
    }
}
