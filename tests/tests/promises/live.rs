//! What a browser is promised, over real sockets.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::live::{Chart, Live};
use tidegate_tests::{Server, eventually, now_ms, tool};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

async fn publish(server: &Server, device: &str, temperature: f64) {
    let payload = format!(r#"{{"deviceId":"{device}","temperature":{temperature},"timestamp":{}}}"#, now_ms());
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "lab/data", "-m", &payload]).await;
}

async fn known(server: &Server, device: &str) {
    eventually("the device is known", Duration::from_secs(5), || async {
        server.value(device, "temperature").await.map(|_| ())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_slept_resumes_with_one_delta() {
    let server = Server::start().await;
    publish(&server, "dev1", 20.0).await;
    known(&server, "dev1").await;
    let view = json!({"kind": "device", "device": "dev1"});
    let mut live = Live::connect(server.http, json!({})).await;
    let before = live.subscribe(1, view.clone(), json!({})).await;
    drop(live);

    for temperature in [21.0, 35.0, 22.0] {
        publish(&server, "dev1", temperature).await;
    }
    eventually("the newest is applied", Duration::from_secs(5), || async {
        (server.value("dev1", "temperature").await == Some(22.0.into())).then_some(())
    })
    .await;
    let mut live = Live::connect(server.http, json!({})).await;
    let mut rows = before;
    live.send(json!({"type": "subscribe", "id": 1, "view": view, "since": rows.at})).await;
    live.until(&mut rows, Duration::from_secs(5), |rows| rows.deltas > 0).await;
    assert_eq!(rows.deltas, 1);
    assert_eq!(rows.value("dev1", "temperature").and_then(Value::as_f64), Some(22.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spike_between_two_pushes_is_seen_by_a_slow_viewer() {
    let server = Server::start().await;
    publish(&server, "dev1", 20.0).await;
    known(&server, "dev1").await;
    let mut live = Live::connect(server.http, json!({"max_rate": 0.5})).await;
    let mut rows = live.subscribe(1, json!({"kind": "devices", "devices": ["dev1"]}), json!({})).await;
    for temperature in [20.5, 20.4, 90.5, 3.5, 20.6] {
        publish(&server, "dev1", temperature).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let settled = |rows: &tidegate_tests::live::Rows| rows.value("dev1", "temperature") == Some(&json!(20.6));
    live.until(&mut rows, Duration::from_secs(10), settled).await;
    let extremes = |key: &str| rows.envelopes.iter().filter_map(|(_, _, cell)| cell[key].as_f64()).collect::<Vec<_>>();
    let shown: Vec<f64> = [extremes("lo"), extremes("hi")].concat();
    assert!(shown.contains(&90.5) && shown.contains(&3.5), "the spike was hidden: {:?}", rows.envelopes);
    assert!(rows.deltas < 5, "a viewer at 0.5 Hz got {} deltas", rows.deltas);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_of_another_life_of_the_server_is_told_and_gets_a_snapshot() {
    let mut server = Server::start().await;
    publish(&server, "dev1", 20.0).await;
    known(&server, "dev1").await;
    let view = json!({"kind": "device", "device": "dev1"});
    let mut live = Live::connect(server.http, json!({})).await;
    let rows = live.subscribe(1, view.clone(), json!({})).await;
    server.kill_and_restart().await;
    let mut live = Live::connect(server.http, json!({})).await;
    live.send(json!({"type": "subscribe", "id": 1, "view": view, "since": rows.at})).await;
    assert_eq!(live.next().await.unwrap()["type"], "subscribed");
    let gap = live.next().await.unwrap();
    assert_eq!((&gap["type"], &gap["reason"], &gap["done"]), (&json!("gap"), &json!("epoch"), &json!("snapshot")));
    let snapshot = live.next().await.unwrap();
    assert_eq!(snapshot["type"], "snapshot");
    assert_eq!(snapshot["rows"][0]["cells"][1].as_f64(), Some(20.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_appears_by_itself_in_the_views_of_its_group() {
    let server = Server::start().await;
    let mut live = Live::connect(server.http, json!({})).await;
    let mut rows = live.subscribe(1, json!({"kind": "devices", "group": "Building A"}), json!({})).await;
    assert!(rows.rows.is_empty());
    let reading = r#"{"deviceId":"s1","temperature":23.5,"location":"Building A, Floor 3"}"#;
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "any", "-m", reading]).await;
    live.until(&mut rows, Duration::from_secs(5), |rows| rows.value("s1", "temperature") == Some(&json!(23.5))).await;
}

/// Publishes readings of one device, and waits until history has the last of them.
async fn measure(server: &Server, readings: &[(i64, Value)]) {
    for (time_ms, value) in readings {
        let payload = json!({"deviceId": "dev1", "temperature": value, "timestamp": time_ms}).to_string();
        tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "lab/data", "-m", &payload]).await;
    }
    let (time_ms, value) = readings.last().unwrap();
    let path = format!("/v1/readings?device=dev1&metric=temperature&from={time_ms}&to={}", time_ms + 1);
    eventually("history has the last reading", Duration::from_secs(5), || async {
        (server.get(&path).await["points"][0][1] == *value).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_chart_becomes_what_it_would_be_if_it_were_opened_anew() {
    let server = Server::with_config("[[source]]\ntopic = \"lab/#\"\nsame_time = \"last\"\n").await;
    // A whole minute that is over, and one before it.
    let minute = (now_ms() / 60_000 - 2) * 60_000;
    let at = |second: i64| minute + second * 1_000;
    measure(&server, &[(at(1), json!(20.0)), (at(20), json!(22.0)), (at(40), json!(24.0))]).await;
    let view = json!({"kind": "series", "series": [{"device": "dev1", "metric": "temperature"}],
        "last": 1_800_000, "width": 60});
    let mut live = Live::connect(server.http, json!({})).await;
    let mut chart = Chart::open(&mut live, 1, &view).await;
    assert_eq!(chart.cells[&(0, minute)], json!([0, minute, 3, 22, 20, 24, 24]));

    let truth = async |what: &str, chart: &mut Chart, live: &mut Live| {
        let path = format!(
            "/v1/series?device=dev1&metric=temperature&from={}&to={}&width=60",
            minute - 600_000,
            minute + 600_000
        );
        let answer = server.get(&path).await;
        let points = answer["points"].as_array().unwrap();
        let expected: Vec<Vec<Value>> = points.iter().map(|point| point.as_array().unwrap().clone()).collect();
        let same = |chart: &Chart| {
            let numbers = |row: &[Value]| row.iter().map(|it| it.as_f64().unwrap()).collect::<Vec<_>>();
            let shown = chart.cells.values().map(|row| numbers(&row.as_array().unwrap()[1..]));
            shown.eq(expected.iter().map(|row| numbers(row)))
        };
        eprintln!("{what}: {expected:?}");
        chart.until(live, Duration::from_secs(3), same).await;
        let mut other = Live::connect(server.http, json!({})).await;
        assert_eq!(Chart::open(&mut other, 1, &view).await.cells, chart.cells, "{what}");
    };
    measure(&server, &[(at(20), json!(12.0))]).await;
    truth("a correction", &mut chart, &mut live).await;
    assert_eq!(chart.cells[&(0, minute)][2], 3, "one reading instead of another");
    measure(&server, &[(at(1), json!(20.0)), (at(20), json!(12.0)), (at(30), json!(30.0)), (at(30), json!(30.0))])
        .await;
    truth("late readings that come twice", &mut chart, &mut live).await;
    assert_eq!(chart.cells[&(0, minute)][2], 4);
    measure(&server, &[(at(100), json!(7.0)), (at(100), json!(8.0)), (at(-30), json!(1.0))]).await;
    truth("the newest is corrected, and another is late", &mut chart, &mut live).await;
    measure(&server, &[(at(-30), json!("broken"))]).await;
    truth("a number becomes a word, which is in no chart", &mut chart, &mut live).await;
    assert!(!chart.cells.contains_key(&(0, minute - 60_000)), "nothing is left of its minute");
}

/// Links to a server that can be cut.
struct Links {
    address: SocketAddr,
    to: Arc<Mutex<SocketAddr>>,
    cut: broadcast::Sender<()>,
}

impl Links {
    async fn to(server: SocketAddr) -> Links {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, to) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(server)));
        let cut = broadcast::Sender::new(1);
        let (goes_to, cuts) = (Arc::clone(&to), cut.clone());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (to, mut is_cut) = (*goes_to.lock().unwrap(), cuts.subscribe());
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(to).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = is_cut.recv() => {}
                    }
                });
            }
        });
        Links { address, to, cut }
    }

    fn cut(&self) {
        _ = self.cut.send(());
    }
}

/// Each device's state and values, as REST has them.
async fn devices(server: &Server) -> Value {
    let answer = server.get("/v1/devices?limit=100").await;
    let shown = answer["devices"].as_array().unwrap().iter().map(|device| {
        let mut shown = serde_json::Map::from_iter([("state".to_owned(), device["state"].clone())]);
        for (name, metric) in device["metrics"].as_object().unwrap() {
            shown.insert(name.clone(), metric["value"].clone());
        }
        (device["id"].as_str().unwrap().to_owned(), Value::Object(shown))
    });
    with_points(Value::Object(shown.collect()))
}

/// 20 and 20.0 are one number, and two ways to write it.
fn with_points(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Object(fields) => fields.into_iter().map(|(name, field)| (name, with_points(field))).collect(),
        other => other,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_client_ends_at_the_truth_over_links_that_break_and_another_life_of_the_server() {
    let mut server = Server::start().await;
    publish(&server, "dev1", 20.0).await;
    publish(&server, "dev2", 4.5).await;
    known(&server, "dev2").await;
    let links = Links::to(server.http).await;
    let script = tool::file("dashboard/client/examples/minimal.py");
    let url = format!("ws://{}/v1/live", links.address);
    let mut client = tool::start(tool::python_program(), &[script.to_str().unwrap(), &url]);
    let (shown, mut lines) = (Arc::new(Mutex::new(Value::Null)), BufReader::new(client.stdout.take().unwrap()).lines());
    let newest = Arc::clone(&shown);
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            *newest.lock().unwrap() = with_points(serde_json::from_str(&line).unwrap());
        }
    });
    let ends_at_the_truth = async |server: &Server, what: &str| {
        eventually(what, Duration::from_secs(20), || async {
            let truth = devices(server).await;
            (*shown.lock().unwrap() == truth).then_some(())
        })
        .await;
    };
    ends_at_the_truth(&server, "it has the snapshot").await;
    // Its unit is guessed, and so told as a guess.
    let humidity = r#"{"deviceId":"dev1","humidity":45.5}"#;
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "lab/data", "-m", humidity]).await;
    eventually("the metric is known", Duration::from_secs(5), || server.value("dev1", "humidity")).await;
    ends_at_the_truth(&server, "it has a metric that a device came to have").await;
    for round in 0..3 {
        publish(&server, "dev1", 21.0 + f64::from(round)).await;
        links.cut();
        publish(&server, "dev2", 5.0 + f64::from(round)).await;
        publish(&server, &format!("dev{}", 3 + round), 1.0).await;
        known(&server, &format!("dev{}", 3 + round)).await;
        ends_at_the_truth(&server, "it has what came while its link was cut").await;
    }
    server.kill_and_restart().await;
    *links.to.lock().unwrap() = server.http;
    links.cut();
    publish(&server, "dev1", 30.0).await;
    ends_at_the_truth(&server, "it has what another life of the server has").await;
    assert_eq!(shown.lock().unwrap()["dev1"]["temperature"], 30.0);
}
