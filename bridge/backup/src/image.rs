use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::pack::Content;

/// How an SQLite file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// This process writes it meanwhile.
    Shared,
    /// Nobody writes it; it is left as it is, also where a killed program has left a write-ahead log.
    Alone,
    /// It belongs to others, who may write it at any time: it is only read, and nothing beside it is ever removed.
    Foreign,
    /// It is a file of a backup: it has no write-ahead log, and may have any name.
    Stored,
}

/// An SQLite file as it was at the moment it was opened, whatever is written to it meanwhile.
///
/// It is a read transaction (SQLite, "Write-Ahead Logging"), and its bytes are the pages that this sees (SQLite, "The
/// sqlite_dbpage virtual table"): as the file would be with all of the write-ahead log in it. As long as it lives, the write-ahead log
/// of the file grows; a file that is deleted meanwhile can be read to its end.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    connection: Connection,
    page_bytes: u64,
    pages: u64,
    /// Goes after the connection.
    _litter: Litter,
}

/// An SQLite file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be read: {source}", path.display())]
pub struct ImageError {
    /// Which.
    pub path: PathBuf,
    /// What SQLite says.
    pub source: rusqlite::Error,
}

impl Image {
    /// Opens a file; what it holds now is what is seen of it.
    ///
    /// # Errors
    /// When it cannot be opened or is no such file.
    pub fn open(path: &Path, access: Access) -> Result<Image, ImageError> {
        let litter = if access == Access::Alone { Litter::beside(path) } else { Litter(Vec::new()) };
        let open = || {
            let connection = connect(path, access)?;
            connection.execute_batch("BEGIN")?;
            // The transaction begins with its first question.
            let page_bytes: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
            let _: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            Ok((connection, page_bytes.cast_unsigned(), pages.cast_unsigned()))
        };
        let (connection, page_bytes, pages) = open().map_err(|source| ImageError { path: path.to_owned(), source })?;
        Ok(Image { path: path.to_owned(), connection, page_bytes, pages, _litter: litter })
    }

    /// Its length.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.page_bytes * self.pages
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For questions about what it holds: inside its transaction.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What a question gives.
    ///
    /// # Errors
    /// That of SQLite, with the file.
    pub fn ask<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, ImageError> {
        question(&self.connection).map_err(|source| ImageError { path: self.path.clone(), source })
    }

    fn page(&self, number: u64, page: &mut Vec<u8>) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached("SELECT data FROM sqlite_dbpage WHERE pgno = ?1")?;
        statement.query_row([number.cast_signed()], |row| {
            page.clear();
            page.extend_from_slice(row.get_ref(0)?.as_blob()?);
            Ok(())
        })
    }
}

impl Content for Image {
    fn read(&self) -> Box<dyn Read + '_> {
        Box::new(Pages { image: self, next: 1, page: Vec::new(), at: 0 })
    }
}

struct Pages<'a> {
    image: &'a Image,
    next: u64,
    page: Vec<u8>,
    at: usize,
}

impl Read for Pages<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.page.len() && self.next <= self.image.pages {
            let read = self.image.page(self.next, &mut self.page);
            read.map_err(|error| io::Error::other(format!("{}: {error}", self.image.path.display())))?;
            (self.next, self.at) = (self.next + 1, 0);
        }
        let bytes = out.len().min(self.page.len() - self.at);
        out[..bytes].copy_from_slice(&self.page[self.at..self.at + bytes]);
        self.at += bytes;
        Ok(bytes)
    }
}

fn connect(path: &Path, access: Access) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match access {
        // One that only reads would leave the files beside it behind.
        Access::Shared => Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_WRITE)?,
        Access::Alone | Access::Foreign => Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        Access::Stored => {
            let flags = flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(format!("file:{}?immutable=1", in_uri(path)), flags)?
        }
    };
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// A path as a part of a URI (RFC 3986).
fn in_uri(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let bytes = path.as_os_str().as_bytes().iter();
    bytes.map(|&byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// What SQLite puts beside a file that it reads, and was not there before; it goes with this.
#[derive(Debug)]
struct Litter(Vec<PathBuf>);

impl Litter {
    fn beside(path: &Path) -> Litter {
        let beside = ["-wal", "-shm"].map(|suffix| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        });
        Litter(beside.into_iter().filter(|file| !file.exists()).collect())
    }
}

impl Drop for Litter {
    fn drop(&mut self) {
        // They are made anew by whoever opens the file; one that stays is no harm.
        self.0.iter().for_each(|file| drop(fs::remove_file(file)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn writer(path: &Path) -> Connection {
        let writer = Connection::open(path).unwrap();
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        writer.execute_batch("CREATE TABLE IF NOT EXISTS word (word TEXT)").unwrap();
        writer
    }

    fn words(image: &Image, folder: &Path) -> i64 {
        let copy = folder.join("a copy?.db");
        let mut bytes = Vec::new();
        image.read().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, image.bytes());
        std::fs::write(&copy, bytes).unwrap();
        let copy = Image::open(&copy, Access::Stored).unwrap();
        copy.ask(|connection| connection.query_row("SELECT count(*) FROM word", [], |row| row.get(0))).unwrap()
    }

    #[test]
    fn an_image_is_of_the_moment_it_was_taken_whatever_comes_after_and_if_the_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let writer = writer(&path);
        let write = |count: usize| {
            for _ in 0..count {
                writer.execute("INSERT INTO word VALUES (hex(randomblob(2000)))", []).unwrap();
            }
            let _: i64 = writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(0)).unwrap();
        };
        write(100);
        let image = Image::open(&path, Access::Shared).unwrap();
        write(3_000);
        writer.execute("DELETE FROM word WHERE rowid < 50", []).unwrap();
        assert_eq!(words(&image, folder.path()), 100);
        let later = Image::open(&path, Access::Shared).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((words(&image, folder.path()), words(&later, folder.path())), (100, 3_051));
    }

    #[test]
    fn a_file_of_others_keeps_what_they_write_beside_it_while_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (path, log) = (folder.path().join("a.db"), folder.path().join("a.db-wal"));
        drop(writer(&path));
        assert!(!log.exists(), "nobody has it open");
        let image = Image::open(&path, Access::Foreign).unwrap();
        let writer = writer(&path);
        writer.execute("INSERT INTO word VALUES ('one')", []).unwrap();
        drop(image);
        assert!(log.exists(), "the log is the writer's");
        let image = Image::open(&path, Access::Foreign).unwrap();
        assert_eq!(words(&image, folder.path()), 1);
    }

    #[test]
    fn a_file_that_a_killed_program_left_is_read_with_its_write_ahead_log_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let writer = writer(&path);
        writer.execute("INSERT INTO word VALUES ('one')", []).unwrap();
        let killed = folder.path().join("killed");
        std::fs::create_dir(&killed).unwrap();
        for name in ["a.db", "a.db-wal"] {
            std::fs::copy(folder.path().join(name), killed.join(name)).unwrap();
        }
        let image = Image::open(&killed.join("a.db"), Access::Alone).unwrap();
        assert_eq!(words(&image, folder.path()), 1);
        drop(image);
        let mut names: Vec<_> = std::fs::read_dir(&killed).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a.db", "a.db-wal"]);
        let same =
            |name: &str| std::fs::read(folder.path().join(name)).unwrap() == std::fs::read(killed.join(name)).unwrap();
        assert!(same("a.db") && same("a.db-wal"));
    }
}
