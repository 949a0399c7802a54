use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Pauses between attempts: each twice the one before, up to a limit, and of each between half and all of it, so that
/// many clients of a broker that comes back do not come at once.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, max: Duration) -> Self {
        Backoff { first, max, next: first }
    }

    /// An attempt succeeded.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }

    /// The pause before the next attempt.
    pub(super) fn pause(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.max);
        // The standard library seeds each RandomState anew; that is random enough to spread clients.
        let jitter = f64::from(RandomState::new().build_hasher().finish() as u32) / f64::from(u32::MAX);
        whole.mul_f64(0.5 + jitter / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_start_over() {
        let (first, max) = (Duration::from_millis(100), Duration::from_millis(300));
        let mut backoff = Backoff::new(first, max);
        for whole_ms in [100, 200, 300, 300] {
            let pause = backoff.pause();
            let whole = Duration::from_millis(whole_ms);
            assert!(pause >= whole / 2 && pause <= whole, "{pause:?} of {whole:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= first);
    }
}
