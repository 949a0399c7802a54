//! What viewers measured.

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fmt, io,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

const LONGEST_NS: u64 = 600_000_000_000;
const FAILURES_NAMED_MAX: usize = 8;

/// Counters and latencies of all viewers.
pub struct Stats {
    open: AtomicU64,
    inner: Mutex<Inner>,
}

struct Inner {
    since: Instant,
    latency_ns: Histogram<u64>,
    counts: Counts,
    failures: BTreeMap<String, u64>,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Bytes off the wire, WebSocket frames included.
    pub bytes: u64,
    /// Messages that carried updates.
    pub deltas: u64,
    /// Rows (or publications) that changed in them.
    pub updates: u64,
    /// Snapshots completed.
    pub snapshots: u64,
    /// Liveness messages.
    pub pulses: u64,
    /// Deltas whose base was not where the view stood.
    pub wrong_bases: u64,
    /// Times a session was without any frame for more than 12 s.
    pub stale: u64,
    /// Sessions that broke or could not be opened.
    pub sessions_lost: u64,
}

/// A summary of what was measured.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Measured {
    /// Sessions open now.
    pub sessions: u64,
    /// Measured for this long, in seconds.
    pub seconds: f64,
    /// Median from device to viewer, ms.
    pub p50_ms: f64,
    /// 99 of 100, ms.
    pub p99_ms: f64,
    /// The longest, ms.
    pub max_ms: f64,
    /// Latencies measured.
    pub samples: u64,
    /// Bytes off the wire for each update.
    pub bytes_an_update: f64,
    /// Counts.
    #[serde(flatten)]
    pub counts: Counts,
    /// Why sessions broke, and how often.
    pub failures: BTreeMap<String, u64>,
}

impl fmt::Display for Measured {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} sessions, {} updates in {:.1} s, p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms, {:.0} bytes an update; \
             {} snapshots, {} pulses, {} wrong bases, {} stale, {} sessions lost",
            self.sessions,
            self.counts.updates,
            self.seconds,
            self.p50_ms,
            self.p99_ms,
            self.max_ms,
            self.bytes_an_update,
            self.counts.snapshots,
            self.counts.pulses,
            self.counts.wrong_bases,
            self.counts.stale,
            self.counts.sessions_lost
        )
    }
}

impl Default for Stats {
    fn default() -> Self {
        let latency_ns = Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("1 ns to 10 min in 3 digits is valid");
        let inner = Inner { since: Instant::now(), latency_ns, counts: Counts::default(), failures: BTreeMap::new() };
        Self { open: AtomicU64::new(0), inner: Mutex::new(inner) }
    }
}

impl Stats {
    pub(crate) fn session_opened(&self) {
        self.open.fetch_add(1, Relaxed);
    }

    pub(crate) fn session_closed(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    pub(crate) fn session_lost(&self, error: &io::Error) {
        tracing::debug!(%error, "viewer lost its session");
        let mut inner = self.inner.lock();
        inner.counts.sessions_lost += 1;
        let text = error.to_string();
        if inner.failures.len() < FAILURES_NAMED_MAX || inner.failures.contains_key(&text) {
            *inner.failures.entry(text).or_default() += 1;
        }
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.inner.lock().counts.bytes += bytes as u64;
    }

    /// Adds one message's updates, with the age of each.
    pub(crate) fn updates(&self, ages: impl Iterator<Item = Option<Duration>>) {
        let mut inner = self.inner.lock();
        inner.counts.deltas += 1;
        for age in ages {
            inner.counts.updates += 1;
            if let Some(age) = age {
                inner.latency_ns.saturating_record(age.as_nanos() as u64);
            }
        }
    }

    pub(crate) fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut self.inner.lock().counts);
    }

    pub(crate) fn restart(&self) {
        let mut inner = self.inner.lock();
        inner.since = Instant::now();
        inner.latency_ns.reset();
        inner.counts = Counts::default();
        inner.failures.clear();
    }

    pub(crate) fn measured(&self) -> Measured {
        let inner = self.inner.lock();
        let ms = |ns: u64| ns as f64 / 1e6;
        Measured {
            sessions: self.open.load(Relaxed),
            seconds: inner.since.elapsed().as_secs_f64(),
            p50_ms: ms(inner.latency_ns.value_at_quantile(0.5)),
            p99_ms: ms(inner.latency_ns.value_at_quantile(0.99)),
            max_ms: ms(inner.latency_ns.max()),
            samples: inner.latency_ns.len(),
            bytes_an_update: inner.counts.bytes as f64 / inner.counts.updates.max(1) as f64,
            counts: inner.counts,
            failures: inner.failures.clone(),
        }
    }
}
