use bytes::Bytes;
use tidegate_log::AppendError;
use tidegate_telemetry::{CommandProgress, CommandRefusal, Entry, Qos, Reason};

use super::{Connection, Stream};
use crate::engines::gate::state::Publisher;
use crate::sessions::SessionChange;
use crate::wire::{End, Filter, Request, SubscribeOutcome};

/// A SUBSCRIBE of which the first filters are served.
#[derive(Default)]
pub(super) struct Subscribing {
    outcomes: Vec<SubscribeOutcome>,
    stored_with: u64,
}

impl<S: Stream> Connection<S> {
    /// Serves what was read, in its order, until the turn is over: publications that follow each other with one append.
    pub(super) fn serve_requests(&mut self) {
        while !self.requests.is_empty() && !self.turn.is_over() {
            let mut entries = Vec::with_capacity(self.requests.len().min(self.turn.left()));
            while entries.len() < self.turn.left()
                && let Some(request) = self.requests.pop_front()
            {
                match request {
                    Request::Publish(publication) => entries.push(Entry::Publication(*publication)),
                    request if !entries.is_empty() && has_its_place(&request) => {
                        self.requests.push_front(request);
                        break;
                    }
                    request => self.serve(request),
                }
            }
            self.publish(entries);
        }
        if self.requests.is_empty() && self.stored_with > 0 {
            self.machine.changed(std::mem::take(&mut self.stored_with));
        }
    }

    fn serve(&mut self, request: Request) {
        self.turn.spend(1);
        let session = self.machine.session();
        let change = match request {
            Request::Settled { number } => return self.gate.store.note(SessionChange::Settle { session, number }),
            Request::CommandDone { command, number, is_refused } => {
                let progress = match is_refused {
                    true => CommandProgress::Refused(CommandRefusal::ByDevice),
                    false => CommandProgress::Delivered,
                };
                return self.gate.settle_command(command, number, self.machine.client(), session, progress);
            }
            Request::Taken { number } => SessionChange::Take { session, number },
            Request::Released { packet_id } => SessionChange::Release { session, packet_id },
            Request::Subscribe { packet_id, filters } => return self.subscribe(packet_id, filters),
            Request::Unsubscribe { packet_id, filters } => return self.unsubscribe(packet_id, &filters),
            Request::Refused { reason, detail, topic, payload } => {
                return self.gate.refused(reason, detail, self.holder(), &topic, payload);
            }
            Request::Publish(_) => unreachable!("gathered before"),
            Request::Connect(_) => unreachable!("taken before, and a machine asks once"),
        };
        self.stored_with = self.gate.store.change(change);
    }

    /// Publishes as many as the turn allows, one at least; the others are the next requests again.
    fn publish(&mut self, mut entries: Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        let (count, answers) = (entries.len(), answers_due(&entries));
        let (session, keeps) = (self.machine.session(), self.machine.keeps());
        let (client, owner) = (self.machine.client(), self.machine.auth().owner());
        let from = Publisher { session, client, owner, keeps, is_will: false };
        if self.gate.log.is_disk_full() || self.machine.owes_answers() {
            let topic = match entries.first() {
                Some(Entry::Publication(publication)) => publication.topic.as_str(),
                _ => "",
            };
            self.gate.refused_for_room(from.holder(), topic, count as u64);
            return self.machine.found_no_room(answers);
        }
        let refused =
            |reason, error: &AppendError| End::Refused { reason, detail: error.to_string(), sample: Bytes::new() };
        let published = self.gate.publish(from, &mut entries, &mut self.turn);
        let answered = answers - answers_due(&entries);
        match published {
            Ok(Some(position)) => self.machine.appended(position, answered),
            Ok(None) => {}
            Err(AppendError::DiskFull) => {
                self.gate.refused_for_room(from.holder(), "", (count - entries.len()) as u64);
                self.machine.found_no_room(answered);
            }
            Err(AppendError::Closed) => self.machine.end(End::Shutdown),
            Err(error @ AppendError::TooLarge { .. }) => self.machine.end(refused(Reason::PacketTooLarge, &error)),
            Err(error) => self.machine.end(refused(Reason::Internal, &error)),
        }
        for entry in entries.into_iter().rev() {
            if let Entry::Publication(publication) = entry {
                self.requests.push_front(Request::Publish(Box::new(publication)));
            }
        }
    }

    /// Serves as many of the filters as the turn allows; the SUBSCRIBE is the next request again while some are left.
    fn subscribe(&mut self, packet_id: u16, filters: Vec<Filter>) {
        let mut begun = self.subscribing.take().unwrap_or_default();
        for filter in &filters[begun.outcomes.len()..] {
            if self.turn.is_over() {
                self.subscribing = Some(begun);
                return self.requests.push_front(Request::Subscribe { packet_id, filters });
            }
            self.turn.spend(1);
            let (outcome, ticket) = self.subscribe_to(filter);
            begun.outcomes.push(outcome);
            begun.stored_with = begun.stored_with.max(ticket);
        }
        self.guarded(|machine| machine.subscribed(packet_id, &begun.outcomes, begun.stored_with));
    }

    fn subscribe_to(&mut self, filter: &Filter) -> (SubscribeOutcome, u64) {
        if !self.machine.may_subscribe(&filter.filter) {
            let detail = format!("the client has no right to subscribe to {:?}", filter.filter);
            self.refused_filter(Reason::NotAuthorized, detail, filter);
            return (SubscribeOutcome::NotAuthorized, 0);
        }
        let Some(session) = &self.registration.session else { return (SubscribeOutcome::QuotaExceeded, 0) };
        match self.gate.subscribe(session, filter) {
            Ok((SubscribeOutcome::QuotaExceeded, _)) => {
                let detail = "mqtt.subscriptions_per_client_max or mqtt.subscriptions_max is met".to_owned();
                self.refused_filter(Reason::ClientLimit, detail, filter);
                (SubscribeOutcome::QuotaExceeded, 0)
            }
            Ok(granted) => granted,
            Err(error) => {
                self.refused_filter(Reason::InvalidTopic, error.to_string(), filter);
                (SubscribeOutcome::Invalid, 0)
            }
        }
    }

    fn refused_filter(&self, reason: Reason, detail: String, filter: &Filter) {
        self.gate.refused(reason, detail, self.holder(), &filter.filter, Bytes::new());
    }

    fn unsubscribe(&mut self, packet_id: u16, filters: &[String]) {
        self.turn.spend(filters.len());
        let unsubscribe = |filter: &String| {
            self.registration.session.as_ref().map_or((false, 0), |session| self.gate.unsubscribe(session, filter))
        };
        let (existed, tickets): (Vec<bool>, Vec<u64>) = filters.iter().map(unsubscribe).unzip();
        let ticket = tickets.into_iter().max().unwrap_or(0);
        self.guarded(|machine| machine.unsubscribed(packet_id, &existed, ticket));
    }
}

/// Whether the request is served only when all that was published before it is: it may free the packet identifier, or have
/// the client get what it published before it subscribed.
fn has_its_place(request: &Request) -> bool {
    matches!(request, Request::Released { .. } | Request::Subscribe { .. } | Request::Unsubscribe { .. })
}

/// How many of the publications are to be acknowledged.
fn answers_due(entries: &[Entry]) -> usize {
    let is_due = |entry: &&Entry| matches!(entry, Entry::Publication(it) if it.qos != Qos::AtMostOnce);
    entries.iter().filter(is_due).count()
}
