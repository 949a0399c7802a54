//! A device down to its packets, so that a test decides what is sent, acknowledged and cut off.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A version of MQTT, as it stands in CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V3 = 4,
    V5 = 5,
}

/// What a CONNECT says.
pub struct Hello<'a> {
    pub version: Version,
    pub client: &'a str,
    pub clean: bool,
    pub will: Option<(&'a str, &'a str)>,
}

/// A PUBLISH.
#[derive(Debug, Clone, Copy, Default)]
pub struct Message<'a> {
    pub topic: &'a str,
    pub payload: &'a str,
    pub qos: u8,
    pub packet_id: u16,
    pub retain: bool,
    pub dup: bool,
    pub user_property: Option<(&'a str, &'a str)>,
}

/// A connection.
pub struct Device {
    stream: TcpStream,
    version: Version,
    pub session_present: bool,
}

/// How long an answer may take: a broker that does not answer by then does not answer.
const ANSWER: Duration = Duration::from_secs(15);

impl Device {
    /// A device with a clean session.
    pub async fn connect(at: SocketAddr, version: Version, client: &str) -> Option<Device> {
        Device::hello(at, &Hello { version, client, clean: true, will: None }).await
    }

    /// A device whose session stays.
    pub async fn resume(at: SocketAddr, version: Version, client: &str) -> Option<Device> {
        Device::hello(at, &Hello { version, client, clean: false, will: None }).await
    }

    /// `None` when the broker does not let it in.
    pub async fn hello(at: SocketAddr, hello: &Hello<'_>) -> Option<Device> {
        let stream = TcpStream::connect(at).await.ok()?;
        let mut flags = if hello.clean { 2 } else { 0 };
        let mut body = b"\0\x04MQTT".to_vec();
        flags |= if hello.will.is_some() { 4 } else { 0 };
        body.extend([hello.version as u8, flags, 0, 60]);
        if hello.version == Version::V5 {
            // Session expiry: an hour, where the session is to stay.
            body.extend(if hello.clean { &[0][..] } else { &[5, 0x11, 0, 0, 0x0e, 0x10][..] });
        }
        text(&mut body, hello.client);
        if let Some((topic, payload)) = hello.will {
            if hello.version == Version::V5 {
                body.push(0);
            }
            text(&mut body, topic);
            text(&mut body, payload);
        }
        let mut device = Device { stream, version: hello.version, session_present: false };
        device.send(0x10, &body).await?;
        let (_, connack) = device.expect(2).await?;
        device.session_present = connack.first() == Some(&1);
        (connack.get(1) == Some(&0)).then_some(device)
    }

    /// Publishes and waits until the broker has acknowledged it in full.
    pub async fn publish(&mut self, message: Message<'_>) -> Option<()> {
        self.send_message(message).await?;
        match message.qos {
            0 => {}
            1 => drop(self.expect(4).await?),
            _ => {
                self.expect(5).await?;
                self.release(message.packet_id).await?;
            }
        }
        Some(())
    }

    /// Sends a PUBLISH and waits for nothing.
    pub async fn send_message(&mut self, message: Message<'_>) -> Option<()> {
        let mut body = Vec::new();
        text(&mut body, message.topic);
        if message.qos > 0 {
            body.extend(message.packet_id.to_be_bytes());
        }
        if self.version == Version::V5 {
            let mut properties = Vec::new();
            if let Some((key, value)) = message.user_property {
                properties.push(0x26);
                text(&mut properties, key);
                text(&mut properties, value);
            }
            body.push(u8::try_from(properties.len()).unwrap());
            body.extend(properties);
        }
        body.extend(message.payload.as_bytes());
        self.send(0x30 | u8::from(message.dup) << 3 | message.qos << 1 | u8::from(message.retain), &body).await
    }

    /// The second half of QoS 2.
    pub async fn release(&mut self, packet_id: u16) -> Option<()> {
        self.send(0x62, &packet_id.to_be_bytes()).await?;
        self.expect(7).await.map(drop)
    }

    /// Subscribes with QoS 1.
    pub async fn subscribe(&mut self, filter: &str) -> Option<()> {
        let mut body = vec![0, 9];
        if self.version == Version::V5 {
            body.push(0);
        }
        text(&mut body, filter);
        body.push(1);
        self.send(0x82, &body).await?;
        let (_, suback) = self.expect(9).await?;
        suback.last().is_some_and(|code| *code < 0x80).then_some(())
    }

    /// Whether `wanted` comes, before `end` does or nothing more.
    pub async fn receives(&mut self, wanted: &str, end: &str) -> bool {
        while let Some((head, body)) = self.expect(3).await {
            let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
            if head & 0x06 != 0 {
                let _ = self.send(0x40, &body[2 + topic..4 + topic]).await;
            }
            let payload = String::from_utf8_lossy(&body).into_owned();
            if payload.ends_with(wanted) {
                return true;
            }
            if payload.ends_with(end) {
                return false;
            }
        }
        false
    }

    /// Says good-bye.
    pub async fn disconnect(mut self) {
        let _ = self.send(0xe0, &[]).await;
        let _ = self.stream.shutdown().await;
        let _ = tokio::time::timeout(ANSWER, self.stream.read_to_end(&mut Vec::new())).await;
    }

    /// The next packet of a kind; others are passed over.
    pub async fn expect(&mut self, kind: u8) -> Option<(u8, Vec<u8>)> {
        tokio::time::timeout(ANSWER, async {
            loop {
                let head = self.stream.read_u8().await.ok()?;
                let (mut length, mut shift) = (0, 0);
                loop {
                    let byte = self.stream.read_u8().await.ok()?;
                    length |= usize::from(byte & 0x7f) << shift;
                    shift += 7;
                    if byte & 0x80 == 0 {
                        break;
                    }
                }
                let mut body = vec![0; length];
                self.stream.read_exact(&mut body).await.ok()?;
                if head >> 4 == kind {
                    return Some((head, body));
                }
            }
        })
        .await
        .ok()
        .flatten()
    }

    async fn send(&mut self, head: u8, body: &[u8]) -> Option<()> {
        let mut packet = vec![head];
        let mut length = body.len();
        loop {
            let byte = u8::try_from(length & 0x7f).unwrap();
            length >>= 7;
            packet.push(if length > 0 { byte | 0x80 } else { byte });
            if length == 0 {
                break;
            }
        }
        packet.extend(body);
        self.stream.write_all(&packet).await.ok()
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    out.extend(text.as_bytes());
}
