//! Who subscribed to what, over all sessions.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tidegate_telemetry::{Position, Publication, Qos};

use super::plain::{PlainFilters, is_plain};
use super::shared::{Group, Groups};
use super::subscriber::Subscriber;
use super::trie::TopicTrie;
use crate::sessions::{Delivery, Message, Session, SubscriptionOptions};
use crate::topics::shared_filter;

/// Who subscribed to what: finds the deliveries a publication makes.
#[derive(Debug)]
pub(crate) struct Routes {
    filters: RwLock<Filters>,
    groups: Mutex<Groups>,
}

/// Whoever has these locked may lock a session, never the other way round.
#[derive(Debug)]
struct Filters {
    /// How each subscribed, its session knows.
    plain: PlainFilters<Arc<Session>>,
    /// Filters with `+`, and shared subscriptions.
    others: TopicTrie<Target>,
}

#[derive(Debug, Clone)]
enum Target {
    One(Subscriber),
    Group(Arc<Group>),
}

/// Deliveries, and to whom.
pub(crate) type Routed = Vec<(Arc<Session>, Delivery)>;

impl Routes {
    pub(crate) fn new() -> Self {
        let filters = Filters { plain: PlainFilters::new(), others: TopicTrie::new() };
        Routes { filters: RwLock::new(filters), groups: Mutex::default() }
    }

    /// Adds a subscription that the session knows of already, or replaces how it subscribed; the filter is valid.
    pub(crate) fn subscribe(&self, filter: &str, subscriber: Subscriber, is_new: bool) {
        let number = subscriber.session.number();
        if let Some(shared) = shared_filter(filter) {
            let mut groups = self.groups.lock();
            let (key, group) = groups.join(filter, number, subscriber);
            self.filters.write().others.insert(shared, key, Target::Group(group));
        } else if !is_plain(filter) {
            self.filters.write().others.insert(filter, number, Target::One(subscriber));
        } else if is_new {
            self.filters.write().plain.insert(filter, subscriber.session);
        }
    }

    pub(crate) fn unsubscribe(&self, filter: &str, session: &Session) {
        let number = session.number();
        if let Some(shared) = shared_filter(filter) {
            let mut groups = self.groups.lock();
            if let Some(key) = groups.leave(filter, number) {
                self.filters.write().others.remove(shared, key);
            }
        } else if !is_plain(filter) {
            self.filters.write().others.remove(filter, number);
        } else {
            self.filters.write().plain.remove(filter, |known| std::ptr::eq(Arc::as_ptr(known), session));
        }
    }

    /// Adds what the publication makes to `routed`.
    pub(crate) fn route(
        &self,
        publication: &Publication,
        mut message: impl FnMut() -> Arc<Message>,
        routed: &mut Routed,
    ) {
        let first = routed.len();
        let mut sessions = Vec::new();
        let mut add = |key: u64, session: &Arc<Session>, options: SubscriptionOptions| {
            if options.no_local && session.number() == publication.session {
                return;
            }
            let retain = publication.retain && options.retain_as_published;
            let mut delivery = Delivery::new(message(), publication.qos.min(options.qos), retain, Position::START);
            delivery.identifiers.extend(options.identifier);
            sessions.push((key, first + sessions.len()));
            routed.push((Arc::clone(session), delivery));
        };
        let filters = self.filters.read();
        filters.plain.for_each_match(&publication.topic, |filter, session| {
            if let Some(options) = session.subscription(filter) {
                add(session.number(), session, options);
            }
        });
        filters.others.for_each_match(&publication.topic, |key, target| match target {
            Target::One(subscriber) => add(key, &subscriber.session, subscriber.options),
            // A shared subscription's copy is its own, whatever else the member subscribed to.
            Target::Group(group) => {
                if let Some(subscriber) = group.pick() {
                    add(key, &subscriber.session, subscriber.options);
                }
            }
        });
        drop(filters);
        if sessions.len() > 1 {
            once_a_session(first, &mut sessions, routed);
        }
    }
}

/// A client with overlapping subscriptions gets a publication once, with the highest of their qualities of service
/// (MQTT-3.3.4-2) and the identifiers of all of them (MQTT-3.3.4-4).
fn once_a_session(first: usize, sessions: &mut [(u64, usize)], routed: &mut Routed) {
    sessions.sort_unstable();
    let mut extra = Vec::new();
    let mut kept = sessions[0];
    for next in &sessions[1..] {
        if next.0 != kept.0 {
            kept = *next;
            continue;
        }
        let (qos, retain) = (routed[next.1].1.qos, routed[next.1].1.retain);
        let identifiers = std::mem::take(&mut routed[next.1].1.identifiers);
        let delivery = &mut routed[kept.1].1;
        delivery.qos = delivery.qos.max(qos);
        delivery.retain |= retain;
        delivery.identifiers.extend(identifiers);
        extra.push(next.1);
    }
    extra.sort_unstable();
    let mut extra = extra.into_iter().peekable();
    let mut end = first;
    for at in first..routed.len() {
        if extra.next_if_eq(&at).is_none() {
            routed.swap(end, at);
            end += 1;
        }
    }
    routed.truncate(end);
}

/// QoS 2 goes out only when durable; for the others being appended is enough.
pub(crate) fn durable_for(qos: Qos, position: Position) -> Position {
    match qos {
        Qos::ExactlyOnce => position,
        Qos::AtMostOnce | Qos::AtLeastOnce => Position::START,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::{Duration, Instant};

    use bytes::Bytes;

    use super::*;
    use crate::sessions::{QueueBounds, QueueContext};
    use crate::sessions::{SessionStore, SessionStoreConfig};

    const SUBSCRIBERS: u64 = 10_000;

    fn publication(topic: &str) -> Publication {
        Publication {
            received_ms: 0,
            client: "c".into(),
            principal: "anonymous".into(),
            session: u64::MAX,
            packet_id: 0,
            topic: topic.into(),
            payload: Bytes::new(),
            qos: Qos::AtMostOnce,
            retain: false,
            dup: false,
            properties: None,
            scope: None,
            address: None,
        }
    }

    /// What it takes to route to [`SUBSCRIBERS`] of these filters, and to end all of their subscriptions.
    fn costs(filters: &[&str]) -> (Duration, Duration) {
        let routes = Routes::new();
        let options =
            SubscriptionOptions { qos: Qos::AtMostOnce, no_local: false, retain_as_published: false, identifier: None };
        let context = QueueContext {
            store: SessionStore::open(SessionStoreConfig::default()).expect("in memory"),
            bounds: Arc::new(QueueBounds { each_bytes_max: 0, total_bytes_max: 0, total_bytes: AtomicUsize::new(0) }),
        };
        let sessions: Vec<_> = (0..SUBSCRIBERS).map(|number| Arc::new(Session::new(number, false))).collect();
        for session in &sessions {
            session.attach(&Arc::default(), session.number(), &context);
            for filter in filters {
                session.subscribe((*filter).into(), options);
                routes.subscribe(filter, Subscriber { session: Arc::clone(session), options }, true);
            }
        }
        let publication = publication("site/a/t");
        let message = Arc::new(Message::for_tests("site/a/t", b"x"));
        let started = Instant::now();
        for _ in 0..10 {
            let mut routed = Vec::new();
            routes.route(&publication, || Arc::clone(&message), &mut routed);
            assert_eq!(routed.len() as u64, SUBSCRIBERS, "one copy each");
        }
        let routed = started.elapsed() / 10;
        let started = Instant::now();
        for session in &sessions {
            for filter in filters {
                routes.unsubscribe(filter, session);
            }
        }
        (routed, started.elapsed())
    }

    #[test]
    #[ignore = "a measurement: run it with --release and --nocapture"]
    fn what_overlapping_filters_cost() {
        let (one, _) = costs(&["site/a/t"]);
        let (three, ends) = costs(&["site/a/t", "site/+/t", "site/#"]);
        println!("one filter {one:?}, three that overlap {three:?}, the end of 30,000 subscriptions {ends:?}");
    }
}
