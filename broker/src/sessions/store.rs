use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock, RwLockReadGuard};
use tidegate_log::{AppendError, Log};
use tidegate_telemetry::{Entry, Position};
use tokio::sync::{oneshot, watch};

use super::batch::{Batch, Change};
use super::database::{Database, FILE_NAME, MailboxSize};
use super::recovery::Recovered;
use crate::clock::Clock;
use crate::engines::gate::outbox::Outbox;
use crate::metrics::{self, Dropped};

/// Sessions, mailboxes, retained messages and wills on disk, written by one thread. Cheap to clone.
#[derive(Clone)]
pub struct SessionStore {
    shared: Arc<Shared>,
}

/// Where sessions are kept, and how much.
#[derive(Debug, Clone)]
pub struct SessionStoreConfig {
    /// Directory of `sessions.sqlite`; made when it is missing. `None`: in memory, gone with the program.
    pub directory: Option<PathBuf>,
    /// Longest time a change waits that nobody waits for.
    pub commit_interval: Duration,
    /// Message bytes that may wait to be written; past it clients are not read until there is room.
    pub unwritten_bytes_max: usize,
    /// Bytes of one session's mailbox; past it its oldest messages are dropped and counted.
    pub mailbox_bytes_max: u64,
    /// Bytes of all mailboxes, each message counted for every session; past it the largest one's oldest are dropped.
    pub mailbox_bytes_total_max: u64,
    /// Age at which a message in a mailbox is dropped and counted.
    pub mailbox_age_max: Duration,
}

impl Default for SessionStoreConfig {
    fn default() -> Self {
        SessionStoreConfig {
            directory: None,
            commit_interval: Duration::from_millis(50),
            unwritten_bytes_max: 16 * 1024 * 1024,
            mailbox_bytes_max: 16 * 1024 * 1024,
            mailbox_bytes_total_max: 1024 * 1024 * 1024,
            mailbox_age_max: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

impl SessionStoreConfig {
    /// Whether there is no file yet, or nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let file = self.directory.as_ref().map(|directory| directory.join(FILE_NAME));
        file.is_some_and(|file| file.metadata().map_or(true, |metadata| metadata.len() == 0))
    }
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionStoreError {
    /// The directory cannot be made.
    #[error("the directory of the sessions cannot be made: {0}")]
    Directory(#[from] io::Error),
    /// The file cannot be read or written.
    #[error(
        "sessions.sqlite cannot be used: {0}; restore it from a backup, or move it away and start once with --accept-loss sessions"
    )]
    Database(#[from] rusqlite::Error),
    /// A program of a later version wrote it.
    #[error("sessions.sqlite has format {0}, this version reads up to 2: start the version that wrote it")]
    Format(i64),
    /// It holds something else than was written.
    #[error(
        "sessions.sqlite holds a message that cannot be read; move it away and start once with --accept-loss sessions"
    )]
    Damaged,
}

struct Shared {
    config: SessionStoreConfig,
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Held shared while entries are appended and what follows from them is noted, exclusively while a batch is cut.
    routing: RwLock<()>,
    /// Ticket up to which changes are on disk.
    stored: watch::Sender<u64>,
    complete: AtomicU64,
    /// What the clock was set forward by before this run, ms.
    set_forward_ms: AtomicI64,
    database: Mutex<Option<Database>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    fn waiting_at(&self, clock: Clock, unix_ms: i64) -> i64 {
        (clock.waiting_at)(unix_ms).saturating_sub(self.set_forward_ms.load(Ordering::Acquire))
    }
}

#[derive(Default)]
struct Queue {
    batch: Batch,
    /// Ticket of the newest change.
    ticket: u64,
    fetches: Vec<Fetch>,
    questions: Vec<Question>,
    /// Somebody waits.
    is_urgent: bool,
    stop: Option<Stop>,
}

/// A session that reads its mailbox on.
struct Fetch {
    outbox: Arc<Outbox>,
    session: u64,
    after: u64,
    epoch: u64,
}

/// Somebody who asks what mailboxes hold.
struct Question {
    sessions: Vec<u64>,
    answer: oneshot::Sender<BTreeMap<u64, MailboxSize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// Write what waits.
    Close,
    /// Write nothing more.
    Abandon,
}

/// Bytes of messages read from a mailbox at once.
const FETCH_BYTES: usize = 256 * 1024;

/// How often the log is asked whether it is durable as far as a batch needs.
const LOG_POLL: Duration = Duration::from_micros(500);

/// How long the store waits for the log when it is closed. What is not written is routed again at the next start.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(1);

/// Pause after a failed write.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How often messages past their age are looked for, and `complete` moves on when nothing else is to be written.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(10);

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
    pub(crate) fn stand_aside(&self) {
        self.shared.complete.store(u64::MAX, Ordering::Release);
    }

    /// Appends to the log that the system's clock was set forward by `by_ms` and stands at `at_ms` (Unix ms) now. What
    /// waits here does not get older by it, in this run by what [`Clock`] says, in later ones by what is written here.
    ///
    /// # Errors
    /// As [`Log::append`]; nothing of it was kept.
    pub fn set_clock(&self, log: &dyn Log, at_ms: i64, by_ms: i64) -> Result<Position, AppendError> {
        let _routing = self.routing();
        let position = log.append(&mut vec![Entry::ClockSet { at_ms, by_ms }])?;
        self.change(Change::ClockSet { by_ms });
        Ok(position)
    }

    /// The log says after `complete` that the clock was set in the run before.
    pub(crate) fn found_clock_set(&self, by_ms: i64) {
        self.shared.set_forward_ms.fetch_add(by_ms, Ordering::AcqRel);
        self.note(Change::ClockSet { by_ms });
    }

    /// The time that waiting counts in, ms.
    pub(crate) fn waiting_ms(&self, clock: Clock) -> i64 {
        self.shared.waiting_at(clock, (clock.now_ms)())
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
    pub(crate) fn note(&self, change: Change) {
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
    pub(crate) fn change(&self, change: Change) -> u64 {
        let mut queue = self.shared.queue.lock();
        queue.ticket += 1;
        queue.batch.push(change);
        queue.is_urgent = true;
        let ticket = queue.ticket;
        drop(queue);
        self.shared.wake.notify_one();
        ticket
    }

    /// Has the messages of the session's mailbox after number `after` put into its outbox.
    pub(crate) fn fetch(&self, outbox: Arc<Outbox>, session: u64, after: u64, epoch: u64) {
        let mut queue = self.shared.queue.lock();
        queue.fetches.push(Fetch { outbox, session, after, epoch });
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

/// The thread that writes.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    database: Database,
    log: Arc<dyn Log>,
    clock: Clock,
    fetch_bytes: usize,
}

/// What one commit writes, and how far mailboxes are complete with it.
pub(crate) struct Cut {
    /// To be durable in the log before it may be written.
    pub(crate) through: Position,
    batch: Batch,
    ticket: u64,
    fetches: Vec<(Fetch, u64)>,
}

impl Writer {
    fn run(mut self) {
        let mut upkeep = Instant::now() + UPKEEP_INTERVAL;
        loop {
            let stop = self.wait(upkeep);
            if stop == Some(Stop::Abandon) {
                return;
            }
            self.commit();
            self.answer();
            if stop.is_some() {
                return;
            }
            if Instant::now() >= upkeep {
                upkeep = Instant::now() + UPKEEP_INTERVAL;
                self.drop_old();
            }
        }
    }

    /// Waits until something is to be done.
    fn wait(&self, upkeep: Instant) -> Option<Stop> {
        let mut queue = self.shared.queue.lock();
        let mut until = upkeep;
        let mut is_gathering = false;
        while queue.stop.is_none() && !queue.is_urgent {
            if !queue.batch.is_empty() && !is_gathering {
                is_gathering = true;
                until = upkeep.min(Instant::now() + self.shared.config.commit_interval);
            }
            if self.shared.wake.wait_until(&mut queue, until).timed_out() {
                break;
            }
        }
        queue.stop
    }

    fn commit(&mut self) {
        let cut = self.cut();
        if self.log_is_durable(cut.through) {
            self.write(cut);
        }
    }

    /// Writes what was cut, in one transaction, and tells those who wait for it.
    pub(crate) fn write(&mut self, cut: Cut) {
        let Cut { through, batch, ticket, fetches } = cut;
        let changes: Vec<Change> = batch.into_changes().collect();
        let started = Instant::now();
        let written = |writer: &mut Writer| writer.database.apply(&changes, through, &writer.shared.config);
        let Some(dropped) = self.until_it_works(written) else { return };
        ::metrics::histogram!("tidegate_sessions_commit_seconds").record(started.elapsed());
        metrics::dropped(Dropped::MailboxFull, dropped);
        ::metrics::gauge!("tidegate_mqtt_mailbox_bytes").set(self.database.mailbox_bytes() as f64);
        self.shared.complete.store(through.0, Ordering::Release);
        self.shared.stored.send_replace(ticket);
        for (fetch, snapshot) in fetches {
            let read = |writer: &mut Writer| writer.database.read(fetch.session, fetch.after, writer.fetch_bytes);
            let Some((deliveries, is_all)) = self.until_it_works(read) else { return };
            fetch.outbox.refill(deliveries, fetch.epoch, is_all.then_some(snapshot));
        }
    }

    /// Tells what mailboxes hold. Who asked may have gone.
    fn answer(&self) {
        for Question { sessions, answer } in std::mem::take(&mut self.shared.queue.lock().questions) {
            let sizes = sessions.into_iter().map(|session| (session, self.database.mailbox_size(session)));
            let _ = answer.send(sizes.collect());
        }
    }

    /// Tries again while the disk is full or fails: what waits grows up to its limit, then clients are not read.
    /// `None` when the store was to end meanwhile.
    fn until_it_works<T>(&mut self, step: impl Fn(&mut Writer) -> Result<T, rusqlite::Error>) -> Option<T> {
        loop {
            match step(self) {
                Ok(value) => return Some(value),
                Err(error) => {
                    ::metrics::counter!("tidegate_sessions_failures_total").increment(1);
                    tracing::error!(%error, "sessions.sqlite cannot be used: is the disk full? It is tried again. If it is damaged, stop the program, then restore it from a backup or move it away and start once with --accept-loss sessions");
                    std::thread::sleep(RETRY_INTERVAL);
                }
            }
            if self.shared.queue.lock().stop.is_some() {
                return None;
            }
        }
    }

    /// Waits for the log. Without its promise the positions in a batch mean nothing.
    fn log_is_durable(&self, through: Position) -> bool {
        let (durable, started) = (self.log.durable(), Instant::now());
        while *durable.borrow() < through {
            let stop = self.shared.queue.lock().stop;
            let gives_up = stop == Some(Stop::Close) && started.elapsed() >= CLOSE_WAIT_MAX;
            if durable.has_changed().is_err() || stop == Some(Stop::Abandon) || gives_up {
                return false;
            }
            std::thread::sleep(LOG_POLL);
        }
        true
    }

    /// Cuts a batch while nobody stands between an append and what follows from it. Fetches learn the number their session's
    /// next delivery gets: all before it are in this batch or were written before.
    pub(crate) fn cut(&self) -> Cut {
        let _nobody_routes = self.shared.routing.write();
        let fetches = std::mem::take(&mut self.shared.queue.lock().fetches);
        let fetches = fetches.into_iter().map(|fetch| {
            let snapshot = fetch.outbox.next_number();
            (fetch, snapshot)
        });
        let fetches = fetches.collect();
        let mut queue = self.shared.queue.lock();
        queue.is_urgent = !queue.fetches.is_empty();
        let through = self.log.appended();
        Cut { through, batch: std::mem::take(&mut queue.batch), ticket: queue.ticket, fetches }
    }

    fn drop_old(&mut self) {
        let age_ms = i64::try_from(self.shared.config.mailbox_age_max.as_millis()).unwrap_or(i64::MAX);
        let now_ms = self.shared.waiting_at(self.clock, (self.clock.now_ms)());
        match self.database.drop_received_before(now_ms.saturating_sub(age_ms)) {
            Ok(count) => metrics::dropped(Dropped::MailboxAge, count),
            Err(error) => tracing::warn!(%error, "old messages could not be removed from mailboxes; tried again later"),
        }
    }

    /// Reads mailboxes in pieces of so many bytes.
    #[cfg(test)]
    pub(crate) fn fetching(self, bytes: usize) -> Writer {
        Writer { fetch_bytes: bytes, ..self }
    }

    /// Whether something waits to be written or read.
    #[cfg(test)]
    pub(crate) fn has_work(&self) -> bool {
        let queue = self.shared.queue.lock();
        !queue.batch.is_empty() || !queue.fetches.is_empty()
    }

    /// What the file holds for a session.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn mailbox(&self, session: u64) -> Vec<crate::engines::gate::outbox::Delivery> {
        self.database.read(session, 0, usize::MAX).expect("what was written can be read").0
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::engines::gate::outbox::{Delivery, Message};
    use crate::fuzzing::SilentLog;

    const AGE_MS: i64 = 7 * 24 * 3600 * 1000;
    const BEGIN_MS: i64 = 1_700_000_000_000;

    thread_local! {
        static NOW_MS: Cell<i64> = const { Cell::new(BEGIN_MS) };
    }

    const YEARS_MS: i64 = 365 * AGE_MS;

    /// Set forward by years right after `BEGIN_MS`.
    const CLOCK: Clock = Clock {
        now_ms: || NOW_MS.get(),
        waiting_at: |unix_ms| if unix_ms > BEGIN_MS { unix_ms - YEARS_MS } else { unix_ms },
    };

    fn write(writer: &mut Writer) {
        let cut = writer.cut();
        writer.write(cut);
    }

    #[test]
    fn a_message_in_a_mailbox_gets_older_by_time_that_passed_and_not_by_the_clock_over_a_restart() {
        let directory = tempfile::tempdir().expect("a directory");
        let config =
            || SessionStoreConfig { directory: Some(directory.path().to_owned()), ..SessionStoreConfig::default() };
        let store = SessionStore::open(config()).expect("a new file");
        let mut writer = store.writer(Arc::new(SilentLog), CLOCK).expect("nobody else writes");
        store.note(Change::Open { session: 7, client: "c".into(), expiry_s: 60, address: None });
        let message = Message { received_ms: BEGIN_MS, ..Message::for_tests("t", b"x") };
        let delivery = Delivery { number: 1, message: Arc::new(message), ..Delivery::for_tests("t", b"x") };
        store.note(Change::Owe { session: 7, delivery });
        write(&mut writer);
        let format = |writer: &Writer| -> i64 {
            writer.database.connection.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("it has one")
        };
        assert_eq!(format(&writer), 1, "earlier versions read it");

        store.note(Change::ClockSet { by_ms: YEARS_MS });
        write(&mut writer);
        assert_eq!(format(&writer), 2, "earlier versions would take its times for others");
        NOW_MS.set(BEGIN_MS + YEARS_MS + AGE_MS);
        writer.drop_old();
        assert_eq!(writer.mailbox(7).len(), 1);
        drop((store, writer));

        let store = SessionStore::open(config()).expect("it was closed at a commit");
        let mut writer = store.writer(Arc::new(SilentLog), Clock::never_set(CLOCK.now_ms)).expect("nobody else writes");
        writer.drop_old();
        assert_eq!(writer.mailbox(7).len(), 1);
        NOW_MS.set(BEGIN_MS + YEARS_MS + AGE_MS + 1);
        writer.drop_old();
        assert_eq!(writer.mailbox(7).len(), 0, "its age is over");
    }
}
