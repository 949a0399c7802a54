//! Alerts: raised, acknowledged once, cleared; and nobody waits for them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_tests::live::Live;
use tidegate_tests::{Server, eventually, http, now_ms, tool};

const HOT: &str =
    "[[alert]]\nname = \"hot\"\nseverity = \"critical\"\nmetric = \"temperature\"\nabove = 30.0\nhysteresis = 1.0\n";

async fn publish(server: &Server, temperature: f64) {
    let payload = format!(r#"{{"deviceId":"dev1","temperature":{temperature},"timestamp":{}}}"#, now_ms());
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "lab/data", "-m", &payload]).await;
}

async fn alert_in_state(server: &Server, state: &str) -> Value {
    eventually(&format!("an alert is {state}"), Duration::from_secs(5), || async {
        let alerts = server.get("/v1/alerts?state=all").await;
        alerts["alerts"].as_array()?.iter().find(|alert| alert["state"] == state).cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_raised_acknowledged_once_and_cleared_below_its_hysteresis() {
    let server = Server::with_config(HOT).await;
    publish(&server, 31.5).await;
    let alert = alert_in_state(&server, "raised").await;
    assert_eq!(alert["severity"], "critical");
    let path = format!("/v1/alerts/{}/acknowledge", alert["id"].as_str().unwrap());
    let (first, second) = tokio::join!(
        http::request(server.http, "POST", &path, &[("Content-Type", "application/json")], "{\"by\":\"ann\"}"),
        http::request(server.http, "POST", &path, &[("Content-Type", "application/json")], "{\"by\":\"bob\"}"),
    );
    assert!(first.status == 200 || second.status == 200, "{first:?} {second:?}");
    let acknowledged = alert_in_state(&server, "acknowledged").await;
    let by = acknowledged["acknowledged"]["by"].clone();
    publish(&server, 29.5).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        alert_in_state(&server, "acknowledged").await["acknowledged"]["by"],
        by,
        "29.5 is within the hysteresis"
    );
    publish(&server, 28.5).await;
    let cleared = alert_in_state(&server, "cleared").await;
    assert_eq!(cleared["id"], alert["id"]);
    assert_eq!(cleared["acknowledged"]["by"], by);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_reaches_a_viewer_within_a_second_of_the_publication() {
    let server = Server::with_config(HOT).await;
    let mut live = Live::connect(server.http, json!({})).await;
    live.send(json!({"type": "subscribe", "id": 1, "view": {"kind": "alerts"}})).await;
    while live.next().await.unwrap()["last"] != true {}
    let sent = Instant::now();
    publish(&server, 31.5).await;
    loop {
        let message = live.next().await.unwrap();
        if message["d"][0] == 1 && message["e"][0][2]["state"] == "raised" {
            break;
        }
    }
    println!("alert seen {:?} after mosquitto_pub was started", sent.elapsed());
    assert!(sent.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_raises_an_alert_though_nothing_else_happens() {
    let server = Server::with_config("[[alert]]\nname = \"silent\"\nno_reading_for = \"1 s\"\n").await;
    publish(&server, 20.0).await;
    let alert = alert_in_state(&server, "raised").await;
    assert_eq!(alert["rule"], "silent");
    publish(&server, 20.5).await;
    alert_in_state(&server, "cleared").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_cannot_raise_says_why_and_the_silence_of_a_named_device_that_never_spoke_raises() {
    let rules = "[[alert]]\nname = \"typo\"\nmetric = \"temprature\"\nabove = 30.0\n\
                 [[alert]]\nname = \"text\"\nmetric = \"mode\"\nabove = 1.0\n\
                 [[alert]]\nname = \"nobody\"\ndevice = \"dev9\"\nabove = 1.0\n\
                 [[alert]]\nname = \"missed\"\ndevice = \"site/b/pump\"\nno_reading_for = \"1500 ms\"\n\
                 [[alert]]\nname = \"fine\"\nmetric = \"temperature\"\nabove = 30.0\n";
    let mut server = Server::with_config(rules).await;
    let payload = r#"{"deviceId":"dev1","temperature":20.5,"mode":"eco"}"#;
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "lab/data", "-m", payload]).await;
    eventually("dev1 is known", Duration::from_secs(5), || server.value("dev1", "mode")).await;
    let blind = server.get("/v1/rules").await["rules"].as_array().unwrap().clone();
    let blind: Vec<_> = blind.iter().map(|rule| rule["blind"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(blind[0], "the device it is about has not sent temprature yet");
    assert_eq!(blind[1], "mode is a text at the device that sends it");
    assert_eq!((&*blind[2], &blind[3], &*blind[4]), ("no device with this name was heard yet", &blind[2], ""));
    let alert = alert_in_state(&server, "raised").await;
    assert_eq!(
        (&alert["rule"], &alert["device"], &alert["group"]),
        (&json!("missed"), &json!("site/b/pump"), &json!("site/b"))
    );
    let of_device = server.get("/v1/alerts?device=site/b/pump").await;
    assert_eq!(of_device["alerts"][0]["id"], alert["id"], "though the device is not known");
    server.stop().await;
    server.restart().await;
    assert_eq!(alert_in_state(&server, "raised").await["id"], alert["id"], "it holds over a restart");
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "site/b/pump/flow", "-m", "2"]).await;
    assert_eq!(alert_in_state(&server, "cleared").await["id"], alert["id"]);
    let rule = &server.get("/v1/rules?device=site/b/pump").await["rules"][2];
    assert_eq!((&rule["name"], &rule["blind"]), (&json!("missed"), &Value::Null), "{rule}");
}
