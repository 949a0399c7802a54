//! How far a follower is, on disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tidegate_telemetry::Position;

use crate::changes::Followed;

const MAGIC: &[u8; 8] = b"TGFOLLO1";

/// A small file that holds how far a follower is, and what it notes beside it.
///
/// It is written under another name, synced, then renamed: a crash leaves the old one or the new one. Layout: magic,
/// position and time of receipt (8 bytes each, little-endian), the note, CRC-32C of all of that.
#[derive(Debug, Clone)]
pub struct PositionFile(PathBuf);

/// Why a position could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PositionFileError {
    /// The disk.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The content.
    #[error("{} is damaged: restore it from a backup, or delete it, and what it was for is told everything anew", .0.display())]
    Damaged(PathBuf),
}

impl PositionFile {
    /// The file at a path; there may be none yet.
    pub fn new(path: impl Into<PathBuf>) -> PositionFile {
        PositionFile(path.into())
    }

    /// How far the follower was, and its note; `None` when it has never written.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn load(&self) -> Result<Option<(Followed, Vec<u8>)>, PositionFileError> {
        let bytes = match fs::read(&self.0) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.io_error(source)),
        };
        parse(&bytes).map(Some).ok_or_else(|| PositionFileError::Damaged(self.0.clone()))
    }

    /// Writes how far the follower is, and a note. Durable when it returns.
    ///
    /// # Errors
    /// When the file cannot be written: then it holds what it held before.
    pub fn write(&self, followed: Followed, note: &[u8]) -> Result<(), PositionFileError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(followed.position.0.to_le_bytes());
        bytes.extend(followed.received_ms.to_le_bytes());
        bytes.extend(note);
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        let write = || {
            let new = self.0.with_extension("new");
            let mut file = File::create(&new)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(new, &self.0)?;
            let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(|source| self.io_error(source))
    }

    /// How far the follower is whose file has these bytes; `None`: they are not what was written.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Followed> {
        parse(bytes).map(|(followed, _)| followed)
    }

    fn io_error(&self, source: io::Error) -> PositionFileError {
        PositionFileError::Io { path: self.0.clone(), source }
    }
}

fn parse(bytes: &[u8]) -> Option<(Followed, Vec<u8>)> {
    let (summed, sum) = bytes.split_last_chunk::<4>()?;
    let (position, rest) = summed.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
    let (received_ms, note) = rest.split_first_chunk::<8>()?;
    let followed =
        Followed { position: Position(u64::from_le_bytes(*position)), received_ms: i64::from_le_bytes(*received_ms) };
    (crc32c::crc32c(summed) == u32::from_le_bytes(*sum)).then(|| (followed, note.to_vec()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_position_comes_back_with_its_note_and_a_damaged_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("position");
        let file = PositionFile::new(&path);
        assert!(file.load().unwrap().is_none());
        for position in [7, 9] {
            let followed = Followed { position: Position(position), received_ms: -3 };
            file.write(followed, b"note").unwrap();
            assert_eq!(file.load().unwrap(), Some((followed, b"note".to_vec())));
        }
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(matches!(file.load(), Err(PositionFileError::Damaged(_))), "byte {at}");
        }
    }
}
