use std::collections::{HashSet, VecDeque};

use super::packet::{self, Outgoing, Packet};

/// A client's half of a session (MQTT 5.0 section 4.1): what it has to remember over connections, and what came of it.
#[derive(Debug, Default)]
pub struct Session {
    /// Client identifier.
    pub client: String,
    /// Speaks version 5, else 3.1.1.
    pub v5: bool,
    /// Publications without their last acknowledgement, in order.
    outgoing: VecDeque<Pending>,
    next_packet_id: u16,
    /// QoS 2 messages that came, whose PUBREL did not.
    unreleased: HashSet<u16>,
    /// The server has said that it keeps the session.
    is_established: bool,
    /// PUBACK or PUBCOMP came.
    pub acknowledged: Vec<Outgoing>,
    /// The server did not want them, and why.
    pub refused: Vec<(Outgoing, u8)>,
    /// What the application got: for QoS 2 once each.
    pub inbox: Vec<Message>,
    /// Code of the newest SUBACK.
    pub granted: Option<u8>,
}

/// A message the client got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: String,
    /// Quality of service.
    pub qos: u8,
    /// It was sent because it is retained.
    pub retain: bool,
}

#[derive(Debug)]
struct Pending {
    packet_id: u16,
    message: Outgoing,
    /// PUBREC came: the message is not to be sent again, its PUBREL is.
    is_received: bool,
}

impl Session {
    pub(super) fn new(client: &str, v5: bool) -> Session {
        Session { client: client.to_owned(), v5, ..Session::default() }
    }

    /// Publications without their last acknowledgement.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.outgoing.len()
    }

    /// A connection was accepted: what was not acknowledged is sent again, in its order (MQTT-4.4.0-1, MQTT-4.6.0-1).
    ///
    /// # Panics
    /// When the server has lost the session.
    pub(super) fn resume(&mut self, session_present: bool) -> Vec<u8> {
        assert!(session_present || !self.is_established, "the server has lost the session of {}", self.client);
        self.is_established = true;
        let again = |pending: &Pending| match pending.is_received {
            true => packet::answer(6, pending.packet_id),
            false => packet::publish(&pending.message, pending.packet_id, true, self.v5),
        };
        self.outgoing.iter().flat_map(again).collect()
    }

    /// A publication; gives its bytes.
    pub(super) fn publish(&mut self, message: Outgoing) -> Vec<u8> {
        let packet_id = self.free_packet_id();
        let bytes = packet::publish(&message, packet_id, false, self.v5);
        if message.qos > 0 {
            self.outgoing.push_back(Pending { packet_id, message, is_received: false });
        }
        bytes
    }

    pub(super) fn free_packet_id(&mut self) -> u16 {
        loop {
            self.next_packet_id = self.next_packet_id % 1000 + 1;
            if self.outgoing.iter().all(|pending| pending.packet_id != self.next_packet_id) {
                return self.next_packet_id;
            }
        }
    }

    /// Takes a packet of the server; gives what the client answers.
    pub(super) fn receive(&mut self, packet: Packet) -> Vec<u8> {
        match packet {
            Packet::Publish { qos, retain, packet_id, topic, payload } => {
                let payload = String::from_utf8_lossy(&payload).into_owned();
                self.deliver(Message { topic, payload, qos, retain }, packet_id)
            }
            Packet::Answer { kind: 5, packet_id, code } if code < 0x80 => {
                let pending = self.outgoing.iter_mut().find(|pending| pending.packet_id == packet_id);
                pending.map_or_else(Vec::new, |pending| {
                    pending.is_received = true;
                    packet::answer(6, packet_id)
                })
            }
            Packet::Answer { kind: 4 | 5 | 7, packet_id, code } => {
                self.complete(packet_id, code);
                Vec::new()
            }
            Packet::Answer { kind: 6, packet_id, .. } => {
                self.unreleased.remove(&packet_id);
                packet::answer(7, packet_id)
            }
            Packet::Answer { kind: 9, code, .. } => {
                self.granted = Some(code);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn deliver(&mut self, message: Message, packet_id: u16) -> Vec<u8> {
        match message.qos {
            0 => {
                self.inbox.push(message);
                Vec::new()
            }
            1 => {
                self.inbox.push(message);
                packet::answer(4, packet_id)
            }
            _ => {
                if self.unreleased.insert(packet_id) {
                    self.inbox.push(message);
                }
                packet::answer(5, packet_id)
            }
        }
    }

    fn complete(&mut self, packet_id: u16, code: u8) {
        let found = self.outgoing.iter().position(|pending| pending.packet_id == packet_id);
        let Some(Pending { message, .. }) = found.and_then(|at| self.outgoing.remove(at)) else { return };
        // A PUBCOMP that does not know the identifier (0x92) ends the exchange as well (section 4.3.3).
        match code {
            0..0x80 | 0x92 => self.acknowledged.push(message),
            _ => self.refused.push((message, code)),
        }
    }
}
