//! What all connections of the gate share.
//!
//! It is made of parts that own what they hold, and what is done with several of them stands in one file a subject:
//!
//! - `connections`: who is connected, and who holds which client identifier
//! - `sessions`: from CONNECT to session, and what stays of it
//! - `subscriptions`: they begin and end
//! - `commands`: out to devices, and back into the log what became of them
//! - `publications`: into the log, to subscribers, among the retained messages
//! - `wills`: what is published for clients that went without a word
//! - `system`: the `$SYS` topics
//! - `listing`: what operators ask: pages of clients, one client, ending a connection
//! - `recovery`: what the run before left, brought back

mod commands;
mod connections;
mod listing;
mod publications;
mod recovery;
mod sessions;
mod subscriptions;
mod system;
mod wills;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use tidegate_log::Log;
use tidegate_telemetry::{Holder, Problem, ProblemSink, Reason};

pub(crate) use self::commands::is_by_name;
use self::connections::Connections;
pub(crate) use self::connections::Registration;
pub(crate) use self::publications::{Publisher, holder_of};
pub(crate) use self::sessions::Admitted;
use self::system::SystemTopics;
use self::wills::Wills;
use super::clients::Directory;
use super::commits::Commits;
use super::linger;
use super::pauses::Pauses;
use crate::access::Access;
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::engines::BrokerStats;
use crate::metrics::{self, Metrics};
use crate::routing::{Retained, Routes};
use crate::sessions::{Parked, QueueBounds, QueueContext, SessionStore};
use crate::topics::TopicLimits;
use crate::wire::{Limits, Now, PropertyLimits};

/// What all connections of the gate share: who is online, who subscribed to what, what is retained, and the log.
///
/// Publications are matched and handed to subscribers by the task of the publisher, so the order of one publisher
/// is kept (MQTT-4.6.0-6) without a task between.
pub(crate) struct GateState {
    pub(crate) config: BrokerConfig,
    pub(crate) limits: Arc<Limits>,
    pub(crate) access: Access,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) commits: Commits,
    pub(crate) metrics: Metrics,
    pub(crate) queues: QueueContext,
    pub(crate) store: SessionStore,
    inflight: Inflight,
    problems: Problems,
    clock: Clock,
    pub(super) parked: Parked,
    next_session: AtomicU64,
    pub(super) next_message: AtomicU64,
    connections: Connections,
    pub(super) directory: Directory,
    pub(super) routes: Routes,
    pub(super) subscriptions: AtomicUsize,
    pub(super) retained: Mutex<Retained>,
    wills: Wills,
    system: SystemTopics,
    pub(super) pauses: Pauses,
    /// For checks of the checker: connections sleep though something is left to send.
    #[cfg(test)]
    pub(super) forgets_what_is_left: std::sync::atomic::AtomicBool,
}

impl GateState {
    pub(crate) fn new(
        config: BrokerConfig,
        log: Arc<dyn Log>,
        problems: Arc<dyn ProblemSink>,
        clock: Clock,
        store: SessionStore,
    ) -> Self {
        let limits = Limits {
            topics: TopicLimits { bytes_max: config.topic_bytes_max, levels_max: config.topic_levels_max },
            connect_timeout: config.connect_timeout,
            packet_timeout: config.packet_timeout,
            packet_bytes_max: config.packet_bytes_max,
            client_id_bytes_max: config.client_id_bytes_max,
            topic_alias_max: config.topic_alias_max,
            receive_max: config.receive_max,
            inflight_bytes_max: config.inflight_bytes_max,
            delivery_inflight_max: config.delivery_inflight_max,
            keep_alive_max_s: u16::try_from(config.keep_alive_max.as_secs()).unwrap_or(u16::MAX),
            properties: PropertyLimits {
                bytes_max: config.properties_bytes_max,
                user_max: config.user_properties_max,
                checks_payload_format: config.payload_format,
            },
        };
        let bounds = QueueBounds {
            each_bytes_max: config.queue_bytes_max,
            total_bytes_max: config.queue_bytes_total_max,
            total_bytes: AtomicUsize::new(0),
        };
        metrics::limit_met(sessions::SESSIONS_MAX, 0);
        metrics::limit_met(linger::BYTES_MAX, 0);
        // Numbers of sessions differ over restarts too, as long as the clock moves on a millisecond between them.
        let first_session = u64::try_from((clock.now_ms)()).unwrap_or(0) << 20;
        GateState {
            limits: Arc::new(limits),
            access: Access::new(&config),
            metrics: Metrics::new(),
            queues: QueueContext { store: store.clone(), bounds: Arc::new(bounds) },
            inflight: Inflight::default(),
            next_session: AtomicU64::new(first_session),
            connections: Connections::default(),
            directory: Directory::new(&config, clock.now_ms),
            next_message: AtomicU64::new(1),
            routes: Routes::new(),
            subscriptions: AtomicUsize::new(0),
            retained: Mutex::new(Retained::new(config.retained_max, config.retained_bytes_max)),
            wills: Wills::default(),
            system: SystemTopics::new(Instant::now()),
            pauses: Pauses::new(Instant::now()),
            #[cfg(test)]
            forgets_what_is_left: Default::default(),
            parked: Parked::new(config.sessions_max),
            commits: Commits::new(log.durable(), store.stored()),
            config,
            log,
            problems: Problems { sink: problems, clock: clock.now_ms },
            clock,
            store,
        }
    }

    #[cfg(test)]
    pub(super) fn forgets_what_is_left(&self) -> bool {
        self.forgets_what_is_left.load(Ordering::Relaxed)
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "in tests it depends")]
    pub(super) const fn forgets_what_is_left(&self) -> bool {
        false
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    pub(crate) fn now(&self) -> Now {
        Now { instant: Instant::now(), unix_ms: (self.clock.now_ms)() }
    }

    /// The time by which what waits is measured, ms: time that passed, as the sessions' file has it.
    pub(crate) fn waiting_ms(&self) -> i64 {
        self.store.waiting_ms(self.clock)
    }

    /// What [`GateState::waiting_ms`] was at `unix_ms`.
    pub(crate) fn waiting_at(&self, unix_ms: i64) -> i64 {
        self.store.waiting_at(self.clock, unix_ms)
    }

    /// Counts and reports something that was refused.
    pub(crate) fn refused(&self, reason: Reason, detail: String, of: Holder, topic: &str, payload: Bytes) {
        metrics::refused(reason, 1);
        self.problems.report(reason, detail, of, topic, payload);
    }

    pub(crate) fn note_inflight(&self, before: usize, after: usize) {
        if before != after {
            self.metrics.inflight.set(self.inflight.moved(before, after) as f64);
        }
    }

    pub(crate) fn stats(&self) -> BrokerStats {
        let (retained, retained_bytes) = self.retained.lock().size();
        BrokerStats {
            connections: self.connections.len(),
            subscriptions: self.subscriptions.load(Ordering::Relaxed),
            retained,
            retained_bytes,
            inflight: self.inflight.now(),
            queued_bytes: self.queues.bounds.total_bytes.load(Ordering::Relaxed),
        }
    }
}

/// Publications of all connections that wait for their acknowledgement.
#[derive(Debug, Default)]
struct Inflight(AtomicUsize);

impl Inflight {
    /// A connection has `after` where it had `before`; returns how many there are of all.
    fn moved(&self, before: usize, after: usize) -> usize {
        match after >= before {
            true => self.0.fetch_add(after - before, Ordering::Relaxed) + (after - before),
            false => self.0.fetch_sub(before - after, Ordering::Relaxed) - (before - after),
        }
    }

    fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where what was refused is reported to, with the time.
struct Problems {
    sink: Arc<dyn ProblemSink>,
    /// Gives Unix ms.
    clock: fn() -> i64,
}

impl Problems {
    fn report(&self, reason: Reason, detail: String, (owner, client): Holder, topic: &str, payload: Bytes) {
        let received_ms = (self.clock)();
        self.sink.report(Problem { reason, detail, topic: topic.into(), client, owner, received_ms, payload });
    }
}
