//! When the program itself stood still, so that no client is taken for silent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// For how long the program itself stood still: stopped by a signal, frozen with its container, without a processor.
/// Clients could not be heard meanwhile, so it is nobody's silence.
#[derive(Debug)]
pub(super) struct Pauses {
    begin: Instant,
    seen_ms: AtomicU64,
    paused_ms: AtomicU64,
}

/// How often the clock is looked at.
pub(super) const PULSE: Duration = Duration::from_millis(500);

/// Longer than this nobody looks at the clock of a program that runs.
const PAUSE_MIN_MS: u64 = 1000;

impl Pauses {
    pub(super) fn new(now: Instant) -> Self {
        Pauses { begin: now, seen_ms: AtomicU64::new(0), paused_ms: AtomicU64::new(0) }
    }

    /// Looks at the clock, once in a [`PULSE`] at least and before a client is judged. Returns what
    /// [`Pauses::total_ms`] is now.
    pub(super) fn look(&self, now: Instant) -> u64 {
        let now_ms = u64::try_from(now.saturating_duration_since(self.begin).as_millis()).unwrap_or(u64::MAX);
        let gap_ms = now_ms.saturating_sub(self.seen_ms.fetch_max(now_ms, Ordering::Relaxed));
        let paused_ms = if gap_ms > PAUSE_MIN_MS { gap_ms } else { 0 };
        self.paused_ms.fetch_add(paused_ms, Ordering::Relaxed) + paused_ms
    }

    /// All pauses that were seen, ms.
    pub(super) fn total_ms(&self) -> u64 {
        self.paused_ms.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_in_the_pulse_is_a_pause_once_for_whoever_sees_it_first() {
        let begin = Instant::now();
        let pauses = Pauses::new(begin);
        let at = |ms| begin + Duration::from_millis(ms);
        assert_eq!([500, 1000, 1900].map(|ms| pauses.look(at(ms))), [0; 3]);
        assert_eq!(
            (pauses.look(at(21_900)), pauses.look(at(21_900)), pauses.look(at(22_400))),
            (20_000, 20_000, 20_000)
        );
        assert_eq!((pauses.look(at(3000)), pauses.total_ms()), (20_000, 20_000), "an older look changes nothing");
    }
}
