//! The one place that asks for the time of day.
//!
//! What it gives never stands still, and never goes back but by a [`Jump`] that was told: what waits for time (sessions,
//! wills, alerts, states of devices) would go wrong by the one and be frozen by the other. Until [`follow`] it goes on as
//! before: whoever measures time has to be told first. A system's clock that leaps is not believed at once
//! (docs/decisions/0001-a-clock-is-not-believed-at-once.md).

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, RwLock};
use tidegate_telemetry::UNSET_BEFORE_MS;

static STEADY: LazyLock<SteadyClock> = LazyLock::new(|| SteadyClock::starting(wall_us(), running_us()));

/// A system's clock that is further ahead than this of the time that passed was set. What adjtime(2) and NTP correct
/// little by little stays below it from one look to the next.
const STEP_US: i64 = 2_000_000;

/// A look that took longer than this may have seen the two times far apart.
const LOOK_US_MAX: i64 = 100_000;

/// How long a leap has to last while the time before is not confirmed either: a computer has just started, and learns
/// the time.
const SETTLE_US: i64 = 5_000_000;

/// Jumps kept apart, so many; those before count as one that was always there.
const JUMPS_MAX: usize = 64;

/// What is believed of the system's clock; keys of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockConfig {
    /// A clock that is set forward by more leaps: it is followed only when that has lasted. If the program seems to have been
    /// down for more, nothing of that counts for what waits.
    pub forward_max: Duration,
    /// A clock that is set back by more leaps; up to it time goes on at half its speed until the two meet.
    pub back_max: Duration,
    /// How long the system's clock and the running time must agree until it counts as confirmed.
    pub confirm_after: Duration,
    /// How many times as fast as confirmed running time what is deleted by age may get older.
    pub age_rate_max: u32,
    /// A person says that the system's clock is right at this start; no key, an argument.
    pub trusted: bool,
}

impl Default for ClockConfig {
    fn default() -> Self {
        ClockConfig {
            forward_max: Duration::from_secs(24 * 3600),
            back_max: Duration::from_secs(2 * 3600),
            confirm_after: Duration::from_secs(4 * 3600),
            age_rate_max: 10,
            trusted: false,
        }
    }
}

/// Unix milliseconds, by [`SteadyClock`]; 0 when the clock stands before 1970.
pub fn now_ms() -> i64 {
    // In this order: a pause in between must not look like a clock that was set forward.
    let wall_us = wall_us();
    STEADY.now_us(wall_us, running_us()) / 1000
}

/// What a result of [`now_ms`] counts as for what waits: without what the clock was set by until then.
pub fn waiting_at(unix_ms: i64) -> i64 {
    STEADY.waiting_at(unix_ms)
}

/// What is believed of the system's clock. One that is behind `surely_ms` (Unix ms), which an earlier run knows to have
/// passed, is not soon.
pub fn configure(config: &ClockConfig, surely_ms: i64) {
    STEADY.configure(config, surely_ms.saturating_mul(1000));
}

/// Goes on after an earlier run, whose last entry was received at `last_ms` (Unix ms). The jump is to be told and followed
/// before anything is stamped; none: the system's clock goes on where that run ended, or is not believed.
pub fn go_on_after(last_ms: i64) -> Option<Jump> {
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
pub fn standing() -> Standing {
    STEADY.look.lock().standing(running_us())
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
pub struct Standing {
    /// By how much the system's clock is ahead, ms; negative: behind.
    pub ahead_ms: i64,
    /// The system's clock leapt and is not followed: when it will be if it stays, ms of running time from now. `None` with
    /// [`Standing::is_doubted`]: never, since it is not set.
    pub followed_in_ms: Option<i64>,
    /// The system's clock leapt and is not followed.
    pub is_doubted: bool,
    /// The system's clock has agreed with the running time for long enough.
    pub is_confirmed: bool,
    /// Running time in which it had, ms since the start.
    pub confirmed_ms: i64,
}

/// Follows the system's clock once told to. When that was set back by little, time goes on at half its speed until the two
/// meet again, as adjtime(3) does; so an hour back costs two hours in which waiting takes up to twice as long.
struct SteadyClock {
    /// The latest time that was given, Unix microseconds.
    last_us: AtomicI64,
    /// The time less the running time, as last looked at.
    offset_us: AtomicI64,
    /// Held shared while a time is given, so that none is of the setting before once it was followed.
    jumps: RwLock<Jumps>,
    slow: Mutex<Slow>,
    /// [`ClockConfig::back_max`].
    back_max_us: AtomicI64,
    look: Mutex<Look>,
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
            back_max_us: AtomicI64::new(micros(ClockConfig::default().back_max)),
            look: Mutex::new(Look::new(ClockConfig::default(), running_us)),
        }
    }

    fn configure(&self, config: &ClockConfig, surely_us: i64) {
        self.back_max_us.store(micros(config.back_max), Ordering::Relaxed);
        self.look.lock().configure(*config, surely_us);
    }

    /// A start takes the system's clock as it is where it can be right, since nobody knows how long the program was down.
    /// More of that than the bound does not count as time that passed, and a run that ended far ahead went by a wrong clock.
    fn go_on_after(&self, last_us: i64, wall_us: i64, running_us: i64) -> Option<Jump> {
        let look = self.look.lock();
        let leaps = wall_us > last_us.saturating_add(micros(look.config.forward_max));
        let begin_us = if leaps { last_us } else { wall_us.max(last_us) };
        self.offset_us.store(begin_us - running_us, Ordering::Release);
        self.last_us.store(begin_us, Ordering::Release);
        let goes_on = (begin_us - micros(look.config.back_max)..=begin_us).contains(&wall_us);
        (!goes_on && look.may_be_right(wall_us)).then(|| Jump::between(begin_us, wall_us))
    }

    /// The time, when the system's clock says `wall_us`.
    fn now_us(&self, wall_us: i64, running_us: i64) -> i64 {
        let _nobody_follows = self.jumps.read();
        let unset_us = self.offset_us.load(Ordering::Acquire).saturating_add(running_us);
        let leaps_back = wall_us < unset_us.saturating_sub(self.back_max_us.load(Ordering::Relaxed));
        let wall_us = if wall_us > unset_us.saturating_add(STEP_US) || leaps_back { unset_us } else { wall_us };
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

    /// What to follow. Where it is nothing the time and the system's clock are held together: over days they may drift apart.
    fn look(&self, wall_us: i64, running_us: i64) -> Option<Jump> {
        let now_us = self.now_us(wall_us, running_us);
        let jump = self.look.lock().see(wall_us, now_us, running_us);
        if jump.is_none() {
            self.offset_us.store(now_us - running_us, Ordering::Release);
        }
        jump
    }

    /// No time is given that the jump's counts as before it is known here.
    fn follow(&self, jump: Jump, running_us: i64) {
        let mut jumps = self.jumps.write();
        let at_us = jump.at_ms.saturating_mul(1000);
        jumps.add(jump);
        if jump.by_ms < 0 {
            *self.slow.lock() = Slow { from_us: at_us, at_us: running_us };
            self.last_us.store(at_us, Ordering::Release);
        } else {
            self.last_us.fetch_max(at_us, Ordering::AcqRel);
        }
        self.offset_us.fetch_add(jump.by_ms.saturating_mul(1000), Ordering::AcqRel);
    }

    fn waiting_at(&self, unix_ms: i64) -> i64 {
        let jumps = self.jumps.read();
        let until = jumps.latest.iter().filter(|jump| jump.at_ms <= unix_ms);
        unix_ms - jumps.before_ms - until.map(|jump| jump.by_ms).sum::<i64>()
    }
}

impl Jumps {
    fn add(&mut self, jump: Jump) {
        self.latest.push(jump);
        // Which times are of before a jump back cannot be told from them: it counts for all.
        let kept = if jump.by_ms < 0 { 0 } else { JUMPS_MAX };
        let apart = self.latest.len().saturating_sub(kept);
        self.before_ms += self.latest.drain(..apart).map(|jump| jump.by_ms).sum::<i64>();
    }
}

impl Jump {
    fn between(from_us: i64, to_us: i64) -> Jump {
        Jump { at_ms: to_us / 1000, by_ms: (to_us - from_us) / 1000 }
    }
}

/// What was seen of the system's clock, and what is believed of it.
struct Look {
    config: ClockConfig,
    surely_us: i64,
    /// Running time of the last look.
    at_us: i64,
    /// The system's clock less the time that is given.
    ahead_us: i64,
    doubted: Option<Doubted>,
    /// Running time in which the system's clock was neither set nor followed.
    agreed_us: i64,
    /// What of it came after it was confirmed, of all the run.
    confirmed_us: i64,
}

/// A leap that is not followed yet.
#[derive(Debug, Clone, Copy)]
struct Doubted {
    /// Running time at which it began.
    since_us: i64,
    /// The system's clock less the running time.
    offset_us: i64,
    /// For how long it has to last; `None`: it is not followed, however long.
    needed_us: Option<i64>,
}

impl Look {
    fn new(config: ClockConfig, running_us: i64) -> Look {
        let (at_us, surely_us) = (running_us, i64::MIN);
        Look { config, surely_us, at_us, ahead_us: 0, doubted: None, agreed_us: 0, confirmed_us: 0 }
    }

    fn configure(&mut self, config: ClockConfig, surely_us: i64) {
        (self.config, self.surely_us) = (config, surely_us);
    }

    /// The system's clock says `wall_us` when the time is `now_us`: the jump to follow, if any.
    fn see(&mut self, wall_us: i64, now_us: i64, running_us: i64) -> Option<Jump> {
        let passed_us = running_us - std::mem::replace(&mut self.at_us, running_us);
        self.ahead_us = wall_us - now_us;
        let leaps = self.ahead_us > micros(self.config.forward_max) || self.ahead_us < -micros(self.config.back_max);
        self.doubted = leaps.then(|| self.doubt(wall_us, now_us, running_us));
        let is_followed = match self.doubted {
            Some(doubted) => doubted.needed_us.is_some_and(|needed_us| running_us - doubted.since_us >= needed_us),
            None => self.ahead_us >= 1000,
        };
        if is_followed || self.ahead_us < -STEP_US && !leaps {
            self.agreed_us = 0;
        } else if !leaps {
            self.agree(passed_us);
        }
        is_followed.then(|| Jump::between(now_us, wall_us))
    }

    /// The leap that is doubted already, as long as it goes evenly.
    fn doubt(&self, wall_us: i64, now_us: i64, running_us: i64) -> Doubted {
        let offset_us = wall_us - running_us;
        let before = self.doubted.filter(|before| (offset_us - before.offset_us).abs() <= STEP_US);
        let since_us = before.map_or(running_us, |before| before.since_us);
        Doubted { since_us, offset_us, needed_us: self.needed_us(wall_us, now_us) }
    }

    fn needed_us(&self, wall_us: i64, now_us: i64) -> Option<i64> {
        if is_unset(wall_us) {
            None
        } else if self.is_confirmed() || !self.may_be_right(wall_us) {
            Some(micros(self.config.confirm_after))
        } else if is_unset(now_us) {
            Some(0)
        } else {
            Some(SETTLE_US)
        }
    }

    fn agree(&mut self, passed_us: i64) {
        self.agreed_us = self.agreed_us.saturating_add(passed_us);
        if self.is_confirmed() {
            self.confirmed_us = self.confirmed_us.saturating_add(passed_us);
        }
    }

    fn confirm(&mut self) {
        self.agreed_us = self.agreed_us.max(micros(self.config.confirm_after));
    }

    fn is_confirmed(&self) -> bool {
        self.agreed_us >= micros(self.config.confirm_after)
    }

    /// Whether the time is neither of a clock that nobody set nor long past.
    fn may_be_right(&self, wall_us: i64) -> bool {
        !is_unset(wall_us) && wall_us >= self.surely_us.saturating_sub(micros(self.config.forward_max))
    }

    fn standing(&self, running_us: i64) -> Standing {
        let rest = |doubted: Doubted| Some((doubted.since_us + doubted.needed_us? - running_us).max(0) / 1000);
        Standing {
            ahead_ms: self.ahead_us / 1000,
            followed_in_ms: self.doubted.and_then(rest),
            is_doubted: self.doubted.is_some(),
            is_confirmed: self.is_confirmed(),
            confirmed_ms: self.confirmed_us / 1000,
        }
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
                clock.follow(jump, running);
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
            clock.follow(jump, running);
            let now = clock.now_us(wall, running);
            assert_eq!((now, waiting_us(&clock, now)), (wall, real));
        }
    }

    #[test]
    fn a_clock_that_is_set_while_its_step_is_told_never_goes_back() {
        let clock = started();
        let jump = clock.look(START + HOUR, HOUR).expect("it was set");
        // It is right again before anybody followed.
        clock.follow(jump, HOUR);
        let now = clock.now_us(START + SECOND, HOUR + SECOND);
        assert!((START + HOUR..=START + HOUR + SECOND).contains(&now), "{}", now - START);
        assert!((START..=START + SECOND).contains(&waiting_us(&clock, now)));
    }

    #[test]
    fn after_an_earlier_run_it_goes_on_and_a_clock_that_is_late_to_know_the_time_makes_nothing_older() {
        // Without a battery it starts in 1970, and learns the time after a minute.
        let clock = SteadyClock::starting(0, SECOND);
        assert_eq!(clock.go_on_after(START, SECOND, 2 * SECOND), None, "it is not set");
        let begun = clock.now_us(SECOND, 2 * SECOND);
        assert_eq!(begun, START);
        let (wall, running) = (START + 24 * HOUR, 62 * SECOND);
        let waited = clock.now_us(wall, running);
        assert!((START..=START + 61 * SECOND).contains(&waited));
        clock.follow(clock.look(wall, running).expect("a day, less a minute"), running);
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

    const DAY: i64 = 24 * HOUR;
    const LOOK: i64 = SECOND / 4;

    /// A system whose clock can be set, and what is made of it: looked at four times a second, followed at once.
    struct System {
        clock: SteadyClock,
        running: i64,
        wall: i64,
        followed: Vec<i64>,
    }

    impl System {
        fn of(clock: SteadyClock, wall: i64) -> System {
            System { clock, running: HOUR, wall, followed: Vec::new() }
        }

        fn now(&self) -> i64 {
            self.clock.now_us(self.wall, self.running)
        }

        fn set(&mut self, by: i64) {
            self.wall += by;
        }

        /// Runs for so long; time and what waits never go back nor stand still but by a jump.
        fn run(&mut self, span: i64) {
            let mut before = (self.now(), waiting_us(&self.clock, self.now()));
            for _ in 0..span / LOOK {
                (self.running, self.wall) = (self.running + LOOK, self.wall + LOOK);
                if let Some(jump) = self.clock.look(self.wall, self.running) {
                    self.clock.follow(jump, self.running);
                    self.followed.push(jump.by_ms * 1000);
                    before.0 = before.0.min(self.now() - 1);
                }
                let now = (self.now(), waiting_us(&self.clock, self.now()));
                assert!(now.0 > before.0, "the time goes back");
                assert!(
                    (0..=2 * LOOK).contains(&(now.1 - before.1)),
                    "what waits waits for time: {}",
                    now.1 - before.1
                );
                before = now;
            }
        }

        fn standing(&self) -> Standing {
            self.clock.look.lock().standing(self.running)
        }
    }

    #[test]
    fn a_leap_of_seconds_is_not_followed_whichever_way_it_goes() {
        for by in [401 * DAY, 3650 * DAY, -401 * DAY, -START, -3 * HOUR] {
            for before in [10 * SECOND, 5 * HOUR] {
                let mut system = System::of(started(), START);
                system.run(before);
                system.set(by);
                system.run(3 * SECOND);
                assert_eq!(system.now(), system.wall - by, "time goes on as it passes");
                assert!(system.standing().is_doubted && system.standing().ahead_ms == by / 1000);
                system.set(-by);
                system.run(MINUTE);
                assert_eq!(
                    (system.now(), system.followed.len(), system.standing().is_doubted),
                    (system.wall, 0, false)
                );
            }
        }
    }

    const MINUTE: i64 = 60 * SECOND;

    #[test]
    fn a_leap_that_lasts_is_followed_and_so_is_the_way_back() {
        let mut system = System::of(started(), START);
        system.run(5 * HOUR);
        for by in [401 * DAY, -401 * DAY] {
            system.set(by);
            system.run(4 * HOUR - SECOND);
            assert_eq!(system.now(), system.wall - by, "it has not lasted yet");
            system.run(2 * SECOND);
            assert_eq!(system.now(), system.wall, "it is confirmed");
            system.run(5 * HOUR);
        }
        assert_eq!(system.followed, [401 * DAY, -401 * DAY]);
    }

    #[test]
    fn a_computer_that_has_just_started_learns_the_time_within_seconds() {
        for wrong in [START + 4000 * DAY, START - 700 * DAY, 0] {
            let mut system = System::of(SteadyClock::starting(wrong, HOUR), wrong);
            system.run(MINUTE);
            let by = START - wrong;
            system.set(by);
            system.run(6 * SECOND);
            assert_eq!((system.now(), system.followed.as_slice()), (system.wall, &[by][..]));
        }
    }

    #[test]
    fn a_clock_that_nobody_has_set_is_never_followed() {
        let mut system = System::of(started(), START);
        system.set(-START);
        system.run(30 * HOUR);
        let Standing { is_doubted, followed_in_ms, .. } = system.standing();
        assert_eq!((system.now(), is_doubted, followed_in_ms), (system.wall + START, true, None));
    }

    #[test]
    fn a_leap_that_is_another_each_minute_is_never_followed() {
        let mut system = System::of(started(), START);
        system.run(5 * HOUR);
        for _ in 0..600 {
            system.set(40 * DAY);
            system.run(MINUTE);
        }
        assert_eq!((system.now(), system.followed.len()), (system.wall - 600 * 40 * DAY, 0));
    }

    #[test]
    fn a_start_goes_back_to_a_right_clock_and_on_from_a_long_time_down() {
        for (last, surely, jump) in [
            // An earlier run went by a clock that was wrong.
            (START + 401 * DAY, i64::MIN, Some(-401 * DAY)),
            (START + 401 * DAY, START - HOUR, Some(-401 * DAY)),
            // It was ahead by little: they meet.
            (START + HOUR, i64::MIN, None),
            // The program was down.
            (START - 20 * HOUR, START - 21 * HOUR, None),
            (START - 100 * DAY, START - 100 * DAY, Some(100 * DAY)),
            // The clock is behind what has surely passed: it goes on where it was.
            (START + 100 * DAY, START + 99 * DAY, None),
        ] {
            let clock = started();
            clock.configure(&ClockConfig::default(), surely);
            let found = clock.go_on_after(last, START, HOUR);
            let by = jump.map(|by| Jump { at_ms: START / 1000, by_ms: by / 1000 });
            assert_eq!(found, by, "{} h", (last - START) / HOUR);
            found.into_iter().for_each(|jump| clock.follow(jump, HOUR));
            let is_wall = jump.is_some() || last < START;
            assert_eq!(clock.now_us(START, HOUR), if is_wall { START } else { last }, "{} h", (last - START) / HOUR);
        }
    }

    #[test]
    fn the_clock_is_confirmed_by_hours_of_agreement_and_a_step_begins_them_anew() {
        let mut system = System::of(started(), START);
        system.run(4 * HOUR - SECOND);
        assert!(!system.standing().is_confirmed);
        system.set(3 * SECOND);
        system.run(4 * HOUR - SECOND);
        assert!(!system.standing().is_confirmed && system.followed == [3 * SECOND]);
        system.run(HOUR);
        let Standing { is_confirmed, confirmed_ms, .. } = system.standing();
        assert!(is_confirmed && (3_590_000..=3_600_000).contains(&confirmed_ms), "{confirmed_ms}");
        // While it is doubted nothing gets older.
        system.set(401 * DAY);
        system.run(HOUR);
        system.set(-401 * DAY);
        assert_eq!(system.standing().confirmed_ms, confirmed_ms);
    }

    #[test]
    fn threads_that_ask_at_once_never_see_it_go_back() {
        let clock = SteadyClock::starting(2 * HOUR, 10);
        assert_eq!(clock.now_us(2 * HOUR, 10), 2 * HOUR);
        assert_eq!(clock.now_us(2 * HOUR - 3, 9), 2 * HOUR, "asked the system a little earlier");
        assert_eq!(clock.now_us(2 * HOUR + 1, 11), 2 * HOUR + 1);
    }
}
