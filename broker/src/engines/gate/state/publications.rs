//! Publications: into the log, to subscribers, among the retained messages.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tidegate_log::AppendError;
use tidegate_telemetry::{Entry, Holder, Owner, Position, Publication, Qos, Reason};

use super::GateState;
use crate::engines::gate::turn::Turn;
use crate::metrics::{self, Dropped};
use crate::routing::{Kept, Put, Retained, Routed, durable_for};
use crate::sessions::{Delivery, Message, NotQueued, Session, SessionChange};
use crate::wire::Delivered;

/// Who publishes, for `no local` and the counters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Publisher<'a> {
    pub session: u64,
    pub client: &'a str,
    pub owner: &'a Owner,
    /// The session outlives the connection.
    pub keeps: bool,
    /// It is the session's will, which is done with when the entry is in the log.
    pub is_will: bool,
}

impl Publisher<'_> {
    /// In whose share it counts.
    pub(crate) fn holder(&self) -> Holder {
        (self.owner.clone(), self.client.into())
    }
}

/// In whose share a publication of the log counts.
pub(crate) fn holder_of(publication: &Publication) -> Holder {
    (publication.owner(), publication.client.as_str().into())
}

impl GateState {
    /// Appends publications to the log in one go, then hands them to subscribers and keeps the retained ones: as many as
    /// the turn allows, by their deliveries, and one at least. The others are left in `entries`.
    ///
    /// QoS 0 publications that were read just as the log ran out of room are dropped and counted; the others are
    /// taken, and the connection is not read again before there is room.
    pub(crate) fn publish(
        &self,
        from: Publisher<'_>,
        entries: &mut Vec<Entry>,
        turn: &mut Turn,
    ) -> Result<Option<Position>, AppendError> {
        if !self.log.has_room() {
            self.drop_qos_0(from, entries);
        }
        if entries.is_empty() {
            return Ok(None);
        }
        let mut routed = Vec::new();
        let mut retain = Vec::new();
        let mut received = Vec::new();
        let mut taken = 0;
        // The store cuts its batches while nobody is in here: what it says is complete was routed.
        let _routing = self.store.routing();
        // Retained messages take their turn from routing to keeping, one publisher at a time: the last in the log is the one
        // kept, also where it removes the one before and leaves no mark, and a subscriber that comes meanwhile gets it.
        let mut retained = entries.iter().any(is_retained).then(|| self.retained.lock());
        let anybody = self.subscriptions.load(Ordering::Relaxed) > 0;
        for entry in entries.iter() {
            if taken > 0 && taken + routed.len() >= turn.left() {
                break;
            }
            taken += 1;
            let Entry::Publication(publication) = entry else { continue };
            self.metrics.publications[usize::from(publication.qos.level())].increment(1);
            self.metrics.publication_bytes.increment(publication.payload.len() as u64);
            if anybody || publication.retain {
                self.route(publication, self.waiting_at(publication.received_ms), &mut routed, &mut retain);
            }
            if from.keeps && publication.qos == Qos::ExactlyOnce {
                received.push(publication.packet_id);
            }
        }
        turn.spend(taken + routed.len());
        self.system.note_received(taken as u64);
        let rest = entries.split_off(taken);
        let appended = self.log.append(entries);
        *entries = rest;
        let position = appended?;
        for packet_id in received {
            self.store.note(SessionChange::Receive { session: from.session, packet_id });
        }
        if from.is_will {
            self.store.note(SessionChange::NoWill { session: from.session });
        }
        self.hand_out(position, routed);
        if let Some(retained) = &mut retained {
            self.retain(retained, &Arc::new(from.holder()), position, &retain);
        }
        Ok(Some(position))
    }

    /// Counts and reports publications for which the disk has no room.
    pub(crate) fn refused_for_room(&self, of: Holder, topic: &str, count: u64) {
        metrics::refused(Reason::DiskFull, count);
        let detail = AppendError::DiskFull.to_string();
        self.problems.report(Reason::DiskFull, detail, of, topic, Bytes::new());
    }

    /// Finds what a publication makes: deliveries, and a retained message. `received_ms` as [`GateState::waiting_ms`] was then.
    pub(in crate::engines::gate) fn route(
        &self,
        publication: &Publication,
        received_ms: i64,
        routed: &mut Routed,
        retain: &mut Vec<Arc<Message>>,
    ) {
        let mut message: Option<Arc<Message>> = None;
        let mut shared = || {
            let new = || {
                let id = self.next_message.fetch_add(1, Ordering::Relaxed);
                Arc::new(Message::of(publication, id, received_ms))
            };
            Arc::clone(message.get_or_insert_with(new))
        };
        if publication.retain {
            retain.push(shared());
        }
        self.routes.route(publication, shared, routed);
    }

    /// Queues deliveries of publications that stand in the log up to `position`.
    pub(in crate::engines::gate) fn hand_out(&self, position: Position, routed: Routed) {
        for (session, mut delivery) in routed {
            delivery.after = durable_for(delivery.qos, position);
            self.queue(&session, delivery);
        }
    }

    fn drop_qos_0(&self, from: Publisher<'_>, entries: &mut Vec<Entry>) {
        let before = entries.len();
        let mut topic = String::new();
        entries.retain(|entry| match entry {
            Entry::Publication(publication) if publication.qos == Qos::AtMostOnce => {
                topic.clone_from(&publication.topic);
                false
            }
            _ => true,
        });
        let count = before - entries.len();
        if count > 0 {
            metrics::dropped(Dropped::Overload, count as u64);
            let detail =
                format!("{count} QoS 0 publications came faster than the log takes them; publish less, or with QoS 1");
            self.problems.report(Reason::Overload, detail, from.holder(), &topic, Bytes::new());
        }
    }

    /// Keeps retained messages of publications that stand in the log up to `position`.
    pub(in crate::engines::gate) fn retain(
        &self,
        retained: &mut Retained,
        of: &Arc<Holder>,
        position: Position,
        messages: &[Arc<Message>],
    ) {
        for message in messages {
            if retained.put(position, message, of) == Put::Kept {
                self.store.note(SessionChange::Retain { position, message: Arc::clone(message), of: Arc::clone(of) });
            }
            while let Some((gone, of)) = retained.gives_way() {
                self.no_longer_retained(gone, of);
            }
        }
        let (count, bytes) = retained.size();
        self.metrics.retained.set(count as f64);
        self.metrics.retained_bytes.set(bytes as f64);
    }

    /// A retained message gave way to others; it may be the one that just came.
    pub(in crate::engines::gate) fn no_longer_retained(&self, (position, gone): Kept, of: Arc<Holder>) {
        metrics::dropped(Dropped::RetainedFull, 1);
        let detail = format!(
            "it is not retained any longer: mqtt.retained_max ({}) or mqtt.retained_bytes_max ({}) is met, and {} has most; \
             raise the limit, or retain less",
            self.config.retained_max, self.config.retained_bytes_max, of.0
        );
        self.problems.report(Reason::ClientLimit, detail, Holder::clone(&of), &gone.topic, Bytes::new());
        let message = Arc::new(Message { payload: Bytes::new(), ..Message::clone(&gone) });
        self.store.note(SessionChange::Retain { position, message, of });
    }

    pub(in crate::engines::gate) fn queue(&self, session: &Arc<Session>, delivery: Delivery) {
        match session.push(delivery, &self.queues) {
            Ok(()) => {}
            Err(NotQueued::Full) => metrics::dropped(Dropped::QueueFull, 1),
            Err(NotQueued::Offline) => metrics::dropped(Dropped::Offline, 1),
        }
    }

    /// A delivery left the queue of its session; one that cannot be sent is settled.
    pub(crate) fn note_delivery(&self, session: u64, delivery: &Delivery, delivered: Delivered) {
        match delivered {
            Delivered::Sent => {
                self.system.note_sent();
                if delivery.is_noted_when_sent() {
                    let (number, packet_id) = (delivery.number, delivery.packet_id);
                    self.store.note(SessionChange::Send { session, number, packet_id });
                }
                return self.metrics.delivered(delivery.qos);
            }
            Delivered::Expired => metrics::dropped(Dropped::Expired, 1),
            Delivered::TooLarge => metrics::dropped(Dropped::TooLarge, 1),
        }
        if delivery.number > 0 {
            self.store.note(SessionChange::Settle { session, number: delivery.number });
        }
    }
}

fn is_retained(entry: &Entry) -> bool {
    matches!(entry, Entry::Publication(publication) if publication.retain)
}
