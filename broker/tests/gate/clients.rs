//! Clients that people use: rumqttc for both versions, and Mosquitto's.

use std::process::Stdio;
use std::time::Duration;

use crate::support::Served;
use tidegate_telemetry::Qos;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn rumqttc_3_1_1_publishes_with_every_quality_and_gets_its_own_back() {
    use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
    let served = Served::start();
    let mut options = MqttOptions::new("r3", "127.0.0.1", served.address.port());
    options.set_keep_alive(Duration::from_secs(5));
    let (client, mut events) = AsyncClient::new(options, 10);
    client.subscribe("r/#", QoS::ExactlyOnce).await.unwrap();
    for (payload, qos) in [("0", QoS::AtMostOnce), ("1", QoS::AtLeastOnce), ("2", QoS::ExactlyOnce)] {
        client.publish("r/t", qos, false, payload).await.unwrap();
    }
    let (mut got, mut completed) = (Vec::new(), false);
    while got.len() < 3 || !completed {
        match tokio::time::timeout(PATIENCE, events.poll()).await.expect("an event").unwrap() {
            Event::Incoming(Packet::Publish(publish)) => got.push((publish.payload.to_vec(), publish.qos)),
            Event::Incoming(Packet::PubComp(_)) => completed = true,
            _ => {}
        }
    }
    let expected = [(b"0", QoS::AtMostOnce), (b"1", QoS::AtLeastOnce), (b"2", QoS::ExactlyOnce)];
    assert_eq!(got, expected.map(|(payload, qos)| (payload.to_vec(), qos)));
    assert_eq!(served.log.payloads(), ["0", "1", "2"]);
}

#[tokio::test]
async fn rumqttc_5_keeps_its_properties_on_the_way() {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
    use rumqttc::v5::{AsyncClient, Event, MqttOptions};
    let served = Served::start();
    let mut options = MqttOptions::new("r5", "127.0.0.1", served.address.port());
    options.set_keep_alive(Duration::from_secs(5));
    let (client, mut events) = AsyncClient::new(options, 10);
    client.subscribe("r/#", QoS::AtLeastOnce).await.unwrap();
    let properties = PublishProperties {
        content_type: Some("text/plain".into()),
        user_properties: vec![("unit".into(), "°C".into())],
        ..PublishProperties::default()
    };
    client.publish_with_properties("r/t", QoS::ExactlyOnce, false, "23.5", properties).await.unwrap();
    let publish = loop {
        let event = tokio::time::timeout(PATIENCE, events.poll()).await.expect("an event").unwrap();
        if let Event::Incoming(Packet::Publish(publish)) = event {
            break publish;
        }
    };
    let properties = publish.properties.unwrap();
    assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
    assert_eq!(properties.user_properties, [("unit".to_owned(), "°C".to_owned())]);
    let publication = served.log.publications().remove(0);
    assert_eq!((publication.qos, publication.client.as_str()), (Qos::ExactlyOnce, "r5"));
    assert_eq!(publication.properties.unwrap().content_type.as_deref(), Some("text/plain"));
}

#[tokio::test]
async fn mosquitto_pub_reaches_mosquitto_sub_in_both_versions() {
    let served = Served::start();
    let port = served.address.port().to_string();
    for version in ["mqttv311", "mqttv5"] {
        let mut sub = Command::new("mosquitto_sub")
            .args(["-p", &port, "-V", version, "-t", "m/+/t", "-q", "2", "-C", "3", "-v", "-W", "10"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("mosquitto-clients is installed");
        served.until("the subscription", |s| s.stats().subscriptions == 1).await;
        for qos in ["0", "1", "2"] {
            let status = Command::new("mosquitto_pub")
                .args(["-p", &port, "-V", version, "-t", "m/a/t", "-q", qos, "-m", qos])
                .status();
            assert!(tokio::time::timeout(PATIENCE, status).await.unwrap().unwrap().success(), "{version} {qos}");
        }
        let mut lines = BufReader::new(sub.stdout.take().unwrap()).lines();
        for qos in ["0", "1", "2"] {
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
            assert_eq!(line.as_deref(), Some(format!("m/a/t {qos}").as_str()), "{version}");
        }
        tokio::time::timeout(PATIENCE, sub.wait()).await.unwrap().unwrap();
        served.until("its end", |s| s.stats().subscriptions == 0).await;
    }
}
