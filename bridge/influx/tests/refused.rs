//! What becomes of lines that a server refuses in ways that InfluxDB does not, or takes in small pieces alone.
#![allow(missing_docs, clippy::unwrap_used)]

mod server;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use smallvec::smallvec;
use tidegate_follow::{Changes, Flushing, Followed, Follower};
use tidegate_influx::{Influx, InfluxConfig};
use tidegate_telemetry::history::{AlertEvent, ProblemGroup, ReadingsPage, ReadingsQuery, SeriesAnswer, SeriesQuery};
use tidegate_telemetry::history::{StoreStats, TimesQuery, Wanted};
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex, History, HistoryError, MetricIndex, Position,
    TimeOrigin, Value,
};

const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";

fn answer(status: &str, body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

/// A batch of values 0 to `count`, each of a time of its own.
fn batch(follower: &mut Influx, count: usize) -> Box<dyn Flushing> {
    tell(follower, TimeOrigin::Receipt, (0..count).map(|number| (number as i64, number as f64)));
    follower.flush(Followed { position: Position(1), received_ms: 1 }).unwrap()
}

fn tell(follower: &mut Influx, origin: TimeOrigin, values: impl Iterator<Item = (i64, f64)>) {
    tell_as(follower, (origin, false), values);
}

/// `is_new`: nothing can have come before that they could repeat.
fn tell_as(follower: &mut Influx, (origin, is_new): (TimeOrigin, bool), values: impl Iterator<Item = (i64, f64)>) {
    let (device, metric) = (DeviceIndex(0), MetricIndex(0));
    let (id, group, name) = ("dev".into(), "site".into(), "t".into());
    let mut changes = vec![
        Change::Device { device, id, group },
        Change::Metric { device, metric, name, unit: None, guessed: false, decimals: None },
    ];
    changes.extend(values.map(|(time_ms, number)| {
        let value = Value::Number(number);
        let cells = smallvec![AppliedCell { metric, value, latest: is_new, is_new }];
        let class = DeliveryClass::Latest;
        Change::Reading(AppliedReading { device, time_ms, origin, received_ms: 1, class, cells })
    }));
    follower.apply(&Changes::at(Followed { position: Position(1), received_ms: 1 }, changes), &mut Vec::new());
}

fn open(folder: &Path, server: SocketAddr) -> Influx {
    Influx::open(InfluxConfig { unclear_tries_max: 3, ..server::config(folder, server) }, folder).unwrap()
}

/// The values of a request's lines.
fn values(text: &str) -> BTreeSet<usize> {
    let value = |line: &str| line.split(" value=").nth(1)?.split(' ').next()?.parse().ok();
    text.lines().map(|line| value(line).unwrap()).collect()
}

#[test]
fn a_line_that_is_refused_for_no_known_reason_is_set_aside_after_so_many_tries_and_the_rest_goes_in() {
    for bad in [0, 57, 99] {
        let (folder, taken) = (tempfile::tempdir().unwrap(), Arc::new(Mutex::new(BTreeSet::new())));
        let kept = Arc::clone(&taken);
        let server = server::serve(move |text| {
            if values(text).contains(&bad) {
                return answer("400 Bad Request", r#"{"code":"invalid","message":"the moon is full"}"#);
            }
            kept.lock().unwrap().extend(values(text));
            Some(OK.to_owned())
        });
        let mut flushing = batch(&mut open(folder.path(), server), 100);
        let failures = (0..100).take_while(|_| flushing.run().is_err()).count();
        // The very first line has nothing before it that is taken.
        assert!((2..=5).contains(&failures), "{bad}: {failures}");
        let aside = flushing.set_aside();
        assert_eq!(aside.len(), 1);
        assert!(aside[0].detail.contains("the moon is full"), "{aside:?}");
        assert!(aside[0].content.starts_with(format!("t,device=dev,group=site,group1=site value={bad} ").as_bytes()));
        let expected: BTreeSet<usize> = (0..100).filter(|number| *number != bad).collect();
        assert_eq!(*taken.lock().unwrap(), expected);
    }
}

#[test]
fn a_server_that_refuses_everything_costs_no_reading() {
    let (folder, is_right) = (tempfile::tempdir().unwrap(), Arc::new(AtomicBool::new(false)));
    let (right, asked) = (Arc::clone(&is_right), Arc::new(AtomicUsize::new(0)));
    let (count, taken) = (Arc::clone(&asked), Arc::new(Mutex::new(BTreeSet::new())));
    let kept = Arc::clone(&taken);
    let server = server::serve(move |text| {
        count.fetch_add(1, Ordering::Relaxed);
        if !right.load(Ordering::Relaxed) {
            return answer("400 Bad Request", "<html>Who are you?</html>");
        }
        kept.lock().unwrap().extend(values(text));
        Some(OK.to_owned())
    });
    let mut follower = open(folder.path(), server);
    is_right.store(true, Ordering::Relaxed);
    batch(&mut follower, 5).run().unwrap();
    is_right.store(false, Ordering::Relaxed);
    let mut flushing = batch(&mut follower, 64);
    asked.store(0, Ordering::Relaxed);
    assert!((0..30).all(|_| flushing.run().is_err()));
    // Of three tries the third looks for one line alone, and for one that was taken before.
    assert!(asked.load(Ordering::Relaxed) <= 30 + 10 * 8, "{asked:?}");
    is_right.store(true, Ordering::Relaxed);
    flushing.run().unwrap();
    assert!(flushing.set_aside().is_empty());
    assert_eq!(*taken.lock().unwrap(), (0..64).collect());
}

#[test]
fn a_batch_that_is_too_large_is_halved_and_one_line_that_is_is_set_aside() {
    let (folder, taken) = (tempfile::tempdir().unwrap(), Arc::new(Mutex::new(BTreeSet::new())));
    let kept = Arc::clone(&taken);
    let server = server::serve(move |text| {
        let values = values(text);
        if values.len() > 10 || values.contains(&42) {
            return answer("413 Payload Too Large", r#"{"code":"request too large","message":"no more than ten"}"#);
        }
        kept.lock().unwrap().extend(values);
        Some(OK.to_owned())
    });
    let mut flushing = batch(&mut open(folder.path(), server), 100);
    flushing.run().unwrap();
    let aside = flushing.set_aside();
    assert_eq!(aside.len(), 1);
    assert!(aside[0].detail.contains("too large"), "{aside:?}");
    assert_eq!(*taken.lock().unwrap(), (0..100).filter(|number| *number != 42).collect());
}

#[test]
fn readings_that_are_too_old_by_a_wrong_clock_wait_until_it_is_set() {
    let (folder, is_set) = (tempfile::tempdir().unwrap(), Arc::new(AtomicBool::new(false)));
    let set = Arc::clone(&is_set);
    let server = server::serve(move |_| match set.load(Ordering::Relaxed) {
        true => Some(OK.to_owned()),
        false => {
            let body = r#"{"message":"partial write: dropped 9 points outside retention policy dropped=9"}"#;
            answer("422 Unprocessable Entity\r\nDate: Fri, 01 Jan 2100 00:00:00 GMT", body)
        }
    });
    let mut flushing = batch(&mut open(folder.path(), server), 9);
    let said = flushing.run().unwrap_err().to_string();
    assert!(said.contains("ahead of this computer's") && said.contains("set the one"), "{said}");
    assert!(flushing.set_aside().is_empty());
    is_set.store(true, Ordering::Relaxed);
    flushing.run().unwrap();
    assert!(flushing.set_aside().is_empty());
}

/// Has two values of each of its times, and counts how often it is asked.
#[derive(Default)]
struct Asked(AtomicUsize);

impl History for Asked {
    fn readings(&self, _: &ReadingsQuery, _: Wanted<'_>) -> Result<ReadingsPage, HistoryError> {
        Err(HistoryError::Withdrawn)
    }

    fn readings_at(
        &self,
        queries: &[TimesQuery],
        _: usize,
        _: Wanted<'_>,
    ) -> Result<Vec<Vec<(i64, Value)>>, HistoryError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let both = |time_ms: &i64| [(*time_ms, Value::Number(-1.0)), (*time_ms, Value::Number(*time_ms as f64))];
        let of = |query: &TimesQuery| {
            assert!(query.times_ms.is_sorted_by(|one, next| one < next));
            query.times_ms.iter().flat_map(both).collect()
        };
        Ok(queries.iter().map(of).collect())
    }

    fn series(&self, _: &SeriesQuery, _: Wanted<'_>) -> Result<SeriesAnswer, HistoryError> {
        Err(HistoryError::Withdrawn)
    }

    fn names(&self, _: usize, _: usize) -> Vec<(Arc<str>, Vec<Arc<str>>)> {
        Vec::new()
    }

    fn has_device(&self, _: &str) -> bool {
        false
    }

    fn alert_events(&self, _: Option<Position>, _: usize) -> Result<Vec<AlertEvent>, HistoryError> {
        Ok(Vec::new())
    }

    fn problems(&self, _: usize) -> (Vec<ProblemGroup>, u64) {
        (Vec::new(), 0)
    }

    fn stats(&self) -> StoreStats {
        StoreStats::default()
    }
}

#[test]
fn places_of_what_is_imported_are_asked_for_together() {
    let (folder, lines) = (tempfile::tempdir().unwrap(), Arc::new(Mutex::new(String::new())));
    let kept = Arc::clone(&lines);
    let server = server::serve(move |text| {
        kept.lock().unwrap().push_str(text);
        Some(OK.to_owned())
    });
    let (mut follower, history) = (open(folder.path(), server), Arc::new(Asked::default()));
    follower.begin(Arc::clone(&history) as Arc<dyn History>);
    let times = (0..2_000).rev().map(|number| number * 7_000);
    tell(&mut follower, TimeOrigin::Imported, times.map(|time_ms| (time_ms, time_ms as f64)));
    assert_eq!(history.0.load(Ordering::Relaxed), 1, "all of a batch");
    follower.flush(Followed { position: Position(1), received_ms: 1 }).unwrap().run().unwrap();
    let lines = lines.lock().unwrap();
    assert_eq!(lines.lines().count(), 2_000);
    for line in lines.lines() {
        let (rest, time) = line.rsplit_once(' ').unwrap();
        let value: i64 = rest.rsplit_once("value=").unwrap().1.parse().unwrap();
        assert_eq!(time.parse::<i64>().unwrap(), value * 1_000_000 + 1, "{line}: it is the second of its time");
    }
}

#[test]
fn what_is_newer_than_all_asks_nothing_also_right_after_a_start() {
    let (folder, lines) = (tempfile::tempdir().unwrap(), Arc::new(Mutex::new(String::new())));
    let kept = Arc::clone(&lines);
    let server = server::serve(move |text| {
        kept.lock().unwrap().push_str(text);
        Some(OK.to_owned())
    });
    let (mut follower, history) = (open(folder.path(), server), Arc::new(Asked::default()));
    follower.begin(Arc::clone(&history) as Arc<dyn History>);
    tell(&mut follower, TimeOrigin::Device, std::iter::empty());
    follower.newest(&mut std::iter::once((DeviceIndex(0), MetricIndex(0), 14)));
    let new = (TimeOrigin::Device, true);
    tell_as(&mut follower, new, [(21, 1.0), (28, 2.0)].into_iter());
    assert_eq!(history.0.load(Ordering::Relaxed), 0);
    // Of the newest time, and of the one that was the newest at the start; then one that may repeat another.
    tell_as(&mut follower, new, [(28, 28.0)].into_iter());
    tell_as(&mut follower, new, [(14, 14.0)].into_iter());
    tell(&mut follower, TimeOrigin::Device, [(35, 35.0)].into_iter());
    assert_eq!(history.0.load(Ordering::Relaxed), 3);
    follower.flush(Followed { position: Position(1), received_ms: 1 }).unwrap().run().unwrap();
    let places: Vec<String> =
        lines.lock().unwrap().lines().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
    assert_eq!(places, ["21000000", "28000000", "28000001", "14000001", "35000001"]);
}
