//! Wills that wait for their delay (MQTT 5.0 section 3.1.3.2.2).

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;
use tidegate_log::AppendError;
use tidegate_telemetry::{Entry, Publication, Reason};

use super::{GateState, Publisher, holder_of};
use crate::engines::gate::turn::Turn;
use crate::sessions::SessionChange;

/// Wills of clients that are away and may still come back (MQTT 5.0 section 3.1.3.2.2), by session: when each is due,
/// as [`GateState::waiting_ms`] counts.
#[derive(Debug, Default)]
pub(super) struct Wills {
    waiting: Mutex<HashMap<u64, (i64, Publication)>>,
}

impl Wills {
    fn put(&self, will: Publication, due_ms: i64) {
        self.waiting.lock().insert(will.session, (due_ms, will));
    }

    fn take(&self, session: u64) -> Option<Publication> {
        self.waiting.lock().remove(&session).map(|(_, will)| will)
    }

    fn take_due(&self, waiting_ms: i64) -> Vec<Publication> {
        let mut waiting = self.waiting.lock();
        waiting.extract_if(|_, (due_ms, _)| *due_ms <= waiting_ms).map(|(_, (_, will))| will).collect()
    }

    /// Whether the publication is the will that waits for its session.
    fn holds(&self, publication: &Publication) -> bool {
        let is_it =
            |(_, will): &(i64, Publication)| will.topic == publication.topic && will.payload == publication.payload;
        self.waiting.lock().get(&publication.session).is_some_and(is_it)
    }
}

impl GateState {
    /// A connection with a will began; the store has it in case the program does not see the end.
    pub(crate) fn remember_will(&self, will: Publication, delay_s: u32) {
        self.store.change(SessionChange::Will { will: Box::new(will), delay_s, due_ms: None });
    }

    /// A connection with a will ended in a way that forgives it.
    pub(crate) fn forgive_will(&self, session: u64) {
        self.store.note(SessionChange::NoWill { session });
    }

    /// A connection with a will ended: it is published after its delay, at the latest when the session ends.
    pub(crate) fn leave_will(&self, will: Publication, delay_s: u32, expiry_s: u32) {
        let wait_s = delay_s.min(expiry_s);
        if wait_s == 0 {
            return self.publish_will(will);
        }
        let due_ms = self.waiting_ms().saturating_add(i64::from(wait_s) * 1000);
        self.store.change(SessionChange::Will { will: Box::new(will.clone()), delay_s, due_ms: Some(due_ms) });
        self.await_will(will, due_ms);
    }

    /// A will waits until `due_ms`.
    pub(in crate::engines::gate) fn await_will(&self, will: Publication, due_ms: i64) {
        self.wills.put(will, due_ms);
    }

    /// The client is back in time.
    pub(in crate::engines::gate) fn cancel_will(&self, session: u64) {
        if self.wills.take(session).is_some() {
            self.forgive_will(session);
        }
    }

    pub(in crate::engines::gate) fn publish_due_wills(&self, waiting_ms: i64) {
        self.wills.take_due(waiting_ms).into_iter().for_each(|will| self.publish_will(will));
    }

    /// The session ended: its will does not wait any longer.
    pub(in crate::engines::gate) fn publish_will_of(&self, session: u64) {
        if let Some(will) = self.wills.take(session) {
            self.publish_will(will);
        }
    }

    fn publish_will(&self, mut will: Publication) {
        will.received_ms = self.now().unix_ms;
        let (session, (owner, client)) = (will.session, holder_of(&will));
        let from = Publisher { session, client: &client, owner: &owner, keeps: false, is_will: true };
        match self.publish(from, &mut vec![Entry::Publication(will.clone())], &mut Turn::new()) {
            Ok(_) => {}
            // It is due, and goes out when there is room.
            Err(AppendError::DiskFull) => self.await_will(will, self.waiting_ms()),
            Err(error) => {
                let detail = format!("a will was not published: {error}");
                self.refused(Reason::Internal, detail, (owner, client), "", Bytes::new());
                self.forgive_will(session);
            }
        }
    }

    /// A publication that is in the log after all the store knows: if it is a will that waits, it waits no longer.
    pub(in crate::engines::gate) fn found_published(&self, publication: &Publication) {
        // A will has no packet identifier.
        if publication.packet_id == 0 && self.wills.holds(publication) {
            self.cancel_will(publication.session);
        }
    }
}
