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
pub trait ViewerProtocol: Send {
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
pub(crate) async fn run(
    address: SocketAddr,
    mut viewer: Box<dyn ViewerProtocol>,
    audience: Arc<Audience>,
    mut rng: Rng,
) {
    let mut failures = 0u32;
    loop {
        let began = Instant::now();
        let ended = tokio::select! {
            ended = session(address, &mut *viewer, &audience) => ended,
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

async fn session(address: SocketAddr, viewer: &mut dyn ViewerProtocol, audience: &Audience) -> io::Result<()> {
    let (path, protocol) = viewer.endpoint();
    let mut socket = Socket::open(address, path, protocol).await?;
    audience.stats.session_opened();
    let ended = converse(&mut socket, viewer, audience).await;
    audience.stats.session_closed();
    ended
}

async fn converse(socket: &mut Socket, viewer: &mut dyn ViewerProtocol, audience: &Audience) -> io::Result<()> {
    let mut outbox = Outbox::default();
    let mut tick = pin!(sleep_until(Instant::now() + TICK));
    let mut stop = pin!(audience.stop.cancelled());
    viewer.open(&mut outbox);
    socket.read_early(&mut |opcode, payload| handle(opcode, payload, viewer, audience, &mut outbox))?;
    socket.send(&mut outbox).await?;
    loop {
        tokio::select! {
            ready = socket.readable() => {
                ready?;
                let bytes = socket.read(&mut |opcode, payload| handle(opcode, payload, viewer, audience, &mut outbox))?;
                audience.stats.received(bytes);
            }
            () = &mut tick => {
                viewer.tick(&mut outbox);
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
    viewer: &mut dyn ViewerProtocol,
    audience: &Audience,
    outbox: &mut Outbox,
) -> io::Result<()> {
    match opcode {
        Opcode::Text | Opcode::Binary => viewer.message(payload, audience, outbox).map_err(io::Error::other),
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
