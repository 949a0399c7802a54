//! What push asks of the MQTT edge: who its clients are, and what they say.

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tidegate_telemetry::clients::{
    ClientDetails, ClientName, ClientsError, ClientsPage, ClientsQuery, RefusalsPage, RefusalsQuery, TraceLine,
};

/// The clients of the MQTT edge.
pub trait Clients: Send + Sync + 'static {
    /// A page of clients, ascending by identifier.
    fn list(&self, query: ClientsQuery) -> BoxFuture<'static, Result<ClientsPage, ClientsError>>;

    /// Connections that were refused, newest first.
    ///
    /// # Errors
    /// When the edge does not tell.
    fn refusals(&self, query: &RefusalsQuery) -> Result<RefusalsPage, ClientsError>;

    /// One client, with its subscriptions.
    fn one(&self, name: ClientName) -> BoxFuture<'static, Result<ClientDetails, ClientsError>>;

    /// Ends the client's connection, and its session too if told so; returns once both are gone.
    fn disconnect(&self, name: ClientName, session: bool) -> BoxFuture<'static, Result<(), ClientsError>>;

    /// Follows what a client sends and gets, whether it is there yet or not. It ends when it is dropped, or with the
    /// program.
    fn trace(&self, id: &str, payloads: bool) -> Result<BoxStream<'static, TraceLine>, ClientsError>;
}
