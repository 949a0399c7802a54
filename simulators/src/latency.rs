//! From device to viewer, exactly: when fleet and viewers run in one process, a reading's time is the key to the
//! moment it was sent.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

const SLOTS: usize = 64;

/// For each device the moments its last 64 readings were sent, by the readings' own times.
pub struct SentTimes {
    origin: Instant,
    /// `[time_ms, sent_ns]`, 64 pairs a device.
    slots: Vec<[AtomicU64; 2]>,
    next: Vec<AtomicU64>,
}

impl SentTimes {
    /// For this many devices.
    pub fn new(devices: usize) -> Self {
        Self {
            origin: Instant::now(),
            slots: (0..devices * SLOTS).map(|_| [const { AtomicU64::new(0) }; 2]).collect(),
            next: (0..devices).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Device `index` sends a reading of this time (Unix ms) now.
    pub fn sent(&self, index: usize, time_ms: i64) {
        let slot = index * SLOTS + self.next[index].fetch_add(1, Relaxed) as usize % SLOTS;
        self.slots[slot][1].store(self.origin.elapsed().as_nanos() as u64, Relaxed);
        self.slots[slot][0].store(time_ms as u64, Relaxed);
    }

    /// How long ago device `index` sent the reading of this time, if it is known still.
    pub fn age(&self, index: usize, time_ms: i64) -> Option<Duration> {
        let slots = self.slots.get(index * SLOTS..(index + 1) * SLOTS)?;
        // The one that is asked for is most often the newest.
        let next = self.next[index].load(Relaxed) as usize;
        let newest_first = (1..=SLOTS).map(|back| &slots[(next + SLOTS - back) % SLOTS]);
        let slot = newest_first.into_iter().find(|slot| slot[0].load(Relaxed) == time_ms as u64)?;
        let now_ns = self.origin.elapsed().as_nanos() as u64;
        Some(Duration::from_nanos(now_ns.saturating_sub(slot[1].load(Relaxed))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reading_is_found_by_its_time_until_many_newer_ones_came() {
        let sent = SentTimes::new(2);
        sent.sent(1, 1000);
        assert!(sent.age(1, 1000).unwrap() < Duration::from_secs(1));
        assert_eq!(sent.age(0, 1000), None);
        for newer in 1..=SLOTS as i64 {
            assert!(sent.age(1, 1000).is_some());
            sent.sent(1, 1000 + newer);
        }
        assert_eq!(sent.age(1, 1000), None);
        assert!(sent.age(1, 1001).is_some());
    }
}
