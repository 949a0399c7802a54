//! Rooms as sensors see them: temperature, humidity, air, doors, each with the physics that makes a chart look right.

use super::{
    rng::Rng,
    signal::{Battery, Door, Wander, day_curve, follow, occupancy},
};
use smallvec::SmallVec;

/// One measured quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Name; a dot nests it in the payload (`battery.percent`).
    pub metric: &'static str,
    /// The value, not yet rounded.
    pub value: f64,
    /// Decimals a sensor of this kind has.
    pub decimals: u8,
}

/// What one reading holds.
pub type Samples = SmallVec<[Sample; 6]>;

/// What kind of room it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomKind {
    /// Desks: follows the working day.
    Office,
    /// Empty, then crowded: CO₂ runs away and gets past 1400 ppm.
    Meeting,
    /// Cold storage at 4 °C with a door to the kitchen.
    ColdRoom,
    /// Freezer at -18 °C.
    Freezer,
    /// The loading dock, nearly outdoors.
    Dock,
}

/// A time when a cold room's door is left open, which gives a demo its alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incident {
    /// After the start, in milliseconds.
    pub first_after_ms: i64,
    /// Again after this many milliseconds.
    pub every_ms: i64,
    /// How long the door stands open, in milliseconds.
    pub lasts_ms: i64,
}

/// A room with its state. Advance it with [`Room::measure`]; the same seed and the same times give the same values.
#[derive(Debug, Clone)]
pub struct Room {
    kind: RoomKind,
    rng: Rng,
    start_ms: i64,
    last_ms: i64,
    set_point: f64,
    temperature: f64,
    cycle_on: bool,
    crowd: Door,
    door: Door,
    incident: Option<Incident>,
    co2: f64,
    humidity: Wander,
    weather: Wander,
    pressure: Wander,
    battery: Battery,
}

impl Room {
    /// A room in the middle of its life at `start_ms` (Unix ms).
    pub fn new(kind: RoomKind, seed: u64, start_ms: i64, incident: Option<Incident>) -> Self {
        let mut rng = Rng::new(seed, 1);
        let set_point = match kind {
            RoomKind::Office => rng.between(20.8, 22.4),
            RoomKind::Meeting => rng.between(20.5, 21.5),
            RoomKind::ColdRoom => rng.between(3.4, 4.6),
            RoomKind::Freezer => rng.between(-19.0, -17.6),
            RoomKind::Dock => 0.0,
        };
        let (between_s, open_for_s) = match kind {
            RoomKind::ColdRoom => (900.0, 25.0),
            RoomKind::Freezer => (2400.0, 20.0),
            _ => (1200.0, 240.0),
        };
        let warm_up_ms = 4 * 3_600_000;
        let mut room = Self {
            kind,
            start_ms,
            last_ms: start_ms - warm_up_ms,
            set_point,
            temperature: set_point + rng.between(-0.3, 0.3),
            cycle_on: rng.chance(0.5),
            crowd: Door::new(3600.0, 2400.0, &mut rng),
            door: Door::new(between_s, open_for_s, &mut rng),
            incident,
            co2: 430.0,
            humidity: Wander::new(2.5, 5400.0, &mut rng),
            weather: Wander::new(2.0, 7200.0, &mut rng),
            pressure: Wander::new(4.0, 40_000.0, &mut rng),
            battery: Battery::new(&mut rng),
            rng,
        };
        // A few hours ahead of the first reading, so that no chart begins with a transient.
        for minutes in (0..240).step_by(4) {
            room.advance(start_ms - warm_up_ms + minutes * 60_000);
        }
        room
    }

    /// What the sensor reads at `now_ms` (Unix ms); time only goes forward.
    pub fn measure(&mut self, now_ms: i64) -> Samples {
        let door_open = self.advance(now_ms);
        let noise = 0.04 * self.rng.normal();
        let temperature = Sample { metric: "temperature", value: self.temperature + noise, decimals: 1 };
        let humidity = Sample { metric: "humidity", value: self.relative_humidity(door_open), decimals: 1 };
        let battery = Sample { metric: "battery", value: self.battery.percent(), decimals: 0 };
        match self.kind {
            RoomKind::Office | RoomKind::Meeting => Samples::from_slice(&[
                temperature,
                humidity,
                Sample { metric: "pressure", value: self.pressure_hpa(), decimals: 2 },
                Sample { metric: "co2", value: self.co2 + 4.0 * self.rng.normal(), decimals: 0 },
                battery,
            ]),
            RoomKind::ColdRoom | RoomKind::Freezer => {
                let power = if self.cycle_on { 740.0 + 12.0 * self.rng.normal() } else { 18.0 + self.rng.normal() };
                Samples::from_slice(&[
                    temperature,
                    humidity,
                    Sample { metric: "door_open", value: f64::from(u8::from(door_open)), decimals: 0 },
                    Sample { metric: "compressor_power", value: power, decimals: 0 },
                    battery,
                ])
            }
            RoomKind::Dock => Samples::from_slice(&[
                temperature,
                humidity,
                Sample { metric: "battery.percent", value: self.battery.percent(), decimals: 0 },
                Sample { metric: "battery.voltage", value: self.battery.volts(&mut self.rng), decimals: 3 },
            ]),
        }
    }

    /// Moves the physics on to `now_ms`. Returns whether the door is open.
    fn advance(&mut self, now_ms: i64) -> bool {
        let seconds = (now_ms - self.last_ms).max(0) as f64 / 1000.0;
        self.last_ms = self.last_ms.max(now_ms);
        self.battery.step(seconds);
        let weather = self.weather.step(seconds, &mut self.rng);
        let outdoors = 9.0 + 4.5 * day_curve(now_ms, 15.0) + weather;
        self.pressure.step(seconds, &mut self.rng);
        self.humidity.step(seconds, &mut self.rng);
        let door_open = self.door.step(seconds, &mut self.rng) | self.incident_open(now_ms);
        match self.kind {
            RoomKind::Office | RoomKind::Meeting => self.advance_heated(now_ms, seconds, outdoors, door_open),
            RoomKind::ColdRoom | RoomKind::Freezer => self.advance_cooled(seconds, door_open),
            RoomKind::Dock => self.temperature = follow(self.temperature, outdoors + 1.5, seconds, 1800.0),
        }
        door_open
    }

    fn advance_heated(&mut self, now_ms: i64, seconds: f64, outdoors: f64, door_open: bool) {
        let crowded = self.crowd.step(seconds, &mut self.rng) && self.kind == RoomKind::Meeting;
        let people =
            if crowded { 1.6 } else { occupancy(now_ms) * if self.kind == RoomKind::Office { 1.0 } else { 0.2 } };
        if self.temperature < self.set_point - 0.35 {
            self.cycle_on = true;
        } else if self.temperature > self.set_point + 0.3 {
            self.cycle_on = false;
        }
        let heat = if self.cycle_on { 21.0 } else { 0.0 };
        let draught = if door_open { 0.6 } else { 1.0 };
        let balance = outdoors + heat * draught + 2.5 * people;
        self.temperature = follow(self.temperature, balance, seconds, 7200.0);
        self.co2 = follow(self.co2, 425.0 + 720.0 * people * draught, seconds, 900.0);
    }

    fn advance_cooled(&mut self, seconds: f64, door_open: bool) {
        if self.temperature > self.set_point + 0.7 {
            self.cycle_on = true;
        } else if self.temperature < self.set_point - 0.6 {
            self.cycle_on = false;
        }
        let pull = if self.cycle_on { self.set_point - 6.0 } else { self.set_point + 8.0 };
        // Far from its set point the plant runs at full power; near it, the goods keep the room steady.
        let inertia_s = if self.temperature > self.set_point + 2.0 { 900.0 } else { 3600.0 };
        let (target, time_constant_s) = match (door_open, self.incident) {
            (false, _) => (pull, inertia_s),
            (true, None) => (17.0, 1500.0),
            // The door with the incident has no curtain: above 8 °C within a minute, so a demo need not wait.
            (true, Some(_)) => (19.0, 150.0),
        };
        self.temperature = follow(self.temperature, target, seconds, time_constant_s);
    }

    fn incident_open(&self, now_ms: i64) -> bool {
        let Some(incident) = self.incident else { return false };
        let since = now_ms - self.start_ms - incident.first_after_ms;
        since >= 0 && since % incident.every_ms < incident.lasts_ms
    }

    fn relative_humidity(&mut self, door_open: bool) -> f64 {
        let base = match self.kind {
            RoomKind::Office | RoomKind::Meeting => 43.0 + (self.co2 - 430.0) * 0.004 - (self.temperature - 21.0) * 1.8,
            RoomKind::ColdRoom | RoomKind::Freezer => {
                if door_open {
                    86.0
                } else {
                    78.0
                }
            }
            RoomKind::Dock => 74.0 - (self.temperature - 9.0) * 2.2,
        };
        (base + self.humidity.value() + 0.15 * self.rng.normal()).clamp(5.0, 99.9)
    }

    fn pressure_hpa(&mut self) -> f64 {
        1013.25 + self.pressure.value() + 0.03 * self.rng.normal()
    }
}
