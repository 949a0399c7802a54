use std::collections::HashMap;

/// Values by number, each number once, walked in no order. One is added, replaced or removed in a time that does not
/// grow with how many there are; a few, as there nearly always are, are no more than a list.
#[derive(Debug)]
pub(super) enum ByNumber<T> {
    Few(Vec<(u64, T)>),
    Many(Box<Many<T>>),
}

#[derive(Debug)]
pub(super) struct Many<T> {
    list: Vec<(u64, T)>,
    /// Where each stands in it.
    places: HashMap<u64, usize>,
}

/// So many are looked through.
const FEW_MAX: usize = 32;

impl<T> ByNumber<T> {
    pub(super) const fn new() -> Self {
        ByNumber::Few(Vec::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list().is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(u64, T)> {
        self.list().iter()
    }

    /// Adds or replaces a value. Returns whether the number is new.
    pub(super) fn insert(&mut self, number: u64, value: T) -> bool {
        if let Some(place) = self.place(number) {
            self.list_mut()[place].1 = value;
            return false;
        }
        match self {
            ByNumber::Few(list) if list.len() < FEW_MAX => {
                if list.is_empty() {
                    // Most have one, and a vector begins with room for four.
                    list.reserve_exact(1);
                }
                list.push((number, value));
            }
            ByNumber::Few(list) => {
                let mut list = std::mem::take(list);
                list.push((number, value));
                let places = list.iter().enumerate().map(|(place, (number, _))| (*number, place)).collect();
                *self = ByNumber::Many(Box::new(Many { list, places }));
            }
            ByNumber::Many(many) => {
                many.places.insert(number, many.list.len());
                many.list.push((number, value));
            }
        }
        true
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        let place = self.place(number)?;
        let removed = self.list_mut().swap_remove(place).1;
        if let ByNumber::Many(many) = self {
            many.places.remove(&number);
            if let Some((moved, _)) = many.list.get(place) {
                many.places.insert(*moved, place);
            }
            // Half as many, so that one that comes and goes does not build it anew each time.
            if many.list.len() <= FEW_MAX / 2 {
                *self = ByNumber::Few(std::mem::take(&mut many.list));
            }
        }
        Some(removed)
    }

    fn place(&self, number: u64) -> Option<usize> {
        match self {
            ByNumber::Few(list) => list.iter().position(|(of, _)| *of == number),
            ByNumber::Many(many) => many.places.get(&number).copied(),
        }
    }

    fn list(&self) -> &[(u64, T)] {
        match self {
            ByNumber::Few(list) => list,
            ByNumber::Many(many) => &many.list,
        }
    }

    fn list_mut(&mut self) -> &mut Vec<(u64, T)> {
        match self {
            ByNumber::Few(list) => list,
            ByNumber::Many(many) => &mut many.list,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_would(steps in prop::collection::vec((any::<bool>(), 0..80_u64, any::<u8>()), 0..400)) {
            let (mut numbered, mut map) = (ByNumber::new(), BTreeMap::new());
            for (adds, number, value) in steps {
                match adds {
                    true => prop_assert_eq!(numbered.insert(number, value), map.insert(number, value).is_none()),
                    false => prop_assert_eq!(numbered.remove(number), map.remove(&number)),
                }
                prop_assert_eq!(numbered.is_empty(), map.is_empty());
            }
            prop_assert_eq!(numbered.iter().copied().collect::<BTreeMap<_, _>>(), map);
        }
    }

    #[test]
    fn it_is_no_larger_than_a_list() {
        assert_eq!(size_of::<ByNumber<u64>>(), size_of::<Vec<u64>>());
    }
}
