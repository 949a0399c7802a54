//! Time, as entries bring it.
//!
//! What waits and what has an age is measured in time that passed: a [`Moment`]. People are shown Unix ms, by the clock as it
//! is set now. That it was set is of no concern to whoever has a moment; what stands as shown is put right in `clock_set`.

use serde::{Deserialize, Serialize};
use tidegate_telemetry::{Elapsed, Entry, LogEntry};

/// Times at which the clock was set back that are kept apart; of more the oldest two become one.
const SET_BACKS_MAX: usize = 16;

/// A point of the time that passes, ms: Unix ms as if the clock had never been set since the first entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub(crate) struct Moment(pub(crate) i64);

impl Moment {
    /// Before everything.
    pub(crate) const START: Moment = Moment(i64::MIN);

    /// So many ms later.
    #[must_use]
    pub(crate) const fn plus(self, ms: i64) -> Moment {
        Moment(self.0.saturating_add(ms))
    }

    /// So many ms earlier.
    #[must_use]
    pub(crate) const fn minus(self, ms: i64) -> Moment {
        Moment(self.0.saturating_sub(ms))
    }

    /// How long it is after another, ms.
    pub(crate) const fn since(self, earlier: Moment) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What time it is, by the last entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Time {
    /// Received time of the last entry, Unix ms.
    now_ms: i64,
    /// That, in time that passed. `None` in checkpoints of programs that did not count it: until then all times were moved
    /// when the clock was set, so they are as if it never had been.
    #[serde(default)]
    moment: Option<Moment>,
    #[serde(default)]
    elapsed: Option<Elapsed>,
    /// When the clock was set back, and to what (Unix ms).
    #[serde(default)]
    set_backs: Vec<(Moment, i64)>,
    /// The latest that the clock ever stood at, Unix ms; in checkpoints of before: 0.
    #[serde(default)]
    latest_ms: i64,
}

impl Time {
    /// Before the first entry.
    pub(crate) const fn new() -> Time {
        Time { now_ms: i64::MIN, moment: None, elapsed: None, set_backs: Vec::new(), latest_ms: 0 }
    }

    /// After an entry that was received at `now_ms` (Unix ms), when the clock was never set.
    pub(crate) fn after(now_ms: i64) -> Time {
        Time { now_ms, ..Time::new() }
    }

    /// Received time of the last entry, Unix ms.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The latest that the clock ever stood at, before it was set back too, Unix ms.
    pub(crate) fn latest_ms(&self) -> i64 {
        self.latest_ms.max(self.now_ms)
    }

    /// The moment of the last entry.
    pub(crate) fn moment(&self) -> Moment {
        self.moment.unwrap_or(Moment(self.now_ms))
    }

    /// A moment as the clock shows it that is set as it is now, Unix ms.
    pub(crate) fn shown_ms(&self, moment: Moment) -> i64 {
        moment.0.saturating_add(self.ahead_ms())
    }

    /// The moment that is shown as `unix_ms`.
    pub(crate) fn moment_at(&self, unix_ms: i64) -> Moment {
        Moment(unix_ms.saturating_sub(self.ahead_ms()))
    }

    /// By how much the clock is ahead of the time that passed, ms.
    pub(crate) fn ahead_ms(&self) -> i64 {
        self.now_ms.saturating_sub(self.moment().0)
    }

    /// Time passes up to an entry. Where with it the clock is set, it is not yet.
    pub(crate) fn pass(&mut self, entry: &LogEntry) {
        let set_by_ms = if let Entry::ClockSet { by_ms, .. } = entry.entry { by_ms } else { 0 };
        let received_ms = entry.received_ms().saturating_sub(set_by_ms);
        if self.now_ms == i64::MIN {
            self.moment = Some(Moment(received_ms));
        }
        let moment = self.moment();
        let elapsed = self.elapsed.get_or_insert_with(|| match self.now_ms {
            i64::MIN => Elapsed::default(),
            now_ms => Elapsed::after(now_ms),
        });
        self.moment = Some(moment.plus(elapsed.pass(entry)));
        self.now_ms = self.now_ms.max(received_ms);
    }

    /// From now on the clock is set to `at_ms` (Unix ms).
    pub(crate) fn set(&mut self, at_ms: i64, by_ms: i64) {
        let moment = self.moment();
        self.moment = Some(moment);
        if by_ms >= 0 {
            self.now_ms = self.now_ms.max(at_ms);
            return;
        }
        self.latest_ms = self.latest_ms();
        self.now_ms = at_ms;
        self.set_backs.push((moment, at_ms));
        if self.set_backs.len() > SET_BACKS_MAX {
            let (_, oldest_ms) = self.set_backs.remove(0);
            self.set_backs[0].1 = self.set_backs[0].1.min(oldest_ms);
        }
    }

    /// The earliest time to which the clock was set back since `moment`, Unix ms: what is stamped later may have been so by
    /// the time before.
    pub(crate) fn set_back_since(&self, moment: Moment) -> Option<i64> {
        let since = self.set_backs.iter().rev().take_while(|(set, _)| *set >= moment);
        since.map(|(_, at_ms)| *at_ms).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(time: &mut Time, entry: Entry) {
        time.pass(&entry.clone().into());
        if let Entry::ClockSet { at_ms, by_ms } = entry {
            time.set(at_ms, by_ms);
        }
    }

    #[test]
    fn a_moment_is_shown_by_the_clock_as_it_is_set() {
        let mut time = Time::new();
        pass(&mut time, Entry::Tick(1_000));
        let first = time.moment();
        pass(&mut time, Entry::ClockSet { at_ms: 9_000, by_ms: 6_000 });
        assert_eq!((time.now_ms(), time.shown_ms(first), time.moment().since(first)), (9_000, 7_000, 2_000));
        pass(&mut time, Entry::Tick(9_500));
        pass(&mut time, Entry::ClockSet { at_ms: 500, by_ms: -9_500 });
        assert_eq!((time.now_ms(), time.shown_ms(first), time.moment().since(first)), (500, -2_500, 3_000));
        assert_eq!(time.moment_at(time.shown_ms(first)), first);
    }

    #[test]
    fn a_checkpoint_of_before_time_was_counted_goes_on_from_the_time_it_has() {
        let mut time = Time::after(5_000);
        assert_eq!(time.moment(), Moment(5_000));
        pass(&mut time, Entry::ClockSet { at_ms: 9_000, by_ms: 3_000 });
        assert_eq!((time.moment(), time.shown_ms(Moment(4_000))), (Moment(6_000), 7_000));
    }

    #[test]
    fn who_was_not_heard_since_the_clock_was_set_back_finds_the_earliest_time_it_was_set_to() {
        let mut time = Time::after(100_000);
        pass(&mut time, Entry::ClockSet { at_ms: 50_000, by_ms: -60_000 });
        let between = time.moment().plus(1);
        pass(&mut time, Entry::Tick(60_000));
        pass(&mut time, Entry::ClockSet { at_ms: 55_000, by_ms: -10_000 });
        assert_eq!(time.set_back_since(Moment(100_000)), Some(50_000));
        assert_eq!((time.set_back_since(between), time.set_back_since(time.moment().plus(1))), (Some(55_000), None));
        for _ in 0..1_000 {
            pass(&mut time, Entry::ClockSet { at_ms: 54_000, by_ms: -2_000 });
        }
        assert_eq!((time.set_backs.len(), time.set_back_since(Moment(100_000))), (SET_BACKS_MAX, Some(50_000)));
    }
}
