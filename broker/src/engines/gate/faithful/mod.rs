//! Whether the broker is faithful: at least once, exactly once, in order, in both directions and both versions, over
//! connections that break anywhere, come out of order and take each other's place, over crashes, and whatever the
//! system's clock is set forward by.
//!
//! - `world`: clients, network, broker and disks in one thread, led by numbers
//! - `client`: one that follows the standard, and tells when the server does not
//! - `promises`: the model: what the log and each subscriber must hold
//! - `line`, `hand_log`: a connection and a log in memory, which do what they are told
//! - `backlogs`: retained messages that change while new subscribers get them; `stage`: where that, and the turns that
//!   connections take, are played
//! - `packets`: just enough of MQTT, written apart from the broker's

mod backlogs;
mod client;
mod hand_log;
mod line;
mod packets;
mod promises;
mod stage;
mod turns;
mod world;

use proptest::prelude::*;

use self::promises::Broken;
use self::world::{Nature, World};
use crate::config::Acknowledge;
use crate::fuzzing::{Numbers, cases};

fn run(nature: &Nature, steps: impl IntoIterator<Item = u64>) -> Result<(), Broken> {
    let mut world = World::new(nature.clone());
    for step in steps {
        world.step(step)?;
    }
    world.settle()
}

fn steps_of(seed: u64, count: usize) -> impl Iterator<Item = u64> {
    let mut numbers = Numbers(seed);
    std::iter::repeat_with(move || numbers.next()).take(count)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32 * cases() as u32,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_promise_is_kept_over_cuts_reordered_connections_and_crashes(
        clients in 2_usize..6,
        steps in prop::collection::vec(any::<u64>(), 0..1500),
    ) {
        let kept = run(&Nature { clients, ..Nature::default() }, steps);
        if let Err(broken) = kept {
            prop_assert!(false, "{broken}");
        }
    }
}

#[test]
fn a_thousand_clients_between_faults_are_promised_the_same() {
    for seed in 0..cases() {
        let nature = Nature { clients: 1000, cuts: 10, crashes: 2, ..Nature::default() };
        if let Err(broken) = run(&nature, steps_of(seed, 50_000)) {
            panic!("seed {seed}: {broken}");
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_run_and_faults_are_in_it() {
    let heard = || {
        let mut world = World::new(Nature::default());
        steps_of(7, 3000).for_each(|step| world.step(step).expect("every promise is kept"));
        world.settle().expect("every promise is kept");
        world.told()
    };
    let (first, again) = (heard(), heard());
    assert_eq!(first, again);
    assert!(first.crashes > 5 && first.breaks > 50 && first.jumps > 5 && first.heard_bytes > 3000, "{first:?}");
}

/// Each breaks one rule, which a checker that is worth its name must see.
#[test]
fn a_broker_that_breaks_a_rule_is_caught() {
    let tampered = |sabotage| Nature { sabotage: Some(sabotage), ..Nature::default() };
    for (rule, nature) in [
        ("acknowledge what is durable", Nature { acknowledge: Acknowledge::Appended, ..Nature::default() }),
        ("keep received QoS 2 identifiers", tampered("DELETE FROM received")),
        ("keep the identifiers of deliveries", tampered("UPDATE mailbox SET packet_id = 0")),
        ("keep that a subscriber has taken", tampered("UPDATE mailbox SET released = 0")),
        ("keep mailboxes", tampered("DELETE FROM mailbox")),
        ("keep subscriptions", tampered("DELETE FROM subscriptions")),
        ("keep sessions", tampered("DELETE FROM sessions")),
        (
            "count on from the time that had passed",
            tampered("DELETE FROM clock; INSERT INTO clock VALUES(-2592000000)"),
        ),
        ("say no more than is complete", tampered("UPDATE progress SET complete = complete + 5")),
        ("go on with what is left to send", Nature { forgets_what_is_left: true, ..Nature::default() }),
    ] {
        let caught = (0..60).find_map(|seed| run(&nature, steps_of(seed, 1500)).err());
        let caught = caught.unwrap_or_else(|| panic!("nobody saw that the broker does not {rule}"));
        println!("does not {rule}: {caught}");
    }
}
