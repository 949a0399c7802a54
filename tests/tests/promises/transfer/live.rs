//! What is brought is history: nobody who looks at now sees anything of it.

use std::time::Duration;

use serde_json::Value;
use tidegate_tests::{eventually, now_ms, tool};

use super::{LIMIT, World};

const RULES: &str = "[[alert]]\nname = \"hot\"\nmetric = \"temperature\"\nabove = 30.0\n\
                     [[alert]]\nname = \"silent\"\nno_reading_for = \"2 s\"\n\
                     [[alert]]\nname = \"dumb\"\nmetric = \"pressure\"\nno_reading_for = \"2 s\"\n";

async fn alerts(world: &World) -> Vec<(String, String)> {
    let alerts = world.server.get("/v1/alerts?state=all").await;
    let of = |alert: &Value| (alert["rule"].as_str().unwrap().to_owned(), alert["device"].as_str().unwrap().to_owned());
    let mut alerts: Vec<_> = alerts["alerts"].as_array().unwrap().iter().map(of).collect();
    alerts.sort();
    alerts
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_moves_no_newest_value_raises_no_alert_and_clears_none() {
    let mut world = World::with(RULES).await;
    let publish = async |world: &World, device: &str, value: f64| {
        let payload = format!(r#"{{"deviceId":"{device}","temperature":{value}}}"#);
        tool::mosquitto_pub(world.server.mqtt, &["-q", "1", "-t", "hall/data", "-m", &payload]).await;
    };
    publish(&world, "dev1", 20.0).await;
    eventually("dev1 is known", LIMIT, || world.server.value("dev1", "temperature")).await;
    let device = world.server.get("/v1/devices").await["devices"][0]["id"].as_str().unwrap().to_owned();
    let mut text = String::new();
    for n in 0..2_000 {
        let time_ms = now_ms() - 2_000_000 + n * 1_000;
        text += &format!("temperature,device={device} value=99 {time_ms}000000\n");
        text += &format!("pressure,device={device} value=99 {time_ms}000000\n");
        text += &format!("temperature,device=gone,group=hall value=99 {time_ms}000000\n");
    }
    // Newer than the newest, too.
    text += &format!("temperature,device={device} value=98 {}000000\n", now_ms() + 20_000);
    let said = world.import(&text, &[]).await;
    assert_eq!(said.err, "");
    // The silence of a device that was heard is told; and with it that of others would have been.
    let silent = vec![("silent".to_owned(), device.clone())];
    eventually("it is silent", LIMIT, || async { (!alerts(&world).await.is_empty()).then_some(()) }).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(alerts(&world).await, silent);
    for _ in 0..2 {
        assert_eq!(world.server.value(&device, "temperature").await, Some(20.0.into()));
        let gone = world.server.get("/v1/devices?id=gone").await;
        let gone = &gone["devices"][0];
        assert_eq!((gone["state"].as_str(), &gone["metrics"]["temperature"]["value"]), (Some("lost"), &Value::Null));
        assert!(world.server.value(&device, "pressure").await.is_none(), "it never said anything of it");
        let held = world.server.get("/v1/alerts").await;
        assert_eq!(held["alerts"][0]["state"], "raised", "it is as silent as it was");
        world.server.kill_and_restart().await;
    }
    // Who was known from before alone is as any other once it speaks.
    publish(&world, "gone", 40.0).await;
    let name = "gone";
    eventually("it raises an alert", LIMIT, || async {
        alerts(&world).await.contains(&("hot".to_owned(), name.to_owned())).then_some(())
    })
    .await;
    assert_eq!(world.server.value(name, "temperature").await, Some(40.0.into()));
}
