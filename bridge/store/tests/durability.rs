//! What survives what.
#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::{Fixture, number};
use tidegate_telemetry::{History, Position};

#[test]
fn a_flushed_reading_is_there_after_a_restart() {
    let mut store = Fixture::new();
    store.reading(1_000, number(23.5));
    store.flush();
    store.restart();
    assert_eq!(store.flushed(), Position(2));
    assert_eq!(store.all(), vec![(1_000, number(23.5))]);
    assert_eq!(store.store().stats().points, 1);
}

#[test]
fn a_reading_that_was_not_flushed_comes_back_by_replay_and_is_there_once() {
    let mut store = Fixture::new();
    store.reading(1_000, number(1.0));
    store.flush();
    store.reading(2_000, number(2.0));
    store.restart();
    assert_eq!(store.all(), vec![(1_000, number(1.0))]);
    store.replay();
    assert_eq!(store.all(), vec![(1_000, number(1.0)), (2_000, number(2.0))]);
    assert_eq!(store.store().stats().points, 2);
}
