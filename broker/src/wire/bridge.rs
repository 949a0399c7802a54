//! Bridges of other brokers, which say what they are in a way the standard does not know.
//!
//! Mosquitto's bridge, and those written after it, set the highest bit of the protocol level in a CONNECT of 3.1.1
//! (`try_private`, on by default). They ask for what version 5 has as options of a subscription: not to get back what
//! they published themselves, which would go round for ever where both sides subscribe to all, and the retain flag as
//! it was published. In version 5 they use the options.

use super::inbound::Filter;

/// Marks the protocol level of a bridge.
const BRIDGE: u8 = 0x80;

/// A bridge's CONNECT of 3.1.1 as the standard has it; `None` for any other packet.
pub(super) fn unmarked(packet: &[u8]) -> Option<Vec<u8>> {
    let header = packet.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count() + 2;
    let is_bridge =
        packet.first() == Some(&0x10) && packet.get(header..)?.starts_with(&[0, 4, b'M', b'Q', b'T', b'T', BRIDGE | 4]);
    is_bridge.then(|| {
        let mut packet = packet.to_vec();
        packet[header + 6] &= !BRIDGE;
        packet
    })
}

/// What a bridge subscribes to, with the options it cannot say in 3.1.1. A shared subscription has no `no local`
/// (MQTT-3.8.3-4).
pub(super) fn with_options(mut filters: Vec<Filter>) -> Vec<Filter> {
    for filter in &mut filters {
        filter.options.no_local = !filter.filter.starts_with("$share/");
        filter.options.retain_as_published = true;
    }
    filters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_mark_of_a_bridge_is_taken_off() {
        let marked = b"\x10\x0d\0\x04MQTT\x84\x02\0\x3c\0\x01b";
        let plain = b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01b";
        assert_eq!(unmarked(marked).as_deref(), Some(&plain[..]));
        assert_eq!(unmarked(plain), None);
        for other in [&b""[..], b"\x10", b"\x10\x80", b"\xc0\0", b"\x10\x0d\0\x04MQTT\x85\x02", b"\x10\x0d\0\x04MQTT"] {
            assert_eq!(unmarked(other), None, "{other:?}");
        }
    }
}
