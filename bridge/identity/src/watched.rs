use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::{Mutex, RwLock};

use crate::IdentityError;

/// What was made of a file or folder, made again when it changes. Something that cannot be used keeps what was there,
/// is logged and counted.
pub(crate) struct Watched<T> {
    path: PathBuf,
    load: fn(&Path) -> Result<T, IdentityError>,
    current: RwLock<Arc<T>>,
    seen: Mutex<Vec<Stamp>>,
}

/// Enough of a file to see that it changed.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    modified: Option<SystemTime>,
    bytes: u64,
}

impl<T> Watched<T> {
    pub(crate) fn open(path: PathBuf, load: fn(&Path) -> Result<T, IdentityError>) -> Result<Self, IdentityError> {
        // The stamps come first: a change while it is read is seen the next time.
        let seen = Mutex::new(stamps(&path));
        let current = RwLock::new(Arc::new(load(&path)?));
        Ok(Watched { path, load, current, seen })
    }

    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.current.read())
    }

    pub(crate) fn refresh(&self) {
        let mut seen = self.seen.lock();
        let now = stamps(&self.path);
        if *seen == now {
            return;
        }
        *seen = now;
        let outcome = match (self.load)(&self.path) {
            Ok(new) => {
                *self.current.write() = Arc::new(new);
                tracing::info!(path = %self.path.display(), "read again: it had changed");
                "used"
            }
            Err(error) => {
                tracing::error!(%error, "what was read before stays in use");
                "kept_old"
            }
        };
        metrics::counter!("tidegate_identity_files_read_total", "outcome" => outcome).increment(1);
    }
}

/// The stamps of a file, or of a folder's files.
fn stamps(path: &Path) -> Vec<Stamp> {
    let mut files = match fs::read_dir(path) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(_) => vec![path.to_owned()],
    };
    files.sort();
    let stamp = |path: PathBuf| {
        let metadata = fs::metadata(&path).ok();
        let modified = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
        Stamp { path, modified, bytes: metadata.map_or(0, |metadata| metadata.len()) }
    };
    files.into_iter().map(stamp).collect()
}
