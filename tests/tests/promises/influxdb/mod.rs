//! Every acknowledged reading is in InfluxDB too, once, through whatever happens to either.

mod across;
mod outages;
mod readings;
mod refusals;
mod ways;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tidegate_tests::influxdb::Point;
use tidegate_tests::mqtt::publish_numbers;
use tidegate_tests::{InfluxDb, Server, eventually, now_ms};

const LIMIT: Duration = Duration::from_secs(90);

/// A Tidegate that writes to an InfluxDB.
struct World {
    influxdb: InfluxDb,
    server: Server,
    /// Identifier of the token in the file.
    token: String,
    folder: TempDir,
    base_ms: i64,
    published: u32,
}

impl World {
    async fn new() -> World {
        World::by(|influxdb| influxdb, "").await
    }

    /// `way`: where Tidegate finds it, by where it is.
    async fn by(way: impl FnOnce(SocketAddr) -> SocketAddr, more: &str) -> World {
        let influxdb = InfluxDb::start().await;
        let at = way(influxdb.address);
        World::with(influxdb, at, more).await
    }

    async fn with(influxdb: InfluxDb, at: SocketAddr, more: &str) -> World {
        World::at(influxdb, &format!("http://{at}"), more).await
    }

    async fn at(influxdb: InfluxDb, url: &str, more: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        let (token, secret) = influxdb.token().await;
        let file = folder.path().join("token");
        std::fs::write(&file, secret + "\n").unwrap();
        let server = Server::with_config(&config_of(url, &file, more)).await;
        World { influxdb, server, token, folder, base_ms: now_ms() - 10_000_000, published: 0 }
    }

    /// Publishes readings, each of a time and value of its own, and has each acknowledged.
    async fn publish(&mut self, count: u32) {
        publish_numbers(self.server.mqtt, self.base_ms, self.published..self.published + count).await;
        self.published += count;
    }

    /// Waits until everything published is there, and nothing of it twice.
    async fn has_each_once(&self, what: &str) {
        self.has_each_once_from(0, what).await;
    }

    async fn has_each_once_from(&self, first: u32, what: &str) {
        eventually(what, LIMIT, || async {
            let values = values(&self.influxdb.points().await);
            (first..self.published).all(|number| values.contains_key(&number)).then_some(())
        })
        .await;
        let often: Vec<_> =
            values(&self.influxdb.points().await).into_iter().filter(|(_, often)| *often != 1).collect();
        assert!(often.is_empty(), "{what}: {often:?}");
    }

    /// What *Status* says of it.
    async fn sink(&self) -> serde_json::Value {
        self.server.get("/v1/stats").await["sinks"][0].clone()
    }

    /// Waits until *Problems* has one whose words are these.
    async fn has_problem(&self, reason: &str, words: &str) -> serde_json::Value {
        eventually(&format!("a problem {reason}: {words}"), LIMIT, || async {
            let problems = self.server.get("/v1/problems").await;
            let problems = problems["problems"].as_array()?.clone();
            problems.into_iter().find(|problem| {
                let is = problem["reason"] == reason;
                is && problem["detail"].as_str().is_some_and(|detail| detail.contains(words))
            })
        })
        .await
    }
}

/// What an operator writes.
fn config(at: SocketAddr, token: &Path, more: &str) -> String {
    config_of(&format!("http://{at}"), token, more)
}

fn config_of(url: &str, token: &Path, more: &str) -> String {
    format!("[influxdb]\nurl = {url:?}\norg = \"plant\"\nbucket = \"readings\"\ntoken_file = {token:?}\n{more}")
}

/// How often each value of `t` is there.
fn values(points: &[Point]) -> BTreeMap<u32, u32> {
    let mut values = BTreeMap::new();
    for point in points.iter().filter(|point| point.measurement == "t" && point.field == "value") {
        *values.entry(point.value.parse().unwrap()).or_default() += 1;
    }
    values
}
