//! Devices that say what a measurement needs, over one MQTT connection each time.

use crate::{
    bench::edge::raw::Raw,
    mqtt::Dialer,
    viewers::peer::{packet, put_text},
};
use serde_json::{Value, json};
use std::{io, net::SocketAddr};
use tokio::io::AsyncWriteExt;

/// Publications on their way at most; a server allows 1,024.
const WINDOW: usize = 500;
/// Readings in one publication.
const READINGS_EACH: usize = 200;
/// Devices one client brings in; a server allows 10,000.
const DEVICES_EACH: usize = 5_000;

/// What is published.
pub(super) struct Said {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retain: bool,
}

impl Said {
    /// Readings, as one array.
    pub fn readings(readings: &[Value]) -> Self {
        Said { topic: "growth/readings".to_owned(), payload: json!(readings).to_string().into_bytes(), retain: false }
    }
}

/// Publishes all of it with QoS 1 and waits for every PUBACK.
pub(super) async fn publish(raw: &mut Raw, all: impl IntoIterator<Item = Said>) -> io::Result<()> {
    let (mut packet_id, mut waiting) = (0u16, 0usize);
    for said in all {
        packet_id = packet_id.checked_add(1).unwrap_or(1);
        let mut body = Vec::with_capacity(said.topic.len() + said.payload.len() + 4);
        put_text(&mut body, &said.topic);
        body.extend_from_slice(&packet_id.to_be_bytes());
        body.extend_from_slice(&said.payload);
        raw.stream.write_all(&packet(0x32 | u8::from(said.retain), &body)).await?;
        waiting += 1;
        if waiting == WINDOW {
            acknowledged(raw).await?;
            waiting -= 1;
        }
    }
    for _ in 0..waiting {
        acknowledged(raw).await?;
    }
    Ok(())
}

async fn acknowledged(raw: &mut Raw) -> io::Result<()> {
    match raw.packet().await? {
        (0x40, _) => Ok(()),
        (head, _) => Err(io::Error::other(format!("expected PUBACK, got packet type {}", head >> 4))),
    }
}

/// A reading of each of `devices`, made by `reading`, from as many clients as the server wants.
pub(super) async fn hear(
    mqtt: SocketAddr,
    devices: std::ops::Range<usize>,
    reading: impl Fn(usize) -> Value,
) -> io::Result<()> {
    let numbers: Vec<usize> = devices.collect();
    for some in numbers.chunk_by(|a, b| a / DEVICES_EACH == b / DEVICES_EACH) {
        let client = some[0] / DEVICES_EACH;
        let mut raw = Raw::connect(Dialer::new(mqtt), client, &format!("growth-{client}"), true).await?;
        let publications = some.chunks(READINGS_EACH).map(|few| {
            let readings: Vec<Value> = few.iter().map(|&number| reading(number)).collect();
            Said::readings(&readings)
        });
        publish(&mut raw, publications).await?;
        raw.disconnect().await?;
    }
    Ok(())
}

/// A reading of a device in a group of its own.
pub(super) fn grouped(number: usize) -> Value {
    json!({"deviceId": name(number), "location": format!("site {}, floor {number}", number / 100), "t": number % 50})
}

/// A reading of a device in one of a hundred groups.
pub(super) fn plain(number: usize) -> Value {
    json!({"deviceId": name(number), "location": format!("site {}", number % 100), "t": number % 50})
}

pub(super) fn name(number: usize) -> String {
    format!("device-{number:06}")
}
