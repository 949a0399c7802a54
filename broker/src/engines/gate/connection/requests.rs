use std::time::Instant;

use bytes::Bytes;
use tidegate_log::AppendError;
use tidegate_telemetry::{CommandProgress, CommandRefusal, Entry, Reason};

use super::{Connection, Stream};
use crate::engines::gate::hub::Publisher;
use crate::sessions::Change;
use crate::topics::TopicError;
use crate::wire::{End, Filter, Request, SubscribeOutcome};

impl<S: Stream> Connection<S> {
    /// Serves what one read asked for, in its order: publications that follow each other with one append.
    pub(super) fn serve_requests(&mut self) {
        let requests = std::mem::take(&mut self.requests);
        let mut entries = Vec::with_capacity(requests.len());
        let session = self.machine.session();
        let mut ticket = 0;
        for request in requests {
            let change = match request {
                Request::Publish(publication) => {
                    entries.push(Entry::Publication(*publication));
                    continue;
                }
                Request::Settled { number } => {
                    self.hub.store.note(Change::Settle { session, number });
                    continue;
                }
                Request::CommandDone { command, number, is_refused } => {
                    let progress = match is_refused {
                        true => CommandProgress::Refused(CommandRefusal::ByDevice),
                        false => CommandProgress::Delivered,
                    };
                    self.hub.settle_command(command, number, self.machine.client(), session, progress);
                    continue;
                }
                Request::Taken { number } => Change::Take { session, number },
                Request::Released { packet_id } => {
                    // After the publication itself, whose identifier this frees.
                    self.publish(&mut entries);
                    Change::Release { session, packet_id }
                }
                Request::Subscribe { packet_id, filters } => {
                    self.publish(&mut entries);
                    self.subscribe(packet_id, &filters);
                    continue;
                }
                Request::Unsubscribe { packet_id, filters } => {
                    self.publish(&mut entries);
                    self.unsubscribe(packet_id, &filters);
                    continue;
                }
                Request::Refused { reason, detail, topic, payload } => {
                    self.hub.refused(reason, detail, self.machine.client(), &topic, payload);
                    continue;
                }
                Request::Connect(_) => unreachable!("taken before, and a machine asks once"),
            };
            ticket = self.hub.store.change(change);
        }
        self.publish(&mut entries);
        if ticket > 0 {
            self.machine.changed(ticket);
        }
    }

    fn publish(&mut self, entries: &mut Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        self.note_published(entries);
        self.held_until = self.rate.took(entries, &self.hub.config, Instant::now()).or(self.held_until);
        let (session, keeps) = (self.machine.session(), self.machine.keeps());
        let from = Publisher { session, client: self.machine.client(), keeps, is_will: false };
        let count = entries.len() as u64;
        if self.hub.log.is_disk_full() {
            let topic = match entries.first() {
                Some(Entry::Publication(publication)) => publication.topic.as_str(),
                _ => "",
            };
            self.hub.refused_for_room(from.client, topic, count);
            entries.clear();
            return self.machine.found_no_room();
        }
        let refused =
            |reason, error: &AppendError| End::Refused { reason, detail: error.to_string(), sample: Bytes::new() };
        match self.hub.publish(from, entries) {
            Ok(Some(position)) => self.machine.appended(position),
            Ok(None) => {}
            Err(AppendError::DiskFull) => {
                self.hub.refused_for_room(from.client, "", count);
                self.machine.found_no_room();
            }
            Err(AppendError::Closed) => self.machine.end(End::Shutdown),
            Err(error @ AppendError::TooLarge { .. }) => self.machine.end(refused(Reason::PacketTooLarge, &error)),
            Err(error) => self.machine.end(refused(Reason::Internal, &error)),
        }
    }

    fn subscribe(&mut self, packet_id: u16, filters: &[Filter]) {
        let mut stored_with = 0;
        let outcomes: Vec<SubscribeOutcome> = filters
            .iter()
            .map(|filter| match self.subscribe_to(filter) {
                Ok((SubscribeOutcome::QuotaExceeded, _)) => {
                    let detail = "mqtt.subscriptions_per_client_max or mqtt.subscriptions_max is met".to_owned();
                    self.refused_filter(Reason::ClientLimit, detail, filter);
                    SubscribeOutcome::QuotaExceeded
                }
                Ok((outcome, ticket)) => {
                    stored_with = ticket.max(stored_with);
                    outcome
                }
                Err(error) => {
                    self.refused_filter(Reason::InvalidTopic, error.to_string(), filter);
                    SubscribeOutcome::Invalid
                }
            })
            .collect();
        self.guarded(|machine| machine.subscribed(packet_id, &outcomes, stored_with));
    }

    fn subscribe_to(&mut self, filter: &Filter) -> Result<(SubscribeOutcome, u64), TopicError> {
        if !self.machine.may_subscribe(&filter.filter) {
            let detail = format!("the client has no right to subscribe to {:?}", filter.filter);
            self.refused_filter(Reason::NotAuthorized, detail, filter);
            return Ok((SubscribeOutcome::NotAuthorized, 0));
        }
        match &self.seat.outbox {
            Some(outbox) => self.hub.subscribe(outbox, filter),
            None => Ok((SubscribeOutcome::QuotaExceeded, 0)),
        }
    }

    fn refused_filter(&self, reason: Reason, detail: String, filter: &Filter) {
        self.hub.refused(reason, detail, self.machine.client(), &filter.filter, Bytes::new());
    }

    fn unsubscribe(&mut self, packet_id: u16, filters: &[String]) {
        let unsubscribe = |filter: &String| {
            self.seat.outbox.as_ref().map_or((false, 0), |outbox| self.hub.unsubscribe(outbox, filter))
        };
        let (existed, tickets): (Vec<bool>, Vec<u64>) = filters.iter().map(unsubscribe).unzip();
        let ticket = tickets.into_iter().max().unwrap_or(0);
        self.guarded(|machine| machine.unsubscribed(packet_id, &existed, ticket));
    }
}
