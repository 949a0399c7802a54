//! Sessions to wake for each change of one thing.

use smallvec::SmallVec;

use crate::subscriber::SubscriberId;

/// Sessions, one entry for each subscription, in order: one of very many is found without a look at the others.
#[derive(Debug, Default)]
pub(crate) struct Watchers(SmallVec<[SubscriberId; 2]>);

impl Watchers {
    pub fn add(&mut self, subscriber: SubscriberId) {
        let at = self.0.partition_point(|&other| other < subscriber);
        self.0.insert(at, subscriber);
    }

    pub fn remove(&mut self, subscriber: SubscriberId) {
        if let Ok(at) = self.0.binary_search(&subscriber) {
            self.0.remove(at);
            if self.0.spilled() && self.0.capacity() > 4 * self.0.len() {
                self.0.shrink_to_fit();
            }
        }
    }

    pub fn contains(&self, subscriber: SubscriberId) -> bool {
        self.0.binary_search(&subscriber).is_ok()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = SubscriberId> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_that_left_leave_no_memory() {
        let mut watchers = Watchers::default();
        (0..10_000).rev().for_each(|n| watchers.add(SubscriberId(n)));
        watchers.add(SubscriberId(5));
        (0..10_000).for_each(|n| watchers.remove(SubscriberId(n)));
        assert_eq!(watchers.iter().collect::<Vec<_>>(), [SubscriberId(5)], "it has another subscription");
        watchers.remove(SubscriberId(5));
        assert!(watchers.is_empty() && !watchers.0.spilled());
    }
}
