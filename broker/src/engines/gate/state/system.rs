use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use tidegate_telemetry::{Publication, Qos};

use super::GateState;
use crate::engines::BrokerStats;
use crate::sessions::Message;
use crate::topics::matches;

/// The `$SYS` topics that people's tools read, as other brokers name them, and what they count besides what the metrics
/// do. They never enter the log.
#[derive(Debug)]
pub(super) struct SystemTopics {
    started: Instant,
    received: AtomicU64,
    sent: AtomicU64,
    /// The newest message of each topic.
    newest: Mutex<Vec<Arc<Message>>>,
}

impl SystemTopics {
    pub(super) fn new(started: Instant) -> Self {
        SystemTopics { started, received: AtomicU64::new(0), sent: AtomicU64::new(0), newest: Mutex::default() }
    }

    pub(super) fn note_received(&self, publications: u64) {
        self.received.fetch_add(publications, Ordering::Relaxed);
    }

    pub(super) fn note_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// The values a new subscription gets.
    pub(super) fn matching(&self, filter: &str) -> Vec<Arc<Message>> {
        let newest = self.newest.lock();
        newest.iter().filter(|message| matches(filter, &message.topic)).map(Arc::clone).collect()
    }

    /// Topics below `$SYS/broker/` with their values.
    fn values(&self, stats: &BrokerStats, sleeping: usize) -> [(&'static str, String); 12] {
        let (received, sent) = (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed));
        [
            ("version", format!("tidegate {}", env!("CARGO_PKG_VERSION"))),
            ("uptime", format!("{} seconds", self.started.elapsed().as_secs())),
            ("clients/connected", stats.connections.to_string()),
            ("clients/disconnected", sleeping.to_string()),
            ("clients/total", (stats.connections + sleeping).to_string()),
            ("messages/received", received.to_string()),
            ("messages/sent", sent.to_string()),
            ("publish/messages/received", received.to_string()),
            ("publish/messages/sent", sent.to_string()),
            ("subscriptions/count", stats.subscriptions.to_string()),
            ("retained messages/count", stats.retained.to_string()),
            ("store/messages/bytes", (stats.queued_bytes + stats.retained_bytes).to_string()),
        ]
    }
}

impl GateState {
    /// Sets the values and sends them to subscribers.
    pub(crate) fn publish_system(&self) {
        let received_ms = self.now().unix_ms;
        let waiting_ms = self.waiting_at(received_ms);
        let values = self.system.values(&self.stats(), self.parked.len());
        let publications = values.map(|(name, value)| Publication {
            received_ms,
            client: String::new(),
            principal: String::new(),
            session: 0,
            packet_id: 0,
            topic: format!("$SYS/broker/{name}"),
            payload: Bytes::from(value),
            qos: Qos::AtMostOnce,
            retain: false,
            dup: false,
            properties: None,
            scope: None,
            address: None,
        });
        let mut routed = Vec::new();
        let messages: Vec<Arc<Message>> = publications
            .iter()
            .map(|publication| {
                let message = Arc::new(Message::of(publication, 0, waiting_ms));
                self.routes.route(publication, || Arc::clone(&message), &mut routed);
                message
            })
            .collect();
        *self.system.newest.lock() = messages;
        for (session, delivery) in routed {
            self.queue(&session, delivery);
        }
    }
}
