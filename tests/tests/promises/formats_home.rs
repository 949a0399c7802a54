//! What people have at home is understood at first contact, and over a restart.

use std::time::Duration;

use serde_json::Value;
use tidegate_tests::{Server, eventually, tool};

const ZIGBEE: &str = r#"[{"ieee_address":"0x00124b00120144ae","type":"Coordinator","friendly_name":"Coordinator","definition":null},
 {"ieee_address":"0x00158d00018255df","type":"EndDevice","friendly_name":"Kitchen window","supported":true,
  "definition":{"model":"MCCGQ11LM","vendor":"Aqara","exposes":[
   {"access":1,"label":"Battery","name":"battery","property":"battery","type":"numeric","unit":"%"},
   {"access":1,"label":"Contact","name":"contact","property":"contact","type":"binary","value_off":true,"value_on":false},
   {"access":1,"label":"Voltage","name":"voltage","property":"voltage","type":"numeric","unit":"mV"}]},
  "power_source":"Battery","software_build_id":"3000-0001"},
 {"ieee_address":"0x90fd9ffffe6494fc","type":"Router","friendly_name":"Living room/lamp",
  "definition":{"model":"LED1624G9","vendor":"IKEA","exposes":[{"type":"light","features":[
   {"access":7,"label":"State","name":"state","property":"state","type":"binary","value_off":"OFF","value_on":"ON"}]}]},
  "power_source":"Mains (single phase)"}]"#;

const TEMPERATURE: &str = r#"{"dev_cla":"temperature","unit_of_meas":"°C","stat_cla":"measurement","name":"Room Temperature",
 "stat_t":"livingroom/sensor/room_temperature/state","avty_t":"livingroom/status","uniq_id":"ESPsensorroom_temperature","exp_aft":900,
 "dev":{"ids":"a4cf12d5e0f7","name":"Living room node","sw":"esphome v2024.2.0","mdl":"nodemcu-32s","mf":"espressif",
 "sa":"Ground floor"}}"#;

async fn retain(server: &Server, topic: &str, payload: &str) {
    tool::mosquitto_pub(server.mqtt, &["-r", "-q", "1", "-t", topic, "-m", payload]).await;
}

async fn publish(server: &Server, topic: &str, payload: &str) {
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", topic, "-m", payload]).await;
}

/// The identifiers of all devices once these two are there with these values.
async fn devices_with(server: &Server, battery: f64, temperature: f64) -> Vec<String> {
    eventually("both devices are there with their values", Duration::from_secs(10), || async {
        let has = |value: Option<Value>, wanted: f64| value.is_some_and(|value| value == wanted);
        let zigbee = server.value("zigbee2mqtt/Kitchen%20window", "battery").await;
        let node = server.value("livingroom", "room_temperature").await;
        (has(zigbee, battery) && has(node, temperature)).then_some(())
    })
    .await;
    let devices = server.get("/v1/devices").await;
    let ids = devices["devices"].as_array().unwrap().iter().map(|device| device["id"].as_str().unwrap().to_owned());
    let mut ids: Vec<String> = ids.collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zigbee2mqtt_house_and_an_esphome_node_are_named_in_units_and_stay_so_over_a_restart() {
    let mut server = Server::start().await;
    retain(&server, "zigbee2mqtt/bridge/state", r#"{"state":"online"}"#).await;
    retain(&server, "zigbee2mqtt/bridge/devices", ZIGBEE).await;
    publish(&server, "zigbee2mqtt/Kitchen window", r#"{"battery":98,"contact":true,"linkquality":94,"voltage":3015}"#)
        .await;
    publish(&server, "zigbee2mqtt/Living room/lamp", r#"{"state":"ON","linkquality":120}"#).await;
    publish(&server, "zigbee2mqtt/Living room/lamp/set", r#"{"state":"OFF"}"#).await;
    retain(&server, "homeassistant/sensor/livingroom/room_temperature/config", TEMPERATURE).await;
    retain(&server, "livingroom/status", "online").await;
    publish(&server, "livingroom/sensor/room_temperature/state", "21.4").await;

    let expected = ["livingroom", "zigbee2mqtt/Kitchen window", "zigbee2mqtt/Living room/lamp"];
    assert_eq!(devices_with(&server, 98.0, 21.4).await, expected);
    let window = server.get("/v1/devices/zigbee2mqtt/Kitchen%20window").await;
    assert_eq!((&window["group"], &window["metrics"]["voltage"]["unit"]), (&"Zigbee2MQTT".into(), &"mV".into()));
    assert_eq!(window["metrics"]["contact"]["value"], true);
    let lamp = server.get("/v1/devices/zigbee2mqtt/Living%20room/lamp").await;
    assert_eq!((&lamp["group"], &lamp["metrics"]["state"]["value"]), (&"Living room".into(), &true.into()));
    let node = server.get("/v1/devices/livingroom").await;
    assert_eq!((&node["group"], &node["metrics"]["room_temperature"]["unit"]), (&"Ground floor".into(), &"°C".into()));

    server.kill_and_restart().await;
    publish(&server, "zigbee2mqtt/Kitchen window", r#"{"battery":97,"contact":false,"linkquality":94,"voltage":3005}"#)
        .await;
    publish(&server, "livingroom/sensor/room_temperature/state", "22.4").await;
    assert_eq!(devices_with(&server, 97.0, 22.4).await, expected);
    let window = server.get("/v1/devices/zigbee2mqtt/Kitchen%20window").await;
    assert_eq!(window["metrics"]["voltage"]["unit"], "mV");
    assert_eq!(server.get("/v1/devices/livingroom").await["group"], "Ground floor");
    assert_eq!(server.get("/v1/problems").await["problems"], serde_json::json!([]));

    publish(&server, "zigbee2mqtt/Kitchen window/availability", r#"{"state":"offline"}"#).await;
    publish(&server, "livingroom/status", "offline").await;
    for device in ["zigbee2mqtt/Kitchen%20window", "livingroom"] {
        eventually(&format!("{device} is lost"), Duration::from_secs(5), || async {
            let state = server.get(&format!("/v1/devices/{device}")).await["state"].clone();
            (state == "lost").then_some(())
        })
        .await;
    }
}
