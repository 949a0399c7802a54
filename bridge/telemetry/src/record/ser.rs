use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{RecordError, put_length, write_varint, zigzag};

/// Appends values to bytes.
pub(super) struct Writer<'a> {
    pub(super) out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn varint(&mut self, number: u64) {
        write_varint(number, self.out);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    fn length(&mut self, length: Option<usize>) -> Result<(), RecordError> {
        let length = length.ok_or(RecordError("a list or map does not say how long it is".into()))?;
        self.varint(length as u64);
        Ok(())
    }
}

/// The fields of a struct while they are written; their length is put before them at the end.
pub(super) struct FieldsWriter<'a, 'b> {
    writer: &'a mut Writer<'b>,
    /// Where the length is put; it has one byte so far.
    start: usize,
}

impl<'a, 'b> FieldsWriter<'a, 'b> {
    fn begin(writer: &'a mut Writer<'b>) -> Self {
        let start = writer.out.len();
        writer.out.push(0);
        FieldsWriter { writer, start }
    }

    fn field(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), RecordError> {
        value.serialize(&mut *self.writer)
    }

    fn finish(self) {
        put_length(self.writer.out, self.start);
    }
}

impl<'a, 'b> Serializer for &'a mut Writer<'b> {
    type Ok = ();
    type Error = RecordError;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = FieldsWriter<'a, 'b>;
    type SerializeStructVariant = FieldsWriter<'a, 'b>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<(), RecordError> {
        self.serialize_u8(value.into())
    }

    fn serialize_i8(self, value: i8) -> Result<(), RecordError> {
        self.serialize_u8(value.cast_unsigned())
    }

    fn serialize_i16(self, value: i16) -> Result<(), RecordError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), RecordError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), RecordError> {
        self.serialize_u64(zigzag(value))
    }

    fn serialize_u8(self, value: u8) -> Result<(), RecordError> {
        self.out.push(value);
        Ok(())
    }

    fn serialize_u16(self, value: u16) -> Result<(), RecordError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), RecordError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), RecordError> {
        self.varint(value);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), RecordError> {
        self.out.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), RecordError> {
        self.out.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), RecordError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), RecordError> {
        self.serialize_bytes(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), RecordError> {
        self.bytes(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), RecordError> {
        self.serialize_u8(0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), RecordError> {
        self.out.push(1);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), RecordError> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), RecordError> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, variant: u32, _: &'static str) -> Result<(), RecordError> {
        self.serialize_u32(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), RecordError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), RecordError> {
        self.varint(variant.into());
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self, RecordError> {
        self.length(length)?;
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, RecordError> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, RecordError> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, RecordError> {
        self.varint(variant.into());
        Ok(self)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self, RecordError> {
        self.length(length)?;
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<FieldsWriter<'a, 'b>, RecordError> {
        Ok(FieldsWriter::begin(self))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        _: usize,
    ) -> Result<FieldsWriter<'a, 'b>, RecordError> {
        self.varint(variant.into());
        Ok(FieldsWriter::begin(self))
    }
}

/// The parts of what has as many as is known: they stand one after the other.
macro_rules! parts_in_order {
    ($($of:ident :: $part:ident),*) => {
        $(
            impl $of for &mut Writer<'_> {
                type Ok = ();
                type Error = RecordError;

                fn $part<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RecordError> {
                    value.serialize(&mut **self)
                }

                fn end(self) -> Result<(), RecordError> {
                    Ok(())
                }
            }
        )*
    };
}

parts_in_order!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

impl SerializeMap for &mut Writer<'_> {
    type Ok = ();
    type Error = RecordError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), RecordError> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RecordError> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), RecordError> {
        Ok(())
    }
}

impl SerializeStruct for FieldsWriter<'_, '_> {
    type Ok = ();
    type Error = RecordError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), RecordError> {
        self.field(value)
    }

    fn end(self) -> Result<(), RecordError> {
        self.finish();
        Ok(())
    }
}

impl SerializeStructVariant for FieldsWriter<'_, '_> {
    type Ok = ();
    type Error = RecordError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), RecordError> {
        self.field(value)
    }

    fn end(self) -> Result<(), RecordError> {
        self.finish();
        Ok(())
    }
}
