//! A client that sends packets and compares what comes back.

use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::language::{Connect, GOODBYE, PINGREQ, PINGRESP, PUBACK, V3, V5, Version, ack};
use crate::support::{Raw, Served};

/// A client that was let in.
pub struct Client {
    raw: Raw,
    pub version: Version,
    /// Its CONNACK, whole.
    pub connack: Vec<u8>,
}

impl Client {
    pub async fn connected(served: &Served, connect: Connect) -> Client {
        let version = connect.version;
        let mut client = Client { raw: served.raw().await, version, connack: Vec::new() };
        client.send(connect).await;
        client.connack = client.packet().await;
        assert_eq!((client.connack[0], client.connack[3]), (0x20, 0), "let in: {:x?}", client.connack);
        client
    }

    /// A client with a clean start.
    pub async fn new(served: &Served, version: Version, client: &str) -> Client {
        Client::connected(served, version.connect(client)).await
    }

    pub fn session_is_present(&self) -> bool {
        assert_eq!(self.connack[2] & 0xfe, 0, "reserved bits of the CONNACK");
        self.connack[2] == 1
    }

    pub async fn send(&mut self, bytes: impl Into<Vec<u8>>) {
        self.raw.send(&bytes.into()).await;
    }

    /// One whole packet.
    pub async fn packet(&mut self) -> Vec<u8> {
        let mut packet = self.raw.read(2).await;
        let (mut remaining, mut shift) = (usize::from(packet[1] & 127), 7);
        while packet.last().is_some_and(|byte| byte & 128 != 0) {
            packet.extend(self.raw.read(1).await);
            remaining |= usize::from(packet[packet.len() - 1] & 127) << shift;
            shift += 7;
        }
        if remaining > 0 {
            packet.extend(self.raw.read(remaining).await);
        }
        packet
    }

    pub async fn gets(&mut self, expected: impl Into<Vec<u8>>) {
        let (got, expected) = (self.packet().await, expected.into());
        assert_eq!(got, expected, "\n got {}\nexpected {}", got.escape_ascii(), expected.escape_ascii());
    }

    /// Sends one packet and gets another.
    pub async fn asks(&mut self, bytes: impl Into<Vec<u8>>, answer: impl Into<Vec<u8>>) {
        self.send(bytes).await;
        self.gets(answer).await;
    }

    /// Nothing is on its way to the client, and it is served.
    pub async fn has_nothing(&mut self) {
        self.asks(PINGREQ, PINGRESP).await;
    }

    /// Subscribes to one filter, which is granted.
    pub async fn subscribes(&mut self, filter: &str, options: u8) {
        let version = self.version;
        self.asks(version.subscribe(&[(filter, options)]), version.suback(&[options & 3])).await;
    }

    /// Publishes with QoS 1 and waits for the acknowledgement.
    pub async fn says(&mut self, topic: &str, payload: &str) {
        let publish = self.version.publish(topic, payload).qos(1, 99);
        self.asks(publish, ack(PUBACK, 99)).await;
    }

    /// Says goodbye, and waits until the server has closed.
    pub async fn leaves(self) {
        self.leaves_with(GOODBYE).await;
    }

    pub async fn leaves_with(mut self, disconnect: impl Into<Vec<u8>>) {
        self.send(disconnect).await;
        assert_eq!(self.rest().await, b"");
    }

    /// Everything until the server closes.
    pub async fn rest(mut self) -> Vec<u8> {
        self.raw.rest().await
    }

    /// Loses its connection, and waits until the server knows: `left` connections remain.
    pub async fn lost(self, served: &Served, left: usize) {
        drop(self);
        served.until("the end of a connection", |s| s.stats().connections == left).await;
    }

    /// The connection ends: a client of version 5 is told why first, one of 3.1.1 is not.
    pub async fn ended(self, code: u8) -> Result<(), String> {
        self.ended_with(&[code]).await
    }

    /// As [`Client::ended`], with one of `codes`.
    pub async fn ended_with(mut self, codes: &[u8]) -> Result<(), String> {
        let (version, mut rest) = (self.version, Vec::new());
        let end = self.raw.stream.read_to_end(&mut rest);
        if tokio::time::timeout(Duration::from_secs(30), end).await.is_err() {
            return Err(format!("{version:?}: the connection goes on, got {rest:x?}"));
        }
        let is_right = match version {
            V3 => rest.is_empty(),
            V5 => codes.iter().any(|code| is_disconnect(&rest, *code)),
        };
        if is_right { Ok(()) } else { Err(format!("{version:?}: expected {codes:#x?}, got {rest:x?}")) }
    }
}

/// Whether bytes are one DISCONNECT of a server: the code, and no property but a reason string.
fn is_disconnect(bytes: &[u8], code: u8) -> bool {
    let is_short = bytes == [0xe0, 1, code];
    let is_explained = matches!(bytes, [0xe0, _, why, _, 0x1f, high, low, text @ ..]
        if *why == code && text.len() == usize::from(u16::from_be_bytes([*high, *low])));
    is_short || is_explained
}

/// What a connection gets that sends `bytes` first, until it is closed.
pub async fn answer_to(served: &Served, bytes: impl Into<Vec<u8>>) -> Vec<u8> {
    let mut raw = served.raw().await;
    raw.send(&bytes.into()).await;
    raw.rest().await
}

/// Each of `cases` ends its own connection, with its code.
pub async fn each_ends(version: Version, cases: &[(&str, Vec<u8>, u8)]) {
    let served = Served::start();
    let mut bystander = Client::new(&served, version, "bystander").await;
    let mut wrong = Vec::new();
    for (what, bytes, code) in cases {
        let mut client = Client::new(&served, version, "c").await;
        client.send(bytes.clone()).await;
        if let Err(why) = client.ended(*code).await {
            wrong.push(format!("{what}: {why}"));
        }
        bystander.has_nothing().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(served.log.publications(), []);
}
