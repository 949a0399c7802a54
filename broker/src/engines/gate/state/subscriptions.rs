//! Subscriptions begin and end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidegate_telemetry::Position;

use super::GateState;
use crate::engines::gate::turn::Turn;
use crate::routing::{Subscriber, durable_for};
use crate::sessions::{Delivery, Message, RetainedBacklog, Session, SessionChange, SubscriptionOptions};
use crate::topics::TopicError;
use crate::wire::{Filter, SubscribeOutcome};

/// Steps through the retained messages while they are locked, a microsecond or less each.
const STEPS_MAX: usize = 64;

/// Bytes of messages that are looked up at once: about what is written at once.
const LOOK_UP_BYTES: usize = 64 * 1024;

impl GateState {
    /// Subscribes and queues the retained messages that are due. The SUBACK waits until the ticket is stored.
    pub(crate) fn subscribe(
        &self,
        session: &Arc<Session>,
        filter: &Filter,
    ) -> Result<(SubscribeOutcome, u64), TopicError> {
        self.limits.topics.check_filter(&filter.filter)?;
        let is_known = session.subscription(&filter.filter).is_some();
        let full = self.subscriptions.load(Ordering::Relaxed) >= self.config.subscriptions_max;
        if !is_known && (full || session.subscription_count() >= self.config.subscriptions_per_client_max) {
            return Ok((SubscribeOutcome::QuotaExceeded, 0));
        }
        let options = filter.options;
        let name: Arc<str> = Arc::from(filter.filter.as_str());
        let is_shared = name.starts_with("$share/");
        let gets_retained = !is_shared && (filter.retain_handling == 0 || (filter.retain_handling == 1 && !is_known));
        {
            // Nobody is between routing a retained message and keeping it: each is among those due, or comes as a
            // publication.
            let retained = gets_retained.then(|| self.retained.lock());
            session.subscribe(Arc::clone(&name), options);
            if let Some(retained) = &retained {
                session.owe_retained(&name, retained.newest(), retained.size().0);
            }
            self.routes.subscribe(&name, Subscriber { session: Arc::clone(session), options }, !is_known);
        }
        self.note_subscriptions(usize::from(is_known), 1);
        if gets_retained {
            self.send_system(session, filter);
        }
        let ticket = match session.is_kept() {
            true => self.store.change(SessionChange::Subscribe { session: session.number(), filter: name, options }),
            false => 0,
        };
        Ok((SubscribeOutcome::Granted(options.qos), ticket))
    }

    fn send_system(&self, session: &Arc<Session>, filter: &Filter) {
        for message in self.system.matching(&filter.filter) {
            self.queue(session, as_retained(Position::START, message, filter.options));
        }
    }

    /// Looks up what comes next of the retained messages that a subscription is due.
    pub(crate) fn look_up(&self, session: &Arc<Session>, mut backlog: Box<RetainedBacklog>, turn: &mut Turn) {
        let Some(options) = session.subscription(backlog.walk.filter()) else { return };
        let (mut found, mut bytes) = (Vec::new(), 0);
        let (allowed, through) = (STEPS_MAX.min(turn.left()), backlog.through);
        let mut steps = allowed;
        let retained = self.retained.lock();
        while bytes < LOOK_UP_BYTES
            && let Some((position, message)) = retained.next(&mut backlog.walk, &mut steps)
        {
            if position <= through {
                bytes += message.bytes();
                found.push(as_retained(position, message, options));
            }
        }
        drop(retained);
        turn.spend(allowed - steps);
        session.give(backlog, found);
    }

    /// Ends a subscription; returns whether there was one, and the ticket of its end.
    pub(crate) fn unsubscribe(&self, session: &Session, filter: &str) -> (bool, u64) {
        let Some(filter) = session.unsubscribe(filter) else { return (false, 0) };
        self.routes.unsubscribe(&filter, session);
        self.note_subscriptions(1, 0);
        (
            true,
            if session.is_kept() {
                self.store.change(SessionChange::Unsubscribe { session: session.number(), filter })
            } else {
                0
            },
        )
    }

    pub(in crate::engines::gate) fn note_subscriptions(&self, before: usize, after: usize) {
        let all = match after >= before {
            true => self.subscriptions.fetch_add(after - before, Ordering::Relaxed) + (after - before),
            false => self.subscriptions.fetch_sub(before - after, Ordering::Relaxed) - (before - after),
        };
        self.metrics.subscriptions.set(all as f64);
    }
}

/// A retained message as a new subscription gets it.
fn as_retained(position: Position, message: Arc<Message>, options: SubscriptionOptions) -> Delivery {
    let qos = message.qos.min(options.qos);
    let mut delivery = Delivery::new(message, qos, true, durable_for(qos, position));
    delivery.identifiers.extend(options.identifier);
    delivery
}
