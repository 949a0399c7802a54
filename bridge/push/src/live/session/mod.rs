//! One viewer, on whatever transport: what it asked for, how far each view has got, and what may go out now.
//!
//! - [`begin`]: the session's task: hears, serves, waits; `place`: on which runtime
//! - `opening`: hello and welcome; `wishes`: what a client asks for
//! - `serving`: what may go out now, and when to look again
//! - `answers`: what history answered; `guard`: it leaves the hub when it ends

mod answers;
mod guard;
mod opening;
mod place;
mod serving;
mod wishes;

use std::sync::Arc;

use tidegate_settings::millis;
use tidegate_telemetry::History;
use tidegate_views::{StreamPosition, Subscription};
use tokio::time::{Instant, sleep_until};

pub(crate) use self::guard::HubGuard;
use self::place::Place;
pub(crate) use self::place::Runtimes;
use crate::archive::{Archive, Asker};
use crate::live::encoding::LiveEncoding;
use crate::live::flow::{ByteLimit, Flow};
use crate::live::hub::Hub;
use crate::live::jobs::{Jobs, Questions};
use crate::live::json::Json;
use crate::live::lateness::Lateness;
use crate::live::message::{ClientMessage, Code, ErrorMessage, ServerMessage};
use crate::live::pace::Pace;
use crate::live::position::ToldPosition;
use crate::live::transport::{Gone, Received, Transport};

/// Serves one viewer until it goes, breaks the protocol, or the server closes.
pub(crate) fn begin<T: Transport + 'static>(
    hub: Arc<Hub>,
    history: Arc<dyn History>,
    guard: HubGuard,
    transport: T,
    offered: &'static [&'static dyn LiveEncoding],
    runtimes: Runtimes,
) {
    go(Session::new(hub, history, guard, transport, offered, runtimes), Place::Asks);
}

/// Goes on with a session on a runtime.
fn go<T: Transport + 'static>(mut session: Session<T>, place: Place) {
    let (tasks, runtime) = (session.hub.tasks.clone(), session.runtimes.of(place).clone());
    let stay = async move {
        let closed = session.hub.closed.clone();
        let stayed = tokio::select! {
            biased;
            stayed = session.run(place) => stayed,
            () = closed.cancelled() => Ok(Flowing::Ended),
        };
        match stayed {
            Ok(Flowing::On) => go(session, place.other()),
            Ok(Flowing::Ended) | Err(Gone) => leave(session, place),
        }
    };
    tasks.spawn_on(stay, &runtime);
}

/// To close many rows takes time.
fn leave<T: Transport + 'static>(session: Session<T>, place: Place) {
    match place {
        Place::Asks => drop(session),
        Place::Live => {
            let (tasks, runtime) = (session.hub.tasks.clone(), session.runtimes.asks.clone());
            tasks.spawn_on(async move { drop(session) }, &runtime);
        }
    }
}

struct Session<T> {
    hub: Arc<Hub>,
    guard: HubGuard,
    transport: T,
    history: Arc<dyn History>,
    subscriptions: Vec<Open>,
    offered: &'static [&'static dyn LiveEncoding],
    encoding: &'static dyn LiveEncoding,
    epoch: Arc<str>,
    /// The epoch of positions that the client has as numbers; empty: of none.
    epoch_of_numbers: Box<str>,
    max_rate: Option<f64>,
    paused: bool,
    flow: Flow,
    byte_limit: Option<ByteLimit>,
    pace: Pace,
    lateness: Lateness,
    pulse_due: Instant,
    jobs: Jobs,
    runtimes: Runtimes,
    is_open: bool,
    /// What the client asked for where it may take long, and is not done yet.
    asked: Option<ClientMessage>,
}

/// A subscription and when it may be served.
struct Open {
    subscription: Subscription,
    /// Something may have changed since it was last looked at.
    dirty: bool,
    /// Its history of events is being read.
    reading: bool,
    questions: Questions,
    /// Deltas a second that the client asked for; those that hold its updates back; and those that it was told do.
    rate: Option<f64>,
    met_rate: Option<f64>,
    told_rate: Option<f64>,
    due: Instant,
    /// Changes before it is due wake nobody ...
    asleep: bool,
    /// ... and there were some.
    held: bool,
}

/// RFC 6455 section 7.4.1.
const GOING_AWAY: u16 = 1001;

/// Whether the session goes on.
enum Flowing {
    On,
    Ended,
}

impl<T: Transport> Session<T> {
    fn new(
        hub: Arc<Hub>,
        history: Arc<dyn History>,
        guard: HubGuard,
        transport: T,
        offered: &'static [&'static dyn LiveEncoding],
        runtimes: Runtimes,
    ) -> Self {
        let config = &hub.config;
        let now = Instant::now();
        let epoch = hub.read(|views| Arc::clone(&views.epoch().name));
        Session {
            flow: Flow::new(config.bytes_in_flight_start, config.bytes_in_flight_max),
            jobs: Jobs::new(Archive::new(Arc::clone(&history), hub.turns.clone()), Asker::Session(guard.number)),
            history,
            pace: Pace::new(config.pace_after),
            lateness: Lateness::default(),
            pulse_due: now + config.pulse,
            hub,
            guard,
            transport,
            subscriptions: Vec::new(),
            offered,
            encoding: offered.last().copied().unwrap_or(&Json::PROTOCOL_2),
            epoch,
            epoch_of_numbers: Box::default(),
            max_rate: None,
            paused: false,
            byte_limit: None,
            runtimes,
            is_open: false,
            asked: None,
        }
    }

    /// Until it ends, or should go on at the other place.
    async fn run(&mut self, place: Place) -> Result<Flowing, Gone> {
        if !self.is_open {
            if let Flowing::Ended = self.open().await? {
                return Ok(Flowing::Ended);
            }
            self.is_open = true;
        }
        let sleep = sleep_until(self.pulse_due);
        tokio::pin!(sleep);
        loop {
            if self.hub.is_closing() {
                self.say(&ServerMessage::Goaway { reconnect_after_ms: self.reconnect_after_ms() }).await?;
                self.transport.close(GOING_AWAY, "the server goes: come back as `goaway` says").await;
                return Ok(Flowing::Ended);
            }
            if let Some(message) = self.asked.take_if(|_| place == Place::Asks) {
                self.obey(message).await?;
            }
            while let Some(answer) = self.jobs.ready() {
                self.take_answer(answer).await?;
            }
            let deadline = self.serve_what_is_due().await?;
            if self.place() != place {
                return Ok(Flowing::On);
            }
            let lanes = self.lanes_to_wake_for(Instant::now());
            if !self.guard.waker.wait_for(lanes) {
                continue;
            }
            if sleep.deadline() != deadline {
                sleep.as_mut().reset(deadline);
            }
            tokio::select! {
                biased;
                message = self.transport.receive() => {
                    if let Flowing::Ended = self.take(message).await? {
                        return Ok(Flowing::Ended);
                    }
                }
                () = self.guard.waker.woken() => {}
                answer = self.jobs.next(), if !self.jobs.is_empty() => if let Some(answer) = answer {
                    self.take_answer(answer).await?;
                },
                () = &mut sleep => {}
            }
        }
    }

    async fn take(&mut self, message: Received) -> Result<Flowing, Gone> {
        let message = match message {
            Received::Gone => return Ok(Flowing::Ended),
            Received::Text(text) if text.len() <= self.hub.config.message_bytes_max => understand(&text),
            Received::Text(_) | Received::TooLarge => return self.refuse_too_large().await,
            Received::Binary => Err(BINARY.to_owned()),
        };
        match message {
            Ok(message) if message.is_light() => self.obey(message).await?,
            Ok(message) => self.asked = Some(message),
            Err(message) => self.say_error(ErrorMessage::new(Code::NotUnderstood, None, message)).await?,
        }
        Ok(Flowing::On)
    }

    async fn refuse_too_large(&mut self) -> Result<Flowing, Gone> {
        let max = self.hub.config.message_bytes_max;
        let message = format!("a message is larger than limits.message_bytes ({max}): send smaller ones");
        self.refuse(Code::MessageTooLarge, message).await
    }

    async fn pulse(&mut self, now: Instant) -> Result<(), Gone> {
        let config = &self.hub.config;
        self.pulse_due = now + if self.paused { config.pulse_paused } else { config.pulse };
        let version = self.hub.read(|views| views.position().0);
        let epoch = Arc::clone(&self.epoch);
        let at = ToldPosition { position: StreamPosition { epoch: &epoch, version }, form: self.encoding.positions() };
        self.say(&ServerMessage::Pulse { time: self.hub.now_ms(), at, sent: self.flow.sent }).await
    }

    async fn refuse(&mut self, code: Code, message: impl Into<String>) -> Result<Flowing, Gone> {
        let message = message.into();
        self.say_error(ErrorMessage::new(code, None, message.as_str())).await?;
        self.transport.close(code as u16, &message).await;
        Ok(Flowing::Ended)
    }

    async fn say_error(&mut self, error: ErrorMessage) -> Result<(), Gone> {
        metrics::counter!("tidegate_live_errors_total", "code" => error.code.to_string()).increment(1);
        self.say(&ServerMessage::Error(error)).await
    }

    async fn say(&mut self, message: &ServerMessage<'_>) -> Result<(), Gone> {
        self.send(self.encoding.say(message)).await
    }

    async fn send(&mut self, message: Vec<u8>) -> Result<(), Gone> {
        let bytes = message.len();
        self.flow.on_sent(bytes, Instant::now());
        if let Some(limit) = &mut self.byte_limit {
            limit.on_sent(bytes);
        }
        self.hub.meters.frames.increment(1);
        self.hub.meters.bytes.increment(bytes as u64);
        self.transport.send(message, self.encoding.is_text()).await
    }

    /// Different for each session, so that not all come back at once.
    fn reconnect_after_ms(&self) -> u64 {
        let spread_ms = millis(self.hub.config.reconnect_spread).unsigned_abs().max(1);
        1_000 + self.guard.number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % spread_ms
    }
}

impl<T> Drop for Session<T> {
    fn drop(&mut self) {
        let subscriptions = std::mem::take(&mut self.subscriptions);
        self.hub.meters.subscriptions.decrement(f64::from(u32::try_from(subscriptions.len()).unwrap_or(u32::MAX)));
        subscriptions.into_iter().for_each(|open| self.hub.close(open.subscription));
    }
}

const BINARY: &str = "a binary message: this server speaks JSON, in text messages";

/// A message of a client; or in words why it is none.
fn understand(text: &str) -> Result<ClientMessage, String> {
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => format!("not a message this server understands: {error}"),
        _ => format!("a message that is not JSON: {error}"),
    })
}
