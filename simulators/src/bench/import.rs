//! Line protocol into Tidegate by `tidegate import`, beside the same file into InfluxDB by `influx write`; and what devices and
//! viewers feel of it.

use super::{
    BenchConfig,
    backup::timed,
    growth::beside::{Times, live, pubacks},
    influxdb,
    server::{Kind, Server, free_port, usage_of},
    table::Table,
};
use crate::{model::rng::Rng, unix_ms};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};
use tokio::time::Instant;

/// Publications a second while an import is under way.
const RATE: u64 = 2_000;
const DEVICES: u64 = 500;
const METRICS: [&str; 5] = ["temperature", "humidity", "pressure", "voltage", "power"];
/// Before now, ms.
const SPAN_MS: i64 = 8 * 86_400_000;

/// Tidegate, and InfluxDB where it is named.
///
/// # Errors
/// When a program cannot be started, ends a connection or fails.
pub async fn run(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    let place = tempfile::Builder::new().prefix("tidegate-bench-").tempdir()?;
    let file = place.path().join("points.lp");
    let points = write(&file, config.import_points)?;
    let server = Server::start(Kind::Tidegate, &config.tidegate).await?;
    let before = server.usage()?.cpu_s;
    let http = server.web.to_string();
    let took_s = timed(&config.tidegate, &["import", "--http", &http], Some(&file)).await?;
    let cpu_us = (server.usage()?.cpu_s - before) * 1e6 / points as f64;
    server.stop().await?;
    let load = format!("{:.0} million points of line protocol; peer: influx write", points as f64 / 1e6);
    let peer = match (&config.influxd, &config.influx) {
        (Some(influxd), Some(influx)) => Some(write_to_influxdb(influxd, influx, &file, points).await?),
        _ => None,
    };
    table.add(
        &load,
        "import, points/s",
        points as f64 / took_s,
        peer.as_ref().map(|peer| peer.points_a_second),
        "ratio 5",
    );
    table.add(&load, "CPU of the server a point, us", cpu_us, peer.as_ref().map(|peer| peer.cpu_us), "");
    beside(config, table, &file).await
}

/// What devices and viewers feel while the file is imported, again and again.
async fn beside(config: &BenchConfig, table: &mut Table, file: &Path) -> io::Result<()> {
    let server = Server::start(Kind::Tidegate, &config.tidegate).await?;
    let alone = (pubacks(server.mqtt, RATE).await?, live(&server).await?);
    let http = server.web.to_string();
    let importing = async {
        loop {
            timed(&config.tidegate, &["import", "--http", &http], Some(file)).await?;
        }
    };
    let measuring = async { Ok::<_, io::Error>((pubacks(server.mqtt, RATE).await?, live(&server).await?)) };
    let beside = tokio::select! {
        broken = importing => broken,
        measured = measuring => measured,
    }?;
    let load = format!("{RATE} publications/s beside an import; peer: alone");
    let mut compare = |what: [&'static str; 2], beside: &Times, alone: &Times| {
        table.add(&load, what[0], beside.p50, Some(alone.p50), "");
        table.add(&load, what[1], beside.p99, Some(alone.p99), "");
    };
    compare(["PUBACK p50, ms", "PUBACK p99, ms"], &beside.0, &alone.0);
    compare(["device to viewer p50, ms", "device to viewer p99, ms"], &beside.1, &alone.1);
    server.stop().await
}

/// Writes about so many points, a series after the other, as `influxd inspect export-lp` does; how many there are.
fn write(file: &Path, points: u64) -> io::Result<u64> {
    let each = (points / DEVICES / METRICS.len() as u64).max(1);
    let (began_ms, step_ms) = (unix_ms() - SPAN_MS, (SPAN_MS / each.cast_signed()).max(1));
    let (mut out, mut rng) = (BufWriter::with_capacity(1 << 20, File::create(file)?), Rng::new(1, 1));
    for device in 0..DEVICES {
        for metric in METRICS {
            let mut value = 20.0 + device as f64;
            for n in 0..each.cast_signed() {
                value += rng.between(-0.1, 0.1);
                let time_ms = began_ms + n * step_ms;
                writeln!(out, "{metric},device=plant/dev{device},group=plant value={value:.2} {time_ms}000000")?;
            }
        }
    }
    out.flush()?;
    Ok(each * DEVICES * METRICS.len() as u64)
}

struct Peer {
    points_a_second: f64,
    cpu_us: f64,
}

async fn write_to_influxdb(influxd: &Path, influx: &Path, file: &Path, points: u64) -> io::Result<Peer> {
    let folder = tempfile::Builder::new().prefix("tidegate-bench-").tempdir()?;
    let address = free_port()?;
    let mut server = influxdb::started(influxd, folder.path(), address, &[]).await?;
    influxdb::set_up(influx, folder.path(), address).await?;
    let pid = server.id().ok_or_else(|| io::Error::other("influxd is gone"))?.to_string();
    let before = usage_of(&pid)?.cpu_s;
    let began = Instant::now();
    let mut writing = influxdb::command(influx, folder.path(), address, &["write", "--bucket", "readings"]);
    writing.arg("--file").arg(file);
    influxdb::done(writing).await?;
    let took_s = began.elapsed().as_secs_f64();
    let cpu_us = (usage_of(&pid)?.cpu_s - before) * 1e6 / points as f64;
    server.kill().await?;
    Ok(Peer { points_a_second: points as f64 / took_s, cpu_us })
}
