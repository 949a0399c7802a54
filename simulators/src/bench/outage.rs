//! What InfluxDB gets after an outage: how fast, at which cost, beside `influx write` of the same lines; and what devices and
//! viewers feel of it.

use super::{
    BenchConfig,
    growth::beside::{live, pubacks},
    hour::{Convoy, METRICS_A_READING, figure},
    influxdb,
    server::{Kind, Server, free_port, usage_of},
    table::Table,
};
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

/// By the devices' own times: what comes while InfluxDB is away.
const OUTAGE: Duration = Duration::from_secs(300);
const TIMEOUT: Duration = Duration::from_secs(300);
/// How often it is looked at how far it is: that costs the server CPU, which is measured.
const LOOK: Duration = Duration::from_millis(250);
/// Publications a second while it is told.
const RATE: u64 = 2_000;

/// Tidegate, and `influx write` where it is named.
///
/// # Errors
/// When a program cannot be started, fails, or does not get ready.
pub async fn run(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    let (Some(influxd), Some(influx)) = (&config.influxd, &config.influx) else {
        eprintln!("bench: what InfluxDB gets is not measured: it needs --influxd and --influx");
        return Ok(());
    };
    let place = tempfile::Builder::new().prefix("tidegate-bench-").tempdir()?;
    let token = place.path().join("token");
    std::fs::write(&token, influxdb::TOKEN)?;
    // Set up once, so that it takes what comes as soon as it is there again.
    let mut store = Influxd::new(influxd, influx)?;
    store.start().await?;
    store.set_up().await?;
    store.stop().await?;
    let url = format!("http://{}", store.address);
    let ours = format!("[influxdb]\nurl = {url:?}\norg = \"plant\"\nbucket = \"readings\"\ntoken_file = {token:?}\n");
    let server = Server::start_with(Kind::Tidegate, &config.tidegate, &ours).await?;
    let mut fleet = Convoy::new(config);

    let points = fleet.publish(&server, OUTAGE, config).await? * METRICS_A_READING;
    sleep(Duration::from_secs(5)).await;
    let (wall_s, cpu_s) = caught_up(&server, &mut store, points).await?;
    let lines = place.path().join("lines");
    store.export(&lines).await?;
    let (peer_wall_s, peer_cpu_s) = written_by_influx(influxd, influx, &lines).await?;
    let load =
        format!("{:.1} million points after an outage; peer: influx write of the same lines", points as f64 / 1e6);
    let each = |seconds: f64| seconds * 1e6 / points as f64;
    table.add(&load, "points/s into InfluxDB", points as f64 / wall_s, Some(points as f64 / peer_wall_s), "ratio 0.9");
    table.add(&load, "CPU of who writes a point, us", each(cpu_s), Some(each(peer_cpu_s)), "ratio 0.5");

    // It is away again, and so is what it would take from the others on this machine.
    let mut told = points;
    let alone = (pubacks(server.mqtt, RATE).await?, live(&server).await?);
    told += fleet.publish(&server, OUTAGE * 2, config).await? * METRICS_A_READING;
    sleep(Duration::from_secs(5)).await;
    store.start_apart().await?;
    has_more_than(&server, points).await?;
    let beside = (pubacks(server.mqtt, RATE).await?, live(&server).await?);
    let written = figure(&server, "tidegate_influxdb_points_total").await?;
    let load = format!(
        "beside the next outage's points ({:.1} of {:.1} million written by the end), InfluxDB gives way; peer: InfluxDB away",
        (written - points as f64) / 1e6,
        (told - points) as f64 / 1e6
    );
    for (what, beside, alone) in [
        (["PUBACK at 2,000/s p50, ms", "PUBACK at 2,000/s p99, ms"], beside.0, alone.0),
        (["device to viewer p50, ms", "device to viewer p99, ms"], beside.1, alone.1),
    ] {
        table.add(&load, what[0], beside.p50, Some(alone.p50), "");
        table.add(&load, what[1], beside.p99, Some(alone.p99), "ratio 1.3");
    }
    server.stop().await
}

/// Waits until InfluxDB has got something after an outage: the next attempt may be half a minute away.
async fn has_more_than(server: &Server, points: u64) -> io::Result<()> {
    let until = Instant::now() + TIMEOUT;
    while figure(server, "tidegate_influxdb_points_total").await? <= points as f64 {
        if Instant::now() > until {
            return Err(io::Error::other(format!("InfluxDB gets nothing after {TIMEOUT:?}")));
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Starts InfluxDB and waits until it has so many points: how long that takes, and the CPU of the server, s.
async fn caught_up(server: &Server, store: &mut Influxd, points: u64) -> io::Result<(f64, f64)> {
    store.start().await?;
    // The next attempt may be half a minute away.
    let until = Instant::now() + TIMEOUT;
    let mut began: Option<(Instant, f64, f64)> = None;
    loop {
        let (cpu_s, written) = (server.usage()?.cpu_s, figure(server, "tidegate_influxdb_points_total").await?);
        let (at, cpu_before, had) = match began {
            Some(began) => began,
            None if written > 0.0 => *began.insert((Instant::now(), cpu_s, written)),
            None => (Instant::now(), cpu_s, written),
        };
        if written >= points as f64 {
            let share = points as f64 / (written - had).max(1.0);
            return Ok((at.elapsed().as_secs_f64() * share, (cpu_s - cpu_before) * share));
        }
        if Instant::now() > until {
            return Err(io::Error::other(format!("InfluxDB has {written} of {points} points after {TIMEOUT:?}")));
        }
        sleep(if began.is_some() { LOOK } else { Duration::from_millis(20) }).await;
    }
}

/// The same lines by its own command line into an empty one: how long that takes, and the CPU of the command, s.
async fn written_by_influx(influxd: &Path, influx: &Path, lines: &Path) -> io::Result<(f64, f64)> {
    let mut store = Influxd::new(influxd, influx)?;
    store.start().await?;
    store.set_up().await?;
    let began = Instant::now();
    let mut command = store.command(&["write", "--bucket", "readings"]);
    let mut writing = command.arg("--file").arg(lines).spawn()?;
    let pid = writing.id().ok_or_else(|| io::Error::other("influx is gone"))?.to_string();
    let mut cpu_s = 0.0;
    loop {
        tokio::select! {
            status = writing.wait() => {
                let status = status?;
                if !status.success() {
                    return Err(io::Error::other(format!("influx write ended with {status}")));
                }
                return Ok((began.elapsed().as_secs_f64(), cpu_s));
            }
            () = sleep(Duration::from_millis(20)) => {
                cpu_s = usage_of(&pid).map_or(cpu_s, |usage| f64::max(cpu_s, usage.cpu_s));
            }
        }
    }
}

/// An InfluxDB in a folder of its own.
struct Influxd {
    influxd: PathBuf,
    influx: PathBuf,
    folder: TempDir,
    address: SocketAddr,
    child: Option<Child>,
}

impl Influxd {
    fn new(influxd: &Path, influx: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-bench-").tempdir()?;
        let address = free_port()?;
        Ok(Self { influxd: influxd.to_owned(), influx: influx.to_owned(), folder, address, child: None })
    }

    async fn start(&mut self) -> io::Result<()> {
        self.child = Some(influxdb::started(&self.influxd, self.folder.path(), self.address, &[]).await?);
        Ok(())
    }

    /// As one on a machine of its own: it takes nothing from others here.
    async fn start_apart(&mut self) -> io::Result<()> {
        self.child = Some(influxdb::started_apart(&self.influxd, self.folder.path(), self.address).await?);
        Ok(())
    }

    async fn stop(&mut self) -> io::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        if let Some(pid) = child.id().and_then(|pid| rustix::process::Pid::from_raw(pid as i32)) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        child.wait().await.map(drop)
    }

    async fn set_up(&self) -> io::Result<()> {
        influxdb::set_up(&self.influx, self.folder.path(), self.address).await
    }

    /// Every point as a line, in order of time, as they came; it is stopped, then.
    async fn export(&mut self, lines: &Path) -> io::Result<()> {
        let output = self.command(&["bucket", "list", "--name", "readings", "--hide-headers"]).output().await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let bucket = said.split_whitespace().next().ok_or_else(|| io::Error::other("there is no bucket"))?;
        self.stop().await?;
        let (engine, by_series) = (self.folder.path().join("engine"), lines.with_extension("by-series"));
        let status = Command::new(&self.influxd)
            .args(["inspect", "export-lp", "--bucket-id", bucket, "--engine-path"])
            .arg(engine)
            .arg("--output-path")
            .arg(&by_series)
            .stderr(Stdio::null())
            .status()
            .await?;
        let mut sorting = Command::new("sort");
        sorting.env("LC_ALL", "C").args(["-t", " ", "-k3,3", "-s", "-o"]).arg(lines).arg(&by_series);
        match status.success() && sorting.status().await?.success() {
            true => Ok(()),
            false => Err(io::Error::other("the lines cannot be exported")),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        influxdb::command(&self.influx, self.folder.path(), self.address, arguments)
    }
}
