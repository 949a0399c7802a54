use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tidegate_telemetry::{CommandId, CommandMessage, Position, Publication, PublishProperties, Qos};

use super::bell::Bell;
use crate::sessions::{Change, SessionStore};

/// What a session's client is to get: a queue in memory while it is connected, and, where the session outlives the
/// connection, a mailbox in the store behind it.
///
/// Overload policy without a mailbox, "drop newest": a message that would push the queue past `queue_bytes_max`, or all
/// queues past `queue_bytes_total_max`, is not queued; the caller counts it. With one, QoS 1 and 2 go to the mailbox
/// alone from there on, and are read from it, in order, when the queue is empty.
#[derive(Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    kept: Option<Kept>,
}

/// Where a session's deliveries are kept.
#[derive(Clone)]
pub(crate) struct Kept {
    pub session: u64,
    pub store: SessionStore,
    pub bounds: Arc<QueueBounds>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Delivery>,
    bytes: usize,
    /// The connection.
    owner: Option<Arc<Bell>>,
    /// Counts connections, so that what was read for one is not given to the next.
    epoch: u64,
    /// Number of the newest delivery of the mailbox.
    newest: u64,
    /// Number of the newest delivery that was queued.
    queued: u64,
    /// The mailbox holds deliveries that were not queued for this connection yet.
    is_behind: bool,
    is_fetching: bool,
}

/// Messages of commands are numbered from here, by the command; so a mailbox says of which command a message is.
pub(crate) const FIRST_COMMAND: u64 = 1 << 62;

/// A publication on its way to subscribers; shared by all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Number among all messages, also those of former runs that are still in a mailbox.
    pub id: u64,
    pub topic: Arc<str>,
    pub payload: Bytes,
    pub qos: Qos,
    pub retain: bool,
    pub received_ms: i64,
    pub properties: Option<Box<PublishProperties>>,
}

impl Message {
    pub(crate) fn of(publication: &Publication, id: u64) -> Self {
        Message {
            id,
            topic: Arc::from(publication.topic.as_str()),
            payload: publication.payload.clone(),
            qos: publication.qos,
            retain: publication.retain,
            received_ms: publication.received_ms,
            properties: publication.properties.clone(),
        }
    }

    /// Received, for its expiry, as long before its deadline as it may wait.
    pub(crate) fn of_command(message: &CommandMessage) -> Self {
        let publication = &message.publication;
        let expiry = publication.properties.as_ref().and_then(|properties| properties.message_expiry_interval_s);
        let received_ms = message.deadline_ms.saturating_sub(i64::from(expiry.unwrap_or(0)) * 1000);
        Message { received_ms, ..Message::of(publication, Message::number_of(message.command)) }
    }

    /// The number of a command's message.
    pub(crate) fn number_of(CommandId(Position(position)): CommandId) -> u64 {
        FIRST_COMMAND + position
    }

    /// The command it carries, if it does. Nothing a client publishes can pass for one.
    pub(crate) fn command(&self) -> Option<CommandId> {
        self.id.checked_sub(FIRST_COMMAND).map(|position| CommandId(Position(position)))
    }

    /// What it counts as in queues and among the retained: topic, payload, and a little for the rest.
    pub(crate) fn bytes(&self) -> usize {
        let properties = self.properties.as_ref().map_or(0, |properties| properties.bytes());
        64 + self.topic.len() + self.payload.len() + properties
    }

    #[cfg(test)]
    pub(crate) fn for_tests(topic: &str, payload: &'static [u8]) -> Self {
        Message {
            id: 1,
            topic: Arc::from(topic),
            payload: Bytes::from_static(payload),
            qos: Qos::AtLeastOnce,
            retain: true,
            received_ms: 0,
            properties: None,
        }
    }
}

/// A message as one subscriber gets it.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub message: Arc<Message>,
    /// The lower of the publication's and the subscription's.
    pub qos: Qos,
    /// Retain flag towards this subscriber (MQTT-3.3.1-8 to 13).
    pub retain: bool,
    /// Not to be sent before this is durable; `Position::START` where being appended is enough.
    pub after: Position,
    /// Number in the session's mailbox; 0 where it is in none.
    pub number: u64,
    /// Identifiers of the subscriptions that matched.
    pub identifiers: Vec<u32>,
    /// The packet identifier it was sent with before; 0 when it was not.
    pub packet_id: u16,
    /// The client has it, only its PUBREL is to be sent again.
    pub is_released: bool,
}

impl Delivery {
    pub(crate) fn new(message: Arc<Message>, qos: Qos, retain: bool, after: Position) -> Self {
        Delivery { message, qos, retain, after, number: 0, identifiers: Vec::new(), packet_id: 0, is_released: false }
    }

    /// Whether the store learns the packet identifier when it is sent rather than when it is lined up: a command that
    /// never left may still expire. Until then nothing is lined up behind it: the store would know the identifier of
    /// what is behind and not this one, and the next connection might give it that very identifier.
    pub(crate) fn is_noted_when_sent(&self) -> bool {
        self.number > 0 && self.qos == Qos::AtLeastOnce && self.message.command().is_some()
    }

    #[cfg(test)]
    pub(crate) fn for_tests(topic: &str, payload: &'static [u8]) -> Self {
        let message = Arc::new(Message::for_tests(topic, payload));
        Delivery::new(message, Qos::AtLeastOnce, false, Position::START)
    }
}

/// Bounds of the queues; counts the bytes in all of them.
#[derive(Debug)]
pub(crate) struct QueueBounds {
    pub each_bytes_max: usize,
    pub total_bytes_max: usize,
    pub total_bytes: AtomicUsize,
}

/// Why a delivery was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotQueued {
    /// The queue, or all queues together, are full.
    Full,
    /// The client is away.
    Offline,
}

impl Outbox {
    /// The outbox of a session that outlives its connections; deliveries up to number `newest` may be in its mailbox.
    pub(crate) fn kept(kept: Kept, newest: u64) -> Self {
        let state = State { newest, is_behind: newest > 0, ..State::default() };
        Outbox { state: Mutex::new(state), kept: Some(kept) }
    }

    /// Takes a delivery: into the mailbox where there is one, and into the queue while a connection keeps up.
    pub(crate) fn push(self: &Arc<Self>, mut delivery: Delivery, bounds: &QueueBounds) -> Result<(), NotQueued> {
        let mut state = self.state.lock();
        let kept = self.kept.as_ref().filter(|_| delivery.qos != Qos::AtMostOnce);
        if let Some(kept) = kept {
            state.newest += 1;
            delivery.number = state.newest;
            kept.store.note(Change::Owe { session: kept.session, delivery: delivery.clone() });
        }
        let is_full = state.is_full(delivery.message.bytes(), bounds);
        match (&state.owner, kept) {
            (None, None) => return Err(NotQueued::Offline),
            (Some(_), None) if is_full => return Err(NotQueued::Full),
            (Some(_), Some(_)) if !is_full && !state.is_behind => state.queued = delivery.number,
            (_, Some(_)) => {
                state.is_behind = true;
                self.fetch_if_due(&mut state);
                return Ok(());
            }
            (Some(_), None) => {}
        }
        if state.add(delivery, bounds)
            && let Some(owner) = &state.owner
        {
            owner.ring();
        }
        Ok(())
    }

    /// Takes the first delivery if `wanted` says so. An emptied queue gives its memory back.
    pub(crate) fn pop_if(
        self: &Arc<Self>,
        bounds: &QueueBounds,
        wanted: impl FnOnce(&Delivery) -> bool,
    ) -> Option<Delivery> {
        let mut state = self.state.lock();
        if !state.queue.front().is_some_and(wanted) {
            return None;
        }
        let delivery = state.queue.pop_front()?;
        let bytes = delivery.message.bytes();
        state.bytes -= bytes;
        bounds.total_bytes.fetch_sub(bytes, Ordering::Relaxed);
        if state.queue.is_empty() {
            state.queue = VecDeque::new();
            self.fetch_if_due(&mut state);
        }
        Some(delivery)
    }

    /// Whether a message for one of several members of a group goes here well: a connection is there and keeps up.
    pub(crate) fn keeps_up(&self, bounds: &QueueBounds) -> bool {
        let state = self.state.lock();
        state.owner.is_some() && !state.is_behind && state.bytes * 4 <= bounds.each_bytes_max
    }

    /// Messages that are queued in memory, and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.queue.len(), state.bytes)
    }

    /// Whether messages wait for the client while it is away.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// A connection has the session now. What the mailbox holds goes out first.
    pub(crate) fn attach(self: &Arc<Self>, owner: &Arc<Bell>) {
        let mut state = self.state.lock();
        state.owner = Some(Arc::clone(owner));
        state.epoch += 1;
        state.queued = 0;
        state.is_behind = state.newest > 0;
        state.is_fetching = false;
        self.fetch_if_due(&mut state);
    }

    /// The connection is gone. Returns how many messages were waiting that no mailbox has.
    pub(crate) fn detach(&self, bounds: &QueueBounds) -> usize {
        let mut state = self.state.lock();
        state.owner = None;
        state.epoch += 1;
        bounds.total_bytes.fetch_sub(state.bytes, Ordering::Relaxed);
        state.bytes = 0;
        std::mem::take(&mut state.queue).iter().filter(|delivery| delivery.number == 0).count()
    }

    /// Number the next delivery to the mailbox gets.
    pub(crate) fn next_number(&self) -> u64 {
        self.state.lock().newest + 1
    }

    /// Deliveries read from the mailbox; `complete_before` says that all before that number are among them.
    pub(crate) fn refill(self: &Arc<Self>, deliveries: Vec<Delivery>, epoch: u64, complete_before: Option<u64>) {
        let Some(kept) = &self.kept else { return };
        let mut state = self.state.lock();
        if state.epoch != epoch {
            return;
        }
        state.is_fetching = false;
        if let Some(last) = deliveries.last() {
            state.queued = last.number;
        }
        if let Some(next) = complete_before {
            state.queued = state.queued.max(next - 1);
            state.is_behind = state.newest >= next;
        }
        for delivery in deliveries {
            state.add(delivery, &kept.bounds);
        }
        if state.queue.is_empty() {
            self.fetch_if_due(&mut state);
        }
        if let Some(owner) = &state.owner {
            owner.ring();
        }
    }

    fn fetch_if_due(self: &Arc<Self>, state: &mut State) {
        if let Some(kept) = &self.kept
            && state.owner.is_some()
            && state.is_behind
            && !state.is_fetching
            && state.queue.is_empty()
        {
            state.is_fetching = true;
            kept.store.fetch(Arc::clone(self), kept.session, state.queued, state.epoch);
        }
    }
}

impl State {
    fn is_full(&self, bytes: usize, bounds: &QueueBounds) -> bool {
        let total = bounds.total_bytes.load(Ordering::Relaxed);
        self.bytes + bytes > bounds.each_bytes_max || total + bytes > bounds.total_bytes_max
    }

    /// Returns whether the queue was empty.
    fn add(&mut self, delivery: Delivery, bounds: &QueueBounds) -> bool {
        let bytes = delivery.message.bytes();
        bounds.total_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        self.queue.push_back(delivery);
        self.queue.len() == 1
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let session = self.kept.as_ref().map(|kept| kept.session);
        f.debug_struct("Outbox").field("state", &self.state).field("kept", &session).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_the_newest_and_keeps_the_order() {
        let bounds = QueueBounds { each_bytes_max: 140, total_bytes_max: 1000, total_bytes: AtomicUsize::new(0) };
        let outbox = Arc::new(Outbox::default());
        let push = |payload| {
            let delivery = Delivery { qos: Qos::AtMostOnce, ..Delivery::for_tests("t", payload) };
            outbox.push(delivery, &bounds)
        };
        assert_eq!(push(b"0"), Err(NotQueued::Offline));
        outbox.attach(&Arc::default());
        assert_eq!(push(b"1"), Ok(()));
        assert_eq!(push(b"2"), Ok(()));
        assert_eq!(push(b"3"), Err(NotQueued::Full));
        let first = outbox.pop_if(&bounds, |_| true).expect("two were queued");
        assert_eq!(&first.message.payload[..], b"1");
        assert!(outbox.pop_if(&bounds, |_| false).is_none());
        assert_eq!(outbox.detach(&bounds), 1);
        assert_eq!(push(b"4"), Err(NotQueued::Offline));
        assert_eq!(bounds.total_bytes.load(Ordering::Relaxed), 0);
    }
}
