//! A warning about something that goes on and on is written at once, then once in an interval.

use std::time::{Duration, Instant};

/// Says when something that happens again and again is worth a line: at once, and then once in an interval.
#[derive(Debug)]
pub struct Seldom {
    interval: Duration,
    said: Option<Instant>,
    untold: u64,
}

impl Seldom {
    /// Worth a line in so long.
    #[must_use]
    pub const fn new(interval: Duration) -> Self {
        Seldom { interval, said: None, untold: 0 }
    }

    /// It happened at `now`. Returns how often since the last line, this time included, if it is worth one.
    pub fn happened(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        if self.said.is_some_and(|said| now.saturating_duration_since(said) < self.interval) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_every_50_ms_is_told_at_once_and_then_once_a_minute_with_how_often() {
        let (mut seldom, begin) = (Seldom::new(Duration::from_secs(60)), Instant::now());
        let told: Vec<_> = (0..2_401).filter_map(|n| seldom.happened(begin + n * Duration::from_millis(50))).collect();
        assert_eq!(told, [1, 1_200, 1_200]);
    }
}
