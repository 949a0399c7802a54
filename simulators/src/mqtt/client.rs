//! A publishing client without I/O, over the client role of `mqtt-protocol-core`.
//!
//! It keeps every QoS 1 and 2 publication until the last acknowledgement, and sends it again with DUP after a
//! reconnect (MQTT 4.4), whether or not the server kept the session: a device that wants its reading stored does so.

use crate::model::Reading;
use mqtt_protocol_core::mqtt::{
    Connection, Version,
    common::Cursor,
    packet::{GenericPacketTrait as _, Packet, Qos, v3_1_1, v5_0},
    prelude::Event,
    result_code::{ConnectReasonCode, MqttError},
    role,
};
use std::collections::VecDeque;

/// Why a connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The server answered CONNECT with a refusal.
    #[error("the server refused the connection: {0}; look at its log, its limits and its access rules")]
    Refused(String),
    /// The server sent DISCONNECT (MQTT 5).
    #[error("the server ended the connection: {0}")]
    Disconnected(String),
    /// Something that is not MQTT, or not allowed now.
    #[error("the server broke the protocol: {0:?}")]
    Protocol(MqttError),
    /// A packet of ours is not valid.
    #[error("cannot build a packet: {0:?}; topic names must be valid UTF-8 without wildcards")]
    Invalid(MqttError),
}

/// A publication under way.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// 0, 1 or 2.
    pub qos: u8,
    /// The device it speaks for.
    pub device: String,
    /// What it says; empty when nobody can understand it.
    pub readings: Vec<Reading>,
    /// Whether the server keeps it.
    pub retain: bool,
}

/// What came of a publication.
#[derive(Debug)]
pub enum Outcome {
    /// PUBACK or PUBCOMP: the server has it.
    Acknowledged(Outgoing),
    /// MQTT 5: the server does not want it, with the reason.
    Refused(Outgoing, String),
}

#[derive(Debug)]
struct Pending {
    packet_id: Option<u16>,
    outgoing: Outgoing,
}

/// A client's state. Bytes to send gather in [`Client::output`].
pub struct Client {
    id: String,
    version: Version,
    keep_alive_s: u16,
    connection: Connection<role::Client>,
    established: bool,
    pending: VecDeque<Pending>,
    output: Vec<u8>,
    resent: u64,
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(id: &str, mqtt5: bool, keep_alive_s: u16) -> Self {
        let version = if mqtt5 { Version::V5_0 } else { Version::V3_1_1 };
        Self {
            id: id.to_owned(),
            version,
            keep_alive_s,
            connection: Connection::new(version),
            established: false,
            pending: VecDeque::new(),
            output: Vec::new(),
            resent: 0,
        }
    }

    /// A new TCP connection stands: says CONNECT. What was not acknowledged follows after CONNACK.
    pub fn start(&mut self) -> Result<(), ClientError> {
        self.connection = Connection::new(self.version);
        self.connection.set_auto_pub_response(true);
        self.established = false;
        self.output.clear();
        let connect: Packet = if self.version == Version::V5_0 {
            let builder = v5_0::Connect::builder().clean_start(true).keep_alive(self.keep_alive_s);
            builder.client_id(&self.id).and_then(|builder| builder.build()).map_err(ClientError::Invalid)?.into()
        } else {
            let builder = v3_1_1::Connect::builder().clean_session(true).keep_alive(self.keep_alive_s);
            builder.client_id(&self.id).and_then(|builder| builder.build()).map_err(ClientError::Invalid)?.into()
        };
        self.send(connect)
    }

    /// Has CONNACK come?
    pub fn is_established(&self) -> bool {
        self.established
    }

    /// Publications of QoS 1 and 2 without their last acknowledgement.
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// Publications sent once more so far.
    pub fn resent(&self) -> u64 {
        self.resent
    }

    /// Bytes to write to the socket; the caller drains them.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Publishes; before CONNACK, or when the server's receive maximum is reached, as soon as that is over.
    pub fn publish(&mut self, outgoing: Outgoing) -> Result<(), ClientError> {
        if outgoing.qos > 0 {
            self.pending.push_back(Pending { packet_id: None, outgoing });
            return self.send_waiting();
        }
        if self.established {
            let packet = build_publish(self.version, &outgoing, None, false)?;
            self.send(packet)?;
        }
        Ok(())
    }

    /// Keeps an idle connection alive.
    pub fn ping(&mut self) -> Result<(), ClientError> {
        let ping: Packet = match self.version {
            Version::V5_0 => v5_0::Pingreq::new().into(),
            _ => v3_1_1::Pingreq::new().into(),
        };
        self.send(ping)
    }

    /// Says DISCONNECT.
    pub fn disconnect(&mut self) -> Result<(), ClientError> {
        let disconnect: Packet = match self.version {
            Version::V5_0 => v5_0::Disconnect::builder().build().map_err(ClientError::Invalid)?.into(),
            _ => v3_1_1::Disconnect::new().into(),
        };
        self.established = false;
        self.send(disconnect)
    }

    /// Takes bytes from the socket; calls `on_outcome` for each publication that has come to its end.
    pub fn receive(&mut self, bytes: &[u8], on_outcome: &mut dyn FnMut(Outcome)) -> Result<(), ClientError> {
        let mut cursor = Cursor::new(bytes);
        while (cursor.position() as usize) < bytes.len() {
            for event in self.connection.recv(&mut cursor) {
                self.handle(event, on_outcome)?;
            }
        }
        if self.established { self.send_waiting() } else { Ok(()) }
    }

    fn handle(&mut self, event: Event, on_outcome: &mut dyn FnMut(Outcome)) -> Result<(), ClientError> {
        match event {
            Event::NotifyPacketReceived(packet) => self.received(packet, on_outcome),
            Event::RequestSendPacket { packet, .. } => {
                self.output.extend_from_slice(&packet.to_continuous_buffer());
                Ok(())
            }
            Event::NotifyError(error) => Err(ClientError::Protocol(error)),
            // Timers are the caller's; packet identifiers are read from the acknowledgements themselves.
            _ => Ok(()),
        }
    }

    fn received(&mut self, packet: Packet, on_outcome: &mut dyn FnMut(Outcome)) -> Result<(), ClientError> {
        match packet {
            Packet::V3_1_1Connack(connack) => {
                let code = connack.return_code();
                if code.is_failure() { Err(ClientError::Refused(format!("{code:?}"))) } else { self.establish() }
            }
            Packet::V5_0Connack(connack) => {
                let code = connack.reason_code();
                if code != ConnectReasonCode::Success {
                    Err(ClientError::Refused(format!("{code:?}")))
                } else {
                    self.establish()
                }
            }
            Packet::V3_1_1Puback(puback) => self.finish(puback.packet_id(), None, on_outcome),
            Packet::V3_1_1Pubcomp(pubcomp) => self.finish(pubcomp.packet_id(), None, on_outcome),
            Packet::V5_0Puback(puback) => {
                let refusal = puback.reason_code().filter(|code| code.is_failure());
                self.finish(puback.packet_id(), refusal.map(|code| format!("{code:?}")), on_outcome)
            }
            Packet::V5_0Pubrec(pubrec) => match pubrec.reason_code().filter(|code| code.is_failure()) {
                Some(code) => self.finish(pubrec.packet_id(), Some(format!("{code:?}")), on_outcome),
                None => Ok(()),
            },
            Packet::V5_0Pubcomp(pubcomp) => {
                let refusal = pubcomp.reason_code().filter(|code| code.is_failure());
                self.finish(pubcomp.packet_id(), refusal.map(|code| format!("{code:?}")), on_outcome)
            }
            Packet::V5_0Disconnect(disconnect) => {
                Err(ClientError::Disconnected(format!("{:?}", disconnect.reason_code())))
            }
            _ => Ok(()),
        }
    }

    fn establish(&mut self) -> Result<(), ClientError> {
        self.established = true;
        for index in 0..self.pending.len() {
            let Some(packet_id) = self.pending[index].packet_id else { break };
            if self.window() == 0 {
                // Beyond the receive maximum of the new connection: its turn comes, under a new number.
                self.pending[index].packet_id = None;
                continue;
            }
            self.connection.register_packet_id(packet_id).map_err(ClientError::Protocol)?;
            let packet = build_publish(self.version, &self.pending[index].outgoing, Some(packet_id), true)?;
            self.resent += 1;
            self.send(packet)?;
        }
        self.send_waiting()
    }

    /// How many more QoS 1 and 2 publications the server takes now (MQTT 5, 3.3.4).
    fn window(&self) -> u16 {
        self.connection.get_receive_maximum_vacancy_for_send().unwrap_or(u16::MAX)
    }

    fn send_waiting(&mut self) -> Result<(), ClientError> {
        if !self.established {
            return Ok(());
        }
        // New ones are at the end, and in order: skip back over them only.
        let first = self.pending.iter().rposition(|pending| pending.packet_id.is_some()).map_or(0, |last| last + 1);
        for index in first..self.pending.len() {
            if self.window() == 0 {
                break;
            }
            let packet_id = self.connection.acquire_packet_id().map_err(ClientError::Protocol)?;
            self.pending[index].packet_id = Some(packet_id);
            let packet = build_publish(self.version, &self.pending[index].outgoing, Some(packet_id), false)?;
            self.send(packet)?;
        }
        Ok(())
    }

    fn finish(
        &mut self,
        packet_id: u16,
        refusal: Option<String>,
        on_outcome: &mut dyn FnMut(Outcome),
    ) -> Result<(), ClientError> {
        let found = self.pending.iter().position(|pending| pending.packet_id == Some(packet_id));
        if let Some(pending) = found.and_then(|index| self.pending.remove(index)) {
            on_outcome(match refusal {
                None => Outcome::Acknowledged(pending.outgoing),
                Some(reason) => Outcome::Refused(pending.outgoing, reason),
            });
        }
        Ok(())
    }

    fn send(&mut self, packet: Packet) -> Result<(), ClientError> {
        for event in self.connection.send(packet) {
            match event {
                Event::RequestSendPacket { packet, .. } => {
                    self.output.extend_from_slice(&packet.to_continuous_buffer());
                }
                Event::NotifyError(error) => return Err(ClientError::Protocol(error)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn build_publish(version: Version, outgoing: &Outgoing, id: Option<u16>, dup: bool) -> Result<Packet, ClientError> {
    let qos = match outgoing.qos {
        0 => Qos::AtMostOnce,
        1 => Qos::AtLeastOnce,
        _ => Qos::ExactlyOnce,
    };
    if version == Version::V5_0 {
        let mut builder =
            v5_0::Publish::builder().qos(qos).retain(outgoing.retain).dup(dup).payload(outgoing.payload.as_slice());
        if let Some(id) = id {
            builder = builder.packet_id(id);
        }
        let packet = builder.topic_name(outgoing.topic.as_str()).and_then(|builder| builder.build());
        return packet.map(Packet::from).map_err(ClientError::Invalid);
    }
    let mut builder =
        v3_1_1::Publish::builder().qos(qos).retain(outgoing.retain).dup(dup).payload(outgoing.payload.as_slice());
    if let Some(id) = id {
        builder = builder.packet_id(id);
    }
    let packet = builder.topic_name(outgoing.topic.as_str()).and_then(|builder| builder.build());
    packet.map(Packet::from).map_err(ClientError::Invalid)
}
