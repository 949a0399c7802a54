//! The one place that asks for the time of day.
//!
//! What it gives never stands still, and never goes back but by a [`Jump`] that was told: what waits for time (sessions,
//! wills, alerts, states of devices) would go wrong by the one and be frozen by the other. Until [`follow`] it goes on as
//! before: whoever measures time has to be told first. A system's clock that leaps is not believed at once
//! (docs/decisions/0001-a-clock-is-not-believed-at-once.md).
//!
//! - `steady`: the time that is given; `look`: what is believed of the system's clock

mod look;
mod steady;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_settings::{Reader, section};
use tidegate_telemetry::UNSET_BEFORE_MS;

use steady::SteadyClock;

static STEADY: LazyLock<SteadyClock> = LazyLock::new(|| SteadyClock::starting(wall_us(), running_us()));

/// A look that took longer than this may have seen the two times far apart.
const LOOK_US_MAX: i64 = 100_000;

section! {
    /// What is believed of the system's clock.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ClockConfig {
        /// A person says that the system's clock is right at this start; no key, an argument.
        pub trusted: bool = false,
    }
    /// What is believed of the system's clock.
    [clock] {
        /// It is followed when it is set forward by so much; more has to last first. A longer time in which the program was
        /// down does not count for what waits.
        pub forward_max: Duration = timeout(Duration::from_secs(24 * 3600)),
        /// Set back by so much, time goes at half its speed until the two meet; more has to last first, then the time goes
        /// back. 10 min or more.
        pub back_max: Duration = timeout(Duration::from_secs(2 * 3600)),
        /// How long it has to agree with the time that passed until it is confirmed. Nothing is deleted by age before, and
        /// one that leaps from then on has to last as long.
        pub confirm_after: Duration = timeout(Duration::from_secs(4 * 3600)),
        /// How many times as fast as confirmed time passes history may get older, to make up for the time that the program
        /// was down.
        pub age_rate_max: u32 = count(10),
    }
    then ClockConfig::read_on;
}

/// A leap back has to be longer than who stamped an entry may take to append it.
const BACK_MIN: Duration = Duration::from_secs(600);

impl ClockConfig {
    fn read_on(&mut self, reader: &mut Reader) {
        if self.back_max < BACK_MIN {
            reader.at("clock").wrong_key("back_max", "has to be 10 min or more");
        }
    }
}

/// Unix milliseconds, by [`SteadyClock`]; 0 when the clock stands before 1970.
pub fn now_ms() -> i64 {
    // In this order: a pause in between must not look like a clock that was set forward.
    let wall_us = wall_us();
    STEADY.now_us(wall_us, running_us()) / 1000
}

/// How much time had passed at a result of [`now_ms`], as the log counts it: without what the clock was set by until then.
pub fn elapsed_at(unix_ms: i64) -> i64 {
    STEADY.elapsed_at(unix_ms)
}

/// What is believed of the system's clock. One that is behind `surely_ms` (Unix ms), which an earlier run knows to have
/// passed, is not soon.
pub fn configure(config: &ClockConfig, surely_ms: i64) {
    STEADY.configure(config, surely_ms.saturating_mul(1000));
}

/// Goes on after an earlier run, whose last entry was received at `last_ms` (Unix ms), which was `ahead_ms` more than had
/// passed. The jump is to be told and followed before anything is stamped; none: the system's clock goes on where that run
/// ended, or is not believed.
pub fn go_on_after(last_ms: i64, ahead_ms: i64) -> Option<Jump> {
    STEADY.count_from(ahead_ms);
    STEADY.go_on_after(last_ms.saturating_mul(1000), wall_us(), running_us())
}

/// Whether the system's clock was set and is to be followed; to be asked every now and then, by one thread.
pub fn jump() -> Option<Jump> {
    let before_us = running_us();
    let (wall_us, running_us) = (wall_us(), running_us());
    if running_us - before_us > LOOK_US_MAX { None } else { STEADY.look(wall_us, running_us) }
}

/// From now on times are by the new setting.
pub fn follow(jump: Jump) {
    STEADY.follow(jump, running_us());
}

/// A person says that the system's clock is right: it counts as confirmed.
pub fn trust() {
    STEADY.look.lock().confirm();
}

/// How the system's clock stands to the time that is given.
pub fn state() -> ClockState {
    STEADY.look.lock().state(running_us())
}

/// The time was set to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// What it is now, Unix ms.
    pub at_ms: i64,
    /// By how much, ms; negative: back.
    pub by_ms: i64,
}

/// How the system's clock stands to the time that is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockState {
    /// By how much the system's clock is ahead, ms; negative: behind.
    pub ahead_ms: i64,
    /// The system's clock leapt and is not followed: when it will be if it stays, ms of running time from now. `None` with
    /// [`ClockState::is_doubted`]: never, since it is not set.
    pub followed_in_ms: Option<i64>,
    /// The system's clock leapt and is not followed.
    pub is_doubted: bool,
    /// The system's clock has agreed with the running time for long enough.
    pub is_confirmed: bool,
    /// Running time in which it had, ms since the start.
    pub confirmed_ms: i64,
}

/// A system's clock that is further ahead than this of the time that passed was set. What adjtime(2) and NTP correct
/// little by little stays below it from one look to the next.
const STEP_US: i64 = 2_000_000;

impl Jump {
    fn between(from_us: i64, to_us: i64) -> Jump {
        Jump { at_ms: to_us / 1000, by_ms: (to_us - from_us) / 1000 }
    }
}

fn is_unset(unix_us: i64) -> bool {
    unix_us < UNSET_BEFORE_MS * 1000
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
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
