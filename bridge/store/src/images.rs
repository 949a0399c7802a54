use std::path::Path;

use rusqlite::Connection;
use tidegate_backup::{Access, Image, ImageError};
use tidegate_telemetry::Position;

use crate::error::StoreError;
use crate::files::file_names;
use crate::head::FILE_NAME;
use crate::store::Store;
use crate::{day, month};

/// The files of a store as they were at one moment.
#[derive(Debug)]
pub struct StoreImages {
    /// Each with its name in the store's folder: `head.db` first, then the newest.
    pub files: Vec<(String, Image)>,
    /// Up to where history is in them.
    pub flushed: Position,
    /// Points in them.
    pub points: u64,
    /// Events of alerts in them.
    pub alert_events: u64,
}

impl Store {
    /// All files as they are now, for a backup. Waits for what is being written, and nothing is written until they are open; after
    /// that they are read while the store goes on. As long as one of them lives its write-ahead log grows.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn images(&self) -> Result<StoreImages, StoreError> {
        let _nobody_writes = self.inner.writing.lock();
        StoreImages::of(&self.inner.config.directory, Access::Shared)
    }
}

impl StoreImages {
    /// The files in a folder that nobody writes; they are left as they are.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn of_stopped(directory: &Path) -> Result<StoreImages, StoreError> {
        StoreImages::of(directory, Access::Alone)
    }

    fn of(directory: &Path, access: Access) -> Result<StoreImages, StoreError> {
        let mut names: Vec<String> = file_names(directory)?.into_iter().filter(|name| is_of_the_store(name)).collect();
        names.sort_by(|a, b| (b == FILE_NAME).cmp(&(a == FILE_NAME)).then(b.cmp(a)));
        let mut images = StoreImages { files: Vec::new(), flushed: Position::START, points: 0, alert_events: 0 };
        for name in names {
            let image = Image::open(&directory.join(&name), access)?;
            images.count(&name, &image)?;
            images.files.push((name, image));
        }
        Ok(images)
    }

    fn count(&mut self, name: &str, image: &Image) -> Result<(), StoreError> {
        if name == FILE_NAME {
            self.flushed = Position(number(image, "SELECT position FROM flushed")?);
            self.alert_events = number(image, "SELECT count(*) FROM alert_event")?;
            self.points += number(image, "SELECT coalesce(sum(points), 0) FROM part")?;
        } else if day::day_of(name).is_some() {
            self.points += number(image, "SELECT coalesce(sum(points), 0) FROM closed")?;
        }
        Ok(())
    }
}

/// Whether a file's name is that of one of the store.
pub(crate) fn is_of_the_store(name: &str) -> bool {
    name == FILE_NAME || day::day_of(name).is_some() || month::month_of(name).is_some()
}

fn number(image: &Image, question: &str) -> Result<u64, StoreError> {
    let ask = |connection: &Connection| connection.query_row(question, [], |row| row.get(0));
    Ok(image.ask(ask)?)
}

impl From<ImageError> for StoreError {
    fn from(error: ImageError) -> Self {
        StoreError::sqlite(&error.path, error.source)
    }
}
