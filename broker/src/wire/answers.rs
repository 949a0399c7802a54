use std::collections::{BTreeMap, VecDeque};

use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet};
use tidegate_telemetry::{Position, Qos};

use super::inbound::{Inbound, Request};
use super::machine::Machine;
use super::outbound::{self, Answer, Denial, SubscribeOutcome};

/// An answer that waits for the disk: for its entry in the log, for a change of the session in the store, or both.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    position: Position,
    ticket: u64,
    packet_id: u16,
    answer: Answer,
    bytes: u32,
}

impl Pending {
    fn is_unplaced_publication(&self) -> bool {
        self.position == UNPLACED && matches!(self.answer, Answer::Puback | Answer::Pubrec)
    }
}

/// Later than everything durable.
pub(super) const UNPLACED: Position = Position(u64::MAX);

/// Of what gets no answer, until it is removed.
const UNANSWERED: Position = Position(u64::MAX - 1);

/// A change of the session whose ticket is not known yet.
const UNSTORED: u64 = u64::MAX;

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
        self.push_pending(Pending { position: UNPLACED, ticket: 0, packet_id: publish.packet_id, answer, bytes });
    }

    pub(super) fn answer_refused(&mut self, publish: &Inbound<'_>, why: Denial) {
        let answer = match publish.qos {
            Qos::AtMostOnce => return,
            Qos::AtLeastOnce => Answer::PubackDenied(why),
            Qos::ExactlyOnce => Answer::PubrecDenied(why),
        };
        self.push_answer(Position::START, 0, publish.packet_id, answer);
    }

    /// A QoS 2 PUBLISH came again before its PUBREL: it gets its PUBREC, and no second entry (MQTT-4.3.3-10).
    pub(super) fn answer_repeated(&mut self, packet_id: u16) {
        if self.owes_answers && !self.received.contains_key(&packet_id) {
            return;
        }
        let waiting = self.pending.iter().any(|p| p.packet_id == packet_id && p.answer == Answer::Pubrec);
        if !waiting {
            let position = self.received.get(&packet_id).copied().unwrap_or(Position::START);
            self.push_answer(position, 0, packet_id, Answer::Pubrec);
        }
    }

    /// PUBREL: the identifier is free. Where the session outlives the connection the PUBCOMP waits until that is
    /// stored: else the client's next message of that identifier would count as a repetition after a crash.
    pub(super) fn released(&mut self, packet_id: u16, requests: &mut Vec<Request>) {
        match self.received.remove(&packet_id) {
            Some(position) if self.keeps => {
                requests.push(Request::Released { packet_id });
                self.push_answer(position, UNSTORED, packet_id, Answer::Pubcomp);
            }
            Some(position) => self.push_answer(position, 0, packet_id, Answer::Pubcomp),
            None => self.push_answer(Position::START, 0, packet_id, Answer::PubcompNotFound),
        }
    }

    /// PUBREL towards a subscriber, which waits until its PUBREC is stored: after a crash a PUBLISH must not be sent
    /// again to a client that has forgotten the identifier.
    pub(super) fn release_when_stored(&mut self, packet_id: u16) {
        self.push_answer(Position::START, UNSTORED, packet_id, Answer::Pubrel);
    }

    /// Adds an answer to something that is in the log already, or is among the publications not yet placed.
    fn push_answer(&mut self, position: Position, ticket: u64, packet_id: u16, answer: Answer) {
        // What stands behind an unplaced answer is placed with it, at the latest when the client's batch is.
        if position == UNPLACED || self.unplaced > 0 {
            self.unplaced += 1;
        }
        self.push_pending(Pending { position, ticket, packet_id, answer, bytes: 0 });
    }

    fn push_pending(&mut self, pending: Pending) {
        self.pending_bytes += pending.bytes as usize;
        self.pending.push_back(pending);
    }

    /// The next publications handed out as [`Request::Publish`] stand in the log at or before `position`: so many of those
    /// that are to be acknowledged.
    pub(crate) fn appended(&mut self, position: Position, publications: usize) {
        self.place(publications, |pending, received| {
            pending.position = position;
            if pending.answer == Answer::Pubrec
                && let Some(place) = received.get_mut(&pending.packet_id)
                && *place == UNPLACED
            {
                *place = position;
            }
        });
    }

    /// For the next so many publications there is no room. A v5 client is told. A 3.1.1 client cannot be, so it gets no
    /// answer: nothing it publishes on this connection is taken any more, and when there is room again the connection
    /// ends, for the client to send it once more (MQTT 3.1.1 section 4.4).
    pub(crate) fn found_no_room(&mut self, publications: usize) {
        let (mut refused, answered) = (0, if self.version.is_v5() { Position::START } else { UNANSWERED });
        self.place(publications, |pending, received| {
            if pending.position != UNPLACED {
                return;
            }
            refused += 1;
            pending.position = answered;
            pending.answer = match pending.answer {
                Answer::Puback => Answer::PubackDenied(Denial::QuotaExceeded),
                Answer::Pubrec => {
                    received.remove(&pending.packet_id);
                    Answer::PubrecDenied(Denial::QuotaExceeded)
                }
                // The PUBREL came before the PUBREC.
                _ => Answer::PubcompNotFound,
            };
        });
        if !self.version.is_v5() {
            self.owes_answers |= refused > 0;
            self.pending.retain(|pending| pending.position != UNANSWERED);
            self.pending_bytes = self.pending.iter().map(|pending| pending.bytes as usize).sum();
        }
    }

    /// The next publications without a place get one, and what stands behind each of them.
    fn place(&mut self, publications: usize, mut each: impl FnMut(&mut Pending, &mut BTreeMap<u16, Position>)) {
        let (from, mut left) = (self.pending.len() - self.unplaced, publications);
        for pending in self.pending.range_mut(from..) {
            if pending.is_unplaced_publication() {
                if left == 0 {
                    break;
                }
                left -= 1;
            }
            self.unplaced -= 1;
            each(pending, &mut self.received);
        }
    }

    /// Whether publications of a 3.1.1 client stay without an answer because there was no room for them.
    pub(crate) fn owes_answers(&self) -> bool {
        self.owes_answers
    }

    /// Every change of the session that was handed out as a request so far is stored with `ticket`.
    pub(crate) fn changed(&mut self, ticket: u64) {
        for pending in self.pending.iter_mut().filter(|pending| pending.ticket == UNSTORED) {
            pending.ticket = ticket;
        }
    }

    /// Lets out the answers to everything up to `durable` in the log and `stored` in the session store; returns how
    /// many publications were acknowledged. None leaves once the connection has ended: nothing may follow a DISCONNECT
    /// (MQTT-3.14.4-1).
    pub(crate) fn durable(&mut self, durable: Position, stored: u64) -> usize {
        if self.ended().is_some() {
            return 0;
        }
        let mut count = 0;
        while let Some(first) = self.pending.front()
            && first.position <= durable
            && first.ticket <= stored
        {
            let (answer, packet_id, bytes) = (first.answer, first.packet_id, first.bytes);
            self.pending.pop_front();
            self.pending_bytes -= bytes as usize;
            match answer.denial().filter(|_| self.explains) {
                Some(why) => self.send_explained(|v5, why| outbound::answer(v5, answer, packet_id, why), why.words()),
                None => self.send(outbound::answer(self.version.is_v5(), answer, packet_id, None)),
            }
            count += usize::from(answer != Answer::Pubrel);
        }
        if self.pending.is_empty() {
            self.pending = VecDeque::new();
        }
        while let Some((ticket, _)) = self.grants.front()
            && *ticket <= stored
            && let Some((_, packet)) = self.grants.pop_front()
        {
            self.send(*packet);
        }
        count
    }

    /// Answers a SUBSCRIBE, one outcome for each filter, once `ticket` is stored; 0 where nothing is to be stored.
    pub(crate) fn subscribed(&mut self, packet_id: u16, outcomes: &[SubscribeOutcome], ticket: u64) {
        let why = outbound::first_refusal(outcomes).filter(|_| self.explains);
        let packet = outbound::suback(self.version, packet_id, outcomes, why);
        // Without the words where they make it too large for the client (MQTT 5.0 section 3.9.2.1.2).
        let packet = match why {
            Some(_) if packet.size() > self.client_packet_bytes_max => {
                outbound::suback(self.version, packet_id, outcomes, None)
            }
            _ => packet,
        };
        self.grant(ticket, packet);
    }

    /// Answers an UNSUBSCRIBE: whether each filter was subscribed to.
    pub(crate) fn unsubscribed(&mut self, packet_id: u16, existed: &[bool], ticket: u64) {
        self.grant(ticket, outbound::unsuback(self.version.is_v5(), packet_id, existed));
    }

    /// Sends a SUBACK or UNSUBACK once the subscriptions are stored with `ticket`; 0 where nothing is to be stored.
    fn grant(&mut self, ticket: u64, packet: Packet) {
        if ticket == 0 && self.grants.is_empty() {
            return self.send(packet);
        }
        self.grants.push_back((ticket, Box::new(packet)));
    }
}
