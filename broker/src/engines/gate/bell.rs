use parking_lot::Mutex;
use tokio::sync::Notify;

/// Wakes a connection: something is queued for it, or it is to end.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    notify: Notify,
    end: Mutex<Option<EndOrder>>,
    /// Rings once, when the connection is gone.
    pub(crate) ended: Notify,
}

/// Why the broker wants a connection to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndOrder {
    /// Another connection has the client identifier now (MQTT-3.1.4-3).
    TakenOver,
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
        self.end.lock().get_or_insert(order);
        self.ring();
    }

    pub(crate) fn end_order(&self) -> Option<EndOrder> {
        *self.end.lock()
    }
}
