//! Wills (sections 3.1.2.5, 3.1.3.2 and 3.14.4).

use super::language::*;
use crate::support::{Served, pass};

async fn watcher(served: &Served) -> Client {
    let mut watcher = Client::new(served, V5, "watcher").await;
    watcher.subscribes("#", 2).await;
    watcher
}

#[tokio::test]
async fn a_will_is_published_as_its_qos_and_retain_flag_say() {
    for version in BOTH {
        for (qos, retain) in [(0, false), (1, false), (2, false), (0, true), (1, true), (2, true)] {
            let served = Served::start();
            let mut watcher = watcher(&served).await;
            let client = Client::connected(&served, version.connect("c").will("w", "bye", qos, retain)).await;
            client.lost(&served, 1).await;
            watcher.gets(V5.publish("w", "bye").qos(qos, 1)).await;
            let mut later = Client::new(&served, version, "later").await;
            later.subscribes("w", 0).await;
            if retain {
                later.gets(version.publish("w", "bye").retain()).await;
            }
            later.has_nothing().await;
        }
    }
}

#[tokio::test]
async fn a_will_is_published_unless_the_client_says_goodbye() {
    let malformed = b"\xc1\0".as_slice();
    for (version, what, bytes, is_published) in [
        (V3, "DISCONNECT", GOODBYE, false),
        (V3, "a malformed packet", malformed, true),
        (V5, "DISCONNECT", GOODBYE, false),
        (V5, "DISCONNECT 0x00", b"\xe0\x01\x00", false),
        (V5, "DISCONNECT 0x00 with properties", b"\xe0\x02\x00\x00", false),
        (V5, "DISCONNECT 0x04", b"\xe0\x01\x04", true),
        (V5, "DISCONNECT 0x80", b"\xe0\x01\x80", true),
        (V5, "a malformed packet", malformed, true),
    ] {
        let served = Served::start();
        let mut watcher = watcher(&served).await;
        let mut client = Client::connected(&served, version.connect("c").will("w", "bye", 0, false)).await;
        client.send(bytes).await;
        client.rest().await;
        served.until("its end", |s| s.stats().connections == 1).await;
        if is_published {
            watcher.gets(V5.publish("w", "bye")).await;
        }
        watcher.has_nothing().await;
        assert_eq!(served.log.publications().len(), usize::from(is_published), "{version:?} {what}");
    }
}

#[tokio::test]
async fn a_will_is_published_once_and_one_that_is_not_there_never() {
    for version in BOTH {
        let served = Served::start();
        let client = Client::connected(&served, version.connect("c").keeping()).await;
        client.lost(&served, 0).await;
        assert_eq!(served.log.publications(), [], "no will");
        let client = Client::connected(&served, version.connect("c").keeping().will("w", "bye", 0, false)).await;
        client.lost(&served, 0).await;
        served.until("the will", |s| s.log.payloads() == ["bye"]).await;
        let client = Client::connected(&served, version.connect("c").keeping()).await;
        client.lost(&served, 0).await;
        assert_eq!(served.log.payloads(), ["bye"], "the will of the connection before is gone");
    }
}

#[tokio::test]
async fn a_will_waits_for_its_delay_or_the_end_of_the_session() {
    let dying = |delay_s, expiry_s| {
        let connect = V5.connect("c").resuming().with(property::session_expiry(expiry_s));
        connect.will_with(&[property::will_delay(delay_s)], "w", "bye")
    };
    for (what, delay_s, expiry_s, waits_s) in [
        ("the delay", 30, 60, 30),
        ("the session ends before", 100, 20, 20),
        ("a session without an interval ends at once", 100, 0, 0),
        ("no delay", 0, 60, 0),
    ] {
        let served = Served::start();
        Client::connected(&served, dying(delay_s, expiry_s)).await.lost(&served, 0).await;
        if waits_s > 0 {
            pass(waits_s - 5);
            // Whoever comes makes the broker look at its clock.
            Client::new(&served, V5, "other").await.leaves().await;
            assert_eq!(served.log.publications(), [], "{what}");
            pass(6);
        }
        served.until(what, |s| s.log.payloads() == ["bye"]).await;
    }
    let served = Served::start();
    Client::connected(&served, dying(30, 60)).await.lost(&served, 0).await;
    let client = Client::connected(&served, V5.connect("c").keeping()).await;
    pass(31);
    Client::new(&served, V5, "other").await.leaves().await;
    assert_eq!(served.log.publications(), [], "it came back in time");
    client.leaves().await;

    Client::connected(&served, dying(30, 60)).await.lost(&served, 0).await;
    let _client = Client::new(&served, V5, "c").await;
    served.until("a clean start ends the session", |s| s.log.payloads() == ["bye"]).await;
}

#[tokio::test]
async fn the_properties_of_a_will_go_with_it() {
    let served = Served::start();
    let mut watcher = watcher(&served).await;
    let properties = [
        property::payload_format(1),
        property::content_type("text/plain"),
        property::response_topic("answers"),
        property::correlation_data("7"),
        property::user("b", "1"),
        property::user("a", "2"),
        property::user("b", "3"),
    ];
    let client = Client::connected(&served, V5.connect("c").will_with(&properties, "w", "bye")).await;
    client.lost(&served, 1).await;
    let expected = properties.into_iter().fold(V5.publish("w", "bye"), Publish::with);
    watcher.gets(expected).await;
}

#[tokio::test]
async fn a_will_to_a_topic_that_is_none_is_refused() {
    let served = Served::start();
    assert_eq!(answer_to(&served, V3.connect("c").will("a/+", "x", 0, false)).await, b"");
    let answer = answer_to(&served, V5.connect("c").will("a/+", "x", 0, false)).await;
    assert_eq!(answer[2..4], [0, 0x90], "{answer:x?}");
}
