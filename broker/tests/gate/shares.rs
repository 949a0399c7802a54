//! What is bounded is shared: who takes much of it gives way to others, and that is told.

use std::path::Path;

use crate::support::{MemoryLog, Raw, Served};
use tidegate_broker::SessionStoreConfig;
use tidegate_telemetry::Reason;
use tidegate_telemetry::clients::ClientName;

const RUDE: &str = "127.0.0.1";
const HONEST: &str = "127.0.0.2";
const SESSIONS: usize = 8;

const RETAINED: usize = 8;

fn over(log: std::sync::Arc<MemoryLog>, directory: &Path) -> Served {
    let sessions = SessionStoreConfig { directory: Some(directory.to_owned()), ..SessionStoreConfig::default() };
    Served::over(log, sessions, |config| {
        config.sessions_max = SESSIONS;
        config.retained_max = RETAINED;
        config.connect_burst_per_address = 10_000;
    })
}

/// Connects without clean session; returns whether its session was there.
async fn connects(served: &Served, address: &str, client: &str) -> (Raw, bool) {
    let mut raw = served.raw_at(address).await;
    raw.connect(4, 0, client).await;
    let connack = raw.read(4).await;
    assert_eq!((connack[0], connack[3]), (0x20, 0), "{client} is let in");
    (raw, connack[2] == 1)
}

/// Leaves a session behind.
async fn sleeps(served: &Served, address: &str, client: &str, filter: Option<&str>) {
    let (mut raw, _) = connects(served, address, client).await;
    if let Some(filter) = filter {
        raw.subscribe(filter, 1).await;
    }
    raw.send(b"\xe0\0").await;
    raw.rest().await;
}

#[tokio::test]
async fn sessions_of_one_address_beyond_the_limit_end_its_own_and_leave_those_of_others() {
    let directory = tempfile::tempdir().unwrap();
    let mut served = over(MemoryLog::new(), directory.path());
    sleeps(&served, HONEST, "honest", Some("for/honest")).await;
    for n in 0..3 * SESSIONS {
        sleeps(&served, RUDE, &format!("rude-{n}"), Some("for/rude")).await;
    }
    let told = served.problems.details();
    assert_eq!(served.problems.count(Reason::ClientLimit), 2 * SESSIONS + 1, "{told:?}");
    assert!(told.iter().all(|told| told.contains("mqtt.sessions_max (8)") && told.contains(RUDE)), "{told:?}");
    let name = ClientName { id: "rude-0".into(), principal: None };
    let end = served.broker.client(name).await.unwrap().client.last_end.expect("it is remembered");
    assert_eq!(end.reason, "session_gave_way");

    // A stop, a start, and a newcomer: whose sessions they are is known still.
    let log = served.log.clone();
    served.stopped().await;
    served = over(log, directory.path());
    for n in 0..SESSIONS {
        sleeps(&served, RUDE, &format!("other-{n}"), None).await;
    }
    sleeps(&served, "127.0.0.3", "newcomer", None).await;
    for n in 0..SESSIONS {
        sleeps(&served, RUDE, &format!("more-{n}"), None).await;
    }
    assert!(connects(&served, HONEST, "honest").await.1, "what CONNACK said is kept");
    assert!(connects(&served, "127.0.0.3", "newcomer").await.1);
    assert!(!connects(&served, RUDE, "rude-0").await.1);
    served.stopped().await;
}

#[tokio::test]
async fn of_one_address_those_that_subscribed_to_nothing_give_way_first() {
    let directory = tempfile::tempdir().unwrap();
    let served = over(MemoryLog::new(), directory.path());
    sleeps(&served, RUDE, "honest", Some("for/honest")).await;
    for n in 0..3 * SESSIONS {
        sleeps(&served, RUDE, &format!("rude-{n}"), None).await;
    }
    assert!(connects(&served, RUDE, "honest").await.1);
    served.stopped().await;
}

#[tokio::test]
async fn where_no_session_is_kept_no_client_is_told_that_its_is() {
    let served = Served::with(|config| config.sessions_max = 0);
    let mut raw = served.raw().await;
    // A session expiry of 60 s is asked for, 0 is granted (MQTT 5.0 section 3.2.2.3.2).
    raw.send(b"\x10\x13\0\x04MQTT\x05\0\0\0\x05\x11\0\0\0\x3c\0\x01c").await;
    let head = raw.read(2).await;
    let connack = raw.read(head[1].into()).await;
    assert!(connack.windows(5).any(|property| property == b"\x11\0\0\0\0"), "{connack:x?}");
}

/// Topics of the retained messages that a subscriber gets.
async fn retained(served: &Served) -> Vec<String> {
    let mut raw = served.v3("reader").await;
    raw.subscribe("r/#", 0).await;
    let mut topics = Vec::new();
    for _ in 0..served.stats().retained {
        let head = raw.read(2).await;
        let body = raw.read(head[1].into()).await;
        topics.push(String::from_utf8_lossy(&body[2..2 + usize::from(body[1])]).into_owned());
    }
    topics.sort();
    topics
}

#[tokio::test]
async fn retained_messages_of_one_client_beyond_the_limit_take_the_place_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let mut served = over(MemoryLog::new(), directory.path());
    for (address, honest) in [(HONEST, "far"), (RUDE, "near")] {
        let (mut raw, _) = connects(&served, address, honest).await;
        raw.publish(0x33, 1, format!("r/{honest}").as_bytes(), b"1").await;
        assert_eq!(raw.read(4).await, b"\x40\x02\0\x01");
    }
    for round in 0..2 {
        let (mut rude, _) = connects(&served, RUDE, "rude").await;
        for n in 0..3 * RETAINED {
            rude.publish(0x33, 1, format!("r/rude/{round}/{n:02}").as_bytes(), b"1").await;
            assert_eq!(rude.read(4).await, b"\x40\x02\0\x01");
        }
        let kept = retained(&served).await;
        assert_eq!((kept.len(), &*kept[0], &*kept[1]), (RETAINED, "r/far", "r/near"), "{kept:?}");
        assert!(kept.contains(&format!("r/rude/{round}/{}", 3 * RETAINED - 1)), "the newest is kept: {kept:?}");
        let told = served.problems.details();
        assert!(!told.is_empty() && told.iter().all(|told| told.contains("mqtt.retained_max (8)")), "{told:?}");
        let log = served.log.clone();
        served.stopped().await;
        served = over(log, directory.path());
        assert_eq!(retained(&served).await, kept, "after a restart");
    }
    served.stopped().await;
}
