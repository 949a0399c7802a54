//! Devices to viewers: latency, bytes, and what the server spends on it.

use super::{
    BenchConfig,
    server::{Kind, Server, Usage, stolen_s, usage_of},
    table::Table,
};
use crate::{
    fleet::{Fleet, FleetConfig, Gateway, Totals, http::CONNECTIONS},
    latency::SentTimes,
    model::{FleetPlan, QosChoice, Scenario},
    viewers::{Measured, Protocol, Viewers, ViewersConfig},
};
use std::{io, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

const CONNECT_RATE: f64 = 2000.0;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(90);
const WARM_UP: Duration = Duration::from_secs(3);

/// What one server did.
struct Outcome {
    measured: Measured,
    /// CPU time a second, in cores.
    cores: f64,
    resident_bytes: u64,
    written_bytes: u64,
    acknowledged: u64,
    /// The load tool's own, in cores: near 1.0 it is what is being measured.
    tool_cores: f64,
    /// CPU time a second that the machine's host gave to others, in cores: with much of it a round says little.
    stolen_cores: f64,
}

/// What all rounds did.
#[derive(Default)]
struct Outcomes(Vec<Outcome>);

impl Outcomes {
    /// The median of a figure: one round in which the machine was busy otherwise does not decide.
    fn median(&self, read: impl Fn(&Outcome) -> f64) -> f64 {
        median(self.0.iter().map(read).collect())
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        odd if odd % 2 == 1 => figures[odd / 2],
        even => (figures[even / 2 - 1] + figures[even / 2]) / 2.0,
    }
}

/// Where the readings come from.
enum Source {
    /// Devices with an MQTT connection each.
    Mqtt(Fleet),
    /// The same devices behind an HTTP API.
    Http(Gateway),
}

impl Source {
    fn totals(&self) -> Totals {
        match self {
            Self::Mqtt(fleet) => fleet.totals(),
            Self::Http(gateway) => gateway.totals(),
        }
    }

    /// Connections it makes.
    fn connections(&self, config: &BenchConfig) -> u64 {
        match self {
            Self::Mqtt(_) => config.devices as u64,
            Self::Http(_) => CONNECTIONS as u64,
        }
    }

    async fn stop(self) -> Totals {
        match self {
            Self::Mqtt(fleet) => fleet.stop().await,
            Self::Http(gateway) => gateway.stop().await,
        }
    }
}

/// All servers at this rate, in turn.
///
/// # Errors
/// When a server cannot be started or does not take the connections.
pub async fn run(config: &BenchConfig, rate: f64, table: &mut Table) -> io::Result<()> {
    let [mut tidegate, mut earlier, mut mosquitto, mut centrifuge] = <[Outcomes; 4]>::default();
    for _ in 0..config.rounds {
        tidegate.0.push(one(config, rate, Kind::Tidegate).await?);
        if config.earlier.is_some() {
            earlier.0.push(one(config, rate, Kind::Earlier).await?);
        }
        mosquitto.0.push(one(config, rate, Kind::Mosquitto).await?);
        if config.centrifuge.is_some() {
            centrifuge.0.push(one(config, rate, Kind::Centrifuge).await?);
        }
    }
    let load = format!("{} devices, {rate}/s, {} viewers x {}", config.devices, config.viewers, config.devices_each);
    // What was set in ms and cores was set where Mosquitto took 40 and 409 ms, and 0.33 cores; Centrifugo 1.6 and 10.2 ms,
    // and 0.50 cores: hence the ratios.
    let (mosquitto_goals, centrifuge_goals) = match rate > 5000.0 {
        true => (["2 ms (ratio 0.05)", "10 ms (ratio 0.024)", "80", ""], ["ratio 1.25", "ratio 0.98", "", ""]),
        false => (["ratio 1.0", "ratio 1.0", "80", "0.5 cores (ratio 1.5)"], ["", "", "", "ratio 1.0"]),
    };
    compare(table, &load, &tidegate, &mosquitto, mosquitto_goals);
    let written = |outcome: &Outcome| outcome.written_bytes as f64 / outcome.acknowledged.max(1) as f64;
    let written_figure = "bytes written to the device a reading";
    table.add(&load, written_figure, tidegate.median(written), None, "report it");
    let trouble = |outcome: &Outcome| outcome.measured.counts.wrong_bases + outcome.measured.counts.sessions_lost;
    let trouble: u64 = tidegate.0.iter().map(trouble).sum();
    table.add(&load, "wrong bases and lost sessions", trouble as f64, None, "0");
    if config.earlier.is_some() {
        let load = format!("{load}; peer: the earlier build");
        compare(table, &load, &tidegate, &earlier, ["", "", "", ""]);
        table.add(&load, written_figure, tidegate.median(written), Some(earlier.median(written)), "");
    }
    if config.centrifuge.is_some() {
        let load = format!("{load}; peer: Centrifuge, {} a request", config.centrifuge_batch);
        compare(table, &load, &tidegate, &centrifuge, centrifuge_goals);
        let lost = |of: &Outcomes| of.0.iter().map(|outcome| outcome.measured.counts.sessions_lost).sum::<u64>() as f64;
        table.add(&load, "lost sessions", lost(&tidegate), Some(lost(&centrifuge)), "");
    }
    Ok(())
}

/// The figures both have. Goals: p50, p99, bytes an update, CPU.
fn compare(table: &mut Table, load: &str, tidegate: &Outcomes, peer: &Outcomes, goals: [&'static str; 4]) {
    let mut add = |figure, read: &dyn Fn(&Outcome) -> f64, goal| {
        table.add(load, figure, tidegate.median(read), Some(peer.median(read)), goal);
    };
    add("device to viewer p50, ms", &|outcome| outcome.measured.p50_ms, goals[0]);
    add("device to viewer p99, ms", &|outcome| outcome.measured.p99_ms, goals[1]);
    add("device to viewer longest, ms", &|outcome| outcome.measured.max_ms, "");
    add("updates delivered/s", &|outcome| outcome.measured.counts.updates as f64 / outcome.measured.seconds, "");
    add("bytes an update on the wire", &|outcome| outcome.measured.bytes_an_update, goals[2]);
    add("server CPU, cores", &|outcome| outcome.cores, goals[3]);
    add("resident memory, MB", &|outcome| outcome.resident_bytes as f64 / 1e6, "");
    add("load tool CPU, cores", &|outcome| outcome.tool_cores, "");
    add("publications acknowledged/s", &|outcome| outcome.acknowledged as f64 / outcome.measured.seconds, "");
    add("CPU the host gave to others, cores", &|outcome| outcome.stolen_cores, "");
}

async fn one(config: &BenchConfig, rate: f64, kind: Kind) -> io::Result<Outcome> {
    let server = Server::start(kind, config.program(kind)).await?;
    let plan = FleetPlan {
        devices: config.devices,
        buildings: 10,
        first_building: 0,
        interval: Duration::from_secs_f64(config.devices as f64 / rate),
        scenario: Scenario::Steady,
        qos: QosChoice::Fixed(1),
        maker: None,
        seed: 1,
    };
    let sent = Arc::new(SentTimes::new(config.devices));
    let names = plan.specs().into_iter().map(|spec| spec.name).collect();
    let interval = plan.interval;
    let source = start_source(config, plan, &server, &sent)?;
    until("devices connect", || source.totals().connected >= source.connections(config)).await?;
    sleep(interval).await;
    let viewers = Viewers::start(viewers_config(config, &server, names), Some(sent));
    until("viewers have their view", || viewers.measured().counts.snapshots >= config.viewers as u64).await?;
    sleep(WARM_UP).await;
    let outcome = measure(config, &server, &source, &viewers).await?;
    let Outcome { measured, cores, stolen_cores, .. } = &outcome;
    eprintln!("bench: {kind:?} at {rate}/s: {measured}; {cores:.2} cores, {stolen_cores:.2} given to others");
    for (reason, count) in &outcome.measured.failures {
        eprintln!("bench: {count} sessions: {reason}");
    }
    viewers.stop().await;
    source.stop().await;
    server.stop().await?;
    Ok(outcome)
}

fn start_source(config: &BenchConfig, plan: FleetPlan, server: &Server, sent: &Arc<SentTimes>) -> io::Result<Source> {
    if server.kind == Kind::Centrifuge {
        return Ok(Source::Http(Gateway::start(&plan, config.centrifuge_batch, server.mqtt, Arc::clone(sent))));
    }
    let config = FleetConfig { plan, mqtt: server.mqtt, connect_rate: CONNECT_RATE, handshakes_max: 512, report: None };
    Fleet::start(&config, Some(Arc::clone(sent))).map(Source::Mqtt)
}

fn viewers_config(config: &BenchConfig, server: &Server, devices: Vec<String>) -> ViewersConfig {
    let protocol = match server.kind {
        Kind::Tidegate | Kind::Earlier => Protocol::Live,
        Kind::Mosquitto => Protocol::Mqtt { qos: config.peer_qos },
        Kind::Centrifuge => Protocol::Centrifuge,
    };
    ViewersConfig {
        address: server.web,
        protocol,
        count: config.viewers,
        devices_each: config.devices_each,
        devices,
        rate: None,
        connect_rate: 500.0,
        seed: 1,
    }
}

async fn measure(config: &BenchConfig, server: &Server, source: &Source, viewers: &Viewers) -> io::Result<Outcome> {
    viewers.restart_measuring();
    let (before, tool_before, acknowledged) = (server.usage()?, usage_of("self")?, source.totals().acknowledged);
    let stolen_before = stolen_s()?;
    sleep(config.measure).await;
    let (after, tool_after, stolen_after) = (server.usage()?, usage_of("self")?, stolen_s()?);
    let measured = viewers.measured();
    let cores = |before: &Usage, after: &Usage| (after.cpu_s - before.cpu_s) / measured.seconds;
    Ok(Outcome {
        cores: cores(&before, &after),
        tool_cores: cores(&tool_before, &tool_after),
        stolen_cores: (stolen_after - stolen_before) / measured.seconds,
        resident_bytes: after.resident_bytes,
        written_bytes: after.written_bytes - before.written_bytes,
        acknowledged: source.totals().acknowledged - acknowledged,
        measured,
    })
}

async fn until(what: &str, mut done: impl FnMut() -> bool) -> io::Result<()> {
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    while !done() {
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("waited 90 s in vain until {what}; look at the server's limits")));
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![9.0, 1.0, 2.0, 4.0]), 3.0);
    }
}
