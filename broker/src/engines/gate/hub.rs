use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tidegate_log::{AppendError, Log};
use tidegate_telemetry::{Entry, Position, Problem, ProblemSink, Publication, Qos, Reason};

use super::outbox::{Delivery, EndOrder, Message, NotQueued, Outbox, QueueBounds};
use crate::access::Access;
use crate::config::BrokerConfig;
use crate::engines::BrokerStats;
use crate::listeners::{OpenError, Peer};
use crate::metrics::{self, Dropped, Metrics};
use crate::sessions::{Session, SessionStore, SubscriptionOptions};
use crate::topics::{Retained, TopicLimits, TopicTrie};
use crate::wire::{Admission, ConnectRequest, Filter, Limits, Now, SubscribeOutcome};

/// What all connections of the gate share: who is online, who subscribed to what, what is retained, and the log.
///
/// Publications are matched and handed to subscribers by the task of the publisher, so the order of one publisher
/// is kept (MQTT-4.6.0-6) without a task between.
pub(crate) struct Hub {
    pub(crate) config: BrokerConfig,
    pub(crate) limits: Arc<Limits>,
    pub(crate) access: Access,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) metrics: Metrics,
    pub(crate) queues: QueueBounds,
    pub(crate) inflight: AtomicUsize,
    problems: Arc<dyn ProblemSink>,
    clock: fn() -> i64,
    sessions: Arc<dyn SessionStore>,
    next_session: AtomicU64,
    /// Every connection, so that all can be told to end.
    connections: Mutex<HashMap<u64, Arc<Outbox>>>,
    next_connection: AtomicU64,
    /// The connection that holds a client identifier.
    holders: Mutex<HashMap<Arc<str>, Arc<Outbox>>>,
    subscribers: RwLock<TopicTrie<Subscriber>>,
    subscriptions: AtomicUsize,
    retained: Mutex<Retained>,
}

#[derive(Debug, Clone)]
struct Subscriber {
    outbox: Arc<Outbox>,
    options: SubscriptionOptions,
}

/// A connection's place among the connections.
pub(crate) struct Seat {
    pub number: u64,
    pub outbox: Arc<Outbox>,
}

/// Who publishes, for `no local` and the counters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Publisher<'a> {
    pub session: u64,
    pub client: &'a str,
}

impl Hub {
    pub(crate) fn new(
        config: BrokerConfig,
        log: Arc<dyn Log>,
        problems: Arc<dyn ProblemSink>,
        clock: fn() -> i64,
        sessions: Arc<dyn SessionStore>,
    ) -> Self {
        let limits = Limits {
            topics: TopicLimits { bytes_max: config.topic_bytes_max, levels_max: config.topic_levels_max },
            connect_timeout: config.connect_timeout,
            packet_bytes_max: config.packet_bytes_max,
            client_id_bytes_max: config.client_id_bytes_max,
            topic_alias_max: config.topic_alias_max,
            receive_max: config.receive_max,
            inflight_bytes_max: config.inflight_bytes_max,
            delivery_inflight_max: config.delivery_inflight_max,
        };
        // Numbers of sessions differ over restarts too, as long as the clock moves on a millisecond between them.
        let first_session = u64::try_from(clock()).unwrap_or(0) << 20;
        Hub {
            limits: Arc::new(limits),
            access: Access::new(&config),
            metrics: Metrics::new(),
            queues: QueueBounds {
                each_bytes_max: config.queue_bytes_max,
                total_bytes_max: config.queue_bytes_total_max,
                total_bytes: AtomicUsize::new(0),
            },
            inflight: AtomicUsize::new(0),
            next_session: AtomicU64::new(first_session),
            connections: Mutex::default(),
            next_connection: AtomicU64::new(0),
            holders: Mutex::default(),
            subscribers: RwLock::new(TopicTrie::new()),
            subscriptions: AtomicUsize::new(0),
            retained: Mutex::new(Retained::new(config.retained_max, config.retained_bytes_max)),
            config,
            log,
            problems,
            clock,
            sessions,
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now { instant: Instant::now(), unix_ms: (self.clock)() }
    }

    pub(crate) fn seat(&self) -> Seat {
        let seat = Seat { number: self.next_connection.fetch_add(1, Ordering::Relaxed), outbox: Arc::default() };
        self.connections.lock().insert(seat.number, Arc::clone(&seat.outbox));
        self.metrics.connections_accepted.increment(1);
        self.metrics.connections.increment(1.0);
        seat
    }

    /// The connection is gone; wakes whoever waits to take its client identifier over.
    pub(crate) fn leave(&self, seat: &Seat) {
        if self.connections.lock().remove(&seat.number).is_some() {
            self.metrics.connections.decrement(1.0);
        }
        let waiting = seat.outbox.close(&self.queues);
        metrics::dropped(Dropped::Offline, waiting as u64);
        seat.outbox.ended.notify_one();
    }

    /// Makes `outbox` the holder of the client identifier and asks the holder before, if any, to end. Each holder has
    /// one successor, which waits for `ended`; so two connections never use one session.
    pub(crate) fn hold(&self, client: &str, outbox: &Arc<Outbox>) -> Option<Arc<Outbox>> {
        let before = self.holders.lock().insert(Arc::from(client), Arc::clone(outbox));
        before.inspect(|before| before.end(EndOrder::TakenOver))
    }

    /// Gives the client identifier up, unless somebody holds it by now.
    pub(crate) fn release(&self, client: &str, outbox: &Arc<Outbox>) {
        let mut holders = self.holders.lock();
        if holders.get(client).is_some_and(|holder| Arc::ptr_eq(holder, outbox)) {
            holders.remove(client);
        }
    }

    /// A client identifier for a client that left the choice to the server (MQTT-3.1.3-6).
    pub(crate) fn new_client_id(&self) -> String {
        format!("tidegate-{:x}", self.next_session.fetch_add(1, Ordering::Relaxed))
    }

    /// Finds or makes the client's session and subscribes it again (MQTT-3.1.2-4 to 6).
    pub(crate) fn admit(
        &self,
        client: &str,
        connect: &ConnectRequest,
        seat: &Seat,
        now: Now,
    ) -> (Admission, HashMap<Arc<str>, SubscriptionOptions>) {
        self.expire(now.unix_ms);
        let kept = self.sessions.take(client);
        let longest_s = self.expiry_max_s();
        let mut admission = Admission {
            assigned_client_id: (connect.client_id.is_empty()).then(|| client.to_owned()),
            expiry_s: (connect.expiry_s > longest_s).then_some(longest_s),
            ..Admission::default()
        };
        match kept {
            Some(session) if !connect.clean => {
                for (filter, options) in &session.subscriptions {
                    let subscriber = Subscriber { outbox: Arc::clone(&seat.outbox), options: *options };
                    self.subscribers.write().insert(filter, session.id, subscriber);
                }
                admission.session = session.id;
                admission.session_present = true;
                admission.received = session.received;
                (admission, session.subscriptions)
            }
            other => {
                other.inspect(|session| self.forget(session.id, session.subscriptions.keys()));
                admission.session = self.next_session.fetch_add(1, Ordering::Relaxed);
                (admission, HashMap::new())
            }
        }
    }

    fn expiry_max_s(&self) -> u32 {
        u32::try_from(self.config.session_expiry_max.as_secs()).unwrap_or(u32::MAX)
    }

    /// Keeps the session of a connection that ended, or ends it as well.
    pub(crate) fn park(&self, client: &str, session: Session, expiry_s: u32, unix_ms: i64) {
        // A DISCONNECT may have asked for more than the CONNECT was granted.
        let expiry_s = expiry_s.min(self.expiry_max_s());
        let expires_ms = unix_ms.saturating_add(i64::from(expiry_s) * 1000);
        let id = session.id;
        let filters: Vec<Arc<str>> = session.subscriptions.keys().cloned().collect();
        if expiry_s == 0 {
            return self.forget(id, filters.iter());
        }
        if !self.sessions.put(client, session, expires_ms) {
            self.forget(id, filters.iter());
            let detail = "no room for the session: mqtt.sessions_max clients that are away have one".to_owned();
            self.refused(Reason::ClientLimit, detail, client, "", Bytes::new());
        }
    }

    /// Ends the sessions whose time is over.
    pub(crate) fn expire(&self, unix_ms: i64) {
        for session in self.sessions.expire(unix_ms) {
            self.forget(session.id, session.subscriptions.keys());
        }
    }

    fn forget<'a>(&self, session: u64, filters: impl Iterator<Item = &'a Arc<str>>) {
        let mut subscribers = self.subscribers.write();
        for filter in filters {
            subscribers.remove(filter, session);
        }
        self.note_subscriptions(&subscribers);
    }

    fn note_subscriptions(&self, subscribers: &TopicTrie<Subscriber>) {
        self.subscriptions.store(subscribers.len(), Ordering::Relaxed);
        self.metrics.subscriptions.set(subscribers.len() as f64);
    }

    /// Subscribes and queues the retained messages that are due.
    pub(crate) fn subscribe(
        &self,
        session: u64,
        seat: &Seat,
        mine: &mut HashMap<Arc<str>, SubscriptionOptions>,
        filter: &Filter,
    ) -> Result<SubscribeOutcome, crate::topics::TopicError> {
        self.limits.topics.check_filter(&filter.filter)?;
        let is_known = mine.contains_key(filter.filter.as_str());
        let full = self.subscriptions.load(Ordering::Relaxed) >= self.config.subscriptions_max;
        if !is_known && (full || mine.len() >= self.config.subscriptions_per_client_max) {
            return Ok(SubscribeOutcome::QuotaExceeded);
        }
        let subscriber = Subscriber { outbox: Arc::clone(&seat.outbox), options: filter.options };
        {
            let mut subscribers = self.subscribers.write();
            subscribers.insert(&filter.filter, session, subscriber);
            self.note_subscriptions(&subscribers);
        }
        mine.insert(Arc::from(filter.filter.as_str()), filter.options);
        if filter.retain_handling == 0 || (filter.retain_handling == 1 && !is_known) {
            self.send_retained(&seat.outbox, filter);
        }
        Ok(SubscribeOutcome::Granted(filter.options.qos))
    }

    fn send_retained(&self, outbox: &Outbox, filter: &Filter) {
        let matching = self.retained.lock().matching(&filter.filter);
        for (position, message) in matching {
            let qos = message.qos.min(filter.options.qos);
            self.queue(outbox, Delivery { message, qos, retain: true, after: durable_for(qos, position) });
        }
    }

    /// Ends a subscription; returns whether there was one.
    pub(crate) fn unsubscribe(
        &self,
        session: u64,
        mine: &mut HashMap<Arc<str>, SubscriptionOptions>,
        filter: &str,
    ) -> bool {
        let existed = mine.remove(filter).is_some();
        if existed {
            let mut subscribers = self.subscribers.write();
            subscribers.remove(filter, session);
            self.note_subscriptions(&subscribers);
        }
        existed
    }

    /// Appends publications to the log in one go, then hands them to subscribers and keeps the retained ones.
    ///
    /// QoS 0 publications that were read just as the log ran out of room are dropped and counted; the others are
    /// taken, and the connection is not read again before there is room.
    pub(crate) fn publish(
        &self,
        from: Publisher<'_>,
        entries: &mut Vec<Entry>,
    ) -> Result<Option<Position>, AppendError> {
        if !self.log.has_room() {
            self.drop_qos_0(from, entries);
        }
        if entries.is_empty() {
            return Ok(None);
        }
        let mut routes = Vec::new();
        let mut retain = Vec::new();
        let anybody = self.subscriptions.load(Ordering::Relaxed) > 0;
        for entry in entries.iter() {
            let Entry::Publication(publication) = entry else { continue };
            self.metrics.publications[usize::from(publication.qos.level())].increment(1);
            self.metrics.publication_bytes.increment(publication.payload.len() as u64);
            if anybody || publication.retain {
                self.route(from.session, publication, &mut routes, &mut retain);
            }
        }
        let position = self.log.append(entries)?;
        for (outbox, mut delivery) in routes {
            delivery.after = durable_for(delivery.qos, position);
            self.queue(&outbox, delivery);
        }
        if !retain.is_empty() {
            self.retain(from, position, &retain);
        }
        Ok(Some(position))
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
            self.report(Reason::Overload, detail, from.client, &topic, Bytes::new());
        }
    }

    fn route(
        &self,
        from: u64,
        publication: &Publication,
        routes: &mut Vec<(Arc<Outbox>, Delivery)>,
        retain: &mut Vec<Arc<Message>>,
    ) {
        let mut message: Option<Arc<Message>> = None;
        let mut shared = || Arc::clone(message.get_or_insert_with(|| Arc::new(Message::of(publication))));
        if publication.retain {
            retain.push(shared());
        }
        let first = routes.len();
        let mut sessions = Vec::new();
        self.subscribers.read().for_each_match(&publication.topic, |session, subscriber| {
            if subscriber.options.no_local && session == from {
                return;
            }
            let qos = publication.qos.min(subscriber.options.qos);
            let delivery = Delivery {
                message: shared(),
                qos,
                retain: publication.retain && subscriber.options.retain_as_published,
                after: Position::START,
            };
            sessions.push((session, first + sessions.len()));
            routes.push((Arc::clone(&subscriber.outbox), delivery));
        });
        if sessions.len() > 1 {
            once_a_session(first, &mut sessions, routes);
        }
    }

    fn retain(&self, from: Publisher<'_>, position: Position, messages: &[Arc<Message>]) {
        let mut retained = self.retained.lock();
        for message in messages {
            if !retained.put(position, message) {
                metrics::dropped(Dropped::RetainedFull, 1);
                let detail = "it was delivered but not retained: mqtt.retained_max or mqtt.retained_bytes_max is met";
                self.report(Reason::ClientLimit, detail.to_owned(), from.client, &message.topic, Bytes::new());
            }
        }
        let (count, bytes) = retained.size();
        self.metrics.retained.set(count as f64);
        self.metrics.retained_bytes.set(bytes as f64);
    }

    fn queue(&self, outbox: &Outbox, delivery: Delivery) {
        match outbox.push(delivery, &self.queues) {
            Ok(()) => {}
            Err(NotQueued::Full) => metrics::dropped(Dropped::QueueFull, 1),
            Err(NotQueued::Offline) => metrics::dropped(Dropped::Offline, 1),
        }
    }

    /// Counts and reports something that was refused.
    pub(crate) fn refused(&self, reason: Reason, detail: String, client: &str, topic: &str, payload: Bytes) {
        metrics::refused(reason, 1);
        self.report(reason, detail, client, topic, payload);
    }

    fn report(&self, reason: Reason, detail: String, client: &str, topic: &str, payload: Bytes) {
        let received_ms = (self.clock)();
        let (client, topic) = (Arc::from(client), Arc::from(topic));
        self.problems.report(Problem { reason, detail, topic, client, received_ms, payload });
    }

    pub(crate) fn connection_refused(&self, peer: &Peer) {
        let detail = format!(
            "mqtt.connections_max ({}) connections are open: close some or raise the limit",
            self.config.connections_max
        );
        self.refused(Reason::ClientLimit, detail, &peer.to_string(), "", Bytes::new());
    }

    /// A connection did not get as far as MQTT. It is no problem of a client that has a name, so it is only counted.
    pub(crate) fn arrival_refused(&self, peer: &Peer, error: &OpenError) {
        metrics::unopened(error.reason(), 1);
        tracing::debug!(%peer, transport = peer.transport.name(), %error, "connection not opened");
    }

    /// Asks every connection to end.
    pub(crate) fn shut_down(&self) {
        for outbox in self.connections.lock().values() {
            outbox.end(EndOrder::Shutdown);
        }
    }

    pub(crate) fn note_inflight(&self, before: usize, after: usize) {
        if after > before {
            self.inflight.fetch_add(after - before, Ordering::Relaxed);
        } else if before > after {
            self.inflight.fetch_sub(before - after, Ordering::Relaxed);
        } else {
            return;
        }
        self.metrics.inflight.set(self.inflight.load(Ordering::Relaxed) as f64);
    }

    pub(crate) fn stats(&self) -> BrokerStats {
        let (retained, retained_bytes) = self.retained.lock().size();
        BrokerStats {
            connections: self.connections.lock().len(),
            subscriptions: self.subscriptions.load(Ordering::Relaxed),
            retained,
            retained_bytes,
            inflight: self.inflight.load(Ordering::Relaxed),
            queued_bytes: self.queues.total_bytes.load(Ordering::Relaxed),
        }
    }
}

/// A client with overlapping subscriptions gets a publication once, with the highest of their qualities of service
/// (MQTT-3.3.4-2).
fn once_a_session(first: usize, sessions: &mut [(u64, usize)], routes: &mut Vec<(Arc<Outbox>, Delivery)>) {
    sessions.sort_unstable();
    let mut extra = Vec::new();
    let mut kept = sessions[0];
    for next in &sessions[1..] {
        if next.0 != kept.0 {
            kept = *next;
            continue;
        }
        let (qos, retain) = (routes[next.1].1.qos, routes[next.1].1.retain);
        let delivery = &mut routes[kept.1].1;
        delivery.qos = delivery.qos.max(qos);
        delivery.retain |= retain;
        extra.push(next.1);
    }
    if !extra.is_empty() {
        let mut index = 0;
        routes.retain(|_| {
            index += 1;
            index <= first || !extra.contains(&(index - 1))
        });
    }
}

/// QoS 2 goes out only when durable; for the others being appended is enough.
fn durable_for(qos: Qos, position: Position) -> Position {
    match qos {
        Qos::ExactlyOnce => position,
        Qos::AtMostOnce | Qos::AtLeastOnce => Position::START,
    }
}
