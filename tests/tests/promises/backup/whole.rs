//! Everything is there, and nothing comes twice.

use std::os::unix::fs::MetadataExt;

use serde_json::json;
use tidegate_follow::{Followed, PositionFile};
use tidegate_telemetry::Position;
use tidegate_tests::http;

use super::*;

/// What a server answers to everything there is to ask, but for what belongs to one run.
async fn answers(server: &Server) -> Vec<(&'static str, Value)> {
    let mut answers = Vec::new();
    for path in [
        "/v1/devices",
        "/v1/groups",
        "/v1/alerts?state=all",
        "/v1/rules",
        "/v1/readings?device=site/a&metric=temperature&from=0&limit=5000",
        "/v1/series?device=site/a&metric=humidity&from=0&width=500",
        "/v1/readings?device=site/b&metric=door&from=0",
        "/v1/problems",
    ] {
        let mut answer = server.get(path).await;
        if let Some(answer) = answer.as_object_mut() {
            answer.remove("through");
        }
        answers.push((path, answer));
    }
    answers
}

async fn answers_the_same(config: &str, data: PathBuf, expected: &[(&'static str, Value)]) {
    let server = Server::with_data(config, Some(data)).await;
    for ((path, found), (_, expected)) in answers(&server).await.iter().zip(expected) {
        assert_eq!(found, expected, "{path}");
    }
    let port = server.mqtt.port().to_string();
    let sleeper =
        ["-p", &port, "-V", "311", "-c", "-i", "sleeper", "-q", "1", "-t", "site/+/door", "-v", "-C", "2", "-W", "20"];
    assert_eq!(tool::run("mosquitto_sub", &sleeper).await, "site/b/door open\nsite/c/door closed\n");
    let retained = ["-p", &port, "-t", "site/#", "-v", "-C", "1", "-W", "20"];
    assert_eq!(tool::run("mosquitto_sub", &retained).await, "site/b/door open\n");
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_program_answers_as_the_one_that_the_backup_was_taken_of() {
    let mut server = Server::with_config(CONFIG).await;
    with_something_of_everything(&server).await;
    let expected = answers(&server).await;
    assert_eq!(expected[2].1["alerts"].as_array().unwrap().len(), 1);
    assert_eq!(expected[4].1["points"].as_array().unwrap().len(), 90);
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let said = backup(&server, &at("running")).await;
    let position = manifest(&at("running"))["position"].clone();
    assert!(said.contains(&format!("up to entry {position}")), "{said}");
    assert!(server.metric("tidegate_backup_position").await == position.as_f64().unwrap());

    // As a stream, which any tar reads, and of a program that was killed, and of one that was stopped.
    let stream = at("stream.tar");
    let file = std::fs::File::create(&stream).unwrap();
    let http = server.http.to_string();
    let mut child = Command::new(tool::binary("tidegate"));
    let status = child.args(["backup", "--http", &http, "-"]).stdout(file).stdin(Stdio::null()).status().await.unwrap();
    assert!(status.success());
    let listed = tool::run("tar", &["tf", text(&stream)]).await;
    let listed: Vec<&str> = listed.lines().collect();
    assert_eq!((listed[0], listed[listed.len() - 1]), ("begin.json", "manifest.json"), "{listed:?}");
    assert!(listed.contains(&"sessions/sessions.sqlite") && listed.contains(&"checkpoint"), "{listed:?}");
    server.kill().await;
    let data = server.data();
    let of_data = ["backup", "--data", text(&data)];
    well(&[&of_data[..], &[text(&at("killed"))]].concat()).await;
    well(&["verify", text(&data)]).await;
    server.restart().await;
    let running = refused(&[&of_data[..], &[text(&at("none"))]].concat()).await;
    assert!(running.contains("in use by another process"), "{running}");
    assert!(refused(&["verify", text(&data)]).await.contains("a backup of it can be at any time"));
    server.stop().await;
    well(&[&of_data[..], &[text(&at("stopped"))]].concat()).await;
    for (number, source) in ["running", "stream.tar", "killed", "stopped"].into_iter().enumerate() {
        well(&["verify", text(&at(source))]).await;
        let data = at(&format!("data-{number}"));
        well(&["restore", text(&at(source)), "--data", text(&data)]).await;
        well(&["verify", text(&data)]).await;
        answers_the_same(CONFIG, data, &expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_backup_brings_what_is_new_and_no_more() {
    let server = Server::with_config(CONFIG).await;
    with_something_of_everything(&server).await;
    fill_log(&server, 2 << 20).await;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("backup");
    // How far followers to the outside are: one that is where it can be, one that is beyond.
    for (name, position) in [("here.position", 7), ("beyond.position", 1_000_000)] {
        let followed = Followed { position: Position(position), received_ms: 1 };
        PositionFile::new(server.data().join(name)).write(followed, b"a note").unwrap();
    }
    backup(&server, &folder).await;
    let followers: Vec<String> = files(&folder).into_iter().map(|(name, _)| name).collect();
    assert!(followers.contains(&"here.position".to_owned()) && !followers.contains(&"beyond.position".to_owned()));
    let of_days = |files: Vec<(String, PathBuf)>| -> Vec<(PathBuf, u64)> {
        let days = files.into_iter().filter(|(name, _)| name.starts_with("store/raw-"));
        days.map(|(_, path)| (path.clone(), path.metadata().unwrap().ino())).collect()
    };
    let first = files(&folder);
    let (days, first_bytes) = (of_days(first.clone()), server.metric("tidegate_backup_bytes_total").await);
    assert!(days.len() >= 3, "{days:?}");
    let mut device = Client::v5("device");
    device.connect(server.mqtt).await.unwrap();
    publish(&mut device, "site/b/temperature", "29.5", false).await;
    let said = backup(&server, &folder).await;
    let more_bytes = server.metric("tidegate_backup_bytes_total").await - first_bytes;
    assert_eq!(of_days(files(&folder)), days, "a day that is over stays as it is");
    // The log's newest segment is another file now, and so are state, sessions and the head of history: these come, and no more.
    let new = files(&folder).into_iter().filter(|file| !first.contains(file));
    let new_bytes: u64 = new.map(|(_, path)| path.metadata().unwrap().len()).sum();
    assert!(more_bytes <= new_bytes as f64 + 65_536.0, "{more_bytes} for {new_bytes}: {said}");
    assert!(new_bytes < first_bytes as u64, "{new_bytes} of {first_bytes}");
    assert_eq!(server.metric("tidegate_backups_total").await, 2.0);
    let stored = tool::run("find", &[text(&folder.join("files")), "-type", "f"]).await;
    assert_eq!(stored.lines().count(), files(&folder).len(), "what only the first had is gone");
    well(&["verify", text(&folder)]).await;
    assert_eq!(json!(manifest(&folder)["format"]), json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_the_head_of_a_backup_alone_begins_none() {
    let server = Server::start().await;
    for _ in 0..5 {
        let answer = http::request(server.http, "HEAD", "/v1/backup", &[], "").await;
        assert_eq!((answer.status, answer.length), (200, 0), "{}", answer.head);
    }
    let folder = tempfile::tempdir().unwrap();
    backup(&server, &folder.path().join("b")).await;
    let metrics = http::get(server.http, "/metrics").await.body;
    let counted: Vec<&str> = metrics.lines().filter(|line| line.starts_with("tidegate_backups_total")).collect();
    assert_eq!(counted, ["tidegate_backups_total{outcome=\"complete\"} 1"]);
}
