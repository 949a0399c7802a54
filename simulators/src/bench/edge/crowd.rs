//! Many clients that do little: idle connections, a network that comes back, sessions that sleep.

use super::raw::Raw;
use crate::{
    bench::{
        BenchConfig,
        server::{Kind, Server},
        table::Table,
    },
    mqtt::{Dialer, raise_open_files},
};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep},
};

/// Connections being opened at the same time, where it is not the storm that is measured.
const OPENING_MAX: usize = 256;
const SETTLE: Duration = Duration::from_secs(2);
const IDLE: [usize; 3] = [10_000, 20_000, 40_000];
/// Where the system does not allow so many open files.
const IDLE_FEWER: [usize; 3] = [10_000, 14_000, 18_000];
const SLEEPERS: usize = 100_000;
/// All of them come from one address, faster than it may by default.
const SLEEPERS_CONFIG: &str = "[mqtt]\nconnect_rate_per_address = 1000000\nsessions_max = 200000\n";

/// Resident memory of idle connections, on both servers.
///
/// # Errors
/// When a server cannot be started or does not take the connections.
pub async fn idle(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    let sizes = if raise_open_files(IDLE[2] + 1000).is_ok() { IDLE } else { IDLE_FEWER };
    raise_open_files(sizes[2] + 1000)?;
    let ours = idle_of(config, Kind::Tidegate, sizes).await?;
    let peer = idle_of(config, Kind::Mosquitto, sizes).await?;
    let megabytes = |bytes: f64| bytes / 1e6;
    for (index, size) in sizes.into_iter().enumerate() {
        let load = format!("{size} idle connections, MQTT 3.1.1");
        table.add(
            &load,
            "resident over the base, MB",
            megabytes(ours[index]),
            Some(megabytes(peer[index])),
            ["30", "", ""][index],
        );
    }
    // A straight line through the larger two.
    let each = |bytes: &[f64; 3]| (bytes[2] - bytes[1]) / (sizes[2] - sizes[1]) as f64;
    let far = |bytes: &[f64; 3]| megabytes(bytes[2] + each(bytes) * (100_000 - sizes[2]) as f64);
    table.add("100000 idle connections", "resident over the base, extrapolated, MB", far(&ours), Some(far(&peer)), "");
    Ok(())
}

/// Bytes over the base at each size.
async fn idle_of(config: &BenchConfig, kind: Kind, sizes: [usize; 3]) -> io::Result<[f64; 3]> {
    let server = Server::start(kind, config.program(kind)).await?;
    sleep(SETTLE).await;
    let base = server.usage()?.resident_bytes as f64;
    let (mut clients, mut over) = (Vec::new(), [0.0; 3]);
    for (count, over) in sizes.into_iter().zip(&mut over) {
        clients.extend(connect(&server, clients.len()..count, OPENING_MAX).await?);
        sleep(SETTLE).await;
        *over = server.usage()?.resident_bytes as f64 - base;
        eprintln!("bench: {kind:?}: {count} idle connections: {:.1} MB over {:.1}", *over / 1e6, base / 1e6);
    }
    drop(clients);
    server.stop().await?;
    Ok(over)
}

/// Time until all are back after the network came back, on both servers.
///
/// # Errors
/// As [`idle`].
pub async fn reconnect(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    let ours = storm(config, Kind::Tidegate).await?;
    let peer = storm(config, Kind::Mosquitto).await?;
    let load = format!("{} clients come back at once", config.devices);
    table.add(&load, "until all have their CONNACK, s", ours, Some(peer), "ratio 1.0");
    Ok(())
}

/// The median of three storms, in seconds.
async fn storm(config: &BenchConfig, kind: Kind) -> io::Result<f64> {
    let server = Server::start(kind, config.program(kind)).await?;
    let mut took = [0.0; 3];
    for took in &mut took {
        let clients = connect(&server, 0..config.devices, OPENING_MAX).await?;
        drop(clients);
        sleep(SETTLE).await;
        let began = Instant::now();
        let clients = connect(&server, 0..config.devices, config.devices).await?;
        *took = began.elapsed().as_secs_f64();
        drop(clients);
        sleep(SETTLE).await;
    }
    server.stop().await?;
    took.sort_by(f64::total_cmp);
    eprintln!("bench: {kind:?}: all back after {took:.2?} s");
    Ok(took[1])
}

/// What a session costs whose client is away, with one subscription.
///
/// # Errors
/// As [`idle`].
pub async fn sleepers(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    let (memory, disk) = asleep(config, Kind::Tidegate).await?;
    let (peer, _) = asleep(config, Kind::Mosquitto).await?;
    let load = "100,000 sleeping sessions with a subscription each";
    table.add(load, "bytes a session, in memory", memory, Some(peer), "200");
    table.add(load, "bytes a session, on disk", disk, None, "500");
    Ok(())
}

async fn asleep(config: &BenchConfig, kind: Kind) -> io::Result<(f64, f64)> {
    let server = Server::start_with(kind, config.program(kind), SLEEPERS_CONFIG).await?;
    sleep(SETTLE).await;
    let before = server.usage()?.resident_bytes;
    let (turns, dialer) = (Arc::new(Semaphore::new(OPENING_MAX)), Dialer::new(server.mqtt));
    let mut visits = JoinSet::new();
    for index in 0..SLEEPERS {
        let turn = Arc::clone(&turns).acquire_owned().await.map_err(io::Error::other)?;
        visits.spawn(async move {
            let _turn = turn;
            let mut raw = Raw::connect(dialer, 0, &format!("sleeper-{index}"), false).await?;
            raw.subscribe(&[format!("commands/sleeper-{index}/#")], 1).await?;
            raw.disconnect().await
        });
        while let Some(visit) = visits.try_join_next() {
            visit.map_err(io::Error::other)??;
        }
    }
    while let Some(visit) = visits.join_next().await {
        visit.map_err(io::Error::other)??;
    }
    sleep(SETTLE * 2).await;
    let each = |bytes: u64| bytes as f64 / SLEEPERS as f64;
    let memory = each(server.usage()?.resident_bytes.saturating_sub(before));
    let disk = each(server.disk_bytes("sessions"));
    server.stop().await?;
    eprintln!("bench: {kind:?}: a sleeping session: {memory:.0} bytes in memory, {disk:.0} on disk");
    Ok((memory, disk))
}

/// Connects the clients of these numbers, so many at the same time.
async fn connect(server: &Server, numbers: std::ops::Range<usize>, opening_max: usize) -> io::Result<Vec<Raw>> {
    let (turns, dialer) = (Arc::new(Semaphore::new(opening_max)), Dialer::new(server.mqtt));
    let mut opening = JoinSet::new();
    for index in numbers {
        let turns = Arc::clone(&turns);
        opening.spawn(async move {
            let _turn = turns.acquire().await.map_err(io::Error::other)?;
            Raw::connect(dialer, index, &format!("idle-{index}"), true).await
        });
    }
    let mut clients = Vec::with_capacity(opening.len());
    while let Some(opened) = opening.join_next().await {
        clients.push(opened.map_err(io::Error::other)??);
    }
    Ok(clients)
}
