//! The benchmarks: the same load on Tidegate and on its peers, in turn, on this machine.
//!
//! - [`server`]: starts a server in a folder of its own, reads what it uses, ends it by its pid
//! - [`live`]: devices to viewers
//! - [`durable`]: acknowledged publications a second
//! - [`edge`]: connections, sessions, topics, MQTT to MQTT
//! - [`growth`]: each cost at two sizes, and by which power it grows
//! - [`import`]: line protocol, and what devices and viewers feel of it
//! - [`outage`]: what InfluxDB gets after one
//! - [`backup`]: a backup of that, and what devices feel of it
//! - [`hour`]: an hour of load by the devices' own times: memory, bytes on disk; half an hour more, kill -9, restart
//! - [`questions`]: windows of groups over a day of many series, with InfluxDB as the peer (`influxdb`)
//! - [`table`]: the figures as Markdown and JSON

pub mod backup;
pub mod durable;
pub mod edge;
pub mod growth;
pub mod hour;
pub mod import;
mod influxdb;
pub mod live;
pub mod outage;
pub mod questions;
pub mod server;
pub mod table;

use crate::mqtt::raise_open_files;
use server::Kind;
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use table::Table;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Step {
    /// 2,000 publications a second to 1,000 viewers.
    Live,
    /// 10,000 publications a second to 1,000 viewers.
    LiveFast,
    /// QoS 1 and QoS 2 publications acknowledged a second.
    Durable,
    /// From MQTT publishers to MQTT subscribers.
    Relay,
    /// The same beside clients that misbehave.
    Hostile,
    /// Idle connections.
    Idle,
    /// All clients come back at once.
    Reconnect,
    /// Sessions of clients that are away.
    Sleepers,
    /// A new topic among many subscriptions.
    Topics,
    /// Each cost at two sizes.
    Growth,
    /// A publication's PUBACK beside what viewers, REST and flushes do.
    Beside,
    /// A backup beside publications, and beside `cp -r`.
    Backup,
    /// Line protocol, beside `influx write`.
    Import,
    /// InfluxDB after an outage, beside `influx write`.
    Outage,
    /// An hour of load, faster, then half an hour more and kill -9.
    Hour,
    /// Windows of groups over a day of many series.
    Questions,
}

/// Sizes of the benchmarks.
#[derive(Debug, Clone)]
pub struct BenchConfig {
    /// The server under test.
    pub tidegate: PathBuf,
    /// An earlier build of it, as one more peer of the live steps.
    pub earlier: Option<PathBuf>,
    /// The peer of every step.
    pub mosquitto: PathBuf,
    /// A second peer of the live steps.
    pub centrifuge: Option<PathBuf>,
    /// The most readings that Centrifuge gets in one HTTP request.
    pub centrifuge_batch: usize,
    /// InfluxDB 2, as the peer of questions and of an import…
    pub influxd: Option<PathBuf>,
    /// …and its command line.
    pub influx: Option<PathBuf>,
    /// Points that are imported.
    pub import_points: u64,
    /// What is measured; empty: everything.
    pub only: Vec<Step>,
    /// Length of each measurement.
    pub measure: Duration,
    /// Rounds of the live steps, each with all servers; the medians count.
    pub rounds: usize,
    /// Devices connected.
    pub devices: usize,
    /// Viewers.
    pub viewers: usize,
    /// Devices each viewer watches.
    pub devices_each: usize,
    /// Publishers of the durable step.
    pub publishers: usize,
    /// Publications each of them has in flight.
    pub window: usize,
    /// How much of the hour is published.
    pub hour: Duration,
    /// QoS of the peer's viewers.
    pub peer_qos: u8,
}

impl BenchConfig {
    /// The program of a server.
    fn program(&self, kind: Kind) -> &Path {
        match kind {
            Kind::Tidegate => &self.tidegate,
            Kind::Mosquitto => &self.mosquitto,
            Kind::Earlier => self.earlier.as_deref().expect("it is started where it is named"),
            Kind::Centrifuge => self.centrifuge.as_deref().expect("it is started where it is named"),
        }
    }
}

/// Runs the steps, prints as it goes.
///
/// # Errors
/// When a server cannot be started or does not hold the load's connections.
pub async fn run(config: &BenchConfig) -> io::Result<Table> {
    // The servers inherit the limit, and each of their clients is a file on this side too.
    raise_open_files(config.devices + config.viewers + 1000)?;
    let mut table = Table::default();
    let all = <Step as clap::ValueEnum>::value_variants();
    for step in all.iter().filter(|step| config.only.is_empty() || config.only.contains(step)) {
        eprintln!("bench: {step:?}");
        match step {
            Step::Live => live::run(config, 2_000.0, &mut table).await?,
            Step::LiveFast => live::run(config, 10_000.0, &mut table).await?,
            Step::Durable => durable::run(config, &mut table).await?,
            Step::Relay => edge::relay::run(config, &mut table).await?,
            Step::Hostile => edge::hostile::run(config, &mut table).await?,
            Step::Idle => edge::crowd::idle(config, &mut table).await?,
            Step::Reconnect => edge::crowd::reconnect(config, &mut table).await?,
            Step::Sleepers => edge::crowd::sleepers(config, &mut table).await?,
            Step::Topics => edge::topics::run(config, &mut table).await?,
            Step::Growth => growth::run(config, &mut table).await?,
            Step::Beside => growth::beside::run(config, &mut table).await?,
            Step::Backup => backup::run(config, &mut table).await?,
            Step::Import => import::run(config, &mut table).await?,
            Step::Outage => outage::run(config, &mut table).await?,
            Step::Hour => hour::run(config, &mut table).await?,
            Step::Questions => questions::run(config, &mut table).await?,
        }
    }
    Ok(table)
}
