use std::sync::Arc;

use tidegate_telemetry::{Position, Qos};

use super::{Attached, Client, Delivery, Queued, Session};
use crate::sessions::asleep::PackedBacklog;
use crate::sessions::disk::SessionChange;
use crate::topics::Walk;

/// The retained messages that a new subscription is due (MQTT 5.0 section 3.3.1.3): a place in the session's queue, at which
/// they are looked up, a few at a time, as the client takes them. So they cost memory by the few, however many there are.
///
/// What is published after the subscription comes behind it in the queue, and is not among what is looked up: no message
/// is followed by an older one of its topic.
#[derive(Debug)]
pub(crate) struct RetainedBacklog {
    pub walk: Walk,
    /// Retained messages that are later in the log come as publications.
    pub through: Position,
    /// Numbers in the mailbox that are set aside for it, the next and the first of others: what it finds is kept where what
    /// came before and after it is. 0 in sessions without a mailbox.
    next: u64,
    end: u64,
}

impl RetainedBacklog {
    fn packed(&self) -> Option<PackedBacklog> {
        let (filter, from) = (self.walk.filter().to_string(), self.walk.place()?.to_owned());
        Some(PackedBacklog { filter, from, through: self.through, next: self.next, end: self.end })
    }

    fn unpacked(packed: PackedBacklog) -> RetainedBacklog {
        let PackedBacklog { filter, from, through, next, end } = packed;
        RetainedBacklog { walk: Walk::resumed(filter.into(), &from), through, next, end }
    }

    /// The last number that is set aside for it.
    pub(super) fn last_number(&self) -> u64 {
        self.end.saturating_sub(1)
    }
}

impl Session {
    /// Queues the retained messages up to `through` in the log, of which there are `count` at most, for a subscription to
    /// the filter. The one that the subscription was still due gives way.
    pub(crate) fn owe_retained(&self, filter: &Arc<str>, through: Position, count: usize) {
        let mut state = self.state.lock();
        let next = state.next;
        if next > 0 {
            state.next += count as u64;
        }
        let end = state.next;
        let Client::Here(here) = &mut state.client else { return };
        here.forget_backlog(filter);
        if count > 0 {
            let walk = Walk::new(Arc::clone(filter));
            here.add_backlog(RetainedBacklog { walk, through, next, end });
        }
    }

    /// What was found of a backlog goes out next, and then the rest of it.
    pub(crate) fn give(self: &Arc<Self>, mut backlog: Box<RetainedBacklog>, mut found: Vec<Delivery>) {
        let mut state = self.state.lock();
        let is_kept = state.next > 0;
        let Client::Here(here) = &mut state.client else { return };
        for delivery in found.iter_mut().filter(|delivery| is_kept && delivery.qos != Qos::AtMostOnce) {
            delivery.number = backlog.next;
            backlog.next += 1;
            here.context.store.note(SessionChange::Owe { session: self.number, delivery: delivery.clone() });
        }
        if !backlog.walk.is_over() {
            here.backlogs += 1;
            here.queue.push_front(Queued::RetainedBacklog(backlog));
        }
        for delivery in found.into_iter().rev() {
            here.note_added(&delivery);
            here.queue.push_front(Queued::Delivery(delivery));
        }
        self.fetch_if_due(here);
    }
}

impl Attached {
    /// Those that are not over, in order.
    pub(super) fn packed_backlogs(&self) -> Vec<PackedBacklog> {
        let packed = |queued: &Queued| match queued {
            Queued::RetainedBacklog(backlog) => backlog.packed(),
            Queued::Delivery(_) => None,
        };
        if self.backlogs == 0 { Vec::new() } else { self.queue.iter().filter_map(packed).collect() }
    }

    pub(super) fn resume_backlogs(&mut self, packed: Vec<PackedBacklog>) {
        packed.into_iter().for_each(|packed| self.add_backlog(RetainedBacklog::unpacked(packed)));
    }

    fn add_backlog(&mut self, backlog: RetainedBacklog) {
        self.backlogs += 1;
        self.queue.push_back(Queued::RetainedBacklog(Box::new(backlog)));
    }

    pub(super) fn forget_backlog(&mut self, of: &str) {
        if self.backlogs > 0 {
            self.queue.retain(|queued| !matches!(queued, Queued::RetainedBacklog(it) if **it.walk.filter() == *of));
            let is_backlog = |queued: &&Queued| matches!(queued, Queued::RetainedBacklog(_));
            self.backlogs = self.queue.iter().filter(is_backlog).count() as u32;
        }
    }

    /// Whether all that the mailbox has from before the backlog was queued before it.
    pub(super) fn is_turn_of(&self, backlog: &RetainedBacklog) -> bool {
        !self.is_behind || self.queued + 1 >= backlog.next
    }

    /// Adds a delivery from the mailbox, before the backlogs that came after it.
    pub(super) fn add_in_turn(&mut self, delivery: Delivery) {
        let is_later = |queued: &Queued| matches!(queued, Queued::RetainedBacklog(it) if it.next > delivery.number);
        let at = (self.backlogs > 0).then(|| self.queue.iter().position(is_later)).flatten();
        self.note_added(&delivery);
        self.queue.insert(at.unwrap_or(self.queue.len()), Queued::Delivery(delivery));
    }
}
