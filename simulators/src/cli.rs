//! The commands: arguments in, a summary line out.

use crate::{
    bench::{self, BenchConfig, Step},
    fleet::{Fleet, FleetConfig},
    model::{FleetPlan, Maker, QosChoice, Scenario},
    mqtt::raise_open_files,
    replay::{Columns, Pace, Replay, Series},
    viewers::{Protocol, Viewers, ViewersConfig, rest},
};
use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Simulated devices and viewers for Tidegate, and its benchmarks.
#[derive(Debug, Parser)]
#[command(name = "tidegate-sim", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A fleet of devices that publish over MQTT.
    Fleet(FleetArgs),
    /// A recorded series (CSV with a header line), published with its own times.
    Replay(ReplayArgs),
    /// Viewers on Tidegate's live protocol: latency, bytes, and whether every delta fits.
    Viewers(ViewersArgs),
    /// The benchmarks, with Mosquitto, and Centrifuge where it is named, as peers in the same run.
    Bench(BenchArgs),
}

/// Arguments of `fleet`.
#[derive(Debug, Args)]
pub struct FleetArgs {
    /// MQTT server.
    #[arg(long, default_value = "127.0.0.1:1883", value_name = "ADDR")]
    mqtt: String,
    /// Number of devices.
    #[arg(long, default_value_t = 200)]
    devices: usize,
    /// Between two readings of a device, e.g. 5s, 500ms, 1m.
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    interval: Duration,
    /// Readings a second of the whole fleet; sets the interval.
    #[arg(long, conflicts_with = "interval")]
    rate: Option<f64>,
    /// What the fleet is like.
    #[arg(long, value_enum, default_value_t = Scenario::Office)]
    scenario: Scenario,
    /// All devices speak as the software of this maker does.
    #[arg(long, value_enum, conflicts_with = "report")]
    format: Option<Maker>,
    /// Buildings the devices are spread over (1 to 26).
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=26))]
    buildings: u8,
    /// Letter of the first of them; a second fleet on the same server needs buildings of its own.
    #[arg(long, default_value_t = 'a', value_parser = letter)]
    first_building: char,
    /// The same seed gives the same devices and rooms.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End after this long, e.g. 60s.
    #[arg(long = "for", value_parser = parse_duration, value_name = "DURATION")]
    lasts: Option<Duration>,
    /// QoS of the publications: mix, 0, 1 or 2.
    #[arg(long, default_value = "mix")]
    qos: QosChoice,
    /// Write each acknowledged value to this file, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// New connections a second.
    #[arg(long, default_value_t = 1000.0)]
    connect_rate: f64,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The CSV file.
    file: PathBuf,
    /// MQTT server.
    #[arg(long, default_value = "127.0.0.1:1883", value_name = "ADDR")]
    mqtt: String,
    /// Device identifier.
    #[arg(long)]
    device: String,
    /// Metric name.
    #[arg(long)]
    metric: String,
    /// Column of the time; found by itself when its name or content says so.
    #[arg(long)]
    time_column: Option<String>,
    /// Column of the value; found by itself when there is only one with numbers.
    #[arg(long)]
    value_column: Option<String>,
    /// Location of the device, e.g. "Building A, Floor 3".
    #[arg(long)]
    group: Option<String>,
    /// Publish the recorded times; else they are shifted so that the series ends now.
    #[arg(long)]
    keep_times: bool,
    /// How many times faster than recorded.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// As fast as the server acknowledges.
    #[arg(long, conflicts_with = "speed")]
    at_once: bool,
}

/// Arguments of `viewers`.
#[derive(Debug, Args)]
pub struct ViewersArgs {
    /// Tidegate's HTTP address.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    http: String,
    /// Number of viewers.
    #[arg(long, default_value_t = 100)]
    count: usize,
    /// Devices each viewer watches.
    #[arg(long, default_value_t = 100)]
    devices_each: usize,
    /// End after this long, e.g. 30s.
    #[arg(long = "for", value_parser = parse_duration, value_name = "DURATION")]
    lasts: Option<Duration>,
    /// Deltas a second each viewer asks for; without: as fast as they come.
    #[arg(long)]
    rate: Option<f64>,
    /// Which devices each viewer picks follows from this.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Steps to run; without: all.
    #[arg(long, value_enum, num_args = 1..)]
    only: Vec<Step>,
    /// Write the figures to this file too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The server under test.
    #[arg(long, default_value = "target/release/tidegate", value_name = "PROGRAM")]
    tidegate: PathBuf,
    /// An earlier build of the server under test, as one more peer of the steps live and live-fast.
    #[arg(long, value_name = "PROGRAM")]
    earlier: Option<PathBuf>,
    /// The peer.
    #[arg(long, default_value = "/usr/sbin/mosquitto", value_name = "PROGRAM")]
    mosquitto: PathBuf,
    /// The peer of questions and of an import: what tests/servers/influxdb prints.
    #[arg(long, value_name = "PROGRAM")]
    influxd: Option<PathBuf>,
    /// A second peer of the steps live and live-fast: what tests/servers/centrifuge/build prints.
    #[arg(long, value_name = "PROGRAM")]
    centrifuge: Option<PathBuf>,
    /// The most readings that peer gets in one HTTP request; more than one where more are due.
    #[arg(long, default_value_t = 1, value_name = "READINGS")]
    centrifuge_batch: usize,
    /// Its command line: what tests/servers/influx-cli prints.
    #[arg(long, value_name = "PROGRAM", requires = "influxd")]
    influx: Option<PathBuf>,
    /// Points that are imported.
    #[arg(long, default_value_t = 10_000_000, value_name = "POINTS")]
    import_points: u64,
    /// Length of each measurement.
    #[arg(long, default_value = "20s", value_parser = parse_duration)]
    measure: Duration,
    /// Rounds of the live steps, each with all servers; the medians count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Devices connected.
    #[arg(long, default_value_t = 10_000)]
    devices: usize,
    /// Viewers.
    #[arg(long, default_value_t = 1000)]
    viewers: usize,
    /// Devices each viewer watches.
    #[arg(long, default_value_t = 100)]
    devices_each: usize,
    /// Publishers of the durable step and of the hour.
    #[arg(long, default_value_t = 100)]
    publishers: usize,
    /// Publications each publisher has in flight.
    #[arg(long, default_value_t = 100)]
    window: usize,
    /// How much of the hour is published.
    #[arg(long, default_value = "60m", value_parser = parse_duration)]
    hour: Duration,
    /// QoS of the peer's viewers.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=1))]
    peer_qos: u8,
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// Those a person can do something about; the text says what.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Fleet(args) => fleet(args).await,
            Command::Replay(args) => replay(args).await,
            Command::Viewers(args) => viewers(args).await,
            Command::Bench(args) => bench(args).await,
        }
    }
}

async fn fleet(args: FleetArgs) -> anyhow::Result<()> {
    anyhow::ensure!(args.rate.is_none_or(|rate| rate > 0.0), "--rate must be above 0");
    anyhow::ensure!(args.connect_rate > 0.0, "--connect-rate must be above 0");
    raise_open_files(args.devices)?;
    let interval = match args.rate {
        Some(rate) => Duration::from_secs_f64(args.devices as f64 / rate),
        None => args.interval,
    };
    anyhow::ensure!(!interval.is_zero(), "--interval must be above 0");
    let plan = FleetPlan {
        devices: args.devices,
        buildings: usize::from(args.buildings),
        first_building: usize::from(args.first_building as u8 - b'a'),
        interval,
        scenario: args.scenario,
        qos: args.qos,
        maker: args.format,
        seed: args.seed,
    };
    let mqtt = resolve(&args.mqtt).await?;
    let config = FleetConfig { plan, mqtt, connect_rate: args.connect_rate, handshakes_max: 512, report: args.report };
    let fleet = Fleet::start(&config, None)?;
    println!("fleet: {} devices publish to {mqtt}, each every {interval:?}", args.devices);
    wait_for_end(args.lasts, &fleet).await;
    println!("fleet: {}", fleet.stop().await);
    Ok(())
}

/// More bad lines than this are counted, not listed.
const MISTAKES_LISTED_MAX: usize = 20;

async fn replay(args: ReplayArgs) -> anyhow::Result<()> {
    anyhow::ensure!(args.speed > 0.0, "--speed must be above 0");
    let file = std::fs::File::open(&args.file).with_context(|| format!("cannot open {}", args.file.display()))?;
    let columns = Columns { time: args.time_column, value: args.value_column };
    let series = Series::read(file, &columns).with_context(|| format!("cannot replay {}", args.file.display()))?;
    for mistake in series.mistakes.iter().take(MISTAKES_LISTED_MAX) {
        eprintln!("{}: {mistake}; left out", args.file.display());
    }
    if series.mistakes.len() > MISTAKES_LISTED_MAX {
        eprintln!("{}: {} more lines left out", args.file.display(), series.mistakes.len() - MISTAKES_LISTED_MAX);
    }
    let replay = Replay {
        mqtt: resolve(&args.mqtt).await?,
        device: args.device,
        metric: args.metric,
        group: args.group,
        keep_times: args.keep_times,
        pace: if args.at_once { Pace::AtOnce } else { Pace::Times(args.speed) },
    };
    let totals = tokio::select! {
        totals = replay.run(&series) => totals?,
        () = end_signal(None) => anyhow::bail!("stopped before the end of the series"),
    };
    println!(
        "replay: {} points, acknowledged {}, refused {}, sent again {}, lines left out {}; times {} to {} (Unix ms)",
        series.points.len(),
        totals.acknowledged,
        totals.refused,
        totals.resent,
        series.mistakes.len(),
        totals.first_ms,
        totals.last_ms
    );
    Ok(())
}

async fn viewers(args: ViewersArgs) -> anyhow::Result<()> {
    raise_open_files(args.count)?;
    let address = resolve(&args.http).await?;
    let devices = rest::devices(address).await.with_context(|| format!("cannot list the devices of {address}"))?;
    anyhow::ensure!(!devices.is_empty(), "the server knows no device yet; start a fleet first");
    println!(
        "viewers: {} sessions on {address}, each on {} of {} devices",
        args.count,
        args.devices_each,
        devices.len()
    );
    let config = ViewersConfig {
        address,
        protocol: Protocol::Live,
        count: args.count,
        devices_each: args.devices_each,
        devices,
        rate: args.rate,
        connect_rate: 500.0,
        seed: args.seed,
    };
    let viewers = Viewers::start(config, None);
    end_signal(args.lasts).await;
    let measured = viewers.stop().await;
    println!("viewers: {measured}");
    let whole = measured.counts.wrong_bases == 0 && measured.counts.sessions_lost == 0;
    anyhow::ensure!(whole, "not every session was whole: {:?}", measured.failures);
    Ok(())
}

async fn bench(args: BenchArgs) -> anyhow::Result<()> {
    anyhow::ensure!(args.publishers > 0 && args.window > 0, "--publishers and --window must be above 0");
    anyhow::ensure!(args.rounds > 0, "--rounds must be above 0");
    let config = BenchConfig {
        tidegate: args.tidegate,
        mosquitto: args.mosquitto,
        earlier: args.earlier,
        centrifuge: args.centrifuge,
        influxd: args.influxd,
        influx: args.influx,
        import_points: args.import_points,
        centrifuge_batch: args.centrifuge_batch.max(1),
        only: args.only,
        measure: args.measure,
        rounds: args.rounds,
        devices: args.devices,
        viewers: args.viewers,
        devices_each: args.devices_each,
        publishers: args.publishers,
        window: args.window.min(usize::from(u16::MAX)),
        hour: args.hour,
        peer_qos: args.peer_qos,
    };
    let table = tokio::select! {
        table = bench::run(&config) => table?,
        () = end_signal(None) => anyhow::bail!("stopped; the servers are ended"),
    };
    println!("{table}");
    if let Some(file) = args.json {
        let json = serde_json::to_string_pretty(&table)?;
        std::fs::write(&file, json).with_context(|| format!("cannot write {}", file.display()))?;
    }
    anyhow::ensure!(table.missed.is_empty(), "costs that grow too fast:\n{}", table.missed.join("\n"));
    Ok(())
}

/// Until Ctrl-C, SIGTERM or the time is over; trouble is reported meanwhile, once for each stretch of it.
async fn wait_for_end(lasts: Option<Duration>, fleet: &Fleet) {
    let end = end_signal(lasts);
    tokio::pin!(end);
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    let mut lost_before = 0;
    loop {
        tokio::select! {
            () = &mut end => return,
            _ = tick.tick() => {
                let totals = fleet.totals();
                if totals.connections_lost > lost_before {
                    tracing::warn!(
                        lost = totals.connections_lost - lost_before,
                        connected = totals.connected,
                        "connections failed in the last 5 s; devices try again by themselves"
                    );
                }
                lost_before = totals.connections_lost;
            }
        }
    }
}

async fn end_signal(lasts: Option<Duration>) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("the runtime has its signal driver enabled");
    let time_over = async {
        match lasts {
            Some(lasts) => tokio::time::sleep(lasts).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        () = time_over => {}
    }
}

async fn resolve(address: &str) -> anyhow::Result<SocketAddr> {
    let mut found = tokio::net::lookup_host(address)
        .await
        .with_context(|| format!("cannot resolve {address:?}; expected HOST:PORT, e.g. 127.0.0.1:1883"))?;
    found.next().with_context(|| format!("{address:?} has no address"))
}

/// `250ms`, `5s`, `2m`, `1h`; a number alone is in seconds.
fn letter(text: &str) -> Result<char, String> {
    match text.chars().collect::<Vec<_>>()[..] {
        [letter] if letter.is_ascii_alphabetic() => Ok(letter.to_ascii_lowercase()),
        _ => Err("a letter from a to z".to_owned()),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("unknown unit {unit:?}; use ms, s, m or h")),
    };
    let number: f64 = number.parse().map_err(|_| "expected a number and a unit, e.g. 5s".to_owned())?;
    Duration::try_from_secs_f64(number * scale).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("7"), Ok(Duration::from_secs(7)));
        assert!(parse_duration("7 days").unwrap_err().contains("use ms, s, m or h"));
        assert!(parse_duration("s").is_err());
    }
}
