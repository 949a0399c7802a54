//! The checkpoint file: the state of processing at one position of the log.
//!
//! Written to a temporary name, synced, then renamed, so that a crash leaves the old file or the new one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tidegate_process::Checkpoint;
use tidegate_telemetry::Position;

const MAGIC: &[u8; 8] = b"TGCHECK1";

/// Magic, position, checksum; then the state.
const HEADER_BYTES: usize = 20;

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
        CheckpointFile::at(data.join("checkpoint"))
    }

    /// A checkpoint at a path of its own.
    pub fn at(path: PathBuf) -> CheckpointFile {
        CheckpointFile { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The position it stands at, from its first bytes alone; `None`: there is none, or it is none.
    pub fn position(&self) -> Option<Position> {
        CheckpointFile::position_in(&File::open(&self.path).ok()?)
    }

    /// The position of a checkpoint that is open; `None`: it is none.
    pub fn position_in(file: &File) -> Option<Position> {
        let mut bytes = [0; HEADER_BYTES];
        file.read_exact_at(&mut bytes, 0).ok()?;
        let (position, _) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
        Some(Position(u64::from_le_bytes(*position)))
    }

    /// The last checkpoint written, or `None` when there was none yet.
    pub fn load(&self) -> Result<Option<(Position, Vec<u8>)>, CheckpointError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.io_error(source)),
        };
        parse(bytes).map(Some).ok_or_else(|| CheckpointError::Damaged(self.path.clone()))
    }

    /// Writes a checkpoint beside the last one, for [`CheckpointFile::replace`].
    pub fn write(&self, position: Position, state: &Checkpoint) -> Result<(), CheckpointError> {
        self.write_with(position, |out| state.write(out)).map_err(|source| self.io_error(source))
    }

    /// Replaces the checkpoint by the one that was written. Durable when it returns.
    pub fn replace(&self) -> Result<(), CheckpointError> {
        let replace = || {
            File::open(self.written())?.sync_all()?;
            fs::rename(self.written(), &self.path)?;
            File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
        };
        replace().map_err(|source| self.io_error(source))
    }

    fn write_with(&self, position: Position, state: impl FnOnce(&mut Summing<'_>) -> io::Result<()>) -> io::Result<()> {
        let mut file = File::create(self.written())?;
        let position = position.0.to_le_bytes();
        file.write_all(&[&MAGIC[..], &position, &[0; 4]].concat())?;
        let mut summing = Summing { file: &mut file, sum: crc32c::crc32c(&position) };
        state(&mut summing)?;
        let sum = summing.sum;
        file.write_all_at(&sum.to_le_bytes(), (HEADER_BYTES - size_of_val(&sum)) as u64)
    }

    /// Where it stands until it is the checkpoint.
    fn written(&self) -> PathBuf {
        self.path.with_extension("new")
    }

    fn io_error(&self, source: io::Error) -> CheckpointError {
        CheckpointError::Io { path: self.path.clone(), source }
    }
}

/// Sums up what goes to the file.
struct Summing<'a> {
    file: &'a mut File,
    sum: u32,
}

impl Write for Summing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.sum = crc32c::crc32c_append(self.sum, &bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Position and state of an intact file.
fn parse(mut bytes: Vec<u8>) -> Option<(Position, Vec<u8>)> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (position, rest) = rest.split_first_chunk::<8>()?;
    let (sum, state) = rest.split_first_chunk::<4>()?;
    let is_sound = crc32c::crc32c_append(crc32c::crc32c(position), state) == u32::from_le_bytes(*sum);
    let position = Position(u64::from_le_bytes(*position));
    bytes.drain(..HEADER_BYTES);
    is_sound.then_some((position, bytes))
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
        let write = |position, state: &[u8]| file.write_with(Position(position), |out| out.write_all(state)).unwrap();
        write(7, b"state");
        assert!(file.load().unwrap().is_none(), "it is not in its place yet");
        file.replace().unwrap();
        write(9, b"newer state");
        file.replace().unwrap();
        write(11, b"never in its place");
        assert_eq!(file.load().unwrap(), Some((Position(9), b"newer state".to_vec())));
        assert_eq!(file.position(), Some(Position(9)));

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
