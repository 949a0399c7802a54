//! The stream of a backup, made on a thread of its own and of lower priority, as fast as it is taken and no faster than told.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use metrics::{counter, gauge};
use tidegate_backup::{FileEntry, Manifest, Pace, PackError, pack};
use tidegate_push::{BackupError, BackupRequest, BackupStream};
use tidegate_settings::section;
use tokio::sync::{mpsc, oneshot};

use super::gather::{GatherError, Gathered, Running};
use crate::clock;

/// By how much its thread gives way to those of devices: as those of viewers do.
const GIVE_WAY: i32 = 5;
/// Bytes sent at once…
const PIECE_BYTES: usize = 64 << 10;
/// …and how many such pieces wait for who takes them.
const PIECES_AHEAD: usize = 8;

section! {
    /// How backups are taken.
    #[derive(Debug, Clone)]
    pub struct BackupConfig {}
    /// Backups while the program runs.
    [backup] {
        /// Bytes that one reads in a second at most; 0: as fast as it goes.
        pub bytes_per_second_max: u64 = bytes(64 << 20),
        /// Longest that one may take; then it is broken off, since as long as it lasts history's write-ahead logs grow.
        pub duration_max: Duration = timeout(Duration::from_secs(6 * 3600)),
    }
}

/// Takes backups, one at a time.
pub struct Backups {
    config: BackupConfig,
    files: Running,
    is_running: Arc<AtomicBool>,
}

/// While it lives, no other backup is taken.
struct Turn(Arc<AtomicBool>);

impl Turn {
    fn take(of: &Arc<AtomicBool>) -> Option<Turn> {
        let is_free = !of.swap(true, Ordering::AcqRel);
        is_free.then(|| {
            gauge!("tidegate_backup_running").set(1.0);
            Turn(Arc::clone(of))
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        gauge!("tidegate_backup_running").set(0.0);
        self.0.store(false, Ordering::Release);
    }
}

impl Backups {
    /// Of these files.
    pub fn new(config: BackupConfig, files: Running) -> Backups {
        gauge!("tidegate_backup_running").set(0.0);
        gauge!("tidegate_backup_completed_seconds").set(0.0);
        Backups { config, files, is_running: Arc::default() }
    }

    /// Begins one; the files are open and the position is settled when the stream is given.
    pub fn begin(&self, asked: BackupRequest) -> BoxFuture<'static, Result<BackupStream, BackupError>> {
        let Some(turn) = Turn::take(&self.is_running) else {
            return std::future::ready(Err(BackupError::Running)).boxed();
        };
        let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
        let (opened, is_open) = oneshot::channel();
        let taking = Taking {
            files: self.files.clone(),
            bytes_per_second: slower(asked.bytes_per_second, self.config.bytes_per_second_max),
            duration_max: self.config.duration_max,
            held: asked
                .held
                .into_iter()
                .map(|file| FileEntry { name: file.name, bytes: file.bytes, sha256: file.sha256 })
                .collect(),
            sender,
        };
        let spawned = thread::Builder::new().name("backup".into()).spawn(move || {
            taking.run(opened);
            drop(turn);
        });
        async move {
            let failed = |error: &dyn std::fmt::Display| BackupError::Unreadable(error.to_string());
            spawned.map_err(|error| failed(&error))?;
            is_open.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
            let pieces =
                stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|piece| (piece, receiver)) });
            Ok(pieces.boxed())
        }
        .boxed()
    }
}

/// What the two say, whichever is slower; 0 says nothing.
fn slower(asked: Option<u64>, configured: u64) -> Option<u64> {
    let configured = Some(configured).filter(|bytes| *bytes > 0);
    asked.into_iter().chain(configured).min()
}

/// A backup that is being taken.
struct Taking {
    files: Running,
    bytes_per_second: Option<u64>,
    duration_max: Duration,
    held: Vec<FileEntry>,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Taking {
    fn run(self, opened: oneshot::Sender<Result<(), GatherError>>) {
        if let Err(error) = rustix::process::nice(GIVE_WAY) {
            tracing::warn!("the thread of a backup does not give way to others: {error}");
        }
        let begun = Instant::now();
        let gathered = match self.files.gather(clock::now_ms()) {
            Ok(gathered) => gathered,
            Err(error) => {
                ended("failed");
                tracing::error!(%error, "no backup can be taken");
                // Who asked may have gone.
                let _ = opened.send(Err(error));
                return;
            }
        };
        if opened.send(Ok(())).is_err() {
            return ended("broken_off");
        }
        let sender = self.sender.clone();
        match self.send(gathered) {
            Ok(manifest) => {
                ended("complete");
                gauge!("tidegate_backup_position").set(manifest.standing.position as f64);
                gauge!("tidegate_backup_completed_seconds").set(clock::now_ms() as f64 / 1e3);
                let (position, files, bytes) = (manifest.standing.position, manifest.files.len(), manifest.bytes());
                tracing::info!(position, files, bytes, took = ?begun.elapsed(), "a backup was taken");
            }
            Err(PackError::Writing(error)) if error.kind() == io::ErrorKind::TimedOut => {
                ended("overdue");
                tracing::warn!(took = ?begun.elapsed(), "a backup was broken off: it took longer than backup.duration_max");
                let _ = sender.blocking_send(Err(error));
            }
            Err(PackError::Writing(_)) => {
                ended("broken_off");
                tracing::warn!("a backup was broken off by who took it");
            }
            Err(error) => {
                ended("failed");
                tracing::error!(%error, "a backup failed");
                // It breaks the connection off, where it is still there.
                let _ = sender.blocking_send(Err(io::Error::other(error.to_string())));
            }
        }
    }

    fn send(self, gathered: Gathered) -> Result<Manifest, PackError> {
        let (mut pace, version) = (Pace::new(self.bytes_per_second), env!("CARGO_PKG_VERSION"));
        let (piece, until) = (Vec::with_capacity(PIECE_BYTES), Instant::now().checked_add(self.duration_max));
        let out = Pieces { sender: self.sender, piece, until };
        pack(version, gathered.standing, gathered.pieces, self.held, &mut pace, out)
    }
}

fn ended(how: &'static str) {
    counter!("tidegate_backups_total", "outcome" => how).increment(1);
}

/// Gathers what is written to pieces worth sending.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
    /// Who takes them a little at a time does not keep the files for ever.
    until: Option<Instant>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.until.is_some_and(|until| Instant::now() > until) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let piece = Bytes::from(std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES)));
        counter!("tidegate_backup_bytes_total").increment(piece.len() as u64);
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}
