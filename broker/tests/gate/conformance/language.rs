//! Packets as a test writes them.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V3,
    V5,
}

pub use Version::{V3, V5};

pub use super::client::*;

pub const BOTH: [Version; 2] = [V3, V5];
pub const PUBACK: u8 = 0x40;
pub const PUBREC: u8 = 0x50;
pub const PUBREL: u8 = 0x62;
pub const PUBCOMP: u8 = 0x70;
pub const PINGREQ: &[u8] = b"\xc0\0";
pub const PINGRESP: &[u8] = b"\xd0\0";
/// The DISCONNECT of a client that is done.
pub const GOODBYE: &[u8] = b"\xe0\0";

/// A packet of any type: its first byte, and its body in parts.
pub fn packet(first: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let mut packet = vec![first];
    packet.extend(varying(body.len()));
    packet.extend(body);
    packet
}

/// A variable byte integer.
pub fn varying(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let more = value > 127;
        bytes.push((value & 127) as u8 | if more { 128 } else { 0 });
        value >>= 7;
        if !more {
            return bytes;
        }
    }
}

/// A string or binary data with its length before it.
pub fn text(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&(text.len() as u16).to_be_bytes(), text].concat()
}

/// A packet that is a packet identifier and nothing else.
pub fn ack(first: u8, packet_id: u16) -> Vec<u8> {
    packet(first, &[&packet_id.to_be_bytes()])
}

/// A packet that is a packet identifier and a reason code.
pub fn ack_with(first: u8, packet_id: u16, code: u8) -> Vec<u8> {
    packet(first, &[&packet_id.to_be_bytes(), &[code]])
}

/// Properties of MQTT 5, each as it stands in a packet.
pub mod property {
    use super::text;

    pub fn byte(id: u8, value: u8) -> Vec<u8> {
        vec![id, value]
    }

    pub fn short(id: u8, value: u16) -> Vec<u8> {
        [&[id][..], &value.to_be_bytes()].concat()
    }

    pub fn long(id: u8, value: u32) -> Vec<u8> {
        [&[id][..], &value.to_be_bytes()].concat()
    }

    pub fn string(id: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
        [vec![id], text(value)].concat()
    }

    pub fn user(key: &str, value: &str) -> Vec<u8> {
        [vec![0x26], text(key), text(value)].concat()
    }

    pub fn payload_format(value: u8) -> Vec<u8> {
        byte(0x01, value)
    }

    pub fn message_expiry(seconds: u32) -> Vec<u8> {
        long(0x02, seconds)
    }

    pub fn content_type(value: impl AsRef<[u8]>) -> Vec<u8> {
        string(0x03, value)
    }

    pub fn response_topic(value: impl AsRef<[u8]>) -> Vec<u8> {
        string(0x08, value)
    }

    pub fn correlation_data(value: impl AsRef<[u8]>) -> Vec<u8> {
        string(0x09, value)
    }

    pub fn subscription_identifier(value: u8) -> Vec<u8> {
        byte(0x0b, value)
    }

    pub fn session_expiry(seconds: u32) -> Vec<u8> {
        long(0x11, seconds)
    }

    pub fn authentication_method(value: &str) -> Vec<u8> {
        string(0x15, value)
    }

    pub fn will_delay(seconds: u32) -> Vec<u8> {
        long(0x18, seconds)
    }

    pub fn receive_maximum(count: u16) -> Vec<u8> {
        short(0x21, count)
    }

    pub fn topic_alias_maximum(count: u16) -> Vec<u8> {
        short(0x22, count)
    }

    pub fn topic_alias(alias: u16) -> Vec<u8> {
        short(0x23, alias)
    }

    pub fn reason_string(value: &str) -> Vec<u8> {
        string(0x1f, value)
    }

    pub fn maximum_packet_size(bytes: u32) -> Vec<u8> {
        long(0x27, bytes)
    }
}

impl Version {
    /// Properties with their length before them; nothing in 3.1.1.
    pub fn properties(self, properties: &[Vec<u8>]) -> Vec<u8> {
        let properties = properties.concat();
        match self {
            V3 => Vec::new(),
            V5 => [varying(properties.len()), properties].concat(),
        }
    }

    /// A CONNECT with a clean start.
    pub fn connect(self, client: impl AsRef<[u8]>) -> Connect {
        let level = if self == V3 { 4 } else { 5 };
        Connect {
            version: self,
            head: [&b"\0\x04MQTT"[..], &[level]].concat(),
            flags: 2,
            keep_alive_s: 0,
            properties: Vec::new(),
            payload: text(client),
        }
    }

    /// A PUBLISH with QoS 0.
    pub fn publish(self, topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Publish {
        Publish {
            version: self,
            first: 0x30,
            topic: topic.as_ref().to_vec(),
            packet_id: 0,
            properties: Vec::new(),
            payload: payload.as_ref().to_vec(),
        }
    }

    /// A SUBSCRIBE with packet identifier 1; each filter with its options byte.
    pub fn subscribe<T: AsRef<[u8]>>(self, filters: &[(T, u8)]) -> Vec<u8> {
        self.subscribe_with(&[], filters)
    }

    pub fn subscribe_with<T: AsRef<[u8]>>(self, properties: &[Vec<u8>], filters: &[(T, u8)]) -> Vec<u8> {
        let filters: Vec<u8> =
            filters.iter().flat_map(|(filter, options)| [text(filter), vec![*options]].concat()).collect();
        packet(0x82, &[&[0, 1], &self.properties(properties), &filters])
    }

    pub fn suback(self, codes: &[u8]) -> Vec<u8> {
        self.suback_with(&[], codes)
    }

    pub fn suback_with(self, properties: &[Vec<u8>], codes: &[u8]) -> Vec<u8> {
        packet(0x90, &[&[0, 1], &self.properties(properties), codes])
    }

    /// An UNSUBSCRIBE with packet identifier 1.
    pub fn unsubscribe<T: AsRef<[u8]>>(self, filters: &[T]) -> Vec<u8> {
        packet(0xa2, &[&[0, 1], &self.properties(&[]), &filters.iter().flat_map(text).collect::<Vec<u8>>()])
    }

    /// The UNSUBACK; 3.1.1 has no codes in it.
    pub fn unsuback(self, codes: &[u8]) -> Vec<u8> {
        packet(0xb0, &[&[0, 1], &self.properties(&[]), if self == V5 { codes } else { &[] }])
    }

    /// The code of a filter that is refused: 3.1.1 has one for all.
    pub fn failure(self, code: u8) -> u8 {
        if self == V3 { 0x80 } else { code }
    }
}

#[derive(Debug, Clone)]
pub struct Connect {
    pub version: Version,
    head: Vec<u8>,
    flags: u8,
    keep_alive_s: u16,
    properties: Vec<Vec<u8>>,
    payload: Vec<u8>,
}

impl Connect {
    /// Without a clean start, and with a session that is kept: for a minute in version 5.
    pub fn keeping(mut self) -> Self {
        self.flags &= !2;
        if self.version == V5 {
            self.properties.push(property::session_expiry(60));
        }
        self
    }

    /// Without a clean start.
    pub fn resuming(mut self) -> Self {
        self.flags &= !2;
        self
    }

    pub fn with(mut self, property: Vec<u8>) -> Self {
        self.properties.push(property);
        self
    }

    /// With these flags besides those of what else is said.
    pub fn flags(mut self, flags: u8) -> Self {
        self.flags |= flags;
        self
    }

    pub fn will(mut self, topic: impl AsRef<[u8]>, payload: &str, qos: u8, retain: bool) -> Self {
        self.flags |= 4 | (qos << 3) | (u8::from(retain) << 5);
        self.payload.extend([self.version.properties(&[]), text(topic), text(payload)].concat());
        self
    }

    pub fn will_with(mut self, properties: &[Vec<u8>], topic: &str, payload: &str) -> Self {
        self.flags |= 4;
        self.payload.extend([self.version.properties(properties), text(topic), text(payload)].concat());
        self
    }

    pub fn user(mut self, user: impl AsRef<[u8]>) -> Self {
        self.flags |= 0x80;
        self.append(text(user))
    }

    pub fn password(mut self, password: &str) -> Self {
        self.flags |= 0x40;
        self.append(text(password))
    }

    /// Ends before its payload.
    pub fn without_payload(version: Version) -> Self {
        Connect { payload: Vec::new(), ..version.connect("") }
    }

    /// With more bytes at its end.
    pub fn append(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.payload.extend_from_slice(bytes.as_ref());
        self
    }

    /// With another protocol name and level.
    pub fn named(mut self, name: &str, level: u8) -> Self {
        self.head = [text(name), vec![level]].concat();
        self
    }
}

impl From<Connect> for Vec<u8> {
    fn from(connect: Connect) -> Self {
        let (properties, [high, low]) =
            (connect.version.properties(&connect.properties), connect.keep_alive_s.to_be_bytes());
        packet(0x10, &[&connect.head, &[connect.flags, high, low], &properties, &connect.payload])
    }
}

#[derive(Debug, Clone)]
pub struct Publish {
    version: Version,
    first: u8,
    topic: Vec<u8>,
    packet_id: u16,
    properties: Vec<Vec<u8>>,
    payload: Vec<u8>,
}

impl Publish {
    pub fn qos(mut self, qos: u8, packet_id: u16) -> Self {
        self.first |= qos << 1;
        self.packet_id = packet_id;
        self
    }

    pub fn retain(mut self) -> Self {
        self.first |= 1;
        self
    }

    pub fn dup(mut self) -> Self {
        self.first |= 8;
        self
    }

    pub fn with(mut self, property: Vec<u8>) -> Self {
        self.properties.push(property);
        self
    }
}

impl From<Publish> for Vec<u8> {
    fn from(publish: Publish) -> Self {
        let packet_id = publish.packet_id.to_be_bytes();
        let packet_id = if publish.first & 6 == 0 { &[][..] } else { &packet_id[..] };
        let properties = publish.version.properties(&publish.properties);
        packet(publish.first, &[&text(&publish.topic), packet_id, &properties, &publish.payload])
    }
}
