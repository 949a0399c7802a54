//! What a new sink takes: a follower that writes every value as a line of InfluxDB's line protocol to a file.

use std::fmt::Write;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidegate_follow::{Changes, FlushError, Flushing, Followed, Follower, Names, PositionFile, Refused};
use tidegate_telemetry::Change;

pub struct LineProtocol {
    file: Arc<File>,
    position: PositionFile,
    followed: Followed,
    names: Names,
    /// Bytes of the file up to the position.
    at: u64,
    lines: String,
    /// Nothing can be written, as if a server were away.
    is_down: Arc<AtomicBool>,
}

impl LineProtocol {
    /// Goes on where it was; what was written beyond that is written again.
    pub fn open(folder: &Path, is_down: Arc<AtomicBool>) -> LineProtocol {
        let position = PositionFile::new(folder.join("lines.position"));
        let (followed, note) = position.load().unwrap().unwrap_or((Followed::NOTHING, vec![0; 8]));
        let at = u64::from_le_bytes(note.try_into().unwrap());
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lines")).unwrap();
        file.set_len(at).unwrap();
        let (names, lines) = (Names::default(), String::new());
        LineProtocol { file: Arc::new(file), position, followed, names, at, lines, is_down }
    }

    fn line(&mut self, change: &Change) {
        self.names.learn(change);
        let Change::Reading(reading) = change else { return };
        let device = self.names.device(reading.device).unwrap();
        for cell in &reading.cells {
            let (metric, value) = (self.names.metric(reading.device, cell.metric).unwrap(), cell.value.as_number());
            writeln!(self.lines, "{metric},device={device} value={} {}", value.unwrap(), reading.time_ms).unwrap();
        }
    }
}

impl Follower for LineProtocol {
    fn position(&self) -> Option<Followed> {
        Some(self.followed)
    }

    fn apply(&mut self, changes: &Changes, _: &mut Vec<Refused>) {
        changes.entries().flat_map(|(_, _, changes)| changes).for_each(|change| self.line(change));
    }

    fn flush(&mut self, through: Followed) -> Option<Box<dyn Flushing>> {
        self.followed = through;
        let (at, lines) = (self.at, std::mem::take(&mut self.lines));
        self.at += lines.len() as u64;
        let (file, position, is_down) = (Arc::clone(&self.file), self.position.clone(), Arc::clone(&self.is_down));
        Some(Box::new(Lines { file, position, through, at, lines, is_down }))
    }
}

struct Lines {
    file: Arc<File>,
    position: PositionFile,
    through: Followed,
    at: u64,
    lines: String,
    is_down: Arc<AtomicBool>,
}

impl Flushing for Lines {
    fn run(&mut self) -> Result<(), FlushError> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err("nobody answers".into());
        }
        self.file.write_all_at(self.lines.as_bytes(), self.at)?;
        self.file.sync_data()?;
        Ok(self.position.write(self.through, &(self.at + self.lines.len() as u64).to_le_bytes())?)
    }
}
