//! The one place that asks for the time of day.
//!
//! What it gives never goes back and never stands still, whatever the system's clock does: what waits for time (sessions,
//! wills, alerts, states of devices) would go wrong by the one and be frozen by the other.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

static STEADY: SteadyClock = SteadyClock::new();
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Unix milliseconds, by [`SteadyClock`]; 0 when the clock stands before 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall_us = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    let elapsed_us = i64::try_from(STARTED.elapsed().as_micros()).unwrap_or(i64::MAX);
    STEADY.now_us(wall_us, elapsed_us) / 1000
}

/// Time goes on after `unix_ms`, which an earlier run has seen.
pub fn go_on_after(unix_ms: i64) {
    STEADY.last_us.fetch_max(unix_ms.saturating_mul(1000), Ordering::AcqRel);
}

/// Follows the system's clock forward at once. When that was set back, time goes on at half its speed until the two
/// meet again, as adjtime(3) does; so an hour back costs two hours in which waiting takes up to twice as long.
struct SteadyClock {
    /// The latest time that was given, Unix microseconds.
    last_us: AtomicI64,
    slow: Mutex<Slow>,
}

/// From when on time goes at half its speed.
struct Slow {
    from_us: i64,
    at_us: i64,
}

impl SteadyClock {
    const fn new() -> Self {
        Self { last_us: AtomicI64::new(0), slow: Mutex::new(Slow { from_us: 0, at_us: 0 }) }
    }

    /// The time, when the system's clock says `wall_us` and `elapsed_us` have passed since the start.
    fn now_us(&self, wall_us: i64, elapsed_us: i64) -> i64 {
        let last_us = self.last_us.load(Ordering::Acquire);
        if wall_us >= last_us {
            return self.last_us.fetch_max(wall_us, Ordering::AcqRel).max(wall_us);
        }
        let mut slow = self.slow.lock();
        let mut now_us = slow.from_us.saturating_add((elapsed_us - slow.at_us) / 2);
        if now_us < last_us {
            // The clock has been followed since it was last behind: it was set back just now.
            *slow = Slow { from_us: last_us, at_us: elapsed_us };
            now_us = last_us;
        }
        self.last_us.fetch_max(now_us, Ordering::AcqRel).max(now_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const HOUR: i64 = 3600 * SECOND;

    #[test]
    fn a_clock_that_is_set_forward_is_followed_and_one_set_back_is_met_at_half_speed() {
        let clock = SteadyClock::new();
        let start = 500_000 * HOUR;
        assert_eq!(clock.now_us(start, 0), start);
        assert_eq!(clock.now_us(start + HOUR + SECOND, SECOND), start + HOUR + SECOND, "an hour forward");
        let mut before = 0;
        for second in 2..=7300 {
            // Right again, an hour back.
            let wall = start + second * SECOND;
            let now = clock.now_us(wall, second * SECOND);
            assert!(now > before || now == wall, "time stands still at {second} s");
            assert!(now >= wall, "behind the system's clock at {second} s");
            before = now;
        }
        assert_eq!(before, start + 7300 * SECOND, "they have met");
    }

    #[test]
    fn every_time_it_is_set_back_time_goes_on() {
        let clock = SteadyClock::new();
        let (mut wall, mut before) = (500_000 * HOUR, 0);
        for second in 0..1000 {
            wall += SECOND - if second % 100 == 50 { HOUR } else { 0 };
            let now = clock.now_us(wall, second * SECOND);
            assert!(now >= before, "it went back at {second} s");
            before = now;
        }
        let behind = before - wall;
        assert!(behind > 9 * HOUR && behind < 10 * HOUR, "ten hours back, some minutes made good: {behind} us");
    }

    #[test]
    fn threads_that_ask_at_once_never_see_it_go_back() {
        let clock = SteadyClock::new();
        assert_eq!(clock.now_us(2 * HOUR, 10), 2 * HOUR);
        assert_eq!(clock.now_us(2 * HOUR - 3, 9), 2 * HOUR, "asked the system a little earlier");
        assert_eq!(clock.now_us(2 * HOUR + 1, 11), 2 * HOUR + 1);
    }
}
