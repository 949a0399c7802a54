//! Fixed headers, PINGREQ, DISCONNECT and errors (sections 2, 3.12, 3.14 and 4.13).

use super::language::*;
use crate::support::Served;

#[tokio::test]
async fn a_packet_against_the_standard_ends_the_connection() {
    for version in BOTH {
        let cases = [
            ("packet type 0", b"\0\0".to_vec(), 0x81),
            ("reserved flags of PUBACK", b"\x41\x02\0\x01".to_vec(), 0x81),
            ("reserved flags of PUBREC", b"\x51\x02\0\x01".to_vec(), 0x81),
            ("reserved flags of PUBREL", b"\x60\x02\0\x01".to_vec(), 0x81),
            ("other reserved flags of PUBREL", b"\x6a\x02\0\x01".to_vec(), 0x81),
            ("reserved flags of PUBCOMP", b"\x72\x02\0\x01".to_vec(), 0x81),
            ("reserved flags of PINGREQ", b"\xc2\0".to_vec(), 0x81),
            ("reserved flags of DISCONNECT", b"\xe8\0".to_vec(), 0x81),
            ("a remaining length of five bytes", b"\xc0\x80\x80\x80\x80\0".to_vec(), 0x81),
            ("a CONNACK", b"\x20\x02\0\0".to_vec(), 0x82),
            ("a SUBACK", version.suback(&[0]), 0x82),
            ("an UNSUBACK", version.unsuback(&[0]), 0x82),
            ("a PINGRESP", PINGRESP.to_vec(), 0x82),
            ("a PINGREQ with a body", b"\xc0\x01\0".to_vec(), 0x81),
            ("a PUBREL without an identifier", b"\x62\x01\0".to_vec(), 0x81),
            ("a PUBREL with identifier 0", ack(PUBREL, 0), 0x81),
        ];
        each_ends(version, &cases).await;
    }
    each_ends(V3, &[("a DISCONNECT with a body", b"\xe0\x01\0".to_vec(), 0), ("AUTH", b"\xf0\0".to_vec(), 0)]).await;
    let method = |code| packet(0xe0, &[&[code], &V5.properties(&[property::byte(0x17, 1)])]);
    let v5 = [
        ("a reason code of PUBREL that is none", ack_with(PUBREL, 1, 0x10), 0x81),
        ("a reason code of DISCONNECT that is none", b"\xe0\x01\x01".to_vec(), 0x81),
        ("a property of CONNECT in a DISCONNECT", method(0), 0x82),
        ("U+0000 in a reason string", packet(0xe0, &[&[4], &V5.properties(&[property::string(0x1f, "a\0")])]), 0x81),
    ];
    each_ends(V5, &v5).await;
}

#[tokio::test]
async fn a_ping_is_answered() {
    let served = Served::start();
    for version in BOTH {
        let mut client = Client::new(&served, version, "c").await;
        client.send([PINGREQ, PINGREQ].concat()).await;
        client.gets(PINGRESP).await;
        client.gets(PINGRESP).await;
    }
}

#[tokio::test]
async fn nothing_follows_a_disconnect_either_way() {
    for version in BOTH {
        let served = Served::start();
        served.log.hold();
        let mut client = Client::new(&served, version, "c").await;
        client.subscribes("a", 1).await;
        let publish = Vec::from(version.publish("a", "before").qos(1, 1));
        client.send([publish, b"\xc1\0".to_vec(), version.publish("a", "after").into()].concat()).await;
        served.log.release();
        assert_eq!(client.ended(0x81).await, Ok(()));
        assert_eq!(served.log.payloads(), ["before"]);

        let mut client = Client::new(&served, version, "c").await;
        client.send([GOODBYE.to_vec(), version.publish("a", "after").into(), PINGREQ.to_vec()].concat()).await;
        assert_eq!(client.rest().await, b"");
        assert_eq!(served.log.payloads(), ["before"]);
    }
}

#[tokio::test]
async fn a_v5_client_is_told_that_the_server_stops() {
    let served = Served::start();
    let old = Client::new(&served, V3, "old").await;
    let client = Client::new(&served, V5, "c").await;
    served.cancel();
    assert_eq!(client.ended(0x8b).await, Ok(()));
    assert_eq!(old.ended(0x8b).await, Ok(()));
}
