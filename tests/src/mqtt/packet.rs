//! Packets of MQTT 3.1.1 and 5.0 (sections 3.1 to 3.14), as far as a client of the tests needs them.

/// What a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// CONNACK.
    Connack {
        /// The server has the client's session.
        session_present: bool,
        /// Return code or reason code.
        code: u8,
    },
    /// PUBLISH.
    Publish {
        /// Quality of service.
        qos: u8,
        /// It is (also) a retained message.
        retain: bool,
        /// 0 for QoS 0.
        packet_id: u16,
        /// Topic name.
        topic: String,
        /// Payload.
        payload: Vec<u8>,
    },
    /// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK or UNSUBACK.
    Answer {
        /// Type of the packet, 4 to 11.
        kind: u8,
        /// Whose.
        packet_id: u16,
        /// Reason code, the first one of a SUBACK; 0 where there is none.
        code: u8,
    },
    /// PINGRESP.
    Pong,
    /// DISCONNECT of version 5.
    Disconnect(u8),
}

/// Reason codes (MQTT 5.0 section 2.4).
pub mod code {
    /// An implementation or administrative limit is exceeded.
    pub const QUOTA_EXCEEDED: u8 = 0x97;
}

/// What a client asks to be published when its connection is lost.
#[derive(Debug, Clone)]
pub struct Will {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Quality of service.
    pub qos: u8,
}

impl Packet {
    /// Takes the first packet out of `bytes` when it is whole.
    ///
    /// # Panics
    /// When the bytes are none that a server may send.
    pub fn take(bytes: &mut Vec<u8>, v5: bool) -> Option<Packet> {
        let (length, header) = remaining_length(bytes)?;
        let body = bytes.get(header..header + length)?.to_vec();
        let packet = parse(bytes[0], &body, v5);
        bytes.drain(..header + length);
        Some(packet)
    }
}

fn parse(first: u8, body: &[u8], v5: bool) -> Packet {
    let reason = |at: usize| body.get(at).copied().unwrap_or(0);
    match first >> 4 {
        2 => Packet::Connack { session_present: body[0] & 1 == 1, code: body[1] },
        3 => publish_from(first, body, v5),
        kind @ 4..=7 => Packet::Answer { kind, packet_id: u16_at(body, 0), code: reason(2) },
        kind @ (9 | 11) => Packet::Answer { kind, packet_id: u16_at(body, 0), code: reason(if v5 { 3 } else { 2 }) },
        13 => Packet::Pong,
        14 => Packet::Disconnect(reason(0)),
        other => panic!("a server does not send packets of type {other}"),
    }
}

fn publish_from(first: u8, body: &[u8], v5: bool) -> Packet {
    let qos = first >> 1 & 3;
    let topic_end = 2 + usize::from(u16_at(body, 0));
    let topic = String::from_utf8(body[2..topic_end].to_vec()).expect("a topic is UTF-8");
    let (packet_id, mut at) = if qos > 0 { (u16_at(body, topic_end), topic_end + 2) } else { (0, topic_end) };
    if v5 {
        // Properties, which the tests do not look at; the server sends few.
        at += 1 + usize::from(body[at]);
    }
    Packet::Publish { qos, retain: first & 1 == 1, packet_id, topic, payload: body[at..].to_vec() }
}

/// The remaining length (section 1.5.5 of MQTT 5.0) and where the body begins.
fn remaining_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (place, byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((length, 2 + place));
        }
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// CONNECT without clean start, with a session that lasts, and no keep-alive.
pub(super) fn connect(client: &str, v5: bool, will: Option<&Will>) -> Vec<u8> {
    let flags = will.map_or(0, |will| 0x04 | will.qos << 3);
    let mut body = [text("MQTT"), vec![if v5 { 5 } else { 4 }, flags, 0, 0]].concat();
    if v5 {
        // Session Expiry Interval: never.
        body.extend([5, 0x11, 0xff, 0xff, 0xff, 0xff]);
    }
    body.extend(text(client));
    if let Some(will) = will {
        if v5 {
            body.push(0);
        }
        body.extend(text(&will.topic));
        body.extend((will.payload.len() as u16).to_be_bytes());
        body.extend(&will.payload);
    }
    whole(0x10, &body)
}

/// A publication of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: String,
    /// Quality of service.
    pub qos: u8,
    /// To be retained.
    pub retain: bool,
}

/// PUBLISH with QoS 0.
pub(super) fn publish_once(topic: &str, payload: &[u8], v5: bool) -> Vec<u8> {
    let mut body = text(topic);
    body.extend(v5.then_some(0));
    body.extend(payload);
    whole(0x30, &body)
}

/// PUBLISH.
pub(super) fn publish(message: &Outgoing, packet_id: u16, dup: bool, v5: bool) -> Vec<u8> {
    let first = 0x30 | u8::from(dup) << 3 | message.qos << 1 | u8::from(message.retain);
    let mut body = text(&message.topic);
    if message.qos > 0 {
        body.extend(packet_id.to_be_bytes());
    }
    if v5 {
        body.push(0);
    }
    body.extend(message.payload.as_bytes());
    whole(first, &body)
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
pub(super) fn answer(kind: u8, packet_id: u16) -> Vec<u8> {
    let reserved = if kind == 6 { 2 } else { 0 };
    whole(kind << 4 | reserved, &packet_id.to_be_bytes())
}

/// SUBSCRIBE to one filter.
pub(super) fn subscribe(filter: &str, qos: u8, packet_id: u16, v5: bool) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    if v5 {
        body.push(0);
    }
    body.extend(text(filter));
    body.push(qos);
    whole(0x82, &body)
}

/// PINGREQ.
pub(super) const PING: &[u8] = &[0xc0, 0];
/// DISCONNECT.
pub(super) const DISCONNECT: &[u8] = &[0xe0, 0];

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("texts of the tests are short");
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

fn whole(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    loop {
        let more = if length > 0x7f { 0x80 } else { 0 };
        packet.push((length & 0x7f) as u8 | more);
        length >>= 7;
        if more == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}
