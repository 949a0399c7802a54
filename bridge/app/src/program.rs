//! The life of the program: it starts a node, says where it is, and stops it when it is told to.

use std::future::Future;
use std::io::Write;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tidegate_broker::Transport;
use tidegate_influx::{HistoryConfig, HistoryRead, Influx, InfluxConfig};
use tidegate_node::{Metrics, Node, NodeConfig, Sinks};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

/// From SIGTERM to the end, whatever hangs.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// Runs until SIGTERM or SIGINT. Whatever people ask for, `viewers` does: HTTP and live sessions.
///
/// # Errors
/// What kept it from starting, with what to do.
pub async fn run(
    config: NodeConfig,
    (influxdb, history): (InfluxConfig, HistoryConfig),
    viewers: &Handle,
) -> Result<()> {
    let metrics = Metrics::install().context("the metrics recorder")?;
    raise_open_files();
    let mut sinks = Sinks::default();
    if !influxdb.url.is_empty() {
        let influx = Influx::open(influxdb, &config.data)?;
        if history.read != HistoryRead::Embedded {
            sinks = sinks.read_across(influx.across(&history)?);
        }
        sinks = sinks.with("influxdb", influx);
    }
    let node = Node::start(config, viewers, metrics, sinks).await?;
    // Who reads that it is ready may end it at once.
    let stop = stop_signal()?;
    announce(&node)?;
    stop.await;
    tracing::info!("stopping");
    end_whatever_hangs();
    node.stop().await?;
    tracing::info!("stopped");
    Ok(())
}

/// A connection is an open file: take as many as the system lets this program have.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::warn!(%error, ?limit, "the limit of open files stays as it is, and with it the number of connections");
    }
}

/// The line that says where everything is; programs wait for it.
fn announce(node: &Node) -> Result<()> {
    let (mqtt, http) = (node.mqtt(), node.http());
    let mut line = format!("tidegate ready: mqtt {mqtt} http {http}");
    for (transport, at) in node.listeners() {
        let name = if *transport == Transport::WebSocket { "ws" } else { transport.name() };
        tracing::info!(transport = transport.name(), %at, "listening");
        line += &format!(" {name} {at}");
    }
    tracing::info!(mqtt, %http, "ready");
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{line}")?;
    stdout.flush().context("stdout")
}

/// Ready when the program is to stop; signals are caught from the call on.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// What is acknowledged is on disk, so ending the hard way loses nothing that was promised.
fn end_whatever_hangs() {
    thread::spawn(|| {
        thread::sleep(SHUTDOWN_MAX);
        tracing::error!("stopping took longer than {SHUTDOWN_MAX:?}: ending now; the log has everything acknowledged");
        std::process::exit(1);
    });
}
