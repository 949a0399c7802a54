//! What serves MQTT. The gate is Tidegate's own edge; other engines can stand in its place.
//!
//! - [`Engine`]: what all of them do; [`crate::EngineConfig`]: which one
//! - `gate`: Tidegate's own
//! - `rumqttd`: the crate's server in this process; the only room that names it
//! - `external`: a client of a broker elsewhere; the only room that names rumqttc
//! - `intake`: the way into the log for engines that are not told who publishes

pub(crate) mod external;
pub(crate) mod gate;
mod intake;
pub(crate) mod rumqttd;

use std::future::{Future, ready};
use std::pin::Pin;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tidegate_log::AppendError;
use tidegate_telemetry::CommandMessage;
use tidegate_telemetry::clients::{
    ClientDetails, ClientName, ClientsError, ClientsPage, ClientsQuery, RefusalsPage, RefusalsQuery, TraceLine,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::listeners::{BindError, ListenAddress, Transport};
use crate::sessions::SessionStoreError;

pub use self::external::ExternalError;

/// Figures of the MQTT edge, for the status page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BrokerStats {
    /// Open connections.
    pub connections: usize,
    /// Subscriptions, those of clients that are away included.
    pub subscriptions: usize,
    /// Retained messages.
    pub retained: usize,
    /// Bytes of the retained messages.
    pub retained_bytes: usize,
    /// Publications that wait for their acknowledgement.
    pub inflight: usize,
    /// Bytes queued for subscribers.
    pub queued_bytes: usize,
}

/// Why the edge could not be made ready.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// A listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The sessions of the run before, or what the log has after them.
    #[error(transparent)]
    Sessions(#[from] SessionStoreError),
    /// The engine is not part of this program.
    #[error("broker.engine = \"rumqttd\": this program was built without it; build it without `--no-default-features`")]
    WithoutRumqttd,
    /// What the run before took from another broker.
    #[error("what was last taken from the broker cannot be found out: {0}")]
    Log(tidegate_log::ReadError),
    /// What the connection to another broker needs.
    #[error(transparent)]
    External(#[from] ExternalError),
}

/// Why a command did not go out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The log did not take it.
    #[error(transparent)]
    NotAppended(#[from] AppendError),
    /// The engine has no way to.
    #[error("this engine sends no commands: set [broker] engine = \"gate\"")]
    Unsupported,
}

/// Serves MQTT clients and brings what they publish into the log.
pub trait Engine: Send + Sync + 'static {
    /// Where clients connect, `host:port`.
    fn address(&self) -> String;

    /// Every further listener: what connections come over, and where.
    fn listeners(&self) -> Vec<(Transport, ListenAddress)>;

    /// Figures of now; `None` from an engine that does not know its clients.
    fn stats(&self) -> Option<BrokerStats>;

    /// A page of clients, ascending by identifier.
    fn clients(&self, _query: ClientsQuery) -> BoxFuture<'static, Result<ClientsPage, ClientsError>> {
        ready(Err(ClientsError::Unsupported)).boxed()
    }

    /// Connections that were refused, newest first.
    ///
    /// # Errors
    /// When the engine does not tell.
    fn refusals(&self, _query: &RefusalsQuery) -> Result<RefusalsPage, ClientsError> {
        Err(ClientsError::Unsupported)
    }

    /// One client, with its subscriptions.
    fn client(&self, _name: ClientName) -> BoxFuture<'static, Result<ClientDetails, ClientsError>> {
        ready(Err(ClientsError::Unsupported)).boxed()
    }

    /// Ends a client's connection, and its session too if told so; resolves once both are gone.
    fn disconnect(&self, _name: ClientName, _session: bool) -> BoxFuture<'static, Result<(), ClientsError>> {
        ready(Err(ClientsError::Unsupported)).boxed()
    }

    /// The packets of the client with that identifier, until it is dropped or the engine ends.
    fn trace(&self, _id: &str, _payloads: bool) -> Result<BoxStream<'static, TraceLine>, ClientsError> {
        Err(ClientsError::Unsupported)
    }

    /// What keeps publications from being taken now, and what to do about it; `None` while nothing does.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// Appends a command to the log and hands it to subscribers; what becomes of it is appended as reports.
    ///
    /// # Errors
    /// [`CommandError::Unsupported`] where the engine has no way to; nothing of it was kept.
    fn send_command(&self, _message: CommandMessage) -> Result<(), CommandError> {
        Err(CommandError::Unsupported)
    }

    /// Serves until `cancel`; then lets what was taken become durable and be acknowledged, within a grace, and ends.
    /// Every task is spawned on `tracker`.
    fn run(&self, tracker: TaskTracker, cancel: CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
