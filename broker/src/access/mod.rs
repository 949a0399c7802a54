//! Who is let in, what they may do, and how much of it: what stands between a connection and the authority.
//!
//! - [`Access`]: shared by all connections; asks the authority without holding up anybody else
//! - [`ClientAuth`]: who the client of a connection is, and what it may do
//! - [`Permits`]: connections at one time; `addresses`: those of one address, also a second; `limit`: what kept one out
//! - `rate`: publications of a client

mod addresses;
mod auth;
mod limit;
mod permits;
mod rate;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use metrics::counter;
use tidegate_identity::{Authority, Check, Credentials, Identity, Now, Refusal as WhyRefused, Refused};
use tidegate_telemetry::Owner;
use tokio::sync::Semaphore;

pub(crate) use auth::ClientAuth;
pub(crate) use limit::{ConnectLimit, KeptOut};
pub(crate) use permits::{Permit, Permits, REFUSAL_WAIT_MAX};
pub(crate) use rate::PublishRate;

use crate::config::BrokerConfig;
use crate::listeners::Peer;

/// What all connections share about identity and limits.
pub(crate) struct Access {
    authority: Arc<Authority>,
    pub(crate) permits: Permits,
    verifying: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// What a client says of itself in its CONNECT.
#[derive(Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub client_id: &'a str,
    pub user: Option<&'a str>,
    pub password: Option<&'a [u8]>,
    /// Topic and retain flag of its will, if it has one.
    pub will: Option<(&'a str, bool)>,
}

/// A password waits no longer than this to be verified: by then its client has given up and would come twice.
const VERIFY_WAIT_MAX: Duration = Duration::from_secs(5);

impl Access {
    pub(crate) fn new(config: &BrokerConfig) -> Self {
        let authority = Arc::clone(&config.authority);
        let verifying = Arc::new(Semaphore::new(authority.config().verify_concurrency.max(1)));
        Access { authority, permits: Permits::new(config), verifying, waiting: AtomicUsize::new(0) }
    }

    /// Asks who a client is. A password that has to be verified takes its turn on another thread.
    pub(crate) async fn let_in(&self, claim: Claim<'_>, peer: &Peer, now: Now) -> Result<ClientAuth, Refused> {
        let check = match self.authority.check(&credentials(claim, peer), now) {
            Check::Slow => self.verify(claim, peer, now).await,
            quick => quick,
        };
        let identity = match check {
            Check::Known(identity) => identity,
            Check::Refused(refused) => return Err(refused),
            Check::Slow | Check::NotMine => return Err(busy("the password was not verified")),
        };
        self.allow_will(claim, identity, peer.owner())
    }

    async fn verify(&self, claim: Claim<'_>, peer: &Peer, now: Now) -> Check {
        let waiting_max = self.authority.config().verify_waiting_max;
        let _waiting = Waiting::new(&self.waiting);
        if self.waiting.load(Ordering::Relaxed) > waiting_max {
            return refused_busy("identity.verify_waiting_max passwords wait to be verified: the client may come back");
        }
        let turn = tokio::time::timeout(VERIFY_WAIT_MAX, Arc::clone(&self.verifying).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return refused_busy("the password waited too long to be verified: the client may come back");
        };
        let (authority, peer) = (Arc::clone(&self.authority), peer.clone());
        let (client_id, user) = (claim.client_id.to_owned(), claim.user.map(str::to_owned));
        let password = claim.password.map(<[u8]>::to_vec);
        let verified = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let now = Now { instant: Instant::now(), ..now };
            let (user, password) = (user.as_deref(), password.as_deref());
            let claim = Claim { client_id: &client_id, user, password, will: None };
            authority.check_slowly(&credentials(claim, &peer), now)
        });
        verified.await.unwrap_or_else(|_| refused_busy("the verification ended early"))
    }

    /// A will is a publication that is decided on now.
    fn allow_will(&self, claim: Claim<'_>, identity: Identity, nobody: Owner) -> Result<ClientAuth, Refused> {
        let auth = ClientAuth::new(Arc::clone(&self.authority), identity, nobody);
        match claim.will {
            Some((topic, retain)) if !auth.may_publish(claim.client_id, topic, retain) => {
                let detail = format!("{} has no right to publish its will to {topic:?}", auth.principal());
                Err(Refused::new(WhyRefused::NotAuthorized, detail))
            }
            _ => Ok(auth),
        }
    }
}

fn credentials<'a>(claim: Claim<'a>, peer: &'a Peer) -> Credentials<'a> {
    Credentials {
        client_id: claim.client_id,
        user: claim.user,
        password: claim.password,
        certificate: peer.certificate.as_deref(),
        address: peer.address.map(|address| address.ip()),
        listener: peer.transport.name(),
    }
}

fn busy(detail: &str) -> Refused {
    Refused::new(WhyRefused::Busy, detail)
}

fn refused_busy(detail: &str) -> Check {
    counter!("tidegate_identity_refused_total", "reason" => WhyRefused::Busy.name()).increment(1);
    Check::Refused(busy(detail))
}

/// One that waits, as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
