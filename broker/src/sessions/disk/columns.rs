//! What stands in the columns of `sessions.sqlite`.

use std::sync::Arc;

use rusqlite::Row;
use tidegate_telemetry::{Position, Publication, Qos};

use crate::sessions::message::{Delivery, Message};

pub(super) fn delivery(row: &Row<'_>) -> Result<Delivery, rusqlite::Error> {
    let identifiers: Vec<u8> = row.get(3)?;
    let message = message(number(row, 6)?, row, 7)?;
    Ok(Delivery {
        message: Arc::new(message),
        qos: qos(row.get(1)?),
        retain: row.get(2)?,
        after: Position::START,
        number: number(row, 0)?,
        identifiers: identifiers.chunks_exact(4).map(|id| u32::from_le_bytes([id[0], id[1], id[2], id[3]])).collect(),
        packet_id: row.get(4)?,
        is_released: row.get(5)?,
    })
}

type Body = (String, bytes::Bytes, u8, bool, i64, Option<Box<tidegate_telemetry::PublishProperties>>);

pub(super) fn body(message: &Message) -> Vec<u8> {
    encode(&(
        &*message.topic,
        &message.payload,
        message.qos.level(),
        message.retain,
        message.received_ms,
        &message.properties,
    ))
}

pub(super) fn message(id: u64, row: &Row<'_>, column: usize) -> Result<Message, rusqlite::Error> {
    let body = postcard::from_bytes(row.get_ref(column)?.as_blob()?);
    let (topic, payload, level, retain, received_ms, properties): Body =
        body.map_err(|error| undecodable(column, error))?;
    Ok(Message { id, topic: topic.into(), payload, qos: qos(level), retain, received_ms, properties })
}

pub(super) fn will_body(will: &Publication) -> Vec<u8> {
    let mut body = encode(will);
    will.encode_scope_into(&mut body);
    body
}

pub(super) fn will(row: &Row<'_>, column: usize) -> Result<Publication, rusqlite::Error> {
    let body = postcard::take_from_bytes(row.get_ref(column)?.as_blob()?);
    let (mut will, scope): (Publication, _) = body.map_err(|error| undecodable(column, error))?;
    if !scope.is_empty() {
        will.decode_scope(scope).map_err(|error| undecodable(column, error))?;
    }
    Ok(will)
}

pub(super) fn encode(value: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain values in memory can be encoded")
}

pub(super) fn undecodable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, Box::new(error))
}

pub(super) fn qos(level: u8) -> Qos {
    match level {
        0 => Qos::AtMostOnce,
        1 => Qos::AtLeastOnce,
        _ => Qos::ExactlyOnce,
    }
}

/// SQLite's integers are signed; the bits are what counts.
pub(super) fn signed(value: u64) -> i64 {
    value.cast_signed()
}

pub(super) fn number(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}
