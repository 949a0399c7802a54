//! A light check of raw packets, done before mqtt-protocol-core sees them.
//!
//! It bounds a packet by its fixed header alone, before anything is buffered, and refuses what the crate lets through:
//! reserved flags (MQTT-2.1.3-1), DUP on QoS 0 (MQTT-3.3.1-2), reserved CONNECT flags (MQTT-3.1.2-3), and a packet
//! identifier of 0 (MQTT-2.2.1-3), on which the crate panics in a PUBLISH.

use super::version::Version;

/// Why bytes are refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum FrameError {
    #[error("not an MQTT packet: {0}")]
    Malformed(&'static str),
    #[error("a packet of {bytes} bytes is larger than mqtt.packet_bytes_max ({max})")]
    TooLarge { bytes: usize, max: usize },
}

const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const PUBREL: u8 = 6;
const SUBSCRIBE: u8 = 8;
const UNSUBSCRIBE: u8 = 10;

/// Length of the first packet of `bytes`, its fixed header included; `None` when `bytes` do not hold all of it.
pub(crate) fn scan(bytes: &[u8], version: Version, packet_bytes_max: usize) -> Result<Option<usize>, FrameError> {
    let Some(first) = bytes.first() else { return Ok(None) };
    check_flags(*first, version)?;
    if let Some((remaining, digits)) = varying(&bytes[1..]) {
        let total = 1 + digits + remaining;
        if total > packet_bytes_max {
            return Err(FrameError::TooLarge { bytes: total, max: packet_bytes_max });
        }
        return Ok((bytes.len() >= total).then_some(total));
    }
    if bytes.len() > 4 {
        return Err(FrameError::Malformed("its remaining length takes more than four bytes"));
    }
    Ok(None)
}

/// Whether `bytes` hold a whole first packet, or begin with something that is refused.
pub(crate) fn is_packet(bytes: &[u8], packet_bytes_max: usize) -> bool {
    !matches!(scan(bytes, Version::V3_1_1, packet_bytes_max), Ok(None))
}

/// 3.1 disregards the flags of all but a PUBLISH.
fn check_flags(first: u8, version: Version) -> Result<(), FrameError> {
    let flags = first & 0x0f;
    let allowed = match first >> 4 {
        0 => return Err(FrameError::Malformed("packet type 0 is reserved")),
        PUBLISH => {
            let qos = (flags >> 1) & 3;
            if qos == 0 && flags & 8 != 0 && version != Version::V3_1 {
                return Err(FrameError::Malformed("a PUBLISH with QoS 0 is marked as a duplicate"));
            }
            qos != 3
        }
        _ if version == Version::V3_1 => true,
        PUBREL | SUBSCRIBE | UNSUBSCRIBE => flags == 2,
        _ => flags == 0,
    };
    if allowed { Ok(()) } else { Err(FrameError::Malformed("reserved flags are set")) }
}

/// What follows the fixed header of a whole packet.
pub(super) fn body(packet: &[u8]) -> &[u8] {
    let header = 1 + packet[1..].iter().take_while(|byte| *byte & 0x80 != 0).count() + 1;
    packet.get(header..).unwrap_or_default()
}

/// A variable byte integer, and how many bytes it takes (MQTT 5.0 section 1.5.5).
pub(super) fn varying(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// Checks a whole packet as [`scan`] found it.
pub(crate) fn check(packet: &[u8]) -> Result<(), FrameError> {
    let body = body(packet);
    match packet[0] >> 4 {
        CONNECT => check_connect_flags(body),
        PUBLISH if packet[0] & 0b110 != 0 => {
            let [high, low, ..] = body else { return Err(FrameError::Malformed("a PUBLISH without a topic")) };
            let topic_bytes = usize::from(u16::from_be_bytes([*high, *low]));
            check_packet_id(body.get(2 + topic_bytes..).unwrap_or_default())
        }
        4..=11 => check_packet_id(body),
        _ => Ok(()),
    }
}

fn check_packet_id(bytes: &[u8]) -> Result<(), FrameError> {
    match bytes {
        [0, 0, ..] => Err(FrameError::Malformed("packet identifier 0")),
        [_, _, ..] => Ok(()),
        _ => Err(FrameError::Malformed("it ends before its packet identifier")),
    }
}

/// Flags of the versions served; the rest of a CONNECT is the crate's.
fn check_connect_flags(body: &[u8]) -> Result<(), FrameError> {
    let [0, 4, b'M', b'Q', b'T', b'T', 4 | 5, flags, ..] = body else { return Ok(()) };
    let (will, will_qos, will_retain) = (flags & 4 != 0, (flags >> 3) & 3, flags & 0x20 != 0);
    if flags & 1 != 0 || will_qos == 3 || (!will && (will_qos != 0 || will_retain)) {
        return Err(FrameError::Malformed("its CONNECT flags contradict the standard"));
    }
    Ok(())
}

/// What kind of packet the bytes begin with.
pub(super) fn packet_name(raw: &[u8]) -> &'static str {
    const NAMES: [&str; 16] = [
        "packet type 0",
        "CONNECT",
        "CONNACK",
        "PUBLISH",
        "PUBACK",
        "PUBREC",
        "PUBREL",
        "PUBCOMP",
        "SUBSCRIBE",
        "SUBACK",
        "UNSUBSCRIBE",
        "UNSUBACK",
        "PINGREQ",
        "PINGRESP",
        "DISCONNECT",
        "AUTH",
    ];
    raw.first().map_or("nothing", |first| NAMES[usize::from(first >> 4)])
}

#[cfg(test)]
mod tests {
    use super::Version::V3_1_1;
    use super::*;

    #[test]
    fn a_packet_is_measured_by_its_fixed_header() {
        assert_eq!(scan(&[], V3_1_1, 100), Ok(None));
        assert_eq!(scan(&[0xc0], V3_1_1, 100), Ok(None));
        assert_eq!(scan(&[0xc0, 0, 0xc0], V3_1_1, 100), Ok(Some(2)));
        assert_eq!(scan(&[0x30, 0x80], V3_1_1, 1000), Ok(None));
        assert_eq!(scan(&[0x30, 3, 0], V3_1_1, 100), Ok(None));
        assert_eq!(scan(&[0x30, 0x80, 0x01], V3_1_1, 100), Err(FrameError::TooLarge { bytes: 131, max: 100 }));
        assert!(matches!(scan(&[0x30, 0xff, 0xff, 0xff, 0xff], V3_1_1, 100), Err(FrameError::Malformed(_))));
    }

    #[test]
    fn reserved_flags_are_refused() {
        for first in [0x00, 0x11, 0x36, 0x3f, 0x38, 0x41, 0x60, 0x80, 0x83, 0xa0, 0xc1, 0xe1] {
            assert!(matches!(scan(&[first, 0], V3_1_1, 100), Err(FrameError::Malformed(_))), "{first:#x}");
        }
        for first in [0x10, 0x30, 0x31, 0x32, 0x3a, 0x34, 0x3d, 0x40, 0x62, 0x82, 0xa2, 0xc0, 0xe0] {
            assert_eq!(scan(&[first, 0], V3_1_1, 100), Ok(Some(2)), "{first:#x}");
        }
    }

    #[test]
    fn packet_identifier_zero_is_refused_wherever_one_stands() {
        assert!(check(&[0x32, 6, 0, 1, b't', 0, 0, b'x']).is_err());
        assert!(check(&[0x32, 6, 0, 1, b't', 0, 1, b'x']).is_ok());
        assert!(check(&[0x34, 3, 0, 1, b't']).is_err());
        assert!(check(&[0x34, 4, 0xff, 0xff, b't', 1]).is_err());
        assert!(check(&[0x30, 3, 0, 1, b't']).is_ok(), "QoS 0 has none");
        for first in [0x40, 0x50, 0x62, 0x70, 0x82, 0xa2] {
            assert!(check(&[first, 2, 0, 0]).is_err(), "{first:#x}");
            assert!(check(&[first, 2, 0, 1]).is_ok(), "{first:#x}");
        }
    }
}
