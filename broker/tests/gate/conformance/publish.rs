//! PUBLISH from a client (section 3.3).

use super::language::*;
use crate::support::Served;

#[tokio::test]
async fn a_publish_against_the_standard_ends_the_connection() {
    let raw = |first, body: &[u8]| packet(first, &[body]);
    let v3 = [
        ("QoS 3", raw(0x36, b"\0\x01a\0\x01x"), 0x81),
        ("QoS 0 marked as duplicate", V3.publish("a", "x").dup().into(), 0x81),
        ("packet identifier 0", V3.publish("a", "x").qos(1, 0).into(), 0x81),
        ("no packet identifier", raw(0x32, b"\0\x01a"), 0x81),
        ("a wildcard", V3.publish("a/+", "x").into(), 0x90),
        ("another wildcard", V3.publish("#", "x").qos(1, 1).into(), 0x90),
        ("an empty topic", V3.publish("", "x").into(), 0x90),
        ("not UTF-8", V3.publish(b"\xc3\x28", "x").into(), 0x81),
        ("a surrogate", V3.publish(b"\xed\xbf\xbf", "x").into(), 0x81),
        ("U+0000", V3.publish("a\0b", "x").into(), 0x81),
        ("a topic past the end", raw(0x30, b"\0\x09a"), 0x81),
        ("nothing", raw(0x30, b""), 0x81),
    ];
    each_ends(V3, &v3).await;
    let with = |property: Vec<u8>| Vec::from(V5.publish("a", "x").with(property));
    let v5 = [
        ("QoS 3", raw(0x36, b"\0\x01a\0\x01\0x"), 0x81),
        ("QoS 0 marked as duplicate", V5.publish("a", "x").dup().into(), 0x81),
        ("packet identifier 0", V5.publish("a", "x").qos(2, 0).into(), 0x81),
        ("a wildcard", V5.publish("a/+", "x").into(), 0x90),
        ("not UTF-8", V5.publish(b"\xc3\x28", "x").into(), 0x81),
        ("a surrogate", V5.publish(b"\xed\xbf\xbf", "x").into(), 0x81),
        ("U+0000", V5.publish("a\0b", "x").into(), 0x81),
        ("no property length", raw(0x30, b"\0\x01a"), 0x81),
        ("no property length, QoS 1", raw(0x32, b"\0\x01a\0\x01"), 0x81),
        ("a property length past the end", raw(0x30, b"\0\x01a\x05\x01"), 0x81),
        ("a property length of five bytes", raw(0x30, b"\0\x01a\x80\x80\x80\x80\0"), 0x81),
        ("a property length longer than need be", raw(0x30, b"\0\x01a\x80\0x"), 0x81),
        ("a remaining length longer than need be", b"\x30\x85\0\0\x01a\0x".to_vec(), 0x81),
        ("an unknown property", with(property::byte(0x7f, 0)), 0x81),
        ("a property of CONNECT", with(property::receive_maximum(1)), 0x82),
        ("a property twice", with([property::message_expiry(1), property::message_expiry(1)].concat()), 0x82),
        ("a subscription identifier", with(property::subscription_identifier(1)), 0x82),
        ("a payload format that is none", with(property::payload_format(2)), 0x82),
        ("a wildcard in the response topic", with(property::response_topic("a/#")), 0x82),
        ("U+0000 in the response topic", with(property::response_topic("a\0b")), 0x81),
        ("a response topic that is not UTF-8", with(property::response_topic(b"\xff")), 0x81),
        ("a content type that is not UTF-8", with(property::content_type(b"\xff")), 0x81),
        ("U+0000 in the content type", with(property::content_type("a\0b")), 0x81),
        ("U+0000 in the name of a user property", with(property::user("a\0b", "v")), 0x81),
        ("a user property that is not UTF-8", with(b"\x26\0\x01k\0\x01\xff".to_vec()), 0x81),
        ("a topic alias of 0", with(property::topic_alias(0)), 0x82),
        ("a topic alias past the maximum", with(property::topic_alias(65)), 0x94),
        ("a topic alias that was not set up", V5.publish("", "x").with(property::topic_alias(1)).into(), 0x82),
        ("an empty topic without an alias", V5.publish("", "x").into(), 0x82),
    ];
    each_ends(V5, &v5).await;
}

#[tokio::test]
async fn each_quality_of_service_is_answered_as_it_asks() {
    for version in BOTH {
        let served = Served::start();
        let mut client = Client::new(&served, version, "c").await;
        client.send(version.publish("a", "0")).await;
        client.has_nothing().await;
        client.asks(version.publish("a", "1").qos(1, 0xff01), ack(PUBACK, 0xff01)).await;
        client.asks(version.publish("a", "2").qos(2, 0xff02), ack(PUBREC, 0xff02)).await;
        client.asks(ack(PUBREL, 0xff02), ack(PUBCOMP, 0xff02)).await;
        assert_eq!(served.log.payloads(), ["0", "1", "2"]);
    }
}

#[tokio::test]
async fn a_publish_is_acknowledged_again_and_a_new_message_once_its_identifier_is_free() {
    for version in BOTH {
        let served = Served::start();
        let mut subscriber = Client::new(&served, version, "s").await;
        subscriber.subscribes("a", 0).await;
        let mut client = Client::new(&served, version, "c").await;
        client.asks(version.publish("a", "1").qos(1, 7), ack(PUBACK, 7)).await;
        client.asks(version.publish("a", "2").qos(1, 7).dup(), ack(PUBACK, 7)).await;
        client.asks(version.publish("a", "3").qos(2, 7), ack(PUBREC, 7)).await;
        client.asks(version.publish("a", "3").qos(2, 7).dup(), ack(PUBREC, 7)).await;
        client.asks(version.publish("a", "3").qos(2, 7), ack(PUBREC, 7)).await;
        client.asks(ack(PUBREL, 7), ack(PUBCOMP, 7)).await;
        client.asks(version.publish("a", "4").qos(2, 7).dup(), ack(PUBREC, 7)).await;
        assert_eq!(served.log.payloads(), ["1", "2", "3", "4"]);
        for payload in ["1", "2", "3", "4"] {
            subscriber.gets(version.publish("a", payload)).await;
        }
        subscriber.has_nothing().await;
    }
}

#[tokio::test]
async fn a_pubrel_of_nothing_is_answered_all_the_same() {
    let served = Served::start();
    Client::new(&served, V3, "c").await.asks(ack(PUBREL, 9), ack(PUBCOMP, 9)).await;
    Client::new(&served, V5, "c").await.asks(ack(PUBREL, 9), ack_with(PUBCOMP, 9, 0x92)).await;
    Client::new(&served, V5, "c").await.asks(ack_with(PUBREL, 9, 0x92), ack_with(PUBCOMP, 9, 0x92)).await;
}

#[tokio::test]
async fn acknowledgements_leave_in_the_order_of_their_publications() {
    for version in BOTH {
        let served = Served::start();
        served.log.hold();
        let mut client = Client::new(&served, version, "c").await;
        let publications = [(1, 5), (2, 3), (1, 9), (2, 4), (1, 1)];
        for (qos, packet_id) in publications {
            client.send(version.publish("a", "x").qos(qos, packet_id)).await;
        }
        served.until("all", |s| s.log.publications().len() == 5).await;
        client.has_nothing().await;
        served.log.release();
        for (qos, packet_id) in publications {
            client.gets(ack(if qos == 1 { PUBACK } else { PUBREC }, packet_id)).await;
        }
    }
}

#[tokio::test]
async fn a_refused_qos_2_identifier_is_free_at_once() {
    let served = Served::with(|config| config.topic_levels_max = 2);
    // Without reason strings.
    let mut client = Client::connected(&served, V5.connect("c").with(property::byte(0x17, 0))).await;
    client.asks(V5.publish("a/b/c", "x").qos(2, 7), ack_with(PUBREC, 7, 0x90)).await;
    client.asks(V5.publish("a/b/c", "x").qos(1, 7), ack_with(PUBACK, 7, 0x90)).await;
    client.asks(V5.publish("a", "new").qos(2, 7), ack(PUBREC, 7)).await;
    assert_eq!(served.log.payloads(), ["new"]);
}

#[tokio::test]
async fn the_dup_flag_of_a_publisher_goes_no_further() {
    for version in BOTH {
        let served = Served::start();
        let mut client = Client::new(&served, version, "c").await;
        client.subscribes("a", 1).await;
        let mut publisher = Client::new(&served, version, "p").await;
        publisher.asks(version.publish("a", "x").qos(1, 7).dup(), ack(PUBACK, 7)).await;
        client.gets(version.publish("a", "x").qos(1, 1)).await;
    }
}
