//! Things by number, in shards behind counted references: a copy shares them, and a shard is copied when it changes.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Things that are copied together when one of them is changed while a copy lives.
const SHARD: usize = 16;

/// Things by number, as [`tidegate_telemetry::Numbered`]: the lowest number that is free is given next.
///
/// A copy of the [places](Places) shares all things with the original. Whoever is changed while it lives is copied first,
/// with its neighbours, so no change ever waits for more than a shard.
#[derive(Debug)]
pub(crate) struct Shards<T> {
    places: Places<T>,
    free: BTreeSet<u32>,
}

/// The things alone: which numbers are free follows from those that are taken.
#[derive(Debug)]
pub(crate) struct Places<T> {
    shards: Vec<Shard<T>>,
    /// Every number taken is below; the one right below is taken.
    end: usize,
}

type Shard<T> = Arc<[Option<T>; SHARD]>;

impl<T> Default for Shards<T> {
    fn default() -> Self {
        Shards { places: Places::default(), free: BTreeSet::new() }
    }
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Places { shards: Vec::new(), end: 0 }
    }
}

impl<T> Clone for Places<T> {
    fn clone(&self) -> Self {
        Places { shards: self.shards.clone(), end: self.end }
    }
}

impl<T> Places<T> {
    fn get(&self, number: u32) -> Option<&T> {
        self.shards.get(number as usize / SHARD)?[number as usize % SHARD].as_ref()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&T>> {
        self.shards.iter().flat_map(|shard| shard.iter()).map(Option::as_ref).take(self.end)
    }
}

impl<T: Clone> Places<T> {
    fn at_mut(&mut self, number: u32) -> &mut Option<T> {
        &mut Arc::make_mut(&mut self.shards[number as usize / SHARD])[number as usize % SHARD]
    }

    fn push(&mut self, thing: Option<T>) -> u32 {
        let number = self.end as u32;
        if self.end == self.shards.len() * SHARD {
            self.shards.push(Arc::new([const { None }; SHARD]));
        }
        self.end += 1;
        *self.at_mut(number) = thing;
        number
    }
}

impl<T: Clone> Shards<T> {
    /// Gives a thing its number.
    pub(crate) fn insert(&mut self, thing: T) -> u32 {
        match self.free.pop_first() {
            Some(number) => {
                *self.places.at_mut(number) = Some(thing);
                number
            }
            None => self.places.push(Some(thing)),
        }
    }

    /// Takes a thing out; its number is free.
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        self.get(number)?;
        let thing = self.places.at_mut(number).take();
        self.free.insert(number);
        self.trim();
        thing
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        if number as usize >= self.places.end {
            return None;
        }
        self.places.at_mut(number).as_mut()
    }

    /// Gives places behind the last thing back.
    fn trim(&mut self) {
        while let Some(last) = self.places.end.checked_sub(1)
            && self.get(last as u32).is_none()
        {
            self.places.end = last;
            self.free.remove(&(last as u32));
        }
        self.places.shards.truncate(self.places.end.div_ceil(SHARD));
    }

    /// Changes each thing, in the order of the numbers.
    pub(crate) fn each_mut(&mut self, change: impl FnMut(&mut T)) {
        self.places.shards.iter_mut().flat_map(Arc::make_mut).flatten().for_each(change);
    }
}

impl<T> Shards<T> {
    /// Each thing as another one, under its number.
    pub(crate) fn map<U: Clone>(self, change: impl Fn(T) -> U) -> Shards<U>
    where
        T: Clone,
    {
        self.places.iter().map(|thing| thing.cloned().map(&change)).collect()
    }

    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.places.get(number)
    }

    /// All things, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0u32..).zip(self.places.iter()).filter_map(|(number, thing)| Some((number, thing?)))
    }

    /// How many things there are.
    pub(crate) fn len(&self) -> usize {
        self.places.end - self.free.len()
    }

    /// A copy of all as they are now, which the next changes do not reach.
    pub(crate) fn places(&self) -> Places<T> {
        self.places.clone()
    }
}

impl<T: Clone> FromIterator<Option<T>> for Shards<T> {
    fn from_iter<I: IntoIterator<Item = Option<T>>>(things: I) -> Self {
        let mut shards = Shards::default();
        for thing in things {
            let is_free = thing.is_none();
            let number = shards.places.push(thing);
            if is_free {
                shards.free.insert(number);
            }
        }
        shards.trim();
        shards
    }
}

impl<'de, T: Clone + Deserialize<'de>> Deserialize<'de> for Shards<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ShardsVisitor(PhantomData))
    }
}

struct ShardsVisitor<T>(PhantomData<T>);

impl<'de, T: Clone + Deserialize<'de>> Visitor<'de> for ShardsVisitor<T> {
    type Value = Shards<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("things by number")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut things: A) -> Result<Shards<T>, A::Error> {
        std::iter::from_fn(|| things.next_element::<Option<T>>().transpose()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;

    use proptest::prelude::*;
    use tidegate_telemetry::Numbered;

    use super::*;

    thread_local! {
        static COPIES: Cell<usize> = const { Cell::new(0) };
    }

    #[derive(Debug, Default)]
    struct Counted(u32);

    impl Clone for Counted {
        fn clone(&self) -> Self {
            COPIES.set(COPIES.get() + 1);
            Counted(self.0)
        }
    }

    #[test]
    fn only_the_neighbours_of_what_changes_while_a_copy_lives_are_copied_and_once() {
        let mut shards: Shards<Counted> = (0..100_000).map(|number| Some(Counted(number))).collect();
        let copy = shards.places();
        assert_eq!(COPIES.get(), 0);
        for number in [50_000, 50_001, 50_000] {
            shards.get_mut(number).unwrap().0 = 7;
            assert_eq!(COPIES.get(), SHARD, "{number}");
        }
        assert_eq!((copy.get(50_000).unwrap().0, shards.get(50_000).unwrap().0), (50_000, 7));
        shards.get_mut(99_999).unwrap();
        assert_eq!(COPIES.get(), 2 * SHARD);
        drop(copy);
        shards.each_mut(|thing| thing.0 = 1);
        assert_eq!(COPIES.get(), 2 * SHARD);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert,
        Remove(u32),
        Copy,
        Restore,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![5 => Just(Step::Insert), 4 => (0..70u32).prop_map(Step::Remove), 1 => Just(Step::Copy), 1 => Just(Step::Restore)]
    }

    proptest! {
        #[test]
        fn numbers_and_places_are_those_of_plain_ones(steps in prop::collection::vec(step(), 0..200)) {
            let (mut shards, mut plain, mut copies) = (Shards::default(), Numbered::default(), Vec::new());
            for (thing, step) in (0u32..).zip(steps) {
                match step {
                    Step::Insert => prop_assert_eq!(shards.insert(thing), plain.insert(thing)),
                    Step::Remove(number) => prop_assert_eq!(shards.remove(number), plain.remove(number)),
                    Step::Copy => copies.push((shards.places(), plain.clone())),
                    Step::Restore => {
                        shards = postcard::from_bytes(&postcard::to_stdvec(&plain).unwrap()).unwrap();
                    }
                }
                prop_assert!(shards.iter().eq(plain.iter()));
                prop_assert_eq!(shards.len(), plain.len());
                prop_assert_eq!(shards.get_mut(69), plain.get_mut(69));
            }
            for (copy, plain) in copies {
                let places: Vec<Option<&u32>> = (0..plain.end() as u32).map(|number| plain.get(number)).collect();
                prop_assert!(copy.iter().eq(places));
            }
        }
    }
}
