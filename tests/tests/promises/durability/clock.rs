//! The system's clock is set while the server runs, by libfaketime.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tidegate_tests::mqtt::Client;
use tidegate_tests::{Server, eventually};

use super::load::publications;

const HOUR_MS: i64 = 3_600_000;
const LIMIT: Duration = Duration::from_secs(30);
/// How often the device reports.
const PACE: Duration = Duration::from_millis(50);
/// Sessions outlive an hour.
const CONFIG: &str = "[mqtt]\nsession_expiry_max = \"90 min\"\n";

/// The library that stands between a program and its clock.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|folder| folder.unwrap().path());
    let libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    libraries.into_iter().find(|library| library.exists()).expect("libfaketime is there: run tests/setup")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_forward_and_back_loses_no_sleeper_freezes_nothing_and_no_time_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let offset = folder.path().join("offset");
    let set = |seconds: &str| {
        let new = folder.path().join("new");
        std::fs::write(&new, format!("{seconds}\n")).unwrap();
        std::fs::rename(new, &offset).unwrap();
    };
    set("+0");
    let environment = [
        ("LD_PRELOAD", library().to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut server = Server::with_environment(CONFIG, &environment).await;
    let (mut device, mut sleeper) = (Client::v3("device"), Client::v3("sleeper"));
    device.connect(server.mqtt).await.unwrap();
    sleeper.connect(server.mqtt).await.unwrap();
    sleeper.subscribe("clock/#", 2).await.unwrap();
    sleeper.leave().await;

    let mut published = 0;
    let mut newest_ms = Vec::new();
    for seconds in ["+0", "+3600", "+0"] {
        set(seconds);
        let mut first_ms = None;
        // A second passes by the times of its readings: time goes on, and each is the newest.
        let begun = Instant::now();
        loop {
            published += 1;
            device.publish("clock/d/n", &published.to_string(), 1, false).await;
            device.step().await.unwrap();
            let time_ms = eventually(&format!("the newest reading at {seconds}"), LIMIT, || async {
                let newest = server.get("/v1/devices/d").await["metrics"]["n"].clone();
                newest["time"].as_i64().filter(|_| newest["value"] == f64::from(published))
            })
            .await;
            if time_ms >= *first_ms.get_or_insert(time_ms) + 1000 {
                newest_ms.push(time_ms);
                break;
            }
            tokio::time::sleep(PACE).await;
            assert!(begun.elapsed() < LIMIT, "time stands still at {seconds}");
        }
    }
    let [right, forward, back] = newest_ms[..] else { unreachable!("one for each setting") };
    assert!((HOUR_MS..HOUR_MS + 60_000).contains(&(forward - right)), "forward is followed: {newest_ms:?}");
    assert!((0..60_000).contains(&(back - forward)), "and back is not: {newest_ms:?}");
    // The session is there: a lost one would be seen on connecting.
    sleeper.connect(server.mqtt).await.unwrap();
    let all = usize::try_from(published).unwrap();
    sleeper.listen_until(LIMIT, |session| session.inbox.len() == all).await;
    assert_eq!(sleeper.session.inbox.len(), all);

    server.kill().await;
    let times: Vec<i64> = publications(&server.data()).iter().map(|publication| publication.received_ms).collect();
    assert!(times.is_sorted(), "time never goes back: {times:?}");
}
