//! The benchmarks: the same load on Tidegate and on Mosquitto, in turn, on this machine.
//!
//! - [`server`]: starts a server in a folder of its own, reads what it uses, ends it by its pid
//! - [`live`]: devices to viewers
//! - [`durable`]: acknowledged publications a second
//! - [`hour`]: an hour of load by the devices' own times: memory, bytes on disk; half an hour more, kill -9, restart
//! - [`table`]: the figures as Markdown and JSON

pub mod durable;
pub mod hour;
pub mod live;
pub mod server;
pub mod table;

use crate::mqtt::raise_open_files;
use std::{io, path::PathBuf, time::Duration};
use table::Table;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Step {
    /// 2,000 publications a second to 1,000 viewers.
    Live,
    /// 10,000 publications a second to 1,000 viewers.
    LiveFast,
    /// QoS 1 publications acknowledged a second.
    Durable,
    /// An hour of load, faster, then half an hour more and kill -9.
    Hour,
}

/// Sizes of the benchmarks.
#[derive(Debug, Clone)]
pub struct BenchConfig {
    /// The server under test.
    pub tidegate: PathBuf,
    /// The peer.
    pub mosquitto: PathBuf,
    /// What is measured; empty: everything.
    pub only: Vec<Step>,
    /// Length of each measurement.
    pub measure: Duration,
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

/// Runs the steps, prints as it goes.
///
/// # Errors
/// When a server cannot be started or does not hold the load's connections.
pub async fn run(config: &BenchConfig) -> io::Result<Table> {
    // The servers inherit the limit, and each of their clients is a file on this side too.
    raise_open_files(config.devices + config.viewers + 1000)?;
    let mut table = Table::default();
    for step in [Step::Live, Step::LiveFast, Step::Durable, Step::Hour] {
        if !config.only.is_empty() && !config.only.contains(&step) {
            continue;
        }
        eprintln!("bench: {step:?}");
        match step {
            Step::Live => live::run(config, 2_000.0, &mut table).await?,
            Step::LiveFast => live::run(config, 10_000.0, &mut table).await?,
            Step::Durable => durable::run(config, &mut table).await?,
            Step::Hour => hour::run(config, &mut table).await?,
        }
    }
    Ok(table)
}
