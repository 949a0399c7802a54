//! Everything that processing knows.

use std::sync::Arc;

use tidegate_telemetry::{Rule, SectionsError};

use crate::alerts::Alerts;
use crate::commands::Commands;
use crate::fleet::Fleet;
use crate::groups::Groups;
use crate::redelivery::Redelivery;
use crate::register::Register;
use crate::time::Time;
use crate::unheard::Unheard;

/// First byte of a checkpoint: what follows is in [sections](tidegate_telemetry::sections). Earlier versions are blobs.
pub const VERSION: u8 = 9;

/// Everything that entries have led to; what is not in here follows from it and the configuration.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) time: Time,
    pub(crate) fleet: Fleet,
    pub(crate) groups: Groups,
    pub(crate) alerts: Alerts,
    pub(crate) commands: Commands,
    pub(crate) redelivery: Redelivery,
    pub(crate) unheard: Unheard,
    pub(crate) register: Register,
}

/// Why a checkpoint could not be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreError {
    /// Written by another version of the program.
    #[error(
        "the checkpoint has format version {0}, this program reads up to {VERSION}: start the program that wrote it, or move \
         the checkpoint away to start without what it knew"
    )]
    UnknownVersion(u8),
    /// A section of it was written by another version of the program.
    #[error(
        "of the checkpoint, section {section:?} has version {version}, this program reads up to {known}: start the program \
         that wrote it, or move the checkpoint away to start without what it knew"
    )]
    NewerSection {
        /// Name of the section.
        section: String,
        /// Its version.
        version: u64,
        /// The newest version that can be read.
        known: u32,
    },
    /// The bytes do not hold a checkpoint.
    #[error("the checkpoint is damaged: use an older one, or move it away to start without what it knew")]
    Malformed,
}

impl From<SectionsError> for RestoreError {
    fn from(error: SectionsError) -> Self {
        match error {
            SectionsError::Newer { name: section, version, known } => {
                RestoreError::NewerSection { section, version, known }
            }
            _ => RestoreError::Malformed,
        }
    }
}

/// What a checkpoint held, and what it did not, for people.
pub(crate) struct Restored {
    /// By the numbers that the states of rules have.
    pub(crate) rules: Vec<Option<Arc<Rule>>>,
    pub(crate) state: State,
    pub(crate) notes: Vec<String>,
}
