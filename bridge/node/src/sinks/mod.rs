//! Who follows to the outside: a thread each, and a pipeline that never waits for it.
//!
//! While a sink keeps up it gets what the pipeline has just processed, by a bounded queue ([`Tap`](tap::Tap)). One that is
//! behind (just started, or slower than what comes for longer than its queue lasts) catches up by itself: from the newest
//! state at or before its position it processes the log once more ([`Shadow`](shadow::Shadow)), then takes the queue up
//! again. So that this can be, a flush keeps the state before the last one for who is behind, and the log from there on
//! ([`Kept`]), up to `log_bytes_max`. What lies before that comes from history (`refill`).
//!
//! - `tap`: the queue; `runner`: the thread; `shadow`, `refill`: catching up; `kept`: what is kept for it

mod kept;
mod refill;
mod runner;
mod shadow;
mod tap;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use tidegate_follow::{Changes, Followed, Follower};
use tidegate_log::Log;
use tidegate_store::Store;
use tidegate_telemetry::Position;

use crate::config::NodeConfig;
pub use kept::Kept;
use runner::Runner;
use tap::Tap;

/// How long the end of the node waits for a sink to write what it has.
const END_MAX: Duration = Duration::from_secs(3);

/// By how much their threads give way to those of devices: as those of viewers do.
const GIVE_WAY: i32 = 5;

/// Followers to the outside, each by a name that stays: its place on disk goes by it.
pub struct Sinks {
    list: Vec<(String, Box<dyn Follower>)>,
    log_bytes_max: u64,
    queue_changes_max: usize,
}

impl Default for Sinks {
    fn default() -> Self {
        Sinks { list: Vec::new(), log_bytes_max: 1 << 30, queue_changes_max: 65_536 }
    }
}

impl Sinks {
    /// One more. It has to keep its position ([`Follower::position`] is not `None`).
    #[must_use]
    pub fn with(mut self, name: &str, follower: impl Follower + 'static) -> Self {
        self.list.push((name.to_owned(), Box::new(follower)));
        self
    }

    /// Bytes of the log that are kept for those that are behind, 1 GiB by default; what came before they get from history.
    #[must_use]
    pub fn keeping_log_bytes(mut self, log_bytes_max: u64) -> Self {
        self.log_bytes_max = log_bytes_max;
        self
    }

    /// Changes that wait in memory for one of them, 65,536 by default; past it that one is behind.
    #[must_use]
    pub fn queueing_changes(mut self, queue_changes_max: usize) -> Self {
        self.queue_changes_max = queue_changes_max;
        self
    }

    pub(crate) fn prepare(self) -> Prepared {
        let mut followers = Vec::new();
        for (name, follower) in self.list {
            let durable = follower.position().unwrap_or(Followed::NOTHING).position;
            followers.push((Arc::new(Progress::new(name, durable, self.queue_changes_max)), follower));
        }
        Prepared { followers, log_bytes_max: self.log_bytes_max }
    }
}

/// Sinks with their queues, before their threads run.
pub struct Prepared {
    followers: Vec<(Arc<Progress>, Box<dyn Follower>)>,
    pub(crate) log_bytes_max: u64,
}

impl Prepared {
    pub fn progress(&self) -> Vec<Arc<Progress>> {
        self.followers.iter().map(|(progress, _)| Arc::clone(progress)).collect()
    }

    /// Starts their threads, once the state is restored.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(self, source: &Source) -> io::Result<Running> {
        let (sender, ended) = channel::<()>();
        let count = self.followers.len();
        for (progress, follower) in self.followers {
            let (source, sender) = (source.clone(), sender.clone());
            let run = move || {
                if let Err(error) = rustix::process::nice(GIVE_WAY) {
                    tracing::warn!("the thread of a follower does not give way to others: {error}");
                }
                Runner::new(progress, follower, source).run();
                // Nobody waits any more: it was too late.
                let _ = sender.send(());
            };
            thread::Builder::new().name("follow".into()).spawn(run)?;
        }
        Ok(Running { ended, count })
    }
}

/// Sinks whose threads run.
pub struct Running {
    ended: Receiver<()>,
    count: usize,
}

impl Running {
    /// Waits until they have written what they have, after [`Taps::close`]; not longer than a few seconds: whoever has not
    /// goes on from where it is at the next start.
    pub fn ended(self) {
        let until = Instant::now() + END_MAX;
        for _ in 0..self.count {
            if self.ended.recv_timeout(until.saturating_duration_since(Instant::now())).is_err() {
                tracing::warn!("a follower did not end in time: it goes on from its own position at the next start");
                return;
            }
        }
    }
}

/// What sinks catch up from.
#[derive(Clone)]
pub struct Source {
    /// Entries.
    pub log: Arc<dyn Log>,
    /// What the log has no more.
    pub history: Store,
    /// How entries are decoded and processed, and where the checkpoint is.
    pub config: NodeConfig,
}

/// One sink as the other threads see it.
pub struct Progress {
    name: String,
    tap: Tap,
    durable: AtomicU64,
    /// It reads the log from there on; `u64::MAX`: it does not.
    reading: AtomicU64,
}

impl Progress {
    fn new(name: String, durable: Position, queue_changes_max: usize) -> Progress {
        let (tap, durable) = (Tap::new(queue_changes_max), AtomicU64::new(durable.0));
        Progress { name, tap, durable, reading: AtomicU64::new(u64::MAX) }
    }

    /// Up to where it has everything durably.
    fn durable(&self) -> Position {
        Position(self.durable.load(Ordering::Acquire))
    }

    fn set_durable(&self, position: Position) {
        self.durable.store(position.0, Ordering::Release);
    }

    fn reading(&self) -> Option<Position> {
        Some(Position(self.reading.load(Ordering::Acquire))).filter(|position| position.0 != u64::MAX)
    }

    fn set_reading(&self, position: Option<Position>) {
        self.reading.store(position.map_or(u64::MAX, |position| position.0), Ordering::Release);
    }
}

/// The pipeline's ends of all queues.
#[derive(Default)]
pub struct Taps(pub Vec<Arc<Progress>>);

impl Taps {
    /// The pipeline goes on from here.
    pub fn begin(&self, at: Followed) {
        self.0.iter().for_each(|progress| progress.tap.pass(at.position));
    }

    /// Hands on what a batch changed; it is taken where somebody keeps up. Waits for nobody.
    pub fn hand(&self, changes: &mut Changes) {
        let Some(last) = changes.last() else { return };
        if !self.0.iter().any(|progress| progress.tap.is_open()) {
            return self.begin(last);
        }
        let shared = Arc::new(std::mem::take(changes));
        for progress in &self.0 {
            if !progress.tap.hand(&shared, last.position) {
                let name = progress.name.clone();
                tracing::info!(follower = name, position = %last.position, "it is behind, and catches up from the log");
                metrics::counter!("tidegate_follow_behind_total", "follower" => name).increment(1);
            }
        }
    }

    /// Nothing more comes.
    pub fn close(&self) {
        self.0.iter().for_each(|progress| progress.tap.close());
    }
}
