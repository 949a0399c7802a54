#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Fields, read, read_as, read_next, read_varint, unzigzag, write, write_varint, zigzag};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    Text(Arc<str>),
    Pair(u8, i16),
    Named { since_ms: i64, is_on: bool },
}

/// What an earlier program knows of a thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Thing {
    name: Arc<str>,
    kinds: Vec<Kind>,
    parent: Option<Box<Thing>>,
}

/// What a later one does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Grown {
    name: Arc<str>,
    kinds: Vec<Kind>,
    parent: Option<Box<Grown>>,
    #[serde(default)]
    address: Option<IpAddr>,
    #[serde(default)]
    by_number: BTreeMap<u16, f64>,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Plain),
        "[a-zä]{0,200}".prop_map(|text| Kind::Text(text.into())),
        any::<(u8, i16)>().prop_map(|(first, second)| Kind::Pair(first, second)),
        any::<(i64, bool)>().prop_map(|(since_ms, is_on)| Kind::Named { since_ms, is_on }),
    ]
}

fn grown() -> impl Strategy<Value = Grown> {
    let one =
        |parent: Option<Box<Grown>>| {
            let by_number = prop::collection::btree_map(any::<u16>(), -1e9..1e9, 0..20);
            let kinds = prop::collection::vec(kind(), 0..9);
            (".{0,9}", kinds, any::<Option<IpAddr>>(), by_number).prop_map(move |(name, kinds, address, by_number)| {
                Grown { name: name.into(), kinds, parent: parent.clone(), address, by_number }
            })
        };
    prop_oneof![one(None), one(None).prop_flat_map(move |parent| one(Some(Box::new(parent))))]
}

fn then(grown: &Grown) -> Thing {
    let parent = grown.parent.as_deref().map(|parent| Box::new(then(parent)));
    Thing { name: grown.name.clone(), kinds: grown.kinds.clone(), parent }
}

fn written(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(value, &mut bytes).unwrap();
    bytes
}

fn later(thing: &Thing) -> Grown {
    let parent = thing.parent.as_deref().map(|parent| Box::new(later(parent)));
    let (name, kinds) = (thing.name.clone(), thing.kinds.clone());
    Grown { name, kinds, parent, address: None, by_number: BTreeMap::new() }
}

fn nothing_else<T: DeserializeOwned + std::fmt::Debug>(bytes: &[u8]) {
    for cut in 0..bytes.len() {
        assert!(read::<T>(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    assert!(read::<T>(&[bytes, &[0]].concat()).is_err());
}

proptest! {
    #[test]
    fn a_value_comes_back_as_it_was_written_and_a_cut_one_is_refused(value in grown()) {
        let bytes = written(&value);
        prop_assert_eq!(read::<Grown>(&bytes), Ok(value));
        nothing_else::<Grown>(&bytes);
    }

    #[test]
    fn an_earlier_reader_skips_fields_and_a_later_one_gives_them_their_default(values in prop::collection::vec(grown(), 0..4)) {
        let earlier: Vec<Thing> = values.iter().map(then).collect();
        prop_assert_eq!(read::<Vec<Thing>>(&written(&values)).unwrap(), earlier.clone());
        let defaulted: Vec<Grown> = earlier.iter().map(later).collect();
        prop_assert_eq!(read::<Vec<Grown>>(&written(&earlier)).unwrap(), defaulted);
    }

    #[test]
    fn what_postcard_wrote_is_read_by_whoever_knows_how_many_fields_there_were(value in grown()) {
        let fields = Fields::Counted(|name| (name == "Grown").then_some(3));
        let bytes = postcard::to_stdvec(&then(&value)).unwrap();
        let mut rest = &bytes[..];
        prop_assert_eq!(read_as::<Grown>(fields, &mut rest).unwrap(), later(&then(&value)));
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn noise_is_no_value_and_makes_no_trouble(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = read::<Vec<Grown>>(&bytes);
        let _ = read_as::<Vec<Grown>>(Fields::Counted(|_| None), &mut &bytes[..]);
    }

    #[test]
    fn numbers_come_back(unsigned in any::<u64>(), signed in any::<i64>()) {
        let mut bytes = Vec::new();
        write_varint(unsigned, &mut bytes);
        write_varint(zigzag(signed), &mut bytes);
        let mut rest = &bytes[..];
        prop_assert_eq!(read_varint(&mut rest), Some(unsigned));
        prop_assert_eq!(read_varint(&mut rest).map(unzigzag), Some(signed));
        prop_assert!(rest.is_empty());
    }
}

#[test]
fn values_stand_one_after_the_other() {
    let bytes = [written(&Kind::Plain), written(&Kind::Pair(1, -2))].concat();
    let mut rest = &bytes[..];
    assert_eq!(read_next::<Kind>(&mut rest), Ok(Kind::Plain));
    assert_eq!((read_next::<Kind>(&mut rest), rest.len()), (Ok(Kind::Pair(1, -2)), 0));
}

#[test]
fn a_number_of_more_than_64_bits_is_none() {
    assert_eq!(read_varint(&mut &[0xFF; 10][..]), None);
    assert_eq!(read_varint(&mut &[[0xFF; 9].as_slice(), &[1]].concat()[..]), Some(u64::MAX));
}
