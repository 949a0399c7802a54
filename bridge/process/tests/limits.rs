//! Bad input hurts nobody else.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Fleet, T0, by, publication, readings};
use tidegate_process::ProcessConfig;
use tidegate_telemetry::{DeviceScope, Entry, Reason};

#[test]
fn a_hundred_thousand_names_from_one_client_hurt_nobody() {
    let mut fleet = Fleet::new();
    let mut refused = 0;
    for n in 0..100_000 {
        let payload = format!(r#"{{"deviceId":"fake{n}","t":1}}"#);
        fleet.apply(&publication(T0, "flooder", "x", &payload));
        refused += fleet.reasons().iter().filter(|reason| **reason == Reason::DeviceLimit).count();
    }
    assert_eq!((fleet.process.devices(), refused), (10_000, 90_000));
    assert!(fleet.output.problems[0].detail.contains("process.devices_per_client_max (10000)"));
    let changes = fleet.apply(&publication(T0, "honest", "site/dev7/t", "21.5"));
    assert_eq!(readings(changes).len(), 1);
    let changes = fleet.apply(&publication(T0, "flooder", "x", r#"{"deviceId":"fake5","t":2}"#));
    assert_eq!(readings(changes).len(), 1, "what it has goes on");
}

const RUDE: Option<&str> = Some("192.0.2.1");

/// A fleet with room for so many, filled by `client` identifiers at one address.
fn filled(devices_max: usize, clients: usize) -> Fleet {
    let mut fleet = Fleet::with(ProcessConfig { devices_max, ..ProcessConfig::default() });
    for n in 0..2 * devices_max {
        let payload = format!(r#"{{"deviceId":"fake{n}","t":1}}"#);
        fleet.apply(&by(publication(T0, &format!("rude{}", n % clients), "x", &payload), "anonymous", RUDE));
    }
    assert_eq!(fleet.process.devices(), devices_max);
    fleet
}

fn comes(fleet: &mut Fleet, at_ms: i64, client: &str, owner: (&str, Option<&str>), device: &str) -> bool {
    let payload = format!(r#"{{"deviceId":"{device}","t":1}}"#);
    let entry = by(publication(T0 + at_ms, client, "x", &payload), owner.0, owner.1);
    !readings(fleet.apply(&entry)).is_empty()
}

#[test]
fn twenty_clients_that_fill_the_fleet_give_way_to_those_who_have_less() {
    let mut fleet = filled(200, 20);
    let owners = [("ann", None), ("anonymous", Some("192.0.2.2")), ("anonymous", RUDE)];
    for (n, owner) in owners.into_iter().enumerate() {
        assert!(comes(&mut fleet, 1_000, "honest", owner, &format!("dev{n}")), "{owner:?}");
        let told = fleet.output.problems[0].clone();
        assert!(told.detail.contains("process.devices_max (200)"), "{}", told.detail);
        assert!(told.detail.contains("192.0.2.1") && told.client.starts_with("rude"), "{told:?}");
        assert_eq!((fleet.output.counts.devices_gave_way, fleet.process.devices()), (1, 200));
    }
    for n in 0..1_000 {
        let client = format!("rude{}", n % 20);
        assert!(!comes(&mut fleet, 2_000, &client, ("anonymous", RUDE), &format!("more{n}")), "they have their part");
        assert_eq!(fleet.reasons(), [Reason::DeviceLimit]);
    }
    for (n, owner) in owners.into_iter().enumerate() {
        assert!(comes(&mut fleet, 3_000, "honest", owner, &format!("dev{n}")), "{owner:?} is still there");
        assert_eq!(fleet.output.counts.devices_added, 0);
    }
}

#[test]
fn a_device_that_reports_gives_way_to_nobody_until_it_is_lost() {
    let mut fleet = filled(10, 1);
    for n in 0..10 {
        let payload = format!(r#"{{"deviceId":"fake{n}","t":2}}"#);
        fleet.apply(&by(publication(T0 + 60_000 + n, "rude0", "x", &payload), "anonymous", RUDE));
    }
    assert!(!comes(&mut fleet, 61_000, "c1", ("ann", None), "dev7"));
    let told = &fleet.output.problems[0].detail;
    assert!(told.contains("\"dev7\" of \"ann\"") && told.contains("process.devices_max (10)"), "{told}");
    fleet.wait(60 * 60);
    assert!(comes(&mut fleet, 60 * 60_000, "c1", ("ann", None), "dev7"), "all of them are lost");
    assert!(fleet.process.device_figures("fake0").is_none(), "it was silent for longest");
}

#[test]
fn of_the_largest_holder_the_device_goes_that_was_silent_for_longest() {
    let mut fleet = filled(10, 2);
    for n in 1..10 {
        let client = format!("rude{}", n % 2);
        assert!(comes(&mut fleet, n, &client, ("anonymous", RUDE), &format!("fake{n}")));
    }
    assert!(
        comes(&mut fleet, 100, "honest", ("ann", None), "dev1") && comes(&mut fleet, 100, "b", ("bob", None), "dev2")
    );
    let gone: Vec<_> = (0..10).filter(|n| fleet.process.device_figures(&format!("fake{n}")).is_none()).collect();
    assert_eq!(gone, [0, 1], "of each of its clients the oldest");
}

#[test]
fn one_publication_makes_one_problem_a_reason() {
    let config = ProcessConfig { devices_max: 1, ..ProcessConfig::default() };
    let mut fleet = Fleet::with(config);
    let payload = r#"[{"deviceId":"a","t":1},{"deviceId":"b","t":1},{"deviceId":"c","t":1},{"t":1e999}]"#;
    fleet.apply(&publication(T0, "c1", "x", payload));
    assert_eq!(fleet.reasons(), [Reason::NotFinite, Reason::DeviceLimit]);
    assert!(fleet.output.problems[1].detail.contains("1 more"), "{}", fleet.output.problems[1].detail);
    assert_eq!(fleet.process.devices(), 1);
}

#[test]
fn further_metrics_of_a_device_are_refused_and_the_known_go_on() {
    let config = ProcessConfig { metrics_per_device_max: 2, ..ProcessConfig::default() };
    let mut fleet = Fleet::with(config);
    fleet.sends("dev7", 0, 0, r#""a":1,"b":1"#);
    let changes = fleet.sends("dev7", 1, 1, r#""c":1,"b":2,"d":1"#).to_vec();
    assert_eq!(readings(&changes)[0].cells.len(), 1);
    assert_eq!(fleet.reasons(), [Reason::MetricLimit]);
}

fn as_principal(entry: Entry, principal: &str) -> Entry {
    let Entry::Publication(mut publication) = entry else { panic!("not a publication") };
    publication.principal = principal.into();
    Entry::Publication(publication)
}

#[test]
fn an_identifier_that_belongs_to_another_principal_is_a_conflict() {
    let mut fleet = Fleet::new();
    let sends = |principal, topic, payload| as_principal(publication(T0, "c1", topic, payload), principal);
    fleet.apply(&sends("ann", "up", r#"{"deviceId":"dev7","t":1}"#));
    assert!(fleet.apply(&sends("bob", "up", r#"{"deviceId":"dev7","t":2}"#)).is_empty());
    assert_eq!(fleet.reasons(), [Reason::IdentityConflict]);
    assert_eq!(readings(fleet.apply(&sends("ann", "up", r#"{"deviceId":"dev7","t":3}"#))).len(), 1);
    // A device that the topic names is guarded by the rights on the topic.
    fleet.apply(&sends("ann", "site/dev8/t", "1"));
    assert_eq!(readings(fleet.apply(&sends("bob", "site/dev8/t", "2"))).len(), 1);
}

fn with_scope(entry: Entry, patterns: &[&str]) -> Entry {
    let Entry::Publication(mut publication) = entry else { panic!("not a publication") };
    publication.scope = Some(DeviceScope::new(patterns.iter().map(|&pattern| pattern.into())));
    Entry::Publication(publication)
}

#[test]
fn readings_of_devices_that_are_not_its_own_are_problems_and_the_others_go_on() {
    let mut fleet = Fleet::new();
    let payload =
        r#"[{"deviceId":"gw1-a","t":1},{"deviceId":"dev7","t":2},{"deviceId":"gw1-b","t":3},{"deviceId":"x","t":4}]"#;
    let changes = fleet.apply(&with_scope(publication(T0, "gw1", "up", payload), &["gw1-*"]));
    assert_eq!(readings(changes).len(), 2);
    assert_eq!((fleet.process.devices(), fleet.reasons()), (2, vec![Reason::NotItsDevice]));
    let problem = &fleet.output.problems[0];
    assert!(problem.detail.contains("\"dev7\", only for [\"gw1-*\"]"), "{}", problem.detail);
    assert!(problem.detail.contains("1 more") && &problem.payload[..] == payload.as_bytes());
    // A device that is known does not move either: no reading, no sign of life.
    fleet.apply(&publication(T0, "c1", "up", r#"{"deviceId":"dev7","t":5}"#));
    let changes = fleet.apply(&with_scope(publication(T0 + 1_000, "gw1", "up", payload), &[])).to_vec();
    assert!(readings(&changes).is_empty(), "{changes:?}");
    assert_eq!(fleet.process.device_figures("dev7").unwrap().heard_ms, T0);
}

#[test]
fn a_device_that_the_topic_names_is_its_own_by_path_or_last_level() {
    let mut fleet = Fleet::new();
    let mut told = |topic, pattern| {
        let entry = with_scope(publication(T0, "c1", topic, "21.5"), &[pattern]);
        readings(fleet.apply(&entry)).len()
    };
    assert_eq!([told("site/b/dev7/t", "dev7"), told("site/b/dev8/t", "site/b/dev8")], [1, 1]);
    assert_eq!([told("site/b/dev9/t", "dev7"), told("site/b/dev9/t", "site")], [0, 0]);
}

#[test]
fn what_cannot_be_decoded_is_a_problem_with_its_payload() {
    let mut fleet = Fleet::new();
    assert!(fleet.apply(&publication(T0, "c1", "a/b", "{\"x\":")).is_empty());
    let problem = &fleet.output.problems[0];
    assert_eq!((problem.reason, &*problem.topic, &*problem.client), (Reason::InvalidJson, "a/b", "c1"));
    assert_eq!(&problem.payload[..], b"{\"x\":");
    fleet.apply(&publication(T0, "c1", "a/b", ""));
    assert!(fleet.output.problems.is_empty());
    assert_eq!(fleet.output.counts.publications_ignored, 1);
}
