//! A data folder of an older program opens, and nothing of it is lost.
//!
//! `data.tar.gz` was written by the last program whose log had no heads and whose checkpoint had Unix times, with the
//! configuration beside it: JSON with times of two days before (one of them twice), plain values, four in one write, three of them equal,
//! a retained message, an alert, a session that sleeps; ended, started again, then more of each, and killed (SIGKILL). So a part of it is
//! in history and in the checkpoint, the rest in the log alone. `answers.json` is what that program answered when it was
//! started on it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::{Server, eventually, tool};

const LIMIT: Duration = Duration::from_secs(20);

/// Starts on a copy of the folder.
async fn opened(folder: &Path) -> Server {
    let packed = tool::file("tests/tests/promises/older/data.tar.gz");
    tool::run("tar", &["xzf", packed.to_str().unwrap(), "-C", folder.to_str().unwrap()]).await;
    Server::with_data(include_str!("tidegate.toml"), Some(folder.join("data"))).await
}

/// All but the position of the views, which is of one run.
fn lasting(mut answer: Value) -> Value {
    answer.as_object_mut().unwrap().remove("through");
    answer
}

async fn answers_as_then(server: &Server) {
    let then: Value = serde_json::from_str(include_str!("answers.json")).unwrap();
    for (path, answer) in then["answers"].as_object().unwrap() {
        assert_eq!(lasting(server.get(path).await), lasting(answer.clone()), "{path}");
    }
    let devices = server.get("/v1/devices").await;
    let latest = devices["devices"].as_array().unwrap().iter().map(|device| {
        let metrics = device["metrics"].as_object().unwrap().iter();
        let metrics = metrics.map(|(name, one)| (name.clone(), json!([one["value"], one["time"]])));
        (device["id"].as_str().unwrap().to_owned(), Value::Object(metrics.collect()))
    });
    assert_eq!(Value::Object(latest.collect()), then["latest"]);
}

#[tokio::test]
async fn a_data_folder_of_an_older_program_opens_with_all_that_it_had_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = opened(folder.path()).await;
    answers_as_then(&server).await;
    let port = server.mqtt.port().to_string();
    let sleeper =
        ["-p", &port, "-V", "311", "-c", "-i", "sleeper", "-q", "1", "-t", "site/c/#", "-v", "-C", "4", "-W", "20"];
    let owed = tool::run("mosquitto_sub", &sleeper).await;
    let dev5 = [21.5, 22.5, 23.5].map(|value| format!("site/c/dev5/temperature {value}\n")).concat();
    assert_eq!(owed, dev5 + "site/c/dev6/state off\n");
    let retained = ["-p", &port, "-t", "site/b/#", "-v", "-C", "1", "-W", "20"];
    assert_eq!(tool::run("mosquitto_sub", &retained).await, "site/b/dev3/state on\n");

    server.kill_and_restart().await;
    answers_as_then(&server).await;
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "site/b/dev3/temperature", "-m", "20"]).await;
    let cleared = async || {
        let alerts = server.get("/v1/alerts?state=all").await["alerts"].clone();
        (alerts[0]["state"] == "cleared").then_some(alerts)
    };
    let alerts = eventually("the alert clears", LIMIT, cleared).await;
    assert_eq!((alerts.as_array().unwrap().len(), &alerts[0]["cleared_value"]), (1, &json!(20.0)));
}
