//! Messages that come again. With QoS 1 a client sends a message once more when it has not seen the acknowledgement, and
//! marks it (MQTT 5.0 sections 3.3.1.1 and 4.4). Readings with a time of their own are then known by it; those without
//! one are known by their message.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_telemetry::{Qos, Sender};

use crate::config::ProcessConfig;
use crate::time::Moment;

/// Who was quiet for so long is forgotten first.
const QUIET_MS: i64 = 86_400_000;
/// Bytes of a client beside its messages, about.
const CLIENT_BYTES: usize = 160;

/// Parts that clients are in by their names: one is copied when it changes while a checkpoint is written.
const PARTS: usize = 256;

/// The last messages of each client that may come again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Redelivery {
    /// None before the first message.
    parts: Vec<Arc<BTreeMap<Arc<str>, Sent>>>,
    clients: usize,
    /// Messages of all clients.
    messages: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sent {
    /// When the newest was received.
    heard: Moment,
    /// Oldest first.
    messages: VecDeque<Message>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Message {
    packet_id: u16,
    /// Of all that has to be the same ([`Sender::fingerprint`]).
    fingerprint: u32,
}

impl Redelivery {
    /// Whether the message was taken before: it is marked as sent again, and it is what its client sent last with this
    /// packet identifier.
    pub(crate) fn is_again(&self, sender: Sender<'_>) -> bool {
        if !sender.is_marked_as_sent_again() || sender.qos() != Qos::AtLeastOnce {
            return false;
        }
        let part = self.parts.get(part_of(sender.client()));
        let Some(sent) = part.and_then(|part| part.get(sender.client())) else { return false };
        let last = sent.messages.iter().rev().find(|message| message.packet_id == sender.packet_id());
        last.is_some_and(|message| message.fingerprint == sender.fingerprint())
    }

    /// Remembers a message that only its packet identifier would tell from another with the same words.
    pub(crate) fn remember(&mut self, sender: Sender<'_>, now: Moment, config: &ProcessConfig) {
        // Engines that are not told who publishes leave the client empty.
        if sender.qos() != Qos::AtLeastOnce || sender.client().is_empty() {
            return;
        }
        self.parts.resize_with(PARTS, Arc::default);
        let part = Arc::make_mut(&mut self.parts[part_of(sender.client())]);
        if !part.contains_key(sender.client()) {
            let sent = Sent { heard: now, messages: VecDeque::new() };
            part.insert(sender.client().into(), sent);
            self.clients += 1;
        }
        let sent = part.get_mut(sender.client()).expect("it is there or was just added");
        sent.heard = now;
        sent.messages.push_back(Message { packet_id: sender.packet_id(), fingerprint: sender.fingerprint() });
        self.messages += 1;
        if sent.messages.len() > config.redelivery_per_client_max {
            sent.messages.pop_front();
            self.messages -= 1;
        }
        if self.bytes() > config.redelivery_bytes_max {
            self.shrink(now, config);
        }
    }

    /// Forgets a client.
    pub(crate) fn erase(&mut self, client: &str) {
        let part = self.parts.get_mut(part_of(client)).map(Arc::make_mut);
        if let Some(sent) = part.and_then(|part| part.remove(client)) {
            self.clients -= 1;
            self.messages -= sent.messages.len();
        }
    }

    /// Whether a client is remembered.
    pub(crate) fn names(&self, client: &str) -> bool {
        self.parts.get(part_of(client)).is_some_and(|part| part.contains_key(client))
    }

    /// Heap bytes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.messages * size_of::<Message>() + self.clients * CLIENT_BYTES
    }

    /// Makes room for a while: those who were quiet for long go, then the oldest of those who sent most.
    fn shrink(&mut self, now: Moment, config: &ProcessConfig) {
        self.retain(|sent| sent.heard > now.minus(QUIET_MS));
        let mut most = config.redelivery_per_client_max;
        while self.bytes() > config.redelivery_bytes_max / 4 * 3 {
            most /= 2;
            self.retain(|sent| {
                sent.messages.drain(..sent.messages.len().saturating_sub(most));
                most > 0
            });
        }
    }

    fn retain(&mut self, mut keep: impl FnMut(&mut Sent) -> bool) {
        self.parts.iter_mut().for_each(|part| Arc::make_mut(part).retain(|_, sent| keep(sent)));
        self.clients = self.parts.iter().map(|part| part.len()).sum();
        let sent = self.parts.iter().flat_map(|part| part.values());
        self.messages = sent.map(|sent| sent.messages.len()).sum();
    }
}

/// FNV-1a (Fowler, Noll, Vo), folded. Checkpoints are written in this order.
fn part_of(client: &str) -> usize {
    // No text has this last byte: it stands there since checkpoints have parts.
    let hash = client
        .bytes()
        .chain([0xFF])
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash ^ (hash >> 32)) as u32 as usize % PARTS
}
