use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tidegate_log::Log;
use tidegate_telemetry::Position;

use super::batch::{Batch, SessionChange};
use super::database::Database;
use super::queue::{Fetch, Question, Shared, Stop};
use crate::clock::Clock;
use crate::metrics::{self, Dropped};

/// Bytes of messages read from a mailbox at once.
pub(super) const FETCH_BYTES: usize = 256 * 1024;

/// How often the log is asked whether it is durable as far as a batch needs.
const LOG_POLL: Duration = Duration::from_micros(500);

/// How long the store waits for the log when it is closed. What is not written is routed again at the next start.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(1);

/// Pause after a failed write.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How often messages past their age are looked for, and `complete` moves on when nothing else is to be written.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(10);

/// The thread that writes.
pub(crate) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) database: Database,
    pub(super) log: Arc<dyn Log>,
    pub(super) clock: Clock,
    pub(super) fetch_bytes: usize,
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
    pub(super) fn run(mut self) {
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
        let changes: Vec<SessionChange> = batch.into_changes().collect();
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
            fetch.reader.refill(deliveries, fetch.connection, is_all.then_some(snapshot));
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
                    tracing::error!(
                        %error,
                        "sessions.sqlite cannot be used: is the disk full? It is tried again. If it is damaged, stop the \
                         program, then restore it from a backup or move it away and start once with --accept-loss sessions"
                    );
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
            let snapshot = fetch.reader.next_number();
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
    pub(crate) fn mailbox(&self, session: u64) -> Vec<crate::sessions::Delivery> {
        self.database.read(session, 0, usize::MAX).expect("what was written can be read").0
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::{SessionStore, SessionStoreConfig};
    use super::*;
    use crate::fuzzing::SilentLog;
    use crate::sessions::message::{Delivery, Message};

    const AGE_MS: i64 = 7 * 24 * 3600 * 1000;
    const BEGIN_MS: i64 = 1_700_000_000_000;

    thread_local! {
        static NOW_MS: Cell<i64> = const { Cell::new(BEGIN_MS) };
    }

    const YEARS_MS: i64 = 365 * AGE_MS;

    /// Set forward by years right after `BEGIN_MS`.
    const CLOCK: Clock = Clock {
        now_ms: || NOW_MS.get(),
        elapsed_at: |unix_ms| if unix_ms > BEGIN_MS { unix_ms - YEARS_MS } else { unix_ms },
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
        store.note(SessionChange::Open { session: 7, client: "c".into(), expiry_s: 60, address: None });
        let message = Message { received_ms: BEGIN_MS, ..Message::for_tests("t", b"x") };
        let delivery = Delivery { number: 1, message: Arc::new(message), ..Delivery::for_tests("t", b"x") };
        store.note(SessionChange::Owe { session: 7, delivery });
        write(&mut writer);
        let format = |writer: &Writer| -> i64 {
            writer.database.connection.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("it has one")
        };
        assert_eq!(format(&writer), 1, "earlier versions read it");

        store.note(SessionChange::ClockSet { by_ms: YEARS_MS });
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
