//! The thread of one sink.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::counter;
use tidegate_follow::{Changes, FlushError, Followed, Follower, Names, SetAside};
use tidegate_telemetry::{Owner, Position, Problem, Reason};

use super::refill::refill;
use super::shadow::Shadow;
use super::tap::Next;
use super::{Progress, Source};
use crate::batch::in_slices;
use crate::clock;

/// What was applied is written after so many changes…
const FLUSH_CHANGES: usize = 8_192;

/// …or after so long.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// Pause after a failure; it is doubled with each…
const BACKOFF: Duration = Duration::from_millis(500);

/// …up to this.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Tells one sink everything after its position, once, in order.
pub struct Runner {
    progress: Arc<Progress>,
    follower: Box<dyn Follower>,
    source: Source,
    /// The last entry it was told.
    reached: Followed,
    unwritten: usize,
    written_at: Instant,
    /// The end came before what was set apart could be written: nothing that comes after it may be.
    is_broken_off: bool,
}

impl Runner {
    pub fn new(progress: Arc<Progress>, follower: Box<dyn Follower>, source: Source) -> Runner {
        let reached = follower.position().unwrap_or(Followed::NOTHING);
        Runner { progress, follower, source, reached, unwritten: 0, written_at: Instant::now(), is_broken_off: false }
    }

    /// Until nothing comes any more.
    pub fn run(mut self) {
        self.follower.begin(Arc::new(self.source.history.clone()));
        let mut backoff = BACKOFF;
        while !self.progress.tap.is_closed() {
            let caught_up = self.catch_up();
            self.progress.set_reading(None);
            match caught_up {
                Ok(()) => {
                    backoff = BACKOFF;
                    self.keep_up();
                }
                Err(error) => {
                    self.failed(&error, "it cannot catch up");
                    self.progress.tap.pause(jittered(backoff));
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
        }
        self.write();
    }

    /// Takes what comes, until it is behind or nothing comes any more.
    fn keep_up(&mut self) {
        loop {
            match self.progress.tap.next(FLUSH_INTERVAL) {
                Next::Changes(changes) => self.apply(&changes),
                Next::Nothing => {}
                Next::Behind | Next::Closed => return,
            }
            self.write_if_due();
        }
    }

    /// From where it is to where the queue begins.
    fn catch_up(&mut self) -> Result<(), FlushError> {
        let progress = Arc::clone(&self.progress);
        progress.set_reading(Some(Position::START));
        let mut shadow = Shadow::open(&self.source, &progress.name, self.reached.position)?;
        progress.set_reading(Some(shadow.at().position));
        while shadow.at().position < self.reached.position && !progress.tap.is_closed() {
            shadow.advance(self.reached.position)?;
        }
        let at = shadow.at();
        in_slices(at, shadow.names(), |names| self.follower.apply(names, &mut Vec::new()));
        if at.position > self.reached.position {
            self.refill(&shadow, at)?;
        }
        self.follower.newest(&mut shadow.newest());
        // Far behind nothing is queued.
        self.follow(&mut shadow, progress.tap.passed())?;
        self.follow(&mut shadow, progress.tap.open())
    }

    fn follow(&mut self, shadow: &mut Shadow, through: Position) -> Result<(), FlushError> {
        while shadow.at().position < through && !self.progress.tap.is_closed() {
            self.apply(shadow.advance(through)?);
            self.progress.set_reading(Some(shadow.at().position));
            self.write_if_due();
        }
        Ok(())
    }

    /// What the log has no more.
    fn refill(&mut self, shadow: &Shadow, to: Followed) -> Result<(), FlushError> {
        let (from, follower) = (self.reached, &self.progress.name);
        tracing::warn!(follower, from = %from.position, to = %to.position, "the log has no more of it: history is told");
        let mut names = Names::default();
        shadow.names().for_each(|change| names.learn(&change));
        let (progress, history) = (Arc::clone(&self.progress), self.source.history.clone());
        refill(&history, &names, (from, to), &mut |changes| {
            self.follower.apply(changes, &mut Vec::new());
            self.unwritten += changes.len();
            // Its position stays where it was until it has all of it.
            self.write_if_due();
            !progress.tap.is_closed()
        })?;
        if !progress.tap.is_closed() {
            self.reached = to;
            self.unwritten += 1;
        }
        Ok(())
    }

    /// Tells it what is new for it.
    fn apply(&mut self, changes: &Changes) {
        let Some(last) = changes.last().filter(|last| last.position > self.reached.position) else { return };
        let mut refused = Vec::new();
        let is_new = changes.entries().next().is_some_and(|(first, ..)| first > self.reached.position);
        if is_new {
            self.follower.apply(changes, &mut refused);
        } else {
            self.follower.apply(&changes.after(self.reached.position), &mut refused);
        }
        if !refused.is_empty() {
            let name = self.progress.name.clone();
            counter!("tidegate_follow_refused_total", "follower" => name).increment(refused.len() as u64);
        }
        self.reached = last;
        self.unwritten += changes.len().max(1);
    }

    fn write_if_due(&mut self) {
        let is_much = self.unwritten >= FLUSH_CHANGES || self.follower.wants_flush();
        if self.unwritten > 0 && (is_much || self.written_at.elapsed() >= FLUSH_INTERVAL) {
            self.write();
        }
    }

    /// Tries until it is written, or once where nothing comes any more.
    fn write(&mut self) {
        if self.unwritten == 0 || self.is_broken_off {
            return;
        }
        let (progress, mut backoff) = (Arc::clone(&self.progress), BACKOFF);
        if let Some(mut flushing) = self.follower.flush(self.reached) {
            loop {
                let written = flushing.run();
                flushing.set_aside().into_iter().for_each(|aside| self.tell(aside));
                let Err(error) = written else { break };
                self.failed(&error, "it cannot be written");
                if progress.tap.is_closed() {
                    self.is_broken_off = true;
                    return;
                }
                progress.tap.pause(flushing.patience().unwrap_or_else(|| jittered(backoff)));
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
        }
        progress.set_durable(self.reached);
        (self.unwritten, self.written_at) = (0, Instant::now());
    }

    /// What is refused for good is a problem that people see.
    fn tell(&self, aside: SetAside) {
        let name = &self.progress.name;
        counter!("tidegate_follow_refused_total", "follower" => name.clone()).increment(1);
        self.source.problems.report(Problem {
            reason: Reason::RefusedBySink,
            detail: aside.detail,
            topic: aside.about,
            client: name.as_str().into(),
            owner: Owner::default(),
            received_ms: clock::now_ms(),
            payload: aside.content,
        });
    }

    fn failed(&self, error: &FlushError, what: &str) {
        let follower = self.progress.name.clone();
        self.progress.set_trouble(Some(error.to_string()));
        tracing::warn!(%error, follower, "{what}: it is tried again, and nothing else waits for it");
        counter!("tidegate_follow_failures_total", "follower" => follower).increment(1);
    }
}

/// Cut by up to half, at random: those that failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    pause.mul_f64(1.0 - (random % 1_000) as f64 / 2_000.0)
}
