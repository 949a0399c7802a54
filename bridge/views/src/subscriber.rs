//! Whom to wake, and how urgently.

/// Whom to wake: a number that the caller gives to each session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriberId(pub u32);

/// How urgent a change is; a lane goes out when those above it are empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// At once.
    Alerts,
    /// What became of commands: before all else that the link carries.
    Commands,
    /// What is on the screen.
    Views,
    /// Figures of groups: once a second is enough.
    Aggregates,
}

impl Lane {
    /// Every lane, the most urgent first.
    pub const ALL: [Lane; 4] = [Lane::Alerts, Lane::Commands, Lane::Views, Lane::Aggregates];
}
