//! MQTT 3.1 (`MQIsdp`, level 3), and the mark of a bridge in it and in 3.1.1.

use super::language::*;
use crate::support::Served;

/// A CONNECT of 3.1 with a clean session.
fn old(client: impl AsRef<[u8]>) -> Connect {
    V3.connect(client).named("MQIsdp", 3)
}

#[tokio::test]
async fn a_client_of_3_1_publishes_and_subscribes_with_each_quality() {
    let served = Served::start();
    let mut client = Client::connected(&served, old("c")).await;
    assert_eq!(client.connack, b"\x20\x02\0\0");
    let mut reader = Client::connected(&served, old("r")).await;
    reader.subscribes("a/#", 2).await;
    client.send(V3.publish("a/0", "x")).await;
    reader.gets(V3.publish("a/0", "x")).await;
    client.says("a/1", "y").await;
    reader.gets(V3.publish("a/1", "y").qos(1, 1)).await;
    reader.send(ack(PUBACK, 1)).await;
    let publish = || V3.publish("a/2", "z").qos(2, 7);
    client.asks(publish(), ack(PUBREC, 7)).await;
    client.asks(publish().dup(), ack(PUBREC, 7)).await;
    // A PUBREL of 3.1 that comes again is marked as such.
    client.asks(ack(PUBREL | 8, 7), ack(PUBCOMP, 7)).await;
    reader.gets(V3.publish("a/2", "z").qos(2, 1)).await;
    reader.asks(ack(PUBREC, 1), ack(PUBREL, 1)).await;
    reader.send(ack(PUBCOMP, 1)).await;
    reader.has_nothing().await;
    client.has_nothing().await;
    assert_eq!(served.log.payloads(), ["x", "y", "z"]);
    client.leaves().await;
}

#[tokio::test]
async fn what_3_1_calls_a_duplicate_or_disregards_is_served() {
    let served = Served::start();
    let mut client = Client::connected(&served, old("c").flags(0x39)).await;
    let again = |packet: Vec<u8>| [&[packet[0] | 8], &packet[1..]].concat();
    client.asks(again(V3.subscribe(&[("a", 1)])), V3.suback(&[1])).await;
    client.asks(again(V3.unsubscribe(&["a"])), V3.unsuback(&[])).await;
    client.send(V3.publish("a", "x").dup()).await;
    client.asks(b"\xcf\0", PINGRESP).await;
    assert_eq!(served.log.payloads(), ["x"]);
    for without_strings in [old("d").flags(0xc0), old("e").user("u").flags(0x40)] {
        Client::connected(&served, without_strings).await.has_nothing().await;
    }
}

#[tokio::test]
async fn a_refused_filter_of_3_1_has_no_code_and_no_messages() {
    let served = Served::start();
    let mut client = Client::connected(&served, old("c")).await;
    client.asks(V3.subscribe(&[("a/#/b", 2), ("b", 1)]), V3.suback(&[0, 1])).await;
    client.has_nothing().await;
}

#[tokio::test]
async fn a_session_of_3_1_is_kept_and_its_connack_does_not_say_so() {
    let served = Served::start();
    let mut client = Client::connected(&served, old("c").keeping()).await;
    client.subscribes("a", 1).await;
    client.lost(&served, 0).await;
    let mut publisher = Client::new(&served, V5, "p").await;
    publisher.says("a", "x").await;
    let mut client = Client::connected(&served, old("c").keeping()).await;
    assert_eq!(client.connack, b"\x20\x02\0\0");
    client.gets(V3.publish("a", "x").qos(1, 1)).await;
    client.lost(&served, 1).await;
    let mut client = Client::connected(&served, old("c").keeping()).await;
    client.gets(V3.publish("a", "x").qos(1, 1).dup()).await;
}

#[tokio::test]
async fn wills_and_retained_messages_of_3_1_are_those_of_3_1_1() {
    let served = Served::start();
    let mut reader = Client::new(&served, V3, "r").await;
    reader.subscribes("will", 1).await;
    let client = Client::connected(&served, old("c").will("will", "gone", 1, true).user("u").password("p")).await;
    client.lost(&served, 1).await;
    reader.gets(V3.publish("will", "gone").qos(1, 1)).await;
    let mut late = Client::connected(&served, old("late")).await;
    late.subscribes("will", 0).await;
    late.gets(V3.publish("will", "gone").retain()).await;
}

#[tokio::test]
async fn an_identifier_of_3_1_may_be_longer_than_it_says_and_not_empty() {
    let served = Served::start();
    Client::connected(&served, old("a-client-with-more-than-23-characters")).await.has_nothing().await;
    for connect in [old(""), old("").resuming(), old("c".repeat(10_000))] {
        assert_eq!(answer_to(&served, connect).await, b"\x20\x02\0\x02");
    }
    for level in [0, 2, 4, 5] {
        assert_eq!(answer_to(&served, V3.connect("c").named("MQIsdp", level)).await, b"\x20\x02\0\x01", "{level}");
    }
    let malformed = Connect::without_payload(V3).named("MQIsdp", 3);
    assert_eq!(answer_to(&served, malformed).await, b"");
}

#[tokio::test]
async fn a_bridge_gets_no_echo_and_the_retain_flag_as_it_was_published() {
    for (name, level) in [("MQIsdp", 0x83), ("MQTT", 0x84)] {
        let served = Served::start();
        let mut bridge = Client::connected(&served, V3.connect("b").named(name, level)).await;
        bridge.subscribes("a/#", 1).await;
        bridge.says("a/echo", "x").await;
        bridge.has_nothing().await;
        let mut publisher = Client::new(&served, V3, "p").await;
        publisher.asks(V3.publish("a/lamp", "on").qos(1, 1).retain(), ack(PUBACK, 1)).await;
        bridge.gets(V3.publish("a/lamp", "on").qos(1, 1).retain()).await;
        publisher.says("a/lamp", "off").await;
        bridge.send(ack(PUBACK, 1)).await;
        bridge.gets(V3.publish("a/lamp", "off").qos(1, 2)).await;
    }
}
