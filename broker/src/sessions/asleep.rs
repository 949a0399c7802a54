//! A session whose client is away, packed into few bytes.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_telemetry::Position;

use super::subscriptions::{SubscriptionOptions, Subscriptions};

/// What memory holds of a session while its client is away, in one piece of just the bytes it takes: the key of the
/// client, its address where it proved nothing, [`Received`], retained messages that subscriptions are still due, and the
/// subscriptions by filter. Of a session that ended it is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asleep(Box<[u8]>);

/// QoS 2 packet identifiers that were received and not yet released, with the place of the entry in the log.
pub(crate) type Received = Vec<(u16, Position)>;

/// What is kept of a [`super::session::RetainedBacklog`] while its client is away: it goes on where it stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackedBacklog {
    pub filter: String,
    pub from: String,
    pub through: Position,
    pub next: u64,
    pub end: u64,
}

impl Asleep {
    pub(crate) fn new(
        client: &str,
        address: Option<IpAddr>,
        received: &Received,
        backlogs: &[PackedBacklog],
        subscriptions: &Subscriptions,
    ) -> Self {
        let mut bytes = encode(&(client, address, received, backlogs), Vec::new());
        for (filter, options) in subscriptions.iter() {
            bytes = encode(&(options.packed(), options.identifier, &**filter), bytes);
        }
        // Copied: a vector that shrinks may keep its room.
        Asleep(Box::from(&bytes[..]))
    }

    pub(crate) fn client(&self) -> &str {
        if self.0.is_empty() { "" } else { decode(&self.0).0 }
    }

    pub(crate) fn address(&self) -> Option<IpAddr> {
        if self.0.is_empty() {
            return None;
        }
        let ((_, address), _): ((&str, Option<IpAddr>), _) = decode(&self.0);
        address
    }

    pub(crate) fn received(&self) -> Received {
        self.head().0
    }

    pub(crate) fn backlogs(&self) -> Vec<PackedBacklog> {
        self.head().1
    }

    /// By filter.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = (&str, SubscriptionOptions)> {
        let mut rest = self.head().2;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let ((options, identifier, filter), behind): ((u8, Option<u32>, &str), _) = decode(rest);
            rest = behind;
            Some((filter, SubscriptionOptions::unpacked(options, identifier)))
        })
    }

    /// The subscriptions as a connection has them.
    pub(crate) fn unpack(&self) -> Subscriptions {
        let mut subscriptions = Subscriptions::default();
        self.subscriptions().for_each(|(filter, options)| subscriptions.insert(Arc::from(filter), options));
        subscriptions
    }

    fn head(&self) -> (Received, Vec<PackedBacklog>, &[u8]) {
        if self.0.is_empty() {
            return Default::default();
        }
        type Head<'a> = (&'a str, Option<IpAddr>, Received, Vec<PackedBacklog>);
        let ((_, _, received, backlogs), rest): (Head<'_>, _) = decode(&self.0);
        (received, backlogs, rest)
    }
}

fn encode(value: &impl serde::Serialize, after: Vec<u8>) -> Vec<u8> {
    postcard::to_extend(value, after).expect("plain values in memory can be encoded")
}

fn decode<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> (T, &'a [u8]) {
    postcard::take_from_bytes(bytes).expect("it was encoded here")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidegate_telemetry::Qos;

    use super::*;

    fn options() -> impl Strategy<Value = SubscriptionOptions> {
        (0..3_u8, any::<[bool; 2]>(), prop::option::of(any::<u32>())).prop_map(|(qos, flags, identifier)| {
            let qos = Qos::from_level(qos).expect("below 3");
            SubscriptionOptions { qos, no_local: flags[0], retain_as_published: flags[1], identifier }
        })
    }

    fn backlog() -> impl Strategy<Value = PackedBacklog> {
        (".{1,20}", ".{0,20}", any::<u64>().prop_map(Position), any::<[u64; 2]>())
            .prop_map(|(filter, from, through, [next, end])| PackedBacklog { filter, from, through, next, end })
    }

    proptest! {
        #[test]
        fn what_is_asleep_wakes_as_it_was(
            client in ".{0,200}",
            address in prop::option::of(any::<IpAddr>()),
            received in prop::collection::vec((any::<u16>(), any::<u64>().prop_map(Position)), 0..4),
            backlogs in prop::collection::vec(backlog(), 0..3),
            filters in prop::collection::btree_map(".{1,200}", options(), 0..9),
        ) {
            let mut subscriptions = Subscriptions::default();
            filters.iter().for_each(|(filter, options)| subscriptions.insert(Arc::from(&**filter), *options));
            let asleep = Asleep::new(&client, address, &received, &backlogs, &subscriptions);
            prop_assert_eq!(asleep.client(), &client);
            prop_assert_eq!(asleep.address(), address);
            prop_assert_eq!(asleep.received(), received);
            prop_assert_eq!(asleep.backlogs(), backlogs);
            prop_assert!(asleep.subscriptions().eq(filters.iter().map(|(filter, options)| (&**filter, *options))));
            prop_assert_eq!(asleep.unpack(), subscriptions);
        }
    }

    #[test]
    fn a_session_with_a_subscription_takes_few_bytes_besides_its_texts() {
        let (client, filter) = ("sleeper-12345", "commands/sleeper-12345/#");
        let mut subscriptions = Subscriptions::default();
        subscriptions.insert(Arc::from(filter), SubscriptionOptions::unpacked(1, None));
        let bytes = |address| Asleep::new(client, address, &Vec::new(), &[], &subscriptions).0.len();
        assert!(bytes(None) <= client.len() + filter.len() + 7, "{} bytes", bytes(None));
        assert_eq!(bytes("192.0.2.7".parse().ok()), bytes(None) + 5);
        let ended = Asleep::default();
        assert_eq!((ended.client(), ended.received().len(), ended.subscriptions().count()), ("", 0, 0));
    }
}
