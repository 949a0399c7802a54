//! Commands to devices: which wait, which went out, what became of them, and which were sent already with the same key.

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
use crate::time::{Moment, Time};

/// Commands, and where each stands.
///
/// The place of the request in the log decides which of two with one key counts. A command that counts *goes out*: the
/// caller appends a [`CommandMessage`], which is what subscribers get. Until that entry is seen the command is among
/// those to go out, so that a crash in between neither loses nor doubles it.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    commands: BTreeMap<CommandId, Kept>,
    to_go_out: BTreeSet<CommandId>,
    index: Index,
}

/// A command with what its age and its waiting are measured from.
#[derive(Debug)]
struct Kept {
    command: Arc<Command>,
    moments: Moments,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Moments {
    accepted: Moment,
    /// After it the command is not sent any more.
    deadline: Moment,
}

/// Commands as they are at one moment: as a checkpoint has them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct CommandsThen {
    commands: BTreeMap<CommandId, Arc<Command>>,
    to_go_out: BTreeSet<CommandId>,
    /// Of programs that did not count the time that passed; empty since.
    jumps: Jumps,
    #[serde(default)]
    moments: BTreeMap<CommandId, Moments>,
}

/// What follows from the commands.
#[derive(Debug, Default)]
struct Index {
    by_device: HashMap<Arc<str>, BTreeSet<CommandId>>,
    by_key: HashMap<(Arc<str>, Arc<str>), CommandId>,
    by_response_topic: HashMap<Arc<str>, BTreeSet<CommandId>>,
    /// Those that wait for their device, by deadline.
    waiting: BTreeSet<(Moment, CommandId)>,
    /// The others: they may be forgotten.
    finished: BTreeSet<CommandId>,
    bytes: usize,
}

impl Commands {
    /// As a checkpoint of the moment `now` has them.
    pub(crate) fn of(then: CommandsThen, now: Moment) -> Self {
        let CommandsThen { commands, to_go_out, jumps, moments } = then;
        let mut kept = Commands { to_go_out, ..Commands::default() };
        for (id, command) in commands {
            let moments = moments.get(&id).copied().unwrap_or_else(|| Moments {
                accepted: Moment(jumps.by_now(command.accepted_ms())),
                deadline: Moment(command.deadline_ms),
            });
            let command = Kept { command, moments };
            kept.index.add(&command, now);
            kept.commands.insert(id, command);
        }
        kept
    }

    /// Somebody asks for a command.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn ask(
        &mut self,
        id: CommandId,
        by: &str,
        request: &CommandRequest,
        is_known: bool,
        time: &Time,
        config: &CommandsConfig,
        output: &mut Output,
    ) {
        if self.index.keyed(request).is_some() {
            output.counts.commands_repeated += 1;
            return;
        }
        let (now_ms, accepted) = (time.now_ms(), time.moment());
        let waits_ms = i64::from(request.expires_in_s) * 1_000;
        let command = Command {
            id,
            request: request.clone(),
            by: by.into(),
            deadline_ms: now_ms.saturating_add(waits_ms),
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
        self.to_go_out.insert(id);
        let command = Arc::new(command);
        output.changes.push(Change::Command(Arc::clone(&command)));
        let kept = Kept { command, moments: Moments { accepted, deadline: accepted.plus(waits_ms) } };
        self.index.add(&kept, accepted);
        self.commands.insert(id, kept);
    }

    /// The command stands in the log as going out.
    pub(crate) fn gone_out(&mut self, id: CommandId) {
        self.to_go_out.remove(&id);
    }

    /// What is to go out, as of `now_ms`.
    pub(crate) fn to_go_out(&self, now_ms: i64) -> Vec<CommandMessage> {
        let commands = self.to_go_out.iter().filter_map(|id| Some(&self.commands.get(id)?.command));
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
        time: &Time,
        output: &mut Output,
    ) {
        let Some(Kept { command, .. }) = self.commands.get(&report.command) else { return };
        let now = time.moment();
        let is_own = client_of(&command.request.device) == Some(&*report.client);
        let is_addressee = is_own || command.client.as_deref() == Some(&*report.client);
        match report.progress {
            CommandProgress::Sent { by_name } if is_own || (by_name && command.client.is_none()) => {
                let client = Arc::from(report.client.as_str());
                let send = |command: &mut Command| command.client = Some(client);
                self.step(report.command, CommandState::Sent, time, now, output, send);
            }
            CommandProgress::Delivered if is_addressee => {
                self.step(report.command, CommandState::Delivered, time, now, output, |_| {});
            }
            CommandProgress::Refused(refusal) if is_addressee || report.client.is_empty() => {
                let refuse = |command: &mut Command| command.refusal = Some(refusal);
                self.step(report.command, CommandState::Refused, time, now, output, refuse);
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
        time: &Time,
        config: &CommandsConfig,
        output: &mut Output,
    ) -> bool {
        let Some(awaiting) = self.index.by_response_topic.get(sender.topic()) else { return false };
        let is_from_addressee = |id: &CommandId| {
            let is_its = |Kept { command, .. }: &Kept| {
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
                let state = self.commands.get(id).map(|kept| kept.command.state());
                matches!(state, Some(CommandState::Sent | CommandState::Delivered)) && is_from_addressee(id)
            }),
        };
        let Some(id) = answered else { return false };
        if !is_from_addressee(&id) {
            output.counts.commands_answered_by_others += 1;
            let device = &self.commands[&id].command.request.device;
            let rejection = Rejection::new(Reason::NotItsDevice, answered_by_another(sender, device));
            output.problems.push(sender.problem(rejection));
            return false;
        }
        let answer = |command: &mut Command| command.answer = Some(sender.answer());
        self.step(id, CommandState::Answered, time, time.moment(), output, answer);
        while self.index.bytes > config.bytes_max && self.forget_oldest(output) {}
        true
    }

    /// When the next deadline is.
    pub(crate) fn due(&self) -> Option<Moment> {
        self.index.waiting.first().map(|&(at, _)| at)
    }

    /// Lets deadlines pass, and forgets what is old.
    pub(crate) fn expire(&mut self, time: &Time, config: &CommandsConfig, output: &mut Output) {
        let now = time.moment();
        while let Some(&(at, id)) = self.index.waiting.first().filter(|&&(at, _)| at <= now) {
            self.index.waiting.pop_first();
            self.index.finished.insert(id);
            if self.commands.get(&id).is_some_and(|kept| kept.command.state() == CommandState::Accepted) {
                self.step(id, CommandState::Expired, time, at, output, |_| {});
            }
        }
        let before = now.minus(millis(config.age_max));
        while let Some(id) = self.index.finished.first().copied()
            && self.commands.get(&id).is_none_or(|kept| kept.moments.accepted < before)
        {
            self.forget(id, output);
        }
    }

    /// The clock was set: when those that wait for their device end is told anew.
    pub(crate) fn show_deadlines(&mut self, time: &Time, output: &mut Output) {
        for &(deadline, id) in &self.index.waiting {
            let kept = self.commands.get_mut(&id).expect("what waits is remembered");
            Arc::make_mut(&mut kept.command).deadline_ms = time.shown_ms(deadline);
            output.changes.push(Change::Command(Arc::clone(&kept.command)));
        }
    }

    /// What was stamped ahead of `at_ms` (Unix ms) is shown as of then, and a deadline that has passed stays so.
    pub(crate) fn show_nothing_after(&mut self, at_ms: i64, output: &mut Output) {
        let Commands { commands, index, .. } = self;
        for (id, Kept { command: shared, .. }) in commands {
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

    /// Forgets all commands to a device.
    pub(crate) fn erase(&mut self, device: &str, output: &mut Output) {
        for id in self.index.by_device.get(device).cloned().unwrap_or_default() {
            self.forget(id, output);
        }
    }

    /// Whether one to a device is remembered.
    pub(crate) fn names(&self, device: &str) -> bool {
        self.index.by_device.contains_key(device)
    }

    /// Every command that is remembered, oldest first.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Change> {
        self.commands.values().map(|kept| Change::Command(Arc::clone(&kept.command)))
    }

    /// As they are now, for a checkpoint.
    pub(crate) fn then(&self) -> CommandsThen {
        let commands = self.commands.iter().map(|(id, kept)| (*id, Arc::clone(&kept.command))).collect();
        let moments = self.commands.iter().map(|(id, kept)| (*id, kept.moments)).collect();
        CommandsThen { commands, to_go_out: self.to_go_out.clone(), jumps: Jumps::default(), moments }
    }

    /// Brings a command to a further state.
    fn step(
        &mut self,
        id: CommandId,
        state: CommandState,
        time: &Time,
        at: Moment,
        output: &mut Output,
        change: impl FnOnce(&mut Command),
    ) {
        let Some(kept) = self.commands.get_mut(&id).filter(|kept| may_come_to(&kept.command, state)) else { return };
        let bytes_before = kept.command.bytes();
        let command = Arc::make_mut(&mut kept.command);
        // Sent in time, and told only after the deadline: it did not expire.
        command.steps.retain(|(before, _)| *before != CommandState::Expired);
        let place = command.steps.partition_point(|(before, _)| *before < state);
        command.steps.insert(place, (state, time.shown_ms(at)));
        change(command);
        self.index.bytes = self.index.bytes + command.bytes() - bytes_before;
        self.index.settle(kept, at);
        output.counts.command_steps.count(state);
        output.changes.push(Change::Command(Arc::clone(&kept.command)));
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
        if let Some(kept) = self.commands.remove(&id) {
            self.index.waiting.remove(&(kept.moments.deadline, id));
            self.index.remove(&kept.command);
            output.counts.commands_forgotten += 1;
            output.changes.push(Change::CommandForgotten(id));
        }
    }
}

impl Index {
    fn add(&mut self, kept: &Kept, now: Moment) {
        let command = &kept.command;
        let (id, request) = (command.id, &command.request);
        self.by_device.entry(Arc::clone(&request.device)).or_default().insert(id);
        self.by_response_topic.entry(Arc::clone(&request.response_topic)).or_default().insert(id);
        if let Some(key) = &request.key {
            self.by_key.insert((Arc::clone(&request.device), Arc::clone(key)), id);
        }
        self.bytes += command.bytes();
        self.settle(kept, now);
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
    fn settle(&mut self, Kept { command, moments: Moments { deadline, .. } }: &Kept, now: Moment) {
        let is_open = match command.state() {
            CommandState::Accepted => true,
            CommandState::Sent => command.request.qos != Qos::AtMostOnce,
            _ => false,
        };
        if is_open && *deadline > now {
            self.finished.remove(&command.id);
            self.waiting.insert((*deadline, command.id));
        } else {
            self.waiting.remove(&(*deadline, command.id));
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
