//! A file of the sessions that is not what was written.

use std::process::Stdio;
use std::time::Duration;

use tidegate_tests::mqtt::Client;
use tidegate_tests::{Server, tool};

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_of_the_sessions_stops_the_start_and_says_what_to_do() {
    let mut server = Server::start().await;
    let mut sleeper = Client::v3("sleeper");
    sleeper.connect(server.mqtt).await.unwrap();
    sleeper.subscribe("a/#", 1).await.unwrap();
    server.stop().await;
    let file = server.data().join("sessions/sessions.sqlite");
    let sound = std::fs::read(&file).unwrap();
    for (what, bytes) in [("its header", 0..16), ("its pages", 4096..sound.len())] {
        let mut damaged = sound.clone();
        damaged[bytes].iter_mut().for_each(|byte| *byte ^= 0x55);
        std::fs::write(&file, damaged).unwrap();
        let start = tokio::process::Command::new(tool::binary("tidegate"))
            .args(["--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data"])
            .arg(server.data())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(20), start).await.expect("it does not start").unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{what}: {said}");
        assert!(said.contains("sessions.sqlite") && said.contains("move it away"), "{what}: {said}");
    }
    std::fs::write(&file, sound).unwrap();
    server.restart().await;
    sleeper.connect(server.mqtt).await.unwrap();
}
