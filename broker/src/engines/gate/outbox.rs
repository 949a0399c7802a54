use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tidegate_telemetry::{Position, Publication, PublishProperties, Qos};
use tokio::sync::Notify;

/// What is on its way to one connection: messages of its subscriptions, and the word to end.
///
/// Overload policy, "drop newest": a message that would push the queue past `queue_bytes_max`, or all queues past
/// `queue_bytes_total_max`, is not queued; the caller counts it. The rest keeps its order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Rings when the queue was empty and no longer is, and when `end` was set.
    bell: Notify,
    /// Rings once, when the connection is gone.
    pub(crate) ended: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Delivery>,
    bytes: usize,
    offline: bool,
    end: Option<EndOrder>,
}

/// Why the broker wants a connection to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndOrder {
    /// Another connection has the client identifier now (MQTT-3.1.4-3).
    TakenOver,
    /// The broker stops.
    Shutdown,
}

/// A publication on its way to subscribers; shared by all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub topic: Arc<str>,
    pub payload: Bytes,
    pub qos: Qos,
    pub retain: bool,
    pub received_ms: i64,
    pub properties: Option<Box<PublishProperties>>,
}

impl Message {
    pub(crate) fn of(publication: &Publication) -> Self {
        Message {
            topic: Arc::from(publication.topic.as_str()),
            payload: publication.payload.clone(),
            qos: publication.qos,
            retain: publication.retain,
            received_ms: publication.received_ms,
            properties: publication.properties.clone(),
        }
    }

    /// What it counts as in queues and among the retained: topic, payload, and a little for the rest.
    pub(crate) fn bytes(&self) -> usize {
        let properties = self.properties.as_ref().map_or(0, |properties| {
            let user: usize = properties.user_properties.iter().map(|(key, value)| key.len() + value.len()).sum();
            let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
            user + text(&properties.content_type)
                + text(&properties.response_topic)
                + properties.correlation_data.as_ref().map_or(0, Bytes::len)
        });
        64 + self.topic.len() + self.payload.len() + properties
    }

    #[cfg(test)]
    pub(crate) fn for_tests(topic: &str, payload: &'static [u8]) -> Self {
        Message {
            topic: Arc::from(topic),
            payload: Bytes::from_static(payload),
            qos: Qos::AtLeastOnce,
            retain: true,
            received_ms: 0,
            properties: None,
        }
    }
}

/// A message as one subscriber gets it.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub message: Arc<Message>,
    /// The lower of the publication's and the subscription's.
    pub qos: Qos,
    /// Retain flag towards this subscriber (MQTT-3.3.1-8 to 13).
    pub retain: bool,
    /// Not to be sent before this is durable; `Position::START` where being appended is enough.
    pub after: Position,
}

/// Bounds of the queues; counts the bytes in all of them.
#[derive(Debug)]
pub(crate) struct QueueBounds {
    pub each_bytes_max: usize,
    pub total_bytes_max: usize,
    pub total_bytes: AtomicUsize,
}

/// Why a delivery was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotQueued {
    /// The queue, or all queues together, are full.
    Full,
    /// The client is away.
    Offline,
}

impl Outbox {
    pub(crate) fn push(&self, delivery: Delivery, bounds: &QueueBounds) -> Result<(), NotQueued> {
        let bytes = delivery.message.bytes();
        let mut state = self.state.lock();
        if state.offline {
            return Err(NotQueued::Offline);
        }
        let total = bounds.total_bytes.load(Ordering::Relaxed);
        if state.bytes + bytes > bounds.each_bytes_max || total + bytes > bounds.total_bytes_max {
            return Err(NotQueued::Full);
        }
        bounds.total_bytes.fetch_add(bytes, Ordering::Relaxed);
        state.bytes += bytes;
        state.queue.push_back(delivery);
        let was_empty = state.queue.len() == 1;
        drop(state);
        if was_empty {
            self.bell.notify_one();
        }
        Ok(())
    }

    /// Takes the first delivery if `wanted` says so. An emptied queue gives its memory back.
    pub(crate) fn pop_if(&self, bounds: &QueueBounds, wanted: impl FnOnce(&Delivery) -> bool) -> Option<Delivery> {
        let mut state = self.state.lock();
        if !state.queue.front().is_some_and(wanted) {
            return None;
        }
        let delivery = state.queue.pop_front()?;
        let bytes = delivery.message.bytes();
        state.bytes -= bytes;
        bounds.total_bytes.fetch_sub(bytes, Ordering::Relaxed);
        if state.queue.is_empty() {
            state.queue = VecDeque::new();
        }
        Some(delivery)
    }

    /// Asks the connection to end; the first order stands.
    pub(crate) fn end(&self, order: EndOrder) {
        self.state.lock().end.get_or_insert(order);
        self.bell.notify_one();
    }

    pub(crate) fn end_order(&self) -> Option<EndOrder> {
        self.state.lock().end
    }

    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// The connection is gone: nothing is queued any more. Returns how many messages were still waiting.
    pub(crate) fn close(&self, bounds: &QueueBounds) -> usize {
        let mut state = self.state.lock();
        state.offline = true;
        bounds.total_bytes.fetch_sub(state.bytes, Ordering::Relaxed);
        state.bytes = 0;
        std::mem::take(&mut state.queue).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_the_newest_and_keeps_the_order() {
        let bounds = QueueBounds { each_bytes_max: 140, total_bytes_max: 1000, total_bytes: AtomicUsize::new(0) };
        let outbox = Outbox::default();
        let delivery = |payload| Delivery {
            message: Arc::new(Message::for_tests("t", payload)),
            qos: Qos::AtMostOnce,
            retain: false,
            after: Position::START,
        };
        assert_eq!(outbox.push(delivery(b"1"), &bounds), Ok(()));
        assert_eq!(outbox.push(delivery(b"2"), &bounds), Ok(()));
        assert_eq!(outbox.push(delivery(b"3"), &bounds), Err(NotQueued::Full));
        let first = outbox.pop_if(&bounds, |_| true).expect("two were queued");
        assert_eq!(&first.message.payload[..], b"1");
        assert!(outbox.pop_if(&bounds, |_| false).is_none());
        assert_eq!(outbox.close(&bounds), 1);
        assert_eq!(outbox.push(delivery(b"4"), &bounds), Err(NotQueued::Offline));
        assert_eq!(bounds.total_bytes.load(Ordering::Relaxed), 0);
    }
}
