//! Who is let in, with a password file that the program itself wrote.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tidegate_tests::{Server, tool};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// `tidegate passwd FILE USER`, with the password on stdin.
async fn passwd(file: &Path, user: &str, password: &str) {
    let mut child = Command::new(tool::binary("tidegate"))
        .args(["passwd", file.to_str().unwrap(), user])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).await.unwrap();
    let status = tokio::time::timeout(Duration::from_secs(20), child.wait()).await.expect("it ends").unwrap();
    assert!(status.success(), "{status}");
}

async fn publish(server: &Server, user: &str, password: &str, topic: &str) -> Output {
    let port = server.mqtt.port().to_string();
    let with = ["-V", "mqttv5", "-p", &port, "-q", "1", "-u", user, "-P", password, "-t", topic, "-m", "21.5"];
    let command = Command::new("mosquitto_pub").args(with).kill_on_drop(true).output();
    tokio::time::timeout(Duration::from_secs(20), command).await.expect("it ends").expect("mosquitto-clients is there")
}

#[tokio::test]
async fn a_device_comes_in_with_its_password_and_speaks_where_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    passwd(&file, "truck", "secret").await;
    let config = format!(
        "[identity]\npassword_file = {:?}\n\n[[right]]\nuser = \"*\"\ntopic = \"fleet/%u/#\"\npublish = true\n",
        file.to_str().unwrap()
    );
    let server = Server::with_config(&config).await;
    assert!(publish(&server, "truck", "secret", "fleet/truck/temperature").await.status.success());
    assert!(!publish(&server, "truck", "guess", "fleet/truck/temperature").await.status.success());
    publish(&server, "truck", "secret", "fleet/car/temperature").await;
    assert!(server.metric("tidegate_mqtt_publications_total").await >= 1.0);
    let problems = server.get("/v1/problems").await.to_string();
    assert!(problems.contains("bad_credentials") && problems.contains("not_authorized"), "{problems}");

    // A changed password counts without a restart.
    passwd(&file, "truck", "another").await;
    for _ in 0..100 {
        if publish(&server, "truck", "another", "fleet/truck/temperature").await.status.success() {
            assert!(!publish(&server, "truck", "secret", "fleet/truck/temperature").await.status.success());
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the new password never counted");
}
