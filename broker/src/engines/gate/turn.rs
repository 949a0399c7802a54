//! How much one connection does before others have their turn.

/// What a connection's task does before others have theirs, in steps of a few microseconds at most: a publication, a
/// delivery, a filter, a look among the retained messages. When they are used up the task yields, whatever it still
/// has to do. So who asks for much waits for it, and nobody else does.
#[derive(Debug)]
pub(super) struct Turn(usize);

/// About a millisecond's. Few in the unit tests, so that turns end where they hurt.
const STEPS: usize = if cfg!(test) { 5 } else { 512 };

impl Turn {
    pub(super) const fn new() -> Turn {
        Turn(STEPS)
    }

    pub(super) fn is_over(&self) -> bool {
        self.0 == 0
    }

    /// Steps that are left.
    pub(super) fn left(&self) -> usize {
        self.0
    }

    /// What was begun is finished, so more may be spent than was left.
    pub(super) fn spend(&mut self, steps: usize) {
        self.0 = self.0.saturating_sub(steps);
    }
}
