//! The same devices against the program itself: what they publish by MQTT comes back by REST, as JSON and as CSV, whatever
//! the names and values are made of, also after a kill.

use std::time::Duration;

use serde_json::Value as Json;
use tidegate_telemetry::Value;
use tidegate_tests::mqtt::Client;
use tidegate_tests::{Server, eventually, http, now_ms};

use crate::devices::Fleet;
use crate::judge::flat;
use crate::oracle::{Limits, Oracle, Points};
use tidegate_testing::Dice;

const DAY_MS: i64 = 86_400_000;

/// History is flushed all the time, and CSV has texts as they are.
const CONFIG: &str = "[flush]\ninterval = \"300 ms\"\n[http]\ncsv_formulas = \"as_they_are\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_devices_publish_comes_back_by_rest_whatever_its_names_and_values_are_made_of() {
    let seed = std::env::var("TIDEGATE_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("TIDEGATE_SEED={seed}");
    let mut dice = Dice(seed);
    let mut server = Server::with_config(CONFIG).await;
    let limits = Limits {
        devices_max: 1_000,
        metrics_per_device_max: 256,
        future_max_ms: 60_000,
        retention_ms: 400 * DAY_MS,
        corrects: false,
    };
    let mut oracle = Oracle::new(limits);
    let mut client = Client::v5("odd");
    client.connect_at_last(server.mqtt).await;
    for _ in 0..20 {
        let mut fleet = Fleet::new(&mut dice);
        for _ in 0..30 {
            let now_ms = now_ms();
            let said = fleet.says(&mut dice, now_ms);
            // Only what has a time of its own is known to have one.
            let is_dated =
                |time_ms: Option<i64>| time_ms.is_some_and(|at| (now_ms - 10 * DAY_MS..=now_ms).contains(&at));
            if said.readings.iter().all(|meant| is_dated(meant.time_ms)) {
                client.publish(&said.topic, &said.payload, said.qos.level().max(1), false).await;
                client.listen_until(Duration::from_millis(1), |_| false).await;
                oracle.take(&said, now_ms, false);
            }
        }
    }
    assert!(oracle.history.len() > 100, "{} series are few", oracle.history.len());
    judge(&server, &oracle).await;
    server.kill_and_restart().await;
    judge(&server, &oracle).await;
}

async fn judge(server: &Server, oracle: &Oracle) {
    for ((device, metric), points) in &oracle.history {
        let what = format!("{metric:?} of {device:?}");
        eventually(&format!("{what}: {points:?}"), Duration::from_secs(10), || async {
            (as_json(server, device, metric).await == shown(points)).then_some(())
        })
        .await;
        assert_eq!(as_csv(server, device, metric).await, as_text(points), "{what} as CSV");
        judge_chart(server, device, metric, &what).await;
    }
    for device in oracle.devices.keys() {
        let path = format!("/v1/devices/{}", encoded(device));
        assert_eq!(server.get(&path).await["id"], **device, "{path}");
    }
}

async fn as_json(server: &Server, device: &str, metric: &str) -> Vec<(i64, Json)> {
    let answer = server.get(&readings(device, metric)).await;
    let points = answer["points"].as_array().into_iter().flatten();
    points.map(|point| (point[0].as_i64().unwrap(), point[1].clone())).collect()
}

async fn as_csv(server: &Server, device: &str, metric: &str) -> Vec<(i64, String)> {
    let path = readings(device, metric);
    let answer = http::request(server.http, "GET", &path, &[("Accept", "text/csv")], "").await;
    let mut rows = csv::Reader::from_reader(answer.body.as_bytes());
    assert_eq!(rows.headers().unwrap(), vec!["time", "value"], "{path}: {answer:?}");
    rows.deserialize().map(|row| row.unwrap_or_else(|error| panic!("{path}: {error}"))).collect()
}

async fn judge_chart(server: &Server, device: &str, metric: &str, what: &str) {
    let chart = server.get(&readings(device, metric).replace("/readings", "/series").replace("&limit=1000", "")).await;
    for point in chart["points"].as_array().unwrap_or_else(|| panic!("{what}: {chart}")) {
        let figure = |index: usize| point[index].as_f64().unwrap_or_else(|| panic!("{what}: {point}"));
        assert!(figure(3) <= figure(2) && figure(2) <= figure(4), "{what}: a mean lies between the extremes: {point}");
    }
}

fn readings(device: &str, metric: &str) -> String {
    let (from, to) = (now_ms() - 11 * DAY_MS, now_ms() + DAY_MS);
    format!("/v1/readings?device={}&metric={}&from={from}&to={to}&limit=1000", encoded(device), encoded(metric))
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

fn shown(points: &Points) -> Vec<(i64, Json)> {
    let shown = |value: &Value| match value {
        Value::Number(number) => Json::from(*number),
        Value::Bool(on) => Json::from(*on),
        Value::Text(text) => Json::from(&**text),
    };
    flat(points).iter().map(|(time_ms, value)| (*time_ms, shown(value))).collect()
}

fn as_text(points: &Points) -> Vec<(i64, String)> {
    flat(points).iter().map(|(time_ms, value)| (*time_ms, value.to_string())).collect()
}
