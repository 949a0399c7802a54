use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidegate_telemetry::{DeviceIndex, MetricIndex};

use crate::alerts::Alerts;
use crate::commands::{Commands, CommandsThen};
use crate::device::Device;
use crate::fleet::Fleet;
use crate::groups::{Groups, GroupsThen, LastingGroups, LastingNames, NamelessGroups};
use crate::jumps::Jumps;
use crate::older::{OlderAlerts, OlderFleet};
use crate::redelivery::Redelivery;
use crate::rules::RuleIdentity;
use crate::shards::Places;
use crate::unheard::Unheard;

/// First byte of a checkpoint.
const VERSION: u8 = 7;
/// Nobody knew whose the extremes of groups are, who is in alert and how far alerts went, and no rule waited for a device
/// that was never heard.
const WITH_NAMELESS_GROUPS: u8 = 6;
/// Names of metrics never gave their figures back, and nobody's address was known.
const WITH_LASTING_NAMES: u8 = 5;
/// Messages that came again were new ones, and so were readings that a device gave the same time.
const WITHOUT_REDELIVERY: u8 = 4;
/// Groups never went.
const WITH_LASTING_GROUPS: u8 = 3;
/// The clock was never set.
const WITHOUT_JUMPS: u8 = 2;
/// It ended before the commands.
const WITHOUT_COMMANDS: u8 = 1;

/// Everything that entries have led to; what is not in here follows from it and the configuration.
#[derive(Debug, Deserialize)]
pub(crate) struct State {
    /// Received time of the last entry, Unix ms.
    pub(crate) now_ms: i64,
    pub(crate) fleet: Fleet,
    pub(crate) groups: Groups,
    pub(crate) alerts: Alerts,
    pub(crate) commands: Commands,
    pub(crate) redelivery: Redelivery,
    pub(crate) unheard: Unheard,
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

/// The state as it was at one moment, for [`Process::restore`](crate::Process::restore).
///
/// It shares its memory with the state that goes on; what changes while it lives is copied then. So it is taken at next
/// to no cost, and written by whoever has time.
#[derive(Debug)]
pub struct Checkpoint {
    pub(crate) rules: Arc<[RuleIdentity]>,
    pub(crate) state: Then,
}

/// In the order of [`State`].
#[derive(Debug, Serialize)]
pub(crate) struct Then {
    now_ms: i64,
    fleet: Places<Device>,
    groups: GroupsThen,
    alerts: Alerts,
    commands: CommandsThen,
    redelivery: Redelivery,
    unheard: Unheard,
}

impl State {
    /// As it is now.
    pub(crate) fn then(&self) -> Then {
        Then {
            now_ms: self.now_ms,
            fleet: self.fleet.places(),
            groups: self.groups.then(),
            alerts: self.alerts.clone(),
            commands: self.commands.then(),
            redelivery: self.redelivery.clone(),
            unheard: self.unheard.clone(),
        }
    }
}

impl Checkpoint {
    /// Writes it: a version byte, then postcard: the rules that standings refer to by number, the state, the addresses of
    /// devices, and the metrics whose values are in another unit than their names say.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut noted = Noted { out: BufWriter::with_capacity(WRITE_BYTES, out), error: None };
        noted.write_all(&[VERSION])?;
        let fleet = &self.state.fleet;
        postcard::to_io(&(&*self.rules, &self.state, addresses(fleet), misnamed(fleet)), &mut noted)
            .map(drop)
            .map_err(|error| noted.error.unwrap_or_else(|| io::Error::other(error)))
    }

    /// What [`Checkpoint::write`] writes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes).expect("writing to a Vec never fails, and the state holds no unsized maps");
        bytes
    }
}

type Addresses = Vec<(DeviceIndex, IpAddr)>;

/// Where clients that proved nothing were when they brought devices in.
fn addresses(fleet: &Places<Device>) -> Addresses {
    let devices = (0..).map(DeviceIndex).zip(fleet.iter());
    devices.filter_map(|(index, device)| Some((index, device?.address?))).collect()
}

/// Metrics of devices that had a number which the unit of their name does not allow.
fn misnamed(fleet: &Places<Device>) -> Vec<(DeviceIndex, MetricIndex)> {
    let devices = (0..).map(DeviceIndex).zip(fleet.iter());
    let cells = devices.flat_map(|(index, device)| {
        let cells = (0..).map(MetricIndex).zip(device.into_iter().flat_map(|device| &device.cells));
        cells.map(move |(metric, cell)| (index, metric, cell))
    });
    cells.filter(|(.., cell)| cell.is_misnamed).map(|(index, metric, _)| (index, metric)).collect()
}

/// Bytes written at once.
const WRITE_BYTES: usize = 64 << 10;

/// Keeps the error that postcard has no place for.
struct Noted<W> {
    out: W,
    error: Option<io::Error>,
}

impl<W: Write> Write for Noted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes).inspect_err(|error| self.error = Some(error.kind().into()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush().inspect_err(|error| self.error = Some(error.kind().into()))
    }
}

pub(crate) fn read(bytes: &[u8]) -> Result<(Vec<RuleIdentity>, State), RestoreError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => {
            type Now = (Vec<RuleIdentity>, State, Addresses, Vec<(DeviceIndex, MetricIndex)>);
            let now = postcard::from_bytes::<Now>(rest).map_err(|_| RestoreError::Malformed)?;
            let (rules, mut state, addresses, misnamed) = now;
            misnamed.into_iter().for_each(|(device, metric)| state.fleet.set_misnamed(device, metric));
            Ok((rules, rebuilt(state, addresses)))
        }
        Some((&WITH_NAMELESS_GROUPS, rest)) => read_with_nameless_groups(rest),
        Some((&WITH_LASTING_NAMES, rest)) => read_with_lasting_names(rest),
        Some((&WITHOUT_REDELIVERY, rest)) => read_older::<LastingNames>(rest),
        Some((&WITH_LASTING_GROUPS, rest)) => read_older::<LastingGroups>(rest),
        Some((&WITHOUT_JUMPS, rest)) => read_with(rest, &Jumps::default()),
        Some((&WITHOUT_COMMANDS, rest)) => read_with(rest, &CommandsThen::default()),
        Some((&version, _)) => Err(RestoreError::UnknownVersion(version)),
        None => Err(RestoreError::Malformed),
    }
}

fn read_with_nameless_groups(bytes: &[u8]) -> Result<(Vec<RuleIdentity>, State), RestoreError> {
    type Then = (i64, Fleet, NamelessGroups, OlderAlerts, Commands, Redelivery);
    let then = postcard::from_bytes::<(_, Then, Addresses)>(bytes).map_err(|_| RestoreError::Malformed)?;
    let (rules, (now_ms, fleet, groups, alerts, commands, redelivery), addresses) = then;
    let (groups, alerts, unheard) = (groups.into(), alerts.into(), Unheard::new());
    let state = State { now_ms, fleet, groups, alerts, commands, redelivery, unheard };
    Ok((rules, rebuilt(state, addresses)))
}

fn read_with_lasting_names(bytes: &[u8]) -> Result<(Vec<RuleIdentity>, State), RestoreError> {
    type Then = (i64, Fleet, LastingNames, OlderAlerts, Commands, Redelivery);
    let then = postcard::from_bytes::<(_, Then)>(bytes);
    let (rules, (now_ms, fleet, groups, alerts, commands, redelivery)) = then.map_err(|_| RestoreError::Malformed)?;
    let (groups, alerts, unheard) = (groups.into(), alerts.into(), Unheard::new());
    let state = State { now_ms, fleet, groups, alerts, commands, redelivery, unheard };
    Ok((rules, rebuilt(state, Vec::new())))
}

/// Makes what follows from the rest.
fn rebuilt(mut state: State, addresses: Addresses) -> State {
    state.fleet.rebuild(addresses);
    state.fleet.count_alerts(&state.alerts);
    state.groups.rebuild(&mut state.fleet);
    state.commands.rebuild(state.now_ms);
    state
}

fn read_older<G: DeserializeOwned + Into<Groups>>(bytes: &[u8]) -> Result<(Vec<RuleIdentity>, State), RestoreError> {
    let older = postcard::from_bytes::<(_, (i64, OlderFleet, G, OlderAlerts, Commands))>(bytes);
    let (rules, (now_ms, fleet, groups, alerts, commands)) = older.map_err(|_| RestoreError::Malformed)?;
    let (fleet, groups, alerts, redelivery) = (fleet.at(now_ms), groups.into(), alerts.into(), Redelivery::default());
    let state = State { now_ms, fleet, groups, alerts, commands, redelivery, unheard: Unheard::new() };
    Ok((rules, rebuilt(state, Vec::new())))
}

/// Reads a checkpoint that ended before what it was `lacking` of version 3.
fn read_with(bytes: &[u8], lacking: &impl Serialize) -> Result<(Vec<RuleIdentity>, State), RestoreError> {
    let bytes = postcard::to_extend(lacking, bytes.to_vec()).map_err(|_| RestoreError::Malformed)?;
    read_older::<LastingGroups>(&bytes)
}
