//! Acknowledged means stored.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, Outgoing, QoS};
use tidegate_tests::{Server, eventually, http, now_ms};
use tokio::task::JoinHandle;

const DEVICES: usize = 8;

/// A device that publishes 0, 1, 2, … under load and remembers what was acknowledged.
fn publish_until(stop: Arc<AtomicBool>, server: &Server, device: usize, base_ms: i64) -> JoinHandle<Vec<u32>> {
    let mut options = MqttOptions::new(format!("load-{device}"), server.mqtt.ip().to_string(), server.mqtt.port());
    options.set_keep_alive(Duration::from_secs(5)).set_inflight(20);
    let (client, mut events) = AsyncClient::new(options, 50);
    let stopped = stop.clone();
    tokio::spawn(async move {
        for number in 0u32.. {
            if stopped.load(Ordering::Relaxed) {
                break;
            }
            let time = base_ms + i64::from(number);
            let payload = format!(r#"{{"deviceId":"load-{device}","count":{number},"timestamp":{time}}}"#);
            client.publish("load/data", QoS::AtLeastOnce, false, payload).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // the event loop must outlive the last acknowledgement
        tokio::time::sleep(Duration::from_secs(2)).await;
    });
    tokio::spawn(async move {
        // publications leave in order, and a re-sent one keeps its packet identifier
        let (mut next, mut under_way, mut acknowledged) = (0u32, HashMap::new(), Vec::new());
        let mut quiet = 0;
        while quiet < 10 {
            match tokio::time::timeout(Duration::from_millis(100), events.poll()).await {
                Ok(Ok(Event::Outgoing(Outgoing::Publish(id)))) => {
                    under_way.entry(id).or_insert_with(|| {
                        next += 1;
                        next - 1
                    });
                }
                Ok(Ok(Event::Incoming(Incoming::PubAck(ack)))) => acknowledged.extend(under_way.remove(&ack.pkid)),
                Ok(Ok(_)) => {}
                Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(_) if stop.load(Ordering::Relaxed) => quiet += 1,
                Err(_) => {}
            }
        }
        acknowledged
    })
}

/// Publishes under load while the server is killed `kills` times; gives how many acknowledged readings are missing.
async fn lost_after_kills(config: &str, kills: u32) -> (usize, usize) {
    let mut server = Server::with_config(config).await;
    let stop = Arc::new(AtomicBool::new(false));
    let base_ms = now_ms() - 3_600_000;
    let devices: Vec<_> = (0..DEVICES).map(|device| publish_until(stop.clone(), &server, device, base_ms)).collect();
    for kill in 0..kills {
        tokio::time::sleep(Duration::from_millis(150 + u64::from(kill * 37 % 200))).await;
        server.kill_and_restart().await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::Relaxed);
    let (mut lost, mut acknowledged_in_all) = (0, 0);
    for (device, acknowledged) in devices.into_iter().enumerate() {
        let acknowledged = acknowledged.await.unwrap();
        let stored = stored(&server, device, base_ms).await;
        lost += acknowledged.iter().filter(|number| !stored.contains_key(number)).count();
        acknowledged_in_all += acknowledged.len();
        assert!(stored.values().all(|times| *times == 1), "device {device} has a reading twice");
    }
    (lost, acknowledged_in_all)
}

/// How often each number of a device is in the store.
async fn stored(server: &Server, device: usize, base_ms: i64) -> HashMap<u32, u32> {
    let mut times = HashMap::new();
    let mut path = format!("/v1/readings?device=load-{device}&metric=count&from={base_ms}&to={}&limit=5000", now_ms());
    let first = path.clone();
    loop {
        let page = http::get(server.http, &path).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let page = page.json();
        for point in page["points"].as_array().unwrap() {
            let number = point[1].as_f64().unwrap();
            assert_eq!(point[0].as_i64().unwrap(), base_ms + number as i64, "value and time belong together");
            *times.entry(number as u32).or_default() += 1;
        }
        match page["next"].as_str() {
            Some(cursor) => path = format!("{first}&cursor={cursor}"),
            None => return times,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_reading_is_stored_once_after_twenty_kills_under_load() {
    let (lost, acknowledged) = lost_after_kills("", 20).await;
    println!("{acknowledged} readings acknowledged over 20 kills, {lost} lost");
    assert!(acknowledged > 1_000, "only {acknowledged} were acknowledged: that is no load");
    assert_eq!(lost, 0);
}

/// The control: it shows that the test above can fail.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledging_before_the_commit_does_lose() {
    let careless = "[log]\nacknowledge = \"appended\"\ncommit_interval = \"500 ms\"\ncommit_bytes = \"16 MiB\"\n";
    let (lost, acknowledged) = lost_after_kills(careless, 5).await;
    println!("{acknowledged} readings acknowledged before the commit over 5 kills, {lost} lost");
    assert!(lost > 0, "of {acknowledged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn history_alerts_and_latest_values_survive_a_kill() {
    let mut server = Server::with_config("[[alert]]\nname = \"hot\"\nmetric = \"temperature\"\nabove = 30.0\n").await;
    tidegate_tests::tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "site/a/f1/dev1/temperature", "-m", "31.5"]).await;
    server.kill_and_restart().await;
    assert_eq!(server.value("dev1", "temperature").await, Some(31.5.into()));
    let alert = eventually("the alert is still there", Duration::from_secs(5), || async {
        server.get("/v1/alerts").await["alerts"][0].as_object().cloned()
    });
    assert_eq!(alert.await["state"], "raised");
    let readings = server.get(&format!("/v1/readings?device=dev1&metric=temperature&from=0&to={}", now_ms() + 1)).await;
    assert_eq!(readings["points"].as_array().unwrap().len(), 1);
}
