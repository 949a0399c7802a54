use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidegate_log::{Log, ReadError};
use tidegate_telemetry::{Entry, Position, Publication, Qos};

use super::{GateState, holder_of};
use crate::clock::Clock;
use crate::routing::Subscriber;
use crate::sessions::{
    Asleep, Recovered, RecoveredSession, Session, SessionChange, SessionStore, SessionStoreError, Subscriptions,
    session_key,
};

/// How long one read of the log waits; what is asked for is there.
const READ_WAIT: Duration = Duration::from_millis(100);

impl GateState {
    /// Brings back what the store holds, starts its writing, and routes again what the log has after it. Clients are
    /// not served yet.
    pub(crate) fn recover(
        &self,
        start: impl FnOnce(&SessionStore, Arc<dyn Log>, Clock) -> io::Result<()>,
    ) -> Result<(), SessionStoreError> {
        let recovered = self.store.recover()?;
        let complete = recovered.complete;
        if complete.is_some_and(|complete| complete > self.log.appended()) {
            tracing::warn!("the log ends before what the sessions have seen: it is another log, or was cut");
        }
        self.restore(recovered);
        // Until all is routed again no batch may be cut: it would call the mailboxes complete.
        let _routing = self.store.routing();
        start(&self.store, Arc::clone(&self.log), self.clock())?;
        // A crash before the store's first batch leaves none, but publications in the log that were acknowledged.
        self.route_after(complete.unwrap_or(Position::START).min(self.log.appended()))?;
        Ok(())
    }

    fn restore(&self, recovered: Recovered) {
        let now_ms = self.waiting_ms();
        self.next_message.store(recovered.next_message.max(1), Ordering::Relaxed);
        {
            let mut retained = self.retained.lock();
            for (position, message, of) in &recovered.retained {
                let _ = retained.put(*position, message, of);
            }
            // More than fit now fitted under the limits of another run.
            while let Some((gone, of)) = retained.gives_way() {
                self.no_longer_retained(gone, of);
            }
        }
        for will in recovered.wills {
            let expiry_s = recovered.sessions.iter().find(|s| s.id == will.will.session).map_or(0, |s| s.expiry_s);
            let wait_ms = i64::from(will.delay_s.min(expiry_s)) * 1000;
            self.await_will(will.will, will.due_ms.unwrap_or(now_ms.saturating_add(wait_ms)));
        }
        for session in recovered.sessions {
            self.restore_session(session, now_ms);
        }
    }

    fn restore_session(&self, session: RecoveredSession, now_ms: i64) {
        let received = session.received.into_iter().map(|packet_id| (packet_id, Position::START)).collect();
        let mut subscriptions = Subscriptions::default();
        session.subscriptions.into_iter().for_each(|(filter, options)| subscriptions.insert(filter, options));
        let asleep = Asleep::new(&session.client, session.address, &received, &[], &subscriptions);
        let expires_ms = session.expires_ms.unwrap_or(now_ms.saturating_add(i64::from(session.expiry_s) * 1000));
        let restored = Arc::new(Session::asleep(session.id, session.next_number, asleep, expires_ms));
        for (filter, options) in subscriptions.iter() {
            self.routes.subscribe(filter, Subscriber { session: Arc::clone(&restored), options }, true);
        }
        self.note_subscriptions(0, subscriptions.len());
        // More than fit now fitted under the limits of another run.
        if let Some(gone) = self.parked.put(&session.client, restored) {
            self.give_way(&gone);
        }
    }

    /// Routes what the log has after `complete` to the mailboxes. Every subscription in the file began before: a batch
    /// that has one is complete up to there at least.
    fn route_after(&self, complete: Position) -> Result<(), SessionStoreError> {
        let end = self.log.appended();
        let mut at = complete;
        let mut reader = match self.log.reader(at) {
            Ok(reader) => reader,
            Err(ReadError::Trimmed { first_kept, .. }) => {
                tracing::warn!(?complete, ?first_kept, "entries that mailboxes were to get are no longer in the log");
                at = first_kept;
                self.log.reader(at).map_err(unread)?
            }
            Err(error) => return Err(unread(error)),
        };
        let mut entries = Vec::new();
        while at < end && reader.read(READ_WAIT, &mut entries).map_err(unread)? {
            for (position, entry) in entries.drain(..).filter(|(position, _)| *position <= end) {
                at = position;
                let elapsed_ms = entry.elapsed_ms.unwrap_or_else(|| entry.received_ms());
                let received_ms = self.store.waiting_of(elapsed_ms);
                match &entry.entry {
                    Entry::Publication(publication) => self.route_again(position, publication, received_ms),
                    Entry::Command(message) => self.route_command_again(position, message, received_ms),
                    Entry::CommandReport(report) => self.settle_command_again(report),
                    Entry::ClockSet { by_ms, .. } if entry.elapsed_ms.is_none() => self.store.found_clock_set(*by_ms),
                    Entry::ClockSet { .. } | Entry::Intent(_) | Entry::Import(_) | Entry::Tick(_) => {}
                }
            }
        }
        Ok(())
    }

    fn route_again(&self, position: Position, publication: &Publication, received_ms: i64) {
        let (mut routed, mut retain) = (Vec::new(), Vec::new());
        self.route(publication, received_ms, &mut routed, &mut retain);
        let key = session_key(&publication.client, &publication.principal);
        if publication.qos == Qos::ExactlyOnce && self.parked.receive(&key, publication) {
            self.store.note(SessionChange::Receive { session: publication.session, packet_id: publication.packet_id });
        }
        self.found_published(publication);
        self.hand_out(position, routed);
        if !retain.is_empty() {
            self.retain(&mut self.retained.lock(), &Arc::new(holder_of(publication)), position, &retain);
        }
    }
}

fn unread(error: ReadError) -> SessionStoreError {
    SessionStoreError::Directory(io::Error::other(error))
}
