//! Commands: what the log says of each, and what is forgotten.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use support::{Fleet, T0, by, publication};
use tidegate_process::{CommandsConfig, ProcessConfig};
use tidegate_telemetry::{
    Change, Command, CommandId, CommandProgress, CommandRefusal, CommandReport, CommandRequest, CommandState, Entry,
    Intent, Position, PublishProperties, Qos,
};

fn request(key: Option<&str>) -> CommandRequest {
    CommandRequest {
        device: "dev1".into(),
        topic: "dev1/command".into(),
        payload: "on".into(),
        content_type: None,
        qos: Qos::AtLeastOnce,
        response_topic: "dev1/response".into(),
        expires_in_s: 60,
        key: key.map(Arc::from),
    }
}

/// A fleet with `dev1`, whose readings come from the client `c1`.
fn fleet(commands: CommandsConfig) -> Fleet {
    let mut fleet = Fleet::with(ProcessConfig { commands, ..ProcessConfig::default() });
    fleet.feels("dev1", 0, 20.0);
    fleet
}

fn ask(fleet: &mut Fleet, at_s: i64, request: CommandRequest) -> CommandId {
    let received_ms = T0 + at_s * 1_000;
    fleet.apply(&Entry::Intent(Intent::SendCommand { received_ms, by: "ann".into(), request: Box::new(request) }));
    CommandId(Position(fleet.position))
}

fn report(fleet: &mut Fleet, at_s: i64, command: CommandId, client: &str, progress: CommandProgress) {
    let received_ms = T0 + at_s * 1_000;
    let client = client.to_owned();
    fleet.apply(&Entry::CommandReport(CommandReport { received_ms, command, client, session: 1, progress }));
}

fn remembered(fleet: &Fleet) -> Vec<Arc<Command>> {
    let commands = fleet.process.snapshot().into_iter().filter_map(|change| match change {
        Change::Command(command) => Some(command),
        _ => None,
    });
    commands.collect()
}

fn state(fleet: &Fleet) -> CommandState {
    remembered(fleet).last().unwrap().state()
}

const SENT: CommandProgress = CommandProgress::Sent { by_name: false };

#[test]
fn a_command_goes_out_once_and_until_it_has() {
    let mut fleet = fleet(CommandsConfig::default());
    let id = ask(&mut fleet, 1, request(Some("k")));
    let message = fleet.output.commands[0].clone();
    assert_eq!((message.command, message.deadline_ms), (id, T0 + 61_000));
    let properties = message.publication.properties.clone().unwrap();
    assert_eq!(properties.correlation_data.as_deref(), Some(id.to_string().as_bytes()));
    ask(&mut fleet, 2, request(Some("k")));
    assert!(fleet.output.commands.is_empty() && fleet.output.counts.commands_repeated == 1);
    assert_eq!(fleet.process.commands_due().len(), 1, "after a crash it goes out");
    fleet.apply(&Entry::Command(message));
    assert!(fleet.process.commands_due().is_empty());
}

#[test]
fn only_what_the_device_does_counts() {
    let mut fleet = fleet(CommandsConfig::default());
    let id = ask(&mut fleet, 1, request(None));
    report(&mut fleet, 2, id, "listener", SENT);
    report(&mut fleet, 2, id, "listener", CommandProgress::Delivered);
    assert_eq!(state(&fleet), CommandState::Accepted);
    report(&mut fleet, 3, id, "other", CommandProgress::Sent { by_name: true });
    report(&mut fleet, 3, id, "listener", CommandProgress::Delivered);
    assert_eq!(state(&fleet), CommandState::Sent);
    report(&mut fleet, 4, id, "other", CommandProgress::Delivered);
    let steps = [(CommandState::Accepted, 1), (CommandState::Sent, 3), (CommandState::Delivered, 4)];
    let steps = steps.map(|(state, at_s)| (state, T0 + at_s * 1_000));
    assert_eq!(remembered(&fleet)[0].steps.as_slice(), steps);
    report(&mut fleet, 5, id, "c1", CommandProgress::Refused(CommandRefusal::ByDevice));
    assert_eq!(state(&fleet), CommandState::Delivered, "an end is an end");
}

#[test]
fn a_deadline_ends_what_was_not_sent_and_nothing_else() {
    let mut fleet = fleet(CommandsConfig::default());
    let sent = ask(&mut fleet, 1, request(None));
    report(&mut fleet, 2, sent, "c1", SENT);
    let late = ask(&mut fleet, 3, request(None));
    assert!(fleet.process.next_deadline().unwrap() <= T0 + 61_000);
    fleet.tick(64);
    let states: Vec<_> = remembered(&fleet).iter().map(|command| command.state()).collect();
    assert_eq!(states, [CommandState::Sent, CommandState::Expired]);
    assert_eq!(remembered(&fleet)[1].steps[1], (CommandState::Expired, T0 + 63_000));
    report(&mut fleet, 65, late, "c1", SENT);
    assert_eq!(state(&fleet), CommandState::Sent, "it left in time and was told of late");
    assert_eq!(remembered(&fleet)[1].steps.len(), 2);
}

#[test]
fn what_answers_no_command_on_a_response_topic_is_telemetry_as_ever() {
    let mut fleet = fleet(CommandsConfig::default());
    let command = ask(&mut fleet, 1, request(None));
    assert!(is_reading(&mut fleet, 2), "nothing was sent that could be answered");
    report(&mut fleet, 3, command, "c1", SENT);
    assert!(!is_reading(&mut fleet, 4), "the answer");
    assert!(is_reading(&mut fleet, 5), "it was answered already");
}

/// Whether what comes on the response topic is taken as a reading.
fn is_reading(fleet: &mut Fleet, at_s: i64) -> bool {
    let changes = fleet.apply(&publication(T0 + at_s * 1_000, "c1", "dev1/response", &format!("2{at_s}.5")));
    changes.iter().any(|change| matches!(change, Change::Reading(_)))
}

#[test]
fn an_answer_of_another_client_is_not_credited_to_the_device() {
    for correlated in [true, false] {
        let mut fleet = fleet(CommandsConfig::default());
        let id = ask(&mut fleet, 1, request(None));
        report(&mut fleet, 2, id, "c1", SENT);
        let mut answers = |client: &str, principal: &str| {
            let entry = by(publication(T0 + 3_000, client, "dev1/response", "21"), principal, None);
            let Entry::Publication(mut answer) = entry else { panic!("not a publication") };
            let correlation_data = correlated.then(|| Bytes::from(id.to_string()));
            answer.properties = Some(Box::new(PublishProperties { correlation_data, ..PublishProperties::default() }));
            fleet.apply(&Entry::Publication(answer));
            let told = fleet.output.counts.commands_answered_by_others + fleet.reasons().len() as u64;
            (state(&fleet), told)
        };
        let told = if correlated { 2 } else { 0 };
        assert_eq!(answers("other", "anonymous"), (CommandState::Sent, told));
        assert_eq!(answers("c1", "anonymous").0, CommandState::Answered);
    }
    // The device's own client identifier is another client where somebody else uses it.
    let mut fleet = fleet(CommandsConfig::default());
    ask(&mut fleet, 1, request(None));
    let id = CommandId(Position(fleet.position));
    let entry = by(publication(T0 + 3_000, "c1", "dev1/response", "on"), "mallory", None);
    let Entry::Publication(mut answer) = entry else { panic!("not a publication") };
    let correlation_data = Some(Bytes::from(id.to_string()));
    answer.properties = Some(Box::new(PublishProperties { correlation_data, ..PublishProperties::default() }));
    fleet.apply(&Entry::Publication(answer));
    assert_eq!(state(&fleet), CommandState::Accepted);
}

#[test]
fn an_answer_belongs_to_the_command_it_names_or_to_the_oldest_that_waits() {
    let mut fleet = fleet(CommandsConfig::default());
    let [first, second, third] = [1, 2, 3].map(|at_s| ask(&mut fleet, at_s, request(None)));
    for id in [first, second] {
        report(&mut fleet, 4, id, "c1", SENT);
    }
    let mut answers = |correlation: Option<&str>, payload: &str| {
        let Entry::Publication(mut answer) = publication(T0 + 5_000, "c1", "dev1/response", payload) else {
            unreachable!("it makes publications")
        };
        let correlation_data = correlation.map(|text| Bytes::from(text.to_owned()));
        answer.properties = Some(Box::new(PublishProperties { correlation_data, ..PublishProperties::default() }));
        fleet.apply(&Entry::Publication(answer)).len()
    };
    assert_eq!(answers(Some(&second.to_string()), "second"), 1);
    assert_eq!(answers(None, "first"), 1);
    assert_eq!(answers(Some(&third.to_string()), "third"), 1, "who answers has it");
    assert_eq!(fleet.process.devices(), 1, "an answer is no reading");
    let given: Vec<_> = remembered(&fleet).iter().map(|command| command.answer.clone().unwrap()).collect();
    assert_eq!(given, ["first", "second", "third"]);
    report(&mut fleet, 6, first, "c1", CommandProgress::Delivered);
    let states: Vec<_> = remembered(&fleet)[0].steps.iter().map(|&(state, _)| state).collect();
    let expected = [CommandState::Accepted, CommandState::Sent, CommandState::Delivered, CommandState::Answered];
    assert_eq!(states, expected, "the acknowledgement may come after the answer");
}

#[test]
fn what_waits_is_never_forgotten_and_the_rest_is_by_number_bytes_and_age() {
    let bounds =
        CommandsConfig { per_device_max: 2, total_max: 10, bytes_max: 100_000, age_max: Duration::from_secs(120) };
    let mut fleet = fleet(bounds);
    let first = ask(&mut fleet, 1, request(Some("k")));
    ask(&mut fleet, 2, request(None));
    ask(&mut fleet, 3, request(None));
    assert_eq!(fleet.output.counts.commands_rejected, 1, "both wait");
    report(&mut fleet, 4, first, "c1", CommandProgress::Refused(CommandRefusal::ByDevice));
    ask(&mut fleet, 5, request(None));
    assert_eq!(fleet.output.counts.commands_forgotten, 1);
    assert_eq!(fleet.output.changes[0], Change::CommandForgotten(first));
    fleet.tick(300);
    assert!(remembered(&fleet).is_empty());
    let large = CommandRequest { payload: vec![b'x'; 100_000].into(), ..request(None) };
    ask(&mut fleet, 301, large);
    assert_eq!(fleet.output.counts.commands_rejected, 1);
    let unknown = CommandRequest { device: "dev2".into(), ..request(None) };
    ask(&mut fleet, 302, unknown);
    assert_eq!(fleet.output.counts.commands_rejected, 1);
}

#[test]
fn a_checkpoint_of_before_there_were_commands_is_read() {
    let fleet = fleet(CommandsConfig::default());
    let before = include_bytes!("checkpoints/version-1");
    let restored = support::restore(ProcessConfig::default(), before);
    assert_eq!(support::run::as_then(&restored), support::run::as_then(&fleet.process));
}
