//! Who is let in, what they may do, and how much of it: what stands between a connection and the authority.
//!
//! - [`Access`]: shared by all connections; asks the authority without holding up anybody else
//! - [`Speaker`]: who a connection speaks for, and its rights
//! - [`Places`]: connections at one time; `addresses`: those of one address, also a second
//! - `rate`: publications of a client

mod addresses;
mod places;
mod rate;
mod speaker;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use metrics::counter;
use tidegate_identity::{Authority, Check, Credentials, Identity, Now, Refusal as WhyRefused, Refused};
use tidegate_telemetry::Owner;
use tokio::sync::Semaphore;

pub(crate) use places::{ConnectLimit, KeptOut, LOBBY_WAIT_MAX, Place, Places};
pub(crate) use rate::PublishRate;
pub(crate) use speaker::{Speaker, client_and_principal, session_key};

use crate::config::BrokerConfig;
use crate::listeners::Peer;
use crate::wire::{ConnectRequest, Password};

/// What all connections share about identity and limits.
pub(crate) struct Access {
    authority: Arc<Authority>,
    pub(crate) places: Places,
    verifying: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A password waits no longer than this to be verified: by then its client has given up and would come twice.
const VERIFY_WAIT_MAX: Duration = Duration::from_secs(5);

impl Access {
    pub(crate) fn new(config: &BrokerConfig) -> Self {
        let authority = Arc::clone(&config.authority);
        let verifying = Arc::new(Semaphore::new(authority.config().verify_concurrency.max(1)));
        Access { authority, places: Places::new(config), verifying, waiting: AtomicUsize::new(0) }
    }

    /// Asks who a client is. A password that has to be verified takes its turn on another thread.
    pub(crate) async fn let_in(&self, connect: &ConnectRequest, peer: &Peer, now: Now) -> Result<Speaker, Refused> {
        let check = match self.authority.check(&credentials(connect, peer), now) {
            Check::Slow => self.verify(connect, peer, now).await,
            quick => quick,
        };
        let identity = match check {
            Check::Known(identity) => identity,
            Check::Refused(refused) => return Err(refused),
            Check::Slow | Check::NotMine => return Err(busy("the password was not verified")),
        };
        self.allow_will(connect, identity, peer.owner())
    }

    async fn verify(&self, connect: &ConnectRequest, peer: &Peer, now: Now) -> Check {
        let waiting_max = self.authority.config().verify_waiting_max;
        let _waiting = Waiting::new(&self.waiting);
        if self.waiting.load(Ordering::Relaxed) > waiting_max {
            return refused_busy("identity.verify_waiting_max passwords wait to be verified: the client may come back");
        }
        let turn = tokio::time::timeout(VERIFY_WAIT_MAX, Arc::clone(&self.verifying).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return refused_busy("the password waited too long to be verified: the client may come back");
        };
        let (authority, connect, peer) = (Arc::clone(&self.authority), connect.clone(), peer.clone());
        let verified = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let now = Now { instant: Instant::now(), ..now };
            authority.check_slowly(&credentials(&connect, &peer), now)
        });
        verified.await.unwrap_or_else(|_| refused_busy("the verification ended early"))
    }

    /// A will is a publication that is decided on now.
    fn allow_will(&self, connect: &ConnectRequest, identity: Identity, nobody: Owner) -> Result<Speaker, Refused> {
        let speaker = Speaker::new(Arc::clone(&self.authority), identity, nobody);
        match &connect.will {
            Some(will) if !speaker.may_publish(&connect.client_id, &will.topic, will.retain) => {
                let detail = format!("{} has no right to publish its will to {:?}", speaker.principal(), will.topic);
                Err(Refused::new(WhyRefused::NotAuthorized, detail))
            }
            _ => Ok(speaker),
        }
    }
}

fn credentials<'a>(connect: &'a ConnectRequest, peer: &'a Peer) -> Credentials<'a> {
    Credentials {
        client_id: &connect.client_id,
        user: connect.user.as_deref(),
        password: connect.password.as_ref().map(Password::bytes),
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
