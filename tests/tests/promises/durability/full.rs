//! A disk that is full.

use std::time::Duration;

use tidegate_tests::mqtt::{Client, Packet, code};
use tidegate_tests::{Disk, Server, eventually, http};

const CONFIG: &str = "[log]\nsegment_bytes = \"1 MiB\"\ndisk_reserve_bytes = \"8 MiB\"\n[flush]\ninterval = \"1 s\"\n";
const LIMIT: Duration = Duration::from_secs(30);

/// Publishes until the first refusal; gives how many were acknowledged.
async fn publish_until_refused(client: &mut Client, topic: &str) -> usize {
    for number in 0_u32..100_000 {
        client.publish(topic, &number.to_string(), 1 + u8::from(number % 2 == 1), false).await;
        while client.session.in_flight() > 0 {
            client.step().await.unwrap();
        }
        if let Some((_, code)) = client.session.refused.last() {
            assert_eq!(*code, code::QUOTA_EXCEEDED);
            break;
        }
    }
    client.session.acknowledged.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_publications_serves_readers_and_takes_publications_again_by_itself() {
    let Some(disk) = Disk::new(64).await else { return };
    let server = Server::with_data(CONFIG, Some(disk.path().join("data"))).await;
    let (mut v5, mut v3, mut reader) = (Client::v5("v5"), Client::v3("v3"), Client::v3("reader"));
    for client in [&mut v5, &mut v3, &mut reader] {
        client.connect(server.mqtt).await.unwrap();
    }
    reader.subscribe("full/#", 1).await.unwrap();
    v3.publish("full/v3/count", "0", 1, true).await;
    v3.step().await.unwrap();
    let viewed = || async { server.value("full/v3", "count").await };
    eventually("it is seen", LIMIT, viewed).await;

    disk.fill(5 << 20).await;
    let acknowledged = publish_until_refused(&mut v5, "full/v5/count").await;
    println!("{acknowledged} publications taken on the full disk before the first was refused");

    // The 3.1.1 client gets no acknowledgement, and is served all the same.
    v3.publish("full/v3/count", "1", 1, false).await;
    v3.publish("full/v3/count", "2", 2, false).await;
    v3.ping().await.unwrap();
    assert_eq!(v3.session.in_flight(), 2);
    // Readers go on: what was taken is delivered, retained messages are sent, REST answers.
    reader.listen_until(LIMIT, |session| session.inbox.len() > acknowledged).await;
    assert_eq!(reader.session.inbox.len(), acknowledged + 1);
    let mut late = Client::v5("late");
    late.connect(server.mqtt).await.unwrap();
    late.subscribe("full/v3/count", 1).await.unwrap();
    late.listen_until(LIMIT, |session| !session.inbox.is_empty()).await;
    assert_eq!(late.session.inbox[0].payload, "0");
    assert_eq!(viewed().await, Some(0.0.into()));
    // The operator sees it.
    let ready = http::get(server.http, "/readyz").await;
    assert!(ready.status == 503 && ready.body.contains("log.disk_reserve_bytes"), "{}", ready.body);
    assert!(server.metric("tidegate_log_disk_full").await > 0.0);
    let problems = server.get("/v1/problems").await;
    let told = problems["problems"].as_array().unwrap().iter().any(|problem| problem["reason"] == "disk_full");
    assert!(told && server.log().contains("the disk is full"), "{problems}");

    std::fs::remove_file(disk.path().join("of somebody else")).unwrap();
    eventually("it is ready", LIMIT, || async {
        (http::get(server.http, "/readyz").await.status == 200).then_some(())
    })
    .await;
    v5.publish("full/v5/count", "-1", 1, false).await;
    assert!(matches!(v5.step().await.unwrap(), Packet::Answer { kind: 4, code: 0, .. }));
    // The 3.1.1 client's connection ends, and it sends again what was not acknowledged.
    v3.listen_until(LIMIT, |_| false).await;
    assert!(!v3.is_connected());
    v3.connect_at_last(server.mqtt).await;
    v3.listen_until(LIMIT, |session| session.in_flight() == 0).await;
    assert_eq!(v3.session.acknowledged.len(), 3);
    eventually("it is seen", LIMIT, || async { (viewed().await? == 2.0).then_some(()) }).await;
}
