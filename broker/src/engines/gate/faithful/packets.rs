//! Just enough of MQTT for a client, written apart from the broker's.

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packet {
    Connack { session_present: bool, code: u8 },
    Publish(Publish),
    Puback { id: u16, code: u8 },
    Pubrec { id: u16, code: u8 },
    Pubrel { id: u16 },
    Pubcomp { id: u16 },
    Suback { codes: Vec<u8> },
    Disconnect { code: u8 },
    Other(u8),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Publish {
    pub qos: u8,
    pub dup: bool,
    /// 0 with QoS 0.
    pub id: u16,
    pub topic: String,
    pub alias: Option<u16>,
    pub payload: String,
}

/// Takes the first packet out of `bytes` if it is whole.
pub(super) fn take(bytes: &mut Vec<u8>, v5: bool) -> Option<Packet> {
    let (mut length, mut header) = (0_usize, 1);
    loop {
        let byte = *bytes.get(header)?;
        length |= usize::from(byte & 0x7f) << (7 * (header - 1));
        header += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    if bytes.len() < header + length {
        return None;
    }
    let packet: Vec<u8> = bytes.drain(..header + length).collect();
    Some(read(packet[0], &packet[header..], v5))
}

fn read(first: u8, body: &[u8], v5: bool) -> Packet {
    let id = || u16::from_be_bytes([body[0], body[1]]);
    let code = || body.get(2).copied().unwrap_or(0);
    match first >> 4 {
        2 => Packet::Connack { session_present: body[0] == 1, code: body[1] },
        3 => Packet::Publish(read_publish(first, body, v5)),
        4 => Packet::Puback { id: id(), code: code() },
        5 => Packet::Pubrec { id: id(), code: code() },
        6 => Packet::Pubrel { id: id() },
        7 => Packet::Pubcomp { id: id() },
        9 => Packet::Suback { codes: body[2 + usize::from(v5)..].to_vec() },
        14 => Packet::Disconnect { code: body.first().copied().unwrap_or(0) },
        _ => Packet::Other(first),
    }
}

fn read_publish(first: u8, body: &[u8], v5: bool) -> Publish {
    let topic_bytes = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let (topic, mut rest) = body[2..].split_at(topic_bytes);
    let qos = (first >> 1) & 3;
    let mut id = 0;
    if qos > 0 {
        id = u16::from_be_bytes([rest[0], rest[1]]);
        rest = &rest[2..];
    }
    let mut alias = None;
    if v5 {
        // Nobody in this world sends other properties than an alias.
        let (properties, payload) = rest[1..].split_at(rest[0].into());
        alias = properties.strip_prefix(&[0x23]).map(|value| u16::from_be_bytes([value[0], value[1]]));
        rest = payload;
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("what was published was text");
    Publish { qos, dup: first & 8 != 0, id, topic: text(topic), alias, payload: text(rest) }
}

/// A CONNECT that asks for a session that never ends; `receive_max` and `alias_max` go with version 5 only.
pub(super) fn connect(client: &str, v5: bool, receive_max: u8, alias_max: u8) -> Vec<u8> {
    let mut body = b"\0\x04MQTT".to_vec();
    body.extend_from_slice(if v5 { b"\x05\0\0\0\x0b\x11\xff\xff\xff\xff\x21\0" } else { b"\x04\0\0\0" });
    if v5 {
        body.extend_from_slice(&[receive_max, 0x22, 0, alias_max]);
    }
    body.extend(text(client));
    whole(0x10, &body)
}

pub(super) fn publish(publish: &Publish, v5: bool) -> Vec<u8> {
    let mut body = text(&publish.topic);
    if publish.qos > 0 {
        body.extend(publish.id.to_be_bytes());
    }
    if v5 {
        body.push(0);
    }
    body.extend_from_slice(publish.payload.as_bytes());
    whole(0x30 | publish.qos << 1 | u8::from(publish.dup) << 3, &body)
}

pub(super) fn subscribe(id: u16, filters: &[(String, u8)], v5: bool) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if v5 {
        body.push(0);
    }
    for (filter, qos) in filters {
        body.extend(text(filter));
        body.push(*qos);
    }
    whole(0x82, &body)
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP, by its first byte.
pub(super) fn answer(first: u8, id: u16) -> Vec<u8> {
    whole(first, &id.to_be_bytes())
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn whole(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    while length > 127 {
        packet.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    packet.push(length as u8);
    packet.extend_from_slice(body);
    packet
}
