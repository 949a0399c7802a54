//! What one client does wrong costs that client, and nobody else.

use std::time::Duration;

use crate::support::Served;
use tidegate_telemetry::Reason;

#[tokio::test]
async fn each_malformed_packet_ends_its_own_connection_only() {
    let served = Served::start();
    let mut bystander = served.v3("bystander").await;
    let long_will_flags = b"\x10\x0d\0\x04MQTT\x04\x1e\0\0\0\x01x";
    let set: &[(&str, &[u8])] = &[
        ("packet type 0", b"\0\0"),
        ("a server's packet", b"\x20\x02\0\0"),
        ("remaining length of five bytes", b"\x30\xff\xff\xff\xff\x01"),
        ("reserved flags of SUBSCRIBE", b"\x80\x06\0\x01\0\x01a\0"),
        ("reserved flags of PINGREQ", b"\xc1\0"),
        ("QoS 3", b"\x36\x05\0\x01a\0\x01"),
        ("QoS 0 marked as duplicate", b"\x38\x03\0\x01a"),
        ("packet identifier 0, QoS 1", b"\x32\x05\0\x01a\0\0"),
        ("packet identifier 0, QoS 2", b"\x34\x05\0\x01a\0\0"),
        ("no packet identifier", b"\x32\x03\0\x01a"),
        ("a topic longer than the packet", b"\x30\x04\0\x09ab"),
        ("a topic that is not UTF-8", b"\x30\x04\0\x02\xff\xfe"),
        ("a topic with a NUL", b"\x30\x04\0\x02a\0"),
        ("a topic with a wildcard", b"\x30\x05\0\x03a/#"),
        ("an empty topic", b"\x30\x02\0\0"),
        ("a SUBSCRIBE without filters", b"\x82\x02\0\x01"),
        ("a filter that is not UTF-8", b"\x82\x06\0\x01\0\x01\xff\0"),
        ("a second CONNECT", b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01x"),
        ("a second CONNECT with odd flags", long_will_flags),
        ("an acknowledgement of nothing", b"\x40\x02\0\x09"),
        ("a DISCONNECT with a body", b"\xe0\x01\0"),
        ("AUTH on 3.1.1", b"\xf0\0"),
    ];
    for (index, (what, bytes)) in set.iter().enumerate() {
        let mut client = served.v3(&format!("bad{index}")).await;
        client.send(bytes).await;
        assert_eq!(client.rest().await, b"", "{what}");
        bystander.is_served().await;
        let expected = index + 1;
        served
            .until(what, |s| {
                s.problems.count(Reason::MalformedPacket) + s.problems.count(Reason::InvalidTopic) == expected
            })
            .await;
    }
    assert_eq!(served.log.publications(), []);
    served.until("only the bystander is left", |s| s.stats().connections == 1).await;
}

#[tokio::test]
async fn a_truncated_packet_is_nothing() {
    let served = Served::start();
    let mut client = served.v3("c").await;
    client.send(b"\x30\x09\0\x01a").await;
    drop(client);
    served.until("the end", |s| s.stats().connections == 0).await;
    assert_eq!(served.log.publications(), []);
}

#[tokio::test]
async fn a_v5_client_is_told_what_it_did_wrong() {
    let served = Served::start();
    for (bytes, code) in [
        (&b"\x32\x06\0\x01a\0\0\0"[..], 0x81),
        (b"\x30\x80\x80\x80\x01", 0x95),
        (b"\x30\x06\0\x03a/+\0", 0x90),
        (b"\x30\x06\0\0\x03\x23\0\x01", 0x82),
        (b"\x30\x06\0\0\x03\x23\0\x41", 0x94),
    ] {
        let mut client = served.raw().await;
        client.connect(5, 2, "c").await;
        let connack = client.read(2).await;
        client.read(connack[1] as usize).await;
        client.send(bytes).await;
        let told = client.rest().await;
        assert_eq!((told[0], told[2]), (0xe0, code), "{bytes:x?}");
    }
}

#[tokio::test]
async fn an_oversized_packet_is_refused_by_its_header_and_reported() {
    let served = Served::start();
    let mut bystander = served.v3("bystander").await;
    let mut client = served.v3("c").await;
    client.send(b"\x30\x81\x80\x10").await;
    assert_eq!(client.rest().await, b"");
    served.until("the problem", |s| s.problems.count(Reason::PacketTooLarge) == 1).await;
    assert!(served.problems.details()[0].contains("mqtt.packet_bytes_max"), "{:?}", served.problems.details());
    bystander.is_served().await;
}

#[tokio::test]
async fn a_client_that_never_connects_is_let_go() {
    let served = Served::with(|config| config.connect_timeout = Duration::from_millis(50));
    let mut silent = served.raw().await;
    assert_eq!(silent.rest().await, b"");
    let mut slow = served.raw().await;
    slow.send(b"\x10").await;
    assert_eq!(slow.rest().await, b"");
}

#[tokio::test]
async fn a_packet_that_does_not_get_whole_ends_its_connection_though_it_promised_no_keep_alive() {
    let served = Served::with(|config| config.packet_timeout = Duration::from_millis(100));
    let mut bystander = served.v3("bystander").await;
    let mut v3 = served.v3("v3").await;
    v3.send(b"\x30").await;
    assert_eq!(v3.rest().await, b"");
    let mut v5 = served.raw().await;
    v5.connect(5, 2, "v5").await;
    let connack = v5.read(2).await;
    v5.read(connack[1].into()).await;
    v5.send(b"\x30\x09\0\x01a").await;
    let told = v5.rest().await;
    assert_eq!((told[0], told[2]), (0xe0, 0x8d), "{told:x?}");
    assert!(told.ends_with(b"mqtt.packet_timeout"), "{}", told.escape_ascii());
    served.until("both are counted", |s| s.problems.count(Reason::ClientLimit) == 2).await;
    bystander.is_served().await;
    assert_eq!(served.log.publications(), []);
}

#[tokio::test]
async fn one_connection_too_many_is_refused_and_reported() {
    let served = Served::with(|config| config.connections_max = 1);
    let mut first = served.v3("a").await;
    let mut second = served.raw().await;
    assert_eq!(second.rest().await, b"");
    assert_eq!(served.problems.count(Reason::ClientLimit), 1);
    first.is_served().await;
    drop(first);
    served.until("room", |s| s.stats().connections == 0).await;
    served.v3("b").await;
}

#[tokio::test]
async fn one_subscription_too_many_is_refused_and_the_client_goes_on() {
    let served = Served::with(|config| config.subscriptions_per_client_max = 1);
    let mut client = served.v3("c").await;
    client.subscribe("a", 0).await;
    client.send(b"\x82\x06\0\x02\0\x01b\0").await;
    assert_eq!(client.read(5).await, b"\x90\x03\0\x02\x80");
    client.subscribe("a", 1).await;
    assert_eq!(served.problems.count(Reason::ClientLimit), 1);
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_costs_its_own_messages() {
    let served = Served::with(|config| config.queue_bytes_max = 10_000);
    let mut sleeper = served.v3("sleeper").await;
    sleeper.subscribe("#", 1).await;
    let mut publisher = served.v3("p").await;
    for n in 0..3000_u16 {
        publisher.publish(0x32, n + 1, b"a", &[b'x'; 100]).await;
        publisher.read(4).await;
    }
    assert_eq!(served.log.publications().len(), 3000);
    assert!(served.stats().queued_bytes <= 10_000, "{:?}", served.stats());
}
