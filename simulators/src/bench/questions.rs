//! A day of many series: windows of groups, asked of Tidegate by REST and in PromQL, and of InfluxDB by Flux over the same
//! points.

use super::{
    BenchConfig,
    durable::{Flow, Template, publish},
    influxdb::Influxdb,
    server::{Kind, Server},
    table::Table,
};
use crate::{model::rng::Rng, unix_ms, viewers::rest};
use std::{
    io,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

const DAY_MS: i64 = 86_400_000;
const INTERVAL_MS: i64 = 30_000;
const GROUPS: usize = 100;
/// Times that a question is asked; the fastest counts.
const TIMES: usize = 3;
/// Until all is in files and nothing else goes on.
const CAUGHT_UP_TIMEOUT: Duration = Duration::from_secs(600);
const QUIET: Duration = Duration::from_secs(5);
/// The last hour is to be closed soon after its end, too.
const CONFIG: &str = "[flush]\ninterval = \"10 s\"\n";

/// Tidegate, and InfluxDB where its program is named.
///
/// # Errors
/// When a server cannot be started, refuses points or does not answer.
pub async fn run(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    let day = Day { series: config.devices, from_ms: (unix_ms() / DAY_MS - 2) * DAY_MS };
    let server = Server::start_with(Kind::Tidegate, &config.tidegate, CONFIG).await?;
    let began = Instant::now();
    publish_all(config, &server, day).await?;
    caught_up(&server, day).await?;
    eprintln!("bench: {} points in Tidegate after {:.0?}", day.points(), began.elapsed());
    let peer = match &config.influxd {
        Some(program) => Some(load(program, day).await?),
        None => None,
    };
    sleep(QUIET).await;
    eprintln!("bench: questions begin");

    let load = format!(
        "{} series x 1 day at 30 s, {:.1} M points, {GROUPS} groups, 5 min",
        day.series,
        day.points() as f64 / 1e6
    );
    let (ours, windows) = asked(&server, &day.rest()).await?;
    let (promql, values) = asked(&server, &day.promql()).await?;
    let hourly = asked(&server, &day.rest().replace("every=5m", "every=1h")).await?.0;
    eprintln!("bench: answers of {windows} and {values} bytes");
    let (mut flux_ms, mut means_ms) = (None, None);
    if let Some(peer) = peer {
        flux_ms =
            Some(peer.flux(&day.flux("group(columns: [\"group\"]) |> aggregateWindow(every: 5m, fn: mean)")).await?);
        let means = "aggregateWindow(every: 5m, fn: mean) |> group(columns: [\"group\", \"_time\"]) |> mean()";
        means_ms = Some(peer.flux(&day.flux(means)).await?);
        peer.stop().await?;
    }
    let fastest_ms = [flux_ms, means_ms].into_iter().flatten().reduce(f64::min);
    table.add(&load, "/v1/aggregate, ms; peer: InfluxDB, the faster Flux", ours.ms, fastest_ms, "0.05");
    table.add(&load, "/prometheus, ms; peer: the same", promql.ms, fastest_ms, "0.5");
    table.add(&load, "/v1/aggregate by the hour, from summaries, ms", hourly.ms, None, "");
    table.add(&load, "/v1/aggregate, CPU, s", ours.cpu_s, None, "");
    table.add(&load, "/prometheus, CPU, s", promql.cpu_s, None, "");
    table.add(&load, "/v1/aggregate by the hour, CPU, s", hourly.cpu_s, None, "");
    server.stop().await
}

/// What is measured, by whom and when.
#[derive(Debug, Clone, Copy)]
struct Day {
    series: usize,
    from_ms: i64,
}

impl Day {
    fn points(self) -> u64 {
        self.series as u64 * (DAY_MS / INTERVAL_MS) as u64
    }

    fn rest(self) -> String {
        let (from, to) = (self.from_ms, self.from_ms + DAY_MS);
        format!("/v1/aggregate?group=&metric=temperature&from={from}&to={to}&every=5m&by=group&function=mean")
    }

    fn promql(self) -> String {
        let (from, to) = (self.from_ms / 1_000 + 300, (self.from_ms + DAY_MS) / 1_000);
        let question = "avg%20by%20(group)%20(avg_over_time(temperature%5B5m%5D))";
        format!("/prometheus/api/v1/query_range?query={question}&start={from}&end={to}&step=300")
    }

    fn flux(self, what: &str) -> String {
        let (from, to) = (self.from_ms / 1_000, (self.from_ms + DAY_MS) / 1_000);
        format!(
            "from(bucket: \"b\") |> range(start: {from}, stop: {to}) |> filter(fn: (r) => r._measurement == \"temperature\") |> {what}"
        )
    }
}

/// One series: when and what it measures, the same for whoever is told.
struct Series {
    number: usize,
    random: Rng,
    value: f64,
}

impl Series {
    fn new(number: usize) -> Series {
        Series { number, random: Rng::new(1, number as u64), value: 15.0 + (number % 10) as f64 }
    }

    fn group(&self) -> usize {
        self.number % GROUPS
    }

    /// Unix ms and value of the reading of a round.
    fn reading(&mut self, day: Day, round: i64) -> (i64, f64) {
        self.value += (self.random.unit() - 0.5) / 5.0;
        let offset_ms = (self.number as i64 * 7) % INTERVAL_MS + self.random.below(9) as i64;
        (day.from_ms + round * INTERVAL_MS + offset_ms, (self.value * 100.0).round() / 100.0)
    }
}

fn all_series(day: Day) -> Vec<Series> {
    (0..day.series).map(Series::new).collect()
}

async fn publish_all(config: &BenchConfig, server: &Server, day: Day) -> io::Result<()> {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut all = all_series(day);
    let share = all.len().div_ceil(config.publishers.max(1)).max(1);
    let mut publishers = JoinSet::new();
    while !all.is_empty() {
        let mut series = all.split_off(all.len().saturating_sub(share));
        let client = format!("bench-{}", series[0].number);
        let template = Template::of(&client, "x", b"{\"timestamp\":0000000000000}");
        let (mut round, mut at) = (0, 0);
        let next = move |packet: &mut Template| {
            if at == series.len() {
                (round, at) = (round + 1, 0);
            }
            if round == DAY_MS / INTERVAL_MS {
                return false;
            }
            let (time_ms, value) = series[at].reading(day, round);
            let topic = format!("hall{}/d{}", series[at].group(), series[at].number);
            packet.replace(&topic, format!("{{\"timestamp\":{time_ms},\"temperature\":{value}}}").as_bytes());
            at += 1;
            true
        };
        publishers.spawn(publish(
            server.mqtt,
            template,
            (config.window, Flow::Puback),
            Arc::clone(&acknowledged),
            next,
        ));
    }
    while let Some(ended) = publishers.join_next().await {
        ended.map_err(io::Error::other)??;
    }
    Ok(())
}

/// Until all points are in history and its hours are closed.
async fn caught_up(server: &Server, day: Day) -> io::Result<()> {
    let began = Instant::now();
    loop {
        let text = rest::get(server.web, "/metrics").await?;
        let figure = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.split([' ', '{']).next() == Some(name));
            line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
        };
        let is_whole = figure("tidegate_store_points") >= day.points() as f64;
        if is_whole && figure("tidegate_store_closed_hours_total") >= 24.0 {
            return Ok(());
        }
        if began.elapsed() > CAUGHT_UP_TIMEOUT {
            return Err(io::Error::other("history did not take all points within 10 min"));
        }
        sleep(Duration::from_millis(500)).await;
    }
}

async fn load(program: &std::path::Path, day: Day) -> io::Result<Influxdb> {
    let began = Instant::now();
    let mut peer = Influxdb::start(program).await?;
    let mut all = all_series(day);
    for round in 0..DAY_MS / INTERVAL_MS {
        for series in &mut all {
            let (time_ms, value) = series.reading(day, round);
            let (group, number) = (series.group(), series.number);
            peer.line(&format!("temperature,device=d{number},group=hall{group} value={value} {time_ms}\n")).await?;
        }
    }
    peer.settle().await?;
    eprintln!("bench: the same points in InfluxDB after {:.0?}", began.elapsed());
    Ok(peer)
}

/// What an answer takes.
#[derive(Debug, Clone, Copy)]
struct Cost {
    ms: f64,
    cpu_s: f64,
}

/// The least of some times, and the bytes of an answer.
async fn asked(server: &Server, path: &str) -> io::Result<(Cost, usize)> {
    let (mut least, mut bytes) = (Cost { ms: f64::INFINITY, cpu_s: f64::INFINITY }, 0);
    for _ in 0..TIMES {
        let (began, cpu_s) = (Instant::now(), server.usage()?.cpu_s);
        bytes = rest::get(server.web, path).await?.len();
        least.ms = least.ms.min(began.elapsed().as_secs_f64() * 1e3);
        least.cpu_s = least.cpu_s.min(server.usage()?.cpu_s - cpu_s);
    }
    Ok((least, bytes))
}
