use std::collections::VecDeque;

use tidegate_telemetry::{Position, Qos};

use super::inbound::Inbound;
use super::machine::Machine;
use super::outbound::{self, Answer, Denial};

/// An answer that waits for the disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub position: Position,
    packet_id: u16,
    answer: Answer,
    bytes: u32,
}

/// Later than everything durable.
pub(super) const UNPLACED: Position = Position(u64::MAX);

/// Acknowledgements of what the client publishes: they leave when it is durable, in the order it came.
impl Machine {
    pub(super) fn expect_answer(&mut self, publish: &Inbound<'_>) {
        let answer = match publish.qos {
            Qos::AtMostOnce => return,
            Qos::AtLeastOnce => Answer::Puback,
            Qos::ExactlyOnce => {
                self.received.insert(publish.packet_id, UNPLACED);
                Answer::Pubrec
            }
        };
        self.unplaced += 1;
        let bytes = u32::try_from(publish.payload.len() + publish.topic.len()).unwrap_or(u32::MAX);
        self.push_pending(Pending { position: UNPLACED, packet_id: publish.packet_id, answer, bytes });
    }

    pub(super) fn answer_refused(&mut self, publish: &Inbound<'_>, why: Denial) {
        let answer = match publish.qos {
            Qos::AtMostOnce => return,
            Qos::AtLeastOnce => Answer::PubackDenied(why),
            Qos::ExactlyOnce => Answer::PubrecDenied(why),
        };
        self.push_answer(Position::START, publish.packet_id, answer);
    }

    /// A QoS 2 PUBLISH came again before its PUBREL: it gets its PUBREC, and no second entry (MQTT-4.3.3-10).
    pub(super) fn answer_repeated(&mut self, packet_id: u16) {
        let waiting = self.pending.iter().any(|p| p.packet_id == packet_id && p.answer == Answer::Pubrec);
        if !waiting {
            let position = self.received.get(&packet_id).copied().unwrap_or(Position::START);
            self.push_answer(position, packet_id, Answer::Pubrec);
        }
    }

    pub(super) fn released(&mut self, packet_id: u16) {
        match self.received.remove(&packet_id) {
            Some(position) => self.push_answer(position, packet_id, Answer::Pubcomp),
            None => self.push_answer(Position::START, packet_id, Answer::PubcompNotFound),
        }
    }

    /// Adds an answer to something that is in the log already, or is among the publications not yet placed.
    pub(super) fn push_answer(&mut self, position: Position, packet_id: u16, answer: Answer) {
        // What stands behind an unplaced answer is placed with it, at the latest when the client's batch is.
        if position == UNPLACED || self.unplaced > 0 {
            self.unplaced += 1;
        }
        self.push_pending(Pending { position, packet_id, answer, bytes: 0 });
    }

    pub(super) fn push_pending(&mut self, pending: Pending) {
        self.pending_bytes += pending.bytes as usize;
        self.pending.push_back(pending);
    }

    /// Everything handed out as [`Request::Publish`] so far stands in the log at or before `position`.
    pub(crate) fn appended(&mut self, position: Position) {
        let from = self.pending.len() - self.unplaced;
        for pending in self.pending.range_mut(from..) {
            pending.position = position;
            if pending.answer == Answer::Pubrec
                && let Some(place) = self.received.get_mut(&pending.packet_id)
                && *place == UNPLACED
            {
                *place = position;
            }
        }
        self.unplaced = 0;
    }

    /// Lets out the acknowledgements of everything up to `durable`; returns how many.
    pub(crate) fn durable(&mut self, durable: Position) -> usize {
        let mut count = 0;
        while let Some(first) = self.pending.front()
            && first.position <= durable
        {
            let (answer, packet_id, bytes) = (first.answer, first.packet_id, first.bytes);
            self.pending.pop_front();
            self.pending_bytes -= bytes as usize;
            self.send(outbound::answer(self.v5, answer, packet_id));
            count += 1;
        }
        if self.pending.is_empty() {
            self.pending = VecDeque::new();
        }
        count
    }
}
