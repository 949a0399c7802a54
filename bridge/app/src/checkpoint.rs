//! The checkpoint file: the state of processing at one position of the log.
//!
//! Written to a temporary name, synced, then renamed, so that a crash leaves the old file or the new one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tidegate_telemetry::Position;

const MAGIC: &[u8; 8] = b"TGCHECK1";

/// Where the checkpoint of a data directory is kept.
pub struct CheckpointFile {
    path: PathBuf,
}

/// Why a checkpoint could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The disk.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The content.
    #[error(
        "{0} is damaged: restore the data directory from a backup, or move it away to start with an empty state \
         (history stays; only entries that are not yet in it would be missed)"
    )]
    Damaged(PathBuf),
}

impl CheckpointFile {
    /// The checkpoint below a data directory.
    pub fn new(data: &Path) -> CheckpointFile {
        CheckpointFile { path: data.join("checkpoint") }
    }

    /// The last checkpoint written, or `None` when there was none yet.
    pub fn load(&self) -> Result<Option<(Position, Vec<u8>)>, CheckpointError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CheckpointError::Io { path: self.path.clone(), source }),
        };
        parse(&bytes).map(Some).ok_or_else(|| CheckpointError::Damaged(self.path.clone()))
    }

    /// Replaces the checkpoint. Durable when it returns.
    pub fn save(&self, position: Position, state: &[u8]) -> Result<(), CheckpointError> {
        self.write(position, state).map_err(|source| CheckpointError::Io { path: self.path.clone(), source })
    }

    fn write(&self, position: Position, state: &[u8]) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        let mut file = File::create(&temporary)?;
        file.write_all(MAGIC)?;
        let position = position.0.to_le_bytes();
        file.write_all(&position)?;
        file.write_all(&checksum(&position, state).to_le_bytes())?;
        file.write_all(state)?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn parse(bytes: &[u8]) -> Option<(Position, Vec<u8>)> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (position, rest) = rest.split_first_chunk::<8>()?;
    let (sum, state) = rest.split_first_chunk::<4>()?;
    let sound = checksum(position, state) == u32::from_le_bytes(*sum);
    sound.then(|| (Position(u64::from_le_bytes(*position)), state.to_vec()))
}

fn checksum(position: &[u8; 8], state: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(position), state)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_checkpoint_comes_back_and_a_damaged_one_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = CheckpointFile::new(directory.path());
        assert!(file.load().unwrap().is_none());
        file.save(Position(7), b"state").unwrap();
        file.save(Position(9), b"newer state").unwrap();
        assert_eq!(file.load().unwrap(), Some((Position(9), b"newer state".to_vec())));

        let path = directory.path().join("checkpoint");
        let good = fs::read(&path).unwrap();
        for index in [0, 9, 17, good.len() - 1] {
            let mut bad = good.clone();
            bad[index] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(matches!(file.load(), Err(CheckpointError::Damaged(_))), "byte {index}");
        }
    }
}
