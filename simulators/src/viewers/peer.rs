//! The same view through MQTT 3.1.1 over WebSocket: a subscription for each device's topic. For the comparison, so it
//! is written by hand and as lean as the other viewer: no allocation for a message.

use super::{Audience, session::ViewerProtocol, socket::Outbox};

const KEEP_ALIVE_S: u16 = 60;
const PING_TICKS: u64 = 30;
const TOPIC_PREFIX: &str = "sensors/";

/// A viewer's state.
pub struct MqttViewer {
    client_id: String,
    devices: Vec<String>,
    qos: u8,
    /// A packet may span WebSocket frames (MQTT 6.0).
    rest: Vec<u8>,
    ticks: u64,
}

impl MqttViewer {
    /// Viewer number `number` of these devices.
    pub fn new(number: usize, devices: Vec<String>, qos: u8) -> Self {
        Self { client_id: format!("viewer-{number}"), devices, qos, rest: Vec::new(), ticks: 0 }
    }

    fn connect(&self) -> Vec<u8> {
        let mut body = b"\x00\x04MQTT\x04\x02".to_vec();
        body.extend_from_slice(&KEEP_ALIVE_S.to_be_bytes());
        put_text(&mut body, &self.client_id);
        packet(0x10, &body)
    }

    fn subscribe(&self) -> Vec<u8> {
        let mut body = 1u16.to_be_bytes().to_vec();
        for device in &self.devices {
            put_text(&mut body, &format!("{TOPIC_PREFIX}{device}"));
            body.push(self.qos);
        }
        packet(0x82, &body)
    }

    /// Takes packets as far as they are whole; returns how many bytes that were.
    fn consume(&self, bytes: &[u8], audience: &Audience, out: &mut Outbox) -> Result<usize, String> {
        let mut used = 0;
        let mut acknowledgements = Vec::new();
        while let Some((head, body, length)) = split(&bytes[used..]) {
            used += length;
            match head >> 4 {
                2 if body.get(1) != Some(&0) => return Err(format!("CONNACK refuses: {body:?}")),
                2 => out.binary(&self.subscribe()),
                3 => publish(head, body, audience, &mut acknowledgements)?,
                9 if body.get(2..).is_some_and(|codes| codes.contains(&0x80)) => {
                    return Err("SUBACK refuses a subscription".to_owned());
                }
                9 => audience.stats.count(|counts| counts.snapshots += 1),
                _ => audience.stats.count(|counts| counts.pulses += 1),
            }
        }
        if !acknowledgements.is_empty() {
            out.binary(&acknowledgements);
        }
        Ok(used)
    }
}

impl ViewerProtocol for MqttViewer {
    fn endpoint(&self) -> (&'static str, Option<&'static str>) {
        ("/mqtt", Some("mqtt"))
    }

    fn open(&mut self, out: &mut Outbox) {
        self.rest.clear();
        out.binary(&self.connect());
    }

    fn message(&mut self, payload: &[u8], audience: &Audience, out: &mut Outbox) -> Result<(), String> {
        if self.rest.is_empty() {
            let used = self.consume(payload, audience, out)?;
            self.rest.extend_from_slice(&payload[used..]);
            return Ok(());
        }
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(payload);
        let used = self.consume(&bytes, audience, out)?;
        self.rest.extend_from_slice(&bytes[used..]);
        Ok(())
    }

    fn tick(&mut self, out: &mut Outbox) {
        self.ticks += 1;
        if self.ticks.is_multiple_of(PING_TICKS) {
            out.binary(&[0xc0, 0]);
        }
    }
}

fn publish(head: u8, body: &[u8], audience: &Audience, acknowledgements: &mut Vec<u8>) -> Result<(), String> {
    let short = || "a PUBLISH that is too short".to_owned();
    let (length, rest) = body.split_first_chunk::<2>().ok_or_else(short)?;
    let (topic, mut rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or_else(short)?;
    if head & 0x06 != 0 {
        let (packet_id, after) = rest.split_first_chunk::<2>().ok_or_else(short)?;
        acknowledgements.extend_from_slice(&[0x40, 2, packet_id[0], packet_id[1]]);
        rest = after;
    }
    let device = std::str::from_utf8(topic).ok().and_then(|topic| topic.strip_prefix(TOPIC_PREFIX));
    let age = device
        .and_then(|device| audience.index.get(device))
        .zip(timestamp(rest))
        .and_then(|(&index, time_ms)| audience.sent.as_ref().and_then(|sent| sent.age(index, time_ms)));
    audience.stats.updates(std::iter::once(age));
    Ok(())
}

/// The number after `"timestamp":`.
pub(crate) fn timestamp(payload: &[u8]) -> Option<i64> {
    const KEY: &[u8] = b"\"timestamp\":";
    let at = payload.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
    let digits = payload[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

/// First byte, body and whole length of the first packet, if it is all there.
pub(crate) fn split(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let head = *bytes.first()?;
    let mut length = 0;
    for (index, &byte) in bytes.get(1..)?.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let start = index + 2;
            return Some((head, bytes.get(start..start + length)?, start + length));
        }
    }
    None
}

pub(crate) fn packet(head: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![head];
    let mut length = body.len();
    loop {
        let byte = (length & 0x7f) as u8;
        length >>= 7;
        out.push(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
    out
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_split_at_their_remaining_length() {
        let mut bytes = packet(0x30, &[7; 200]);
        bytes.extend(packet(0x40, &[0, 1]));
        let Some((0x30, body, length)) = split(&bytes) else { panic!("the first packet is whole") };
        assert_eq!((body.len(), length), (200, 203));
        assert_eq!(split(&bytes[length..]), Some((0x40, &[0u8, 1][..], 4)));
        assert_eq!(split(&bytes[..100]), None);
    }

    #[test]
    fn the_time_of_a_reading_is_found_in_its_payload() {
        assert_eq!(timestamp(b"{\"a\":1,\"timestamp\":1704723845000,\"b\":2}"), Some(1_704_723_845_000));
        assert_eq!(timestamp(b"{\"a\":1}"), None);
    }
}
