//! Eclipse Sparkplug 3.0: a node with its birth, and from then on values by alias.

use super::{Said, Thing, node_name, value};
use crate::model::payload::Reading;

/// Sparkplug 3.0 table 6-1: Int64, Double, String.
const INT64: u64 = 4;
const DOUBLE: u64 = 10;
const STRING: u64 = 12;
const METRICS: [(&str, &str); 5] =
    [("temperature", "°C"), ("humidity", "%"), ("pressure", "hPa"), ("co2", "ppm"), ("compressor_power", "W")];

/// The birth of a node, with all of its metrics.
pub(super) fn birth(spec: &Thing<'_>, reading: &Reading) -> Vec<Said> {
    let mut metrics = vec![Message::default().text(1, "bdSeq").number(4, INT64).number(11, 0)];
    for (alias, (name, unit)) in (1..).zip(METRICS) {
        let Some(value) = value(&reading.samples, name) else { continue };
        let unit = Message::default().number(1, STRING).text(8, unit);
        let properties = Message::default().text(1, "engUnit").message(2, &unit);
        let metric = Message::default().text(1, &format!("Inputs/{name}")).number(2, alias).number(4, DOUBLE);
        metrics.push(metric.message(9, &properties).double(13, value));
    }
    vec![said(spec, "NBIRTH", reading, &metrics, 0)]
}

/// What has changed, by the aliases of the birth.
pub(super) fn data(spec: &Thing<'_>, reading: &Reading, count: u32) -> Vec<Said> {
    let known = (1..).zip(METRICS).filter_map(|(alias, (name, _))| Some((alias, value(&reading.samples, name)?)));
    let metrics: Vec<_> =
        known.map(|(alias, value)| Message::default().number(2, alias).number(4, DOUBLE).double(13, value)).collect();
    vec![said(spec, "NDATA", reading, &metrics, u64::from(count % 256))]
}

fn said(spec: &Thing<'_>, kind: &str, reading: &Reading, metrics: &[Message], sequence: u64) -> Said {
    let at_ms = reading.time_ms.and_then(|time_ms| u64::try_from(time_ms).ok()).unwrap_or_default();
    let mut payload = Message::default().number(1, at_ms);
    for metric in metrics {
        payload = payload.message(2, metric);
    }
    let topic = format!("spBv1.0/{}/{kind}/{}", spec.building, node_name(spec));
    Said { topic, payload: payload.number(3, sequence).0, retain: false }
}

/// A message of Protocol Buffers (<https://protobuf.dev/programming-guides/encoding/>).
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn number(mut self, field: u64, number: u64) -> Message {
        self.varint(field << 3);
        self.varint(number);
        self
    }

    fn double(mut self, field: u64, number: f64) -> Message {
        self.varint(field << 3 | 1);
        self.0.extend(number.to_le_bytes());
        self
    }

    fn text(self, field: u64, text: &str) -> Message {
        self.bytes(field, text.as_bytes())
    }

    fn message(self, field: u64, message: &Message) -> Message {
        self.bytes(field, &message.0)
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Message {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }
}
