//! An open chart becomes what history says, and history is not asked more often than it may be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tidegate_buckets::Bucket;
use tidegate_telemetry::history::{SeriesAnswer, SeriesQuery};
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex, History, HistoryError, MetricIndex, Position,
    TimeOrigin, Value as Measured,
};
use tidegate_views::ViewsConfig;
use tokio::time::sleep;

use super::link::Link;
use super::{BASE_MS, Past};
use crate::live::LiveConfig;
use crate::live::hub::Hub;

/// A history of one series: every value that was sent, by time.
#[derive(Default)]
struct Series {
    points: Mutex<BTreeMap<i64, f64>>,
    through: AtomicU64,
    asked: AtomicU64,
    /// So many questions fail.
    fails: AtomicU64,
}

impl Series {
    fn read(&self, query: &SeriesQuery) -> Result<SeriesAnswer, HistoryError> {
        self.asked.fetch_add(1, Relaxed);
        if self.fails.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            return Err(HistoryError::Storage("the disk is away".to_owned()));
        }
        let points = self.points.lock();
        let mut buckets: BTreeMap<i64, Bucket> = BTreeMap::new();
        for (&time_ms, &value) in points.range(query.from_ms..query.to_ms) {
            let point = Bucket::of(time_ms, value);
            buckets.entry(query.rung.start_ms(time_ms)).and_modify(|bucket| bucket.merge(&point)).or_insert(point);
        }
        Ok(SeriesAnswer { buckets: buckets.into_iter().collect(), through: Position(self.through.load(Relaxed)) })
    }
}

struct Site {
    hub: Arc<Hub>,
    past: Arc<Series>,
    position: u64,
    link: Link,
    received: usize,
    buckets: BTreeMap<i64, Value>,
}

impl Site {
    /// A device with a reading each second of ten minutes, and its chart by ten seconds, open.
    async fn new() -> Site {
        let hub = Arc::new(Hub::new(ViewsConfig::default(), LiveConfig::default(), || BASE_MS));
        let past = Arc::new(Series::default());
        let read = Arc::clone(&past);
        let history: Arc<dyn History> = Arc::new(Past::of_charts(move |query, _| read.read(query)));
        let link = Link::open(&hub, &history);
        let mut site = Site { hub, past, position: 0, link, received: 0, buckets: BTreeMap::new() };
        let (device, metric) = (DeviceIndex(0), MetricIndex(0));
        site.apply(&[
            Change::Device { device, id: "dev7".into(), group: "".into() },
            Change::Metric { device, metric, name: "t".into(), unit: None, guessed: false, decimals: None },
        ]);
        for second in 0..600 {
            site.measure(BASE_MS - second * 1_000, 20.0);
        }
        site.link.say(&json!({"type":"hello","protocol":2,"encoding":"json"}));
        let view = json!({"kind":"series","series":[{"device":"dev7","metric":"t"}],"last":600_000,"width":60});
        site.link.say(&json!({"type":"subscribe","id":1,"view":view}));
        site.pass(100).await;
        assert_eq!(site.buckets.len(), 61);
        site
    }

    fn apply(&mut self, changes: &[Change]) {
        self.position += 1;
        self.hub.apply(Position(self.position), BASE_MS, changes);
        self.past.through.store(self.position, Relaxed);
    }

    fn measure(&mut self, time_ms: i64, value: f64) {
        self.past.points.lock().insert(time_ms, value);
        let cell = AppliedCell { metric: MetricIndex(0), value: Measured::Number(value), latest: true, is_new: false };
        let (device, received_ms, class) = (DeviceIndex(0), BASE_MS, DeliveryClass::Envelope);
        let (origin, cells) = (TimeOrigin::Correction, [cell].into_iter().collect());
        self.apply(&[Change::Reading(AppliedReading { device, time_ms, origin, received_ms, class, cells })]);
    }

    /// Lets time pass, and takes what comes.
    async fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            sleep(Duration::from_millis(10)).await;
            while let Some(message) = self.link.heard() {
                self.received += message.len();
                self.link.say(&json!({"type":"seen","bytes":self.received}));
                let message: Value = serde_json::from_slice(&message).unwrap();
                for row in message["rows"].as_array().or(message["r"].as_array()).into_iter().flatten() {
                    self.buckets.insert(row[1].as_i64().unwrap(), row.clone());
                }
                tokio::task::yield_now().await;
            }
        }
    }

    fn asked(&self) -> u64 {
        self.past.asked.load(Relaxed)
    }

    fn count(&self) -> u64 {
        self.buckets.values().map(|row| row[2].as_u64().unwrap()).sum()
    }
}

#[tokio::test(start_paused = true)]
async fn a_backlog_that_comes_twice_is_counted_once_and_asks_history_once_a_second() {
    let mut site = Site::new().await;
    let before = site.asked();
    for round in 0..10_i64 {
        for second in 1..600 {
            site.measure(BASE_MS - second * 1_000, 20.0 + f64::from(round as i32));
        }
        site.pass(300).await;
    }
    site.pass(2_000).await;
    let asked = site.asked() - before;
    println!("{asked} questions for 5,990 readings in 3 s");
    assert!((2..=6).contains(&asked), "{asked}");
    assert_eq!(site.count(), 600);
    assert!(site.buckets.values().rev().skip(1).all(|row| row[3] == 29), "{:?}", site.buckets);
}

#[tokio::test(start_paused = true)]
async fn a_correction_shows_in_an_open_chart_also_when_history_fails_at_first_and_nothing_more_comes() {
    let mut site = Site::new().await;
    site.past.fails.store(1, Relaxed);
    site.measure(BASE_MS - 15_000, 99.0);
    site.pass(1_500).await;
    assert_eq!(site.count(), 600);
    assert_eq!(site.buckets[&(BASE_MS - 20_000)][5], 99);
    let asked = site.asked();
    site.pass(60_000).await;
    assert_eq!(site.asked(), asked, "what is right is not read again");
}

#[tokio::test(start_paused = true)]
async fn the_refresh_of_charts_ends_when_sessions_are_told_to_go() {
    let mut site = Site::new().await;
    site.measure(BASE_MS - 15_000, 99.0);
    site.pass(20).await;
    site.hub.goaway();
    let drained = tokio::time::timeout(Duration::from_millis(100), site.hub.drained());
    assert!(drained.await.is_ok(), "nobody is waited for");
}
