use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::hash::{self, Failed};
use crate::unpack::{Receiver, UnpackError};

/// While it is there, a data folder is not whole.
const UNFINISHED: &str = "restoring";

/// What an empty disk may have.
const OF_THE_DISK: &str = "lost+found";

/// A data folder that is being made from a backup.
///
/// The files come into a folder within it, and move up when all of them are there and durable. While that folder is there no
/// program starts on the data folder ([`is_unfinished`]): so it has everything, or is refused. Nothing is renamed into the place
/// of the data folder itself, which may be a disk of its own.
#[derive(Debug)]
pub struct Restoring {
    data: PathBuf,
}

/// Whether a data folder holds what a restoring has left that was broken off.
#[must_use]
pub fn is_unfinished(data: &Path) -> bool {
    data.join(UNFINISHED).exists()
}

impl Restoring {
    /// Begins; the data folder is made where there is none. What a restoring has left that was broken off before anything moved up
    /// is removed.
    ///
    /// # Errors
    /// When there is something in it, with what to do.
    pub fn begin(data: &Path) -> Result<Restoring, UnpackError> {
        let io = |source| writing(data, source);
        fs::create_dir_all(data).map_err(io)?;
        let names: Vec<_> = fs::read_dir(data)
            .and_then(|items| items.map(|item| Ok(item?.file_name())).collect::<io::Result<Vec<_>>>())
            .map_err(io)?;
        let found = names.iter().find(|name| *name != OF_THE_DISK && *name != UNFINISHED);
        if let Some(found) = found {
            let what = format!(
                "there is {} in it: nothing is overwritten. Move it away, or name another folder",
                found.display()
            );
            return Err(io(io::Error::other(what)));
        }
        if is_unfinished(data) {
            fs::remove_dir_all(data.join(UNFINISHED)).map_err(io)?;
        }
        fs::create_dir(data.join(UNFINISHED)).map_err(io)?;
        sync_folder(data)?;
        Ok(Restoring { data: data.to_owned() })
    }

    /// Everything came: from now on it is a data folder.
    ///
    /// # Errors
    /// When the files cannot be moved to their places.
    pub fn finish(self) -> Result<(), UnpackError> {
        let from = self.data.join(UNFINISHED);
        let io = |source| writing(&from, source);
        let items: Vec<PathBuf> =
            fs::read_dir(&from).and_then(|items| items.map(|item| Ok(item?.path())).collect()).map_err(io)?;
        for item in &items {
            if item.is_dir() {
                sync_folder(item)?;
            }
        }
        for item in &items {
            let place = self.data.join(item.file_name().unwrap_or_default());
            fs::rename(item, &place).map_err(|source| writing(&place, source))?;
        }
        sync_folder(&self.data)?;
        fs::remove_dir(&from).map_err(io)?;
        sync_folder(&self.data)
    }

    /// Removes what came: nothing was restored.
    pub fn give_up(self) {
        // What stays is removed when it is tried again.
        let _ = fs::remove_dir_all(self.data.join(UNFINISHED));
    }
}

impl Receiver for Restoring {
    fn take(&mut self, name: &str, content: &mut dyn Read) -> Result<(u64, String), UnpackError> {
        written(&self.data.join(UNFINISHED).join(name), content)
    }
}

/// Writes a file, durably; gives its bytes with their SHA-256.
pub(crate) fn written(path: &Path, content: &mut dyn Read) -> Result<(u64, String), UnpackError> {
    let failed = |source| writing(path, source);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = Steady { file: File::create(path).map_err(failed)?, bytes: 0 };
    let written = hash::copy(content, &mut file).map_err(|error| match error {
        Failed::Reading(_) => UnpackError::BrokenOff(path.display().to_string()),
        Failed::Writing(source) => failed(source),
    })?;
    file.file.sync_all().map_err(failed)?;
    Ok(written)
}

/// Writes to a file that is made durable as it grows. All at its end would be much for the disk at once, and whoever else
/// has something made durable on it, a log for one, would wait for that.
struct Steady {
    file: File,
    /// Written and perhaps not durable.
    bytes: usize,
}

/// Bytes that are made durable at once.
const STEADY_BYTES: usize = 4 << 20;

impl Write for Steady {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written;
        if self.bytes >= STEADY_BYTES {
            self.file.sync_data()?;
            self.bytes = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

pub(crate) fn writing(path: &Path, source: io::Error) -> UnpackError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => UnpackError::NoRoom { path: path.to_owned() },
        _ => UnpackError::Writing { path: path.to_owned(), source },
    }
}

/// Makes created, renamed and removed names durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), UnpackError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|source| writing(path, source))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_is_whole_once_it_is_finished_and_one_that_has_something_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        for _ in ["broken off", "once more"] {
            let mut restoring = Restoring::begin(&data).unwrap();
            restoring.take("log/1.log", &mut "entries".as_bytes()).unwrap();
            assert!(is_unfinished(&data) && !data.join("log").exists());
        }
        let mut restoring = Restoring::begin(&data).unwrap();
        restoring.take("log/1.log", &mut "entries".as_bytes()).unwrap();
        restoring.take("checkpoint", &mut "state".as_bytes()).unwrap();
        restoring.finish().unwrap();
        assert!(!is_unfinished(&data));
        assert_eq!(fs::read_to_string(data.join("log/1.log")).unwrap(), "entries");
        let refused = Restoring::begin(&data).unwrap_err().to_string();
        assert!(refused.contains("nothing is overwritten"), "{refused}");
    }
}
