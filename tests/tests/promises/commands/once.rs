use std::time::Duration;

use serde_json::json;
use tidegate_tests::mqtt::Client;
use tidegate_tests::{Server, eventually};

use super::{in_state, post, server, states};

const COMMANDS: usize = 12;

/// Asks for a command with a key as often as it takes; gives its identifier.
async fn ask(server: &Server, number: usize) -> String {
    let (key, body) = (format!("key-{number}"), json!({"payload": {"text": format!("set {number}")}, "qos": 2}));
    eventually("the command is taken", Duration::from_secs(20), || async {
        let answer = post(server, Some(&key), &body).await;
        (answer.status == 202).then(|| answer.json()["id"].as_str().unwrap().to_owned())
    })
    .await
}

/// The device loses its connection after every number of packets, so that each step of the exchange is the last one
/// before a loss; the server is killed in between, and every command is asked for again with its key after that.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_of_qos_2_reaches_the_device_once_over_lost_connections_kills_and_repeated_requests() {
    let mut server = server("").await;
    let mut device = Client::v5("dev7");
    device.connect_at_last(server.mqtt).await;
    assert_eq!(device.subscribe("plant/dev7/command", 2).await.unwrap(), 2);
    let mut ids = Vec::new();
    for number in 0..COMMANDS {
        device.connect_at_last(server.mqtt).await;
        ids.push(ask(&server, number).await);
        for _ in 0..number % 4 {
            let _ = tokio::time::timeout(Duration::from_secs(5), device.step()).await;
        }
        if number % 3 == 2 {
            server.kill_and_restart().await;
            for (number, id) in ids.iter().enumerate() {
                assert_eq!(ask(&server, number).await, *id, "one key is one command");
            }
        }
        device.lose();
    }
    device.connect_at_last(server.mqtt).await;
    let delivered = async {
        for id in &ids {
            assert_eq!(states(&in_state(&server, id, "delivered").await), ["accepted", "sent", "delivered"]);
        }
    };
    let listens = async { while device.step().await.is_ok() {} };
    tokio::select! {
        () = delivered => {}
        () = listens => panic!("the last connection stands"),
    }
    let got: Vec<&str> = device.session.inbox.iter().map(|message| message.payload.as_str()).collect();
    assert_eq!(got, (0..COMMANDS).map(|number| format!("set {number}")).collect::<Vec<_>>(), "each once, in order");
}
