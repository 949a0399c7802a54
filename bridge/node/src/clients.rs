//! Who the MQTT clients are, for REST.

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tidegate_broker::Broker;
use tidegate_push::Clients;
use tidegate_telemetry::clients::{
    ClientDetails, ClientName, ClientsError, ClientsPage, ClientsQuery, RefusalsPage, RefusalsQuery, TraceLine,
};

/// The broker's clients.
pub struct BrokerClients(pub Broker);

impl Clients for BrokerClients {
    fn list(&self, query: ClientsQuery) -> BoxFuture<'static, Result<ClientsPage, ClientsError>> {
        self.0.clients(query)
    }

    fn refusals(&self, query: &RefusalsQuery) -> Result<RefusalsPage, ClientsError> {
        self.0.refusals(query)
    }

    fn one(&self, name: ClientName) -> BoxFuture<'static, Result<ClientDetails, ClientsError>> {
        self.0.client(name)
    }

    fn disconnect(&self, name: ClientName, session: bool) -> BoxFuture<'static, Result<(), ClientsError>> {
        self.0.disconnect(name, session)
    }

    fn trace(&self, id: &str, payloads: bool) -> Result<BoxStream<'static, TraceLine>, ClientsError> {
        self.0.trace(id, payloads)
    }
}
