//! Who is let in, with a password file that the program itself wrote.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tidegate_tests::{Server, eventually, tool};
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
    publish_payload(server, user, password, topic, "21.5").await
}

async fn publish_payload(server: &Server, user: &str, password: &str, topic: &str, payload: &str) -> Output {
    let port = server.mqtt.port().to_string();
    let with = ["-V", "mqttv5", "-p", &port, "-q", "1", "-u", user, "-P", password, "-t", topic, "-m", payload];
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
    let refused = server.get("/v1/refusals?q=127.0.0.1").await["refusals"][0].clone();
    assert_eq!((&refused["reason"], &refused["count"]), (&"bad_credentials".into(), &1.into()), "{refused}");

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

#[tokio::test]
async fn a_device_speaks_as_itself_and_a_gateway_for_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    passwd(&file, "truck", "secret").await;
    passwd(&file, "gw1", "secret").await;
    let identity = format!("[identity]\npassword_file = {:?}\n", file.to_str().unwrap());
    let config = format!(
        "{identity}[[right]]\nuser = \"*\"\ntopic = \"up/#\"\npublish = true\ndevices = [\"%u\"]\n\
         [[right]]\nuser = \"gw1\"\ntopic = \"up/#\"\npublish = true\ndevices = [\"pump-*\", \"meter\"]\n"
    );
    let mut server = Server::with_config(&config).await;
    let both = r#"[{"deviceId":"meter","kw":9},{"deviceId":"truck","kw":1}]"#;
    for (user, payload) in [
        ("gw1", r#"[{"deviceId":"pump-1","kw":2},{"deviceId":"meter","kw":3},{"deviceId":"gw1","kw":4}]"#),
        ("truck", both),
        ("gw1", r#"{"deviceId":"truck","kw":7}"#),
    ] {
        let published = publish_payload(&server, user, "secret", "up/x", payload).await;
        assert!(published.status.success(), "the topic is allowed: {published:?}");
    }
    let told = eventually("both are told", Duration::from_secs(10), || async {
        let problems = server.get("/v1/problems").await["problems"].as_array()?.clone();
        let told = problems.into_iter().find(|problem| problem["reason"] == "not_its_device")?;
        (server.metric("tidegate_problems_total").await >= 2.0).then_some(told)
    })
    .await;
    assert_eq!((&told["topic"], &told["count"]), (&"up/x".into(), &2.into()), "{told}");
    assert!(told["detail"].as_str().unwrap().contains("may not speak for device \"truck\""), "{told}");
    own_values_alone(&server).await;

    // What the log holds was decided when it came in, though the rights are gone now.
    server.kill().await;
    let server = Server::with_data(&identity, Some(server.data())).await;
    own_values_alone(&server).await;
    assert!(publish_payload(&server, "truck", "secret", "up/x", both).await.status.success());
    eventually("without rights all is allowed, but what is another's", Duration::from_secs(10), || async {
        (server.metric("tidegate_problems_total").await >= 3.0).then_some(())
    })
    .await;
}

async fn own_values_alone(server: &Server) {
    for (device, value) in [("pump-1", 2.0), ("meter", 3.0), ("gw1", 4.0), ("truck", 1.0)] {
        assert_eq!(server.value(device, "kw").await, Some(value.into()), "{device}");
    }
}
