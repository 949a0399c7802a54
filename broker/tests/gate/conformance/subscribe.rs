//! SUBSCRIBE and UNSUBSCRIBE (sections 3.8 to 3.11, and 3.3.4).

use super::language::*;
use crate::support::Served;

#[tokio::test]
async fn a_subscribe_against_the_standard_ends_the_connection() {
    let raw = |first, body: &[u8]| packet(first, &[body]);
    let mut v3 = vec![
        ("reserved flags", raw(0x80, b"\0\x01\0\x01a\0"), 0x81),
        ("packet identifier 0", raw(0x82, b"\0\0\0\x01a\0"), 0x81),
        ("no filter", raw(0x82, b"\0\x01"), 0x82),
        ("no options", raw(0x82, b"\0\x01\0\x01a"), 0x81),
        ("QoS 3", V3.subscribe(&[("a", 3)]), 0x81),
        ("a filter that is not UTF-8", V3.subscribe(&[(b"\xff", 0)]), 0x81),
        ("U+0000 in a filter", V3.subscribe(&[("a\0b", 0)]), 0x81),
        ("UNSUBSCRIBE: reserved flags", raw(0xa0, b"\0\x01\0\x01a"), 0x81),
        ("UNSUBSCRIBE: no filter", raw(0xa2, b"\0\x01"), 0x82),
        ("UNSUBSCRIBE: packet identifier 0", raw(0xa2, b"\0\0\0\x01a"), 0x81),
        ("UNSUBSCRIBE: not UTF-8", V3.unsubscribe(&[b"\xff"]), 0x81),
        ("UNSUBSCRIBE: U+0000", V3.unsubscribe(&["a\0b"]), 0x81),
    ];
    for bit in [0x04, 0x08, 0x10, 0x20, 0x40, 0x80] {
        v3.push(("a reserved option bit", V3.subscribe(&[("a", bit)]), 0x81));
    }
    each_ends(V3, &v3).await;
    let with = |property: Vec<u8>| V5.subscribe_with(&[property], &[("a", 0)]);
    let v5 = [
        ("reserved flags", raw(0x80, b"\0\x01\0\0\x01a\0"), 0x81),
        ("packet identifier 0", raw(0x82, b"\0\0\0\0\x01a\0"), 0x81),
        ("no filter", raw(0x82, b"\0\x01\0"), 0x82),
        ("no property length", raw(0x82, b"\0\x01"), 0x81),
        ("QoS 3", V5.subscribe(&[("a", 3)]), 0x81),
        ("retain handling 3", V5.subscribe(&[("a", 0x30)]), 0x81),
        ("a reserved option bit", V5.subscribe(&[("a", 0x40)]), 0x81),
        ("the other reserved option bit", V5.subscribe(&[("a", 0x80)]), 0x81),
        ("a filter that is not UTF-8", V5.subscribe(&[(b"\xff", 0)]), 0x81),
        ("U+0000 in a filter", V5.subscribe(&[("a\0b", 0)]), 0x81),
        ("subscription identifier 0", with(property::subscription_identifier(0)), 0x82),
        ("two subscription identifiers", with([0x0b, 1, 0x0b, 2].to_vec()), 0x82),
        ("a property of PUBLISH", with(property::topic_alias(1)), 0x82),
        ("no local on a shared subscription", V5.subscribe(&[("$share/g/a", 4)]), 0x82),
        ("UNSUBSCRIBE: reserved flags", raw(0xa0, b"\0\x01\0\0\x01a"), 0x81),
        ("UNSUBSCRIBE: no filter", raw(0xa2, b"\0\x01\0"), 0x82),
        ("UNSUBSCRIBE: not UTF-8", V5.unsubscribe(&[b"\xff"]), 0x81),
        ("UNSUBSCRIBE: U+0000", V5.unsubscribe(&["a\0b"]), 0x81),
    ];
    each_ends(V5, &v5).await;
}

#[tokio::test]
async fn a_suback_answers_each_filter_in_its_order() {
    for version in BOTH {
        let served = Served::start();
        let mut client = Client::new(&served, version, "c").await;
        let filters = [("a", 2), ("b#", 0), ("c", 0), ("", 1), ("+/x", 1), ("#/y", 2)];
        let invalid = version.failure(0x8f);
        let why = property::reason_string("a filter is invalid, or longer or deeper than the server takes");
        let suback = version.suback_with(&[why], &[2, invalid, 0, invalid, 1, invalid]);
        client.asks(version.subscribe(&filters), suback).await;
        let mut other: Vec<u8> = version.subscribe(&[("d", 1)]);
        other[2..4].copy_from_slice(b"\xab\xcd");
        client.send(other).await;
        assert_eq!(client.packet().await[..4][2..], *b"\xab\xcd");
        client.says("a", "x").await;
        let got = client.packet().await;
        assert_eq!(got[0] & 0xf0, 0x30, "the valid ones are subscribed to: {got:x?}");
    }
}

#[tokio::test]
async fn a_filter_subscribed_to_again_is_replaced() {
    for version in BOTH {
        let served = Served::start();
        let mut client = Client::new(&served, version, "c").await;
        client.subscribes("a/+", 1).await;
        client.subscribes("a/+", 0).await;
        let mut publisher = Client::new(&served, version, "p").await;
        publisher.says("a/b", "x").await;
        client.gets(version.publish("a/b", "x")).await;
        client.has_nothing().await;
        assert_eq!(served.stats().subscriptions, 1);
    }
}

#[tokio::test]
async fn overlapping_subscriptions_make_one_message_with_the_highest_quality() {
    for version in BOTH {
        let served = Served::start();
        let mut client = Client::new(&served, version, "c").await;
        client.asks(version.subscribe(&[("#", 0), ("a/+", 2), ("a/b", 1)]), version.suback(&[0, 2, 1])).await;
        let mut publisher = Client::new(&served, version, "p").await;
        publisher.asks(version.publish("a/b", "x").qos(2, 1), ack(PUBREC, 1)).await;
        client.gets(version.publish("a/b", "x").qos(2, 1)).await;
        client.has_nothing().await;
    }
}

#[tokio::test]
async fn the_identifier_of_a_subscription_goes_with_its_messages() {
    let served = Served::start();
    let mut publisher = Client::new(&served, V5, "p").await;
    publisher.asks(V5.publish("a", "kept").qos(1, 1).retain(), ack(PUBACK, 1)).await;
    let mut client = Client::new(&served, V5, "c").await;
    let identified = |n| V5.subscribe_with(&[property::subscription_identifier(n)], &[("a", 0)]);
    client.asks(identified(7), V5.suback(&[0])).await;
    client.gets(V5.publish("a", "kept").retain().with(property::subscription_identifier(7))).await;
    publisher.says("a", "x").await;
    client.gets(V5.publish("a", "x").with(property::subscription_identifier(7))).await;
    client.asks(identified(9), V5.suback(&[0])).await;
    client.gets(V5.publish("a", "kept").retain().with(property::subscription_identifier(9))).await;
    client.subscribes("a", 0x20).await;
    publisher.says("a", "y").await;
    client.gets(V5.publish("a", "y")).await;
}

#[tokio::test]
async fn no_local_keeps_a_clients_own_messages_from_it() {
    let served = Served::start();
    let mut client = Client::new(&served, V5, "c").await;
    client.subscribes("a", 4).await;
    client.says("a", "own").await;
    client.has_nothing().await;
    Client::new(&served, V5, "p").await.says("a", "other").await;
    client.gets(V5.publish("a", "other")).await;
    client.subscribes("b", 0).await;
    client.says("b", "own").await;
    // The PUBACK came first, in `says`; the message may come with it or right after it.
    client.gets(V5.publish("b", "own")).await;
}

#[tokio::test]
async fn an_unsubscribe_ends_exactly_the_filters_it_names() {
    for version in BOTH {
        let served = Served::start();
        let mut client = Client::new(&served, version, "c").await;
        client.asks(version.subscribe(&[("a/+", 0), ("a/b", 1), ("A/B", 0)]), version.suback(&[0, 1, 0])).await;
        client.asks(version.unsubscribe(&["a/#", "a/+", "a/c"]), version.unsuback(&[0x11, 0, 0x11])).await;
        let mut publisher = Client::new(&served, version, "p").await;
        publisher.says("a/c", "x").await;
        publisher.says("a/b", "y").await;
        client.gets(version.publish("a/b", "y").qos(1, 1)).await;
        client.asks(version.unsubscribe(&["a/b", "A/B"]), version.unsuback(&[0, 0])).await;
        publisher.says("a/b", "z").await;
        client.has_nothing().await;
        client.asks(version.unsubscribe(&["a/b"]), version.unsuback(&[0x11])).await;
    }
}

#[tokio::test]
async fn what_was_begun_before_an_unsubscribe_is_completed() {
    for version in BOTH {
        let served = Served::start();
        let mut client = Client::connected(&served, version.connect("c").keeping()).await;
        client.subscribes("a", 2).await;
        let mut publisher = Client::new(&served, version, "p").await;
        publisher.asks(version.publish("a", "x").qos(2, 9), ack(PUBREC, 9)).await;
        client.gets(version.publish("a", "x").qos(2, 1)).await;
        client.asks(version.unsubscribe(&["a"]), version.unsuback(&[0])).await;
        client.lost(&served, 1).await;
        let mut client = Client::connected(&served, version.connect("c").keeping()).await;
        client.gets(version.publish("a", "x").qos(2, 1).dup()).await;
        client.asks(ack(PUBREC, 1), ack(PUBREL, 1)).await;
        client.send(ack(PUBCOMP, 1)).await;
        publisher.says("a", "y").await;
        client.has_nothing().await;
    }
}
