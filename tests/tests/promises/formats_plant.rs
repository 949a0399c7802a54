//! Plants and networks as they are: a Sparkplug node with what happens to it, and a LoRaWAN site.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_testing::sparkplug::{Field, Metric, message};
use tidegate_tests::mqtt::{Client, Will};
use tidegate_tests::{Server, eventually, now_ms, tool};

const PATIENCE: Duration = Duration::from_secs(30);
const OVEN: &str = "Plant/Press/Oven";

async fn sees(server: &Server, device: &str, metric: &str, wanted: f64) {
    eventually(&format!("{device} {metric} is {wanted}"), PATIENCE, || async {
        (server.value(device, metric).await == Some(json!(wanted))).then_some(())
    })
    .await;
}

async fn is_in_state(server: &Server, device: &str, wanted: &str) {
    eventually(&format!("{device} is {wanted}"), PATIENCE, || async {
        let told = server.get(&format!("/v1/devices/{device}")).await;
        (told["state"] == wanted).then_some(())
    })
    .await;
}

fn now() -> u64 {
    now_ms() as u64
}

/// A node with one device behind it: what it publishes.
struct Node {
    client: Client,
    seq: u8,
    bd_seq: u64,
}

impl Node {
    fn new(client: Client, bd_seq: u64) -> Node {
        Node { client, seq: 0, bd_seq }
    }

    async fn say(&mut self, verb: &str, metrics: &[Metric<'_>]) {
        let device = if verb.starts_with('D') { "/Oven" } else { "" };
        let payload = message(now(), Some(self.seq), metrics);
        self.client.publish_once(&format!("spBv1.0/Plant/{verb}/Press{device}"), &payload).await;
        self.seq = self.seq.wrapping_add(1);
    }

    async fn is_born(&mut self, temperature: f64) {
        self.seq = 0;
        let named = |name, alias, value| Metric {
            name: Some(name),
            alias: Some(alias),
            value: Some(value),
            ..Metric::default()
        };
        let bd_seq = Metric { name: Some("bdSeq"), value: Some(Field::Long(4, self.bd_seq)), ..Metric::default() };
        let rebirth = named("Node Control/Rebirth", 0, Field::Boolean(false));
        self.say("NBIRTH", &[bd_seq, rebirth, named("Supply Voltage", 1, Field::Float(24.1))]).await;
        let warm = Metric { unit: Some("degC"), ..named("Zone 1/Temperature", 2, Field::Double(temperature)) };
        self.say("DBIRTH", &[warm, named("Zone 1/Offset", 3, Field::Int(3, -7_i32 as u32))]).await;
    }

    async fn is_warm(&mut self, temperature: f64) {
        let by_alias = Metric { alias: Some(2), value: Some(Field::Double(temperature)), ..Metric::default() };
        self.say("DDATA", &[by_alias]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sparkplug_plant_with_a_restart_a_lost_message_and_a_death() {
    let mut server = Server::start().await;
    let mut node = Node::new(Client::v5("press"), 0);
    node.client.connect_at_last(server.mqtt).await;
    node.client.subscribe("spBv1.0/Plant/NCMD/Press", 0).await.unwrap();
    node.is_born(180.0).await;
    node.is_warm(181.5).await;
    sees(&server, OVEN, "Zone 1/Temperature", 181.5).await;
    let told = server.get(&format!("/v1/devices/{OVEN}")).await;
    assert_eq!((&told["group"], &told["metrics"]["Zone 1/Temperature"]["unit"]), (&json!("Plant/Press"), &json!("°C")));
    assert_eq!(told["metrics"]["Zone 1/Offset"]["value"], -7.0);
    sees(&server, "Plant/Press", "Supply Voltage", 24.1).await;
    let ids = server.get("/v1/devices").await.to_string();
    assert!(ids.contains(OVEN) && !ids.contains("spBv1.0") && !ids.contains("bdSeq"), "{ids}");

    server.stop().await;
    server.restart().await;
    node.client.connect_at_last(server.mqtt).await;
    node.is_warm(182.5).await;
    sees(&server, OVEN, "Zone 1/Temperature", 182.5).await;

    node.seq += 1;
    node.is_warm(183.5).await;
    let is_asked = |text: &str| text.contains("Node Control/Rebirth");
    node.client.listen_until(PATIENCE, |session| session.inbox.iter().any(|asked| is_asked(&asked.payload))).await;
    let asked: Vec<&str> = node.client.session.inbox.iter().map(|asked| asked.topic.as_str()).collect();
    assert_eq!(asked, ["spBv1.0/Plant/NCMD/Press"], "it is asked once");
    sees(&server, OVEN, "Zone 1/Temperature", 183.5).await;
    node.is_born(184.5).await;
    node.is_warm(185.5).await;
    sees(&server, OVEN, "Zone 1/Temperature", 185.5).await;
    node.client.ping().await.unwrap();
    assert_eq!(node.client.session.inbox.len(), 1, "nothing more is asked for");

    let number = Metric { name: Some("bdSeq"), value: Some(Field::Long(4, 1)), ..Metric::default() };
    let mut client = Client::v5("press, again");
    let payload = message(now(), None, &[number]);
    client.will = Some(Will { topic: "spBv1.0/Plant/NDEATH/Press".into(), payload, qos: 1 });
    let mut node = Node::new(client, 1);
    node.client.connect_at_last(server.mqtt).await;
    node.is_born(186.5).await;
    sees(&server, OVEN, "Zone 1/Temperature", 186.5).await;
    is_in_state(&server, OVEN, "fresh").await;
    node.client.lose();
    is_in_state(&server, OVEN, "lost").await;
    is_in_state(&server, "Plant/Press", "lost").await;
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

fn uplink(name: &str, eui: &str, object: &Value) -> String {
    let info = json!({"tenantName": "ChirpStack", "applicationId": "17c82e96", "applicationName": "Greenhouse",
        "deviceProfileName": "EM300-TH", "deviceName": name, "devEui": eui, "tags": {}});
    let heard = json!([{"gatewayId": "a", "rssi": -97, "snr": 2.5}, {"gatewayId": "b", "rssi": -60, "snr": 9.0}]);
    let time = "2024-01-08T14:24:05.775023242+00:00";
    json!({"time": time, "deviceInfo": info, "fPort": 85, "data": "AWcA", "object": object, "rxInfo": heard})
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lorawan_site_through_chirpstack() {
    let server = Server::start().await;
    for (name, eui, temperature) in [("North bed", "24e124136b000001", 21.5), ("South bed", "24e124136b000002", 23.5)] {
        let topic = format!("application/17c82e96/device/{eui}/event/up");
        let up = uplink(name, eui, &json!({"temperature": temperature, "soil": {"moisture": 41}}));
        tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", &topic, "-m", &up]).await;
        sees(&server, eui, "temperature", temperature).await;
    }
    let told = server.get("/v1/devices/24e124136b000001").await;
    assert_eq!(told["group"], "Greenhouse");
    let metric = |name: &str, field: &str| told["metrics"][name][field].clone();
    assert_eq!(metric("temperature", "time"), 1_704_723_845_775_i64);
    assert_eq!((metric("soil.moisture", "value"), metric("rssi", "value")), (json!(41.0), json!(-60.0)));
    assert_eq!(metric("rssi", "unit"), "dBm");
    let join = json!({"deviceInfo": {"deviceName": "x", "applicationName": "Greenhouse"}}).to_string();
    tool::mosquitto_pub(
        server.mqtt,
        &["-q", "1", "-t", "application/1/device/24e124136b000003/event/join", "-m", &join],
    )
    .await;
    let raw = uplink("Raw", "24e124136b000004", &Value::Null);
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "application/1/device/24e124136b000004/event/up", "-m", &raw])
        .await;
    eventually("what nobody decoded is told", PATIENCE, || async {
        let problems = server.get("/v1/problems").await.to_string();
        problems.contains("give the device's profile in ChirpStack a codec").then_some(())
    })
    .await;
}
