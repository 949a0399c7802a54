//! Where viewers stand: the version that each view has reached. Extremes of values between two stands are kept apart.

use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use crate::subscriber::SubscriberId;

/// Of a view that shows nothing yet.
pub(crate) const NOWHERE: u64 = u64::MAX;

/// The version that each view of devices has reached. Written by whoever reads a frame, under the lock that readers share;
/// read by the one who writes, when no reader is there.
#[derive(Debug, Default)]
pub(crate) struct Stands(Vec<SmallVec<[Stand; 1]>>);

#[derive(Debug)]
struct Stand {
    subscription: u32,
    at: AtomicU64,
}

impl Stands {
    pub fn enter(&mut self, SubscriberId(subscriber): SubscriberId, subscription: u32, at: u64) {
        if self.0.len() <= subscriber as usize {
            self.0.resize_with(subscriber as usize + 1, SmallVec::new);
        }
        self.0[subscriber as usize].push(Stand { subscription, at: AtomicU64::new(at) });
    }

    pub fn leave(&mut self, SubscriberId(subscriber): SubscriberId, subscription: u32) {
        let Some(stands) = self.0.get_mut(subscriber as usize) else { return };
        if let Some(index) = stands.iter().position(|stand| stand.subscription == subscription) {
            stands.swap_remove(index);
        }
        if stands.is_empty() {
            *stands = SmallVec::new();
        }
        while self.0.pop_if(|last| last.is_empty()).is_some() {}
        if self.0.capacity() > 4 * self.0.len().max(16) {
            self.0.shrink_to(2 * self.0.len());
        }
    }

    pub fn note(&self, SubscriberId(subscriber): SubscriberId, subscription: u32, at: u64) {
        let stands = self.0.get(subscriber as usize).map_or(&[][..], |stands| stands);
        if let Some(stand) = stands.iter().find(|stand| stand.subscription == subscription) {
            stand.at.store(at, Ordering::Relaxed);
        }
    }

    /// Where the views of a session stand.
    pub fn of(&self, SubscriberId(subscriber): SubscriberId) -> impl Iterator<Item = u64> {
        let stands = self.0.get(subscriber as usize).map_or(&[][..], |stands| stands);
        stands.iter().map(|stand| stand.at.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_of_one_session_stand_apart_and_those_that_left_leave_no_memory() {
        let mut stands = Stands::default();
        for n in 0..1_000 {
            stands.enter(SubscriberId(n), 1, 5);
        }
        stands.enter(SubscriberId(3), 2, 5);
        stands.note(SubscriberId(3), 2, 9);
        assert!(stands.of(SubscriberId(3)).eq([5, 9]));
        stands.leave(SubscriberId(3), 1);
        assert!(stands.of(SubscriberId(3)).eq([9]));
        (0..1_000).rev().for_each(|n| stands.leave(SubscriberId(n), 1));
        stands.leave(SubscriberId(3), 2);
        assert!(stands.0.is_empty() && stands.0.capacity() <= 64, "{}", stands.0.capacity());
        assert_eq!(stands.of(SubscriberId(3)).count(), 0);
    }
}
