use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tidegate_identity::network;

use super::limit::{ConnectLimit, KeptOut};

/// Connections by address: how many at a time, and how fast they come. Looked at when a connection begins and ends.
pub(super) struct Addresses {
    limits: Limits,
    known: Arc<Mutex<HashMap<IpAddr, Known>>>,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    connections_max: u32,
    rate: f64,
    burst: f64,
}

#[derive(Debug)]
struct Known {
    connections: u32,
    /// Connections it may open now (a token bucket).
    tokens: f64,
    at: Instant,
}

/// How many addresses are remembered before those without connections whose bucket is full again are forgotten.
const SWEEP_AT: usize = 4096;

/// A connection's place among those of its address; given back when dropped.
#[derive(Debug)]
pub(crate) struct AddressPermit {
    address: IpAddr,
    known: Arc<Mutex<HashMap<IpAddr, Known>>>,
}

impl Addresses {
    pub(super) fn new(connections_max: u32, rate: u32, burst: u32) -> Self {
        let limits = Limits { connections_max, rate: rate.into(), burst: burst.max(1).into() };
        Addresses { limits, known: Arc::default() }
    }

    /// Takes a place, or says what keeps the connection out.
    pub(super) fn enter(&self, address: IpAddr, now: Instant) -> Result<AddressPermit, KeptOut> {
        let (address, limits) = (network(address), self.limits);
        let mut known = self.known.lock();
        if known.len() >= SWEEP_AT && !known.contains_key(&address) {
            known.retain(|_, known| known.connections > 0 || known.filled(limits, now) < limits.burst);
        }
        let entry = known.entry(address).or_insert(Known { connections: 0, tokens: limits.burst, at: now });
        (entry.tokens, entry.at) = (entry.filled(limits, now), now);
        let by = if limits.connections_max > 0 && entry.connections >= limits.connections_max {
            ConnectLimit::OfAddress
        } else if limits.rate > 0.0 && entry.tokens < 1.0 {
            ConnectLimit::AddressRate
        } else {
            entry.connections += 1;
            entry.tokens -= 1.0;
            return Ok(AddressPermit { address, known: Arc::clone(&self.known) });
        };
        Err(KeptOut { by, detail: format!("{} is met by {address}: connect less, or raise it", by.key()) })
    }
}

impl Known {
    fn filled(&self, limits: Limits, now: Instant) -> f64 {
        let since: Duration = now.saturating_duration_since(self.at);
        (self.tokens + since.as_secs_f64() * limits.rate).min(limits.burst)
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        if let Some(known) = self.known.lock().get_mut(&self.address) {
            known.connections -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn an_address_has_so_many_connections_at_a_time_and_others_theirs() {
        let (addresses, now) = (Addresses::new(2, 0, 1), Instant::now());
        let first = addresses.enter(HERE, now).expect("room for two");
        let _second = addresses.enter(HERE, now).expect("room for two");
        let refused = addresses.enter(HERE, now).expect_err("no room for three");
        assert!(refused.detail.contains("mqtt.connections_per_address_max"), "{refused:?}");
        assert!(addresses.enter(THERE, now).is_ok());
        drop(first);
        assert!(addresses.enter(HERE, now).is_ok());
    }

    #[test]
    fn an_address_connects_in_bursts_and_then_at_its_rate() {
        let (addresses, now) = (Addresses::new(0, 10, 3), Instant::now());
        let opened = |at: Instant| (0..9).filter(|_| addresses.enter(HERE, at).is_ok()).count();
        assert_eq!(opened(now), 3);
        assert_eq!(opened(now + Duration::from_millis(100)), 1);
        assert_eq!(opened(now + Duration::from_secs(60)), 3);
    }

    #[test]
    fn addresses_that_are_gone_are_forgotten() {
        let (addresses, now) = (Addresses::new(0, 1, 1), Instant::now());
        for n in 0..u32::try_from(SWEEP_AT).expect("small") {
            drop(addresses.enter(IpAddr::V4(n.into()), now));
        }
        drop(addresses.enter(HERE, now + Duration::from_secs(2)));
        assert_eq!(addresses.known.lock().len(), 1);
    }
}
