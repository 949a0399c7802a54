//! A follower that is told, killed and told again: the server has every value once. One that commits too early is caught.
#![allow(missing_docs, clippy::unwrap_used)]

mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use smallvec::smallvec;
use tidegate_follow::{Changes, FlushError, Flushing, Followed, Follower, PositionFile};
use tidegate_influx::{Influx, InfluxConfig};
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex, MetricIndex, Position, TimeOrigin, Value,
};

const ENTRIES: u64 = 400;

/// What happens to a write.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    /// It is taken and answered.
    Answered,
    /// It is taken, and the connection ends without an answer.
    Taken,
    /// The connection ends, and nothing is taken.
    Lost,
}

/// Keeps values by series and time, as InfluxDB does.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    values: BTreeMap<String, String>,
    /// Of the next requests, the last one first.
    fates: Vec<Fate>,
}

impl Kept {
    fn serve(&self) -> SocketAddr {
        let kept = self.clone();
        server::serve(move |text| kept.take(text))
    }

    fn take(&self, text: &str) -> Option<String> {
        let mut kept = self.0.lock().unwrap();
        let fate = kept.fates.pop().unwrap_or(Fate::Answered);
        if fate != Fate::Lost {
            for line in text.lines() {
                let (rest, time) = line.rsplit_once(' ').unwrap();
                let (series, value) = rest.rsplit_once(" value=").unwrap();
                kept.values.insert(format!("{series} {time}"), value.to_owned());
            }
        }
        (fate == Fate::Answered).then(|| "HTTP/1.1 204 No Content\r\n\r\n".to_owned())
    }

    /// What each of two devices has too little or too much.
    fn wrong(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap();
        let mut found: BTreeMap<u64, u64> = BTreeMap::new();
        kept.values.values().for_each(|value| *found.entry(value.parse().unwrap()).or_default() += 1);
        let all: BTreeSet<u64> = (1..=ENTRIES).collect();
        let lacking = all.iter().filter(|number| !found.contains_key(number)).map(|number| format!("{number} lacks"));
        let often = found.iter().filter(|(_, often)| **often != 1).map(|(number, often)| format!("{number}: {often}"));
        lacking.chain(often).collect()
    }
}

/// What an entry changed: all of it in one millisecond.
fn entry(number: u64) -> Changes {
    let (device, metric) = (DeviceIndex((number % 2) as u32), MetricIndex(0));
    let value = Value::Number(number as f64);
    let reading = AppliedReading {
        device,
        time_ms: 1_700_000_000_000,
        origin: TimeOrigin::Receipt,
        received_ms: 1_700_000_000_000,
        class: DeliveryClass::Latest,
        cells: smallvec![AppliedCell { metric, value, latest: true, is_new: true }],
    };
    Changes::at(followed(number), vec![Change::Reading(reading)])
}

fn names() -> Changes {
    let of = |number| {
        let (device, metric) = (DeviceIndex(number), MetricIndex(0));
        let named = Change::Device { device, id: format!("dev{number}").into(), group: "site".into() };
        let (name, unit, guessed, decimals) = ("t".into(), None, false, None);
        [named, Change::Metric { device, metric, name, unit, guessed, decimals }]
    };
    Changes::at(Followed::NOTHING, [0, 1].into_iter().flat_map(of).collect())
}

fn followed(number: u64) -> Followed {
    Followed { position: Position(number), received_ms: 1_700_000_000_000 }
}

/// Writes its position when a batch is set apart: what a careless follower does.
struct TooEarly(Influx, PositionFile);

struct Late(Box<dyn Flushing>);

impl Flushing for Late {
    fn run(&mut self) -> Result<(), FlushError> {
        self.0.run()
    }
}

impl Follower for TooEarly {
    fn position(&self) -> Option<Followed> {
        self.0.position()
    }

    fn apply(&mut self, changes: &Changes, refused: &mut Vec<tidegate_follow::Refused>) {
        self.0.apply(changes, refused);
    }

    fn flush(&mut self, through: Followed) -> Option<Box<dyn Flushing>> {
        let target = self.1.load().unwrap().map(|(_, target)| target);
        target.into_iter().for_each(|target| self.1.write(through, &target).unwrap());
        self.0.flush(through).map(|flushing| Box::new(Late(flushing)) as Box<dyn Flushing>)
    }
}

fn open(folder: &Path, server: SocketAddr) -> Influx {
    let config = InfluxConfig { request_lines_max: 3, ..server::config(folder, server) };
    Influx::open(config, folder).unwrap()
}

/// Tells it everything; whenever a write fails it is killed, and begins again where its file says.
fn told(mut open: impl FnMut() -> Box<dyn Follower>) {
    loop {
        let mut follower = open();
        follower.apply(&names(), &mut Vec::new());
        let from = follower.position().unwrap().position.0;
        let was_killed = (from + 1..=ENTRIES).any(|number| {
            follower.apply(&entry(number), &mut Vec::new());
            let is_due = number % 10 == 0;
            is_due && follower.flush(followed(number)).is_some_and(|mut flushing| flushing.run().is_err())
        });
        if !was_killed {
            return;
        }
    }
}

/// Of ten writes one is lost and two are taken without an answer; a connection that ends is tried once more.
fn fates() -> Vec<Fate> {
    let of = |number| match number % 7 {
        1 | 2 => Fate::Taken,
        4 | 5 => Fate::Lost,
        _ => Fate::Answered,
    };
    (0..200).map(of).collect()
}

fn wrong_after(open: impl Fn(&Path, SocketAddr) -> Box<dyn Follower>) -> Vec<String> {
    let (folder, kept) = (tempfile::tempdir().unwrap(), Kept::default());
    let server = kept.serve();
    // It has a position before anything goes wrong.
    let mut first = self::open(folder.path(), server);
    first.flush(Followed::NOTHING).unwrap().run().unwrap();
    drop(first);
    kept.0.lock().unwrap().fates = fates();
    told(|| open(folder.path(), server));
    kept.wrong()
}

#[test]
fn whenever_it_is_killed_each_value_is_there_once() {
    let wrong = wrong_after(|folder, server| Box::new(open(folder, server)));
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn one_that_commits_its_position_too_early_is_caught() {
    let wrong = wrong_after(|folder, server| {
        let position = PositionFile::new(folder.join("influxdb.position"));
        Box::new(TooEarly(open(folder, server), position))
    });
    assert!(!wrong.is_empty(), "the check above finds nothing");
}
