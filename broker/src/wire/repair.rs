//! What the standard allows and mqtt-protocol-core panics on, refuses or misreads: rewritten before it sees it.

use std::borrow::Cow;

use mqtt_protocol_core::mqtt::packet::VariableByteInteger;

use super::frame;

/// The packet as the protocol crate may see it.
///
/// - A CONNECT of version 5 with a topic alias maximum of 0, which means the same as none (MQTT 5.0 section 3.1.2.11.5),
///   says 1 instead; [`takes_no_aliases`] tells what it said.
/// - A CONNECT of version 5 with a password and no user name (section 3.1.2.9) gets an empty one.
/// - A PUBREC of version 5 that found no subscriber (section 3.5.2.1), which is no refusal, says nothing.
pub(super) fn repaired(packet: &[u8], v5: bool) -> Cow<'_, [u8]> {
    match packet {
        [CONNECT, _, ..] if is_connect_v5(packet) => repaired_connect(packet),
        [PUBREC, length, high, low, NO_MATCHING_SUBSCRIBERS, ..] if v5 && *length < 0x80 => {
            Cow::Owned(vec![PUBREC, 2, *high, *low])
        }
        _ => Cow::Borrowed(packet),
    }
}

const CONNECT: u8 = 0x10;
const PUBREC: u8 = 0x50;
const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
const USER_NAME: u8 = 0x80;
const PASSWORD: u8 = 0x40;
const WILL: u8 = 0x04;

/// Whether a packet is a CONNECT of version 5.
pub(super) fn is_connect_v5(packet: &[u8]) -> bool {
    matches!(packet, [CONNECT, _, ..] if frame::body(packet).starts_with(b"\0\x04MQTT\x05"))
}

fn repaired_connect(packet: &[u8]) -> Cow<'_, [u8]> {
    let mut repaired = Cow::Borrowed(packet);
    if let Some(at) = alias_maximum_of_zero(packet) {
        repaired.to_mut()[at + 1] = 1;
    }
    match with_user_name(frame::body(&repaired)) {
        Some(longer) => Cow::Owned(longer),
        None => repaired,
    }
}

fn with_user_name(body: &[u8]) -> Option<Vec<u8>> {
    const FLAGS: usize = 7;
    let flags = *body.get(FLAGS)?;
    if flags & (USER_NAME | PASSWORD) != PASSWORD {
        return None;
    }
    let mut rest = after_text(after_properties(body.get(10..)?)?)?;
    if flags & WILL != 0 {
        rest = after_text(after_text(after_properties(rest)?)?)?;
    }
    let (before, after) = body.split_at(body.len() - rest.len());
    let mut longer = [before, &[0, 0], after].concat();
    longer[FLAGS] |= USER_NAME;
    let length = VariableByteInteger::from_u32(u32::try_from(longer.len()).ok()?)?;
    Some([&[CONNECT], length.as_bytes(), &longer].concat())
}

fn after_text(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(text_bytes(bytes)?..)
}

fn after_properties(bytes: &[u8]) -> Option<&[u8]> {
    let (length, digits) = frame::varying(bytes)?;
    bytes.get(digits + length..)
}

/// Whether this is a CONNECT that says a topic alias maximum of 0.
pub(super) fn takes_no_aliases(packet: &[u8]) -> bool {
    alias_maximum_of_zero(packet).is_some()
}

/// Where the two bytes of a topic alias maximum of 0 stand in a CONNECT of version 5.
fn alias_maximum_of_zero(packet: &[u8]) -> Option<usize> {
    let (0x10, header) = (*packet.first()?, 1 + frame::varying(packet.get(1..)?)?.1) else { return None };
    let [0, 4, b'M', b'Q', b'T', b'T', 5, _, _, _, rest @ ..] = &packet[header..] else { return None };
    let (length, length_bytes) = frame::varying(rest)?;
    let mut at = header + 10 + length_bytes;
    let end = at + length;
    while at < end {
        let (property, value) = (*packet.get(at)?, at + 1);
        if property == TOPIC_ALIAS_MAXIMUM && packet.get(value..value + 2)? == [0, 0] {
            return Some(value);
        }
        at = value + value_bytes(property, packet.get(value..)?)?;
    }
    None
}

const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;

/// Length of the value of a CONNECT's property (MQTT 5.0 section 2.2.2.2); `None` for one that has no place there.
fn value_bytes(property: u8, value: &[u8]) -> Option<usize> {
    match property {
        0x11 | 0x27 => Some(4),
        0x21 | TOPIC_ALIAS_MAXIMUM => Some(2),
        0x17 | 0x19 => Some(1),
        0x15 | 0x16 => text_bytes(value),
        0x26 => {
            let key = text_bytes(value)?;
            Some(key + text_bytes(value.get(key..)?)?)
        }
        _ => None,
    }
}

fn text_bytes(value: &[u8]) -> Option<usize> {
    let [high, low, ..] = *value else { return None };
    Some(2 + usize::from(u16::from_be_bytes([high, low])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_maximum_of_zero_is_found_behind_other_properties_and_nothing_else_is_changed() {
        let packet = |properties: &[u8]| {
            let length = properties.len() as u8;
            [&[0x10, 14 + length], &b"\0\x04MQTT\x05\x02\0\x0a"[..], &[length], properties, b"\0\x01c"].concat()
        };
        for before in [&b""[..], b"\x11\0\0\0\x3c", b"\x21\0\x02", b"\x26\0\x01\x22\0\x03\x22\0\0", b"\x15\0\x02\x22\0"]
        {
            let zero = packet(&[before, b"\x22\0\0\x19\x01"].concat());
            assert!(takes_no_aliases(&zero), "{before:x?}");
            assert_eq!(&*repaired(&zero, false), packet(&[before, b"\x22\0\x01\x19\x01"].concat()), "{before:x?}");
            let other = packet(&[before, b"\x22\x01\0"].concat());
            assert!(!takes_no_aliases(&other));
            assert_eq!(&*repaired(&other, false), other);
            let past_its_end = [&[0x10, 13, 0, 4], &b"MQTT\x05\x02\0\x0a"[..], &[50], &other[13..15]].concat();
            assert!(!takes_no_aliases(&past_its_end));
        }
    }
}
