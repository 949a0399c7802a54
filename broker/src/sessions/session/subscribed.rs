use std::sync::Arc;

use super::{Client, Session};
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
                here.forget_backlog(filter);
                here.subscriptions.remove(filter)
            }
            Client::Away(_) => None,
        }
    }
}

impl Client {
    pub(super) fn subscription_count(&self) -> usize {
        match self {
            Client::Here(here) => here.subscriptions.len(),
            Client::Away(asleep) => asleep.subscriptions().count(),
        }
    }
}
