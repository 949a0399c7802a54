//! How the hub wakes a session.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use tidegate_views::Lane;
use tokio::sync::Notify;

/// How the hub tells a session that something changed: a bit for each lane, and a nudge if the session waits for it.
#[derive(Debug, Default)]
pub(crate) struct Waker {
    dirty: AtomicU8,
    interest: AtomicU8,
    /// Unix ms of receipt of the first change since the session last looked.
    first_received_ms: AtomicI64,
    notify: Notify,
    #[cfg(test)]
    pub wakes: std::sync::atomic::AtomicUsize,
}

/// A set of lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lanes(u8);

impl Lanes {
    pub fn has(self, lane: Lane) -> bool {
        self.0 & bit(lane) != 0
    }

    pub fn add(&mut self, lane: Lane) {
        self.0 |= bit(lane);
    }
}

impl Waker {
    /// Marks a lane; `true` when the session must be woken for it. Called with the state locked.
    pub fn mark(&self, lane: Lane, received_ms: i64) -> bool {
        // Most marks of a batch find the bit set: they cost a load.
        if self.dirty.load(Ordering::Relaxed) & bit(lane) != 0 {
            return false;
        }
        if self.dirty.fetch_or(bit(lane), Ordering::SeqCst) == 0 {
            self.first_received_ms.store(received_ms, Ordering::Relaxed);
        }
        self.interest.load(Ordering::SeqCst) & bit(lane) != 0
    }

    /// Wakes the session.
    pub fn wake(&self) {
        #[cfg(test)]
        self.wakes.fetch_add(1, Ordering::Relaxed);
        self.notify.notify_one();
    }

    /// Waits for [`Waker::wake`].
    pub async fn woken(&self) {
        self.notify.notified().await;
    }

    /// Takes what was marked, with the Unix ms of receipt of the first.
    pub fn take(&self) -> (Lanes, i64) {
        let lanes = Lanes(self.dirty.swap(0, Ordering::SeqCst));
        (lanes, self.first_received_ms.load(Ordering::Relaxed))
    }

    /// Says which lanes are worth waking for. `false` when one of them was marked meanwhile: look again first.
    pub fn wait_for(&self, lanes: Lanes) -> bool {
        self.interest.store(lanes.0, Ordering::SeqCst);
        self.dirty.load(Ordering::SeqCst) & lanes.0 == 0
    }
}

const fn bit(lane: Lane) -> u8 {
    match lane {
        Lane::Alerts => 1,
        Lane::Views => 2,
        Lane::Aggregates => 4,
        Lane::Commands => 8,
    }
}
