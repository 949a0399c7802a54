//! Commands of a device, and one by its key.

use std::sync::Arc;

use tidegate_telemetry::{Command, CommandId};

use crate::views::Views;

/// One page of a device's commands, the newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandsPage {
    /// The commands.
    pub commands: Vec<Arc<Command>>,
    /// Those of the next page came before this one; `None` at the end.
    pub next: Option<CommandId>,
}

impl Views {
    /// Commands of the device with this full identifier that came before `before`, the newest first.
    #[must_use]
    pub fn commands(&self, device: &str, before: Option<CommandId>, limit: usize) -> CommandsPage {
        let of_device = self.commands.newest(Some(device)).filter(|&id| before.is_none_or(|before| id < before));
        let mut rest = of_device.filter_map(|id| self.command(id));
        let commands: Vec<_> = rest.by_ref().take(limit).collect();
        let more = rest.next().is_some();
        let next = commands.last().filter(|_| more).map(|last| last.id);
        CommandsPage { commands, next }
    }

    /// One command.
    #[must_use]
    pub fn command(&self, id: CommandId) -> Option<Arc<Command>> {
        self.commands.get(id).map(|cell| Arc::clone(&cell.command))
    }

    /// The command of a device that was asked for with this key.
    #[must_use]
    pub fn command_of_key(&self, device: &str, key: &str) -> Option<Arc<Command>> {
        let mut of_device = self.commands.newest(Some(device)).filter_map(|id| self.command(id));
        of_device.find(|command| command.request.key.as_deref() == Some(key))
    }
}
