use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::alerts::Alerts;
use crate::commands::Commands;
use crate::fleet::Fleet;
use crate::groups::{Groups, LastingGroups};
use crate::jumps::Jumps;
use crate::older::OlderFleet;
use crate::redelivery::Redelivery;
use crate::rules::RuleIdentity;

/// First byte of a checkpoint.
const VERSION: u8 = 5;
/// Messages that came again were new ones, and so were readings that a device gave the same time.
const WITHOUT_REDELIVERY: u8 = 4;
/// Groups never went.
const WITH_LASTING_GROUPS: u8 = 3;
/// The clock was never set.
const WITHOUT_JUMPS: u8 = 2;
/// It ended before the commands.
const WITHOUT_COMMANDS: u8 = 1;

/// Everything that entries have led to; what is not in here follows from it and the configuration.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    /// Received time of the last entry, Unix ms.
    pub(crate) now_ms: i64,
    pub(crate) fleet: Fleet,
    pub(crate) groups: Groups,
    pub(crate) alerts: Alerts,
    pub(crate) commands: Commands,
    pub(crate) redelivery: Redelivery,
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
    /// The bytes do not hold a checkpoint.
    #[error("the checkpoint is damaged: use an older one, or move it away to start without what it knew")]
    Malformed,
}

/// A version byte, then postcard: the rules that standings refer to by number, and the state.
pub(crate) fn write(rules: &[RuleIdentity], state: &State) -> Vec<u8> {
    postcard::to_extend(&(rules, state), vec![VERSION])
        .expect("writing to a Vec never fails, and the state holds no unsized maps")
}

pub(crate) fn read(bytes: &[u8]) -> Result<(Vec<RuleIdentity>, State), RestoreError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|_| RestoreError::Malformed),
        Some((&WITHOUT_REDELIVERY, rest)) => read_older::<Groups>(rest),
        Some((&WITH_LASTING_GROUPS, rest)) => read_older::<LastingGroups>(rest),
        Some((&WITHOUT_JUMPS, rest)) => read_with(rest, &Jumps::default()),
        Some((&WITHOUT_COMMANDS, rest)) => read_with(rest, &Commands::default()),
        Some((&version, _)) => Err(RestoreError::UnknownVersion(version)),
        None => Err(RestoreError::Malformed),
    }
}

fn read_older<G: DeserializeOwned + Into<Groups>>(bytes: &[u8]) -> Result<(Vec<RuleIdentity>, State), RestoreError> {
    let older = postcard::from_bytes::<(_, (i64, OlderFleet, G, Alerts, Commands))>(bytes);
    let (rules, (now_ms, fleet, groups, alerts, commands)) = older.map_err(|_| RestoreError::Malformed)?;
    let (fleet, groups, redelivery) = (fleet.at(now_ms), groups.into(), Redelivery::default());
    Ok((rules, State { now_ms, fleet, groups, alerts, commands, redelivery }))
}

/// Reads a checkpoint that ended before what it was `lacking` of version 3.
fn read_with(bytes: &[u8], lacking: &impl Serialize) -> Result<(Vec<RuleIdentity>, State), RestoreError> {
    let bytes = postcard::to_extend(lacking, bytes.to_vec()).map_err(|_| RestoreError::Malformed)?;
    read_older::<LastingGroups>(&bytes)
}
