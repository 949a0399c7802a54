use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::addresses::{AddressPlace, Addresses};
use super::limit::{ConnectLimit, KeptOut};
use crate::config::BrokerConfig;
use crate::metrics;

/// Connections at one time, all together and of each address. Asked before anything is done for a connection.
pub(crate) struct Places {
    all: Arc<Semaphore>,
    all_max: u32,
    /// For connections that are kept out, until they are told why.
    lobby: Arc<Semaphore>,
    addresses: Addresses,
}

/// What a connection takes up as long as it is open.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    address: Option<AddressPlace>,
    /// It is only there to be told why it cannot come in.
    pub kept_out: Option<Box<KeptOut>>,
}

/// How long a connection that is kept out may take with its CONNECT before it is closed without an answer.
pub(crate) const LOBBY_WAIT_MAX: Duration = Duration::from_secs(2);

impl Places {
    pub(super) fn new(config: &BrokerConfig) -> Self {
        for limit in ConnectLimit::EACH {
            metrics::limit_met(limit.key(), 0);
        }
        let (each_max, rate) = (config.connections_per_address_max, config.connect_rate_per_address);
        Places {
            all: Arc::new(Semaphore::new(config.connections_max as usize)),
            all_max: config.connections_max,
            lobby: Arc::new(Semaphore::new(config.connections_refused_waiting_max as usize)),
            addresses: Addresses::new(each_max, rate, config.connect_burst_per_address),
        }
    }

    /// A place among all connections; among those of its address it is still to be taken.
    pub(crate) fn take(&self) -> Result<Place, KeptOut> {
        let Ok(permit) = Arc::clone(&self.all).try_acquire_owned() else {
            let detail = format!("{} connections are open: close some, or raise mqtt.connections_max", self.all_max);
            return Err(KeptOut { by: ConnectLimit::All, detail });
        };
        Ok(Place { _permit: permit, address: None, kept_out: None })
    }

    /// Takes a place among the connections of `address` as well.
    pub(crate) fn take_at(&self, mut place: Place, address: Option<IpAddr>) -> Result<Place, KeptOut> {
        place.address = address.map(|address| self.addresses.enter(address, Instant::now())).transpose()?;
        Ok(place)
    }

    /// A place to wait for an answer in, if there is one.
    pub(crate) fn wait_in_lobby(&self, kept_out: KeptOut) -> Option<Place> {
        let permit = Arc::clone(&self.lobby).try_acquire_owned().ok()?;
        Some(Place { _permit: permit, address: None, kept_out: Some(Box::new(kept_out)) })
    }

    /// Waits until every connection that came in has left.
    pub(crate) async fn all_left(&self) {
        // Nobody closes the semaphore; if it were, nobody would be in.
        let _ = self.all.acquire_many(self.all_max).await;
    }
}
