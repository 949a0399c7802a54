use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use tidegate_telemetry::{DeviceScope, Position, Publication, Qos};

use super::noise::Noise;
use crate::sessions::{Delivery, Message, SessionChange, SubscriptionOptions};

/// What the file is to hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Model {
    pub(super) sessions: BTreeMap<u64, Kept>,
    pub(super) retained: BTreeMap<String, (u64, Bytes)>,
    pub(super) wills: BTreeMap<u64, (u32, Option<i64>)>,
    /// What the clock was set forward by.
    pub(super) set_forward_ms: i64,
    /// Numbers given to sessions and messages.
    given: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    pub(super) client: String,
    pub(super) expiry_s: u32,
    pub(super) expires_ms: Option<i64>,
    pub(super) filters: HashMap<String, SubscriptionOptions>,
    pub(super) received: BTreeSet<u16>,
    /// Number of the next delivery.
    pub(super) next: u64,
    pub(super) mailbox: BTreeMap<u64, Owed>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Owed {
    message: u64,
    topic: String,
    qos: Qos,
    packet_id: u16,
    is_released: bool,
}

impl Owed {
    pub(super) fn of(delivery: &Delivery) -> Owed {
        let Delivery { message, qos, packet_id, is_released, .. } = delivery;
        Owed {
            message: message.id,
            topic: message.topic.to_string(),
            qos: *qos,
            packet_id: *packet_id,
            is_released: *is_released,
        }
    }
}

impl Model {
    pub(super) fn assert_is(&mut self, held: &Model) {
        // Where a mailbox is empty numbers begin anew, with a new run.
        for session in self.sessions.values_mut() {
            session.next = session.mailbox.keys().last().map_or(1, |number| number + 1);
        }
        assert_eq!((&self.sessions, &self.retained, &self.wills), (&held.sessions, &held.retained, &held.wills));
        assert_eq!(self.set_forward_ms, held.set_forward_ms);
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = u64> {
        self.sessions.values().flat_map(|session| session.mailbox.values().map(|owed| owed.message))
    }

    /// One change the gate might make, applied here; `None` where it would not make it.
    pub(super) fn change(&mut self, noise: &mut Noise<'_>) -> Option<SessionChange> {
        let (kind, which) = (noise.byte() % 16, usize::from(noise.byte()));
        if kind == 0 {
            return self.open(which);
        }
        let count = self.sessions.len();
        let session = *self.sessions.keys().nth(which % count.max(1))?;
        let at = noise.byte();
        let kept = self.sessions.get_mut(&session).expect("it was just found");
        // Also numbers of deliveries that are settled or never were.
        let number = 1 + u64::from(at) % kept.next;
        Some(match kind {
            1 => {
                self.sessions.remove(&session);
                SessionChange::Close { session }
            }
            2 => {
                (kept.expires_ms, kept.expiry_s) = (None, at.into());
                SessionChange::Resume { session, expiry_s: at.into(), address: None }
            }
            3 => {
                kept.expires_ms = Some(at.into());
                SessionChange::Park { session, expires_ms: at.into() }
            }
            4 => kept.subscribe(session, at),
            5 => {
                let filter = format!("f/{}", at % 4);
                kept.filters.remove(&filter);
                SessionChange::Unsubscribe { session, filter: filter.into() }
            }
            6 => {
                kept.received.insert(u16::from(at));
                SessionChange::Receive { session, packet_id: at.into() }
            }
            7 => {
                kept.received.remove(&u16::from(at));
                SessionChange::Release { session, packet_id: at.into() }
            }
            8 => {
                kept.mailbox.entry(number).and_modify(|owed| owed.packet_id = u16::from(at) + 1);
                SessionChange::Send { session, number, packet_id: u16::from(at) + 1 }
            }
            9 => {
                kept.mailbox.entry(number).and_modify(|owed| owed.is_released = true);
                SessionChange::Take { session, number }
            }
            10 => {
                kept.mailbox.remove(&number);
                SessionChange::Settle { session, number }
            }
            11 => self.retain(at),
            12 => {
                self.wills.remove(&session);
                SessionChange::NoWill { session }
            }
            13 => {
                let (delay_s, due_ms) = (u32::from(at), (at & 1 == 0).then_some(at.into()));
                self.wills.insert(session, (delay_s, due_ms));
                SessionChange::Will { will: Box::new(will(session)), delay_s, due_ms }
            }
            14 => {
                self.set_forward_ms += i64::from(at);
                SessionChange::ClockSet { by_ms: at.into() }
            }
            _ => self.owe(session, at),
        })
    }

    /// A session begins, unless its client has one: the gate ends that first.
    fn open(&mut self, which: usize) -> Option<SessionChange> {
        let client = format!("c{}", which % 4);
        if self.sessions.values().any(|kept| kept.client == client) {
            return None;
        }
        self.given += 1;
        let (session, expiry_s) = (self.given, 60);
        let kept = Kept {
            client: client.clone(),
            expiry_s,
            expires_ms: None,
            filters: HashMap::new(),
            received: BTreeSet::new(),
            next: 1,
            mailbox: BTreeMap::new(),
        };
        self.sessions.insert(session, kept);
        Some(SessionChange::Open { session, client: client.into(), expiry_s, address: None })
    }

    fn retain(&mut self, at: u8) -> SessionChange {
        self.given += 1;
        let payload = if at < 64 { Bytes::new() } else { Bytes::from(vec![at]) };
        let message = Message { payload: payload.clone(), ..message(self.given, at) };
        let topic = message.topic.to_string();
        match payload.is_empty() {
            true => drop(self.retained.remove(&topic)),
            false => drop(self.retained.insert(topic, (self.given, payload))),
        }
        SessionChange::Retain { position: Position(self.given), message: Arc::new(message), of: Arc::default() }
    }

    /// A delivery; every other one is of a message that another session is owed as well.
    fn owe(&mut self, session: u64, at: u8) -> SessionChange {
        let shared = self.messages().max().filter(|_| at & 1 == 0);
        let id = shared.unwrap_or_else(|| {
            self.given += 1;
            self.given
        });
        let topic_of = |id: u64| message(id, id as u8);
        let kept = self.sessions.get_mut(&session).expect("it was just found");
        let qos = if at & 2 == 0 { Qos::AtLeastOnce } else { Qos::ExactlyOnce };
        let mut delivery = Delivery::new(Arc::new(topic_of(id)), qos, false, Position::START);
        delivery.number = kept.next;
        kept.next += 1;
        kept.mailbox.insert(delivery.number, Owed::of(&delivery));
        SessionChange::Owe { session, delivery }
    }
}

impl Kept {
    fn subscribe(&mut self, session: u64, at: u8) -> SessionChange {
        let qos = Qos::from_level(at % 3).expect("below 3");
        let identifier = (at & 64 != 0).then_some(u32::from(at));
        let options =
            SubscriptionOptions { qos, no_local: at & 16 != 0, retain_as_published: at & 32 != 0, identifier };
        let filter = format!("f/{}", at % 4);
        self.filters.insert(filter.clone(), options);
        SessionChange::Subscribe { session, filter: filter.into(), options }
    }
}

fn message(id: u64, topic: u8) -> Message {
    Message {
        id,
        topic: format!("t/{}", topic % 4).into(),
        payload: Bytes::from(id.to_le_bytes().to_vec()),
        qos: Qos::ExactlyOnce,
        retain: false,
        received_ms: 0,
        properties: None,
    }
}

fn will(session: u64) -> Publication {
    Publication {
        received_ms: 0,
        client: "c".into(),
        principal: "p".into(),
        session,
        packet_id: 0,
        topic: "w".into(),
        payload: Bytes::new(),
        qos: Qos::AtLeastOnce,
        retain: false,
        dup: false,
        properties: None,
        // Of every second session what it may name is limited.
        scope: (session % 2 == 1).then(|| DeviceScope::new([format!("c-{session}")])),
        address: None,
    }
}
