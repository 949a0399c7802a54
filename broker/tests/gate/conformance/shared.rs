//! Shared subscriptions (section 4.8.2).

use super::language::*;
use crate::support::Served;

#[tokio::test]
async fn a_shared_filter_has_a_group_and_a_filter() {
    let served = Served::start();
    for filter in ["$share//a", "$share/g", "$share/g/", "$share/+/a", "$share/g#/a", "$share/g/a#"] {
        let mut client = Client::new(&served, V5, "c").await;
        client.send(V5.subscribe(&[(filter, 0)])).await;
        let answer = client.packet().await;
        let refused =
            matches!(answer[..], [0x90, .., 0x8f]) || matches!(answer[..], [0xe0, _, code, ..] if code >= 0x80);
        assert!(refused, "{filter}: {answer:x?}");
    }
    Client::new(&served, V5, "c").await.subscribes("$share/group/a/#", 2).await;
}

#[tokio::test]
async fn each_member_of_a_group_gets_what_its_own_quality_allows() {
    let served = Served::start();
    let mut low = Client::new(&served, V5, "low").await;
    low.subscribes("$share/g/a", 0).await;
    let mut high = Client::new(&served, V5, "high").await;
    high.subscribes("$share/g/a", 1).await;
    let mut publisher = Client::new(&served, V5, "p").await;
    publisher.says("a", "1").await;
    publisher.says("a", "2").await;
    low.gets(V5.publish("a", "1")).await;
    high.gets(V5.publish("a", "2").qos(1, 1)).await;
    low.has_nothing().await;
    high.has_nothing().await;
}

#[tokio::test]
async fn a_qos_2_delivery_to_a_member_is_completed_when_it_comes_back() {
    let served = Served::start();
    let mut member = Client::connected(&served, V5.connect("m").keeping()).await;
    member.subscribes("$share/g/a", 2).await;
    let mut publisher = Client::new(&served, V5, "p").await;
    publisher.asks(V5.publish("a", "x").qos(2, 9), ack(PUBREC, 9)).await;
    member.gets(V5.publish("a", "x").qos(2, 1)).await;
    member.lost(&served, 1).await;
    let mut other = Client::new(&served, V5, "other").await;
    other.subscribes("$share/g/a", 2).await;
    let mut member = Client::connected(&served, V5.connect("m").keeping()).await;
    member.gets(V5.publish("a", "x").qos(2, 1).dup()).await;
    member.asks(ack(PUBREC, 1), ack(PUBREL, 1)).await;
    other.has_nothing().await;
}

#[tokio::test]
async fn what_one_member_began_or_refused_goes_to_no_other() {
    let served = Served::start();
    let mut ending = Client::new(&served, V5, "ending").await;
    ending.subscribes("$share/g/a", 2).await;
    let mut publisher = Client::new(&served, V5, "p").await;
    publisher.asks(V5.publish("a", "begun").qos(2, 9), ack(PUBREC, 9)).await;
    ending.gets(V5.publish("a", "begun").qos(2, 1)).await;
    let mut other = Client::new(&served, V5, "other").await;
    other.subscribes("$share/g/a", 2).await;
    ending.lost(&served, 2).await;
    other.has_nothing().await;

    let mut refusing = Client::new(&served, V5, "refusing").await;
    refusing.subscribes("$share/h/b", 2).await;
    publisher.says("b", "1").await;
    publisher.asks(V5.publish("b", "2").qos(2, 10), ack(PUBREC, 10)).await;
    refusing.gets(V5.publish("b", "1").qos(1, 1)).await;
    refusing.gets(V5.publish("b", "2").qos(2, 2)).await;
    other.subscribes("$share/h/b", 2).await;
    refusing.send(ack_with(PUBACK, 1, 0x83)).await;
    refusing.send(ack_with(PUBREC, 2, 0x83)).await;
    refusing.has_nothing().await;
    other.has_nothing().await;
}

#[tokio::test]
async fn a_shared_subscription_is_greeted_by_no_retained_message() {
    let served = Served::start();
    let mut publisher = Client::new(&served, V5, "p").await;
    publisher.asks(V5.publish("a", "kept").qos(1, 1).retain(), ack(PUBACK, 1)).await;
    let mut member = Client::new(&served, V5, "m").await;
    member.subscribes("$share/g/a", 0).await;
    member.has_nothing().await;
}
