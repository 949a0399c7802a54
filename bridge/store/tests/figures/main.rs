//! What the store costs, and what InfluxDB costs for the same day of readings.
//!
//! `INFLUXD=$(tests/servers/influxdb) cargo test --release -p tidegate-store --test figures -- --ignored --nocapture --test-threads 1`
#![allow(clippy::unwrap_used)]

mod influxdb;

use std::time::{Duration, Instant};

use smallvec::SmallVec;
use tidegate_buckets::Rung;
use tidegate_store::{Store, StoreConfig};
use tidegate_telemetry::history::{ReadingsQuery, SeriesQuery};
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex, History, MetricIndex, Position, TimeOrigin, Value,
};

/// 2026-11-22, midnight.
const MIDNIGHT_MS: i64 = 20_779 * 86_400_000;

struct Random(u64);

impl Random {
    fn below(&mut self, range: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % range as u64) as i64
    }
}

/// A fleet whose readings look like rooms: a day's wave, noise, 0 to 2 decimals by metric.
struct Fleet {
    devices: u32,
    metrics: u16,
    /// A device's reading is up to this late.
    jitter_ms: i64,
    random: Random,
    position: u64,
}

impl Fleet {
    fn new(devices: u32, metrics: u16, store: &Store) -> Self {
        for device in (0..devices).map(DeviceIndex) {
            let mut changes =
                vec![Change::Device { device, id: format!("building/floor/dev{}", device.0).into(), group: "".into() }];
            changes.extend((0..metrics).map(|metric| Change::Metric {
                device,
                metric: MetricIndex(metric),
                name: format!("metric{metric}").into(),
                unit: None,
                guessed: false,
                decimals: None,
            }));
            store.apply(Position(1), &changes);
        }
        Fleet { devices, metrics, jitter_ms: 8, random: Random(88_172_645_463_325_252), position: 1 }
    }

    fn reading(&mut self, device: u32, time_ms: i64) -> Change {
        let cell = |metric: u16, random: &mut Random| {
            let scale = [1.0, 10.0, 100.0][usize::from(metric % 3)];
            let day = (time_ms % 86_400_000) as f64 / 86_400_000.0 * std::f64::consts::TAU;
            let number = 20.0 + f64::from(device % 10) + 3.0 * day.sin() + (random.below(100) - 50) as f64 / 1_000.0;
            let value = Value::Number((number * scale).round() / scale);
            AppliedCell { metric: MetricIndex(metric), value, latest: true, is_new: true }
        };
        let cells: SmallVec<_> = (0..self.metrics).map(|metric| cell(metric, &mut self.random)).collect();
        let (device, class) = (DeviceIndex(device), DeliveryClass::Envelope);
        Change::Reading(AppliedReading {
            device,
            time_ms,
            origin: TimeOrigin::Device,
            received_ms: time_ms,
            class,
            cells,
        })
    }

    /// Readings of all devices around a time, spread over the interval.
    fn round(&mut self, at_ms: i64, interval_ms: i64) -> Vec<Change> {
        (0..self.devices)
            .map(|device| {
                let offset = i64::from(device) * interval_ms / i64::from(self.devices);
                let time_ms = at_ms + offset + self.random.below(self.jitter_ms + 1);
                self.reading(device, time_ms)
            })
            .collect()
    }

    fn apply(&mut self, changes: &[Change], store: &Store) -> Duration {
        let begun = cpu();
        for change in changes {
            self.position += 1;
            store.apply(Position(self.position), std::slice::from_ref(change));
        }
        cpu() - begun
    }
}

/// CPU time of this process, in steps of 10 ms.
fn cpu() -> Duration {
    cpu_of("self")
}

fn cpu_of(pid: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn device_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).unwrap();
    line.parse().unwrap()
}

fn open(directory: &std::path::Path) -> Store {
    Store::open(StoreConfig { directory: directory.to_owned(), ..StoreConfig::default() }).unwrap()
}

fn day_query(store: &Store, metric: u16) -> (usize, Duration) {
    let query = ReadingsQuery {
        device: "building/floor/dev7".into(),
        metric: format!("metric{metric}").into(),
        from: MIDNIGHT_MS.into(),
        to_ms: MIDNIGHT_MS + 86_400_000,
        limit: usize::MAX,
    };
    let begun = Instant::now();
    let points = store.readings(&query, &|| true).unwrap().points.len();
    (points, begun.elapsed())
}

/// What a day of readings cost.
struct Day {
    bytes_a_point: f64,
    cpu_us_a_point: f64,
    /// A day of one series, the best of several.
    query_ms: f64,
}

const ROUNDS: i64 = 2_880;
const INTERVAL_MS: i64 = 30_000;

#[test]
#[ignore = "a measurement: run it with --release and --nocapture"]
fn a_day_of_five_hundred_devices() {
    let ours = day_in_the_store();
    let peer = day_in_influxdb();
    println!(
        "| A day of 500 devices x 4 metrics at 30 s | Tidegate | InfluxDB | Ratio | To reach |\n|---|---|---|---|---|"
    );
    let row = |what, read: fn(&Day) -> f64, goal| {
        let (ours, peer) = (read(&ours), read(&peer));
        println!("| {what} | {ours:.2} | {peer:.2} | {:.2} | {goal} |", ours / peer);
    };
    row("bytes a point in files", |day| day.bytes_a_point, "2.0");
    row("CPU a point, us", |day| day.cpu_us_a_point, "0.5");
    row("one series' day, ms", |day| day.query_ms, "1");
}

fn day_in_the_store() -> Day {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut fleet = Fleet::new(500, 4, &store);
    let (mut apply_cpu, mut flush_cpu) = (Duration::ZERO, Duration::ZERO);
    for round in 0..ROUNDS {
        let at_ms = MIDNIGHT_MS + round * INTERVAL_MS;
        let changes = fleet.round(at_ms, INTERVAL_MS);
        apply_cpu += fleet.apply(&changes, &store);
        // About 32 MiB of log.
        if round % 320 == 319 {
            let begun = cpu();
            store.seal(Position(fleet.position)).run().unwrap();
            store.maintain(at_ms).unwrap();
            flush_cpu += cpu() - begun;
        }
    }
    let end_ms = MIDNIGHT_MS + 2 * 86_400_000;
    let begun = cpu();
    store.maintain(end_ms).unwrap();
    store.maintain(end_ms).unwrap();
    flush_cpu += cpu() - begun;
    let stats = store.stats();
    let points = stats.points as f64;
    println!("{} points; written {:.1} bytes a point", stats.points, stats.written_bytes as f64 / points);
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        println!("  {} {}", file.file_name().to_string_lossy(), file.metadata().unwrap().len());
    }
    let (found, first) = day_query(&store, 0);
    let best = (0..20).map(|_| day_query(&store, 0).1).min().unwrap();
    println!("a series' day: {found} points, first {first:?}, then {best:?}");
    Day {
        bytes_a_point: stats.file_bytes as f64 / points,
        cpu_us_a_point: (apply_cpu + flush_cpu).as_secs_f64() * 1e6 / points,
        query_ms: best.as_secs_f64() * 1e3,
    }
}

/// The same readings as line protocol in batches of 1 MiB; parsing them is part of what InfluxDB does, as decoding them
/// from JSON is not of what the store does.
fn day_in_influxdb() -> Day {
    let directory = tempfile::tempdir().unwrap();
    let mut fleet = Fleet::new(500, 4, &open(directory.path()));
    let mut peer = influxdb::Influxdb::start();
    let begun = peer.cpu();
    let mut points = 0;
    for round in 0..ROUNDS {
        for change in fleet.round(MIDNIGHT_MS + round * INTERVAL_MS, INTERVAL_MS) {
            let Change::Reading(reading) = change else { unreachable!("a round is readings") };
            let numbers: Vec<f64> = reading.cells.iter().filter_map(|cell| cell.value.as_number()).collect();
            let [a, b, c, d] = numbers[..] else { unreachable!("four metrics each") };
            let (device, time_ms) = (reading.device.0, reading.time_ms);
            peer.line(format_args!(
                "reading,device=dev{device} metric0={a},metric1={b},metric2={c},metric3={d} {time_ms}"
            ));
            points += numbers.len();
        }
    }
    let file_bytes = peer.settle();
    let cpu = peer.cpu() - begun;
    let day = (MIDNIGHT_MS, MIDNIGHT_MS + 86_400_000);
    let (found, first) = peer.query(7, 0, day);
    assert!(found as i64 >= ROUNDS - 1, "InfluxDB found {found} of {ROUNDS} points");
    let best = (0..20).map(|_| peer.query(7, 0, day).1).min().unwrap();
    println!("InfluxDB, a series' day: {found} points, first {first:?}, then {best:?}");
    Day {
        bytes_a_point: file_bytes as f64 / points as f64,
        cpu_us_a_point: cpu.as_secs_f64() * 1e6 / points as f64,
        query_ms: best.as_secs_f64() * 1e3,
    }
}

#[test]
#[ignore = "a measurement: run it with --release and --nocapture"]
fn an_hour_of_ten_thousand_devices_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut fleet = Fleet::new(10_000, 5, &store);
    let before = resident_bytes();
    let mut apply_cpu = Duration::ZERO;
    for round in 0..720 {
        let changes = fleet.round(MIDNIGHT_MS + round * 5_000, 5_000);
        apply_cpu += fleet.apply(&changes, &store);
    }
    let (points, bytes) = (store.stats().points, store.stats().memory_bytes);
    println!("{points} points in memory: {} MB counted", bytes / 1_000_000);
    println!("resident {} MB, of it before the readings {} MB", resident_bytes() / 1_000_000, before / 1_000_000);
    println!("apply {:.0} ns a point", apply_cpu.as_nanos() as f64 / points as f64);
    let begun = Instant::now();
    let report = store.seal(Position(fleet.position)).run().unwrap();
    println!("flush of all: {:?}, {} bytes", begun.elapsed(), report.written_bytes);
}

#[test]
#[ignore = "a measurement: run it with --release and --nocapture"]
fn an_hour_of_two_thousand_readings_a_second_with_flushes() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut fleet = Fleet::new(10_000, 5, &store);
    let device_before = device_bytes();
    let (mut flush_longest, mut maintain_longest) = (Duration::ZERO, Duration::ZERO);
    let (mut apply_cpu, mut all_cpu) = (Duration::ZERO, Duration::ZERO);
    let mut resident = 0;
    for round in 0..(75 * 12) {
        let at_ms = MIDNIGHT_MS + round * 5_000;
        let changes = fleet.round(at_ms, 5_000);
        apply_cpu += fleet.apply(&changes, &store);
        if round % 16 == 15 {
            let cpu_before = cpu();
            let report = store.seal(Position(fleet.position)).run().unwrap();
            flush_longest = flush_longest.max(report.took);
            let begun = Instant::now();
            let maintained = store.maintain(at_ms).unwrap();
            maintain_longest = maintain_longest.max(begun.elapsed());
            all_cpu += cpu() - cpu_before;
            resident = resident.max(resident_bytes());
            if maintained.hours_closed > 0 {
                println!("closed an hour in {:?}; file bytes {}", begun.elapsed(), store.stats().file_bytes);
            }
        }
    }
    let stats = store.stats();
    let readings = (75 * 12 * 10_000) as f64;
    println!("longest flush {flush_longest:?}, longest maintenance {maintain_longest:?}");
    println!(
        "CPU a point: apply {:.0} ns, flush and close {:.0} ns",
        apply_cpu.as_nanos() as f64 / readings / 5.0,
        all_cpu.as_nanos() as f64 / readings / 5.0
    );
    println!(
        "written a reading of five metrics: {:.1} bytes counted, {:.1} by the system",
        stats.written_bytes as f64 / readings,
        (device_bytes() - device_before) as f64 / readings
    );
    println!("resident at most {} MB, memory {} MB", resident / 1_000_000, stats.memory_bytes / 1_000_000);
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        println!("  {} {}", file.file_name().to_string_lossy(), file.metadata().unwrap().len());
    }
}

/// The load of `tidegate-sim bench --only hour`: a flush each 32 MiB of log, and no hour is closed.
#[test]
#[ignore = "a measurement: run it with --release and --nocapture"]
fn an_open_hour_of_ten_thousand_devices_in_files() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut fleet = Fleet { jitter_ms: 20, ..Fleet::new(10_000, 5, &store) };
    let (mut apply_cpu, mut flush_cpu) = (Duration::ZERO, Duration::ZERO);
    let mut flushes = Vec::new();
    for round in 0..720 {
        let changes = fleet.round(MIDNIGHT_MS + round * 5_000, 5_000);
        apply_cpu += fleet.apply(&changes, &store);
        if round % 16 == 15 {
            let begun = cpu();
            flushes.push(store.seal(Position(fleet.position)).run().unwrap().took);
            flush_cpu += cpu() - begun;
        }
    }
    let stats = store.stats();
    let points = stats.points as f64;
    println!("{points} points: {:.3} bytes a point in files", stats.file_bytes as f64 / points);
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        let bytes = file.metadata().unwrap().len();
        println!("  {} {bytes}: {:.3} a point", file.file_name().to_string_lossy(), bytes as f64 / points);
    }
    let ns = |cpu: Duration| cpu.as_nanos() as f64 / points;
    println!("CPU a point: apply {:.0} ns, flush {:.0} ns", ns(apply_cpu), ns(flush_cpu));
    flushes.sort_unstable();
    println!("flush: half of them within {:?}, longest {:?}", flushes[flushes.len() / 2], flushes.last().unwrap());
    let query = |device: u32| ReadingsQuery {
        device: format!("building/floor/dev{device}").into(),
        metric: "metric3".into(),
        from: MIDNIGHT_MS.into(),
        to_ms: MIDNIGHT_MS + 86_400_000,
        limit: usize::MAX,
    };
    let begun = (Instant::now(), cpu());
    for device in 0..1_000 {
        assert_eq!(store.readings(&query(device * 7), &|| true).unwrap().points.len(), 720);
    }
    println!("a series' open hour: {:?}, CPU {:?}", begun.0.elapsed() / 1_000, (cpu() - begun.1) / 1_000);
    let begun = (Instant::now(), cpu());
    let later_ms = MIDNIGHT_MS + 2 * 3_600_000;
    store.maintain(later_ms).unwrap();
    store.maintain(later_ms).unwrap();
    println!("the hour closed in {:?}, CPU a point {:.0} ns", begun.0.elapsed(), ns(cpu() - begun.1));
}

#[test]
#[ignore = "a measurement: run it with --release and --nocapture"]
fn opening_a_year_of_files() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut fleet = Fleet::new(100, 1, &store);
    for day in 0..365 {
        let changes = fleet.round(MIDNIGHT_MS + day * 86_400_000, 30_000);
        fleet.apply(&changes, &store);
    }
    store.seal(Position(fleet.position)).run().unwrap();
    let end_ms = MIDNIGHT_MS + 365 * 86_400_000;
    store.maintain(end_ms).unwrap();
    store.maintain(end_ms).unwrap();
    drop(store);
    let begun = Instant::now();
    let store = open(directory.path());
    println!("open: {:?}, {} points", begun.elapsed(), store.stats().points);
}

/// A device that was away for a year sends it all: a point each half hour, in flushes of a week.
#[test]
#[ignore = "a measurement: run it with --release and --nocapture"]
fn a_chart_of_a_year() {
    const DEVICES: u32 = 100;
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut fleet = Fleet::new(DEVICES, 1, &store);
    for half_hour in 0..365 * 48 {
        let changes = fleet.round(MIDNIGHT_MS + half_hour * 1_800_000, 30_000);
        fleet.apply(&changes, &store);
        if half_hour % 336 == 335 {
            store.seal(Position(fleet.position)).run().unwrap();
        }
    }
    store.seal(Position(fleet.position)).run().unwrap();
    let end_ms = MIDNIGHT_MS + 365 * 86_400_000;
    let begun = Instant::now();
    for device in 0..10 {
        let query = SeriesQuery {
            device: format!("building/floor/dev{}", device * 9).into(),
            metric: "metric0".into(),
            from_ms: MIDNIGHT_MS,
            to_ms: end_ms,
            rung: Rung::Hour,
        };
        assert_eq!(store.series(&query, &|| true).unwrap().buckets.len(), 365 * 24);
    }
    println!("a chart of a year of open hours: {:?}", begun.elapsed() / 10);
}
