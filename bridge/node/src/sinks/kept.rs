//! What a flush keeps for sinks that are behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_log::Log;
use tidegate_telemetry::Position;

use super::Progress;
use crate::checkpoint::CheckpointFile;

/// States and a part of the log, from which those that are behind can go on.
///
/// A sink can go on from any state at or before its position, with the log from there on. The checkpoint is one while the
/// sink is as far as that. Before another takes its place it is kept, under the name of each sink for which it is the
/// newest one.
pub struct Kept {
    folder: PathBuf,
    /// Position of the checkpoint that is in its place.
    checkpoint: Option<Position>,
    sinks: Vec<(Arc<Progress>, Option<Position>)>,
    log_bytes_max: u64,
}

impl Kept {
    /// Finds what was kept; `checkpoint` is the position of the one that is in its place.
    pub fn find(
        data: &Path,
        checkpoint: Option<Position>,
        log: &dyn Log,
        progress: Vec<Arc<Progress>>,
        log_bytes_max: u64,
    ) -> Kept {
        let folder = folder(data);
        let is_whole = log.follower(Position::START).is_ok();
        let position = |sink: &Progress| state_of(&folder, &sink.name).position();
        let sinks: Vec<_> = progress
            .into_iter()
            .map(|sink| {
                let kept = position(&sink).or_else(|| is_whole.then_some(Position::START));
                (sink, kept)
            })
            .collect();
        Kept { folder, checkpoint, sinks, log_bytes_max }
    }

    /// A checkpoint of another position takes the place of the one there is, and then the log is trimmed.
    pub fn keep(&mut self, log: &dyn Log, checkpoint: &CheckpointFile, position: Position) {
        let mut log_after = None::<Position>;
        for (sink, kept) in &mut self.sinks {
            let durable = sink.durable();
            if self.checkpoint.is_some_and(|before| before <= durable && kept.is_none_or(|kept| kept < before)) {
                match link(checkpoint, &self.folder, &sink.name) {
                    Ok(()) => *kept = self.checkpoint,
                    Err(error) => tracing::warn!(%error, follower = sink.name, "no state is kept for it"),
                }
            }
            let state = kept.filter(|_| durable < position);
            let needs = [state, sink.reading()].into_iter().flatten().min();
            if needs.is_some_and(|needs| log.bytes_after(needs) > self.log_bytes_max || log.is_disk_full()) {
                tracing::warn!(follower = sink.name, "it is too far behind: what it lacks comes from history");
                *kept = None;
                // It is made anew where it is missing.
                let _ = fs::remove_file(self.folder.join(&sink.name));
                continue;
            }
            log_after = log_after.into_iter().chain(needs).min();
        }
        log.keep(log_after);
        self.checkpoint = Some(position);
    }
}

/// The state that is kept for a sink.
pub fn state_of(folder: &Path, name: &str) -> CheckpointFile {
    CheckpointFile::at(folder.join(name))
}

/// The states that are kept in a data folder, each with its name in it.
pub fn kept_states(data: &Path) -> Vec<(String, PathBuf)> {
    let items = fs::read_dir(folder(data)).into_iter().flatten().filter_map(Result::ok);
    let named = items.map(|item| (format!("follow/{}", item.file_name().display()), item.path()));
    named.filter(|(_, path)| path.is_file()).collect()
}

/// Where they are kept.
pub fn folder(data: &Path) -> PathBuf {
    data.join("follow")
}

fn link(checkpoint: &CheckpointFile, folder: &Path, name: &str) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let new = folder.join(format!("{name}.new"));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::hard_link(checkpoint.path(), &new).or_else(|_| fs::copy(checkpoint.path(), &new).map(|_| ()))?;
    fs::rename(new, folder.join(name))
}
