//! From publishers to subscribers over MQTT, QoS 1 both ways.

use super::raw::Raw;
use crate::{
    bench::{
        BenchConfig,
        durable::Template,
        server::{Kind, Server},
        table::Table,
    },
    latency::SentTimes,
    mqtt::Dialer,
    unix_ms,
    viewers::peer::timestamp,
};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt,
    task::JoinSet,
    time::{Instant, interval_at, sleep},
};

const RATE: usize = 5000;
const WARM_UP: Duration = Duration::from_secs(2);
const LONGEST_NS: u64 = 60_000_000_000;

/// What one server did.
pub(super) struct Outcome {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub delivered: f64,
    pub cores: f64,
}

/// Both servers: each publisher has a subscriber of its own.
///
/// # Errors
/// When a server cannot be started or ends a connection.
pub async fn run(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    let ours = one(config, Kind::Tidegate).await?;
    let peer = one(config, Kind::Mosquitto).await?;
    let load = format!("MQTT to MQTT, {RATE}/s, QoS 1, {0} publishers, {0} subscribers", config.publishers);
    let mut add = |figure, read: &dyn Fn(&Outcome) -> f64, goal| {
        table.add(&load, figure, read(&ours), Some(read(&peer)), goal);
    };
    add("end to end p50, ms", &|outcome| outcome.p50_ms, "ratio 1.2");
    add("end to end p99, ms", &|outcome| outcome.p99_ms, "ratio 1.0");
    add("messages delivered/s", &|outcome| outcome.delivered, "");
    add("server CPU, cores", &|outcome| outcome.cores, "");
    Ok(())
}

async fn one(config: &BenchConfig, kind: Kind) -> io::Result<Outcome> {
    let server = Server::start(kind, config.program(kind)).await?;
    let relay = Relay::start(&server, config.publishers, RATE).await?;
    let outcome = relay.measure(&server, config.measure).await?;
    relay.stop().await?;
    server.stop().await?;
    eprintln!(
        "bench: {kind:?}: p50 {:.2} ms, p99 {:.2} ms, {:.0}/s",
        outcome.p50_ms, outcome.p99_ms, outcome.delivered
    );
    Ok(outcome)
}

/// Publishers at a steady rate, each with a subscriber of its own.
pub(super) struct Relay {
    heard: Heard,
    stop: Arc<AtomicBool>,
    subscribers: JoinSet<()>,
    publishers: JoinSet<io::Result<()>>,
}

impl Relay {
    /// Connects `pairs` and begins to publish, `rate` a second in all; returns when it is warm.
    pub(super) async fn start(server: &Server, pairs: usize, rate: usize) -> io::Result<Relay> {
        let dialer = Dialer::new(server.mqtt);
        let (sent, stop) = (Arc::new(SentTimes::new(pairs)), Arc::new(AtomicBool::new(false)));
        let histogram = Histogram::new_with_max(LONGEST_NS, 3).map_err(io::Error::other)?;
        let heard = Heard { received: Arc::default(), latency: Arc::new(Mutex::new(histogram)) };
        let (mut subscribers, mut publishers) = (JoinSet::new(), JoinSet::new());
        for index in 0..pairs {
            let mut subscriber = Raw::connect(dialer, index, &format!("subscriber-{index}"), true).await?;
            subscriber.subscribe(&[topic(index)], 1).await?;
            subscribers.spawn(receive(subscriber, index, Arc::clone(&sent), heard.clone()));
        }
        let every = Duration::from_secs_f64(pairs as f64 / rate as f64);
        for index in 0..pairs {
            let publisher = Raw::connect(dialer, pairs + index, &format!("publisher-{index}"), true).await?;
            let begin = Instant::now() + every.mul_f64(index as f64 / pairs as f64);
            publishers.spawn(publish(publisher, index, (begin, every), Arc::clone(&sent), Arc::clone(&stop)));
        }
        sleep(WARM_UP).await;
        Ok(Relay { heard, stop, subscribers, publishers })
    }

    /// What is delivered from now on, for so long.
    pub(super) async fn measure(&self, server: &Server, length: Duration) -> io::Result<Outcome> {
        self.heard.latency.lock().reset();
        let (began, before, count) = (Instant::now(), server.usage()?, self.heard.received.load(Relaxed));
        sleep(length).await;
        let seconds = began.elapsed().as_secs_f64();
        let (measured, after) = (self.heard.latency.lock().clone(), server.usage()?);
        let delivered = (self.heard.received.load(Relaxed) - count) as f64 / seconds;
        let at = |quantile| measured.value_at_quantile(quantile) as f64 / 1e6;
        Ok(Outcome { p50_ms: at(0.5), p99_ms: at(0.99), delivered, cores: (after.cpu_s - before.cpu_s) / seconds })
    }

    /// Ends the connections; an error when one was lost before.
    pub(super) async fn stop(mut self) -> io::Result<()> {
        self.stop.store(true, Relaxed);
        while let Some(ended) = self.publishers.join_next().await {
            ended.map_err(io::Error::other)??;
        }
        self.subscribers.shutdown().await;
        Ok(())
    }
}

fn topic(index: usize) -> String {
    format!("sensors/relay-{index}")
}

async fn publish(
    mut publisher: Raw,
    index: usize,
    (begin, every): (Instant, Duration),
    sent: Arc<SentTimes>,
    stop: Arc<AtomicBool>,
) -> io::Result<()> {
    let payload = br#"{"timestamp":0000000000000,"temperature":21.5,"humidity":45.2}"#;
    let mut template = Template::of("", &topic(index), payload);
    let mut ticks = interval_at(begin, every);
    let (mut packet_id, mut answers) = (0u16, [0; 1024]);
    while !stop.load(Relaxed) {
        ticks.tick().await;
        packet_id = packet_id % u16::MAX + 1;
        let now_ms = unix_ms();
        template.set_time(now_ms);
        template.set_id(packet_id);
        sent.sent(index, now_ms);
        publisher.stream.write_all(template.bytes()).await?;
        // PUBACKs are read so that they do not pile up; nothing waits for them.
        while let Ok(1..) = publisher.stream.try_read(&mut answers) {}
    }
    publisher.disconnect().await
}

/// What all subscribers heard.
#[derive(Clone)]
struct Heard {
    received: Arc<AtomicU64>,
    latency: Arc<Mutex<Histogram<u64>>>,
}

async fn receive(mut subscriber: Raw, index: usize, sent: Arc<SentTimes>, heard: Heard) {
    while let Ok((head, body)) = subscriber.packet().await {
        if head >> 4 != 3 {
            continue;
        }
        heard.received.fetch_add(1, Relaxed);
        let topic_bytes = usize::from(u16::from_be_bytes([body[0], body[1]]));
        if let Some(age) = timestamp(&body[2 + topic_bytes..]).and_then(|time_ms| sent.age(index, time_ms)) {
            heard.latency.lock().saturating_record(age.as_nanos() as u64);
        }
        if head & 0x06 != 0 {
            let id = &body[2 + topic_bytes..4 + topic_bytes];
            if subscriber.stream.write_all(&[0x40, 2, id[0], id[1]]).await.is_err() {
                return;
            }
        }
    }
}
