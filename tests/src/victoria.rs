//! A real VictoriaMetrics, which takes what is written to InfluxDB 2.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{eventually, http, mosquitto};

/// A running VictoriaMetrics on a free port, with its data in a folder that goes when the test ends.
pub struct VictoriaMetrics {
    /// Where it is asked.
    pub address: SocketAddr,
    _child: Child,
    _folder: TempDir,
}

impl VictoriaMetrics {
    /// Starts one.
    ///
    /// # Panics
    /// When it is not installed, or does not get ready.
    pub async fn start() -> VictoriaMetrics {
        let (folder, address) = (tempfile::tempdir().expect("a temporary folder"), mosquitto::free_address());
        let child = Command::new("victoria-metrics")
            .arg(format!("-httpListenAddr={address}"))
            .arg(format!("-storageDataPath={}", folder.path().display()))
            .arg("-retentionPeriod=100y")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("victoria-metrics is installed: run tests/setup");
        eventually("VictoriaMetrics answers", Duration::from_secs(60), || async {
            tokio::net::TcpStream::connect(address).await.ok()?;
            (http::get(address, "/health").await.status == 200).then_some(())
        })
        .await;
        VictoriaMetrics { address, _child: child, _folder: folder }
    }

    /// Times (Unix ms) and values of the series of a name, in order.
    ///
    /// # Panics
    /// When there is more than one such series.
    pub async fn points(&self, name: &str) -> Vec<(i64, f64)> {
        http::get(self.address, "/internal/force_flush").await;
        let answer = http::get(self.address, &format!("/api/v1/export?match[]={name}")).await;
        let series: Vec<Value> = answer.body.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        assert!(series.len() <= 1, "{}", answer.body);
        let of = |key: &str| series.first().and_then(|series| series[key].as_array().cloned()).unwrap_or_default();
        let (times, values) = (of("timestamps"), of("values"));
        let point = |(time, value): (&Value, &Value)| Some((time.as_i64()?, value.as_f64()?));
        times.iter().zip(&values).filter_map(point).collect()
    }
}
