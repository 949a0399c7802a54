//! What others hold of a connection: they wake it, or end it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// What others hold of a connection. It wakes the connection, for whatever reason: something is queued for it, what it
/// waits for is on disk, or it is to end. There is one for each connection, so it is small.
#[derive(Debug, Default)]
pub(crate) struct ConnectionHandle {
    waker: AtomicWaker,
    /// Woken, and it has not looked yet.
    is_woken: AtomicBool,
    /// Who traces the client has changed.
    is_traced: AtomicBool,
    /// It is woken with the next commit.
    awaits_commit: AtomicBool,
    end: Mutex<End>,
}

#[derive(Debug, Default)]
struct End {
    order: Option<EndOrder>,
    is_gone: bool,
    waiting: Option<Box<Waiting>>,
}

/// Somebody who waits for the end, and whoever waited before: their ends of the channels are dropped then. A list, since
/// nearly always there is nobody.
#[derive(Debug)]
struct Waiting {
    _sender: oneshot::Sender<()>,
    _before: Option<Box<Waiting>>,
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

impl ConnectionHandle {
    pub(crate) fn wake(&self) {
        // Whoever came first has woken it.
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Ready once after each wake-up, or after several.
    pub(crate) fn poll_woken(&self, cx: &Context<'_>) -> Poll<()> {
        self.waker.register(cx.waker());
        if self.is_woken.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Asks the connection to end; the first order stands.
    pub(crate) fn end(&self, order: EndOrder) {
        self.end.lock().order.get_or_insert(order);
        self.wake();
    }

    pub(crate) fn end_order(&self) -> Option<EndOrder> {
        self.end.lock().order
    }

    /// Resolves, with an error, when the connection is gone; at once where it is.
    pub(crate) fn gone(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut end = self.end.lock();
        if !end.is_gone {
            end.waiting = Some(Box::new(Waiting { _sender: sender, _before: end.waiting.take() }));
        }
        receiver
    }

    /// The connection is gone.
    pub(crate) fn leave(&self) {
        let mut end = self.end.lock();
        end.is_gone = true;
        end.waiting = None;
    }

    /// Has the connection look at who traces its client.
    pub(crate) fn look_at_traces(&self) {
        self.is_traced.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether it is to look; once.
    pub(crate) fn has_to_look_at_traces(&self) -> bool {
        self.is_traced.load(Ordering::Relaxed) && self.is_traced.swap(false, Ordering::AcqRel)
    }

    /// It joins those who wait for a commit. Returns whether it was not among them.
    pub(crate) fn begin_waiting(&self) -> bool {
        !self.awaits_commit.swap(true, Ordering::AcqRel)
    }

    /// It left those who wait for a commit.
    pub(crate) fn end_waiting(&self) {
        self.awaits_commit.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;
    use futures_util::future::poll_fn;

    use super::*;

    #[test]
    fn several_wake_ups_are_seen_once_and_a_later_one_again() {
        let handle = ConnectionHandle::default();
        let looks = || poll_fn(|cx| handle.poll_woken(cx)).now_or_never().is_some();
        assert!(!looks());
        handle.wake();
        handle.wake();
        assert!(looks() && !looks());
        handle.wake();
        assert!(looks());
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let handle = Arc::new(ConnectionHandle::default());
        let waking = Arc::clone(&handle);
        tokio::join!(poll_fn(|cx| handle.poll_woken(cx)), async move { waking.wake() });
    }

    #[tokio::test]
    async fn the_end_is_learned_by_those_who_asked_before_it_and_after_it() {
        let handle = ConnectionHandle::default();
        let mut before = handle.gone();
        assert!(before.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
        handle.leave();
        assert!(before.await.is_err() && handle.gone().await.is_err());
    }

    #[test]
    fn what_each_connection_has_of_it_is_small() {
        assert!(size_of::<ConnectionHandle>() <= 56, "{} bytes a connection", size_of::<ConnectionHandle>());
    }
}
