//! What is not understood can be tried, is told why, and a mapping has it understood.

use std::process::Stdio;

use serde_json::{Value, json};
use tidegate_tests::mqtt::Client;
use tidegate_tests::{Server, http, tool};
use tokio::io::AsyncWriteExt;

/// What `tidegate decode` says, and whether it calls it understood.
async fn decode(config: Option<&str>, topic: &str, payload: &[u8]) -> (bool, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tidegate.toml");
    let mut arguments = vec!["decode", topic];
    if let Some(config) = config {
        std::fs::write(&file, config).unwrap();
        arguments.extend(["--config", file.to_str().unwrap()]);
    }
    let mut program = tokio::process::Command::new(tool::binary("tidegate"));
    let program = program.args(&arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = program.spawn().unwrap();
    let mut stdin = program.stdin.take().unwrap();
    stdin.write_all(payload).await.unwrap();
    drop(stdin);
    let ended = program.wait_with_output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ended.status.success(), text(ended.stdout), text(ended.stderr))
}

/// The mapping that is proposed.
fn proposal(told: &str) -> String {
    told[told.find("[[source]]").unwrap()..].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_is_tried_at_the_command_line_and_the_mapping_it_proposes_has_it_understood() {
    let payload = br#"{"vals":{"t1":23.5,"hum":"40,5"},"when":"08.01.2024 15:24:05"}"#;
    let (is_understood, told, _) = decode(None, "plant/A/press1/data", payload).await;
    assert!(is_understood && told.contains("read as \"reference\"") && told.contains("vals.t1 = 23.5"), "{told}");
    assert!(told.contains("not_understood: vals.hum is \"40,5\", with a decimal comma"), "{told}");
    let (is_understood, told, _) = decode(Some(&proposal(&told)), "plant/A/press1/data", payload).await;
    assert!(is_understood, "{told}");
    for part in [
        "read by [[source]] topic = \"plant/+area/+device/data\"",
        "device \"A/press1\", group \"A\"",
        "t1 = 23.5",
        "hum = 40.5",
        "2024-01-08",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("This may have it understood"), "{told}");
    let (is_understood, told, error) = decode(None, "a/b", b"{\"t\":").await;
    assert!(
        !is_understood && told.contains("invalid_json") && error.contains("nothing of it is understood"),
        "{told} {error}"
    );
    let wrong = "[[source]]\ntopic = \"a/+x\"\ndevice = \"{y}\"\n";
    let (is_understood, _, error) = decode(Some(wrong), "a/b", b"1").await;
    assert!(!is_understood && error.contains("line 3: source[0].device: names \"y\""), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_program_says_what_would_come_of_a_payload_and_keeps_nothing_of_it() {
    let config =
        "[[source]]\ntopic = \"tank/+device/raw\"\nfields.level = { path = \"\", scale = 100, unit = \"%\" }\n";
    let server = Server::with_config(config).await;
    let ask = async |body: Value| {
        let json = [("Content-Type", "application/json")];
        http::request(server.http, "POST", "/v1/decode", &json, &body.to_string()).await
    };
    let answer = ask(json!({ "topic": "tank/t1/raw", "payload": { "text": "0.25" } })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let found = answer.json();
    assert_eq!(found["source"], "tank/+device/raw");
    assert_eq!(
        found["readings"][0],
        json!({ "device": "t1", "group": "", "time": null, "metrics": { "level": 25.0 }, "without_value": [] })
    );
    assert_eq!(found["metrics"][0]["facts"]["unit"], "%");
    // Bytes that are no text, a topic that is none, a body that is none.
    let found = ask(json!({ "topic": "a/b", "payload": { "base64": "/wD/" } })).await.json();
    assert_eq!((&found["problems"][0]["reason"], &found["proposal"]), (&json!("not_utf8"), &Value::Null));
    for wrong in [json!({ "topic": "a/+", "payload": { "text": "1" } }), json!({ "topic": "a" }), json!([1])] {
        assert_eq!(ask(wrong.clone()).await.status, 400, "{wrong}");
    }
    assert_eq!(server.get("/v1/devices").await["devices"], json!([]));
    assert_eq!(server.get("/v1/problems").await["problems"], json!([]));
    // What was said comes true.
    let mut client = Client::v5("tank");
    client.connect(server.mqtt).await.unwrap();
    client.publish("tank/t1/raw", "0.25", 1, false).await;
    client.listen_until(std::time::Duration::from_secs(10), |session| session.in_flight() == 0).await;
    let level = || async { server.value("t1", "level").await };
    let level = tidegate_tests::eventually("it is applied", std::time::Duration::from_secs(10), level).await;
    assert_eq!(level, 25.0);
    let device = server.get("/v1/devices?id=t1").await;
    assert_eq!(device["devices"][0]["metrics"]["level"]["unit"], "%");
}
