//! One device: where it hangs, what is wrong with it, what it publishes.

use super::{
    makers::{Maker, Said, Thing},
    payload::{Reading, write_batch, write_reference, write_value},
    rng::Rng,
    room::{Incident, Room, RoomKind, Samples},
};
use std::time::Duration;

/// What a device is, before it lives. All of it follows from the fleet's seed.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceSpec {
    /// Place in the fleet, from 0.
    pub index: usize,
    /// Short name, unique in the fleet, e.g. `a3-014`.
    pub name: String,
    /// `Building A`.
    pub building: String,
    /// `Floor 3`.
    pub floor: String,
    /// The room it hangs in.
    pub room: RoomKind,
    /// How it writes its readings.
    pub shape: Shape,
    /// 0, 1 or 2.
    pub qos: u8,
    /// MQTT 5, else 3.1.1.
    pub mqtt5: bool,
    /// Between two readings.
    pub interval: Duration,
    /// Connects for each reading and sleeps in between.
    pub sleeper: bool,
    /// What is wrong with its sensor.
    pub fault: Fault,
    /// The door that is left open.
    pub incident: Option<Incident>,
    /// What it does in a storm.
    pub storm: Storm,
    /// Every so many publications one that nobody can understand; 0: none.
    pub nonsense_every: u32,
    /// For its noise.
    pub seed: u64,
}

/// How a device writes its readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The reference reading, on `sensors/{name}`.
    Reference,
    /// A publication for each metric on `{building}/{floor}/{name}/{metric}`.
    Plain,
    /// As the software of this maker does.
    Made(Maker),
}

/// What is wrong with a sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Repeats its first temperature for ever.
    Stuck,
    /// Now and then a wild value.
    Spiky,
    /// Silent for minutes, then back.
    Silent,
    /// Reads a little more each hour.
    Drifting,
}

/// Unruly behaviour; all zero is a well-behaved device.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Storm {
    /// The device's clock is ahead by this, in milliseconds (negative: behind).
    pub skew_ms: i64,
    /// Keeps this many readings and sends them at once, as one array, out of order with nobody; 0: none.
    pub batch: u32,
    /// Probability that a publication is sent twice.
    pub duplicate: f64,
    /// Probability that a reading comes as a burst of 20.
    pub burst: f64,
}

/// One PUBLISH to make, and what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// The device as the server should name it: its identifier, or its topic.
    pub device: String,
    /// What a server that understands it will store. Empty for nonsense, and for what a device says of itself.
    pub readings: Vec<Reading>,
    /// Whether the broker keeps it.
    pub retain: bool,
}

/// A living device.
#[derive(Debug, Clone)]
pub struct Device {
    /// What it is.
    pub spec: DeviceSpec,
    room: Room,
    rng: Rng,
    stuck_at: Option<f64>,
    silent_until_ms: i64,
    born_ms: i64,
    kept: Vec<Reading>,
    count: u32,
    /// Readings since it was connected.
    said: u32,
}

impl Device {
    /// A device that starts at `now_ms` (Unix ms).
    pub fn new(spec: DeviceSpec, now_ms: i64) -> Self {
        Self {
            room: Room::new(spec.room, spec.seed, now_ms, spec.incident),
            rng: Rng::new(spec.seed, 2),
            stuck_at: None,
            silent_until_ms: 0,
            born_ms: now_ms,
            kept: Vec::new(),
            count: 0,
            said: 0,
            spec,
        }
    }

    /// What it publishes at `now_ms`; may be nothing.
    pub fn publish(&mut self, now_ms: i64) -> Vec<Publication> {
        self.count = self.count.wrapping_add(1);
        let samples = self.measure(now_ms);
        if self.is_silent(now_ms) {
            return Vec::new();
        }
        if self.spec.nonsense_every > 0 && self.count.is_multiple_of(self.spec.nonsense_every) {
            return vec![self.nonsense()];
        }
        let reading = Reading { time_ms: Some(now_ms + self.spec.storm.skew_ms), samples };
        let mut publications = match self.spec.shape {
            Shape::Plain => self.plain(&reading),
            Shape::Made(maker) => self.made(maker, &reading),
            Shape::Reference if self.spec.storm.batch > 0 => self.keep_or_send(reading),
            Shape::Reference => vec![self.reference(reading)],
        };
        if self.spec.storm.burst > 0.0 && self.rng.chance(self.spec.storm.burst) {
            publications.extend(self.burst(now_ms));
        }
        if self.spec.storm.duplicate > 0.0 && self.rng.chance(self.spec.storm.duplicate) {
            publications.extend(publications.last().cloned());
        }
        publications
    }

    /// What it says of itself when it was connected at `now_ms` (Unix ms); `fleet` are the names of all devices of its maker.
    pub fn announce(&mut self, now_ms: i64, fleet: &[String]) -> Vec<Publication> {
        let Shape::Made(maker) = self.spec.shape else { return Vec::new() };
        self.said = 0;
        let reading = Reading { time_ms: Some(now_ms), samples: self.measure(now_ms) };
        let said = maker.announce(&self.thing(), fleet, &reading);
        said.into_iter().map(|said| self.said_by_itself(said, Vec::new())).collect()
    }

    fn thing(&self) -> Thing<'_> {
        let DeviceSpec { name, building, floor, interval, seed, .. } = &self.spec;
        Thing { name, building, floor, interval: *interval, seed: *seed }
    }

    fn made(&mut self, maker: Maker, reading: &Reading) -> Vec<Publication> {
        self.said += 1;
        let said = maker.state(&self.thing(), reading, self.said);
        said.into_iter().map(|said| self.said_by_itself(said, vec![reading.clone()])).collect()
    }

    fn said_by_itself(&self, said: Said, readings: Vec<Reading>) -> Publication {
        let Said { topic, payload, retain } = said;
        Publication { topic, payload, device: self.spec.name.clone(), readings, retain }
    }

    /// What it still holds back, before it is switched off.
    pub fn flush(&mut self) -> Option<Publication> {
        let readings = std::mem::take(&mut self.kept);
        (!readings.is_empty()).then(|| self.batch(readings))
    }

    fn measure(&mut self, now_ms: i64) -> Samples {
        let mut samples = self.room.measure(now_ms);
        let Some(temperature) = samples.iter_mut().find(|sample| sample.metric == "temperature") else {
            return samples;
        };
        match self.spec.fault {
            Fault::None | Fault::Silent => {}
            Fault::Stuck => temperature.value = *self.stuck_at.get_or_insert(temperature.value),
            Fault::Spiky if self.rng.chance(0.02) => temperature.value += self.rng.between(15.0, 45.0),
            Fault::Spiky => {}
            Fault::Drifting => temperature.value += (now_ms - self.born_ms) as f64 / 3_600_000.0 * 0.4,
        }
        samples
    }

    fn is_silent(&mut self, now_ms: i64) -> bool {
        if self.spec.fault == Fault::Silent && now_ms >= self.silent_until_ms && self.rng.chance(0.02) {
            self.silent_until_ms = now_ms + self.rng.between(60_000.0, 300_000.0) as i64;
        }
        now_ms < self.silent_until_ms
    }

    fn location(&self) -> String {
        format!("{}, {}", self.spec.building, self.spec.floor)
    }

    fn topic(&self) -> String {
        format!("sensors/{}", self.spec.name)
    }

    fn reference(&self, reading: Reading) -> Publication {
        let mut payload = Vec::with_capacity(192);
        write_reference(&mut payload, &self.spec.name, &self.location(), &reading);
        Publication {
            topic: self.topic(),
            payload,
            device: self.spec.name.clone(),
            readings: vec![reading],
            retain: false,
        }
    }

    fn batch(&self, readings: Vec<Reading>) -> Publication {
        let mut payload = Vec::with_capacity(192 * readings.len());
        write_batch(&mut payload, &self.spec.name, &self.location(), &readings);
        Publication { topic: self.topic(), payload, device: self.spec.name.clone(), readings, retain: false }
    }

    fn keep_or_send(&mut self, reading: Reading) -> Vec<Publication> {
        self.kept.push(reading);
        if self.kept.len() < self.spec.storm.batch as usize { Vec::new() } else { self.flush().into_iter().collect() }
    }

    fn plain(&self, reading: &Reading) -> Vec<Publication> {
        let device = format!("{}/{}/{}", self.spec.building, self.spec.floor, self.spec.name);
        let one = |sample: &super::Sample| {
            let mut payload = Vec::with_capacity(8);
            write_value(&mut payload, sample);
            let readings = vec![Reading { time_ms: None, samples: Samples::from_slice(&[*sample]) }];
            Publication {
                topic: format!("{device}/{}", sample.metric),
                payload,
                device: device.clone(),
                readings,
                retain: false,
            }
        };
        reading.samples.iter().filter(|sample| !sample.metric.contains('.')).map(one).collect()
    }

    /// Twenty readings from the last twenty milliseconds, as a sensor that wakes on vibration sends them.
    fn burst(&mut self, now_ms: i64) -> Vec<Publication> {
        let skewed_ms = now_ms + self.spec.storm.skew_ms;
        let samples = self.room.measure(now_ms);
        if self.spec.shape != Shape::Reference {
            return Vec::new();
        }
        (1..=20)
            .map(|before| self.reference(Reading { time_ms: Some(skewed_ms - before), samples: samples.clone() }))
            .collect()
    }

    /// A cut-off object or plain bytes, as a broken gateway sends them.
    fn nonsense(&mut self) -> Publication {
        let payload = if self.rng.chance(0.5) {
            format!("{{\"deviceId\":\"{}\",\"temperature\":2", self.spec.name).into_bytes()
        } else {
            (0..24).map(|_| 0x80 | (self.rng.next_u64() as u8)).collect()
        };
        Publication {
            topic: self.topic(),
            payload,
            device: self.spec.name.clone(),
            readings: Vec::new(),
            retain: false,
        }
    }
}
