use std::collections::HashMap;
use std::time::{Duration, Instant};

use tidegate_telemetry::clients::{ClientRates, ClientTotals};

/// Looks at the counters of those that somebody asks about; nobody else costs anything. A rate is over the last 5 to
/// 10 s while somebody asks every few seconds.
#[derive(Default)]
pub(crate) struct Samples {
    /// By number of the connection.
    taken: HashMap<u64, Taken>,
    cleared: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Taken {
    older: (Instant, ClientTotals),
    newer: (Instant, ClientTotals),
}

/// A rate is over no less.
pub(crate) const SPAN_MIN: Duration = Duration::from_secs(1);

/// How old a look becomes before the next one takes its place.
const STEP: Duration = Duration::from_secs(5);

/// A look that is older says nothing about now.
const FRESH: Duration = Duration::from_secs(30);

impl Samples {
    /// The rates of a connection of that age whose counters stand at `totals` now; `None` when it has to be looked at
    /// again, in [`SPAN_MIN`].
    pub(crate) fn rates(
        &mut self,
        number: u64,
        age: Duration,
        totals: ClientTotals,
        now: Instant,
    ) -> Option<ClientRates> {
        self.clear(now);
        // A young connection is known from its beginning.
        let began = now.checked_sub(age).filter(|_| age <= FRESH).map(|at| (at, ClientTotals::default()));
        let first = Taken { older: began.unwrap_or((now, totals)), newer: (now, totals) };
        let taken = self.taken.entry(number).or_insert(first);
        if now.duration_since(taken.newer.0) > FRESH {
            *taken = first;
        }
        let (then, before) = taken.older;
        let span = now.duration_since(then);
        if now.duration_since(taken.newer.0) >= STEP {
            *taken = Taken { older: taken.newer, newer: (now, totals) };
        }
        (span >= SPAN_MIN).then(|| {
            let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / span.as_secs_f64();
            ClientRates {
                publications_per_second: rate(totals.publications, before.publications),
                bytes_per_second: rate(totals.publication_bytes, before.publication_bytes),
                deliveries_per_second: rate(totals.deliveries, before.deliveries),
            }
        })
    }

    /// Forgets those that nobody asks about any more.
    fn clear(&mut self, now: Instant) {
        let cleared = *self.cleared.get_or_insert(now);
        if now.duration_since(cleared) > FRESH {
            self.cleared = Some(now);
            self.taken.retain(|_, taken| now.duration_since(taken.newer.0) <= FRESH);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(publications: u64) -> ClientTotals {
        ClientTotals { publications, publication_bytes: 100 * publications, deliveries: 0 }
    }

    #[test]
    fn a_rate_is_over_the_last_seconds_and_forgets_what_was_long_ago() {
        let (mut samples, start) = (Samples::default(), Instant::now());
        let mut at = |s: u64, count| samples.rates(7, FRESH * 2, totals(count), start + Duration::from_secs(s));
        assert_eq!(at(0, 1_000_000), None);
        let rates = at(1, 1_000_010).expect("a second later there is one");
        assert!((rates.publications_per_second - 10.0).abs() < 1e-9 && (rates.bytes_per_second - 1000.0).abs() < 1e-9);
        for s in 2..=20 {
            assert!(at(s, 1_000_010).is_some());
        }
        assert_eq!(at(21, 1_000_010).map(|rates| rates.publications_per_second), Some(0.0));
        assert_eq!(at(100, 2_000_000), None, "nobody looked for a while");
        assert_eq!(at(101, 2_000_001).map(|rates| rates.publications_per_second), Some(1.0));
    }

    #[test]
    fn a_young_connection_has_a_rate_at_the_first_look() {
        let (mut samples, now) = (Samples::default(), Instant::now());
        let rates = samples.rates(7, Duration::from_secs(2), totals(10), now);
        assert_eq!(rates.map(|rates| rates.publications_per_second), Some(5.0));
        assert_eq!(samples.rates(8, Duration::from_millis(10), totals(10), now), None);
    }

    #[test]
    fn who_is_not_asked_about_is_forgotten() {
        let (mut samples, start) = (Samples::default(), Instant::now());
        for number in 0..100 {
            samples.rates(number, FRESH * 2, totals(0), start);
        }
        samples.rates(1000, FRESH * 2, totals(0), start + FRESH * 2);
        assert_eq!(samples.taken.len(), 1);
    }
}
