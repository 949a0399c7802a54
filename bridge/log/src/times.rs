//! When entries count as received, and how much time had passed then. The one place here where the clock is set.

use std::time::{Duration, Instant};

use tidegate_telemetry::{Entry, LogEntry};

/// How long after the clock was set back an entry may come that was stamped before.
const STAMPED_BEFORE_MAX: Duration = Duration::from_secs(60);

/// The times of the newest entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Last {
    /// When it was received, Unix ms.
    pub(crate) received_ms: i64,
    /// By how much that is ahead of the time that has passed, ms.
    pub(crate) ahead_ms: i64,
}

impl Last {
    /// Before the first entry of a log, which goes on from one that was so far ahead.
    pub(crate) const fn none(ahead_ms: i64) -> Last {
        Last { received_ms: i64::MIN, ahead_ms }
    }

    pub(crate) fn of(entry: &LogEntry) -> Last {
        Last { received_ms: entry.received_ms(), ahead_ms: entry.ahead_ms() }
    }
}

/// Gives entries their times, in order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    received_ms: i64,
    elapsed_ms: i64,
    /// What the clock was set by since the log was begun, ms.
    set_by_ms: i64,
    set_back: Option<SetBack>,
}

/// The clock was set back just now.
#[derive(Debug, Clone, Copy)]
struct SetBack {
    when: Instant,
    /// Halfway between the two times, Unix ms: what is stamped after it was stamped by the time before.
    halfway_ms: i64,
}

impl Times {
    /// Goes on after an entry.
    pub(crate) fn after(Last { received_ms, ahead_ms }: Last) -> Times {
        let elapsed_ms = received_ms.saturating_sub(ahead_ms);
        Times { received_ms, elapsed_ms, set_by_ms: ahead_ms, set_back: None }
    }

    /// What the clock was set by since the log was begun, ms.
    pub(crate) fn set_by_ms(&self) -> i64 {
        self.set_by_ms
    }

    /// Those of the newest entry.
    pub(crate) fn last(&self) -> Last {
        Last { received_ms: self.received_ms, ahead_ms: self.received_ms.saturating_sub(self.elapsed_ms) }
    }

    /// The entry comes next.
    pub(crate) fn stamp(&mut self, mut entry: Entry) -> LogEntry {
        if let Entry::ClockSet { by_ms, .. } = entry {
            self.set_by_ms = self.set_by_ms.saturating_add(by_ms);
        }
        self.received_ms = self.received_after(&entry);
        self.elapsed_ms = self.elapsed_ms.max(self.received_ms.saturating_sub(self.set_by_ms));
        entry.set_received_ms(self.received_ms);
        LogEntry::new(entry, self.elapsed_ms)
    }

    /// When an entry counts as received: not before the one before it, unless it says that the clock was set back. Who stamped
    /// an entry just before that may append it just after: it counts as received then.
    fn received_after(&mut self, entry: &Entry) -> i64 {
        let (received_ms, before_ms) = (entry.received_ms(), self.received_ms);
        if let Entry::ClockSet { at_ms, by_ms } = *entry {
            let back = SetBack { when: Instant::now(), halfway_ms: at_ms.saturating_sub(by_ms / 2) };
            self.set_back = (by_ms < 0).then_some(back);
            return if by_ms < 0 { at_ms } else { at_ms.max(before_ms) };
        }
        match self.set_back {
            Some(back) if back.when.elapsed() > STAMPED_BEFORE_MAX => self.set_back = None,
            Some(back) if received_ms > back.halfway_ms => return before_ms,
            _ => {}
        }
        received_ms.max(before_ms)
    }
}
