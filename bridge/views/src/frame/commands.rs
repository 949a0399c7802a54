//! Parts of views of commands.

use smallvec::smallvec;
use tidegate_telemetry::CommandId;

use super::Part;
use crate::encoding::Writer;
use crate::message::{Element, List, ListName};
use crate::subscription::{CommandsView, Cursor};
use crate::views::Views;

impl Views {
    /// Commands that left the view, then those that came or changed after `since` (all, when there is none), the newest
    /// first.
    pub(super) fn commands_part(
        &self,
        view: &mut CommandsView,
        since: Option<u64>,
        cursor: &Cursor,
        writer: &Writer<'_>,
    ) -> Part {
        let sent = match cursor {
            Cursor::Row(index) => *index,
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
            let before = list.mark();
            if leaves {
                writer.add(list, &Element::CommandLeft(id));
            } else if let Some(cell) = self.commands.get(id) {
                writer.add(list, &Element::Command(&cell.command));
            }
            // What was forgotten since the first part is left out; the next delta says so.
            if index > sent && gone.len() + rows.len() > writer.bytes_max {
                let list = if leaves { &mut gone } else { &mut rows };
                list.truncate(before);
                next = Some(Cursor::Row(index));
                break;
            }
        }
        if next.is_none() {
            (view.leaving, view.sending) = (Vec::new(), Vec::new());
        }
        Part { lists: smallvec![(ListName::Left, gone), (ListName::Rows, rows)], next }
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
