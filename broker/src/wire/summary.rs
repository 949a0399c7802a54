use std::fmt::Write;

use tidegate_telemetry::clients::TracedPacket;

use super::codes;
use super::frame::packet_name;
use super::inbound::ConnectRequest;

/// What a whole packet says, for people who trace a client; time and direction are the caller's. A packet that is not
/// as it should be is told as far as it can be read.
pub(super) fn summary(raw: &[u8], v5: bool, with_payload: bool) -> TracedPacket {
    let mut packet = TracedPacket { name: packet_name(raw), bytes: raw.len(), ..TracedPacket::default() };
    let mut body = Reader(raw);
    let flags = body.u8().unwrap_or(0);
    let _ = body.variable();
    // Whatever is missing ends the reading; what was read before stays.
    let _ = match flags >> 4 {
        1 => None,
        2 => connack(&mut packet, &mut body, v5),
        3 => publish(&mut packet, &mut body, flags, v5, with_payload),
        4..=7 => acknowledgement(&mut packet, &mut body, v5),
        8 => filters(&mut packet, &mut body, v5, true),
        10 => filters(&mut packet, &mut body, v5, false),
        9 | 11 => codes(&mut packet, &mut body, v5),
        14 | 15 if v5 => reason(&mut packet, &mut body),
        _ => Some(()),
    };
    explain(&mut packet, v5);
    packet
}

/// Puts the codes in words, before the reason string that came with them.
fn explain(packet: &mut TracedPacket, v5: bool) {
    let words: Vec<&str> = packet.codes.iter().filter_map(|code| codes::words(packet.name, v5, *code)).collect();
    let gap = if words.is_empty() || packet.detail.is_empty() { "" } else { ": " };
    packet.detail = cut(words.join(", ")) + gap + &packet.detail;
}

/// What a CONNECT asks for. The password is left out, not hidden.
pub(super) fn connect_words(connect: &ConnectRequest) -> String {
    let mut words = format!("MQTT {}", connect.version.name());
    let mut add = |more: String| {
        words.push_str(", ");
        words.push_str(&more);
    };
    add(if connect.clean { "clean start" } else { "takes its session up" }.to_owned());
    add(match connect.keep_alive_s {
        0 => "no keep-alive".to_owned(),
        seconds => format!("keep-alive {seconds} s"),
    });
    match connect.expiry_s {
        0 => {}
        u32::MAX => add("session kept".to_owned()),
        seconds => add(format!("session kept {seconds} s")),
    }
    if let Some(user) = &connect.user {
        add(format!("user {user:?}"));
    }
    if let Some(will) = &connect.will {
        add(format!("will to {:?}", will.topic));
    }
    cut(words)
}

/// Characters of a text, and bytes of a payload, that are told.
const DETAIL_CHARS_MAX: usize = 1000;
const PAYLOAD_BYTES_MAX: usize = 4096;

fn connack(packet: &mut TracedPacket, body: &mut Reader<'_>, v5: bool) -> Option<()> {
    let is_present = body.u8()? & 1 == 1;
    packet.codes.push(body.u8()?);
    if is_present {
        packet.detail = "session present".to_owned();
    }
    if v5 {
        properties(packet, body)?;
    }
    Some(())
}

fn publish(packet: &mut TracedPacket, body: &mut Reader<'_>, flags: u8, v5: bool, with_payload: bool) -> Option<()> {
    let qos = (flags >> 1) & 3;
    (packet.dup, packet.retain, packet.qos) = (flags & 8 != 0, flags & 1 != 0, Some(qos));
    packet.topic = Some(body.text()?);
    if qos > 0 {
        packet.packet_id = Some(body.u16()?);
    }
    if v5 {
        properties(packet, body)?;
    }
    packet.payload_bytes = Some(body.0.len());
    if with_payload {
        packet.payload = Some(String::from_utf8_lossy(&body.0[..body.0.len().min(PAYLOAD_BYTES_MAX)]).into_owned());
    }
    Some(())
}

fn acknowledgement(packet: &mut TracedPacket, body: &mut Reader<'_>, v5: bool) -> Option<()> {
    packet.packet_id = Some(body.u16()?);
    if v5 && !body.0.is_empty() {
        reason(packet, body)?;
    }
    Some(())
}

/// A reason code, 0 where it is left out, and a reason string.
fn reason(packet: &mut TracedPacket, body: &mut Reader<'_>) -> Option<()> {
    packet.codes.push(body.u8().unwrap_or(0));
    properties(packet, body)
}

fn codes(packet: &mut TracedPacket, body: &mut Reader<'_>, v5: bool) -> Option<()> {
    packet.packet_id = Some(body.u16()?);
    if v5 {
        properties(packet, body)?;
    }
    packet.codes.extend_from_slice(body.0);
    Some(())
}

fn filters(packet: &mut TracedPacket, body: &mut Reader<'_>, v5: bool, with_options: bool) -> Option<()> {
    packet.packet_id = Some(body.u16()?);
    if v5 {
        properties(packet, body)?;
    }
    let mut words = String::new();
    while !body.0.is_empty() && words.len() < 4 * DETAIL_CHARS_MAX {
        let gap = if words.is_empty() { "" } else { ", " };
        let _ = write!(words, "{gap}{}", body.text()?);
        if with_options {
            let _ = write!(words, " qos {}", body.u8()? & 3);
        }
    }
    packet.detail = cut(words);
    Some(())
}

/// Reads the properties (MQTT 5.0 section 2.2.2) for the two that are told: topic alias and reason string.
fn properties(packet: &mut TracedPacket, body: &mut Reader<'_>) -> Option<()> {
    let length = body.variable()?;
    let mut properties = Reader(body.take(length)?);
    while !properties.0.is_empty() {
        match properties.u8()? {
            0x23 => packet.topic_alias = Some(properties.u16()?),
            0x1f => packet.detail = cut(properties.text()?),
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => drop(properties.u8()?),
            0x13 | 0x21 | 0x22 => drop(properties.u16()?),
            0x02 | 0x11 | 0x18 | 0x27 => drop(properties.take(4)?),
            0x0b => drop(properties.variable()?),
            0x26 => drop((properties.text()?, properties.text()?)),
            _ => drop(properties.text()?),
        }
    }
    Some(())
}

fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(DETAIL_CHARS_MAX) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// Bytes that are still to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A variable byte integer (MQTT 5.0 section 1.5.5).
    fn variable(&mut self) -> Option<usize> {
        let mut value = 0;
        for index in 0..4 {
            let byte = self.u8()?;
            value |= usize::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn text(&mut self) -> Option<String> {
        let length = self.u16()?;
        self.take(length.into()).map(|text| String::from_utf8_lossy(text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_is_told_with_its_topic_and_its_payload_only_when_asked() {
        let raw = b"\x3b\x0f\0\x03a/b\0\x07\x03\x23\0\x05hello";
        let raw = &[&raw[..1], &[raw.len() as u8 - 2], &raw[2..]].concat();
        let packet = summary(raw, true, false);
        assert_eq!((packet.name, packet.bytes, packet.packet_id), ("PUBLISH", raw.len(), Some(7)));
        assert_eq!((packet.dup, packet.qos, packet.retain), (true, Some(1), true));
        assert_eq!((packet.topic.as_deref(), packet.topic_alias), (Some("a/b"), Some(5)));
        assert_eq!((packet.payload_bytes, packet.payload), (Some(5), None));
        assert_eq!(summary(raw, true, true).payload.as_deref(), Some("hello"));
    }

    #[test]
    fn answers_are_told_with_their_codes_and_reasons() {
        let puback = summary(b"\x40\x08\0\x07\x87\x04\x1f\0\x01x", true, false);
        assert_eq!(
            (puback.packet_id, &puback.codes[..], puback.detail.as_str()),
            (Some(7), &[0x87][..], "not authorized: x")
        );
        let subscribe = summary(b"\x82\x0f\0\x01\0\x03a/#\x01\0\x04b/cd\x02", false, false);
        assert_eq!(subscribe.detail, "a/# qos 1, b/cd qos 2");
        let suback = summary(b"\x90\x04\0\x01\x01\x80", false, false);
        assert_eq!((&suback.codes[..], suback.detail.as_str()), (&[1, 0x80][..], "granted qos 1, refused"));
        assert_eq!(summary(b"\x20\x02\x01\x00", false, false).detail, "session present");
        assert_eq!(summary(b"\xe0\x01\x98", true, false).codes, [0x98]);
        assert!(summary(b"\xe0\x00", false, false).codes.is_empty());
    }

    #[test]
    fn a_packet_that_ends_early_is_told_as_far_as_it_goes() {
        let whole = b"\x3d\x0e\0\x03a/b\0\x07\x03\x23\0\x05hi";
        for length in 0..whole.len() {
            for v5 in [false, true] {
                let packet = summary(&whole[..length], v5, true);
                assert_eq!(packet.bytes, length);
            }
        }
    }
}
