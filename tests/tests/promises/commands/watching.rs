use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::live::{Live, Objects};
use tidegate_tests::{Server, tool};

use super::{heard, in_state, listen, send, server, states, subscribe};

const PATIENCE: Duration = Duration::from_secs(30);

/// A session that watches the newest commands.
async fn watch(server: &Server, view: Value) -> (Live, Objects) {
    let mut live = Live::connect(server.http, json!({})).await;
    let commands = Objects::open(&mut live, 1, &view).await;
    (live, commands)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_each_state_of_a_command_and_what_the_device_answered() {
    let server = server("").await;
    subscribe(&server, &["-V", "mqttv5", "-x", "3600"]).await;
    let (mut live, mut commands) = watch(&server, json!({"kind": "commands", "device": "dev7"})).await;
    assert!(commands.cells.is_empty());

    let id = send(&server, json!({"payload": {"json": {"valve": "open"}}, "by": "Ann"})).await;
    commands.until(&mut live, PATIENCE, |seen| seen.cells.contains_key(&id)).await;
    assert_eq!(states(&commands.cells[&id]), ["accepted"], "the device sleeps");
    // It wakes, and finds in the message where to answer and with what.
    let format = ["-V", "mqttv5", "-x", "3600", "-W", "5", "-F", "%R %D %p"];
    let message = heard(listen(&server, &format)).await.remove(0);
    assert_eq!(message, format!("plant/dev7/response {id} {{\"valve\":\"open\"}}"));
    commands.until(&mut live, PATIENCE, |seen| seen.cells[&id]["state"] == "delivered").await;
    let correlation = ["-V", "mqttv5", "-i", "dev7", "-q", "1", "-D", "publish", "correlation-data", &id];
    let answer = ["-t", "plant/dev7/response", "-m", "{\"valve\":\"open\",\"took_ms\":980}"];
    tool::mosquitto_pub(server.mqtt, &[&correlation[..], &answer[..]].concat()).await;
    commands.until(&mut live, PATIENCE, |seen| seen.cells[&id]["state"] == "answered").await;

    let seen = &commands.cells[&id];
    assert_eq!(states(seen), ["accepted", "sent", "delivered", "answered"]);
    let times = seen["steps"].as_array().unwrap().iter().map(|step| step["time"].as_i64().unwrap());
    assert!(times.is_sorted(), "{seen}");
    assert_eq!(seen["answer"]["text"], "{\"valve\":\"open\",\"took_ms\":980}");
    assert_eq!(*seen, in_state(&server, &id, "answered").await, "REST shows the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_holds_the_newest_commands_and_of_long_payloads_the_beginning() {
    let server = server("").await;
    subscribe(&server, &["-V", "mqttv5", "-x", "3600"]).await;
    let (mut live, mut commands) = watch(&server, json!({"kind": "commands", "limit": 2})).await;
    let mut ids = Vec::new();
    for payload in ["short".to_owned(), "x".repeat(5_000), "last".to_owned()] {
        ids.push(send(&server, json!({"payload": {"text": payload}})).await);
    }
    commands.until(&mut live, PATIENCE, |seen| seen.cells.contains_key(&ids[2])).await;
    assert_eq!(commands.cells.keys().collect::<Vec<_>>(), {
        let mut newest: Vec<_> = ids[1..].iter().collect();
        newest.sort();
        newest
    });
    let long = &commands.cells[&ids[1]]["payload"];
    assert_eq!((long["bytes"].as_u64(), long["text"].as_str().map(str::len)), (Some(5_000), Some(1_024)));
    let whole = in_state(&server, &ids[1], "accepted").await;
    assert_eq!(whole["payload"]["text"].as_str().map(str::len), Some(5_000));
}
