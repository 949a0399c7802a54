//! What the end-to-end tests stand on: a real server in a folder of its own on free ports, real clients, and a browser.
//!
//! - [`Server`]: the built `tidegate`, started, killed and started again
//! - [`Disk`]: a small file system that can run full, or lose its power
//! - [`InfluxDb`], [`VictoriaMetrics`]: real ones; [`Proxy`]: a way to a server that can be cut, or is secured by TLS
//! - [`http`]: a small HTTP client
//! - [`live`]: a client of the live protocol that keeps the map a stranger would keep from docs/protocol.md
//! - [`mqtt`]: a faithful MQTT client, which keeps its half of the session
//! - [`Mosquitto`]: another broker
//! - [`prometheus`]: a real Prometheus over given data
//! - [`tool`]: other programs: mosquitto_pub, paho-mqtt, MQTT.js, the simulator, Chromium

mod disk;
pub mod http;
pub mod influxdb;
pub mod live;
pub mod mosquitto;
pub mod mqtt;
pub mod prometheus;
pub mod proxy;
mod server;
pub mod tool;
mod victoria;

pub use disk::Disk;
pub use influxdb::InfluxDb;
pub use mosquitto::Mosquitto;
pub use proxy::Proxy;
pub use server::Server;
pub use victoria::VictoriaMetrics;

use std::future::Future;
use std::time::{Duration, Instant};

/// Asks until there is an answer.
///
/// # Panics
/// When there is none within `limit`; the message says what was waited for.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> F,
) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "waited {limit:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Unix milliseconds.
///
/// # Panics
/// When the clock stands before 1970.
#[must_use]
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(since.as_millis()).expect("milliseconds since 1970 fit into 63 bits")
}
