//! MQTT 3.1.1 by hand: the load tool shares the machine with the server, and should cost as little as it can.

use crate::{
    mqtt::Dialer,
    viewers::peer::{packet, put_text, split},
};
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A server that does not answer by then has failed.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const READ_BYTES: usize = 4096;

/// A connection.
pub(crate) struct Raw {
    pub stream: TcpStream,
    /// Read and not yet taken; empty while idle.
    rest: Vec<u8>,
}

impl Raw {
    /// Connects and waits for CONNACK. With `clean` the session ends with the connection.
    pub async fn connect(dialer: Dialer, index: usize, id: &str, clean: bool) -> io::Result<Self> {
        let mut raw = Raw { stream: dialer.connect(index).await?, rest: Vec::new() };
        let mut body = b"\x00\x04MQTT\x04".to_vec();
        body.extend_from_slice(&[if clean { 2 } else { 0 }, 0, 0]);
        put_text(&mut body, id);
        raw.stream.write_all(&packet(0x10, &body)).await?;
        let (head, body) = raw.packet().await?;
        match (head, body.as_slice()) {
            (0x20, [_, 0]) => Ok(raw),
            other => Err(io::Error::other(format!("CONNACK refuses client {index}: {other:?}"))),
        }
    }

    /// Subscribes to all of these and waits for SUBACK.
    pub async fn subscribe(&mut self, filters: &[String], qos: u8) -> io::Result<()> {
        let mut body = 1u16.to_be_bytes().to_vec();
        for filter in filters {
            put_text(&mut body, filter);
            body.push(qos);
        }
        self.stream.write_all(&packet(0x82, &body)).await?;
        let (head, codes) = self.packet().await?;
        if head == 0x90 && !codes[2..].contains(&0x80) {
            return Ok(());
        }
        Err(io::Error::other(format!("SUBACK refuses: {codes:?}")))
    }

    /// Publishes with QoS 0.
    pub async fn publish(&mut self, topic: &str, payload: &[u8]) -> io::Result<()> {
        let mut body = Vec::with_capacity(topic.len() + payload.len() + 2);
        put_text(&mut body, topic);
        body.extend_from_slice(payload);
        self.stream.write_all(&packet(0x30, &body)).await
    }

    /// Ends the connection in order.
    pub async fn disconnect(mut self) -> io::Result<()> {
        self.stream.write_all(&[0xe0, 0]).await?;
        self.stream.shutdown().await
    }

    /// First byte and body of the next packet.
    pub async fn packet(&mut self) -> io::Result<(u8, Vec<u8>)> {
        loop {
            if let Some((head, body, length)) = split(&self.rest) {
                let taken = (head, body.to_vec());
                self.rest.drain(..length);
                if self.rest.is_empty() {
                    self.rest = Vec::new();
                }
                return Ok(taken);
            }
            let mut bytes = [0; READ_BYTES];
            let read = timeout(ANSWER_TIMEOUT, self.stream.read(&mut bytes)).await;
            let count = read.map_err(|_| io::Error::other("the server did not answer within a minute"))??;
            if count == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
            }
            self.rest.extend_from_slice(&bytes[..count]);
        }
    }
}
