//! What a client may rely on, over real sockets.

use std::sync::Arc;
use std::time::Duration;

use crate::support::Served;
use tidegate_telemetry::{Entry, Reason};

#[tokio::test]
async fn no_puback_before_the_entry_is_durable() {
    let served = Served::start();
    served.log.hold();
    let mut client = served.v3("c").await;
    client.publish(0x32, 7, b"a", b"x").await;
    served.until("the entry", |s| s.log.payloads() == ["x"]).await;
    assert!(client.silence().await, "acknowledged before durable");
    assert_eq!(served.stats().inflight, 1);
    served.log.release();
    assert_eq!(client.read(4).await, b"\x40\x02\0\x07");
}

#[tokio::test]
async fn a_publication_behind_another_request_of_the_same_read_waits_for_its_own_entry() {
    let served = Served::start();
    served.log.hold();
    let log = Arc::clone(&served.log);
    served.log.behind_each(move |entry, _| {
        if matches!(entry, Entry::Publication(publication) if publication.payload == "1") {
            log.commit();
        }
    });
    let mut client = served.v3("c").await;
    let first = b"\x32\x06\0\x01a\0\x071";
    client.send(&[&first[..], b"\x82\x06\0\x08\0\x01b\0", b"\x32\x06\0\x01a\0\x092"].concat()).await;
    let mut answers = client.read(9).await;
    answers.sort_unstable();
    let mut expected = [&b"\x40\x02\0\x07"[..], b"\x90\x03\0\x08\0"].concat();
    expected.sort_unstable();
    assert_eq!(answers, expected);
    assert!(client.silence().await, "acknowledged before durable");
    served.log.release();
    assert_eq!(client.read(4).await, b"\x40\x02\0\x09");
}

#[tokio::test]
async fn a_qos_2_publish_sent_again_over_a_reconnect_is_one_entry() {
    let served = Served::start();
    let mut first = served.raw().await;
    first.connect(4, 0, "c").await;
    assert_eq!(first.read(4).await, b"\x20\x02\0\0");
    first.publish(0x34, 7, b"a", b"x").await;
    assert_eq!(first.read(4).await, b"\x50\x02\0\x07");
    first.publish(0x3c, 7, b"a", b"x").await;
    assert_eq!(first.read(4).await, b"\x50\x02\0\x07");
    drop(first);

    let mut second = served.raw().await;
    second.connect(4, 0, "c").await;
    assert_eq!(second.read(4).await, b"\x20\x02\x01\0", "the session is there");
    second.publish(0x3c, 7, b"a", b"x").await;
    assert_eq!(second.read(4).await, b"\x50\x02\0\x07");
    second.send(b"\x62\x02\0\x07").await;
    assert_eq!(second.read(4).await, b"\x70\x02\0\x07");
    assert_eq!(served.log.payloads(), ["x"]);
    second.publish(0x34, 7, b"a", b"y").await;
    assert_eq!(second.read(4).await, b"\x50\x02\0\x07");
    assert_eq!(served.log.payloads(), ["x", "y"]);
}

#[tokio::test]
async fn a_second_connection_takes_the_client_identifier_over() {
    let served = Served::start();
    let mut watcher = served.v3("w").await;
    watcher.subscribe("gone", 0).await;
    let mut first = served.raw().await;
    first.send(b"\x10\x18\0\x04MQTT\x05\x06\0\0\0\0\x01c\0\0\x04gone\0\x01x").await;
    let connack = first.read(2).await;
    first.read(connack[1] as usize).await;
    let mut second = served.v3("c").await;
    assert_eq!(first.rest().await, b"\xe0\x01\x8e", "told: session taken over");
    assert_eq!(watcher.read(9).await, b"\x30\x07\0\x04gonex", "its will");
    second.is_served().await;
    assert_eq!(served.stats().connections, 2);
}

#[tokio::test]
async fn a_sleeping_session_keeps_its_subscriptions() {
    let served = Served::start();
    let mut first = served.raw().await;
    first.connect(4, 0, "c").await;
    first.read(4).await;
    first.subscribe("a/+", 1).await;
    first.send(b"\xe0\0").await;
    first.rest().await;
    served.until("the end", |s| s.stats().connections == 0).await;
    assert_eq!(served.stats().subscriptions, 1);

    let mut second = served.raw().await;
    second.connect(4, 0, "c").await;
    assert_eq!(second.read(4).await, b"\x20\x02\x01\0");
    let mut other = served.v3("p").await;
    other.publish(0x30, 0, b"a/b", b"x").await;
    assert_eq!(second.read(8).await, b"\x30\x06\0\x03a/bx");

    let mut clean = served.v3("c").await;
    clean.is_served().await;
    served.until("the old subscriptions' end", |s| s.stats().subscriptions == 0).await;
}

#[tokio::test]
async fn subscribers_get_what_their_filters_match_once_and_downgraded() {
    let served = Served::start();
    let mut subscriber = served.v3("s").await;
    subscriber.subscribe("site/+/t", 0).await;
    subscriber.subscribe("site/#", 1).await;
    let mut publisher = served.v3("p").await;
    publisher.publish(0x34, 1, b"site/a/t", b"x").await;
    assert_eq!(subscriber.read(15).await, b"\x32\x0d\0\x08site/a/t\0\x01x", "once, with QoS 1");
    publisher.publish(0x30, 0, b"other", b"x").await;
    publisher.publish(0x30, 0, b"$SYS/t", b"x").await;
    assert!(subscriber.silence().await);
}

#[tokio::test]
async fn a_qos_2_delivery_waits_for_the_disk_and_keeps_the_order() {
    let served = Served::start();
    let mut subscriber = served.v3("s").await;
    subscriber.subscribe("a", 2).await;
    served.log.hold();
    let mut publisher = served.v3("p").await;
    publisher.publish(0x34, 1, b"a", b"1").await;
    publisher.publish(0x30, 0, b"a", b"2").await;
    served.until("both", |s| s.log.payloads().len() == 2).await;
    assert!(subscriber.silence().await);
    served.log.release();
    assert_eq!(subscriber.read(14).await, b"\x34\x06\0\x01a\0\x011\x30\x04\0\x01a2");
}

#[tokio::test]
async fn retained_messages_greet_subscribers_until_an_empty_one_comes() {
    let served = Served::start();
    let mut publisher = served.v3("p").await;
    publisher.publish(0x33, 1, b"a/b", b"kept").await;
    publisher.read(4).await;
    let mut subscriber = served.v3("s").await;
    subscriber.subscribe("a/+", 0).await;
    assert_eq!(subscriber.read(11).await, b"\x31\x09\0\x03a/bkept");
    assert_eq!(served.stats().retained, 1);
    publisher.publish(0x33, 2, b"a/b", b"").await;
    publisher.read(4).await;
    assert_eq!(subscriber.read(7).await, b"\x30\x05\0\x03a/b");
    assert_eq!(served.stats().retained, 0);
}

/// A client that closes with unread bytes resets the connection, so that writing to it fails before its last packets
/// are read.
#[tokio::test]
async fn what_a_client_said_before_it_was_gone_counts_though_it_takes_nothing_any_more() {
    let served = Served::start();
    let mut client = served.raw().await;
    client.stream.set_nodelay(true).unwrap();
    client.send(b"\x10\x17\0\x04MQTT\x04\x06\0\0\0\x01c\0\x04gone\0\x02by").await;
    assert_eq!(client.read(4).await, b"\x20\x02\0\0");
    served.log.hold();
    client.publish(0x32, 7, b"a", b"x").await;
    served.until("the entry", |s| s.log.payloads() == ["x"]).await;
    served.log.set_room(false);
    client.send(b"\xc0\0").await;
    assert_eq!(client.stream.peek(&mut [0]).await.unwrap(), 1, "its PINGRESP, which it leaves unread");
    client.send(b"\xe0\0").await;
    drop(client);
    served.log.release();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(served.stats().connections, 1, "its last packet is not read while there is no room");
    served.log.set_room(true);
    served.until("the end of it", |s| s.stats().connections == 0).await;
    assert_eq!(served.log.payloads(), ["x"], "it said goodbye: no will");
}

#[tokio::test]
async fn a_silent_client_is_ended_and_its_will_is_published_through_the_log() {
    let served = Served::start();
    let mut client = served.raw().await;
    client.send(b"\x10\x14\0\x04MQTT\x04\x06\0\x01\0\x01c\0\x01w\0\x02by").await;
    assert_eq!(client.read(4).await, b"\x20\x02\0\0");
    assert_eq!(client.rest().await, b"");
    served.until("the will", |s| s.log.payloads() == ["by"]).await;
}

#[tokio::test]
async fn at_shutdown_what_was_taken_is_acknowledged_first() {
    let served = Served::start();
    served.log.hold();
    let mut client = served.raw().await;
    client.connect(5, 2, "c").await;
    let connack = client.read(2).await;
    client.read(connack[1] as usize).await;
    client.send(b"\x32\x06\0\x01a\0\x05\0").await;
    served.until("the entry", |s| s.log.publications().len() == 1).await;
    served.cancel();
    assert!(client.silence().await);
    served.log.release();
    assert_eq!(client.rest().await, b"\x40\x02\0\x05\xe0\x01\x8b");
    served.stopped().await;
}

#[tokio::test]
async fn at_shutdown_the_grace_ends_the_wait_for_the_disk() {
    let served = Served::with(|config| config.shutdown_grace = Duration::from_millis(100));
    served.log.hold();
    let mut client = served.v3("c").await;
    client.publish(0x32, 7, b"a", b"x").await;
    served.until("the entry", |s| s.log.publications().len() == 1).await;
    served.cancel();
    assert_eq!(client.rest().await, b"", "closed without an acknowledgement that would be a lie");
    served.stopped().await;
}

#[tokio::test]
async fn a_client_is_not_read_while_the_log_has_no_room() {
    let served = Served::start();
    served.log.set_room(false);
    let mut client = served.raw().await;
    client.connect(4, 2, "c").await;
    assert!(client.silence().await);
    served.log.set_room(true);
    assert_eq!(client.read(4).await, b"\x20\x02\0\0");
    client.publish(0x32, 1, b"a", b"x").await;
    assert_eq!(client.read(4).await, b"\x40\x02\0\x01");
}

#[tokio::test]
async fn qos_0_read_as_the_room_ran_out_is_dropped_and_reported() {
    let served = Served::start();
    let mut client = served.v3("c").await;
    // The connection waits for bytes, so this read is still served.
    tokio::time::sleep(Duration::from_millis(50)).await;
    served.log.set_room(false);
    client.send(b"\x30\x04\0\x01a0\x32\x06\0\x01a\0\x011").await;
    assert_eq!(client.read(4).await, b"\x40\x02\0\x01");
    assert_eq!(served.log.payloads(), ["1"]);
    assert_eq!(served.problems.count(Reason::Overload), 1);
}

#[tokio::test]
async fn subscription_options_of_version_5_are_kept() {
    let served = Served::start();
    let mut client = served.raw().await;
    client.connect(5, 2, "c").await;
    let connack = client.read(2).await;
    client.read(connack[1] as usize).await;
    client.send(b"\x31\x05\0\x01r\0k").await;
    served.until("the retained message", |s| s.stats().retained == 1).await;
    // No local; retain handling 2; retain as published with retain handling 1, new and then known.
    for (filter, options) in [(b'l', 0x04), (b'r', 0x20), (b'r', 0x18)] {
        client.send(&[0x82, 7, 0, 1, 0, 0, 1, filter, options]).await;
        assert_eq!(client.read(6).await, b"\x90\x04\0\x01\0\0");
    }
    assert!(client.silence().await, "no retained message was asked for");
    client.send(b"\x30\x05\0\x01l\0x\x31\x05\0\x01r\0x").await;
    assert_eq!(client.read(7).await, b"\x31\x05\0\x01r\0x", "its own, with the retain flag, and not what is no local");
    client.send(b"\xa2\x09\0\x02\0\0\x01r\0\x01z").await;
    assert_eq!(client.read(7).await, b"\xb0\x05\0\x02\0\0\x11");
}

#[tokio::test]
async fn a_client_may_leave_its_identifier_to_the_server() {
    let served = Served::start();
    let mut client = served.raw().await;
    client.connect(4, 2, "").await;
    assert_eq!(client.read(4).await, b"\x20\x02\0\0");
    client.publish(0x32, 1, b"a", b"x").await;
    client.read(4).await;
    assert!(served.log.publications()[0].client.starts_with("tidegate-"));
    let mut refused = served.raw().await;
    refused.connect(4, 0, "").await;
    assert_eq!(refused.rest().await, b"\x20\x02\0\x02", "a session needs a name");
}
