use std::borrow::Cow;

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::Event;
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet};
use mqtt_protocol_core::mqtt::result_code::DisconnectReasonCode;
use mqtt_protocol_core::mqtt::{self as protocol, Connection, role};

use super::direction::Direction;
use super::inbound::ConnectRequest;
use super::repair::{is_connect_v5, repaired};
use super::trace::PacketTrace;
use super::version::Version;
use super::{older, outbound, reason_codes};

/// Bytes into packets and packets into bytes, in the version of the connection: the protocol crate's connection, what the
/// client takes, and the bytes that leave. Every packet passes through here, so here they are counted and traced.
pub(super) struct Codec {
    mqtt: Connection<role::Server>,
    /// As the CONNECT says; before it 3.1.1.
    version: Version,
    /// To be written to the socket.
    output: Vec<u8>,
    /// Largest packet the client takes (MQTT 5.0 section 3.1.2.11.4).
    packet_bytes_max: usize,
    /// The client wants reason strings where something is refused (MQTT 5.0 section 3.1.2.11.7).
    explains: bool,
    /// The client is another broker's bridge.
    is_bridge: bool,
    /// Those who trace the client, if anybody does.
    trace: Option<Box<PacketTrace>>,
}

impl Codec {
    pub(super) fn new() -> Self {
        let mut mqtt = Connection::new(protocol::Version::Undetermined);
        mqtt.set_auto_pub_response(false);
        mqtt.set_auto_ping_response(true);
        Codec {
            mqtt,
            version: Version::V3_1_1,
            output: Vec::new(),
            packet_bytes_max: usize::MAX,
            explains: false,
            is_bridge: false,
            trace: None,
        }
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn is_v5(&self) -> bool {
        self.version.is_v5()
    }

    pub(super) fn is_bridge(&self) -> bool {
        self.is_bridge
    }

    pub(super) fn packet_bytes_max(&self) -> usize {
        self.packet_bytes_max
    }

    pub(super) fn explains(&self) -> bool {
        self.explains
    }

    /// A CONNECT came: from now on its version is spoken.
    pub(super) fn speak_as(&mut self, connect: &ConnectRequest) {
        self.version = connect.version;
        self.packet_bytes_max = connect.packet_bytes_max;
    }

    /// The client is let in, and told why where it wants that; `received`: QoS 2 identifiers of its session that are not
    /// released.
    pub(super) fn open(&mut self, connect: &ConnectRequest, received: impl Iterator<Item = u16>) {
        self.explains = connect.version.is_v5() && connect.explains;
        self.mqtt.restore_qos2_publish_handled(received.collect());
    }

    /// What comes in 3.1, or from a bridge, as the protocol crate knows it; anything else as it is.
    pub(super) fn as_3_1_1<'a>(&mut self, packet: &'a [u8], awaits_connect: bool) -> Cow<'a, [u8]> {
        if !awaits_connect {
            return if self.version == Version::V3_1 { older::packet(packet) } else { Cow::Borrowed(packet) };
        }
        let Some(connect) = older::connect(packet) else { return Cow::Borrowed(packet) };
        (self.version, self.is_bridge) = (connect.version, connect.is_bridge);
        Cow::Owned(connect.packet)
    }

    /// A whole packet of the client came.
    pub(super) fn note_received(&mut self, packet: &[u8]) {
        reason_codes::count(Direction::In, packet, self.is_v5());
        show(&mut self.trace, Direction::In, packet, self.version);
    }

    /// What a whole packet makes.
    pub(super) fn receive(&mut self, packet: &[u8]) -> Vec<Event> {
        self.mqtt.recv(&mut Cursor::new(&*repaired(packet, self.is_v5())))
    }

    /// Sends a packet; returns whether it went out: one that is too large for the client does not.
    pub(super) fn send(&mut self, packet: Packet) -> bool {
        let before = self.output.len();
        for event in self.mqtt.send(packet) {
            if let Event::RequestSendPacket { packet, .. } = event {
                self.write(&packet);
            }
        }
        self.output.len() > before
    }

    /// Sends a packet with a reason string, without it where it would be too large for the client (MQTT-3.2.2-19,
    /// MQTT-3.14.2-3).
    pub(super) fn send_explained(&mut self, packet: impl Fn(bool, Option<&str>) -> Packet, why: &str) {
        if !self.send(packet(self.is_v5(), Some(why))) {
            self.send(packet(self.is_v5(), None));
        }
    }

    /// Writes a packet without asking the crate.
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

    /// Writes a DISCONNECT past the crate, which sends nothing after an error of its own; without the reason where that
    /// makes it too large for the client (MQTT-3.14.2-3).
    pub(super) fn write_disconnect(&mut self, code: DisconnectReasonCode, why: &str) {
        let packets = [Some(why), None].map(|why| outbound::disconnect(code, why));
        if let Some(packet) = packets.iter().find(|packet| packet.size() <= self.packet_bytes_max) {
            self.write(packet);
        }
    }

    /// Refuses a CONNECT of version 5 that could not be taken; one of another version is not answered.
    pub(super) fn refuse_connect(&mut self, connect: &[u8], code: DisconnectReasonCode) {
        if is_connect_v5(connect) {
            self.write_bytes(&[0x20, 3, 0, code as u8, 0]);
        }
    }

    fn note_written(&mut self, before: usize) {
        let written = &self.output[before..];
        reason_codes::count(Direction::Out, written, self.version.is_v5());
        show(&mut self.trace, Direction::Out, written, self.version);
    }

    /// Bytes for the socket; the caller removes what it has written.
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    pub(super) fn discard_output(&mut self) {
        self.output = Vec::new();
    }

    /// Shows packets to those who trace the client from now on.
    pub(super) fn trace(&mut self, trace: Option<Box<PacketTrace>>) {
        self.trace = trace;
    }

    pub(super) fn traced(&mut self) -> Option<&mut PacketTrace> {
        self.trace.as_deref_mut()
    }

    /// A packet identifier for a delivery that has none yet.
    pub(super) fn new_packet_id(&mut self) -> u16 {
        self.mqtt.acquire_packet_id().expect("no more are in flight than the receive maximum")
    }

    /// A delivery goes out again with the identifier it had before.
    pub(super) fn take_packet_id(&mut self, packet_id: u16) {
        // Taken already only if the store held one identifier twice; the send is refused then.
        let _ = self.mqtt.register_packet_id(packet_id);
    }

    pub(super) fn free_packet_id(&mut self, packet_id: u16) {
        self.mqtt.release_packet_id(packet_id);
    }
}

/// Shows packets to those who trace, if there are any and they still read.
fn show(trace: &mut Option<Box<PacketTrace>>, direction: Direction, packets: &[u8], version: Version) {
    if let Some(reading) = trace
        && !reading.packets(direction, packets, version.is_v5())
    {
        *trace = None;
    }
}
