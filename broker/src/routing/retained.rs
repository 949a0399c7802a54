//! Retained messages (MQTT 5.0 section 3.3.1.3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate_telemetry::{Holder, Position, Shares};

use crate::sessions::Message;
use crate::topics::{Topic, Walk};

/// The newest retained message of each topic (MQTT 5.0 section 3.3.1.3), in memory, bounded in number and bytes.
///
/// They are in order by level: all topics at or below one follow each other, so a filter is answered by looking at what it
/// matches and, for each `+`, once at every name of that level. Whoever looks does it in steps, see [`Walk`], and other
/// messages may come and go between them.
#[derive(Debug)]
pub(crate) struct Retained {
    messages: BTreeMap<Topic, Held>,
    bytes: usize,
    count_max: usize,
    bytes_max: usize,
    newest: Position,
    /// While they are about as many as there may be.
    crowd: Option<Crowd>,
}

/// A retained message, and where it stands in the log.
pub(crate) type Kept = (Position, Arc<Message>);

/// A retained message, and in whose share it counts.
#[derive(Debug)]
struct Held {
    kept: Kept,
    of: Arc<Holder>,
}

/// Whose message gives way. It costs more than it is worth while there is room: it is worked out when there is none, in one
/// pass, and kept until an eighth has gone.
#[derive(Debug, Default)]
struct Crowd {
    counts: Shares,
    bytes: Shares,
    /// Of each holder the oldest first.
    in_turn: BTreeSet<(Arc<Holder>, Position, Arc<str>)>,
}

/// What became of a message that is to be retained.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is the topic's newest, or removed the one before.
    Kept,
    /// The topic has a newer one: this one is not to be stored either, or it would come back with a restart.
    Outdated,
}

impl Retained {
    pub(crate) fn new(count_max: usize, bytes_max: usize) -> Self {
        Retained { messages: BTreeMap::new(), bytes: 0, count_max, bytes_max, newest: Position::START, crowd: None }
    }

    /// Keeps the message in place of the one before; one with an empty payload removes it (MQTT-3.3.1-6). What the
    /// log has later wins, whichever connection comes first. Afterwards whoever has most may have to give way:
    /// [`Retained::gives_way`].
    pub(crate) fn put(&mut self, position: Position, message: &Arc<Message>, of: &Arc<Holder>) -> Put {
        self.newest = self.newest.max(position);
        let topic = Topic(Arc::clone(&message.topic));
        if self.messages.get(&topic).is_some_and(|known| known.kept.0 > position) {
            return Put::Outdated;
        }
        self.remove(&topic);
        if !message.payload.is_empty() {
            let held = Held { kept: (position, Arc::clone(message)), of: Arc::clone(of) };
            self.bytes += message.bytes();
            if let Some(crowd) = &mut self.crowd {
                crowd.add(&held);
            }
            self.messages.insert(topic, held);
        }
        Put::Kept
    }

    /// Takes out a message, if there are too many: of whoever has most the oldest. To be asked until there is none.
    pub(crate) fn gives_way(&mut self) -> Option<(Kept, Arc<Holder>)> {
        let (is_too_large, is_too_many) = (self.bytes > self.bytes_max, self.messages.len() > self.count_max);
        if !is_too_large && !is_too_many {
            return None;
        }
        let crowd = self.crowd.get_or_insert_with(|| {
            let mut crowd = Crowd::default();
            self.messages.values().for_each(|held| crowd.add(held));
            crowd
        });
        let largest = Arc::new(if is_too_large { crowd.bytes.largest() } else { crowd.counts.largest() }?);
        let (.., topic) = crowd.in_turn.range((largest, Position::START, Arc::default())..).next()?;
        let topic = Topic(Arc::clone(topic));
        self.remove(&topic).map(|held| (held.kept, held.of))
    }

    fn remove(&mut self, topic: &Topic) -> Option<Held> {
        let held = self.messages.remove(topic)?;
        self.bytes -= held.kept.1.bytes();
        if let Some(crowd) = &mut self.crowd {
            crowd.remove(&held);
        }
        let (few, small) = (self.count_max - self.count_max / 8, self.bytes_max - self.bytes_max / 8);
        if self.messages.len() < few && self.bytes < small {
            self.crowd = None;
        }
        Some(held)
    }

    /// Takes the walk on by at most `steps` steps, each a look into the order, and gives what it finds first. `None`: it
    /// [`Walk::is_over`], or the steps are used up.
    pub(crate) fn next(&self, walk: &mut Walk, steps: &mut usize) -> Option<Kept> {
        while *steps > 0 && !walk.is_over() {
            *steps -= 1;
            let found = walk.from().and_then(|from| self.messages.range(from..).next());
            if let Some((topic, held)) = found
                && walk.meet(&topic.0)
            {
                return Some(held.kept.clone());
            }
            if found.is_none() {
                walk.end();
            }
        }
        None
    }

    /// Number and bytes of the messages kept.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.messages.len(), self.bytes)
    }

    /// Place in the log of the newest that ever came.
    pub(crate) fn newest(&self) -> Position {
        self.newest
    }
}

impl Crowd {
    fn add(&mut self, held: &Held) {
        let (position, message) = &held.kept;
        self.counts.add(&held.of, 1);
        self.bytes.add(&held.of, message.bytes());
        self.in_turn.insert((Arc::clone(&held.of), *position, Arc::clone(&message.topic)));
    }

    fn remove(&mut self, held: &Held) {
        let (position, message) = &held.kept;
        self.counts.remove(&held.of, 1);
        self.bytes.remove(&held.of, message.bytes());
        self.in_turn.remove(&(Arc::clone(&held.of), *position, Arc::clone(&message.topic)));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::topics::matches;

    fn message(topic: &str, payload: &'static [u8]) -> Arc<Message> {
        Arc::new(Message::for_tests(topic, payload))
    }

    fn holding(topics: impl IntoIterator<Item = String>) -> Retained {
        let mut retained = Retained::new(1_000_000, usize::MAX);
        for (n, topic) in topics.into_iter().enumerate() {
            assert_eq!(retained.put(Position(n as u64 + 1), &message(&topic, b"x"), &nobody()), Put::Kept);
        }
        retained
    }

    /// Topics the filter finds, in their order, and in how many steps.
    fn find(retained: &Retained, filter: &str) -> (Vec<String>, usize) {
        let (mut walk, mut left, mut found) = (Walk::new(Arc::from(filter)), usize::MAX, Vec::new());
        while let Some((_, message)) = retained.next(&mut walk, &mut left) {
            found.push(message.topic.to_string());
        }
        assert!(walk.is_over());
        (found, usize::MAX - left)
    }

    #[test]
    fn an_empty_payload_removes_and_the_later_position_wins() {
        let mut retained = Retained::new(10, 10_000);
        assert_eq!(retained.put(Position(5), &message("a", b"new"), &nobody()), Put::Kept);
        assert_eq!(retained.put(Position(4), &message("a", b"old"), &nobody()), Put::Outdated);
        let (mut walk, mut steps) = (Walk::new(Arc::from("a")), 10);
        assert_eq!(&retained.next(&mut walk, &mut steps).expect("it is there").1.payload[..], b"new");
        assert_eq!(retained.put(Position(6), &message("a", b""), &nobody()), Put::Kept);
        assert_eq!((find(&retained, "#").0.len(), retained.size(), retained.newest()), (0, (0, 0), Position(6)));
    }

    fn nobody() -> Arc<Holder> {
        named("nobody")
    }

    fn named(client: &str) -> Arc<Holder> {
        Arc::new((tidegate_telemetry::Owner::Unknown, client.into()))
    }

    /// Puts a message, and says which topics gave way.
    fn crowds(
        retained: &mut Retained,
        position: u64,
        topic: &str,
        payload: &'static [u8],
        client: &str,
    ) -> Vec<String> {
        assert_eq!(retained.put(Position(position), &message(topic, payload), &named(client)), Put::Kept);
        std::iter::from_fn(|| retained.gives_way()).map(|((_, gone), _)| gone.topic.to_string()).collect()
    }

    #[test]
    fn past_its_bounds_the_oldest_of_whoever_has_most_gives_way() {
        let mut retained = Retained::new(4, 10_000);
        assert!(crowds(&mut retained, 1, "honest", b"1", "h").is_empty());
        for at in 2..5 {
            assert!(crowds(&mut retained, at, &format!("rude/{at}"), b"1", "r").is_empty());
        }
        assert!(crowds(&mut retained, 5, "rude/2", b"2", "r").is_empty(), "what is there may change");
        assert_eq!(crowds(&mut retained, 6, "rude/6", b"1", "r"), ["rude/3"]);
        assert_eq!(crowds(&mut retained, 7, "new", b"1", "n"), ["rude/4"]);
        assert!(crowds(&mut retained, 8, "new", b"", "n").is_empty());
        assert_eq!(find(&retained, "#").0, ["honest", "rude/2", "rude/6"]);
        let mut small = Retained::new(10, 3);
        assert_eq!(crowds(&mut small, 1, "a", b"1234", "r"), ["a"], "it is larger than all may be");
        assert_eq!(small.size(), (0, 0));
    }

    #[test]
    fn bytes_are_shared_as_messages_are() {
        let each = message("r/1", &[7; 100]).bytes();
        let mut retained = Retained::new(100, 4 * each);
        assert!(crowds(&mut retained, 1, "h/1", &[7; 100], "h").is_empty());
        let gone: Vec<_> =
            (2..20).flat_map(|at| crowds(&mut retained, at, &format!("r/{at}"), &[7; 100], "r")).collect();
        assert!(gone.len() >= 14 && gone.iter().all(|topic| topic.starts_with("r/")), "{gone:?}");
        assert_eq!(find(&retained, "h/#").0, ["h/1"]);
    }

    fn level() -> impl Strategy<Value = &'static str> {
        prop_oneof![Just("a"), Just("ab"), Just("a!"), Just("b"), Just(""), Just("$s"), Just("\u{1}"), Just("é")]
    }

    fn topic() -> impl Strategy<Value = String> {
        prop::collection::vec(level(), 1..5)
            .prop_map(|levels| levels.join("/"))
            .prop_filter("a name", |t| !t.is_empty())
    }

    fn filter() -> impl Strategy<Value = String> {
        let level = prop_oneof![2 => level(), 1 => Just("+")];
        (prop::collection::vec(level, 0..5), any::<bool>())
            .prop_map(|(mut levels, all_below)| {
                levels.extend(all_below.then_some("#"));
                levels.join("/")
            })
            .prop_filter("a filter", |filter| !filter.is_empty())
    }

    proptest! {
        #[test]
        fn a_walk_finds_what_the_filter_matches_one_by_one_once_and_in_order(
            topics in prop::collection::btree_set(topic(), 0..40),
            filter in filter(),
        ) {
            let (found, _) = find(&holding(topics.iter().cloned()), &filter);
            let expected: BTreeSet<&String> = topics.iter().filter(|topic| matches(&filter, topic)).collect();
            prop_assert_eq!(found.len(), expected.len());
            prop_assert_eq!(found.iter().collect::<BTreeSet<_>>(), expected);
            prop_assert!(found.windows(2).all(|two| Topic(Arc::from(&*two[0])) < Topic(Arc::from(&*two[1]))));
        }

        #[test]
        fn what_stays_is_found_though_others_come_and_go_between_the_steps(
            before in prop::collection::btree_set(topic(), 1..20),
            changes in prop::collection::vec((topic(), any::<bool>()), 0..20),
            filter in filter(),
        ) {
            let mut retained = holding(before.iter().cloned());
            let (mut walk, mut found) = (Walk::new(Arc::from(&*filter)), Vec::new());
            let mut changes = changes.into_iter().enumerate();
            let mut changed = BTreeSet::new();
            while !walk.is_over() {
                found.extend(retained.next(&mut walk, &mut 1).map(|(_, message)| message.topic.to_string()));
                if let Some((n, (topic, comes))) = changes.next() {
                    let payload: &[u8] = if comes { b"x" } else { b"" };
                    prop_assert_eq!(retained.put(Position(1000 + n as u64), &message(&topic, payload), &nobody()), Put::Kept);
                    changed.insert(topic);
                }
            }
            for topic in before.iter().filter(|topic| !changed.contains(*topic)) {
                prop_assert_eq!(found.iter().filter(|found| *found == topic).count(), usize::from(matches(&filter, topic)));
            }
            let once: BTreeSet<&String> = found.iter().collect();
            prop_assert_eq!(once.len(), found.len());
        }
    }

    #[test]
    fn a_filter_costs_by_what_it_matches_and_not_by_what_is_retained() {
        let steps = |devices: usize, filter: &str| {
            let topics = (0..devices).flat_map(|n| ["a", "b", "c"].map(|metric| format!("dev/{n}/{metric}")));
            find(&holding(topics), filter).1
        };
        for filter in ["dev/7/#", "dev/7/b", "dev/7/+", "dev/none/#", "nothing/at/all", "+/7/b", "$SYS/#", "+/none/#"] {
            let (few, many) = (steps(300, filter), steps(30_000, filter));
            assert!(many <= few + 2 && many <= 12, "{filter}: {few} steps among 900 messages, {many} among 90,000");
        }
        // Once for every name of the level, however much is below it.
        assert!(steps(1000, "dev/+/b") <= 2 * 1000 + 2);
        assert!(steps(1000, "dev/+/none") <= 2 * 1000 + 2);
        assert!(steps(1000, "+/+/none/x") <= 4 * 1000 + 2);
    }

    #[test]
    fn a_walk_stops_when_its_steps_are_used_up_and_goes_on_where_it_stood() {
        let retained = holding((0..100).map(|n| format!("{n:03}/x")));
        let mut walk = Walk::new(Arc::from("+/y"));
        let mut rounds = 0;
        while !walk.is_over() {
            let mut steps = 10;
            assert!(retained.next(&mut walk, &mut steps).is_none());
            assert!(steps == 0 || walk.is_over());
            rounds += 1;
        }
        assert!((10..=25).contains(&rounds), "{rounds}");
    }
}
