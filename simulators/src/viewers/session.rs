//! The loop between a WebSocket and the protocol spoken over it.

use super::{
    Audience,
    socket::{Opcode, Outbox, Socket},
};
use crate::model::rng::Rng;
use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};

const TICK: Duration = Duration::from_secs(1);

/// A protocol over a WebSocket, without I/O.
pub trait Speaker: Send {
    /// Path and subprotocol to ask for.
    fn endpoint(&self) -> (&'static str, Option<&'static str>);
    /// A new connection stands.
    fn open(&mut self, out: &mut Outbox);
    /// A message came.
    ///
    /// # Errors
    /// When the connection cannot go on; the text says why.
    fn message(&mut self, payload: &[u8], audience: &Audience, out: &mut Outbox) -> Result<(), String>;
    /// A second has passed.
    fn tick(&mut self, out: &mut Outbox);
}

/// A viewer's life: connects, watches, comes back after trouble with 1, 2, 4, ... 30 s and up to 1 s of chance.
pub(crate) async fn run(address: SocketAddr, mut speaker: Box<dyn Speaker>, audience: Arc<Audience>, mut rng: Rng) {
    let mut failures = 0u32;
    loop {
        let began = Instant::now();
        let ended = tokio::select! {
            ended = session(address, &mut *speaker, &audience) => ended,
            () = audience.stop.cancelled() => return,
        };
        let Err(error) = ended else { return };
        audience.stats.session_lost(&error);
        failures = if began.elapsed() > Duration::from_secs(30) { 1 } else { failures + 1 };
        let pause_s = f64::from(1u32 << (failures - 1).min(5)).min(30.0) + rng.unit();
        tokio::select! {
            () = sleep(Duration::from_secs_f64(pause_s)) => {}
            () = audience.stop.cancelled() => return,
        }
    }
}

async fn session(address: SocketAddr, speaker: &mut dyn Speaker, audience: &Audience) -> io::Result<()> {
    let (path, protocol) = speaker.endpoint();
    let mut socket = Socket::open(address, path, protocol).await?;
    audience.stats.session_opened();
    let ended = converse(&mut socket, speaker, audience).await;
    audience.stats.session_closed();
    ended
}

async fn converse(socket: &mut Socket, speaker: &mut dyn Speaker, audience: &Audience) -> io::Result<()> {
    let mut outbox = Outbox::default();
    let mut tick = pin!(sleep_until(Instant::now() + TICK));
    let mut stop = pin!(audience.stop.cancelled());
    speaker.open(&mut outbox);
    socket.read_early(&mut |opcode, payload| handle(opcode, payload, speaker, audience, &mut outbox))?;
    socket.send(&mut outbox).await?;
    loop {
        tokio::select! {
            ready = socket.readable() => {
                ready?;
                let bytes = socket.read(&mut |opcode, payload| handle(opcode, payload, speaker, audience, &mut outbox))?;
                audience.stats.received(bytes);
            }
            () = &mut tick => {
                speaker.tick(&mut outbox);
                tick.as_mut().reset(Instant::now() + TICK);
            }
            () = &mut stop => {
                outbox.close();
                return socket.send(&mut outbox).await;
            }
        }
        socket.send(&mut outbox).await?;
    }
}

fn handle(
    opcode: Opcode,
    payload: &[u8],
    speaker: &mut dyn Speaker,
    audience: &Audience,
    outbox: &mut Outbox,
) -> io::Result<()> {
    match opcode {
        Opcode::Text | Opcode::Binary => speaker.message(payload, audience, outbox).map_err(io::Error::other),
        Opcode::Ping => {
            outbox.pong(payload);
            Ok(())
        }
        Opcode::Pong => Ok(()),
        Opcode::Close => {
            let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or(&[])).into_owned();
            Err(io::Error::new(io::ErrorKind::ConnectionAborted, format!("the server said goodbye: {reason}")))
        }
    }
}
