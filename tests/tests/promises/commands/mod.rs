//! Commands reach their device once, whenever it wakes; and what became of each is known.
//!
//! - [`watching`]: what became of them is seen live
//! - [`once`]: exactly once, over lost connections and kills

mod once;
mod watching;

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::{Server, eventually, http, tool};
use tokio::process::{Child, Command};

const DEVICE: &str = "plant/dev7";
const COMMANDS: &str = "/v1/devices/plant/dev7/commands";

/// A server that has heard of the device, which speaks as the client `dev7`.
async fn server(config: &str) -> Server {
    let server = Server::with_config(config).await;
    heard_of(&server).await;
    server
}

async fn heard_of(server: &Server) {
    tool::mosquitto_pub(server.mqtt, &["-i", "dev7", "-q", "1", "-t", "plant/dev7/temperature", "-m", "21.5"]).await;
    eventually("the device is known", Duration::from_secs(10), || server.value(DEVICE, "temperature")).await;
}

async fn post(server: &Server, key: Option<&str>, body: &Value) -> http::Answer {
    let headers: Vec<(&str, &str)> = key.map(|key| ("Idempotency-Key", key)).into_iter().collect();
    http::request(server.http, "POST", COMMANDS, &headers, &body.to_string()).await
}

/// Asks for a command; gives its identifier.
async fn send(server: &Server, body: Value) -> String {
    let answer = post(server, None, &body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn in_state(server: &Server, id: &str, state: &str) -> Value {
    eventually(&format!("{id} is {state}"), Duration::from_secs(20), || async {
        let command = server.get(&format!("/v1/commands/{id}")).await;
        (command["state"] == state).then_some(command)
    })
    .await
}

fn states(command: &Value) -> Vec<&str> {
    command["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect()
}

/// `mosquitto_sub` with the device's session; writes a line a message.
///
/// With messages in the session it has to be given a time (`-W`) and not a count (`-C`): after the last one it leaves at
/// once, and where its SUBACK is still unread that resets the connection, with PUBACKs that Nagle's algorithm holds back.
fn listen(server: &Server, arguments: &[&str]) -> Child {
    let port = server.mqtt.port().to_string();
    let fixed = ["-p", &port, "-i", "dev7", "-c", "-q", "1", "-t", "plant/dev7/command", "-F", "%p"];
    Command::new("mosquitto_sub")
        .args(fixed)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("mosquitto-clients is there")
}

/// What it wrote until it ended by itself.
async fn heard(child: Child) -> Vec<String> {
    let output = tokio::time::timeout(Duration::from_secs(30), child.wait_with_output()).await;
    let output = output.expect("mosquitto_sub ends by itself").unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The device subscribes and sleeps again.
async fn subscribe(server: &Server, arguments: &[&str]) {
    assert!(heard(listen(server, &[&["-E"], arguments].concat())).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sleeper_gets_its_commands_in_order_when_it_wakes_once_each_over_a_kill() {
    let mut server = server("").await;
    subscribe(&server, &["-V", "mqttv5", "-x", "3600"]).await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(send(&server, json!({"payload": {"text": format!("set {n}")}})).await);
        server.kill_and_restart().await;
    }
    for id in &ids {
        assert_eq!(server.get(&format!("/v1/commands/{id}")).await["state"], "accepted");
    }
    let device = listen(&server, &["-V", "mqttv5", "-x", "3600", "-W", "5"]);
    assert_eq!(heard(device).await, ["set 0", "set 1", "set 2"]);
    for id in &ids {
        let command = in_state(&server, id, "delivered").await;
        assert_eq!(states(&command), ["accepted", "sent", "delivered"]);
        assert_eq!(command["client"], "dev7");
    }
    // What is known as delivered stands in the log, and is not sent again once that is durable.
    eventually("the log is durable", Duration::from_secs(10), || async {
        let log = server.get("/v1/stats").await["log"].clone();
        (log["durable"] == log["appended"]).then_some(())
    })
    .await;
    server.kill_and_restart().await;
    let nothing = heard(listen(&server, &["-V", "mqttv5", "-x", "3600", "-W", "2"])).await;
    assert!(nothing.is_empty(), "{nothing:?}");
    let listed = server.get(COMMANDS).await;
    let listed: Vec<&str> =
        listed["commands"].as_array().unwrap().iter().map(|command| command["id"].as_str().unwrap()).collect();
    assert_eq!(listed, ids.iter().rev().map(String::as_str).collect::<Vec<_>>(), "the newest first");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_command_over_a_kill_and_another_body_is_refused() {
    let mut server = server("").await;
    subscribe(&server, &["-V", "mqttv5", "-x", "3600"]).await;
    let body = json!({"payload": {"json": {"valve": "open"}}, "by": "Ann"});
    let (first, second) = tokio::join!(post(&server, Some("k-1"), &body), post(&server, Some("\"k-1\""), &body));
    assert_eq!((first.status, second.status), (202, 202), "{first:?} {second:?}");
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(second.json()["id"], id.as_str());
    assert!(first.head.contains(&format!("/v1/commands/{id}")), "{}", first.head);
    server.kill_and_restart().await;
    assert_eq!(post(&server, Some("k-1"), &body).await.json()["id"], id.as_str());
    let other = post(&server, Some("k-1"), &json!({"payload": {"text": "shut"}})).await;
    assert_eq!((other.status, other.json()["type"].as_str()), (422, Some("urn:tidegate:key-reused")), "{other:?}");
    let device = listen(&server, &["-V", "mqttv5", "-x", "3600", "-W", "3"]);
    assert_eq!(heard(device).await, [r#"{"valve":"open"}"#]);
    let command = in_state(&server, &id, "delivered").await;
    assert_eq!((command["by"].as_str(), command["key"].as_str()), (Some("Ann"), Some("k-1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_past_its_deadline_is_expired_and_never_delivered() {
    let mut server = server("").await;
    subscribe(&server, &["-V", "mqttv5", "-x", "3600"]).await;
    let id = send(&server, json!({"payload": {"text": "late"}, "expires_in_s": 1})).await;
    let expired = in_state(&server, &id, "expired").await;
    assert_eq!(expired["steps"][1]["time"], expired["deadline"]);
    assert_eq!(heard(listen(&server, &["-V", "mqttv5", "-x", "3600", "-W", "2"])).await, [""; 0]);
    server.kill_and_restart().await;
    assert_eq!(states(&in_state(&server, &id, "expired").await), ["accepted", "expired"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_of_version_3_gets_commands_of_every_quality_and_answers_without_correlation_data() {
    let server = server("").await;
    let mut device = listen(&server, &["-V", "mqttv311", "-q", "2", "-C", "3", "-W", "30"]);
    // Without a subscription a command is refused at once; so it is asked for until there is one.
    let qos_0 = eventually("the device listens", Duration::from_secs(20), || async {
        let id = send(&server, json!({"payload": {"text": "zero"}, "qos": 0})).await;
        eventually("it is gone", Duration::from_secs(20), || async {
            match server.get(&format!("/v1/commands/{id}")).await["state"].as_str() {
                Some("sent") => Some(Some(id.clone())),
                Some("refused") => Some(None),
                _ => None,
            }
        })
        .await
    })
    .await;
    let qos_1 = send(&server, json!({"payload": {"text": "one"}, "qos": 1})).await;
    let qos_2 = send(&server, json!({"payload": {"base64": "AP8="}, "qos": 2})).await;
    for id in [&qos_1, &qos_2] {
        assert_eq!(states(&in_state(&server, id, "delivered").await), ["accepted", "sent", "delivered"]);
    }
    assert_eq!(server.get(&format!("/v1/commands/{qos_2}")).await["payload"], json!({"base64": "AP8="}));
    assert!(device.wait().await.unwrap().success());
    for (client, said) in [("another", "not mine to say"), ("dev7", "done")] {
        let answer = ["-V", "mqttv311", "-i", client, "-q", "1", "-t", "plant/dev7/response", "-m", said];
        tool::mosquitto_pub(server.mqtt, &answer).await;
    }
    let answered = in_state(&server, &qos_0, "answered").await;
    assert_eq!(answered["answer"], json!({"text": "done"}));
    assert_eq!(server.get("/v1/devices").await["devices"].as_array().unwrap().len(), 1, "an answer is no telemetry");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_is_refused_with_what_to_do() {
    let server = server("[commands]\nper_device_max = 1\npayload_bytes_max = 8\n").await;
    let id = send(&server, json!({"payload": {"text": "on"}})).await;
    assert_eq!(in_state(&server, &id, "refused").await["refusal"], "no_subscriber");
    subscribe(&server, &["-V", "mqttv5", "-x", "3600"]).await;
    send(&server, json!({"payload": {"text": "on"}})).await;
    for (body, status, kind) in [
        (json!({"payload": {"text": "on"}}), 409, "commands-full"),
        (json!({"payload": {"text": "123456789"}}), 413, "body-too-large"),
        (json!({"payload": {"text": "on"}, "topic": "plant/+/command"}), 400, "invalid-body"),
        (json!({"payload": {"text": "on"}, "qos": 3}), 400, "invalid-body"),
        (json!({"payload": {"base64": "?"}}), 400, "invalid-body"),
        (json!({"payload": {"text": "on"}, "expires_in_s": 0}), 400, "invalid-body"),
        (json!({"payloads": 1}), 400, "invalid-body"),
    ] {
        let answer = post(&server, None, &body).await;
        let named = format!("urn:tidegate:{kind}");
        assert_eq!((answer.status, answer.json()["type"].as_str()), (status, Some(&*named)), "{body}: {answer:?}");
    }
    let unknown = http::request(server.http, "POST", "/v1/devices/nobody/commands", &[], "{}").await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    let foreign = http::request(server.http, "POST", COMMANDS, &[("Origin", "http://evil.example")], "{}").await;
    assert_eq!(foreign.status, 403, "{foreign:?}");
}
