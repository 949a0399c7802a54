//! The views behind a lock, and the sessions that are woken when something in them changes.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::RwLock;
use tidegate_follow::{Changes, Flushing, Followed, Follower, Refused};
use tidegate_telemetry::{Change, Numbered, Position};
use tidegate_views::{Epoch, Lane, SubscriberId, Subscription, ViewError, Views, ViewsConfig};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::archive::HistoryTurns;
use crate::live::config::LiveConfig;
use crate::live::meters::Meters;
use crate::live::pieces::{Piece, Pieces};
use crate::live::waker::Waker;

/// The state that viewers see, and the sessions that wait for its changes.
///
/// One thread applies changes; sessions take the read lock only to build a frame. Nothing is queued for a session: it is
/// woken, and looks.
#[derive(Debug)]
pub struct Hub {
    state: RwLock<State>,
    pub(crate) config: LiveConfig,
    clock: fn() -> i64,
    pub(crate) meters: Meters,
    /// At what history is asked for by sessions.
    pub(crate) turns: HistoryTurns,
    pub(crate) tasks: TaskTracker,
    /// Cancelled when sessions are told to go.
    pub(crate) closing: CancellationToken,
    /// Cancelled when sessions that are still writing must end.
    pub(crate) closed: CancellationToken,
    /// There are charts with buckets to be read again.
    pub(crate) uncertain: Notify,
    /// The task that reads them runs.
    pub(crate) refreshes_charts: AtomicBool,
    sessions: AtomicUsize,
    sessions_begun: AtomicU64,
}

/// Everything behind the lock.
#[derive(Debug)]
pub(crate) struct State {
    pub views: Views,
    wakers: Numbered<Arc<Waker>>,
}

/// Sessions that a change of the state concerns.
pub(crate) struct Marks<'a> {
    wakers: &'a Numbered<Arc<Waker>>,
    woken: Vec<Arc<Waker>>,
}

impl Marks<'_> {
    /// Marks a lane of a session for what was received at a time, Unix ms.
    pub fn mark(&mut self, SubscriberId(index): SubscriberId, lane: Lane, received_ms: i64) {
        if let Some(waker) = self.wakers.get(index)
            && waker.mark(lane, received_ms)
        {
            self.woken.push(Arc::clone(waker));
        }
    }
}

impl Hub {
    /// An empty state in a new epoch. `clock` tells Unix ms; it is the one that stamps the entries of the log, since what is
    /// asked for "until now" has to have the newest of them in it.
    #[must_use]
    pub fn new(views: ViewsConfig, config: LiveConfig, clock: fn() -> i64) -> Self {
        let now_ms = clock();
        let epoch = Epoch::begun(RandomState::new().hash_one(now_ms), now_ms);
        let state = State { views: Views::new(epoch, views), wakers: Numbered::default() };
        Hub {
            state: RwLock::new(state),
            // A session has a question a line of its charts at most, and these are rows: `live.rows_max` bounds them.
            turns: HistoryTurns::new("live", config.history_concurrency, config.rows_max),
            config,
            clock,
            meters: Meters::new(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            closed: CancellationToken::new(),
            uncertain: Notify::new(),
            refreshes_charts: AtomicBool::new(false),
            sessions: AtomicUsize::new(0),
            sessions_begun: AtomicU64::new(0),
        }
    }

    /// Applies what one entry changed, and wakes whom that concerns.
    pub fn apply(&self, position: Position, received_ms: i64, changes: &[Change]) {
        self.apply_all(std::iter::once((position, received_ms, changes)));
    }

    /// Applies what a batch of entries changed, each at its own position and Unix ms of receipt. History that is read
    /// meanwhile must count entries the same way.
    ///
    /// The state is locked for about `changes_per_lock_max` changes at a time: sessions look in between.
    pub fn apply_all<'a>(&self, entries: impl IntoIterator<Item = (Position, i64, &'a [Change])>) {
        for piece in Pieces::new(entries.into_iter(), self.config.changes_per_lock_max) {
            self.change(|views, marks| match piece {
                Piece::Entries(entries) => {
                    for (position, received_ms, changes) in entries {
                        let mut mark = |subscriber, lane| marks.mark(subscriber, lane, received_ms);
                        views.apply(position, received_ms, changes, &mut mark);
                    }
                }
                Piece::Figures(position, changes) => views.apply_figures(position, changes),
            });
        }
    }

    /// Changes the state, and wakes the sessions that are marked.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Views, &mut Marks<'_>) -> T) -> T {
        let mut state = self.state.write();
        let State { views, wakers, .. } = &mut *state;
        let mut marks = Marks { wakers, woken: Vec::new() };
        let changed = change(views, &mut marks);
        let woken = marks.woken;
        if views.uncertain_charts() > 0 {
            self.uncertain.notify_one();
        }
        self.meters.cleared_alerts_crowded_out.absolute(views.alerts_crowded_out());
        drop(state);
        for waker in woken {
            waker.wake();
        }
        changed
    }

    /// The time, Unix ms.
    pub(crate) fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// Looks at the state. Do not wait inside.
    pub fn read<T>(&self, look: impl FnOnce(&Views) -> T) -> T {
        look(&self.state.read().views)
    }

    /// Live sessions open.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Devices known.
    #[must_use]
    pub fn devices(&self) -> usize {
        self.read(Views::devices_count)
    }

    /// Tells every session to go, with a spread over `live.reconnect_spread`, and takes no new ones.
    pub fn goaway(&self) {
        self.closing.cancel();
        let wakers: Vec<_> = self.state.read().wakers.iter().map(|(_, waker)| Arc::clone(waker)).collect();
        wakers.iter().for_each(|waker| waker.wake());
        self.tasks.close();
    }

    /// Waits until every session has ended, after [`Hub::goaway`]; those that cannot be told within
    /// `live.goaway_timeout` are cut off.
    pub async fn drained(&self) {
        let timeout = self.config.goaway_timeout;
        if tokio::time::timeout(timeout, self.tasks.wait()).await.is_err() {
            self.closed.cancel();
            self.tasks.wait().await;
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Changes the state and wakes nobody: for who opens, reads and closes views without a session.
    pub fn write<T>(&self, change: impl FnOnce(&mut Views) -> T) -> T {
        self.change(|views, _| change(views))
    }

    /// Ends a subscription, some rows at a time: others get between.
    pub(crate) fn close(&self, subscription: Subscription) {
        let mut rest = Some(subscription);
        while let Some(subscription) = rest {
            rest = self.write(|views| views.close_some(subscription));
        }
    }

    /// Whether each name of a list fits one device at most, some names at a time.
    pub(crate) fn check_names(&self, names: &[String]) -> Result<(), ViewError> {
        let some = self.read(Views::rows_per_lock);
        names.chunks(some).try_for_each(|names| self.read(|views| views.check_names(names)))
    }

    /// Takes a session in; `None` when the server is full or closing.
    pub(crate) fn enter(&self) -> Option<Entered> {
        if self.is_closing() {
            return None;
        }
        let taken = self.sessions.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |open| {
            (open < self.config.sessions_max).then_some(open + 1)
        });
        taken.ok()?;
        let waker = Arc::new(Waker::default());
        let mut state = self.state.write();
        let index = state.wakers.insert(Arc::clone(&waker));
        self.meters.sessions.increment(1.0);
        let number = self.sessions_begun.fetch_add(1, Ordering::Relaxed) + 1;
        Some(Entered { subscriber: SubscriberId(index), waker, number })
    }

    /// Wake-ups of all sessions.
    #[cfg(test)]
    pub(crate) fn wakes(&self) -> usize {
        self.state.read().wakers.iter().map(|(_, waker)| waker.wakes.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn leave(&self, SubscriberId(index): SubscriberId) {
        let mut state = self.state.write();
        if state.wakers.remove(index).is_some() {
            self.sessions.fetch_sub(1, Ordering::SeqCst);
            self.meters.sessions.decrement(1.0);
        }
    }
}

/// The views follow the changes of the fleet: from the state on, whatever happened before.
#[derive(Debug)]
pub struct ViewsFollower(pub Arc<Hub>);

impl Follower for ViewsFollower {
    fn position(&self) -> Option<Followed> {
        None
    }

    fn apply(&mut self, changes: &Changes, _: &mut Vec<Refused>) {
        self.0.apply_all(changes.entries());
    }

    fn flush(&mut self, _: Followed) -> Option<Box<dyn Flushing>> {
        None
    }
}

/// What the hub knows a session by.
#[derive(Debug)]
pub(crate) struct Entered {
    pub subscriber: SubscriberId,
    pub waker: Arc<Waker>,
    pub number: u64,
}
