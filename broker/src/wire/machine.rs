use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::Event;
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet, PacketType};
use mqtt_protocol_core::mqtt::result_code::{DisconnectReasonCode, MqttError};
use mqtt_protocol_core::mqtt::{Connection, Version, role};
use tidegate_telemetry::{Position, Publication, Reason};

use super::answers::{Pending, UNPLACED};
use super::deliveries::Deliveries;
use super::end::End;
use super::frame::{self, FrameError};
use super::inbound::{self, ConnectRequest, Inbound, Request, Will};
use super::outbound::{self, Denial, Refusal, SubscribeOutcome};
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
    pub(super) v5: bool,
    /// The beginning of a packet whose end has not come yet; also what came before the CONNECT was answered.
    pub(super) partial: Vec<u8>,
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
    /// How many at the end of `pending` have been handed out as requests and have no place in the log yet.
    pub(super) unplaced: usize,
    pub(super) received: HashMap<u16, Position>,
    /// SUBACKs and UNSUBACKs that wait for the session store, with their tickets.
    pub(super) grants: VecDeque<(u64, Box<Packet>)>,
    /// Made with the first delivery: most clients only publish.
    pub(super) deliveries: Option<Box<Deliveries>>,
    pub(super) deliveries_max: u16,
    /// Topic aliases towards the client.
    pub(super) alias_max: u16,
    /// The session outlives the connection.
    pub(super) keeps: bool,
}

/// Limits on what one client may do.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub topics: TopicLimits,
    pub connect_timeout: Duration,
    pub packet_bytes_max: usize,
    pub client_id_bytes_max: usize,
    pub topic_alias_max: u16,
    pub receive_max: u16,
    pub inflight_bytes_max: usize,
    pub delivery_inflight_max: u16,
    pub keep_alive_max_s: u16,
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
    pub received: HashMap<u16, Position>,
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
    Ended(End),
}

/// How much of a refused packet is kept as a sample.
pub(super) const SAMPLE_BYTES_MAX: usize = 256;

impl Machine {
    pub(crate) fn new(limits: Arc<Limits>, now: Instant) -> Self {
        let mut mqtt = Connection::new(Version::Undetermined);
        mqtt.set_auto_pub_response(false);
        mqtt.set_auto_ping_response(true);
        Machine {
            mqtt,
            deliveries_max: limits.delivery_inflight_max,
            limits,
            phase: Phase::AwaitingConnect,
            v5: false,
            partial: Vec::new(),
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
            unplaced: 0,
            received: HashMap::new(),
            grants: VecDeque::new(),
            deliveries: None,
            alias_max: 0,
            keeps: false,
        }
    }

    /// Takes bytes from the client and adds what it asks for to `requests`.
    pub(crate) fn receive(&mut self, bytes: &[u8], now: Now, requests: &mut Vec<Request>) {
        if self.partial.is_empty() {
            return self.frames(bytes, now, requests);
        }
        self.partial.extend_from_slice(bytes);
        // A packet that comes in small pieces is looked at again only when it is whole.
        if !matches!(frame::scan(&self.partial, self.limits.packet_bytes_max), Ok(None)) {
            let held = std::mem::take(&mut self.partial);
            self.frames(&held, now, requests);
        }
    }

    fn frames(&mut self, mut bytes: &[u8], now: Now, requests: &mut Vec<Request>) {
        while matches!(self.phase, Phase::AwaitingConnect | Phase::Open) {
            let packet = match frame::scan(bytes, self.limits.packet_bytes_max) {
                Ok(Some(length)) => &bytes[..length],
                Ok(None) => break,
                Err(error) => return self.refuse_frame(&error, bytes),
            };
            if let Err(error) = frame::check(packet) {
                return self.refuse_frame(&error, packet);
            }
            self.heard = now.instant;
            if self.completes_released_before(packet, requests) {
                bytes = &bytes[packet.len()..];
                continue;
            }
            for event in self.mqtt.recv(&mut Cursor::new(packet)) {
                self.event(event, packet, now, requests);
            }
            bytes = &bytes[packet.len()..];
        }
        if !self.has_ended() {
            self.partial.extend_from_slice(bytes);
        }
    }

    fn event(&mut self, event: Event, raw: &[u8], now: Now, requests: &mut Vec<Request>) {
        if self.has_ended() {
            return;
        }
        match event {
            Event::NotifyPacketReceived(packet) => self.packet(packet, raw, now, requests),
            // The crate answers a repeated QoS 2 PUBLISH at once; ours waits until the first one is durable.
            Event::RequestSendPacket { packet, .. } if packet.packet_type() == PacketType::Pubrec => {
                self.answer_repeated(packet_id_of(&packet));
            }
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
            Packet::V3_1_1Connect(connect) => self.connect(inbound::connect_v3(&connect), requests),
            Packet::V5_0Connect(connect) => self.connect(inbound::connect_v5(&connect), requests),
            Packet::V3_1_1Puback(puback) => self.delivered(puback.packet_id(), requests),
            Packet::V5_0Puback(puback) => self.delivered(puback.packet_id(), requests),
            Packet::V3_1_1Pubrec(pubrec) => self.taken(pubrec.packet_id(), requests),
            Packet::V5_0Pubrec(pubrec) => match pubrec.reason_code() {
                Some(code) if code.is_failure() => self.delivered(pubrec.packet_id(), requests),
                _ => self.taken(pubrec.packet_id(), requests),
            },
            Packet::V3_1_1Pubcomp(pubcomp) => self.delivered(pubcomp.packet_id(), requests),
            Packet::V5_0Pubcomp(pubcomp) => self.delivered(pubcomp.packet_id(), requests),
            Packet::V3_1_1Pubrel(pubrel) => self.released(pubrel.packet_id(), requests),
            Packet::V5_0Pubrel(pubrel) => self.released(pubrel.packet_id(), requests),
            Packet::V3_1_1Subscribe(subscribe) => requests.push(Request::Subscribe {
                packet_id: subscribe.packet_id(),
                filters: inbound::filters(subscribe.entries(), &[]),
            }),
            Packet::V5_0Subscribe(subscribe) => {
                let filters = inbound::filters(subscribe.entries(), subscribe.props());
                let shared_no_local = |f: &inbound::Filter| f.options.no_local && f.filter.starts_with("$share/");
                if filters.iter().any(shared_no_local) {
                    // MQTT-3.8.3-4
                    return self.protocol_error(MqttError::ProtocolError, raw);
                }
                requests.push(Request::Subscribe { packet_id: subscribe.packet_id(), filters });
            }
            Packet::V3_1_1Unsubscribe(unsubscribe) => requests.push(Request::Unsubscribe {
                packet_id: unsubscribe.packet_id(),
                filters: unsubscribe.entries().iter().map(|filter| filter.as_str().to_owned()).collect(),
            }),
            Packet::V5_0Unsubscribe(unsubscribe) => requests.push(Request::Unsubscribe {
                packet_id: unsubscribe.packet_id(),
                filters: unsubscribe.entries().iter().map(|filter| filter.as_str().to_owned()).collect(),
            }),
            Packet::V3_1_1Disconnect(_) => self.phase = Phase::Ended(End::Disconnected),
            Packet::V5_0Disconnect(disconnect) => self.disconnected(&disconnect, raw),
            Packet::V5_0Auth(_) => self.protocol_error(MqttError::ProtocolError, raw),
            // A PINGREQ is answered by the crate; the packets of a server are refused by it.
            _ => {}
        }
    }

    fn connect(&mut self, connect: ConnectRequest, requests: &mut Vec<Request>) {
        self.v5 = connect.v5;
        if connect.enhanced_authentication {
            return self.refuse(Refusal::Authentication, Reason::ClientLimit, "enhanced authentication is not served");
        }
        let without_session = !connect.v5 && !connect.clean;
        let id_bytes = connect.client_id.len();
        if (id_bytes == 0 && without_session) || id_bytes > self.limits.client_id_bytes_max {
            let detail = "the client identifier is longer than mqtt.client_id_bytes_max, or empty where it may not be";
            return self.refuse(Refusal::ClientId, Reason::ClientLimit, detail);
        }
        if connect.client_id.contains('\0') {
            return self.refuse(
                Refusal::ClientId,
                Reason::MalformedPacket,
                "the client identifier holds the character U+0000",
            );
        }
        if let Some(will) = &connect.will
            && let Err(error) = self.limits.topics.check_name(&will.topic)
        {
            return self.refuse(Refusal::WillTopic, Reason::InvalidTopic, &format!("the will: {error}"));
        }
        self.client.clone_from(&connect.client_id);
        self.phase = Phase::AwaitingAdmission;
        requests.push(Request::Connect(Box::new(connect)));
    }

    /// The client has its session; it is let in by [`Machine::accept`]. If the connection ends before, it has no will.
    pub(crate) fn admit(&mut self, connect: &ConnectRequest, admission: &Admission) {
        self.session = admission.session;
        self.expiry_s = admission.expiry_s.unwrap_or(connect.expiry_s);
        self.keeps = admission.keeps;
        self.received.clone_from(&admission.received);
    }

    /// Lets the client in and goes on with what it sent after its CONNECT.
    pub(crate) fn accept(
        &mut self,
        connect: &ConnectRequest,
        admission: Admission,
        now: Now,
        requests: &mut Vec<Request>,
    ) {
        self.phase = Phase::Open;
        self.admit(connect, &admission);
        self.will.clone_from(&connect.will);
        self.deliveries_max = connect.receive_max.min(self.limits.delivery_inflight_max);
        self.alias_max = connect.alias_max.min(self.limits.topic_alias_max);
        // A 3.1.1 client cannot be told of another keep-alive than its own.
        let server_keep_alive = match (connect.v5, connect.keep_alive_s, self.limits.keep_alive_max_s) {
            (true, asked, max) if max > 0 && (asked == 0 || asked > max) => Some(max),
            _ => None,
        };
        let keep_alive_s = server_keep_alive.unwrap_or(connect.keep_alive_s);
        self.keep_alive = (keep_alive_s > 0).then(|| Duration::from_millis(u64::from(keep_alive_s) * 1500));
        self.heard = now.instant;
        if let Some(assigned) = &admission.assigned_client_id {
            self.client.clone_from(assigned);
        }
        self.mqtt.restore_qos2_publish_handled(admission.received.keys().copied().collect());
        let connack = outbound::connack(self.v5, &admission, &self.limits, server_keep_alive);
        self.send(connack);
        let held = std::mem::take(&mut self.partial);
        self.frames(&held, now, requests);
    }

    /// Turns the client away because the server cannot take it now.
    pub(crate) fn turn_away(&mut self, detail: &str) {
        self.refuse(Refusal::Busy, Reason::ClientLimit, detail);
    }

    pub(super) fn refuse(&mut self, refusal: Refusal, reason: Reason, detail: &str) {
        self.send_explained(|v5, why| outbound::refusal(v5, refusal, why), detail);
        self.phase = Phase::Ended(End::Refused { reason, detail: detail.to_owned(), sample: Bytes::new() });
    }

    fn publish(&mut self, publish: &Inbound<'_>, raw: &[u8], now: Now, requests: &mut Vec<Request>) {
        if self.phase != Phase::Open {
            return self.protocol_error(MqttError::ProtocolError, raw);
        }
        if let Err(error) = self.limits.topics.check_name(publish.topic) {
            if !(error.is_limit() && self.v5) {
                let code = DisconnectReasonCode::TopicNameInvalid;
                return self.end_with(code, Reason::InvalidTopic, error.to_string(), raw);
            }
            self.answer_refused(publish, Denial::TopicInvalid);
            return requests.push(Request::Refused {
                reason: Reason::InvalidTopic,
                detail: error.to_string(),
                topic: sample_of(publish.topic),
                payload: Bytes::copy_from_slice(&publish.payload[..publish.payload.len().min(SAMPLE_BYTES_MAX)]),
            });
        }
        if self.is_denied(publish, raw, requests) {
            return;
        }
        self.expect_answer(publish);
        requests.push(Request::Publish(Box::new(Publication {
            received_ms: now.unix_ms,
            client: self.client.clone(),
            principal: self.speaker.principal().name().to_owned(),
            session: self.session,
            packet_id: publish.packet_id,
            topic: publish.topic.to_owned(),
            payload: Bytes::copy_from_slice(publish.payload),
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            properties: publish.properties.clone(),
        })));
    }

    /// Answers a SUBSCRIBE, one outcome for each filter, once `ticket` is stored; 0 where nothing is to be stored.
    pub(crate) fn subscribed(&mut self, packet_id: u16, outcomes: &[SubscribeOutcome], ticket: u64) {
        self.grant(ticket, outbound::suback(self.v5, packet_id, outcomes));
    }

    /// Answers an UNSUBSCRIBE: whether each filter was subscribed to.
    pub(crate) fn unsubscribed(&mut self, packet_id: u16, existed: &[bool], ticket: u64) {
        self.grant(ticket, outbound::unsuback(self.v5, packet_id, existed));
    }

    fn disconnected(&mut self, disconnect: &mqtt_protocol_core::mqtt::packet::v5_0::Disconnect, raw: &[u8]) {
        if let Some(expiry_s) = inbound::disconnect_expiry_s(disconnect) {
            if self.expiry_s == 0 && expiry_s != 0 {
                return self.protocol_error(MqttError::ProtocolError, raw);
            }
            self.expiry_s = expiry_s;
        }
        self.phase = Phase::Ended(match disconnect.reason_code() {
            None | Some(DisconnectReasonCode::NormalDisconnection) => End::Disconnected,
            Some(_) => End::DisconnectedWithWill,
        });
    }

    /// Ends the connection when the client was silent for too long or its credentials end; to be called at [`Machine::deadline`].
    pub(crate) fn tick(&mut self, now: Instant) {
        self.end_with_credentials(now);
        match (&self.phase, self.deadline()) {
            (Phase::AwaitingConnect, Some(at)) if at <= now => self.phase = Phase::Ended(End::ConnectTimeout),
            (Phase::Open, Some(at)) if at <= now => {
                self.farewell(DisconnectReasonCode::KeepAliveTimeout);
                self.phase = Phase::Ended(End::KeepAliveTimeout);
            }
            _ => {}
        }
    }

    /// When [`Machine::tick`] has something to do, unless the client is heard before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::AwaitingConnect => Some(self.heard + self.limits.connect_timeout),
            Phase::Open => {
                let silence = self.keep_alive.map(|keep_alive| self.heard + keep_alive);
                silence.into_iter().chain(self.credentials_end).min()
            }
            Phase::AwaitingAdmission | Phase::Ended(_) => None,
        }
    }

    /// The client was not read for a while, for reasons of ours: its silence does not count.
    pub(crate) fn forgive_silence(&mut self, now: Instant) {
        if self.phase == Phase::Open {
            self.heard = now;
        }
    }

    /// Ends the connection for a reason of the server; a v5 client is told.
    pub(crate) fn end(&mut self, end: End) {
        if self.has_ended() {
            return;
        }
        match &end {
            End::TakenOver => self.farewell(DisconnectReasonCode::SessionTakenOver),
            End::Shutdown => self.farewell(DisconnectReasonCode::ServerShuttingDown),
            End::Refused { reason: Reason::PacketTooLarge, .. } => self.farewell(DisconnectReasonCode::PacketTooLarge),
            End::Refused { .. } => self.farewell(DisconnectReasonCode::UnspecifiedError),
            _ => {}
        }
        self.phase = Phase::Ended(end);
    }

    /// Ends the connection without a word, for when the protocol crate cannot be trusted any more.
    pub(crate) fn abandon(&mut self, end: End) {
        self.output = Vec::new();
        self.phase = Phase::Ended(end);
    }

    /// A DISCONNECT is sent to v5 clients that got their CONNACK, to nobody else.
    fn farewell(&mut self, code: DisconnectReasonCode) {
        if self.v5 && self.phase == Phase::Open {
            self.send(outbound::disconnect(code, None));
        }
    }

    fn refuse_frame(&mut self, error: &FrameError, bytes: &[u8]) {
        let (code, reason) = match error {
            FrameError::Malformed(_) => (DisconnectReasonCode::MalformedPacket, Reason::MalformedPacket),
            FrameError::TooLarge { .. } => (DisconnectReasonCode::PacketTooLarge, Reason::PacketTooLarge),
        };
        self.end_with(code, reason, error.to_string(), bytes);
    }

    /// The crate refused a packet; where a DISCONNECT is due it has written one.
    fn protocol_error(&mut self, error: MqttError, raw: &[u8]) {
        if error == MqttError::UnsupportedProtocolVersion && self.phase == Phase::AwaitingConnect {
            // MQTT-3.1.2-2: CONNACK of 3.1.1 with return code 1, which clients of older versions understand.
            self.output.extend_from_slice(&[0x20, 2, 0, 1]);
        }
        let reason = match error {
            MqttError::TopicNameInvalid => Reason::InvalidTopic,
            MqttError::ReceiveMaximumExceeded => Reason::ClientLimit,
            _ => Reason::MalformedPacket,
        };
        let detail = format!("{} is against the standard: {error}", packet_name(raw));
        self.end_with(error.into(), reason, detail, raw);
    }

    pub(super) fn end_with(&mut self, code: DisconnectReasonCode, reason: Reason, detail: String, raw: &[u8]) {
        if self.v5 && self.phase == Phase::Open {
            self.send_explained(|_, why| outbound::disconnect(code, why), &detail);
        }
        let sample = Bytes::copy_from_slice(&raw[..raw.len().min(SAMPLE_BYTES_MAX)]);
        self.phase = Phase::Ended(End::Refused { reason, detail, sample });
    }

    /// Sends a packet with a reason string, without it where it would be too large for the client (MQTT-3.2.2-19,
    /// MQTT-3.14.2-3).
    fn send_explained(&mut self, packet: impl Fn(bool, Option<&str>) -> Packet, why: &str) {
        let before = self.output.len();
        self.send(packet(self.v5, Some(why)));
        if self.output.len() == before {
            self.send(packet(self.v5, None));
        }
    }

    pub(super) fn send(&mut self, packet: Packet) {
        for event in self.mqtt.send(packet) {
            if let Event::RequestSendPacket { packet, .. } = event {
                self.write(&packet);
            }
        }
    }

    fn write(&mut self, packet: &Packet) {
        for buffer in packet.to_buffers() {
            self.output.extend_from_slice(&buffer);
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

    fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// After the end: the session's QoS 2 identifiers and how long it outlives the connection, in seconds.
    pub(crate) fn take_state(&mut self) -> (HashMap<u16, Position>, u32) {
        let mut received = std::mem::take(&mut self.received);
        // What never got its place in the log was not received.
        received.retain(|_, position| *position != UNPLACED);
        (received, self.expiry_s)
    }

    /// After the end: the will as a publication and its delay in seconds, if it is to be published.
    pub(crate) fn take_will(&mut self, unix_ms: i64) -> Option<(Publication, u32)> {
        let will = self.will.take()?;
        self.ended().is_some_and(End::leaves_a_will).then(|| (self.will_publication(&will, unix_ms), will.delay_s))
    }

    /// The will as it would be published now.
    pub(crate) fn will(&self, unix_ms: i64) -> Option<(Publication, u32)> {
        self.will.as_ref().map(|will| (self.will_publication(will, unix_ms), will.delay_s))
    }

    fn will_publication(&self, will: &Will, unix_ms: i64) -> Publication {
        Publication {
            received_ms: unix_ms,
            client: self.client.clone(),
            principal: self.speaker.principal().name().to_owned(),
            session: self.session,
            packet_id: 0,
            topic: will.topic.clone(),
            payload: will.payload.clone(),
            qos: will.qos,
            retain: will.retain,
            dup: false,
            properties: will.properties.clone(),
        }
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

fn packet_name(raw: &[u8]) -> &'static str {
    const NAMES: [&str; 16] = [
        "packet type 0",
        "CONNECT",
        "CONNACK",
        "PUBLISH",
        "PUBACK",
        "PUBREC",
        "PUBREL",
        "PUBCOMP",
        "SUBSCRIBE",
        "SUBACK",
        "UNSUBSCRIBE",
        "UNSUBACK",
        "PINGREQ",
        "PINGRESP",
        "DISCONNECT",
        "AUTH",
    ];
    raw.first().map_or("nothing", |first| NAMES[usize::from(first >> 4)])
}
