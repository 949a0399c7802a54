use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_settings::millis;
use tidegate_telemetry::{
    Change, Command, CommandId, CommandMessage, CommandProgress, CommandReport, CommandRequest, CommandState, Qos,
    Reason, Rejection, Sender,
};

use crate::config::CommandsConfig;
use crate::jumps::Jumps;
use crate::output::Output;
use crate::refusals::answered_by_another;

/// Commands, and where each stands.
///
/// The place of the request in the log decides which of two with one key counts. A command that counts *goes out*: the
/// caller appends a [`CommandMessage`], which is what subscribers get. Until that entry is seen the command is among
/// those to go out, so that a crash in between neither loses nor doubles it.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    commands: BTreeMap<CommandId, Arc<Command>>,
    to_go_out: BTreeSet<CommandId>,
    /// Since the oldest of them.
    jumps: Jumps,
    index: Index,
}

/// Commands as they are at one moment: as a checkpoint has them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct CommandsThen {
    commands: BTreeMap<CommandId, Arc<Command>>,
    to_go_out: BTreeSet<CommandId>,
    jumps: Jumps,
}

/// What follows from the commands.
#[derive(Debug, Default)]
struct Index {
    by_device: HashMap<Arc<str>, BTreeSet<CommandId>>,
    by_key: HashMap<(Arc<str>, Arc<str>), CommandId>,
    by_response_topic: HashMap<Arc<str>, BTreeSet<CommandId>>,
    /// Those that wait for their device, by deadline (Unix ms).
    waiting: BTreeSet<(i64, CommandId)>,
    /// The others: they may be forgotten.
    finished: BTreeSet<CommandId>,
    bytes: usize,
}

impl Commands {
    /// As a checkpoint of `now_ms` (Unix ms) has them.
    pub(crate) fn of(CommandsThen { commands, to_go_out, jumps }: CommandsThen, now_ms: i64) -> Self {
        let mut index = Index::default();
        commands.values().for_each(|command| index.add(command, now_ms));
        Commands { commands, to_go_out, jumps, index }
    }

    /// Somebody asks for a command.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn ask(
        &mut self,
        id: CommandId,
        by: &str,
        request: &CommandRequest,
        is_known: bool,
        now_ms: i64,
        config: &CommandsConfig,
        output: &mut Output,
    ) {
        if self.index.keyed(request).is_some() {
            output.counts.commands_repeated += 1;
            return;
        }
        let deadline_ms = now_ms.saturating_add(i64::from(request.expires_in_s) * 1_000);
        let command = Command {
            id,
            request: request.clone(),
            by: by.into(),
            deadline_ms,
            steps: [(CommandState::Accepted, now_ms)].into_iter().collect(),
            client: None,
            refusal: None,
            answer: None,
        };
        if !is_known || !self.make_room(&command, config, output) {
            output.counts.commands_rejected += 1;
            return;
        }
        output.counts.commands_accepted += 1;
        output.commands.push(CommandMessage::of(&command, now_ms));
        self.index.add(&command, now_ms);
        self.to_go_out.insert(id);
        let command = Arc::new(command);
        output.changes.push(Change::Command(Arc::clone(&command)));
        self.commands.insert(id, command);
    }

    /// The command stands in the log as going out.
    pub(crate) fn gone_out(&mut self, id: CommandId) {
        self.to_go_out.remove(&id);
    }

    /// What is to go out, as of `now_ms`.
    pub(crate) fn to_go_out(&self, now_ms: i64) -> Vec<CommandMessage> {
        let commands = self.to_go_out.iter().filter_map(|id| self.commands.get(id));
        let commands = commands.filter(|command| command.state() == CommandState::Accepted);
        commands.map(|command| CommandMessage::of(command, now_ms)).collect()
    }

    /// The MQTT edge says what became of a command; `client_of` names the client a device's readings come from.
    ///
    /// What happens at a subscriber counts when it is the device: when the device's readings come from it, or when it
    /// subscribed by name.
    pub(crate) fn report<'a>(
        &mut self,
        report: &CommandReport,
        client_of: impl FnOnce(&str) -> Option<&'a str>,
        now_ms: i64,
        output: &mut Output,
    ) {
        let Some(command) = self.commands.get(&report.command) else { return };
        let is_own = client_of(&command.request.device) == Some(&*report.client);
        let is_addressee = is_own || command.client.as_deref() == Some(&*report.client);
        match report.progress {
            CommandProgress::Sent { by_name } if is_own || (by_name && command.client.is_none()) => {
                let client = Arc::from(report.client.as_str());
                self.step(report.command, CommandState::Sent, now_ms, output, |command| command.client = Some(client));
            }
            CommandProgress::Delivered if is_addressee => {
                self.step(report.command, CommandState::Delivered, now_ms, output, |_| {});
            }
            CommandProgress::Refused(refusal) if is_addressee || report.client.is_empty() => {
                let refuse = |command: &mut Command| command.refusal = Some(refusal);
                self.step(report.command, CommandState::Refused, now_ms, output, refuse);
            }
            _ => {}
        }
    }

    /// Whether the publication answers a command: then it is none of telemetry. It answers the one that its correlation
    /// data names; without such data (MQTT 3.1.1 has none) the oldest that was sent; and either only where it comes from
    /// the device, as a report does. Whatever else comes on the topic is telemetry as ever: who chooses a response topic
    /// must not be able to silence a device.
    pub(crate) fn answer(
        &mut self,
        sender: Sender<'_>,
        is_own: impl Fn(&str) -> bool,
        now_ms: i64,
        config: &CommandsConfig,
        output: &mut Output,
    ) -> bool {
        let Some(awaiting) = self.index.by_response_topic.get(sender.topic()) else { return false };
        let is_from_addressee = |id: &CommandId| {
            let is_its = |command: &Arc<Command>| {
                command.client.as_deref() == Some(sender.client()) || is_own(&command.request.device)
            };
            self.commands.get(id).is_some_and(is_its)
        };
        let answered = match sender.correlation_data() {
            Some(data) => {
                let id = std::str::from_utf8(data).ok().and_then(CommandId::parse);
                id.filter(|id| awaiting.contains(id))
            }
            None => awaiting.iter().copied().find(|id| {
                let state = self.commands.get(id).map(|command| command.state());
                matches!(state, Some(CommandState::Sent | CommandState::Delivered)) && is_from_addressee(id)
            }),
        };
        let Some(id) = answered else { return false };
        if !is_from_addressee(&id) {
            output.counts.commands_answered_by_others += 1;
            let device = &self.commands[&id].request.device;
            let rejection = Rejection::new(Reason::NotItsDevice, answered_by_another(sender, device));
            output.problems.push(sender.problem(rejection));
            return false;
        }
        self.step(id, CommandState::Answered, now_ms, output, |command| command.answer = Some(sender.answer()));
        while self.index.bytes > config.bytes_max && self.forget_oldest(output) {}
        true
    }

    /// When the next deadline is, Unix ms.
    pub(crate) fn due_ms(&self) -> Option<i64> {
        self.index.waiting.first().map(|&(at_ms, _)| at_ms)
    }

    /// Lets deadlines pass, and forgets what is old.
    pub(crate) fn expire(&mut self, now_ms: i64, config: &CommandsConfig, output: &mut Output) {
        while let Some(&(at_ms, id)) = self.index.waiting.first().filter(|&&(at_ms, _)| at_ms <= now_ms) {
            self.index.waiting.pop_first();
            self.index.finished.insert(id);
            if self.commands.get(&id).is_some_and(|command| command.state() == CommandState::Accepted) {
                self.step(id, CommandState::Expired, at_ms, output, |_| {});
            }
        }
        let before_ms = now_ms.saturating_sub(millis(config.age_max));
        while let Some(id) = self.index.finished.first().copied()
            && self.commands.get(&id).is_none_or(|command| self.jumps.by_now(command.accepted_ms()) < before_ms)
        {
            self.forget(id, output);
        }
    }

    /// The clock was set: those that wait for their device wait as long as before.
    pub(crate) fn set_clock(&mut self, at_ms: i64, by_ms: i64, output: &mut Output) {
        let Some(oldest) = self.commands.values().next() else {
            self.jumps = Jumps::default();
            return;
        };
        self.jumps.add(at_ms, by_ms, oldest.accepted_ms());
        if by_ms < 0 {
            self.nothing_after(at_ms, output);
        }
        for (deadline_ms, id) in std::mem::take(&mut self.index.waiting) {
            let shared = self.commands.get_mut(&id).expect("what waits is remembered");
            let command = Arc::make_mut(shared);
            command.deadline_ms = deadline_ms.saturating_add(by_ms);
            self.index.waiting.insert((command.deadline_ms, id));
            output.changes.push(Change::Command(Arc::clone(shared)));
        }
    }

    /// What was stamped ahead of `at_ms` (Unix ms) counts as of then, or its age would be none for as long as it was ahead;
    /// and a deadline that has passed stays so.
    fn nothing_after(&mut self, at_ms: i64, output: &mut Output) {
        let Commands { commands, index, .. } = self;
        for (id, shared) in commands {
            let is_stamped_ahead = shared.steps.iter().any(|step| step.1 > at_ms);
            let has_passed = index.finished.contains(id) && shared.deadline_ms > at_ms;
            if !is_stamped_ahead && !has_passed {
                continue;
            }
            let command = Arc::make_mut(shared);
            command.steps.iter_mut().for_each(|step| step.1 = step.1.min(at_ms));
            if has_passed {
                command.deadline_ms = at_ms;
            }
            output.changes.push(Change::Command(Arc::clone(shared)));
        }
    }

    /// Every command that is remembered, oldest first.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Change> {
        self.commands.values().cloned().map(Change::Command)
    }

    /// As they are now, for a checkpoint.
    pub(crate) fn then(&self) -> CommandsThen {
        let Commands { commands, to_go_out, jumps, .. } = self;
        CommandsThen { commands: commands.clone(), to_go_out: to_go_out.clone(), jumps: jumps.clone() }
    }

    /// Brings a command to a further state.
    fn step(
        &mut self,
        id: CommandId,
        state: CommandState,
        at_ms: i64,
        output: &mut Output,
        change: impl FnOnce(&mut Command),
    ) {
        let Some(shared) = self.commands.get_mut(&id).filter(|command| may_come_to(command, state)) else { return };
        let bytes_before = shared.bytes();
        let command = Arc::make_mut(shared);
        // Sent in time, and told only after the deadline: it did not expire.
        command.steps.retain(|(before, _)| *before != CommandState::Expired);
        let place = command.steps.partition_point(|(before, _)| *before < state);
        command.steps.insert(place, (state, at_ms));
        change(command);
        self.index.bytes = self.index.bytes + command.bytes() - bytes_before;
        self.index.settle(command, at_ms);
        output.counts.command_steps.count(state);
        output.changes.push(Change::Command(Arc::clone(shared)));
    }

    /// Forgets old commands until there is room for one more; `false` when only waiting ones are left.
    fn make_room(&mut self, new: &Command, config: &CommandsConfig, output: &mut Output) -> bool {
        while let Some(of_device) = self.index.by_device.get(&new.request.device)
            && of_device.len() >= config.per_device_max
        {
            let Some(&oldest) = of_device.iter().find(|id| self.index.finished.contains(id)) else { return false };
            self.forget(oldest, output);
        }
        while self.commands.len() >= config.total_max || self.index.bytes + new.bytes() > config.bytes_max {
            if !self.forget_oldest(output) {
                return false;
            }
        }
        true
    }

    fn forget_oldest(&mut self, output: &mut Output) -> bool {
        let oldest = self.index.finished.first().copied();
        oldest.inspect(|&id| self.forget(id, output)).is_some()
    }

    fn forget(&mut self, id: CommandId, output: &mut Output) {
        self.to_go_out.remove(&id);
        self.index.finished.remove(&id);
        if let Some(command) = self.commands.remove(&id) {
            self.index.remove(&command);
            output.counts.commands_forgotten += 1;
            output.changes.push(Change::CommandForgotten(id));
        }
    }
}

impl Index {
    fn add(&mut self, command: &Command, now_ms: i64) {
        let (id, request) = (command.id, &command.request);
        self.by_device.entry(Arc::clone(&request.device)).or_default().insert(id);
        self.by_response_topic.entry(Arc::clone(&request.response_topic)).or_default().insert(id);
        if let Some(key) = &request.key {
            self.by_key.insert((Arc::clone(&request.device), Arc::clone(key)), id);
        }
        self.bytes += command.bytes();
        self.settle(command, now_ms);
    }

    fn remove(&mut self, command: &Command) {
        let (id, request) = (command.id, &command.request);
        leave(&mut self.by_device, &request.device, id);
        leave(&mut self.by_response_topic, &request.response_topic, id);
        if let Some(key) = &request.key {
            self.by_key.remove(&(Arc::clone(&request.device), Arc::clone(key)));
        }
        self.bytes -= command.bytes();
    }

    fn keyed(&self, request: &CommandRequest) -> Option<CommandId> {
        let key = (Arc::clone(&request.device), Arc::clone(request.key.as_ref()?));
        self.by_key.get(&key).copied()
    }

    /// Puts a command among those that wait, or that may be forgotten.
    fn settle(&mut self, command: &Command, now_ms: i64) {
        let is_open = match command.state() {
            CommandState::Accepted => true,
            CommandState::Sent => command.request.qos != Qos::AtMostOnce,
            _ => false,
        };
        if is_open && command.deadline_ms > now_ms {
            self.finished.remove(&command.id);
            self.waiting.insert((command.deadline_ms, command.id));
        } else {
            self.waiting.remove(&(command.deadline_ms, command.id));
            self.finished.insert(command.id);
        }
    }
}

/// Whether a command may come to a state from where it stands. An acknowledgement may follow the answer.
fn may_come_to(command: &Command, state: CommandState) -> bool {
    use CommandState::{Accepted, Answered, Delivered, Expired, Refused, Sent};
    match state {
        Accepted => false,
        Sent => matches!(command.state(), Accepted | Expired),
        Delivered => {
            matches!(command.state(), Sent | Answered) && command.steps.iter().all(|&(state, _)| state != Delivered)
        }
        Answered => matches!(command.state(), Accepted | Sent | Delivered),
        Expired => command.state() == Accepted,
        Refused => matches!(command.state(), Accepted | Sent),
    }
}

fn leave(sets: &mut HashMap<Arc<str>, BTreeSet<CommandId>>, of: &Arc<str>, id: CommandId) {
    if let Some(set) = sets.get_mut(of) {
        set.remove(&id);
        if set.is_empty() {
            sets.remove(of);
        }
    }
}

impl crate::output::CommandSteps {
    fn count(&mut self, state: CommandState) {
        match state {
            CommandState::Accepted => {}
            CommandState::Sent => self.sent += 1,
            CommandState::Delivered => self.delivered += 1,
            CommandState::Answered => self.answered += 1,
            CommandState::Expired => self.expired += 1,
            CommandState::Refused => self.refused += 1,
        }
    }
}
