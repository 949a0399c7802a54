//! From a client's CONNECT to its session, and what stays of it after the connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tidegate_telemetry::Reason;

use super::{Hub, Seat};
use crate::engines::gate::outbox::{Kept, Outbox};
use crate::metrics::{self, Dropped};
use crate::sessions::{Change, Session, Subscriptions};
use crate::wire::{Admission, ConnectRequest, Now};

/// A client that is let in.
pub(crate) struct Admitted {
    pub admission: Admission,
    pub subscriptions: Subscriptions,
    /// What the CONNACK waits for in the store; 0 for nothing.
    pub ticket: u64,
}

impl Hub {
    /// Finds or makes the client's session (MQTT-3.1.2-4 to 6). The CONNACK waits until the ticket is stored.
    pub(crate) fn admit(&self, client: &str, connect: &ConnectRequest, seat: &mut Seat, now: Now) -> Admitted {
        self.expire(now.unix_ms);
        let longest_s = self.expiry_max_s();
        let expiry_s = connect.expiry_s.min(longest_s);
        let mut admission = Admission {
            assigned_client_id: (connect.client_id.is_empty()).then(|| client.to_owned()),
            expiry_s: (connect.expiry_s > longest_s).then_some(longest_s),
            ..Admission::default()
        };
        let admitted = match self.parked.take(client) {
            Some(session) if !connect.clean => {
                let ticket = self.store.change(Change::Resume { session: session.id, expiry_s });
                self.cancel_will(session.id);
                admission.session_present = true;
                // Whether it will outlive this connection as well is seen at its end; until then it is stored.
                admission.keeps = true;
                admission.session = session.id;
                admission.received = session.received.into_iter().collect();
                seat.outbox = Some(session.outbox);
                Admitted { admission, subscriptions: session.subscriptions, ticket }
            }
            other => {
                let mut ticket = other.map_or(0, |session| self.forget(&session));
                let id = self.next_session.fetch_add(1, Ordering::Relaxed);
                admission.session = id;
                admission.keeps = expiry_s > 0;
                let mut outbox = Outbox::default();
                if admission.keeps {
                    let kept = Kept { session: id, store: self.store.clone(), bounds: Arc::clone(&self.queues) };
                    outbox = Outbox::kept(kept, 0);
                    ticket = self.store.change(Change::Open { session: id, client: Arc::from(client), expiry_s });
                }
                seat.outbox = Some(Arc::new(outbox));
                Admitted { admission, subscriptions: Subscriptions::default(), ticket }
            }
        };
        if let Some(outbox) = &seat.outbox {
            outbox.attach(&seat.bell);
        }
        admitted
    }

    fn expiry_max_s(&self) -> u32 {
        u32::try_from(self.config.session_expiry_max.as_secs()).unwrap_or(u32::MAX)
    }

    /// Keeps the session of a connection that ended, or ends it as well.
    pub(crate) fn park(&self, client: &str, session: Session, expiry_s: u32, unix_ms: i64) {
        metrics::dropped(Dropped::Offline, session.outbox.detach(&self.queues) as u64);
        // A DISCONNECT may have asked for more than the CONNECT was granted.
        let expiry_s = expiry_s.min(self.expiry_max_s());
        if expiry_s == 0 {
            self.forget(&session);
            return;
        }
        let expires_ms = unix_ms.saturating_add(i64::from(expiry_s) * 1000);
        self.store.change(Change::Park { session: session.id, expires_ms });
        if let Err(session) = self.parked.put(client, session, expires_ms) {
            self.forget(&session);
            let detail = "no room for the session: mqtt.sessions_max clients that are away have one".to_owned();
            self.refused(Reason::ClientLimit, detail, client, "", Bytes::new());
        }
    }

    /// Ends the sessions whose time is over and publishes the wills that waited long enough.
    pub(crate) fn expire(&self, unix_ms: i64) {
        for session in self.parked.expire(unix_ms) {
            self.forget(&session);
        }
        self.publish_due_wills(unix_ms);
    }

    /// Ends a session; a will that waited for its client is published (MQTT-3.1.3-9). Returns the ticket of that.
    pub(in crate::engines::gate) fn forget(&self, session: &Session) -> u64 {
        for filter in session.subscriptions.filters() {
            self.routes.unsubscribe(filter, session.id);
        }
        self.note_subscriptions(session.subscriptions.len(), 0);
        self.publish_will_of(session.id);
        if session.outbox.is_kept() { self.store.change(Change::Close { session: session.id }) } else { 0 }
    }
}
