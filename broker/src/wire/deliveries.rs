//! What goes to the client, within its Receive Maximum.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tidegate_telemetry::{CommandId, Position, Qos};

use super::codec::Codec;
use super::inbound::Request;
use super::{frame, outbound};
use crate::sessions::Delivery;

/// What goes to the client, within what it takes at a time.
#[derive(Debug)]
pub(super) struct Deliveries {
    /// QoS 1 and 2 messages the client takes at a time.
    max: u16,
    /// Topic aliases towards the client.
    alias_max: u16,
    /// Made with the first delivery: most clients only publish.
    begun: Option<Box<Begun>>,
}

/// What is on its way.
#[derive(Debug, Default)]
struct Begun {
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

impl Deliveries {
    /// Takes `max` at a time at most.
    pub(super) fn new(max: u16) -> Self {
        Deliveries { max, alias_max: 0, begun: None }
    }

    /// The client is let in, and takes so many at a time, and so many topic aliases.
    pub(super) fn open(&mut self, max: u16, alias_max: u16) {
        (self.max, self.alias_max) = (max, alias_max);
    }

    /// QoS 1 and 2 messages that the client has not acknowledged.
    pub(super) fn inflight(&self) -> usize {
        self.begun.as_ref().map_or(0, |now| now.inflight.len())
    }

    /// Whether the client takes a delivery of that quality of service now (MQTT-3.3.4-9), and it may be lined up.
    pub(super) fn takes(&self, qos: Qos) -> bool {
        self.begun.as_ref().is_none_or(|now| {
            let has_room = match qos {
                Qos::AtMostOnce => now.held.len() < HELD_MAX,
                Qos::AtLeastOnce | Qos::ExactlyOnce => now.inflight.len() < usize::from(self.max),
            };
            has_room && !now.held.back().is_some_and(|held| held.delivery.is_noted_when_sent())
        })
    }

    /// Gives a delivery its packet identifier: the one it was sent with before, or a free one. `None` for QoS 0.
    pub(super) fn bind(&mut self, delivery: &Delivery, codec: &mut Codec) -> Option<u16> {
        if delivery.qos == Qos::AtMostOnce {
            return None;
        }
        let packet_id = match delivery.packet_id {
            0 => codec.new_packet_id(),
            before => {
                codec.take_packet_id(before);
                before
            }
        };
        let inflight = Inflight { number: delivery.number, command: delivery.message.command() };
        self.begun.get_or_insert_default().inflight.insert(packet_id, inflight);
        Some(packet_id)
    }

    /// Puts a delivery in line.
    pub(super) fn line_up(&mut self, delivery: Delivery, packet_id: Option<u16>, ticket: u64) {
        self.begun.get_or_insert_default().held.push_back(Held { delivery, packet_id, ticket });
    }

    /// Whether a delivery waits for the disk.
    pub(super) fn is_waiting(&self) -> bool {
        self.begun.as_ref().is_some_and(|now| !now.held.is_empty())
    }

    /// Sends the next delivery in line if what it waits for is durable. Returns it, with the packet identifier it has by
    /// now, and what became of it.
    pub(super) fn send_next(
        &mut self,
        durable: Position,
        stored: u64,
        waiting_ms: i64,
        codec: &mut Codec,
    ) -> Option<(Delivery, Delivered)> {
        let held = &mut self.begun.as_mut()?.held;
        held.front().filter(|first| first.delivery.after <= durable && first.ticket <= stored)?;
        let Held { mut delivery, packet_id, .. } = held.pop_front()?;
        if held.is_empty() {
            *held = VecDeque::new();
        }
        let delivered = self.send(&delivery, packet_id, waiting_ms, codec);
        if delivered != Delivered::Sent
            && let Some(packet_id) = packet_id
        {
            codec.free_packet_id(packet_id);
            self.complete(packet_id);
        }
        delivery.packet_id = packet_id.unwrap_or(0);
        Some((delivery, delivered))
    }

    fn send(&mut self, delivery: &Delivery, packet_id: Option<u16>, waiting_ms: i64, codec: &mut Codec) -> Delivered {
        if delivery.is_released
            && let Some(packet_id) = packet_id
        {
            return self.release_again(packet_id, codec);
        }
        let expiry = delivery.message.properties.as_ref().and_then(|properties| properties.message_expiry_interval_s);
        let waited_s = u32::try_from((waiting_ms - delivery.message.received_ms).max(0) / 1000).unwrap_or(u32::MAX);
        let left_s = expiry.map(|expiry_s| expiry_s.saturating_sub(waited_s));
        if left_s == Some(0) && delivery.packet_id == 0 {
            return Delivered::Expired;
        }
        let alias = self.alias(&delivery.message.topic);
        let packet = outbound::publish(codec.is_v5(), delivery, packet_id, left_s, alias);
        if !packet.is_ok_and(|packet| codec.send(packet)) {
            return Delivered::TooLarge;
        }
        if let Some((alias, true)) = alias {
            let topic = Arc::clone(&delivery.message.topic);
            self.begun.get_or_insert_default().aliases.insert(topic, alias);
        }
        Delivered::Sent
    }

    /// The alias of a topic towards this client, and whether it is new (MQTT 5.0 section 3.3.2.3.4). The first topics
    /// get one each; which topic an alias means never changes.
    fn alias(&self, topic: &Arc<str>) -> Option<(u16, bool)> {
        if self.alias_max == 0 {
            return None;
        }
        let aliases = self.begun.as_ref().map(|now| &now.aliases);
        if let Some(alias) = aliases.and_then(|aliases| aliases.get(topic)) {
            return Some((*alias, false));
        }
        let next = u16::try_from(aliases.map_or(0, HashMap::len)).unwrap_or(u16::MAX);
        (next < self.alias_max).then(|| (next + 1, true))
    }

    /// The client had the message when its connection broke: its PUBREL is sent again. Past the crate, which would
    /// miscount the receive maximum; the packet is the same in both versions.
    fn release_again(&mut self, packet_id: u16, codec: &mut Codec) -> Delivered {
        let [high, low] = packet_id.to_be_bytes();
        codec.write_bytes(&[0x62, 2, high, low]);
        self.begun.get_or_insert_default().released_before.insert(packet_id);
        Delivered::Sent
    }

    /// The packet identifier of a PUBCOMP that belongs to a PUBREL which was sent past the crate; it is done with then.
    pub(super) fn completes_released_before(&mut self, packet: &[u8], codec: &mut Codec) -> Option<u16> {
        let (Some(0x70), &[high, low, ..]) = (packet.first(), frame::body(packet)) else { return None };
        let packet_id = u16::from_be_bytes([high, low]);
        self.begun.as_mut()?.released_before.take(&packet_id)?;
        codec.free_packet_id(packet_id);
        Some(packet_id)
    }

    /// The client is done with the packet identifier: PUBACK, PUBCOMP, or a PUBREC that refuses. Returns what is to be
    /// stored of that.
    pub(super) fn delivered(&mut self, packet_id: u16, is_refused: bool) -> Option<Request> {
        match self.complete(packet_id)? {
            Inflight { number, command: Some(command) } => Some(Request::CommandDone { command, number, is_refused }),
            Inflight { number, command: None } => (number > 0).then_some(Request::Settled { number }),
        }
    }

    /// The number of a delivery that is kept and that the client has (PUBREC).
    pub(super) fn taken(&self, packet_id: u16) -> Option<u64> {
        let inflight = self.begun.as_ref()?.inflight.get(&packet_id)?;
        (inflight.number > 0).then_some(inflight.number)
    }

    fn complete(&mut self, packet_id: u16) -> Option<Inflight> {
        self.begun.as_mut()?.inflight.remove(&packet_id)
    }
}
