//! Which connections wait for the log to be on disk.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tidegate_telemetry::Position;
use tokio::sync::watch;

use crate::sessions::ConnectionHandle;

/// What is on disk, and the connections that wait for more of it.
///
/// A connection that owes an acknowledgement leaves its handle here and is woken with the next commit. So one that owes
/// none, and most are idle most of the time, has nothing to hold for it.
#[derive(Debug)]
pub(crate) struct Commits {
    durable: watch::Receiver<Position>,
    stored: watch::Receiver<u64>,
    waiting: Mutex<Vec<Arc<ConnectionHandle>>>,
    has_ended: AtomicBool,
}

/// What is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OnDisk {
    /// Up to where the log is durable.
    pub durable: Position,
    /// Ticket up to which changes of sessions are stored.
    pub stored: u64,
}

/// The log or the store is gone: nothing reaches a disk any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

impl Commits {
    pub(super) fn new(durable: watch::Receiver<Position>, stored: watch::Receiver<u64>) -> Self {
        Commits { durable, stored, waiting: Mutex::default(), has_ended: AtomicBool::new(false) }
    }

    pub(crate) fn now(&self) -> OnDisk {
        OnDisk { durable: *self.durable.borrow(), stored: *self.stored.borrow() }
    }

    /// Has the connection woken with the next commit after `seen`, which may have been already.
    pub(super) fn wake_after(&self, seen: OnDisk, handle: &Arc<ConnectionHandle>) -> Result<(), Gone> {
        if handle.begin_waiting() {
            self.waiting.lock().push(Arc::clone(handle));
        }
        // A commit after this wakes it; one before it is seen here.
        if self.now() != seen {
            handle.wake();
        }
        if self.has_ended.load(Ordering::Acquire) { Err(Gone) } else { Ok(()) }
    }

    /// Waits until changes of sessions are stored up to the ticket.
    pub(super) async fn stored(&self, ticket: u64) -> Result<(), Gone> {
        self.stored.clone().wait_for(|stored| *stored >= ticket).await.map(drop).map_err(|_| Gone)
    }

    /// Wakes them after each commit; never ends.
    pub(super) async fn follow(&self) {
        let (mut durable, mut stored) = (self.durable.clone(), self.stored.clone());
        loop {
            let followed = tokio::select! {
                biased;
                followed = durable.changed() => followed,
                followed = stored.changed() => followed,
            };
            if followed.is_err() {
                self.has_ended.store(true, Ordering::Release);
            }
            let mut waiting = std::mem::take(&mut *self.waiting.lock());
            for handle in waiting.drain(..) {
                handle.end_waiting();
                handle.wake();
            }
            if followed.is_err() {
                return pending().await;
            }
            let mut those = self.waiting.lock();
            if those.is_empty() {
                // The room of the list is used again.
                *those = waiting;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::poll_fn;

    use super::*;

    fn is_woken(handle: &ConnectionHandle) -> bool {
        poll_fn(|cx| handle.poll_woken(cx)).now_or_never().is_some()
    }

    #[test]
    fn a_connection_is_woken_with_the_next_commit_and_no_other() {
        let (log, store) = (watch::Sender::new(Position(3)), watch::Sender::new(5));
        let commits = Commits::new(log.subscribe(), store.subscribe());
        let (handle, other) = (Arc::new(ConnectionHandle::default()), Arc::new(ConnectionHandle::default()));
        let mut following = Box::pin(commits.follow());
        let mut follow = || assert!(following.as_mut().now_or_never().is_none());
        follow();
        commits.wake_after(commits.now(), &handle).expect("both are there");
        commits.wake_after(commits.now(), &handle).expect("both are there");
        assert!(!is_woken(&handle));
        store.send_replace(6);
        follow();
        assert_eq!((is_woken(&handle), is_woken(&other)), (true, false));
        log.send_replace(Position(4));
        follow();
        assert!(!is_woken(&handle), "it did not wait again");
    }

    #[test]
    fn a_commit_between_looking_and_waiting_is_not_missed() {
        let (log, store) = (watch::Sender::new(Position(3)), watch::Sender::new(5));
        let commits = Commits::new(log.subscribe(), store.subscribe());
        let handle = Arc::new(ConnectionHandle::default());
        let seen = commits.now();
        log.send_replace(Position(4));
        commits.wake_after(seen, &handle).expect("both are there");
        assert!(is_woken(&handle));
    }

    #[test]
    fn those_who_wait_learn_that_nothing_comes_any_more() {
        let (log, store) = (watch::Sender::new(Position(3)), watch::Sender::new(5));
        let commits = Commits::new(log.subscribe(), store.subscribe());
        let handle = Arc::new(ConnectionHandle::default());
        commits.wake_after(commits.now(), &handle).expect("both are there");
        drop(log);
        let mut following = Box::pin(commits.follow());
        assert!(following.as_mut().now_or_never().is_none());
        assert!(is_woken(&handle));
        assert_eq!(commits.wake_after(commits.now(), &handle), Err(Gone));
    }
}
