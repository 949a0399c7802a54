//! How often a device that keeps its schedule is called lost, and one that broke it is not noticed within two intervals, on simulated
//! fleets of a month. `cargo test -p tidegate-process --release --test sleepers -- --ignored --nocapture` has 10,000 devices, and beside
//! them what a fixed time-out would have said: Home Assistant's `expire_after`, Zigbee2MQTT's passive availability.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::sync::Arc;

use support::{Fleet, T0, publication};
use tidegate_process::ProcessConfig;
use tidegate_telemetry::{Change, Decoded, DeviceState, Entry, Reading, Value};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;
const DAYS: f64 = 30.0;
/// Before, a device is learnt.
const LEARNT: f64 = 7.0 * DAY;
/// Reports that are lost on their way.
const LOSS: f64 = 0.02;
/// Devices that end within the month.
const MORTAL: f64 = 0.05;

/// Numbers that look random, the same in each run (SplitMix64).
struct Chance(u64);

impl Chance {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    fn spread(&mut self, mean: f64) -> f64 {
        -mean * self.unit().max(1e-9).ln()
    }
}

/// How a device reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Habit {
    /// Every ten minutes.
    Steady,
    /// Every hour.
    Hourly,
    /// When a value changes, and each hour at the latest.
    Changes,
    /// Every quarter of an hour while the sun shines.
    Daylight,
    /// A door: when people are there and awake.
    Door,
}

const HABITS: [Habit; 5] = [Habit::Steady, Habit::Hourly, Habit::Changes, Habit::Daylight, Habit::Door];

impl Habit {
    /// When it reports next, in seconds from the beginning.
    fn next(self, at: f64, chance: &mut Chance) -> f64 {
        let hour = at % DAY / HOUR;
        match self {
            Habit::Steady => at + 10.0 * MINUTE * chance.between(0.97, 1.03),
            Habit::Hourly => at + HOUR * chance.between(0.95, 1.05),
            Habit::Changes => at + (MINUTE + chance.spread(15.0 * MINUTE)).min(HOUR),
            Habit::Daylight if (6.0..20.0).contains(&hour) => at + 15.0 * MINUTE * chance.between(0.97, 1.03),
            Habit::Daylight => (at / DAY - 0.25).ceil() * DAY + 6.0 * HOUR + chance.between(0.0, 20.0 * MINUTE),
            Habit::Door => {
                let next = at + MINUTE + chance.spread(35.0 * MINUTE);
                let of_day = next % DAY / HOUR;
                let morning = (next / DAY - 7.0 / 24.0).ceil() * DAY + 7.0 * HOUR;
                if (7.0..23.0).contains(&of_day) { next } else { morning + chance.between(0.0, HOUR) }
            }
        }
    }

    /// The longest time that it is silent by its schedule when it was heard at `at`, as somebody who knows it would say, seconds.
    fn longest(self, at: f64) -> f64 {
        let hour = at % DAY / HOUR;
        match self {
            Habit::Steady => 10.0 * MINUTE,
            Habit::Hourly | Habit::Changes => HOUR,
            Habit::Daylight if (6.0..19.7).contains(&hour) => 15.0 * MINUTE,
            Habit::Daylight => 10.5 * HOUR,
            Habit::Door => 9.0 * HOUR,
        }
    }

    /// What a careful person gives Home Assistant as `expire_after`, seconds: twice the longest silence.
    fn expire_after(self) -> f64 {
        match self {
            Habit::Daylight => 21.0 * HOUR,
            habit => 2.0 * habit.longest(12.0 * HOUR),
        }
    }
}

struct Device {
    habit: Habit,
    /// When it was heard, seconds.
    heard: Vec<f64>,
    /// When it ended; after all, where it did not.
    ends: f64,
}

fn devices(count: usize, seed: u64) -> Vec<Device> {
    (0..count)
        .map(|number| {
            let mut chance = Chance(seed ^ (number as u64) << 20);
            let habit = HABITS[number % HABITS.len()];
            let ends = if chance.unit() < MORTAL { chance.between(10.0 * DAY, 26.0 * DAY) } else { f64::INFINITY };
            let mut at = chance.between(7.0 * HOUR, 8.0 * HOUR);
            let mut heard = Vec::new();
            while at < ends.min(DAYS * DAY) {
                if chance.unit() >= LOSS {
                    heard.push(at);
                }
                at = habit.next(at, &mut chance);
            }
            Device { habit, heard, ends }
        })
        .collect()
}

#[derive(Debug, Clone, Copy, Default)]
struct Errors {
    /// Days that devices lived, after they were learnt.
    device_days: f64,
    /// Times that one that lived was called lost.
    wrongly_lost: u32,
    /// Times that one that lived was called late.
    wrongly_late: u32,
    /// Devices that ended.
    ended: u32,
    /// Those of them that were not called late or lost when two of their longest silences had passed after the report that did not come.
    unnoticed: u32,
}

/// What a time-out says, by what is heard: after so much silence a device is lost.
fn of_timeout(devices: &[Device], timeout: impl Fn(Habit) -> f64) -> HashMap<Habit, Errors> {
    let mut errors: HashMap<Habit, Errors> = HashMap::new();
    for device in devices {
        let of = errors.entry(device.habit).or_default();
        let after = timeout(device.habit);
        let lived = device.heard.windows(2).filter(|pair| pair[0] > LEARNT && pair[1] - pair[0] > after);
        of.wrongly_lost += lived.count() as u32;
        judge(of, device, |last| Some(last + after));
    }
    errors
}

/// Counts how long it lived, and whether its end was noticed, where `noticed` says when after it was heard last.
fn judge(of: &mut Errors, device: &Device, noticed: impl FnOnce(f64) -> Option<f64>) {
    of.device_days += (device.ends.min(DAYS * DAY) - LEARNT) / DAY;
    let last = *device.heard.last().unwrap();
    if device.ends.is_finite() {
        of.ended += 1;
        // Its own clock may run a little slow.
        let by = last + 3.1 * device.habit.longest(last);
        of.unnoticed += u32::from(noticed(last).is_none_or(|at| at > by));
    }
}

/// What Tidegate says of devices while they report.
struct Watch<'d> {
    devices: &'d [Device],
    fleet: Fleet,
    /// Which of the devices each number of processing is.
    numbers: HashMap<u32, usize>,
    errors: HashMap<Habit, Errors>,
    /// When the end of each was noticed, seconds.
    noticed: Vec<Option<f64>>,
}

impl Watch<'_> {
    fn see(&mut self, changes: &[Change], at: f64) {
        for change in changes {
            match change {
                Change::Device { device, id, .. } => drop(self.numbers.insert(device.0, id[1..].parse().unwrap())),
                Change::State { device, state, .. } => self.state(self.numbers[&device.0], *state, at),
                _ => {}
            }
        }
    }

    fn state(&mut self, number: usize, state: DeviceState, at: f64) {
        let device = &self.devices[number];
        let last = *device.heard.last().unwrap();
        let of = self.errors.entry(device.habit).or_default();
        let is_bad = matches!(state, DeviceState::Late | DeviceState::Lost);
        if is_bad && at > last {
            self.noticed[number] = self.noticed[number].or(Some(at));
        } else if is_bad && at > LEARNT {
            of.wrongly_lost += u32::from(state == DeviceState::Lost);
            of.wrongly_late += u32::from(state == DeviceState::Late);
        }
    }

    /// Time goes on to `until`, seconds, and nobody speaks.
    fn wait(&mut self, until: f64) {
        while let Some(at_ms) = self.fleet.process.next_deadline().filter(|at_ms| *at_ms <= T0 + (until * 1e3) as i64) {
            let changes = self.fleet.apply(&Entry::Tick(at_ms)).to_vec();
            self.see(&changes, (at_ms - T0) as f64 / 1e3);
        }
    }
}

/// What Tidegate says.
fn of_tidegate(devices: &[Device]) -> HashMap<Habit, Errors> {
    let mut events: Vec<(f64, usize)> = Vec::new();
    for (number, device) in devices.iter().enumerate() {
        events.extend(device.heard.iter().map(|at| (*at, number)));
    }
    events.sort_by(|one, other| one.0.total_cmp(&other.0));
    let names: Vec<Arc<str>> = (0..devices.len()).map(|number| format!("d{number}").into()).collect();
    let (group, metric): (Arc<str>, Arc<str>) = ("hall".into(), "temperature".into());
    let mut watch = Watch {
        devices,
        fleet: Fleet::with(ProcessConfig { devices_per_client_max: usize::MAX, ..ProcessConfig::default() }),
        numbers: HashMap::new(),
        errors: HashMap::new(),
        noticed: vec![None; devices.len()],
    };
    for (at, number) in events {
        watch.wait(at);
        let reading = Reading {
            device: names[number].clone(),
            group: group.clone(),
            time_ms: None,
            corrects: false,
            metrics: [(metric.clone(), Value::Number(at))].into_iter().collect(),
            without_value: Vec::new(),
        };
        let by = publication(T0 + (at * 1e3) as i64, "gateway", "hall", "-");
        let changes = watch.fleet.means(&by, Decoded { readings: vec![reading], ..Decoded::default() }).to_vec();
        watch.see(&changes, at);
    }
    watch.wait(DAYS * DAY + DAY);
    let Watch { mut errors, noticed, .. } = watch;
    for (device, noticed) in devices.iter().zip(noticed) {
        judge(errors.entry(device.habit).or_default(), device, |_| noticed);
    }
    errors
}

fn told(what: &str, errors: &HashMap<Habit, Errors>) {
    for habit in HABITS {
        let Errors { device_days, wrongly_lost, wrongly_late, ended, unnoticed } = errors[&habit];
        let per = |count: u32| f64::from(count) / device_days * 1e4;
        println!(
            "{what:28} {habit:9?} wrongly lost {:8.2}, late {:8.1} in 10,000 device-days; ended {ended}, unnoticed {unnoticed}",
            per(wrongly_lost),
            per(wrongly_late),
        );
    }
}

#[test]
#[ignore = "a measurement: minutes"]
fn of_ten_thousand() {
    let devices = devices(10_000, 7);
    told("Tidegate", &of_tidegate(&devices));
    told("expire_after, twice", &of_timeout(&devices, Habit::expire_after));
    told("Zigbee2MQTT, passive 25 h", &of_timeout(&devices, |_| 25.0 * HOUR));
}

#[test]
fn who_keeps_a_habit_is_not_called_lost_and_who_broke_it_is_noticed_within_two_intervals() {
    let devices = devices(200, 7);
    let errors = of_tidegate(&devices);
    told("Tidegate", &errors);
    for (habit, errors) in &errors {
        let worst = if *habit == Habit::Door { 30.0 } else { 0.0 };
        let rate = f64::from(errors.wrongly_lost) / errors.device_days * 1e4;
        assert!(rate <= worst, "{habit:?}: {rate} in 10,000 device-days");
        assert_eq!(errors.unnoticed, 0, "{habit:?} of {}", errors.ended);
    }
}
