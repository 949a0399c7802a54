//! Answers that go on in InfluxDB where this program's own history ends, against a plain model.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_tests::live::{Chart, Live};
use tidegate_tests::mqtt::Client;
use tidegate_tests::{InfluxDb, Server, eventually, http, now_ms};

use super::{LIMIT, config_of};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const DEVICE: &str = "dev \"7\" \\ ${x}";
const TIMEOUT: Duration = Duration::from_secs(2);

/// A Tidegate that keeps two days, before an InfluxDB that has ten.
struct Kept {
    influxdb: InfluxDb,
    server: Server,
    folder: tempfile::TempDir,
    device: String,
    now_ms: i64,
    /// By metric: times and values in order of arrival.
    model: BTreeMap<String, Vec<(i64, Value)>>,
}

impl Kept {
    async fn new(metrics: &[&str], influx: &str, read: &str) -> Kept {
        let (influxdb, folder) = (InfluxDb::start().await, tempfile::tempdir().unwrap());
        for action in ["write", "read"] {
            std::fs::write(folder.path().join(action), influxdb.token_to(action).await.1).unwrap();
        }
        let config = config(&influxdb, folder.path(), influx, read);
        let server = Server::with_config(&config).await;
        let mut kept =
            Kept { influxdb, server, folder, device: String::new(), now_ms: now_ms(), model: BTreeMap::new() };
        kept.publish(metrics).await;
        // From now on it is known how old that is.
        kept.server.stop().await;
        kept.server.restart_with(&["--trust-clock"]).await;
        kept.forgets().await;
        kept
    }

    /// What is older than two days is deleted here after the next flush; files are of whole days.
    async fn forgets(&self) {
        let mut client = Client::v5("other");
        client.connect(self.server.mqtt).await.unwrap();
        client.publish("site/other/x", "1", 1, false).await;
        client.listen_until(LIMIT, |session| session.in_flight() == 0).await;
        eventually("it is deleted here", LIMIT, || async {
            let oldest = self.server.get("/v1/stats").await["store"]["oldest"].as_i64()?;
            (oldest > self.now_ms - 4 * DAY_MS).then_some(())
        })
        .await;
    }

    /// Ten days of each metric: every quarter of an hour a value, every third time three of one time.
    async fn publish(&mut self, metrics: &[&str]) {
        let mut client = Client::v5("device");
        client.connect(self.server.mqtt).await.unwrap();
        let mut count = 0;
        for step in 0..960_i64 {
            let time_ms = self.now_ms - 10 * DAY_MS + step * 900_000 + step % 7;
            for twin in 0..if step % 3 == 0 { 3 } else { 1 } {
                let mut reading = json!({ "deviceId": DEVICE, "timestamp": time_ms });
                for (place, metric) in metrics.iter().enumerate() {
                    let number = step * 4 + twin;
                    let value = match place % 3 {
                        0 => json!(f64::from(i32::try_from(number).unwrap()) / 8.0 - 100.0),
                        // Twice the same value of one time is one point: two of the three differ.
                        1 => json!((step + twin) % 2 == 0),
                        _ => json!(format!("word \"{number}\",\n\\ 'x'")),
                    };
                    reading[*metric] = value.clone();
                    let points = self.model.entry((*metric).to_owned()).or_default();
                    if !points.contains(&(time_ms, value.clone())) {
                        points.push((time_ms, value));
                        count += 1;
                    }
                }
                client.publish("site/hall 1/up", &reading.to_string(), 1, false).await;
            }
            if step % 50 == 49 {
                client.listen_until(LIMIT, |session| session.in_flight() == 0).await;
            }
        }
        client.listen_until(LIMIT, |session| session.in_flight() == 0).await;
        eventually("InfluxDB has all of it", LIMIT, || async {
            (self.influxdb.points().await.len() == count).then_some(())
        })
        .await;
        let devices = self.server.get("/v1/devices").await;
        self.device = devices["devices"][0]["id"].as_str().unwrap().to_owned();
    }

    async fn get(&self, what: &str, metric: &str, more: &str) -> Value {
        let answer = http::get(self.server.http, &self.path(what, metric, more)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    fn path(&self, what: &str, metric: &str, more: &str) -> String {
        format!("/v1/{what}?device={}&metric={}&{more}", encoded(&self.device), encoded(metric))
    }

    /// The model's points of a span, in the order of their times.
    fn points(&self, metric: &str, from_ms: i64, to_ms: i64) -> Vec<(i64, Value)> {
        let of = self.model[metric].iter().filter(|(time_ms, _)| (from_ms..to_ms).contains(time_ms));
        of.cloned().collect()
    }

    /// Start, count, mean, minimum, maximum, last.
    fn buckets(&self, metric: &str, from_ms: i64, to_ms: i64, width_ms: i64) -> Vec<[f64; 6]> {
        let start = |time_ms: i64| time_ms - time_ms.rem_euclid(width_ms);
        let mut buckets: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for (time_ms, value) in self.points(metric, start(from_ms), start(to_ms - 1) + width_ms) {
            let number = value.as_f64().or_else(|| value.as_bool().map(|on| f64::from(u8::from(on))));
            buckets.entry(start(time_ms)).or_default().extend(number);
        }
        let of = |(start_ms, values): (i64, Vec<f64>)| {
            let (least, most) = (f64::INFINITY, f64::NEG_INFINITY);
            let count = values.len() as f64;
            let (min, max) =
                (values.iter().copied().fold(least, f64::min), values.iter().copied().fold(most, f64::max));
            [start_ms as f64, count, values.iter().sum::<f64>() / count, min, max, values[values.len() - 1]]
        };
        buckets.into_iter().filter(|(_, values)| !values.is_empty()).map(of).collect()
    }

    /// All pages of readings, and the seam that the first tells.
    async fn readings(&self, metric: &str, (from_ms, to_ms): (i64, i64), limit: usize) -> (Vec<(i64, Value)>, Value) {
        let (mut points, mut seam, mut cursor) = (Vec::new(), None, String::new());
        loop {
            let more = format!("from={from_ms}&to={to_ms}&limit={limit}{cursor}");
            let page = self.get("readings", metric, &more).await;
            let found = page["points"].as_array().unwrap();
            assert!(found.len() <= limit);
            points.extend(found.iter().map(|point| (point[0].as_i64().unwrap(), point[1].clone())));
            seam.get_or_insert(page["seam"].clone());
            let Some(next) = page["next"].as_str() else { return (points, seam.unwrap()) };
            cursor = format!("&cursor={next}");
        }
    }

    fn span(&self) -> (i64, i64) {
        (self.now_ms - 11 * DAY_MS, self.now_ms + HOUR_MS)
    }
}

fn config(influxdb: &InfluxDb, folder: &Path, influx: &str, read: &str) -> String {
    let url = format!("http://{}", influxdb.address);
    let (write, read_token) = (folder.join("write"), folder.join("read"));
    let more = format!(
        "{influx}\n[history]\nread = {read:?}\ntimeout = \"{} s\"\ntoken_file = {read_token:?}\n\
         [store]\nretention_age_days = 2\nrollup_retention_age_days = 2\n[flush]\ninterval = \"1 s\"\n",
        TIMEOUT.as_secs()
    );
    config_of(&url, &write, &more)
}

fn encoded(text: &str) -> String {
    let letter = |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { format!("%{byte:02X}") };
    text.bytes().map(letter).collect()
}

/// Buckets of an answer.
fn shown(points: &Value) -> Vec<[f64; 6]> {
    let of = |point: &Value| std::array::from_fn(|at| point[at].as_f64().unwrap());
    points.as_array().unwrap().iter().map(of).collect()
}

fn same(found: &[[f64; 6]], expected: &[[f64; 6]], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let is_near = found.iter().zip(expected).all(|(one, other)| (one - other).abs() <= 1e-9 * other.abs().max(1.0));
        assert!(is_near, "{what}: {found:?}, expected {expected:?}");
    }
}

/// Whatever is asked for is as if all of it were here.
async fn is_whole(kept: &Kept, what: &str) {
    let (from_ms, to_ms) = kept.span();
    for metric in kept.model.keys() {
        let expected = kept.points(metric, from_ms, to_ms);
        for limit in [7, 100, 5_000] {
            let (points, seam) = kept.readings(metric, (from_ms, to_ms), limit).await;
            // Each of one time has a place of its own within it, in order of arrival.
            assert_eq!(points, expected, "{what}: {metric:?} in pages of {limit}");
            assert_eq!((&seam["older"], &seam["missing"]), (&json!("influxdb"), &Value::Null), "{seam}");
        }
        for width in [10, 20, 400, 2_000] {
            let answer = kept.get("series", metric, &format!("from={from_ms}&to={to_ms}&width={width}")).await;
            let rung_ms = answer["rung_ms"].as_i64().unwrap();
            let expected = kept.buckets(metric, from_ms, to_ms, rung_ms);
            same(&shown(&answer["points"]), &expected, &format!("{what}: {metric:?}, {rung_ms} ms"));
            let at = answer["seam"]["at"].as_i64().unwrap();
            assert_eq!(at % rung_ms.max(HOUR_MS), 0);
            assert!((kept.now_ms - 2 * DAY_MS..now_ms()).contains(&at), "{at}");
        }
        // Right at the seam, to both sides of it.
        let (_, seam) = kept.readings(metric, (from_ms, to_ms), 100).await;
        let at = seam["at"].as_i64().unwrap();
        let around = (at - 3 * HOUR_MS, at + 3 * HOUR_MS);
        assert_eq!(kept.readings(metric, around, 2).await.0, kept.points(metric, around.0, around.1), "{what}: around");
    }
    // What is of here alone says nothing of another.
    let recent = kept.readings("t", (kept.now_ms - HOUR_MS, to_ms), 100).await;
    assert_eq!(recent.1, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_history_is_one_chart_and_one_list_whatever_its_names_and_types() {
    let metrics = ["t", "on", "mode", "a \"b\" |> drop()", "\\\") or (r.x != \"", "#c, d=e ${1+1}"];
    let kept = Kept::new(&metrics, "", "both").await;
    is_whole(&kept, "by default").await;
    let (from_ms, to_ms) = kept.span();
    // CSV says it in its head.
    let path = kept.path("readings", "t", &format!("from={from_ms}&to={to_ms}&format=csv"));
    let answer = http::get(kept.server.http, &path).await;
    assert_eq!(answer.body.lines().count(), 1 + kept.model["t"].len());
    let told = answer.head.lines().find(|line| line.starts_with("tidegate-seam: ")).unwrap();
    assert!(told.ends_with("; older=influxdb"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_measurement_by_configuration_reads_back_and_influxdb_alone_does() {
    let influx = "measurement = \"all of it\"\n";
    let mut kept = Kept::new(&["t", "on", "mode"], influx, "both").await;
    is_whole(&kept, "one measurement").await;
    kept.server.stop().await;
    let data = kept.server.data();
    let config = config(&kept.influxdb, kept.folder.path(), influx, "influxdb");
    let first = std::mem::replace(&mut kept.server, Server::with_data(&config, Some(data)).await);
    let (from_ms, to_ms) = kept.span();
    for metric in ["t", "on", "mode"] {
        let (points, seam) = kept.readings(metric, (from_ms, to_ms), 1_000).await;
        assert_eq!(points, kept.points(metric, from_ms, to_ms));
        let at = seam["at"].as_i64().unwrap();
        assert!((now_ms() - 3 * HOUR_MS..now_ms()).contains(&at), "all but what may be on its way: {seam}");
        let answer = kept.get("series", metric, &format!("from={from_ms}&to={to_ms}&width=400")).await;
        same(&shown(&answer["points"]), &kept.buckets(metric, from_ms, to_ms, HOUR_MS), metric);
    }
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_influxdb_an_answer_has_what_is_here_says_so_and_does_not_wait_for_longer_than_its_time() {
    let mut kept = Kept::new(&["t"], "", "both").await;
    let (from_ms, to_ms) = kept.span();
    let series = format!("from={from_ms}&to={to_ms}&width=400");
    let part = async |kept: &Kept, words: &str| {
        let asked = Instant::now();
        let answer = kept.get("series", "t", &series).await;
        assert!(asked.elapsed() < TIMEOUT + Duration::from_secs(3), "{:?}", asked.elapsed());
        let missing = answer["seam"]["missing"].as_str().unwrap_or_default().to_owned();
        assert!(missing.contains(words), "{answer}");
        let here = kept.buckets("t", answer["seam"]["at"].as_i64().unwrap(), to_ms, HOUR_MS);
        let found = shown(&answer["points"]);
        same(&found[found.len() - here.len()..], &here, "what is here");
        let (points, seam) = kept.readings("t", (from_ms, to_ms), 1_000).await;
        assert!(seam["missing"].as_str().unwrap().contains(words), "{seam}");
        let here = kept.points("t", seam["at"].as_i64().unwrap(), to_ms);
        assert_eq!(points[points.len() - here.len()..], here);
        let path = kept.path("readings", "t", &format!("from={from_ms}&to={to_ms}&format=csv"));
        let csv = http::get(kept.server.http, &path).await;
        assert!(csv.head.contains("\r\ntidegate-seam: ") && csv.head.contains("; missing="), "{}", csv.head);
    };
    kept.influxdb.freeze().await;
    // However many ask, they do not wait one after the other.
    let asked = Instant::now();
    let path = kept.path("series", "t", &series);
    let all = futures_util::future::join_all((0..40).map(|_| http::get(kept.server.http, &path))).await;
    assert!(all.iter().all(|answer| answer.status == 200), "{:?}", all[0]);
    assert!(asked.elapsed() < 2 * TIMEOUT + Duration::from_secs(3), "{:?}", asked.elapsed());
    part(&kept, "did not answer within").await;
    kept.influxdb.thaw().await;
    eventually("it answers again", LIMIT, || async {
        kept.get("series", "t", &series).await["seam"]["missing"].is_null().then_some(())
    })
    .await;
    is_whole(&kept, "it goes on").await;

    let token = std::fs::read(kept.folder.path().join("read")).unwrap();
    std::fs::copy(kept.folder.path().join("write"), kept.folder.path().join("read")).unwrap();
    part(&kept, "may read").await;
    std::fs::write(kept.folder.path().join("read"), "no such token").unwrap();
    tokio::time::sleep(TIMEOUT).await;
    part(&kept, "refuses the token").await;
    std::fs::write(kept.folder.path().join("read"), token).unwrap();
    eventually("the right one counts at once", LIMIT, || async {
        kept.get("series", "t", &series).await["seam"]["missing"].is_null().then_some(())
    })
    .await;

    // A chart that is open while it is away is whole when it is back.
    kept.influxdb.stop().await;
    part(&kept, "cannot be reached").await;
    let mut live = Live::connect(kept.server.http, json!({})).await;
    let chart_of = [json!({ "device": kept.device, "metric": "t" })];
    let view = json!({ "kind": "series", "series": chart_of, "from": from_ms, "to": to_ms, "width": 400 });
    live.send(json!({ "type": "subscribe", "id": 1, "view": view })).await;
    let snapshot = next_of(&mut live, "snapshot").await;
    let told = &snapshot["seams"][0];
    assert_eq!((&told[0], &told[2]), (&json!(0), &json!("influxdb")), "{snapshot}");
    assert!(told[3].as_str().unwrap().contains("cannot be reached"), "{told}");
    kept.influxdb.restart().await;
    let mut rows = snapshot["rows"].as_array().unwrap().clone();
    let mut seam = told.clone();
    let expected = kept.buckets("t", from_ms, to_ms, HOUR_MS);
    let until = Instant::now() + LIMIT;
    while rows.len() < expected.len() || !seam[3].is_null() {
        assert!(Instant::now() < until, "{} of {} buckets, {seam}", rows.len(), expected.len());
        let delta = next_of(&mut live, "d").await;
        rows.extend(delta["r"].as_array().into_iter().flatten().cloned());
        delta["h"].as_array().into_iter().flatten().for_each(|told| seam = told.clone());
    }
    let mut found: Vec<[f64; 6]> =
        rows.iter().map(|row| std::array::from_fn(|at| row[at + 1].as_f64().unwrap())).collect();
    found.sort_by(|one, other| one[0].total_cmp(&other[0]));
    same(&found, &expected, "the open chart");
    let opened = Chart::open(&mut live, 2, &view).await;
    assert_eq!(opened.cells.len(), expected.len(), "opened anew it is the same");
}

async fn next_of(live: &mut Live, kind: &str) -> Value {
    loop {
        let message = tokio::time::timeout(LIMIT, live.next()).await.expect("a message").expect("it is open");
        if message["type"] == kind {
            return message;
        }
    }
}
