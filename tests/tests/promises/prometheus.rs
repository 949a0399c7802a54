//! Questions in PromQL: answered as a real Prometheus answers them over the same points.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::prometheus::Prometheus;
use tidegate_tests::{Server, eventually, http, now_ms, tool};

const LIMIT: Duration = Duration::from_secs(20);
const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;
/// What each figure of the program means.
const HELPS: &str = "bridge/node/src/helps.rs";
/// Minutes of readings.
const READINGS: i64 = 30 * 60;

/// What two halls of three devices each measured, a minute apart; no point stands where a window of whole seconds ends.
struct Fleet {
    from_ms: i64,
    devices: Vec<String>,
}

impl Fleet {
    /// The readings end some hours ago.
    fn before(now_ms: i64) -> Fleet {
        let from_ms = (now_ms - 40 * HOUR).div_euclid(24 * HOUR) * 24 * HOUR + 6 * HOUR;
        let devices = (0..6).map(|n| format!("plant/hall{}/m{n}", n / 3)).collect();
        Fleet { from_ms, devices }
    }

    fn to_ms(&self) -> i64 {
        self.from_ms + READINGS * MINUTE
    }

    fn time_ms(&self, minute: i64) -> i64 {
        self.from_ms + minute * MINUTE + 7_300
    }

    /// Temperature, and a counter that begins anew every five hours; nothing while a device sleeps.
    fn reading(device: usize, minute: i64) -> Option<(f64, f64)> {
        let device = device as i64;
        if device == 2 && (300..420).contains(&minute) {
            return None;
        }
        let temperature = ((minute * (7 + device)) % 97) as f64 / 4.0 - 5.0;
        let energy = ((minute % 300) * (device + 1)) as f64 / 8.0;
        Some((temperature, energy))
    }

    fn readings(&self, device: usize) -> impl Iterator<Item = (i64, f64, f64)> {
        let reading = move |minute| Fleet::reading(device, minute).map(|(t, e)| (self.time_ms(minute), t, e));
        (0..READINGS).filter_map(reading)
    }

    async fn publish(&self, server: &Server) {
        for (device, id) in self.devices.iter().enumerate() {
            let group = id.rsplit_once('/').unwrap().0;
            let readings = self.readings(device).map(|(time, temperature, energy)| {
                json!({ "deviceId": id, "location": group.replace('/', ", "), "time": time, "temperature": temperature, "energy": energy })
            });
            let readings: Vec<Value> = readings.collect();
            for part in readings.chunks(300) {
                let payload = json!(part).to_string();
                tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "plant/up", "-m", &payload]).await;
            }
        }
        let points: usize = (0..self.devices.len()).map(|device| 2 * self.readings(device).count()).sum();
        eventually("all readings are in history", LIMIT, || async {
            (server.get("/v1/stats").await["store"]["points"].as_u64()? == points as u64).then_some(())
        })
        .await;
    }

    fn openmetrics(&self) -> String {
        let mut text = String::new();
        for metric in ["temperature", "energy"] {
            writeln!(text, "# TYPE {metric} gauge").unwrap();
            for (device, id) in self.devices.iter().enumerate() {
                let group = id.rsplit_once('/').unwrap().0;
                for (time_ms, temperature, energy) in self.readings(device) {
                    let value = if metric == "energy" { energy } else { temperature };
                    let seconds = time_ms as f64 / 1_000.0;
                    writeln!(text, "{metric}{{device=\"{id}\",group=\"{group}\"}} {value} {seconds:.3}").unwrap();
                }
            }
        }
        text + "# EOF\n"
    }
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(byte.into())
        } else {
            write!(encoded, "%{byte:02X}").unwrap()
        }
        encoded
    })
}

/// The kind of an answer, and its series: labels, times and values.
type Told = (String, BTreeMap<String, Vec<(f64, f64)>>);

fn told(answer: &Value) -> Told {
    let point = |point: &Value| {
        let value = point[1].as_str().unwrap_or_else(|| panic!("{answer}"));
        (point[0].as_f64().unwrap(), value.parse::<f64>().unwrap())
    };
    let data = &answer["data"];
    let kind = data["resultType"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    if kind == "scalar" {
        return (kind, BTreeMap::from([(String::new(), vec![point(&data["result"])])]));
    }
    let series = data["result"].as_array().unwrap().iter().map(|series| {
        let values = series["values"].as_array().map(|values| values.iter().map(point).collect());
        (series["metric"].to_string(), values.unwrap_or_else(|| vec![point(&series["value"])]))
    });
    (kind, series.collect())
}

fn same(question: &str, ours: &Told, theirs: &Told) {
    assert_eq!(ours.0, theirs.0, "{question}");
    assert_eq!(ours.1.keys().collect::<Vec<_>>(), theirs.1.keys().collect::<Vec<_>>(), "{question}");
    for (labels, points) in &ours.1 {
        let others = &theirs.1[labels];
        let times = |points: &[(f64, f64)]| points.iter().map(|(at, _)| *at).collect::<Vec<_>>();
        assert_eq!(times(points), times(others), "{question}: times of {labels}");
        for ((at, ours), (_, theirs)) in points.iter().zip(others) {
            let near = ours == theirs
                || (ours - theirs).abs() <= 1e-9 * theirs.abs().max(1.0)
                || (ours.is_nan() && theirs.is_nan());
            assert!(near, "{question}: {labels} at {at}: {ours}, Prometheus has {theirs}");
        }
    }
}

const QUESTIONS: [&str; 40] = [
    "temperature",
    r#"temperature{device=~"plant/hall0/.*"}"#,
    r#"temperature{group!="plant/hall0", device!~".*m5"}"#,
    r#"{__name__=~"temp.*|energy", device="plant/hall1/m4"}"#,
    "temperature offset 90m",
    "avg_over_time(temperature[10m])",
    "min_over_time(temperature[1h])",
    "max_over_time(temperature[1h])",
    "sum_over_time(temperature[2h])",
    "count_over_time(temperature[5h])",
    "last_over_time(temperature[30m])",
    "present_over_time(temperature[5m])",
    "stddev_over_time(temperature[20m])",
    "stdvar_over_time(temperature[20m])",
    "quantile_over_time(0.9, temperature[20m])",
    "rate(energy[5m])",
    "increase(energy[1h])",
    "delta(temperature[30m])",
    "irate(energy[5m])",
    "idelta(temperature[5m])",
    "changes(temperature[1h])",
    "resets(energy[6h])",
    "deriv(temperature[15m])",
    "sum(temperature)",
    "avg by (group) (temperature)",
    "max without (device) (avg_over_time(temperature[5m]))",
    "min(temperature) by (device)",
    "count(temperature > 5)",
    "stddev by (group) (temperature)",
    "quantile by (group) (0.5, temperature)",
    "topk(2, temperature)",
    "sum by (group) (rate(energy[10m])) * 3600",
    "temperature * 9 / 5 + 32",
    "-temperature ^ 2 % 7",
    "temperature > bool 3",
    "energy / ignoring (nothing) temperature",
    "temperature / on (device) energy",
    r#"temperature and on (group) temperature{device="plant/hall1/m4"} > 0"#,
    r#"energy unless on (device) temperature > 3 or temperature{group="plant/hall0"}"#,
    r#"clamp(abs(round(temperature, 0.5)), 1, 9) + scalar(energy{device="plant/hall1/m4"}) + time() / 1e9"#,
];

#[tokio::test]
async fn questions_are_answered_as_prometheus_answers_them() {
    let server = Server::start().await;
    let fleet = Fleet::before(now_ms());
    fleet.publish(&server).await;
    let prometheus = Prometheus::over(&fleet.openmetrics()).await;
    let (from, to) = (fleet.from_ms / 1_000, fleet.to_ms() / 1_000);
    // Odd seconds, and whole hours, which are summed up already.
    for (start, end, step) in [(from + 1_200, to - 600, 1_731), (from + 6 * 3_600, to, 3_600)] {
        for question in QUESTIONS {
            let path = |ours: &str| {
                format!("{ours}/api/v1/query_range?query={}&start={start}&end={end}&step={step}", encoded(question))
            };
            let ours = http::get(server.http, &path("/prometheus")).await.json();
            let theirs = http::get(prometheus.address, &path("")).await.json();
            same(question, &told(&ours), &told(&theirs));
        }
    }
    for question in QUESTIONS.iter().chain(&["1 + 2", r#"temperature{device="plant/hall0/m0"}[10m]"#]) {
        let path = |ours: &str| format!("{ours}/api/v1/query?query={}&time={}", encoded(question), to - 3_601);
        let ours = http::get(server.http, &path("/prometheus")).await.json();
        let theirs = http::get(prometheus.address, &path("")).await.json();
        same(question, &told(&ours), &told(&theirs));
    }
}

/// What the panels of a dashboard for Grafana ask.
fn questions_of(dashboard: &str) -> Vec<String> {
    let text = std::fs::read_to_string(tool::file(dashboard)).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let questions: Vec<String> = targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    assert!(questions.len() > 5, "{questions:?}");
    questions
}

#[test]
fn the_dashboard_of_the_program_asks_for_figures_that_there_are() {
    let helps = std::fs::read_to_string(tool::file(HELPS)).unwrap();
    for question in questions_of("docs/grafana/program.json") {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let names = question.split(|c: char| !is_part(c)).filter(|word| word.starts_with("tidegate_"));
        let names: Vec<&str> = names.collect();
        assert!(!names.is_empty(), "{question}");
        names.iter().for_each(|name| assert!(helps.contains(&format!("\"{name}\"")), "{name}"));
    }
}

#[tokio::test]
async fn promtool_reads_history_and_a_question_that_is_not_answered_says_why() {
    let server = Server::with_config("[prometheus]\nseries_max = 4\n").await;
    let at_ms = now_ms();
    for device in 0..5 {
        let payload = format!(r#"{{"deviceId":"d{device}","time":{at_ms},"temperature":21.5,"soil moisture":40}}"#);
        tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "hall/up", "-m", &payload]).await;
    }
    let url = format!("http://{}/prometheus", server.http);
    let ask = async |question: &str| tool::run("promtool", &["query", "instant", &url, question]).await;
    eventually("the last reading is in history", LIMIT, || async {
        ask(r#"temperature{device="d4"}"#).await.contains("21.5").then_some(())
    })
    .await;
    let moisture = ask(r#"soil_moisture{device="d1"}"#).await;
    assert!(moisture.contains(r#"metric="soil moisture""#) && moisture.contains("=> 40"), "{moisture}");
    assert!(ask(r#"{__name__="soil moisture", device="d1"}"#).await.contains("=> 40"));
    let labels = tool::run("promtool", &["query", "labels", &url, "device"]).await;
    assert_eq!(labels.lines().collect::<Vec<_>>(), ["d0", "d1", "d2", "d3", "d4"]);
    let series = tool::run("promtool", &["query", "series", "--match", r#"{device="d3"}"#, &url]).await;
    assert_eq!(series.lines().count(), 2, "{series}");
    let span = ["--start", &(at_ms / 1_000 - 60).to_string(), "--end", &(at_ms / 1_000 + 60).to_string()];
    let range = [&["query", "range"], &span[..], &["--step", "30s", &url, r#"temperature{device="d0"}"#]].concat();
    assert!(tool::run("promtool", &range).await.contains("21.5 @["));

    for question in questions_of("docs/grafana/fleet.json") {
        let question =
            question.replace("$metric", "soil_moisture").replace("$group", ".*").replace("$device", "d[0-3]");
        assert!(!ask(&question).await.is_empty(), "{question}");
    }

    let form = [("content-type", "application/x-www-form-urlencoded")];
    let posted = http::request(server.http, "POST", "/prometheus/api/v1/query", &form, "query=1%2B1").await.json();
    assert_eq!(posted["data"], json!({ "resultType": "scalar", "result": posted["data"]["result"] }));
    assert_eq!(posted["data"]["result"][1], "2", "as Grafana tests a data source");
    let metadata = server.get("/prometheus/api/v1/metadata?metric=temperature").await;
    assert_eq!(metadata["data"]["temperature"][0]["unit"], "°C");

    // Operators side by side are as deep as parentheses.
    let long = format!("query=1{}", "%2B1".repeat(4_000));
    let refused = http::request(server.http, "POST", "/prometheus/api/v1/query", &form, &long).await;
    assert!(refused.status == 422 && refused.json()["error"].as_str().unwrap().contains("more than 200 operators"));
    let json = [("content-type", "application/json")];
    let refused = http::request(server.http, "POST", "/prometheus/api/v1/query", &json, "{}").await.json();
    assert!(refused["error"].as_str().unwrap().contains("send a form"), "{refused}");

    for (path, status, words) in [
        ("query?query=predict_linear(a[1h],1)", 400, "`predict_linear` is not answered here; these are: avg_over_time"),
        ("query?query=temperature%5B1h:5m%5D", 400, "subqueries"),
        ("query?query=temperature", 422, "chooses more than the 4 series that one may (`prometheus.series_max`)"),
        ("query", 400, "query is missing: add query="),
        ("query?query=%FF%00", 400, "has no meaning in a question"),
        ("query?query=temperature%20offset%209000y", 400, "is no number and no duration"),
        ("query?query=1&time=yesterday", 400, "time=\"yesterday\" is no time"),
        (
            "query_range?query=1&start=0&end=20000&step=1",
            400,
            "20001 steps are more than 11000 (`prometheus.steps_max`)",
        ),
        ("query_range?query=1&start=1&end=0&step=1", 400, "end is before start"),
        ("query_range?query=1&start=1&end=2&step=0", 400, "no duration above zero"),
        ("series", 400, "match[] is missing"),
        ("label/device/values?match[]=1%2B1", 400, "is no selector"),
    ] {
        let path = format!("/prometheus/api/v1/{path}").replace("[]", "%5B%5D").replace("[1h]", "%5B1h%5D");
        let answer = http::get(server.http, &path).await;
        let body = answer.json();
        assert_eq!((answer.status, body["status"].as_str()), (status, Some("error")), "{path}: {body}");
        assert!(body["error"].as_str().unwrap().contains(words), "{path}: {body}");
    }
}
