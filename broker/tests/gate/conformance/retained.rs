//! Retained messages (sections 3.3.1.3 and 3.8.3.1).

use std::time::Duration;

use tidegate_telemetry::Entry;

use super::language::*;
use crate::support::Served;

/// A publisher that set `a` to "kept".
async fn retaining(served: &Served, version: Version) -> Client {
    let mut publisher = Client::new(served, version, "p").await;
    retain(&mut publisher, "a", "kept", 1).await;
    publisher
}

async fn retain(publisher: &mut Client, topic: &str, payload: &str, qos: u8) {
    let publish = publisher.version.publish(topic, payload).qos(qos, 7).retain();
    publisher.send(publish).await;
    match qos {
        0 => publisher.has_nothing().await,
        1 => publisher.gets(ack(PUBACK, 7)).await,
        _ => {
            publisher.gets(ack(PUBREC, 7)).await;
            publisher.asks(ack(PUBREL, 7), ack(PUBCOMP, 7)).await;
        }
    }
}

/// What a new subscriber gets.
async fn greeting(served: &Served, version: Version, filter: &str, options: u8, count: usize) -> Vec<Vec<u8>> {
    let mut client = Client::new(served, version, "new").await;
    client.subscribes(filter, options).await;
    let mut packets = Vec::new();
    for _ in 0..count {
        packets.push(client.packet().await);
    }
    client.has_nothing().await;
    client.leaves().await;
    packets.sort();
    packets
}

#[tokio::test]
async fn the_newest_retained_message_greets_a_new_subscription() {
    for version in BOTH {
        let served = Served::start();
        let mut publisher = retaining(&served, version).await;
        let kept = |payload: &str, qos| Vec::from(version.publish("a", payload).qos(qos, 1).retain());
        for (published, granted) in [(0, 2), (1, 0), (1, 2), (2, 1), (2, 2)] {
            retain(&mut publisher, "a", "newer", published).await;
            let got = greeting(&served, version, "a", granted, 1).await;
            assert_eq!(got, [kept("newer", published.min(granted))], "{version:?}: {published} at {granted}");
        }
        retain(&mut publisher, "b/c", "other", 0).await;
        let both = [kept("newer", 0), version.publish("b/c", "other").retain().into()];
        assert_eq!(greeting(&served, version, "#", 0, 2).await, both);
    }
}

#[tokio::test]
async fn an_empty_payload_removes_the_retained_message_and_is_delivered() {
    for version in BOTH {
        let served = Served::start();
        let mut publisher = retaining(&served, version).await;
        let mut client = Client::new(&served, version, "c").await;
        client.subscribes("a", 0).await;
        client.gets(version.publish("a", "kept").retain()).await;
        retain(&mut publisher, "a", "", 1).await;
        client.gets(version.publish("a", "")).await;
        assert_eq!(greeting(&served, version, "a", 0, 0).await, [] as [Vec<u8>; 0]);
        assert_eq!(served.stats().retained, 0);
    }
}

#[tokio::test]
async fn a_message_without_the_flag_neither_stays_nor_replaces_one() {
    for version in BOTH {
        let served = Served::start();
        let mut publisher = retaining(&served, version).await;
        publisher.says("a", "passing").await;
        publisher.says("a", "").await;
        publisher.says("b", "passing").await;
        let kept: Vec<u8> = version.publish("a", "kept").retain().into();
        assert_eq!(greeting(&served, version, "#", 0, 1).await, [kept]);
    }
}

#[tokio::test]
async fn an_established_subscription_gets_no_retain_flag_unless_it_asked_for_it() {
    for version in BOTH {
        let served = Served::start();
        let mut client = Client::new(&served, version, "c").await;
        client.subscribes("a", 0).await;
        let mut publisher = retaining(&served, version).await;
        client.gets(version.publish("a", "kept")).await;
        if version == V5 {
            client.subscribes("a", 0x08).await;
            client.gets(version.publish("a", "kept").retain()).await;
            retain(&mut publisher, "a", "as published", 0).await;
            client.gets(version.publish("a", "as published").retain()).await;
            publisher.says("a", "not retained").await;
            client.gets(version.publish("a", "not retained")).await;
        }
    }
}

#[tokio::test]
async fn retain_handling_says_when_retained_messages_are_sent() {
    let served = Served::start();
    let _publisher = retaining(&served, V5).await;
    let kept = || V5.publish("a", "kept").retain();
    let mut client = Client::new(&served, V5, "c").await;
    for (handling, is_sent) in [(2, false), (1, false), (0, true), (2, false)] {
        client.subscribes("a", handling << 4).await;
        if is_sent {
            client.gets(kept()).await;
        }
        client.has_nothing().await;
    }
    client.asks(V5.unsubscribe(&["a"]), V5.unsuback(&[0])).await;
    client.subscribes("a", 1 << 4).await;
    client.gets(kept()).await;
    client.has_nothing().await;
}

#[tokio::test]
async fn subscribing_again_sends_the_retained_message_again() {
    for version in BOTH {
        let served = Served::start();
        let _publisher = retaining(&served, version).await;
        let mut client = Client::new(&served, version, "c").await;
        for qos in [0, 0, 1] {
            client.subscribes("a", qos).await;
            client.gets(version.publish("a", "kept").qos(qos, 1).retain()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_the_log_has_last_is_kept_though_an_older_message_is_slower() {
    for (last, left) in [("", 0), ("new", 1)] {
        let served = Served::start();
        let mut slow = Client::new(&served, V5, "slow").await;
        let mut quick = Client::new(&served, V5, "quick").await;
        // The last one must not be dealt with while the old one is on its way from the log; it gets the time to.
        served.log.behind_each(|entry, _| {
            if matches!(entry, Entry::Publication(publication) if publication.payload == "old") {
                tokio::task::block_in_place(|| std::thread::sleep(Duration::from_millis(300)));
            }
        });
        slow.send(V5.publish("a", "old").qos(1, 7).retain()).await;
        served.until("the old one is in the log", |served| served.log.payloads() == ["old"]).await;
        quick.asks(V5.publish("a", last).qos(1, 7).retain(), ack(PUBACK, 7)).await;
        slow.gets(ack(PUBACK, 7)).await;
        assert_eq!(served.log.payloads(), ["old", last]);
        let kept = greeting(&served, V5, "a", 0, left).await;
        assert!(kept.iter().all(|packet| packet.ends_with(last.as_bytes())), "{kept:x?}");
    }
}
