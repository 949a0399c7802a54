//! `tidegate restore`: a data folder from a backup.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use tidegate_backup::{Folder, Manifest, Restoring, unpack};

use crate::words::{size, utc};

/// Makes a data folder.
///
/// # Errors
/// What kept it from being made, with what to do. Nothing is there then.
pub fn run(backup: &Path, data: &Path) -> Result<()> {
    // What is no backup at all is told before anything is made.
    let manifest = if backup.is_dir() { Some(Folder::read(backup)?) } else { None };
    let mut restoring = Restoring::begin(data)?;
    match receive(backup, manifest, &mut restoring) {
        Ok(manifest) => {
            restoring.finish()?;
            println!("{}", said(&manifest, data));
            Ok(())
        }
        Err(error) => {
            restoring.give_up();
            Err(error.context("nothing was restored"))
        }
    }
}

fn receive(backup: &Path, manifest: Option<Manifest>, restoring: &mut Restoring) -> Result<Manifest> {
    if let Some(manifest) = manifest {
        for file in Folder::files(backup, &manifest) {
            file.give(restoring)?;
        }
        return Ok(manifest);
    }
    if backup == Path::new("-") {
        return Ok(unpack(io::stdin().lock(), restoring)?);
    }
    let stream = File::open(backup).with_context(|| format!("{} cannot be read", backup.display()))?;
    Ok(unpack(BufReader::new(stream), restoring)?)
}

fn said(manifest: &Manifest, data: &Path) -> String {
    let (standing, counts) = (&manifest.standing, &manifest.standing.counts);
    let of_state = standing.checkpoint.map_or_else(|| "none yet".to_owned(), |position| format!("of entry {position}"));
    format!(
        "{} is restored as it was on {}: every entry up to {}, and none after it\n\
         log: entries {} to {}; state: {of_state}; history up to entry {}: {} points, {} alert events\n\
         MQTT: {} sessions, {} messages that wait for them, {} retained\n\
         {} files, {}; every checksum was right. The configuration, password files, keys and certificates are not part of it",
        data.display(),
        utc(standing.taken_ms),
        standing.position,
        standing.log_first,
        standing.position,
        standing.flushed,
        counts.points,
        counts.alert_events,
        counts.sessions,
        counts.waiting,
        counts.retained,
        manifest.files.len(),
        size(manifest.bytes()),
    )
}
