//! One viewer, on whatever transport: what it asked for, how far each view has got, and what may go out now.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_telemetry::{History, Position};
use tidegate_views::{Frame, Lane, Seeded, Since, Subscription};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::hub::{Entered, Hub};
use crate::live::flow::{ByteLimit, Flow};
use crate::live::jobs::{ATTEMPTS_MAX, Answer, Reader};
use crate::live::message::{
    ClientMessage, Code, ErrorMessage, Hello, Limits, PROTOCOL, ServerMessage, Subscribe, Update,
};
use crate::live::pace::{Held, Pace};
use crate::live::transport::{Gone, Received, Transport};
use crate::live::waker::Lanes;

/// Serves one viewer until it goes, breaks the protocol, or the server closes.
pub(crate) async fn serve<T: Transport>(hub: Arc<Hub>, history: Arc<dyn History>, place: Place, transport: T) {
    let closed = hub.closed.clone();
    let mut session = Session::new(hub, history, place, transport);
    tokio::select! {
        biased;
        _ended = session.run() => {}
        () = closed.cancelled() => {}
    }
}

struct Session<T> {
    hub: Arc<Hub>,
    place: Place,
    transport: T,
    reader: Reader,
    subscriptions: Vec<Open>,
    same_epoch: bool,
    max_rate: Option<f64>,
    paused: bool,
    flow: Flow,
    byte_limit: Option<ByteLimit>,
    pace: Pace,
    pulse_due: Instant,
    jobs: JoinSet<Answer>,
}

/// A subscription and when it may be served.
struct Open {
    cursor: Subscription,
    /// Something may have changed since it was last looked at.
    dirty: bool,
    /// Its history of events is being read.
    reading: bool,
    rate: Option<f64>,
    due: Instant,
}

/// Whether the session goes on.
enum Flowing {
    On,
    Ended,
}

impl<T: Transport> Session<T> {
    fn new(hub: Arc<Hub>, history: Arc<dyn History>, place: Place, transport: T) -> Self {
        let config = &hub.config;
        let now = Instant::now();
        Session {
            flow: Flow::new(config.bytes_in_flight_start, config.bytes_in_flight_max),
            reader: Reader { history, permits: Arc::clone(&hub.history_permits) },
            pace: Pace::new(Duration::from_millis(config.pace_after_ms)),
            pulse_due: now + Duration::from_millis(config.pulse_ms),
            hub,
            place,
            transport,
            subscriptions: Vec::new(),
            same_epoch: false,
            max_rate: None,
            paused: false,
            byte_limit: None,
            jobs: JoinSet::new(),
        }
    }

    async fn run(&mut self) -> Result<(), Gone> {
        if let Flowing::Ended = self.open().await? {
            return Ok(());
        }
        let sleep = sleep_until(self.pulse_due);
        tokio::pin!(sleep);
        loop {
            if self.hub.is_closing() {
                return self.say(&ServerMessage::Goaway { reconnect_after_ms: self.reconnect_after_ms() }).await;
            }
            let deadline = self.serve_what_is_due().await?;
            if !self.place.waker.wait_for(self.lanes_to_wake_for()) {
                continue;
            }
            if sleep.deadline() != deadline {
                sleep.as_mut().reset(deadline);
            }
            tokio::select! {
                biased;
                message = self.transport.receive() => {
                    if let Flowing::Ended = self.take(message).await? {
                        return Ok(());
                    }
                }
                () = self.place.waker.woken() => {}
                Some(Ok(answer)) = self.jobs.join_next(), if !self.jobs.is_empty() => self.take_answer(answer).await?,
                () = &mut sleep => {}
            }
        }
    }

    async fn open(&mut self) -> Result<Flowing, Gone> {
        let timeout = Duration::from_millis(self.hub.config.hello_timeout_ms);
        let first = tokio::time::timeout(timeout, self.transport.receive()).await;
        let hello = match first {
            Ok(Received::Gone) => return Ok(Flowing::Ended),
            Ok(Received::Text(text)) => match serde_json::from_str(&text) {
                Ok(ClientMessage::Hello(hello)) => hello,
                _ => return self.refuse(Code::NoHello, "the first message must be a `hello`").await,
            },
            Ok(Received::Binary | Received::TooLarge) | Err(_) => {
                let message = format!("no `hello` came within {} ms", timeout.as_millis());
                return self.refuse(Code::NoHello, message).await;
            }
        };
        if hello.protocol != PROTOCOL || hello.encoding != "json" {
            let message = format!("this server speaks protocol {PROTOCOL} with encoding \"json\"");
            return self.refuse(Code::Unsupported, message).await;
        }
        self.welcome(&hello).await
    }

    async fn welcome(&mut self, hello: &Hello) -> Result<Flowing, Gone> {
        let epoch = self.hub.read(|views| views.epoch().clone());
        self.same_epoch = hello.epoch.as_deref() == Some(&*epoch.name);
        self.max_rate = hello.max_rate.filter(|rate| *rate > 0.0);
        self.byte_limit = hello.max_bytes_per_second.map(|limit| ByteLimit::new(limit, Instant::now()));
        let config = &self.hub.config;
        let limits = Limits {
            subscriptions: config.subscriptions_max,
            rows: config.rows_max,
            message_bytes: config.message_bytes_max,
            bytes_in_flight: config.bytes_in_flight_start,
        };
        let session = format!("s-{}", self.place.number);
        let welcome = ServerMessage::Welcome {
            protocol: PROTOCOL,
            session: &session,
            epoch: &epoch.name,
            time_base: epoch.time_base_ms,
            time: now_ms(),
            pulse_ms: config.pulse_ms,
            limits,
        };
        self.say(&welcome).await?;
        Ok(Flowing::On)
    }

    async fn take(&mut self, message: Received) -> Result<Flowing, Gone> {
        let max = self.hub.config.message_bytes_max;
        let text = match message {
            Received::Gone => return Ok(Flowing::Ended),
            Received::Text(text) if text.len() <= max => text,
            Received::Text(_) | Received::TooLarge => {
                let message = format!("a message is larger than limits.message_bytes ({max}): send smaller ones");
                return self.refuse(Code::MessageTooLarge, message).await;
            }
            Received::Binary => String::new(),
        };
        match serde_json::from_str(&text) {
            Ok(message) => self.obey(message).await?,
            Err(error) => {
                let message = format!("not a message this server understands: {error}");
                self.say_error(ErrorMessage::new(Code::NotUnderstood, None, message)).await?;
            }
        }
        Ok(Flowing::On)
    }

    async fn obey(&mut self, message: ClientMessage) -> Result<(), Gone> {
        let refused = match message {
            ClientMessage::Hello(_) => Err(ErrorMessage::new(Code::NotUnderstood, None, "`hello` was said already")),
            ClientMessage::Subscribe(wish) => self.subscribe(&wish),
            ClientMessage::Update(wish) => self.update(wish),
            ClientMessage::Unsubscribe { id } => self.unsubscribe(id),
            ClientMessage::Pause => {
                self.paused = true;
                self.pulse_due = Instant::now() + Duration::from_millis(self.hub.config.pulse_paused_ms);
                Ok(())
            }
            ClientMessage::Continue => {
                self.paused = false;
                self.pulse_due = Instant::now();
                self.subscriptions.iter_mut().for_each(|open| open.dirty = true);
                Ok(())
            }
            ClientMessage::Seen { bytes } => {
                self.flow.on_seen(bytes, Instant::now());
                Ok(())
            }
            ClientMessage::Ping { n } => return self.say(&ServerMessage::Pong { n, time: now_ms() }).await,
        };
        match refused {
            Ok(()) => Ok(()),
            Err(error) => self.say_error(error).await,
        }
    }

    fn subscribe(&mut self, wish: &Subscribe) -> Result<(), ErrorMessage> {
        let config = &self.hub.config;
        let refuse = |code, message: String| Err(ErrorMessage::new(code, Some(wish.id), message));
        if self.subscriptions.iter().any(|open| open.cursor.id() == wish.id) {
            return refuse(Code::SubscriptionNumber, format!("subscription {} is open: use another number", wish.id));
        }
        if self.subscriptions.len() >= config.subscriptions_max {
            let max = config.subscriptions_max;
            return refuse(Code::TooMany, format!("{max} subscriptions are open, more are not allowed"));
        }
        let since = wish.since.map(|since| Since { position: Position(since), same_epoch: self.same_epoch });
        let spec = wish.spec()?;
        let cursor = self.hub.write(|views| views.open(self.place.subscriber, wish.id, &spec, since));
        let cursor = cursor.map_err(|error| ErrorMessage::of_view(wish.id, &error))?;
        let rows = cursor.rows() + self.rows();
        if rows > config.rows_max {
            let max = config.rows_max;
            self.hub.write(|views| views.close(cursor));
            return refuse(Code::TooMany, format!("{rows} rows in all subscriptions, {max} are allowed"));
        }
        self.ask_charts(&cursor);
        self.hub.meters.subscriptions.increment(1.0);
        let due = Instant::now();
        let rate = wish.rate.filter(|rate| *rate > 0.0);
        // Most sessions have one or two: doubling would begin with room for four.
        self.subscriptions.reserve_exact(1);
        self.subscriptions.push(Open { cursor, dirty: true, reading: false, rate, due });
        // Alerts first.
        self.subscriptions.sort_by_key(|open| open.cursor.lane());
        Ok(())
    }

    fn update(&mut self, wish: Update) -> Result<(), ErrorMessage> {
        let (id, rate, rows_max) = (wish.id, wish.rate, self.hub.config.rows_max);
        let rows = self.rows();
        let open = self.subscriptions.iter_mut().find(|open| open.cursor.id() == id).ok_or_else(|| unknown(id))?;
        let change = wish.spec();
        if rows + change.add.len() > rows_max {
            let message = format!("{} rows in all subscriptions, {rows_max} are allowed", rows + change.add.len());
            return Err(ErrorMessage::new(Code::TooMany, Some(id), message));
        }
        let cursor = &mut open.cursor;
        let updated = self.hub.write(|views| views.update(cursor, &change));
        updated.map_err(|error| ErrorMessage::of_view(id, &error))?;
        (open.dirty, open.due) = (true, Instant::now());
        if let Some(rate) = rate {
            open.rate = Some(rate).filter(|rate| *rate > 0.0);
        }
        if change.window.is_some() {
            let wanted = self.hub.read(|views| views.wanted_history(&open.cursor));
            self.spawn_charts(id, wanted);
        }
        Ok(())
    }

    fn unsubscribe(&mut self, id: u32) -> Result<(), ErrorMessage> {
        let at = self.subscriptions.iter().position(|open| open.cursor.id() == id).ok_or_else(|| unknown(id))?;
        let open = self.subscriptions.remove(at);
        self.hub.write(|views| views.close(open.cursor));
        self.hub.meters.subscriptions.decrement(1.0);
        Ok(())
    }

    fn rows(&self) -> usize {
        self.subscriptions.iter().map(|open| open.cursor.rows()).sum()
    }

    fn ask_charts(&mut self, cursor: &Subscription) {
        let wanted = self.hub.read(|views| views.wanted_history(cursor));
        self.spawn_charts(cursor.id(), wanted);
    }

    fn spawn_charts(&mut self, id: u32, wanted: Vec<(usize, tidegate_telemetry::history::SeriesQuery)>) {
        for (line, query) in wanted {
            self.jobs.spawn(self.reader.clone().chart(id, line, query, 0));
        }
    }

    async fn take_answer(&mut self, answer: Answer) -> Result<(), Gone> {
        match answer {
            Answer::Chart { id, line, query, attempt, answer } => {
                let Some(open) = self.subscriptions.iter_mut().find(|open| open.cursor.id() == id) else {
                    return Ok(());
                };
                let answer = match answer {
                    Ok(answer) => answer,
                    Err(error) => return self.give_up(id, error.to_string()).await,
                };
                let seeded = self.hub.write(|views| views.seed(&mut open.cursor, line, &query, &answer));
                open.dirty = true;
                match seeded {
                    Seeded::Done => {}
                    _ if attempt >= ATTEMPTS_MAX => {
                        return self.give_up(id, "history is behind; try again".to_owned()).await;
                    }
                    Seeded::HistoryBehind => {
                        self.jobs.spawn(self.reader.clone().chart(id, line, query, attempt + 1));
                    }
                    Seeded::ViewsBehind => {
                        self.jobs.spawn(Reader::again(id, line, query, attempt + 1, answer));
                    }
                }
            }
            Answer::Events { id, span, answer } => {
                let Some(open) = self.subscriptions.iter_mut().find(|open| open.cursor.id() == id) else {
                    return Ok(());
                };
                // Without the store the client is told that it gets a snapshot instead.
                let (events, complete) = answer.unwrap_or((Vec::new(), false));
                self.hub.write(|views| views.supply_events(&mut open.cursor, span, events, complete));
                (open.dirty, open.reading) = (true, false);
            }
        }
        Ok(())
    }

    async fn give_up(&mut self, id: u32, message: String) -> Result<(), Gone> {
        if self.unsubscribe(id).is_ok() {
            let mut error = ErrorMessage::new(Code::View, Some(id), message);
            (error.retry, error.retry_after_ms) = (true, Some(1_000));
            self.say_error(error).await?;
        }
        Ok(())
    }

    /// Sends everything that may go now, the most urgent lane first; answers when to look again by itself.
    async fn serve_what_is_due(&mut self) -> Result<Instant, Gone> {
        let mut frames = 0;
        loop {
            let now = Instant::now();
            if self.pulse_due <= now {
                self.pulse(now).await?;
            }
            let (lanes, received_ms) = self.place.waker.take();
            for open in &mut self.subscriptions {
                open.dirty |= lanes.has(open.cursor.lane());
            }
            let Some(frame) = self.next_frame(now) else {
                let told = self.pace.told(now);
                if let Some((rate, reason)) = told {
                    self.say(&ServerMessage::Pace { rate, reason }).await?;
                }
                return Ok(self.next_deadline(now));
            };
            if lanes != Lanes::default() && !self.pace.is_held() {
                #[allow(clippy::cast_precision_loss)]
                self.hub.meters.latency.record((now_ms() - received_ms).max(0) as f64 / 1e3);
            }
            self.hub.meters.deltas.increment(1);
            self.send(frame).await?;
            frames += 1;
            if frames % 16 == 0 {
                // A long snapshot must not keep this session from hearing `unsubscribe`, or others from running.
                return Ok(Instant::now());
            }
        }
    }

    /// The next frame of the first subscription that is due.
    fn next_frame(&mut self, now: Instant) -> Option<Vec<u8>> {
        let held = self.hold(now);
        let config = &self.hub.config;
        let room = usize::try_from(self.flow.room()).unwrap_or(usize::MAX);
        for index in 0..self.subscriptions.len() {
            let open = &mut self.subscriptions[index];
            let lane = open.cursor.lane();
            let is_alert = lane == Lane::Alerts;
            if !open.dirty || open.reading || open.due > now || (held.is_some() && !is_alert) {
                continue;
            }
            let bytes_max = if is_alert { config.frame_bytes_max } else { config.frame_bytes_max.min(room) };
            let mut out = Vec::with_capacity(128);
            let (frame, at) = loop {
                let (frame, at) = self.hub.read(|views| {
                    let frame = views.frame(&mut open.cursor, &mut out, bytes_max);
                    (frame, views.position())
                });
                match frame {
                    Frame::MustFollow => self.hub.write(|views| views.follow(&mut open.cursor)),
                    frame => break (frame, at),
                }
            };
            match frame {
                Frame::Nothing => open.dirty = false,
                Frame::WantsEvents { after, through } => {
                    open.reading = true;
                    let (id, max) = (open.cursor.id(), config.event_fill_max);
                    self.jobs.spawn(self.reader.clone().events(id, (after, through), max));
                }
                Frame::Written | Frame::MustFollow => {
                    if !open.cursor.has_more() {
                        open.due = now + open.interval(config, self.max_rate);
                        // Whatever comes after `at` marks its lane: there is no need to look again.
                        open.dirty = open.cursor.at() != at;
                    }
                    return Some(out);
                }
            }
        }
        None
    }

    /// Why nothing but alerts may go out now.
    fn hold(&mut self, now: Instant) -> Option<Held> {
        let waiting = |open: &Open| open.dirty && open.cursor.lane() != Lane::Alerts;
        let any_waiting = self.subscriptions.iter().any(waiting);
        let byte_due = self.byte_limit.as_mut().map(|limit| limit.due(now));
        let held = if self.paused {
            Some(Held::Paused)
        } else if self.flow.room() == 0 {
            Some(Held::SlowLink)
        } else if byte_due.is_some_and(|due| due > now) {
            Some(Held::ByteLimit)
        } else {
            None
        };
        let limited = self.subscriptions.iter().find(|open| waiting(open) && open.due > now);
        let own_rate = limited.and_then(|open| open.rate.or(self.max_rate));
        let shown = match (held, own_rate) {
            (Some(Held::Paused), _) => Some((Held::Paused, 0.0)),
            (Some(held), _) if any_waiting => Some((held, 0.0)),
            (_, Some(rate)) => Some((Held::RateLimit, rate)),
            (Some(_) | None, _) => None,
        };
        if let Some((held, _)) = shown.filter(|_| any_waiting) {
            self.pace.count(held, &self.hub.meters);
        }
        self.pace.note(shown, self.own_rates(), now);
        held
    }

    /// Whether the client asked for a rate, which then goes on holding back.
    fn own_rates(&self) -> bool {
        self.max_rate.is_some() || self.subscriptions.iter().any(|open| open.rate.is_some())
    }

    fn next_deadline(&mut self, now: Instant) -> Instant {
        let mut deadline = self.pulse_due;
        if let Some(due) = self.pace.due() {
            deadline = deadline.min(due);
        }
        if self.paused {
            return deadline;
        }
        let waiting = self.subscriptions.iter().filter(|open| open.dirty && !open.reading);
        if let Some(due) = waiting.map(|open| open.due).min() {
            let byte_due = self.byte_limit.as_mut().map_or(now, |limit| limit.due(now));
            if self.flow.room() > 0 {
                deadline = deadline.min(due.max(byte_due));
            }
        }
        deadline.max(now)
    }

    /// Lanes in which a change means that there is something to do at once.
    fn lanes_to_wake_for(&self) -> Lanes {
        let blocked = self.paused || self.flow.room() == 0;
        let mut lanes = Lanes::default();
        for open in self.subscriptions.iter().filter(|open| !open.dirty) {
            let lane = open.cursor.lane();
            if lane == Lane::Alerts || !blocked {
                lanes.add(lane);
            }
        }
        lanes
    }

    async fn pulse(&mut self, now: Instant) -> Result<(), Gone> {
        let config = &self.hub.config;
        let every_ms = if self.paused { config.pulse_paused_ms } else { config.pulse_ms };
        self.pulse_due = now + Duration::from_millis(every_ms);
        let at = self.hub.read(|views| views.position().0);
        self.say(&ServerMessage::Pulse { time: now_ms(), at, sent: self.flow.sent }).await
    }

    async fn refuse(&mut self, code: Code, message: impl Into<String>) -> Result<Flowing, Gone> {
        self.say_error(ErrorMessage::new(code, None, message)).await?;
        Ok(Flowing::Ended)
    }

    async fn say_error(&mut self, error: ErrorMessage) -> Result<(), Gone> {
        metrics::counter!("tidegate_live_errors_total", "code" => error.code.to_string()).increment(1);
        self.say(&ServerMessage::Error(error)).await
    }

    async fn say(&mut self, message: &ServerMessage<'_>) -> Result<(), Gone> {
        self.send(message.to_json()).await
    }

    async fn send(&mut self, message: Vec<u8>) -> Result<(), Gone> {
        let bytes = message.len();
        self.flow.on_sent(bytes, Instant::now());
        if let Some(limit) = &mut self.byte_limit {
            limit.on_sent(bytes);
        }
        self.hub.meters.frames.increment(1);
        self.hub.meters.bytes.increment(bytes as u64);
        self.transport.send(message).await
    }

    /// Different for each session, so that not all come back at once.
    fn reconnect_after_ms(&self) -> u64 {
        let spread = self.hub.config.reconnect_spread_ms.max(1);
        1_000 + self.place.number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % spread
    }
}

impl<T> Drop for Session<T> {
    fn drop(&mut self) {
        let subscriptions = std::mem::take(&mut self.subscriptions);
        self.hub.meters.subscriptions.decrement(f64::from(u32::try_from(subscriptions.len()).unwrap_or(u32::MAX)));
        if !subscriptions.is_empty() {
            self.hub.write(|views| subscriptions.into_iter().for_each(|open| views.close(open.cursor)));
        }
    }
}

/// A place in the hub, given back when it is dropped.
pub(crate) struct Place {
    hub: Arc<Hub>,
    entered: Entered,
}

impl Place {
    pub fn new(hub: Arc<Hub>, entered: Entered) -> Self {
        Place { hub, entered }
    }
}

impl std::ops::Deref for Place {
    type Target = Entered;

    fn deref(&self) -> &Entered {
        &self.entered
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.leave(self.entered.subscriber);
    }
}

impl Open {
    /// Least time between two deltas.
    fn interval(&self, config: &crate::live::config::LiveConfig, max_rate: Option<f64>) -> Duration {
        let own = match self.cursor.lane() {
            Lane::Aggregates => Duration::from_millis(config.group_interval_ms),
            Lane::Views if self.cursor.is_fleet() => Duration::from_millis(config.fleet_interval_ms),
            Lane::Views | Lane::Alerts => Duration::ZERO,
        };
        if self.cursor.lane() == Lane::Alerts {
            return own;
        }
        let rate = self.rate.unwrap_or(f64::INFINITY).min(max_rate.unwrap_or(f64::INFINITY));
        own.max(Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX).min(Duration::from_secs(3_600)))
    }
}

fn unknown(id: u32) -> ErrorMessage {
    ErrorMessage::new(Code::SubscriptionNumber, Some(id), format!("no subscription {id} is open"))
}

fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}
