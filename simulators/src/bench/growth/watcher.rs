//! A viewer that asks for what a measurement needs, and says what it has seen.

use crate::viewers::socket::{Opcode, Outbox, Socket};
use serde_json::{Value, json};
use std::{io, net::SocketAddr, time::Duration};
use tokio::time::{Instant, timeout_at};

const SEEN_BYTES: u64 = 4096;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

pub(super) struct Watcher {
    socket: Socket,
    bytes: u64,
    seen: u64,
}

impl Watcher {
    /// Opens a session.
    pub async fn open(http: SocketAddr) -> io::Result<Self> {
        let socket = Socket::open(http, "/v1/live", None).await?;
        let mut watcher = Watcher { socket, bytes: 0, seen: 0 };
        watcher.say(&json!({"type": "hello", "protocol": 2, "encoding": "json"})).await?;
        watcher.until(|message| message["type"] == "welcome").await?;
        Ok(watcher)
    }

    pub async fn say(&mut self, message: &Value) -> io::Result<()> {
        let mut outbox = Outbox::default();
        outbox.text(&without_nulls(message).to_string());
        self.socket.send(&mut outbox).await
    }

    /// Subscribes, and waits until the snapshot is whole. Returns the position where the view stands.
    pub async fn subscribe(&mut self, id: u64, view: &Value) -> io::Result<Value> {
        self.say(&json!({"type": "subscribe", "id": id, "view": view})).await?;
        let is_last = |message: &Value| message["type"] == "snapshot" && message["id"] == id && message["last"] == true;
        Ok(self.until(is_last).await?["at"].clone())
    }

    /// Reads until a message fits; an error of the server's ends it.
    pub async fn until(&mut self, mut fits: impl FnMut(&Value) -> bool) -> io::Result<Value> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        loop {
            for message in self.read(deadline).await? {
                if message["type"] == "error" {
                    return Err(io::Error::other(format!("the server refuses: {message}")));
                }
                if fits(&message) {
                    return Ok(message);
                }
            }
        }
    }

    async fn read(&mut self, deadline: Instant) -> io::Result<Vec<Value>> {
        let ready = timeout_at(deadline, self.socket.readable()).await;
        ready.map_err(|_| io::Error::other("a viewer waited two minutes in vain"))??;
        let (mut messages, mut bytes) = (Vec::new(), 0);
        self.socket.read(&mut |opcode, payload| {
            if opcode == Opcode::Text {
                bytes += payload.len() as u64;
                messages.push(serde_json::from_slice(payload)?);
            }
            Ok(())
        })?;
        self.bytes += bytes;
        if self.bytes - self.seen >= SEEN_BYTES {
            self.seen = self.bytes;
            self.say(&json!({"type": "seen", "bytes": self.seen})).await?;
        }
        Ok(messages)
    }

    /// Keeps reading until it is dropped, in a task of its own.
    pub fn watch(mut self) -> tokio::task::JoinHandle<()> {
        tokio::spawn(async move { while self.until(|_| true).await.is_ok() {} })
    }
}

/// Leaves out what is not said.
fn without_nulls(message: &Value) -> Value {
    let fields = message.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    Value::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect())
}
