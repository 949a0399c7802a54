//! What ages are measured to, for everything in history that is deleted by its age.
//!
//! Not to the time itself: a clock that was wrong for a moment would delete what is left of years. Only running time in
//! which the clock was confirmed makes anything older, a bounded number of times as fast, so that the time that a program
//! was down, or a clock was behind, is made up for (docs/decisions/0001-a-clock-is-not-believed-at-once.md).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_store::{Aged, Store};
use tidegate_telemetry::{Owner, Problem, ProblemSink, Reason, UNSET_BEFORE_MS};

use crate::clock;

/// Points so much later than now are of a clock that was wrong: a device's own time may be a little ahead, ms.
const AHEAD_MS: i64 = 3_600_000;

/// How old history is, for the thread that deletes of it.
pub struct Ages {
    aged: Aged,
    /// Confirmed running time of this run that is in it, ms.
    confirmed_ms: i64,
    rate_max: i64,
    problems: Arc<dyn ProblemSink>,
    figures: Arc<AgeFigures>,
}

/// What of it is shown.
#[derive(Debug, Default)]
pub struct AgeFigures {
    points_ahead: AtomicU64,
}

impl AgeFigures {
    /// Points of history that are stamped later than now.
    pub fn points_ahead(&self) -> u64 {
        self.points_ahead.load(Ordering::Relaxed)
    }
}

impl Ages {
    /// Goes on where the store was, at `now_ms`; where nobody has measured yet: where its newest reading is, and without
    /// one nothing is old until a clock is confirmed. `trusted`: a person says that now is right.
    pub fn begin(
        store: &Store,
        (now_ms, trusted): (i64, bool),
        rate_max: u32,
        problems: Arc<dyn ProblemSink>,
        figures: Arc<AgeFigures>,
    ) -> Ages {
        let aged = if trusted {
            Aged { to_ms: now_ms, surely_ms: Some(now_ms) }
        } else {
            let begun = || Aged { to_ms: store.newest_ms().unwrap_or(0), surely_ms: None };
            let known = store.aged().unwrap_or_else(begun);
            Aged { to_ms: known.to_ms.min(now_ms), ..known }
        };
        store.age_to(aged);
        Ages { aged, confirmed_ms: 0, rate_max: rate_max.into(), problems, figures }
    }

    /// Tells the store how old it is, and people what of it is stamped later than now.
    pub fn tell(&mut self, store: &Store, now_ms: i64) {
        store.age_to(self.advance(now_ms, clock::state().confirmed_ms));
        let ahead = store.points_after(now_ms.saturating_add(AHEAD_MS));
        if ahead > self.figures.points_ahead.swap(ahead, Ordering::Relaxed) {
            self.report(now_ms, ahead);
        }
    }

    /// It is `now_ms`, and the clock was confirmed for `confirmed_ms` of this run.
    fn advance(&mut self, now_ms: i64, confirmed_ms: i64) -> Aged {
        let passed_ms = confirmed_ms - std::mem::replace(&mut self.confirmed_ms, confirmed_ms);
        let mut to_ms = self.aged.to_ms.saturating_add(passed_ms.saturating_mul(self.rate_max));
        if passed_ms > 0 && to_ms < UNSET_BEFORE_MS {
            // It has begun at nothing, or on a clock that nobody had set.
            to_ms = now_ms;
        }
        self.aged.to_ms = to_ms.min(now_ms);
        if passed_ms > 0 {
            self.aged.surely_ms = Some(self.aged.to_ms);
        }
        self.aged
    }

    fn report(&self, now_ms: i64, ahead: u64) {
        let detail = format!(
            "{ahead} values in history are stamped later than now, by a clock that was wrong: they are shown at the time \
             they are stamped with, and kept"
        );
        tracing::warn!("{detail}");
        self.problems.report(problem(detail, now_ms));
    }
}

/// Something is wrong with the time.
pub fn problem(detail: String, received_ms: i64) -> Problem {
    let (topic, client) = ("the clock".into(), "".into());
    Problem {
        reason: Reason::ClockSet,
        detail,
        topic,
        client,
        owner: Owner::Unknown,
        received_ms,
        payload: Vec::new().into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tidegate_store::StoreConfig;

    use super::*;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    const NOW: i64 = UNSET_BEFORE_MS + 1_000 * DAY;

    struct Nobody;

    impl ProblemSink for Nobody {
        fn report(&self, _: Problem) {}
    }

    /// A store whose ages were measured to `to_ms` before.
    fn store(to_ms: Option<i64>) -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let config = StoreConfig { directory: directory.path().to_owned(), ..StoreConfig::default() };
        if let Some(to_ms) = to_ms {
            let earlier = Store::open(config.clone()).unwrap();
            earlier.age_to(Aged { to_ms, surely_ms: Some(to_ms) });
            earlier.maintain(to_ms).unwrap();
        }
        (directory, Store::open(config).unwrap())
    }

    fn begun(to_ms: Option<i64>, now_ms: i64, trusted: bool) -> Ages {
        Ages::begin(&store(to_ms).1, (now_ms, trusted), 10, Arc::new(Nobody), Arc::default())
    }

    #[test]
    fn a_clock_that_is_not_confirmed_makes_nothing_older_however_far_it_leaps() {
        let mut ages = begun(Some(NOW), NOW + 3_650 * DAY, false);
        assert_eq!(ages.advance(NOW + 3_651 * DAY, 0).to_ms, NOW);
    }

    #[test]
    fn what_was_missed_is_made_up_for_a_bounded_number_of_times_as_fast_and_never_beyond_now() {
        let mut ages = begun(Some(NOW), NOW + 2 * DAY, false);
        assert_eq!(ages.advance(NOW + 2 * DAY, HOUR).to_ms, NOW + 10 * HOUR);
        assert_eq!(ages.advance(NOW + 2 * DAY, HOUR).to_ms, NOW + 10 * HOUR, "no time passed");
        let aged = ages.advance(NOW + 2 * DAY, 10 * HOUR);
        assert_eq!(aged, Aged { to_ms: NOW + 2 * DAY, surely_ms: Some(NOW + 2 * DAY) });
    }

    #[test]
    fn a_clock_that_is_set_back_is_not_waited_for() {
        let mut ages = begun(Some(NOW), NOW, false);
        assert_eq!(ages.advance(NOW - 3 * DAY, 0).to_ms, NOW - 3 * DAY);
    }

    #[test]
    fn in_a_new_store_nothing_is_old_until_the_clock_is_confirmed() {
        for first_boot_ms in [HOUR, NOW + 4_000 * DAY] {
            let mut ages = begun(None, first_boot_ms, false);
            assert_eq!(
                ages.advance(NOW, 0),
                Aged { to_ms: 0, surely_ms: None },
                "what was stamped then is kept for now"
            );
            assert_eq!(ages.advance(NOW, 1), Aged { to_ms: NOW, surely_ms: Some(NOW) });
        }
    }

    #[test]
    fn a_person_may_say_that_the_clock_is_right() {
        let ages = begun(Some(NOW), NOW + 500 * DAY, true);
        assert_eq!(ages.aged, Aged { to_ms: NOW + 500 * DAY, surely_ms: Some(NOW + 500 * DAY) });
    }
}
