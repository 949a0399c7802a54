//! The live protocol as JSON (docs/protocol.md).
//!
//! - `words`: numbers, texts and the like; `device`, `group`: rows

mod device;
mod group;
mod words;

use serde::Serialize;
use tidegate_telemetry::Severity;
use tidegate_views::message::{AlertCounts, BurstLine, Element, GapDone, GapReason, Head, List, ListName};
use tidegate_views::{Encoding, StreamPosition};

use super::encoding::LiveEncoding;
use super::message::ServerMessage;
use super::position::PositionForm;
use crate::api::{Alert, CommandInBrief};

/// The encoding `json`, as a version of the protocol has it.
#[derive(Debug)]
pub struct Json {
    protocol: u32,
    positions: PositionForm,
}

impl Json {
    /// Positions are numbers that mean something within the epoch that `welcome` named.
    pub const PROTOCOL_1: Json = Json { protocol: 1, positions: PositionForm::Number };
    /// Positions are opaque texts.
    pub const PROTOCOL_2: Json = Json { protocol: 2, positions: PositionForm::Text };

    fn position(&self, out: &mut Vec<u8>, position: StreamPosition<'_>) {
        match self.positions {
            PositionForm::Number => words::integer(out, position.version),
            PositionForm::Text => {
                // A name of an epoch has no character that JSON would write otherwise.
                out.push(b'"');
                position.write(out);
                out.push(b'"');
            }
        }
    }
}

impl LiveEncoding for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn protocol(&self) -> u32 {
        self.protocol
    }

    fn positions(&self) -> PositionForm {
        self.positions
    }

    fn is_text(&self) -> bool {
        true
    }

    fn say(&self, message: &ServerMessage<'_>) -> Vec<u8> {
        serde_json::to_vec(message).expect("these structures have text keys and finite numbers")
    }
}

impl Encoding for Json {
    fn element(&self, out: &mut Vec<u8>, element: &Element<'_>, base_ms: i64) {
        match element {
            Element::Device(row) => device::whole(out, row, base_ms),
            Element::Values(row) => device::values(out, row, base_ms),
            Element::Status(row) => device::status(out, row, base_ms),
            Element::About(row) => device::about(out, row),
            Element::Column { row, index, definition } => device::column(out, (*row, *index), definition),
            Element::FleetDevice(row, group) => device::in_brief(out, row, *group, base_ms),
            Element::FleetChange(row) => device::change_in_brief(out, row, base_ms),
            Element::FleetName(row) => device::name(out, row),
            Element::GroupName(path) => words::text(out, path),
            Element::RowLeft(row) => words::integer(out, *row),
            Element::Figures(cell) => group::figures(out, cell, base_ms),
            Element::FiguresLeft(group, metric) => group::key(out, group, *metric),
            Element::Bucket(line, start_ms, bucket) => group::bucket(out, (*line, *start_ms), bucket),
            Element::BucketLeft(line, start_ms) => group::bucket_key(out, *line, *start_ms),
            Element::Alert(alert) => words::object(out, &Alert(*alert)),
            Element::Burst(line) => words::object(out, &Burst::from(line)),
            Element::LineLeft(id) => words::text(out, id),
            Element::AllLinesLeft => out.extend_from_slice(b"\"*\""),
            Element::AlertEvent(position, at_ms, alert) => {
                out.push(b'[');
                self.position(out, *position);
                out.push(b',');
                words::integer(out, *at_ms);
                out.push(b',');
                words::object(out, &Alert(*alert));
                out.push(b']');
            }
            Element::Seam(line, seam) => words::object(out, &(line, seam.at_ms, seam.older, &seam.missing)),
            Element::Counts(counts) => alert_counts(out, counts),
            Element::Command(command) => words::object(out, &CommandInBrief(command)),
            Element::CommandLeft(id) => words::text(out, &id.to_string()),
        }
    }

    fn separator(&self) -> &'static [u8] {
        b","
    }

    fn message(&self, out: &mut Vec<u8>, head: &Head<'_>, lists: &[(ListName, List)]) {
        match *head {
            Head::Gap { id, from, to, reason, done } => self.gap(out, id, (from, to), (reason, done)),
            Head::Delta { id, from, to, more } => {
                out.extend_from_slice(b"{\"type\":\"d\",\"d\":[");
                words::integer(out, id);
                out.push(b',');
                self.position(out, from);
                out.push(b',');
                self.position(out, to);
                out.extend_from_slice(if more { b"],\"more\":true" } else { b"]" });
                for (name, list) in lists {
                    words::list(out, key_in_delta(*name), list);
                }
                out.push(b'}');
            }
            Head::Snapshot { .. } => self.snapshot(out, head, lists),
        }
    }

    fn shared_as(&self) -> Option<usize> {
        Some(0)
    }
}

impl Json {
    fn gap(
        &self,
        out: &mut Vec<u8>,
        id: u32,
        (from, to): (StreamPosition<'_>, StreamPosition<'_>),
        (reason, done): (GapReason, GapDone),
    ) {
        out.extend_from_slice(b"{\"type\":\"gap\",\"id\":");
        words::integer(out, id);
        out.extend_from_slice(b",\"from\":");
        self.position(out, from);
        out.extend_from_slice(b",\"to\":");
        self.position(out, to);
        out.extend_from_slice(match reason {
            GapReason::Epoch => b",\"reason\":\"epoch\"",
            GapReason::Horizon => b",\"reason\":\"horizon\"",
        });
        out.extend_from_slice(match done {
            GapDone::Snapshot => b",\"done\":\"snapshot\"}",
            GapDone::Store => b",\"done\":\"store\"}",
        });
    }

    fn snapshot(&self, out: &mut Vec<u8>, head: &Head<'_>, lists: &[(ListName, List)]) {
        let Head::Snapshot { id, part, at, last, rung_ms, missing } = *head else { return };
        out.extend_from_slice(b"{\"type\":\"snapshot\",\"id\":");
        words::integer(out, id);
        out.extend_from_slice(b",\"part\":");
        words::integer(out, part);
        out.extend_from_slice(b",\"at\":");
        self.position(out, at);
        out.extend_from_slice(if last { b",\"last\":true" } else { b",\"last\":false" });
        if let Some(rung_ms) = rung_ms {
            out.extend_from_slice(b",\"rung_ms\":");
            words::integer(out, rung_ms);
        }
        if !missing.is_empty() {
            out.extend_from_slice(b",\"missing\":");
            words::object(out, &missing);
        }
        for (name, list) in lists {
            match name {
                ListName::Groups => words::list(out, "groups", list),
                ListName::Counts => words::list(out, "counts", list),
                ListName::Seams => words::list(out, "seams", list),
                _ => {}
            }
        }
        // There also when it is empty.
        let rows = lists.iter().find(|(name, _)| *name == ListName::Rows);
        words::list(out, "rows", rows.map_or(&List::default(), |(_, rows)| rows));
        out.push(b'}');
    }
}

fn key_in_delta(name: ListName) -> &'static str {
    match name {
        ListName::Columns => "m",
        ListName::Left => "x",
        ListName::Joined => "a",
        ListName::Rows => "r",
        ListName::Status => "s",
        ListName::Facts => "f",
        ListName::Counts => "n",
        ListName::Events => "e",
        ListName::Groups => "groups",
        ListName::Seams => "h",
    }
}

/// Alerts of one rule that came close to each other, as a line.
#[derive(Serialize)]
struct Burst<'a> {
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

impl<'a> From<&BurstLine<'a>> for Burst<'a> {
    fn from(line: &BurstLine<'a>) -> Self {
        let BurstLine { id, rule, severity, text, count, raised, acknowledged, first_ms, last_ms } = *line;
        Burst { id, rule, severity, text, count, raised, acknowledged, first: first_ms, last: last_ms }
    }
}

/// `[raised],[acknowledged],cleared`; those that hold as `critical,warning,info`.
fn alert_counts(out: &mut Vec<u8>, counts: &AlertCounts) {
    for by_severity in [&counts.raised, &counts.acknowledged] {
        words::object(out, &[by_severity.critical, by_severity.warning, by_severity.info]);
        out.push(b',');
    }
    words::integer(out, counts.cleared);
}
