//! Who is connected, and who holds which client identifier.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tidegate_telemetry::Reason;

use super::GateState;
use crate::access::KeptOut;
use crate::engines::gate::clients::Refused;
use crate::listeners::{OpenError, Peer};
use crate::metrics;
use crate::sessions::{ConnectionHandle, EndOrder, Session};
use crate::wire::End;

/// A connection's place among the connections.
pub(crate) struct Registration {
    pub number: u64,
    pub handle: Arc<ConnectionHandle>,
    /// The session's, once the client is let in.
    pub session: Option<Arc<Session>>,
}

/// Every open connection of the gate, so that all can be told to end.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: Mutex<HashMap<u64, Arc<ConnectionHandle>>>,
    next: AtomicU64,
}

impl Connections {
    fn enter(&self) -> Registration {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let registration = Registration { number, handle: Arc::default(), session: None };
        self.open.lock().insert(registration.number, Arc::clone(&registration.handle));
        registration
    }

    /// Returns whether it was open.
    fn leave(&self, registration: &Registration) -> bool {
        let was_open = self.open.lock().remove(&registration.number).is_some();
        registration.handle.leave();
        was_open
    }

    fn end_all(&self, order: EndOrder) {
        self.open.lock().values().for_each(|handle| handle.end(order));
    }

    pub(super) fn len(&self) -> usize {
        self.open.lock().len()
    }
}

impl GateState {
    pub(crate) fn register(&self) -> Registration {
        self.metrics.connections.increment(1.0);
        self.connections.enter()
    }

    /// The connection is gone; wakes whoever waits to take its client identifier over.
    pub(crate) fn leave(&self, registration: &Registration) {
        if self.connections.leave(registration) {
            self.metrics.connections.decrement(1.0);
        }
    }

    /// Makes `handle`'s connection the holder of the client identifier and asks the holder before, if any, to end. Each holder has
    /// one successor, which waits until it is gone; so two connections never use one session.
    pub(crate) fn hold(&self, client: &Arc<str>, handle: &Arc<ConnectionHandle>) -> Option<Arc<ConnectionHandle>> {
        self.directory.hold(client, handle).inspect(|before| before.end(EndOrder::TakenOver))
    }

    /// Gives the client identifier up, unless somebody holds it by now.
    pub(crate) fn release(&self, client: &str, handle: &Arc<ConnectionHandle>) {
        self.directory.release(client, handle);
    }

    /// A client identifier for a client that left the choice to the server (MQTT-3.1.3-6).
    pub(crate) fn new_client_id(&self) -> String {
        format!("tidegate-{:x}", self.next_session.fetch_add(1, Ordering::Relaxed))
    }

    /// A connection came past a limit. Whether it is still told why or closed at once, this is where it is counted.
    pub(crate) fn kept_out(&self, peer: &Peer, kept_out: &KeptOut) {
        metrics::limit_met(kept_out.by.key(), 1);
        self.note_refusal(peer, End::KeptOut.name(), &kept_out.detail, "");
        let of = (peer.owner(), peer.to_string().into());
        self.refused(Reason::ClientLimit, kept_out.detail.clone(), of, "", Bytes::new());
    }

    /// A connection did not get as far as MQTT. It is no problem of a client that has a name; operators see from where it
    /// came, unless it just went away.
    pub(crate) fn arrival_refused(&self, peer: &Peer, error: &OpenError) {
        let reason = error.reason();
        metrics::unopened(reason, 1);
        if reason != "lost" {
            self.note_refusal(peer, reason, &error.to_string(), "");
        }
        tracing::debug!(%peer, transport = peer.transport.name(), %error, "connection not opened");
    }

    /// Shows operators a connection that was refused.
    pub(crate) fn note_refusal(&self, peer: &Peer, reason: &'static str, detail: &str, client: &str) {
        self.directory.refused(peer, Refused { at_ms: self.now().unix_ms, reason, detail, client });
    }

    /// Asks every connection to end.
    pub(crate) fn shut_down(&self) {
        self.connections.end_all(EndOrder::Shutdown);
    }
}
