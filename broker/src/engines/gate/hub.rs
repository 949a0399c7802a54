use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use tidegate_log::{AppendError, Log};
use tidegate_telemetry::{Entry, Position, Problem, ProblemSink, Publication, Qos, Reason};

use super::bell::{Bell, EndOrder};
use super::outbox::{Delivery, Kept, Message, NotQueued, Outbox, QueueBounds};
use super::routes::{Routed, Routes, Subscriber, Subscriptions, durable_for};
use super::wills::Wills;
use crate::access::Access;
use crate::config::BrokerConfig;
use crate::engines::BrokerStats;
use crate::listeners::{OpenError, Peer};
use crate::metrics::{self, Dropped, Metrics};
use crate::sessions::{Change, Parked, Session, SessionStore};
use crate::topics::{Retained, TopicLimits};
use crate::wire::{Admission, ConnectRequest, Delivered, Filter, Limits, Now, SubscribeOutcome};

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
    pub(crate) queues: Arc<QueueBounds>,
    pub(crate) store: SessionStore,
    pub(crate) inflight: AtomicUsize,
    problems: Arc<dyn ProblemSink>,
    clock: fn() -> i64,
    pub(super) parked: Parked,
    next_session: AtomicU64,
    pub(super) next_message: AtomicU64,
    /// Every connection, so that all can be told to end.
    connections: Mutex<HashMap<u64, Arc<Bell>>>,
    next_connection: AtomicU64,
    /// The connection that holds a client identifier.
    holders: Mutex<HashMap<Arc<str>, Arc<Bell>>>,
    pub(super) routes: Routes,
    pub(super) subscriptions: AtomicUsize,
    pub(super) retained: Mutex<Retained>,
    pub(super) wills: Mutex<Wills>,
    /// The newest message of each `$SYS` topic.
    pub(super) system: Mutex<Vec<Arc<Message>>>,
    pub(super) started: Instant,
    pub(super) traffic: Traffic,
}

/// What `$SYS` counts besides what the metrics do.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub received: AtomicU64,
    pub sent: AtomicU64,
}

/// A connection's place among the connections.
pub(crate) struct Seat {
    pub number: u64,
    pub bell: Arc<Bell>,
    /// The session's, once the client is let in.
    pub outbox: Option<Arc<Outbox>>,
}

/// A client that is let in.
pub(crate) struct Admitted {
    pub admission: Admission,
    pub subscriptions: Subscriptions,
    /// What the CONNACK waits for in the store; 0 for nothing.
    pub ticket: u64,
}

/// Who publishes, for `no local` and the counters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Publisher<'a> {
    pub session: u64,
    pub client: &'a str,
    /// The session outlives the connection.
    pub keeps: bool,
}

impl Hub {
    pub(crate) fn new(
        config: BrokerConfig,
        log: Arc<dyn Log>,
        problems: Arc<dyn ProblemSink>,
        clock: fn() -> i64,
        store: SessionStore,
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
            keep_alive_max_s: u16::try_from(config.keep_alive_max.as_secs()).unwrap_or(u16::MAX),
        };
        // Numbers of sessions differ over restarts too, as long as the clock moves on a millisecond between them.
        let first_session = u64::try_from(clock()).unwrap_or(0) << 20;
        Hub {
            limits: Arc::new(limits),
            access: Access::new(&config),
            metrics: Metrics::new(),
            queues: Arc::new(QueueBounds {
                each_bytes_max: config.queue_bytes_max,
                total_bytes_max: config.queue_bytes_total_max,
                total_bytes: AtomicUsize::new(0),
            }),
            inflight: AtomicUsize::new(0),
            next_session: AtomicU64::new(first_session),
            connections: Mutex::default(),
            next_connection: AtomicU64::new(0),
            holders: Mutex::default(),
            next_message: AtomicU64::new(1),
            routes: Routes::new(),
            subscriptions: AtomicUsize::new(0),
            retained: Mutex::new(Retained::new(config.retained_max, config.retained_bytes_max)),
            wills: Mutex::default(),
            system: Mutex::default(),
            started: Instant::now(),
            traffic: Traffic::default(),
            parked: Parked::new(config.sessions_max),
            config,
            log,
            problems,
            clock,
            store,
        }
    }

    pub(super) fn clock(&self) -> fn() -> i64 {
        self.clock
    }

    pub(crate) fn now(&self) -> Now {
        Now { instant: Instant::now(), unix_ms: (self.clock)() }
    }

    pub(crate) fn seat(&self) -> Seat {
        let number = self.next_connection.fetch_add(1, Ordering::Relaxed);
        let seat = Seat { number, bell: Arc::default(), outbox: None };
        self.connections.lock().insert(seat.number, Arc::clone(&seat.bell));
        self.metrics.connections_accepted.increment(1);
        self.metrics.connections.increment(1.0);
        seat
    }

    /// The connection is gone; wakes whoever waits to take its client identifier over.
    pub(crate) fn leave(&self, seat: &Seat) {
        if self.connections.lock().remove(&seat.number).is_some() {
            self.metrics.connections.decrement(1.0);
        }
        seat.bell.ended.notify_one();
    }

    /// Makes `bell`'s connection the holder of the client identifier and asks the holder before, if any, to end. Each holder has
    /// one successor, which waits for `ended`; so two connections never use one session.
    pub(crate) fn hold(&self, client: &str, bell: &Arc<Bell>) -> Option<Arc<Bell>> {
        let before = self.holders.lock().insert(Arc::from(client), Arc::clone(bell));
        before.inspect(|before| before.end(EndOrder::TakenOver))
    }

    /// Gives the client identifier up, unless somebody holds it by now.
    pub(crate) fn release(&self, client: &str, bell: &Arc<Bell>) {
        let mut holders = self.holders.lock();
        if holders.get(client).is_some_and(|holder| Arc::ptr_eq(holder, bell)) {
            holders.remove(client);
        }
    }

    /// A client identifier for a client that left the choice to the server (MQTT-3.1.3-6).
    pub(crate) fn new_client_id(&self) -> String {
        format!("tidegate-{:x}", self.next_session.fetch_add(1, Ordering::Relaxed))
    }

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
                admission.received = session.received;
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
                Admitted { admission, subscriptions: Subscriptions::new(), ticket }
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
    pub(super) fn forget(&self, session: &Session) -> u64 {
        for filter in session.subscriptions.keys() {
            self.routes.unsubscribe(filter, session.id);
        }
        self.note_subscriptions(session.subscriptions.len(), 0);
        self.publish_will_of(session.id);
        if session.outbox.is_kept() { self.store.change(Change::Close { session: session.id }) } else { 0 }
    }

    pub(super) fn note_subscriptions(&self, before: usize, after: usize) {
        let all = match after >= before {
            true => self.subscriptions.fetch_add(after - before, Ordering::Relaxed) + (after - before),
            false => self.subscriptions.fetch_sub(before - after, Ordering::Relaxed) - (before - after),
        };
        self.metrics.subscriptions.set(all as f64);
    }

    /// Subscribes and queues the retained messages that are due. The SUBACK waits until the ticket is stored.
    pub(crate) fn subscribe(
        &self,
        session: u64,
        seat: &Seat,
        mine: &mut Subscriptions,
        filter: &Filter,
    ) -> Result<(SubscribeOutcome, u64), crate::topics::TopicError> {
        self.limits.topics.check_filter(&filter.filter)?;
        let Some(outbox) = &seat.outbox else { return Ok((SubscribeOutcome::QuotaExceeded, 0)) };
        let is_known = mine.contains_key(filter.filter.as_str());
        let full = self.subscriptions.load(Ordering::Relaxed) >= self.config.subscriptions_max;
        if !is_known && (full || mine.len() >= self.config.subscriptions_per_client_max) {
            return Ok((SubscribeOutcome::QuotaExceeded, 0));
        }
        let (options, since) = (filter.options, self.log.appended());
        let name: Arc<str> = Arc::from(filter.filter.as_str());
        self.routes.subscribe(&name, Subscriber { session, outbox: Arc::clone(outbox), options, since });
        self.note_subscriptions(usize::from(is_known), 1);
        mine.insert(Arc::clone(&name), options);
        let is_shared = name.starts_with("$share/");
        if !is_shared && (filter.retain_handling == 0 || (filter.retain_handling == 1 && !is_known)) {
            self.send_retained(outbox, filter);
        }
        let ticket = match outbox.is_kept() {
            true => self.store.change(Change::Subscribe { session, filter: name, options, since }),
            false => 0,
        };
        Ok((SubscribeOutcome::Granted(options.qos), ticket))
    }

    fn send_retained(&self, outbox: &Arc<Outbox>, filter: &Filter) {
        let mut matching = self.retained.lock().matching(&filter.filter);
        matching.extend(self.system_matching(&filter.filter));
        for (position, message) in matching {
            let qos = message.qos.min(filter.options.qos);
            let mut delivery = Delivery::new(message, qos, true, durable_for(qos, position));
            delivery.identifiers.extend(filter.options.identifier);
            self.queue(outbox, delivery);
        }
    }

    /// Ends a subscription; returns whether there was one, and the ticket of its end.
    pub(crate) fn unsubscribe(&self, session: u64, seat: &Seat, mine: &mut Subscriptions, filter: &str) -> (bool, u64) {
        let Some((filter, _)) = mine.remove_entry(filter) else { return (false, 0) };
        self.routes.unsubscribe(&filter, session);
        self.note_subscriptions(1, 0);
        let is_kept = seat.outbox.as_ref().is_some_and(|outbox| outbox.is_kept());
        (true, if is_kept { self.store.change(Change::Unsubscribe { session, filter }) } else { 0 })
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
        let mut routed = Vec::new();
        let mut retain = Vec::new();
        let mut received = Vec::new();
        let anybody = self.subscriptions.load(Ordering::Relaxed) > 0;
        self.traffic.received.fetch_add(entries.len() as u64, Ordering::Relaxed);
        for entry in entries.iter() {
            let Entry::Publication(publication) = entry else { continue };
            self.metrics.publications[usize::from(publication.qos.level())].increment(1);
            self.metrics.publication_bytes.increment(publication.payload.len() as u64);
            if anybody || publication.retain {
                self.route(publication, None, &mut routed, &mut retain);
            }
            if from.keeps && publication.qos == Qos::ExactlyOnce {
                received.push(publication.packet_id);
            }
        }
        // The store cuts its batches while nobody is in here: what it says is complete was routed.
        let _routing = self.store.routing();
        let position = self.log.append(entries)?;
        for packet_id in received {
            self.store.note(Change::Receive { session: from.session, packet_id });
        }
        self.hand_out(from.client, position, routed, &retain);
        Ok(Some(position))
    }

    /// Finds what a publication makes: deliveries, and a retained message.
    pub(super) fn route(
        &self,
        publication: &Publication,
        at: Option<Position>,
        routed: &mut Routed,
        retain: &mut Vec<Arc<Message>>,
    ) {
        let mut message: Option<Arc<Message>> = None;
        let mut shared = || {
            let new = || Arc::new(Message::of(publication, self.next_message.fetch_add(1, Ordering::Relaxed)));
            Arc::clone(message.get_or_insert_with(new))
        };
        if publication.retain {
            retain.push(shared());
        }
        self.routes.route(publication, at, &self.queues, shared, routed);
    }

    /// Queues deliveries and keeps retained messages of publications that stand in the log up to `position`.
    pub(super) fn hand_out(&self, client: &str, position: Position, routed: Routed, retain: &[Arc<Message>]) {
        for (outbox, mut delivery) in routed {
            delivery.after = durable_for(delivery.qos, position);
            self.queue(&outbox, delivery);
        }
        if !retain.is_empty() {
            self.retain(client, position, retain);
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
            self.report(Reason::Overload, detail, from.client, &topic, Bytes::new());
        }
    }

    fn retain(&self, client: &str, position: Position, messages: &[Arc<Message>]) {
        let mut retained = self.retained.lock();
        for message in messages {
            if retained.put(position, message) {
                self.store.note(Change::Retain { position, message: Arc::clone(message) });
            } else {
                metrics::dropped(Dropped::RetainedFull, 1);
                let detail = "it was delivered but not retained: mqtt.retained_max or mqtt.retained_bytes_max is met";
                self.report(Reason::ClientLimit, detail.to_owned(), client, &message.topic, Bytes::new());
            }
        }
        let (count, bytes) = retained.size();
        self.metrics.retained.set(count as f64);
        self.metrics.retained_bytes.set(bytes as f64);
    }

    pub(super) fn queue(&self, outbox: &Arc<Outbox>, delivery: Delivery) {
        match outbox.push(delivery, &self.queues) {
            Ok(()) => {}
            Err(NotQueued::Full) => metrics::dropped(Dropped::QueueFull, 1),
            Err(NotQueued::Offline) => metrics::dropped(Dropped::Offline, 1),
        }
    }

    /// A delivery left its outbox; one that cannot be sent is settled.
    pub(crate) fn note_delivery(&self, session: u64, delivery: &Delivery, delivered: Delivered) {
        match delivered {
            Delivered::Sent => {
                self.traffic.sent.fetch_add(1, Ordering::Relaxed);
                return self.metrics.delivered(delivery.qos);
            }
            Delivered::Expired => metrics::dropped(Dropped::Expired, 1),
            Delivered::TooLarge => metrics::dropped(Dropped::TooLarge, 1),
        }
        if delivery.number > 0 {
            self.store.note(Change::Settle { session, number: delivery.number });
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
        for bell in self.connections.lock().values() {
            bell.end(EndOrder::Shutdown);
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
