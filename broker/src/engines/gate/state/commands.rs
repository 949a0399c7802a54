//! Commands: out to their devices, and what became of them back into the log.

use std::sync::Arc;

use tidegate_log::AppendError;
use tidegate_telemetry::{CommandId, CommandMessage, CommandProgress, CommandRefusal, CommandReport, Entry, Position};

use super::GateState;
use crate::routing::Routed;
use crate::sessions::{Message, SessionChange};
use crate::topics::{matches, shared_filter};

impl GateState {
    /// Appends a command and hands it to subscribers. Unlike a publication it goes out only when it is durable: a
    /// command that a crash takes back is sent again, and must not have reached the device before.
    pub(crate) fn send_command(&self, message: CommandMessage) -> Result<(), AppendError> {
        let routed = self.route_command(&message, self.waiting_at(message.publication.received_ms));
        let (command, received_ms) = (message.command, message.publication.received_ms);
        let mut entries = vec![Entry::Command(message)];
        if routed.is_empty() {
            let refused = CommandReport::refused(command, received_ms, CommandRefusal::NoSubscriber);
            entries.push(Entry::CommandReport(refused));
        }
        let _routing = self.store.routing();
        let position = self.log.append(&mut entries)?;
        self.hand_out_command(position, routed);
        Ok(())
    }

    /// Routes a command that stands in the log at `position` to the mailboxes; `received_ms` as [`GateState::waiting_ms`] was then.
    pub(in crate::engines::gate) fn route_command_again(
        &self,
        position: Position,
        message: &CommandMessage,
        received_ms: i64,
    ) {
        self.hand_out_command(position, self.route_command(message, received_ms));
    }

    /// `received_ms` as [`GateState::waiting_ms`] was then.
    fn route_command(&self, message: &CommandMessage, received_ms: i64) -> Routed {
        let (mut routed, shared) = (Vec::new(), Arc::new(Message::of_command(message, received_ms)));
        self.routes.route(&message.publication, || Arc::clone(&shared), &mut routed);
        routed
    }

    fn hand_out_command(&self, position: Position, routed: Routed) {
        for (session, mut delivery) in routed {
            delivery.after = position;
            self.queue(&session, delivery);
        }
    }

    /// Notes in the log what became of a command at a subscriber.
    pub(crate) fn report_command(&self, command: CommandId, client: &str, session: u64, progress: CommandProgress) {
        let received_ms = self.now().unix_ms;
        let report = CommandReport { received_ms, command, client: client.to_owned(), session, progress };
        if self.log.append(&mut vec![Entry::CommandReport(report)]).is_err() {
            tracing::debug!(%command, client, "no report: the log is closed");
        }
    }

    /// A client is done with a command, whose delivery has that number in its mailbox; 0 where it is in none.
    ///
    /// A crash forgets both the report and that the delivery is settled, or neither: the log has the report first, and
    /// the store cuts no batch between them. One that reached up to the report alone would call the mailboxes complete
    /// there, so the report would not be looked at again, and the command would be sent again.
    pub(crate) fn settle_command(
        &self,
        command: CommandId,
        number: u64,
        client: &str,
        session: u64,
        progress: CommandProgress,
    ) {
        let _routing = self.store.routing();
        self.report_command(command, client, session, progress);
        if number > 0 {
            self.store.note(SessionChange::Settle { session, number });
        }
    }

    /// What the log says a client is done with is not sent again, though the store may not have heard of it.
    pub(in crate::engines::gate) fn settle_command_again(&self, report: &CommandReport) {
        match report.progress {
            CommandProgress::Delivered | CommandProgress::Refused(CommandRefusal::ByDevice) => {
                let message = Message::number_of(report.command);
                self.store.note(SessionChange::SettleMessage { session: report.session, message });
            }
            CommandProgress::Sent { .. } | CommandProgress::Refused(_) => {}
        }
    }
}

/// Whether a filter spells a topic out up to its last level.
pub(crate) fn is_by_name(filter: &str, topic: &str) -> bool {
    let filter = shared_filter(filter).unwrap_or(filter);
    let begins_alike = match topic.rsplit_once('/') {
        Some((above, _)) => filter.strip_prefix(above).is_some_and(|rest| rest.starts_with('/')),
        None => filter == topic,
    };
    begins_alike && matches(filter, topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_subscribes_by_name_and_a_listener_to_many_does_not() {
        for (filter, is_named) in [
            ("site/b/dev7/command", true),
            ("site/b/dev7/+", true),
            ("site/b/dev7/#", true),
            ("$share/g/site/b/dev7/#", true),
            ("site/b/+/command", false),
            ("site/#", false),
            ("#", false),
            ("site/b/dev7", false),
            ("site/b/dev77/#", false),
        ] {
            assert_eq!(is_by_name(filter, "site/b/dev7/command"), is_named, "{filter}");
        }
        assert!(is_by_name("command", "command") && !is_by_name("+", "command"));
    }
}
