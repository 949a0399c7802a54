//! Checkpoints up to version 7: one blob of postcard, in which neither parts nor structs said where they end.
//!
//! What structs had then is the beginning of what they have now, so they are read as they are now, up to [`fields`]. No
//! field is added there: whatever comes later has its default.

mod types;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tidegate_telemetry::record::{Fields, RecordError, read_as};
use tidegate_telemetry::{AlertChange, DeviceIndex, MetricIndex};

use crate::alerts::{AlertKey, Alerts, Cleared};
use crate::commands::{Commands, CommandsThen};
use crate::config::ProcessConfig;
use crate::device::Device;
use crate::fleet::Fleet;
use crate::groups::{Group, Groups, Rounds};
use crate::redelivery::Redelivery;
use crate::register::Register;
use crate::rules::RuleIdentity;
use crate::shards::Shards;
use crate::shelves::Shelves;
use crate::state::{RestoreError, Restored, State};
use crate::time::Time;
use crate::unheard::Unheard;
use types::{LastingGroups, LastingNames, NamelessGroups, OlderAlerts, OlderFleet};

/// Everything was in one blob.
const ONE_BLOB: u8 = 7;
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

/// How many fields structs had in these checkpoints; of those in `types` all that they have.
fn fields(name: &str) -> Option<usize> {
    Some(match name {
        "Device" => 14,
        "AlertChange" => 16,
        "Cell" | "Command" | "CommandRequest" | "Partial" => 8,
        "Group" => 7,
        "DeviceClock" | "Interval" | "StateCounts" => 4,
        "Behind" | "CommandsThen" | "InAlert" | "Redelivery" | "Rounds" | "RuleIdentity" => 3,
        "Sums" | "Wait" | "RuleState" => 3,
        "AlertKey" | "Cleared" | "Message" | "Report" | "Sent" => 2,
        _ => return None,
    })
}

type Read<T> = Result<T, RestoreError>;
type OlderRules = Vec<RuleIdentity>;
/// Where clients that proved nothing were when they brought devices in.
type Addresses = Vec<(DeviceIndex, IpAddr)>;

/// Reads a checkpoint of an older version, without the byte that says which.
pub(crate) fn read(version: u8, bytes: &[u8], config: &ProcessConfig) -> Read<Restored> {
    let (rules, state) = read_blob(version, bytes)?;
    // The configuration alone had the rules; what stood under one goes on where it still has it.
    let rule = |then: &RuleIdentity| config.rules.iter().find(|rule| then.is_of(rule)).cloned().map(Arc::new);
    Ok(Restored { rules: rules.iter().map(rule).collect(), state, notes: Vec::new() })
}

fn read_blob(version: u8, bytes: &[u8]) -> Read<(OlderRules, State)> {
    match version {
        ONE_BLOB => read_one_blob(bytes),
        WITH_NAMELESS_GROUPS => {
            type Then = (i64, Shards<Device>, NamelessGroups, OlderAlerts, CommandsThen, Redelivery);
            let (rules, (now_ms, devices, groups, alerts, commands, redelivery), addresses): (_, Then, _) = all(bytes)?;
            let state = (now_ms, fleet(devices)?, groups.into(), alerts.into(), commands, redelivery, Unheard::new());
            Ok(restored(rules, state, addresses))
        }
        WITH_LASTING_NAMES => {
            type Then = (i64, Shards<Device>, LastingNames, OlderAlerts, CommandsThen, Redelivery);
            let (rules, (now_ms, devices, groups, alerts, commands, redelivery)): (_, Then) = all(bytes)?;
            let state = (now_ms, fleet(devices)?, groups.into(), alerts.into(), commands, redelivery, Unheard::new());
            Ok(restored(rules, state, Vec::new()))
        }
        WITHOUT_REDELIVERY => read_older::<LastingNames>(bytes),
        WITH_LASTING_GROUPS => read_older::<LastingGroups>(bytes),
        // What they ended before is empty.
        WITHOUT_JUMPS => read_older::<LastingGroups>(&[bytes, &[0]].concat()),
        WITHOUT_COMMANDS => read_older::<LastingGroups>(&[bytes, &[0; 3]].concat()),
        other => Err(RestoreError::UnknownVersion(other)),
    }
}

fn read_one_blob(bytes: &[u8]) -> Read<(OlderRules, State)> {
    type AllAlerts = (Shelves<AlertKey, AlertChange>, VecDeque<Cleared>);
    type Then = (i64, Shards<Device>, (Shards<Group>, Rounds), AllAlerts, CommandsThen, Redelivery, Unheard);
    type All = (OlderRules, Then, Addresses, Vec<(DeviceIndex, MetricIndex)>);
    let (rules, then, addresses, misnamed): All = all(bytes)?;
    let (now_ms, devices, (groups, rounds), (alerts, cleared), commands, redelivery, unheard) = then;
    let mut fleet = fleet(devices)?;
    misnamed.into_iter().for_each(|(device, metric)| fleet.set_misnamed(device, metric));
    let (groups, alerts) = (Groups::of(groups, rounds), Alerts::of(alerts, cleared));
    Ok(restored(rules, (now_ms, fleet, groups, alerts, commands, redelivery, unheard), addresses))
}

fn read_older<G: DeserializeOwned + Into<Groups>>(bytes: &[u8]) -> Read<(OlderRules, State)> {
    let (rules, then): (_, (i64, OlderFleet, G, OlderAlerts, CommandsThen)) = all(bytes)?;
    let (now_ms, devices, groups, alerts, commands) = then;
    let fleet = Fleet::of(devices.at(now_ms).map(Ok::<_, RecordError>)).map_err(|_| RestoreError::Malformed)?;
    let state = (now_ms, fleet, groups.into(), alerts.into(), commands, Redelivery::default(), Unheard::new());
    Ok(restored(rules, state, Vec::new()))
}

fn all<T: DeserializeOwned>(mut bytes: &[u8]) -> Read<T> {
    read_as(Fields::Counted(fields), &mut bytes).map_err(|_| RestoreError::Malformed)
}

fn fleet(devices: Shards<Device>) -> Read<Fleet> {
    let devices = devices.places();
    let places = devices.iter().map(|device| Ok::<_, RecordError>(device.cloned()));
    Fleet::of(places).map_err(|_| RestoreError::Malformed)
}

type Parts = (i64, Fleet, Groups, Alerts, CommandsThen, Redelivery, Unheard);

fn restored(rules: OlderRules, parts: Parts, addresses: Addresses) -> (OlderRules, State) {
    let (now_ms, mut fleet, mut groups, alerts, commands, redelivery, unheard) = parts;
    fleet.set_addresses(addresses);
    groups.rebuild(&mut fleet);
    let time = Time::after(now_ms);
    let commands = Commands::of(commands, time.moment());
    (rules, State { time, fleet, groups, alerts, commands, redelivery, unheard, register: Register::default() })
}
