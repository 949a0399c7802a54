use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_telemetry::{Position, Qos};

use super::noise::Noise;
use super::specimens::{connect, specimens};
use crate::sessions::{Delivery, Message};
use crate::topics::TopicLimits;
use crate::wire::{Admission, End, Limits, Machine, Now, PropertyLimits, Request, SubscribeOutcome};

/// Bytes of a client, valid packets bent here and there, whole and cut anywhere: nothing panics, what the machine makes
/// of them does not depend on the cuts, it answers in whole packets, and it is silent once it has ended.
pub fn packets(noise: &[u8]) {
    let mut noise = Noise::new(noise);
    let v5 = noise.byte() & 1 == 1;
    let topic_alias_max = u16::from(noise.byte() & 4);
    let greeting = if noise.byte() < 240 { connect(v5) } else { Vec::new() };
    let said = conversation(v5, &mut noise);
    let whole = {
        let mut driver = Driver::within(topic_alias_max);
        driver.receive(&greeting);
        driver.receive(&said);
        driver.settle();
        driver.story()
    };
    let mut driver = Driver::within(topic_alias_max);
    driver.receive(&greeting);
    for piece in said.chunks(1 + usize::from(v5) * 6) {
        driver.receive(piece);
    }
    driver.settle();
    assert_eq!(whole, driver.story(), "the cuts of {said:x?} made a difference");
    let mut driver = Driver::within(topic_alias_max);
    driver.receive(&greeting);
    driver.deliver();
    // Now with answers in between.
    for piece in said.chunks(29) {
        driver.receive(piece);
        driver.settle();
        driver.deliver();
    }
    driver.end();
}

/// What a client might say: for each packet a specimen, some of its bytes replaced, or noise.
fn conversation(v5: bool, noise: &mut Noise<'_>) -> Vec<u8> {
    let specimens = specimens(v5);
    let mut said = Vec::new();
    while !noise.is_empty() && said.len() < 4096 {
        match usize::from(noise.byte()) {
            raw @ 224.. => said.extend_from_slice(noise.take(raw - 223)),
            choice => {
                let mut packet = specimens[choice % specimens.len()].clone();
                for _ in 0..choice / specimens.len() % 4 {
                    let (at, bits) = (usize::from(noise.byte()), noise.byte());
                    let length = packet.len();
                    packet[at % length] ^= bits;
                }
                said.extend_from_slice(&packet);
            }
        }
    }
    said
}

/// A machine and what a connection does with it, without a broker.
pub(super) struct Driver {
    machine: Machine,
    now: Now,
    remembers: bool,
    /// What was asked for, in words.
    asked: Vec<String>,
    output: Vec<u8>,
    position: u64,
    delivered: u64,
    unplaced: bool,
    is_silent: bool,
}

impl Driver {
    pub(super) fn new() -> Self {
        Driver::within(4)
    }

    /// One whose story nobody asks for.
    #[cfg(test)]
    pub(super) fn forgetful() -> Self {
        Driver { remembers: false, ..Driver::new() }
    }

    /// With so many topic aliases allowed.
    fn within(topic_alias_max: u16) -> Self {
        let limits = Limits {
            topics: TopicLimits { bytes_max: 64, levels_max: 4 },
            connect_timeout: Duration::from_secs(10),
            packet_timeout: Duration::from_secs(30),
            packet_bytes_max: 1000,
            client_id_bytes_max: 32,
            topic_alias_max,
            receive_max: 8,
            inflight_bytes_max: 10_000,
            delivery_inflight_max: 4,
            keep_alive_max_s: 0,
            properties: PropertyLimits::default(),
        };
        let now = Now { instant: Instant::now(), unix_ms: 1000 };
        Driver {
            machine: Machine::new(Arc::new(limits), now.instant),
            now,
            remembers: true,
            asked: Vec::new(),
            output: Vec::new(),
            position: 0,
            delivered: 0,
            unplaced: false,
            is_silent: false,
        }
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        let mut requests = Vec::new();
        self.machine.receive(bytes, self.now, &mut requests);
        if let Some(Request::Connect(connect)) = requests.pop_if(|last| matches!(last, Request::Connect(_))) {
            let keeps = connect.expiry_s > 0;
            let admission = Admission { session: 7, keeps, session_present: keeps, ..Admission::default() };
            self.machine.admit(&connect, &admission);
            self.machine.accept(&connect, admission, self.now, &mut requests);
        }
        for request in requests {
            self.serve(request);
        }
        self.drain();
    }

    fn serve(&mut self, request: Request) {
        assert!(!self.is_silent, "it had ended and asks for {request:?}");
        if self.remembers {
            self.asked.push(format!("{request:?}"));
        }
        match request {
            Request::Publish(_) => {
                self.position += 1;
                self.unplaced = true;
            }
            Request::Subscribe { packet_id, filters } => {
                let outcomes: Vec<_> =
                    filters.iter().map(|filter| SubscribeOutcome::Granted(filter.options.qos)).collect();
                self.machine.subscribed(packet_id, &outcomes, 0);
            }
            Request::Unsubscribe { packet_id, filters } => {
                self.machine.unsubscribed(packet_id, &vec![true; filters.len()], 0);
            }
            _ => {}
        }
    }

    /// Everything is in the log, durable and stored.
    pub(super) fn settle(&mut self) {
        if std::mem::take(&mut self.unplaced) {
            self.machine.appended(Position(self.position), usize::MAX);
        }
        self.machine.changed(1);
        self.machine.durable(Position(self.position), 1);
        assert!(self.machine.pending() == 0 || self.is_silent, "something waits for more than the disk");
        self.drain();
    }

    /// A message of each quality of service goes out, as far as the client takes them: identifiers 1 and 2 first.
    pub(super) fn deliver(&mut self) {
        for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce, Qos::AtMostOnce] {
            if !self.machine.takes(qos) {
                continue;
            }
            self.delivered += 1;
            let message = Message {
                id: self.delivered,
                topic: Arc::from("a/b"),
                payload: Bytes::from_static(b"delivered"),
                qos,
                retain: false,
                received_ms: 0,
                properties: None,
            };
            let mut delivery = Delivery::new(Arc::new(message), qos, false, Position::START);
            delivery.number = self.delivered;
            let packet_id = self.machine.bind(&delivery);
            self.machine.deliver(delivery, packet_id, 0);
            while self.machine.send_next(Position(self.position), 1, self.now.unix_ms).is_some() {}
        }
        self.drain();
    }

    /// The connection ends, if it has not.
    pub(super) fn end(&mut self) {
        self.machine.tick(self.now.instant + Duration::from_secs(1000));
        self.machine.end(End::Lost);
        self.drain();
        self.machine.take_will(2000);
        self.machine.take_state();
    }

    pub(super) fn ended(&self) -> Option<&End> {
        self.machine.ended()
    }

    fn drain(&mut self) {
        let output = std::mem::take(self.machine.output());
        assert!(output.is_empty() || !self.is_silent, "it had ended and says {output:x?}");
        assert!(split(&output).is_some(), "half a packet in {output:x?}");
        self.output.extend_from_slice(&output);
        self.is_silent = self.machine.ended().is_some();
    }

    /// All that became of it. In which order different packets are answered, and what was answered before a refusal,
    /// depends on what came with them in one read.
    fn story(self) -> (Vec<String>, Vec<Vec<u8>>, Option<&'static str>) {
        let output = if self.is_silent { Vec::new() } else { self.output };
        let mut said = split(&output).expect("whole packets");
        said.sort_unstable();
        (self.asked, said, self.machine.ended().map(End::name))
    }
}

/// The packets of `bytes`; `None` if the last is not whole.
fn split(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut packets = Vec::new();
    while let [_, rest @ ..] = bytes {
        let (mut length, mut header) = (0_usize, 1);
        for byte in rest.iter().take(4) {
            length |= usize::from(byte & 0x7f) << (7 * (header - 1));
            header += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        packets.push(bytes.get(..header + length)?.to_vec());
        bytes = &bytes[header + length..];
    }
    Some(packets)
}

#[cfg(test)]
mod tests {
    use super::super::noise::try_seeds;
    use super::super::specimens::prepare;
    use super::*;

    #[test]
    fn noise_and_bent_packets_end_at_most_their_own_machine() {
        try_seeds(3000, 400, packets);
    }

    #[test]
    fn every_specimen_is_valid() {
        for v5 in [false, true] {
            for specimen in specimens(v5) {
                let mut driver = Driver::new();
                if specimen[0] != 0x10 {
                    prepare(&mut driver, v5);
                }
                driver.receive(&specimen);
                let has_malformed = matches!(driver.ended(), Some(End::Refused { .. }));
                let refused_for_good = specimen[0] == 0xf0 || specimen.ends_with(b"\x15\0\x02ab\0\x02c1");
                assert_eq!(has_malformed, refused_for_good, "{specimen:x?} {:?}", driver.ended());
            }
        }
    }
}
