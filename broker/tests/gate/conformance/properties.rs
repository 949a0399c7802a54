//! What a message carries through the broker in version 5 (section 3.3.2.3).

use super::language::*;
use crate::support::{Served, pass};

#[tokio::test]
async fn the_properties_of_a_message_reach_every_subscriber_unaltered_and_in_order() {
    let served = Served::start();
    let properties = [
        property::payload_format(0),
        property::content_type(""),
        property::response_topic("answers/\u{e9}"),
        property::correlation_data(b"\0\xff\x01"),
        property::user("b", "1"),
        property::user("a", ""),
        property::user("b", "1"),
        property::user("", "3"),
    ];
    let full = |publish: Publish| properties.iter().cloned().fold(publish, Publish::with);
    let mut subscribers = Vec::new();
    for (client, filter) in [("1", "a"), ("2", "+"), ("3", "$share/g/a")] {
        let mut subscriber = Client::new(&served, V5, client).await;
        subscriber.subscribes(filter, 1).await;
        subscribers.push(subscriber);
    }
    let mut old = Client::new(&served, V3, "old").await;
    old.subscribes("a", 1).await;
    let mut publisher = Client::new(&served, V5, "p").await;
    publisher.asks(full(V5.publish("a", b"\xff").qos(1, 7).retain()), ack(PUBACK, 7)).await;
    for subscriber in &mut subscribers {
        subscriber.gets(full(V5.publish("a", b"\xff").qos(1, 1))).await;
    }
    old.gets(V3.publish("a", b"\xff").qos(1, 1)).await;
    let mut later = Client::new(&served, V5, "later").await;
    later.subscribes("a", 0).await;
    later.gets(full(V5.publish("a", b"\xff").retain())).await;
    Client::new(&served, V3, "p").await.says("a", "of 3.1.1").await;
    later.gets(V5.publish("a", "of 3.1.1")).await;
}

#[tokio::test]
async fn the_properties_of_a_message_outlast_a_sleep() {
    let served = Served::start();
    let mut sleeper = Client::connected(&served, V5.connect("c").keeping()).await;
    sleeper.subscribes("a", 1).await;
    sleeper.leaves().await;
    let full = |publish: Publish| {
        publish.with(property::correlation_data("7")).with(property::user("b", "1")).with(property::user("a", "2"))
    };
    let mut publisher = Client::new(&served, V5, "p").await;
    publisher.asks(full(V5.publish("a", "x").qos(1, 7)), ack(PUBACK, 7)).await;
    let mut sleeper = Client::connected(&served, V5.connect("c").keeping()).await;
    sleeper.gets(full(V5.publish("a", "x").qos(1, 1))).await;
}

/// What is left of the message's time, in seconds, in a PUBLISH whose only property that is.
pub fn left_s(publish: &[u8], topic: &str, qos: u8) -> u32 {
    let at = 2 + 2 + topic.len() + if qos > 0 { 2 } else { 0 };
    assert_eq!(publish[at..at + 2], [5, 2], "{publish:x?}");
    u32::from_be_bytes(publish[at + 2..at + 6].try_into().unwrap())
}

#[tokio::test]
async fn a_message_goes_out_with_what_is_left_of_its_time_and_not_after_it() {
    let served = Served::start();
    let mut sleeper = Client::connected(&served, V5.connect("c").keeping().with(property::receive_maximum(1))).await;
    sleeper.subscribes("a", 1).await;
    sleeper.leaves().await;
    let mut publisher = Client::new(&served, V5, "p").await;
    for (payload, seconds) in [("short", 20), ("long", 100)] {
        let publish = V5.publish("a", payload).qos(1, 7).retain().with(property::message_expiry(seconds));
        publisher.asks(publish, ack(PUBACK, 7)).await;
    }
    pass(40);
    let mut sleeper = Client::connected(&served, V5.connect("c").keeping()).await;
    let got = sleeper.packet().await;
    assert!(got.ends_with(b"long"), "{got:x?}");
    assert!((50..=60).contains(&left_s(&got, "a", 1)), "{got:x?}");
    sleeper.has_nothing().await;

    let mut later = Client::new(&served, V5, "later").await;
    later.subscribes("a", 0).await;
    assert!((50..=60).contains(&left_s(&later.packet().await, "a", 0)));
    pass(70);
    later.subscribes("a", 0).await;
    later.has_nothing().await;
    sleeper.lost(&served, 2).await;
    let mut sleeper = Client::connected(&served, V5.connect("c").keeping()).await;
    let again = sleeper.packet().await;
    assert_eq!((again[0], again.ends_with(b"long")), (0x3a, true), "what was sent once does not expire: {again:x?}");
}

#[tokio::test]
async fn a_refused_filter_is_explained_where_the_words_fit() {
    let served = Served::with(|config| config.subscriptions_per_client_max = 1);
    let filters = [("a", 0), ("b", 0), ("c#", 0)];
    let why = property::reason_string("mqtt.subscriptions_per_client_max or mqtt.subscriptions_max is met");
    let mut client = Client::new(&served, V5, "c").await;
    client.asks(V5.subscribe(&filters), V5.suback_with(&[why], &[0, 0x97, 0x8f])).await;
    client.asks(V5.subscribe(&[("a", 1)]), V5.suback(&[1])).await;
    let mut small = Client::connected(&served, V5.connect("small").with(property::maximum_packet_size(64))).await;
    small.asks(V5.subscribe(&filters), V5.suback(&[0, 0x97, 0x8f])).await;
}

#[tokio::test]
async fn reason_strings_stand_in_connack_and_disconnect_alone_where_asked_for() {
    let served = Served::with(|config| config.topic_levels_max = 2);
    let mut client = Client::connected(&served, V5.connect("c").with(property::byte(0x17, 0))).await;
    client.asks(V5.publish("a/b/c", "x").qos(1, 7), ack_with(PUBACK, 7, 0x90)).await;
    client.asks(V5.publish("a/b/c", "x").qos(2, 7), ack_with(PUBREC, 7, 0x90)).await;
    client.asks(ack(PUBREL, 7), ack_with(PUBCOMP, 7, 0x92)).await;
    client.asks(V5.subscribe(&[("a#", 0)]), V5.suback(&[0x8f])).await;
    client.asks(V5.unsubscribe(&["a"]), V5.unsuback(&[0x11])).await;
    client.send(b"\xc1\0".as_slice()).await;
    assert_eq!(client.ended(0x81).await, Ok(()));
}
