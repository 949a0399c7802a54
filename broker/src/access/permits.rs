use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::addresses::{AddressPermit, Addresses};
use super::limit::{ConnectLimit, KeptOut};
use crate::config::BrokerConfig;
use crate::metrics;

/// Connections at one time, all together and of each address. Asked before anything is done for a connection.
pub(crate) struct Permits {
    all: Arc<Semaphore>,
    all_max: u32,
    /// For connections that are kept out, until they are told why.
    refused: Arc<Semaphore>,
    addresses: Addresses,
}

/// What a connection takes up as long as it is open.
#[derive(Debug)]
pub(crate) struct Permit {
    _permit: OwnedSemaphorePermit,
    address: Option<AddressPermit>,
    /// It is only there to be told why it cannot come in.
    pub kept_out: Option<Box<KeptOut>>,
}

/// How long a connection that is kept out may take with its CONNECT before it is closed without an answer.
pub(crate) const REFUSAL_WAIT_MAX: Duration = Duration::from_secs(2);

impl Permits {
    pub(super) fn new(config: &BrokerConfig) -> Self {
        for limit in ConnectLimit::EACH {
            metrics::limit_met(limit.key(), 0);
        }
        let (each_max, rate) = (config.connections_per_address_max, config.connect_rate_per_address);
        Permits {
            all: Arc::new(Semaphore::new(config.connections_max as usize)),
            all_max: config.connections_max,
            refused: Arc::new(Semaphore::new(config.connections_refused_waiting_max as usize)),
            addresses: Addresses::new(each_max, rate, config.connect_burst_per_address),
        }
    }

    /// A place among all connections; among those of its address it is still to be taken.
    pub(crate) fn take(&self) -> Result<Permit, KeptOut> {
        let Ok(permit) = Arc::clone(&self.all).try_acquire_owned() else {
            let detail = format!("{} connections are open: close some, or raise mqtt.connections_max", self.all_max);
            return Err(KeptOut { by: ConnectLimit::All, detail });
        };
        Ok(Permit { _permit: permit, address: None, kept_out: None })
    }

    /// Takes a place among the connections of `address` as well.
    pub(crate) fn take_at(&self, mut permit: Permit, address: Option<IpAddr>) -> Result<Permit, KeptOut> {
        permit.address = address.map(|address| self.addresses.enter(address, Instant::now())).transpose()?;
        Ok(permit)
    }

    /// A place to wait for an answer in, if there is one.
    pub(crate) fn take_to_be_refused(&self, kept_out: KeptOut) -> Option<Permit> {
        let permit = Arc::clone(&self.refused).try_acquire_owned().ok()?;
        Some(Permit { _permit: permit, address: None, kept_out: Some(Box::new(kept_out)) })
    }

    /// Waits until every connection that came in has left.
    pub(crate) async fn all_left(&self) {
        // Nobody closes the semaphore; if it were, nobody would be in.
        let _ = self.all.acquire_many(self.all_max).await;
    }
}
