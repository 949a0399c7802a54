use mqtt_protocol_core::mqtt::packet::GenericPacketTrait;
use tidegate_telemetry::Position;

use super::Machine;
use crate::wire::inbound::Request;
use crate::wire::outbound::{self, Answer, SubscribeOutcome};

/// Answers that wait for the disk.
impl Machine {
    /// PUBREL of the client.
    pub(super) fn released(&mut self, packet_id: u16, requests: &mut Vec<Request>) {
        if self.acknowledgements.release(packet_id, self.client.keeps) {
            requests.push(Request::Released { packet_id });
        }
    }

    /// The next publications handed out as [`Request::Publish`] stand in the log at or before `position`: so many of those
    /// that are to be acknowledged.
    pub(crate) fn appended(&mut self, position: Position, publications: usize) {
        self.acknowledgements.appended(position, publications);
    }

    /// For the next so many publications there is no room. A v5 client is told. A 3.1.1 client cannot be: nothing it
    /// publishes on this connection is taken any more.
    pub(crate) fn found_no_room(&mut self, publications: usize) {
        self.acknowledgements.found_no_room(publications, self.codec.is_v5());
    }

    /// Whether publications of a 3.1.1 client stay without an answer because there was no room for them.
    pub(crate) fn owes_answers(&self) -> bool {
        self.acknowledgements.owes_answers()
    }

    /// Every change of the session that was handed out as a request so far is stored with `ticket`.
    pub(crate) fn changed(&mut self, ticket: u64) {
        self.acknowledgements.changed(ticket);
    }

    /// Lets out the answers to everything up to `durable` in the log and `stored` in the session store; returns how
    /// many publications were acknowledged. None leaves once the connection has ended: nothing may follow a DISCONNECT
    /// (MQTT-3.14.4-1).
    pub(crate) fn durable(&mut self, durable: Position, stored: u64) -> usize {
        if self.has_ended() {
            return 0;
        }
        let mut count = 0;
        while let Some((answer, packet_id)) = self.acknowledgements.next(durable, stored) {
            match answer.denial().filter(|_| self.codec.explains()) {
                Some(why) => {
                    self.codec.send_explained(|v5, why| outbound::answer(v5, answer, packet_id, why), why.words());
                }
                None => drop(self.codec.send(outbound::answer(self.codec.is_v5(), answer, packet_id, None))),
            }
            count += usize::from(answer != Answer::Pubrel);
        }
        while let Some(packet) = self.acknowledgements.next_grant(stored) {
            self.codec.send(packet);
        }
        count
    }

    /// Answers a SUBSCRIBE, one outcome for each filter, once `ticket` is stored; 0 where nothing is to be stored.
    pub(crate) fn subscribed(&mut self, packet_id: u16, outcomes: &[SubscribeOutcome], ticket: u64) {
        let why = outbound::first_refusal(outcomes).filter(|_| self.codec.explains());
        let suback = |why| outbound::suback(self.codec.version(), packet_id, outcomes, why);
        // Without the words where they make it too large for the client (MQTT 5.0 section 3.9.2.1.2).
        let packet = match suback(why) {
            packet if why.is_some() && packet.size() > self.codec.packet_bytes_max() => suback(None),
            packet => packet,
        };
        if let Some(packet) = self.acknowledgements.grant(ticket, packet) {
            self.codec.send(packet);
        }
    }

    /// Answers an UNSUBSCRIBE: whether each filter was subscribed to.
    pub(crate) fn unsubscribed(&mut self, packet_id: u16, existed: &[bool], ticket: u64) {
        let packet = outbound::unsuback(self.codec.is_v5(), packet_id, existed);
        if let Some(packet) = self.acknowledgements.grant(ticket, packet) {
            self.codec.send(packet);
        }
    }

    /// Whether as much of the client is unacknowledged as may be: it is not to be read now.
    pub(crate) fn is_saturated(&self) -> bool {
        self.acknowledgements.is_saturated(&self.limits)
    }

    /// Number of answers that wait for the disk.
    pub(crate) fn pending(&self) -> usize {
        self.acknowledgements.len()
    }
}
