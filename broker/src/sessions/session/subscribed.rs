use std::sync::Arc;

use tidegate_telemetry::{Owner, Position};

use super::{Client, Session};
use crate::access::client_and_principal;
use crate::sessions::asleep::Asleep;
use crate::sessions::parked::{Rank, Sleeper};
use crate::sessions::subscriptions::{SubscriptionOptions, Subscriptions};

/// What the session subscribed to.
impl Session {
    /// How it subscribed to a filter, if it did.
    pub(crate) fn subscription(&self, filter: &str) -> Option<SubscriptionOptions> {
        match &self.state.lock().client {
            Client::Here(here) => here.subscriptions.get(filter),
            Client::Away(asleep) => {
                asleep.subscriptions().find(|(known, _)| *known == filter).map(|(_, options)| options)
            }
        }
    }

    pub(crate) fn subscriptions(&self) -> Subscriptions {
        match &self.state.lock().client {
            Client::Here(here) => here.subscriptions.clone(),
            Client::Away(asleep) => asleep.unpack(),
        }
    }

    /// How many.
    pub(crate) fn subscription_count(&self) -> usize {
        self.state.lock().client.subscription_count()
    }

    /// Whether one of the filters is fit.
    pub(crate) fn any_filter(&self, is_fit: impl Fn(&str) -> bool) -> bool {
        match &self.state.lock().client {
            Client::Here(here) => here.subscriptions.iter().any(|(filter, _)| is_fit(filter)),
            Client::Away(asleep) => asleep.subscriptions().any(|(filter, _)| is_fit(filter)),
        }
    }

    /// Its connection adds or replaces a subscription.
    pub(crate) fn subscribe(&self, filter: Arc<str>, options: SubscriptionOptions) {
        if let Client::Here(here) = &mut self.state.lock().client {
            here.subscriptions.insert(filter, options);
        }
    }

    /// Its connection removes a subscription, and what it was still due as one that is new; returns its filter.
    pub(crate) fn unsubscribe(&self, filter: &str) -> Option<Arc<str>> {
        match &mut self.state.lock().client {
            Client::Here(here) => {
                here.forget_greeting(filter);
                here.subscriptions.remove(filter)
            }
            Client::Away(_) => None,
        }
    }
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
            *asleep = Asleep::new(asleep.client(), asleep.address(), &received, &asleep.greetings(), &asleep.unpack());
        }
    }
}

impl Client {
    fn subscription_count(&self) -> usize {
        match self {
            Client::Here(here) => here.subscriptions.len(),
            Client::Away(asleep) => asleep.subscriptions().count(),
        }
    }
}
