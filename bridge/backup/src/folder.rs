use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::manifest::{FileEntry, Manifest, ManifestError};
use crate::restore::{sync_folder, writing, written};
use crate::unpack::{MANIFEST, Nowhere, Receiver, UnpackError, is_of_a_data_folder};

/// Where the files are.
const FILES: &str = "files";
/// Keeps a second `tidegate backup` out.
const LOCK: &str = "lock";
/// Behind the name of a file that is being written.
const PARTIAL: &str = "partial";
/// Digits of a SHA-256.
const DIGITS: usize = 64;

/// A backup on disk.
///
/// ```text
/// manifest.json                                        what it consists of
/// files/store/raw-2026-11-22.db.<SHA-256 of its bytes>  each file, by its name and by what is in it
/// ```
/// A file is never changed: one with other bytes is another file. So the backup of before is whole until the new manifest takes
/// the place of its own, and what is no longer referred to is removed after that. What a backup that was broken off has
/// brought need not come again.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Names of stored files, and their lengths.
    stored: BTreeMap<String, u64>,
    _lock: File,
}

/// A file of a backup on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// As the manifest names it.
    pub entry: FileEntry,
    /// Where it is.
    pub path: PathBuf,
}

/// Why a folder cannot take or give a backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// It holds something else.
    #[error("{} is not empty and holds no backup: name an empty folder, or one of a backup", .0.display())]
    SomethingElse(PathBuf),
    /// Another program writes it.
    #[error("{} is in use: another backup goes there, wait for its end", .0.display())]
    InUse(PathBuf),
    /// It has no manifest.
    #[error("{} holds no backup: the one that was begun there was broken off. Take it again", .0.display())]
    Unfinished(PathBuf),
    /// Its manifest cannot be used.
    #[error("{} {source}", path.display())]
    Manifest {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: ManifestError,
    },
    /// The system.
    #[error("{} cannot be used: {source}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

impl Folder {
    /// A folder for a backup; it is made where there is none.
    ///
    /// # Errors
    /// When it holds something else, is in use, or cannot be made.
    pub fn open(path: &Path) -> Result<Folder, FolderError> {
        let io = |source| FolderError::Io { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
        let names: Vec<String> = fs::read_dir(path)
            .and_then(|items| items.map(|item| Ok(item?.file_name().to_string_lossy().into_owned())).collect())
            .map_err(io)?;
        let is_ours = |name: &String| {
            [FILES, LOCK, MANIFEST, "lost+found"].contains(&name.as_str()) || name == &partial(MANIFEST)
        };
        if !names.iter().all(is_ours) {
            return Err(FolderError::SomethingElse(path.to_owned()));
        }
        let lock = File::create(path.join(LOCK)).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let mut folder = Folder { path: path.to_owned(), stored: BTreeMap::new(), _lock: lock };
        folder.look().map_err(io)?;
        Ok(folder)
    }

    fn look(&mut self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(self.path.join(FILES))?;
        for (name, path) in names_below(&self.path.join(FILES))? {
            if split(&name).is_some() {
                self.stored.insert(name, path.metadata()?.len());
            } else {
                // What was being written when an earlier backup was broken off.
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// What need not come: every file that is here whole, those of a backup that was broken off too. The largest come first.
    #[must_use]
    pub fn held(&self) -> Vec<FileEntry> {
        let entry = |(stored, bytes): (&String, &u64)| {
            let (name, sha256) = split(stored)?;
            Some(FileEntry { name: name.to_owned(), bytes: *bytes, sha256: sha256.to_owned() })
        };
        let mut held: Vec<FileEntry> = self.stored.iter().filter_map(entry).collect();
        held.sort_by_key(|file| std::cmp::Reverse(file.bytes));
        held
    }

    /// The backup in a folder, which is only read.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(path: &Path) -> Result<Manifest, FolderError> {
        let file = path.join(MANIFEST);
        match fs::read(&file) {
            Ok(text) => Manifest::unseal(&text).map_err(|source| FolderError::Manifest { path: file, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.join(FILES).is_dir() => {
                Err(FolderError::Unfinished(path.to_owned()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FolderError::SomethingElse(path.to_owned())),
            Err(source) => Err(FolderError::Io { path: file, source }),
        }
    }

    /// Whether there is a backup in a folder, or the beginning of one.
    #[must_use]
    pub fn is_one(path: &Path) -> bool {
        path.join(MANIFEST).exists() || path.join(FILES).is_dir()
    }

    /// The files of a backup in a folder.
    #[must_use]
    pub fn files(path: &Path, manifest: &Manifest) -> Vec<Stored> {
        let stored = |entry: &FileEntry| Stored { entry: entry.clone(), path: path.join(FILES).join(name_of(entry)) };
        manifest.files.iter().map(stored).collect()
    }

    /// Makes the backup that has come the one in this folder, and removes what belonged to the one before alone. Gives how many
    /// files were removed.
    ///
    /// # Errors
    /// When it cannot be written; the one before is whole then.
    pub fn finish(&mut self, manifest: &Manifest) -> Result<usize, UnpackError> {
        for folder in ["log", "store", "sessions", ""] {
            let folder = self.path.join(FILES).join(folder);
            if folder.is_dir() {
                sync_folder(&folder)?;
            }
        }
        sync_folder(&self.path)?;
        let (new, place) = (self.path.join(partial(MANIFEST)), self.path.join(MANIFEST));
        written(&new, &mut manifest.sealed().as_slice())?;
        fs::rename(&new, &place).map_err(|source| writing(&place, source))?;
        sync_folder(&self.path)?;
        let needed: Vec<String> = manifest.files.iter().map(name_of).collect();
        let surplus: Vec<String> = self.stored.keys().filter(|name| !needed.contains(name)).cloned().collect();
        for name in &surplus {
            let path = self.path.join(FILES).join(name);
            fs::remove_file(&path).map_err(|source| writing(&path, source))?;
            self.stored.remove(name);
        }
        Ok(surplus.len())
    }
}

impl Receiver for Folder {
    fn has(&self, file: &FileEntry) -> bool {
        self.stored.get(&name_of(file)) == Some(&file.bytes)
    }

    fn take(&mut self, name: &str, content: &mut dyn Read) -> Result<(u64, String), UnpackError> {
        let path = self.path.join(FILES).join(partial(name));
        let (bytes, sha256) = match written(&path, content) {
            Ok(came) => came,
            Err(error) => {
                // A full disk is not kept full.
                let _ = fs::remove_file(&path);
                return Err(error);
            }
        };
        let stored = name_of(&FileEntry { name: name.to_owned(), bytes, sha256: sha256.clone() });
        let place = self.path.join(FILES).join(&stored);
        fs::rename(&path, &place).map_err(|source| writing(&place, source))?;
        self.stored.insert(stored, bytes);
        Ok((bytes, sha256))
    }
}

impl Stored {
    /// Hands the file to a receiver, and checks that it is what was written.
    ///
    /// # Errors
    /// When it is not, or cannot be read or kept.
    pub fn give(&self, receiver: &mut impl Receiver) -> Result<(), UnpackError> {
        let named = || self.path.display().to_string();
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(UnpackError::Missing { file: named() });
            }
            Err(error) => return Err(UnpackError::Reading(io::Error::other(format!("{}: {error}", named())))),
        };
        let (bytes, sha256) = receiver.take(&self.entry.name, &mut file)?;
        if bytes != self.entry.bytes || sha256 != self.entry.sha256 {
            return Err(UnpackError::Damaged { file: named() });
        }
        Ok(())
    }

    /// Whether it is what was written.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self) -> Result<(), UnpackError> {
        self.give(&mut Nowhere)
    }
}

fn partial(name: &str) -> String {
    format!("{name}.{PARTIAL}")
}

/// The name of a stored file.
fn name_of(file: &FileEntry) -> String {
    format!("{}.{}", file.name, file.sha256)
}

/// The name and the SHA-256 of a stored file.
fn split(stored: &str) -> Option<(&str, &str)> {
    let (name, sha256) = stored.rsplit_once('.')?;
    let is_sum = sha256.len() == DIGITS && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_sum && is_of_a_data_folder(name)).then_some((name, sha256))
}

/// Files in a folder and in those right below it, with their names from there.
fn names_below(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder)? {
        let item = item?;
        let name = item.file_name().to_string_lossy().into_owned();
        if item.file_type()?.is_dir() {
            let below = names_below(&item.path())?;
            found.extend(below.into_iter().map(|(below, path)| (format!("{name}/{below}"), path)));
        } else {
            found.push((name, item.path()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::manifest::{FORMAT, Standing};
    use crate::pace::Pace;
    use crate::pack::{FilePart, Piece, pack};
    use crate::unpack::unpack;

    fn piece(folder: &Path, name: &str, text: &str) -> Piece {
        let path = folder.join(name.replace('/', "-"));
        fs::write(&path, text).unwrap();
        let bytes = text.len() as u64;
        Piece { name: name.into(), bytes, content: Box::new(FilePart { file: File::open(path).unwrap(), bytes }) }
    }

    fn stream(source: &Path, files: &[(&str, &str)], held: Vec<FileEntry>) -> Vec<u8> {
        let pieces = files.iter().map(|(name, text)| piece(source, name, text)).collect();
        let mut out = Vec::new();
        let manifest = pack("0", Standing::default(), pieces, held, &mut Pace::new(None), &mut out).unwrap();
        assert_eq!(manifest.format, FORMAT);
        out
    }

    const FIRST: [(&str, &str); 3] =
        [("checkpoint", "one"), ("log/1.log", "entries"), ("store/raw-1.db", "a day of readings")];
    const SECOND: [(&str, &str); 3] =
        [("checkpoint", "two"), ("log/2.log", "more"), ("store/raw-1.db", "a day of readings")];

    fn stored(backup: &Path) -> Vec<(String, String)> {
        let manifest = Folder::read(backup).unwrap();
        let files = Folder::files(backup, &manifest);
        files.iter().for_each(|file| file.check().unwrap());
        files.into_iter().map(|file| (file.entry.name, fs::read_to_string(file.path).unwrap())).collect()
    }

    fn texts(files: &[(&str, &str)]) -> Vec<(String, String)> {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_second_backup_takes_what_is_new_and_removes_what_only_the_first_had() {
        let (source, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (files, comes) in [(&FIRST, 3), (&SECOND, 2), (&SECOND, 0)] {
            let mut folder = Folder::open(backup.path()).unwrap();
            let stream = stream(source.path(), files, folder.held());
            let count = tar::Archive::new(stream.as_slice()).entries().unwrap().count();
            assert_eq!(count, comes + 2, "{files:?}");
            let manifest = unpack(stream.as_slice(), &mut folder).unwrap();
            folder.finish(&manifest).unwrap();
            assert_eq!(stored(backup.path()), texts(files));
            assert_eq!(names_below(&backup.path().join(FILES)).unwrap().len(), 3);
        }
    }

    #[test]
    fn a_stream_that_ends_anywhere_or_has_a_wrong_byte_is_refused_and_the_backup_of_before_stays_whole() {
        let (source, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut folder = Folder::open(backup.path()).unwrap();
        let whole = unpack(stream(source.path(), &FIRST, folder.held()).as_slice(), &mut folder).unwrap();
        folder.finish(&whole).unwrap();
        let second = stream(source.path(), &SECOND, Vec::new());
        // Behind the manifest's text come zeros alone.
        let text_end = second.iter().rposition(|byte| *byte == b'\n').unwrap();
        for end in (0..text_end).step_by(100) {
            let refused = unpack(&second[..end], &mut folder).unwrap_err();
            assert!(matches!(refused, UnpackError::BrokenOff(_) | UnpackError::NotABackup(_)), "{end}: {refused}");
            assert_eq!(stored(backup.path()), texts(&FIRST), "{end}");
        }
        for at in (0..text_end).step_by(7) {
            let mut wrong = second.clone();
            wrong[at] ^= 0x10;
            match unpack(wrong.as_slice(), &mut folder) {
                Err(_) => {}
                // Padding, or what of a header nobody heeds.
                Ok(manifest) => assert_eq!(manifest.files.len(), 3),
            }
        }
        drop(folder);
        // What came of it is not asked for again.
        let folder = Folder::open(backup.path()).unwrap();
        assert!(folder.held().iter().any(|file| file.name == "log/2.log"));
        assert_eq!(stored(backup.path()), texts(&FIRST));
    }

    #[test]
    fn a_folder_of_something_else_or_in_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let first = Folder::open(&folder.path().join("new")).unwrap();
        assert!(matches!(Folder::open(&folder.path().join("new")), Err(FolderError::InUse(_))));
        drop(first);
        assert!(matches!(Folder::read(&folder.path().join("new")), Err(FolderError::Unfinished(_))));
        assert!(matches!(Folder::open(folder.path()), Err(FolderError::SomethingElse(_))));
        assert!(matches!(Folder::read(folder.path()), Err(FolderError::SomethingElse(_))));
    }

    #[test]
    fn what_a_stored_file_is_called_says_what_it_is() {
        let sum = "0".repeat(DIGITS);
        assert_eq!(split(&format!("store/raw-1.db.{sum}")), Some(("store/raw-1.db", sum.as_str())));
        assert_eq!(split(&format!("store/raw-1.db.{sum}.partial")), None);
        assert_eq!(split("store/raw-1.db"), None);
        assert_eq!(crate::hash::hex(&[0, 255]), "00ff");
    }
}
