use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tidegate_backup::{Access, Counts, Folder, FolderError, Standing, Stored};
use tidegate_broker::{SessionsReport, check_sessions};
use tidegate_follow::PositionFile;
use tidegate_log::LogReport;
use tidegate_store::{StoreReport, check_store, store_files};

use crate::backup::{GatherError, position_files};
use crate::batch::Stages;
use crate::checkpoint::CheckpointFile;
use crate::config::NodeConfig;

/// What is wrong, with the file and what to do.
pub type Flaw = String;

/// What was found in a data folder or backup.
#[derive(Debug, Default)]
pub struct Found {
    /// Where it stands, by what was read.
    pub standing: Standing,
    /// Files that were read.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Summaries of hours.
    pub summaries: u64,
    /// Bytes behind the log's end of a commit that a crash has torn: no flaw, they were never acknowledged.
    pub torn_bytes: u64,
    /// Files of older formats that were not looked into.
    pub older: Vec<String>,
    /// What is wrong.
    pub flaws: Vec<Flaw>,
}

/// Reads everything in a data folder that no program uses; it is kept off it meanwhile, and no file is changed.
///
/// # Errors
/// When a program uses it, or it is none.
pub fn verify_data(data: &Path) -> Result<Found, GatherError> {
    if !data.join("log").is_dir() || !data.join("store").is_dir() {
        return Err(GatherError::NoData(data.to_owned()));
    }
    let _alone = tidegate_log::held_alone(&data.join("log"))?;
    let mut files = Files::new(Access::Alone);
    for path in tidegate_log::segments(&data.join("log"))? {
        files.add(&format!("log/{}", path.file_name().unwrap_or_default().display()), path);
    }
    for (name, path) in store_files(&data.join("store"))? {
        files.add(&format!("store/{name}"), path);
    }
    for name in ["checkpoint", SESSIONS] {
        if data.join(name).exists() {
            files.add(name, data.join(name));
        }
    }
    for (name, path) in position_files(data)? {
        files.add(&name, path);
    }
    let mut found = files.read();
    found.check_positions(&data.display().to_string());
    Ok(found)
}

/// Reads everything in a backup's folder: each file against its checksum, then what is in it.
///
/// # Errors
/// When there is no backup in it.
pub fn verify_backup(backup: &Path) -> Result<Found, FolderError> {
    let manifest = Folder::read(backup)?;
    let (mut files, mut flaws) = (Files::new(Access::Stored), Vec::new());
    for Stored { entry, path } in Folder::files(backup, &manifest) {
        match (Stored { entry: entry.clone(), path: path.clone() }).check() {
            Ok(()) => files.add(&entry.name, path),
            Err(error) => flaws.push(error.to_string()),
        }
    }
    let is_whole = flaws.is_empty();
    let mut found = files.read();
    if is_whole && found.flaws.is_empty() {
        found.check_positions(&backup.display().to_string());
        found.compare(&manifest.standing, backup);
    }
    flaws.append(&mut found.flaws);
    found.flaws = flaws;
    found.standing.taken_ms = manifest.standing.taken_ms;
    Ok(found)
}

/// The file of the sessions, in the data folder.
const SESSIONS: &str = "sessions/sessions.sqlite";

/// Files by their names in the data folder, wherever they are.
struct Files {
    access: Access,
    by_name: BTreeMap<String, PathBuf>,
}

impl Files {
    fn new(access: Access) -> Files {
        Files { access, by_name: BTreeMap::new() }
    }

    fn add(&mut self, name: &str, path: PathBuf) {
        self.by_name.insert(name.to_owned(), path);
    }

    fn below(&self, folder: &str) -> Vec<(String, PathBuf)> {
        let below = |(name, path): (&String, &PathBuf)| Some((name.strip_prefix(folder)?.to_owned(), path.clone()));
        self.by_name.iter().filter_map(below).collect()
    }

    /// Reads all of them.
    fn read(&self) -> Found {
        let mut found = Found { files: self.by_name.len(), ..Found::default() };
        found.bytes = self.by_name.values().filter_map(|path| path.metadata().ok()).map(|it| it.len()).sum();
        let segments: Vec<PathBuf> = self.below("log/").into_iter().map(|(_, path)| path).collect();
        match tidegate_log::check(&segments) {
            Ok(report) => found.log(&report),
            Err(error) => found.flaws.push(error.to_string()),
        }
        let store = self.below("store/");
        let (report, wrong) = check_store(&store, self.access);
        found.flaws.extend(wrong.iter().map(ToString::to_string));
        found.store(report);
        if let Some(path) = self.by_name.get(SESSIONS) {
            match check_sessions(path, self.access) {
                Ok(report) => found.sessions(&report),
                Err(error) => found.flaws.push(format!("{}: {error}", path.display())),
            }
        }
        if let Some(path) = self.by_name.get("checkpoint") {
            found.checkpoint(path);
        }
        for (_, path) in self.by_name.iter().filter(|(name, _)| name.ends_with(".position")) {
            found.follower(path);
        }
        found
    }
}

impl Found {
    fn log(&mut self, report: &LogReport) {
        (self.standing.position, self.standing.log_first) = (report.last.0, report.first.0);
        (self.standing.counts.entries, self.torn_bytes) = (report.entries, report.torn_bytes);
    }

    fn store(&mut self, report: StoreReport) {
        self.standing.flushed = report.flushed.0;
        (self.standing.counts.points, self.standing.counts.alert_events) = (report.points, report.alert_events);
        (self.summaries, self.older) = (report.summaries, report.older);
    }

    fn sessions(&mut self, report: &SessionsReport) {
        self.standing.sessions = Some(report.complete.0);
        let counts = &mut self.standing.counts;
        (counts.sessions, counts.waiting, counts.retained) = (report.sessions, report.waiting, report.retained);
    }

    fn checkpoint(&mut self, path: &Path) {
        let loaded = CheckpointFile::at(path.to_owned()).load();
        let restored = match loaded {
            Ok(Some((position, state))) => {
                self.standing.checkpoint = Some(position.0);
                Stages::restore(&NodeConfig::new(PathBuf::new()), &state).map(|_| ()).map_err(|error| error.to_string())
            }
            Ok(None) => Ok(()),
            Err(error) => return self.flaws.push(error.to_string()),
        };
        if let Err(error) = restored {
            self.flaws.push(format!("{}: {error}", path.display()));
        }
    }

    /// How far a follower is.
    fn follower(&mut self, path: &Path) {
        let last = self.standing.position;
        match PositionFile::new(path).load() {
            Ok(Some((followed, _))) if followed.position.0 > last => {
                let what = format!("is of entry {}, and the log ends at {last}: delete it", followed.position);
                self.flaws.push(format!("{} {what}, and what it was for is told everything anew", path.display()));
            }
            Ok(_) => {}
            Err(error) => self.flaws.push(error.to_string()),
        }
    }

    /// No file may know of more than the log has, nor lack what the log has let go.
    fn check_positions(&mut self, whose: &str) {
        let Standing { position, log_first, checkpoint, flushed, sessions, .. } = self.standing;
        let begins_after = log_first.saturating_sub(1);
        let mut say = |is_wrong: bool, what: String| {
            if is_wrong {
                self.flaws.push(format!(
                    "{whose}: {what}: the files do not belong together. Restore all of them from one backup"
                ));
            }
        };
        let has_older = !self.older.is_empty();
        if let Some(checkpoint) = checkpoint {
            say(
                checkpoint > position,
                format!("the checkpoint is of entry {checkpoint}, and the log ends at {position}"),
            );
            let is_beyond = checkpoint > flushed && !has_older;
            say(is_beyond, format!("the checkpoint is of entry {checkpoint}, and history ends at {flushed}"));
        }
        say(flushed > position, format!("history goes up to entry {flushed}, and the log ends at {position}"));
        let lacks = flushed < begins_after && !has_older;
        say(lacks, format!("history goes up to entry {flushed}, and the log begins after {begins_after}"));
        if let Some(complete) = sessions {
            say(
                complete > position,
                format!("mailboxes are complete up to entry {complete}, and the log ends at {position}"),
            );
        }
    }

    /// What was read is what the manifest says.
    fn compare(&mut self, told: &Standing, backup: &Path) {
        let read = Standing { taken_ms: told.taken_ms, ..self.standing.clone() };
        let is_same = read == *told || (!self.older.is_empty() && same_log(&read, told));
        if !is_same {
            let remedy = "use another backup, and tell those who make Tidegate";
            self.flaws
                .push(format!("{}: it holds {read:?}, and its manifest says {told:?}: {remedy}", backup.display()));
        }
    }
}

/// Where a file of an older format was not looked into, the log alone is compared.
fn same_log(read: &Standing, told: &Standing) -> bool {
    let of = |standing: &Standing| {
        let Counts { entries, .. } = standing.counts;
        (standing.position, standing.log_first, entries)
    };
    of(read) == of(told)
}
