//! Subscriptions begin and end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Hub;
use crate::engines::gate::outbox::{Delivery, Outbox};
use crate::engines::gate::routes::{Subscriber, durable_for};
use crate::sessions::Change;
use crate::topics::{TopicError, Walk};
use crate::wire::{Filter, SubscribeOutcome};

/// Steps through the retained messages while they are locked, a microsecond or less each.
const STEPS_MAX: usize = 64;

impl Hub {
    /// Subscribes and queues the retained messages that are due. The SUBACK waits until the ticket is stored.
    pub(crate) fn subscribe(
        &self,
        outbox: &Arc<Outbox>,
        filter: &Filter,
    ) -> Result<(SubscribeOutcome, u64), TopicError> {
        self.limits.topics.check_filter(&filter.filter)?;
        let is_known = outbox.subscription(&filter.filter).is_some();
        let full = self.subscriptions.load(Ordering::Relaxed) >= self.config.subscriptions_max;
        if !is_known && (full || outbox.subscription_count() >= self.config.subscriptions_per_client_max) {
            return Ok((SubscribeOutcome::QuotaExceeded, 0));
        }
        let (session, options) = (outbox.number(), filter.options);
        let name: Arc<str> = Arc::from(filter.filter.as_str());
        outbox.subscribe(Arc::clone(&name), options);
        self.routes.subscribe(&name, Subscriber { outbox: Arc::clone(outbox), options }, !is_known);
        self.note_subscriptions(usize::from(is_known), 1);
        let is_shared = name.starts_with("$share/");
        if !is_shared && (filter.retain_handling == 0 || (filter.retain_handling == 1 && !is_known)) {
            self.send_retained(outbox, filter);
        }
        let ticket = match outbox.is_kept() {
            true => self.store.change(Change::Subscribe { session, filter: name, options }),
            false => 0,
        };
        Ok((SubscribeOutcome::Granted(options.qos), ticket))
    }

    fn send_retained(&self, outbox: &Arc<Outbox>, filter: &Filter) {
        let (mut walk, mut matching) = (Walk::new(Arc::from(filter.filter.as_str())), Vec::new());
        while !walk.is_over() {
            let (retained, mut steps) = (self.retained.lock(), STEPS_MAX);
            matching.extend(std::iter::from_fn(|| retained.next(&mut walk, &mut steps)));
        }
        matching.extend(self.system_matching(&filter.filter));
        for (position, message) in matching {
            let qos = message.qos.min(filter.options.qos);
            let mut delivery = Delivery::new(message, qos, true, durable_for(qos, position));
            delivery.identifiers.extend(filter.options.identifier);
            self.queue(outbox, delivery);
        }
    }

    /// Ends a subscription; returns whether there was one, and the ticket of its end.
    pub(crate) fn unsubscribe(&self, outbox: &Outbox, filter: &str) -> (bool, u64) {
        let Some(filter) = outbox.unsubscribe(filter) else { return (false, 0) };
        let session = outbox.number();
        self.routes.unsubscribe(&filter, outbox);
        self.note_subscriptions(1, 0);
        (true, if outbox.is_kept() { self.store.change(Change::Unsubscribe { session, filter }) } else { 0 })
    }

    pub(in crate::engines::gate) fn note_subscriptions(&self, before: usize, after: usize) {
        let all = match after >= before {
            true => self.subscriptions.fetch_add(after - before, Ordering::Relaxed) + (after - before),
            false => self.subscriptions.fetch_sub(before - after, Ordering::Relaxed) - (before - after),
        };
        self.metrics.subscriptions.set(all as f64);
    }
}
