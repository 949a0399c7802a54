//! What the client is told about updates that are held back, of all subscriptions; each says itself that its rate is met.

use std::time::Duration;

use tokio::time::Instant;

use crate::live::meters::Meters;

/// A client says what it saw within this time.
const SEEN_WITHIN: Duration = Duration::from_secs(1);

/// Why updates are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Paused,
    SlowLink,
    /// As much is under way as may be, and the client never said that it saw any.
    Unseen,
    ByteLimit,
}

/// Tells when holding back begins to matter, and when it is over; each once.
#[derive(Debug)]
pub(crate) struct Pace {
    after: Duration,
    /// What holds now, and since when.
    now: Option<(Held, Instant)>,
    told: Option<Held>,
    counted: Option<Held>,
}

impl Pace {
    pub fn new(after: Duration) -> Self {
        Pace { after, now: None, told: None, counted: None }
    }

    /// Notes what holds updates back at the moment.
    pub fn note(&mut self, held: Option<Held>, now: Instant) {
        let before = self.now.filter(|(before, _)| Some(*before) == held);
        self.now = before.or(held.map(|held| (held, now)));
        if held.is_none() {
            self.counted = None;
        }
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
            Held::Unseen => &meters.held_unseen,
            Held::ByteLimit => &meters.held_byte_limit,
        };
        counter.increment(1);
    }

    pub fn is_held(&self) -> bool {
        self.now.is_some()
    }

    /// When there will be something to tell, if nothing changes.
    pub fn due(&self) -> Option<Instant> {
        let (held, since) = self.now?;
        (self.told != Some(held)).then(|| since + self.wait(held))
    }

    /// What the client is to be told now: rate and reason.
    pub fn told(&mut self, now: Instant) -> Option<(Option<f64>, &'static str)> {
        match self.now {
            None => self.told.take().map(|_| (None, "full")),
            Some((held, since)) if self.told != Some(held) && now >= since + self.wait(held) => {
                self.told = Some(held);
                Some((Some(0.0), held.name()))
            }
            Some(_) => None,
        }
    }

    /// What the client asked for itself is told at once.
    fn wait(&self, held: Held) -> Duration {
        match held {
            Held::Paused => Duration::ZERO,
            Held::Unseen => self.after + SEEN_WITHIN,
            Held::SlowLink | Held::ByteLimit => self.after,
        }
    }
}

impl Held {
    fn name(self) -> &'static str {
        match self {
            Held::Paused => "paused",
            Held::SlowLink => "slow_link",
            Held::Unseen => "unseen",
            Held::ByteLimit => "byte_limit",
        }
    }
}
