//! Building blocks of a believable signal. All are exact for any step, so the interval does not change the character.

use super::rng::Rng;

const DAY_MS: i64 = 86_400_000;

/// Noise with memory: an Ornstein-Uhlenbeck process, which sampled is an AR(1) series.
#[derive(Debug, Clone)]
pub struct Wander {
    value: f64,
    deviation: f64,
    memory_s: f64,
}

impl Wander {
    /// A wander around zero with this standard deviation, that forgets within about `memory_s`.
    pub fn new(deviation: f64, memory_s: f64, rng: &mut Rng) -> Self {
        Self { value: deviation * rng.normal(), deviation, memory_s }
    }

    /// Where it stands `seconds` later.
    pub fn step(&mut self, seconds: f64, rng: &mut Rng) -> f64 {
        let keep = (-seconds / self.memory_s).exp();
        self.value = self.value * keep + self.deviation * (1.0 - keep * keep).sqrt() * rng.normal();
        self.value
    }

    /// Where it stands.
    pub fn value(&self) -> f64 {
        self.value
    }
}

/// A quantity that follows a target like a room follows its radiator: first order, exact for any step.
pub fn follow(value: f64, target: f64, seconds: f64, time_constant_s: f64) -> f64 {
    target + (value - target) * (-seconds / time_constant_s).exp()
}

/// The hour of the day in UTC, `0.0..24.0`.
pub fn hour_of_day(time_ms: i64) -> f64 {
    time_ms.rem_euclid(DAY_MS) as f64 / 3_600_000.0
}

/// Is it Saturday or Sunday (UTC)? 1970-01-01 was a Thursday.
pub fn is_weekend(time_ms: i64) -> bool {
    matches!((time_ms.div_euclid(DAY_MS) + 4).rem_euclid(7), 0 | 6)
}

/// A day's swing between -1 and 1, highest at `peak_hour`.
pub fn day_curve(time_ms: i64, peak_hour: f64) -> f64 {
    ((hour_of_day(time_ms) - peak_hour) / 24.0 * std::f64::consts::TAU).cos()
}

/// The share of people who are in: a working day from about 8 to 18 with a dip at noon.
pub fn occupancy(time_ms: i64) -> f64 {
    let hour = hour_of_day(time_ms);
    let rise = 1.0 / (1.0 + (-(hour - 8.3) * 2.2).exp());
    let fall = 1.0 / (1.0 + ((hour - 17.4) * 1.8).exp());
    let lunch = 1.0 - 0.35 * (-((hour - 12.4) / 0.6).powi(2)).exp();
    let week = if is_weekend(time_ms) { 0.08 } else { 1.0 };
    rise * fall * lunch * week
}

/// A door: opens at random, stays open for a while.
#[derive(Debug, Clone)]
pub struct Door {
    opens_at_s: f64,
    shuts_at_s: f64,
    between_s: f64,
    open_for_s: f64,
    clock_s: f64,
}

impl Door {
    /// A door opened every `between_s` seconds on average, for `open_for_s` on average.
    pub fn new(between_s: f64, open_for_s: f64, rng: &mut Rng) -> Self {
        let opens_at_s = rng.exponential(between_s);
        Self { opens_at_s, shuts_at_s: opens_at_s + rng.exponential(open_for_s), between_s, open_for_s, clock_s: 0.0 }
    }

    /// Time goes on; is the door open now?
    pub fn step(&mut self, seconds: f64, rng: &mut Rng) -> bool {
        self.clock_s += seconds;
        while self.clock_s >= self.shuts_at_s {
            self.opens_at_s = self.shuts_at_s + rng.exponential(self.between_s);
            self.shuts_at_s = self.opens_at_s + 3.0 + rng.exponential(self.open_for_s);
        }
        self.clock_s >= self.opens_at_s
    }
}

/// A battery: loses a little each day, and says so in whole percent and in volts.
#[derive(Debug, Clone)]
pub struct Battery {
    percent: f64,
    loss_a_day: f64,
}

impl Battery {
    /// A battery somewhere in its life; one in twenty is nearly empty.
    pub fn new(rng: &mut Rng) -> Self {
        let percent = if rng.chance(0.05) { rng.between(4.0, 15.0) } else { rng.between(35.0, 100.0) };
        Self { percent, loss_a_day: rng.between(0.1, 1.2) }
    }

    /// Drains for `seconds`.
    pub fn step(&mut self, seconds: f64) {
        self.percent = (self.percent - self.loss_a_day * seconds / 86_400.0).max(0.0);
    }

    /// What is left, in percent.
    pub fn percent(&self) -> f64 {
        self.percent
    }

    /// The voltage of a lithium cell at this charge, with a little noise of the meter.
    pub fn volts(&self, rng: &mut Rng) -> f64 {
        2.7 + 0.9 * (self.percent / 100.0).sqrt() + 0.004 * rng.normal()
    }
}
