//! What people say of devices.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{Fleet, T0, publication, states};
use tidegate_process::{Process, ProcessConfig, RegisterConfig};
use tidegate_telemetry::DeviceState::{Asleep, Late, Lost};
use tidegate_telemetry::{
    Change, Decoded, DeviceDescription, DeviceFacts, Entry, Intent, SaidOfDevice, StateCounts, WordChange,
};

fn says(fleet: &mut Fleet, at_s: i64, device: &str, changes: Vec<WordChange>) -> Vec<Change> {
    let received_ms = T0 + at_s * 1_000;
    let said = Intent::DescribeDevice { received_ms, by: "ann".into(), device: device.into(), changes };
    fleet.apply(&Entry::Intent(said)).to_vec()
}

fn name(name: &str) -> WordChange {
    WordChange::Name(Some(name.into()))
}

fn told(changes: &[Change]) -> Vec<Arc<SaidOfDevice>> {
    let said = |change: &Change| if let Change::Said { said, .. } = change { Some(Arc::clone(said)) } else { None };
    changes.iter().filter_map(said).collect()
}

/// Groups that devices are told to be in.
fn groups(changes: &[Change]) -> Vec<String> {
    let group =
        |change: &Change| if let Change::Device { group, .. } = change { Some(group.to_string()) } else { None };
    changes.iter().filter_map(group).collect()
}

fn speaks(fleet: &mut Fleet, at_s: i64, location: &str) -> Vec<Change> {
    let payload = format!(r#"{{"deviceId":"dev7","location":"{location}","temperature":{at_s}}}"#);
    fleet.apply(&publication(T0 + at_s * 1_000, "c1", "hall/telemetry", &payload)).to_vec()
}

#[test]
fn what_is_said_holds_with_who_and_when_and_is_undone_by_what_it_says() {
    let mut fleet = Fleet::new();
    fleet.feels("dev7", 0, 20.0);
    let said =
        told(&says(&mut fleet, 1, "dev7", vec![name("Cellar"), WordChange::Label("a".into(), Some("b".into()))]));
    assert_eq!((said[0].word.name.as_deref(), &*said[0].by, said[0].at_ms), (Some("Cellar"), "ann", T0 + 1_000));
    let undone = told(&says(&mut fleet, 2, "dev7", said[0].undo.clone()));
    assert!(undone[0].word.is_empty());
    let again = told(&says(&mut fleet, 3, "dev7", undone[0].undo.clone()));
    assert_eq!(again[0].word, said[0].word);
    assert_eq!(says(&mut fleet, 4, "dev7", vec![name("Cellar")]), [], "it is so already");
    assert_eq!(says(&mut fleet, 5, "dev8", vec![name("Attic")]), [], "nobody ever heard of it");
    assert_eq!(fleet.output.counts.register_refused, 1);
}

#[test]
fn a_device_is_where_people_say_whatever_its_readings_say_until_they_take_it_back() {
    let mut fleet = Fleet::new();
    speaks(&mut fleet, 0, "Hall");
    assert_eq!(
        groups(&says(&mut fleet, 1, "dev7", vec![WordChange::Group(Some("House/Cellar".into()))])),
        ["House/Cellar"]
    );
    for at_s in 2..5 {
        assert_eq!(groups(&speaks(&mut fleet, at_s, "Hall")), [""; 0]);
    }
    assert_eq!(groups(&speaks(&mut fleet, 5, "Yard")), [""; 0]);
    fleet.process = Process::restore(ProcessConfig::default(), &fleet.process.checkpoint()).unwrap();
    assert_eq!(groups(&speaks(&mut fleet, 6, "Yard")), [""; 0]);
    assert_eq!(groups(&says(&mut fleet, 7, "dev7", vec![WordChange::Group(None)])), ["Yard"], "where it was last");
    assert_eq!(groups(&speaks(&mut fleet, 8, "Hall")), ["Hall"]);
}

#[test]
fn an_expected_interval_outweighs_what_was_learnt_and_declared() {
    let mut fleet = Fleet::new();
    for n in 0..10 {
        fleet.feels("dev7", n * 10, 20.0);
    }
    let facts = Arc::new(DeviceFacts { report_ms: Some(86_400_000), ..DeviceFacts::default() });
    let devices = vec![DeviceDescription { device: "dev7".into(), facts }];
    fleet.means(&publication(T0 + 90_000, "c1", "hall/telemetry", "-"), Decoded { devices, ..Decoded::default() });
    says(&mut fleet, 90, "dev7", vec![WordChange::ReportMs(Some(600_000))]);
    let heard = 90;
    assert_eq!(states(&fleet.wait(20_000)), [(Asleep, heard + 60), (Late, heard + 900), (Lost, heard + 6_000)]);
    let said = states(&says(&mut fleet, 20_000, "dev7", vec![WordChange::ReportMs(None)]));
    assert_eq!(said, [(Asleep, heard + 60)], "the device declares a day");
}

#[test]
fn hidden_devices_are_in_no_figures_of_groups() {
    let mut fleet = Fleet::new();
    fleet.feels("dev7", 0, 20.0);
    fleet.feels("dev8", 0, 90.0);
    let all = |changes: &[Change]| {
        let mut figures = changes.iter().filter_map(|change| match change {
            Change::Aggregate(figures) if figures.group.is_empty() => {
                Some((figures.count, figures.devices, figures.max))
            }
            _ => None,
        });
        let mut counts = changes.iter().filter_map(|change| match change {
            Change::States { group, counts, .. } if group.is_empty() => Some(*counts),
            _ => None,
        });
        (figures.next_back(), counts.next_back())
    };
    fleet.wait(10);
    let hidden = says(&mut fleet, 20, "dev8", vec![WordChange::Hidden(true)]);
    let one = StateCounts { fresh: 1, ..StateCounts::default() };
    assert_eq!(all(&hidden), (Some((1, 1, 20.0)), Some(one)));
    let shown = says(&mut fleet, 40, "dev8", vec![WordChange::Hidden(false)]);
    assert_eq!(all(&shown), (Some((2, 2, 90.0)), Some(StateCounts { fresh: 2, ..StateCounts::default() })));
}

fn forgets_after_an_hour(register: RegisterConfig) -> ProcessConfig {
    ProcessConfig { forget_after: Some(Duration::from_secs(3_600)), register, ..ProcessConfig::default() }
}

#[test]
fn a_device_that_is_forgotten_and_comes_again_is_called_and_placed_as_before_over_restarts() {
    let config = forgets_after_an_hour(RegisterConfig::default());
    let mut fleet = Fleet::with(config.clone());
    fleet.feels("dev7", 0, 20.0);
    says(
        &mut fleet,
        1,
        "dev7",
        vec![name("Cellar"), WordChange::Group(Some("House".into())), WordChange::Hidden(true)],
    );
    fleet.wait(10_000);
    assert_eq!(fleet.process.devices(), 0);
    fleet.process = Process::restore(config, &fleet.process.checkpoint()).unwrap();
    let back = fleet.feels("dev7", 20_000, 20.0).to_vec();
    assert_eq!(groups(&back), ["House"]);
    assert_eq!(told(&back)[0].word.name.as_deref(), Some("Cellar"));
    assert_eq!(groups(&says(&mut fleet, 20_001, "dev7", vec![WordChange::Group(None)])), ["hall"]);
}

#[test]
fn what_was_said_of_devices_that_are_gone_is_bounded_and_the_longest_gone_is_forgotten_first() {
    let register = RegisterConfig { absent_max: 2, ..RegisterConfig::default() };
    let mut fleet = Fleet::with(forgets_after_an_hour(register));
    for n in 0..4 {
        fleet.wait(n);
        fleet.feels(&format!("dev{n}"), n, 20.0);
        says(&mut fleet, n, &format!("dev{n}"), vec![name("Cellar")]);
    }
    fleet.wait(10_000);
    let named: Vec<bool> = (0..4).map(|n| !told(fleet.feels(&format!("dev{n}"), 10_001, 20.0)).is_empty()).collect();
    assert_eq!(named, [false, false, true, true]);
}

#[test]
fn all_that_is_said_is_bounded_in_bytes_and_less_always_has_room() {
    let register = RegisterConfig { bytes_max: 2_000, ..RegisterConfig::default() };
    let mut fleet = Fleet::with(forgets_after_an_hour(register));
    for device in ["gone", "dev7", "dev8"] {
        fleet.feels(device, 0, 20.0);
    }
    let notes = |length: usize| vec![WordChange::Notes(Some("x".repeat(length).into()))];
    assert_eq!(told(&says(&mut fleet, 1, "dev7", notes(1_000))).len(), 1);
    assert_eq!(says(&mut fleet, 2, "dev8", notes(1_000)), []);
    assert_eq!(fleet.output.counts.register_refused, 1);
    assert_eq!(told(&says(&mut fleet, 3, "dev7", vec![WordChange::Notes(None)])).len(), 1);
    assert!(fleet.process.register_bytes() < 2_000);
    // It can be undone, so it still takes room: what was said before that goes with the next word.
    says(&mut fleet, 4, "dev7", vec![name("Cellar")]);
    assert_eq!(told(&says(&mut fleet, 5, "dev8", notes(1_000))).len(), 1);
    let before = fleet.process.register_bytes();
    fleet.process = Process::restore(ProcessConfig::default(), &fleet.process.checkpoint()).unwrap();
    assert_eq!(fleet.process.register_bytes(), before);
}

#[test]
fn nothing_of_it_stays_of_a_device_that_is_erased_also_when_it_was_gone() {
    let mut fleet = Fleet::with(forgets_after_an_hour(RegisterConfig::default()));
    let erase = |fleet: &mut Fleet, at_s: i64, device: &str| {
        let (received_ms, by, device) = (T0 + at_s * 1_000, "ann".to_owned(), device.to_owned());
        fleet.apply(&Entry::Intent(Intent::EraseDevice { received_ms, by, device }));
    };
    for device in ["there", "gone"] {
        fleet.feels(device, 0, 20.0);
        says(&mut fleet, 1, device, vec![name("Cellar")]);
    }
    erase(&mut fleet, 2, "there");
    assert_eq!(fleet.process.mentions("there"), Vec::<&str>::new());
    fleet.wait(10_000);
    assert_eq!(fleet.process.mentions("gone"), ["what people said of it"]);
    erase(&mut fleet, 10_001, "gone");
    assert_eq!((fleet.process.mentions("gone"), fleet.process.register_bytes()), (Vec::new(), 0));
    assert_eq!(told(fleet.feels("gone", 10_002, 20.0)), []);
}
