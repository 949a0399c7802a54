//! What the client is told about updates that are held back.

use std::time::Duration;

use tokio::time::Instant;

use crate::live::meters::Meters;

/// Why updates are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Paused,
    SlowLink,
    ByteLimit,
    RateLimit,
}

/// Tells when holding back begins to matter, and when it is over; each once.
#[derive(Debug)]
pub(crate) struct Pace {
    after: Duration,
    /// What holds now, since when, and at which rate (deltas a second) updates come.
    now: Option<(Held, Instant, f64)>,
    told: Option<Held>,
    counted: Option<Held>,
}

impl Pace {
    pub fn new(after: Duration) -> Self {
        Pace { after, now: None, told: None, counted: None }
    }

    /// Notes what holds updates back at the moment. A rate the client asked for goes on holding between two deltas.
    pub fn note(&mut self, held: Option<(Held, f64)>, own_rates: bool, now: Instant) {
        let Some((held, rate)) = held else {
            let stays = own_rates && matches!(self.now, Some((Held::RateLimit, ..)));
            if !stays {
                (self.now, self.counted) = (None, None);
            }
            return;
        };
        let since = self.now.filter(|(before, ..)| *before == held).map_or(now, |(_, since, _)| since);
        self.now = Some((held, since, rate));
    }

    /// Counts a stretch of holding back once.
    pub fn count(&mut self, held: Held, meters: &Meters) {
        if self.counted == Some(held) {
            return;
        }
        self.counted = Some(held);
        let counter = match held {
            Held::Paused => &meters.held_paused,
            Held::SlowLink => &meters.held_slow_link,
            Held::ByteLimit => &meters.held_byte_limit,
            Held::RateLimit => &meters.held_rate_limit,
        };
        counter.increment(1);
    }

    pub fn is_held(&self) -> bool {
        self.now.is_some()
    }

    /// When there will be something to tell, if nothing changes.
    pub fn due(&self) -> Option<Instant> {
        let (held, since, _) = self.now?;
        (self.told != Some(held)).then(|| since + self.wait(held))
    }

    /// What the client is to be told now: rate and reason.
    pub fn told(&mut self, now: Instant) -> Option<(Option<f64>, &'static str)> {
        match self.now {
            None => self.told.take().map(|_| (None, "full")),
            Some((held, since, rate)) if self.told != Some(held) && now >= since + self.wait(held) => {
                self.told = Some(held);
                Some((Some(rate), held.name()))
            }
            Some(_) => None,
        }
    }

    /// What the client asked for itself is told at once.
    fn wait(&self, held: Held) -> Duration {
        if matches!(held, Held::Paused | Held::RateLimit) { Duration::ZERO } else { self.after }
    }
}

impl Held {
    fn name(self) -> &'static str {
        match self {
            Held::Paused => "paused",
            Held::SlowLink => "slow_link",
            Held::ByteLimit => "byte_limit",
            Held::RateLimit => "rate_limit",
        }
    }
}
