//! Random histories of many kinds of devices through the rooms of one process: an entry is encoded, decoded, processed,
//! kept, flushed, merged, lost with the process and replayed, and shown. A plain map says what there has to be then.
//!
//! - `devices`: what devices publish, and what it means
//! - `oracle`: the plain map
//! - `world`: a node, as the program runs it, and what happens to it
//! - `viewers`: clients of the live protocol beside it
//! - `judge`: everything that can be asked, against the map
//! - `program`: the same devices against the program itself, by MQTT and REST
//!
//! A failure names its seed: `TIDEGATE_SEED=7` tries that one alone, `TIDEGATE_CASES=5000` tries so many, from
//! `TIDEGATE_FIRST_SEED` on; a folder in memory (`TMPDIR=/dev/shm`) makes it several times as fast.
#![allow(missing_docs, clippy::unwrap_used)]

mod devices;
mod judge;
mod oracle;
mod program;
mod viewers;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use world::World;

/// Some seconds.
const CASES: u64 = 30;

#[test]
fn whatever_devices_send_and_whatever_happens_then_all_of_it_is_there_and_nothing_else() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    if let Some(seed) = number("TIDEGATE_SEED") {
        return history(seed, number("TIDEGATE_STEPS").unwrap_or(u64::MAX));
    }
    let first = number("TIDEGATE_FIRST_SEED").unwrap_or(0);
    let failed: Vec<u64> =
        (first..first + number("TIDEGATE_CASES").unwrap_or(CASES)).filter(|&seed| !holds(seed, u64::MAX)).collect();
    let Some(&seed) = failed.first() else { return };
    let steps = (1..World::steps_of(seed)).find(|&steps| !holds(seed, steps)).unwrap_or(u64::MAX);
    panic!("seeds {failed:?} fail; the shortest of the first: TIDEGATE_SEED={seed} TIDEGATE_STEPS={steps}");
}

fn holds(seed: u64, steps: u64) -> bool {
    catch_unwind(AssertUnwindSafe(|| history(seed, steps)))
        .inspect_err(|_| eprintln!("seed {seed}, {steps} steps"))
        .is_ok()
}

/// The first `steps` of a history, and what there is after them.
fn history(seed: u64, steps: u64) {
    let mut world = World::new(seed);
    for _ in 0..World::steps_of(seed).min(steps) {
        world.step();
    }
    world.judge();
}
