use std::collections::HashMap;

use super::by_number::ByNumber;

/// Who subscribed to which filters with `+`, and shared subscriptions: finds those that match a topic name in time that
/// grows with the topic's levels and the matches, not with the number of subscriptions.
///
/// Level names come from clients, so the maps keep the standard hasher, which cannot be attacked with collisions.
#[derive(Debug)]
pub(crate) struct TopicTrie<S> {
    nodes: Vec<Node<S>>,
    free: Vec<u32>,
    subscriptions: usize,
}

#[derive(Debug)]
struct Node<S> {
    /// Most nodes are at the end of a filter and have none.
    #[expect(clippy::box_collection, reason = "a map in place is 40 bytes more, and there may be many nodes")]
    children: Option<Box<HashMap<Box<str>, u32>>>,
    /// Child for the level `+`.
    any: Option<u32>,
    /// Subscribers of the filter that ends here, by session.
    here: ByNumber<S>,
    /// Subscribers of the filter that ends here with `/#`, by session.
    below: ByNumber<S>,
}

impl<S> Default for Node<S> {
    fn default() -> Self {
        Node { children: None, any: None, here: ByNumber::new(), below: ByNumber::new() }
    }
}

impl<S> Node<S> {
    fn child(&self, level: &str) -> Option<u32> {
        self.children.as_ref()?.get(level).copied()
    }

    fn forget(&mut self, level: &str) {
        if let Some(children) = &mut self.children {
            children.remove(level);
            if children.is_empty() {
                self.children = None;
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.children.is_none() && self.any.is_none() && self.here.is_empty() && self.below.is_empty()
    }
}

const ROOT: u32 = 0;

impl<S> TopicTrie<S> {
    pub(crate) fn new() -> Self {
        TopicTrie { nodes: vec![Node::default()], free: Vec::new(), subscriptions: 0 }
    }

    /// Number of subscriptions.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn len(&self) -> usize {
        self.subscriptions
    }

    /// Whether it holds nothing but its root.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn is_bare(&self) -> bool {
        self.nodes.len() - self.free.len() == 1 && self.nodes[ROOT as usize].is_empty()
    }

    /// Adds or replaces the subscription of `session` to `filter`, which must be valid. Returns whether it is new.
    pub(crate) fn insert(&mut self, filter: &str, session: u64, subscriber: S) -> bool {
        let (path, all_below) = split(filter);
        let mut at = ROOT;
        for level in path {
            at = self.child_or_new(at, level);
        }
        let node = &mut self.nodes[at as usize];
        let list = if all_below { &mut node.below } else { &mut node.here };
        let is_new = list.insert(session, subscriber);
        self.subscriptions += usize::from(is_new);
        is_new
    }

    /// Removes the subscription of `session` to `filter`. Returns whether there was one.
    pub(crate) fn remove(&mut self, filter: &str, session: u64) -> bool {
        let (path, all_below) = split(filter);
        let mut trail = vec![ROOT];
        let levels: Vec<&str> = path.collect();
        for level in &levels {
            let last = *trail.last().expect("the trail begins with the root");
            match self.child(last, level) {
                Some(next) => trail.push(next),
                None => return false,
            }
        }
        let end = *trail.last().expect("the trail begins with the root");
        let node = &mut self.nodes[end as usize];
        let list = if all_below { &mut node.below } else { &mut node.here };
        if list.remove(session).is_none() {
            return false;
        }
        self.subscriptions -= 1;
        self.prune(&trail, &levels);
        true
    }

    /// Calls `found` for every subscription that matches the topic name; a session that matches by several filters
    /// is found several times.
    pub(crate) fn for_each_match<'a>(&'a self, topic: &str, mut found: impl FnMut(u64, &'a S)) {
        let root = &self.nodes[ROOT as usize];
        let (level, rest) = first_level(topic);
        // Wildcards in the first level do not match topics that begin with $ (MQTT-4.7.2-1).
        if topic.starts_with('$') {
            if let Some(next) = root.child(level) {
                self.walk(next, rest, &mut found);
            }
            return;
        }
        self.walk(ROOT, Some(topic), &mut found);
    }

    fn walk<'a>(&'a self, at: u32, rest: Option<&str>, found: &mut impl FnMut(u64, &'a S)) {
        let node = &self.nodes[at as usize];
        node.below.iter().for_each(|(session, subscriber)| found(*session, subscriber));
        let Some(rest) = rest else {
            node.here.iter().for_each(|(session, subscriber)| found(*session, subscriber));
            return;
        };
        let (level, rest) = first_level(rest);
        if let Some(next) = node.child(level) {
            self.walk(next, rest, found);
        }
        if let Some(next) = node.any {
            self.walk(next, rest, found);
        }
    }

    fn child(&self, at: u32, level: &str) -> Option<u32> {
        let node = &self.nodes[at as usize];
        if level == "+" { node.any } else { node.child(level) }
    }

    fn child_or_new(&mut self, at: u32, level: &str) -> u32 {
        if let Some(next) = self.child(at, level) {
            return next;
        }
        let next = match self.free.pop() {
            Some(reused) => reused,
            None => {
                self.nodes.push(Node::default());
                u32::try_from(self.nodes.len() - 1).expect("subscriptions_max keeps the trie far below 2^32 nodes")
            }
        };
        let node = &mut self.nodes[at as usize];
        if level == "+" {
            node.any = Some(next);
        } else {
            node.children.get_or_insert_default().insert(level.into(), next);
        }
        next
    }

    /// Gives back the nodes at the end of the trail that nothing needs any more.
    fn prune(&mut self, trail: &[u32], levels: &[&str]) {
        for depth in (1..trail.len()).rev() {
            if !self.nodes[trail[depth] as usize].is_empty() {
                return;
            }
            self.nodes[trail[depth] as usize] = Node::default();
            self.free.push(trail[depth]);
            let parent = &mut self.nodes[trail[depth - 1] as usize];
            match levels[depth - 1] {
                "+" => parent.any = None,
                level => parent.forget(level),
            }
        }
    }
}

/// The levels that lead to the filter's node, and whether it ends with `#`.
fn split(filter: &str) -> (impl Iterator<Item = &str>, bool) {
    let (path, all_below) = match filter {
        "#" => (None, true),
        _ => match filter.strip_suffix("/#") {
            Some(path) => (Some(path), true),
            None => (Some(filter), false),
        },
    };
    (path.into_iter().flat_map(|path| path.split('/')), all_below)
}

fn first_level(topic: &str) -> (&str, Option<&str>) {
    match topic.split_once('/') {
        Some((level, rest)) => (level, Some(rest)),
        None => (topic, None),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::topics::matches;

    fn found(trie: &TopicTrie<()>, topic: &str) -> BTreeSet<u64> {
        let mut sessions = BTreeSet::new();
        trie.for_each_match(topic, |session, ()| {
            sessions.insert(session);
        });
        sessions
    }

    fn filter() -> impl Strategy<Value = String> {
        let level = prop_oneof![Just("a"), Just("b"), Just("+"), Just(""), Just("$s")];
        (prop::collection::vec(level, 1..4), any::<bool>()).prop_map(|(levels, all_below)| {
            let path = levels.join("/");
            match (all_below, path.is_empty()) {
                (true, _) => format!("{path}/#"),
                (false, true) => "#".to_owned(),
                (false, false) => path,
            }
        })
    }

    fn topic() -> impl Strategy<Value = String> {
        let level = prop_oneof![Just("a"), Just("b"), Just(""), Just("$s")];
        prop::collection::vec(level, 1..5).prop_map(|levels| levels.join("/")).prop_filter("a name", |t| !t.is_empty())
    }

    proptest! {
        #[test]
        fn the_trie_finds_what_the_filters_match_one_by_one(
            filters in prop::collection::vec((filter(), any::<bool>()), 0..12),
            topics in prop::collection::vec(topic(), 1..6),
        ) {
            let mut trie = TopicTrie::new();
            for (session, (filter, _)) in filters.iter().enumerate() {
                trie.insert(filter, session as u64, ());
            }
            for (session, (filter, keep)) in filters.iter().enumerate() {
                if !keep {
                    prop_assert!(trie.remove(filter, session as u64));
                }
            }
            for topic in &topics {
                let expected: BTreeSet<u64> = filters.iter().enumerate()
                    .filter(|(_, (filter, keep))| *keep && matches(filter, topic))
                    .map(|(session, _)| session as u64).collect();
                prop_assert_eq!(found(&trie, topic), expected, "{}", topic);
            }
        }
    }

    #[test]
    fn an_emptied_trie_holds_no_nodes() {
        let mut trie = TopicTrie::new();
        for filter in ["a/b/c", "a/+/c", "a/#", "#", "+"] {
            assert!(trie.insert(filter, 1, ()));
            assert!(!trie.insert(filter, 1, ()), "replaced, not added");
        }
        assert_eq!(trie.len(), 5);
        for filter in ["a/b/c", "a/+/c", "a/#", "#", "+"] {
            assert!(trie.remove(filter, 1));
            assert!(!trie.remove(filter, 1));
        }
        assert_eq!((trie.len(), trie.is_bare()), (0, true));
    }

    #[test]
    fn ten_thousand_filters_do_not_slow_a_new_topic_down() {
        let mut trie = TopicTrie::new();
        for n in 0..10_000 {
            trie.insert(&format!("site/b/floor{}/dev{n}/+", n % 40), n, ());
        }
        let start = Instant::now();
        for n in 0..1000 {
            assert_eq!(found(&trie, &format!("site/b/floor{}/dev{n}/t", n % 40)).len(), 1);
        }
        let each = start.elapsed() / 1000;
        assert!(each.as_micros() < 50, "{each:?} a match");
    }
}
