//! Things in the order they came, on shelves behind counted references: a copy shares them, as in `shards`.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Things that are copied together when one of them is changed while a copy lives.
const SHELF: usize = 32;

/// A map to which only keys beyond all others are added. As with [`Shards`](crate::shards::Shards) a copy shares all with
/// the original, and what changes while it lives is copied then, with its neighbours.
#[derive(Debug, Clone)]
pub(crate) struct Shelves<K, V> {
    /// By the first key that was put there; none is empty.
    shelves: BTreeMap<K, Arc<Vec<(K, V)>>>,
}

impl<K, V> Default for Shelves<K, V> {
    fn default() -> Self {
        Shelves { shelves: BTreeMap::new() }
    }
}

impl<K: Ord + Copy, V> Shelves<K, V> {
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let (_, shelf) = self.shelves.range(..=key).next_back()?;
        let place = shelf.binary_search_by_key(key, |(key, _)| *key).ok()?;
        Some(&shelf[place].1)
    }

    /// All things, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shelves.values().flat_map(|shelf| shelf.iter()).map(|(key, value)| (key, value))
    }
}

impl<K: Ord + Copy, V: Clone> Shelves<K, V> {
    /// Adds a thing whose key is beyond all others.
    pub(crate) fn push(&mut self, key: K, value: V) {
        match self.shelves.last_entry() {
            Some(mut last) if last.get().len() < SHELF => Arc::make_mut(last.get_mut()).push((key, value)),
            _ => drop(self.shelves.insert(key, Arc::new(vec![(key, value)]))),
        }
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (_, shelf) = self.shelves.range_mut(..=key).next_back()?;
        let place = shelf.binary_search_by_key(key, |(key, _)| *key).ok()?;
        Some(&mut Arc::make_mut(shelf)[place].1)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (&first, shelf) = self.shelves.range_mut(..=key).next_back()?;
        let place = shelf.binary_search_by_key(key, |(key, _)| *key).ok()?;
        let (_, value) = Arc::make_mut(shelf).remove(place);
        if shelf.is_empty() {
            self.shelves.remove(&first);
        }
        Some(value)
    }
}

impl<'de, K: Ord + Copy + Deserialize<'de>, V: Clone + Deserialize<'de>> Deserialize<'de> for Shelves<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ShelvesVisitor(PhantomData))
    }
}

struct ShelvesVisitor<K, V>(PhantomData<(K, V)>);

impl<'de, K: Ord + Copy + Deserialize<'de>, V: Clone + Deserialize<'de>> Visitor<'de> for ShelvesVisitor<K, V> {
    type Value = Shelves<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("things in order")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut things: A) -> Result<Shelves<K, V>, A::Error> {
        let (mut shelves, mut last) = (Shelves::default(), None);
        while let Some((key, value)) = things.next_entry()? {
            if last.is_some_and(|last| last >= key) {
                return Err(A::Error::custom("keys out of order"));
            }
            shelves.push(key, value);
            last = Some(key);
        }
        Ok(shelves)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_found_and_read_is_what_a_plain_map_has(steps in prop::collection::vec((0..4u8, 0..300u32), 0..400)) {
            let (mut shelves, mut plain, mut next) = (Shelves::default(), BTreeMap::new(), 0u32);
            let mut copies = Vec::new();
            for (step, key) in steps {
                match step {
                    0 => prop_assert_eq!(shelves.remove(&key), plain.remove(&key)),
                    1 => prop_assert_eq!(shelves.get_mut(&key).map(|value| *value += 1), plain.get_mut(&key).map(|value| *value += 1)),
                    _ => {
                        next += 1 + key % 3;
                        shelves.push(next, key);
                        plain.insert(next, key);
                    }
                }
                if key % 50 == 0 {
                    copies.push((shelves.clone(), plain.clone()));
                }
                prop_assert_eq!(shelves.get(&key), plain.get(&key));
            }
            copies.push((shelves, plain));
            for (shelves, plain) in copies {
                prop_assert!(shelves.iter().eq(&plain));
                let bytes = postcard::to_stdvec(&plain).unwrap();
                let read: Shelves<u32, u32> = postcard::from_bytes(&bytes).unwrap();
                prop_assert!(read.iter().eq(&plain));
            }
        }
    }
}
