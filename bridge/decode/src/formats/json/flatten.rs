//! One JSON object becomes one reading, straight from the parser: no tree is built in between.

use std::fmt;

use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tidegate_telemetry::Value;

use crate::names::Metric;

use super::draft::{Draft, Meaning};
use super::scalar::Scalar;

/// Reads the object at the top.
pub(crate) fn read<'de, A: MapAccess<'de>>(draft: &mut Draft<'_>, mut map: A) -> Result<(), A::Error> {
    while let Some(meaning) = map.next_key_seed(Key { draft, depth: 1 })? {
        match meaning {
            None => drop(map.next_value::<IgnoredAny>()?),
            Some(Meaning::Metric(metric)) => map.next_value_seed(Node { draft, metric, depth: 1 })?,
            Some(Meaning::Device(rank)) => {
                let id = map.next_value_seed(Scalar)?;
                draft.identify(rank, id);
            }
            Some(Meaning::Time(rank)) => {
                let at = map.next_value_seed(Scalar)?;
                draft.date(rank, at);
            }
            Some(Meaning::Location(rank)) => map.next_value_seed(Location { draft, rank })?,
        }
    }
    Ok(())
}

/// Reads a key: its meaning and full name; `None` when its value is to be skipped.
struct Key<'d, 'a> {
    draft: &'d mut Draft<'a>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Option<Meaning>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_, '_> {
    type Value = Option<Meaning>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        let draft = self.draft;
        let meaning = if self.depth == 1 { draft.meaning(key) } else { None };
        if meaning.is_none() && draft.is_full() {
            return Ok(None);
        }
        Ok(meaning.or_else(|| draft.metric_below(key).map(Meaning::Metric)))
    }
}

/// Reads an element of an array: a metric that is named by its place, once it is there.
struct Element<'d, 'a> {
    draft: &'d mut Draft<'a>,
    index: usize,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Element<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Element { draft, index, depth } = self;
        match if draft.is_full() { None } else { draft.metric_below(&index.to_string()) } {
            Some(metric) => Node { draft, metric, depth }.deserialize(deserializer),
            None => IgnoredAny::deserialize(deserializer).map(drop),
        }
    }
}

/// Reads the value of a metric: a scalar, or an object or array of further metrics.
struct Node<'d, 'a> {
    draft: &'d mut Draft<'a>,
    metric: Metric,
    depth: usize,
}

impl<'a> Node<'_, 'a> {
    /// Whether what lies below this name is too deep to be read.
    fn is_too_deep(&mut self) -> bool {
        let is_too_deep = self.depth >= self.draft.config.depth_max;
        self.draft.too_deep |= is_too_deep;
        is_too_deep
    }

    /// Reads what lies below this name.
    fn enter<E>(self, below: impl FnOnce(&mut Draft<'a>, usize) -> Result<(), E>) -> Result<(), E> {
        let outer = self.draft.prefix.len();
        self.draft.prefix.push_str(&self.metric.name[outer..]);
        self.draft.prefix.push('.');
        let result = below(self.draft, self.depth + 1);
        self.draft.prefix.truncate(outer);
        result
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.draft.take(&self.metric, Value::Number(number));
        Ok(())
    }

    fn visit_i64<E: Error>(self, integer: i64) -> Result<(), E> {
        self.draft.take_integer(&self.metric, integer.into());
        Ok(())
    }

    fn visit_u64<E: Error>(self, integer: u64) -> Result<(), E> {
        self.draft.take_integer(&self.metric, integer.into());
        Ok(())
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<(), E> {
        self.draft.take(&self.metric, Value::Bool(on));
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.draft.take_text(&self.metric, text);
        Ok(())
    }

    /// `null` says that there is no value: nothing wrong.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.draft.take_nothing(&self.metric.name);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        if self.is_too_deep() {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        self.enter(|draft, depth| {
            while let Some(key) = map.next_key_seed(Key { draft, depth })? {
                match key {
                    Some(Meaning::Metric(metric)) => map.next_value_seed(Node { draft, metric, depth })?,
                    _ => drop(map.next_value::<IgnoredAny>()?),
                }
            }
            Ok(())
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        if self.is_too_deep() {
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        self.enter(|draft, depth| {
            let mut index = 0;
            while elements.next_element_seed(Element { draft, index, depth })?.is_some() {
                index += 1;
            }
            Ok(())
        })
    }
}

/// Reads where a device is: a text names its group; coordinates, or what else is in an object, are metrics.
struct Location<'d, 'a> {
    draft: &'d mut Draft<'a>,
    rank: usize,
}

impl<'d, 'a> Location<'d, 'a> {
    fn refuse<E>(self) -> Result<(), E> {
        self.draft.tell_that_location_is_no_text();
        Ok(())
    }

    /// As a metric with the name of the key; `None`, and a flaw, when that cannot be a name.
    fn into_metric(self) -> Option<Node<'d, 'a>> {
        let Location { draft, rank } = self;
        let metric = draft.metric_below(&draft.config.location_keys[rank])?;
        Some(Node { draft, metric, depth: 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Location<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Location<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a place")
    }

    fn visit_str<E: Error>(self, location: &str) -> Result<(), E> {
        self.draft.locate(self.rank, location);
        Ok(())
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.refuse()
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.refuse()
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.refuse()
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.refuse()
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match self.into_metric() {
            Some(node) => node.visit_map(map),
            None => {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(())
            }
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        match self.into_metric() {
            Some(node) => node.visit_seq(elements),
            None => {
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(())
            }
        }
    }
}
