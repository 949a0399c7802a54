use ring::digest;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::hash::hex;

/// Version of the stream and of the manifest.
pub const FORMAT: u32 = 1;

/// What a stream begins with: whether it can be read, and how much may come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// Version of the stream.
    pub format: u32,
    /// The program that made it.
    pub program: String,
    /// Where the backup stands.
    #[serde(flatten)]
    pub standing: Standing,
    /// Bytes of all files. Those that who asked already has do not come.
    pub bytes: u64,
}

/// Where a backup stands in the log. Positions are numbers of entries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Standing {
    /// When it was begun, Unix ms.
    pub taken_ms: i64,
    /// Everything up to this entry is in it, and nothing after it.
    pub position: u64,
    /// Of the first entry of its log.
    pub log_first: u64,
    /// Of the state of processing; `None`: it had not been written yet.
    pub checkpoint: Option<u64>,
    /// Up to where history is in the store.
    pub flushed: u64,
    /// Up to where mailboxes are complete; `None`: there is no file of sessions.
    pub sessions: Option<u64>,
    /// How much there is.
    pub counts: Counts,
}

/// How much there is in a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Entries in the log.
    pub entries: u64,
    /// Points in the store.
    pub points: u64,
    /// Events of alerts in the store.
    pub alert_events: u64,
    /// MQTT sessions.
    pub sessions: u64,
    /// Messages in their mailboxes.
    pub waiting: u64,
    /// Retained messages.
    pub retained: u64,
}

/// A file of the data folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path in the data folder, with `/`.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

/// Everything that a backup consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the manifest.
    pub format: u32,
    /// The program that made it.
    pub program: String,
    /// Where it stands.
    #[serde(flatten)]
    pub standing: Standing,
    /// Its files.
    pub files: Vec<FileEntry>,
}

/// As it stands on disk: with a checksum of its text.
#[derive(Serialize, Deserialize)]
struct Sealed {
    manifest: Box<RawValue>,
    sha256: String,
}

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not what was written.
    #[error("is damaged, or no manifest of a backup: use another backup")]
    Damaged,
    /// Of a later program.
    #[error("has format {0}, this program reads {FORMAT}: use the program that made the backup, or a newer one")]
    Newer(u32),
}

impl Manifest {
    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The file of a name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.name == name)
    }

    /// Its text, with a checksum.
    ///
    /// # Panics
    /// Never: it is plain data with text keys.
    #[must_use]
    pub fn sealed(&self) -> Vec<u8> {
        let text = serde_json::to_string(self).expect("plain data with text keys");
        let sha256 = hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        let manifest = RawValue::from_string(text).expect("it was just written");
        let mut sealed = serde_json::to_vec(&Sealed { manifest, sha256 }).expect("plain data with text keys");
        sealed.push(b'\n');
        sealed
    }

    /// Reads back what [`Manifest::sealed`] gave.
    ///
    /// # Errors
    /// When it is not what was written, or of a later program.
    pub fn unseal(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        let sealed: Sealed = serde_json::from_slice(bytes).map_err(|_| ManifestError::Damaged)?;
        let text = sealed.manifest.get();
        if hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()) != sealed.sha256 {
            return Err(ManifestError::Damaged);
        }
        let format: Format = serde_json::from_str(text).map_err(|_| ManifestError::Damaged)?;
        if format.format > FORMAT {
            return Err(ManifestError::Newer(format.format));
        }
        serde_json::from_str(text).map_err(|_| ManifestError::Damaged)
    }
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(format: u32) -> Manifest {
        let file = FileEntry { name: "checkpoint".into(), bytes: 7, sha256: "00".into() };
        let standing = Standing { position: 12, ..Standing::default() };
        Manifest { format, program: "0.1.0".into(), standing, files: vec![file] }
    }

    #[test]
    fn a_manifest_comes_back_and_one_with_a_wrong_byte_is_refused() {
        let sealed = manifest(FORMAT).sealed();
        assert_eq!(Manifest::unseal(&sealed), Ok(manifest(FORMAT)));
        for at in 0..sealed.len() - 1 {
            let mut wrong = sealed.clone();
            wrong[at] ^= 1;
            assert!(Manifest::unseal(&wrong).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_manifest_of_a_later_program_names_its_format() {
        assert_eq!(Manifest::unseal(&manifest(2).sealed()), Err(ManifestError::Newer(2)));
    }
}
