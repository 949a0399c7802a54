//! Beside another broker: what only that engine promises.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::live::Live;
use tidegate_tests::{Mosquitto, Server, eventually, http, tool};

use super::device::{Device, Message, Version};
use super::site::{Engine, Site};
use crate::transports::Authority;

const V3: &str = "version = \"3.1.1\"\n";

/// Publishes one temperature of each of so many devices, and has each acknowledged.
async fn publish_from(site: &Site, name: &str, count: u16, qos: u8) {
    let mut device = site.device(Version::V3, &format!("fleet-{name}")).await;
    for number in 1..=count {
        let topic = format!("site/a/f1/{name}-{number}/temperature");
        let message = Message { topic: &topic, payload: "21.5", qos, packet_id: number, ..Message::default() };
        device.publish(message).await.expect("it is acknowledged");
    }
}

async fn each_is_stored_once(site: &Site, name: &str, count: u16) {
    for number in 1..=count {
        let device = format!("{name}-{number}");
        assert!(site.shows(&device).await, "{device} never came");
        assert_eq!(site.count(&device).await, 1, "{device}");
    }
}

async fn is_connected(server: &Server) {
    eventually("the broker is found", Duration::from_secs(30), || async {
        (server.metric("tidegate_engine_connected").await >= 1.0).then_some(())
    })
    .await;
}

async fn what_comes_meanwhile_is_kept(version: &str) {
    let mut site = Site::with(Engine::External, version).await;
    site.server.kill().await;
    publish_from(&site, "one", 20, 1).await;
    publish_from(&site, "two", 20, 2).await;
    let broker = site.broker.as_mut().unwrap();
    broker.stop().await;
    broker.restart().await;
    site.server.restart().await;
    each_is_stored_once(&site, "one", 20).await;
    each_is_stored_once(&site, "two", 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broker_acknowledges_while_tidegate_is_away_is_stored_when_it_is_back() {
    tokio::join!(what_comes_meanwhile_is_kept(""), what_comes_meanwhile_is_kept(V3));
}

/// What is handed over from before without a time has none in a live session either, in no kind of view.
async fn live_knows_no_time(server: &Server) {
    let mut live = Live::connect(server.http, json!({})).await;
    let rows = live.subscribe(1, json!({"kind": "device", "device": "kept"}), json!({})).await;
    let row = rows.rows.values().next().expect("the device is known");
    assert_eq!(row["cells"][1], json!({"v": 99, "t": null}), "{row}");
    live.send(json!({"type": "subscribe", "id": 2, "view": {"kind": "fleet", "metric": "temperature", "heard": true}}))
        .await;
    let fleet = loop {
        let message = live.next().await.expect("a snapshot");
        if message["type"] == "snapshot" && message["id"] == 2 {
            break message;
        }
    };
    let rows = fleet["rows"].as_array().expect("rows");
    let of =
        |device: &str| rows.iter().find(|row| row[1].as_str().is_some_and(|id| id.ends_with(device))).expect("a row");
    let (kept, dated) = (of("kept"), of("dated"));
    assert_eq!((&kept[5], &kept[6], &kept[7]), (&json!(99), &Value::Null, &Value::Null), "{kept}");
    assert!(dated[6].is_i64() && dated[6] == dated[7], "{dated}");
}

/// What the broker had kept says nothing about now, however often it is handed over.
async fn what_was_kept_is_no_news(version: &str) {
    let mut broker = Mosquitto::start().await;
    let hour_ago_ms = tidegate_tests::now_ms() - 3_600_000;
    let dated = format!("{{\"temperature\":22.5,\"time\":{hour_ago_ms}}}");
    for (topic, payload) in [("site/a/f1/kept/temperature", "99"), ("site/a/f1/dated", dated.as_str())] {
        tool::mosquitto_pub(broker.address, &["-r", "-q", "1", "-t", topic, "-m", payload]).await;
    }
    let rule = "[[alert]]\nname = \"hot\"\nseverity = \"critical\"\nmetric = \"temperature\"\nabove = 30.0\n";
    let config = Engine::External.config(Some(&broker)) + "share = \"\"\n" + version + rule;
    let mut server = Server::with_config(&config).await;
    for restart in 0..=3 {
        is_connected(&server).await;
        eventually("both are known from before", Duration::from_secs(20), || async {
            (server.metric("tidegate_process_readings_from_before_total").await >= 2.0 || restart > 0).then_some(())?;
            server.value("kept", "temperature").await?;
            server.value("dated", "temperature").await
        })
        .await;
        for (device, points) in [("kept", 0), ("dated", 1)] {
            let seen = server.get(&format!("/v1/devices/{device}")).await;
            assert_ne!(seen["state"], "fresh", "{device}, restart {restart}");
            let path = format!("/v1/readings?device={device}&metric=temperature&from=0");
            let history = server.get(&path).await;
            assert_eq!(
                history["points"].as_array().map_or(0, Vec::len),
                points,
                "{device}, restart {restart}: {history}"
            );
        }
        let kept = server.get("/v1/devices/kept").await["metrics"]["temperature"].clone();
        assert_eq!((&kept["value"], &kept["time"]), (&99.0.into(), &serde_json::Value::Null));
        live_knows_no_time(&server).await;
        match restart {
            0 => server.kill_and_restart().await,
            1 => {
                broker.stop().await;
                broker.restart().await;
            }
            2 => {
                server.stop().await;
                server.restart().await;
            }
            _ => {}
        }
    }
    assert_eq!(server.get("/v1/alerts").await["alerts"], serde_json::json!([]));
    // The device itself is heard, also where it wants its message kept.
    tool::mosquitto_pub(broker.address, &["-r", "-q", "1", "-t", "site/a/f1/kept/temperature", "-m", "20.5"]).await;
    eventually("it is fresh", Duration::from_secs(20), || async {
        let kept = server.get("/v1/devices/kept").await;
        (kept["state"] == "fresh" && kept["metrics"]["temperature"]["value"] == 20.5).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broker_had_kept_is_known_from_before_and_no_news() {
    tokio::join!(what_was_kept_is_no_news(""), what_was_kept_is_no_news(V3));
}

async fn is_stored_once_over_kills(version: &str) {
    const COUNT: u16 = 300;
    let mut site = Site::with(Engine::External, version).await;
    let address = site.at(Version::V3);
    let publishing = tokio::spawn(async move {
        let mut device = Device::connect(address, Version::V3, "fleet").await.unwrap();
        for number in 1..=COUNT {
            let topic = format!("site/a/f1/kill-{number}/temperature");
            let message = Message { topic: &topic, payload: "21.5", qos: 2, packet_id: number, ..Message::default() };
            device.publish(message).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    for _ in 0..3 {
        eventually("some more are stored", Duration::from_secs(30), || async {
            (publishing.is_finished() || site.server.metric("tidegate_mqtt_publications_total").await >= 20.0)
                .then_some(())
        })
        .await;
        site.server.kill_and_restart().await;
    }
    publishing.await.unwrap();
    each_is_stored_once(&site, "kill", COUNT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_with_qos_2_is_stored_once_over_kills_of_tidegate() {
    tokio::join!(is_stored_once_over_kills(""), is_stored_once_over_kills(V3));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_tidegates_share_the_work() {
    let site = Site::start(Engine::External).await;
    let second = Engine::External.config(site.broker.as_ref()) + "client_id = \"tidegate-2\"\n";
    let second = Server::with_config(&second).await;
    is_connected(&second).await;
    let before = site.server.metric("tidegate_mqtt_publications_total").await;
    publish_from(&site, "shared", 40, 1).await;
    let each = eventually("all are taken", Duration::from_secs(20), || async {
        let first = site.server.metric("tidegate_mqtt_publications_total").await - before;
        let second = second.metric("tidegate_mqtt_publications_total").await;
        (first + second >= 40.0).then_some([first, second])
    })
    .await;
    assert!(each[0] >= 1.0 && each[1] >= 1.0, "both have some of the work: {each:?}");
    assert!((each[0] + each[1] - 40.0).abs() < 0.5, "none was taken twice: {each:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_comes_back_is_found_again_and_the_figures_say_so() {
    let mut site = Site::start(Engine::External).await;
    let broker = site.broker.as_mut().unwrap();
    broker.stop().await;
    eventually("it is missed", Duration::from_secs(20), || async {
        (site.server.metric("tidegate_engine_connected").await < 1.0).then_some(())
    })
    .await;
    let ready = http::get(site.server.http, "/readyz").await;
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert!(ready.body.contains(&broker.address.to_string()), "{}", ready.body);
    broker.restart().await;
    is_connected(&site.server).await;
    assert!(site.sees("again").await);
    assert!(site.server.metric("tidegate_engine_reconnects_total").await >= 1.0);
    assert!(site.server.metric("tidegate_engine_failures_total").await >= 1.0);
    assert_eq!(http::get(site.server.http, "/readyz").await.status, 200);
    let stats = site.server.get("/v1/stats").await;
    assert!(stats["mqtt"].get("connections").is_none(), "the broker's clients are not known here: {stats}");
    assert!(stats["mqtt"]["publications"].as_u64().unwrap() >= 2, "{stats}");
    site.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_asks_for_tls_a_certificate_and_a_password() {
    let authority = Authority::new();
    let folder = authority.path("ca.pem").parent().unwrap().to_owned();
    authority.issue("server", &folder);
    authority.issue("tidegate", &folder);
    let users = authority.file("users");
    tool::run("mosquitto_passwd", &["-b", "-c", &users, "hub", "secret"]).await;
    std::fs::write(authority.path("password"), "secret\n").unwrap();
    std::fs::write(authority.path("wrong"), "guess\n").unwrap();
    let broker = Mosquitto::with_config(&format!(
        "allow_anonymous false\npassword_file {users}\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n",
        authority.file("ca.pem"),
        authority.file("server.pem"),
        authority.file("server.key"),
    ))
    .await;
    let config = |version: &str, password: &str| {
        Engine::External.config(Some(&broker))
            + &format!(
                "{version}user = \"hub\"\npassword_file = {:?}\nca = {:?}\ncertificate = {:?}\nkey = {:?}\n",
                authority.file(password),
                authority.file("ca.pem"),
                authority.file("tidegate.pem"),
                authority.file("tidegate.key"),
            )
    };
    for (version, device) in
        [("client_id = \"five\"\n", "five"), ("client_id = \"three\"\nversion = \"3.1.1\"\n", "three")]
    {
        let server = Server::with_config(&config(version, "password")).await;
        is_connected(&server).await;
        let port = broker.address.port().to_string();
        let (ca, certificate, key) =
            (authority.file("ca.pem"), authority.file("tidegate.pem"), authority.file("tidegate.key"));
        let tls = ["--cafile", &ca, "--cert", &certificate, "--key", &key, "-u", "hub", "-P", "secret"];
        let topic = format!("site/a/f1/{device}/temperature");
        let what = ["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", &topic, "-m", "21.5"];
        eventually("it is read", Duration::from_secs(20), || async {
            tool::run("mosquitto_pub", &[&what[..], &tls[..]].concat()).await;
            server.value(device, "temperature").await
        })
        .await;
    }
    let refused = Server::with_config(&config("", "wrong")).await;
    eventually("the log says what to do", Duration::from_secs(20), || async {
        refused.log().contains("check external.user and external.password_file").then_some(())
    })
    .await;
}
