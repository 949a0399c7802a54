//! The queue between the pipeline and one sink.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tidegate_follow::Changes;
use tidegate_telemetry::Position;

/// Bounded: one that is full is shut, and what comes then has to be had from elsewhere.
pub struct Tap {
    state: Mutex<State>,
    wake: Condvar,
    changes_max: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<Changes>>,
    changes: usize,
    /// What comes is put into the queue.
    is_open: bool,
    is_closed: bool,
    /// The last entry that came by, whether it was put into the queue or not.
    passed: Position,
}

/// What a sink finds in its queue.
pub enum Next {
    /// A batch.
    Changes(Arc<Changes>),
    /// Nothing came in time.
    Nothing,
    /// The queue was full, and all that was in it was taken.
    Behind,
    /// Nothing will come any more.
    Closed,
}

impl Tap {
    /// A queue of so many changes, shut.
    pub fn new(changes_max: usize) -> Tap {
        Tap { state: Mutex::default(), wake: Condvar::new(), changes_max }
    }

    pub fn is_open(&self) -> bool {
        self.state.lock().is_open
    }

    /// Entries up to this one come by and are not put into the queue.
    pub fn pass(&self, position: Position) {
        self.state.lock().passed = position;
    }

    /// Puts in what entries up to `last` changed, if the queue is open; `false`: it was full, and is shut now.
    pub fn hand(&self, changes: &Arc<Changes>, last: Position) -> bool {
        let mut state = self.state.lock();
        state.passed = last;
        if !state.is_open {
            return true;
        }
        let weight = changes.len().max(1);
        if state.changes + weight > self.changes_max && !state.queue.is_empty() {
            state.is_open = false;
            return false;
        }
        state.changes += weight;
        state.queue.push_back(Arc::clone(changes));
        drop(state);
        self.wake.notify_one();
        true
    }

    /// The last entry that came by.
    pub fn passed(&self) -> Position {
        self.state.lock().passed
    }

    /// Empties and opens it: what comes after the entry that is returned is put in from now on.
    pub fn open(&self) -> Position {
        let mut state = self.state.lock();
        state.queue.clear();
        state.changes = 0;
        state.is_open = true;
        state.passed
    }

    /// Waits for a batch.
    pub fn next(&self, wait: Duration) -> Next {
        let mut state = self.state.lock();
        if state.queue.is_empty() && state.is_open && !state.is_closed {
            self.wake.wait_for(&mut state, wait);
        }
        match state.queue.pop_front() {
            Some(changes) => {
                state.changes -= changes.len().max(1);
                Next::Changes(changes)
            }
            None if state.is_closed => Next::Closed,
            None if !state.is_open => Next::Behind,
            None => Next::Nothing,
        }
    }

    /// Waits, or until it is closed.
    pub fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut state = self.state.lock();
        while !state.is_closed && !self.wake.wait_until(&mut state, until).timed_out() {}
    }

    pub fn close(&self) {
        self.state.lock().is_closed = true;
        self.wake.notify_all();
    }

    pub fn is_closed(&self) -> bool {
        self.state.lock().is_closed
    }
}

#[cfg(test)]
mod tests {
    use tidegate_follow::Followed;
    use tidegate_telemetry::{Change, DeviceIndex};

    use super::*;

    fn batch(position: u64, changes: u32) -> Arc<Changes> {
        let removed = |number| Change::Removed { device: DeviceIndex(number) };
        let at = Followed { position: Position(position), received_ms: 0 };
        Arc::new(Changes::at(at, (0..changes).map(removed).collect()))
    }

    #[test]
    fn a_full_queue_is_shut_and_gives_what_it_has_and_begins_where_it_is_opened_again() {
        let tap = Tap::new(10);
        assert!(tap.hand(&batch(1, 4), Position(1)), "it is shut, nobody is behind");
        assert_eq!(tap.open(), Position(1));
        assert!(tap.hand(&batch(2, 40), Position(2)), "a batch that is larger than all of it goes alone");
        assert!(!tap.hand(&batch(3, 1), Position(3)));
        assert!(tap.hand(&batch(4, 1), Position(4)), "that is told once");
        let next = || match tap.next(Duration::ZERO) {
            Next::Changes(changes) => changes.last().map(|last| last.position.0),
            Next::Behind => Some(0),
            Next::Nothing | Next::Closed => None,
        };
        assert_eq!((next(), next()), (Some(2), Some(0)));
        assert_eq!(tap.open(), Position(4));
        assert_eq!(next(), None, "nothing came yet");
    }
}
