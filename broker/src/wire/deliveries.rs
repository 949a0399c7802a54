use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tidegate_telemetry::{CommandId, Position, Qos};

use super::inbound::Request;
use super::machine::{Machine, Phase};
use super::{frame, outbound};
use crate::sessions::Delivery;

/// What is on its way to the client.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// Packet identifiers the client has not completed.
    inflight: HashMap<u16, Inflight>,
    /// Deliveries that have their packet identifier and wait for the disk, in order.
    held: VecDeque<Held>,
    /// Identifiers whose PUBREL was sent again on resumption, without the protocol crate.
    released_before: HashSet<u16>,
    aliases: HashMap<Arc<str>, u16>,
}

/// What was sent under a packet identifier.
#[derive(Debug, Clone, Copy)]
struct Inflight {
    /// Number of the delivery in the session; 0 where it is in no mailbox.
    number: u64,
    command: Option<CommandId>,
}

#[derive(Debug)]
struct Held {
    delivery: Delivery,
    packet_id: Option<u16>,
    ticket: u64,
}

impl Deliveries {
    /// How many the client has not completed.
    pub(super) fn inflight(&self) -> usize {
        self.inflight.len()
    }
}

/// Deliveries that may wait for the disk in the connection, besides those of QoS 1 and 2.
const HELD_MAX: usize = 64;

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    Sent,
    /// Its expiry interval passed (MQTT-3.3.2-5).
    Expired,
    /// The client takes no packets that large (MQTT-3.1.2-24).
    TooLarge,
}

/// What the client gets, within what it takes at a time.
impl Machine {
    /// Whether the client takes a delivery of that quality of service now (MQTT-3.3.4-9), and it may be lined up.
    pub(crate) fn takes(&self, qos: Qos) -> bool {
        self.phase == Phase::Open
            && self.deliveries.as_ref().is_none_or(|now| {
                let has_room = match qos {
                    Qos::AtMostOnce => now.held.len() < HELD_MAX,
                    Qos::AtLeastOnce | Qos::ExactlyOnce => now.inflight.len() < usize::from(self.deliveries_max),
                };
                has_room && !now.held.back().is_some_and(|held| held.delivery.is_noted_when_sent())
            })
    }

    /// Gives a delivery, which the client [`Machine::takes`], its packet identifier: the one it was sent with before,
    /// or a free one. `None` for QoS 0.
    pub(crate) fn bind(&mut self, delivery: &Delivery) -> Option<u16> {
        if delivery.qos == Qos::AtMostOnce {
            return None;
        }
        let packet_id = match delivery.packet_id {
            0 => self.mqtt.acquire_packet_id().expect("no more are in flight than the receive maximum"),
            before => {
                // Taken already only if the store held one identifier twice; the send is refused then.
                let _ = self.mqtt.register_packet_id(before);
                before
            }
        };
        let inflight = Inflight { number: delivery.number, command: delivery.message.command() };
        self.deliveries.get_or_insert_default().inflight.insert(packet_id, inflight);
        Some(packet_id)
    }

    /// Puts a delivery in line; it goes out when it and everything before it may, by [`Machine::send_next`].
    pub(crate) fn deliver(&mut self, delivery: Delivery, packet_id: Option<u16>, ticket: u64) {
        self.deliveries.get_or_insert_default().held.push_back(Held { delivery, packet_id, ticket });
    }

    /// Sends the next delivery in line if what it waits for is durable. Returns it, with the packet identifier it has by
    /// now, and what became of it. `waiting_ms` is now as `received_ms` of a message counts.
    pub(crate) fn send_next(
        &mut self,
        durable: Position,
        stored: u64,
        waiting_ms: i64,
    ) -> Option<(Delivery, Delivered)> {
        let held = &mut self.deliveries.as_mut()?.held;
        let first = held.front()?;
        if first.delivery.after > durable || first.ticket > stored || self.phase != Phase::Open {
            return None;
        }
        let Held { mut delivery, packet_id, .. } = held.pop_front()?;
        if held.is_empty() {
            *held = VecDeque::new();
        }
        let delivered = self.send_delivery(&delivery, packet_id, waiting_ms);
        if delivered != Delivered::Sent
            && let Some(packet_id) = packet_id
        {
            self.mqtt.release_packet_id(packet_id);
            self.complete(packet_id);
        }
        delivery.packet_id = packet_id.unwrap_or(0);
        Some((delivery, delivered))
    }

    /// Whether a delivery waits for the disk.
    pub(crate) fn holds_deliveries(&self) -> bool {
        self.deliveries.as_ref().is_some_and(|now| !now.held.is_empty())
    }

    fn send_delivery(&mut self, delivery: &Delivery, packet_id: Option<u16>, waiting_ms: i64) -> Delivered {
        if delivery.is_released
            && let Some(packet_id) = packet_id
        {
            return self.release_again(packet_id);
        }
        let expiry = delivery.message.properties.as_ref().and_then(|properties| properties.message_expiry_interval_s);
        let waited_s = u32::try_from((waiting_ms - delivery.message.received_ms).max(0) / 1000).unwrap_or(u32::MAX);
        let left_s = expiry.map(|expiry_s| expiry_s.saturating_sub(waited_s));
        if left_s == Some(0) && delivery.packet_id == 0 {
            return Delivered::Expired;
        }
        let alias = self.alias(&delivery.message.topic);
        let before = self.output.len();
        if let Ok(packet) = outbound::publish(self.version.is_v5(), delivery, packet_id, left_s, alias) {
            self.send(packet);
        }
        if self.output.len() == before {
            return Delivered::TooLarge;
        }
        if let Some((alias, true)) = alias {
            let topic = Arc::clone(&delivery.message.topic);
            self.deliveries.get_or_insert_default().aliases.insert(topic, alias);
        }
        Delivered::Sent
    }

    /// The alias of a topic towards this client, and whether it is new (MQTT 5.0 section 3.3.2.3.4). The first topics
    /// get one each; which topic an alias means never changes.
    fn alias(&self, topic: &Arc<str>) -> Option<(u16, bool)> {
        if self.alias_max == 0 {
            return None;
        }
        let aliases = self.deliveries.as_ref().map(|now| &now.aliases);
        if let Some(alias) = aliases.and_then(|aliases| aliases.get(topic)) {
            return Some((*alias, false));
        }
        let next = u16::try_from(aliases.map_or(0, HashMap::len)).unwrap_or(u16::MAX);
        (next < self.alias_max).then(|| (next + 1, true))
    }

    /// The client had the message when its connection broke: its PUBREL is sent again. Past the crate, which would
    /// miscount the receive maximum; the packet is the same in both versions.
    fn release_again(&mut self, packet_id: u16) -> Delivered {
        let [high, low] = packet_id.to_be_bytes();
        self.write_bytes(&[0x62, 2, high, low]);
        self.deliveries.get_or_insert_default().released_before.insert(packet_id);
        Delivered::Sent
    }

    /// Whether a PUBCOMP belongs to a PUBREL that was sent past the crate; then it is done with.
    pub(super) fn completes_released_before(&mut self, packet: &[u8], requests: &mut Vec<Request>) -> bool {
        let (Some(0x70), &[high, low, ..]) = (packet.first(), frame::body(packet)) else { return false };
        let packet_id = u16::from_be_bytes([high, low]);
        if !self.deliveries.as_mut().is_some_and(|now| now.released_before.remove(&packet_id)) {
            return false;
        }
        self.mqtt.release_packet_id(packet_id);
        self.delivered(packet_id, false, requests);
        true
    }

    /// The client is done with the packet identifier: PUBACK, PUBCOMP, or a PUBREC that refuses.
    pub(super) fn delivered(&mut self, packet_id: u16, is_refused: bool, requests: &mut Vec<Request>) {
        let Some(Inflight { number, command }) = self.complete(packet_id) else { return };
        match command {
            Some(command) => requests.push(Request::CommandDone { command, number, is_refused }),
            None if number > 0 => requests.push(Request::Settled { number }),
            None => {}
        }
    }

    /// PUBREC: the client has the message.
    pub(super) fn taken(&mut self, packet_id: u16, requests: &mut Vec<Request>) {
        match self.deliveries.as_ref().and_then(|now| now.inflight.get(&packet_id)) {
            Some(inflight) if inflight.number > 0 => {
                requests.push(Request::Taken { number: inflight.number });
                self.release_when_stored(packet_id);
            }
            _ => self.send(outbound::pubrel(self.version.is_v5(), packet_id)),
        }
    }

    fn complete(&mut self, packet_id: u16) -> Option<Inflight> {
        self.deliveries.as_mut()?.inflight.remove(&packet_id)
    }
}
