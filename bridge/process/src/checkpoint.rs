//! The state as bytes and back, in named and versioned sections.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_telemetry::{AlertChange, Frozen, Rule, Sections, SectionsError, SectionsWriter};

use crate::alerts::{AlertKey, Alerts, Cleared};
use crate::commands::{Commands, CommandsThen};
use crate::config::ProcessConfig;
use crate::device::Device;
use crate::fleet::Fleet;
use crate::groups::{Group, Groups, GroupsThen, Rounds};
use crate::left::Left;
use crate::older;
use crate::redelivery::Redelivery;
use crate::register::{Absent, Register};
use crate::shards::{Places, Shards};
use crate::shelves::Shelves;
use crate::state::{RestoreError, Restored, State, VERSION};
use crate::time::{Moment, Time};
use crate::unheard::Unheard;

/// Ages were counted in Unix ms that were moved when the clock was set; as they stand they are [`Moment`]s.
const WITHOUT_MOMENTS: u8 = 8;

/// A section of the checkpoint: its name, the newest version that can be read, and what is done without it, for people.
#[derive(Debug, Clone, Copy)]
struct SectionKind(&'static str, u32, &'static str);

const TIME: SectionKind = SectionKind("time", 1, "time goes on from when a device was last heard");
const RULES: SectionKind =
    SectionKind("rules", 2, "rules look at every device anew, and alerts that hold are raised again");
const DEVICES: SectionKind = SectionKind("devices", 1, "devices appear as they report");
const GROUPS: SectionKind =
    SectionKind("groups", 1, "groups are made of the devices, and their figures are summed up anew");
const ROUNDS: SectionKind =
    SectionKind("rounds", 1, "groups are made of the devices, and their figures are summed up anew");
const ALERTS: SectionKind = SectionKind("alerts", 1, "no alert is known; those whose condition holds are raised again");
const CLEARED: SectionKind = SectionKind("cleared", 1, "cleared alerts are in the order of their times");
const COMMANDS: SectionKind = SectionKind("commands", 1, "no command is known, nor which keys were used");
const REDELIVERY: SectionKind = SectionKind("redelivery", 1, "a message that is sent again is taken for another one");
const LEFT: SectionKind = SectionKind("left", 1, "");
const UNHEARD: SectionKind = SectionKind("unheard", 1, "rules begin to wait anew for devices that were never heard");

const REGISTER: SectionKind =
    SectionKind("register", 1, "nothing is known of what people said of devices that are gone");

/// Sections that begin so hold what formats remember of their sources; the rest of the name is the format's.
const SOURCES: &str = "sources/";

/// The state as it was at one moment, for [`Process::restore`](crate::Process::restore).
///
/// It shares its memory with the state that goes on; what changes while it lives is copied then. So it is taken at next
/// to no cost, and written by whoever has time.
#[derive(Debug)]
pub struct Checkpoint {
    pub(crate) rules: Vec<Option<Arc<Rule>>>,
    pub(crate) state: Then,
    pub(crate) sources: Vec<(&'static str, Frozen)>,
}

#[derive(Debug)]
pub(crate) struct Then {
    time: Time,
    fleet: Places<Device>,
    groups: GroupsThen,
    alerts: Alerts,
    commands: CommandsThen,
    redelivery: Redelivery,
    unheard: Unheard,
    register: Arc<BTreeMap<Arc<str>, Absent>>,
    left: Left,
}

impl State {
    /// As it is now.
    pub(crate) fn then(&self) -> Then {
        Then {
            time: self.time.clone(),
            fleet: self.fleet.places(),
            groups: self.groups.then(),
            alerts: self.alerts.clone(),
            commands: self.commands.then(),
            redelivery: self.redelivery.clone(),
            unheard: self.unheard.clone(),
            register: self.register.then(),
            left: self.fleet.left.clone(),
        }
    }
}

/// Bytes written at once.
const WRITE_BYTES: usize = 64 << 10;

impl Checkpoint {
    /// With what formats remember of their sources, by the names of the formats: decoding goes on from there as processing
    /// does from the rest.
    #[must_use]
    pub fn with_sources(self, sources: Vec<(&'static str, Frozen)>) -> Self {
        Checkpoint { sources, ..self }
    }

    /// Writes it: a version byte, then sections. Rules are those that standings refer to by number.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(WRITE_BYTES, out);
        out.write_all(&[VERSION])?;
        let Then { time, fleet, groups, alerts, commands, redelivery, unheard, register, left } = &self.state;
        let (alerts, cleared) = alerts.parts();
        let mut out = Sectioned(SectionsWriter::new(out));
        out.value(TIME, time)?;
        out.list(RULES, self.rules.iter())?;
        out.list(DEVICES, fleet.iter())?;
        out.list(GROUPS, groups.groups.iter())?;
        out.value(ROUNDS, &groups.rounds)?;
        out.list(ALERTS, alerts.iter())?;
        out.list(CLEARED, cleared)?;
        out.value(COMMANDS, commands)?;
        out.value(REDELIVERY, redelivery)?;
        out.value(UNHEARD, unheard)?;
        out.list(REGISTER, register.iter())?;
        out.value(LEFT, left)?;
        for (format, sources) in &self.sources {
            out.0.value(&format!("{SOURCES}{format}"), 1, &Bytes::from(sources.to_bytes()))?;
        }
        out.0.finish()
    }

    /// What [`Checkpoint::write`] writes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes).expect("writing to a Vec never fails, and the state holds no unsized maps");
        bytes
    }
}

struct Sectioned<W>(SectionsWriter<W>);

impl<W: Write> Sectioned<W> {
    fn value(&mut self, SectionKind(name, version, _): SectionKind, value: &impl Serialize) -> io::Result<()> {
        self.0.value(name, version, value)
    }

    fn list<T: Serialize>(
        &mut self,
        SectionKind(name, version, _): SectionKind,
        values: impl IntoIterator<Item = T>,
    ) -> io::Result<()> {
        self.0.list(name, version, values)
    }
}

/// What [`Checkpoint::with_sources`] put into a checkpoint. Those of earlier versions have nothing of it.
///
/// # Errors
/// [`RestoreError`] when the bytes are not a checkpoint.
pub fn sources_of(checkpoint: &[u8]) -> Result<Vec<(String, Bytes)>, RestoreError> {
    let Some((&(VERSION | WITHOUT_MOMENTS), rest)) = checkpoint.split_first() else { return Ok(Vec::new()) };
    let mut sections = Sections::read(rest)?;
    let names: Vec<&str> = sections.unread().filter(|name| name.starts_with(SOURCES)).collect();
    let sources = names.into_iter().map(|name| {
        let bytes = sections.value(name, 1)?.unwrap_or_default();
        Ok((name[SOURCES.len()..].to_owned(), bytes))
    });
    sources.collect()
}

/// Reads a checkpoint. What it does not hold is made of the rest, as `config` says.
pub(crate) fn read(bytes: &[u8], config: &ProcessConfig) -> Result<Restored, RestoreError> {
    let mut restored = match bytes.split_first() {
        Some((&(VERSION | WITHOUT_MOMENTS), rest)) => SectionsReader::of(rest)?.all(config)?,
        Some((&version, rest)) => older::read(version, rest, config)?,
        None => return Err(RestoreError::Malformed),
    };
    let State { fleet, alerts, .. } = &mut restored.state;
    fleet.count_alerts(alerts);
    Ok(restored)
}

/// Sections of a checkpoint, and what was found about them.
struct SectionsReader<'a> {
    sections: Sections<'a>,
    notes: Vec<String>,
}

type Read<T> = Result<T, RestoreError>;

impl<'a> SectionsReader<'a> {
    fn of(bytes: &'a [u8]) -> Read<Self> {
        Ok(SectionsReader { sections: Sections::read(bytes)?, notes: Vec::new() })
    }

    fn all(mut self, config: &ProcessConfig) -> Read<Restored> {
        let (rules, time) = (self.list(RULES)?.unwrap_or_default(), self.value::<Time>(TIME)?);
        let devices = self.sections.list(DEVICES.0, DEVICES.1)?.map(Fleet::of::<SectionsError>).transpose()?;
        let devices = self.noted(DEVICES, devices);
        // Groups name devices by their numbers, and those are given anew.
        let (has_devices, mut fleet) = (devices.is_some(), devices.unwrap_or_default());
        // Without it any device that comes may have been here before, which costs a little and nothing else.
        fleet.left = self.sections.value(LEFT.0, LEFT.1)?.filter(|_| has_devices).unwrap_or(Left::Anybody);
        let time = time.unwrap_or_else(|| Time::after(newest_ms(&fleet)));
        let groups = (self.list::<Option<Group>, Shards<Group>>(GROUPS)?, self.value::<Rounds>(ROUNDS)?);
        let groups = match groups {
            (Some(groups), Some(rounds)) if has_devices => {
                let mut groups = Groups::of(groups, rounds);
                groups.rebuild(&mut fleet);
                groups
            }
            _ => Groups::of_devices(&mut fleet, config),
        };
        let (redelivery, mut unheard) = (self.or_default(REDELIVERY)?, self.or_default::<Unheard>(UNHEARD)?);
        let alerts = self.alerts()?.unwrap_or_else(|| {
            fleet.each_mut(|device| device.rule_states.iter_mut().for_each(|rule_state| rule_state.forget_alert()));
            unheard.values_mut().for_each(|wait| wait.forget_alert());
            Alerts::default()
        });
        let commands = Commands::of(self.or_default::<CommandsThen>(COMMANDS)?, time.moment());
        let register = Register::of(self.absent()?, &fleet);
        let unknown = self.sections.unread().filter(|name| !name.starts_with(SOURCES)).map(|name| {
            format!("the checkpoint has a section {name:?} that this program does not know: the next one is without it")
        });
        let notes = self.notes.into_iter().chain(unknown).collect();
        Ok(Restored {
            rules,
            state: State { time, fleet, groups, alerts, commands, redelivery, unheard, register },
            notes,
        })
    }

    /// Checkpoints of programs that had no register have none of it, and lack nothing.
    fn absent(&mut self) -> Read<BTreeMap<Arc<str>, Absent>> {
        let list = self.sections.list(REGISTER.0, REGISTER.1)?;
        Ok(list.map(|list| list.collect::<Result<_, SectionsError>>()).transpose()?.unwrap_or_default())
    }

    fn alerts(&mut self) -> Read<Option<Alerts>> {
        let alerts: Option<Vec<(AlertKey, AlertChange)>> = self.list(ALERTS)?;
        let cleared: Option<VecDeque<Cleared>> = self.list(CLEARED)?;
        let Some(alerts) = alerts else { return Ok(None) };
        if !alerts.is_sorted_by(|(key, _), (next, _)| key < next) {
            return Err(RestoreError::Malformed);
        }
        let by_time = || {
            let mut times: Vec<_> = alerts.iter().filter_map(|(key, alert)| Some((alert.cleared_ms?, *key))).collect();
            times.sort_unstable();
            times.into_iter().map(|(at_ms, key)| Cleared::new(key, Moment(at_ms))).collect()
        };
        let cleared = cleared.unwrap_or_else(by_time);
        let mut shelves = Shelves::default();
        alerts.into_iter().for_each(|(key, alert)| shelves.push(key, alert));
        Ok(Some(Alerts::of(shelves, cleared)))
    }

    fn value<T: DeserializeOwned>(&mut self, kind: SectionKind) -> Read<Option<T>> {
        let value = self.sections.value(kind.0, kind.1)?;
        Ok(self.noted(kind, value))
    }

    fn or_default<T: DeserializeOwned + Default>(&mut self, kind: SectionKind) -> Read<T> {
        self.value(kind).map(Option::unwrap_or_default)
    }

    fn list<T: DeserializeOwned, C: FromIterator<T>>(&mut self, kind: SectionKind) -> Read<Option<C>> {
        let list = self.sections.list(kind.0, kind.1)?;
        let list = list.map(|list| list.collect::<Result<C, SectionsError>>()).transpose()?;
        Ok(self.noted(kind, list))
    }

    fn noted<T>(&mut self, SectionKind(name, _, instead): SectionKind, section: Option<T>) -> Option<T> {
        if section.is_none() {
            self.notes.push(format!("the checkpoint has no section {name:?}: {instead}"));
        }
        section
    }
}

/// When a device was last heard, Unix ms as if the clock had never been set.
fn newest_ms(fleet: &Fleet) -> i64 {
    fleet.iter().map(|(_, device)| device.heard).max().unwrap_or(Moment::START).0
}
