//! What InfluxDB refuses, and what it is told to do about it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidegate_tests::{Server, eventually, now_ms, tool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{LIMIT, World, config, values};

#[tokio::test]
async fn a_line_that_is_refused_is_set_aside_and_the_rest_goes_in() {
    let mut world = World::new().await;
    // Another writer made this field a text, on the day of the readings.
    world.influxdb.write(&format!("bad value=\"text\" {}000000", world.base_ms)).await;
    let readings: Vec<_> =
        (0..40).map(|n| serde_json::json!({ "deviceId": "m1", "bad": n, "timestamp": world.base_ms + n })).collect();
    let payload = serde_json::json!(readings).to_string();
    tool::mosquitto_pub(world.server.mqtt, &["-q", "1", "-t", "site/up", "-m", &payload]).await;
    world.publish(300).await;
    world.has_each_once("what is fine goes in").await;
    let problem = world.has_problem("refused_by_sink", "field type conflict").await;
    assert!(problem["topic"].as_str().unwrap().starts_with("bad,device="), "{problem}");
    let aside = || async { (world.server.metric("tidegate_influxdb_set_aside_total").await == 40.0).then_some(()) };
    eventually("all 40 are counted", LIMIT, aside).await;
    assert!(world.sink().await["trouble"].is_null(), "it goes on");
}

#[tokio::test]
async fn readings_that_are_older_than_the_bucket_keeps_are_set_aside_and_those_of_the_future_go_in() {
    let world = World::new().await;
    world.influxdb.set_retention(3_600).await;
    let now = now_ms();
    let reading = |value: i64, time_ms: i64| serde_json::json!({ "deviceId": "m1", "t": value, "timestamp": time_ms });
    let (old, new) = (now - 7_200_000, now - 60_000);
    let readings: Vec<_> = (0..10).map(|n| reading(n, if n % 2 == 0 { old + n } else { new + n })).collect();
    tool::mosquitto_pub(
        world.server.mqtt,
        &["-q", "1", "-t", "site/up", "-m", &serde_json::json!(readings).to_string()],
    )
    .await;
    let ahead = reading(11, now + 50_000).to_string();
    tool::mosquitto_pub(world.server.mqtt, &["-q", "1", "-t", "site/up", "-m", &ahead]).await;
    world.has_problem("refused_by_sink", "retention").await;
    let expected = [1, 3, 5, 7, 9, 11].map(|value| (value, 1));
    eventually("what it keeps is there", LIMIT, || async {
        let found: Vec<_> = values(&world.influxdb.points().await).into_iter().collect();
        (found == expected).then_some(())
    })
    .await;
    let aside = || async { (world.server.metric("tidegate_influxdb_set_aside_total").await == 5.0).then_some(()) };
    eventually("the others are counted", LIMIT, aside).await;
    assert!(world.sink().await["trouble"].is_null());
}

#[tokio::test]
async fn a_token_that_is_revoked_is_told_and_nothing_is_lost() {
    let mut world = World::new().await;
    world.publish(50).await;
    world.has_each_once("at first").await;
    world.influxdb.set_token(&world.token, false).await;
    world.publish(50).await;
    world.has_problem("sink_behind", "InfluxDB refuses the token").await;
    let sink = world.sink().await;
    assert!(
        sink["trouble"].as_str().unwrap().contains("token") && sink["behind_entries"].as_u64() >= Some(50),
        "{sink}"
    );
    assert!(world.server.metric("tidegate_follow_behind_seconds").await >= 5.0);
    world.influxdb.set_token(&world.token, true).await;
    world.has_each_once("it is given back").await;
    eventually("it is level again", LIMIT, || async {
        let sink = world.sink().await;
        (sink["trouble"].is_null() && sink["behind_ms"].as_i64()? < 3_000).then_some(())
    })
    .await;
    // Another token in the file counts too.
    world.influxdb.set_token(&world.token, false).await;
    world.publish(50).await;
    let (_, secret) = world.influxdb.token().await;
    std::fs::write(world.folder.path().join("token"), secret).unwrap();
    world.has_each_once("another token").await;
}

#[tokio::test]
async fn a_bucket_that_is_gone_is_told_and_what_came_since_goes_into_the_new_one() {
    let mut world = World::new().await;
    world.publish(50).await;
    world.has_each_once("at first").await;
    let org = world.influxdb.delete_bucket().await;
    world.publish(50).await;
    world.has_problem("sink_behind", "no bucket").await;
    world.influxdb.make_bucket(&org).await;
    // A token that is for one bucket is for that one.
    let (_, secret) = world.influxdb.token().await;
    std::fs::write(world.folder.path().join("token"), secret).unwrap();
    world.has_each_once_from(50, "what came since").await;
}

/// Answers each write with the next of these, then with 204; gives the time of each request.
async fn mock(answers: Vec<String>) -> (SocketAddr, Arc<AtomicU64>, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, gap_ms) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (count, gap) = (asked.clone(), gap_ms.clone());
    tokio::spawn(async move {
        let mut last: Option<Instant> = None;
        while let Ok((mut client, _)) = listener.accept().await {
            let mut bytes = vec![0; 65_536];
            // Requests of these tests are smaller than that, and the connection ends with each.
            let Ok(1..) = client.read(&mut bytes).await else { continue };
            let number = count.fetch_add(1, Ordering::Relaxed);
            let since = last.replace(Instant::now()).map_or(0, |last| last.elapsed().as_millis() as u64);
            if number == 1 {
                gap.store(since, Ordering::Relaxed);
            }
            let answer = answers.get(number as usize).cloned().unwrap_or_else(|| "204 No Content".into());
            let text = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = client.write_all(text.as_bytes()).await;
        }
    });
    (address, asked, gap_ms)
}

#[tokio::test]
async fn a_server_that_has_too_much_to_do_is_asked_again_when_it_said_so() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let (address, asked, gap_ms) = mock(vec![format!("{status}\r\nRetry-After: 3")]).await;
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, "x").unwrap();
        let server = Server::with_config(&config(address, &token, "")).await;
        let payload = format!(r#"{{"deviceId":"m1","t":1,"timestamp":{}}}"#, now_ms() - 1_000);
        tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "site/up", "-m", &payload]).await;
        let trouble = |text: serde_json::Value| text["sinks"][0]["trouble"].as_str().map(str::to_owned);
        let said = eventually("it is told", LIMIT, || async { trouble(server.get("/v1/stats").await) }).await;
        assert!(said.contains("too much to do"), "{said}");
        eventually("it is asked again", LIMIT, || async { (asked.load(Ordering::Relaxed) >= 2).then_some(()) }).await;
        let gap = Duration::from_millis(gap_ms.load(Ordering::Relaxed));
        assert!((Duration::from_secs(3)..Duration::from_secs(20)).contains(&gap), "{status}: {gap:?}");
    }
}
