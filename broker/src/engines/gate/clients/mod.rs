//! Who the gate's clients are, for those who operate it.
//!
//! - [`Directory`]: who holds which client identifier, and why others went
//! - `presence`: what a connection shows of itself
//! - `ends`: why connections ended, as far as it is remembered
//! - `refusals`: who was turned away, from where and why
//! - `rates`: two looks at a connection's counters make a rate
//! - `traces`: who follows whose packets
//!
//! A connection pays for its [`Presence`] and a few stores into it; everything else is made when somebody asks.

mod ends;
mod presence;
mod rates;
mod refusals;
mod traces;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tidegate_telemetry::clients::{RefusalsPage, RefusalsQuery};

pub(super) use self::ends::Ended;
use self::ends::Ends;
pub(super) use self::presence::{Facts, Presence};
pub(super) use self::rates::SPAN_MIN;
use self::rates::Samples;
use self::refusals::Refusals;
pub(super) use self::refusals::Refused;
pub(super) use self::traces::Traces;
use crate::config::BrokerConfig;
use crate::listeners::Peer;
use crate::sessions::{ConnectionHandle, client_and_principal};

/// Who holds which client identifier, and why others went. Keys are those of sessions
/// ([`crate::sessions::session_key`]), in order, so that pages can be cut anywhere.
pub(crate) struct Directory {
    holders: Mutex<BTreeMap<Arc<str>, Holder>>,
    ends: Mutex<Ends>,
    refusals: Mutex<Refusals>,
    samples: Mutex<Samples>,
    pub(super) traces: Arc<Traces>,
}

struct Holder {
    handle: Arc<ConnectionHandle>,
    /// Once it is let in.
    presence: Option<Arc<Presence>>,
}

impl Directory {
    /// With the bounds of the configuration on what is remembered and traced.
    pub(super) fn new(config: &BrokerConfig, clock: fn() -> i64) -> Self {
        Directory {
            holders: Mutex::default(),
            ends: Mutex::new(Ends::new(config.ends_max)),
            refusals: Mutex::new(Refusals::new(config.refusals_max)),
            samples: Mutex::default(),
            traces: Arc::new(Traces::new(config.traces_max, clock)),
        }
    }

    /// Makes `handle`'s connection the holder of the identifier; returns the holder before.
    pub(super) fn hold(&self, key: &Arc<str>, handle: &Arc<ConnectionHandle>) -> Option<Arc<ConnectionHandle>> {
        let holder = Holder { handle: Arc::clone(handle), presence: None };
        self.holders.lock().insert(Arc::clone(key), holder).map(|before| before.handle)
    }

    /// The holder is let in.
    pub(super) fn show(&self, key: &str, handle: &Arc<ConnectionHandle>, presence: &Arc<Presence>) {
        if let Some(holder) = self.holders.lock().get_mut(key).filter(|holder| Arc::ptr_eq(&holder.handle, handle)) {
            holder.presence = Some(Arc::clone(presence));
        }
    }

    /// Gives the identifier up, unless somebody else holds it by now.
    pub(super) fn release(&self, key: &str, handle: &Arc<ConnectionHandle>) {
        let mut holders = self.holders.lock();
        if holders.get(key).is_some_and(|holder| Arc::ptr_eq(&holder.handle, handle)) {
            holders.remove(key);
        }
    }

    /// A connection was refused.
    pub(super) fn refused(&self, peer: &Peer, refused: Refused<'_>) {
        self.refusals.lock().put(peer, refused);
    }

    /// A connection ended, or was refused.
    pub(super) fn ended(&self, key: &str, ended: Ended) {
        self.ends.lock().put(key, ended);
    }

    /// How many connections hold an identifier.
    pub(super) fn connected(&self) -> usize {
        self.holders.lock().len()
    }

    /// Up to `count` connected clients whose key is after `after`, ascending.
    pub(super) fn connected_after(&self, after: Option<&str>, count: usize) -> Vec<(Arc<str>, Arc<Presence>)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let holders = self.holders.lock();
        // One that is not let in yet is skipped, not waited for; it does not count, or a page would seem to be the last.
        let present = holders
            .range::<str, _>((from, Bound::Unbounded))
            .filter_map(|(key, holder)| Some((Arc::clone(key), Arc::clone(holder.presence.as_ref()?))));
        present.take(count).collect()
    }

    pub(super) fn handles(&self, client: &str) -> Vec<Arc<ConnectionHandle>> {
        let holders = self.holders.lock();
        let from = holders.range::<str, _>((Bound::Included(client), Bound::Unbounded));
        let same = from.take_while(|(key, _)| client_and_principal(key).0 == client);
        same.map(|(_, holder)| Arc::clone(&holder.handle)).collect()
    }

    pub(super) fn handle(&self, key: &str) -> Option<Arc<ConnectionHandle>> {
        self.holders.lock().get(key).map(|holder| Arc::clone(&holder.handle))
    }

    pub(super) fn presence(&self, key: &str) -> Option<Arc<Presence>> {
        self.holders.lock().get(key).and_then(|holder| holder.presence.clone())
    }

    /// Why the last connection under that key ended.
    pub(super) fn end(&self, key: &str) -> Option<Ended> {
        self.ends.lock().get(key)
    }

    /// Up to `count` keys after `after` of which an end is remembered, ascending.
    pub(super) fn ended_after(&self, after: Option<&str>, count: usize) -> Vec<Arc<str>> {
        self.ends.lock().after(after, count)
    }

    /// A page of the connections that were refused, newest first.
    pub(super) fn refusals(&self, query: &RefusalsQuery) -> RefusalsPage {
        self.refusals.lock().page(query)
    }

    /// What was seen of the connections' counters before, for rates.
    pub(super) fn samples(&self) -> MutexGuard<'_, Samples> {
        self.samples.lock()
    }
}

#[cfg(test)]
mod tests {
    use tidegate_identity::Identity;

    use super::*;
    use crate::listeners::Transport;
    use crate::sessions::Session;
    use crate::wire::Version;

    #[test]
    fn those_not_let_in_yet_do_not_make_a_page_seem_the_last() {
        let directory = Directory::new(&BrokerConfig::default(), || 0);
        for number in 0..10 {
            let (key, handle) = (Arc::from(format!("client-{number}")), Arc::new(ConnectionHandle::default()));
            directory.hold(&key, &handle);
            let facts = Facts {
                number,
                since_ms: 0,
                identity: Arc::new(Identity::anonymous()),
                address: None,
                transport: Transport::Tcp,
                version: Version::V5,
                clean: true,
                keep_alive_s: 0,
                expiry_s: 0,
            };
            let presence = Presence::new(facts, Arc::new(Session::new(number, false)));
            if number != 1 {
                directory.show(&key, &handle, &Arc::new(presence));
            }
        }
        let keys = |after| directory.connected_after(after, 4).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(keys(None), ["client-0", "client-2", "client-3", "client-4"].map(Arc::from));
        assert_eq!(keys(Some("client-8")), ["client-9"].map(Arc::from));
    }
}
