//! PUBACK, PUBREC and PUBCOMP, which wait for the disk.

use std::collections::{BTreeMap, VecDeque};

use mqtt_protocol_core::mqtt::packet::Packet;
use tidegate_telemetry::{Position, Qos};

use super::inbound::Inbound;
use super::limits::Limits;
use super::outbound::{Answer, Denial};

/// Acknowledgements of what the client publishes: they leave when it is durable, in the order it came (MQTT-4.6.0-2).
#[derive(Default)]
pub(super) struct Acknowledgements {
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    /// A 3.1.1 client's publications found no room; see [`Acknowledgements::found_no_room`].
    owes_answers: bool,
    /// How many at the end of `pending` have been handed out as requests and have no place in the log yet.
    unplaced: u32,
    /// QoS 2 identifiers of the client that are not released, and where their publications stand in the log.
    received: BTreeMap<u16, Position>,
    /// SUBACKs and UNSUBACKs that wait for the session store, with their tickets.
    grants: VecDeque<(u64, Box<Packet>)>,
}

/// An answer that waits for the disk: for its entry in the log, for a change of the session in the store, or both.
#[derive(Debug, Clone, Copy)]
struct Pending {
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
const UNPLACED: Position = Position(u64::MAX);

/// Of what gets no answer, until it is removed.
const UNANSWERED: Position = Position(u64::MAX - 1);

/// A change of the session whose ticket is not known yet.
const UNSTORED: u64 = u64::MAX;

impl Acknowledgements {
    /// The client has its session: these identifiers of it are not released.
    pub(super) fn restore(&mut self, received: &BTreeMap<u16, Position>) {
        self.received.clone_from(received);
    }

    pub(super) fn expect(&mut self, publish: &Inbound<'_>) {
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

    pub(super) fn refuse(&mut self, publish: &Inbound<'_>, why: Denial) {
        let answer = match publish.qos {
            Qos::AtMostOnce => return,
            Qos::AtLeastOnce => Answer::PubackDenied(why),
            Qos::ExactlyOnce => Answer::PubrecDenied(why),
        };
        self.push_answer(Position::START, 0, publish.packet_id, answer);
    }

    /// A QoS 2 PUBLISH came again before its PUBREL: it gets its PUBREC, and no second entry (MQTT-4.3.3-10).
    pub(super) fn repeat(&mut self, packet_id: u16) {
        if self.owes_answers && !self.received.contains_key(&packet_id) {
            return;
        }
        let waiting = self.pending.iter().any(|p| p.packet_id == packet_id && p.answer == Answer::Pubrec);
        if !waiting {
            let position = self.received.get(&packet_id).copied().unwrap_or(Position::START);
            self.push_answer(position, 0, packet_id, Answer::Pubrec);
        }
    }

    /// PUBREL: the identifier is free. Where the session outlives the connection (`keeps`) the PUBCOMP waits until that is
    /// stored: else the client's next message of that identifier would count as a repetition after a crash. Returns
    /// whether it is to be stored.
    pub(super) fn release(&mut self, packet_id: u16, keeps: bool) -> bool {
        let (position, ticket, answer) = match self.received.remove(&packet_id) {
            Some(position) if keeps => (position, UNSTORED, Answer::Pubcomp),
            Some(position) => (position, 0, Answer::Pubcomp),
            None => (Position::START, 0, Answer::PubcompNotFound),
        };
        self.push_answer(position, ticket, packet_id, answer);
        ticket == UNSTORED
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

    /// The next publications handed out as requests stand in the log at or before `position`: so many of those
    /// that are to be acknowledged.
    pub(super) fn appended(&mut self, position: Position, publications: usize) {
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
    pub(super) fn found_no_room(&mut self, publications: usize, v5: bool) {
        let (mut refused, answered) = (0, if v5 { Position::START } else { UNANSWERED });
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
        if !v5 {
            self.owes_answers |= refused > 0;
            self.pending.retain(|pending| pending.position != UNANSWERED);
            self.pending_bytes = self.pending.iter().map(|pending| pending.bytes as usize).sum();
        }
    }

    /// The next publications without a place get one, and what stands behind each of them.
    fn place(&mut self, publications: usize, mut each: impl FnMut(&mut Pending, &mut BTreeMap<u16, Position>)) {
        let (from, mut left) = (self.pending.len() - self.unplaced as usize, publications);
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
    pub(super) fn owes_answers(&self) -> bool {
        self.owes_answers
    }

    /// Every change of the session that was handed out as a request so far is stored with `ticket`.
    pub(super) fn changed(&mut self, ticket: u64) {
        for pending in self.pending.iter_mut().filter(|pending| pending.ticket == UNSTORED) {
            pending.ticket = ticket;
        }
    }

    /// The next answer to something up to `durable` in the log and `stored` in the session store, and its packet identifier.
    pub(super) fn next(&mut self, durable: Position, stored: u64) -> Option<(Answer, u16)> {
        self.pending.front().filter(|first| first.position <= durable && first.ticket <= stored)?;
        let next = self.pending.pop_front()?;
        self.pending_bytes -= next.bytes as usize;
        if self.pending.is_empty() {
            self.pending = VecDeque::new();
        }
        Some((next.answer, next.packet_id))
    }

    /// A SUBACK or UNSUBACK may leave once the subscriptions are stored with `ticket`; it is given back where it may at
    /// once: nothing is to be stored, and none waits before it.
    pub(super) fn grant(&mut self, ticket: u64, packet: Packet) -> Option<Packet> {
        if ticket == 0 && self.grants.is_empty() {
            return Some(packet);
        }
        self.grants.push_back((ticket, Box::new(packet)));
        None
    }

    /// The next SUBACK or UNSUBACK whose subscriptions are stored.
    pub(super) fn next_grant(&mut self, stored: u64) -> Option<Packet> {
        self.grants.front().filter(|(ticket, _)| *ticket <= stored)?;
        self.grants.pop_front().map(|(_, packet)| *packet)
    }

    /// Number of answers that wait for the disk.
    pub(super) fn len(&self) -> usize {
        self.pending.len() + self.grants.len()
    }

    /// Whether as much of the client is unacknowledged as may be.
    pub(super) fn is_saturated(&self, limits: &Limits) -> bool {
        self.pending.len() >= usize::from(limits.receive_max) || self.pending_bytes >= limits.inflight_bytes_max
    }

    /// QoS 2 identifiers for the session. What never got its place in the log was not received.
    pub(super) fn take_received(&mut self) -> Vec<(u16, Position)> {
        std::mem::take(&mut self.received).into_iter().filter(|(_, position)| *position != UNPLACED).collect()
    }
}
