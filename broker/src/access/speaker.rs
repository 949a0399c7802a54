use std::sync::Arc;

use tidegate_identity::{Authority, Identity, Principal};

/// Who a connection speaks for, and what it may do.
#[derive(Debug, Clone)]
pub(crate) struct Speaker {
    /// None where nobody asks: everything is allowed.
    authority: Option<Arc<Authority>>,
    identity: Identity,
}

impl Speaker {
    pub(crate) fn new(authority: Arc<Authority>, identity: Identity) -> Self {
        let authority = Some(authority).filter(|authority| !authority.rights().is_empty());
        Speaker { authority, identity }
    }

    /// Someone who proved nothing and may do everything.
    pub(crate) fn anonymous() -> Self {
        Speaker { authority: None, identity: Identity::anonymous() }
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.identity.principal
    }

    /// When its credentials end, Unix ms.
    pub(crate) fn expires_ms(&self) -> Option<i64> {
        self.identity.expires_ms
    }

    pub(crate) fn may_publish(&self, client: &str, topic: &str, retain: bool) -> bool {
        let may =
            |authority: &Arc<Authority>| authority.rights().may_publish(self.identity.subject(client), topic, retain);
        self.authority.as_ref().is_none_or(may)
    }

    pub(crate) fn may_subscribe(&self, client: &str, filter: &str) -> bool {
        let may = |authority: &Arc<Authority>| authority.rights().may_subscribe(self.identity.subject(client), filter);
        self.authority.as_ref().is_none_or(may)
    }

    /// Under what the session of a client identifier is held and kept. Of two principals that use the same identifier
    /// each has a session of its own: nobody takes over, or reads, what another left behind. U+0000 is in no client
    /// identifier that is let in.
    pub(crate) fn session_key(&self, client: &str) -> String {
        match self.identity.principal.is_anonymous() {
            true => client.to_owned(),
            false => format!("{}\0{client}", self.identity.principal.name()),
        }
    }
}
