//! The whole fleet falls silent at once.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Fleet, T0, alerts, rule, states};
use tidegate_process::{Condition, Process, ProcessConfig, Rule};
use tidegate_telemetry::{AlertState, Change, DeviceState, Entry};

const DEVICES: usize = 1_000;
const AT_ONCE: usize = 32;

fn silent() -> Rule {
    rule(None, Condition::NoReading { for_ms: 180_000 })
}

fn config(due_per_entry_max: usize) -> ProcessConfig {
    ProcessConfig { rules: vec![silent()], due_per_entry_max, ..ProcessConfig::default() }
}

/// All devices are heard in the first second, and then no more: by the default interval they are late after 180 s.
fn fleet(due_per_entry_max: usize) -> Fleet {
    let mut fleet = Fleet::with(config(due_per_entry_max));
    for n in 0..DEVICES {
        fleet.feels(&format!("dev{n:04}"), 0, 20.0);
    }
    fleet
}

/// Devices and their states, devices and their alerts; since when, Unix ms.
type Shown = (Vec<(u32, DeviceState, i64)>, Vec<(String, AlertState, i64)>);

/// What devices and alerts are, whichever entry made them so.
fn shown(process: &Process) -> Shown {
    let changes = process.snapshot();
    let states = changes.iter().filter_map(|change| match change {
        Change::State { device, state, since_ms } => Some((device.0, *state, *since_ms)),
        _ => None,
    });
    let mut raised: Vec<_> =
        alerts(&changes).iter().map(|alert| (alert.device_id.to_string(), alert.state, alert.raised_ms)).collect();
    raised.sort_unstable_by(|(a, ..), (b, ..)| a.cmp(b));
    (states.collect(), raised)
}

#[test]
fn it_comes_with_many_entries_and_none_of_them_changes_much() {
    let mut fleet = fleet(AT_ONCE);
    let (mut entries, mut happened, now_ms) = (0, 0, T0 + 181_000);
    while fleet.process.next_deadline().is_some_and(|due_ms| due_ms <= now_ms) {
        let changes = fleet.apply(&Entry::Tick(now_ms));
        let of_devices = changes.iter().filter(|change| change.group().is_none()).count();
        assert!(of_devices <= AT_ONCE, "{of_devices} changes of one entry");
        (entries, happened) = (entries + 1, happened + of_devices);
    }
    assert_eq!(happened, 2 * DEVICES, "each is late, and raises an alert");
    assert!(entries >= 2 * DEVICES / AT_ONCE, "{entries} entries");
    let mut at_once = self::fleet(usize::MAX);
    at_once.tick(181);
    assert_eq!(shown(&fleet.process), shown(&at_once.process), "it ends as if it had come at once");
}

#[test]
fn a_device_that_is_heard_meanwhile_was_silent_all_the_same() {
    let mut fleet = fleet(AT_ONCE);
    fleet.tick(181);
    let last = format!("dev{:04}", DEVICES - 1);
    let changes = fleet.feels(&last, 181, 20.0).to_vec();
    let device = changes.iter().rev().find_map(|change| match change {
        Change::Reading(reading) => Some(reading.device),
        _ => None,
    });
    let of_it: Vec<Change> = changes
        .into_iter()
        .filter(|change| match change {
            Change::State { device: of, .. } => Some(*of) == device,
            Change::Alert(alert) => *alert.device_id == *last,
            _ => false,
        })
        .collect();
    assert_eq!(states(&of_it), [(DeviceState::Late, 180), (DeviceState::Fresh, 181)]);
    let told: Vec<_> = alerts(&of_it).iter().map(|alert| (alert.state, alert.raised_ms)).collect();
    assert_eq!(told, [(AlertState::Raised, T0 + 180_000), (AlertState::Cleared, T0 + 180_000)]);
}

#[test]
fn going_on_from_a_checkpoint_in_its_midst_gives_the_same_changes() {
    let mut fleet = fleet(AT_ONCE);
    // Deadlines stand in the queue earlier than they are due where a device was heard again.
    for n in (0..DEVICES).step_by(3) {
        fleet.feels(&format!("dev{n:04}"), 30, 21.0);
    }
    for step in 0..2 * DEVICES / AT_ONCE {
        let restored = support::restore(config(AT_ONCE), &fleet.process.checkpoint());
        let mut other = Fleet { process: restored, position: fleet.position, ..Fleet::new() };
        let entry = Entry::Tick(T0 + 181_000 + 20_000 * i64::from(step > 20));
        assert_eq!(fleet.apply(&entry), other.apply(&entry), "step {step}");
    }
}

#[test]
fn alerts_of_a_rule_that_is_gone_are_cleared_a_part_at_a_time() {
    let mut fleet = fleet(usize::MAX);
    fleet.tick(181);
    let config = ProcessConfig { rules: Vec::new(), ..config(AT_ONCE) };
    let process = support::restore(config, &fleet.process.checkpoint());
    let mut fleet = Fleet { process, position: fleet.position, ..Fleet::new() };
    let mut cleared = 0;
    while fleet.process.next_deadline().is_some_and(|due_ms| due_ms <= T0 + 181_000) {
        let now = alerts(fleet.tick(181)).len();
        assert!(now <= AT_ONCE, "{now} with one entry");
        cleared += now;
    }
    assert_eq!(cleared, DEVICES);
}
