//! One client's connection: the thin edge around a [`Machine`].
//!
//! - [`serve`]: the task; waits, pumps, obeys
//! - `admission`: from CONNECT to CONNACK
//! - `visible`: what operators see of it
//! - `requests`: what a client asks for, in its order
//! - `deliveries`: what it gets, from its queue to the stream
//! - `transfer`: bytes between stream and machine
//! - `farewell`: the end, and what it leaves behind

mod admission;
mod deliveries;
mod farewell;
mod requests;
mod transfer;
mod visible;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_log::Room;
use tidegate_telemetry::{Holder, Owner, Reason};
use tokio::io::{AsyncRead, AsyncWrite};

use self::requests::Subscribing;
use self::transfer::{poll_receive, poll_write};
use super::clients::Presence;
use super::commits::OnDisk;
use super::state::{GateState, Registration};
use super::turn::Turn;
use crate::access::{Permit, PublishRate};
use crate::config::Acknowledge;
use crate::listeners::Peer;
use crate::sessions::EndOrder;
use crate::wire::{End, Machine, Request};

/// What carries a connection's bytes. The connection is compiled for each kind, so that plain TCP pays for no other.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Serves one client until its connection ends, then gives its place back. The CONNECT is due `connect_timeout` after
/// `accepted`, whatever came before it.
///
/// Not an `async fn`: the arguments would live in the future a second time.
pub(super) fn serve<S: Stream>(
    gate: Arc<GateState>,
    stream: S,
    peer: Peer,
    accepted: Instant,
    permit: Permit,
) -> impl Future<Output = ()> + Send {
    let registration = gate.register();
    let machine = Machine::new(Arc::clone(&gate.limits), accepted);
    let mut connection = Connection {
        machine,
        rate: PublishRate::new(),
        held_until: None,
        requests: VecDeque::new(),
        stored_with: 0,
        subscribing: None,
        turn: Turn::new(),
        paused_ms: 0,
        holds: None,
        presence: None,
        noted_inflight: 0,
        is_unflushed: false,
        takes_nothing: false,
        has_parted: false,
        gate,
        stream,
        peer,
        registration,
        permit,
    };
    async move { connection.run().await }
}

/// The thin edge around a [`Machine`]: moves bytes between socket and machine, and requests between machine and gate.
///
/// What it holds while idle is small: reads go to a buffer of the thread, and what is written is given back at once.
struct Connection<S: Stream> {
    gate: Arc<GateState>,
    stream: S,
    peer: Peer,
    registration: Registration,
    machine: Machine,
    /// What was read and is not served yet. Nothing more is read before it is.
    requests: VecDeque<Request>,
    /// The newest ticket of what was served of it.
    stored_with: u64,
    subscribing: Option<Box<Subscribing>>,
    turn: Turn,
    /// What [`super::pauses::Pauses::total_ms`] was when the client was heard.
    paused_ms: u64,
    /// The client identifier this connection holds.
    holds: Option<Arc<str>>,
    /// What operators see of the client, once it has its session.
    presence: Option<Arc<Presence>>,
    noted_inflight: usize,
    /// Written bytes wait in the stream, such as encrypted ones that the socket did not take.
    is_unflushed: bool,
    /// Writing failed: the client is gone. What it sent before, such as its PUBACK and DISCONNECT, is still read.
    takes_nothing: bool,
    /// What it held is given up; only its last bytes are still to be written and read.
    has_parted: bool,
    rate: PublishRate,
    /// The client is not read before: it published faster than it may.
    held_until: Option<Instant>,
    permit: Permit,
}

/// Past this many unwritten bytes nothing more is taken from the client's queue. Few in the unit tests, where messages are
/// short.
const OUTPUT_BYTES_MAX: usize = if cfg!(test) { 48 } else { 64 * 1024 };

/// Past this many unwritten bytes the client is not read: beyond what is delivered, so that one that takes its messages
/// slowly is still heard.
const UNREAD_OUTPUT_BYTES: usize = 2 * OUTPUT_BYTES_MAX;

/// How often a connection that owes answers looks whether there is room again.
const ROOM_INTERVAL: Duration = Duration::from_secs(2);

/// A timer that is not armed.
const FAR: Duration = Duration::from_secs(24 * 3600);

/// Bytes that are read and parsed in about the time of a step.
const BYTES_PER_STEP: usize = 64;

/// What comes after a pump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Something will wake the connection.
    Sleep,
    /// Something is left to do, and others have their turn first.
    GoOn,
}

/// Why the connection's task woke up.
enum Wake {
    Read(io::Result<usize>),
    Timer,
    Room,
    /// Something was made durable, queued or can be written; [`Connection::pump`] looks at all of it.
    Progress,
}

impl<S: Stream> Connection<S> {
    async fn run(&mut self) {
        let mut timer = pin!(tokio::time::sleep(self.gate.config.connect_timeout));
        let mut room: Option<Room> = None;
        let mut drain_until: Option<Instant> = None;
        let mut has_looked_again = false;
        loop {
            self.serve_requests();
            let seen = self.gate.commits.now();
            let next = self.pump(seen);
            self.obey(&mut drain_until);
            let has_ended = self.machine.ended().is_some();
            if has_ended && self.requests.is_empty() {
                break;
            }
            if room.is_none() && !self.gate.log.has_room() {
                room = Some(self.gate.log.room());
            }
            self.held_until = self.held_until.filter(|at| *at > Instant::now());
            let store_is_full = self.gate.store.is_full();
            let held_by_us = room.is_some()
                || store_is_full
                || self.machine.is_saturated()
                || self.held_until.is_some()
                || !self.requests.is_empty();
            if held_by_us {
                self.machine.forgive_silence(Instant::now());
            }
            let look = self.machine.owes_answers().then(|| Instant::now() + ROOM_INTERVAL);
            let due = drain_until.or(self.machine.deadline()).into_iter().chain(self.held_until).chain(look).min();
            let at = due.unwrap_or_else(|| Instant::now() + FAR).into();
            // The timer is moved when it fires, not with every packet; only an earlier deadline moves it at once.
            if at < timer.deadline() {
                timer.as_mut().reset(at);
            }
            let is_read = !held_by_us && !has_ended && drain_until.is_none();
            if (self.awaits_disk() || store_is_full)
                && self.gate.commits.wake_after(seen, &self.registration.handle).is_err()
            {
                self.machine.end(End::Lost);
                break;
            }
            if next == Next::GoOn {
                tokio::task::yield_now().await;
                self.turn = Turn::new();
            }
            match self.wait(is_read, next, timer.as_mut(), &mut room).await {
                Wake::Read(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                    let (reason, detail) = (Reason::MalformedPacket, error.to_string());
                    self.guarded(|machine| machine.end(End::Refused { reason, detail, sample: Bytes::new() }));
                }
                Wake::Read(Ok(0)) | Wake::Read(Err(_)) => self.machine.end(End::Lost),
                Wake::Read(Ok(_)) => {
                    has_looked_again = false;
                    self.note_heard();
                    // Boxed, as the farewell is: what happens once must not make every idle connection larger.
                    if let Some(connect) = self.take_connect() {
                        Box::pin(self.connect(&connect)).await;
                    }
                    self.note_published();
                }
                Wake::Room => room = None,
                Wake::Timer if self.is_due() && !has_looked_again => {
                    // What has arrived is read before silence is judged: the timer may have been seen before the bytes.
                    has_looked_again = true;
                    tokio::task::yield_now().await;
                }
                Wake::Timer => {
                    has_looked_again = false;
                    self.guarded(|machine| machine.tick(Instant::now()));
                    let next = self.machine.deadline().unwrap_or_else(|| Instant::now() + FAR);
                    timer.as_mut().reset(next.into());
                }
                Wake::Progress => {}
            }
        }
        Box::pin(self.say_farewell()).await;
    }

    /// Waits for the client, a wake-up, room or time, whichever comes first; where the connection is to go on, it only
    /// looks whether any of them came.
    ///
    /// Not an `async fn`, and no `select!`: it is part of the task of every idle connection.
    fn wait(
        &mut self,
        is_read: bool,
        next: Next,
        mut timer: Pin<&mut tokio::time::Sleep>,
        room: &mut Option<Room>,
    ) -> impl Future<Output = Wake> {
        let has_output = self.has_output();
        let has_too_much = self.machine.output().len() >= UNREAD_OUTPUT_BYTES;
        poll_fn(move |cx| {
            // A wake-up does not keep the client from being read: whatever wakes the connection, it pumps.
            let is_woken = self.registration.handle.poll_woken(cx).is_ready();
            if room.as_mut().is_some_and(|room| room.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(Wake::Room);
            }
            if has_output
                && let Poll::Ready(written) =
                    poll_write(&mut self.stream, cx, self.machine.output(), &mut self.is_unflushed)
            {
                self.takes_nothing = written.is_err();
                if has_too_much {
                    // It takes what it gets, and is not read for that.
                    self.machine.forgive_silence(Instant::now());
                }
                return Poll::Ready(Wake::Progress);
            }
            if is_read
                && !has_too_much
                && let Poll::Ready(read) = self.poll_read(cx)
            {
                return Poll::Ready(Wake::Read(read));
            }
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Wake::Timer);
            }
            if is_woken || next == Next::GoOn {
                return Poll::Ready(Wake::Progress);
            }
            self.turn = Turn::new();
            Poll::Pending
        })
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let (machine, gate, peer) = (&mut self.machine, &self.gate, &self.peer);
        let mut requests = Vec::new();
        let read = poll_receive(&mut self.stream, cx, |bytes| {
            let now = gate.now();
            guarded(peer, machine, |machine| machine.receive(bytes, now, &mut requests));
        });
        if let Poll::Ready(Ok(bytes)) = &read {
            self.turn.spend(bytes / BYTES_PER_STEP);
            self.requests = requests.into();
        }
        read
    }

    /// Lets out what may go out: acknowledgements, deliveries, bytes. The connection sleeps only where this says so:
    /// when nothing is left to send, or the stream takes no more for now, and all that was read is served.
    fn pump(&mut self, on_disk: OnDisk) -> Next {
        self.look_at_traces();
        let acknowledge = match self.gate.config.acknowledge {
            Acknowledge::Durable => on_disk.durable,
            Acknowledge::Appended => self.gate.log.appended(),
        };
        let acknowledged = self.guarded(|machine| machine.durable(acknowledge, on_disk.stored)).unwrap_or(0);
        self.gate.metrics.acknowledgements.increment(acknowledged as u64);
        let next = self.send(on_disk);
        self.note_inflight();
        if self.requests.is_empty() { next } else { Next::GoOn }
    }

    fn awaits_disk(&self) -> bool {
        self.machine.pending() > 0 || self.machine.holds_deliveries()
    }

    /// Whether the client is to be judged: its deadline is over, pauses of the program itself left out.
    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let paused_ms = self.gate.pauses.look(now);
        let pause = Duration::from_millis(paused_ms.saturating_sub(self.paused_ms));
        self.paused_ms = paused_ms;
        self.machine.forgive_pause(pause, now);
        self.machine.deadline().is_some_and(|at| at <= now)
    }

    fn has_output(&mut self) -> bool {
        if self.takes_nothing {
            self.machine.output().clear();
        }
        !self.takes_nothing && (self.is_unflushed || !self.machine.output().is_empty())
    }

    /// Does as the broker orders. At shutdown the connection goes on until what it published is acknowledged.
    fn obey(&mut self, drain_until: &mut Option<Instant>) {
        if self.machine.owes_answers() && !self.gate.log.is_disk_full() {
            self.machine.end(End::RoomAgain);
        }
        match self.registration.handle.end_order() {
            None => {}
            Some(EndOrder::TakenOver) => {
                self.guarded(|machine| machine.end(End::TakenOver));
            }
            Some(EndOrder::Administrative { session }) => {
                self.guarded(|machine| machine.end(End::Administrative));
                if session {
                    self.machine.give_session_up();
                }
            }
            Some(EndOrder::Shutdown) => {
                let until = *drain_until.get_or_insert_with(|| Instant::now() + self.gate.config.shutdown_grace);
                if self.machine.pending() == 0 || Instant::now() >= until {
                    self.guarded(|machine| machine.end(End::Shutdown));
                }
            }
        }
    }

    /// In whose share the connection counts: by its address until it has proved who it is.
    fn holder(&self) -> Holder {
        let owner = match self.machine.auth().owner() {
            Owner::Unknown => self.peer.owner(),
            known => known.clone(),
        };
        let client = match self.machine.client() {
            "" => self.peer.to_string().into(),
            client => client.into(),
        };
        (owner, client)
    }

    fn guarded<T>(&mut self, step: impl FnOnce(&mut Machine) -> T) -> Option<T> {
        guarded(&self.peer, &mut self.machine, step)
    }
}

/// Runs a step of the protocol. A panic in it, such as the protocol crate's on input it did not expect, ends this
/// connection and no other.
fn guarded<T>(peer: &Peer, machine: &mut Machine, step: impl FnOnce(&mut Machine) -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(|| step(machine))) {
        Ok(value) => Some(value),
        Err(_) => {
            tracing::error!(%peer, client = machine.client(), "a panic in the protocol ended a connection");
            let detail = "a panic in the protocol ended the connection; please report it with the packet".to_owned();
            machine.abandon(End::Refused { reason: Reason::Internal, detail, sample: Bytes::new() });
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;
    use crate::listeners::Transport;
    use crate::topics::TopicLimits;
    use crate::wire::{Limits, PropertyLimits};

    #[test]
    fn a_panic_in_a_step_ends_the_machine_and_nothing_else() {
        let limits = Limits {
            topics: TopicLimits { bytes_max: 10, levels_max: 10 },
            connect_timeout: Duration::from_secs(1),
            packet_timeout: Duration::from_secs(1),
            packet_bytes_max: 10,
            client_id_bytes_max: 10,
            topic_alias_max: 0,
            receive_max: 1,
            inflight_bytes_max: 1,
            delivery_inflight_max: 1,
            keep_alive_max_s: 0,
            properties: PropertyLimits::default(),
        };
        let mut machine = Machine::new(Arc::new(limits), Instant::now());
        let peer = Peer { transport: Transport::Unix, address: None, certificate: None };
        let peer = &peer;
        assert_eq!(guarded(peer, &mut machine, |_| 7), Some(7));
        assert_eq!(guarded::<()>(peer, &mut machine, |_| panic!("as the protocol crate may")), None);
        assert!(matches!(machine.ended(), Some(End::Refused { reason: Reason::Internal, .. })));
    }

    #[test]
    fn the_task_of_a_connection_stays_small() {
        fn future_bytes<F>(_: fn(Arc<GateState>, TcpStream, Peer, Instant, Permit) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = future_bytes(serve::<TcpStream>);
        assert!(bytes <= 1680, "{bytes} bytes a connection: did a buffer or a rare step get into the future?");
    }
}
