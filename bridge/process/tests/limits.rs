//! Bad input hurts nobody else.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Fleet, T0, publication, readings};
use tidegate_process::ProcessConfig;
use tidegate_telemetry::{Entry, Reason};

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
