//! Files that are not what was written, or are gone.

use std::path::Path;
use std::time::Duration;

use tidegate_tests::mqtt::Client;
use tidegate_tests::{Server, eventually};

const LIMIT: Duration = Duration::from_secs(20);

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
        let said = server.is_refused().await;
        assert!(said.contains("sessions.sqlite") && said.contains("move it away"), "{what}: {said}");
    }
    std::fs::write(&file, sound).unwrap();
    server.restart().await;
    sleeper.connect(server.mqtt).await.unwrap();
}

/// Removes a file and what SQLite puts next to it, or leaves it with nothing in it.
fn lose(file: &Path, is_emptied: bool) {
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
    }
    if is_emptied { std::fs::write(file, "").unwrap() } else { std::fs::remove_file(file).unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_missing_or_empty_stops_the_start_as_often_as_it_is_tried_until_its_loss_is_accepted() {
    let mut server = Server::start().await;
    let mut device = Client::v3("device");
    device.connect(server.mqtt).await.unwrap();
    device.publish("hall/d/n", "1", 1, false).await;
    device.step().await.unwrap();
    server.stop().await;
    for (file, what) in [("store/head.db", "history"), ("sessions/sessions.sqlite", "sessions")] {
        let file = server.data().join(file);
        for is_emptied in [true, false] {
            let sound = std::fs::read(&file).unwrap();
            lose(&file, is_emptied);
            for _ in ["once", "and again"] {
                let said = server.is_refused().await;
                assert!(said.contains(&format!("--accept-loss {what}")), "{said}");
            }
            lose(&file, true);
            std::fs::write(&file, sound).unwrap();
            server.restart().await;
            server.stop().await;
        }
        lose(&file, false);
        server.restart_with(&["--accept-loss", what]).await;
        assert!(server.log().contains(&format!("{what} begins anew")), "{}", server.log());
        let mut device = Client::v3(&format!("device without {what}"));
        device.connect(server.mqtt).await.unwrap();
        device.publish("hall/d/n", "2", 1, false).await;
        device.step().await.unwrap();
        eventually("it goes on", LIMIT, || async { (server.value("d", "n").await? == 2.0).then_some(()) }).await;
        device.leave().await;
        server.stop().await;
        server.restart().await;
        server.stop().await;
    }
}
