use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use crate::hash::{self, Failed};
use crate::manifest::{Begin, FORMAT, FileEntry, Manifest, Standing};
use crate::pace::Pace;
use crate::unpack::{BEGIN, MANIFEST};

/// What can be read from its beginning as often as one likes, and is the same each time.
pub trait Content: Send {
    /// From its beginning.
    fn read(&self) -> Box<dyn Read + '_>;
}

/// The first bytes of a file that is open: it may have been deleted, or grow behind them.
#[derive(Debug)]
pub struct FilePart {
    /// The file.
    pub file: File,
    /// How much of it counts.
    pub bytes: u64,
}

/// A small file, as it was read.
impl Content for Vec<u8> {
    fn read(&self) -> Box<dyn Read + '_> {
        Box::new(self.as_slice())
    }
}

/// A file of the data folder, as a backup has it.
pub struct Piece {
    /// Its path in the data folder, with `/`.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// What is in it.
    pub content: Box<dyn Content>,
}

/// Why a stream was not finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A file of the data folder.
    #[error("{name} could not be read for a backup: {source}; check the disk")]
    Reading {
        /// Which.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// Who takes the stream.
    #[error("the backup was broken off by who took it: {0}")]
    Writing(#[source] io::Error),
}

/// Writes a stream of all pieces but those that are `held` already. A piece is given back as soon as it is written. No more
/// bytes are read in a second than `pace` says.
///
/// # Errors
/// When a piece cannot be read or the stream not be written: what was written is no backup then.
pub fn pack(
    program: &str,
    standing: Standing,
    pieces: Vec<Piece>,
    held: Vec<FileEntry>,
    pace: &mut Pace,
    out: impl Write,
) -> Result<Manifest, PackError> {
    let mut packer = Packer { tar: tar::Builder::new(out), taken_ms: standing.taken_ms };
    let bytes = pieces.iter().map(|piece| piece.bytes).sum();
    let program = program.to_owned();
    let begin = Begin { format: FORMAT, program: program.clone(), standing: standing.clone(), bytes };
    packer.text(BEGIN, &serde_json::to_vec(&begin).expect("plain data with text keys"))?;
    let held: HashMap<String, FileEntry> = held.into_iter().map(|file| (file.name.clone(), file)).collect();
    let mut files = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let known = held.get(&piece.name).filter(|known| known.bytes == piece.bytes);
        let is_held = match known {
            Some(known) => piece.copy(pace, &mut io::sink())? == known.sha256,
            None => false,
        };
        let sha256 = match known {
            Some(known) if is_held => known.sha256.clone(),
            _ => packer.piece(&piece, pace)?,
        };
        files.push(FileEntry { name: piece.name, bytes: piece.bytes, sha256 });
    }
    files.sort();
    let manifest = Manifest { format: FORMAT, program, standing, files };
    packer.text(MANIFEST, &manifest.sealed())?;
    let mut out = packer.tar.into_inner().map_err(PackError::Writing)?;
    out.flush().map_err(PackError::Writing)?;
    Ok(manifest)
}

struct Packer<W: Write> {
    tar: tar::Builder<W>,
    taken_ms: i64,
}

impl<W: Write> Packer<W> {
    fn header(&self, bytes: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(self.taken_ms / 1000).unwrap_or(0));
        header
    }

    fn text(&mut self, name: &str, text: &[u8]) -> Result<(), PackError> {
        let mut header = self.header(text.len() as u64);
        self.tar.append_data(&mut header, name, text).map_err(PackError::Writing)
    }

    /// Writes a piece, and gives its SHA-256.
    fn piece(&mut self, piece: &Piece, pace: &mut Pace) -> Result<String, PackError> {
        let mut header = self.header(piece.bytes);
        header
            .set_path(&piece.name)
            .and_then(|()| {
                header.set_cksum();
                self.tar.get_mut().write_all(header.as_bytes())
            })
            .map_err(PackError::Writing)?;
        let sha256 = piece.copy(pace, self.tar.get_mut())?;
        // An archive is written in blocks (POSIX.1-2024, pax: ustar interchange format).
        let padding = piece.bytes.next_multiple_of(BLOCK_BYTES) - piece.bytes;
        self.tar.get_mut().write_all(&vec![0; padding as usize]).map_err(PackError::Writing)?;
        Ok(sha256)
    }
}

const BLOCK_BYTES: u64 = 512;

impl Piece {
    /// Writes its bytes, and gives their SHA-256.
    fn copy(&self, pace: &mut Pace, out: &mut impl Write) -> Result<String, PackError> {
        let failed = |source| PackError::Reading { name: self.name.clone(), source };
        let mut paced = Paced { inner: self.content.read(), pace };
        match hash::copy(&mut paced, out) {
            Ok((bytes, sha256)) if bytes == self.bytes => Ok(sha256),
            Ok((bytes, _)) => Err(failed(io::Error::other(format!("it has {bytes} bytes, not {}", self.bytes)))),
            Err(Failed::Reading(source)) => Err(failed(source)),
            Err(Failed::Writing(source)) => Err(PackError::Writing(source)),
        }
    }
}

struct Paced<'a> {
    inner: Box<dyn Read + 'a>,
    pace: &'a mut Pace,
}

impl Read for Paced<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.pace.pass(read);
        Ok(read)
    }
}

impl Content for FilePart {
    fn read(&self) -> Box<dyn Read + '_> {
        Box::new(FromStart { part: self, at: 0 })
    }
}

struct FromStart<'a> {
    part: &'a FilePart,
    at: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.part.bytes - self.at).unwrap_or(usize::MAX).min(out.len());
        let read = self.part.file.read_at(&mut out[..left], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
