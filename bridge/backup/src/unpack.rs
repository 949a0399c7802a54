use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;

use crate::hash::{self, Failed};
use crate::manifest::{Begin, FORMAT, FileEntry, Manifest, ManifestError};

/// First file of a stream.
pub(crate) const BEGIN: &str = "begin.json";
/// Last file of a stream; without it the stream was broken off.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The two of them are small.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// Why a stream was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// Something else.
    #[error("this is no backup of Tidegate ({0}): name the folder or stream that `tidegate backup` made")]
    NotABackup(String),
    /// Of a later program.
    #[error("the backup has format {0}, this program reads {FORMAT}: use the program that made it, or a newer one")]
    Newer(u32),
    /// Its manifest.
    #[error("the manifest of the backup {0}")]
    Manifest(#[source] ManifestError),
    /// The end did not come.
    #[error(
        "the backup was broken off after {0}: what came is no backup. See what the program that was asked says in its log, \
         then take it again"
    )]
    BrokenOff(String),
    /// A file is not what was written.
    #[error(
        "{file} is damaged: its bytes do not have the checksum of the manifest. Use another backup, or take a new one"
    )]
    Damaged {
        /// Which.
        file: String,
    },
    /// A file that was to be there is not.
    #[error("{file} is missing: use another backup, or take a new one")]
    Missing {
        /// Which.
        file: String,
    },
    /// The disk it goes to is full.
    #[error("no room on the disk of {}: free some of it, or use another disk", path.display())]
    NoRoom {
        /// What was written.
        path: PathBuf,
    },
    /// Where it goes.
    #[error("{} cannot be written: {source}", path.display())]
    Writing {
        /// What.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Where it comes from.
    #[error("the backup cannot be read: {0}")]
    Reading(#[source] io::Error),
}

/// Takes the files of a backup.
pub trait Receiver {
    /// Whether a file is here already, which therefore does not come.
    fn has(&self, _file: &FileEntry) -> bool {
        false
    }

    /// Takes a file to its end, and gives the bytes there were with their SHA-256.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn take(&mut self, name: &str, content: &mut dyn Read) -> Result<(u64, String), UnpackError>;
}

/// Keeps nothing: whether all is well is all there is to know.
#[derive(Debug, Default)]
pub struct Nowhere;

impl Receiver for Nowhere {
    fn take(&mut self, name: &str, content: &mut dyn Read) -> Result<(u64, String), UnpackError> {
        hash::copy(content, &mut io::sink()).map_err(|failed| match failed {
            Failed::Reading(_) => UnpackError::BrokenOff(name.to_owned()),
            Failed::Writing(source) => UnpackError::Reading(source),
        })
    }
}

/// Takes a stream apart, and checks that all of it came as it was sent.
///
/// # Errors
/// When it is no backup, was broken off or damaged, or when the receiver cannot keep it.
pub fn unpack(stream: impl Read, receiver: &mut impl Receiver) -> Result<Manifest, UnpackError> {
    let mut archive = tar::Archive::new(stream);
    let mut entries = archive.entries().map_err(UnpackError::Reading)?;
    let mut last = begin(entries.next())?;
    let mut came = BTreeMap::new();
    for entry in entries {
        let mut entry = entry.map_err(|_| UnpackError::BrokenOff(last.clone()))?;
        let name = entry.path().ok().and_then(|path| path.to_str().map(str::to_owned)).unwrap_or_default();
        if name == MANIFEST {
            let text = text(&mut entry, &last)?;
            let manifest = Manifest::unseal(&text).map_err(UnpackError::Manifest)?;
            return complete(&manifest, &came, receiver).map(|()| manifest);
        }
        if !is_of_a_data_folder(&name) || !entry.header().entry_type().is_file() {
            return Err(UnpackError::NotABackup(format!("it has {name:?} in it")));
        }
        let announced = entry.size();
        let (bytes, sha256) = receiver.take(&name, &mut entry)?;
        if bytes != announced {
            return Err(UnpackError::BrokenOff(last));
        }
        last.clone_from(&name);
        came.insert(name.clone(), FileEntry { name, bytes, sha256 });
    }
    Err(UnpackError::BrokenOff(last))
}

/// What a stream begins with says whether it is one.
fn begin<R: Read>(first: Option<io::Result<tar::Entry<'_, R>>>) -> Result<String, UnpackError> {
    let not = |what: &str| UnpackError::NotABackup(what.to_owned());
    let mut first = first.ok_or_else(|| not("it is empty"))?.map_err(|_| not("it is no tar archive"))?;
    if first.path().ok().is_none_or(|path| path.as_os_str() != BEGIN) {
        return Err(not("it does not begin as one"));
    }
    let text = text(&mut first, BEGIN)?;
    let begin: Begin = serde_json::from_slice(&text).map_err(|_| not("its beginning cannot be read"))?;
    if begin.format > FORMAT { Err(UnpackError::Newer(begin.format)) } else { Ok(BEGIN.to_owned()) }
}

fn text<R: Read>(entry: &mut tar::Entry<'_, R>, last: &str) -> Result<Vec<u8>, UnpackError> {
    let announced = entry.size();
    let mut text = Vec::new();
    let read = entry.take(TEXT_BYTES_MAX).read_to_end(&mut text);
    match read {
        Ok(read) if read as u64 == announced => Ok(text),
        _ => Err(UnpackError::BrokenOff(last.to_owned())),
    }
}

/// Everything that the manifest names came, or was here.
fn complete(
    manifest: &Manifest,
    came: &BTreeMap<String, FileEntry>,
    receiver: &impl Receiver,
) -> Result<(), UnpackError> {
    for file in &manifest.files {
        match came.get(&file.name) {
            Some(one) if one == file => {}
            Some(_) => return Err(UnpackError::Damaged { file: file.name.clone() }),
            None if receiver.has(file) => {}
            None => return Err(UnpackError::Missing { file: file.name.clone() }),
        }
    }
    let unnamed = came.keys().find(|name| manifest.file(name).is_none());
    unnamed.map_or(Ok(()), |name| Err(UnpackError::NotABackup(format!("its manifest does not name {name}"))))
}

/// What the name of a follower's file in the data folder ends with.
const POSITION: &str = ".position";

/// Whether a name is one that a data folder can have: it leads nowhere else.
pub(crate) fn is_of_a_data_folder(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    let mut parts = name.split('/');
    let first = parts.next().unwrap_or_default();
    match first {
        "checkpoint" => parts.next().is_none(),
        name if name.ends_with(POSITION) => plain(name) && parts.next().is_none(),
        "log" | "store" | "sessions" => parts.next().is_some_and(plain) && parts.next().is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_out_of_the_folder_is_none_of_a_data_folder() {
        for good in [
            "checkpoint",
            "log/00000000000000000001.log",
            "store/raw-1.db",
            "sessions/sessions.sqlite",
            "influxdb.position",
        ] {
            assert!(is_of_a_data_folder(good), "{good}");
        }
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "log/../../x",
            "log/..",
            "log/",
            "log//x",
            "log/a/b",
            "checkpoint/x",
            "x",
            "store/.x",
        ] {
            assert!(!is_of_a_data_folder(bad), "{bad}");
        }
    }
}
