//! A whole fleet from a seed: who hangs where, who sleeps, who is broken.

use super::{
    device::{DeviceSpec, Fault, Shape, Storm},
    makers::{MAKERS, Maker},
    rng::Rng,
    room::{Incident, RoomKind},
};
use std::time::Duration;

/// The character of a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// Offices and meeting rooms, a canteen's cold rooms, a few broken sensors.
    Office,
    /// Cold rooms, freezers and docks, doors left open.
    ColdChain,
    /// The office on a bad day: bursts, reconnect waves, late batches, duplicates, wrong clocks, nonsense.
    Storm,
    /// A house whose devices are of many makers, each speaking as its maker's software does.
    House,
    /// For measuring: awake, healthy devices with five metrics each, one reference reading at a time.
    Steady,
}

/// Which quality of service the fleet publishes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QosChoice {
    /// 30 % QoS 0, 60 % QoS 1, 10 % QoS 2.
    Mix,
    /// The same for all.
    Fixed(u8),
}

impl std::str::FromStr for QosChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "mix" => Ok(Self::Mix),
            "0" => Ok(Self::Fixed(0)),
            "1" => Ok(Self::Fixed(1)),
            "2" => Ok(Self::Fixed(2)),
            _ => Err("expected mix, 0, 1 or 2".to_owned()),
        }
    }
}

/// Everything a fleet follows from.
#[derive(Debug, Clone)]
pub struct FleetPlan {
    /// How many devices.
    pub devices: usize,
    /// How many buildings they are spread over, 1 to 26.
    pub buildings: usize,
    /// The first of them, 0 for A: fleets of other buildings have other names.
    pub first_building: usize,
    /// Between two readings of a device that does not sleep.
    pub interval: Duration,
    /// The character.
    pub scenario: Scenario,
    /// QoS.
    pub qos: QosChoice,
    /// All devices are of this maker; without: as the scenario has it.
    pub maker: Option<Maker>,
    /// The same seed gives the same fleet.
    pub seed: u64,
}

/// Rooms of a house: each floor has six.
const ROOMS: [&str; 18] = [
    "kitchen",
    "living room",
    "hall",
    "bathroom",
    "pantry",
    "study",
    "bedroom",
    "nursery",
    "guest room",
    "landing",
    "shower",
    "dressing room",
    "cellar",
    "laundry",
    "workshop",
    "garage",
    "wine cellar",
    "boiler room",
];
const ROOMS_A_FLOOR: usize = 6;
const FLOORS: [&str; 3] = ["Ground floor", "Upper floor", "Basement"];

const DEVICES_A_FLOOR: usize = 25;
const FLOORS_MAX: usize = 8;
const SLEEPER_INTERVALS: u32 = 6;

impl FleetPlan {
    /// The devices, in order of their index.
    pub fn specs(&self) -> Vec<DeviceSpec> {
        (0..self.devices).map(|index| self.spec(index)).collect()
    }

    /// The names of all devices of a maker, in order.
    pub fn names_of(&self, maker: Maker) -> Vec<String> {
        let specs = self.specs().into_iter().filter(|spec| spec.shape == Shape::Made(maker));
        specs.map(|spec| spec.name).collect()
    }

    fn spec(&self, index: usize) -> DeviceSpec {
        let spec = self.spec_of_a_building(index);
        if self.scenario != Scenario::House {
            return spec;
        }
        let (room, house) = (index % ROOMS.len(), index / ROOMS.len());
        let name = if house == 0 { ROOMS[room].to_owned() } else { format!("{} {}", ROOMS[room], house + 1) };
        DeviceSpec {
            name,
            building: if house == 0 { "House".to_owned() } else { format!("House {}", house + 1) },
            floor: FLOORS[room / ROOMS_A_FLOOR].to_owned(),
            ..spec
        }
    }

    fn spec_of_a_building(&self, index: usize) -> DeviceSpec {
        let mut rng = Rng::new(self.seed, 1000 + index as u64);
        let (building, floor, number) = self.place(index);
        let letter = char::from(b'a' + (self.first_building + building).min(25) as u8);
        let incident = self.incident(index);
        let room = if incident.is_some() { RoomKind::ColdRoom } else { self.room(&mut rng) };
        let shape = self.shape(index, &mut rng);
        let sleeper = room == RoomKind::Dock;
        DeviceSpec {
            index,
            name: format!("{letter}{}-{number:03}", floor + 1),
            building: format!("Building {}", letter.to_ascii_uppercase()),
            floor: format!("Floor {}", floor + 1),
            room,
            shape: if incident.is_some() && shape == Shape::Plain { Shape::Reference } else { shape },
            qos: self.qos(&mut rng),
            mqtt5: rng.chance(0.5),
            interval: if sleeper { self.interval * SLEEPER_INTERVALS } else { self.interval },
            sleeper,
            fault: if incident.is_some() { Fault::None } else { self.fault(&mut rng) },
            incident,
            storm: self.storm(&mut rng),
            nonsense_every: self.nonsense_every(index, &mut rng),
            seed: rng.next_u64(),
        }
    }

    /// Building, floor, number on the floor (from 1).
    fn place(&self, index: usize) -> (usize, usize, usize) {
        let buildings = self.buildings.clamp(1, 26);
        let in_building = self.devices.div_ceil(buildings).max(1);
        let floors = in_building.div_ceil(DEVICES_A_FLOOR).clamp(1, FLOORS_MAX);
        let on_floor = in_building.div_ceil(floors);
        let (building, rest) = (index / in_building, index % in_building);
        (building, rest / on_floor, rest % on_floor + 1)
    }

    fn room(&self, rng: &mut Rng) -> RoomKind {
        let percent = rng.below(100);
        match self.scenario {
            Scenario::Steady => RoomKind::Office,
            Scenario::House => match percent {
                0..80 => RoomKind::Office,
                80..90 => RoomKind::Meeting,
                _ => RoomKind::ColdRoom,
            },
            Scenario::Office | Scenario::Storm => match percent {
                0..72 => RoomKind::Office,
                72..86 => RoomKind::Meeting,
                86..94 => RoomKind::ColdRoom,
                _ => RoomKind::Dock,
            },
            Scenario::ColdChain => match percent {
                0..55 => RoomKind::ColdRoom,
                55..80 => RoomKind::Freezer,
                80..92 => RoomKind::Dock,
                _ => RoomKind::Office,
            },
        }
    }

    /// The first incident comes soon after the start, the others are spread over the quarter of an hour.
    fn incident(&self, index: usize) -> Option<Incident> {
        let every = match self.scenario {
            Scenario::Steady | Scenario::House => return None,
            Scenario::Office | Scenario::Storm => 120,
            Scenario::ColdChain => 40,
        };
        let first_after_ms = 20_000 + (index / every) as i64 % 8 * 110_000;
        (index % every == 4).then_some(Incident { first_after_ms, every_ms: 900_000, lasts_ms: 100_000 })
    }

    fn shape(&self, index: usize, rng: &mut Rng) -> Shape {
        let plain = rng.chance(0.08) && self.scenario != Scenario::Steady;
        let by_turns = (self.scenario == Scenario::House).then(|| MAKERS[index % MAKERS.len()]);
        if let Some(maker) = self.maker.or(by_turns) {
            return Shape::Made(maker);
        }
        if plain { Shape::Plain } else { Shape::Reference }
    }

    fn qos(&self, rng: &mut Rng) -> u8 {
        let percent = rng.below(100);
        match (self.qos, percent) {
            (QosChoice::Fixed(qos), _) => qos,
            (QosChoice::Mix, 0..30) => 0,
            (QosChoice::Mix, 30..90) => 1,
            (QosChoice::Mix, _) => 2,
        }
    }

    fn fault(&self, rng: &mut Rng) -> Fault {
        match (self.scenario, rng.below(100)) {
            (Scenario::Steady | Scenario::House, _) => Fault::None,
            (_, 0..2) => Fault::Stuck,
            (_, 2..4) => Fault::Spiky,
            (_, 4..7) => Fault::Silent,
            (_, 7..9) => Fault::Drifting,
            _ => Fault::None,
        }
    }

    fn storm(&self, rng: &mut Rng) -> Storm {
        let percent = rng.below(100);
        if self.scenario != Scenario::Storm {
            return Storm::default();
        }
        Storm {
            skew_ms: match percent {
                0..5 => rng.between(-7_200_000.0, -60_000.0) as i64,
                5..8 => rng.between(5_000.0, 3_600_000.0) as i64,
                _ => rng.between(-400.0, 400.0) as i64,
            },
            batch: if (20..30).contains(&percent) { 4 + rng.below(12) as u32 } else { 0 },
            duplicate: if (30..45).contains(&percent) { 0.2 } else { 0.0 },
            burst: 0.02,
        }
    }

    fn nonsense_every(&self, index: usize, rng: &mut Rng) -> u32 {
        match self.scenario {
            Scenario::Steady | Scenario::House => 0,
            Scenario::Storm if rng.chance(0.03) => 5,
            // One or two in a fleet, often enough to be seen within a minute.
            _ if index == 7 || index == 11 => 8,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::Device;
    use std::collections::HashSet;

    const START_MS: i64 = 1_704_723_840_000;

    fn plan(scenario: Scenario, devices: usize) -> FleetPlan {
        FleetPlan {
            devices,
            buildings: 2,
            first_building: 0,
            interval: Duration::from_secs(5),
            scenario,
            qos: QosChoice::Mix,
            maker: None,
            seed: 7,
        }
    }

    fn an_hour(plan: &FleetPlan) -> Vec<Vec<u8>> {
        let mut payloads = Vec::new();
        for spec in plan.specs() {
            let mut device = Device::new(spec, START_MS);
            for tick in 0..720 {
                payloads
                    .extend(device.publish(START_MS + tick * 5_000).into_iter().map(|publication| publication.payload));
            }
        }
        payloads
    }

    #[test]
    fn the_same_seed_gives_the_same_hour_byte_for_byte() {
        let plan = plan(Scenario::Storm, 20);
        assert_eq!(an_hour(&plan), an_hour(&plan));
        assert_ne!(an_hour(&plan), an_hour(&FleetPlan { seed: 8, ..plan.clone() }));
    }

    #[test]
    fn names_are_unique_and_devices_are_spread_over_buildings_and_floors() {
        for devices in [1, 10, 200, 10_000] {
            let specs = plan(Scenario::Office, devices).specs();
            let names: HashSet<_> = specs.iter().map(|spec| &spec.name).collect();
            assert_eq!(names.len(), devices);
        }
        let specs = plan(Scenario::Office, 200).specs();
        let floors: HashSet<_> = specs.iter().map(|spec| (&spec.building, &spec.floor)).collect();
        assert_eq!(floors.len(), 8);
    }

    #[test]
    fn a_demo_has_a_cold_room_above_eight_degrees_within_two_minutes() {
        for scenario in [Scenario::Office, Scenario::ColdChain] {
            let spec = plan(scenario, 50).specs().into_iter().find(|spec| spec.incident.is_some()).unwrap();
            let mut device = Device::new(spec, START_MS);
            let mut temperature = |seconds: i64| {
                let publications = device.publish(START_MS + seconds * 1000);
                publications[0].readings[0].samples[0].value
            };
            assert!(temperature(0) < 7.0);
            assert!((5..120).step_by(5).map(&mut temperature).any(|celsius| celsius > 8.0));
            assert!((125..900).step_by(5).map(&mut temperature).last().unwrap() < 8.0, "it cools down again");
        }
    }

    #[test]
    fn rooms_stay_within_what_people_would_believe() {
        let plan = plan(Scenario::Office, 60);
        for spec in plan.specs().into_iter().filter(|spec| spec.fault == Fault::None && spec.incident.is_none()) {
            let range = match spec.room {
                RoomKind::Office | RoomKind::Meeting => 17.0..27.0,
                RoomKind::ColdRoom => 1.0..8.0,
                _ => -20.0..30.0,
            };
            let (name, mut device) = (spec.name.clone(), Device::new(spec, START_MS));
            for minute in 0..1440 {
                for reading in device.publish(START_MS + minute * 60_000).iter().flat_map(|one| &one.readings) {
                    for sample in reading.samples.iter().filter(|sample| sample.metric == "temperature") {
                        assert!(range.contains(&sample.value), "{name} at minute {minute}: {} °C", sample.value);
                    }
                }
            }
        }
    }

    #[test]
    fn a_house_has_devices_of_every_maker_each_in_its_room() {
        let plan = FleetPlan { qos: QosChoice::Fixed(1), ..plan(Scenario::House, 24) };
        let specs = plan.specs();
        let names: HashSet<_> = specs.iter().map(|spec| &spec.name).collect();
        assert_eq!((names.len(), &*specs[1].name, &*specs[7].floor), (24, "living room", "Upper floor"));
        for maker in MAKERS {
            let names = plan.names_of(maker);
            assert_eq!(names.len(), 4, "{maker:?}");
            let spec = specs.iter().find(|spec| spec.shape == Shape::Made(maker)).unwrap().clone();
            let mut device = Device::new(spec, START_MS);
            let announced = device.announce(START_MS, &names);
            assert_eq!(announced.is_empty(), maker == Maker::Chirpstack, "{maker:?}");
            let said = device.publish(START_MS + 5_000);
            assert!(!said.is_empty() && said.iter().all(|one| !one.retain && !one.payload.is_empty()), "{maker:?}");
        }
    }

    #[test]
    fn a_steady_fleet_says_one_reference_reading_of_five_metrics_each_time() {
        let spec = plan(Scenario::Steady, 10).specs().remove(3);
        let mut device = Device::new(spec, START_MS);
        for tick in 0..100 {
            let publications = device.publish(START_MS + tick * 5_000);
            assert_eq!(publications.len(), 1);
            let payload: serde_json::Value = serde_json::from_slice(&publications[0].payload).unwrap();
            assert_eq!(payload["timestamp"], START_MS + tick * 5_000);
            assert_eq!(payload.as_object().unwrap().len(), 8);
        }
    }

    #[test]
    fn a_storm_has_nonsense_late_batches_duplicates_and_wrong_clocks() {
        let specs = plan(Scenario::Storm, 300).specs();
        assert!(specs.iter().any(|spec| spec.nonsense_every > 0));
        assert!(specs.iter().any(|spec| spec.storm.batch > 0));
        assert!(specs.iter().any(|spec| spec.storm.duplicate > 0.0));
        assert!(specs.iter().any(|spec| spec.storm.skew_ms > 60_000));
        assert!(specs.iter().any(|spec| spec.storm.skew_ms < -60_000));
    }
}
