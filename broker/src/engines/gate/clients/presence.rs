use std::fmt;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use tidegate_identity::Identity;
use tidegate_telemetry::clients::{ClientInFlight, ClientTotals};

use crate::listeners::Transport;
use crate::sessions::Session;
use crate::wire::Version;

/// What a connection shows of itself. Its task alone writes; whoever asks reads, and neither waits for the other.
pub(crate) struct Presence {
    pub facts: Facts,
    pub session: Arc<Session>,
    heard_ms: AtomicI64,
    publications: AtomicU64,
    publication_bytes: AtomicU64,
    deliveries: AtomicU64,
    inflight_in: AtomicU32,
    inflight_out: AtomicU32,
}

/// What does not change while a client is connected.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// Number of the connection.
    pub number: u64,
    /// Unix ms.
    pub since_ms: i64,
    pub identity: Arc<Identity>,
    pub address: Option<Address>,
    pub transport: Transport,
    pub version: Version,
    pub clean: bool,
    /// As the client was told.
    pub keep_alive_s: u16,
    pub expiry_s: u32,
}

/// Where a client is. One of IPv6 is 28 bytes, which not every connection is to have room for.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => Address::V4(address),
            SocketAddr::V6(address) => Address::V6(Box::new(address)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::V4(address) => address.fmt(f),
            Address::V6(address) => address.fmt(f),
        }
    }
}

impl Presence {
    pub(crate) fn new(facts: Facts, session: Arc<Session>) -> Self {
        Presence {
            heard_ms: AtomicI64::new(facts.since_ms),
            facts,
            session,
            publications: AtomicU64::new(0),
            publication_bytes: AtomicU64::new(0),
            deliveries: AtomicU64::new(0),
            inflight_in: AtomicU32::new(0),
            inflight_out: AtomicU32::new(0),
        }
    }

    pub(crate) fn heard(&self, unix_ms: i64) {
        self.heard_ms.store(unix_ms, Ordering::Relaxed);
    }

    pub(crate) fn published(&self, publications: u64, bytes: u64) {
        add(&self.publications, publications);
        add(&self.publication_bytes, bytes);
    }

    pub(crate) fn delivered(&self) {
        add(&self.deliveries, 1);
    }

    pub(crate) fn note_inflight(&self, incoming: usize, outgoing: usize) {
        self.inflight_in.store(count(incoming), Ordering::Relaxed);
        self.inflight_out.store(count(outgoing), Ordering::Relaxed);
    }

    pub(crate) fn heard_ms(&self) -> i64 {
        self.heard_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn totals(&self) -> ClientTotals {
        ClientTotals {
            publications: self.publications.load(Ordering::Relaxed),
            publication_bytes: self.publication_bytes.load(Ordering::Relaxed),
            deliveries: self.deliveries.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn in_flight(&self) -> ClientInFlight {
        ClientInFlight {
            incoming: self.inflight_in.load(Ordering::Relaxed).into(),
            outgoing: self.inflight_out.load(Ordering::Relaxed).into(),
        }
    }
}

/// One task adds, so that no other can come in between.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_connection_adds_to_be_seen_is_small() {
        let bytes = size_of::<Presence>();
        assert!(bytes <= 104, "{bytes} bytes a connection");
    }
}
