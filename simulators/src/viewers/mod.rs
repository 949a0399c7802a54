//! Viewers: real WebSocket sessions in great number, that measure what reaches a page and when.
//!
//! - [`socket`]: the client's side of a WebSocket, without a copy for a frame that came whole
//! - [`live`]: Tidegate's live protocol (docs/protocol.md), without I/O
//! - [`peer`]: the same view through MQTT over WebSocket, for the comparison
//! - [`centrifuge`]: the same through Centrifugo's client protocol
//! - [`session`]: the loop between a socket and any of them
//! - [`rest`]: which devices there are
//! - [`stats`]: what was measured

pub mod centrifuge;
pub mod live;
pub mod peer;
pub mod rest;
pub mod session;
pub mod socket;
pub mod stats;

pub use stats::{Measured, Stats};

use crate::{latency::SentTimes, model::rng::Rng};
use rustc_hash::FxHashMap;
use session::ViewerProtocol;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Which server the viewers speak to, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Tidegate's `/v1/live`.
    Live,
    /// MQTT 3.1.1 over WebSocket, a subscription for each device's topic with this QoS.
    Mqtt {
        /// 0 or 1.
        qos: u8,
    },
    /// Centrifugo's client protocol, JSON, a subscription for each device's channel.
    Centrifuge,
}

/// How viewers are run.
#[derive(Debug, Clone)]
pub struct ViewersConfig {
    /// The server's HTTP or WebSocket address.
    pub address: SocketAddr,
    /// Live protocol, or a peer's.
    pub protocol: Protocol,
    /// How many viewers.
    pub count: usize,
    /// Devices each one watches.
    pub devices_each: usize,
    /// The devices there are, by identifier.
    pub devices: Vec<String>,
    /// Deltas a second each viewer asks for; `None`: as fast as they come.
    pub rate: Option<f64>,
    /// New sessions a second.
    pub connect_rate: f64,
    /// Which devices each viewer picks follows from this.
    pub seed: u64,
}

/// What all viewers of a run share.
pub struct Audience {
    /// Place of a device in the fleet, by identifier.
    pub(crate) index: FxHashMap<Box<str>, usize>,
    pub(crate) sent: Option<Arc<SentTimes>>,
    pub(crate) stats: Stats,
    pub(crate) stop: CancellationToken,
}

/// Running viewers.
pub struct Viewers {
    audience: Arc<Audience>,
    tasks: TaskTracker,
}

impl Viewers {
    /// Starts all viewers; they connect at the bounded rate. With `sent`, of a fleet in this process, latencies are
    /// exact; without, they are the reader's clock less the reading's time.
    pub fn start(config: ViewersConfig, sent: Option<Arc<SentTimes>>) -> Self {
        let index = config.devices.iter().enumerate().map(|(index, id)| (id.as_str().into(), index)).collect();
        let audience = Arc::new(Audience { index, sent, stats: Stats::default(), stop: CancellationToken::new() });
        let tasks = TaskTracker::new();
        tasks.spawn(connect_all(config, Arc::clone(&audience), tasks.clone()));
        Self { audience, tasks }
    }

    /// What was measured since the start or the last [`Viewers::restart_measuring`].
    pub fn measured(&self) -> Measured {
        self.audience.stats.measured()
    }

    /// Forgets latencies and counts, at the end of the warm-up. Sessions stay.
    pub fn restart_measuring(&self) {
        self.audience.stats.restart();
    }

    /// Ends all sessions.
    pub async fn stop(self) -> Measured {
        let measured = self.measured();
        self.audience.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        measured
    }
}

async fn connect_all(config: ViewersConfig, audience: Arc<Audience>, tasks: TaskTracker) {
    let mut pause = tokio::time::interval(Duration::from_secs_f64(1.0 / config.connect_rate));
    for viewer in 0..config.count {
        tokio::select! {
            _ = pause.tick() => {}
            () = audience.stop.cancelled() => return,
        }
        let devices = pick(&config, viewer);
        let protocol: Box<dyn ViewerProtocol> = match config.protocol {
            Protocol::Live => Box::new(live::LiveViewer::new(devices, config.rate)),
            Protocol::Mqtt { qos } => Box::new(peer::MqttViewer::new(viewer, devices, qos)),
            Protocol::Centrifuge => Box::new(centrifuge::CentrifugeViewer::new(devices)),
        };
        let rng = Rng::new(config.seed ^ 0x5e55, viewer as u64);
        tasks.spawn(session::run(config.address, protocol, Arc::clone(&audience), rng));
    }
}

/// A different choice for each viewer, as people make it; the same for every protocol.
fn pick(config: &ViewersConfig, viewer: usize) -> Vec<String> {
    let mut rng = Rng::new(config.seed, viewer as u64);
    let total = config.devices.len();
    let mut order: Vec<usize> = (0..total).collect();
    let wanted = config.devices_each.min(total);
    for place in 0..wanted {
        let other = place + rng.below((total - place) as u64) as usize;
        order.swap(place, other);
    }
    order[..wanted].iter().map(|&index| config.devices[index].clone()).collect()
}
