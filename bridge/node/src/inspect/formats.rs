use std::path::Path;

use tidegate_backup::{Access, is_unfinished};
use tidegate_broker::{SESSIONS_FILE, sessions_format};
use tidegate_process::RestoreError;
use tidegate_store::{store_files, store_formats};

use crate::backup::GatherError;
use crate::batch::Stages;
use crate::checkpoint::CheckpointFile;
use crate::config::NodeConfig;

/// Whether this program can open a data folder, and what it would make of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Formats {
    /// What keeps it from opening, with what to do.
    pub refused: Vec<String>,
    /// What it would write anew, at its start or soon after.
    pub rewritten: Vec<String>,
    /// Whether a program that opens the folder now still could afterwards: nothing gets a format that it did not have.
    pub older_can: bool,
    /// Files that were looked at.
    pub files: usize,
}

/// Looks at the versions of everything in a data folder that no program uses. No file is changed.
///
/// # Errors
/// When a program uses it, or it is none.
pub fn check_formats(data: &Path) -> Result<Formats, GatherError> {
    if !data.join("log").is_dir() || !data.join("store").is_dir() {
        return Err(GatherError::NoData(data.to_owned()));
    }
    let _alone = tidegate_log::held_alone(&data.join("log"))?;
    let mut formats = Formats { older_can: true, ..Formats::default() };
    if is_unfinished(data) {
        let what = "a restoring was broken off there: empty it, then restore it again";
        formats.refused.push(format!("{}: {what}", data.display()));
    }
    formats.log(data);
    formats.checkpoint(data);
    formats.store(data)?;
    formats.sessions(data);
    Ok(formats)
}

impl Formats {
    fn rewrites(&mut self, what: String) {
        self.rewritten.push(what);
        self.older_can = false;
    }

    fn log(&mut self, data: &Path) {
        let checked = tidegate_log::segments(&data.join("log")).and_then(|segments| {
            self.files += segments.len();
            tidegate_log::check(&segments)
        });
        match checked {
            Ok(report) if report.without_head > 0 => {
                let (entries, of) = (report.without_head, report.entries);
                let what =
                    format!("{entries} of {of} entries have no head: they are read as they are, new ones get one");
                self.rewrites(format!("log: {what}"));
            }
            Ok(_) => {}
            Err(error) => self.refused.push(error.to_string()),
        }
    }

    fn checkpoint(&mut self, data: &Path) {
        let file = CheckpointFile::new(data);
        match file.load() {
            Ok(Some((_, state))) => {
                self.files += 1;
                let restored = Stages::restore(&NodeConfig::new(data.to_owned()), &state);
                let (found, writes) = (state.first().copied().unwrap_or(0), tidegate_process::CHECKPOINT_VERSION);
                match restored {
                    Ok(stages) => self.noted(found, writes, stages.process.restore_notes()),
                    Err(error @ RestoreError::Malformed) => {
                        self.refused.push(format!("{}: {error}", file.path().display()))
                    }
                    Err(error) => self.refused.push(error.to_string()),
                }
            }
            Ok(None) => {}
            Err(error) => self.refused.push(error.to_string()),
        }
    }

    fn noted(&mut self, found: u8, writes: u8, notes: &[String]) {
        if found < writes {
            self.rewrites(format!("checkpoint: from format {found} to {writes}, with the first flush"));
        }
        self.rewritten.extend(notes.iter().map(|note| format!("checkpoint: {note}")));
    }

    fn store(&mut self, data: &Path) -> Result<(), GatherError> {
        let files = store_files(&data.join("store"))?;
        self.files += files.len();
        for (name, path) in &files {
            let one = [(name.clone(), path.clone())];
            match store_formats(&one, Access::Alone) {
                Ok(formats) => formats.iter().for_each(|format| self.of_the_store(format)),
                Err(error) => self.refused.push(error.to_string()),
            }
        }
        Ok(())
    }

    fn of_the_store(&mut self, format: &tidegate_store::StoreFormat) {
        let tidegate_store::StoreFormat { name, found, writes, is_rewritten } = format;
        match found.cmp(writes) {
            std::cmp::Ordering::Greater => {
                let what =
                    format!("has format {found}, this program reads {writes}: start the newer program that wrote it");
                self.refused.push(format!("store/{name} {what}"));
            }
            std::cmp::Ordering::Less => {
                let when = if *is_rewritten { "at the start" } else { "when late readings come to it" };
                self.rewrites(format!("store/{name}: from format {found} to {writes}, {when}"));
            }
            std::cmp::Ordering::Equal => {}
        }
    }

    fn sessions(&mut self, data: &Path) {
        let file = data.join("sessions").join(SESSIONS_FILE);
        if !file.exists() {
            return;
        }
        self.files += 1;
        match sessions_format(&file, Access::Alone) {
            Ok((found, reads)) if found > reads => {
                let what =
                    format!("has format {found}, this program reads up to {reads}: start the program that wrote it");
                self.refused.push(format!("sessions/{SESSIONS_FILE} {what}"));
            }
            Ok(_) => {}
            Err(error) => self.refused.push(error.to_string()),
        }
    }
}
