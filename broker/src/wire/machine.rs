use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::Event;
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet, PacketType};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use mqtt_protocol_core::mqtt::{self as protocol, Connection, role};
use tidegate_telemetry::Position;

use super::answers::Pending;
use super::deliveries::Deliveries;
use super::end::End;
use super::inbound::{self, Inbound, Request, Will};
use super::mend::{mended, takes_no_aliases};
use super::reason_codes;
use super::standard;
use super::version::Version;
use super::watch::{Watch, Way};
use super::{bridge, frame, older};
use crate::access::Speaker;
use crate::topics::TopicLimits;

/// One MQTT connection as a pure state machine: bytes, ticks and answers go in, requests and bytes come out.
///
/// It knows no socket, no log and no clock. Whoever drives it keeps this order: [`Machine::receive`], then every
/// publication it asked for to the log, then [`Machine::appended`], and [`Machine::durable`] as the log's disk follows.
/// Acknowledgements come out of `durable` only, in the order of the publications.
pub(crate) struct Machine {
    pub(super) mqtt: Connection<role::Server>,
    pub(super) limits: Arc<Limits>,
    pub(super) phase: Phase,
    /// As the CONNECT says; before it 3.1.1.
    pub(super) version: Version,
    /// The beginning of a packet whose end has not come yet; also what came before the CONNECT was answered.
    pub(super) partial: Vec<u8>,
    /// When its first byte came.
    pub(super) partial_since: Instant,
    /// To be written to the socket.
    pub(super) output: Vec<u8>,
    pub(super) client: String,
    pub(super) session: u64,
    pub(super) speaker: Speaker,
    /// When the client's credentials end.
    pub(super) credentials_end: Option<Instant>,
    pub(super) will: Option<Box<Will>>,
    pub(super) expiry_s: u32,
    pub(super) keep_alive: Option<Duration>,
    pub(super) heard: Instant,
    pub(super) pending: VecDeque<Pending>,
    pub(super) pending_bytes: usize,
    /// A 3.1.1 client's publications found no room; see [`Machine::found_no_room`].
    pub(super) owes_answers: bool,
    /// How many at the end of `pending` have been handed out as requests and have no place in the log yet.
    pub(super) unplaced: usize,
    pub(super) received: BTreeMap<u16, Position>,
    /// SUBACKs and UNSUBACKs that wait for the session store, with their tickets.
    pub(super) grants: VecDeque<(u64, Box<Packet>)>,
    /// Made with the first delivery: most clients only publish.
    pub(super) deliveries: Option<Box<Deliveries>>,
    pub(super) deliveries_max: u16,
    /// Largest packet the client takes (MQTT 5.0 section 3.1.2.11.4).
    pub(super) client_packet_bytes_max: usize,
    /// Topic aliases towards the client.
    pub(super) alias_max: u16,
    /// The session outlives the connection.
    pub(super) keeps: bool,
    /// The client wants reason strings where something is refused (MQTT 5.0 section 3.1.2.11.7).
    pub(super) explains: bool,
    /// Those who trace the client, if anybody does.
    pub(super) watch: Option<Box<Watch>>,
    /// The client is another broker's bridge.
    is_bridge: bool,
}

/// Limits on what one client may do.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub topics: TopicLimits,
    pub connect_timeout: Duration,
    pub packet_timeout: Duration,
    pub packet_bytes_max: usize,
    pub client_id_bytes_max: usize,
    pub topic_alias_max: u16,
    pub receive_max: u16,
    pub inflight_bytes_max: usize,
    pub delivery_inflight_max: u16,
    pub keep_alive_max_s: u16,
    pub properties: PropertyLimits,
}

/// Limits on the properties of a publication or will.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PropertyLimits {
    pub bytes_max: usize,
    pub user_max: usize,
    /// A payload that says it is UTF-8 has to be.
    pub checks_payload_format: bool,
}

impl Default for PropertyLimits {
    fn default() -> Self {
        PropertyLimits { bytes_max: usize::MAX, user_max: usize::MAX, checks_payload_format: false }
    }
}

/// The present, passed in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub instant: Instant,
    pub unix_ms: i64,
}

/// A connection that is let in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Admission {
    pub session: u64,
    pub session_present: bool,
    /// The session outlives the connection.
    pub keeps: bool,
    /// QoS 2 identifiers of the session that are not yet released.
    pub received: BTreeMap<u16, Position>,
    pub assigned_client_id: Option<String>,
    /// Set when the session is kept for another time than the client asked for.
    pub expiry_s: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    AwaitingConnect,
    /// The CONNECT was handed out and is not answered yet.
    AwaitingAdmission,
    Open,
    /// Boxed: it is part of every connection, and few are at their end.
    Ended(Box<End>),
}

/// How much of a refused packet is kept as a sample.
pub(super) const SAMPLE_BYTES_MAX: usize = 256;

impl Machine {
    pub(crate) fn new(limits: Arc<Limits>, now: Instant) -> Self {
        let mut mqtt = Connection::new(protocol::Version::Undetermined);
        mqtt.set_auto_pub_response(false);
        mqtt.set_auto_ping_response(true);
        Machine {
            mqtt,
            deliveries_max: limits.delivery_inflight_max,
            limits,
            phase: Phase::AwaitingConnect,
            version: Version::V3_1_1,
            partial: Vec::new(),
            partial_since: now,
            output: Vec::new(),
            client: String::new(),
            session: 0,
            speaker: Speaker::anonymous(),
            credentials_end: None,
            will: None,
            expiry_s: 0,
            keep_alive: None,
            heard: now,
            pending: VecDeque::new(),
            pending_bytes: 0,
            owes_answers: false,
            unplaced: 0,
            received: BTreeMap::new(),
            grants: VecDeque::new(),
            deliveries: None,
            client_packet_bytes_max: usize::MAX,
            alias_max: 0,
            keeps: false,
            explains: false,
            watch: None,
            is_bridge: false,
        }
    }

    /// Takes bytes from the client and adds what it asks for to `requests`.
    pub(crate) fn receive(&mut self, bytes: &[u8], now: Now, requests: &mut Vec<Request>) {
        if self.partial.is_empty() {
            return self.frames(bytes, now, requests);
        }
        self.partial.extend_from_slice(bytes);
        // A packet that comes in small pieces is looked at again only when it is whole.
        if !matches!(frame::scan(&self.partial, self.version, self.limits.packet_bytes_max), Ok(None)) {
            let held = std::mem::take(&mut self.partial);
            self.frames(&held, now, requests);
        }
    }

    pub(super) fn frames(&mut self, mut bytes: &[u8], now: Now, requests: &mut Vec<Request>) {
        while matches!(self.phase, Phase::AwaitingConnect | Phase::Open) {
            let packet = match frame::scan(bytes, self.version, self.limits.packet_bytes_max) {
                Ok(Some(length)) => &bytes[..length],
                Ok(None) => break,
                Err(error) => return self.refuse_frame(&error, bytes),
            };
            bytes = &bytes[packet.len()..];
            let packet = &*self.as_3_1_1(packet);
            if let Err(error) = frame::check(packet) {
                return self.refuse_frame(&error, packet);
            }
            self.heard = now.instant;
            reason_codes::count(Way::In, packet, self.version.is_v5());
            self.show(Way::In, packet);
            if self.completes_released_before(packet, requests) {
                continue;
            }
            for event in self.mqtt.recv(&mut Cursor::new(&*mended(packet, self.version.is_v5()))) {
                self.event(event, packet, now, requests);
            }
        }
        if !self.has_ended() {
            self.partial.extend_from_slice(bytes);
            self.partial_since = now.instant;
        }
    }

    /// What comes in 3.1, or from a bridge, as the protocol crate knows it; anything else as it is.
    fn as_3_1_1<'a>(&mut self, packet: &'a [u8]) -> Cow<'a, [u8]> {
        if self.phase != Phase::AwaitingConnect {
            return if self.version == Version::V3_1 { older::packet(packet) } else { Cow::Borrowed(packet) };
        }
        let Some(greeting) = older::greeting(packet) else { return Cow::Borrowed(packet) };
        (self.version, self.is_bridge) = (greeting.version, greeting.is_bridge);
        Cow::Owned(greeting.packet)
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
                self.answer_repeated(packet_id_of(&packet));
            }
            // Its words about what it refuses have no reason in them; ours follow with the error.
            Event::RequestSendPacket { packet, .. }
                if matches!(packet.packet_type(), PacketType::Connack | PacketType::Disconnect) => {}
            Event::RequestSendPacket { packet, .. } => self.write(&packet),
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
            Packet::V3_1_1Connect(connect) => self.connect(inbound::connect_v3(&connect, self.version), raw, requests),
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
                let filters = if self.is_bridge { bridge::with_options(filters) } else { filters };
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

    /// Sends a packet with a reason string, without it where it would be too large for the client (MQTT-3.2.2-19,
    /// MQTT-3.14.2-3).
    pub(super) fn send_explained(&mut self, packet: impl Fn(bool, Option<&str>) -> Packet, why: &str) {
        let before = self.output.len();
        self.send(packet(self.version.is_v5(), Some(why)));
        if self.output.len() == before {
            self.send(packet(self.version.is_v5(), None));
        }
    }

    pub(super) fn send(&mut self, packet: Packet) {
        for event in self.mqtt.send(packet) {
            if let Event::RequestSendPacket { packet, .. } = event {
                self.write(&packet);
            }
        }
    }

    pub(super) fn write(&mut self, packet: &Packet) {
        let before = self.output.len();
        for buffer in packet.to_buffers() {
            self.output.extend_from_slice(&buffer);
        }
        self.note_written(before);
    }

    /// Writes a whole packet as its bytes are, past the crate.
    pub(super) fn write_bytes(&mut self, packet: &[u8]) {
        let before = self.output.len();
        self.output.extend_from_slice(packet);
        self.note_written(before);
    }

    fn note_written(&mut self, before: usize) {
        reason_codes::count(Way::Out, &self.output[before..], self.version.is_v5());
        self.show_output(before);
    }

    /// Shows packets to those who trace the client from now on.
    pub(crate) fn watch(&mut self, watch: Option<Box<Watch>>) {
        self.watch = watch;
    }

    pub(crate) fn watched(&mut self) -> Option<&mut Watch> {
        self.watch.as_deref_mut()
    }

    fn show(&mut self, way: Way, packets: &[u8]) {
        if let Some(watch) = &mut self.watch
            && !watch.packets(way, packets, self.version.is_v5())
        {
            self.watch = None;
        }
    }

    /// Shows what was added to the output since it was `before` bytes long.
    fn show_output(&mut self, before: usize) {
        if let Some(watch) = &mut self.watch
            && !watch.packets(Way::Out, &self.output[before..], self.version.is_v5())
        {
            self.watch = None;
        }
    }

    /// Bytes for the socket; the caller removes what it has written.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Whether as much of the client is unacknowledged as may be: it is not to be read now.
    pub(crate) fn is_saturated(&self) -> bool {
        self.pending.len() >= usize::from(self.limits.receive_max)
            || self.pending_bytes >= self.limits.inflight_bytes_max
    }

    /// Number of answers that wait for the disk.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len() + self.grants.len()
    }

    /// Whether the session outlives the connection.
    pub(crate) fn keeps(&self) -> bool {
        self.keeps
    }

    /// QoS 1 and 2 messages that the client has not acknowledged.
    pub(crate) fn outgoing(&self) -> usize {
        self.deliveries.as_ref().map_or(0, |deliveries| deliveries.inflight())
    }

    /// How long the session outlives the connection, in seconds.
    pub(crate) fn expiry_s(&self) -> u32 {
        self.expiry_s
    }

    pub(crate) fn speaker(&self) -> &Speaker {
        &self.speaker
    }

    pub(crate) fn client(&self) -> &str {
        &self.client
    }

    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    pub(crate) fn ended(&self) -> Option<&End> {
        match &self.phase {
            Phase::Ended(end) => Some(end),
            _ => None,
        }
    }

    pub(super) fn finish(&mut self, end: End) {
        self.phase = Phase::Ended(Box::new(end));
    }

    pub(super) fn has_ended(&self) -> bool {
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

pub(super) fn sample_of(topic: &str) -> String {
    topic.chars().take(SAMPLE_BYTES_MAX / 4).collect()
}
