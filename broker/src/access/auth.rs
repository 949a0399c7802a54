use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use tidegate_identity::{Authority, Identity, Principal};
use tidegate_telemetry::{DeviceScope, Owner};

use crate::sessions::session_key;

/// Who the client of a connection is, as it proved, and what it may do.
#[derive(Debug, Clone)]
pub(crate) struct ClientAuth {
    /// None where nobody asks: everything is allowed.
    authority: Option<Arc<Authority>>,
    identity: Arc<Identity>,
    owner: Owner,
}

/// All connections that proved nothing share one.
static ANYBODY: LazyLock<Arc<Identity>> = LazyLock::new(|| Arc::new(Identity::anonymous()));

impl ClientAuth {
    /// `nobody`: in whose share it counts where it proved nothing.
    pub(crate) fn new(authority: Arc<Authority>, identity: Identity, nobody: Owner) -> Self {
        let principal = &identity.principal;
        let owner = if principal.is_anonymous() { nobody } else { Owner::Named(principal.name().into()) };
        let authority = Some(authority).filter(|authority| !authority.rights().is_empty());
        let identity = if identity == **ANYBODY { Arc::clone(&ANYBODY) } else { Arc::new(identity) };
        ClientAuth { authority, identity, owner }
    }

    /// Someone who proved nothing and may do everything.
    pub(crate) fn anonymous() -> Self {
        ClientAuth { authority: None, identity: Arc::clone(&ANYBODY), owner: Owner::Unknown }
    }

    /// In whose share it counts.
    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Where it is, if it proved nothing: entries of the log and sessions keep it, for their share.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self.owner {
            Owner::Address(address) => Some(address),
            Owner::Named(_) | Owner::Unknown => None,
        }
    }

    pub(crate) fn identity(&self) -> &Arc<Identity> {
        &self.identity
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

    /// The devices that what it publishes to a topic may be about; `None`: any.
    pub(crate) fn device_scope(&self, client: &str, topic: &str) -> Option<DeviceScope> {
        let authority = self.authority.as_ref()?;
        authority.rights().devices(self.identity.subject(client), topic).map(DeviceScope::new)
    }

    pub(crate) fn may_subscribe(&self, client: &str, filter: &str) -> bool {
        let may = |authority: &Arc<Authority>| authority.rights().may_subscribe(self.identity.subject(client), filter);
        self.authority.as_ref().is_none_or(may)
    }

    /// How it was proved who it is.
    pub(crate) fn proof(&self) -> &'static str {
        self.identity.proof
    }

    /// Under what the session of a client identifier is held and kept.
    pub(crate) fn session_key(&self, client: &str) -> String {
        session_key(client, self.identity.principal.name())
    }
}
