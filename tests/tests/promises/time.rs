//! Event time rules, arrival time is kept.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::{Server, eventually, now_ms, tool};

async fn publish(server: &Server, temperature: f64, time_ms: i64) {
    let payload = format!(r#"{{"deviceId":"dev1","temperature":{temperature},"timestamp":{time_ms}}}"#);
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "lab/dev1/data", "-m", &payload]).await;
}

async fn becomes(server: &Server, wanted: f64) {
    let what = format!("temperature becomes {wanted}");
    eventually(&what, Duration::from_secs(5), || async {
        (server.value("dev1", "temperature").await == Some(Value::from(wanted))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_reading_mends_history_and_never_moves_latest() {
    let server = Server::start().await;
    let now = now_ms();
    publish(&server, 21.5, now).await;
    becomes(&server, 21.5).await;
    publish(&server, 9.0, now - 600_000).await;
    let path = format!("/v1/readings?device=dev1&metric=temperature&from={}&to={}", now - 3_600_000, now + 1);
    eventually("the late reading is in the history", Duration::from_secs(5), || async {
        (server.get(&path).await["points"].as_array()?.len() == 2).then_some(())
    })
    .await;
    assert_eq!(server.value("dev1", "temperature").await, Some(21.5.into()));
    assert_eq!(server.get(&path).await["points"][0][1], 9.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_an_hour_ahead_does_not_freeze_the_value() {
    let server = Server::start().await;
    publish(&server, 20.5, now_ms() + 3_600_000).await;
    becomes(&server, 20.5).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    publish(&server, 21.5, now_ms()).await;
    becomes(&server, 21.5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_series_are_replayed_with_their_own_times() {
    let server = Server::start().await;
    let file = tool::file("tests/browser/node_modules/vega-datasets/data/sf-temps.csv");
    let mqtt = server.mqtt.to_string();
    let replay =
        ["replay", file.to_str().unwrap(), "--mqtt", &mqtt, "--device", "sf", "--metric", "temperature", "--at-once"];
    let said = tool::run(tool::binary("tidegate-sim"), &replay).await;
    let lines = std::fs::read_to_string(&file).unwrap().lines().filter(|line| !line.is_empty()).count() - 1;
    let now = now_ms();
    let series = format!("/v1/series?device=sf&metric=temperature&from={}&to={now}&width=800", now - 400 * 86_400_000);
    let points = eventually("all of the year is there", Duration::from_secs(20), || async {
        let series = server.get(&series).await;
        let count: u64 = series["points"].as_array()?.iter().map(|point| point[1].as_u64().unwrap_or(0)).sum();
        (count + 1 >= lines as u64).then_some(series)
    })
    .await;
    println!("{said}\n{lines} lines, rung {}", points["rung_ms"]);
    assert_eq!(points["rung_ms"], 86_400_000, "400 days on 800 pixels are days");
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_older_than_history_keeps_are_a_problem_of_their_device_and_it_says_so() {
    let mut server = Server::start().await;
    // Before a clock is confirmed nothing is too old.
    server.stop().await;
    server.restart_with(&["--trust-clock"]).await;
    let payload = r#"{"deviceId":"old1","temperature":21.5,"timestamp":1546300800000}"#;
    for payload in [payload, r#"{"deviceId":"new1","temperature":21.5}"#] {
        tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "lab/data", "-m", payload]).await;
    }
    eventually("both are known", Duration::from_secs(5), || server.value("new1", "temperature")).await;
    let problem = eventually("it is a problem", Duration::from_secs(5), || async {
        let problems = server.get("/v1/problems").await;
        problems["problems"].as_array()?.iter().find(|it| it["reason"] == "older_than_retention").cloned()
    })
    .await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("device \"old1\" gave the time 2019-01-01T00:00:00Z"), "{detail}");
    assert!(detail.contains("store.retention_age_days"), "{detail}");
    assert_eq!((&problem["topic"], &problem["count"]), (&json!("lab/data"), &json!(1)));
    assert_eq!(server.get("/v1/stats").await["refused"]["older_than_retention"], 1);
    let (old, new) = (server.get("/v1/devices/old1").await, server.get("/v1/devices/new1").await);
    assert!(old["not_kept"].as_str().unwrap().contains("older than what history keeps"), "{old}");
    assert_eq!((&old["state"], &new["not_kept"]), (&json!("fresh"), &Value::Null));
    let kept_from = server.get("/v1/stats").await["store"]["kept_from"].as_i64().unwrap();
    assert!((1_546_300_800_001..now_ms()).contains(&kept_from), "{kept_from}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_in_which_a_time_is_wrong_is_shown_with_what_mends_it_and_costs_no_value() {
    let server = Server::start().await;
    let ahead_ms = now_ms() + 3_600_000;
    let flaws = [
        ("zone", "\"2026-11-28 14:57:38\"".to_owned(), "time_without_offset", "timezone = "),
        ("unset", "86400".to_owned(), "device_clock_unset", "set it"),
        ("none", "\"yesterday\"".to_owned(), "invalid_time", "RFC 3339"),
        ("ahead", ahead_ms.to_string(), "time_ahead", "process.future_max"),
    ];
    for (device, time, ..) in &flaws {
        let payload = format!(r#"{{"deviceId":"{device}","temperature":21.5,"time":{time}}}"#);
        for _ in 0..2 {
            tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "lab/data", "-m", &payload]).await;
        }
    }
    eventually("the last is known", Duration::from_secs(5), || server.value("ahead", "temperature")).await;
    for (device, _, reason, mends) in &flaws {
        let history = server.get(&format!("/v1/readings?device={device}&metric=temperature")).await;
        assert_eq!(history["points"].as_array().map(Vec::len), Some(2), "{device}: {history}");
        let problem = eventually(reason, Duration::from_secs(5), || async {
            let problems = server.get("/v1/problems").await;
            problems["problems"].as_array()?.iter().find(|it| it["reason"] == **reason).cloned()
        })
        .await;
        assert_eq!(problem["count"], 2, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(mends), "{problem}");
    }
}
