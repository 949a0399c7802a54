//! QoS 1 and 2 publications acknowledged a second, with many in flight: what the server can make durable.
//!
//! The packets are built by hand (MQTT 3.1.1) and differ only in packet identifier, time and one value, so that the
//! load tool, which shares the machine with the server, costs as little as it can.

use super::{
    BenchConfig,
    server::{Kind, Server, usage_of},
    table::Table,
};
use crate::{
    model::{Device, FleetPlan, QosChoice, Scenario},
    unix_ms,
    viewers::peer::{packet, put_text},
};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const WARM_UP: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const READ_BYTES: usize = 4096;

/// Both servers, as fast as they acknowledge.
///
/// # Errors
/// When a server cannot be started or ends a connection.
pub async fn run(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    let load = format!("{} publishers, {} in flight each", config.publishers, config.window);
    for (qos, figure, goal) in [
        (Flow::Puback, "QoS 1 acknowledged/s (Mosquitto: not durable)", "ratio 2.0"),
        (Flow::Pubcomp, "QoS 2 completed/s (Mosquitto: not durable)", "ratio 1.0"),
    ] {
        let (tidegate, tidegate_cores) = one(config, Kind::Tidegate, qos).await?;
        let (peer, peer_cores) = one(config, Kind::Mosquitto, qos).await?;
        table.add(&load, figure, tidegate, Some(peer), goal);
        table.add(&load, "server CPU, cores", tidegate_cores, Some(peer_cores), "");
    }
    Ok(())
}

/// How a publication is acknowledged (MQTT 3.1.1 section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// QoS 1: PUBACK.
    Puback,
    /// QoS 2: PUBREC, PUBREL, PUBCOMP.
    Pubcomp,
}

/// Acknowledgements a second, and cores.
async fn one(config: &BenchConfig, kind: Kind, flow: Flow) -> io::Result<(f64, f64)> {
    let server = Server::start(kind, config.program(kind)).await?;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let mut publishers = JoinSet::new();
    for template in templates(config.publishers) {
        let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
        let mut times = 0i64;
        let next = move |packet: &mut Template| {
            times += 1;
            packet.set_time(unix_ms() - 3_600_000 + times);
            !stop.load(Relaxed)
        };
        publishers.spawn(publish(server.mqtt, template, (config.window, flow), acknowledged, next));
    }
    sleep(WARM_UP).await;
    let (began, count, usage, tool) = (Instant::now(), acknowledged.load(Relaxed), server.usage()?, usage_of("self")?);
    sleep(config.measure).await;
    let seconds = began.elapsed().as_secs_f64();
    let rate = (acknowledged.load(Relaxed) - count) as f64 / seconds;
    let cores = (server.usage()?.cpu_s - usage.cpu_s) / seconds;
    let tool_cores = (usage_of("self")?.cpu_s - tool.cpu_s) / seconds;
    stop.store(true, Relaxed);
    while let Some(ended) = publishers.join_next().await {
        ended.map_err(io::Error::other)??;
    }
    server.stop().await?;
    eprintln!("bench: {kind:?}, {flow:?}: {rate:.0}/s, {cores:.2} cores, load tool {tool_cores:.2} cores");
    Ok((rate, cores))
}

fn templates(count: usize) -> Vec<Template> {
    let plan = FleetPlan {
        devices: count,
        buildings: 2,
        first_building: 0,
        interval: Duration::from_secs(5),
        scenario: Scenario::Steady,
        qos: QosChoice::Fixed(1),
        maker: None,
        seed: 1,
    };
    let now_ms = unix_ms();
    plan.specs().into_iter().map(|spec| Template::new(&mut Device::new(spec, now_ms), now_ms)).collect()
}

/// A PUBLISH of a device's reference reading, whose packet identifier and time are set in place.
pub(crate) struct Template {
    client_id: String,
    bytes: Vec<u8>,
    id_at: usize,
    time_at: usize,
}

const TIME_DIGITS: usize = 13;

impl Template {
    fn new(device: &mut Device, now_ms: i64) -> Self {
        let publication = device.publish(now_ms).swap_remove(0);
        Self::of(&device.spec.name, &publication.topic, &publication.payload)
    }

    /// Of a payload with a 13-digit `timestamp`.
    pub(crate) fn of(client_id: &str, topic: &str, payload: &[u8]) -> Self {
        let mut body = Vec::with_capacity(payload.len() + topic.len() + 4);
        put_text(&mut body, topic);
        let id_from_end = payload.len() + 2;
        body.extend_from_slice(&[0, 0]);
        body.extend_from_slice(payload);
        let bytes = packet(0x32, &body);
        const KEY: &[u8] = b"\"timestamp\":";
        let key_at = bytes.windows(KEY.len()).position(|window| window == KEY);
        let time_at = key_at.expect("a reference reading has a timestamp") + KEY.len();
        Self { client_id: client_id.to_owned(), id_at: bytes.len() - id_from_end, time_at, bytes }
    }

    /// Another publication of the same client.
    pub(crate) fn replace(&mut self, topic: &str, payload: &[u8]) {
        *self = Self::of(&self.client_id, topic, payload);
    }

    pub(crate) fn set_time(&mut self, time_ms: i64) {
        let mut rest = time_ms;
        for digit in self.bytes[self.time_at..self.time_at + TIME_DIGITS].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }

    /// The packet as it is.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn set_flow(&mut self, flow: Flow) {
        self.bytes[0] = if flow == Flow::Puback { 0x32 } else { 0x34 };
    }

    pub(crate) fn set_id(&mut self, id: u16) {
        self.bytes[self.id_at..self.id_at + 2].copy_from_slice(&id.to_be_bytes());
    }
}

/// Publishes with `window` in flight while `next` says so, then waits for what is still to be acknowledged.
/// `next` prepares the packet to send.
pub(crate) async fn publish(
    address: SocketAddr,
    mut template: Template,
    (window, flow): (usize, Flow),
    acknowledged: Arc<AtomicU64>,
    mut next: impl FnMut(&mut Template) -> bool,
) -> io::Result<()> {
    let mut stream = timeout(ANSWER_TIMEOUT, connect(address, &template.client_id)).await??;
    let (mut in_flight, mut packet_id, mut more) = (0, 0u16, true);
    let mut acknowledgements = Acknowledgements::default();
    let mut output = Vec::with_capacity(window * template.bytes.len());
    let mut buffer = [0; READ_BYTES];
    loop {
        while more && in_flight < window {
            more = next(&mut template);
            if more {
                packet_id = packet_id % u16::MAX + 1;
                template.set_id(packet_id);
                template.set_flow(flow);
                output.extend_from_slice(&template.bytes);
                in_flight += 1;
            }
        }
        stream.write_all(&output).await?;
        output.clear();
        if in_flight == 0 {
            return stream.write_all(&[0xe0, 0]).await;
        }
        let count = timeout(ANSWER_TIMEOUT, stream.read(&mut buffer)).await??;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed a publisher's connection"));
        }
        let done = acknowledgements.feed(&buffer[..count], &mut output)?;
        in_flight -= done.min(in_flight);
        acknowledged.fetch_add(done as u64, Relaxed);
    }
}

/// Reads acknowledgements, which in MQTT 3.1.1 have four bytes each (3.4 to 3.7), however they are cut.
#[derive(Default)]
struct Acknowledgements {
    partial: Vec<u8>,
}

impl Acknowledgements {
    /// Publications that are done: PUBACK or PUBCOMP came. PUBREC is answered with PUBREL.
    fn feed(&mut self, bytes: &[u8], output: &mut Vec<u8>) -> io::Result<usize> {
        self.partial.extend_from_slice(bytes);
        let (packets, rest) = self.partial.as_chunks::<4>();
        let mut done = 0;
        for packet in packets {
            match packet[0] {
                0x40 | 0x70 => done += 1,
                0x50 => output.extend_from_slice(&[0x62, 2, packet[2], packet[3]]),
                other => return Err(io::Error::other(format!("expected an acknowledgement, got {other:#x}"))),
            }
        }
        let kept = rest.len();
        self.partial.drain(..self.partial.len() - kept);
        Ok(done)
    }
}

async fn connect(address: SocketAddr, client_id: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut body = b"\x00\x04MQTT\x04\x02\x00\x3c".to_vec();
    put_text(&mut body, client_id);
    stream.write_all(&packet(0x10, &body)).await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    if answer == [0x20, 2, 0, 0] { Ok(stream) } else { Err(io::Error::other(format!("CONNACK refuses: {answer:?}"))) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use mqtt_protocol_core::mqtt::packet::v3_1_1::Publish;

    #[test]
    fn the_packet_built_by_hand_is_what_another_parser_reads() {
        let mut template = templates(1).remove(0);
        template.set_time(1_704_723_845_123);
        template.set_id(0x1234);
        assert!(template.bytes[1] & 0x80 != 0 && template.bytes[2] & 0x80 == 0, "two bytes of remaining length");
        let body: Arc<[u8]> = template.bytes[3..].into();
        let (publish, _) = Publish::parse(template.bytes[0] & 0x0f, body).unwrap();
        assert_eq!(publish.packet_id(), Some(0x1234));
        assert_eq!(publish.topic_name(), "sensors/a1-001");
        let payload: serde_json::Value = serde_json::from_slice(publish.payload().as_slice()).unwrap();
        assert_eq!(payload["timestamp"], 1_704_723_845_123i64);
    }

    #[test]
    fn acknowledgements_are_counted_however_they_are_cut() {
        let bytes = [0x40, 2, 0, 1, 0x50, 2, 0, 2, 0x70, 2, 0, 2];
        for step in 1..=bytes.len() {
            let (mut counter, mut output) = (Acknowledgements::default(), Vec::new());
            let total: usize = bytes.chunks(step).map(|piece| counter.feed(piece, &mut output).unwrap()).sum();
            assert_eq!((total, output.as_slice()), (2, &[0x62, 2, 0, 2][..]), "pieces of {step}");
        }
        assert!(Acknowledgements::default().feed(&[0xe0, 0, 0, 0], &mut Vec::new()).is_err());
    }
}
