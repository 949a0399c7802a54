//! What the standard allows and mqtt-protocol-core panics on: mended before it sees it.

use std::borrow::Cow;

/// The packet as the protocol crate may see it. A CONNECT of version 5 with a topic alias maximum of 0, which means the
/// same as none (MQTT 5.0 section 3.1.2.11.5), says 1 instead; [`takes_no_aliases`] tells what it said.
pub(super) fn mended(packet: &[u8]) -> Cow<'_, [u8]> {
    match alias_maximum_of_zero(packet) {
        None => Cow::Borrowed(packet),
        Some(at) => {
            let mut mended = packet.to_vec();
            mended[at + 1] = 1;
            Cow::Owned(mended)
        }
    }
}

/// Whether this is a CONNECT that says a topic alias maximum of 0.
pub(super) fn takes_no_aliases(packet: &[u8]) -> bool {
    alias_maximum_of_zero(packet).is_some()
}

/// Where the two bytes of a topic alias maximum of 0 stand in a CONNECT of version 5.
fn alias_maximum_of_zero(packet: &[u8]) -> Option<usize> {
    let (0x10, header) = (*packet.first()?, 1 + varint(packet.get(1..)?)?.1) else { return None };
    let [0, 4, b'M', b'Q', b'T', b'T', 5, _, _, _, rest @ ..] = &packet[header..] else { return None };
    let (length, length_bytes) = varint(rest)?;
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

/// A variable byte integer (MQTT 5.0 section 1.5.5) and its length.
fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
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
            assert_eq!(&*mended(&zero), packet(&[before, b"\x22\0\x01\x19\x01"].concat()), "{before:x?}");
            let other = packet(&[before, b"\x22\x01\0"].concat());
            assert!(!takes_no_aliases(&other));
            assert_eq!(&*mended(&other), other);
            let past_its_end = [&[0x10, 13, 0, 4], &b"MQTT\x05\x02\0\x0a"[..], &[50], &other[13..15]].concat();
            assert!(!takes_no_aliases(&past_its_end));
        }
    }
}
