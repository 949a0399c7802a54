//! What a decision costs: `cargo run --release -p tidegate-identity --example rights`.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Instant;

use tidegate_identity::{Right, Rights, Subject};

const RULES: usize = 10_000;
const DECISIONS: usize = 1_000_000;

fn main() {
    let allow =
        |user: Option<String>, topic: String| Right { user, topic, publish: true, subscribe: true, ..Right::default() };
    let one_topic = |n: usize| allow(Some(format!("u{n}")), "fleet/%u/#".into());
    let own_topic = |n: usize| allow(Some(format!("u{n}")), format!("site-{}/line-{}/dev-{n}/+", n % 100, n % 1000));
    let for_all = |n: usize| allow(None, format!("site-{}/+/kind-{n}/%c/#", n % 100));
    measure("a rule a user, one topic pattern", &(0..RULES).map(one_topic).collect::<Vec<_>>(), |n| {
        format!("fleet/u{n}/temperature")
    });
    measure("a rule a user, a topic each", &(0..RULES).map(own_topic).collect::<Vec<_>>(), |n| {
        format!("site-{}/line-{}/dev-{n}/temperature", n % 100, n % 1000)
    });
    measure("rules for everybody with + and %c", &(0..RULES).map(for_all).collect::<Vec<_>>(), |n| {
        format!("site-{}/x/kind-{n}/c{n}/temperature", n % 100)
    });
}

fn measure(what: &str, rules: &[Right], topic: impl Fn(usize) -> String) {
    let rights = Rights::new(rules).expect("good rules");
    let names: Vec<[String; 3]> = (0..RULES).map(|n| [format!("c{n}"), format!("u{n}"), topic(n)]).collect();
    let mut allowed = 0;
    let begun = Instant::now();
    for n in 0..DECISIONS {
        // Every second question is about somebody else's topic.
        let [client, user, _] = &names[n * 7919 % RULES];
        let [_, _, topic] = &names[(n * 7919 + n % 2) % RULES];
        let subject = Subject { client, user: Some(user), groups: &[] };
        allowed += usize::from(black_box(rights.may_publish(subject, topic, false)));
    }
    let ns = begun.elapsed().as_nanos() as usize / DECISIONS;
    println!("{what}: {ns} ns a decision with {RULES} rules ({allowed} of {DECISIONS} allowed)");
    assert_eq!(allowed, DECISIONS / 2);
}
