use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::counter;
use tidegate_telemetry::clients::{ClientEnd, TraceLine, TracedPacket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::direction::Direction;
use super::frame;
use super::inbound::ConnectRequest;
use super::summary::{self, summary};
use super::version::Version;

/// Shows what passes through a connection to those who trace it. A connection that nobody traces has none.
#[derive(Debug)]
pub(crate) struct PacketTrace {
    readers: Vec<Arc<TraceReader>>,
    /// Topics of the aliases that were seen, from the client and to it.
    aliases: [HashMap<u16, String>; 2],
    /// Gives Unix ms.
    clock: fn() -> i64,
}

/// Somebody who reads a trace. One that is slow loses lines, and is told how many.
#[derive(Debug)]
pub(crate) struct TraceReader {
    pub lines: mpsc::Sender<TraceLine>,
    pub payloads: bool,
    pub missed: AtomicU64,
    /// The trace is over, whoever still holds this.
    pub over: CancellationToken,
}

impl PacketTrace {
    pub(crate) fn new(readers: Vec<Arc<TraceReader>>, clock: fn() -> i64) -> Box<Self> {
        Box::new(PacketTrace { readers, aliases: Default::default(), clock })
    }

    /// The CONNECT, which came before it was known whose it is. The password is not looked at.
    pub(crate) fn connect(&mut self, connect: &ConnectRequest) {
        self.tell(&TracedPacket {
            time: (self.clock)(),
            direction: "in",
            name: "CONNECT",
            bytes: connect.packet_bytes,
            detail: summary::connect_words(connect),
            ..TracedPacket::default()
        });
    }

    /// Packets, one after the other and whole. Returns whether anybody still reads.
    pub(super) fn packets(&mut self, direction: Direction, mut raw: &[u8], v5: bool) -> bool {
        self.readers.retain(|reader| !reader.lines.is_closed() && !reader.over.is_cancelled());
        while !self.readers.is_empty()
            && let Ok(Some(length)) = frame::scan(raw, Version::V3_1_1, usize::MAX)
        {
            self.packet(direction, &raw[..length], v5);
            raw = &raw[length..];
        }
        !self.readers.is_empty()
    }

    fn packet(&mut self, direction: Direction, raw: &[u8], v5: bool) {
        let wants_payload = self.readers.iter().any(|reader| reader.payloads);
        let mut packet = summary(raw, v5, wants_payload);
        packet.time = (self.clock)();
        packet.direction = direction.name();
        self.resolve_alias(direction, &mut packet);
        self.tell(&packet);
    }

    /// An alias stands for the topic it was last sent with (MQTT 5.0 section 3.3.2.3.4).
    fn resolve_alias(&mut self, direction: Direction, packet: &mut TracedPacket) {
        let Some(alias) = packet.topic_alias else { return };
        let aliases = &mut self.aliases[usize::from(direction == Direction::Out)];
        match packet.topic.as_ref().filter(|topic| !topic.is_empty()) {
            Some(topic) => drop(aliases.insert(alias, topic.clone())),
            None => packet.topic = aliases.get(&alias).cloned(),
        }
    }

    pub(crate) fn ended(&self, end: &ClientEnd) {
        for reader in &self.readers {
            reader.tell(TraceLine::End(end.clone()));
        }
    }

    fn tell(&self, packet: &TracedPacket) {
        for reader in &self.readers {
            let mut packet = packet.clone();
            packet.payload = packet.payload.filter(|_| reader.payloads);
            reader.tell(TraceLine::Packet(packet));
        }
    }
}

impl TraceReader {
    /// Never waits: a line that has no room is lost and counted.
    pub(crate) fn tell(&self, line: TraceLine) {
        let missed = self.missed.swap(0, Ordering::Relaxed);
        let told = missed == 0 || self.lines.try_send(TraceLine::Missed { count: missed }).is_ok();
        if !told {
            self.missed.fetch_add(missed, Ordering::Relaxed);
        }
        if !told || self.lines.try_send(line).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
            counter!("tidegate_mqtt_trace_missed_total").increment(1);
        }
    }
}
