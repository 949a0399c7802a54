//! One connection as a pure state machine. Its parts own their fields and stand beside this folder (`codec`, `client`,
//! `acknowledgements`, `deliveries`, `lifetime`); here is what is done with several of them.
//!
//! - [`Machine`]: bytes, ticks and answers go in, requests and bytes come out
//! - `admission`: from CONNECT to CONNACK
//! - `rights`: who the client is, and what it may do
//! - `publications`: what the client publishes
//! - `answers`: acknowledgements that wait for the disk
//! - `deliveries`: what goes to the client
//! - `farewell`: how the connection ends, when, and what is published then

mod admission;
mod answers;
mod deliveries;
mod farewell;
mod publications;
mod rights;

use std::sync::Arc;
use std::time::Instant;

use mqtt_protocol_core::mqtt::connection::Event;
use mqtt_protocol_core::mqtt::packet::{Packet, PacketType};
use mqtt_protocol_core::mqtt::result_code::MqttError;

use super::acknowledgements::Acknowledgements;
use super::client::Client;
use super::codec::Codec;
use super::deliveries::Deliveries;
use super::end::End;
use super::inbound::{self, Inbound, Request};
use super::lifetime::{Lifetime, Unfinished};
use super::limits::{Limits, Now};
use super::repair::takes_no_aliases;
use super::trace::PacketTrace;
use super::{bridge, frame, standard};
use crate::access::ClientAuth;

/// One MQTT connection as a pure state machine: bytes, ticks and answers go in, requests and bytes come out.
///
/// It knows no socket, no log and no clock. Whoever drives it keeps this order: [`Machine::receive`], then every
/// publication it asked for to the log, then [`Machine::appended`], and [`Machine::durable`] as the log's disk follows.
/// Acknowledgements come out of `durable` only, in the order of the publications.
pub(crate) struct Machine {
    limits: Arc<Limits>,
    phase: Phase,
    codec: Codec,
    unfinished: Unfinished,
    client: Client,
    acknowledgements: Acknowledgements,
    deliveries: Deliveries,
    lifetime: Lifetime,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    AwaitingConnect,
    /// The CONNECT was handed out and is not answered yet.
    AwaitingAdmission,
    Open,
    /// Boxed: it is part of every connection, and few are at their end.
    Ended(Box<End>),
}

/// How much of a refused packet is kept as a sample.
const SAMPLE_BYTES_MAX: usize = 256;

impl Machine {
    pub(crate) fn new(limits: Arc<Limits>, now: Instant) -> Self {
        Machine {
            phase: Phase::AwaitingConnect,
            codec: Codec::new(),
            unfinished: Unfinished::new(now),
            client: Client::new(),
            acknowledgements: Acknowledgements::default(),
            deliveries: Deliveries::new(limits.delivery_inflight_max),
            lifetime: Lifetime::new(now),
            limits,
        }
    }

    /// Takes bytes from the client and adds what it asks for to `requests`.
    pub(crate) fn receive(&mut self, bytes: &[u8], now: Now, requests: &mut Vec<Request>) {
        if self.unfinished.bytes().is_empty() {
            return self.frames(bytes, now, requests);
        }
        self.unfinished.extend(bytes);
        // A packet that comes in small pieces is looked at again only when it is whole.
        let scanned = frame::scan(self.unfinished.bytes(), self.codec.version(), self.limits.packet_bytes_max);
        if !matches!(scanned, Ok(None)) {
            let held = self.unfinished.take();
            self.frames(&held, now, requests);
        }
    }

    fn frames(&mut self, mut bytes: &[u8], now: Now, requests: &mut Vec<Request>) {
        while matches!(self.phase, Phase::AwaitingConnect | Phase::Open) {
            let packet = match frame::scan(bytes, self.codec.version(), self.limits.packet_bytes_max) {
                Ok(Some(length)) => &bytes[..length],
                Ok(None) => break,
                Err(error) => return self.refuse_frame(&error, bytes),
            };
            bytes = &bytes[packet.len()..];
            let packet = &*self.codec.as_3_1_1(packet, self.phase == Phase::AwaitingConnect);
            if let Err(error) = frame::check(packet) {
                return self.refuse_frame(&error, packet);
            }
            self.lifetime.heard(now.instant);
            self.codec.note_received(packet);
            if let Some(packet_id) = self.deliveries.completes_released_before(packet, &mut self.codec) {
                self.delivered(packet_id, false, requests);
                continue;
            }
            for event in self.codec.receive(packet) {
                self.event(event, packet, now, requests);
            }
        }
        if !self.has_ended() {
            self.unfinished.begin(bytes, now.instant);
        }
    }

    fn event(&mut self, event: Event, raw: &[u8], now: Now, requests: &mut Vec<Request>) {
        if self.has_ended() {
            return;
        }
        match event {
            Event::NotifyPacketReceived(packet) => match standard::check(&packet, raw.len()) {
                Ok(()) => self.packet(packet, raw, now, requests),
                Err(breach) => self.refuse_packet(breach, raw),
            },
            // The crate answers a repeated QoS 2 PUBLISH at once; ours waits until the first one is durable.
            Event::RequestSendPacket { packet, .. } if packet.packet_type() == PacketType::Pubrec => {
                self.acknowledgements.repeat(packet_id_of(&packet));
            }
            // Its words about what it refuses have no reason in them; ours follow with the error.
            Event::RequestSendPacket { packet, .. }
                if matches!(packet.packet_type(), PacketType::Connack | PacketType::Disconnect) => {}
            Event::RequestSendPacket { packet, .. } => self.codec.write(&packet),
            Event::NotifyError(error) => self.protocol_error(error, raw),
            Event::RequestClose | Event::NotifyPacketIdReleased(_) => {}
            // Keep-alive is ours: one timer a connection, set anew only when it fires.
            Event::RequestTimerReset { .. } | Event::RequestTimerCancel(_) => {}
        }
    }

    fn packet(&mut self, packet: Packet, raw: &[u8], now: Now, requests: &mut Vec<Request>) {
        match packet {
            Packet::V3_1_1Publish(publish) => self.publish(&Inbound::from(&publish), raw, now, requests),
            Packet::V5_0Publish(publish) => self.publish(&Inbound::from(&publish), raw, now, requests),
            Packet::V3_1_1Connect(connect) => {
                self.connect(inbound::connect_v3(&connect, self.codec.version()), raw, requests)
            }
            Packet::V5_0Connect(connect) => {
                let mut connect = inbound::connect_v5(&connect);
                if takes_no_aliases(raw) {
                    connect.alias_max = 0;
                }
                self.connect(connect, raw, requests);
            }
            Packet::V3_1_1Puback(puback) => self.delivered(puback.packet_id(), false, requests),
            Packet::V5_0Puback(puback) => {
                let is_refused = puback.reason_code().is_some_and(|code| code.is_failure());
                self.delivered(puback.packet_id(), is_refused, requests);
            }
            Packet::V3_1_1Pubrec(pubrec) => self.taken(pubrec.packet_id(), requests),
            Packet::V5_0Pubrec(pubrec) => match pubrec.reason_code() {
                Some(code) if code.is_failure() => self.delivered(pubrec.packet_id(), true, requests),
                _ => self.taken(pubrec.packet_id(), requests),
            },
            Packet::V3_1_1Pubcomp(pubcomp) => self.delivered(pubcomp.packet_id(), false, requests),
            Packet::V5_0Pubcomp(pubcomp) => self.delivered(pubcomp.packet_id(), false, requests),
            Packet::V3_1_1Pubrel(pubrel) => self.released(pubrel.packet_id(), requests),
            Packet::V5_0Pubrel(pubrel) => self.released(pubrel.packet_id(), requests),
            Packet::V3_1_1Subscribe(subscribe) => {
                let filters = inbound::filters(subscribe.entries(), &[]);
                let filters = if self.codec.is_bridge() { bridge::with_options(filters) } else { filters };
                requests.push(Request::Subscribe { packet_id: subscribe.packet_id(), filters });
            }
            Packet::V5_0Subscribe(subscribe) => requests.push(Request::Subscribe {
                packet_id: subscribe.packet_id(),
                filters: inbound::filters(subscribe.entries(), subscribe.props()),
            }),
            Packet::V3_1_1Unsubscribe(unsubscribe) => requests.push(Request::Unsubscribe {
                packet_id: unsubscribe.packet_id(),
                filters: unsubscribe.entries().iter().map(|filter| filter.as_str().to_owned()).collect(),
            }),
            Packet::V5_0Unsubscribe(unsubscribe) => requests.push(Request::Unsubscribe {
                packet_id: unsubscribe.packet_id(),
                filters: unsubscribe.entries().iter().map(|filter| filter.as_str().to_owned()).collect(),
            }),
            Packet::V3_1_1Disconnect(_) => self.finish(End::Disconnected),
            Packet::V5_0Disconnect(disconnect) => self.disconnected(&disconnect, raw),
            Packet::V5_0Auth(_) => self.protocol_error(MqttError::ProtocolError, raw),
            // A PINGREQ is answered by the crate; the packets of a server are refused by it.
            _ => {}
        }
    }

    /// Shows packets to those who trace the client from now on.
    pub(crate) fn trace(&mut self, trace: Option<Box<PacketTrace>>) {
        self.codec.trace(trace);
    }

    pub(crate) fn traced(&mut self) -> Option<&mut PacketTrace> {
        self.codec.traced()
    }

    /// Bytes for the socket; the caller removes what it has written.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        self.codec.output()
    }

    /// Whether the session outlives the connection.
    pub(crate) fn keeps(&self) -> bool {
        self.client.keeps
    }

    /// How long the session outlives the connection, in seconds.
    pub(crate) fn expiry_s(&self) -> u32 {
        self.client.expiry_s
    }

    pub(crate) fn auth(&self) -> &ClientAuth {
        &self.client.auth
    }

    pub(crate) fn client(&self) -> &str {
        &self.client.id
    }

    pub(crate) fn session(&self) -> u64 {
        self.client.session
    }

    pub(crate) fn ended(&self) -> Option<&End> {
        match &self.phase {
            Phase::Ended(end) => Some(end),
            _ => None,
        }
    }

    fn finish(&mut self, end: End) {
        self.phase = Phase::Ended(Box::new(end));
    }

    fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }
}

fn packet_id_of(packet: &Packet) -> u16 {
    match packet {
        Packet::V3_1_1Pubrec(pubrec) => pubrec.packet_id(),
        Packet::V5_0Pubrec(pubrec) => pubrec.packet_id(),
        _ => 0,
    }
}

fn sample_of(topic: &str) -> String {
    topic.chars().take(SAMPLE_BYTES_MAX / 4).collect()
}
