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
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use metrics::gauge;
use parking_lot::Mutex;
use tidegate_follow::{Changes, Followed, Follower};
use tidegate_log::Log;
use tidegate_push::SinkStats;
use tidegate_store::Store;
use tidegate_telemetry::{History, Owner, Position, Problem, ProblemSink, Reason};

use crate::clock;
use crate::config::NodeConfig;
pub use kept::{Kept, kept_states};
use runner::Runner;
use tap::Tap;

/// How long the end of the node waits for a sink to write what it has.
const END_MAX: Duration = Duration::from_secs(3);

/// One that cannot write is told of after so long, ms…
const FAILING_MAX_MS: i64 = 5_000;

/// …one that is slow after so long, ms…
const BEHIND_MAX_MS: i64 = 60_000;

/// …and again after so long, ms.
const TOLD_EVERY_MS: i64 = 60_000;

/// By how much their threads give way to those of devices: as those of viewers do.
const GIVE_WAY: i32 = 5;

/// Followers to the outside, each by a name that stays: its place on disk goes by it.
pub struct Sinks {
    list: Vec<(String, Box<dyn Follower>)>,
    log_bytes_max: u64,
    queue_changes_max: usize,
    /// Makes of the node's history the one that people ask.
    pub(crate) across: Option<Across>,
}

/// Makes a history of another one that reaches further.
pub(crate) type Across = Box<dyn FnOnce(Arc<dyn History>) -> Arc<dyn History> + Send>;

impl Default for Sinks {
    fn default() -> Self {
        Sinks { list: Vec::new(), log_bytes_max: 1 << 30, queue_changes_max: 65_536, across: None }
    }
}

impl Sinks {
    /// One more. It has to keep its position ([`Follower::position`] is not `None`).
    #[must_use]
    pub fn with(mut self, name: &str, follower: impl Follower + 'static) -> Self {
        self.list.push((name.to_owned(), Box::new(follower)));
        self
    }

    /// Charts and lists of readings are read by what this makes of the node's own history.
    #[must_use]
    pub fn read_across(mut self, across: impl FnOnce(Arc<dyn History>) -> Arc<dyn History> + Send + 'static) -> Self {
        self.across = Some(Box::new(across));
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
            let durable = follower.position().unwrap_or(Followed::NOTHING);
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
    /// Where what is refused is told.
    pub problems: Arc<dyn ProblemSink>,
    /// How entries are decoded and processed, and where the checkpoint is.
    pub config: NodeConfig,
}

/// One sink as the other threads see it.
pub struct Progress {
    name: String,
    tap: Tap,
    durable: AtomicU64,
    /// When the last entry that it has was received, Unix ms.
    durable_ms: AtomicI64,
    /// When it was last seen to have everything, or when it began, Unix ms.
    level_ms: AtomicI64,
    /// When it was last told that it is behind, Unix ms.
    told_ms: AtomicI64,
    /// What keeps it from writing.
    trouble: Mutex<Option<String>>,
    /// It reads the log from there on; `u64::MAX`: it does not.
    reading: AtomicU64,
}

impl Progress {
    fn new(name: String, durable: Followed, queue_changes_max: usize) -> Progress {
        Progress {
            name,
            tap: Tap::new(queue_changes_max),
            durable: AtomicU64::new(durable.position.0),
            durable_ms: AtomicI64::new(durable.received_ms),
            level_ms: AtomicI64::new(i64::MIN),
            told_ms: AtomicI64::new(0),
            trouble: Mutex::default(),
            reading: AtomicU64::new(u64::MAX),
        }
    }

    /// Up to where it has everything durably.
    fn durable(&self) -> Position {
        Position(self.durable.load(Ordering::Acquire))
    }

    fn set_durable(&self, followed: Followed) {
        self.durable_ms.store(followed.received_ms, Ordering::Release);
        self.durable.store(followed.position.0, Ordering::Release);
        self.set_trouble(None);
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock() = trouble;
    }

    /// Where it stands, at `now_ms` (Unix ms).
    pub fn stats(&self, now_ms: i64) -> SinkStats {
        let (written, behind_entries) = {
            let (durable, passed) = (self.durable(), self.tap.passed());
            (durable, passed.0.saturating_sub(durable.0))
        };
        if behind_entries == 0 || self.level_ms.load(Ordering::Relaxed) == i64::MIN {
            self.level_ms.store(now_ms, Ordering::Relaxed);
        }
        let durable_ms = self.durable_ms.load(Ordering::Acquire);
        // After a start: since the receipt of the last entry that it has.
        let since_ms = if behind_entries == 0 { now_ms } else { self.level_ms.load(Ordering::Relaxed).max(durable_ms) };
        let (name, trouble) = (self.name.clone(), self.trouble.lock().clone());
        SinkStats { name, written, behind_entries, behind_ms: (now_ms - since_ms).max(0), trouble }
    }

    /// Tells how far behind it is; of one that stays behind, a problem every minute.
    pub fn watch(&self, problems: &dyn ProblemSink) {
        let now_ms = clock::now_ms();
        let SinkStats { name, behind_entries, behind_ms, trouble, .. } = self.stats(now_ms);
        gauge!("tidegate_follow_behind_entries", "follower" => name.clone()).set(behind_entries as f64);
        gauge!("tidegate_follow_behind_seconds", "follower" => name.clone()).set(behind_ms as f64 / 1e3);
        let behind_max_ms = if trouble.is_some() { FAILING_MAX_MS } else { BEHIND_MAX_MS };
        if behind_ms < behind_max_ms || now_ms - self.told_ms.load(Ordering::Relaxed) < TOLD_EVERY_MS {
            return;
        }
        self.told_ms.store(now_ms, Ordering::Relaxed);
        let why = trouble.unwrap_or_else(|| "it takes less than what comes, or catches up".into());
        problems.report(Problem {
            reason: Reason::SinkBehind,
            detail: format!("{name} is {} s and {behind_entries} entries behind: {why}", behind_ms / 1_000),
            topic: "".into(),
            client: name.into(),
            owner: Owner::default(),
            received_ms: now_ms,
            payload: bytes::Bytes::new(),
        });
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
