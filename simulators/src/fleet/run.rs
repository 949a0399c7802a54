//! A device's life: connect, publish, wait for acknowledgements, come back after trouble.

use super::{Counters, Shared};
use crate::{
    model::{Device, Publication, Shape, rng::Rng},
    mqtt::{Client, Outgoing, client::Outcome},
    unix_ms,
};
use std::{io, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};

const KEEP_ALIVE_S: u16 = 60;
const PING_AFTER: Duration = Duration::from_secs(45);
const CONNACK_TIMEOUT: Duration = Duration::from_secs(15);
const LAST_ACKNOWLEDGEMENTS: Duration = Duration::from_secs(2);
const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(30);
const BACKOFF_FIRST_S: f64 = 0.5;
const BACKOFF_MAX_S: f64 = 30.0;
/// In a storm a third of the fleet falls off the net at once, this often.
const WAVE_INTERVAL: Duration = Duration::from_secs(45);
const WAVE_SHARE: f64 = 0.33;
/// A device holds no more than this unacknowledged; it measures on and drops, as small devices do.
const IN_FLIGHT_MAX: usize = 500;

/// Why a session ended.
enum End {
    /// The fleet is being stopped.
    Stopped,
    /// A battery device has said what it had to say.
    Asleep,
    /// A reconnect wave of the storm.
    Wave,
}

/// One device with its connection.
pub(crate) struct Runner {
    device: Device,
    client: Client,
    shared: Arc<Shared>,
    rng: Rng,
    next: Instant,
    waves_seen: u32,
}

impl Runner {
    /// A device whose first reading comes somewhere within its interval.
    pub(crate) fn new(device: Device, shared: Arc<Shared>) -> Self {
        let mut rng = Rng::new(device.spec.seed, 3);
        let next = Instant::now() + device.spec.interval.mul_f64(rng.unit());
        let client = Client::new(&device.spec.name, device.spec.mqtt5, KEEP_ALIVE_S);
        let waves_seen = waves(&shared);
        Self { device, client, shared, rng, next, waves_seen }
    }

    pub(crate) async fn run(mut self) {
        let mut failures = 0;
        let shared = Arc::clone(&self.shared);
        while !shared.stop.is_cancelled() {
            let pause_until = match self.session(&mut failures).await {
                Ok(End::Stopped) => break,
                Ok(End::Asleep) => self.next,
                Ok(End::Wave) => Instant::now() + Duration::from_secs_f64(self.rng.between(0.0, 2.0)),
                Err(error) => {
                    Counters::add(&shared.counters.connections_lost, 1);
                    tracing::debug!(device = self.device.spec.name, %error, "connection lost");
                    failures += 1;
                    Instant::now() + self.backoff(failures)
                }
            };
            tokio::select! {
                () = sleep_until(pause_until) => {}
                () = shared.stop.cancelled() => break,
            }
        }
        Counters::add(&shared.counters.unacknowledged, self.client.in_flight() as u64);
        Counters::add(&shared.counters.resent, self.client.resent());
    }

    /// Twice as long after each failure, and never all devices together (full jitter).
    fn backoff(&mut self, failures: u32) -> Duration {
        let longest = (BACKOFF_FIRST_S * f64::from(1u32 << failures.min(10))).min(BACKOFF_MAX_S);
        Duration::from_secs_f64(self.rng.between(0.1, longest))
    }

    async fn session(&mut self, failures: &mut u32) -> io::Result<End> {
        let shared = Arc::clone(&self.shared);
        let handshake = async {
            let _permit = shared.handshakes.acquire().await.map_err(io::Error::other)?;
            let mut stream = shared.dialer.connect(self.device.spec.index).await?;
            timeout(CONNACK_TIMEOUT, self.handshake(&mut stream)).await??;
            Ok::<_, io::Error>(stream)
        };
        let mut stream = tokio::select! {
            stream = handshake => stream?,
            () = shared.stop.cancelled() => return Ok(End::Stopped),
        };
        *failures = 0;
        Counters::add(&shared.counters.connections, 1);
        Counters::add(&shared.counters.connected, 1);
        let end = match self.announce(&mut stream).await {
            Ok(()) => self.converse(&mut stream).await,
            Err(error) => Err(error),
        };
        shared.counters.connected.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        end
    }

    /// Says what it is, as the software of its maker does.
    async fn announce(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let fleet: &[String] = match self.device.spec.shape {
            Shape::Made(maker) => shared.names.get(&maker).map_or(&[], Vec::as_slice),
            _ => return Ok(()),
        };
        for publication in self.device.announce(unix_ms(), fleet) {
            self.publish(publication)?;
        }
        self.write(stream).await
    }

    async fn handshake(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        self.client.start().map_err(io::Error::other)?;
        self.write(stream).await?;
        while !self.client.is_established() {
            stream.readable().await?;
            self.read(stream)?;
        }
        self.write(stream).await
    }

    async fn converse(&mut self, stream: &mut TcpStream) -> io::Result<End> {
        let shared = Arc::clone(&self.shared);
        let mut spoke_at = Instant::now();
        let mut heard_at = spoke_at;
        let mut alarm = pin!(sleep_until(self.next));
        let mut stop = pin!(shared.stop.cancelled());
        loop {
            alarm.as_mut().reset(self.next.min(spoke_at + PING_AFTER).min(self.next_wave()));
            tokio::select! {
                ready = stream.readable() => {
                    ready?;
                    self.read(stream)?;
                    heard_at = Instant::now();
                }
                () = &mut alarm => {
                    let now = Instant::now();
                    if self.wave_comes() {
                        return Ok(End::Wave);
                    }
                    if self.client.in_flight() == 0 {
                        heard_at = now;
                    }
                    if now - heard_at > ACKNOWLEDGEMENT_TIMEOUT {
                        return Err(io::Error::new(io::ErrorKind::TimedOut, "no acknowledgement within 30 s"));
                    }
                    if now >= self.next {
                        self.publish_now()?;
                    } else if now - spoke_at >= PING_AFTER {
                        self.client.ping().map_err(io::Error::other)?;
                    }
                }
                () = &mut stop => return self.leave(stream).await,
            }
            if !self.client.output().is_empty() {
                spoke_at = Instant::now();
                self.write(stream).await?;
            }
            if self.device.spec.sleeper && self.client.in_flight() == 0 && Instant::now() < self.next {
                self.client.disconnect().map_err(io::Error::other)?;
                self.write(stream).await?;
                return Ok(End::Asleep);
            }
        }
    }

    /// Publishes what is due and sets the next time. Intervals that were missed are not made up for.
    fn publish_now(&mut self) -> io::Result<()> {
        let now = Instant::now();
        self.next += self.device.spec.interval;
        if self.next <= now {
            self.next = now + self.device.spec.interval.mul_f64(self.rng.between(0.5, 1.0));
        }
        let publications = self.device.publish(unix_ms());
        for publication in publications {
            self.publish(publication)?;
        }
        Ok(())
    }

    fn publish(&mut self, publication: Publication) -> io::Result<()> {
        if self.client.in_flight() >= IN_FLIGHT_MAX {
            return Ok(());
        }
        let counters = &self.shared.counters;
        let qos = self.device.spec.qos;
        Counters::add(&counters.published, 1);
        if qos == 0 {
            Counters::add(&counters.published_qos0, 1);
        }
        if publication.readings.is_empty() && !publication.retain {
            Counters::add(&counters.nonsense, 1);
        }
        if let (Some(sent), Some(time_ms)) =
            (&self.shared.sent, publication.readings.first().and_then(|one| one.time_ms))
        {
            sent.sent(self.device.spec.index, time_ms);
        }
        let Publication { topic, payload, device, readings, retain } = publication;
        self.client.publish(Outgoing { topic, payload, qos, device, readings, retain }).map_err(io::Error::other)
    }

    /// Ends in order: what is kept back goes out, acknowledgements under way are awaited.
    async fn leave(&mut self, stream: &mut TcpStream) -> io::Result<End> {
        if let Some(publication) = self.device.flush() {
            self.publish(publication)?;
        }
        self.write(stream).await?;
        let deadline = Instant::now() + LAST_ACKNOWLEDGEMENTS;
        while self.client.in_flight() > 0 && Instant::now() < deadline {
            match tokio::time::timeout_at(deadline, stream.readable()).await {
                Ok(ready) => ready?,
                Err(_) => break,
            }
            self.read(stream)?;
            self.write(stream).await?;
        }
        self.client.disconnect().map_err(io::Error::other)?;
        self.write(stream).await?;
        Ok(End::Stopped)
    }

    async fn write(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        let output = self.client.output();
        if !output.is_empty() {
            stream.write_all(output).await?;
            output.clear();
            // Ten thousand devices: the memory of a burst is not kept for the next.
            if output.capacity() > 1024 {
                *output = Vec::new();
            }
        }
        Ok(())
    }

    /// Reads what is there. The buffer lives on the stack of this call only, so an idle device holds none.
    fn read(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        let mut buffer = [0; 2048];
        let count = match stream.try_read(&mut buffer) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let shared = &self.shared;
        let mut on_outcome = |outcome: Outcome| settle(shared, &outcome);
        self.client.receive(&buffer[..count], &mut on_outcome).map_err(io::Error::other)
    }

    fn next_wave(&self) -> Instant {
        if self.shared.storm {
            Instant::from_std(self.shared.started + WAVE_INTERVAL * (self.waves_seen + 1))
        } else {
            Instant::now() + WAVE_INTERVAL
        }
    }

    fn wave_comes(&mut self) -> bool {
        let waves = waves(&self.shared);
        let comes = self.shared.storm && waves > self.waves_seen;
        self.waves_seen = waves;
        comes && self.rng.chance(WAVE_SHARE)
    }
}

fn waves(shared: &Shared) -> u32 {
    (shared.started.elapsed().as_millis() / WAVE_INTERVAL.as_millis()) as u32
}

fn settle(shared: &Shared, outcome: &Outcome) {
    match outcome {
        Outcome::Acknowledged(outgoing) => {
            let values: usize = outgoing.readings.iter().map(|reading| reading.samples.len()).sum();
            Counters::add(&shared.counters.acknowledged, 1);
            Counters::add(&shared.counters.values_acknowledged, values as u64);
            if let Some(report) = &shared.report {
                report.acknowledged(outgoing);
            }
        }
        Outcome::Refused(outgoing, reason) => {
            Counters::add(&shared.counters.refused, 1);
            tracing::debug!(topic = outgoing.topic, reason, "the server refused a publication");
        }
    }
}
