//! The gate, Tidegate's own MQTT server: any number of listeners, one task a connection.
//!
//! - [`Gate`]: binds, accepts and drains
//! - `accept`: from a connection that was accepted to MQTT, within the limits
//! - `connection`: one client's connection, the task around the state machine of `wire`
//! - `state`: what all connections share
//! - `clients`: who they are, for operators
//! - `commits`: who waits for the disk; `turn`: what a connection does before others have theirs
//! - `pauses`: when the program itself stood still; `linger`: the last bytes of a connection
//! - `faithful`: all of it in one thread, led by numbers, against clients that hold it to its promises

mod accept;
mod clients;
mod commits;
mod connection;
#[cfg(test)]
mod faithful;
mod linger;
mod pauses;
mod state;
mod turn;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::BoxStream;
use parking_lot::Mutex;
use tidegate_log::Log;
use tidegate_telemetry::clients::{
    ClientDetails, ClientName, ClientsError, ClientsPage, ClientsQuery, RefusalsPage, RefusalsQuery, TraceLine,
};
use tidegate_telemetry::{CommandMessage, ProblemSink, Seldom};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::pauses::PULSE;
use self::state::GateState;
use super::{BrokerStats, CommandError, Engine};
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::engines::BrokerError;
use crate::listeners::{ListenAddress, Listener, Transport};
use crate::sessions::SessionStore;

/// The gate: accepts connections and gives each a task.
pub(crate) struct Gate {
    gate: Arc<GateState>,
    /// The plain listener of `mqtt.listen` first.
    listeners: Vec<Listener>,
    local_addr: SocketAddr,
    /// Connections that could not be accepted.
    unaccepted: Mutex<Seldom>,
}

/// How often `$SYS` topics get their values, as other brokers do by default.
const SYSTEM_INTERVAL: Duration = Duration::from_secs(10);

/// How often it is told that connections cannot be accepted.
const UNACCEPTED_INTERVAL: Duration = Duration::from_secs(60);

/// How often expired sessions and due wills are looked for.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(1);

/// Intervals in which every sleeping session is looked at once.
const SWEEP_INTERVALS: usize = 8;

impl Gate {
    /// Binds the listeners. Needs a tokio runtime.
    pub(crate) fn bind(
        config: BrokerConfig,
        log: Arc<dyn Log>,
        problems: Arc<dyn ProblemSink>,
        clock: Clock,
        store: SessionStore,
    ) -> Result<Self, BrokerError> {
        let listeners = Listener::bind_all(config.listen, &config.listeners, config.backlog, config.packet_bytes_max)?;
        let local_addr = match listeners[0].at() {
            ListenAddress::Tcp(address) => *address,
            ListenAddress::Unix(_) => unreachable!("mqtt.listen is an address"),
        };
        let gate = Arc::new(GateState::new(config, log, problems, clock, store));
        gate.recover(SessionStore::start)?;
        Ok(Gate { gate, listeners, local_addr, unaccepted: Mutex::new(Seldom::new(UNACCEPTED_INTERVAL)) })
    }

    async fn accept_until(&self, tracker: &TaskTracker, cancel: &CancellationToken) {
        let accepting = self.listeners.iter().map(|listener| self.accept_from(listener, tracker, cancel));
        let following = self.listeners.iter().map(Listener::follow_certificates);
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.expire() => {}
            () = self.publish_system() => {}
            () = self.look_at_the_clock() => {}
            _ = join_all(accepting) => {}
            _ = join_all(following) => {}
        }
    }

    /// Publishes wills that are due and ends sessions whose time is over; never ends itself.
    async fn expire(&self) {
        let mut interval = tokio::time::interval(EXPIRE_INTERVAL);
        let mut paused_before_ms = 0;
        loop {
            interval.tick().await;
            let paused_ms = self.gate.pauses.look(Instant::now());
            if paused_ms > paused_before_ms {
                // Who came back while the program stood still is let in first.
                paused_before_ms = paused_ms;
                continue;
            }
            self.gate.publish_due_wills(self.gate.waiting_ms());
            for _ in 0..self.gate.parked.sweeps(SWEEP_INTERVALS) {
                self.gate.sweep(self.gate.waiting_ms());
                tokio::task::yield_now().await;
            }
        }
    }

    /// Publishes the `$SYS` topics; never ends itself.
    async fn publish_system(&self) {
        let mut interval = tokio::time::interval(SYSTEM_INTERVAL);
        loop {
            interval.tick().await;
            self.gate.publish_system();
        }
    }

    /// Sees when the program stood still; never ends itself.
    async fn look_at_the_clock(&self) {
        let mut interval = tokio::time::interval(PULSE);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let paused_ms = self.gate.pauses.look(Instant::now());
            self.gate.metrics.paused_seconds.set(paused_ms as f64 / 1000.0);
        }
    }

    async fn drain(&self) {
        self.gate.shut_down();
        // The connections keep the grace themselves; the second is for their last write.
        let grace = self.gate.config.shutdown_grace + Duration::from_secs(1);
        if tokio::time::timeout(grace, self.gate.access.permits.all_left()).await.is_err() {
            tracing::warn!(connections = self.gate.stats().connections, "connections did not end within the grace");
        }
    }
}

impl Engine for Gate {
    fn address(&self) -> String {
        self.local_addr.to_string()
    }

    fn listeners(&self) -> Vec<(Transport, ListenAddress)> {
        self.listeners.iter().skip(1).map(|listener| (listener.handshakes.transport, listener.at().clone())).collect()
    }

    fn stats(&self) -> Option<BrokerStats> {
        Some(self.gate.stats())
    }

    fn clients(&self, query: ClientsQuery) -> BoxFuture<'static, Result<ClientsPage, ClientsError>> {
        let gate = Arc::clone(&self.gate);
        async move { gate.list_clients(query).await }.boxed()
    }

    fn refusals(&self, query: &RefusalsQuery) -> Result<RefusalsPage, ClientsError> {
        Ok(self.gate.list_refusals(query))
    }

    fn client(&self, name: ClientName) -> BoxFuture<'static, Result<ClientDetails, ClientsError>> {
        let gate = Arc::clone(&self.gate);
        async move { gate.one_client(name).await }.boxed()
    }

    fn disconnect(&self, name: ClientName, session: bool) -> BoxFuture<'static, Result<(), ClientsError>> {
        let gate = Arc::clone(&self.gate);
        async move { gate.disconnect_client(name, session).await }.boxed()
    }

    fn trace(&self, id: &str, payloads: bool) -> Result<BoxStream<'static, TraceLine>, ClientsError> {
        self.gate.trace_client(id, payloads)
    }

    fn send_command(&self, message: CommandMessage) -> Result<(), CommandError> {
        Ok(self.gate.send_command(message)?)
    }

    fn run(&self, tracker: TaskTracker, cancel: CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            let following = tokio::spawn({
                let gate = Arc::clone(&self.gate);
                async move { gate.commits.follow().await }
            });
            self.accept_until(&tracker, &cancel).await;
            self.drain().await;
            following.abort();
            self.gate.directory.traces.close();
            let store = self.gate.store.clone();
            tokio::task::spawn_blocking(move || store.close()).await.expect("closing does not panic");
        })
    }
}
