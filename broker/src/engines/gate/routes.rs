use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tidegate_telemetry::{Position, Publication, Qos};

use super::groups::{Group, Groups, shared_filter};
use super::outbox::{Delivery, Message, Outbox};
use crate::sessions::SubscriptionOptions;
use crate::topics::TopicTrie;

/// Who subscribed to what: finds the deliveries a publication makes.
#[derive(Debug)]
pub(super) struct Routes {
    trie: RwLock<TopicTrie<Target>>,
    groups: Mutex<Groups>,
}

#[derive(Debug, Clone)]
enum Target {
    One(Subscriber),
    Group(Arc<Group>),
}

/// A session and how it subscribed.
#[derive(Debug, Clone)]
pub(super) struct Subscriber {
    pub outbox: Arc<Outbox>,
    pub options: SubscriptionOptions,
}

/// Deliveries, and to whom.
pub(super) type Routed = Vec<(Arc<Outbox>, Delivery)>;

impl Routes {
    pub(super) fn new() -> Self {
        Routes { trie: RwLock::new(TopicTrie::new()), groups: Mutex::default() }
    }

    /// Adds or replaces a subscription; the filter is valid.
    pub(super) fn subscribe(&self, filter: &str, subscriber: Subscriber) {
        let session = subscriber.outbox.number();
        let Some(plain) = shared_filter(filter) else {
            self.trie.write().insert(filter, session, Target::One(subscriber));
            return;
        };
        let mut groups = self.groups.lock();
        let (key, group) = groups.join(filter, session, subscriber);
        self.trie.write().insert(plain, key, Target::Group(group));
    }

    pub(super) fn unsubscribe(&self, filter: &str, session: u64) {
        let Some(plain) = shared_filter(filter) else {
            self.trie.write().remove(filter, session);
            return;
        };
        let mut groups = self.groups.lock();
        if let Some(key) = groups.leave(filter, session) {
            self.trie.write().remove(plain, key);
        }
    }

    /// Adds what the publication makes to `routed`.
    pub(super) fn route(
        &self,
        publication: &Publication,
        mut message: impl FnMut() -> Arc<Message>,
        routed: &mut Routed,
    ) {
        let first = routed.len();
        let mut sessions = Vec::new();
        self.trie.read().for_each_match(&publication.topic, |key, target| {
            let (subscriber, is_shared) = match target {
                Target::One(subscriber) => (subscriber.clone(), false),
                Target::Group(group) => match group.pick() {
                    Some(subscriber) => (subscriber, true),
                    None => return,
                },
            };
            let (session, options) = (subscriber.outbox.number(), subscriber.options);
            if options.no_local && session == publication.session {
                return;
            }
            let retain = publication.retain && options.retain_as_published;
            let mut delivery = Delivery::new(message(), publication.qos.min(options.qos), retain, Position::START);
            delivery.identifiers.extend(options.identifier);
            // A shared subscription's copy is its own, whatever else the member subscribed to.
            sessions.push((if is_shared { key } else { session }, first + sessions.len()));
            routed.push((subscriber.outbox, delivery));
        });
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
    if !extra.is_empty() {
        let mut index = 0;
        routed.retain(|_| {
            index += 1;
            index <= first || !extra.contains(&(index - 1))
        });
    }
}

/// QoS 2 goes out only when durable; for the others being appended is enough.
pub(super) fn durable_for(qos: Qos, position: Position) -> Position {
    match qos {
        Qos::ExactlyOnce => position,
        Qos::AtMostOnce | Qos::AtLeastOnce => Position::START,
    }
}
