//! Any MQTT client can publish, and what it publishes is seen.

use std::time::Duration;

use serde_json::Value;
use tidegate_tests::{Server, eventually, tool};

async fn sees(server: &Server, device: &str, metric: &str, wanted: impl Into<Value>) {
    let wanted = wanted.into();
    eventually(&format!("{device} {metric} is {wanted}"), Duration::from_secs(5), || async {
        (server.value(device, metric).await.as_ref() == Some(&wanted)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_paho_and_mqtt_js_publish_with_every_qos_in_both_versions() {
    let server = Server::start().await;
    let (host, port) = (server.mqtt.ip().to_string(), server.mqtt.port().to_string());
    for version in ["311", "5"] {
        for qos in ["0", "1", "2"] {
            let topic = format!("site/a/f1/pub-{version}-{qos}/temperature");
            tool::mosquitto_pub(server.mqtt, &["-V", version, "-q", qos, "-t", &topic, "-m", "21.5"]).await;
            sees(&server, &format!("pub-{version}-{qos}"), "temperature", 21.5).await;
        }
    }
    tool::python("publish.py", &[&host, &port, "paho"]).await;
    for name in ["paho-311-0", "paho-311-1", "paho-311-2", "paho-5-0", "paho-5-1", "paho-5-2"] {
        sees(&server, name, "temperature", 22.5).await;
    }
    tool::node("publish.mjs", &[&format!("mqtt://{host}:{port}"), "mqttjs"]).await;
    for name in ["mqttjs-4-0", "mqttjs-4-1", "mqttjs-4-2", "mqttjs-5-0", "mqttjs-5-1", "mqttjs-5-2"] {
        sees(&server, name, "temperature", 23.5).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_reading_is_understood_without_configuration() {
    let server = Server::start().await;
    let reading = r#"{"deviceId":"sensor_001","temperature":23.5,"humidity":45.2,"pressure":1013.25,"air":{"co2":612},
        "timestamp":1704723845000,"location":"Building A, Floor 3"}"#;
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "any/topic", "-m", reading]).await;
    sees(&server, "sensor_001", "pressure", 1013.25).await;
    let device = server.get("/v1/devices/sensor_001").await;
    assert_eq!(device["group"], "Building A/Floor 3");
    assert_eq!(device["metrics"]["temperature"]["time"], 1_704_723_845_000_i64);
    assert_eq!(device["metrics"]["temperature"]["unit"], "°C");
    assert_eq!(device["metrics"]["air.co2"]["value"], 612.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_name_finds_a_device_while_only_one_has_it() {
    let server = Server::start().await;
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "site/b/floor1/dev7/temperature", "-m", "23.5"]).await;
    sees(&server, "dev7", "temperature", 23.5).await;
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "site/c/floor1/dev7/temperature", "-m", "24.5"]).await;
    sees(&server, "site/c/floor1/dev7", "temperature", 24.5).await;
    let answer = tidegate_tests::http::get(server.http, "/v1/devices/dev7").await;
    assert_eq!(answer.status, 409);
    let candidates = answer.json()["candidates"].as_array().unwrap().len();
    assert_eq!(candidates, 2, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_counted_and_shown_with_its_first_bytes() {
    let server = Server::start().await;
    for (topic, payload) in [
        ("lab/x/data", "{\"deviceId\":\"x\",\"temperature\":"),
        ("lab/y/data", "{\"deviceId\":\"y\"}"),
        ("lab/z/data", "{\"deviceId\":\"z\",\"temperature\":NaN}"),
        ("lab/w/data", &format!("{{\"deviceId\":\"w\",\"a\":{}1{}}}", "[".repeat(2_000), "]".repeat(2_000))),
    ] {
        tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", topic, "-m", payload]).await;
    }
    let problems = eventually("four problems", Duration::from_secs(5), || async {
        let problems = server.get("/v1/problems").await["problems"].as_array()?.clone();
        (problems.len() >= 4).then_some(problems)
    })
    .await;
    let x = problems.iter().find(|problem| problem["topic"] == "lab/x/data").unwrap();
    assert_eq!(x["reason"], "invalid_json", "{x}");
    assert!(x["sample"].as_str().unwrap().starts_with("{\"deviceId\":\"x\""), "{x}");
    assert!(server.metric("tidegate_problems_total").await >= 4.0);
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "lab/f/ok/temperature", "-m", "1.5"]).await;
    sees(&server, "lab/f/ok", "temperature", 1.5).await;
}

/// What is published on a topic of its own, the values that it gives to the topic's device, and the reason that is told.
type Flawed = (&'static str, &'static str, &'static [(&'static str, f64)], Option<&'static str>);

const FLAWED: [Flawed; 7] = [
    (
        "flawed/coordinates",
        r#"{"t":1,"location":{"lat":52.5,"lon":13.4}}"#,
        &[("t", 1.0), ("location.lat", 52.5)],
        None,
    ),
    ("flawed/place", r#"{"t":1,"location":17}"#, &[("t", 1.0)], Some("invalid_name")),
    ("flawed/twice", r#"{"t":1,"a.b":2,"t":3,"a":{"b":4}}"#, &[("t", 3.0), ("a.b", 4.0)], Some("several_values")),
    ("flawed/alike", r#"{"t":1,"t":1.0}"#, &[("t", 1.0)], None),
    ("flawed/long/total", "9007199254740993", &[("total", 9_007_199_254_740_992.0)], Some("not_exact")),
    ("flawed/zone", r#"{"t":1,"time":"2024-01-08 15:24:05 +0100"}"#, &[("t", 1.0)], None),
    ("flawed/none", r#"{"t":1,"u":"-nan","time":"NaN"}"#, &[("t", 1.0)], Some("invalid_time")),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_beside_a_good_value_costs_itself_alone_and_is_told() {
    let server = Server::start().await;
    for (topic, payload, ..) in FLAWED {
        tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", topic, "-m", payload]).await;
    }
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "flawed/digits/serial", "-m", "9007199254740993"]).await;
    sees(&server, "flawed/digits", "serial", "9007199254740993").await;
    for (topic, payload, values, told) in FLAWED {
        let device = topic.trim_end_matches("/total");
        for &(metric, value) in values {
            sees(&server, device, metric, value).await;
        }
        let problems = server.get("/v1/problems").await;
        let reasons = problems["problems"].as_array().unwrap().iter().filter(|problem| problem["topic"] == topic);
        let reasons: Vec<_> = reasons.filter_map(|problem| problem["reason"].as_str()).collect();
        assert_eq!(reasons, Vec::from_iter(told), "{payload}");
    }
    let device = server.get("/v1/devices?id=flawed/zone").await["devices"][0].clone();
    assert_eq!(device["metrics"]["t"]["time"], 1_704_723_845_000_i64);
    let device = server.get("/v1/devices?id=flawed/none").await["devices"][0].clone();
    assert_eq!(device["metrics"].as_object().map(|metrics| metrics.len()), Some(1), "no value makes no metric");
}
