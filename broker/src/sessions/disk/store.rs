use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex, RwLock, RwLockReadGuard};
use tidegate_log::Log;
use tidegate_telemetry::Position;
use tokio::sync::{oneshot, watch};

use super::batch::SessionChange;
use super::config::{SessionStoreConfig, SessionStoreError};
use super::database::Database;
use super::queue::{Fetch, MailboxReader, Question, Shared, Stop};
use super::recovery::Recovered;
use super::write::MailboxSize;
use super::writer::{FETCH_BYTES, Writer};
use crate::clock::Clock;

/// Sessions, mailboxes, retained messages and wills on disk, written by one thread. Cheap to clone.
#[derive(Clone)]
pub struct SessionStore {
    shared: Arc<Shared>,
}

impl SessionStore {
    /// Opens or makes the store. It works once [`crate::Broker::bind`] has it.
    ///
    /// # Errors
    /// [`SessionStoreError`], which says what to do.
    pub fn open(config: SessionStoreConfig) -> Result<SessionStore, SessionStoreError> {
        let database = Database::open(&config)?;
        let complete = AtomicU64::new(database.complete()?.unwrap_or(Position::START).0);
        let set_forward_ms = AtomicI64::new(database.set_forward_ms()?);
        Ok(SessionStore {
            shared: Arc::new(Shared {
                config,
                queue: Mutex::default(),
                wake: Condvar::new(),
                routing: RwLock::new(()),
                stored: watch::Sender::new(0),
                complete,
                set_forward_ms,
                database: Mutex::new(Some(database)),
                thread: Mutex::new(None),
            }),
        })
    }

    /// Mailboxes are complete up to here: the log may be trimmed no further.
    #[must_use]
    pub fn complete(&self) -> Position {
        Position(self.shared.complete.load(Ordering::Acquire))
    }

    /// The engine keeps no sessions here: nothing in the log waits for mailboxes.
    pub fn stand_aside(&self) {
        self.shared.complete.store(u64::MAX, Ordering::Release);
    }

    /// The log says after `complete` that the clock was set, in an entry of a program that did not count the time that passed.
    pub(crate) fn found_clock_set(&self, by_ms: i64) {
        self.shared.set_forward_ms.fetch_add(by_ms, Ordering::AcqRel);
        self.note(SessionChange::ClockSet { by_ms });
    }

    /// The time that waiting counts in, ms.
    pub(crate) fn waiting_ms(&self, clock: Clock) -> i64 {
        self.shared.waiting_at(clock, (clock.now_ms)())
    }

    /// What it was when so much time had passed.
    pub(crate) fn waiting_of(&self, elapsed_ms: i64) -> i64 {
        self.shared.waiting_of(elapsed_ms)
    }

    /// What it was at `unix_ms`.
    pub(crate) fn waiting_at(&self, clock: Clock, unix_ms: i64) -> i64 {
        self.shared.waiting_at(clock, unix_ms)
    }

    /// Has what waits written, and returns when mailboxes are complete up to `position` of the log, or when the store is
    /// closed.
    pub async fn complete_through(&self, position: Position) {
        let mut stored = self.stored();
        self.shared.queue.lock().is_urgent = true;
        self.shared.wake.notify_one();
        let is_done = |_: &u64| self.complete() >= position || self.shared.queue.lock().stop.is_some();
        stored.wait_for(is_done).await.expect("this store holds the sender");
    }

    /// Writes what waits and ends the thread. [`crate::Broker::run`] does so at its end.
    pub fn close(&self) {
        self.stop(Stop::Close);
    }

    /// Ends the thread without writing what waits, as a crash would; for tests.
    #[doc(hidden)]
    pub fn abandon(&self) {
        self.stop(Stop::Abandon);
    }

    fn stop(&self, stop: Stop) {
        self.shared.queue.lock().stop.get_or_insert(stop);
        self.shared.wake.notify_one();
        if let Some(thread) = self.shared.thread.lock().take() {
            thread.join().expect("a failure ends the process, not the thread");
        }
        // Who waits for more to be written looks again.
        self.shared.stored.send_modify(|_| {});
    }

    /// Reads what the file holds. To be called once, before [`SessionStore::start`].
    pub(crate) fn recover(&self) -> Result<Recovered, SessionStoreError> {
        let mut database = self.shared.database.lock();
        database.as_mut().map_or_else(|| Ok(Recovered::default()), Database::recover)
    }

    /// Starts the writing thread. A second broker on the same store only shares it.
    pub(crate) fn start(&self, log: Arc<dyn Log>, clock: Clock) -> io::Result<()> {
        if let Some(writer) = self.writer(log, clock) {
            let thread = std::thread::Builder::new().name("sessions".into()).spawn(move || writer.run())?;
            *self.shared.thread.lock() = Some(thread);
        }
        Ok(())
    }

    /// What the writing thread does, not yet on a thread; `None` when somebody has it.
    pub(crate) fn writer(&self, log: Arc<dyn Log>, clock: Clock) -> Option<Writer> {
        let database = self.shared.database.lock().take()?;
        Some(Writer { shared: Arc::clone(&self.shared), database, log, clock, fetch_bytes: FETCH_BYTES })
    }

    /// To be held while entries are appended and what follows from them is noted: deliveries owed, and those settled.
    pub(crate) fn routing(&self) -> RwLockReadGuard<'_, ()> {
        self.shared.routing.read()
    }

    /// Adds a change that nobody waits for.
    pub(crate) fn note(&self, change: SessionChange) {
        let mut queue = self.shared.queue.lock();
        let was_empty = queue.batch.is_empty();
        queue.ticket += 1;
        queue.batch.push(change);
        drop(queue);
        if was_empty {
            self.shared.wake.notify_one();
        }
    }

    /// Adds a change and has it written at once; it is on disk when [`SessionStore::stored`] reaches the ticket.
    pub(crate) fn change(&self, change: SessionChange) -> u64 {
        let mut queue = self.shared.queue.lock();
        queue.ticket += 1;
        queue.batch.push(change);
        queue.is_urgent = true;
        let ticket = queue.ticket;
        drop(queue);
        self.shared.wake.notify_one();
        ticket
    }

    /// Has the messages of the session's mailbox after number `after` read, and handed to `reader` for that connection.
    pub(crate) fn fetch(&self, reader: Arc<dyn MailboxReader>, session: u64, after: u64, connection: u64) {
        let mut queue = self.shared.queue.lock();
        queue.fetches.push(Fetch { reader, session, after, connection });
        queue.is_urgent = true;
        drop(queue);
        self.shared.wake.notify_one();
    }

    /// What the mailboxes of sessions hold.
    pub(crate) fn mailboxes(&self, sessions: Vec<u64>) -> oneshot::Receiver<BTreeMap<u64, MailboxSize>> {
        let (answer, receiver) = oneshot::channel();
        let mut queue = self.shared.queue.lock();
        queue.questions.push(Question { sessions, answer });
        queue.is_urgent = true;
        drop(queue);
        self.shared.wake.notify_one();
        receiver
    }

    /// Ticket up to which changes are on disk.
    pub(crate) fn stored(&self) -> watch::Receiver<u64> {
        self.shared.stored.subscribe()
    }

    /// Whether clients are to wait until more is written.
    pub(crate) fn is_full(&self) -> bool {
        self.shared.queue.lock().batch.bytes() >= self.shared.config.unwritten_bytes_max
    }
}
