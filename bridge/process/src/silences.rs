//! The longest silences of the last days, by the time of day at which they began: what a device that is quiet by night, or speaks
//! when something happens, may be silent for without anything being wrong.

use serde::{Deserialize, Serialize};

use crate::time::Moment;

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 1_440;
/// Parts of a day of which the longest silences are kept.
const PARTS: usize = 8;
/// Silences of a part.
const KEPT: usize = 2;
/// How long one is remembered, minutes.
const REMEMBERED: i64 = 8 * DAY_MINUTES;
/// How far from the time of day of one another may begin and be like it, minutes: of a device that keeps to its interval, and of one
/// that speaks when something happens.
const NEAR: i64 = 75;
const NEAR_IRREGULAR: i64 = 180;

/// The longest silences, by the part of the day in which they began.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Silences([[Silence; KEPT]; PARTS]);

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Silence {
    /// When it began, in minutes of the time that passes; it wraps around.
    began: u16,
    /// How long it was, minutes; 0: there is none.
    minutes: u16,
}

impl Silence {
    /// How long ago it began, in minutes; less than the 45 days after which `began` comes again.
    fn age(self, now: i64) -> i64 {
        i64::from((now as u16).wrapping_sub(self.began))
    }

    /// What it counts for when another one wants its place: each day a tenth less, so that those that are kept are not
    /// forgotten all at once.
    fn weight(self, now: i64) -> i64 {
        if self.is_remembered(now) { i64::from(self.minutes) * (REMEMBERED * 5 / 4 - self.age(now)).max(0) } else { 0 }
    }

    fn is_remembered(self, now: i64) -> bool {
        self.minutes > 0 && self.age(now) <= REMEMBERED + i64::from(self.minutes)
    }
}

impl Silences {
    /// A silence of `silent_ms` ended at `heard`.
    pub(crate) fn add(&mut self, heard: Moment, silent_ms: i64) {
        let now = minutes(heard);
        self.forget(now);
        // Rounded up: what is usual is never shorter than it was.
        let silent = (silent_ms + MINUTE_MS - 1) / MINUTE_MS;
        let began = now - silent;
        let part = began.rem_euclid(DAY_MINUTES) as usize * PARTS / DAY_MINUTES as usize;
        let newer = Silence { began: began as u16, minutes: u16::try_from(silent).unwrap_or(u16::MAX) };
        let place = self.0[part].iter_mut().min_by_key(|silence| silence.weight(now));
        if let Some(place) = place.filter(|known| known.weight(now) < newer.weight(now)) {
            *place = newer;
        }
    }

    /// Takes away what is past, before its beginning comes again.
    fn forget(&mut self, now: i64) {
        for silence in self.0.iter_mut().flatten().filter(|silence| !silence.is_remembered(now)) {
            *silence = Silence::default();
        }
    }

    /// The second longest of those that began at about this time of day, ms: so long it was silent twice. `interval_ms` is that of its
    /// reports: one that has another report before the time at which the others began is not in them yet. 0: none is known.
    pub(crate) fn usual_ms(&mut self, heard: Moment, interval_ms: i64, is_irregular: bool) -> i64 {
        let now = minutes(heard);
        self.forget(now);
        let early = if is_irregular { NEAR_IRREGULAR } else { interval_ms * 5 / 2 / MINUTE_MS };
        let late = if is_irregular { NEAR_IRREGULAR } else { NEAR };
        let is_alike = |silence: &&Silence| {
            // By how much it began later in the day, from half a day before to half a day after.
            let later = -(silence.age(now) + DAY_MINUTES / 2).rem_euclid(DAY_MINUTES) + DAY_MINUTES / 2;
            silence.is_remembered(now) && (-late..=early).contains(&later)
        };
        let (mut longest, mut second) = (0, 0);
        for silence in self.0.iter().flatten().filter(is_alike) {
            if silence.minutes > longest {
                (longest, second) = (silence.minutes, longest);
            } else {
                second = second.max(silence.minutes);
            }
        }
        i64::from(second) * MINUTE_MS
    }
}

fn minutes(Moment(ms): Moment) -> i64 {
    ms.div_euclid(MINUTE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 60 * MINUTE_MS;

    fn at(day: i64, hour: i64) -> Moment {
        Moment((day * 24 + hour) * HOUR)
    }

    #[test]
    fn what_it_was_silent_for_twice_at_this_time_of_day_is_usual_and_forgotten_after_days() {
        let mut silences = Silences::default();
        let usual = |silences: &Silences, day, hour| silences.clone().usual_ms(at(day, hour), HOUR / 4, false) / HOUR;
        silences.add(at(1, 6), 10 * HOUR);
        assert_eq!(usual(&silences, 1, 20), 0, "once is not twice");
        silences.add(at(2, 6), 10 * HOUR);
        assert_eq!((usual(&silences, 2, 20), usual(&silences, 2, 21)), (10, 10));
        assert_eq!((usual(&silences, 2, 18), usual(&silences, 2, 12), usual(&silences, 3, 6)), (0, 0, 0));
        assert_eq!(silences.usual_ms(at(2, 18), HOUR / 4, true), 10 * HOUR, "of one that is never regular");
        // One long silence, of an outage, is none of its habits.
        silences.add(at(3, 14), 18 * HOUR);
        assert_eq!(usual(&silences, 3, 20), 10);
        assert_eq!((usual(&silences, 9, 20), usual(&silences, 11, 20), usual(&silences, 60, 20)), (10, 0, 0));
    }

    #[test]
    fn what_was_forgotten_does_not_come_again_when_its_number_does() {
        let mut silences = Silences::default();
        silences.add(at(1, 6), 10 * HOUR);
        silences.add(at(2, 6), 10 * HOUR);
        for quarter in 0..100 * 24 * 4 {
            let heard = Moment(at(11, 0).0 + quarter * HOUR / 4);
            assert_eq!(silences.usual_ms(heard, HOUR / 4, true), 0, "after {quarter} quarters of an hour");
        }
    }
}
