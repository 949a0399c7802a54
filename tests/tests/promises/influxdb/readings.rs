//! How a reading looks in InfluxDB.

use tidegate_tests::influxdb::Point;
use tidegate_tests::mqtt::Client;
use tidegate_tests::{eventually, http, tool};

use super::{LIMIT, World};

/// Device, field, value and time of everything of a measurement, in order, once it has so many points.
async fn points(world: &World, measurement: &str, count: usize) -> Vec<(String, String, String, String)> {
    eventually(&format!("{count} points of {measurement}"), LIMIT, || async {
        let points = world.influxdb.points().await;
        let of = |point: Point| (point.device, point.field, point.value, point.time);
        let found: Vec<_> = points.into_iter().filter(|point| point.measurement == measurement).map(of).collect();
        (found.len() >= count).then_some(found)
    })
    .await
}

fn row(device: &str, field: &str, value: &str, time: &str) -> (String, String, String, String) {
    (device.into(), field.into(), value.into(), time.into())
}

#[tokio::test]
async fn readings_of_mosquitto_pub_arrive_with_their_device_group_and_type() {
    let world = World::new().await;
    let publish = async |topic: &str, payload: &str| {
        tool::mosquitto_pub(world.server.mqtt, &["-q", "1", "-t", topic, "-m", payload]).await;
    };
    publish("plant/up", r#"{"deviceId":"m1","timestamp":1700000000123,"temp":23.5,"mode":"a \"b\" \\","on":true}"#)
        .await;
    publish("plant/up", r#"{"deviceId":"m1","timestamp":1700000001000,"temp":"broken"}"#).await;
    publish("plant/up", r#"{"deviceId":"m1","timestamp":1700000002000,"temp":-0.000125}"#).await;
    let temp = points(&world, "temp", 3).await;
    let device = &temp[0].0.clone();
    assert!(device.ends_with("m1"), "{temp:?}");
    let expected = [
        row(device, "text", "broken", "2023-11-14T22:13:21Z"),
        row(device, "value", "-0.000125", "2023-11-14T22:13:22Z"),
        row(device, "value", "23.5", "2023-11-14T22:13:20.123Z"),
    ];
    assert_eq!(temp, expected, "a number and a text of one metric are no conflict");
    assert_eq!(points(&world, "mode", 1).await, [row(device, "text", r#"a "b" \"#, "2023-11-14T22:13:20.123Z")]);
    assert_eq!(points(&world, "on", 1).await, [row(device, "on", "true", "2023-11-14T22:13:20.123Z")]);
    let sink = world.sink().await;
    assert_eq!((sink["name"].as_str(), sink["trouble"].is_null()), (Some("influxdb"), true), "{sink}");
    assert!(world.server.metric("tidegate_influxdb_points_total").await >= 5.0);
}

#[tokio::test]
async fn all_values_of_one_time_arrive_and_a_repeated_one_once() {
    let mut world = World::new().await;
    let mut client = Client::v5("device");
    client.connect(world.server.mqtt).await.unwrap();
    // 1,000 messages without a time of their own as fast as they go: many have the same millisecond.
    for number in 0..1_000 {
        client.publish("site/fast/x", &number.to_string(), 1, false).await;
        if number % 100 == 99 {
            client.listen_until(LIMIT, |session| session.in_flight() == 0).await;
        }
    }
    // A device whose clock stands, a repeated value, and one that comes when there is a newer one.
    let with_time = |value: u32, time: i64| format!(r#"{{"deviceId":"slow","y":{value},"timestamp":{time}}}"#);
    for (value, time) in
        [(5, 1_700_000_000_000), (6, 1_700_000_000_000), (5, 1_700_000_000_000), (1, 1_700_000_009_000)]
    {
        client.publish("site/up", &with_time(value, time), 1, false).await;
    }
    for (value, time) in [(7, 1_700_000_000_000), (6, 1_700_000_000_000), (8, 1_700_000_005_000)] {
        client.publish("site/up", &with_time(value, time), 1, false).await;
    }
    client.listen_until(LIMIT, |session| session.in_flight() == 0).await;
    let fast = points(&world, "x", 1_000).await;
    let values: std::collections::BTreeSet<&str> = fast.iter().map(|(_, _, value, _)| value.as_str()).collect();
    assert_eq!((fast.len(), values.len()), (1_000, 1_000));
    let slow = points(&world, "y", 5).await;
    let shown: Vec<(&str, &str)> = slow.iter().map(|(_, _, value, time)| (value.as_str(), time.as_str())).collect();
    let expected = [
        ("1", "2023-11-14T22:13:29Z"),
        ("5", "2023-11-14T22:13:20Z"),
        ("6", "2023-11-14T22:13:20.000000001Z"),
        ("7", "2023-11-14T22:13:20.000000002Z"),
        ("8", "2023-11-14T22:13:25Z"),
    ];
    assert_eq!(shown, expected);
    // Told again from the beginning, all of it has the same places.
    world.server.stop().await;
    std::fs::remove_file(world.server.data().join("influxdb.position")).unwrap();
    world.server.restart().await;
    world.publish(50).await;
    world.has_each_once("it is told everything again").await;
    assert_eq!(points(&world, "y", 5).await, slow);
    assert_eq!(points(&world, "x", 1_000).await, fast);
}

#[tokio::test]
async fn what_a_device_says_of_a_time_stands_beside_what_was_imported_for_it() {
    let world = World::new().await;
    let mut client = Client::v5("device");
    client.connect(world.server.mqtt).await.unwrap();
    let mut publish = async |value: u32, time_ms: i64| {
        let payload = format!(r#"{{"deviceId":"both","z":{value},"timestamp":{time_ms}}}"#);
        client.publish("site/up", &payload, 1, false).await;
        client.listen_until(LIMIT, |session| session.in_flight() == 0).await;
    };
    publish(1, 1_700_000_000_000).await;
    publish(2, 1_700_000_001_000).await;
    let device = points(&world, "z", 2).await[0].0.clone();
    let csv = format!("device,metric,time,value\n{device},z,1700000005000,3\n");
    let answer = http::request(world.server.http, "POST", "/v1/import?format=csv", &[], &csv).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    points(&world, "z", 3).await;
    publish(4, 1_700_000_005_000).await;
    publish(5, 1_700_000_006_000).await;
    let found = points(&world, "z", 5).await;
    let shown: Vec<(&str, &str)> = found.iter().map(|(_, _, value, time)| (value.as_str(), time.as_str())).collect();
    let expected = [
        ("1", "2023-11-14T22:13:20Z"),
        ("2", "2023-11-14T22:13:21Z"),
        ("3", "2023-11-14T22:13:25Z"),
        ("4", "2023-11-14T22:13:25.000000001Z"),
        ("5", "2023-11-14T22:13:26Z"),
    ];
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn rude_names_arrive_and_stay_what_they_are() {
    let world = World::new().await;
    let names = ["a b", "a,b=c", "\"q\"", "back\\slash", "ends with \\", "#comment", "wärme 🌊", "\\,", "_field"];
    let mut client = Client::v5("device");
    client.connect(world.server.mqtt).await.unwrap();
    for name in names {
        let payload =
            serde_json::json!({ "deviceId": format!("dev {name}"), name: 1.5, "timestamp": 1_700_000_000_000_i64 });
        client.publish("site/hall, 1/up", &payload.to_string(), 1, false).await;
    }
    client.listen_until(LIMIT, |session| session.in_flight() == 0).await;
    for name in names {
        let written = match name {
            "ends with \\" => "ends with ⧵",
            "#comment" => "＃comment",
            "\\," => "⧵,",
            name => name,
        };
        let found = points(&world, written, 1).await;
        let device = if name == "#comment" { name } else { written };
        assert!(found[0].0.ends_with(&format!("dev {device}")), "{found:?}");
    }
    assert!(world.sink().await["trouble"].is_null());
    let problems = world.server.get("/v1/problems").await;
    assert_eq!(problems["problems"], serde_json::json!([]));
}
