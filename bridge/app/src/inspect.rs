//! `tidegate verify` and `tidegate upgrade --check`: what files say.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail};
use tidegate_backup::{Folder, Manifest, Nowhere, unpack};
use tidegate_node::{Found, check_formats, traces_of, verify_backup, verify_data};

use crate::words::{size, utc};

/// Reads everything, and says what is wrong.
///
/// # Errors
/// When something is, or nothing can be read.
pub fn verify(folder: &Path) -> Result<()> {
    if folder == Path::new("-") {
        return passed(&unpack(io::stdin().lock(), &mut Nowhere)?);
    }
    if folder.is_file() {
        let stream = File::open(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        return passed(&unpack(BufReader::new(stream), &mut Nowhere)?);
    }
    let is_backup = Folder::is_one(folder);
    let found = if is_backup {
        verify_backup(folder)?
    } else {
        verify_data(folder)
            .context("a data folder is verified while no program uses it; a backup of it can be at any time")?
    };
    say(&found);
    if found.flaws.is_empty() {
        println!("{} is whole", folder.display());
        return Ok(());
    }
    found.flaws.iter().for_each(|flaw| eprintln!("WRONG: {flaw}"));
    bail!("{} is not whole: {} flaws, named above", folder.display(), found.flaws.len());
}

/// Looks for what is left of a device.
///
/// # Errors
/// When something is, or nothing can be read.
pub fn absent(folder: &Path, device: &str) -> Result<()> {
    if !folder.is_dir() {
        bail!("{} is no folder: restore the backup of a stream first", folder.display());
    }
    let found = traces_of(folder, device).context("a data folder is looked at while no program uses it")?;
    if found.is_empty() {
        println!("{} has no name and no point of {device:?}", folder.display());
        return Ok(());
    }
    found.iter().for_each(|what| eprintln!("FOUND: {what}"));
    bail!("{} still has something of {device:?}, named above", folder.display());
}

/// Of a stream each file's checksum is looked at, and not what is in it.
fn passed(manifest: &Manifest) -> Result<()> {
    let (position, files) = (manifest.standing.position, manifest.files.len());
    let (taken, bytes) = (utc(manifest.standing.taken_ms), size(manifest.bytes()));
    println!("backup of {taken} up to entry {position}: {files} files, {bytes}; each has its checksum");
    Ok(())
}

fn say(found: &Found) {
    let (standing, counts) = (&found.standing, &found.standing.counts);
    println!("{} files, {}", found.files, size(found.bytes));
    println!("log: entries {} to {}, {} read", standing.log_first, standing.position, counts.entries);
    if found.torn_bytes > 0 {
        println!("  and {} bytes of a commit that a crash has torn: they were never acknowledged", found.torn_bytes);
    }
    if let Some(checkpoint) = standing.checkpoint {
        println!("checkpoint: of entry {checkpoint}");
    }
    let (points, events) = (counts.points, counts.alert_events);
    println!(
        "history: up to entry {}, {points} points, {} summaries, {events} alert events",
        standing.flushed, found.summaries
    );
    if let Some(complete) = standing.sessions {
        let (sessions, waiting, retained) = (counts.sessions, counts.waiting, counts.retained);
        println!(
            "sessions: up to entry {complete}, {sessions} sessions, {waiting} messages that wait, {retained} retained"
        );
    }
    for older in &found.older {
        println!(
            "store/{older} is of an older format: what is in it is verified once a program has brought it up to date"
        );
    }
}

/// Says what this program would make of a data folder.
///
/// # Errors
/// When it cannot open it.
pub fn formats(data: &Path) -> Result<()> {
    let formats = check_formats(data)?;
    let (data, version) = (data.display(), env!("CARGO_PKG_VERSION"));
    if !formats.refused.is_empty() {
        formats.refused.iter().for_each(|what| eprintln!("WRONG: {what}"));
        bail!("tidegate {version} does not open {data}");
    }
    println!("tidegate {version} opens {data} ({} files)", formats.files);
    if formats.rewritten.is_empty() {
        println!("nothing in it changes its format");
    } else {
        println!("it writes anew, or does without:");
        formats.rewritten.iter().for_each(|what| println!("  {what}"));
    }
    println!(
        "{}",
        if formats.older_can {
            "a program that opens it now still does afterwards"
        } else {
            "an older program does not open it afterwards: take a backup before, if you may want to go back"
        }
    );
    Ok(())
}
