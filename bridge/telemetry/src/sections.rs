//! A state in named, versioned sections: each is written and read by the room whose state it is.
//!
//! ```text
//! for each part of a section: length of the name u8 | name | version varint | length of the bytes varint | bytes
//! then a name of no length
//! ```
//! A section holds one value, or a list whose parts follow each other so that neither writer nor reader needs the whole of
//! it in memory. Values are [records](crate::record), so fields are added without a new version; a version is raised only
//! when what was written before would be misunderstood. Who reads takes the sections it knows: a missing one it makes up
//! for, and of unknown ones it is told ([`Sections::unread`]).

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::record::{self, read_varint, write_varint};

/// A list goes on in another part from here on, bytes.
const PART_BYTES: usize = 64 << 10;

/// Writes sections one after the other.
#[derive(Debug)]
pub struct SectionsWriter<W> {
    out: W,
    part: Vec<u8>,
    head: Vec<u8>,
}

impl<W: Write> SectionsWriter<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        SectionsWriter { out, part: Vec::new(), head: Vec::new() }
    }

    /// Writes a section that is one value.
    ///
    /// # Errors
    /// Those of the writer below, and [`record::RecordError`] as one of them.
    pub fn value(&mut self, name: &str, version: u32, value: &impl Serialize) -> io::Result<()> {
        record::write(value, &mut self.part).map_err(io::Error::other)?;
        self.end_part(name, version)
    }

    /// Writes a section that is a list.
    ///
    /// # Errors
    /// As [`SectionsWriter::value`].
    pub fn list<T: Serialize>(
        &mut self,
        name: &str,
        version: u32,
        values: impl IntoIterator<Item = T>,
    ) -> io::Result<()> {
        for value in values {
            record::write(&value, &mut self.part).map_err(io::Error::other)?;
            if self.part.len() >= PART_BYTES {
                self.end_part(name, version)?;
            }
        }
        self.end_part(name, version)
    }

    /// Marks the end; without it nothing of what was written can be read.
    ///
    /// # Errors
    /// Those of the writer below.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&[0])?;
        self.out.flush()
    }

    fn end_part(&mut self, name: &str, version: u32) -> io::Result<()> {
        self.head.clear();
        self.head.push(u8::try_from(name.len()).map_err(io::Error::other)?);
        self.head.extend_from_slice(name.as_bytes());
        write_varint(version.into(), &mut self.head);
        write_varint(self.part.len() as u64, &mut self.head);
        self.out.write_all(&self.head)?;
        self.out.write_all(&self.part)?;
        self.part.clear();
        Ok(())
    }
}

/// The state of a room that somebody else writes, as it was at one moment. It shares its memory with the state that goes on;
/// what changes while it lives is copied then.
pub struct Frozen(Box<dyn Fn() -> Vec<u8> + Send>);

impl Frozen {
    /// A state that becomes bytes when it is written.
    pub fn new(bytes: impl Fn() -> Vec<u8> + Send + 'static) -> Self {
        Frozen(Box::new(bytes))
    }

    /// What the room reads again.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        (self.0)()
    }
}

impl fmt::Debug for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Frozen")
    }
}

/// Why sections could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SectionsError {
    /// The bytes hold something else.
    #[error("they are damaged")]
    Malformed,
    /// Written by a newer program, in a way that this one would misunderstand.
    #[error("section {name:?} has version {version}, this program reads up to {known}")]
    Newer {
        /// The section.
        name: String,
        /// Its version.
        version: u64,
        /// The newest one that can be read.
        known: u32,
    },
}

/// Sections that were read, to be taken by name.
#[derive(Debug)]
pub struct Sections<'a> {
    by_name: BTreeMap<&'a str, Section<'a>>,
}

#[derive(Debug)]
struct Section<'a> {
    version: u64,
    parts: Vec<&'a [u8]>,
}

impl<'a> Sections<'a> {
    /// The sections that `bytes` hold.
    ///
    /// # Errors
    /// [`SectionsError::Malformed`] when they hold something else, more, or not all of them.
    pub fn read(mut bytes: &'a [u8]) -> Result<Self, SectionsError> {
        let mut by_name: BTreeMap<&str, Section<'_>> = BTreeMap::new();
        loop {
            let (name, version, part) = match next_part(&mut bytes).ok_or(SectionsError::Malformed)? {
                Some(part) => part,
                None if bytes.is_empty() => return Ok(Sections { by_name }),
                None => return Err(SectionsError::Malformed),
            };
            let section = by_name.entry(name).or_insert_with(|| Section { version, parts: Vec::new() });
            if section.version != version {
                return Err(SectionsError::Malformed);
            }
            section.parts.push(part);
        }
    }

    /// Takes the value of a section, which may have any version up to `known`; `None` when there is no such section.
    ///
    /// # Errors
    /// [`SectionsError`].
    pub fn value<T: DeserializeOwned>(&mut self, name: &str, known: u32) -> Result<Option<T>, SectionsError> {
        let Some(parts) = self.take(name, known)? else { return Ok(None) };
        let [part] = parts[..] else { return Err(SectionsError::Malformed) };
        record::read(part).map(Some).map_err(|_| SectionsError::Malformed)
    }

    /// Takes the list of a section, as [`Sections::value`]; it is read as it is asked for.
    ///
    /// # Errors
    /// [`SectionsError`], also of what is read.
    pub fn list<T: DeserializeOwned>(
        &mut self,
        name: &str,
        known: u32,
    ) -> Result<Option<impl Iterator<Item = Result<T, SectionsError>> + use<'a, T>>, SectionsError> {
        let Some(parts) = self.take(name, known)? else { return Ok(None) };
        Ok(Some(parts.into_iter().flat_map(|mut part| {
            std::iter::from_fn(move || {
                if part.is_empty() {
                    return None;
                }
                let value = record::read_next(&mut part).map_err(|_| SectionsError::Malformed);
                if value.is_err() {
                    part = &[];
                }
                Some(value)
            })
        })))
    }

    /// The names of the sections that nobody took.
    pub fn unread(&self) -> impl Iterator<Item = &'a str> {
        self.by_name.keys().copied()
    }

    fn take(&mut self, name: &str, known: u32) -> Result<Option<Vec<&'a [u8]>>, SectionsError> {
        let Some(Section { version, parts }) = self.by_name.remove(name) else { return Ok(None) };
        if version > known.into() {
            return Err(SectionsError::Newer { name: name.to_owned(), version, known });
        }
        Ok(Some(parts))
    }
}

/// Takes the next part: its section's name and version, and its bytes. `Some(None)` at the end, `None` where there is neither.
fn next_part<'a>(bytes: &mut &'a [u8]) -> Option<Option<(&'a str, u64, &'a [u8])>> {
    let (&length, rest) = bytes.split_first()?;
    *bytes = rest;
    if length == 0 {
        return Some(None);
    }
    let (name, rest) = bytes.split_at_checked(length.into())?;
    *bytes = rest;
    let version = read_varint(bytes)?;
    let length = usize::try_from(read_varint(bytes)?).ok()?;
    let (part, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(Some((std::str::from_utf8(name).ok()?, version, part)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut sections = SectionsWriter::new(&mut bytes);
        sections.value("one", 1, &(7u32, "seven")).unwrap();
        sections.list("many", 2, 0..100_000u32).unwrap();
        sections.list("none", 1, [0u8; 0]).unwrap();
        sections.finish().unwrap();
        bytes
    }

    fn many(sections: &mut Sections<'_>, known: u32) -> Result<Option<Vec<u32>>, SectionsError> {
        sections.list("many", known)?.map(|list| list.collect()).transpose()
    }

    #[test]
    fn sections_are_taken_by_name_in_any_order_and_who_knows_fewer_is_told_of_the_rest() {
        let bytes = written();
        let mut sections = Sections::read(&bytes).unwrap();
        assert_eq!(many(&mut sections, 2).unwrap().unwrap(), (0..100_000).collect::<Vec<_>>());
        assert_eq!(sections.value("other", 1), Ok(None::<u8>), "a missing section is none");
        assert_eq!(sections.unread().collect::<Vec<_>>(), ["none", "one"]);
        assert_eq!(sections.value("one", 3), Ok(Some((7u32, "seven".to_owned()))), "an earlier version is read");
        assert_eq!(sections.list::<u8>("none", 1).unwrap().unwrap().count(), 0);
        assert_eq!(sections.unread().count(), 0);
    }

    #[test]
    fn a_newer_version_is_named_rather_than_misunderstood() {
        let bytes = written();
        let newer = SectionsError::Newer { name: "many".into(), version: 2, known: 1 };
        assert_eq!(many(&mut Sections::read(&bytes).unwrap(), 1), Err(newer));
    }

    #[test]
    fn what_is_cut_or_has_more_behind_it_is_refused() {
        let bytes = written();
        for cut in (0..200).chain(bytes.len() - 200..bytes.len()) {
            assert_eq!(Sections::read(&bytes[..cut]).map(drop), Err(SectionsError::Malformed), "cut at {cut}");
        }
        assert_eq!(Sections::read(&[&bytes[..], &[0]].concat()).map(drop), Err(SectionsError::Malformed));
        let mut sections = Sections::read(&bytes).unwrap();
        let wrong: Vec<_> = sections.list::<String>("many", 2).unwrap().unwrap().collect();
        assert_eq!(wrong.last(), Some(&Err(SectionsError::Malformed)));
        assert!(Sections::read(&bytes).unwrap().value::<u32>("one", 1).is_err(), "there is more than that");
    }
}
