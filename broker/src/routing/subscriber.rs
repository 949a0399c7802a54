use std::sync::Arc;

use crate::sessions::{Session, SubscriptionOptions};

/// A session and how it subscribed.
#[derive(Debug, Clone)]
pub(crate) struct Subscriber {
    pub session: Arc<Session>,
    pub options: SubscriptionOptions,
}
