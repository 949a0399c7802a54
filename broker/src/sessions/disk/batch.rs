use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use tidegate_telemetry::{Holder, Position, Publication};

use crate::sessions::message::{Delivery, Message};
use crate::sessions::subscriptions::SubscriptionOptions;

/// One change of what the store holds.
#[derive(Debug)]
pub(crate) enum SessionChange {
    /// A session begins.
    Open {
        session: u64,
        client: Arc<str>,
        expiry_s: u32,
        /// Where it is, if it proved nothing.
        address: Option<IpAddr>,
    },
    /// Its client is back.
    Resume {
        session: u64,
        expiry_s: u32,
        address: Option<IpAddr>,
    },
    /// Its client is away.
    Park {
        session: u64,
        expires_ms: i64,
    },
    /// It ends, with everything of it.
    Close {
        session: u64,
    },
    Subscribe {
        session: u64,
        filter: Arc<str>,
        options: SubscriptionOptions,
    },
    Unsubscribe {
        session: u64,
        filter: Arc<str>,
    },
    /// A QoS 2 publication of the client came.
    Receive {
        session: u64,
        packet_id: u16,
    },
    /// The client released it.
    Release {
        session: u64,
        packet_id: u16,
    },
    /// The session is owed a delivery.
    Owe {
        session: u64,
        delivery: Delivery,
    },
    /// It is sent with this packet identifier.
    Send {
        session: u64,
        number: u64,
        packet_id: u16,
    },
    /// The client has it (PUBREC).
    Take {
        session: u64,
        number: u64,
    },
    /// The client is done with it, or it is not to be delivered any more.
    Settle {
        session: u64,
        number: u64,
    },
    /// The client is done with a message, whatever its number in the session.
    SettleMessage {
        session: u64,
        message: u64,
    },
    /// The topic's retained message; an empty payload removes it.
    Retain {
        position: Position,
        message: Arc<Message>,
        /// In whose share it counts.
        of: Arc<Holder>,
    },
    /// A connection's will.
    Will {
        will: Box<Publication>,
        delay_s: u32,
        due_ms: Option<i64>,
    },
    NoWill {
        session: u64,
    },
    /// The clock was set forward.
    ClockSet {
        by_ms: i64,
    },
}

/// Changes in order. A delivery that is settled before it was written is never written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    changes: Vec<Option<SessionChange>>,
    owed: HashMap<(u64, u64), usize>,
    bytes: usize,
}

impl Batch {
    pub(super) fn push(&mut self, change: SessionChange) {
        match &change {
            SessionChange::Owe { session, delivery } => {
                self.owed.insert((*session, delivery.number), self.changes.len());
                self.bytes += delivery.message.bytes();
            }
            SessionChange::Settle { session, number } => {
                if let Some(at) = self.owed.remove(&(*session, *number)) {
                    if let Some(SessionChange::Owe { delivery, .. }) = self.changes[at].take() {
                        self.bytes -= delivery.message.bytes();
                    }
                    return;
                }
            }
            _ => {}
        }
        self.changes.push(Some(change));
    }

    /// Bytes of messages that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn into_changes(self) -> impl Iterator<Item = SessionChange> {
        self.changes.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_acknowledged_before_it_was_written_is_never_written() {
        let mut batch = Batch::default();
        for number in 1..=3 {
            let delivery = Delivery { number, ..Delivery::for_tests("t", b"x") };
            batch.push(SessionChange::Owe { session: 7, delivery });
        }
        batch.push(SessionChange::Settle { session: 7, number: 2 });
        batch.push(SessionChange::Settle { session: 8, number: 1 });
        let bytes = batch.bytes();
        let left: Vec<SessionChange> = batch.into_changes().collect();
        assert!(matches!(
            &left[..],
            [SessionChange::Owe { .. }, SessionChange::Owe { .. }, SessionChange::Settle { session: 8, number: 1 }]
        ));
        assert_eq!(bytes, 2 * Message::for_tests("t", b"x").bytes());
    }
}
