//! The time that is given out: it follows the system's clock by jumps that are told, and never steps back else.

use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::look::Look;
use super::{ClockConfig, Jump, STEP_US, micros};

/// Jumps kept apart, so many; those before count as one that was always there.
const JUMPS_MAX: usize = 64;

/// Follows the system's clock once told to. When that was set back by little, time goes on at half its speed until the two
/// meet again, as adjtime(3) does; so an hour back costs two hours in which waiting takes up to twice as long.
pub(super) struct SteadyClock {
    /// The latest time that was given, Unix microseconds.
    last_us: AtomicI64,
    /// The time less the running time, as last looked at.
    offset_us: AtomicI64,
    /// Held shared while a time is given, so that none is of the setting before once it was followed.
    jumps: RwLock<Jumps>,
    slow: Mutex<Slow>,
    /// [`ClockConfig::back_max`].
    back_max_us: AtomicI64,
    pub(super) look: Mutex<Look>,
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
    pub(super) fn starting(wall_us: i64, running_us: i64) -> Self {
        Self {
            last_us: AtomicI64::new(wall_us),
            offset_us: AtomicI64::new(wall_us - running_us),
            jumps: RwLock::default(),
            slow: Mutex::new(Slow { from_us: i64::MIN, at_us: running_us }),
            back_max_us: AtomicI64::new(micros(ClockConfig::default().back_max)),
            look: Mutex::new(Look::new(ClockConfig::default(), running_us)),
        }
    }

    pub(super) fn configure(&self, config: &ClockConfig, surely_us: i64) {
        self.back_max_us.store(micros(config.back_max), Ordering::Relaxed);
        self.look.lock().configure(*config, surely_us);
    }

    /// A start takes the system's clock as it is where it can be right, since nobody knows how long the program was down.
    /// More of that than the bound does not count as time that passed, and a run that ended far ahead went by a wrong clock.
    pub(super) fn go_on_after(&self, last_us: i64, wall_us: i64, running_us: i64) -> Option<Jump> {
        let look = self.look.lock();
        let leaps = wall_us > last_us.saturating_add(micros(look.config.forward_max));
        let begin_us = if leaps { last_us } else { wall_us.max(last_us) };
        self.offset_us.store(begin_us - running_us, Ordering::Release);
        self.last_us.store(begin_us, Ordering::Release);
        let goes_on = (begin_us - micros(look.config.back_max)..=begin_us).contains(&wall_us);
        (!goes_on && look.may_be_right(wall_us)).then(|| Jump::between(begin_us, wall_us))
    }

    /// The time, when the system's clock says `wall_us`.
    pub(super) fn now_us(&self, wall_us: i64, running_us: i64) -> i64 {
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
    pub(super) fn look(&self, wall_us: i64, running_us: i64) -> Option<Jump> {
        let now_us = self.now_us(wall_us, running_us);
        let jump = self.look.lock().see(wall_us, now_us, running_us);
        if jump.is_none() {
            self.offset_us.store(now_us - running_us, Ordering::Release);
        }
        jump
    }

    /// No time is given that the jump's counts as before it is known here.
    pub(super) fn follow(&self, jump: Jump, running_us: i64) {
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

    /// The time is ahead of what has passed by so much, before any jump of this run.
    pub(super) fn count_from(&self, ahead_ms: i64) {
        *self.jumps.write() = Jumps { latest: Vec::new(), before_ms: ahead_ms };
    }

    pub(super) fn elapsed_at(&self, unix_ms: i64) -> i64 {
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
