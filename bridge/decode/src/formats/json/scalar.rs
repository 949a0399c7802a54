use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A value that is not a metric: an identifier, a time, a location.
pub(crate) enum Token<'de> {
    Integer(i64),
    /// One beyond the signed integers.
    Unsigned(u64),
    Float(f64),
    Text(Cow<'de, str>),
    Null,
    Other,
}

/// Reads such a value.
pub(crate) struct Scalar;

impl<'de> DeserializeSeed<'de> for Scalar {
    type Value = Token<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Token<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scalar {
    type Value = Token<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_i64<E: Error>(self, integer: i64) -> Result<Token<'de>, E> {
        Ok(Token::Integer(integer))
    }

    fn visit_u64<E: Error>(self, integer: u64) -> Result<Token<'de>, E> {
        Ok(i64::try_from(integer).map_or(Token::Unsigned(integer), Token::Integer))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Token<'de>, E> {
        Ok(Token::Float(number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Token<'de>, E> {
        Ok(Token::Text(text.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Token<'de>, E> {
        Ok(Token::Text(text.to_owned().into()))
    }

    fn visit_unit<E: Error>(self) -> Result<Token<'de>, E> {
        Ok(Token::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Token<'de>, E> {
        Ok(Token::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Token<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Token::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Token<'de>, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Token::Other)
    }
}
