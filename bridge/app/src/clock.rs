//! The one place that asks for the time of day.
//!
//! What it gives never goes back and never stands still, whatever the system's clock does: what waits for time (sessions,
//! wills, alerts, states of devices) would go wrong by the one and be frozen by the other. When that clock is set forward
//! it goes on as before until [`follow`]: whoever measures time has to be told first.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, RwLock};

static STEADY: LazyLock<SteadyClock> = LazyLock::new(|| SteadyClock::starting(wall_us(), running_us()));

/// A system's clock that is further ahead than this of the time that passed was set. What adjtime(2) and NTP correct
/// little by little stays below it from one look to the next.
const STEP_US: i64 = 2_000_000;

/// A look that took longer than this may have seen the two times far apart.
const LOOK_US_MAX: i64 = 100_000;

/// Jumps kept apart, so many; those before count as one that was always there.
const JUMPS_MAX: usize = 64;

/// Unix milliseconds, by [`SteadyClock`]; 0 when the clock stands before 1970.
pub fn now_ms() -> i64 {
    // In this order: a pause in between must not look like a clock that was set forward.
    let wall_us = wall_us();
    STEADY.now_us(wall_us, running_us()) / 1000
}

/// What a result of [`now_ms`] counts as for what waits: without what the clock was set forward by until then.
pub fn waiting_at(unix_ms: i64) -> i64 {
    STEADY.waiting_at(unix_ms)
}

/// Time goes on after `unix_ms`, which an earlier run has seen.
pub fn go_on_after(unix_ms: i64) {
    STEADY.go_on_after(unix_ms.saturating_mul(1000), running_us());
}

/// Whether the system's clock was set forward; to be asked every now and then, by one thread.
pub fn jump() -> Option<Jump> {
    let before_us = running_us();
    let (wall_us, running_us) = (wall_us(), running_us());
    if running_us - before_us > LOOK_US_MAX { None } else { STEADY.look(wall_us, running_us) }
}

/// From now on times are by the new setting.
pub fn follow(jump: Jump) {
    STEADY.follow(jump);
}

/// The system's clock was set forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// What it says now, Unix ms.
    pub at_ms: i64,
    /// By how much, ms.
    pub by_ms: i64,
}

/// Follows the system's clock forward once told to. When that was set back, time goes on at half its speed until the two
/// meet again, as adjtime(3) does; so an hour back costs two hours in which waiting takes up to twice as long.
struct SteadyClock {
    /// The latest time that was given, Unix microseconds.
    last_us: AtomicI64,
    /// The time less the running time, as last looked at.
    offset_us: AtomicI64,
    jumps: RwLock<Jumps>,
    slow: Mutex<Slow>,
}

/// From when on time goes at half its speed.
struct Slow {
    from_us: i64,
    at_us: i64,
}

/// What was followed.
#[derive(Default)]
struct Jumps {
    latest: Vec<Jump>,
    /// The sum of those that are not kept apart.
    before_ms: i64,
}

impl SteadyClock {
    /// The system's clock says `wall_us`, and `running_us` have passed since whenever.
    fn starting(wall_us: i64, running_us: i64) -> Self {
        Self {
            last_us: AtomicI64::new(wall_us),
            offset_us: AtomicI64::new(wall_us - running_us),
            jumps: RwLock::default(),
            slow: Mutex::new(Slow { from_us: 0, at_us: 0 }),
        }
    }

    fn go_on_after(&self, unix_us: i64, running_us: i64) {
        self.offset_us.fetch_max(unix_us - running_us, Ordering::AcqRel);
        self.last_us.fetch_max(unix_us, Ordering::AcqRel);
    }

    /// The time, when the system's clock says `wall_us`.
    fn now_us(&self, wall_us: i64, running_us: i64) -> i64 {
        let unset_us = self.offset_us.load(Ordering::Acquire).saturating_add(running_us);
        let wall_us = if wall_us > unset_us.saturating_add(STEP_US) { unset_us } else { wall_us };
        let last_us = self.last_us.load(Ordering::Acquire);
        if wall_us >= last_us {
            return self.last_us.fetch_max(wall_us, Ordering::AcqRel).max(wall_us);
        }
        let mut slow = self.slow.lock();
        let mut now_us = slow.from_us.saturating_add((running_us - slow.at_us) / 2);
        if now_us < last_us {
            // The clock has been followed since it was last behind: it was set back just now.
            *slow = Slow { from_us: last_us, at_us: running_us };
            now_us = last_us;
        }
        self.last_us.fetch_max(now_us, Ordering::AcqRel).max(now_us)
    }

    /// Whether the system's clock is ahead of the time by a step. If not, the two are held together: over days they may
    /// drift apart.
    fn look(&self, wall_us: i64, running_us: i64) -> Option<Jump> {
        let now_us = self.now_us(wall_us, running_us);
        let by_ms = (wall_us - now_us) / 1000;
        if by_ms > 0 {
            return Some(Jump { at_ms: wall_us / 1000, by_ms });
        }
        self.offset_us.store(now_us - running_us, Ordering::Release);
        None
    }

    /// No time is given that the jump's counts as before it is known here.
    fn follow(&self, jump: Jump) {
        let mut jumps = self.jumps.write();
        jumps.latest.push(jump);
        if jumps.latest.len() > JUMPS_MAX {
            jumps.before_ms += jumps.latest.remove(0).by_ms;
        }
        self.last_us.fetch_max(jump.at_ms.saturating_mul(1000), Ordering::AcqRel);
        self.offset_us.fetch_add(jump.by_ms.saturating_mul(1000), Ordering::AcqRel);
    }

    fn waiting_at(&self, unix_ms: i64) -> i64 {
        let jumps = self.jumps.read();
        let until = jumps.latest.iter().filter(|jump| jump.at_ms <= unix_ms);
        unix_ms - jumps.before_ms - until.map(|jump| jump.by_ms).sum::<i64>()
    }
}

fn wall_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Microseconds that passed, also while the system was suspended: a laptop that wakes was not set forward.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn running_us() -> i64 {
    let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let since_boot = std::time::Duration::try_from(since_boot).unwrap_or_default();
    i64::try_from(since_boot.as_micros()).unwrap_or(i64::MAX)
}

/// Microseconds that passed.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn running_us() -> i64 {
    static STARTED: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
    i64::try_from(STARTED.elapsed().as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const HOUR: i64 = 3600 * SECOND;
    const START: i64 = 500_000 * HOUR;

    /// A clock that started at [`START`], when the system had been running for an hour.
    fn started() -> SteadyClock {
        SteadyClock::starting(START, HOUR)
    }

    fn waiting_us(clock: &SteadyClock, now_us: i64) -> i64 {
        clock.waiting_at(now_us / 1000) * 1000
    }

    #[test]
    fn a_clock_that_is_set_forward_is_followed_when_told_and_what_waits_never_is() {
        let clock = started();
        let (mut ahead, mut before) = (0, START);
        for second in 1..100 {
            let (running, real) = (HOUR + second * SECOND, START + second * SECOND);
            let wall = real + if second >= 30 { HOUR } else { 0 };
            assert_eq!(clock.now_us(wall, running), real + ahead, "at {second} s");
            if second == 40 {
                let jump = clock.look(wall, running).expect("it was set");
                assert_eq!(jump, Jump { at_ms: wall / 1000, by_ms: HOUR / 1000 });
                assert_eq!(clock.now_us(wall, running), real, "nobody is told yet");
                clock.follow(jump);
                ahead = HOUR;
            } else if !(30..=40).contains(&second) {
                assert_eq!(clock.look(wall, running), None, "at {second} s");
            }
            let now = clock.now_us(wall, running);
            assert_eq!((now, waiting_us(&clock, now)), (real + ahead, real), "at {second} s");
            assert!(now > before, "at {second} s");
            before = now;
        }
    }

    #[test]
    fn what_is_corrected_little_by_little_and_a_suspended_system_are_no_jumps() {
        let clock = started();
        // As fast as chronyd may correct: a twelfth faster, looked at each quarter of a second.
        let (mut wall, mut running) = (START, HOUR);
        for _ in 0..100_000 {
            (wall, running) = (wall + SECOND / 4 + SECOND / 48, running + SECOND / 4);
            assert_eq!(clock.look(wall, running), None);
            assert_eq!(clock.now_us(wall, running), wall);
        }
        (wall, running) = (wall + 8 * HOUR, running + 8 * HOUR);
        assert_eq!(clock.look(wall, running), None, "both went on while it was suspended");
        assert_eq!(clock.now_us(wall, running), wall);
        // Nobody looked for an hour, and in it the clock was set.
        (wall, running) = (wall + HOUR + 3 * SECOND, running + HOUR);
        assert_eq!(clock.look(wall, running).map(|jump| jump.by_ms), Some(3000));
    }

    #[test]
    fn steps_that_are_followed_one_after_the_other_are_all_taken_out_of_what_waits() {
        let clock = started();
        for n in 1..=200 {
            let (running, real) = (HOUR + n * SECOND, START + n * SECOND);
            let wall = real + n * HOUR;
            let jump = clock.look(wall, running).expect("it was set");
            clock.follow(jump);
            let now = clock.now_us(wall, running);
            assert_eq!((now, waiting_us(&clock, now)), (wall, real));
        }
    }

    #[test]
    fn a_clock_that_is_set_while_its_step_is_told_never_goes_back() {
        let clock = started();
        let jump = clock.look(START + HOUR, HOUR).expect("it was set");
        // It is right again before anybody followed.
        clock.follow(jump);
        let now = clock.now_us(START + SECOND, HOUR + SECOND);
        assert!((START + HOUR..=START + HOUR + SECOND).contains(&now), "{}", now - START);
        assert!((START..=START + SECOND).contains(&waiting_us(&clock, now)));
    }

    #[test]
    fn after_an_earlier_run_it_goes_on_and_a_clock_that_is_late_to_know_the_time_makes_nothing_older() {
        // Without a battery it starts in 1970, and learns the time after a minute.
        let clock = SteadyClock::starting(0, SECOND);
        clock.go_on_after(START, 2 * SECOND);
        let begun = clock.now_us(SECOND, 2 * SECOND);
        assert_eq!(begun, START);
        let (wall, running) = (START + 24 * HOUR, 62 * SECOND);
        let waited = clock.now_us(wall, running);
        assert!((START..=START + 61 * SECOND).contains(&waited));
        clock.follow(clock.look(wall, running).expect("a day, less a minute"));
        let now = clock.now_us(wall, running);
        assert_eq!(now, wall);
        assert!((START..=START + 61 * SECOND).contains(&waiting_us(&clock, now)));
    }

    #[test]
    fn one_set_back_is_met_at_half_speed() {
        let clock = SteadyClock::starting(START + HOUR, 0);
        let mut before = 0;
        for second in 2..=7300 {
            let wall = START + second * SECOND;
            let now = clock.now_us(wall, second * SECOND);
            assert_eq!(clock.look(wall, second * SECOND), None);
            assert!(now > before || now == wall, "time stands still at {second} s");
            assert!(now >= wall, "behind the system's clock at {second} s");
            before = now;
        }
        assert_eq!(before, START + 7300 * SECOND, "they have met");
    }

    #[test]
    fn every_time_it_is_set_back_time_goes_on() {
        let clock = started();
        let (mut wall, mut before) = (START, 0);
        for second in 0..1000 {
            wall += SECOND - if second % 100 == 50 { HOUR } else { 0 };
            let now = clock.now_us(wall, HOUR + second * SECOND);
            assert!(now >= before, "it went back at {second} s");
            before = now;
        }
        let behind = before - wall;
        assert!(behind > 9 * HOUR && behind < 10 * HOUR, "ten hours back, some minutes made good: {behind} us");
    }

    #[test]
    fn threads_that_ask_at_once_never_see_it_go_back() {
        let clock = SteadyClock::starting(2 * HOUR, 10);
        assert_eq!(clock.now_us(2 * HOUR, 10), 2 * HOUR);
        assert_eq!(clock.now_us(2 * HOUR - 3, 9), 2 * HOUR, "asked the system a little earlier");
        assert_eq!(clock.now_us(2 * HOUR + 1, 11), 2 * HOUR + 1);
    }
}
