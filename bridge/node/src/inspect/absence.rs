use std::path::{Path, PathBuf};

use tidegate_backup::{Access, Folder};
use tidegate_broker::traces_in_sessions;
use tidegate_decode::Decoder;
use tidegate_store::{store_files, traces_in_store};
use tidegate_telemetry::mention::{is_named_in, is_topic_of};
use tidegate_telemetry::{Decoded, Entry, Intent, Position, Publication};

use crate::backup::GatherError;
use crate::batch::Stages;
use crate::checkpoint::CheckpointFile;
use crate::config::NodeConfig;
use crate::sinks;

use super::verify::Flaw;

/// What is left of a device, in a data folder that no program uses or in a backup: for people, a sentence each.
///
/// Each entry of the log is looked at, the states, and everything in history and sessions. Points are told by the series that no
/// device has any more.
///
/// # Errors
/// When a program uses the folder, or something cannot be read.
pub fn traces_of(folder: &Path, device: &str) -> Result<Vec<Flaw>, GatherError> {
    if Folder::is_one(folder) {
        let manifest = Folder::read(folder)?;
        let stored = Folder::files(folder, &manifest).into_iter().map(|stored| (stored.entry.name, stored.path));
        return Files::of(stored, Access::Stored).traces_of(device);
    }
    if !folder.join("log").is_dir() || !folder.join("store").is_dir() {
        return Err(GatherError::NoData(folder.to_owned()));
    }
    let _alone = tidegate_log::held_alone(&folder.join("log"))?;
    let log = tidegate_log::segments(&folder.join("log"))?.into_iter();
    let log = log.map(|path| (format!("log/{}", path.file_name().unwrap_or_default().display()), path));
    let store = store_files(&folder.join("store"))?.into_iter().map(|(name, path)| (format!("store/{name}"), path));
    let others = ["checkpoint", "sessions/sessions.sqlite"].map(|name| (name.to_owned(), folder.join(name)));
    let kept = sinks::kept_states(folder).into_iter();
    let others = others.into_iter().filter(|(_, path)| path.exists());
    Files::of(log.chain(store).chain(others).chain(kept), Access::Alone).traces_of(device)
}

/// Files by what is in them.
struct Files {
    access: Access,
    log: Vec<PathBuf>,
    store: Vec<(String, PathBuf)>,
    states: Vec<(String, PathBuf)>,
    sessions: Option<PathBuf>,
}

impl Files {
    fn of(named: impl Iterator<Item = (String, PathBuf)>, access: Access) -> Files {
        let mut files = Files { access, log: Vec::new(), store: Vec::new(), states: Vec::new(), sessions: None };
        for (name, path) in named {
            match name.split_once('/') {
                Some(("log", _)) => files.log.push(path),
                Some(("store", name)) => files.store.push((name.to_owned(), path)),
                Some(("sessions", _)) => files.sessions = Some(path),
                _ if name.ends_with(".position") => {}
                _ => files.states.push((name, path)),
            }
        }
        files.log.sort();
        files
    }

    fn traces_of(&self, device: &str) -> Result<Vec<Flaw>, GatherError> {
        let mut found: Vec<Flaw> = self.in_log(device)?.into_iter().collect();
        for (name, path) in &self.states {
            found.extend(in_state(name, path, device));
        }
        found.extend(traces_in_store(&self.store, self.access, device)?);
        if let Some(path) = &self.sessions {
            let of = |what| format!("sessions/ has {what}");
            found.extend(traces_in_sessions(path, self.access, device)?.into_iter().map(of));
        }
        Ok(found)
    }

    fn in_log(&self, device: &str) -> Result<Option<Flaw>, GatherError> {
        let mut decoder = Decoder::new(NodeConfig::new(PathBuf::new()).decode);
        let (mut count, mut last) = (0, Position::START);
        tidegate_log::check_each(&self.log, &mut |position, entry| {
            if names(&mut decoder, position, &entry.entry, device) {
                (count, last) = (count + 1, position);
            }
        })?;
        Ok((count > 0).then(|| {
            format!(
                "the log has {count} entries that name it, the last is {last}: they go by themselves, segment by segment, \
                 once a flush has passed that one and no sink needs it"
            )
        }))
    }
}

fn in_state(name: &str, path: &Path, device: &str) -> Vec<Flaw> {
    let read = CheckpointFile::at(path.to_owned()).load().map_err(|error| error.to_string());
    let stages = read.and_then(|read| {
        let restore = |(_, state): (Position, Vec<u8>)| Stages::restore(&NodeConfig::new(PathBuf::new()), &state);
        read.map(restore).transpose().map_err(|error| error.to_string())
    });
    match stages {
        Ok(stages) => {
            let found = stages.map_or(Vec::new(), |stages| {
                let sources = stages.decoder.mentions(device).into_iter().map(|_| "what a format remembers of it");
                stages.process.mentions(device).into_iter().chain(sources).collect()
            });
            found.into_iter().map(|what| format!("{name} has {what}")).collect()
        }
        Err(error) => vec![format!("{name} cannot be looked into: {error}")],
    }
}

/// Whether an entry is about a device.
fn names(decoder: &mut Decoder, position: Position, entry: &Entry, device: &str) -> bool {
    match entry {
        Entry::Publication(publication) => {
            publication.client == *device || is_about(decoder.decode(position, publication), publication, device)
        }
        Entry::Intent(Intent::SendCommand { request, .. }) => *request.device == *device,
        Entry::Intent(Intent::EraseDevice { device: of, .. } | Intent::DescribeDevice { device: of, .. }) => {
            *of == *device
        }
        Entry::Intent(_) | Entry::Tick(_) | Entry::ClockSet { .. } => false,
        Entry::Command(message) => is_written_of(&message.publication, device),
        Entry::CommandReport(report) => report.client == *device,
        Entry::Import(import) => import.series.iter().any(|series| *series.device == *device),
    }
}

/// What is understood says whose it is; of what is not the topic and the payload may.
fn is_about(decoded: &Decoded, publication: &Publication, device: &str) -> bool {
    let readings = decoded.readings.iter().map(|reading| &reading.device);
    let history = decoded.history.iter().map(|series| &series.device);
    let described = decoded.descriptions.iter().map(|description| &description.device);
    let told = decoded.availability.iter().map(|availability| &availability.device);
    let known = decoded.devices.iter().map(|description| &description.device);
    let mut devices = readings.chain(history).chain(described).chain(known).chain(told).peekable();
    let is_understood = devices.peek().is_some();
    devices.any(|of| **of == *device) || (!is_understood && is_written_of(publication, device))
}

fn is_written_of(publication: &Publication, device: &str) -> bool {
    is_topic_of(&publication.topic, device) || is_named_in(&publication.payload, device)
}
