use metrics::counter;

use super::direction::Direction;
use super::frame::packet_name;

/// Counts the reason codes of a whole packet (MQTT 5.0 section 2.4); 3.1.1 has return codes in CONNACK and SUBACK alone.
pub(super) fn count(direction: Direction, packet: &[u8], v5: bool) {
    const ACKNOWLEDGEMENTS: std::ops::RangeInclusive<u8> = 4..=7;
    let kind = packet.first().map_or(0, |first| first >> 4);
    let header = 1 + packet.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count() + 1;
    let body = packet.get(header..).unwrap_or_default();
    match kind {
        CONNACK => code(direction, packet, body.get(1).copied().unwrap_or(0)),
        // Without one it is a success (MQTT 5.0 section 3.4.2.1).
        kind if ACKNOWLEDGEMENTS.contains(&kind) => match body.get(2).filter(|_| v5) {
            None | Some(0) => success(direction, kind),
            Some(failure) => code(direction, packet, *failure),
        },
        SUBACK => subscriptions(body, v5).iter().for_each(|each| code(direction, packet, *each)),
        DISCONNECT if v5 => code(direction, packet, body.first().copied().unwrap_or(0)),
        _ => {}
    }
}

const CONNACK: u8 = 2;
const SUBACK: u8 = 9;
const DISCONNECT: u8 = 14;

/// The codes of a SUBACK, behind its identifier and properties.
fn subscriptions(body: &[u8], v5: bool) -> &[u8] {
    if !v5 {
        return body.get(2..).unwrap_or_default();
    }
    let (mut length, mut at) = (0_usize, 2);
    for shift in [0, 7, 14, 21] {
        let byte = body.get(at).copied().unwrap_or(0);
        length |= usize::from(byte & 0x7f) << shift;
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    body.get(at + length..).unwrap_or_default()
}

fn code(direction: Direction, packet: &[u8], code: u8) {
    let (direction, packet, code) = (direction.name(), packet_name(packet), format!("{code:#04x}"));
    counter!("tidegate_mqtt_reason_codes_total", "direction" => direction, "packet" => packet, "code" => code)
        .increment(1);
}

/// As often as publications come: with labels that are made once.
fn success(direction: Direction, kind: u8) {
    macro_rules! count {
        ($direction:literal, $packet:literal) => {
            counter!("tidegate_mqtt_reason_codes_total", "direction" => $direction, "packet" => $packet, "code" => "0x00")
                .increment(1)
        };
    }
    match (direction, kind) {
        (Direction::In, 4) => count!("in", "PUBACK"),
        (Direction::In, 5) => count!("in", "PUBREC"),
        (Direction::In, 6) => count!("in", "PUBREL"),
        (Direction::In, _) => count!("in", "PUBCOMP"),
        (Direction::Out, 4) => count!("out", "PUBACK"),
        (Direction::Out, 5) => count!("out", "PUBREC"),
        (Direction::Out, 6) => count!("out", "PUBREL"),
        (Direction::Out, _) => count!("out", "PUBCOMP"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_a_suback_stand_behind_its_properties() {
        assert_eq!(subscriptions(&[0, 1, 0, 1, 0x87], true), [1, 0x87]);
        assert_eq!(subscriptions(&[0, 1, 3, 9, 9, 9, 0x97], true), [0x97]);
        assert_eq!(subscriptions(&[0, 1, 0x80], false), [0x80]);
        assert!(subscriptions(&[0], true).is_empty());
    }
}
