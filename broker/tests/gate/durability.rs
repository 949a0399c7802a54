//! What survives a crash: sessions, what they are owed, both sides of QoS 2, retained messages, wills.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_broker::SessionStoreConfig;
use tidegate_telemetry::{
    CommandId, CommandMessage, CommandProgress, Entry, Position, Publication, PublishProperties, Qos,
};

use crate::support::{self, MemoryLog, Raw, Served};

async fn persistent(served: &Served, client: &str, session_present: u8) -> Raw {
    let mut raw = served.raw().await;
    raw.connect(4, 0, client).await;
    assert_eq!(raw.read(4).await, [0x20, 2, session_present, 0]);
    raw
}

async fn goodbye(served: &Served, mut client: Raw) {
    client.send(b"\xe0\0").await;
    client.rest().await;
    served.until("the end", |s| s.stats().connections <= 1).await;
}

#[tokio::test]
async fn a_sleeper_gets_what_came_while_it_slept_in_order() {
    let served = Served::start();
    let mut sleeper = persistent(&served, "s", 0).await;
    sleeper.subscribe("a", 1).await;
    goodbye(&served, sleeper).await;
    let mut publisher = served.v3("p").await;
    for n in 1..=3 {
        publisher.publish(0x32, n, b"a", &[b'0' + n as u8]).await;
        publisher.read(4).await;
    }
    let mut sleeper = persistent(&served, "s", 1).await;
    assert_eq!(sleeper.read(24).await, b"\x32\x06\0\x01a\0\x011\x32\x06\0\x01a\0\x022\x32\x06\0\x01a\0\x033");
    publisher.publish(0x32, 4, b"a", b"4").await;
    assert_eq!(sleeper.read(8).await, b"\x32\x06\0\x01a\0\x044", "then what is new");
}

#[tokio::test]
async fn what_is_in_flight_comes_again_with_dup_and_its_identifier() {
    let served = Served::start();
    let mut client = persistent(&served, "s", 0).await;
    client.subscribe("a", 2).await;
    let mut publisher = served.v3("p").await;
    publisher.publish(0x32, 1, b"a", b"1").await;
    publisher.publish(0x34, 2, b"a", b"2").await;
    assert_eq!(client.read(16).await, b"\x32\x06\0\x01a\0\x011\x34\x06\0\x01a\0\x022");
    drop(client);
    let mut client = persistent(&served, "s", 1).await;
    assert_eq!(client.read(16).await, b"\x3a\x06\0\x01a\0\x011\x3c\x06\0\x01a\0\x022");
    client.send(b"\x40\x02\0\x01\x50\x02\0\x02").await;
    assert_eq!(client.read(4).await, b"\x62\x02\0\x02");
    drop(client);
    let mut client = persistent(&served, "s", 1).await;
    assert_eq!(client.read(4).await, b"\x62\x02\0\x02", "the message was taken: only its release comes again");
    client.send(b"\x70\x02\0\x02").await;
    drop(client);
    let mut client = persistent(&served, "s", 1).await;
    assert!(client.silence().await);
}

#[tokio::test]
async fn an_acknowledged_publication_reaches_a_sleeper_over_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    for wait_ms in [0, 5, 200] {
        let served = Served::keeping(MemoryLog::new(), &directory.path().join(wait_ms.to_string()));
        let mut sleeper = persistent(&served, "s", 0).await;
        sleeper.subscribe("a", 1).await;
        goodbye(&served, sleeper).await;
        let mut publisher = served.v3("p").await;
        for n in 1..=3 {
            publisher.publish(0x32, n, b"a", &[b'0' + n as u8]).await;
            publisher.read(4).await;
        }
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        let log = served.crash().await;

        let served = Served::keeping(log, &directory.path().join(wait_ms.to_string()));
        let mut sleeper = persistent(&served, "s", 1).await;
        assert_eq!(sleeper.read(24).await, b"\x32\x06\0\x01a\0\x011\x32\x06\0\x01a\0\x022\x32\x06\0\x01a\0\x033");
        assert!(sleeper.silence().await, "each once");
    }
}

#[tokio::test]
async fn qos_2_from_a_publisher_is_one_entry_over_a_crash_at_every_step() {
    let directory = tempfile::tempdir().unwrap();
    let served = Served::keeping(MemoryLog::new(), directory.path());
    let mut client = persistent(&served, "c", 0).await;
    client.publish(0x34, 7, b"a", b"x").await;
    assert_eq!(client.read(4).await, b"\x50\x02\0\x07");
    let served = Served::keeping(served.crash().await, directory.path());
    let mut client = persistent(&served, "c", 1).await;
    client.publish(0x3c, 7, b"a", b"x").await;
    assert_eq!(client.read(4).await, b"\x50\x02\0\x07");
    assert_eq!(served.log.payloads(), ["x"], "known from the log or the file");
    client.send(b"\x62\x02\0\x07").await;
    assert_eq!(client.read(4).await, b"\x70\x02\0\x07");
    let served = Served::keeping(served.crash().await, directory.path());
    let mut client = persistent(&served, "c", 1).await;
    client.publish(0x34, 7, b"a", b"y").await;
    assert_eq!(client.read(4).await, b"\x50\x02\0\x07");
    assert_eq!(served.log.payloads(), ["x", "y"], "the identifier was released before PUBCOMP left");
}

#[tokio::test]
async fn qos_2_to_a_subscriber_is_taken_once_over_a_crash_at_every_step() {
    let directory = tempfile::tempdir().unwrap();
    let served = Served::keeping(MemoryLog::new(), directory.path());
    let mut client = persistent(&served, "s", 0).await;
    client.subscribe("a", 2).await;
    let mut publisher = served.v3("p").await;
    publisher.publish(0x34, 2, b"a", b"x").await;
    assert_eq!(client.read(8).await, b"\x34\x06\0\x01a\0\x01x");
    let served = Served::keeping(served.crash().await, directory.path());
    let mut client = persistent(&served, "s", 1).await;
    assert_eq!(client.read(8).await, b"\x3c\x06\0\x01a\0\x01x", "with the identifier it was sent with");
    client.send(b"\x50\x02\0\x01").await;
    assert_eq!(client.read(4).await, b"\x62\x02\0\x01");
    let served = Served::keeping(served.crash().await, directory.path());
    let mut client = persistent(&served, "s", 1).await;
    assert_eq!(client.read(4).await, b"\x62\x02\0\x01", "only its release");
    client.send(b"\x70\x02\0\x01").await;
    assert!(client.silence().await, "and nothing after it");
}

#[tokio::test]
async fn retained_messages_and_wills_survive_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let served = Served::keeping(MemoryLog::new(), directory.path());
    let mut client = served.raw().await;
    client.send(b"\x10\x14\0\x04MQTT\x04\x06\0\0\0\x01c\0\x01w\0\x02by").await;
    assert_eq!(client.read(4).await, b"\x20\x02\0\0");
    client.publish(0x33, 1, b"r", b"kept").await;
    client.read(4).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let served = Served::keeping(served.crash().await, directory.path());
    served.until("the will", |s| s.log.payloads().contains(&"by".to_owned())).await;
    let mut subscriber = served.v3("s").await;
    subscriber.subscribe("r", 0).await;
    assert_eq!(subscriber.read(9).await, b"\x31\x07\0\x01rkept");
}

#[tokio::test]
async fn a_clean_start_leaves_nothing_of_the_session_before() {
    let directory = tempfile::tempdir().unwrap();
    let served = Served::keeping(MemoryLog::new(), directory.path());
    let mut client = persistent(&served, "s", 0).await;
    client.subscribe("a", 1).await;
    drop(client);
    served.v3("s").await.is_served().await;
    let served = Served::keeping(served.crash().await, directory.path());
    persistent(&served, "s", 0).await;
    assert_eq!(served.stats().subscriptions, 0);
}

/// A command for the topic `a` that may wait so long.
fn command(seconds: u32) -> CommandMessage {
    let properties = PublishProperties { message_expiry_interval_s: Some(seconds), ..PublishProperties::default() };
    let publication = Publication {
        received_ms: support::now_ms(),
        client: String::new(),
        principal: "Ann".into(),
        session: 0,
        packet_id: 0,
        topic: "a".into(),
        payload: Bytes::from_static(b"late"),
        qos: Qos::AtLeastOnce,
        retain: false,
        dup: false,
        properties: Some(Box::new(properties)),
        scope: None,
        address: None,
    };
    let deadline_ms = support::now_ms() + i64::from(seconds) * 1000;
    CommandMessage { command: CommandId(Position(1)), deadline_ms, publication }
}

#[tokio::test]
async fn a_command_that_was_in_line_but_never_left_still_expires() {
    let served = Served::start();
    let mut device = persistent(&served, "s", 0).await;
    device.subscribe("a", 1).await;
    served.log.hold();
    served.broker.send_command(command(1)).unwrap();
    // It waits for the disk with its packet identifier when the device goes.
    device.is_served().await;
    goodbye(&served, device).await;
    support::pass(2);
    served.log.release();
    let mut device = persistent(&served, "s", 1).await;
    assert!(device.silence().await, "nothing comes after the deadline");
}

#[tokio::test]
async fn what_never_left_takes_no_identifier_that_something_behind_it_has() {
    for is_command in [false, true] {
        let served = Served::start();
        let mut client = persistent(&served, "s", 0).await;
        client.subscribe("a", 2).await;
        let mut publisher = served.v3("p").await;
        publisher.publish(0x32, 1, b"a", b"1").await;
        assert_eq!(publisher.read(4).await, b"\x40\x02\0\x01");
        assert_eq!(client.read(8).await, b"\x32\x06\0\x01a\0\x011");
        // What waits for the disk, and what waits behind it.
        served.log.hold();
        publisher.publish(0x34, 2, b"a", b"2").await;
        publisher.is_served().await;
        if is_command {
            served.broker.send_command(command(3600)).unwrap();
        } else {
            publisher.publish(0x32, 3, b"a", b"late").await;
        }
        publisher.is_served().await;
        client.is_served().await;
        client.send(b"\x40\x02\0\x01").await;
        client.is_served().await;
        // The first identifier is free again.
        publisher.publish(0x34, 4, b"a", b"4").await;
        publisher.is_served().await;
        client.is_served().await;
        drop(client);
        served.until("the end", |s| s.stats().connections <= 1).await;
        served.log.release();
        let mut client = persistent(&served, "s", 1).await;
        let mut comes = Vec::new();
        for bytes in [8, 11, 8] {
            let packet = client.read(bytes).await;
            comes.push((packet[6], packet[7..].to_vec()));
        }
        assert_eq!(comes.iter().map(|(_, payload)| &payload[..]).collect::<Vec<_>>(), [&b"2"[..], b"late", b"4"]);
        let identifiers: BTreeSet<u8> = comes.iter().map(|(identifier, _)| *identifier).collect();
        assert_eq!(identifiers.len(), 3, "{comes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivered_command_is_not_sent_again_though_the_store_writes_right_behind_its_report() {
    let directory = tempfile::tempdir().unwrap();
    // Nothing is written unless somebody asks for it.
    let sessions = SessionStoreConfig {
        directory: Some(directory.path().to_owned()),
        commit_interval: Duration::from_secs(3600),
        ..SessionStoreConfig::default()
    };
    let served = Served::over(MemoryLog::new(), sessions.clone(), |_| {});
    let mut device = persistent(&served, "s", 0).await;
    device.subscribe("a", 1).await;
    let (store, runtime) = (served.sessions.clone(), tokio::runtime::Handle::current());
    served.log.behind_each(move |entry, position| {
        if matches!(entry, Entry::CommandReport(report) if report.progress == CommandProgress::Delivered) {
            let (store, runtime) = (store.clone(), runtime.clone());
            let writing = std::thread::spawn(move || runtime.block_on(store.complete_through(position)));
            // It must not come to an end before the delivery is settled; it gets the time to.
            let until = Instant::now() + Duration::from_millis(200);
            while !writing.is_finished() && Instant::now() < until {
                std::thread::yield_now();
            }
        }
    });
    served.broker.send_command(command(3600)).unwrap();
    assert_eq!(device.read(11).await, b"\x32\x09\0\x01a\0\x01late");
    device.send(b"\x40\x02\0\x01").await;
    device.is_served().await;
    let log = served.crash().await;

    let served = Served::over(log, sessions, |_| {});
    let mut device = persistent(&served, "s", 1).await;
    served.v3("p").await.publish(0x30, 0, b"a", b"next").await;
    assert_eq!(device.read(9).await, b"\x30\x07\0\x01anext", "the command does not come again");
}
