use tidegate_telemetry::{Position, Qos};

use super::{Machine, Phase};
use crate::sessions::Delivery;
use crate::wire::deliveries::Delivered;
use crate::wire::inbound::Request;
use crate::wire::outbound;

/// What goes to the client.
impl Machine {
    /// Whether the client takes a delivery of that quality of service now (MQTT-3.3.4-9), and it may be lined up.
    pub(crate) fn takes(&self, qos: Qos) -> bool {
        self.phase == Phase::Open && self.deliveries.takes(qos)
    }

    /// Gives a delivery, which the client [`Machine::takes`], its packet identifier: the one it was sent with before,
    /// or a free one. `None` for QoS 0.
    pub(crate) fn bind(&mut self, delivery: &Delivery) -> Option<u16> {
        self.deliveries.bind(delivery, &mut self.codec)
    }

    /// Puts a delivery in line; it goes out when it and everything before it may, by [`Machine::send_next`].
    pub(crate) fn deliver(&mut self, delivery: Delivery, packet_id: Option<u16>, ticket: u64) {
        self.deliveries.line_up(delivery, packet_id, ticket);
    }

    /// Sends the next delivery in line if what it waits for is durable. Returns it, with the packet identifier it has by
    /// now, and what became of it. `waiting_ms` is now as `received_ms` of a message counts.
    pub(crate) fn send_next(
        &mut self,
        durable: Position,
        stored: u64,
        waiting_ms: i64,
    ) -> Option<(Delivery, Delivered)> {
        if self.phase != Phase::Open {
            return None;
        }
        self.deliveries.send_next(durable, stored, waiting_ms, &mut self.codec)
    }

    /// Whether a delivery waits for the disk.
    pub(crate) fn holds_deliveries(&self) -> bool {
        self.deliveries.is_waiting()
    }

    /// QoS 1 and 2 messages that the client has not acknowledged.
    pub(crate) fn outgoing(&self) -> usize {
        self.deliveries.inflight()
    }

    /// The client is done with the packet identifier: PUBACK, PUBCOMP, or a PUBREC that refuses.
    pub(super) fn delivered(&mut self, packet_id: u16, is_refused: bool, requests: &mut Vec<Request>) {
        requests.extend(self.deliveries.delivered(packet_id, is_refused));
    }

    /// PUBREC: the client has the message. Where it is kept the PUBREL waits until that is stored: after a crash a PUBLISH
    /// must not be sent again to a client that has forgotten the identifier.
    pub(super) fn taken(&mut self, packet_id: u16, requests: &mut Vec<Request>) {
        match self.deliveries.taken(packet_id) {
            Some(number) => {
                requests.push(Request::Taken { number });
                self.acknowledgements.release_when_stored(packet_id);
            }
            None => drop(self.codec.send(outbound::pubrel(self.codec.is_v5(), packet_id))),
        }
    }
}
