//! Sessions: present, resumed, discarded, taken over (sections 3.1.2, 3.2.2, 4.1, 4.4).

use super::language::*;
use crate::support::{Served, pass};

#[tokio::test]
async fn session_present_says_whether_there_is_state() {
    let served = Served::start();
    for version in BOTH {
        let c = || version.connect(format!("{version:?}"));
        for (what, connect, is_present) in [
            ("a clean start", c(), false),
            ("nothing was kept", c().keeping(), false),
            ("it was kept", c().keeping(), true),
            ("it is discarded", c(), false),
            ("it was discarded", c().keeping(), false),
            ("it was kept again", c().keeping(), true),
        ] {
            let client = Client::connected(&served, connect).await;
            assert_eq!(client.session_is_present(), is_present, "{version:?}: {what}");
            client.leaves().await;
        }
    }
}

#[tokio::test]
async fn a_resumed_session_has_its_subscriptions_and_messages() {
    for version in BOTH {
        let served = Served::start();
        let mut sleeper = Client::connected(&served, version.connect("c").keeping()).await;
        sleeper.subscribes("a/+", 2).await;
        sleeper.leaves().await;
        let mut publisher = Client::new(&served, version, "p").await;
        publisher.says("a/1", "slept").await;
        publisher.says("b", "not for it").await;
        let mut sleeper = Client::connected(&served, version.connect("c").keeping()).await;
        sleeper.gets(version.publish("a/1", "slept").qos(1, 1)).await;
        sleeper.send(ack(PUBACK, 1)).await;
        publisher.says("a/2", "awake").await;
        let got = sleeper.packet().await;
        assert!(got.ends_with(b"awake"), "{got:x?}");
    }
}

#[tokio::test]
async fn a_clean_start_has_nothing_of_the_session_before() {
    for version in BOTH {
        let served = Served::start();
        let mut before = Client::connected(&served, version.connect("c").keeping()).await;
        before.subscribes("a", 1).await;
        before.leaves().await;
        let mut publisher = Client::new(&served, version, "p").await;
        publisher.says("a", "for the one before").await;
        let mut client = Client::new(&served, version, "c").await;
        publisher.says("a", "nor this").await;
        client.has_nothing().await;
    }
}

#[tokio::test]
async fn a_session_lasts_for_its_expiry_interval() {
    let served = Served::start();
    let connect = || V5.connect("c").resuming();
    Client::connected(&served, connect()).await.leaves().await;
    let client = Client::connected(&served, connect().with(property::session_expiry(60))).await;
    assert!(!client.session_is_present(), "without an interval it ended with its connection");
    client.leaves().await;
    pass(55);
    let client = Client::connected(&served, connect().with(property::session_expiry(60))).await;
    assert!(client.session_is_present());
    pass(100);
    client.leaves().await;
    pass(55);
    let client = Client::connected(&served, connect().with(property::session_expiry(60))).await;
    assert!(client.session_is_present(), "not while it was connected");
    client.leaves().await;
    pass(61);
    let client = Client::connected(&served, connect()).await;
    assert!(!client.session_is_present());
}

#[tokio::test]
async fn an_expired_session_ends_also_when_its_client_stays_away() {
    let served = Served::start();
    for client in ["c", "d"] {
        let connect = V5.connect(client).resuming().with(property::session_expiry(60));
        let mut client = Client::connected(&served, connect).await;
        client.subscribes("a/#", 1).await;
        client.leaves().await;
    }
    let longer = V5.connect("e").resuming().with(property::session_expiry(600));
    let mut other = Client::connected(&served, longer).await;
    other.subscribes("a/+", 1).await;
    other.leaves().await;
    assert_eq!(served.stats().subscriptions, 3);
    pass(61);
    served.until("both have ended", |served| served.stats().subscriptions == 1).await;
}

#[tokio::test]
async fn a_disconnect_changes_the_expiry_interval_but_not_from_zero() {
    let served = Served::start();
    let goodbye = |seconds| packet(0xe0, &[&[0], &V5.properties(&[property::session_expiry(seconds)])]);
    let keeping = || V5.connect("c").keeping();
    Client::connected(&served, keeping()).await.leaves_with(goodbye(0)).await;
    let client = Client::connected(&served, keeping()).await;
    assert!(!client.session_is_present(), "shortened to nothing");
    client.leaves_with(goodbye(1000)).await;
    pass(900);
    let client = Client::connected(&served, keeping()).await;
    assert!(client.session_is_present(), "longer than the CONNECT said");
    client.leaves().await;

    let mut client = Client::new(&served, V5, "d").await;
    client.send(goodbye(5)).await;
    assert_eq!(client.ended(0x82).await, Ok(()));
}

#[tokio::test]
async fn a_client_that_is_taken_over_is_told_and_loses_no_message() {
    for version in BOTH {
        let served = Served::start();
        let mut first = Client::connected(&served, version.connect("c").keeping()).await;
        first.subscribes("a", 1).await;
        let mut publisher = Client::new(&served, version, "p").await;
        publisher.says("a", "x").await;
        first.gets(version.publish("a", "x").qos(1, 1)).await;
        let mut second = Client::connected(&served, version.connect("c").keeping()).await;
        assert!(second.session_is_present());
        assert_eq!(first.ended(0x8e).await, Ok(()));
        second.gets(version.publish("a", "x").qos(1, 1).dup()).await;
        second.send(ack(PUBACK, 1)).await;
        second.has_nothing().await;
    }
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_in_order_and_only_on_a_new_connection() {
    for version in BOTH {
        let served = Served::start();
        let mut client = Client::connected(&served, version.connect("c").keeping()).await;
        client.subscribes("#", 2).await;
        let mut publisher = Client::new(&served, version, "p").await;
        publisher.says("a", "1").await;
        publisher.asks(version.publish("b", "2").qos(2, 1), ack(PUBREC, 1)).await;
        publisher.says("a", "3").await;
        publisher.asks(version.publish("b", "4").qos(2, 2), ack(PUBREC, 2)).await;
        client.gets(version.publish("a", "1").qos(1, 1)).await;
        client.gets(version.publish("b", "2").qos(2, 2)).await;
        client.gets(version.publish("a", "3").qos(1, 3)).await;
        client.gets(version.publish("b", "4").qos(2, 4)).await;
        client.asks(ack(PUBREC, 2), ack(PUBREL, 2)).await;
        client.has_nothing().await;
        client.lost(&served, 1).await;

        let mut client = Client::connected(&served, version.connect("c").keeping()).await;
        client.gets(version.publish("a", "1").qos(1, 1).dup()).await;
        client.gets(ack(PUBREL, 2)).await;
        client.gets(version.publish("a", "3").qos(1, 3).dup()).await;
        client.gets(version.publish("b", "4").qos(2, 4).dup()).await;
        client.send([ack(PUBACK, 1), ack(PUBCOMP, 2), ack(PUBACK, 3)].concat()).await;
        client.asks(ack(PUBREC, 4), ack(PUBREL, 4)).await;
        client.send(ack(PUBCOMP, 4)).await;
        client.has_nothing().await;
        client.leaves().await;
        let mut client = Client::connected(&served, version.connect("c").keeping()).await;
        client.has_nothing().await;
    }
}

#[tokio::test]
async fn the_identifiers_of_qos_2_outlive_the_connection_of_their_publisher() {
    for version in BOTH {
        let served = Served::start();
        let mut client = Client::connected(&served, version.connect("c").keeping()).await;
        client.asks(version.publish("a", "x").qos(2, 7), ack(PUBREC, 7)).await;
        client.lost(&served, 0).await;
        let mut client = Client::connected(&served, version.connect("c").keeping()).await;
        client.asks(version.publish("a", "x").qos(2, 7).dup(), ack(PUBREC, 7)).await;
        client.asks(ack(PUBREL, 7), ack(PUBCOMP, 7)).await;
        assert_eq!(served.log.payloads(), ["x"]);
    }
}

#[tokio::test]
async fn retained_messages_outlive_the_session_of_their_publisher() {
    for version in BOTH {
        let served = Served::start();
        let mut publisher = Client::new(&served, version, "p").await;
        publisher.asks(version.publish("a", "kept").qos(1, 1).retain(), ack(PUBACK, 1)).await;
        publisher.leaves().await;
        let mut client = Client::new(&served, version, "c").await;
        client.subscribes("a", 0).await;
        client.gets(version.publish("a", "kept").retain()).await;
    }
}
