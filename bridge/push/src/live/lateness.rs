//! How late deltas go out.

use std::time::Duration;

/// How late a session's deltas go out, on average; what was held back on purpose is not late.
///
/// Where sessions run late, each frame less is time for all of them: then a session's next delta waits a little, and
/// takes along what changes meanwhile. Deltas that waited are on time, so the average falls and the next ones go at once
/// again, until that is late once more.
#[derive(Debug, Default)]
pub(crate) struct Lateness {
    average: Duration,
}

impl Lateness {
    /// Notes how late a delta was; answers whether the session runs later than `limit`.
    pub fn note(&mut self, late: Duration, limit: Duration) -> bool {
        // One late delta of a session that is on time (a flush, a pause of the machine) is none.
        self.average = (self.average * 7 + late.min(limit * 4)) / 8;
        self.average > limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_late_when_its_deltas_are_and_not_for_one_of_them() {
        let (limit, mut lateness) = (Duration::from_millis(10), Lateness::default());
        let mut note = |ms| lateness.note(Duration::from_millis(ms), limit);
        assert!(!note(1) && !note(5_000) && !note(1));
        assert!((0..20).any(|_| note(20)), "it runs late");
        assert!(note(20) && !(0..10).all(|_| note(1)), "and is on time again");
    }
}
