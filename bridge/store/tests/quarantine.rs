//! What is not understood: kept by topic and reason, within bounds that are shared.
#![allow(clippy::unwrap_used)]

mod fixture;

use bytes::Bytes;
use fixture::Fixture;
use tidegate_store::StoreConfig;
use tidegate_telemetry::{Change, History, Owner, Problem, ProblemSink, Reason};

fn problem(topic: &str, received_ms: i64, payload: &'static [u8]) -> Problem {
    Problem {
        reason: Reason::InvalidJson,
        detail: format!("at {received_ms}"),
        topic: topic.into(),
        client: "c1".into(),
        owner: Owner::Unknown,
        received_ms,
        payload: Bytes::from_static(payload),
    }
}

#[test]
fn the_quarantine_folds_by_topic_keeps_the_payload_and_survives_a_restart() {
    let mut store = Fixture::with(StoreConfig { quarantine_payload_bytes_max: 4, ..StoreConfig::default() });
    store.store().report(problem("x", 1, b"{\"a\":"));
    store.store().report(problem("y", 2, b"["));
    store.store().report(problem("x", 3, b"{\"b\":"));
    store.flush();
    store.restart();
    let (groups, dropped) = store.store().problems(10);
    assert_eq!(dropped, 0);
    let x = &groups[0];
    assert_eq!((&*x.topic, x.count, x.first_ms, x.last_ms, &x.sample[..]), ("x", 2, 1, 3, &b"{\"b\""[..]));
    assert_eq!(&*groups[1].topic, "y");
    let payloads: Vec<_> = store.store().quarantined().into_iter().map(|problem| problem.payload).collect();
    assert_eq!(payloads, [&b"{\"a\""[..], b"[", b"{\"b\""]);
}

#[test]
fn one_bad_device_does_not_push_the_others_out_of_the_quarantine() {
    let store = Fixture::with(StoreConfig {
        quarantine_payloads_per_group_max: 3,
        quarantine_groups_max: 5,
        ..StoreConfig::default()
    });
    store.store().report(problem("quiet", 0, b"?"));
    for at in 1..=1_000 {
        store.store().report(problem("flood", at, b"!"));
    }
    let (groups, dropped) = store.store().problems(10);
    assert_eq!(
        groups.iter().map(|group| (&*group.topic, group.count)).collect::<Vec<_>>(),
        [("flood", 1_000), ("quiet", 1)]
    );
    assert_eq!(dropped, 997);
    for at in 0..20 {
        store.store().report(problem(&format!("topic {at}"), 2_000 + at, b"?"));
    }
    assert_eq!(store.store().problems(100).0.len(), 5);
}

fn problem_of(owner: &Owner, client: &str, topic: &str, at: i64) -> Problem {
    Problem { owner: owner.clone(), client: client.into(), ..problem(topic, at, b"?") }
}

#[test]
fn junk_topics_of_one_client_push_out_its_own_problems_and_nobody_elses_also_over_a_restart() {
    let named = |name: &str| Owner::Named(name.into());
    let here = Owner::Address("192.0.2.7".parse().unwrap());
    for (honest, rude) in [((named("ann"), "c1"), (named("bob"), "c1")), ((here.clone(), "honest"), (here, "rude"))] {
        let mut store = Fixture::with(StoreConfig { quarantine_groups_max: 100, ..StoreConfig::default() });
        store.store().report(problem_of(&honest.0, honest.1, "site/dev7", 0));
        let topics = |store: &Fixture| {
            let (groups, _) = store.store().problems(1_000);
            (groups.iter().any(|group| &*group.topic == "site/dev7"), groups.len())
        };
        for round in 0..2 {
            for at in 0..1_500 {
                store.store().report(problem_of(&rude.0, rude.1, &format!("junk/{round}/{at}"), 1 + at));
            }
            assert_eq!(topics(&store), (true, 100), "round {round}");
            store.flush();
            store.restart();
            assert_eq!(topics(&store), (true, 100), "after the restart of round {round}");
        }
    }
}

#[test]
fn junk_on_the_topic_of_another_leaves_the_others_payload() {
    let store = Fixture::with(StoreConfig { quarantine_payloads_per_group_max: 3, ..StoreConfig::default() });
    store.store().report(problem_of(&Owner::Unknown, "honest", "shared", 0));
    for at in 1..1_000 {
        store.store().report(problem_of(&Owner::Unknown, "rude", "shared", at));
    }
    assert_eq!(store.store().quarantined().iter().map(|kept| kept.received_ms).collect::<Vec<_>>(), [0, 998, 999]);
    // And it is the payload that stays when the topic's other ones make their sender the largest holder.
    let store = Fixture::with(StoreConfig { quarantine_groups_max: 10, ..StoreConfig::default() });
    store.store().report(problem_of(&Owner::Unknown, "rude", "shared", 0));
    store.store().report(problem_of(&Owner::Unknown, "honest", "shared", 1));
    for at in 2..100 {
        store.store().report(problem_of(&Owner::Unknown, "rude", &format!("junk/{at}"), at));
    }
    assert!(store.store().quarantined().iter().any(|kept| &*kept.client == "honest"));
}

#[test]
fn what_left_the_quarantine_leaves_its_file_too() {
    let mut store = Fixture::with(StoreConfig { quarantine_payloads_per_group_max: 2, ..StoreConfig::default() });
    for round in 0..5 {
        for at in 0..3 {
            store.store().report(problem("x", round * 3 + at, b"?"));
        }
        store.flush();
    }
    store.restart();
    assert_eq!(store.store().quarantined().iter().map(|kept| kept.received_ms).collect::<Vec<_>>(), [13, 14]);
    assert_eq!(store.store().problems(1).0[0].count, 15);
}

/// Problems of a batch are told before its changes are, and those of the file are there before the log is replayed.
#[test]
fn what_comes_after_a_device_was_erased_is_of_another_one_and_stays() {
    let mut store = Fixture::new();
    let topic = fixture::DEVICE;
    for at in [1, 2, 3] {
        store.store().report(problem(topic, at, b"?"));
    }
    let times = |store: &Fixture| store.store().quarantined().iter().map(|kept| kept.received_ms).collect::<Vec<_>>();
    store.apply(vec![Change::Erased { device: fixture::DEVICE.into(), at_ms: 2 }]);
    assert_eq!(times(&store), [3]);
    store.flush();
    store.restart();
    store.replay();
    assert_eq!(times(&store), [3]);
}
