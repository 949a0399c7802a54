//! The Protobuf of Sparkplug B (Eclipse Sparkplug 3.0 section 6.4.1), read where it lies: nothing is copied, nothing is
//! allocated, and what is not known is skipped.

/// The bytes are no Protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// The fields of a message, in the order in which they stand.
#[derive(Debug, Clone, Copy)]
struct Fields<'a>(&'a [u8]);

#[derive(Debug, Clone, Copy)]
enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, Broken> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Broken)?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Broken),
        };
        Ok(Some((key >> 3, field)))
    }

    fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0_u64;
        for (place, &byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7F) << (7 * place);
            if byte < 0x80 {
                self.0 = &self.0[place + 1..];
                return Ok(value);
            }
        }
        Err(Broken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        self.take(N)?.try_into().map_err(|_| Broken)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Broken)?;
        self.0 = rest;
        Ok(taken)
    }
}

fn text(field: Field<'_>) -> Result<&str, Broken> {
    match field {
        Field::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|_| Broken),
        _ => Err(Broken),
    }
}

/// What stands around the metrics of a message.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Payload<'a> {
    /// Unix ms.
    pub(super) timestamp: Option<u64>,
    pub(super) seq: Option<u64>,
    fields: &'a [u8],
}

impl<'a> Payload<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Broken> {
        let mut payload = Payload { fields: bytes, ..Payload::default() };
        let mut fields = Fields(bytes);
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Varint(timestamp)) => payload.timestamp = Some(timestamp),
                (3, Field::Varint(seq)) => payload.seq = Some(seq),
                _ => {}
            }
        }
        Ok(payload)
    }

    /// Its metrics; each may be broken by itself.
    pub(super) fn metrics(&self) -> impl Iterator<Item = Result<Metric<'a>, Broken>> + use<'a> {
        parts(self.fields, 2).map(Metric::read)
    }
}

/// The messages in the field of a number.
fn parts(bytes: &[u8], wanted: u64) -> impl Iterator<Item = &[u8]> {
    let mut fields = Fields(bytes);
    std::iter::from_fn(move || {
        loop {
            match fields.next() {
                Ok(Some((number, Field::Bytes(part)))) if number == wanted => return Some(part),
                Ok(Some(_)) => {}
                Ok(None) | Err(Broken) => return None,
            }
        }
    })
}

/// A value as it stands on the wire: what an integer means, the data type says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Raw<'a> {
    Integer(u64),
    Float(f32),
    Double(f64),
    Boolean(bool),
    Text(&'a str),
    Template(&'a [u8]),
    /// Bytes, a file, an array, a data set or an extension.
    NoScalar,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Metric<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) alias: Option<u64>,
    /// Unix ms.
    pub(super) timestamp: Option<u64>,
    /// 0: not given.
    pub(super) datatype: u32,
    pub(super) is_historical: bool,
    pub(super) is_null: bool,
    properties: Option<&'a [u8]>,
    pub(super) value: Option<Raw<'a>>,
}

impl<'a> Metric<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Broken> {
        let mut metric = Metric::default();
        let mut fields = Fields(bytes);
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, field) => metric.name = Some(text(field)?),
                (2, Field::Varint(alias)) => metric.alias = Some(alias),
                (3, Field::Varint(timestamp)) => metric.timestamp = Some(timestamp),
                (4, Field::Varint(datatype)) => metric.datatype = datatype as u32,
                (5, Field::Varint(flag)) => metric.is_historical = flag != 0,
                (7, Field::Varint(flag)) => metric.is_null = flag != 0,
                (9, Field::Bytes(properties)) => metric.properties = Some(properties),
                (16 | 17 | 19, Field::Bytes(_)) => metric.value = Some(Raw::NoScalar),
                (18, Field::Bytes(template)) => metric.value = Some(Raw::Template(template)),
                (10..=15, field) => metric.value = Some(scalar(number - 10, field)?),
                _ => {}
            }
        }
        Ok(metric)
    }

    /// Names and values of its properties.
    pub(super) fn properties(&self) -> impl Iterator<Item = (&'a str, Raw<'a>)> + use<'a> {
        let properties = self.properties.unwrap_or_default();
        let keys = parts(properties, 1).map(|key| std::str::from_utf8(key).unwrap_or_default());
        keys.zip(parts(properties, 2)).filter_map(|(key, value)| Some((key, property(value)?)))
    }
}

/// The field of this place among int, long, float, double, boolean and string.
fn scalar(place: u64, field: Field<'_>) -> Result<Raw<'_>, Broken> {
    Ok(match (place, field) {
        (0 | 1, Field::Varint(integer)) => Raw::Integer(integer),
        (2, Field::Fixed32(bits)) => Raw::Float(f32::from_bits(bits)),
        (3, Field::Fixed64(bits)) => Raw::Double(f64::from_bits(bits)),
        (4, Field::Varint(flag)) => Raw::Boolean(flag != 0),
        (5, field) => Raw::Text(text(field)?),
        _ => return Err(Broken),
    })
}

/// `None` for one without a scalar value.
fn property(bytes: &[u8]) -> Option<Raw<'_>> {
    let (mut fields, mut value) = (Fields(bytes), None);
    while let Some((number, field)) = fields.next().ok()? {
        match number {
            2 if matches!(field, Field::Varint(1..)) => return None,
            3..=8 => value = scalar(number - 3, field).ok(),
            _ => {}
        }
    }
    value
}

/// A template: a definition, or an instance of one with metrics of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Template<'a> {
    pub(super) is_definition: bool,
    fields: &'a [u8],
}

impl<'a> Template<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Broken> {
        let (mut fields, mut is_definition) = (Fields(bytes), false);
        while let Some((number, field)) = fields.next()? {
            if let (5, Field::Varint(flag)) = (number, field) {
                is_definition = flag != 0;
            }
        }
        Ok(Template { is_definition, fields: bytes })
    }

    pub(super) fn metrics(&self) -> impl Iterator<Item = Result<Metric<'a>, Broken>> + use<'a> {
        parts(self.fields, 2).map(Metric::read)
    }
}

/// An NCMD that asks for all births again (section 6.4.23): `Node Control/Rebirth` is true.
pub(super) fn rebirth(now_ms: i64) -> Vec<u8> {
    const NAME: &[u8] = b"Node Control/Rebirth";
    let mut time = Vec::new();
    put_varint(now_ms.max(0) as u64, &mut time);
    let mut metric = vec![0x0A, NAME.len() as u8];
    metric.extend_from_slice(NAME);
    metric.push(0x18);
    metric.extend_from_slice(&time);
    metric.extend_from_slice(&[0x20, 11, 0x70, 1]);
    let mut payload = vec![0x08];
    payload.extend_from_slice(&time);
    payload.extend_from_slice(&[0x12, metric.len() as u8]);
    payload.extend_from_slice(&metric);
    payload
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
