//! What is queued or retained for a subscriber reaches it, however much it is, though the subscriber says not a word.

use tokio::io::AsyncReadExt;

use crate::conformance::language::{BOTH, Client, Version};
use crate::support::Served;

const PAYLOAD: [u8; 100] = [b'x'; 100];

/// Publishes with QoS 0 all at once, on `topic` and a number.
async fn publish(publisher: &mut Client, topic: &str, numbers: std::ops::Range<usize>, is_retained: bool) {
    let mut bytes = Vec::new();
    for number in numbers {
        let publish = publisher.version.publish(&format!("{topic}/{number}"), PAYLOAD);
        bytes.extend(Vec::from(if is_retained { publish.retain() } else { publish }));
    }
    publisher.send(bytes).await;
}

/// The numbers of the next `count` deliveries, and whether each was marked as retained.
async fn deliveries(client: &mut Client, count: usize) -> Vec<(usize, bool)> {
    let mut numbers = Vec::new();
    for got in 0..count {
        let packet = tokio::time::timeout(std::time::Duration::from_secs(20), client.packet()).await;
        let packet = packet.unwrap_or_else(|_| panic!("{got} of {count} came"));
        assert_eq!(packet[0] & 0xf6, 0x30, "a PUBLISH of QoS 0");
        let topic = packet.windows(2).position(|two| two == b"d/").expect("the topic") + 2;
        let digits = packet[topic..].iter().take_while(|byte| byte.is_ascii_digit());
        let number = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
        numbers.push((number, packet[0] & 1 == 1));
    }
    numbers
}

async fn subscriber_and_publisher(served: &Served, version: Version) -> (Client, Client) {
    let mut subscriber = Client::new(served, version, "subscriber").await;
    subscriber.subscribes("d/#", 0).await;
    (subscriber, Client::new(served, version, "publisher").await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_reaches_a_subscriber_with_qos_0_to_its_end() {
    for version in BOTH {
        let served = Served::start();
        let (mut subscriber, mut publisher) = subscriber_and_publisher(&served, version).await;
        publish(&mut publisher, "d", 0..3000, false).await;
        let expected: Vec<_> = (0..3000).map(|number| (number, false)).collect();
        assert_eq!(deliveries(&mut subscriber, 3000).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retained_messages_reach_a_subscriber_with_qos_0_to_the_last() {
    for version in BOTH {
        let served = Served::start();
        let mut publisher = Client::new(&served, version, "publisher").await;
        publish(&mut publisher, "d", 0..5000, true).await;
        served.until("all are retained", |served| served.stats().retained == 5000).await;
        let (mut subscriber, _) = subscriber_and_publisher(&served, version).await;
        let mut numbers = deliveries(&mut subscriber, 5000).await;
        numbers.sort_unstable();
        let expected: Vec<_> = (0..5000).map(|number| (number, true)).collect();
        assert_eq!(numbers, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_reads_slowly_is_heard_while_it_is_behind() {
    const COUNT: usize = 60_000;
    let served = Served::with(|config| config.queue_bytes_max = 32 << 20);
    let mut subscriber = served.v3("subscriber").await;
    subscriber.subscribe("d/#", 0).await;
    let mut publisher = Client::new(&served, Version::V3, "publisher").await;
    publish(&mut publisher, "d", 0..COUNT, false).await;
    served.until("all are taken", |served| served.log.publications().len() == COUNT).await;
    // More waits for it than its socket and its connection hold. What it publishes is taken all the same.
    subscriber.publish(0x32, 7, b"mine", b"1").await;
    served.until("it was heard", |served| served.log.publications().len() == COUNT + 1).await;
    let sizes = (0..COUNT).map(|number| 6 + number.to_string().len() + PAYLOAD.len());
    let mut bytes = vec![0; sizes.sum::<usize>() + 4];
    subscriber.stream.read_exact(&mut bytes).await.unwrap();
}
