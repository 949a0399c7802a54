use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

/// Wakes a connection: something is queued for it, or it is to end.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    notify: Notify,
    end: Mutex<End>,
    /// Who traces the client has changed.
    traced: AtomicBool,
    /// Rings once, when the connection is gone.
    pub(crate) ended: Notify,
}

#[derive(Debug, Default)]
struct End {
    order: Option<EndOrder>,
    /// Those who wait for the end; their ends of the channels are dropped then.
    waiting: Vec<oneshot::Sender<()>>,
}

/// Why the broker wants a connection to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndOrder {
    /// Another connection has the client identifier now (MQTT-3.1.4-3).
    TakenOver,
    /// Whoever operates the broker wants it, maybe without its session.
    Administrative { session: bool },
    /// The broker stops.
    Shutdown,
}

impl Bell {
    pub(crate) fn ring(&self) {
        self.notify.notify_one();
    }

    pub(crate) async fn rung(&self) {
        self.notify.notified().await;
    }

    /// Asks the connection to end; the first order stands.
    pub(crate) fn end(&self, order: EndOrder) {
        self.end.lock().order.get_or_insert(order);
        self.ring();
    }

    pub(crate) fn end_order(&self) -> Option<EndOrder> {
        self.end.lock().order
    }

    /// Resolves, with an error, when the connection is gone.
    pub(crate) fn gone(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.end.lock().waiting.push(sender);
        receiver
    }

    /// The connection is gone.
    pub(crate) fn leave(&self) {
        self.ended.notify_one();
        self.end.lock().waiting.clear();
    }

    /// Has the connection look at who traces its client.
    pub(crate) fn look_at_traces(&self) {
        self.traced.store(true, Ordering::Release);
        self.ring();
    }

    /// Whether it is to look; once.
    pub(crate) fn has_to_look_at_traces(&self) -> bool {
        self.traced.load(Ordering::Relaxed) && self.traced.swap(false, Ordering::AcqRel)
    }
}
