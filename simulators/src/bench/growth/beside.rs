//! What the way of devices feels of the disk, of viewers, of REST and of flushes: a PUBACK's time, one publication after
//! the other at a rate.

use super::{source, start, watcher::Watcher};
use crate::{
    bench::{BenchConfig, edge::raw::Raw, server::Server, table::Table},
    mqtt::Dialer,
    viewers::rest,
};
use serde_json::{Value, json};
use std::{
    fs::File,
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::{Instant, interval},
};

pub(crate) const MEASURED: Duration = Duration::from_secs(8);
const DEVICES: usize = 10_000;
const ROWS_VIEWED: usize = 10_000;

/// Median and 99th percentile, ms.
pub(crate) struct Times {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Times {
    fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        Times { p50: at(0.5), p99: at(0.99) }
    }
}

/// All of it.
///
/// # Errors
/// When a server cannot be started or ends a connection.
pub async fn run(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    let disk = fsync_alone()?;
    for rate in [200, 2_000] {
        let server = start(config, "").await?;
        let puback = pubacks(server.mqtt, rate).await?;
        server.stop().await?;
        compare(table, &format!("{rate} publications/s; peer: fdatasync alone"), &puback, &disk, "");
    }
    let server = start(config, "").await?;
    source::hear(server.mqtt, 0..DEVICES, source::plain).await?;
    let alone = pubacks(server.mqtt, 200).await?;
    type Storm = fn(&Server, &Handle);
    let storms: [(&str, Storm); 3] = [
        ("4 clients of REST lists and searches", lists),
        ("views of the fleet", fleets),
        ("views that open and close", opening),
    ];
    for (name, storm) in storms {
        let threads = threads_that_give_way()?;
        storm(&server, threads.handle());
        let beside = pubacks(server.mqtt, 200).await?;
        threads.shutdown_background();
        super::settle(&server).await?;
        compare(table, &format!("200 publications/s beside {name}; peer: alone"), &beside, &alone, "ratio 2");
    }
    server.stop().await?;
    flush(config, table).await
}

fn compare(table: &mut Table, load: &str, ours: &Times, peer: &Times, goal: &'static str) {
    eprintln!(
        "bench: {load}: PUBACK p50 {:.2} ms of {:.2}, p99 {:.2} of {:.2}",
        ours.p50, peer.p50, ours.p99, peer.p99
    );
    table.add(load, "PUBACK p50, ms", ours.p50, Some(peer.p50), "");
    table.add(load, "PUBACK p99, ms", ours.p99, Some(peer.p99), goal);
}

/// The same rate with flushes every three seconds and with none, at 100,000 devices.
async fn flush(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    let mut times = Vec::new();
    for every in ["3 s", "15 min"] {
        let server = start(config, &format!("[flush]\ninterval = \"{every}\"\n")).await?;
        source::hear(server.mqtt, 0..100_000, source::plain).await?;
        super::settle(&server).await?;
        times.push(live(&server).await?);
        server.stop().await?;
    }
    let load = "100,000 devices, a reading to a viewer, flushes each 3 s; peer: no flush";
    eprintln!("bench: {load}: live p99 {:.2} ms of {:.2}", times[0].p99, times[1].p99);
    table.add(load, "device to viewer p50, ms", times[0].p50, Some(times[1].p50), "");
    table.add(load, "device to viewer p99, ms", times[0].p99, Some(times[1].p99), "ratio 2");
    Ok(())
}

/// A reading each 10 ms, until a viewer has it.
pub(crate) async fn live(server: &Server) -> io::Result<Times> {
    let mut watcher = Watcher::open(server.web).await?;
    watcher.subscribe(1, &json!({"kind": "devices", "devices": [source::name(0)]})).await?;
    let mut raw = Raw::connect(Dialer::new(server.mqtt), 0, "live", true).await?;
    let (mut took, mut tick, until) = (Vec::new(), interval(Duration::from_millis(10)), Instant::now() + MEASURED);
    for number in 1_000_000.. {
        tick.tick().await;
        if Instant::now() > until {
            break;
        }
        let mut reading = source::plain(0);
        reading["t"] = json!(number);
        let (began, value) = (Instant::now(), number.to_string());
        source::publish(&mut raw, [source::Said::readings(&[reading])]).await?;
        watcher.until(|message| message["r"].to_string().contains(&value)).await?;
        took.push(began.elapsed());
    }
    Ok(Times::of(took))
}

/// One publication after the other, `rate` a second, each until its PUBACK.
pub(crate) async fn pubacks(mqtt: SocketAddr, rate: u64) -> io::Result<Times> {
    const PUBLISHERS: u64 = 20;
    let publishers: Vec<_> =
        (0..PUBLISHERS).map(|number| tokio::spawn(publisher(mqtt, number, rate / PUBLISHERS))).collect();
    let mut took = Vec::new();
    for publisher in publishers {
        took.extend(publisher.await.map_err(io::Error::other)??);
    }
    Ok(Times::of(took))
}

async fn publisher(mqtt: SocketAddr, number: u64, rate: u64) -> io::Result<Vec<Duration>> {
    let mut raw = Raw::connect(Dialer::new(mqtt), number as usize, &format!("puback-{number}"), true).await?;
    let (mut took, mut tick, until) =
        (Vec::new(), interval(Duration::from_millis(1_000 / rate)), Instant::now() + MEASURED);
    while Instant::now() < until {
        tick.tick().await;
        let began = Instant::now();
        source::publish(&mut raw, [source::Said::readings(&[source::plain(number as usize)])]).await?;
        took.push(began.elapsed());
    }
    Ok(took)
}

/// What the disk alone takes for a commit.
fn fsync_alone() -> io::Result<Times> {
    let folder = tempfile::Builder::new().prefix("tidegate-bench-").tempdir()?;
    let mut file = File::create(folder.path().join("commits"))?;
    file.set_len(16 << 20)?;
    file.sync_all()?;
    let mut took = Vec::new();
    for _ in 0..500 {
        let began = std::time::Instant::now();
        file.write_all(&[7; 512])?;
        file.sync_data()?;
        took.push(began.elapsed());
    }
    Ok(Times::of(took))
}

/// For the clients of a storm: what they read costs as much as what the server writes, and would be measured with it
/// where both share few cores.
fn threads_that_give_way() -> io::Result<Runtime> {
    const LEAST: i32 = 19;
    let give_way = || {
        if let Err(error) = rustix::process::nice(LEAST) {
            eprintln!("bench: the clients of a storm do not give way to what is measured: {error}");
        }
    };
    Builder::new_multi_thread().worker_threads(2).on_thread_start(give_way).enable_all().build()
}

fn lists(server: &Server, threads: &Handle) {
    let web = server.web;
    let paths = [
        "/v1/devices?limit=10000",
        "/v1/devices?q=99&limit=10000",
        "/v1/devices?limit=10000",
        "/v1/devices?q=device&limit=1000",
    ];
    for path in paths {
        threads.spawn(async move { while rest::get(web, path).await.is_ok() {} });
    }
}

fn fleets(server: &Server, threads: &Handle) {
    let web = server.web;
    let view = |number: usize| match number % 2 {
        0 => json!({"kind": "fleet", "group": "", "metric": "t"}),
        _ => json!({"kind": "devices", "group": "", "limit": ROWS_VIEWED}),
    };
    let watch = move |view: Value| async move {
        let mut watcher = Watcher::open(web).await?;
        watcher.subscribe(1, &view).await?;
        watcher.until(|_| false).await
    };
    for number in 0..40 {
        threads.spawn(async move { drop(watch(view(number)).await) });
    }
}

fn opening(server: &Server, threads: &Handle) {
    let web = server.web;
    let open_and_close = move || async move {
        let mut watcher = Watcher::open(web).await?;
        for id in 1.. {
            watcher.subscribe(id, &json!({"kind": "fleet", "group": ""})).await?;
            watcher.say(&json!({"type": "unsubscribe", "id": id})).await?;
        }
        Ok::<_, io::Error>(())
    };
    for _ in 0..4 {
        threads.spawn(async move { drop(open_and_close().await) });
    }
}
