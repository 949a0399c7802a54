//! The way of an entry: out of the log, through processing, to the views and the store. One thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, counter, gauge};
use tidegate_broker::{Broker, CommandError};
use tidegate_decode::Decoder;
use tidegate_log::{Log, LogReader, ReadError};
use tidegate_process::{Counts, Process};
use tidegate_push::Hub;
use tidegate_store::Store;
use tidegate_telemetry::{CommandMessage, CommandRefusal, CommandReport, Entry, Position, ProblemSink};
use tokio::sync::watch;

use crate::batch::Batch;
use crate::clock;
use crate::config::FlushConfig;
use crate::figures::Figures;
use crate::flush::Flusher;

/// Longest wait for entries, so that a flush by time is not forgotten.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Pause after a tick that was due and is not in the log yet.
const RETRY_TICK: Duration = Duration::from_millis(20);

/// Everything an entry passes through.
pub struct Pipeline {
    /// Where ticks go, and what tells how much a restart would replay.
    pub log: Arc<dyn Log>,
    /// What publications mean, and what formats remember of their sources.
    pub decoder: Decoder,
    /// The state of the fleet.
    pub process: Process,
    /// History.
    pub store: Store,
    /// What viewers see.
    pub hub: Arc<Hub>,
    /// Where problems go.
    pub problems: Arc<dyn ProblemSink>,
    /// Writes files on a thread of its own.
    pub flusher: Flusher,
    /// When it does.
    pub flush: FlushConfig,
    /// How far the views are.
    pub applied: watch::Sender<Position>,
    /// Figures for the status page.
    pub figures: Arc<Figures>,
}

impl Pipeline {
    /// Applies entries as they come, until the log is closed; then writes everything out. Commands go out by `broker`,
    /// first those that a crash kept back.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn run(mut self, reader: &mut dyn LogReader, broker: &Broker) -> Result<(), ReadError> {
        let meters = Meters::new();
        self.send(broker, self.process.commands_due());
        let mut batch = Batch { last: *self.applied.borrow(), ..Batch::default() };
        let mut flushed = Flushed { at: Instant::now(), through: self.store.flushed(), is_wanted: false };
        // What was replayed goes to the files now rather than when the next entry comes.
        self.flush_if_due(&mut flushed, batch.last);
        while reader.read(self.wait(), &mut batch.entries)? {
            if !batch.entries.is_empty() {
                self.process(&mut batch);
                self.hub.apply_all(batch.changes());
                batch.remember(&self.store, &self.figures, self.problems.as_ref());
                self.applied.send_replace(batch.last);
                meters.add(&batch);
                meters.redelivery_bytes.set(self.process.redelivery_bytes() as f64);

                meters.left_out.set(self.process.metrics_without_figures() as f64);
                self.send(broker, batch.output.commands.drain(..));
                // So that people see at once what was stamped ahead of it.
                flushed.is_wanted |= batch.is_set_back;
            }
            self.tick_if_due();
            self.flush_if_due(&mut flushed, batch.last);
        }
        self.flusher.last(self.store.seal(batch.last), batch.last, self.process.freeze());
        Ok(())
    }

    pub(crate) fn process(&mut self, batch: &mut Batch) {
        batch.output.clear();
        batch.ends.clear();
        batch.is_set_back = false;
        for (position, entry) in &batch.entries {
            let decoded = self.decoder.entry(*position, entry);
            // They go out where the caller sends commands: not from a replay.
            let effects = decoded.effects.drain(..).map(|effect| effect.into_message(*position, entry.received_ms()));
            batch.output.commands.extend(effects);
            self.process.apply(*position, entry, decoded, &mut batch.output);
            (batch.last, batch.received_ms) = (*position, entry.received_ms());
            batch.is_set_back |= matches!(**entry, Entry::ClockSet { by_ms: ..0, .. });
            batch.ends.push((batch.last, batch.received_ms, batch.output.changes.len()));
        }
        for problem in batch.output.problems.drain(..) {
            self.problems.report(problem);
        }
    }

    /// Hands commands to the broker. One that the log does not take goes out after the next start.
    fn send(&self, broker: &Broker, commands: impl IntoIterator<Item = CommandMessage>) {
        for message in commands {
            let (command, received_ms) = (message.command, clock::now_ms());
            match broker.send_command(message) {
                Ok(()) => {}
                Err(CommandError::NotAppended(error)) => tracing::warn!(%command, %error, "a command did not go out"),
                Err(_) => {
                    let report = CommandReport::refused(command, received_ms, CommandRefusal::Unsupported);
                    if self.log.append(&mut vec![Entry::CommandReport(report)]).is_err() {
                        tracing::debug!(%command, "no report: the log is closed");
                    }
                }
            }
        }
    }

    /// Until something waits for time. What is overdue could not be written: it is tried again.
    fn wait(&self) -> Duration {
        let due = self.process.next_deadline().map_or(i64::MAX, |deadline| deadline.saturating_sub(clock::now_ms()));
        u64::try_from(due).map_or(RETRY_TICK, Duration::from_millis).min(WAIT_MAX)
    }

    /// Time passes only in the log: when something waits for it and no entry brings it, a tick does.
    fn tick_if_due(&self) {
        let now_ms = clock::now_ms();
        let due = self.process.next_deadline().is_some_and(|deadline| deadline <= now_ms);
        if due
            && *self.applied.borrow() == self.log.appended()
            && let Err(error) = self.log.append(&mut vec![Entry::Tick(now_ms)])
        {
            tracing::debug!(%error, "no tick");
        }
    }

    fn flush_if_due(&mut self, flushed: &mut Flushed, last: Position) {
        let new = last > flushed.through;
        // What is not read yet cannot be flushed: counting it would make ever smaller flushes while the log is behind.
        let log_bytes = || self.log.bytes_after(flushed.through).saturating_sub(self.log.bytes_after(last));
        let due = self.store.wants_flush()
            || log_bytes() > self.flush.log_bytes
            || flushed.at.elapsed() > self.flush.interval
            || flushed.is_wanted;
        if new && due && self.flusher.is_idle() {
            self.flusher.start(self.store.seal(last), last, self.process.freeze());
            *flushed = Flushed { at: Instant::now(), through: last, is_wanted: false };
        }
    }
}

/// When the last flush was begun, and up to where.
struct Flushed {
    at: Instant,
    through: Position,
    /// It shall not wait.
    is_wanted: bool,
}

struct Meters {
    publications: Counter,
    ignored: Counter,
    values: Counter,
    late: Counter,
    from_before: Counter,
    duplicate: Counter,
    absent: Counter,
    redelivered: Counter,
    redelivery_bytes: Gauge,
    skewed: Counter,
    rebased: Counter,
    ticks: Counter,
    raised: Counter,
    cleared: Counter,
    devices_added: Counter,
    devices_forgotten: Counter,
    devices_gave_way: Counter,
    without_figures: Counter,
    left_out: Gauge,
    commands: [Counter; 10],
}

impl Meters {
    fn new() -> Meters {
        Meters {
            publications: counter!("tidegate_process_publications_total"),
            ignored: counter!("tidegate_process_publications_ignored_total"),
            values: counter!("tidegate_process_values_total"),
            late: counter!("tidegate_process_values_late_total"),
            from_before: counter!("tidegate_process_readings_from_before_total"),
            duplicate: counter!("tidegate_process_values_duplicate_total"),
            absent: counter!("tidegate_process_values_absent_total"),
            redelivered: counter!("tidegate_process_publications_redelivered_total"),
            redelivery_bytes: gauge!("tidegate_process_redelivery_bytes"),
            skewed: counter!("tidegate_process_readings_skewed_total"),
            rebased: counter!("tidegate_process_clocks_rebased_total"),
            ticks: counter!("tidegate_process_ticks_total"),
            raised: counter!("tidegate_process_alerts_raised_total"),
            cleared: counter!("tidegate_process_alerts_cleared_total"),
            devices_added: counter!("tidegate_process_devices_added_total"),
            devices_forgotten: counter!("tidegate_process_devices_forgotten_total"),
            devices_gave_way: counter!("tidegate_process_devices_gave_way_total"),
            without_figures: counter!("tidegate_process_metrics_without_figures_total"),
            left_out: gauge!("tidegate_process_metrics_without_figures"),
            commands: Counts::default()
                .command_events()
                .map(|(event, _)| counter!("tidegate_commands_total", "event" => event)),
        }
    }

    fn add(&self, batch: &Batch) {
        let counts = &batch.output.counts;
        for (counter, count) in [
            (&self.publications, counts.publications),
            (&self.ignored, counts.publications_ignored),
            (&self.values, counts.values),
            (&self.late, counts.values_late),
            (&self.from_before, counts.readings_from_before),
            (&self.duplicate, counts.values_duplicate),
            (&self.absent, counts.values_absent),
            (&self.redelivered, counts.publications_redelivered),
            (&self.skewed, counts.readings_skewed),
            (&self.rebased, counts.clocks_rebased),
            (&self.ticks, counts.ticks),
            (&self.raised, counts.alerts_raised),
            (&self.cleared, counts.alerts_cleared),
            (&self.devices_added, counts.devices_added),
            (&self.devices_forgotten, counts.devices_forgotten),
            (&self.devices_gave_way, counts.devices_gave_way),
            (&self.without_figures, counts.metrics_without_figures),
        ] {
            if count > 0 {
                counter.increment(count);
            }
        }
        for (counter, (_, count)) in
            self.commands.iter().zip(counts.command_events()).filter(|(_, (_, count))| *count > 0)
        {
            counter.increment(count);
        }
    }
}
