//! Sessions that have seen everything, and are to be woken, once, for the next change.

use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashSet;

use crate::subscriber::SubscriberId;

/// Sessions that have seen everything so far and wait for the next change. Ringing empties it: a session that has not looked
/// since it was rung for costs the next change nothing, so that a change costs by those who wait, and each wait one frame.
#[derive(Debug, Default)]
pub(crate) struct WaitList {
    waiting: Mutex<FxHashSet<SubscriberId>>,
}

impl WaitList {
    /// The session has seen everything: it waits. Once a session, however many of its views wait.
    pub fn wait(&self, subscriber: SubscriberId) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(subscriber);
    }

    /// Wakes who waits.
    pub fn wake_all(&mut self, mut wake: impl FnMut(SubscriberId)) {
        self.waiting_mut().drain().for_each(&mut wake);
    }

    /// So many views may still wait: room for many more is given back, and with the last view who waits is forgotten.
    pub fn shrink(&mut self, views: u32) {
        let waiting = self.waiting_mut();
        if views == 0 {
            waiting.clear();
        }
        if waiting.capacity() > 4 * views as usize {
            waiting.shrink_to(2 * views as usize);
        }
    }

    fn waiting_mut(&mut self) -> &mut FxHashSet<SubscriberId> {
        self.waiting.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_not_looked_since_is_not_rung_for_again() {
        let mut list = WaitList::default();
        let mut rung = Vec::new();
        for session in [1, 2, 2] {
            list.wait(SubscriberId(session));
        }
        list.wake_all(|session| rung.push(session.0));
        rung.sort_unstable();
        assert_eq!(rung, [1, 2]);
        list.wait(SubscriberId(2));
        rung.clear();
        list.wake_all(|session| rung.push(session.0));
        list.wake_all(|session| rung.push(session.0));
        assert_eq!(rung, [2]);
    }
}
