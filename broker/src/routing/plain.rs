use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

/// Who subscribed to filters without `+`: such a filter matches a topic only if it is the topic, or a beginning of it with
/// `/#`, so it is found by a hash of its text. The time this takes grows with the topic's levels and the matches, not with
/// the number of subscriptions.
///
/// The text itself is not held here, the subscriber has it: whoever looks asks each one that is found whether it really
/// has the filter. Filters come from clients, so the hash is keyed, and nobody can have many of them meet.
#[derive(Debug)]
pub(crate) struct PlainFilters<T, K = RandomState> {
    first: HashMap<u64, T, BuildHasherDefault<Hashed>>,
    /// Further subscribers, where there are; most filters have one.
    further: HashMap<u64, Vec<T>, BuildHasherDefault<Hashed>>,
    key: K,
}

/// Whether a filter is one of [`PlainFilters`].
pub(crate) fn is_plain(filter: &str) -> bool {
    !filter.contains('+')
}

/// Passes a hash through.
#[derive(Debug, Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, _: &[u8]) {
        unreachable!("hashes are written as one number");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl<T, K: BuildHasher + Default> PlainFilters<T, K> {
    pub(crate) fn new() -> Self {
        PlainFilters { first: HashMap::default(), further: HashMap::default(), key: K::default() }
    }

    /// Number of subscriptions.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.further.values().map(Vec::len).sum::<usize>()
    }

    /// Whether it holds nothing.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn is_bare(&self) -> bool {
        self.first.is_empty() && self.further.is_empty()
    }

    /// Adds a subscriber of the filter, which is not among them yet.
    pub(crate) fn insert(&mut self, filter: &str, subscriber: T) {
        let hash = self.key.hash_one(filter);
        match self.first.entry(hash) {
            Entry::Vacant(place) => {
                place.insert(subscriber);
            }
            Entry::Occupied(_) => self.further.entry(hash).or_default().push(subscriber),
        }
    }

    /// Removes the subscriber of the filter that is meant. Returns whether there was one.
    pub(crate) fn remove(&mut self, filter: &str, is_it: impl Fn(&T) -> bool) -> bool {
        let hash = self.key.hash_one(filter);
        let Some(first) = self.first.get_mut(&hash) else { return false };
        let Some(further) = self.further.get_mut(&hash) else {
            return is_it(first) && self.first.remove(&hash).is_some();
        };
        let was_there = match further.iter().position(&is_it) {
            Some(at) => {
                further.swap_remove(at);
                true
            }
            None if is_it(first) => further.pop().map(|next| *first = next).is_some(),
            None => false,
        };
        if further.is_empty() {
            self.further.remove(&hash);
        }
        was_there
    }

    /// Calls `found` for every subscriber of a filter that matches the topic name, with the filter it is to have.
    pub(crate) fn for_each_match<'a>(&'a self, topic: &str, mut found: impl FnMut(&str, &'a T)) {
        if self.first.is_empty() {
            return;
        }
        let mut filter = String::with_capacity(topic.len() + 2);
        filter.push_str(topic);
        self.look(&filter, &mut found);
        let mut beginning = Some(topic.len());
        while let Some(end) = beginning {
            filter.truncate(end);
            beginning = filter.rfind('/');
            filter.push_str("/#");
            self.look(&filter, &mut found);
        }
        // A wildcard in the first level does not match topics that begin with $ (MQTT-4.7.2-1).
        if !topic.starts_with('$') {
            self.look("#", &mut found);
        }
    }

    fn look<'a>(&'a self, filter: &str, found: &mut impl FnMut(&str, &'a T)) {
        let hash = self.key.hash_one(filter);
        let Some(first) = self.first.get(&hash) else { return };
        found(filter, first);
        if let Some(further) = self.further.get(&hash) {
            further.iter().for_each(|subscriber| found(filter, subscriber));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::topics::matches;

    /// A filter, and whose it is.
    type Subscriber = (String, u64);

    /// All filters meet, in one of two places.
    #[derive(Debug, Default)]
    struct Meeting(u64);

    impl Hasher for Meeting {
        fn write(&mut self, bytes: &[u8]) {
            self.0 ^= bytes.len() as u64 & 1;
        }

        fn finish(&self) -> u64 {
            self.0
        }
    }

    fn found<K: BuildHasher + Default>(filters: &PlainFilters<Subscriber, K>, topic: &str) -> BTreeSet<u64> {
        let mut sessions = BTreeSet::new();
        filters.for_each_match(topic, |filter, (of, session)| {
            if filter == of {
                assert!(sessions.insert(*session), "found once");
            }
        });
        sessions
    }

    fn agrees<K: BuildHasher + Default>(filters: &[(String, bool)], topics: &[String]) -> Result<(), TestCaseError> {
        let mut plain = PlainFilters::<Subscriber, K>::new();
        for (session, (filter, _)) in filters.iter().enumerate() {
            plain.insert(filter, (filter.clone(), session as u64));
        }
        for (session, (filter, keep)) in filters.iter().enumerate() {
            let is_it = |subscriber: &Subscriber| *subscriber == (filter.clone(), session as u64);
            prop_assert!(*keep || plain.remove(filter, is_it) && !plain.remove(filter, is_it));
        }
        let kept = || filters.iter().enumerate().filter(|(_, (_, keep))| *keep);
        prop_assert_eq!((plain.len(), plain.is_bare()), (kept().count(), kept().count() == 0));
        for topic in topics {
            let hits = kept().filter(|(_, (filter, _))| matches(filter, topic));
            let expected: BTreeSet<u64> = hits.map(|(session, _)| session as u64).collect();
            prop_assert_eq!(found(&plain, topic), expected, "{}", topic);
        }
        Ok(())
    }

    fn path(levels: std::ops::Range<usize>) -> impl Strategy<Value = String> {
        let level = prop_oneof![Just("a"), Just("b"), Just(""), Just("$s")];
        prop::collection::vec(level, levels).prop_map(|levels| levels.join("/"))
    }

    fn filter() -> impl Strategy<Value = String> {
        (path(1..4), any::<bool>()).prop_map(|(path, all_below)| match (all_below, path.is_empty()) {
            (true, _) => format!("{path}/#"),
            (false, true) => "#".to_owned(),
            (false, false) => path,
        })
    }

    proptest! {
        #[test]
        fn what_is_found_by_hash_is_what_the_filters_match_one_by_one(
            filters in prop::collection::vec((filter(), any::<bool>()), 0..12),
            topics in prop::collection::vec(path(1..5).prop_filter("a name", |topic| !topic.is_empty()), 1..6),
        ) {
            agrees::<RandomState>(&filters, &topics)?;
            agrees::<BuildHasherDefault<Meeting>>(&filters, &topics)?;
        }
    }

    #[test]
    fn neither_many_filters_nor_many_subscribers_of_others_slow_a_new_topic_down() {
        let mut plain: PlainFilters<Subscriber> = PlainFilters::new();
        for n in 0..10_000 {
            let filter = format!("site/b/floor{}/dev{n}/#", n % 40);
            plain.insert(&filter, (filter.clone(), n));
            plain.insert("commands/all", ("commands/all".to_owned(), n));
        }
        let start = Instant::now();
        for n in 0..1000 {
            assert_eq!(found(&plain, &format!("site/b/floor{}/dev{n}/t", n % 40)).len(), 1);
        }
        let each = start.elapsed() / 1000;
        assert!(each.as_micros() < 50, "{each:?} a match");
    }
}
