//! Other ways to it, and others that speak as it does.

use std::process::Stdio;

use tidegate_tests::{InfluxDb, Proxy, Server, VictoriaMetrics, eventually, now_ms, tool};

use tokio::process::Command;

use super::{LIMIT, World, config_of};
use crate::transports::Authority;

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_named_and_nowhere_else() {
    let authority = Authority::new();
    let folder = authority.path("");
    authority.issue("server", &folder);
    let read = |name: &str| std::fs::read_to_string(authority.path(name)).unwrap();
    let influxdb = InfluxDb::start().await;
    let proxy = Proxy::secured(influxdb.address, &read("server.pem"), &read("server.key")).await;
    let url = format!("https://localhost:{}", proxy.address.port());
    let mut world = World::at(influxdb, &url, &format!("ca_file = {:?}\n", authority.path("ca.pem"))).await;
    world.publish(100).await;
    world.has_each_once("over TLS").await;
    // The same server without its authority: nothing is sent, it is said why, and the readings wait.
    let other = Authority::new();
    let data = world.server.data();
    world.server.stop().await;
    let token = world.folder.path().join("token");
    let of = |ca: &Authority| config_of(&url, &token, &format!("ca_file = {:?}\n", ca.path("ca.pem")));
    // The folder of data goes with the server that made it.
    let first = std::mem::replace(&mut world.server, Server::with_data(&of(&other), Some(data.clone())).await);
    world.publish(100).await;
    world.has_problem("sink_behind", "certificate").await;
    world.server.stop().await;
    world.server = Server::with_data(&of(&authority), Some(data)).await;
    world.has_each_once("its authority is named again").await;
    drop(first);
}

#[tokio::test]
async fn a_file_of_authorities_that_holds_none_stops_the_start_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let more = format!("ca_file = {file:?}\n");
    for (text, wrong) in [(None, "No such file"), (Some("nothing in PEM"), "no items found")] {
        text.into_iter().for_each(|text| std::fs::write(&file, text).unwrap());
        let config = folder.path().join("tidegate.toml");
        std::fs::write(&config, config_of("https://localhost:1", &folder.path().join("token"), &more)).unwrap();
        let start = Command::new(tool::binary("tidegate"))
            .current_dir(folder.path())
            .args(["--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(LIMIT, start).await.expect("it does not start").unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("influxdb.ca_file") && said.contains(wrong), "{said}");
    }
}

#[tokio::test]
async fn victoriametrics_takes_the_same_lines() {
    let victoria = VictoriaMetrics::start().await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "any").unwrap();
    let server = Server::with_config(&config_of(&format!("http://{}", victoria.address), &token, "")).await;
    let base_ms = now_ms() - 1_000_000;
    let readings: Vec<_> = (0..200)
        .map(|n| serde_json::json!({ "deviceId": "m1", "temp": n, "mode": "auto", "timestamp": base_ms + n * 1_000 }))
        .collect();
    let payload = serde_json::json!(readings).to_string();
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "plant/up", "-m", &payload]).await;
    let expected: Vec<(i64, f64)> = (0..200).map(|n| (base_ms + n * 1_000, n as f64)).collect();
    eventually("each value is there, at its time", LIMIT, || async {
        (victoria.points("temp_value").await == expected).then_some(())
    })
    .await;
    assert!(server.get("/v1/stats").await["sinks"][0]["trouble"].is_null());
}
