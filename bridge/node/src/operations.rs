//! What the program knows of itself, for the status page and for Prometheus.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use metrics::gauge;
use parking_lot::Mutex;
use tidegate_broker::{Broker, EngineConfig};
use tidegate_decode::DecodeConfig;
use tidegate_identity as identity;
use tidegate_log::Log;
use tidegate_process::Reach;
use tidegate_push::{
    Anonymous, BackupError, BackupRequest, BackupStream, ClockStats, LogStats, MqttListener, MqttStats, MqttWays,
    OperationStats, Operations, Readiness, ReadingStats, RuleReach, Trial,
};
use tidegate_store::Store;
use tidegate_telemetry::{History, Position, Publication, Rule, UNSET_BEFORE_MS};
use tokio::sync::watch;

use crate::ages::AgeFigures;
use crate::backup::Backups;
use crate::clock::{self, ClockState};
use crate::config::NodeConfig;
use crate::exposition::Metrics;
use crate::figures::{Figures, Sample};
use crate::flush::FlushStatus;
use crate::problems::Ledger;
use crate::sinks::Progress;

/// Rates are over this span.
const RATE_SPAN: Duration = Duration::from_secs(5);

/// Answers for the program.
pub struct Program {
    /// Unix ms.
    pub started_ms: i64,
    /// Every counter and gauge.
    pub metrics: Metrics,
    /// The broker.
    pub broker: Broker,
    /// The log.
    pub log: Arc<dyn Log>,
    /// History.
    pub store: Store,
    /// How far the views are.
    pub applied: watch::Receiver<Position>,
    /// Counts of the pipeline.
    pub figures: Arc<Figures>,
    /// Counts of problems.
    pub problems: Arc<Ledger>,
    /// Bytes that stay free on the disk.
    pub disk_reserve_bytes: u64,
    /// How writing is doing.
    pub flush: Arc<FlushStatus>,
    /// What of history is of a clock that was wrong.
    pub ages: Arc<AgeFigures>,
    /// How MQTT clients come in.
    pub ways: MqttWays,
    /// What raises alerts, and what each looks at.
    pub reach: Arc<Reach>,
    /// Backups that are taken while it runs.
    pub backups: Backups,
    /// Samples of the last seconds.
    pub rates: Rates,
    /// How payloads are read.
    pub decode: DecodeConfig,
    /// Who follows to the outside.
    pub sinks: Vec<Arc<Progress>>,
}

/// Where MQTT is spoken, and what has to be shown there.
pub fn ways_in(config: &NodeConfig, broker: &Broker) -> MqttWays {
    let is_elsewhere = matches!(config.broker.engine, EngineConfig::External(_));
    let transport = if is_elsewhere { "broker" } else { "tcp" };
    let mut listeners = vec![MqttListener { transport, address: broker.address(), certificate: false }];
    // Both in the order of the configuration.
    for ((transport, at), own) in broker.listeners().into_iter().zip(&config.broker.listeners) {
        let certificate = own.tls.as_ref().is_some_and(|tls| tls.require_certificate);
        listeners.push(MqttListener { transport: transport.name(), address: at.to_string(), certificate });
    }
    let proofs = config.identity.proofs();
    let anonymous = match config.identity.anonymous {
        identity::Anonymous::Auto if !proofs.is_empty() => Anonymous::Never,
        identity::Anonymous::Auto | identity::Anonymous::Everywhere => Anonymous::Everywhere,
        identity::Anonymous::Loopback => Anonymous::Loopback,
        identity::Anonymous::Never => Anonymous::Never,
    };
    MqttWays { listeners, anonymous, proofs }
}

impl Operations for Program {
    fn decode(&self, publication: &Publication) -> Trial {
        let tidegate_decode::Trial { source, format, decoded, proposal } =
            tidegate_decode::Trial::of(&self.decode, publication);
        Trial { source, format, decoded, proposal }
    }

    fn stats(&self) -> OperationStats {
        let now = self.figures.sample();
        let (publications_per_second, values_per_second) = self.rates.of(now);
        OperationStats {
            started: self.started_ms,
            memory_bytes: resident_bytes(),
            mqtt: MqttStats {
                ways: self.ways.clone(),
                connections: self.broker.stats().map(|stats| stats.connections as u64),
                publications: now.publications,
                publications_per_second,
            },
            readings: ReadingStats {
                applied: now.values,
                applied_per_second: values_per_second,
                late: now.late,
                duplicate: now.duplicate,
            },
            log: self.log_stats(),
            clock: self.clock_stats(),
            disk_free_bytes: free_bytes(self.store.directory())
                .map(|free| free.saturating_sub(self.disk_reserve_bytes)),
            sinks: self.sinks.iter().map(|sink| sink.stats(clock::now_ms())).collect(),
            refused: self.problems.counts(),
        }
    }

    fn rules(&self) -> Vec<(Arc<Rule>, RuleReach)> {
        let shown = |tidegate_process::RuleReach { devices, series, texts }| RuleReach { devices, series, texts };
        self.reach.rules().into_iter().map(|(rule, reach)| (rule, shown(reach))).collect()
    }

    fn ready(&self) -> Readiness {
        if self.flush.is_failing() {
            return Readiness::NotReady("history cannot be written to its files; see the log of the program".into());
        }
        if self.log.is_disk_full() {
            let detail = "publications are refused, the disk is full: free some of it, or lower log.disk_reserve_bytes";
            return Readiness::NotReady(detail.into());
        }
        if !self.log.has_room() {
            return Readiness::NotReady("the log has no room: the disk or processing is behind".into());
        }
        if let Some(trouble) = self.broker.trouble() {
            return Readiness::NotReady(trouble);
        }
        Readiness::Ready
    }

    fn backup(&self, asked: BackupRequest) -> BoxFuture<'static, Result<BackupStream, BackupError>> {
        self.backups.begin(asked)
    }

    fn metrics_text(&self) -> String {
        let (store, log, clock) = (self.store.stats(), self.log_stats(), self.clock_stats());
        for (name, value) in [
            ("tidegate_store_series", store.series as f64),
            ("tidegate_store_points", store.points as f64),
            ("tidegate_store_memory_bytes", store.memory_bytes as f64),
            ("tidegate_store_file_bytes", store.file_bytes as f64),
            ("tidegate_log_replay_bytes", log.bytes as f64),
            ("tidegate_log_unapplied_entries", log.appended.0.saturating_sub(log.applied.0) as f64),
            ("tidegate_clock_confirmed", f64::from(clock.confirmed)),
            ("tidegate_clock_doubted", f64::from(clock.doubted)),
            ("tidegate_clock_ahead_seconds", clock.ahead_ms as f64 / 1e3),
            ("tidegate_store_values_ahead", clock.values_ahead as f64),
            ("tidegate_store_ages_behind_seconds", clock.ages_behind_ms.unwrap_or(0) as f64 / 1e3),
            ("tidegate_resident_bytes", resident_bytes().unwrap_or(0) as f64),
        ] {
            gauge!(name).set(value);
        }
        self.metrics.text()
    }
}

impl Program {
    fn clock_stats(&self) -> ClockStats {
        let ClockState { ahead_ms, followed_in_ms, is_doubted, is_confirmed, .. } = clock::state();
        let aged_ms = self.store.aged().map(|aged| aged.to_ms).filter(|aged_ms| *aged_ms >= UNSET_BEFORE_MS);
        ClockStats {
            confirmed: is_confirmed,
            doubted: is_doubted,
            ahead_ms,
            followed_in_ms,
            values_ahead: self.ages.points_ahead(),
            ages_behind_ms: aged_ms.map(|aged_ms| clock::now_ms().saturating_sub(aged_ms).max(0)),
        }
    }

    fn log_stats(&self) -> LogStats {
        LogStats {
            first: self.log.first(),
            appended: self.log.appended(),
            durable: *self.log.durable().borrow(),
            applied: *self.applied.borrow(),
            bytes: self.log.bytes_after(self.store.flushed()),
        }
    }
}

/// Rates over the last seconds, from a sample a second.
#[derive(Default)]
pub struct Rates(Mutex<VecDeque<(Instant, Sample)>>);

impl Rates {
    /// Takes a sample; call it once a second.
    pub fn sample(&self, now: Sample) {
        let mut samples = self.0.lock();
        samples.push_back((Instant::now(), now));
        while samples.front().is_some_and(|(at, _)| at.elapsed() > RATE_SPAN) {
            samples.pop_front();
        }
    }

    /// Publications and values a second.
    fn of(&self, now: Sample) -> (f64, f64) {
        let samples = self.0.lock();
        let Some((at, then)) = samples.front() else { return (0.0, 0.0) };
        let seconds = at.elapsed().as_secs_f64().max(0.001);
        let rate = |now: u64, then: u64| (now.saturating_sub(then)) as f64 / seconds;
        (rate(now.publications, then.publications), rate(now.values, then.values))
    }
}

/// Bytes that a program without privileges may still take on the disk of a folder.
fn free_bytes(folder: &Path) -> Option<u64> {
    let of = rustix::fs::statvfs(folder).ok()?;
    Some(of.f_bavail.saturating_mul(of.f_frsize))
}

/// Resident memory, from /proc (proc(5)); `None` where there is none.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
