//! The MQTT edge as the program holds it: bind, run, figures.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tidegate_log::Log;
use tidegate_telemetry::clients::{
    ClientDetails, ClientName, ClientsError, ClientsPage, ClientsQuery, RefusalsPage, RefusalsQuery, TraceLine,
};
use tidegate_telemetry::{CommandMessage, ProblemSink};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::{BrokerConfig, EngineConfig};
use crate::engines::external::External;
use crate::engines::gate::Gate;
use crate::engines::{self, BrokerError, BrokerStats, CommandError, Engine};
use crate::listeners::{ListenAddress, Transport};
use crate::sessions::SessionStore;

/// The MQTT edge. Cheap to clone; clones are the same edge.
#[derive(Clone)]
pub struct Broker {
    engine: Arc<dyn Engine>,
}

impl Broker {
    /// Brings back the sessions and what they are owed, and binds the listeners; connections are accepted once
    /// [`Broker::run`] runs. Needs a tokio runtime, and the metrics
    /// recorder installed before.
    ///
    /// # Errors
    /// When an address or path cannot be listened on, or a listener's certificates cannot be used; when the
    /// sessions or the log cannot be read.
    pub fn bind(
        config: BrokerConfig,
        log: Arc<dyn Log>,
        sessions: SessionStore,
        problems: Arc<dyn ProblemSink>,
        clock: Clock,
    ) -> Result<Broker, BrokerError> {
        let engine: Arc<dyn Engine> = match config.engine.clone() {
            EngineConfig::Gate => Arc::new(Gate::bind(config, log, problems, clock, sessions)?),
            EngineConfig::Rumqttd(own) => {
                sessions.stand_aside();
                engines::rumqttd::start(&config, &own, log, problems, clock.now_ms)?
            }
            EngineConfig::External(own) => {
                sessions.stand_aside();
                Arc::new(External::new(&config, *own, log, problems, clock.now_ms)?)
            }
        };
        Ok(Broker { engine })
    }

    /// Where clients connect, `host:port`; with the port that was picked when the configuration says 0.
    #[must_use]
    pub fn address(&self) -> String {
        self.engine.address()
    }

    /// Every further listener: what connections come over, and where.
    #[must_use]
    pub fn listeners(&self) -> Vec<(Transport, ListenAddress)> {
        self.engine.listeners()
    }

    /// Figures of now; `None` from an engine that does not know its clients.
    #[must_use]
    pub fn stats(&self) -> Option<BrokerStats> {
        self.engine.stats()
    }

    /// A page of clients, ascending by identifier.
    ///
    /// # Errors
    /// When the engine does not tell.
    pub fn clients(&self, query: ClientsQuery) -> BoxFuture<'static, Result<ClientsPage, ClientsError>> {
        self.engine.clients(query)
    }

    /// Connections that were refused, newest first.
    ///
    /// # Errors
    /// When the engine does not tell.
    pub fn refusals(&self, query: &RefusalsQuery) -> Result<RefusalsPage, ClientsError> {
        self.engine.refusals(query)
    }

    /// One client, with its subscriptions.
    ///
    /// # Errors
    /// When nobody has the identifier, or several principals do; when the engine does not tell.
    pub fn client(&self, name: ClientName) -> BoxFuture<'static, Result<ClientDetails, ClientsError>> {
        self.engine.client(name)
    }

    /// Ends a client's connection, and its session too if told so; resolves once both are gone.
    ///
    /// # Errors
    /// As [`Broker::client`]; when the connection does not end in time.
    pub fn disconnect(&self, name: ClientName, session: bool) -> BoxFuture<'static, Result<(), ClientsError>> {
        self.engine.disconnect(name, session)
    }

    /// The packets of the client with that identifier, whether it is there yet or not, until the stream is dropped or
    /// the broker ends. A reader that is slow loses lines and is told how many.
    ///
    /// # Errors
    /// When `traces_max` run already; when the engine does not tell.
    pub fn trace(&self, id: &str, payloads: bool) -> Result<BoxStream<'static, TraceLine>, ClientsError> {
        self.engine.trace(id, payloads)
    }

    /// What keeps publications from being taken now, and what to do about it; `None` while nothing does.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.engine.trouble()
    }

    /// Sends a command to its device: appends it, and hands it to subscribers once it is durable. May be called before
    /// [`Broker::run`].
    ///
    /// # Errors
    /// [`CommandError`]; nothing of it was kept.
    pub fn send_command(&self, message: CommandMessage) -> Result<(), CommandError> {
        self.engine.send_command(message)
    }

    /// Serves until `cancel`. Then no connection is accepted or read any more; each ends once what it published is
    /// durable and acknowledged, or after `shutdown_grace`; v5 clients are told (0x8B). The log must stay open until
    /// this returns. The session store is closed at the end.
    pub async fn run(&self, tracker: TaskTracker, cancel: CancellationToken) {
        self.engine.run(tracker, cancel).await;
    }
}
