//! What entries led to: changes, problems, commands that go out, counts.

use tidegate_telemetry::{Change, CommandMessage, Problem};

/// Collects what entries led to; the caller clears it, after as many entries as it likes.
#[derive(Debug, Default)]
pub struct Output {
    /// What changed, in order.
    pub changes: Vec<Change>,
    /// What was refused or not understood.
    pub problems: Vec<Problem>,
    /// Commands that are to go out, in order.
    pub commands: Vec<CommandMessage>,
    /// How much of what there was.
    pub counts: Counts,
}

impl Output {
    /// Empties it, and keeps its memory.
    pub fn clear(&mut self) {
        self.changes.clear();
        self.problems.clear();
        self.commands.clear();
        self.counts = Counts::default();
    }
}

/// Figures to add to the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Publications seen.
    pub publications: u64,
    /// Publications without a reading that are no problem: empty payloads, topics that hold no telemetry.
    pub publications_ignored: u64,
    /// Readings that were applied, at least in part.
    pub readings: u64,
    /// Values that were applied.
    pub values: u64,
    /// Of these, values older than the latest: history only.
    pub values_late: u64,
    /// Values that were brought: history only.
    pub values_imported: u64,
    /// Readings that another broker had kept from before.
    pub readings_from_before: u64,
    /// Publications that came before and were sent again, marked as such; dropped.
    pub publications_redelivered: u64,
    /// Values that the device had given for the newest time before; dropped.
    pub values_duplicate: u64,
    /// Metrics that devices named and had no value for.
    pub values_absent: u64,
    /// Readings whose time was so far ahead of their receipt that they rank by it.
    pub readings_skewed: u64,
    /// Clocks that had stepped back for good.
    pub clocks_rebased: u64,
    /// Ticks seen.
    pub ticks: u64,
    /// Devices that appeared.
    pub devices_added: u64,
    /// Devices that were forgotten.
    pub devices_forgotten: u64,
    /// Devices that were erased, or asked to be.
    pub devices_erased: u64,
    /// Of those forgotten, devices that gave way to those of others.
    pub devices_gave_way: u64,
    /// Metrics that came without getting figures by group, or lost them to others.
    pub metrics_without_figures: u64,
    /// Rules that were not put: there are too many.
    pub rules_rejected: u64,
    /// Changes of what people say of devices.
    pub register_changes: u64,
    /// Such changes that were not taken: there is no room, or no such device.
    pub register_refused: u64,
    /// Devices that are gone of which it was forgotten what people said, for want of room.
    pub register_forgotten: u64,
    /// Alerts raised.
    pub alerts_raised: u64,
    /// Alerts cleared.
    pub alerts_cleared: u64,
    /// Acknowledgements that took an alert on.
    pub acknowledgements: u64,
    /// Acknowledgements that were taken back.
    pub acknowledgements_taken_back: u64,
    /// Acknowledgements of alerts that are unknown, cleared, or already somebody's, and attempts to take back none.
    pub acknowledgements_ignored: u64,
    /// Commands that were accepted.
    pub commands_accepted: u64,
    /// Requests for a command whose key was known already.
    pub commands_repeated: u64,
    /// Requests past a limit, or for a device that was forgotten.
    pub commands_rejected: u64,
    /// Answers to a command by a client that is not its device; not counted as answers.
    pub commands_answered_by_others: u64,
    /// Commands that were forgotten, by age or a limit.
    pub commands_forgotten: u64,
    /// Changes of commands to a further state.
    pub command_steps: CommandSteps,
}

impl Counts {
    /// What happened to commands, by the name of the event.
    #[must_use]
    pub fn command_events(&self) -> [(&'static str, u64); 10] {
        let steps = &self.command_steps;
        [
            ("accepted", self.commands_accepted),
            ("repeated", self.commands_repeated),
            ("rejected", self.commands_rejected),
            ("forgotten", self.commands_forgotten),
            ("sent", steps.sent),
            ("delivered", steps.delivered),
            ("answered", steps.answered),
            ("expired", steps.expired),
            ("refused", steps.refused),
            ("answered_by_others", self.commands_answered_by_others),
        ]
    }
}

/// How many commands came to each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommandSteps {
    /// Handed to the device's connection.
    pub sent: u64,
    /// Acknowledged by the device.
    pub delivered: u64,
    /// Answered by the device.
    pub answered: u64,
    /// Past their deadline.
    pub expired: u64,
    /// Refused.
    pub refused: u64,
}
