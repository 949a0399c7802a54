use std::collections::HashMap;

use bytes::Bytes;
use tidegate_log::AppendError;
use tidegate_telemetry::{Entry, Publication, Reason};

use super::hub::{Hub, Publisher, holder_of};
use super::turn::Turn;
use crate::sessions::Change;

/// Wills of clients that are away and may still come back (MQTT 5.0 section 3.1.3.2.2), by session: when each is due,
/// as [`Hub::waiting_ms`] counts.
#[derive(Debug, Default)]
pub(crate) struct Wills {
    waiting: HashMap<u64, (i64, Publication)>,
}

impl Hub {
    /// A connection with a will began; the store has it in case the program does not see the end.
    pub(crate) fn remember_will(&self, will: Publication, delay_s: u32) {
        self.store.change(Change::Will { will: Box::new(will), delay_s, due_ms: None });
    }

    /// A connection with a will ended in a way that forgives it.
    pub(crate) fn forgive_will(&self, session: u64) {
        self.store.note(Change::NoWill { session });
    }

    /// A connection with a will ended: it is published after its delay, at the latest when the session ends.
    pub(crate) fn leave_will(&self, will: Publication, delay_s: u32, expiry_s: u32) {
        let wait_s = delay_s.min(expiry_s);
        if wait_s == 0 {
            return self.publish_will(will);
        }
        let due_ms = self.waiting_ms().saturating_add(i64::from(wait_s) * 1000);
        self.store.change(Change::Will { will: Box::new(will.clone()), delay_s, due_ms: Some(due_ms) });
        self.await_will(will, due_ms);
    }

    /// A will waits until `due_ms`.
    pub(super) fn await_will(&self, will: Publication, due_ms: i64) {
        self.wills.lock().waiting.insert(will.session, (due_ms, will));
    }

    /// The client is back in time.
    pub(super) fn cancel_will(&self, session: u64) {
        if self.wills.lock().waiting.remove(&session).is_some() {
            self.forgive_will(session);
        }
    }

    pub(super) fn publish_due_wills(&self, waiting_ms: i64) {
        let due: Vec<(i64, Publication)> = {
            let mut wills = self.wills.lock();
            wills.waiting.extract_if(|_, (due_ms, _)| *due_ms <= waiting_ms).map(|(_, will)| will).collect()
        };
        due.into_iter().for_each(|(_, will)| self.publish_will(will));
    }

    /// The session ended: its will does not wait any longer.
    pub(super) fn publish_will_of(&self, session: u64) {
        let waiting = self.wills.lock().waiting.remove(&session);
        if let Some((_, will)) = waiting {
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
    pub(super) fn found_published(&self, publication: &Publication) {
        let is_it =
            |(_, will): &(i64, Publication)| will.topic == publication.topic && will.payload == publication.payload;
        let waits = self.wills.lock().waiting.get(&publication.session).is_some_and(is_it);
        // A will has no packet identifier.
        if waits && publication.packet_id == 0 {
            self.cancel_will(publication.session);
        }
    }
}
