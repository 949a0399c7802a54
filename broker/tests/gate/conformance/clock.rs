//! The system's clock is set forward: intervals that MQTT gives in seconds are of seconds that passed.

use tidegate_log::Log;
use tidegate_telemetry::clients::ClientName;
use tidegate_telemetry::{CommandId, CommandMessage, Entry, Position, Publication, PublishProperties, Qos};

use super::language::*;
use super::properties::left_s;
use crate::support::{MemoryLog, Served, forget_jumps, now_ms, pass, set_forward};

const HOUR: i64 = 3600;
const YEARS: i64 = 56 * 365 * 86_400;

/// A session of half an hour.
fn sleepy() -> Connect {
    V5.connect("c").resuming().with(property::session_expiry(1800))
}

async fn falls_asleep(served: &Served) {
    let mut sleeper = Client::connected(served, sleepy()).await;
    sleeper.subscribes("a", 1).await;
    sleeper.leaves().await;
    served.until("it sleeps", |s| s.stats().connections == 0).await;
}

async fn is_there(served: &Served) -> bool {
    let client = Client::connected(served, sleepy()).await;
    let is_there = client.session_is_present();
    client.leaves().await;
    served.until("it sleeps", |s| s.stats().connections == 0).await;
    is_there
}

#[tokio::test]
async fn a_session_lasts_its_interval_of_time_that_passed() {
    for by_s in [HOUR, YEARS] {
        let served = Served::start();
        falls_asleep(&served).await;
        set_forward(&served, by_s);
        assert!(is_there(&served).await);
        pass(1000);
        set_forward(&served, by_s);
        pass(700);
        assert!(is_there(&served).await, "1700 of 1800 seconds passed");
        pass(1801);
        assert!(!is_there(&served).await);
    }
    let served = Served::start();
    falls_asleep(&served).await;
    pass(HOUR);
    assert!(!is_there(&served).await, "an hour that passes ends it");
}

#[tokio::test]
async fn when_a_session_ends_is_told_by_the_clock_as_it_is_set() {
    let served = Served::start();
    falls_asleep(&served).await;
    pass(300);
    set_forward(&served, HOUR);
    let told = served.broker.client(ClientName { id: "c".into(), principal: None }).await.unwrap();
    let left_s = (told.client.expires.unwrap() - now_ms()) / 1000;
    assert!((1490..=1500).contains(&left_s), "{left_s} s");
}

#[tokio::test]
async fn a_will_waits_its_delay_of_time_that_passed() {
    let served = Served::start();
    let will = sleepy().will_with(&[property::will_delay(600)], "w", "bye");
    Client::connected(&served, will).await.lost(&served, 0).await;
    set_forward(&served, HOUR);
    pass(590);
    Client::new(&served, V5, "other").await.leaves().await;
    assert_eq!(published(&served), 0);
    pass(11);
    served.until("ten minutes passed", |s| published(s) == 1).await;
}

fn published(served: &Served) -> usize {
    let mut reader = served.log.reader(Position::START).unwrap();
    let mut entries = Vec::new();
    reader.read(std::time::Duration::ZERO, &mut entries).unwrap();
    entries.iter().filter(|(_, entry)| matches!(entry.entry, Entry::Publication(_))).count()
}

#[tokio::test]
async fn a_message_expires_by_time_that_passed_asleep_and_retained() {
    let served = Served::start();
    falls_asleep(&served).await;
    let mut publisher = Client::new(&served, V5, "p").await;
    for (payload, seconds) in [("short", 20), ("long", 100)] {
        let publish = V5.publish("a", payload).qos(1, 7).retain().with(property::message_expiry(seconds));
        publisher.asks(publish, ack(PUBACK, 7)).await;
    }
    set_forward(&served, HOUR);
    pass(40);
    let mut later = Client::new(&served, V5, "later").await;
    later.subscribes("a", 0).await;
    let got = later.packet().await;
    assert!((50..=60).contains(&left_s(&got, "a", 0)), "{got:x?}");
    let mut sleeper = Client::connected(&served, sleepy()).await;
    let got = sleeper.packet().await;
    assert!(got.ends_with(b"long") && (50..=60).contains(&left_s(&got, "a", 1)), "40 s passed: {got:x?}");
}

/// What a message that was published before the clock was set has left, over a crash.
#[tokio::test]
async fn what_waits_does_not_age_by_the_clock_over_a_restart() {
    for is_counted in [true, false] {
        // Jumps of the round before are not in this one's log.
        forget_jumps();
        let directory = tempfile::tempdir().unwrap();
        let served = Served::keeping(MemoryLog::new(), directory.path());
        falls_asleep(&served).await;
        let mut publisher = Client::new(&served, V5, "p").await;
        let publish = V5.publish("a", "long").qos(1, 7).with(property::message_expiry(100));
        publisher.asks(publish, ack(PUBACK, 7)).await;
        if is_counted {
            set_forward(&served, HOUR);
            served.sessions.complete_through(served.log.appended()).await;
        } else {
            // By a program whose log did not count the time that passed.
            served.sessions.abandon();
            let by_ms = HOUR * 1000;
            served.log.append(&mut vec![Entry::ClockSet { at_ms: now_ms() + by_ms, by_ms }]).unwrap();
            pass(HOUR);
        }
        let log = served.crash().await;
        let served = Served::keeping(log, directory.path());
        pass(40);
        let mut sleeper = Client::connected(&served, sleepy()).await;
        assert!(sleeper.session_is_present(), "counted: {is_counted}");
        let got = sleeper.packet().await;
        assert!((50..=60).contains(&left_s(&got, "a", 1)), "counted: {is_counted}: {got:x?}");
        sleeper.send(ack(PUBACK, 1)).await;
        sleeper.leaves().await;
        served.until("it sleeps", |s| s.stats().connections == 0).await;
        set_forward(&served, HOUR);
        pass(1700);
        assert!(is_there(&served).await, "a further jump adds to the one before");
        pass(1801);
        assert!(!is_there(&served).await);
    }
}

/// A command for the topic `a`, asked for `asked_s` seconds ago, that may wait for two minutes.
fn command(asked_s: i64) -> CommandMessage {
    let properties = PublishProperties { message_expiry_interval_s: Some(120), ..PublishProperties::default() };
    let publication = Publication {
        received_ms: now_ms(),
        client: String::new(),
        principal: "Ann".into(),
        session: 0,
        packet_id: 0,
        topic: "a".into(),
        payload: b"on".as_slice().into(),
        qos: Qos::AtLeastOnce,
        retain: false,
        dup: false,
        properties: Some(Box::new(properties)),
        scope: None,
        address: None,
    };
    let deadline_ms = now_ms() + (120 - asked_s) * 1000;
    CommandMessage { command: CommandId(Position(1)), deadline_ms, publication }
}

#[tokio::test]
async fn a_command_waits_for_its_device_by_time_that_passed() {
    for (waits_s, comes) in [(50, true), (101, false)] {
        let served = Served::start();
        falls_asleep(&served).await;
        set_forward(&served, HOUR);
        served.broker.send_command(command(20)).unwrap();
        set_forward(&served, HOUR);
        pass(waits_s);
        let mut device = Client::connected(&served, sleepy()).await;
        if comes {
            let got = device.packet().await;
            assert!((45..=50).contains(&left_s(&got, "a", 1)), "{got:x?}");
        } else {
            device.has_nothing().await;
        }
    }
}
