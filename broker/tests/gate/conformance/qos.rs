//! PUBLISH to a client, and what it answers (sections 3.3.4, 4.3 and 4.6).

use super::language::*;
use crate::support::Served;

#[tokio::test]
async fn a_message_goes_out_with_the_lower_of_both_qualities() {
    for version in BOTH {
        for granted in 0..=2 {
            let served = Served::start();
            let mut client = Client::new(&served, version, "c").await;
            client.subscribes("a", granted).await;
            let mut publisher = Client::new(&served, version, "p").await;
            let mut next_id = 1;
            for published in 0..=2 {
                publisher.send(version.publish("a", "x").qos(published, 7)).await;
                let qos = granted.min(published);
                client.gets(version.publish("a", "x").qos(qos, next_id)).await;
                next_id += u16::from(qos > 0);
            }
        }
    }
}

#[tokio::test]
async fn an_outgoing_identifier_is_not_zero_and_not_in_use() {
    for version in BOTH {
        let served = Served::start();
        let mut client = Client::new(&served, version, "c").await;
        client.subscribes("a", 2).await;
        let mut publisher = Client::new(&served, version, "p").await;
        for payload in ["1", "2"] {
            publisher.says("a", payload).await;
        }
        client.gets(version.publish("a", "1").qos(1, 1)).await;
        client.gets(version.publish("a", "2").qos(1, 2)).await;
        client.send(ack(PUBACK, 1)).await;
        client.has_nothing().await;
        publisher.asks(version.publish("a", "3").qos(2, 1), ack(PUBREC, 1)).await;
        let third = client.packet().await;
        assert!(!matches!(third[5..7], [0, 0 | 2]), "{third:x?}");
    }
}

#[tokio::test]
async fn a_qos_2_delivery_goes_through_its_four_steps() {
    for version in BOTH {
        let served = Served::start();
        let mut client = Client::new(&served, version, "c").await;
        client.subscribes("a", 2).await;
        let mut publisher = Client::new(&served, version, "p").await;
        publisher.asks(version.publish("a", "x").qos(2, 9), ack(PUBREC, 9)).await;
        client.gets(version.publish("a", "x").qos(2, 1)).await;
        client.asks(ack(PUBREC, 1), ack(PUBREL, 1)).await;
        client.send(ack(PUBCOMP, 1)).await;
        client.has_nothing().await;
    }
}

#[tokio::test]
async fn pubrels_leave_in_the_order_of_their_pubrecs() {
    for version in BOTH {
        let served = Served::start();
        let mut client = Client::connected(&served, version.connect("c").keeping()).await;
        client.subscribes("a", 2).await;
        let mut publisher = Client::new(&served, version, "p").await;
        for n in 1..=3 {
            publisher.asks(version.publish("a", "x").qos(2, n), ack(PUBREC, n)).await;
            client.gets(version.publish("a", "x").qos(2, n)).await;
        }
        client.send([ack(PUBREC, 2), ack(PUBREC, 3), ack(PUBREC, 1)].concat()).await;
        for n in [2, 3, 1] {
            client.gets(ack(PUBREL, n)).await;
        }
    }
}

#[tokio::test]
async fn a_pubrec_that_found_no_subscriber_is_answered_with_pubrel() {
    let served = Served::start();
    let mut client = Client::new(&served, V5, "c").await;
    client.subscribes("a", 2).await;
    let mut publisher = Client::new(&served, V5, "p").await;
    publisher.asks(V5.publish("a", "x").qos(2, 9), ack(PUBREC, 9)).await;
    client.gets(V5.publish("a", "x").qos(2, 1)).await;
    client.asks(ack_with(PUBREC, 1, 0x10), ack(PUBREL, 1)).await;
    client.send(ack(PUBCOMP, 1)).await;
    client.has_nothing().await;
}

#[tokio::test]
async fn an_acknowledgement_that_refuses_settles_the_message_for_good() {
    let served = Served::start();
    let mut client = Client::connected(&served, V5.connect("c").keeping().with(property::receive_maximum(1))).await;
    client.subscribes("a", 2).await;
    let mut publisher = Client::new(&served, V5, "p").await;
    publisher.asks(V5.publish("a", "1").qos(2, 9), ack(PUBREC, 9)).await;
    publisher.says("a", "2").await;
    publisher.says("a", "3").await;
    let refused = client.packet().await;
    assert_eq!((refused[0], refused.ends_with(b"1")), (0x34, true), "{refused:x?}");
    let id = u16::from_be_bytes([refused[5], refused[6]]);
    client.send(ack_with(PUBREC, id, 0x80)).await;
    let refused = client.packet().await;
    assert_eq!((refused[0], refused.ends_with(b"2")), (0x32, true), "no PUBREL, the next: {refused:x?}");
    client.send(ack_with(PUBACK, u16::from_be_bytes([refused[5], refused[6]]), 0x97)).await;
    let third = client.packet().await;
    assert!(third.ends_with(b"3"), "{third:x?}");
    client.lost(&served, 1).await;
    let mut client = Client::connected(&served, V5.connect("c").keeping()).await;
    let again = client.packet().await;
    assert_eq!((again[0], again.ends_with(b"3")), (0x3a, true), "what was refused does not come again: {again:x?}");
    client.has_nothing().await;
}

#[tokio::test]
async fn messages_of_a_topic_keep_the_order_of_their_publisher() {
    for version in BOTH {
        for qos in 0..=2 {
            let served = Served::start();
            let mut client = Client::new(&served, version, "c").await;
            client.subscribes("a", qos).await;
            let mut publisher = Client::new(&served, version, "p").await;
            for n in 1..=50_u16 {
                publisher.send(version.publish("a", n.to_string()).qos(qos, n)).await;
            }
            for n in 1..=50_u16 {
                client.gets(version.publish("a", n.to_string()).qos(qos, n)).await;
            }
        }
    }
}

#[tokio::test]
async fn an_acknowledgement_of_nothing_ends_the_connection() {
    for version in BOTH {
        let cases = [PUBACK, PUBREC, PUBCOMP].map(|first| ("an acknowledgement", ack(first, 9), 0x82));
        each_ends(version, &cases).await;
    }
}
