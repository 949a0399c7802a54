//! The client's side of a WebSocket (RFC 6455), as lean as a load tool wants it: frames that arrive whole are handed
//! over where the kernel put them; an idle session holds no buffer.

use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const OPEN_TIMEOUT: Duration = Duration::from_secs(20);
const RESPONSE_BYTES_MAX: usize = 16 * 1024;
/// On the stack of one call, cleared each time: larger costs more than the second read of a rare large frame.
const READ_BYTES: usize = 8 * 1024;
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
    /// The other side says goodbye.
    Close,
    /// To be answered.
    Ping,
    /// An answer.
    Pong,
}

/// Frames to send, masked as a client must (RFC 6455, 5.3).
#[derive(Debug, Default)]
pub struct Outbox(pub(crate) Vec<u8>);

impl Outbox {
    /// Adds a text frame.
    pub fn text(&mut self, text: &str) {
        self.frame(0x81, text.as_bytes());
    }

    /// Adds a binary frame.
    pub fn binary(&mut self, bytes: &[u8]) {
        self.frame(0x82, bytes);
    }

    /// Adds a pong.
    pub fn pong(&mut self, payload: &[u8]) {
        self.frame(0x8a, payload);
    }

    /// Adds a close frame, code 1000.
    pub fn close(&mut self) {
        self.frame(0x88, &1000u16.to_be_bytes());
    }

    /// The mask is zero: it protects proxies from scripts, and there are none here.
    fn frame(&mut self, head: u8, payload: &[u8]) {
        let out = &mut self.0;
        out.push(head);
        match payload.len() {
            length @ 0..126 => out.push(0x80 | length as u8),
            length @ 126..65_536 => {
                out.push(0x80 | 126);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                out.push(0x80 | 127);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(payload);
    }
}

/// Splits a stream of bytes into messages.
#[derive(Debug, Default)]
pub struct Frames {
    rest: Vec<u8>,
    message: Vec<u8>,
}

impl Frames {
    /// Takes bytes; calls `on_message` for each message that is complete now.
    ///
    /// # Errors
    /// When the server breaks RFC 6455, or `on_message` fails.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        on_message: &mut dyn FnMut(Opcode, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.rest.is_empty() {
            let used = self.consume(bytes, on_message)?;
            self.rest.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(bytes);
        let used = self.consume(&rest, on_message)?;
        if used < rest.len() {
            rest.drain(..used);
            self.rest = rest;
        }
        Ok(())
    }

    fn consume(
        &mut self,
        bytes: &[u8],
        on_message: &mut dyn FnMut(Opcode, &[u8]) -> io::Result<()>,
    ) -> io::Result<usize> {
        let mut used = 0;
        while let Some((head, payload, length)) = frame(&bytes[used..])? {
            used += length;
            self.frame(head, payload, on_message)?;
        }
        Ok(used)
    }

    fn frame(
        &mut self,
        head: u8,
        payload: &[u8],
        on_message: &mut dyn FnMut(Opcode, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let last = head & 0x80 != 0;
        let opcode = match head & 0x0f {
            0 => {
                self.message.extend_from_slice(payload);
                if !last {
                    return Ok(());
                }
                let message = std::mem::take(&mut self.message);
                return on_message(Opcode::Text, &message);
            }
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            other => return Err(broken(&format!("opcode {other}"))),
        };
        if last {
            return on_message(opcode, payload);
        }
        self.message.extend_from_slice(payload);
        Ok(())
    }
}

/// Head byte, payload and whole length of the first frame, if it is all there.
fn frame(bytes: &[u8]) -> io::Result<Option<(u8, &[u8], usize)>> {
    let [head, size, rest @ ..] = bytes else { return Ok(None) };
    if size & 0x80 != 0 {
        return Err(broken("a masked frame from the server"));
    }
    let (length, skip) = match size & 0x7f {
        126 => match rest.first_chunk::<2>() {
            Some(length) => (usize::from(u16::from_be_bytes(*length)), 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (u64::from_be_bytes(*length) as usize, 10),
            None => return Ok(None),
        },
        length => (usize::from(length), 2),
    };
    if length > MESSAGE_BYTES_MAX {
        return Err(broken("a frame larger than 16 MiB"));
    }
    Ok(bytes.get(skip..skip + length).map(|payload| (*head, payload, skip + length)))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the server broke the WebSocket protocol: {what}"))
}

/// An open WebSocket.
pub struct Socket {
    stream: TcpStream,
    frames: Frames,
}

impl Socket {
    /// Connects and upgrades. `protocol` is the subprotocol to ask for.
    ///
    /// # Errors
    /// When there is no connection, or no upgrade; the text has the server's status line.
    pub async fn open(address: SocketAddr, path: &str, protocol: Option<&str>) -> io::Result<Self> {
        timeout(OPEN_TIMEOUT, Self::upgrade(address, path, protocol)).await?
    }

    async fn upgrade(address: SocketAddr, path: &str, protocol: Option<&str>) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let subprotocol = protocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGlkZWdhdGUgdmlld2Vycw==\r\n{subprotocol}\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut response = Vec::new();
        let end = loop {
            if stream.read_buf(&mut response).await? == 0 || response.len() > RESPONSE_BYTES_MAX {
                return Err(io::Error::other(format!("no upgrade on {path}: the server's answer has no end")));
            }
            if let Some(end) = response.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
        };
        if !response.starts_with(b"HTTP/1.1 101") {
            let line =
                String::from_utf8_lossy(response.split(|&byte| byte == b'\r').next().unwrap_or(&[])).into_owned();
            return Err(io::Error::other(format!("no upgrade on {path}: {line}")));
        }
        let rest = response.split_off(end);
        Ok(Self { stream, frames: Frames { rest, message: Vec::new() } })
    }

    /// Until there is something to read.
    pub async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    /// Hands over every message that is there. Returns the bytes that came over the wire.
    ///
    /// # Errors
    /// When the connection ends, the protocol is broken, or `on_message` fails.
    pub fn read(&mut self, on_message: &mut dyn FnMut(Opcode, &[u8]) -> io::Result<()>) -> io::Result<usize> {
        let mut buffer = [0; READ_BYTES];
        match self.stream.try_read(&mut buffer) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
            Ok(count) => self.frames.feed(&buffer[..count], on_message).map(|()| count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Messages that came in the same packet as the upgrade.
    ///
    /// # Errors
    /// As [`Socket::read`].
    pub fn read_early(&mut self, on_message: &mut dyn FnMut(Opcode, &[u8]) -> io::Result<()>) -> io::Result<()> {
        self.frames.feed(&[], on_message)
    }

    /// Sends what is in the outbox.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn send(&mut self, outbox: &mut Outbox) -> io::Result<()> {
        if !outbox.0.is_empty() {
            self.stream.write_all(&outbox.0).await?;
            outbox.0 = Vec::new();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn server_frame(head: u8, payload: &[u8]) -> Vec<u8> {
        let mut outbox = Outbox::default();
        outbox.frame(head, payload);
        let mut bytes = outbox.0;
        let mask_at = bytes.len() - payload.len() - 4;
        bytes.drain(mask_at..mask_at + 4);
        bytes[1] &= 0x7f;
        bytes
    }

    #[test]
    fn messages_are_whole_however_the_bytes_are_cut() {
        let mut bytes = server_frame(0x81, b"one");
        bytes.extend(server_frame(0x01, &[b'x'; 300]));
        bytes.extend(server_frame(0x89, b"?"));
        bytes.extend(server_frame(0x80, &vec![b'y'; 70_000]));
        for step in [1, 2, 3, 7, 1000, bytes.len()] {
            let mut frames = Frames::default();
            let mut seen = Vec::new();
            for piece in bytes.chunks(step) {
                frames
                    .feed(piece, &mut |opcode, payload| {
                        seen.push((opcode, payload.len()));
                        Ok(())
                    })
                    .unwrap();
            }
            assert_eq!(seen, [(Opcode::Text, 3), (Opcode::Ping, 1), (Opcode::Text, 70_300)], "pieces of {step}");
        }
    }

    #[test]
    fn a_masked_frame_from_the_server_is_refused() {
        let error = Frames::default().feed(&[0x81, 0x80, 0, 0, 0, 0], &mut |_, _| Ok(())).unwrap_err();
        assert!(error.to_string().contains("masked"));
    }
}
