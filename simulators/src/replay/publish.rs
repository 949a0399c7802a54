//! Points to an MQTT server. What is not acknowledged is sent again after a reconnect.

use super::series::{Point, Series};
use crate::{
    model::{Reading, Sample, Samples, payload::write_value},
    mqtt::{Client, Dialer, Outgoing, client::Outcome},
    unix_ms,
};
use std::{io, io::Write as _, net::SocketAddr, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};

const IN_FLIGHT_MAX: usize = 100;
const ATTEMPTS_MAX: u32 = 8;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
const KEEP_ALIVE_S: u16 = 60;
const PING_AFTER: Duration = Duration::from_secs(45);

/// How fast the series is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As fast as the server acknowledges.
    AtOnce,
    /// As it was recorded, times this.
    Times(f64),
}

/// What is replayed as whom.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The MQTT server.
    pub mqtt: SocketAddr,
    /// Device identifier.
    pub device: String,
    /// Metric name.
    pub metric: String,
    /// `location` of the readings.
    pub group: Option<String>,
    /// Publish the recorded times; else they are shifted so that the last one is of the moment it is published.
    pub keep_times: bool,
    /// Speed.
    pub pace: Pace,
}

/// What came of a replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplayTotals {
    /// Points acknowledged.
    pub acknowledged: u64,
    /// Points the server refused.
    pub refused: u64,
    /// Points sent again after a reconnect.
    pub resent: u64,
    /// Time of the first point as published, Unix ms.
    pub first_ms: i64,
    /// Time of the last point as published, Unix ms.
    pub last_ms: i64,
}

/// A replay under way.
struct Run<'a> {
    replay: &'a Replay,
    points: &'a [Point],
    shift_ms: i64,
    next: usize,
    started: Instant,
    client: Client,
    totals: ReplayTotals,
}

impl Replay {
    /// Publishes the whole series with QoS 1 and waits for every acknowledgement.
    ///
    /// # Errors
    /// When the server cannot be reached eight times in a row; what was acknowledged until then is acknowledged.
    pub async fn run(&self, series: &Series) -> io::Result<ReplayTotals> {
        let points = series.points.as_slice();
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(ReplayTotals::default()) };
        let takes_ms = match self.pace {
            Pace::AtOnce => 0,
            Pace::Times(speed) => ((last.time_ms - first.time_ms) as f64 / speed) as i64,
        };
        let shift_ms = if self.keep_times { 0 } else { unix_ms() + takes_ms - last.time_ms };
        let client = Client::new(&format!("replay-{}-{}", self.device, std::process::id()), true, KEEP_ALIVE_S);
        let totals = ReplayTotals {
            first_ms: first.time_ms + shift_ms,
            last_ms: last.time_ms + shift_ms,
            ..ReplayTotals::default()
        };
        let started = Instant::now();
        let mut run = Run { replay: self, points, shift_ms, next: 0, started, client, totals };
        run.play().await?;
        run.totals.resent = run.client.resent();
        Ok(run.totals)
    }
}

impl Run<'_> {
    async fn play(&mut self) -> io::Result<()> {
        let mut failures = 0;
        loop {
            let before = self.totals.acknowledged;
            let error = match self.session().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            failures = if self.totals.acknowledged > before { 1 } else { failures + 1 };
            if failures >= ATTEMPTS_MAX {
                let text =
                    format!("{} of {} points acknowledged, then: {error}", self.totals.acknowledged, self.points.len());
                return Err(io::Error::new(error.kind(), text));
            }
            tracing::warn!(%error, "connection lost; trying again");
            tokio::time::sleep(Duration::from_millis(100 << failures)).await;
        }
    }

    async fn session(&mut self) -> io::Result<()> {
        let mut stream = Dialer::new(self.replay.mqtt).connect(0).await?;
        self.client.start().map_err(io::Error::other)?;
        self.write(&mut stream).await?;
        while !self.client.is_established() {
            timeout(ANSWER_TIMEOUT, stream.readable()).await??;
            self.read(&mut stream)?;
        }
        while self.next < self.points.len() || self.client.in_flight() > 0 {
            self.publish_due()?;
            self.write(&mut stream).await?;
            self.wait(&mut stream).await?;
        }
        self.client.disconnect().map_err(io::Error::other)?;
        self.write(&mut stream).await
    }

    /// When point `index` is due.
    fn due(&self, index: usize) -> Instant {
        match self.replay.pace {
            Pace::AtOnce => self.started,
            Pace::Times(speed) => {
                let since_ms = (self.points[index].time_ms - self.points[0].time_ms) as f64;
                self.started + Duration::from_secs_f64(since_ms / 1000.0 / speed)
            }
        }
    }

    fn publish_due(&mut self) -> io::Result<()> {
        let now = Instant::now();
        while self.next < self.points.len() && self.client.in_flight() < IN_FLIGHT_MAX && self.due(self.next) <= now {
            let outgoing = self.outgoing(&self.points[self.next]);
            self.client.publish(outgoing).map_err(io::Error::other)?;
            self.next += 1;
        }
        Ok(())
    }

    /// For an acknowledgement, or for the time of the next point.
    async fn wait(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        let now = Instant::now();
        let waits_for_answer = self.client.in_flight() > 0;
        let may_send = self.next < self.points.len() && self.client.in_flight() < IN_FLIGHT_MAX;
        let patience = now + if waits_for_answer { ANSWER_TIMEOUT } else { PING_AFTER };
        let wake = if may_send { self.due(self.next).min(patience) } else { patience };
        tokio::select! {
            ready = stream.readable() => {
                ready?;
                self.read(stream)
            }
            () = sleep_until(wake) => match (wake == patience, waits_for_answer) {
                (true, true) => Err(io::Error::new(io::ErrorKind::TimedOut, "no acknowledgement within 20 s")),
                (true, false) => self.client.ping().map_err(io::Error::other),
                (false, _) => Ok(()),
            },
        }
    }

    fn outgoing(&self, point: &Point) -> Outgoing {
        let replay = self.replay;
        let time_ms = point.time_ms + self.shift_ms;
        // The metric is a name of this run, the samples of a reading are static: the line goes without them.
        let sample = Sample { metric: "", value: point.value, decimals: point.decimals };
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let mut payload = Vec::with_capacity(96);
        let wrote = write!(payload, "{{\"deviceId\":{},{}:", quoted(&replay.device), quoted(&replay.metric));
        wrote.expect("a Vec takes every byte");
        write_value(&mut payload, &sample);
        write!(payload, ",\"timestamp\":{time_ms}").expect("a Vec takes every byte");
        if let Some(group) = &replay.group {
            write!(payload, ",\"location\":{}", quoted(group)).expect("a Vec takes every byte");
        }
        payload.push(b'}');
        Outgoing {
            topic: format!("replay/{}", replay.device.replace(['+', '#'], "_")),
            payload,
            qos: 1,
            device: replay.device.clone(),
            retain: false,
            readings: vec![Reading { time_ms: Some(time_ms), samples: Samples::from_slice(&[sample]) }],
        }
    }

    async fn write(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        stream.write_all(self.client.output()).await?;
        self.client.output().clear();
        Ok(())
    }

    fn read(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let count = match stream.try_read(&mut buffer) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let totals = &mut self.totals;
        let mut on_outcome = |outcome: Outcome| match outcome {
            Outcome::Acknowledged(_) => totals.acknowledged += 1,
            Outcome::Refused(_, reason) => {
                totals.refused += 1;
                tracing::warn!(reason, "the server refused a point");
            }
        };
        self.client.receive(&buffer[..count], &mut on_outcome).map_err(io::Error::other)
    }
}
