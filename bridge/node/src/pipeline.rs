//! The way of an entry: out of the log, through processing, to the followers. One thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, counter, gauge};
use tidegate_broker::{Broker, CommandError};
use tidegate_follow::{Flushing, Followed, Follower};
use tidegate_log::{Log, LogReader, ReadError};
use tidegate_process::Counts;
use tidegate_telemetry::{CommandMessage, CommandRefusal, CommandReport, Entry, Position, ProblemSink};
use tokio::sync::watch;

use crate::batch::{Batch, Stages};
use crate::clock;
use crate::figures::Figures;
use crate::flush::Flusher;
use crate::sinks::Taps;

/// Longest wait for entries, so that a flush by time is not forgotten.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Pause after a tick that was due and is not in the log yet.
const RETRY_TICK: Duration = Duration::from_millis(20);

/// Flushes after that of an erasure, until the log has let go of the device; more, where somebody else needs it, would not help.
const FLUSHES_AFTER_ERASURE: u8 = 4;

/// They come no closer to each other.
const ERASURE_INTERVAL: Duration = Duration::from_millis(500);

/// Looks at a batch that was processed and is not yet told.
pub type Seen<'a> = &'a mut dyn FnMut(&Batch);

/// Everything an entry passes through.
pub struct Pipeline {
    /// Where ticks go, and what tells how much a restart would replay.
    pub log: Arc<dyn Log>,
    /// Decoding and processing.
    pub stages: Stages,
    /// Who follows within this thread, in order: what people see waits for nothing.
    pub followers: Vec<Box<dyn Follower>>,
    /// Who follows on threads of their own.
    pub taps: Taps,
    /// Where problems go.
    pub problems: Arc<dyn ProblemSink>,
    /// How far the views are.
    pub applied: watch::Sender<Position>,
    /// Figures for the status page.
    pub figures: Arc<Figures>,
    /// Up to where the state was restored.
    pub restored: Followed,
    /// The last entry that erased a device, or one after it, as long as no flush has begun since.
    pub erased: Option<Position>,
}

impl Pipeline {
    /// Applies entries as they come, until the log is closed; then writes everything out. Commands go out by `broker`,
    /// first those that a crash kept back; `flusher` writes files on a thread of its own.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn run(mut self, reader: &mut dyn LogReader, broker: &Broker, flusher: Flusher) -> Result<(), ReadError> {
        let meters = Meters::new();
        self.send(broker, self.stages.process.commands_due());
        let mut batch = Batch::after(self.restored);
        let mut flushed =
            Flushed { at: Instant::now(), through: self.durable(), is_wanted: false, erased: Position::START, more: 0 };
        // What was replayed goes to the files now rather than when the next entry comes.
        self.flush_if_due(&flusher, &mut flushed, batch.last);
        while reader.read(self.wait(), &mut batch.entries)? {
            if !batch.entries.is_empty() {
                self.pass(&mut batch, &mut |_| ());
                meters.add(&batch);
                meters.redelivery_bytes.set(self.stages.process.redelivery_bytes() as f64);
                meters.register_bytes.set(self.stages.process.register_bytes() as f64);
                meters.left_out.set(self.stages.process.metrics_without_figures() as f64);
                self.send(broker, batch.output.commands.drain(..));
                // So that people see at once what was stamped ahead of it.
                flushed.is_wanted |= batch.is_set_back;
            }
            self.tick_if_due();
            self.flush_if_due(&flusher, &mut flushed, batch.last);
        }
        let flushing = self.seal(batch.last);
        self.taps.close();
        flusher.last(flushing, batch.last.position, self.stages.freeze());
        Ok(())
    }

    /// Takes what was read through processing to the followers; `seen` looks at it before its problems are told.
    pub(crate) fn pass(&mut self, batch: &mut Batch, seen: Seen<'_>) {
        self.process(batch, seen);
        for follower in &mut self.followers {
            batch.tell(follower.as_mut(), self.problems.as_ref());
        }
        self.taps.hand(&mut batch.changes);
        self.figures.add(&batch.output.counts);
        batch.entries.clear();
        self.applied.send_replace(batch.last.position);
    }

    /// Sets apart what the followers are to write.
    pub(crate) fn seal(&mut self, through: Followed) -> Vec<Box<dyn Flushing>> {
        self.followers.iter_mut().filter_map(|follower| follower.flush(through)).collect()
    }

    /// Up to where every follower that keeps something has it durably.
    fn durable(&self) -> Position {
        let positions = self.followers.iter().filter_map(|follower| follower.position());
        positions.map(|followed| followed.position).min().unwrap_or(Position::START)
    }

    pub(crate) fn process(&mut self, batch: &mut Batch, seen: Seen<'_>) {
        batch.process(&mut self.stages);
        if batch.output.counts.devices_erased > 0 {
            self.erased = Some(batch.last.position);
        }
        seen(batch);
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
        let due =
            self.stages.process.next_deadline().map_or(i64::MAX, |deadline| deadline.saturating_sub(clock::now_ms()));
        u64::try_from(due).map_or(RETRY_TICK, Duration::from_millis).min(WAIT_MAX)
    }

    /// Time passes only in the log: when something waits for it and no entry brings it, a tick does.
    fn tick_if_due(&self) {
        if self.stages.process.next_deadline().is_some_and(|deadline| deadline <= clock::now_ms()) {
            self.tick();
        }
    }

    /// A tick, unless an entry is on its way.
    fn tick(&self) {
        if *self.applied.borrow() == self.log.appended()
            && let Err(error) = self.log.append(&mut vec![Entry::Tick(clock::now_ms())])
        {
            tracing::debug!(%error, "no tick");
        }
    }

    /// Whether the log still has entries that name an erased device, and another flush may help.
    fn waits_to_let_go(&self, flushed: &Flushed) -> bool {
        flushed.more > 0 && flushed.at.elapsed() > ERASURE_INTERVAL && self.log.first() <= flushed.erased
    }

    fn flush_if_due(&mut self, flusher: &Flusher, flushed: &mut Flushed, through: Followed) {
        let last = through.position;
        let new = last > flushed.through;
        // What is not read yet cannot be flushed: counting it would make ever smaller flushes while the log is behind.
        let log_bytes = || self.log.bytes_after(flushed.through).saturating_sub(self.log.bytes_after(last));
        let lets_go = self.erased.is_some() || self.waits_to_let_go(flushed);
        let due = self.followers.iter().any(|follower| follower.wants_flush())
            || log_bytes() > flusher.config.log_bytes
            || flushed.at.elapsed() > flusher.config.interval
            || flushed.is_wanted
            || lets_go;
        if lets_go && !new {
            // Who is to be forgotten does not wait until something comes.
            self.tick();
        }
        if new && due && flusher.is_idle() {
            let flushing = self.seal(through);
            let erased = self.erased.take();
            flusher.start(flushing, last, self.stages.freeze(), erased.is_some());
            let more = erased.map_or(flushed.more.saturating_sub(1), |_| FLUSHES_AFTER_ERASURE);
            let erased = erased.unwrap_or(flushed.erased);
            *flushed = Flushed { at: Instant::now(), through: last, is_wanted: false, erased, more };
        }
    }
}

/// When the last flush was begun, and up to where.
struct Flushed {
    at: Instant,
    through: Position,
    /// It shall not wait.
    is_wanted: bool,
    /// The last entry that erased a device.
    erased: Position,
    /// Flushes that do not wait either, if the log still has that entry.
    more: u8,
}

struct Meters {
    publications: Counter,
    ignored: Counter,
    values: Counter,
    late: Counter,
    imported: Counter,
    from_before: Counter,
    duplicate: Counter,
    absent: Counter,
    redelivered: Counter,
    redelivery_bytes: Gauge,
    skewed: Counter,
    rebased: Counter,
    ticks: Counter,
    rules_rejected: Counter,
    register: [Counter; 3],
    register_bytes: Gauge,
    raised: Counter,
    cleared: Counter,
    devices_added: Counter,
    devices_forgotten: Counter,
    devices_erased: Counter,
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
            imported: counter!("tidegate_process_values_imported_total"),
            from_before: counter!("tidegate_process_readings_from_before_total"),
            duplicate: counter!("tidegate_process_values_duplicate_total"),
            absent: counter!("tidegate_process_values_absent_total"),
            redelivered: counter!("tidegate_process_publications_redelivered_total"),
            redelivery_bytes: gauge!("tidegate_process_redelivery_bytes"),
            skewed: counter!("tidegate_process_readings_skewed_total"),
            rebased: counter!("tidegate_process_clocks_rebased_total"),
            ticks: counter!("tidegate_process_ticks_total"),
            rules_rejected: counter!("tidegate_process_rules_rejected_total"),
            register: ["changed", "refused", "forgotten"]
                .map(|event| counter!("tidegate_register_total", "event" => event)),
            register_bytes: gauge!("tidegate_register_bytes"),
            raised: counter!("tidegate_process_alerts_raised_total"),
            cleared: counter!("tidegate_process_alerts_cleared_total"),
            devices_added: counter!("tidegate_process_devices_added_total"),
            devices_forgotten: counter!("tidegate_process_devices_forgotten_total"),
            devices_erased: counter!("tidegate_process_devices_erased_total"),
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
            (&self.imported, counts.values_imported),
            (&self.from_before, counts.readings_from_before),
            (&self.duplicate, counts.values_duplicate),
            (&self.absent, counts.values_absent),
            (&self.redelivered, counts.publications_redelivered),
            (&self.skewed, counts.readings_skewed),
            (&self.rebased, counts.clocks_rebased),
            (&self.ticks, counts.ticks),
            (&self.rules_rejected, counts.rules_rejected),
            (&self.register[0], counts.register_changes),
            (&self.register[1], counts.register_refused),
            (&self.register[2], counts.register_forgotten),
            (&self.raised, counts.alerts_raised),
            (&self.cleared, counts.alerts_cleared),
            (&self.devices_added, counts.devices_added),
            (&self.devices_forgotten, counts.devices_forgotten),
            (&self.devices_erased, counts.devices_erased),
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
