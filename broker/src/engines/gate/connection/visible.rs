use std::sync::Arc;
use std::time::Instant;

use tidegate_telemetry::clients::ClientEnd;

use super::{Connection, Stream};
use crate::engines::gate::clients::{Ended, Facts, Presence};
use crate::wire::{ConnectRequest, Delivered, End, Now, Request};

/// What operators see of the connection.
impl<S: Stream> Connection<S> {
    /// The client has its session: from here on it is listed.
    pub(super) fn show(&mut self, key: &str, connect: &ConnectRequest, now: Now) {
        let Some(session) = self.registration.session.clone() else { return };
        let auth = self.machine.auth();
        let facts = Facts {
            number: self.registration.number,
            since_ms: now.unix_ms,
            identity: Arc::clone(auth.identity()),
            address: self.peer.address.map(Into::into),
            transport: self.peer.transport,
            version: connect.version,
            clean: connect.clean,
            keep_alive_s: self.machine.keep_alive_s(connect),
            expiry_s: self.machine.expiry_s(),
        };
        let presence = Arc::new(Presence::new(facts, session));
        self.gate.directory.show(key, &self.registration.handle, &presence);
        self.presence = Some(presence);
    }

    pub(super) fn note_heard(&mut self) {
        self.paused_ms = self.gate.pauses.total_ms();
        if let Some(presence) = &self.presence {
            presence.heard(self.gate.now().unix_ms);
        }
    }

    /// Counts the publications among what was read, once.
    pub(super) fn note_published(&mut self) {
        let bytes = |request: &Request| match request {
            Request::Publish(publication) => Some(publication.topic.len() + publication.payload.len()),
            _ => None,
        };
        let add = |(count, sum): (usize, usize), bytes: usize| (count + 1, sum + bytes);
        let (count, bytes) = self.requests.iter().filter_map(bytes).fold((0, 0), add);
        if count > 0 {
            self.held_until = self.rate.took(count, bytes, &self.gate.config, Instant::now()).or(self.held_until);
        }
        if let Some(presence) = self.presence.as_ref().filter(|_| count > 0) {
            presence.published(count as u64, bytes as u64);
        }
    }

    pub(super) fn note_delivered(&self, delivered: Delivered) {
        if let Some(presence) = self.presence.as_ref().filter(|_| delivered == Delivered::Sent) {
            presence.delivered();
        }
    }

    pub(super) fn note_inflight(&mut self) {
        let now = self.machine.pending();
        self.gate.note_inflight(self.noted_inflight, now);
        self.noted_inflight = now;
        if let Some(presence) = &self.presence {
            presence.note_inflight(now, self.machine.outgoing());
        }
    }

    /// The CONNECT that came is shown to those who trace its client, and so is what follows.
    pub(super) fn begin_trace(&mut self, client: &str, connect: &ConnectRequest) {
        let mut trace = self.gate.directory.traces.of(client);
        if let Some(trace) = &mut trace {
            trace.connect(connect);
        }
        self.machine.trace(trace);
    }

    pub(super) fn look_at_traces(&mut self) {
        if self.registration.handle.has_to_look_at_traces() {
            let trace = self.gate.directory.traces.of(self.machine.client());
            self.machine.trace(trace);
        }
    }

    /// Remembers why the connection ended, where the client has a name; all of them end with the program.
    pub(super) fn remember_end(&mut self, end: &End, now: Now) {
        let (reason, detail, address) = (end.name(), end.detail().to_owned(), self.peer.address);
        if let Some(trace) = self.machine.traced() {
            let (detail, address) = (detail.clone(), address.map(|address| address.to_string()));
            trace.ended(&ClientEnd { time: now.unix_ms, reason, detail, address });
        }
        let key = self.holds.as_deref().unwrap_or(self.machine.client());
        if !key.is_empty() && *end != End::Shutdown {
            let proof = self.holds.as_ref().map(|_| self.machine.auth().proof());
            self.gate.directory.ended(key, Ended { at_ms: now.unix_ms, reason, detail: detail.into(), address, proof });
        }
    }
}
