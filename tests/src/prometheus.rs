//! A real Prometheus over data that are given to it, for what Tidegate answers as it does.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{eventually, http, mosquitto, tool};

/// A running Prometheus on a free port, with its data in a folder that goes when the test ends.
pub struct Prometheus {
    /// Where it is asked.
    pub address: SocketAddr,
    _child: Child,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one over series in the text format of OpenMetrics.
    ///
    /// # Panics
    /// When it does not take the series, or does not get ready.
    pub async fn over(series: &str) -> Prometheus {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (text, data) = (folder.path().join("series.txt"), folder.path().join("data"));
        std::fs::write(&text, series).expect("the series can be written");
        std::fs::write(folder.path().join("prometheus.yml"), "").expect("the configuration can be written");
        let (text, blocks) = (text.to_string_lossy(), data.to_string_lossy());
        tool::run("promtool", &["tsdb", "create-blocks-from", "openmetrics", &text, &blocks]).await;
        let address = mosquitto::free_address();
        let prometheus = Prometheus { address, _child: spawn(folder.path(), address), _folder: folder };
        eventually("Prometheus answers", Duration::from_secs(60), || async {
            tokio::net::TcpStream::connect(address).await.ok()?;
            (http::get(address, "/-/ready").await.status == 200).then_some(())
        })
        .await;
        prometheus
    }
}

fn spawn(folder: &Path, address: SocketAddr) -> Child {
    Command::new("prometheus")
        .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg("--storage.tsdb.retention.time=10y")
        .arg(format!("--web.listen-address={address}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("prometheus is installed: run tests/setup")
}
