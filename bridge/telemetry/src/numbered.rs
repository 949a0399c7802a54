//! Things that come and go, by number; a number that is free is used again, the lowest first.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Places that are given back to the allocator only when three of four are empty, and not below this many.
const PLACES_KEPT: usize = 64;

/// Things by number. The lowest number that is free is given next, so that numbers stay dense, and which one a thing gets
/// follows from those that are taken. Its memory is in proportion to the highest number taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbered<T> {
    /// The last one is taken.
    places: Vec<Option<T>>,
    free: BTreeSet<u32>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Numbered { places: Vec::new(), free: BTreeSet::new() }
    }
}

impl<T> Numbered<T> {
    /// Gives a thing its number.
    pub fn insert(&mut self, thing: T) -> u32 {
        match self.free.pop_first() {
            Some(number) => {
                self.places[number as usize] = Some(thing);
                number
            }
            None => {
                self.places.push(Some(thing));
                self.places.len() as u32 - 1
            }
        }
    }

    /// Takes a thing out; its number is free.
    pub fn remove(&mut self, number: u32) -> Option<T> {
        let thing = self.places.get_mut(number as usize)?.take()?;
        self.free.insert(number);
        while self.places.pop_if(|last| last.is_none()).is_some() {
            self.free.remove(&(self.places.len() as u32));
        }
        if self.places.capacity() > PLACES_KEPT.max(4 * self.places.len()) {
            self.places.shrink_to(PLACES_KEPT.max(2 * self.places.len()));
        }
        Some(thing)
    }

    /// The thing of this number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&T> {
        self.places.get(number as usize)?.as_ref()
    }

    /// The thing of this number.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.places.get_mut(number as usize)?.as_mut()
    }

    /// All things, by number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0u32..).zip(&self.places).filter_map(|(number, thing)| Some((number, thing.as_ref()?)))
    }

    /// How many things there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Every number taken is below.
    #[must_use]
    pub fn end(&self) -> usize {
        self.places.len()
    }
}

impl<T> From<Vec<Option<T>>> for Numbered<T> {
    fn from(mut places: Vec<Option<T>>) -> Self {
        while places.pop_if(|last| last.is_none()).is_some() {}
        let free = (0u32..).zip(&places).filter(|(_, thing)| thing.is_none()).map(|(number, _)| number).collect();
        Numbered { places, free }
    }
}

impl<T: Serialize> Serialize for Numbered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.places.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Numbered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|places: Vec<Option<T>>| places.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_lowest_free_number_is_given_next() {
        let mut things = Numbered::default();
        let given: Vec<u32> = ["a", "b", "c", "d"].map(|thing| things.insert(thing)).into();
        assert_eq!(given, [0, 1, 2, 3]);
        assert_eq!(
            (things.remove(2), things.remove(0), things.remove(0), things.remove(9)),
            (Some("c"), Some("a"), None, None)
        );
        assert_eq!((things.insert("e"), things.insert("f"), things.insert("g")), (0, 2, 4));
        assert_eq!(things.iter().collect::<Vec<_>>(), [(0, &"e"), (1, &"b"), (2, &"f"), (3, &"d"), (4, &"g")]);
    }

    #[test]
    fn places_behind_the_last_thing_are_given_back() {
        let mut things = Numbered::default();
        for thing in 0..10_000 {
            things.insert(thing);
        }
        let removed = (10..10_000).filter_map(|number| things.remove(number)).count();
        assert_eq!(removed, 9_990);
        assert_eq!((things.end(), things.len(), things.free.len()), (10, 10, 0));
        assert!(things.places.capacity() <= PLACES_KEPT);
        things.remove(3);
        assert_eq!((4..10).filter_map(|number| things.remove(number)).count(), 6);
        assert_eq!((things.end(), things.insert(0)), (3, 3));
    }

    #[test]
    fn what_is_free_follows_from_what_is_taken() {
        let mut things = Numbered::default();
        for thing in 0..6_u8 {
            things.insert(thing);
        }
        assert_eq!([1, 4, 5].map(|number| things.remove(number)), [Some(1), Some(4), Some(5)]);
        let read: Numbered<u8> = postcard::from_bytes(&postcard::to_stdvec(&things).unwrap()).unwrap();
        assert_eq!(read, things);
        assert_eq!(Numbered::from(vec![Some(0), None, Some(2), Some(3), None]), things);
    }
}
