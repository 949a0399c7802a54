//! A device is erased: nothing shows it any more, and no file has a name or a point of it. Others lose nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tidegate_tests::live::Live;
use tidegate_tests::mqtt::Client;
use tidegate_tests::{Server, eventually, http, now_ms};

use crate::backup::{CONFIG, backup, closed, publish, refused, text, tidegate, well};

const LIMIT: Duration = Duration::from_secs(60);
const DAY_MS: i64 = 86_400_000;

/// The device that is erased; the others' names begin or end like it.
const NINA: &str = "hall/nina7";
const OTHERS: [&str; 4] = ["hall/nina77", "hall/nina7/x", "hall/nina", "x/hall/nina7"];
/// Readings of a device on each of the days before.
const OF_A_DAY: i64 = 30;

/// Readings of the last three days, of this moment, and an alert.
async fn speaks(client: &mut Client, device: &str) {
    for day in (1..=3).rev() {
        for minute in 0..OF_A_DAY {
            let time = now_ms() - day * DAY_MS + minute * 60_000;
            let reading = format!(r#"{{"temperature":{minute}.25,"note":"of {device}","timestamp":{time}}}"#);
            publish(client, device, &reading, false).await;
        }
    }
    publish(client, device, r#"{"temperature":31.75,"door":true}"#, false).await;
}

/// How many readings of a temperature there are.
async fn count(server: &Server, device: &str) -> usize {
    let path = format!("/v1/readings?device={device}&metric=temperature&from={}&limit=10000", now_ms() - 9 * DAY_MS);
    http::get(server.http, &path).await.json()["points"].as_array().map_or(0, Vec::len)
}

async fn erase(server: &Server, device: &str) -> http::Answer {
    let device = device.replace('/', "%2F");
    http::request(server.http, "DELETE", &format!("/v1/devices/{device}?by=Ann"), &[], "").await
}

/// Nothing is left to be erased, and the log has let go of the entry.
async fn is_erased(server: &Server, position: u64) {
    eventually("it is erased", LIMIT, || async {
        let stats = server.get("/v1/stats").await;
        let is_flushed = stats["store"]["flushed"].as_u64()? >= position && stats["store"]["erasing"] == 0;
        (is_flushed && stats["log"]["first"].as_u64()? > position).then_some(())
    })
    .await;
}

/// Bytes anywhere in a folder.
fn has_bytes(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(has_bytes(&path, bytes));
        } else if std::fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn a_device_is_gone_from_every_answer_at_once_and_from_every_file_soon_and_others_lose_nothing() {
    let mut server = Server::with_config(CONFIG).await;
    let mut client = Client::v5("gateway");
    client.connect(server.mqtt).await.unwrap();
    for device in OTHERS.into_iter().chain([NINA]) {
        speaks(&mut client, device).await;
    }
    publish(&mut client, NINA, r#"{"temperature":"#, false).await;
    let command = r#"{"payload":{"text":"nina-secret"}}"#;
    let sent = http::request(server.http, "POST", "/v1/devices/hall/nina7/commands", &[], command).await;
    assert_eq!(sent.status, 202, "{}", sent.body);
    closed(&server, &mut client).await;
    let all = 3 * OF_A_DAY as usize + 1;
    for device in OTHERS.into_iter().chain([NINA]) {
        assert_eq!(count(&server, device).await, all, "{device}");
    }
    let mut live = Live::connect(server.http, json!({})).await;
    let mut rows = live.subscribe(1, json!({"kind": "devices", "group": "hall"}), json!({})).await;
    live.until(&mut rows, LIMIT, |rows| rows.value(NINA, "temperature").is_some()).await;
    let before = tempfile::tempdir().unwrap();
    backup(&server, before.path()).await;
    let found = refused(&["verify", text(before.path()), "--absent", NINA]).await;
    for what in
        ["device of that name", "events of its alerts", "problems that name it", "commands to it", "newest values"]
    {
        assert!(found.contains(what), "{what}: {found}");
    }

    assert_eq!(erase(&server, "nina7").await.status, 404, "a short name is none that anything irreversible goes by");
    let answer = erase(&server, NINA).await;
    assert_eq!((answer.status, &answer.json()["device"]), (200, &json!(NINA)), "{}", answer.body);
    assert_eq!(http::get(server.http, "/v1/devices/hall%2Fnina7").await.status, 404);
    assert_eq!(http::get(server.http, "/v1/readings?device=hall/nina7&metric=temperature").await.status, 404);
    for path in
        ["/v1/alerts?limit=1000&cleared=true", "/v1/problems", "/v1/devices?limit=1000", "/v1/export", "/v1/commands"]
    {
        let shown = http::get(server.http, path).await.body;
        for name in ["\"id\":\"hall/nina7\"", "\"device\":\"hall/nina7\"", "\nhall/nina7,", "nina-secret"] {
            assert!(!shown.contains(name), "{path}: {name}: {shown}");
        }
    }
    live.until(&mut rows, LIMIT, |rows| rows.value(NINA, "temperature").is_none()).await;
    assert!(rows.value(OTHERS[0], "temperature").is_some());

    is_erased(&server, answer.json()["position"].as_u64().unwrap()).await;
    assert_eq!(erase(&server, NINA).await.status, 404, "there is no such device any more");
    for device in OTHERS {
        assert_eq!(count(&server, device).await, all, "{device}");
    }
    let after = tempfile::tempdir().unwrap();
    backup(&server, after.path()).await;
    well(&["verify", text(after.path()), "--absent", NINA]).await;
    client.leave().await;
    server.stop().await;
    well(&["verify", text(&server.data())]).await;
    well(&["verify", text(&server.data()), "--absent", NINA]).await;
    for device in OTHERS {
        refused(&["verify", text(&server.data()), "--absent", device]).await;
    }
    for bytes in [&b"of hall/nina7\""[..], b"nina-secret"] {
        assert_eq!(has_bytes(&server.data(), bytes), Vec::<String>::new(), "{:?}", String::from_utf8_lossy(bytes));
    }
    server.restart().await;
    assert_eq!(count(&server, OTHERS[1]).await, all);
    assert_eq!(count(&server, NINA).await, 0);
}

#[tokio::test]
async fn the_command_waits_until_nothing_is_left_and_what_is_published_after_it_is_of_a_new_device() {
    let mut server = Server::with_config(CONFIG).await;
    let mut client = Client::v5("gateway");
    client.connect(server.mqtt).await.unwrap();
    speaks(&mut client, NINA).await;
    publish(&mut client, "hall/nina77", r#"{"temperature":1}"#, false).await;
    let address = server.http.to_string();
    let said = refused(&["forget", "hall/nobody", "--http", &address]).await;
    assert!(said.contains("nothing was erased"), "{said}");
    let said = well(&["forget", NINA, "--http", &address, "--by", "Ann"]).await;
    assert!(said.contains("no file has a name or a point of it"), "{said}");
    assert_eq!(server.metric("tidegate_process_devices_erased_total").await as u64, 1);

    publish(&mut client, NINA, r#"{"humidity":40}"#, false).await;
    let late = format!(r#"{{"humidity":41,"timestamp":{}}}"#, now_ms() - DAY_MS);
    publish(&mut client, NINA, &late, false).await;
    let device = eventually("it is there again", LIMIT, || async {
        let answer = http::get(server.http, "/v1/devices/hall%2Fnina7").await;
        (answer.status == 200).then(|| answer.json())
    })
    .await;
    assert_eq!(device["metrics"].as_object().unwrap().keys().collect::<Vec<_>>(), ["humidity"]);
    assert_eq!(count(&server, NINA).await, 0, "the one of before has left it nothing");
    server.kill_and_restart().await;
    let path = format!("/v1/readings?device=hall/nina7&metric=humidity&from={}", now_ms() - 9 * DAY_MS);
    assert_eq!(server.get(&path).await["points"].as_array().unwrap().len(), 2);
}

/// What is in flight is of the device of before or of the one after, and each is whole.
#[tokio::test]
async fn readings_that_come_while_a_device_is_erased_are_there_from_one_of_them_on_and_none_before_it() {
    let server = Server::with_config(CONFIG).await;
    let (address, is_over) = (server.mqtt, Arc::new(AtomicBool::new(false)));
    let publishing = tokio::spawn({
        let is_over = Arc::clone(&is_over);
        async move {
            let mut client = Client::v5("gateway");
            client.connect(address).await.unwrap();
            let mut number = 0;
            while !is_over.load(Ordering::Relaxed) {
                number += 1;
                publish(&mut client, "hall/nina7/temperature", &number.to_string(), false).await;
            }
            number
        }
    });
    let newest = || async {
        let device = http::get(server.http, "/v1/devices/hall%2Fnina7").await.json();
        device["metrics"]["temperature"]["value"].as_f64()
    };
    let mut erased_at = 0.0;
    for _ in 0..5 {
        let least = erased_at + 50.0;
        erased_at = eventually("it reports", LIMIT, || async { newest().await.filter(|newest| *newest > least) }).await;
        let answer = erase(&server, NINA).await;
        is_erased(&server, answer.json()["position"].as_u64().unwrap()).await;
    }
    is_over.store(true, Ordering::Relaxed);
    let last = publishing.await.unwrap();
    eventually("all are there", LIMIT, || async { newest().await.filter(|newest| *newest as i64 == last) }).await;
    let path = format!("/v1/readings?device={NINA}&metric=temperature&from={}&limit=10000", now_ms() - DAY_MS);
    let points = server.get(&path).await["points"].clone();
    let values: Vec<i64> = points.as_array().unwrap().iter().map(|point| point[1].as_f64().unwrap() as i64).collect();
    assert!(values[0] as f64 > erased_at, "{} is of before", values[0]);
    assert_eq!(values, (values[0]..=last).collect::<Vec<_>>(), "from there on each is there");
}

/// It ends before its flush can have the log let go, and nobody says anything when it is there again.
#[tokio::test]
async fn a_program_that_ends_right_after_the_wish_lets_the_log_go_of_the_device_when_it_is_started_again() {
    let mut server = Server::with_config(CONFIG).await;
    for _ in 0..4 {
        let mut client = Client::v5("gateway");
        client.connect_at_last(server.mqtt).await;
        speaks(&mut client, NINA).await;
        client.leave().await;
        let answer = erase(&server, NINA).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        server.stop().await;
        server.restart().await;
        is_erased(&server, answer.json()["position"].as_u64().unwrap()).await;
        server.stop().await;
        well(&["verify", text(&server.data()), "--absent", NINA]).await;
        server.restart().await;
    }
}

/// Dies at any time after the wish is on disk.
#[tokio::test]
async fn a_device_that_is_being_erased_when_the_program_is_killed_is_erased_after_its_start() {
    let mut server = Server::with_config(CONFIG).await;
    for round in 0..6 {
        let mut client = Client::v5("gateway");
        client.connect_at_last(server.mqtt).await;
        speaks(&mut client, NINA).await;
        if round == 0 {
            speaks(&mut client, OTHERS[0]).await;
        }
        if round % 2 == 0 {
            closed(&server, &mut client).await;
        }
        let answer = erase(&server, NINA).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        tokio::time::sleep(Duration::from_millis([0, 3, 30, 90, 200, 600][round])).await;
        client.lose();
        server.kill_and_restart().await;
        assert_eq!(count(&server, NINA).await, 0);
        // What lets the log go of it comes with what is published.
        client.connect_at_last(server.mqtt).await;
        publish(&mut client, "hall/else", r#"{"temperature":1}"#, false).await;
        eventually("it is erased", LIMIT, || async {
            (server.get("/v1/stats").await["store"]["erasing"] == 0).then_some(())
        })
        .await;
        client.leave().await;
    }
    assert_eq!(count(&server, OTHERS[0]).await, 3 * OF_A_DAY as usize + 1);
    server.stop().await;
    well(&["verify", text(&server.data())]).await;
    let found = tidegate(&["verify", text(&server.data()), "--absent", NINA]).await.err;
    assert!(!found.contains("store/") && !found.contains("checkpoint"), "nothing but the log may name it yet: {found}");
}
