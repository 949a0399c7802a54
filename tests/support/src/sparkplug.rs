//! Messages of a Sparkplug B node, written metric by metric.

/// A value in its field of a metric.
#[derive(Debug, Clone, Copy)]
pub enum Field<'a> {
    /// `int_value` (32 bits) of a data type.
    Int(u32, u32),
    /// `long_value` (64 bits) of a data type.
    Long(u32, u64),
    /// A single.
    Float(f32),
    /// A double.
    Double(f64),
    /// A switch.
    Boolean(bool),
    /// A text.
    Text(&'a str),
    /// No value, of a data type.
    Null(u32),
}

/// A metric of a message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Metric<'a> {
    /// In births, and where there is no alias.
    pub name: Option<&'a str>,
    /// Number in the place of a name.
    pub alias: Option<u64>,
    /// Unix ms.
    pub time_ms: Option<u64>,
    /// `None`: none is given.
    pub value: Option<Field<'a>>,
    /// Property `engUnit`.
    pub unit: Option<&'a str>,
    /// Whether it is of before.
    pub is_historical: bool,
}

/// A message with its time (Unix ms), its number, and its metrics.
#[must_use]
pub fn message(time_ms: u64, seq: Option<u8>, metrics: &[Metric<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    varint_field(1, time_ms, &mut out);
    metrics.iter().for_each(|metric| bytes_field(2, &encoded(metric), &mut out));
    if let Some(seq) = seq {
        varint_field(3, seq.into(), &mut out);
    }
    out
}

fn encoded(metric: &Metric<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(name) = metric.name {
        bytes_field(1, name.as_bytes(), &mut out);
    }
    [(2, metric.alias), (3, metric.time_ms)]
        .into_iter()
        .for_each(|(number, value)| value.into_iter().for_each(|value| varint_field(number, value, &mut out)));
    if metric.is_historical {
        varint_field(5, 1, &mut out);
    }
    if let Some(unit) = metric.unit {
        let mut value = Vec::new();
        varint_field(1, 12, &mut value);
        bytes_field(8, unit.as_bytes(), &mut value);
        let mut properties = Vec::new();
        bytes_field(1, b"engUnit", &mut properties);
        bytes_field(2, &value, &mut properties);
        bytes_field(9, &properties, &mut out);
    }
    match metric.value {
        Some(Field::Int(datatype, value)) => typed(datatype, 10, value.into(), &mut out),
        Some(Field::Long(datatype, value)) => typed(datatype, 11, value, &mut out),
        Some(Field::Boolean(on)) => typed(11, 14, on.into(), &mut out),
        Some(Field::Null(datatype)) => typed(datatype, 7, 1, &mut out),
        Some(Field::Float(value)) => {
            varint_field(4, 9, &mut out);
            varint((12 << 3) | 5, &mut out);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Some(Field::Double(value)) => {
            varint_field(4, 10, &mut out);
            varint((13 << 3) | 1, &mut out);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Some(Field::Text(text)) => {
            varint_field(4, 12, &mut out);
            bytes_field(15, text.as_bytes(), &mut out);
        }
        None => {}
    }
    out
}

fn typed(datatype: u32, number: u64, value: u64, out: &mut Vec<u8>) {
    varint_field(4, datatype.into(), out);
    varint_field(number, value, out);
}

fn varint_field(number: u64, value: u64, out: &mut Vec<u8>) {
    varint(number << 3, out);
    varint(value, out);
}

fn bytes_field(number: u64, bytes: &[u8], out: &mut Vec<u8>) {
    varint((number << 3) | 2, out);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
