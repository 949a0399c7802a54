use std::thread;
use std::time::{Duration, Instant};

/// What was not used for longer than this is not made up for.
const ARREARS_MAX: Duration = Duration::from_millis(250);

/// Shortest sleep: below it there is no point.
const SLEEP_MIN: Duration = Duration::from_millis(2);

/// Keeps who reads and writes to so many bytes a second, by sleeping.
#[derive(Debug)]
pub struct Pace {
    bytes_per_second: u64,
    /// When the next byte is due.
    due: Instant,
}

impl Pace {
    /// So many bytes a second; `None`: as many as there are.
    #[must_use]
    pub fn new(bytes_per_second: Option<u64>) -> Pace {
        Pace { bytes_per_second: bytes_per_second.unwrap_or(0), due: Instant::now() }
    }

    /// So many bytes are about to pass.
    pub fn pass(&mut self, bytes: usize) {
        if self.bytes_per_second == 0 {
            return;
        }
        let now = Instant::now();
        self.due = self.due.max(now.checked_sub(ARREARS_MAX).unwrap_or(now));
        self.due += Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let early = self.due.saturating_duration_since(now);
        if early >= SLEEP_MIN {
            thread::sleep(early);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_megabyte_at_four_a_second_takes_no_less_than_their_time_without_the_arrears() {
        let (begun, mut pace) = (Instant::now(), Pace::new(Some(4 << 20)));
        (0..16).for_each(|_| pace.pass(64 << 10));
        assert!(begun.elapsed() >= Duration::from_millis(245), "{:?}", begun.elapsed());
        let (begun, mut pace) = (Instant::now(), Pace::new(None));
        (0..10_000).for_each(|_| pace.pass(64 << 10));
        assert!(begun.elapsed() < Duration::from_millis(500));
    }
}
