use std::collections::BTreeMap;

use proptest::prelude::*;

use super::line::Line;
use super::packets::{self, Packet};
use super::stage::Stage;
use crate::fuzzing::Numbers;

/// A subscriber of everything, and publishers who set topics to higher and higher numbers. On a connection no topic may go
/// back, and in the end each has come to its newest.
struct Play {
    stage: Stage,
    qos: u8,
    v5: bool,
    connections: usize,
    line: Line,
    incoming: Vec<u8>,
    /// By topic, on this connection.
    given: BTreeMap<String, u32>,
    /// By topic, on any.
    newest_given: BTreeMap<String, u32>,
    published: BTreeMap<String, u32>,
    owed: Vec<u16>,
    next: u32,
}

const TOPICS: u64 = 40;

impl Play {
    fn begin(qos: u8, v5: bool, line_bytes: usize) -> Play {
        let mut stage = Stage::new();
        let line = stage.connect(line_bytes);
        let mut play = Play {
            stage,
            qos,
            v5,
            connections: 1,
            line,
            incoming: Vec::new(),
            given: BTreeMap::new(),
            newest_given: BTreeMap::new(),
            published: BTreeMap::new(),
            owed: Vec::new(),
            next: 0,
        };
        (0..TOPICS).for_each(|topic| play.publish(topic, true));
        play.line.bring(packets::connect("c", v5, 5, 0));
        play.subscribe();
        // What is published from here on is for the subscriber, also where it is not retained.
        while play.stage.gate.stats().subscriptions == 0 {
            play.stage.store();
            play.stage.run(0);
            play.stage.run(1);
        }
        play
    }

    fn subscribe(&mut self) {
        self.line.bring(packets::subscribe(9, &[("#".to_owned(), self.qos)], self.v5));
    }

    fn publish(&mut self, topic: u64, retain: bool) {
        self.next += 1;
        // Topics of several levels, not in the order in which they are set.
        let topic = format!("{}/{}", topic * 7 % TOPICS % 6, topic);
        self.stage.publish(&topic, format!("{}.{}", self.next, "x".repeat(self.next as usize % 5 * 9)), retain);
        self.published.insert(topic, self.next);
    }

    /// The connection breaks, and the client comes back to its session without a word about its subscription.
    fn reconnect(&mut self, line_bytes: usize) {
        self.line.cut(true);
        self.stage.rest();
        self.line = self.stage.connect(line_bytes);
        self.connections += 1;
        self.line.bring(packets::connect("c", self.v5, 5, 0));
        self.incoming.clear();
        self.owed.clear();
        self.given.clear();
    }

    fn hear(&mut self, bytes: usize) -> bool {
        let heard = self.line.take(bytes);
        self.incoming.extend_from_slice(&heard);
        while let Some(packet) = packets::take(&mut self.incoming, self.v5) {
            let Packet::Publish(publish) = packet else { continue };
            let number = publish.payload.split_once('.').and_then(|(number, _)| number.parse().ok());
            let number: u32 = number.expect("what was published begins with a number");
            let before = self.given.insert(publish.topic.clone(), number).unwrap_or(0);
            assert!(before <= number, "{} went back from {before} to {number}", publish.topic);
            let newest = self.newest_given.entry(publish.topic).or_default();
            *newest = number.max(*newest);
            self.owed.extend((publish.qos > 0).then_some(publish.id));
        }
        !heard.is_empty()
    }

    fn answer(&mut self, count: usize) -> bool {
        let count = count.min(self.owed.len());
        self.owed.drain(..count).for_each(|id| self.line.bring(packets::answer(0x40, id)));
        count > 0
    }

    fn step(&mut self, number: u64, publishes_retained_only: bool, breaks: bool) {
        let mut numbers = Numbers(number);
        let mut below = |bound: u64| numbers.next() % bound;
        match below(20) {
            0..4 => self.publish(below(TOPICS + 5), publishes_retained_only || below(2) == 0),
            4..9 => drop(self.hear(1 + below(300) as usize)),
            9..12 => drop(self.answer(1 + below(3) as usize)),
            12 => drop(self.stage.store()),
            13 if publishes_retained_only && below(4) == 0 => self.subscribe(),
            14 if breaks && below(3) == 0 => self.reconnect([100, 5000][below(2) as usize]),
            _ => drop(self.stage.run([0, self.connections][below(2) as usize])),
        }
    }

    fn end(mut self) {
        loop {
            self.stage.rest();
            let has_heard = self.hear(usize::MAX);
            if !self.answer(usize::MAX) && !has_heard {
                break;
            }
        }
        assert_eq!(self.newest_given, self.published);
        assert_eq!(self.stage.gate.stats().queued_bytes, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_topic_goes_back_and_each_comes_to_its_newest(
        steps in prop::collection::vec(any::<u64>(), 0..600),
        v5 in any::<bool>(),
        line_bytes in prop_oneof![Just(100_usize), Just(5000)],
        publishes_retained_only in any::<bool>(),
    ) {
        let mut play = Play::begin(1, v5, line_bytes);
        steps.into_iter().for_each(|step| play.step(step, publishes_retained_only, true));
        play.end();
    }

    #[test]
    fn a_subscriber_with_qos_0_that_stays_misses_nothing_either(
        steps in prop::collection::vec(any::<u64>(), 0..40),
        v5 in any::<bool>(),
    ) {
        let mut play = Play::begin(0, v5, 5000);
        for step in steps {
            play.step(step, true, false);
            // No queue gets full, so that nothing is dropped.
            play.stage.rest();
            play.hear(usize::MAX);
        }
        play.end();
    }
}
