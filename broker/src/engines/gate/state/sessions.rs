//! From a client's CONNECT to its session, and what stays of it after the connection.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tidegate_telemetry::Reason;

use super::{GateState, Registration};
use crate::engines::gate::clients::Ended;
use crate::metrics::{self, Dropped};
use crate::sessions::{Rank, Received, Session, SessionChange, client_and_principal};
use crate::wire::{Admission, ConnectRequest};

/// The key of the limit.
pub(super) const SESSIONS_MAX: &str = "mqtt.sessions_max";

/// A client that is let in.
pub(crate) struct Admitted {
    pub admission: Admission,
    /// What the CONNACK waits for in the store; 0 for nothing.
    pub ticket: u64,
}

impl GateState {
    /// Finds or makes the client's session (MQTT-3.1.2-4 to 6). The CONNACK waits until the ticket is stored.
    pub(crate) fn admit(
        &self,
        client: &str,
        address: Option<IpAddr>,
        connect: &ConnectRequest,
        registration: &mut Registration,
    ) -> Admitted {
        let waiting_ms = self.waiting_ms();
        self.publish_due_wills(waiting_ms);
        let longest_s = self.expiry_max_s();
        let expiry_s = connect.expiry_s.min(longest_s);
        let mut admission = Admission {
            assigned_client_id: (connect.client_id.is_empty()).then(|| client.to_owned()),
            expiry_s: (connect.expiry_s > longest_s).then_some(longest_s),
            ..Admission::default()
        };
        let (session, ticket) = match self.parked.take(client) {
            Some(session) if !connect.clean && !session.has_expired(waiting_ms) => {
                let number = session.number();
                let ticket = self.store.change(SessionChange::Resume { session: number, expiry_s, address });
                self.cancel_will(number);
                admission.session_present = true;
                // Whether it will outlive this connection as well is seen at its end; until then it is stored.
                admission.keeps = true;
                (session, ticket)
            }
            other => {
                let mut ticket = other.map_or(0, |session| self.forget(&session));
                let number = self.next_session.fetch_add(1, Ordering::Relaxed);
                admission.keeps = expiry_s > 0;
                if admission.keeps {
                    let client = Arc::from(client);
                    ticket = self.store.change(SessionChange::Open { session: number, client, expiry_s, address });
                }
                (Arc::new(Session::new(number, admission.keeps)), ticket)
            }
        };
        admission.session = session.number();
        admission.received =
            session.attach(&registration.handle, registration.number, &self.queues).into_iter().collect();
        registration.session = Some(session);
        Admitted { admission, ticket }
    }

    /// Where no session is kept, no client is told that its is.
    fn expiry_max_s(&self) -> u32 {
        if self.config.sessions_max == 0 {
            return 0;
        }
        u32::try_from(self.config.session_expiry_max.as_secs()).unwrap_or(u32::MAX)
    }

    /// Keeps the session of a connection that ended, or ends it as well.
    pub(crate) fn park(
        &self,
        client: &str,
        address: Option<IpAddr>,
        session: Arc<Session>,
        received: &Received,
        expiry_s: u32,
    ) {
        // A DISCONNECT may have asked for more than the CONNECT was granted.
        let expiry_s = expiry_s.min(self.expiry_max_s());
        if expiry_s == 0 {
            self.forget(&session);
            return;
        }
        let expires_ms = self.waiting_ms().saturating_add(i64::from(expiry_s) * 1000);
        metrics::dropped(Dropped::Offline, session.fall_asleep(client, address, received, expires_ms) as u64);
        self.store.change(SessionChange::Park { session: session.number(), expires_ms });
        if let Some(gone) = self.parked.put(client, session) {
            self.give_way(&gone);
        }
    }

    /// Ends a session of a client that is away before its time, because others need the room. That client learns of it
    /// when it comes back: no session is present.
    pub(in crate::engines::gate) fn give_way(&self, session: &Arc<Session>) {
        let Rank { owner, client: key, .. } = session.rank();
        self.forget(session);
        metrics::limit_met(SESSIONS_MAX, 1);
        let detail = format!(
            "its session ended while it was away: {SESSIONS_MAX} ({}) are kept, and {owner} has most of them; raise it, or \
             ask for a shorter session expiry",
            self.config.sessions_max
        );
        let (at_ms, reason) = (self.now().unix_ms, "session_gave_way");
        let ended = Ended { at_ms, reason, detail: detail.as_str().into(), address: None, proof: None };
        self.directory.ended(&key, ended);
        let client = client_and_principal(&key).0;
        self.refused(Reason::ClientLimit, detail, (owner, client.into()), "", Bytes::new());
    }

    /// Ends the sessions whose time is over among the next sleepers. A client that is back before its session was looked
    /// at finds that it ended as well.
    pub(in crate::engines::gate) fn sweep(&self, waiting_ms: i64) {
        for session in self.parked.sweep(waiting_ms) {
            self.forget(&session);
        }
    }

    /// Ends a session; a will that waited for its client is published (MQTT-3.1.3-9). Returns the ticket of that.
    pub(in crate::engines::gate) fn forget(&self, session: &Arc<Session>) -> u64 {
        let (number, ended) = (session.number(), session.end());
        metrics::dropped(Dropped::Offline, ended.lost as u64);
        for filter in &ended.filters {
            self.routes.unsubscribe(filter, session);
        }
        self.note_subscriptions(ended.filters.len(), 0);
        self.publish_will_of(number);
        if ended.was_kept { self.store.change(SessionChange::Close { session: number }) } else { 0 }
    }
}
