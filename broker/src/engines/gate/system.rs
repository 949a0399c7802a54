use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tidegate_telemetry::{Position, Publication, Qos};

use super::hub::Hub;
use crate::sessions::Message;
use crate::topics::matches;

/// The `$SYS` topics that people's tools read, as other brokers name them. They never enter the log.
impl Hub {
    /// Sets the values and sends them to subscribers.
    pub(crate) fn publish_system(&self) {
        let received_ms = self.now().unix_ms;
        let waiting_ms = self.waiting_at(received_ms);
        let stats = self.stats();
        let sleeping = self.parked.len();
        let values = [
            ("version", format!("tidegate {}", env!("CARGO_PKG_VERSION"))),
            ("uptime", format!("{} seconds", self.started.elapsed().as_secs())),
            ("clients/connected", stats.connections.to_string()),
            ("clients/disconnected", sleeping.to_string()),
            ("clients/total", (stats.connections + sleeping).to_string()),
            ("messages/received", self.traffic.received.load(Ordering::Relaxed).to_string()),
            ("messages/sent", self.traffic.sent.load(Ordering::Relaxed).to_string()),
            ("publish/messages/received", self.traffic.received.load(Ordering::Relaxed).to_string()),
            ("publish/messages/sent", self.traffic.sent.load(Ordering::Relaxed).to_string()),
            ("subscriptions/count", stats.subscriptions.to_string()),
            ("retained messages/count", stats.retained.to_string()),
            ("store/messages/bytes", (stats.queued_bytes + stats.retained_bytes).to_string()),
        ];
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
        *self.system.lock() = messages;
        for (session, delivery) in routed {
            self.queue(&session, delivery);
        }
    }

    /// The values a new subscription gets.
    pub(super) fn system_matching(&self, filter: &str) -> Vec<(Position, Arc<Message>)> {
        let system = self.system.lock();
        let matching = system.iter().filter(|message| matches(filter, &message.topic));
        matching.map(|message| (Position::START, Arc::clone(message))).collect()
    }
}
