//! What MQTT 5 adds for subscribers, over real sockets.

use crate::support::{Raw, Served};

/// Connects with properties; `flags` 2 is a clean start. Returns the client and its CONNACK's properties.
async fn v5(served: &Served, client: &str, flags: u8, properties: &[u8], will: &[u8]) -> (Raw, Vec<u8>) {
    let mut raw = served.raw().await;
    let mut body = b"\0\x04MQTT\x05".to_vec();
    body.extend_from_slice(&[flags, 0, 0, properties.len() as u8]);
    body.extend_from_slice(properties);
    body.extend_from_slice(&(client.len() as u16).to_be_bytes());
    body.extend_from_slice(client.as_bytes());
    body.extend_from_slice(will);
    let mut packet = vec![0x10, body.len() as u8];
    packet.extend_from_slice(&body);
    raw.send(&packet).await;
    let head = raw.read(2).await;
    let connack = raw.read(head[1] as usize).await;
    assert_eq!(connack[1], 0, "{connack:x?}");
    (raw, connack)
}

async fn subscribe(client: &mut Raw, filter: &[u8], properties: &[u8], options: u8) {
    let mut body = vec![0, 1, properties.len() as u8];
    body.extend_from_slice(properties);
    body.extend_from_slice(&(filter.len() as u16).to_be_bytes());
    body.extend_from_slice(filter);
    body.push(options);
    let mut packet = vec![0x82, body.len() as u8];
    packet.extend_from_slice(&body);
    client.send(&packet).await;
    assert_eq!(client.read(6).await, [0x90, 4, 0, 1, 0, options & 3]);
}

#[tokio::test]
async fn a_shared_subscription_goes_round_and_passes_over_who_is_away() {
    let served = Served::start();
    let (mut one, _) = v5(&served, "1", 2, b"", b"").await;
    let (mut two, _) = v5(&served, "2", 2, b"", b"").await;
    subscribe(&mut one, b"$share/g/a", b"", 0).await;
    subscribe(&mut two, b"$share/g/a", b"", 0).await;
    let mut publisher = served.v3("p").await;
    for n in b"1234" {
        publisher.publish(0x30, 0, b"a", &[*n]).await;
    }
    assert_eq!(one.read(14).await, b"\x30\x05\0\x01a\x001\x30\x05\0\x01a\x003");
    assert_eq!(two.read(14).await, b"\x30\x05\0\x01a\x002\x30\x05\0\x01a\x004");
    drop(one);
    served.until("the end", |s| s.stats().connections == 2).await;
    publisher.publish(0x30, 0, b"a", b"5").await;
    publisher.publish(0x30, 0, b"a", b"6").await;
    assert_eq!(two.read(14).await, b"\x30\x05\0\x01a\x005\x30\x05\0\x01a\x006");
}

#[tokio::test]
async fn identifiers_of_all_subscriptions_that_match_go_with_the_message() {
    let served = Served::start();
    let (mut client, _) = v5(&served, "1", 2, b"", b"").await;
    subscribe(&mut client, b"a", b"\x0b\x07", 0).await;
    subscribe(&mut client, b"+", b"\x0b\x09", 0).await;
    served.v3("p").await.publish(0x30, 0, b"a", b"x").await;
    let got = client.read(11).await;
    assert_eq!(&got[..6], b"\x30\x09\0\x01a\x04");
    let mut identifiers = [got[7], got[9]];
    identifiers.sort_unstable();
    assert_eq!((got[6], got[8], identifiers, got[10]), (0x0b, 0x0b, [7, 9], b'x'));
}

#[tokio::test]
async fn a_topic_gets_an_alias_towards_a_client_that_takes_one() {
    let served = Served::start();
    let (mut client, _) = v5(&served, "1", 2, b"\x22\0\x01", b"").await;
    subscribe(&mut client, b"#", b"", 0).await;
    let mut publisher = served.v3("p").await;
    for topic in [b"a", b"a", b"b"] {
        publisher.publish(0x30, 0, topic, b"x").await;
    }
    assert_eq!(client.read(10).await, b"\x30\x08\0\x01a\x03\x23\0\x01x");
    assert_eq!(client.read(9).await, b"\x30\x07\0\0\x03\x23\0\x01x");
    assert_eq!(client.read(7).await, b"\x30\x05\0\x01b\0x", "no second alias");
}

#[tokio::test]
async fn a_will_waits_for_its_delay_and_a_client_that_comes_back_cancels_it() {
    let served = Served::start();
    let expiry = b"\x11\0\0\0\x3c";
    for (client, back) in [("back", true), ("gone", false)] {
        let will = b"\x05\x18\0\0\0\x01\0\x01w\0\x02by";
        let (raw, _) = v5(&served, client, 0x06, expiry, will).await;
        drop(raw);
        served.until("the end", |s| s.stats().connections == 0).await;
        assert!(served.log.payloads().is_empty(), "it waits");
        if back {
            let (_raw, connack) = v5(&served, client, 0, expiry, b"").await;
            assert_eq!(connack[0], 1, "the session is there");
            tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
            assert!(served.log.payloads().is_empty(), "cancelled");
        }
        served.until("nobody", |s| s.stats().connections == 0).await;
    }
    served.until("the will", |s| s.log.payloads() == ["by"]).await;
}

#[tokio::test]
async fn a_longer_keep_alive_than_the_servers_is_answered_with_the_servers() {
    let served = Served::with(|config| config.keep_alive_max = std::time::Duration::from_secs(60));
    let (_client, connack) = v5(&served, "1", 2, b"", b"").await;
    assert!(connack.windows(3).any(|three| three == [0x13, 0, 60]), "{connack:x?}");
}

#[tokio::test]
async fn system_topics_greet_a_subscriber() {
    let served = Served::start();
    // The first may be there before the values are, and gets them live.
    let mut first = served.v3("first").await;
    first.subscribe("$SYS/broker/uptime", 0).await;
    assert_eq!(first.read(31).await[1..], b"\x1d\0\x12$SYS/broker/uptime0 seconds"[..]);
    let mut second = served.v3("second").await;
    second.subscribe("$SYS/broker/uptime", 0).await;
    assert_eq!(second.read(31).await, b"\x31\x1d\0\x12$SYS/broker/uptime0 seconds");
}

#[tokio::test]
async fn a_publication_and_a_later_subscribe_in_one_read_keep_their_order() {
    let served = Served::start();
    let mut client = served.v3("c").await;
    client.send(b"\x30\x04\0\x01a1\x82\x06\0\x01\0\x01a\0\x30\x04\0\x01a2").await;
    assert_eq!(client.read(11).await, b"\x90\x03\0\x01\0\x30\x04\0\x01a2", "not what came before");
}
