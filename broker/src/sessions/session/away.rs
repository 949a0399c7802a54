use std::sync::Arc;

use tidegate_telemetry::{Owner, Position};

use super::{Client, Session};
use crate::sessions::asleep::Asleep;
use crate::sessions::key::client_and_principal;

/// When a session's turn comes among those of its owner.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub owner: Owner,
    /// Who subscribed to nothing goes first: nothing waits for it.
    pub listens: bool,
    /// As [`Sleeper::expires_ms`].
    pub expires_ms: i64,
    pub client: Arc<str>,
}

/// A client that is away, as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sleeper {
    /// Number of the session.
    pub session: u64,
    /// As `GateState::waiting_ms` counts.
    pub expires_ms: i64,
    /// How many.
    pub subscriptions: usize,
}

/// While the client is away.
impl Session {
    /// How its client stands to another.
    pub(crate) fn cmp_client(&self, other: &str) -> std::cmp::Ordering {
        match &self.state.lock().client {
            Client::Away(asleep) => asleep.client().cmp(other),
            Client::Here(_) => "".cmp(other),
        }
    }

    /// The client, and what operators see of its session.
    pub(crate) fn sleeper(&self) -> (Arc<str>, Sleeper) {
        let state = self.state.lock();
        let client = match &state.client {
            Client::Away(asleep) => Arc::from(asleep.client()),
            Client::Here(_) => Arc::default(),
        };
        let (expires_ms, subscriptions) = (state.expires_ms, state.client.subscription_count());
        (client, Sleeper { session: self.number, expires_ms, subscriptions })
    }

    /// When its turn comes to give way to others.
    pub(crate) fn rank(&self) -> Rank {
        let state = self.state.lock();
        let Client::Away(asleep) = &state.client else { return Rank::default() };
        let owner = match client_and_principal(asleep.client()) {
            (_, Some(principal)) => Owner::Named(principal.into()),
            (_, None) => asleep.address().map_or(Owner::Unknown, Owner::Address),
        };
        let (listens, client) = (asleep.subscriptions().next().is_some(), asleep.client().into());
        Rank { owner, listens, expires_ms: state.expires_ms, client }
    }

    pub(crate) fn has_expired(&self, now_ms: i64) -> bool {
        self.state.lock().expires_ms <= now_ms
    }

    /// A QoS 2 publication of its client was found in the log at `position`.
    pub(crate) fn receive_asleep(&self, packet_id: u16, position: Position) {
        if let Client::Away(asleep) = &mut self.state.lock().client {
            let mut received = asleep.received();
            received.retain(|(known, _)| *known != packet_id);
            received.push((packet_id, position));
            *asleep = Asleep::new(asleep.client(), asleep.address(), &received, &asleep.backlogs(), &asleep.unpack());
        }
    }
}
