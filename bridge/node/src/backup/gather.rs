//! Which files of the data folder make a backup, and at which position of the log.
//!
//! What is on disk is what a crash would leave: state and history at some position, mailboxes at another, and the log from the
//! earlier of them on. A start puts that together. So files belong to one backup if each is of a moment before the log's end
//! is looked at, and the log is held open before any of them: then it has everything that they lack. They are taken in this order:
//!
//! 1. the log's segments are opened: what a flush trims from now on is still there
//! 2. the checkpoint is opened: one that replaces it is another file
//! 3. how far followers are, which is after the state and before what they are told next
//! 4. history, while nothing is written to it, then the sessions: read transactions of SQLite
//! 5. the position: up to where the log is durable now. Everything acknowledged before is at or before it.
//!
//! The last segment is cut behind that position.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tidegate_backup::{Access, Content, Counts, FilePart, Image, ImageError, Piece, Standing};
use tidegate_broker::{SESSIONS_FILE, SessionStoreError, SessionsImage, SessionsReport};
use tidegate_follow::{Followed, PositionFile};
use tidegate_log::{Log, LogFiles, OpenFiles};
use tidegate_store::{Store, StoreError, StoreImages};
use tidegate_telemetry::Position;

use crate::checkpoint::CheckpointFile;

/// What is appended is durable within milliseconds, unless the disk stands still.
const DURABLE_WAIT_MAX: Duration = Duration::from_secs(5);

/// The files of a node that runs.
#[derive(Clone)]
pub struct Running {
    /// Says up to where it is durable.
    pub log: Arc<dyn Log>,
    /// Where its files are.
    pub log_folder: PathBuf,
    /// Where the sessions are; `None`: in memory.
    pub sessions_folder: Option<PathBuf>,
    /// History.
    pub store: Store,
    /// Where the checkpoint is.
    pub data: PathBuf,
}

/// The files of a data folder at one position, open.
pub struct Gathered {
    /// Where they stand.
    pub standing: Standing,
    /// The files.
    pub pieces: Vec<Piece>,
    /// Bytes of a commit that a crash has torn off the log: they were never acknowledged, and are in no backup.
    pub torn_bytes: u64,
    /// Keeps programs off a folder that nobody uses.
    _alone: Option<File>,
}

/// Why there is nothing to make a backup of.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatherError {
    /// The log.
    #[error(transparent)]
    Log(#[from] tidegate_log::OpenError),
    /// History.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sessions.
    #[error(transparent)]
    Sessions(#[from] SessionStoreError),
    /// A file of SQLite.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The checkpoint, or how far a follower is.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A backup.
    #[error(transparent)]
    Backup(#[from] tidegate_backup::FolderError),
    /// Nothing is there.
    #[error("{} is no data folder: it has neither log nor history", .0.display())]
    NoData(PathBuf),
}

impl Running {
    /// The files now. Blocks for the disk, for as long as a write to history takes.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn gather(&self, now_ms: i64) -> Result<Gathered, GatherError> {
        let log = OpenFiles::open(&self.log_folder)?;
        let checkpoint = Checkpoint::open(&self.data)?;
        let mut followers = Follower::all(&self.data)?;
        let store = self.store.images()?;
        let sessions = match &self.sessions_folder {
            Some(folder) => SessionsImage::of(folder, Access::Shared)?,
            None => None,
        };
        let position = self.durable(followers.iter().map(|follower| follower.position).max());
        followers.retain(|follower| follower.position <= position);
        let log = log.through(Some(position))?;
        Ok(Files { log, checkpoint, followers, store, sessions }.gathered(now_ms, None))
    }

    /// Up to where the log is durable. A follower may have been told what is so in a moment.
    fn durable(&self, farthest: Option<Position>) -> Position {
        let (durable, until) = (self.log.durable(), Instant::now() + DURABLE_WAIT_MAX);
        let wanted = farthest.unwrap_or(Position::START).min(self.log.appended());
        while *durable.borrow() < wanted && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
        *durable.borrow()
    }
}

/// The files of a data folder that no program uses; it is kept off it meanwhile.
///
/// # Errors
/// When a program uses it, or a file cannot be read.
pub fn gather_stopped(data: &Path, now_ms: i64) -> Result<Gathered, GatherError> {
    if !data.join("log").is_dir() || !data.join("store").is_dir() {
        return Err(GatherError::NoData(data.to_owned()));
    }
    let alone = tidegate_log::held_alone(&data.join("log"))?;
    let log = OpenFiles::open(&data.join("log"))?.through(None)?;
    let checkpoint = Checkpoint::open(data)?;
    let mut followers = Follower::all(data)?;
    followers.retain(|follower| follower.position <= log.last);
    let store = StoreImages::of_stopped(&data.join("store"))?;
    let sessions = SessionsImage::of(&data.join("sessions"), Access::Alone)?;
    Ok(Files { log, checkpoint, followers, store, sessions }.gathered(now_ms, alone))
}

/// The checkpoint, open.
struct Checkpoint {
    position: Position,
    part: FilePart,
}

impl Checkpoint {
    fn open(data: &Path) -> Result<Option<Checkpoint>, GatherError> {
        let place = CheckpointFile::new(data);
        let failed = |source| GatherError::File { path: place.path().to_owned(), source };
        let file = match File::open(place.path()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed(source)),
        };
        let bytes = file.metadata().map_err(failed)?.len();
        let position =
            CheckpointFile::position_in(&file).ok_or_else(|| failed(io::Error::other("it is no checkpoint")))?;
        Ok(Some(Checkpoint { position, part: FilePart { file, bytes } }))
    }
}

/// How far a follower is: a small file that is replaced, and never changed.
struct Follower {
    name: String,
    position: Position,
    bytes: Vec<u8>,
}

impl Follower {
    /// Of all whose files are what was written; one that is not is told everything anew, and is named by who verifies.
    fn all(data: &Path) -> Result<Vec<Follower>, GatherError> {
        let mut all = Vec::new();
        for (name, path) in position_files(data)? {
            let failed = |source| GatherError::File { path: path.clone(), source };
            let bytes = match std::fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(failed(source)),
            };
            if let Some(Followed { position, .. }) = PositionFile::read(&bytes) {
                all.push(Follower { name, position, bytes });
            }
        }
        Ok(all)
    }
}

/// The files of followers in a data folder, by name.
///
/// # Errors
/// When it cannot be read.
pub fn position_files(data: &Path) -> Result<Vec<(String, PathBuf)>, GatherError> {
    let failed = |source| GatherError::File { path: data.to_owned(), source };
    let mut files = Vec::new();
    for item in std::fs::read_dir(data).map_err(failed)? {
        let item = item.map_err(failed)?;
        let name = item.file_name().to_string_lossy().into_owned();
        if name.ends_with(".position") && item.path().is_file() {
            files.push((name, item.path()));
        }
    }
    files.sort();
    Ok(files)
}

struct Files {
    log: LogFiles,
    checkpoint: Option<Checkpoint>,
    followers: Vec<Follower>,
    store: StoreImages,
    sessions: Option<SessionsImage>,
}

impl Files {
    /// What is written all the time comes first: so its write-ahead logs grow for the shortest time.
    fn gathered(self, taken_ms: i64, alone: Option<File>) -> Gathered {
        let holds = self.sessions.as_ref().map(|sessions| sessions.holds);
        let standing = self.standing(taken_ms, holds);
        let torn_bytes = self.log.torn_bytes;
        let mut pieces = Vec::new();
        if let Some(SessionsImage { image, .. }) = self.sessions {
            pieces.push(of_image(format!("sessions/{SESSIONS_FILE}"), image));
        }
        let mut store = self.store.files.into_iter().map(|(name, image)| of_image(format!("store/{name}"), image));
        pieces.extend(store.next());
        pieces.extend(self.checkpoint.map(|checkpoint| of_file("checkpoint".into(), checkpoint.part)));
        for Follower { name, bytes, .. } in self.followers {
            pieces.push(Piece { name, bytes: bytes.len() as u64, content: Box::new(bytes) });
        }
        for file in self.log.files {
            pieces.push(of_file(format!("log/{}", file.name), FilePart { file: file.file, bytes: file.bytes }));
        }
        pieces.extend(store);
        Gathered { standing, pieces, torn_bytes, _alone: alone }
    }

    fn standing(&self, taken_ms: i64, holds: Option<SessionsReport>) -> Standing {
        let of_sessions = holds.unwrap_or_default();
        Standing {
            taken_ms,
            position: self.log.last.0,
            log_first: self.log.first.0,
            checkpoint: self.checkpoint.as_ref().map(|checkpoint| checkpoint.position.0),
            flushed: self.store.flushed.0,
            sessions: holds.map(|holds| holds.complete.0),
            counts: Counts {
                entries: self.log.entries(),
                points: self.store.points,
                alert_events: self.store.alert_events,
                sessions: of_sessions.sessions,
                waiting: of_sessions.waiting,
                retained: of_sessions.retained,
            },
        }
    }
}

fn of_image(name: String, image: Image) -> Piece {
    Piece { name, bytes: image.bytes(), content: Box::new(image) }
}

fn of_file(name: String, part: FilePart) -> Piece {
    let (bytes, content): (u64, Box<dyn Content>) = (part.bytes, Box::new(part));
    Piece { name, bytes, content }
}
