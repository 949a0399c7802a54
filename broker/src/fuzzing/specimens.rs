/// One valid packet of each kind that a client sends, in the version asked for: what mutations start from.
pub(super) fn specimens(v5: bool) -> Vec<Vec<u8>> {
    let mut packets = if v5 { of_5() } else { of_3_1_1() };
    packets.push(packet(0xc0, &[]));
    packets
}

/// What a client says before the specimens of others than CONNECT: it is in, has set up an alias, has two deliveries of
/// QoS 1 (1 and 3) and two of QoS 2 (2 and 4), and has taken the last.
pub(super) fn prepare(driver: &mut super::packets::Driver, v5: bool) {
    driver.receive(&connect(v5));
    driver.deliver();
    driver.deliver();
    driver.receive(match v5 {
        true => b"\x30\x07\0\x01a\x03\x23\0\x01",
        false => b"\x30\x03\0\x01a",
    });
    driver.receive(b"\x50\x02\0\x04");
    driver.settle();
}

/// A CONNECT of client `c1` that asks for a session.
pub(super) fn connect(v5: bool) -> Vec<u8> {
    match v5 {
        // Session expiry, receive maximum, topic aliases.
        true => packet(0x10, b"\0\x04MQTT\x05\x02\0\x0a\x0b\x11\0\0\0\x3c\x21\0\x04\x22\0\x04\0\x02c1"),
        false => packet(0x10, b"\0\x04MQTT\x04\x00\0\x0a\0\x02c1"),
    }
}

fn of_3_1_1() -> Vec<Vec<u8>> {
    vec![
        connect(false),
        packet(0x10, b"\0\x04MQTT\x04\xee\0\x0a\0\x02c1\0\x01w\0\x02by\0\x01u\0\x01p"),
        // 3.1, of a bridge.
        packet(0x10, b"\0\x06MQIsdp\x83\xee\0\x0a\0\x02c1\0\x01w\0\x02by\0\x01u\0\x01p"),
        packet(0x31, b"\0\x03a/bx"),
        packet(0x32, b"\0\x03a/b\0\x05x"),
        packet(0x34, b"\0\x03a/b\0\x06x"),
        packet(0x3d, b"\0\x03a/b\0\x06"),
        packet(0x40, b"\0\x01"),
        packet(0x50, b"\0\x02"),
        packet(0x62, b"\0\x06"),
        packet(0x70, b"\0\x04"),
        packet(0x82, b"\0\x07\0\x03a/+\x01\0\x01#\x02"),
        packet(0x82, b"\0\x07\0\x0a$share/g/a\x01"),
        packet(0xa2, b"\0\x08\0\x03a/+\0\x01#"),
        packet(0xe0, &[]),
    ]
}

fn of_5() -> Vec<Vec<u8>> {
    let connect_with_will = b"\0\x04MQTT\x05\xee\0\x0a\0\0\x02c1\x05\x18\0\0\0\x01\0\x01w\0\x02by\0\x01u\0\x01p";
    // Payload format, expiry, content type, response topic, correlation data, user property.
    let told = b"\x01\x01\x02\0\0\0\x3c\x03\0\x01t\x08\0\x01r\x09\0\x01c\x26\0\x01k\0\x01v";
    let publish = |first: u8, packet_id: &[u8], properties: &[u8]| {
        let head = [&b"\0\x03a/b"[..], packet_id, &[properties.len() as u8]].concat();
        packet(first, &[&head, properties, b"x"].concat())
    };
    // A reason string and a user property.
    let why = b"\x0b\x1f\0\x01y\x26\0\x01k\0\x01v";
    let answer = |first: u8, packet_id: u8, code: u8| packet(first, &[&[0, packet_id, code], &why[..]].concat());
    vec![
        connect(true),
        packet(0x10, connect_with_will),
        packet(0x10, b"\0\x04MQTT\x05\x02\0\0\x05\x15\0\x02ab\0\x02c1"),
        publish(0x31, b"", told),
        publish(0x32, b"\0\x05", b"\x23\0\x01"),
        publish(0x34, b"\0\x06", told),
        packet(0x32, b"\0\0\0\x05\x03\x23\0\x01x"),
        packet(0x40, b"\0\x01"),
        answer(0x40, 1, 0x10),
        answer(0x50, 2, 0),
        answer(0x50, 2, 0x97),
        packet(0x62, b"\0\x06"),
        answer(0x62, 6, 0x92),
        answer(0x70, 4, 0),
        packet(0x82, b"\0\x07\x02\x0b\x05\0\x03a/+\x2d\0\x01#\x12"),
        packet(0x82, b"\0\x07\0\0\x0a$share/g/a\x01"),
        packet(0xa2, b"\0\x08\0\0\x03a/+\0\x01#"),
        packet(0xe0, &[]),
        packet(0xe0, b"\x04\x05\x11\0\0\0\x01"),
        packet(0xf0, b"\x18\x05\x15\0\x02ab"),
    ]
}

/// A packet from its first byte and its body, which is short.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first, u8::try_from(body.len()).expect("specimens are short")];
    packet.extend_from_slice(body);
    packet
}
