use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::{RecordError, read_varint, unzigzag};

/// Where the fields of a struct end.
#[derive(Debug, Clone, Copy)]
pub enum Fields {
    /// Where its length says.
    ByLength,
    /// Structs have no length, as in postcard, and as many fields as is said here of the one with this name; of one of which
    /// nothing is said, all that the reader knows.
    Counted(fn(&str) -> Option<usize>),
}

/// Reads values from bytes.
pub(super) struct Reader<'de> {
    pub(super) bytes: &'de [u8],
    pub(super) fields: Fields,
}

/// No place for what was to be there.
fn cut() -> RecordError {
    RecordError("the bytes end before the value does".into())
}

fn malformed(what: &'static str) -> RecordError {
    RecordError(what.into())
}

impl<'de> Reader<'de> {
    fn byte(&mut self) -> Result<u8, RecordError> {
        let (&byte, rest) = self.bytes.split_first().ok_or_else(cut)?;
        self.bytes = rest;
        Ok(byte)
    }

    fn take(&mut self, length: usize) -> Result<&'de [u8], RecordError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or_else(cut)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or_else(cut)?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn varint(&mut self) -> Result<u64, RecordError> {
        read_varint(&mut self.bytes).ok_or_else(cut)
    }

    fn length(&mut self) -> Result<usize, RecordError> {
        usize::try_from(self.varint()?).map_err(|_| malformed("a length is out of range"))
    }

    fn unsigned<T: TryFrom<u64>>(&mut self) -> Result<T, RecordError> {
        T::try_from(self.varint()?).map_err(|_| malformed("a number is out of range"))
    }

    fn signed<T: TryFrom<i64>>(&mut self) -> Result<T, RecordError> {
        T::try_from(unzigzag(self.varint()?)).map_err(|_| malformed("a number is out of range"))
    }

    fn flag(&mut self) -> Result<bool, RecordError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(malformed("neither yes nor no")),
        }
    }

    fn slice(&mut self) -> Result<&'de [u8], RecordError> {
        let length = self.length()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<&'de str, RecordError> {
        std::str::from_utf8(self.slice()?).map_err(|_| malformed("a text is not UTF-8"))
    }

    /// The fields of the struct `name`, of which the reader knows `known`.
    fn read_fields<V: Visitor<'de>>(&mut self, name: &str, known: usize, visitor: V) -> Result<V::Value, RecordError> {
        match self.fields {
            Fields::Counted(count) => {
                let left = count(name).unwrap_or(known);
                visitor.visit_seq(Counted { reader: self, left })
            }
            Fields::ByLength => {
                let fields = self.slice()?;
                let mut reader = Reader { bytes: fields, fields: self.fields };
                visitor.visit_seq(UpToEnd { reader: &mut reader })
            }
        }
    }
}

/// So many values, one after the other.
struct Counted<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Counted<'_, 'de> {
    type Error = RecordError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, RecordError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        // A damaged length must not make the reader ask for memory that is not there.
        Some(self.left.min(self.reader.bytes.len()))
    }
}

impl<'de> MapAccess<'de> for Counted<'_, 'de> {
    type Error = RecordError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, RecordError> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, RecordError> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        SeqAccess::size_hint(self)
    }
}

/// The fields there are; who knows more of them has no value for the rest.
struct UpToEnd<'a, 'de> {
    reader: &'a mut Reader<'de>,
}

impl<'de> SeqAccess<'de> for UpToEnd<'_, 'de> {
    type Error = RecordError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, RecordError> {
        if self.reader.bytes.is_empty() {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = RecordError;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, RecordError> {
        Err(malformed("a record does not say what its values are"))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_bool(self.flag()?)
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_i8(self.byte()?.cast_signed())
    }

    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_i16(self.signed()?)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_i32(self.signed()?)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_i64(self.signed()?)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_u8(self.byte()?)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_u16(self.unsigned()?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_u32(self.unsigned()?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_u64(self.varint()?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_f32(f32::from_le_bytes(self.array()?))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_f64(f64::from_le_bytes(self.array()?))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_borrowed_bytes(self.slice()?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        if self.flag()? { visitor.visit_some(self) } else { visitor.visit_none() }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        let left = self.length()?;
        visitor.visit_seq(Counted { reader: self, left })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, RecordError> {
        visitor.visit_seq(Counted { reader: self, left: length })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, RecordError> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RecordError> {
        let left = self.length()?;
        visitor.visit_map(Counted { reader: self, left })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RecordError> {
        self.read_fields(name, fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RecordError> {
        visitor.visit_enum(Variant { reader: self, name })
    }
}

/// A variant of the enum `name`.
struct Variant<'a, 'de> {
    reader: &'a mut Reader<'de>,
    name: &'static str,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = RecordError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), RecordError> {
        let number: u32 = self.reader.unsigned()?;
        let number: U32Deserializer<RecordError> = number.into_deserializer();
        Ok((seed.deserialize(number)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = RecordError;

    fn unit_variant(self) -> Result<(), RecordError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, RecordError> {
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, RecordError> {
        self.reader.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RecordError> {
        self.reader.read_fields(self.name, fields.len(), visitor)
    }
}
