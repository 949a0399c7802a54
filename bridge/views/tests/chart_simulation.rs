//! Whatever times a device sends, in whatever order and how often: an open chart ends as one that is opened anew, which is
//! what a plain map of the series says.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use smallvec::smallvec;
use tidegate_buckets::{Bucket, Rung};
use tidegate_push::Json;
use tidegate_telemetry::history::{SeriesAnswer, SeriesQuery};
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex, MetricIndex, Position, TimeOrigin,
    Value as Measured,
};
use tidegate_testing::{ClientView, Dice};
use tidegate_views::{
    Epoch, Frame, Seeded, StreamPosition, SubscriberId, Subscription, UncertainBuckets, ViewSpec, Views, ViewsConfig,
};

/// Positions as numbers, to count with.
const JSON: Json = Json::PROTOCOL_1;

const BASE_MS: i64 = 1_704_723_840_000;
const RUNG: Rung = Rung::TenSeconds;

/// Every value that was ever sent.
type Told = Vec<Said>;

/// A value that was sent; `None` is text.
#[derive(Debug, Clone, Copy)]
struct Said {
    position: u64,
    origin: TimeOrigin,
    time_ms: i64,
    value: Option<f64>,
}

/// What a series is once more was said of it: by time, those of one time in order of arrival.
type Points = BTreeMap<i64, Vec<Said>>;

/// Takes one more value; `true` when it is one point more and nothing else.
fn take(points: &mut Points, said: Said) -> bool {
    let tied = points.entry(said.time_ms).or_default();
    let before = tied.len();
    let by_device = |known: &Said| known.origin != TimeOrigin::Receipt;
    if said.origin == TimeOrigin::Correction {
        tied.retain(|known| !by_device(known));
    }
    if !by_device(&said) || !tied.iter().any(|known| by_device(known) && known.value == said.value) {
        tied.push(said);
    }
    tied.len() == before + 1
}

/// What history says.
fn history(told: &Told, query: &SeriesQuery, through: u64) -> SeriesAnswer {
    let mut points = Points::new();
    for &said in told.iter().filter(|said| said.position <= through) {
        take(&mut points, said);
    }
    let mut buckets: Vec<(i64, Bucket)> = Vec::new();
    for &Said { time_ms, value, .. } in points.range(query.from_ms..query.to_ms).flat_map(|(_, tied)| tied) {
        let (start_ms, Some(value)) = (query.rung.start_ms(time_ms), value) else { continue };
        match buckets.last_mut() {
            Some((last_ms, bucket)) if *last_ms == start_ms => bucket.add(time_ms, value),
            _ => buckets.push((start_ms, Bucket::of(time_ms, value))),
        }
    }
    SeriesAnswer { buckets, through: Position(through) }
}

struct Viewer {
    view: ClientView,
    spec: ViewSpec,
    last_ms: i64,
    subscription: Option<Subscription>,
    asked: Vec<(usize, SeriesQuery)>,
    bytes_max: usize,
}

struct World {
    dice: Dice,
    views: Views,
    version: u64,
    now_ms: i64,
    told: Told,
    points: Points,
    refreshing: Option<UncertainBuckets>,
    /// Times that history was read for open charts.
    refreshes: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let config = ViewsConfig { chart_recording_max: 1 + dice.roll(40) as usize, ..ViewsConfig::default() };
        let mut views = Views::new(Epoch { name: "e".into(), time_base_ms: BASE_MS }, config);
        let (device, metric) = (DeviceIndex(0), MetricIndex(0));
        let changes = [
            Change::Device { device, id: "dev7".into(), group: "".into() },
            Change::Metric { device, metric, name: "t".into(), unit: None, guessed: false, decimals: None },
        ];
        views.apply(Position(1), BASE_MS, &changes, &mut |_, _| ());
        World {
            dice,
            views,
            version: 1,
            now_ms: BASE_MS,
            told: Told::new(),
            points: Points::new(),
            refreshing: None,
            refreshes: 0,
        }
    }

    /// An entry with some readings: new ones, late ones, such that come again, corrections, words.
    fn happen(&mut self) {
        self.version += 1 + self.dice.roll(2);
        self.now_ms += self.dice.roll(4_000) as i64;
        let changes: Vec<Change> = (0..self.dice.roll(4)).map(|_| self.reading()).collect();
        self.views.apply(Position(self.version), self.now_ms, &changes, &mut |_, _| ());
    }

    fn reading(&mut self) -> Change {
        let known = self.told.len().checked_sub(1).map(|last| last - self.dice.roll(30) as usize % (last + 1));
        let known = known.map(|at| self.told[at]);
        let value = (!self.dice.one_in(6)).then(|| self.dice.roll(100) as f64);
        let origins = [TimeOrigin::Device, TimeOrigin::Device, TimeOrigin::Receipt, TimeOrigin::Correction];
        let origin = origins[self.dice.roll(4) as usize];
        let (time_ms, value) = match (self.dice.roll(9), known) {
            (0, Some(known)) => (known.time_ms, known.value),
            (1 | 2, Some(known)) => (known.time_ms, value),
            (3, _) => (self.now_ms / 500 * 500 - self.dice.roll(200) as i64 * 500, value),
            (4, _) => (self.now_ms + self.dice.roll(60_000) as i64, value),
            _ => (self.now_ms, value),
        };
        // Of what is new, whoever tells it does not always know.
        let is_known = origin == TimeOrigin::Receipt || self.dice.one_in(2);
        self.tell(origin, time_ms, value, is_known)
    }

    /// `is_known`: when it is new, that is told.
    fn tell(&mut self, origin: TimeOrigin, time_ms: i64, value: Option<f64>, is_known: bool) -> Change {
        let said = Said { position: self.version, origin, time_ms, value };
        let is_new = take(&mut self.points, said) && is_known;
        self.told.push(said);
        let value = value.map_or_else(|| Measured::Text("broken".into()), Measured::Number);
        let cell = AppliedCell { metric: MetricIndex(0), value, latest: true, is_new };
        let (received_ms, class) = (self.now_ms, DeliveryClass::Envelope);
        let (device, cells) = (DeviceIndex(0), smallvec![cell]);
        Change::Reading(AppliedReading { device, time_ms, origin, received_ms, class, cells })
    }

    /// Where history stands: perhaps behind the views.
    fn through(&mut self) -> u64 {
        self.version.saturating_sub(self.dice.roll(3))
    }

    fn viewer(&mut self) -> Viewer {
        let last_ms = [40_000, 300_000][self.dice.roll(2) as usize];
        let view =
            json!({"kind":"series","series":[{"device":"dev7","metric":"t"}],"last":last_ms,"width":last_ms / 10_000});
        Viewer {
            view: ClientView::new("series"),
            spec: serde_json::from_value(view).unwrap(),
            last_ms,
            subscription: None,
            asked: Vec::new(),
            bytes_max: [500, 16_384][self.dice.roll(2) as usize],
        }
    }

    fn connect(&mut self, viewer: &mut Viewer) {
        let since = viewer.view.at.map(|at| StreamPosition { epoch: "e", version: at });
        viewer.view.parts.clear();
        let subscription = self.views.open(SubscriberId(1), 1, &viewer.spec, since).unwrap();
        viewer.asked = self.views.wanted_history(&subscription);
        viewer.subscription = Some(subscription);
    }

    fn leave(&mut self, viewer: &mut Viewer) {
        if let Some(subscription) = viewer.subscription.take() {
            self.views.close(subscription);
        }
    }

    /// History answers a viewer who waits for it.
    fn answer(&mut self, viewer: &mut Viewer) {
        let through = self.through();
        let Some(subscription) = &mut viewer.subscription else { return };
        viewer.asked.retain(|(line, query)| {
            assert_eq!(query.rung, RUNG);
            self.views.seed(subscription, *line, query, &history(&self.told, query, through)) != Seeded::Done
        });
    }

    /// The refresh begins, or has an answer, or gives up.
    fn refresh(&mut self) {
        let through = self.through();
        let Some(buckets) = self.refreshing.take() else {
            self.refreshing = self.views.next_uncertain();
            return;
        };
        if self.dice.one_in(6) {
            return self.views.leave_uncertain(&buckets);
        }
        self.refreshes += 1;
        let answer = history(&self.told, &buckets.query, through);
        if self.views.refresh(&buckets, &answer, &mut |_, _| ()) != Seeded::Done {
            self.refreshing = Some(buckets);
        }
    }

    /// Sends one message; `false` when there is none.
    fn serve(&mut self, viewer: &mut Viewer) -> bool {
        let Some(subscription) = &mut viewer.subscription else { return false };
        let mut out = Vec::new();
        if self.views.frame(subscription, &JSON, &mut out, viewer.bytes_max) == Frame::Nothing {
            return false;
        }
        viewer.view.apply(&serde_json::from_slice(&out).unwrap());
        true
    }

    fn step(&mut self, viewer: &mut Viewer) {
        match self.dice.roll(12) {
            0 => self.leave(viewer),
            1 | 2 if viewer.subscription.is_none() => self.connect(viewer),
            3..=5 => self.answer(viewer),
            6..=9 => drop(self.serve(viewer)),
            _ => {}
        }
    }

    /// Nothing happens any more.
    fn settle(&mut self, viewers: &mut [Viewer]) {
        for viewer in viewers.iter_mut() {
            if viewer.subscription.is_none() {
                self.connect(viewer);
            }
            while !viewer.asked.is_empty() {
                self.answer(viewer);
            }
        }
        for _ in 0..1_000 {
            if self.refreshing.is_none() && self.views.uncertain_charts() == 0 {
                break;
            }
            self.refresh();
        }
        assert_eq!(self.views.uncertain_charts(), 0, "history is read again and again");
        for viewer in viewers {
            assert!((0..1_000).any(|_| !self.serve(viewer)), "a view never comes to rest");
        }
    }

    fn compare(&self, viewer: &Viewer) {
        // Who opened it earlier may have more.
        let from_ms = RUNG.start_ms(self.now_ms - viewer.last_ms);
        let query = SeriesQuery { device: "dev7".into(), metric: "t".into(), from_ms, to_ms: i64::MAX, rung: RUNG };
        let row = |(start, it): &(i64, Bucket)| {
            // As it comes out of JSON.
            let figure = |number: f64| serde_json::from_str::<Value>(&json!(number).to_string()).unwrap().as_f64();
            (*start, vec![figure(it.count as f64), figure(it.mean()), figure(it.min), figure(it.max), figure(it.last)])
        };
        let expected: BTreeMap<i64, _> = history(&self.told, &query, u64::MAX).buckets.iter().map(row).collect();
        let shown = viewer.view.map.values().map(|row: &Value| {
            (row[1].as_i64().unwrap(), row.as_array().unwrap()[2..].iter().map(Value::as_f64).collect::<Vec<_>>())
        });
        let shown: BTreeMap<i64, _> = shown.filter(|(start_ms, _)| *start_ms >= from_ms).collect();
        assert_eq!(shown, expected);
    }
}

fn simulate(seed: u64) -> usize {
    let mut world = World::new(seed);
    let mut viewers: Vec<Viewer> = (0..4).map(|_| world.viewer()).collect();
    for _ in 0..150 {
        world.happen();
        viewers.iter_mut().for_each(|viewer| world.step(viewer));
        if world.dice.one_in(2) {
            world.refresh();
        }
    }
    world.settle(&mut viewers);
    viewers.iter().for_each(|viewer| world.compare(viewer));
    let mut newcomer = world.viewer();
    world.settle(std::slice::from_mut(&mut newcomer));
    world.compare(&newcomer);
    world.refreshes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_open_chart_ends_as_one_that_is_opened_anew(seed in any::<u64>()) {
        simulate(seed);
    }
}

#[test]
fn readings_that_are_certainly_new_are_not_asked_of_history_whatever_their_time() {
    let mut world = World::new(1);
    let mut viewer = world.viewer();
    world.settle(std::slice::from_mut(&mut viewer));
    let tell = |world: &mut World, origin, time_ms: i64, number: f64| {
        world.version += 1;
        let change = world.tell(origin, time_ms, Some(number), true);
        world.views.apply(Position(world.version), BASE_MS, &[change], &mut |_, _| ());
        world.views.uncertain_charts()
    };
    for second in -300..0 {
        // Newer than all before it, and however many have one receipt.
        let time_ms = BASE_MS + second * 1_000;
        assert_eq!(tell(&mut world, TimeOrigin::Device, time_ms, second as f64), 0);
        assert_eq!(tell(&mut world, TimeOrigin::Receipt, time_ms, second as f64), 0);
        assert_eq!(tell(&mut world, TimeOrigin::Receipt, time_ms, 7.0), 0);
        // A late one that is the first of its bucket.
        assert_eq!(tell(&mut world, TimeOrigin::Device, time_ms - time_ms.rem_euclid(10_000), 9.0 - second as f64), 0);
    }
    world.settle(std::slice::from_mut(&mut viewer));
    world.compare(&viewer);
    // It came before, or corrects one that did.
    assert_eq!(tell(&mut world, TimeOrigin::Device, BASE_MS - 1_000, -1.0), 1);
    world.settle(std::slice::from_mut(&mut viewer));
    assert_eq!(tell(&mut world, TimeOrigin::Correction, BASE_MS - 1_000, 3.0), 1);
    world.settle(std::slice::from_mut(&mut viewer));
    world.compare(&viewer);
}
