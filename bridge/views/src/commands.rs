//! Commands that are remembered, by device.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustc_hash::FxHashMap;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tidegate_telemetry::{Command, CommandId, CommandRefusal, CommandState};

use crate::views::Views;

/// Every command that processing remembers.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    commands: BTreeMap<CommandId, Arc<Command>>,
    by_device: FxHashMap<Arc<str>, BTreeSet<CommandId>>,
}

impl Commands {
    pub fn take(&mut self, command: &Arc<Command>) {
        self.by_device.entry(Arc::clone(&command.request.device)).or_default().insert(command.id);
        self.commands.insert(command.id, Arc::clone(command));
    }

    pub fn forget(&mut self, id: CommandId) {
        let Some(command) = self.commands.remove(&id) else { return };
        if let Some(of_device) = self.by_device.get_mut(&command.request.device) {
            of_device.remove(&id);
            if of_device.is_empty() {
                self.by_device.remove(&command.request.device);
            }
        }
    }
}

/// One page of a device's commands, the newest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CommandsPage {
    /// The commands.
    pub commands: Vec<CommandObject>,
    /// Cursor of the next page; `null` at the end.
    pub next: Option<Arc<str>>,
}

/// A command, as REST and the live protocol show it.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandObject(pub Arc<Command>);

impl Views {
    /// Commands of the device with this full identifier that came before `before`, the newest first.
    #[must_use]
    pub fn commands(&self, device: &str, before: Option<CommandId>, limit: usize) -> CommandsPage {
        let none = BTreeSet::new();
        let of_device = self.commands.by_device.get(device).unwrap_or(&none);
        let newest_first = of_device.iter().rev().filter(|&&id| before.is_none_or(|before| id < before));
        let mut rest = newest_first.filter_map(|id| self.commands.commands.get(id));
        let commands: Vec<_> = rest.by_ref().take(limit).cloned().map(CommandObject).collect();
        let more = rest.next().is_some();
        let next = commands.last().filter(|_| more).map(|last| last.0.id.to_string().into());
        CommandsPage { commands, next }
    }

    /// One command.
    #[must_use]
    pub fn command(&self, id: CommandId) -> Option<CommandObject> {
        self.commands.commands.get(&id).cloned().map(CommandObject)
    }

    /// The command of a device that was asked for with this key.
    #[must_use]
    pub fn command_of_key(&self, device: &str, key: &str) -> Option<CommandObject> {
        let mut of_device = self.commands.by_device.get(device)?.iter().filter_map(|&id| self.command(id));
        of_device.find(|command| command.0.request.key.as_deref() == Some(key))
    }
}

impl Serialize for CommandObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (command, request) = (&self.0, &self.0.request);
        let mut map = serializer.serialize_map(Some(15))?;
        map.serialize_entry("id", &command.id.to_string())?;
        map.serialize_entry("device", &*request.device)?;
        map.serialize_entry("state", &command.state())?;
        map.serialize_entry("steps", &Steps(&command.steps))?;
        map.serialize_entry("deadline", &command.deadline_ms)?;
        map.serialize_entry("topic", &*request.topic)?;
        map.serialize_entry("payload", &Payload(&request.payload))?;
        map.serialize_entry("content_type", &request.content_type)?;
        map.serialize_entry("qos", &request.qos.level())?;
        map.serialize_entry("response_topic", &*request.response_topic)?;
        map.serialize_entry("key", &request.key)?;
        map.serialize_entry("by", &*command.by)?;
        map.serialize_entry("client", &command.client)?;
        map.serialize_entry::<_, Option<CommandRefusal>>("refusal", &command.refusal)?;
        map.serialize_entry("answer", &command.answer.as_deref().map(Payload))?;
        map.end()
    }
}

/// `[{"state":"accepted","time":1704723845000}]`
struct Steps<'a>(&'a [(CommandState, i64)]);

impl Serialize for Steps<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Step {
            state: CommandState,
            time: i64,
        }
        serializer.collect_seq(self.0.iter().map(|&(state, time)| Step { state, time }))
    }
}

/// `{"text":"…"}` where the bytes are UTF-8, else `{"base64":"…"}` (RFC 4648 section 4).
struct Payload<'a>(&'a [u8]);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match std::str::from_utf8(self.0) {
            Ok(text) => map.serialize_entry("text", text)?,
            Err(_) => map.serialize_entry("base64", &STANDARD.encode(self.0))?,
        }
        map.end()
    }
}
