//! Subscriptions begin and end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Hub, Seat};
use crate::engines::gate::outbox::{Delivery, Outbox};
use crate::engines::gate::routes::{Subscriber, durable_for};
use crate::sessions::{Change, Subscriptions};
use crate::topics::TopicError;
use crate::wire::{Filter, SubscribeOutcome};

impl Hub {
    /// Subscribes and queues the retained messages that are due. The SUBACK waits until the ticket is stored.
    pub(crate) fn subscribe(
        &self,
        session: u64,
        seat: &Seat,
        mine: &mut Subscriptions,
        filter: &Filter,
    ) -> Result<(SubscribeOutcome, u64), TopicError> {
        self.limits.topics.check_filter(&filter.filter)?;
        let Some(outbox) = &seat.outbox else { return Ok((SubscribeOutcome::QuotaExceeded, 0)) };
        let is_known = mine.contains(&filter.filter);
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
        let Some(filter) = mine.remove(filter) else { return (false, 0) };
        self.routes.unsubscribe(&filter, session);
        self.note_subscriptions(1, 0);
        let is_kept = seat.outbox.as_ref().is_some_and(|outbox| outbox.is_kept());
        (true, if is_kept { self.store.change(Change::Unsubscribe { session, filter }) } else { 0 })
    }

    pub(in crate::engines::gate) fn note_subscriptions(&self, before: usize, after: usize) {
        let all = match after >= before {
            true => self.subscriptions.fetch_add(after - before, Ordering::Relaxed) + (after - before),
            false => self.subscriptions.fetch_sub(before - after, Ordering::Relaxed) - (before - after),
        };
        self.metrics.subscriptions.set(all as f64);
    }
}
