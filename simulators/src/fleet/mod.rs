//! A fleet of devices over real MQTT connections, one small task each.
//!
//! - [`run`]: a device's life: connect, publish, wait for acknowledgements, come back
//! - [`http`]: the same readings through an HTTP API, for the comparison
//! - [`counters`]: what happened, as numbers
//! - [`report`]: what was acknowledged, as lines a test compares with what is stored

pub mod counters;
pub mod http;
pub mod report;
pub mod run;

pub use counters::{Counters, Totals};
pub use http::Gateway;
pub use report::Report;

use crate::{
    latency::SentTimes,
    model::{
        Device, FleetPlan, Scenario,
        makers::{MAKERS, Maker},
    },
    mqtt::Dialer,
    unix_ms,
};
use run::Runner;
use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How a fleet is run.
#[derive(Debug, Clone)]
pub struct FleetConfig {
    /// Who the devices are.
    pub plan: FleetPlan,
    /// The MQTT server.
    pub mqtt: SocketAddr,
    /// New connections a second.
    pub connect_rate: f64,
    /// Handshakes under way at once.
    pub handshakes_max: usize,
    /// Where acknowledged readings are written, one JSON object a line.
    pub report: Option<PathBuf>,
}

/// What all devices of a fleet share.
pub struct Shared {
    pub(crate) dialer: Dialer,
    pub(crate) handshakes: Semaphore,
    pub(crate) stop: CancellationToken,
    pub(crate) counters: Counters,
    pub(crate) report: Option<Report>,
    pub(crate) sent: Option<Arc<SentTimes>>,
    pub(crate) storm: bool,
    /// The devices of each maker: its gateway lists them.
    pub(crate) names: HashMap<Maker, Vec<String>>,
    pub(crate) started: Instant,
}

/// A running fleet.
pub struct Fleet {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

const REPORT_FLUSH_INTERVAL: Duration = Duration::from_millis(100);

impl Fleet {
    /// Starts all devices; they connect at the bounded rate.
    ///
    /// # Errors
    /// When the report cannot be created.
    pub fn start(config: &FleetConfig, sent: Option<Arc<SentTimes>>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            dialer: Dialer::new(config.mqtt),
            handshakes: Semaphore::new(config.handshakes_max),
            stop: CancellationToken::new(),
            counters: Counters::default(),
            report: config.report.as_deref().map(Report::create).transpose()?,
            sent,
            names: MAKERS.into_iter().map(|maker| (maker, config.plan.names_of(maker))).collect(),
            storm: config.plan.scenario == Scenario::Storm,
            started: Instant::now(),
        });
        let tasks = TaskTracker::new();
        tasks.spawn(connect_all(config.clone(), Arc::clone(&shared), tasks.clone()));
        if shared.report.is_some() {
            tasks.spawn(flush_report(Arc::clone(&shared)));
        }
        Ok(Self { shared, tasks })
    }

    /// What happened so far.
    pub fn totals(&self) -> Totals {
        self.shared.counters.totals()
    }

    /// Ends all devices: they wait up to 2 s for acknowledgements under way, and say DISCONNECT.
    pub async fn stop(self) -> Totals {
        self.shared.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(report) = &self.shared.report {
            report.flush();
        }
        self.shared.counters.totals()
    }
}

/// A tick each 10 ms starts the devices that are due; a task that sleeps before it lives would cost memory for nothing.
async fn connect_all(config: FleetConfig, shared: Arc<Shared>, tasks: TaskTracker) {
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    let started = Instant::now();
    let mut specs = config.plan.specs().into_iter();
    let mut count = 0.0;
    while specs.len() > 0 {
        tokio::select! {
            _ = tick.tick() => {}
            () = shared.stop.cancelled() => return,
        }
        while count < started.elapsed().as_secs_f64() * config.connect_rate {
            let Some(spec) = specs.next() else { return };
            count += 1.0;
            let device = Device::new(spec, unix_ms());
            tasks.spawn(Runner::new(device, Arc::clone(&shared)).run());
        }
    }
}

async fn flush_report(shared: Arc<Shared>) {
    while !shared.stop.is_cancelled() {
        if let Some(report) = &shared.report {
            report.flush();
        }
        let _ = tokio::time::timeout(REPORT_FLUSH_INTERVAL, shared.stop.cancelled()).await;
    }
}
