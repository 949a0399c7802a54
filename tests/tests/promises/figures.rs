//! What figures say: in which unit, of whose device, since when.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::{Server, eventually, http, now_ms, tool};

const CONFIG: &str = r#"
[[alert]]
name = "hot"
metric = "temperature"
above = 30.0
hysteresis = 1.0

[metric.mains]
unit = "V"
sent_unit = "mV"
"#;

async fn publish(server: &Server, topic: &str, payload: &str) {
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", topic, "-m", payload]).await;
}

async fn metric(server: &Server, device: &str, name: &str) -> Value {
    eventually(&format!("{name} of {device}"), Duration::from_secs(5), || async {
        let metric = server.get(&format!("/v1/devices/{device}")).await["metrics"][name].clone();
        metric.is_object().then_some(metric)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_is_said_or_marked_as_a_guess_and_none_is_better_than_a_wrong_one() {
    let server = Server::with_config(CONFIG).await;
    let payload = r#"{"deviceId":"zigbee","temperature":21.5,"voltage":2965,"battery":3.3,"POWER":"heat","mains":229500,"power":true}"#;
    publish(&server, "home/zigbee", payload).await;
    for (name, value, unit, guessed) in [
        ("temperature", json!(21.5), json!("°C"), true),
        ("voltage", json!(2965.0), Value::Null, false),
        ("battery", json!(3.3), Value::Null, false),
        ("POWER", json!("heat"), Value::Null, false),
        ("power", json!(true), Value::Null, false),
        ("mains", json!(229.5), json!("V"), false),
    ] {
        let found = metric(&server, "zigbee", name).await;
        assert_eq!(
            (&found["value"], &found["unit"], &found["unit_guessed"]),
            (&value, &unit, &json!(guessed)),
            "{name}"
        );
    }
    let readings = server.get("/v1/readings?device=zigbee&metric=mains").await;
    assert_eq!(readings["points"][0][1], 229.5, "history has the unit that is shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_of_a_group_lead_to_the_devices_they_are_of_and_count_those_in_alert() {
    let server = Server::with_config(CONFIG).await;
    for (device, temperature) in [("floor/a", "21.5"), ("floor/b", "62.2"), ("floor/c", "19.0")] {
        publish(&server, &format!("{device}/temperature"), temperature).await;
    }
    let floor = eventually("all three are in the figures", Duration::from_secs(5), || async {
        let groups = server.get("/v1/groups").await;
        let floor = groups["groups"].as_array()?.iter().find(|group| group["path"] == "floor")?.clone();
        (floor["metrics"]["temperature"]["count"] == 3 && floor["in_alert"]["warning"] == 1).then_some(floor)
    })
    .await;
    let figures = &floor["metrics"]["temperature"];
    assert_eq!((&figures["max"], &figures["max_device"]), (&json!(62.2), &json!("floor/b")));
    assert_eq!((&figures["min"], &figures["min_device"]), (&json!(19.0), &json!("floor/c")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_says_how_far_it_went_and_what_people_did_survives_a_crash() {
    let mut server = Server::with_config(CONFIG).await;
    for value in ["31.5", "47.0", "33.0"] {
        publish(&server, "lab/dev1/temperature", value).await;
    }
    let alert = eventually("the peak is known", Duration::from_secs(5), || async {
        let alerts = server.get("/v1/alerts").await;
        Some(alerts["alerts"][0].clone()).filter(|alert| alert["peak"] == 47.0)
    })
    .await;
    assert_eq!(
        (&alert["raised_value"], &alert["cleared_value"], &alert["duration_ms"]),
        (&json!(31.5), &json!(null), &json!(null))
    );
    let id = alert["id"].as_str().unwrap().to_owned();
    let json = [("Content-Type", "application/json")];
    let ask = async |what: &str, body: &str| {
        http::request(server.http, "POST", &format!("/v1/alerts/{id}/{what}"), &json, body).await.json()
    };
    let taken = ask("acknowledge", r#"{"by":"ann","comment":"the door was open"}"#).await;
    assert_eq!(taken["acknowledged"]["comment"], "the door was open");
    assert_eq!(ask("unacknowledge", r#"{"by":"bob"}"#).await["state"], "raised");
    server.kill_and_restart().await;
    let after = server.get("/v1/alerts").await["alerts"][0].clone();
    assert_eq!(
        (&after["state"], &after["acknowledged"], &after["peak"]),
        (&json!("raised"), &json!(null), &json!(47.0))
    );
    assert_eq!(after["unacknowledged"]["by"], "bob");
    publish(&server, "lab/dev1/temperature", "20.0").await;
    let over = eventually("it is over", Duration::from_secs(5), || async {
        let alerts = server.get("/v1/alerts?state=cleared").await;
        Some(alerts["alerts"][0].clone()).filter(Value::is_object)
    })
    .await;
    let values = ["raised_value", "peak", "cleared_value"].map(|name| over[name].as_f64());
    assert_eq!(values, [Some(31.5), Some(47.0), Some(20.0)]);
    assert_eq!(
        over["duration_ms"].as_i64().unwrap(),
        over["cleared"].as_i64().unwrap() - over["raised"].as_i64().unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openings_of_a_door_are_listed_with_their_sum_and_as_csv_with_readable_times() {
    let server = Server::start().await;
    let start = now_ms() - 3_600_000;
    for (minute, open) in [(-90, true), (-80, false), (10, true), (12, false), (20, true), (20, true), (25, false)] {
        let payload = format!(r#"{{"deviceId":"door","open":{open},"timestamp":{}}}"#, start + minute * 60_000);
        publish(&server, "hall/doors", &payload).await;
    }
    let query = format!("/v1/periods?device=door&metric=open&from={start}&to={}", start + 3_600_000);
    let found = eventually("both openings are known", Duration::from_secs(5), || async {
        Some(server.get(&query).await).filter(|found| found["count"] == 2)
    })
    .await;
    assert_eq!(found["total_ms"], 7 * 60_000);
    assert_eq!(
        found["periods"][0],
        json!({ "start": start + 600_000, "end": start + 720_000, "duration_ms": 120_000 })
    );
    let within = start + 11 * 60_000;
    let of_no_time = server.get(&format!("/v1/periods?device=door&metric=open&from={within}&to={within}")).await;
    assert_eq!((&of_no_time["count"], &of_no_time["periods"]), (&json!(0), &json!([])), "it was open then");
    let csv = http::get(server.http, &format!("{query}&format=csv&timezone=Asia/Kolkata")).await.body;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "start,end,duration_s"));
    assert!(lines[2].contains("+05:30,") && lines[2].ends_with(",300.000"), "{csv}");
}

/// Their devices say nothing more after that.
#[tokio::test(flavor = "multi_thread")]
async fn a_metric_that_wins_its_figures_from_others_has_them_without_another_reading() {
    let server = Server::with_config("[process]\naggregate_metrics_max = 4\n").await;
    publish(&server, "junk", r#"{"deviceId":"junk","a":1,"b":2,"c":3,"d":4}"#).await;
    for (device, value) in [("cold/a", "4.5"), ("cold/b", "5.5")] {
        publish(&server, &format!("{device}/temperature"), value).await;
    }
    let figures = eventually("the group has them", Duration::from_secs(20), || async {
        let groups = server.get("/v1/groups").await;
        let cold = groups["groups"].as_array()?.iter().find(|group| group["path"] == "cold")?.clone();
        Some(cold["metrics"]["temperature"].clone()).filter(Value::is_object)
    })
    .await;
    assert_eq!((&figures["count"], &figures["mean"]), (&json!(2), &json!(5.0)));
}
