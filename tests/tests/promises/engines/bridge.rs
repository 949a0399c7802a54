//! Mosquitto's bridge: another broker that joins the gate as it would join one of its kind.

use std::time::Duration;

use tidegate_tests::{Mosquitto, Server, eventually};

use super::device::{Device, Message, Version};

/// Bridges everything both ways, and sees that nothing goes round.
async fn works_in_both_directions(more: &str) {
    let server = Server::start().await;
    let broker = Mosquitto::with_config(&format!(
        "allow_anonymous true\nconnection hub\naddress {}\ntopic # both 1\nrestart_timeout 1\n{more}\n",
        server.mqtt
    ))
    .await;
    let mut here = Device::connect(server.mqtt, Version::V3, "here").await.unwrap();
    let mut there = Device::connect(broker.address, Version::V3, "there").await.unwrap();
    eventually("what is published at Mosquitto is a reading", Duration::from_secs(30), || async {
        let mut device = Device::connect(broker.address, Version::V3, "probe").await?;
        let message =
            Message { topic: "site/a/f1/far/temperature", payload: "21.5", qos: 1, packet_id: 1, ..Message::default() };
        device.publish(message).await?;
        server.value("far", "temperature").await
    })
    .await;

    let message = |topic, payload, packet_id| Message { topic, payload, qos: 1, packet_id, ..Message::default() };
    there.subscribe("site/a/f1/near/#").await.unwrap();
    here.subscribe("site/a/f1/away/#").await.unwrap();
    here.publish(message("site/a/f1/near/temperature", "22.5", 1)).await.unwrap();
    assert!(there.receives("22.5", "nothing else comes").await, "what is published at the gate reaches Mosquitto's");
    there.publish(message("site/a/f1/away/temperature", "23.5", 1)).await.unwrap();
    assert!(here.receives("23.5", "nothing else comes").await, "and the other way round");

    // What went round would come again before what is published after it.
    for (device, payload) in [(&mut here, "24.5"), (&mut there, "25.5")] {
        device.publish(message("site/a/f1/round/temperature", payload, 2)).await.unwrap();
    }
    eventually("both are stored", Duration::from_secs(20), || async {
        (count(&server, "round").await >= 2).then_some(())
    })
    .await;
    there.publish(message("site/a/f1/end/temperature", "1", 3)).await.unwrap();
    eventually("the last is stored", Duration::from_secs(20), || server.value("end", "temperature")).await;
    for (device, expected) in [("round", 2), ("away", 1), ("near", 1)] {
        assert_eq!(count(&server, device).await, expected, "{device}: {}", broker.log());
    }

    // The retain flag crosses as it was published.
    here.publish(Message { retain: true, ..message("lamp/1", "on", 4) }).await.unwrap();
    eventually("it is retained at Mosquitto too", Duration::from_secs(20), || async {
        let mut late = Device::connect(broker.address, Version::V3, "late").await?;
        late.subscribe("lamp/1").await?;
        let mut publisher = Device::connect(broker.address, Version::V3, "marker").await?;
        publisher.publish(message("lamp/1", "end", 1)).await?;
        late.receives("on", "end").await.then_some(())
    })
    .await;
}

async fn count(server: &Server, device: &str) -> usize {
    let path = format!("/v1/readings?device={device}&metric=temperature&from=0&to={}", tidegate_tests::now_ms() + 1);
    server.get(&path).await["points"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquittos_bridge_works_in_both_directions() {
    tokio::join!(
        works_in_both_directions(""),
        works_in_both_directions("bridge_protocol_version mqttv31"),
        works_in_both_directions("bridge_protocol_version mqttv50")
    );
}
