//! A message that comes again is one.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use support::{Fleet, T0, publication, readings};
use tidegate_process::ProcessConfig;
use tidegate_telemetry::{Entry, Publication, Qos};

/// A value without a time as a client sends it, perhaps again.
fn value(client: &str, packet_id: u16, value: &str, dup: bool) -> Publication {
    match publication(T0, client, "site/dev7/t", value) {
        Entry::Publication(publication) => Publication { packet_id, dup, ..publication },
        _ => unreachable!("it makes publications"),
    }
}

/// How many values are taken of a message.
fn taken(fleet: &mut Fleet, publication: &Publication) -> usize {
    let taken = readings(fleet.apply(&Entry::Publication(publication.clone()))).len();
    assert_eq!(fleet.output.counts.publications_redelivered, u64::from(taken == 0));
    taken
}

#[test]
fn two_hundred_messages_that_were_not_acknowledged_come_again_and_are_known() {
    let mut fleet = Fleet::new();
    assert!((1..=200).all(|id| taken(&mut fleet, &value("c1", id, "20", false)) == 1));
    fleet.process = support::restore(ProcessConfig::default(), &fleet.process.checkpoint());
    for _ in 0..2 {
        assert!((1..=200).all(|id| taken(&mut fleet, &value("c1", id, "20", true)) == 0));
    }
    assert_eq!(taken(&mut fleet, &value("c1", 201, "20", true)), 1, "the first time it did not get here");
    assert_eq!(taken(&mut fleet, &value("c1", 201, "20", true)), 0);
}

#[test]
fn only_what_is_the_same_in_all_is_the_same_message() {
    let sent = value("c1", 7, "20", false);
    for other in [
        Publication { dup: true, client: "c2".into(), ..sent.clone() },
        Publication { dup: true, packet_id: 8, ..sent.clone() },
        Publication { dup: true, topic: "site/dev7/u".into(), ..sent.clone() },
        Publication { dup: true, payload: Bytes::from_static(b"21"), ..sent.clone() },
        Publication { dup: true, qos: Qos::ExactlyOnce, ..sent.clone() },
        sent.clone(),
    ] {
        let mut fleet = Fleet::new();
        assert_eq!(taken(&mut fleet, &sent), 1);
        assert_eq!(taken(&mut fleet, &other), 1, "{other:?}");
    }
}

#[test]
fn a_packet_identifier_stands_for_the_last_message_that_had_it() {
    let mut fleet = Fleet::new();
    for sent in ["20", "21"] {
        assert_eq!(taken(&mut fleet, &value("c1", 1, sent, false)), 1);
    }
    assert_eq!(taken(&mut fleet, &value("c1", 1, "20", true)), 1, "21 would have come again");
}

#[test]
fn a_message_with_times_of_its_own_is_known_by_them() {
    let mut fleet = Fleet::new();
    let payload = format!(r#"[{{"deviceId":"dev7","time":{T0},"t":1}}]"#);
    let sent = Publication { payload: payload.into(), ..value("c1", 1, "", false) };
    assert_eq!(taken(&mut fleet, &sent), 1);
    assert_eq!(fleet.process.redelivery_bytes(), 0);
    fleet.apply(&Entry::Publication(Publication { dup: true, ..sent }));
    assert_eq!((fleet.output.counts.values_duplicate, fleet.output.counts.publications_redelivered), (1, 0));
}

#[test]
fn a_message_with_a_time_too_far_ahead_is_known_when_it_comes_again() {
    let mut fleet = Fleet::new();
    let payload = format!(r#"{{"deviceId":"dev7","time":{},"t":1}}"#, T0 + 3_600_000);
    let sent = Publication { payload: payload.into(), ..value("c1", 1, "", false) };
    assert_eq!(taken(&mut fleet, &sent), 1);
    assert_eq!(taken(&mut fleet, &Publication { dup: true, received_ms: T0 + 1, ..sent }), 0);
}

#[test]
fn memory_is_bounded_and_a_busy_client_pushes_nobody_out() {
    let bytes_max = 20_000;
    let config = ProcessConfig { redelivery_bytes_max: bytes_max, ..ProcessConfig::default() };
    let mut fleet = Fleet::with(config.clone());
    for client in 0..20 {
        taken(&mut fleet, &value(&format!("quiet{client}"), 1, "20", false));
    }
    for id in 1..=50_000 {
        taken(&mut fleet, &value(&format!("busy{}", id % 4), id, "20", false));
        assert!(fleet.process.redelivery_bytes() <= bytes_max);
    }
    assert!(fleet.process.checkpoint().len() < bytes_max);
    let mut known = |client: &str, id| taken(&mut fleet, &value(client, id, "20", true)) == 0;
    assert!((0..20).all(|client| known(&format!("quiet{client}"), 1)));
    assert!((49_600..=50_000).all(|id| known(&format!("busy{}", id % 4), id)), "a hundred of each");
    assert!(!known("busy0", 40_000));

    // As many clients as there is no room for.
    let mut fleet = Fleet::with(ProcessConfig { devices_max: 1, ..config });
    for client in 0..1_000 {
        fleet.apply(&Entry::Publication(value(&format!("passer-by {client}"), 1, "20", false)));
        assert!(fleet.process.redelivery_bytes() <= bytes_max);
    }
}
