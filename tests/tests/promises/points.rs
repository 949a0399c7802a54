//! What was acknowledged is in history, and the same reading is there once.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::live::{Chart, Live};
use tidegate_tests::{Server, eventually, now_ms, tool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(20);

/// MQTT 3.1.1 byte by byte, so that many packets are one write and nothing is done on its own.
struct Raw(TcpStream);

impl Raw {
    /// With the session of `client`.
    async fn connect(server: SocketAddr, client: &str) -> Raw {
        let mut raw = Raw(TcpStream::connect(server).await.unwrap());
        let head = [b"\x10".as_slice(), &[(12 + client.len()) as u8], b"\0\x04MQTT\x04\0\0\0", &text(client)].concat();
        raw.0.write_all(&head).await.unwrap();
        raw.0.read_exact(&mut [0; 4]).await.unwrap();
        raw
    }

    /// Publishes with QoS 1 and packet identifiers from 1 on, in one write.
    async fn publish(&mut self, topic: &str, payloads: &[&str], dup: bool) {
        let first = if dup { 0x3A } else { 0x32 };
        let publish = |(id, payload): (u16, &&str)| {
            let rest = [&text(topic)[..], &id.to_be_bytes(), payload.as_bytes()].concat();
            [&[first, rest.len() as u8], &rest[..]].concat()
        };
        let all: Vec<u8> = (1..).zip(payloads).flat_map(publish).collect();
        self.0.write_all(&all).await.unwrap();
    }

    /// Waits for so many PUBACKs.
    async fn acknowledged(&mut self, count: usize) {
        let mut packets = vec![0; 4 * count];
        self.0.read_exact(&mut packets).await.unwrap();
        assert!(packets.chunks(4).all(|packet| packet[..2] == [0x40, 2]));
    }
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

/// All points of a metric, page by page, in order.
async fn points(server: &Server, device: &str, metric: &str, limit: usize) -> Vec<(i64, Value)> {
    let window = format!("from=0&to={}", now_ms() + 60_000);
    let (mut points, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/readings?device={device}&metric={metric}&{window}&limit={limit}{cursor}");
        let page = server.get(&path).await;
        let of_page = page["points"].as_array().map_or(&[][..], Vec::as_slice);
        points.extend(of_page.iter().map(|point| (point[0].as_i64().unwrap(), point[1].clone())));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return points,
        }
    }
}

async fn values(server: &Server, device: &str, metric: &str) -> Vec<Value> {
    points(server, device, metric, 1_000).await.into_iter().map(|(_, value)| value).collect()
}

/// Waits until a metric's values are these, in order.
async fn are(server: &Server, device: &str, metric: &str, wanted: &[Value]) {
    eventually(&format!("{device} {metric} has {} points", wanted.len()), LIMIT, || async {
        (values(server, device, metric).await == wanted).then_some(())
    })
    .await;
    let charted: Vec<f64> = wanted.iter().filter_map(Value::as_f64).collect();
    let expected = (charted.len() as u64, charted.iter().copied().reduce(f64::max), charted.last().copied());
    assert_eq!(chart(server, device, metric).await, expected, "chart of {device} {metric}");
}

/// Count, maximum and last of everything.
async fn chart(server: &Server, device: &str, metric: &str) -> (u64, Option<f64>, Option<f64>) {
    let to = now_ms() + 60_000;
    let series = format!("/v1/series?device={device}&metric={metric}&from={}&to={to}&width=800", to - 86_400_000);
    let series = server.get(&series).await;
    summed(series["points"].as_array().into_iter().flatten().map(|point| &point.as_array().unwrap()[1..]))
}

/// Of buckets that begin with the count, in order of time.
fn summed<'a>(buckets: impl Iterator<Item = &'a [Value]>) -> (u64, Option<f64>, Option<f64>) {
    buckets.fold((0, None, None), |(count, max, _), bucket| {
        let max = max.into_iter().chain(bucket[3].as_f64()).reduce(f64::max);
        (count + bucket[0].as_u64().unwrap(), max, bucket[4].as_f64())
    })
}

fn numbers(numbers: impl IntoIterator<Item = i32>) -> Vec<Value> {
    numbers.into_iter().map(|number| Value::from(f64::from(number))).collect()
}

async fn publish(server: &Server, topic: &str, payload: &str) {
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", topic, "-m", payload]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_values_in_one_write_are_two_hundred_points_and_stay_so_when_they_are_sent_again() {
    let mut server = Server::start().await;
    let texts: Vec<String> = (0..200).map(|at| (at % 7).to_string()).collect();
    let payloads: Vec<&str> = texts.iter().map(String::as_str).collect();
    let wanted = numbers((0..200).map(|at| at % 7));
    let mut raw = Raw::connect(server.mqtt, "meter").await;
    raw.publish("lab/dev1/t", &payloads, false).await;
    raw.acknowledged(200).await;
    are(&server, "dev1", "t", &wanted).await;

    // The acknowledgements were lost on their way.
    drop(raw);
    let mut raw = Raw::connect(server.mqtt, "meter").await;
    raw.publish("lab/dev1/t", &payloads, true).await;
    raw.acknowledged(200).await;
    server.kill_and_restart().await;
    let mut raw = Raw::connect(server.mqtt, "meter").await;
    raw.publish("lab/dev1/t", &payloads, true).await;
    raw.acknowledged(200).await;
    // What comes after them has passed them.
    raw.publish("lab/dev1/t", &["99"], false).await;
    let wanted = [&wanted[..], &numbers([99])].concat();
    are(&server, "dev1", "t", &wanted).await;
    assert_eq!(server.metric("tidegate_process_publications_redelivered_total").await, 200.0);
    server.stop().await;
    server.restart().await;
    are(&server, "dev1", "t", &wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_of_mosquitto_pub_is_a_point() {
    let server = Server::start().await;
    let (host, port) = (server.mqtt.ip(), server.mqtt.port());
    let lines = format!("seq 1 100 | mosquitto_pub -h {host} -p {port} -q 1 -l -t lab/dev1/line");
    tool::run("sh", &["-c", &lines]).await;
    are(&server, "dev1", "line", &numbers(1..=100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peak_between_values_that_come_at_once_is_in_history_in_the_chart_and_in_an_open_one() {
    let server = Server::start().await;
    publish(&server, "lab/dev1/t", "20").await;
    are(&server, "dev1", "t", &numbers([20])).await;
    let mut live = Live::connect(server.http, json!({})).await;
    let view = json!({"kind": "series", "series": [{"device": "dev1", "metric": "t"}], "last": 900_000, "width": 900});
    let mut open = Chart::open(&mut live, 1, &view).await;
    let mut payloads = vec!["20"; 100];
    payloads[50] = "999";
    Raw::connect(server.mqtt, "meter").await.publish("lab/dev1/t", &payloads, false).await;
    let shown = |open: &Chart| summed(open.cells.values().map(|cell| &cell.as_array().unwrap()[2..]));
    open.until(&mut live, LIMIT, |open| shown(open) == (101, Some(999.0), Some(20.0))).await;
    let wanted = numbers((0..101).map(|at| if at == 51 { 999 } else { 20 }));
    are(&server, "dev1", "t", &wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_came_and_went_at_once_has_its_values_in_history() {
    let server = Server::with_config("[[alert]]\nname = \"hot\"\nmetric = \"t\"\nabove = 30.0\n").await;
    Raw::connect(server.mqtt, "meter").await.publish("lab/dev1/t", &["20", "999", "20"], false).await;
    are(&server, "dev1", "t", &numbers([20, 999, 20])).await;
    eventually("the alert has cleared", LIMIT, || async {
        let alerts = server.get("/v1/alerts?state=all").await;
        (alerts["alerts"][0]["state"] == "cleared").then_some(())
    })
    .await;
    publish(&server, "lab/dev2/data", r#"[{"v":1},{"v":9},{"v":2}]"#).await;
    are(&server, "lab/dev2/data", "v", &numbers([1, 9, 2])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_of_whole_seconds_keeps_each_value_and_none_twice_whatever_comes_between() {
    let config = "[flush]\ninterval = \"200 ms\"\n[[source]]\ntopic = \"meters/#\"\nsame_time = \"last\"\n";
    let mut server = Server::with_config(config).await;
    let second_ms = now_ms() / 1_000 * 1_000;
    let said = |device: &str, value: i32, time_ms: i64| {
        format!(r#"{{"deviceId":"{device}","v":{value},"time":{}}}"#, time_ms / 1_000)
    };
    let earlier_ms = second_ms - 3 * 3_600_000;
    for round in 0..3 {
        for value in [1, 5, 3] {
            publish(&server, "lab/data", &said("coarse", value, second_ms)).await;
            publish(&server, "meters/data", &said("meter", value, second_ms)).await;
            publish(&server, "lab/data", &said("late", value, earlier_ms)).await;
        }
        // Newer ones, so that what comes again comes late.
        publish(&server, "lab/data", &said("coarse", 10 + round, second_ms + 1_000 + i64::from(round) * 1_000)).await;
        let newer = (0..=round).map(|round| 10 + round);
        are(&server, "coarse", "v", &numbers([1, 5, 3].into_iter().chain(newer))).await;
        are(&server, "meter", "v", &numbers([3])).await;
        are(&server, "late", "v", &numbers([1, 5, 3])).await;
        if round == 0 {
            // Its hour is closed, and what comes again is merged into it.
            eventually("the hour is closed", LIMIT, || async {
                publish(&server, "lab/tick/t", "1").await;
                (server.metric("tidegate_store_closed_hours_total").await >= 1.0).then_some(())
            })
            .await;
            are(&server, "late", "v", &numbers([1, 5, 3])).await;
        }
        server.kill_and_restart().await;
        are(&server, "late", "v", &numbers([1, 5, 3])).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_over_a_thousand_values_of_one_time_have_each_once() {
    let server = Server::start().await;
    let time_ms = now_ms() - 1_000;
    let readings = (0..1_000).map(|value| json!({"deviceId": "dev1", "v": value, "time": time_ms}));
    let all = Value::Array(readings.collect()).to_string();
    publish(&server, "lab/data", &all).await;
    let wanted: Vec<_> = (0..1_000).map(|value| (time_ms, Value::from(f64::from(value)))).collect();
    eventually("all are there", LIMIT, || async {
        (points(&server, "dev1", "v", 1_000).await.len() == 1_000).then_some(())
    })
    .await;
    for limit in [7, 100, 999] {
        assert_eq!(points(&server, "dev1", "v", limit).await, wanted, "pages of {limit}");
    }
}
