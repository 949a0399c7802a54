use std::time::{Duration, Instant};

use bytes::Bytes;
use mqtt_protocol_core::mqtt::packet::v5_0;
use mqtt_protocol_core::mqtt::result_code::{DisconnectReasonCode, MqttError};
use tidegate_telemetry::{Position, Publication, Reason};

use super::{Machine, Phase, SAMPLE_BYTES_MAX};
use crate::metrics::limit_met;
use crate::wire::end::End;
use crate::wire::frame::{FrameError, packet_name};
use crate::wire::{inbound, outbound, standard};

/// How the connection ends, when, and what is published then.
impl Machine {
    pub(super) fn disconnected(&mut self, disconnect: &v5_0::Disconnect, raw: &[u8]) {
        if let Some(expiry_s) = inbound::disconnect_expiry_s(disconnect) {
            if self.client.expiry_s == 0 && expiry_s != 0 {
                return self.protocol_error(MqttError::ProtocolError, raw);
            }
            self.client.expiry_s = expiry_s;
        }
        self.finish(match disconnect.reason_code() {
            None | Some(DisconnectReasonCode::NormalDisconnection) => End::Disconnected,
            Some(_) => End::DisconnectedWithWill,
        });
    }

    /// Ends the connection when the client was silent for too long or its credentials end; to be called at [`Machine::deadline`].
    pub(crate) fn tick(&mut self, now: Instant) {
        self.end_with_credentials(now);
        self.end_with_packet_due(now);
        match (&self.phase, self.deadline()) {
            (Phase::AwaitingConnect, Some(at)) if at <= now => self.finish(End::ConnectTimeout),
            (Phase::Open, Some(at)) if at <= now => {
                self.farewell(DisconnectReasonCode::KeepAliveTimeout);
                self.finish(End::KeepAliveTimeout);
            }
            _ => {}
        }
    }

    /// When [`Machine::tick`] has something to do, unless the client is heard before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::AwaitingConnect => Some(self.lifetime.begins_until(self.limits.connect_timeout)),
            Phase::Open => self.lifetime.deadline().into_iter().chain(self.packet_due()).min(),
            Phase::AwaitingAdmission | Phase::Ended(_) => None,
        }
    }

    /// The client was not read for a while, for reasons of ours: its silence does not count.
    pub(crate) fn forgive_silence(&mut self, now: Instant) {
        if self.phase == Phase::Open {
            self.lifetime.heard(now);
            self.unfinished.forgive_silence(now);
        }
    }

    /// The program stood still for that long since the client was heard: it could not be, and so it was not silent.
    pub(crate) fn forgive_pause(&mut self, pause: Duration, now: Instant) {
        if matches!(self.phase, Phase::AwaitingConnect | Phase::Open) {
            self.lifetime.forgive_pause(pause, now);
            self.unfinished.forgive_pause(pause, now);
        }
    }

    /// When the packet that has begun has to be whole.
    fn packet_due(&self) -> Option<Instant> {
        self.unfinished.due(self.limits.packet_timeout)
    }

    fn end_with_packet_due(&mut self, now: Instant) {
        if self.phase == Phase::Open && self.packet_due().is_some_and(|at| at <= now) {
            limit_met("packet_timeout", 1);
            let begun = self.unfinished.take();
            let detail =
                format!("of a packet {} bytes came, and the rest did not within mqtt.packet_timeout", begun.len());
            self.end_with(DisconnectReasonCode::KeepAliveTimeout, Reason::ClientLimit, detail, &begun);
        }
    }

    /// Ends the connection for a reason of the server; a v5 client is told.
    pub(crate) fn end(&mut self, end: End) {
        if self.has_ended() {
            return;
        }
        match &end {
            End::TakenOver => self.farewell(DisconnectReasonCode::SessionTakenOver),
            End::Administrative => self.farewell(DisconnectReasonCode::AdministrativeAction),
            End::Shutdown => self.farewell(DisconnectReasonCode::ServerShuttingDown),
            End::Refused { reason: Reason::PacketTooLarge, .. } => self.farewell(DisconnectReasonCode::PacketTooLarge),
            End::Refused { reason: Reason::MalformedPacket, .. } => {
                self.farewell(DisconnectReasonCode::MalformedPacket)
            }
            End::Refused { .. } => self.farewell(DisconnectReasonCode::UnspecifiedError),
            _ => {}
        }
        self.finish(end);
    }

    /// The session is to end with the connection, whatever the client asked for.
    pub(crate) fn give_session_up(&mut self) {
        self.client.expiry_s = 0;
    }

    /// Ends the connection without a word, for when the protocol crate cannot be trusted any more.
    pub(crate) fn abandon(&mut self, end: End) {
        self.codec.discard_output();
        self.finish(end);
    }

    /// A DISCONNECT is sent to v5 clients that got their CONNACK, to nobody else.
    fn farewell(&mut self, code: DisconnectReasonCode) {
        if self.codec.is_v5() && self.phase == Phase::Open {
            self.codec.send(outbound::disconnect(code, None));
        }
    }

    pub(super) fn refuse_frame(&mut self, error: &FrameError, bytes: &[u8]) {
        let (code, reason) = match error {
            FrameError::Malformed(_) => (DisconnectReasonCode::MalformedPacket, Reason::MalformedPacket),
            FrameError::TooLarge { .. } => (DisconnectReasonCode::PacketTooLarge, Reason::PacketTooLarge),
        };
        self.end_with(code, reason, error.to_string(), bytes);
    }

    /// The crate refused a packet.
    pub(super) fn protocol_error(&mut self, error: MqttError, raw: &[u8]) {
        if error == MqttError::UnsupportedProtocolVersion && self.phase == Phase::AwaitingConnect {
            // MQTT-3.1.2-2: CONNACK of 3.1.1 with return code 1, which clients of older versions understand.
            self.codec.write_bytes(&[0x20, 2, 0, 1]);
        }
        let error = match error {
            MqttError::TopicAliasInvalid => standard::alias_error(raw, self.limits.topic_alias_max),
            error => error,
        };
        // MQTT-3.1.0-2; the crate has one word for it and much else.
        let is_second_connect = self.phase != Phase::AwaitingConnect && packet_name(raw) == "CONNECT";
        let what = if is_second_connect { "a second one on its connection".to_owned() } else { error.to_string() };
        self.refuse_packet((error, &what), raw);
    }

    /// A packet is against the standard.
    pub(super) fn refuse_packet(&mut self, (error, what): (MqttError, &str), raw: &[u8]) {
        let reason = match error {
            MqttError::TopicNameInvalid => Reason::InvalidTopic,
            MqttError::ReceiveMaximumExceeded => Reason::ClientLimit,
            _ => Reason::MalformedPacket,
        };
        let code = match error.into() {
            DisconnectReasonCode::UnspecifiedError => DisconnectReasonCode::MalformedPacket,
            code => code,
        };
        let detail = format!("{} is against the standard: {what}", packet_name(raw));
        self.end_with(code, reason, detail, raw);
    }

    pub(super) fn end_with(&mut self, code: DisconnectReasonCode, reason: Reason, detail: String, raw: &[u8]) {
        if self.codec.is_v5() && self.phase == Phase::Open {
            self.codec.write_disconnect(code, &detail);
        } else if self.phase == Phase::AwaitingConnect {
            self.codec.refuse_connect(raw, code);
        }
        let sample = Bytes::copy_from_slice(&raw[..raw.len().min(SAMPLE_BYTES_MAX)]);
        self.finish(End::Refused { reason, detail, sample });
    }

    /// After the end: the session's QoS 2 identifiers and how long it outlives the connection, in seconds.
    pub(crate) fn take_state(&mut self) -> (Vec<(u16, Position)>, u32) {
        (self.acknowledgements.take_received(), self.client.expiry_s)
    }

    /// After the end: the will as a publication and its delay in seconds, if it is to be published.
    pub(crate) fn take_will(&mut self, unix_ms: i64) -> Option<(Publication, u32)> {
        let will = self.client.will(unix_ms);
        self.client.will = None;
        will.filter(|_| self.ended().is_some_and(End::leaves_a_will))
    }

    /// The will as it would be published now.
    pub(crate) fn will(&self, unix_ms: i64) -> Option<(Publication, u32)> {
        self.client.will(unix_ms)
    }
}
