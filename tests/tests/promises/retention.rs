//! `[[retention]]`: some series are kept for a shorter time than the rest, which lose nothing by it; nor does InfluxDB.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::mqtt::Client;
use tidegate_tests::{InfluxDb, Server, eventually, http, now_ms};

use super::backup::{text, well};

const LIMIT: Duration = Duration::from_secs(120);
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// For so many days there are readings when it begins.
const DAYS: i64 = 9;
/// Everything is kept for so many.
const ALL_DAYS: i64 = 6;

const CONFIG: &str = r#"
[[retention]]
metric = "vibration.*"
raw_days = 2
[[retention]]
group = "Cold chain/*"
raw_days = 4
[store]
retention_age_days = 6
rollup_retention_age_days = 6
[flush]
interval = "1 s"
"#;

/// Device, metric, and for how many days it is kept.
const SERIES: [(&str, &str, i64); 4] =
    [("hall", "t", ALL_DAYS), ("hall", "vibration.x", 2), ("cold", "t", 4), ("cold", "vibration.x", 2)];

/// Of all series, before it begins.
const POINTS: usize = DAYS as usize * 24 * SERIES.len();

struct World {
    influxdb: InfluxDb,
    server: Server,
    now_ms: i64,
    _folder: tempfile::TempDir,
}

impl World {
    /// A reading each hour of nine days, all of it here and in InfluxDB, before anybody believes the clock.
    async fn new() -> World {
        let (influxdb, folder) = (InfluxDb::start().await, tempfile::tempdir().unwrap());
        let token = folder.path().join("token");
        std::fs::write(&token, influxdb.token().await.1).unwrap();
        let read_token = folder.path().join("read");
        std::fs::write(&read_token, influxdb.token_to("read").await.1).unwrap();
        let url = format!("http://{}", influxdb.address);
        let sink =
            format!("[influxdb]\nurl = {url:?}\norg = \"plant\"\nbucket = \"readings\"\ntoken_file = {token:?}\n");
        let seam = format!("[history]\nread = \"both\"\ntoken_file = {read_token:?}\n");
        let server = Server::with_config(&format!("{CONFIG}{sink}{seam}")).await;
        let world = World { influxdb, server, now_ms: now_ms(), _folder: folder };
        world.publish(0..DAYS * 24).await;
        world.influxdb_has(POINTS).await;
        world
    }

    fn time_ms(&self, hour: i64) -> i64 {
        self.now_ms - DAYS * DAY_MS + hour * HOUR_MS
    }

    async fn publish(&self, hours: std::ops::Range<i64>) {
        let mut client = Client::v5("gateway");
        client.connect(self.server.mqtt).await.unwrap();
        for hour in hours {
            for (device, topic) in [("hall", "Hall/up"), ("cold", "Cold chain/north/up")] {
                let reading =
                    json!({ "deviceId": device, "timestamp": self.time_ms(hour), "t": hour, "vibration.x": -hour });
                client.publish(topic, &reading.to_string(), 1, false).await;
            }
        }
        client.listen_until(LIMIT, |session| session.in_flight() == 0).await;
    }

    /// An entry of now: it says how old the others are, and after its flush what is too old goes.
    async fn nudge(&self) {
        let mut client = Client::v5("other");
        client.connect(self.server.mqtt).await.unwrap();
        client.publish("site/other/x", "1", 1, false).await;
        client.listen_until(LIMIT, |session| session.in_flight() == 0).await;
    }

    async fn influxdb_has(&self, count: usize) {
        let found = || async {
            let points = self.influxdb.points().await;
            let of_series =
                points.iter().filter(|point| SERIES.iter().any(|(_, metric, _)| *metric == point.measurement));
            (of_series.count() == count).then_some(())
        };
        eventually(&format!("InfluxDB has {count} points"), LIMIT, found).await;
    }

    /// Times of the readings from a time on, and the seam.
    async fn readings(&self, device: &str, metric: &str, from_ms: i64) -> (Vec<i64>, Value) {
        let to_ms = self.now_ms + DAY_MS;
        let path = format!("/v1/readings?device={device}&metric={metric}&from={from_ms}&to={to_ms}&limit=5000");
        let answer = http::get(self.server.http, &path).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let answer = answer.json();
        let times = answer["points"].as_array().unwrap().iter().map(|point| point[0].as_i64().unwrap());
        (times.collect(), answer["seam"].clone())
    }

    /// Of what was published, what is not before a time.
    fn published_from(&self, from_ms: i64) -> Vec<i64> {
        (0..DAYS * 24).map(|hour| self.time_ms(hour)).filter(|time_ms| *time_ms >= from_ms).collect()
    }

    /// Each series has its own days here, and what is older than all is in InfluxDB, behind one seam.
    async fn is_kept_as_told(&self, what: &str) {
        let mut seams = BTreeMap::new();
        for (device, metric, days) in SERIES {
            let what = format!("{what}: {metric} of {device}");
            eventually(&what, LIMIT, || async {
                self.nudge().await;
                let (found, seam) = self.readings(device, metric, self.time_ms(0)).await;
                let seam_ms = seam["at"].as_i64()?;
                // A day goes when all of it is older.
                let age_ms = now_ms() - days * DAY_MS;
                let kept_ms = if days == ALL_DAYS { seam_ms } else { age_ms - age_ms.rem_euclid(DAY_MS) };
                let mut expected = self.published_from(self.time_ms(0));
                expected.retain(|time_ms| *time_ms < seam_ms || *time_ms >= kept_ms);
                (found == expected).then_some(())
            })
            .await;
            let seam = self.readings(device, metric, self.time_ms(0)).await.1;
            assert_eq!((&seam["older"], &seam["missing"]), (&json!("influxdb"), &Value::Null), "{what}");
            *seams.entry(seam["at"].as_i64().unwrap()).or_insert(0) += 1;
        }
        assert!(seams.len() == 1 || seams.keys().max().unwrap() - seams.keys().min().unwrap() == HOUR_MS, "{seams:?}");
        self.influxdb_has(POINTS + 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_by_metric_and_by_group_take_their_own_and_a_restart_verify_and_influxdb_agree() {
    let mut world = World::new().await;
    for (device, metric, _) in SERIES {
        let (found, _) = world.readings(device, metric, world.time_ms(0)).await;
        assert_eq!(found, world.published_from(world.time_ms(0)), "nothing goes by a clock that nobody believes");
    }
    world.server.stop().await;
    world.server.restart_with(&["--trust-clock"]).await;
    world.nudge().await;
    let mut client = Client::v5("gateway");
    client.connect(world.server.mqtt).await.unwrap();
    let too_late = json!({ "deviceId": "hall", "timestamp": world.now_ms - 5 * DAY_MS + 1, "vibration.x": 1 });
    client.publish("Hall/up", &too_late.to_string(), 1, false).await;
    client.listen_until(LIMIT, |session| session.in_flight() == 0).await;
    drop(client);
    eventually("what its rule does not keep is refused", LIMIT, || async {
        let metrics = http::get(world.server.http, "/metrics").await.body;
        let is_one = |line: &str| line == "tidegate_store_refused_points_total{reason=\"older_than_rule\"} 1";
        metrics.lines().any(is_one).then_some(())
    })
    .await;
    // InfluxDB has what is refused here.
    world.influxdb_has(POINTS + 1).await;
    world.is_kept_as_told("by rules").await;
    world.server.stop().await;
    well(&["verify", text(&world.server.data())]).await;
    world.server.restart().await;
    world.is_kept_as_told("after a restart").await;
}
