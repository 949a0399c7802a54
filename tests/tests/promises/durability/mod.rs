//! Acknowledged means stored.
//!
//! - here: readings of a fleet, by what the store has
//! - `kills`: faithful clients, sleepers, retained messages and wills over kill -9
//! - `power`: the same over power cuts
//! - `full`: a disk without room
//! - `clock`: the system's clock is set, forward and back
//! - `damage`: a file of the sessions that is not what was written
//! - `load`: these clients, and what was promised to them

mod clock;
mod damage;
mod full;
mod kills;
mod leaps;
mod load;
mod power;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tidegate_tests::{Server, eventually, http, now_ms, tool};

/// Series of a device's readings: (device, metric).
type Series = (String, String);

/// Lets a fleet publish at 2,000 readings a second while the server is killed `kills` times. Gives how many
/// acknowledged values there were, and how many of them the store lacks. Panics when it has one twice, or another value.
async fn lost_after_kills(config: &str, kills: u64) -> (usize, usize) {
    let mut server = Server::with_config(config).await;
    let report = server.data().with_file_name("report");
    let (mqtt, from_ms) = (server.mqtt.to_string(), now_ms());
    let fleet = ["fleet", "--mqtt", &mqtt, "--devices", "40", "--rate", "2000", "--scenario", "steady", "--qos", "1"];
    let mut fleet =
        tool::start(tool::binary("tidegate-sim"), &[&fleet[..], &["--report", report.to_str().unwrap()]].concat());
    for kill in 0..kills {
        tokio::time::sleep(Duration::from_millis(500 + kill * 37 % 300)).await;
        server.kill_and_restart().await;
    }
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    tool::run("kill", &["-TERM", &fleet.id().unwrap().to_string()]).await;
    fleet.wait().await.unwrap();

    let (mut lost, mut acknowledged) = (0, 0);
    for (series, values) in reported(&report) {
        let stored = stored(&server, &series, from_ms).await;
        for (time, value) in values {
            acknowledged += 1;
            match stored.get(&time) {
                Some(found) => assert_eq!(*found, [value], "{series:?} at {time}"),
                None => lost += 1,
            }
        }
    }
    (acknowledged, lost)
}

/// What the fleet says was acknowledged: value by time, of each series.
fn reported(report: &Path) -> HashMap<Series, BTreeMap<i64, f64>> {
    let mut all: HashMap<Series, BTreeMap<i64, f64>> = HashMap::new();
    for line in std::fs::read_to_string(report).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        let (time, value) = (line["time"].as_i64().unwrap(), line["value"].as_f64().unwrap());
        all.entry((text("device"), text("metric"))).or_default().insert(time, value);
    }
    all
}

/// What the store holds: values by time, of one series.
async fn stored(server: &Server, (device, metric): &Series, from_ms: i64) -> BTreeMap<i64, Vec<f64>> {
    let first = format!("/v1/readings?device={device}&metric={metric}&from={from_ms}&to={}&limit=5000", now_ms() + 1);
    let (mut path, mut all) = (first.clone(), BTreeMap::<i64, Vec<f64>>::new());
    loop {
        let answer = http::get(server.http, &path).await;
        if answer.status == 404 {
            return all; // nothing of the device is left
        }
        assert_eq!(answer.status, 200, "{}", answer.body);
        let page = answer.json();
        for point in page["points"].as_array().unwrap() {
            all.entry(point[0].as_i64().unwrap()).or_default().push(point[1].as_f64().unwrap());
        }
        match page["next"].as_str() {
            Some(cursor) => path = format!("{first}&cursor={cursor}"),
            None => return all,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_reading_is_stored_once_after_twenty_kills_under_load() {
    let (acknowledged, lost) = lost_after_kills("", 20).await;
    println!("{acknowledged} readings acknowledged over 20 kills, {lost} lost");
    assert!(acknowledged > 10_000, "only {acknowledged} were acknowledged: that is no load");
    assert_eq!(lost, 0);
}

/// The control: it shows that the test above can fail.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledging_before_the_commit_does_lose() {
    let careless =
        "[mqtt]\nacknowledge = \"appended\"\n[log]\ncommit_interval = \"500 ms\"\ncommit_bytes = \"16 MiB\"\n";
    let (acknowledged, lost) = lost_after_kills(careless, 5).await;
    println!("{acknowledged} readings acknowledged before the commit over 5 kills, {lost} lost");
    assert!(lost > 0, "of {acknowledged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn history_alerts_and_latest_values_survive_a_kill() {
    let mut server = Server::with_config("[[alert]]\nname = \"hot\"\nmetric = \"temperature\"\nabove = 30.0\n").await;
    tidegate_tests::tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "site/a/f1/dev1/temperature", "-m", "31.5"])
        .await;
    server.kill_and_restart().await;
    assert_eq!(server.value("dev1", "temperature").await, Some(31.5.into()));
    let alert = eventually("the alert is still there", Duration::from_secs(5), || async {
        server.get("/v1/alerts").await["alerts"][0].as_object().cloned()
    });
    assert_eq!(alert.await["state"], "raised");
    let readings = server.get(&format!("/v1/readings?device=dev1&metric=temperature&from=0&to={}", now_ms() + 1)).await;
    assert_eq!(readings["points"].as_array().unwrap().len(), 1);
}

/// Bytes of log that a restart may have to replay, in the test below.
const REPLAY_BYTES_MAX: f64 = 1_048_576.0;

#[tokio::test(flavor = "multi_thread")]
async fn while_history_cannot_be_written_publishers_wait_and_a_restart_replays_no_more_than_told() {
    let mut server = Server::with_config("[log]\nreplay_bytes_max = \"1 MiB\"\n").await;
    // The checkpoint is written under this name first, and a folder is no file.
    let obstacle = server.data().join("checkpoint.new");
    std::fs::create_dir(&obstacle).unwrap();
    let mqtt = server.mqtt.to_string();
    let fleet = ["fleet", "--mqtt", &mqtt, "--devices", "40", "--rate", "5000", "--scenario", "steady", "--qos", "1"];
    let mut fleet = tool::start(tool::binary("tidegate-sim"), &fleet);
    eventually("there is no room", Duration::from_secs(60), || async {
        (server.metric("tidegate_log_appended_bytes_total").await > REPLAY_BYTES_MAX).then_some(())
    })
    .await;
    // What was on its way when the room ended, and 64 KiB that the log does not count exactly.
    let slack = REPLAY_BYTES_MAX;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let appended = server.metric("tidegate_log_appended_bytes_total").await;
        assert!(appended < REPLAY_BYTES_MAX + slack, "{appended} bytes were taken, which a restart would replay");
    }
    assert_eq!(http::get(server.http, "/readyz").await.status, 503);

    server.kill().await;
    std::fs::remove_dir(&obstacle).unwrap();
    server.restart().await;
    eventually("publications are taken again", Duration::from_secs(60), || async {
        (server.metric("tidegate_log_appended_bytes_total").await > 2.0 * REPLAY_BYTES_MAX).then_some(())
    })
    .await;
    assert_eq!(http::get(server.http, "/readyz").await.status, 200);
    tool::run("kill", &["-TERM", &fleet.id().unwrap().to_string()]).await;
    fleet.wait().await.unwrap();
}
