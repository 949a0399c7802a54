//! Who the gate's clients are, for those who operate it.
//!
//! - [`Directory`]: who holds which client identifier, and why others went
//! - `presence`: what a connection shows of itself
//! - `ends`: why connections ended, as far as it is remembered
//! - `refusals`: who was turned away, from where and why
//! - `rates`: two looks at a connection's counters make a rate
//! - `listing`: pages, one client, ending a connection
//! - `traces`: who follows whose packets
//!
//! A connection pays for its [`Presence`] and a few stores into it; everything else is made when somebody asks.

mod ends;
mod listing;
mod presence;
mod rates;
mod refusals;
mod traces;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

pub(super) use self::ends::Ended;
use self::ends::Ends;
pub(super) use self::presence::{Facts, Presence};
use self::rates::Samples;
use self::refusals::Refusals;
pub(super) use self::refusals::Refused;
pub(super) use self::traces::Traces;
use crate::config::BrokerConfig;
use crate::listeners::Peer;
use crate::sessions::Bell;

/// Who holds which client identifier, and why others went. Keys are those of sessions
/// ([`crate::access::session_key`]), in order, so that pages can be cut anywhere.
pub(crate) struct Directory {
    holders: Mutex<BTreeMap<Arc<str>, Holder>>,
    ends: Mutex<Ends>,
    refusals: Mutex<Refusals>,
    samples: Mutex<Samples>,
    pub(super) traces: Arc<Traces>,
}

struct Holder {
    bell: Arc<Bell>,
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

    /// Makes `bell`'s connection the holder of the identifier; returns the holder before.
    pub(super) fn hold(&self, key: &Arc<str>, bell: &Arc<Bell>) -> Option<Arc<Bell>> {
        let holder = Holder { bell: Arc::clone(bell), presence: None };
        self.holders.lock().insert(Arc::clone(key), holder).map(|before| before.bell)
    }

    /// The holder is let in.
    pub(super) fn show(&self, key: &str, bell: &Arc<Bell>, presence: &Arc<Presence>) {
        if let Some(holder) = self.holders.lock().get_mut(key).filter(|holder| Arc::ptr_eq(&holder.bell, bell)) {
            holder.presence = Some(Arc::clone(presence));
        }
    }

    /// Gives the identifier up, unless somebody else holds it by now.
    pub(super) fn release(&self, key: &str, bell: &Arc<Bell>) {
        let mut holders = self.holders.lock();
        if holders.get(key).is_some_and(|holder| Arc::ptr_eq(&holder.bell, bell)) {
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
}
