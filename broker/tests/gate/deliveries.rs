//! What is queued or retained for a subscriber reaches it, however much it is, though the subscriber says not a word.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use tokio::io::AsyncReadExt;

use crate::conformance::language::{BOTH, Client, PUBACK, Version, ack};
use crate::support::Served;

const PAYLOAD: [u8; 100] = [b'x'; 100];

/// Publishes with this QoS all at once, on `d/` and a number each; those with QoS 1 are not waited for.
async fn publish(publisher: &mut Client, numbers: Range<usize>, qos: u8, is_retained: bool) {
    let mut bytes = Vec::new();
    for number in numbers {
        let publish = publisher.version.publish(format!("d/{number}"), PAYLOAD).qos(qos, 1 + number as u16 % 1000);
        bytes.extend(Vec::from(if is_retained { publish.retain() } else { publish }));
    }
    publisher.send(bytes).await;
}

/// A broker with so many retained messages of QoS 1.
async fn retaining(count: usize, version: Version) -> Served {
    let served = Served::start();
    let mut publisher = Client::new(&served, version, "publisher").await;
    for first in (0..count).step_by(500) {
        publish(&mut publisher, first..first + 500, 1, true).await;
        for _ in 0..500 {
            publisher.packet().await;
        }
    }
    assert_eq!(served.stats().retained, count);
    served
}

/// The numbers of the next `count` deliveries, which are acknowledged, and whether they are marked as retained.
async fn deliveries(client: &mut Client, count: usize) -> Vec<(usize, bool)> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let packet = tokio::time::timeout(Duration::from_secs(30), client.packet()).await;
        let packet = packet.unwrap_or_else(|_| panic!("{} of {count} came", numbers.len()));
        if packet[0] == 0x90 {
            continue;
        }
        assert_eq!(packet[0] >> 4, 3, "a PUBLISH");
        let topic = packet.windows(2).position(|two| two == b"d/").expect("the topic");
        let end = topic + usize::from(u16::from_be_bytes([packet[topic - 2], packet[topic - 1]]));
        let number = std::str::from_utf8(&packet[topic + 2..end]).unwrap().parse().unwrap();
        if packet[0] & 6 != 0 {
            client.send(ack(PUBACK, u16::from_be_bytes([packet[end], packet[end + 1]]))).await;
        }
        numbers.push((number, packet[0] & 1 == 1));
    }
    numbers
}

#[tokio::test]
async fn a_burst_reaches_a_subscriber_with_qos_0_to_its_end() {
    const COUNT: usize = 10_000;
    let served = Served::with(|config| config.queue_bytes_max = 8 << 20);
    let mut subscriber = served.v3("subscriber").await;
    subscriber.subscribe("d/#", 0).await;
    // So many publish at once that more is queued between two turns of the subscriber than is written at once. It reads
    // as fast as it comes, so that its socket always takes all of that.
    for n in 0..20 {
        let mut publisher = Client::new(&served, Version::V3, &format!("publisher{n}")).await;
        tokio::spawn(async move {
            publish(&mut publisher, 500 * n..500 * (n + 1), 0, false).await;
            publisher.has_nothing().await;
        });
    }
    let sizes = (0..COUNT).map(|number| 6 + number.to_string().len() + PAYLOAD.len());
    let mut bytes = vec![0; sizes.sum()];
    let all = subscriber.stream.read_exact(&mut bytes);
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("all of it comes").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retained_messages_reach_a_new_subscriber_to_the_last_far_beyond_its_queue() {
    const COUNT: usize = 20_000;
    for version in BOTH {
        let served = retaining(COUNT, version).await;
        for qos in [0, 1] {
            let mut subscriber = Client::new(&served, version, "subscriber").await;
            subscriber.subscribes("d/#", qos).await;
            let numbers: BTreeSet<_> = deliveries(&mut subscriber, COUNT).await.into_iter().collect();
            assert_eq!(numbers, (0..COUNT).map(|number| (number, true)).collect());
            subscriber.has_nothing().await;
            assert_eq!(served.stats().queued_bytes, 0);
            subscriber.leaves().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_new_subscription_is_still_due_waits_in_few_bytes() {
    let served = retaining(20_000, Version::V3).await;
    let mut subscriber = served.v3("subscriber").await;
    subscriber.subscribe("d/#", 1).await;
    // The client acknowledges nothing, so the rest waits.
    subscriber.read(10_000).await;
    assert!(served.stats().queued_bytes < 100_000, "{} bytes", served.stats().queued_bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_resumed_gets_the_rest_of_the_retained_messages() {
    const COUNT: usize = 3000;
    for version in BOTH {
        let served = retaining(COUNT, version).await;
        let mut subscriber = Client::connected(&served, version.connect("subscriber").keeping()).await;
        // The first of them may come before the SUBACK (MQTT 5.0 section 3.8.4).
        subscriber.send(version.subscribe(&[("d/#", 1)])).await;
        let mut numbers: BTreeSet<_> = deliveries(&mut subscriber, 700).await.into_iter().collect();
        subscriber.lost(&served, 0).await;
        let mut subscriber = Client::connected(&served, version.connect("subscriber").resuming()).await;
        assert!(subscriber.session_is_present());
        while numbers.len() < COUNT {
            numbers.extend(deliveries(&mut subscriber, 1).await);
        }
        assert_eq!(numbers, (0..COUNT).map(|number| (number, true)).collect());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_unsubscribes_gets_no_more_of_the_retained_messages() {
    let served = retaining(5000, Version::V5).await;
    let mut subscriber = Client::new(&served, Version::V5, "subscriber").await;
    subscriber.subscribes("d/#", 1).await;
    // Held up by its receive maximum, in the middle of them.
    deliveries(&mut subscriber, 1000).await;
    subscriber.send(Version::V5.unsubscribe(&["d/#"])).await;
    let mut further = 0;
    while subscriber.packet().await[0] >> 4 == 3 {
        further += 1;
    }
    assert!(further < 1000, "{further} more before the UNSUBACK");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_reads_slowly_is_heard_while_it_is_behind() {
    const COUNT: usize = 60_000;
    let served = Served::with(|config| config.queue_bytes_max = 32 << 20);
    let mut subscriber = served.v3("subscriber").await;
    subscriber.subscribe("d/#", 0).await;
    let mut publisher = Client::new(&served, Version::V3, "publisher").await;
    publish(&mut publisher, 0..COUNT, 0, false).await;
    served.until("all are taken", |served| served.log.publications().len() == COUNT).await;
    // More waits for it than its socket and its connection hold. What it publishes is taken all the same.
    subscriber.publish(0x32, 7, b"mine", b"1").await;
    served.until("it was heard", |served| served.log.publications().len() == COUNT + 1).await;
    let sizes = (0..COUNT).map(|number| 6 + number.to_string().len() + PAYLOAD.len());
    let mut bytes = vec![0; sizes.sum::<usize>() + 4];
    subscriber.stream.read_exact(&mut bytes).await.unwrap();
}
