//! Files that say how far something is.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

/// The name of a file, with an ending more.
pub fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// Writes what is said as JSON: the file has what it had, or this, whatever breaks it off.
///
/// # Errors
/// When it cannot be written.
pub fn keep(file: &Path, said: &impl Serialize) -> Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    let aside = beside(file, "new");
    let mut out = File::create(&aside).with_context(cannot)?;
    out.write_all(&serde_json::to_vec(said)?).with_context(cannot)?;
    // A rename that is on disk before what it names would leave an empty file.
    out.sync_data().with_context(cannot)?;
    fs::rename(&aside, file).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_whose_names_differ_in_their_ending_alone_do_not_meet() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let [one, other, new] = ["a.x", "a.y", "a.new"].map(|name| folder.path().join(name));
        for file in [&one, &other, &new] {
            assert_ne!(beside(file, "new"), new);
            keep(file, &file.display().to_string())?;
        }
        for file in [&one, &other, &new] {
            assert_eq!(fs::read_to_string(file)?, serde_json::to_string(&file.display().to_string())?);
        }
        assert_eq!(fs::read_dir(folder.path())?.count(), 3, "nothing is left");
        Ok(())
    }
}
