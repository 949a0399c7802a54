//! What a session's client is to get.
//!
//! - [`Session`]: a session, its queue and the way to its mailbox
//! - `backlog`: the retained messages that a new subscription is due
//! - `subscribed`: what the client subscribed to
//! - `away`: what is asked of it while its client is away

mod away;
mod backlog;
mod subscribed;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tidegate_telemetry::Qos;

pub(crate) use self::away::{Rank, Sleeper};
pub(crate) use self::backlog::RetainedBacklog;
use super::asleep::{Asleep, Received};
use super::disk::{MailboxReader, SessionChange, SessionStore};
use super::handle::ConnectionHandle;
use super::message::Delivery;
use super::subscriptions::Subscriptions;

/// A session from its first connection to its end, and what its client is to get: a queue in memory while it is
/// connected, and, where the session outlives the connection, a mailbox in the store behind it. A client that is away
/// costs no more than [`Asleep`] holds; a publisher that found the session before it fell asleep or woke up delivers
/// to it all the same.
///
/// Overload policy without a mailbox, "drop newest": a message that would push the queue past `queue_bytes_max`, or all
/// queues past `queue_bytes_total_max`, is not queued; the caller counts it. With one, QoS 1 and 2 go to the mailbox
/// alone from there on, and are read from it, in order, when the queue is empty.
pub(crate) struct Session {
    /// Number of the session, unique in the broker's life.
    number: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Number the next delivery to the mailbox gets; 0 where there is no mailbox.
    next: u64,
    /// As `GateState::waiting_ms` counts; of one whose client is away.
    expires_ms: i64,
    client: Client,
}

#[derive(Debug)]
enum Client {
    Away(Asleep),
    Here(Box<Attached>),
}

/// What only a session needs whose client is connected.
struct Attached {
    queue: VecDeque<Queued>,
    bytes: usize,
    owner: Arc<ConnectionHandle>,
    /// Number of the connection, so that what was read for one is not given to the next.
    connection: u64,
    /// Number of the newest delivery that was queued.
    queued: u64,
    /// How many of the queue are backlogs.
    backlogs: u32,
    /// The mailbox holds deliveries that were not queued for this connection yet.
    is_behind: bool,
    is_fetching: bool,
    subscriptions: Subscriptions,
    context: QueueContext,
}

/// What stands in a queue.
#[derive(Debug)]
enum Queued {
    Delivery(Delivery),
    /// Retained messages come here, when they have been looked up.
    RetainedBacklog(Box<RetainedBacklog>),
}

/// What is next in a queue.
#[derive(Debug)]
pub(crate) enum Due {
    Delivery(Delivery),
    /// To be given back by [`Session::give`], with what was found of it.
    RetainedBacklog(Box<RetainedBacklog>),
}

/// Where deliveries are kept, and how many may be queued.
#[derive(Clone)]
pub(crate) struct QueueContext {
    pub store: SessionStore,
    pub bounds: Arc<QueueBounds>,
}

/// What is left of a session that ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// It had a mailbox.
    pub was_kept: bool,
    pub filters: Vec<Arc<str>>,
    /// Messages that were waiting and that no mailbox had.
    pub lost: usize,
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

impl Session {
    /// A session that begins; its client is attached next. With a mailbox it outlives its connections.
    pub(crate) fn new(number: u64, is_kept: bool) -> Self {
        Session::asleep(number, is_kept.into(), Asleep::default(), i64::MAX)
    }

    /// A session whose client is away until `expires_ms` at most; deliveries before number `next` may be in
    /// its mailbox.
    pub(crate) fn asleep(number: u64, next: u64, asleep: Asleep, expires_ms: i64) -> Self {
        Session { number, state: Mutex::new(State { next, expires_ms, client: Client::Away(asleep) }) }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Takes a delivery: into the mailbox where there is one, and into the queue while a connection keeps up.
    pub(crate) fn push(self: &Arc<Self>, mut delivery: Delivery, context: &QueueContext) -> Result<(), NotQueued> {
        let mut state = self.state.lock();
        let is_kept = state.next > 0 && delivery.qos != Qos::AtMostOnce;
        if is_kept {
            delivery.number = state.next;
            state.next += 1;
            context.store.note(SessionChange::Owe { session: self.number, delivery: delivery.clone() });
        }
        let Client::Here(here) = &mut state.client else {
            return if is_kept { Ok(()) } else { Err(NotQueued::Offline) };
        };
        let is_full = here.is_full(delivery.message.bytes());
        if !is_kept && is_full {
            return Err(NotQueued::Full);
        }
        if is_kept && (is_full || here.is_behind) {
            here.is_behind = true;
            self.fetch_if_due(here);
            return Ok(());
        }
        here.queued = here.queued.max(delivery.number);
        if here.add(delivery) {
            here.owner.wake();
        }
        Ok(())
    }

    /// Takes what is first, a delivery only if `wanted` says so. An emptied queue gives its memory back.
    pub(crate) fn pop_if(self: &Arc<Self>, wanted: impl FnOnce(&Delivery) -> bool) -> Option<Due> {
        let mut state = self.state.lock();
        let Client::Here(here) = &mut state.client else { return None };
        let is_due = match here.queue.front() {
            Some(Queued::Delivery(delivery)) => wanted(delivery),
            Some(Queued::RetainedBacklog(backlog)) => here.is_turn_of(backlog),
            None => false,
        };
        let due = if is_due { here.pop() } else { None };
        if here.queue.is_empty() {
            here.queue = VecDeque::new();
        }
        self.fetch_if_due(here);
        due
    }

    /// Whether a message for one of several members of a group goes here well: a connection is there and keeps up.
    pub(crate) fn keeps_up(&self) -> bool {
        match &self.state.lock().client {
            Client::Here(here) => !here.is_behind && here.bytes * 4 <= here.context.bounds.each_bytes_max,
            Client::Away(_) => false,
        }
    }

    /// Messages that are queued in memory, and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        match &self.state.lock().client {
            Client::Here(here) => (here.queue.len() - here.backlogs as usize, here.bytes),
            Client::Away(_) => (0, 0),
        }
    }

    /// Whether messages wait for the client while it is away.
    pub(crate) fn is_kept(&self) -> bool {
        self.state.lock().next > 0
    }

    /// A connection has the session now. What the mailbox holds goes out first. Returns what the session had received.
    pub(crate) fn attach(
        self: &Arc<Self>,
        owner: &Arc<ConnectionHandle>,
        connection: u64,
        context: &QueueContext,
    ) -> Received {
        let mut state = self.state.lock();
        let (received, backlogs, subscriptions) = match &mut state.client {
            Client::Away(asleep) => (asleep.received(), asleep.backlogs(), asleep.unpack()),
            Client::Here(before) => {
                before.drain();
                (Received::new(), Vec::new(), std::mem::take(&mut before.subscriptions))
            }
        };
        let mut here = Box::new(Attached {
            queue: VecDeque::new(),
            bytes: 0,
            owner: Arc::clone(owner),
            connection,
            queued: 0,
            backlogs: 0,
            is_behind: state.next > 1,
            is_fetching: false,
            subscriptions,
            context: context.clone(),
        });
        here.resume_backlogs(backlogs);
        self.fetch_if_due(&mut here);
        state.client = Client::Here(here);
        received
    }

    /// The connection is gone, the session sleeps until `expires_ms`. Returns how many messages were waiting
    /// that no mailbox has.
    pub(crate) fn fall_asleep(
        &self,
        client: &str,
        address: Option<IpAddr>,
        received: &Received,
        expires_ms: i64,
    ) -> usize {
        let mut state = self.state.lock();
        let Client::Here(here) = &mut state.client else { return 0 };
        let asleep = Asleep::new(client, address, received, &here.packed_backlogs(), &here.subscriptions);
        let lost = here.drain();
        (state.client, state.expires_ms) = (Client::Away(asleep), expires_ms);
        lost
    }

    /// The session is over: whatever comes now finds nobody.
    pub(crate) fn end(&self) -> Ended {
        let mut state = self.state.lock();
        let was_kept = std::mem::take(&mut state.next) > 0;
        match std::mem::replace(&mut state.client, Client::Away(Asleep::default())) {
            Client::Here(mut here) => {
                let filters = here.subscriptions.iter().map(|(filter, _)| Arc::clone(filter)).collect();
                Ended { was_kept, filters, lost: here.drain() }
            }
            Client::Away(asleep) => {
                let filters = asleep.subscriptions().map(|(filter, _)| Arc::from(filter)).collect();
                Ended { was_kept, filters, lost: 0 }
            }
        }
    }

    fn fetch_if_due(self: &Arc<Self>, here: &mut Attached) {
        let is_waiting = match here.queue.front() {
            None => true,
            Some(Queued::RetainedBacklog(backlog)) => !here.is_turn_of(backlog),
            Some(Queued::Delivery(_)) => false,
        };
        if here.is_behind && !here.is_fetching && is_waiting {
            here.is_fetching = true;
            here.context.store.fetch(Arc::<Session>::clone(self), self.number, here.queued, here.connection);
        }
    }
}

impl MailboxReader for Session {
    fn next_number(&self) -> u64 {
        self.state.lock().next
    }

    fn refill(self: Arc<Self>, deliveries: Vec<Delivery>, connection: u64, complete_before: Option<u64>) {
        let mut state = self.state.lock();
        let newest = state.next.saturating_sub(1);
        let Client::Here(here) = &mut state.client else { return };
        if here.connection != connection {
            return;
        }
        here.is_fetching = false;
        if let Some(last) = deliveries.last() {
            here.queued = last.number;
        }
        if let Some(next) = complete_before {
            here.queued = here.queued.max(next.saturating_sub(1));
            here.is_behind = newest >= next;
        }
        for delivery in deliveries {
            here.add_in_turn(delivery);
        }
        self.fetch_if_due(here);
        here.owner.wake();
    }
}

impl Attached {
    fn is_full(&self, bytes: usize) -> bool {
        let bounds = &self.context.bounds;
        let total = bounds.total_bytes.load(Ordering::Relaxed);
        self.bytes + bytes > bounds.each_bytes_max || total + bytes > bounds.total_bytes_max
    }

    /// Returns whether the queue was empty.
    fn add(&mut self, delivery: Delivery) -> bool {
        self.note_added(&delivery);
        self.queue.push_back(Queued::Delivery(delivery));
        self.queue.len() == 1
    }

    fn note_added(&mut self, delivery: &Delivery) {
        let bytes = delivery.message.bytes();
        self.context.bounds.total_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
    }

    fn pop(&mut self) -> Option<Due> {
        match self.queue.pop_front()? {
            Queued::Delivery(delivery) => {
                let bytes = delivery.message.bytes();
                self.bytes -= bytes;
                self.context.bounds.total_bytes.fetch_sub(bytes, Ordering::Relaxed);
                Some(Due::Delivery(delivery))
            }
            Queued::RetainedBacklog(backlog) => {
                self.backlogs -= 1;
                // What it finds is numbered below, and not to be read from the mailbox.
                self.queued = self.queued.max(backlog.last_number());
                Some(Due::RetainedBacklog(backlog))
            }
        }
    }

    /// Gives the queue up. Returns how many messages in it no mailbox has.
    fn drain(&mut self) -> usize {
        self.context.bounds.total_bytes.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
        self.backlogs = 0;
        let is_lost = |queued: &Queued| matches!(queued, Queued::Delivery(delivery) if delivery.number == 0);
        self.queue.drain(..).filter(is_lost).count()
    }
}

impl std::fmt::Debug for Attached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attached").field("connection", &self.connection).field("queue", &self.queue).finish()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("number", &self.number).field("state", &self.state).finish()
    }
}

#[cfg(test)]
mod tests {
    use tidegate_telemetry::Position;

    use super::*;
    use crate::sessions::{SessionStoreConfig, SubscriptionOptions};

    fn context(each_bytes_max: usize) -> QueueContext {
        let bounds = QueueBounds { each_bytes_max, total_bytes_max: 1000, total_bytes: AtomicUsize::new(0) };
        let store = SessionStore::open(SessionStoreConfig::default()).expect("one in memory");
        QueueContext { store, bounds: Arc::new(bounds) }
    }

    fn attach(session: &Arc<Session>, connection: u64, context: &QueueContext) -> Received {
        session.attach(&Arc::default(), connection, context)
    }

    #[test]
    fn a_full_queue_drops_the_newest_and_keeps_the_order() {
        let context = context(140);
        let session = Arc::new(Session::new(1, false));
        let push = |payload| {
            let delivery = Delivery { qos: Qos::AtMostOnce, ..Delivery::for_tests("t", payload) };
            session.push(delivery, &context)
        };
        assert_eq!(push(b"0"), Err(NotQueued::Offline));
        attach(&session, 1, &context);
        assert_eq!(push(b"1"), Ok(()));
        assert_eq!(push(b"2"), Ok(()));
        assert_eq!(push(b"3"), Err(NotQueued::Full));
        let Some(Due::Delivery(first)) = session.pop_if(|_| true) else { panic!("two were queued") };
        assert_eq!(&first.message.payload[..], b"1");
        assert!(session.pop_if(|_| false).is_none());
        let ended = session.end();
        assert_eq!((ended.lost, ended.was_kept), (1, false));
        assert_eq!(push(b"4"), Err(NotQueued::Offline));
        assert_eq!(context.bounds.total_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_comes_while_the_client_is_away_is_numbered_on_and_what_it_subscribed_to_is_still_there() {
        let context = context(1000);
        let session = Arc::new(Session::new(1, true));
        let push = || session.push(Delivery::for_tests("t", b"x"), &context);
        attach(&session, 1, &context);
        let options = SubscriptionOptions {
            qos: Qos::AtLeastOnce,
            no_local: true,
            retain_as_published: false,
            identifier: Some(7),
        };
        session.subscribe(Arc::from("a/#"), options);
        assert_eq!((push(), session.next_number()), (Ok(()), 2));
        let received = vec![(5, Position(9))];
        assert_eq!(session.fall_asleep("client", None, &received, 100), 0, "the mailbox has it");
        assert_eq!(context.bounds.total_bytes.load(Ordering::Relaxed), 0);
        assert_eq!((push(), session.next_number()), (Ok(()), 3));
        assert_eq!((session.subscription("a/#"), session.subscription("a")), (Some(options), None));
        assert_eq!(
            (session.cmp_client("client").is_eq(), session.has_expired(99), session.has_expired(100)),
            (true, false, true)
        );

        session.receive_asleep(6, Position(10));
        assert_eq!(attach(&session, 2, &context), [(5, Position(9)), (6, Position(10))]);
        assert_eq!(session.subscription("a/#"), Some(options));
        Arc::clone(&session).refill(vec![Delivery { number: 1, ..Delivery::for_tests("t", b"x") }], 1, None);
        assert_eq!(session.size().0, 0, "it was read for the connection before");
        let ended = session.end();
        assert_eq!((ended.was_kept, ended.filters), (true, vec![Arc::from("a/#")]));
        assert_eq!(push(), Err(NotQueued::Offline));
    }

    #[test]
    fn a_session_whose_client_is_away_is_small() {
        // With the counters of its Arc: 64 bytes, and what `Asleep` holds.
        let bytes = size_of::<Session>();
        assert!(bytes <= 48, "{bytes} bytes a sleeping session");
        let bytes = size_of::<Attached>();
        assert!(bytes <= 112, "{bytes} bytes more while it is connected");
    }
}
