use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::BoxStream;
use tidegate_telemetry::clients::{
    Client, ClientCounts, ClientDetails, ClientInFlight, ClientName, ClientQueue, ClientState, ClientSubscription,
    ClientsError, ClientsPage, ClientsQuery, RefusalsPage, RefusalsQuery, TraceLine,
};

use super::GateState;
use crate::engines::gate::clients::{Ended, Presence, SPAN_MIN};
use crate::sessions::{EndOrder, Sleeper, client_and_principal, session_key};
use crate::topics::{matches, shared_filter};

/// Clients looked at under one lock.
const AT_A_TIME: usize = 256;

/// Clients looked at for one page.
const LOOKED_AT_MAX: usize = 50_000;

/// How long the end of a connection is waited for.
const END_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long the session store is waited for; a page without the mailboxes is better than none.
const STORE_WAIT_MAX: Duration = Duration::from_millis(500);

/// A client as it was found.
struct Found {
    client: Client,
    presence: Option<Arc<Presence>>,
    /// The session, where messages are kept for it.
    mailbox: Option<u64>,
}

/// What is known under a key.
#[derive(Default)]
struct Known {
    presence: Option<Arc<Presence>>,
    sleeper: Option<Sleeper>,
}

/// What operators ask of the gate. No lock is held while more than [`AT_A_TIME`] clients are looked at.
impl GateState {
    pub(crate) async fn list_clients(&self, query: ClientsQuery) -> Result<ClientsPage, ClientsError> {
        let (mut found, next) = self.find_clients(&query);
        self.complete(&mut found).await;
        let counts = ClientCounts { connected: self.directory.connected() as u64, sleeping: self.parked.len() as u64 };
        let clients = found.into_iter().map(|found| found.client).collect();
        Ok(ClientsPage { clients, next, counts })
    }

    pub(crate) fn list_refusals(&self, query: &RefusalsQuery) -> RefusalsPage {
        self.directory.refusals(query)
    }

    pub(crate) async fn one_client(&self, name: ClientName) -> Result<ClientDetails, ClientsError> {
        let key = self.key_of(&name)?;
        let mut found = [self.found(&key, self.known(&key)).ok_or(ClientsError::Unknown(name.id))?];
        self.complete(&mut found).await;
        let [Found { client, presence, .. }] = found;
        let subscriptions = match presence {
            Some(presence) => presence.session.subscriptions(),
            None => self.parked.subscriptions(&key).unwrap_or_default(),
        };
        let filters = subscriptions
            .into_iter()
            .map(|(filter, options)| ClientSubscription {
                filter,
                qos: options.qos.level(),
                no_local: options.no_local,
                retain_as_published: options.retain_as_published,
                identifier: options.identifier,
            })
            .collect();
        Ok(ClientDetails { client, filters })
    }

    pub(crate) async fn disconnect_client(&self, name: ClientName, session: bool) -> Result<(), ClientsError> {
        let key = self.key_of(&name)?;
        if let Some(handle) = self.directory.handle(&key) {
            let gone = handle.gone();
            handle.end(EndOrder::Administrative { session });
            if tokio::time::timeout(END_WAIT_MAX, gone).await.is_err() {
                return Err(ClientsError::Busy);
            }
        }
        if session && let Some(parked) = self.parked.take(&key) {
            let ticket = self.forget(&parked);
            let written = tokio::time::timeout(END_WAIT_MAX, self.commits.stored(ticket)).await;
            return written.map(drop).map_err(|_| ClientsError::Busy);
        }
        Ok(())
    }

    pub(crate) fn trace_client(&self, id: &str, payloads: bool) -> Result<BoxStream<'static, TraceLine>, ClientsError> {
        let key = self.key_of(&ClientName { id: id.to_owned(), principal: None });
        let state = key.ok().and_then(|key| self.found(&key, self.known(&key))).map(|found| found.client.state);
        let first = TraceLine::Begin { time: self.now().unix_ms, state };
        let trace = self.directory.traces.open(id, payloads, first)?;
        self.directory.handles(id).iter().for_each(|handle| handle.look_at_traces());
        Ok(trace)
    }

    /// The clients of a page, and where the next one begins.
    fn find_clients(&self, query: &ClientsQuery) -> (Vec<Found>, Option<String>) {
        let (mut found, mut looked_at) = (Vec::new(), 0);
        let mut at: Option<Arc<str>> = query.cursor.as_deref().map(Arc::from);
        loop {
            let (known, is_end) = self.known_after(at.as_deref());
            for (key, known) in known {
                if found.len() >= query.limit || looked_at >= LOOKED_AT_MAX {
                    return (found, at.map(|at| at.to_string()));
                }
                looked_at += 1;
                if self.is_subscriber(&key, &known, query) {
                    found.extend(self.found(&key, known).filter(|found| fits(&found.client, query)));
                }
                at = Some(key);
            }
            if is_end {
                return (found, None);
            }
        }
    }

    /// Whether a client would get what is published to the topic that is asked for.
    fn is_subscriber(&self, key: &str, known: &Known, query: &ClientsQuery) -> bool {
        let Some(topic) = &query.topic else { return true };
        let is_fit = |filter: &str| matches(shared_filter(filter).unwrap_or(filter), topic);
        match &known.presence {
            Some(presence) => presence.session.any_filter(is_fit),
            None => self.parked.has_filter(key, is_fit),
        }
    }

    /// Keys after `after` with what is known of them, ascending, and whether these were the last.
    fn known_after(&self, after: Option<&str>) -> (BTreeMap<Arc<str>, Known>, bool) {
        let connected = self.directory.connected_after(after, AT_A_TIME);
        let sleeping = self.parked.after(after, AT_A_TIME);
        let ended = self.directory.ended_after(after, AT_A_TIME);
        let mut known: BTreeMap<Arc<str>, Known> = BTreeMap::new();
        // What one source has beyond its part may lie before what another has in its own.
        let last_of = |keys: Option<&Arc<str>>, count: usize| keys.filter(|_| count == AT_A_TIME).cloned();
        let through = [
            last_of(connected.last().map(|(key, _)| key), connected.len()),
            last_of(sleeping.last().map(|(key, _)| key), sleeping.len()),
            last_of(ended.last(), ended.len()),
        ];
        let through = through.into_iter().flatten().min();
        for (key, presence) in connected {
            known.entry(key).or_default().presence = Some(presence);
        }
        for (key, sleeper) in sleeping {
            known.entry(key).or_default().sleeper = Some(sleeper);
        }
        for key in ended {
            known.entry(key).or_default();
        }
        if let Some(through) = &through {
            known.retain(|key, _| key <= through);
        }
        (known, through.is_none())
    }

    fn known(&self, key: &str) -> Known {
        Known { presence: self.directory.presence(key), sleeper: self.parked.sleeper(key) }
    }

    fn found(&self, key: &str, known: Known) -> Option<Found> {
        let ended = self.directory.end(key);
        let (id, principal) = client_and_principal(key);
        let mut client = blank(id);
        client.last_end = ended.clone().map(Ended::told);
        let principal_of_key: Arc<str> = Arc::from(principal.unwrap_or("anonymous"));
        let mut mailbox = None;
        match (&known.presence, known.sleeper, ended) {
            (Some(presence), _, _) => {
                mailbox = presence.session.is_kept().then_some(presence.session.number());
                describe(&mut client, presence);
            }
            (None, Some(sleeper), ended) => {
                mailbox = Some(sleeper.session);
                client.state = ClientState::Sleeping;
                client.principal = Some(principal_of_key);
                client.proof = ended.as_ref().and_then(|ended| ended.proof);
                client.since = ended.map(|ended| ended.at_ms);
                let (now_ms, waiting_ms) = (self.now().unix_ms, self.waiting_ms());
                client.expires = Some(sleeper.expires_ms.saturating_add(now_ms - waiting_ms));
                client.subscriptions = sleeper.subscriptions as u64;
            }
            (None, None, Some(ended)) => {
                client.principal = ended.proof.map(|_| principal_of_key);
                client.proof = ended.proof;
                client.since = Some(ended.at_ms);
            }
            (None, None, None) => return None,
        }
        Some(Found { client, presence: known.presence, mailbox })
    }

    /// Adds what takes a while: rates, and what the mailboxes hold.
    async fn complete(&self, found: &mut [Found]) {
        let asked: Vec<u64> = found.iter().filter_map(|found| found.mailbox).collect();
        let sizes = async {
            match asked.is_empty() {
                true => BTreeMap::new(),
                false => {
                    let answer = tokio::time::timeout(STORE_WAIT_MAX, self.store.mailboxes(asked)).await;
                    answer.ok().and_then(Result::ok).unwrap_or_default()
                }
            }
        };
        let again = !self.look_at_rates(found);
        let sizes = match again {
            true => tokio::join!(sizes, tokio::time::sleep(SPAN_MIN)).0,
            false => sizes.await,
        };
        if again {
            self.look_at_rates(found);
        }
        for one in found {
            let Some(size) = one.mailbox.and_then(|session| sizes.get(&session)) else { continue };
            // What is queued in memory is in the mailbox too, but for QoS 0.
            let queued = &mut one.client.queued;
            (queued.messages, queued.bytes) = (queued.messages.max(size.messages), queued.bytes.max(size.bytes));
        }
    }

    /// Returns whether there was a rate for everyone, but for those that have only just connected.
    fn look_at_rates(&self, found: &mut [Found]) -> bool {
        let (now, waiting_ms, mut samples) = (Instant::now(), self.waiting_ms(), self.directory.samples());
        let mut is_all = true;
        for one in found {
            let Some(presence) = &one.presence else { continue };
            let totals = presence.totals();
            one.client.totals = Some(totals);
            let age_ms = waiting_ms.saturating_sub(self.waiting_at(presence.facts.since_ms));
            let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
            one.client.rates = samples.rates(presence.facts.number, age, totals, now);
            is_all &= one.client.rates.is_some() || age < SPAN_MIN;
        }
        is_all
    }

    /// The key of a client that is known: of one that is connected or sleeps before one that is gone.
    fn key_of(&self, name: &ClientName) -> Result<String, ClientsError> {
        let unknown = || ClientsError::Unknown(name.id.clone());
        let is_known = |key: &str| self.found(key, self.known(key)).map(|found| found.client.state);
        if let Some(principal) = &name.principal {
            let key = session_key(&name.id, principal);
            return is_known(&key).map(|_| key).ok_or_else(unknown);
        }
        let mut keys = self.keys_of(&name.id);
        keys.retain(|key| is_known(key).is_some());
        let lives = |key: &String| is_known(key).is_some_and(|state| state != ClientState::Gone);
        if keys.iter().any(lives) {
            keys.retain(lives);
        }
        match keys.len() {
            0 => Err(unknown()),
            1 => Ok(keys.remove(0)),
            _ => {
                let principals = keys.iter().map(|key| client_and_principal(key).1.unwrap_or("anonymous").to_owned());
                Err(ClientsError::Ambiguous(principals.collect()))
            }
        }
    }

    /// Every key with the client identifier, up to [`AT_A_TIME`] of each kind.
    fn keys_of(&self, id: &str) -> Vec<String> {
        let mut keys = vec![id.to_owned()];
        let (known, _) = self.known_after(Some(id));
        keys.extend(known.into_keys().map(|key| key.to_string()).take_while(|key| client_and_principal(key).0 == id));
        keys
    }
}

fn fits(client: &Client, query: &ClientsQuery) -> bool {
    let has = |text: &str| text.to_lowercase().contains(&query.q);
    query.state.is_none_or(|state| state == client.state)
        && (query.q.is_empty()
            || has(&client.id)
            || client.principal.as_deref().is_some_and(has)
            || client.address.as_deref().is_some_and(has)
            || client.last_end.as_ref().and_then(|end| end.address.as_deref()).is_some_and(has))
}

fn blank(id: &str) -> Client {
    Client {
        id: Arc::from(id),
        principal: None,
        proof: None,
        state: ClientState::Gone,
        since: None,
        version: None,
        transport: None,
        address: None,
        keep_alive_s: None,
        clean: None,
        expiry_s: None,
        expires: None,
        heard: None,
        subscriptions: 0,
        totals: None,
        rates: None,
        in_flight: ClientInFlight::default(),
        queued: ClientQueue::default(),
        last_end: None,
    }
}

fn describe(client: &mut Client, presence: &Presence) {
    let facts = &presence.facts;
    client.state = ClientState::Connected;
    client.principal = Some(Arc::from(facts.identity.principal.name()));
    client.proof = Some(facts.identity.proof);
    client.since = Some(facts.since_ms);
    client.version = Some(facts.version.name());
    client.transport = Some(facts.transport.name());
    client.address = facts.address.as_ref().map(|address| address.to_string());
    client.keep_alive_s = Some(facts.keep_alive_s);
    client.clean = Some(facts.clean);
    client.expiry_s = Some(facts.expiry_s);
    client.heard = Some(presence.heard_ms());
    client.subscriptions = presence.session.subscription_count() as u64;
    client.in_flight = presence.in_flight();
    let (messages, bytes) = presence.session.size();
    client.queued = ClientQueue { messages: messages as u64, bytes: bytes as u64 };
}
