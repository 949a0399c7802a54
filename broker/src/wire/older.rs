//! MQTT 3.1 (protocol name `MQIsdp`, level 3) and what bridges of other brokers add, as the 3.1.1 that the protocol
//! crate knows.
//!
//! On the wire 3.1 differs from 3.1.1 in its CONNECT and in flags: it marks a SUBSCRIBE, UNSUBSCRIBE or PUBREL that comes
//! again as a duplicate, and disregards what 3.1.1 calls reserved. Sections are those of the MQTT V3.1 Protocol
//! Specification of IBM and Eurotech.
//!
//! Mosquitto's bridge, and those written after it, set the highest bit of the protocol level in a CONNECT of 3.1 and 3.1.1
//! (`try_private`, on by default).

use std::borrow::Cow;

use mqtt_protocol_core::mqtt::packet::VariableByteInteger;

use super::frame;
use super::version::Version;

/// A CONNECT that is not as 3.1.1 has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OlderConnect {
    pub version: Version,
    /// It comes from another broker's bridge.
    pub is_bridge: bool,
    /// The same in 3.1.1.
    pub packet: Vec<u8>,
}

const CONNECT: u8 = 0x10;
/// Marks the protocol level of a bridge.
const BRIDGE: u8 = 0x80;
const USER_NAME: u8 = 0x80;
const PASSWORD: u8 = 0x40;
const WILL: u8 = 0x04;
/// Quality of service and retain flag of a will.
const OF_WILL: u8 = 0x38;
const RESERVED: u8 = 0x01;
const DUP: u8 = 0x08;
const QOS: u8 = 0x06;

/// Reads a whole CONNECT of 3.1, or of a bridge; `None` for any other packet.
pub(super) fn connect(packet: &[u8]) -> Option<OlderConnect> {
    if packet.first() != Some(&CONNECT) {
        return None;
    }
    match frame::body(packet) {
        [0, 4, b'M', b'Q', b'T', b'T', level, rest @ ..] if *level == BRIDGE | 4 => {
            Some(OlderConnect { version: Version::V3_1_1, is_bridge: true, packet: connect_3_1_1(4, rest)? })
        }
        [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', level, flags, rest @ ..] => {
            // Another level is as unknown in 3.1.1 as it is here.
            let known = if level & !BRIDGE == 3 { 4 } else { 0 };
            let body = [&[connect_flags(*flags, rest)], rest].concat();
            Some(OlderConnect {
                version: Version::V3_1,
                is_bridge: level & BRIDGE != 0,
                packet: connect_3_1_1(known, &body)?,
            })
        }
        _ => None,
    }
}

fn connect_3_1_1(level: u8, rest: &[u8]) -> Option<Vec<u8>> {
    let body = [&[0, 4, b'M', b'Q', b'T', b'T', level], rest].concat();
    let length = VariableByteInteger::from_u32(u32::try_from(body.len()).ok()?)?;
    Some([&[CONNECT], length.as_bytes(), &body].concat())
}

/// Section 3.1: what a will would be like is disregarded where there is none, and the length of the packet counts more
/// than the flags of a user name and a password that are not there. `rest` is what follows the flags.
fn connect_flags(flags: u8, rest: &[u8]) -> u8 {
    let mut flags = flags & !RESERVED;
    if flags & WILL == 0 {
        flags &= !OF_WILL;
    }
    let strings = 1 + if flags & WILL == 0 { 0 } else { 2 };
    let before_user = (0..strings).try_fold(rest.get(2..).unwrap_or_default(), |rest, _| after_text(rest));
    if flags & USER_NAME != 0 && before_user.is_some_and(<[u8]>::is_empty) {
        flags &= !(USER_NAME | PASSWORD);
    }
    if flags & USER_NAME != 0 && before_user.and_then(after_text).is_some_and(<[u8]>::is_empty) {
        flags &= !PASSWORD;
    }
    flags
}

fn after_text(bytes: &[u8]) -> Option<&[u8]> {
    let [high, low, ..] = *bytes else { return None };
    bytes.get(2 + usize::from(u16::from_be_bytes([high, low]))..)
}

/// A packet of 3.1 after the CONNECT, with the flags that 3.1.1 gives it.
pub(super) fn packet(packet: &[u8]) -> Cow<'_, [u8]> {
    let Some(&first) = packet.first() else { return Cow::Borrowed(packet) };
    let flags = match first >> 4 {
        3 if first & QOS == 0 => first & 0x0f & !DUP,
        3 => first & 0x0f,
        6 | 8 | 10 => 0x02,
        _ => 0,
    };
    let rewritten = first & 0xf0 | flags;
    if rewritten == first { Cow::Borrowed(packet) } else { Cow::Owned([&[rewritten], &packet[1..]].concat()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_mark_of_a_bridge_is_taken_off() {
        let marked = b"\x10\x0d\0\x04MQTT\x84\x02\0\x3c\0\x01b";
        let plain = b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01b";
        let expected = OlderConnect { version: Version::V3_1_1, is_bridge: true, packet: plain.to_vec() };
        assert_eq!(connect(marked), Some(expected));
        assert_eq!(connect(plain), None);
        for other in [&b"\x10\0"[..], b"\xc0\0", b"\x10\x07\0\x04MQTT\x85", b"\x10\x06\0\x04MQTT"] {
            assert_eq!(connect(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_connect_of_3_1_is_the_same_in_3_1_1() {
        let older = |level: u8, flags: u8, payload: &[u8]| {
            let body = [&b"\0\x06MQIsdp"[..], &[level, flags, 0, 60], payload].concat();
            [&[0x10, body.len() as u8], &body[..]].concat()
        };
        let newer = |level: u8, flags: u8, payload: &[u8]| {
            let body = [&b"\0\x04MQTT"[..], &[level, flags, 0, 60], payload].concat();
            [&[0x10, body.len() as u8], &body[..]].concat()
        };
        let is_same = |level, flags, payload: &[u8], in_newer, is_bridge| {
            let packet = newer(4, in_newer, payload);
            let expected = OlderConnect { version: Version::V3_1, is_bridge, packet };
            assert_eq!(connect(&older(level, flags, payload)), Some(expected), "{level:#x} {flags:#x}");
        };
        is_same(3, 0x02, b"\0\x01c", 0x02, false);
        is_same(0x83, 0x02, b"\0\x01c", 0x02, true);
        is_same(3, 0x03 | OF_WILL, b"\0\x01c", 0x02, false);
        is_same(3, 0xee, b"\0\x01c\0\x01w\0\x01x\0\x01u\0\x01p", 0xee, false);
        is_same(3, 0xc6, b"\0\x01c\0\x01w\0\x01x", 0x06, false);
        is_same(3, 0xc2, b"\0\x01c\0\x01u", 0x82, false);
        is_same(3, 0xc2, b"\0\x01", 0xc2, false);
        assert_eq!(connect(&older(4, 2, b"\0\x01c")).map(|it| it.packet), Some(newer(0, 2, b"\0\x01c")));
    }

    #[test]
    fn duplicates_and_disregarded_flags_of_3_1_are_taken_off() {
        for (older, newer) in [(0x8a, 0x82), (0xaa, 0xa2), (0x6a, 0x62), (0x38, 0x30), (0x3d, 0x3d), (0xc9, 0xc0)] {
            assert_eq!(packet(&[older, 0])[0], newer, "{older:#x}");
        }
    }
}
