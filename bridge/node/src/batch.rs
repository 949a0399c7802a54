//! The entries that one pass of the pipeline works on: decoded, processed, handed to the followers.

use std::sync::Arc;

use tidegate_decode::Decoder;
use tidegate_follow::{Changes, Followed, Follower, Refused};
use tidegate_process::{Checkpoint, Output, Process, RestoreError, sources_of};
use tidegate_telemetry::{Change, Entry, LogEntry, Position, Problem, ProblemSink};

use crate::config::NodeConfig;

/// Changes of a whole state that are handed on together.
const SLICE: usize = 1_024;

/// What an entry goes through before anybody is told: it is decoded, then processed.
pub struct Stages {
    /// What publications mean, and what formats remember of their sources.
    pub decoder: Decoder,
    /// The state of the fleet.
    pub process: Process,
}

impl Stages {
    /// A fleet that nothing was heard of.
    pub fn new(config: &NodeConfig) -> Stages {
        Stages { decoder: Decoder::new(config.decode.clone()), process: Process::new(config.process.clone()) }
    }

    /// The state of a checkpoint. What of it is not as it should be is logged.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn restore(config: &NodeConfig, state: &[u8]) -> Result<Stages, RestoreError> {
        let process = Process::restore(config.process.clone(), state)?;
        process.restore_notes().iter().for_each(|note| tracing::warn!("{note}"));
        let mut decoder = Decoder::new(config.decode.clone());
        for (format, sources) in sources_of(state)? {
            if !decoder.restore(&format, &sources).map_err(|_| RestoreError::Malformed)? {
                tracing::warn!(%format, "the checkpoint has sources of a format that this program does not know");
            }
        }
        Ok(Stages { decoder, process })
    }

    /// All of the state as it is now, to be written while it goes on.
    pub fn freeze(&self) -> Checkpoint {
        self.process.freeze().with_sources(self.decoder.freeze())
    }
}

/// One pass: the entries that were there, and what they led to.
pub struct Batch {
    /// What was read.
    pub entries: Vec<(Position, Arc<LogEntry>)>,
    /// What they changed, each at its own position: a follower skips entries it already has, and a chart goes on live
    /// right behind the entry its history ends with.
    pub changes: Changes,
    /// What else they led to: problems, commands, counts.
    pub output: Output,
    /// The last entry.
    pub last: Followed,
    /// With one of them the time was set back.
    pub is_set_back: bool,
    refused: Vec<Refused>,
}

impl Batch {
    /// Nothing, after the entry `last`.
    pub fn after(last: Followed) -> Batch {
        let (entries, changes, output, refused) = Default::default();
        Batch { entries, changes, output, last, is_set_back: false, refused }
    }

    /// Decodes and processes what was read.
    pub fn process(&mut self, Stages { decoder, process }: &mut Stages) {
        self.output.clear();
        self.changes.clear();
        self.is_set_back = false;
        for (position, entry) in &self.entries {
            std::mem::swap(self.changes.list(), &mut self.output.changes);
            let decoded = decoder.entry(*position, &entry.entry);
            // They go out where the caller sends commands: not from a replay.
            let effects = decoded.effects.drain(..).map(|effect| effect.into_message(*position, entry.received_ms()));
            self.output.commands.extend(effects);
            process.apply(*position, entry, decoded, &mut self.output);
            std::mem::swap(self.changes.list(), &mut self.output.changes);
            self.last = Followed { position: *position, received_ms: entry.received_ms() };
            self.is_set_back |= matches!(entry.entry, Entry::ClockSet { by_ms: ..0, .. });
            self.changes.end(self.last);
        }
    }

    /// Tells a follower. What it does not take is a problem of whoever sent it.
    pub fn tell(&mut self, follower: &mut dyn Follower, problems: &dyn ProblemSink) {
        follower.apply(&self.changes, &mut self.refused);
        let refused = std::mem::take(&mut self.refused);
        refused.into_iter().filter_map(|refused| self.problem(refused)).for_each(|problem| problems.report(problem));
    }

    fn problem(&self, refused: Refused) -> Option<Problem> {
        let place = self.entries.binary_search_by_key(&refused.position, |(position, _)| *position).ok()?;
        match &self.entries[place].1.entry {
            Entry::Publication(publication) => Some(Problem::of(publication, refused.reason, refused.detail)),
            Entry::Import(import) => Some(Problem::of_import(import, refused.reason, refused.detail)),
            _ => None,
        }
    }
}

/// Hands changes on some at a time, all at one position: the state is not in memory a second time.
pub fn in_slices(at: Followed, changes: impl Iterator<Item = Change>, mut take: impl FnMut(&Changes)) {
    let (mut changes, mut slice) = (changes.fuse(), Changes::default());
    loop {
        slice.list().extend(changes.by_ref().take(SLICE));
        if slice.is_empty() {
            return;
        }
        slice.end(at);
        take(&slice);
        slice.clear();
    }
}
