//! Parts of views of commands.

use smallvec::smallvec;
use tidegate_telemetry::CommandId;

use super::Part;
use crate::encode::command::Brief;
use crate::encode::json::{self, List};
use crate::subscription::{CommandsView, Place};
use crate::views::Views;

impl Views {
    /// Commands that left the view, then those that came or changed after `since` (all, when there is none), the newest
    /// first.
    pub(super) fn commands_part(
        &self,
        view: &mut CommandsView,
        since: Option<u64>,
        place: &Place,
        bytes_max: usize,
    ) -> Part {
        let sent = match place {
            Place::Row(index) => *index,
            _ => {
                self.begin_commands(view, since);
                0
            }
        };
        let (mut gone, mut rows) = (List::default(), List::default());
        let mut next = None;
        let steps = view.leaving.iter().map(|id| (id, true)).chain(view.sending.iter().map(|id| (id, false)));
        for (index, (&id, leaves)) in steps.enumerate().skip(sent) {
            let list = if leaves { &mut gone } else { &mut rows };
            let before = list.len();
            if leaves {
                json::text(list.next(), &id.to_string());
            } else if let Some(cell) = self.commands.get(id) {
                json::object(list.next(), &Brief(&cell.command));
            }
            // What was forgotten since the first part is left out; the next delta says so.
            if index > sent && gone.len() + rows.len() > bytes_max {
                let list = if leaves { &mut gone } else { &mut rows };
                list.bytes.truncate(before);
                next = Some(Place::Row(index));
                break;
            }
        }
        if next.is_none() {
            (view.leaving, view.sending) = (Vec::new(), Vec::new());
        }
        Part { lists: smallvec![("x", gone), ("r", rows)], next }
    }

    /// Decides what a snapshot or delta that begins now consists of.
    fn begin_commands(&self, view: &mut CommandsView, since: Option<u64>) {
        let wanted: Vec<CommandId> = self.commands.newest(view.device.as_deref()).take(view.limit).collect();
        let had = std::mem::take(&mut view.has);
        let changed = |id: CommandId| {
            let cell = self.commands.get(id);
            since.is_none_or(|since| !contains(&had, id) || cell.is_some_and(|cell| cell.version > since))
        };
        view.leaving = had.iter().copied().filter(|&id| !contains(&wanted, id)).collect();
        view.sending = wanted.iter().copied().filter(|&id| changed(id)).collect();
        view.has = wanted;
    }
}

/// Whether a list in falling order has it.
fn contains(newest_first: &[CommandId], id: CommandId) -> bool {
    newest_first.binary_search_by(|other| id.cmp(other)).is_ok()
}
