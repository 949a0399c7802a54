use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::packet::{self, Outgoing, Packet, Will};
use super::session::Session;

/// How long a server may take to answer a CONNECT, also while it starts on a slow machine.
const CONNACK_MAX: Duration = Duration::from_secs(20);

/// A session and the connection it has at the moment.
#[derive(Debug, Default)]
pub struct Client {
    /// What lasts.
    pub session: Session,
    /// Left when the connection is lost.
    pub will: Option<Will>,
    stream: Option<TcpStream>,
    input: Vec<u8>,
}

impl Client {
    /// A client of version 3.1.1 that is not connected.
    #[must_use]
    pub fn v3(client: &str) -> Client {
        Client { session: Session::new(client, false), ..Client::default() }
    }

    /// A client of version 5 that is not connected.
    #[must_use]
    pub fn v5(client: &str) -> Client {
        Client { session: Session::new(client, true), ..Client::default() }
    }

    /// Whether there is a connection, as far as is known.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.stream.is_some()
    }

    /// Connects, and sends again what was not acknowledged.
    ///
    /// # Errors
    /// When there is no server, or it does not let the client in.
    pub async fn connect(&mut self, server: SocketAddr) -> io::Result<()> {
        self.lose();
        self.stream = Some(TcpStream::connect(server).await?);
        let connect = packet::connect(&self.session.client, self.session.v5, self.will.as_ref());
        self.send(&connect).await?;
        let answer = timeout(CONNACK_MAX, self.packet()).await;
        let answer = answer.unwrap_or_else(|_| Err(io::Error::other("no CONNACK")));
        match answer.inspect_err(|_| self.lose())? {
            Packet::Connack { session_present, code: 0 } => {
                let again = self.session.resume(session_present);
                self.send(&again).await
            }
            other => {
                self.lose();
                Err(io::Error::other(format!("not let in: {other:?}")))
            }
        }
    }

    /// Connects as often as it takes.
    ///
    /// # Panics
    /// When that takes longer than 30 s.
    pub async fn connect_at_last(&mut self, server: SocketAddr) {
        let end = Instant::now() + Duration::from_secs(30);
        while let Err(error) = self.connect(server).await {
            assert!(Instant::now() < end, "{} gets no connection: {error}", self.session.client);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The connection is gone, without a word to the server.
    pub fn lose(&mut self) {
        self.stream = None;
        self.input.clear();
    }

    /// Says DISCONNECT.
    pub async fn leave(&mut self) {
        // Whether it gets there or not, the connection is over.
        let _ = self.send(packet::DISCONNECT).await;
        self.lose();
    }

    /// Publishes; without a connection it is sent with the next one.
    pub async fn publish(&mut self, topic: &str, payload: &str, qos: u8, retain: bool) {
        let message = Outgoing { topic: topic.to_owned(), payload: payload.to_owned(), qos, retain };
        let bytes = self.session.publish(message);
        // A lost connection is seen by whoever reads.
        let _ = self.send(&bytes).await;
    }

    /// Publishes bytes with QoS 0, once: without a connection they are lost.
    pub async fn publish_once(&mut self, topic: &str, payload: &[u8]) {
        let bytes = packet::publish_once(topic, payload, self.session.v5);
        let _ = self.send(&bytes).await;
    }

    /// Subscribes and waits for the SUBACK; gives its code.
    ///
    /// # Errors
    /// When the connection is lost before.
    pub async fn subscribe(&mut self, filter: &str, qos: u8) -> io::Result<u8> {
        let packet_id = self.session.free_packet_id();
        let subscribe = packet::subscribe(filter, qos, packet_id, self.session.v5);
        self.session.granted = None;
        self.send(&subscribe).await?;
        loop {
            if let Some(code) = self.session.granted {
                return Ok(code);
            }
            self.step().await?;
        }
    }

    /// Sends PINGREQ and waits for the answer: what the server sent before has come by then.
    ///
    /// # Errors
    /// When the connection is lost before.
    pub async fn ping(&mut self) -> io::Result<()> {
        self.send(packet::PING).await?;
        while self.step().await? != Packet::Pong {}
        Ok(())
    }

    /// Takes the next packet and answers it.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn step(&mut self) -> io::Result<Packet> {
        let packet = self.packet().await?;
        if let Packet::Disconnect(code) = packet {
            self.lose();
            return Err(io::Error::other(format!("the server ended the connection with {code:#x}")));
        }
        let answer = self.session.receive(packet.clone());
        self.send(&answer).await?;
        Ok(packet)
    }

    /// Takes packets until `enough`, or none came for `silence`, or the connection is lost.
    pub async fn listen_until(&mut self, silence: Duration, enough: impl Fn(&Session) -> bool) {
        while !enough(&self.session) && matches!(timeout(silence, self.step()).await, Ok(Ok(_))) {}
    }

    async fn packet(&mut self) -> io::Result<Packet> {
        loop {
            if let Some(packet) = Packet::take(&mut self.input, self.session.v5) {
                return Ok(packet);
            }
            let Some(stream) = &mut self.stream else { return Err(io::ErrorKind::NotConnected.into()) };
            let read = stream.read_buf(&mut self.input).await;
            if !matches!(read, Ok(1..)) {
                self.lose();
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Err(io::ErrorKind::NotConnected.into()) };
        let sent = stream.write_all(bytes).await;
        sent.inspect_err(|_| self.lose())
    }
}
