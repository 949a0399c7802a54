//! Whether the system's clock is believed: one that leaps is doubted until the leap has lasted.

use super::{ClockConfig, ClockState, Jump, STEP_US, is_unset, micros};

/// How long a leap has to last while the time before is not confirmed either: a computer has just started, and learns
/// the time.
const SETTLE_US: i64 = 5_000_000;

/// What was seen of the system's clock, and what is believed of it.
pub(super) struct Look {
    pub(super) config: ClockConfig,
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
    pub(super) fn new(config: ClockConfig, running_us: i64) -> Look {
        let (at_us, surely_us) = (running_us, i64::MIN);
        Look { config, surely_us, at_us, ahead_us: 0, doubted: None, agreed_us: 0, confirmed_us: 0 }
    }

    pub(super) fn configure(&mut self, config: ClockConfig, surely_us: i64) {
        (self.config, self.surely_us) = (config, surely_us);
    }

    /// The system's clock says `wall_us` when the time is `now_us`: the jump to follow, if any.
    pub(super) fn see(&mut self, wall_us: i64, now_us: i64, running_us: i64) -> Option<Jump> {
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

    pub(super) fn confirm(&mut self) {
        self.agreed_us = self.agreed_us.max(micros(self.config.confirm_after));
    }

    fn is_confirmed(&self) -> bool {
        self.agreed_us >= micros(self.config.confirm_after)
    }

    /// Whether the time is neither of a clock that nobody set nor long past.
    pub(super) fn may_be_right(&self, wall_us: i64) -> bool {
        !is_unset(wall_us) && wall_us >= self.surely_us.saturating_sub(micros(self.config.forward_max))
    }

    pub(super) fn state(&self, running_us: i64) -> ClockState {
        let rest = |doubted: Doubted| Some((doubted.since_us + doubted.needed_us? - running_us).max(0) / 1000);
        ClockState {
            ahead_ms: self.ahead_us / 1000,
            followed_in_ms: self.doubted.and_then(rest),
            is_doubted: self.doubted.is_some(),
            is_confirmed: self.is_confirmed(),
            confirmed_ms: self.confirmed_us / 1000,
        }
    }
}
