//! Rows of forgotten devices are given to others, and nobody takes one device for another.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::Value;
use smallvec::smallvec;
use tidegate_push::Json;
use tidegate_telemetry::history::SeriesAnswer;
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex, InAlert, MetricIndex, Numbered, Position,
    StateCounts, TimeOrigin, Value as Measured,
};
use tidegate_testing::ClientView;
use tidegate_views::{
    Epoch, Frame, SeriesSpec, StreamPosition, SubscriberId, Subscription, UpdateSpec, ViewSpec, Views, ViewsConfig,
    WindowSpec,
};

/// Positions as numbers, to count with.
const JSON: Json = Json::PROTOCOL_1;

const BASE_MS: i64 = 1_704_700_000_000;
const MEMBERSHIP_ENTRIES_MAX: usize = 20;
const MOVER: &str = "mover";

/// Devices come and go, numbered as processing does it.
struct Site {
    views: Views,
    version: u64,
    numbers: Numbered<String>,
}

impl Site {
    fn new() -> Self {
        let config = ViewsConfig { membership_entries_max: MEMBERSHIP_ENTRIES_MAX, ..ViewsConfig::default() };
        let views = Views::new(Epoch { name: "e".into(), time_base_ms: BASE_MS }, config);
        Site { views, version: 0, numbers: Numbered::default() }
    }

    fn apply(&mut self, changes: &[Change]) {
        self.version += 1;
        self.views.apply(Position(self.version), BASE_MS + self.version as i64, changes, &mut |_, _| ());
    }

    fn come(&mut self, id: &str, value: f64) {
        let device = DeviceIndex(self.numbers.insert(id.into()));
        let metric = Change::Metric {
            device,
            metric: MetricIndex(0),
            name: "t".into(),
            unit: None,
            guessed: false,
            decimals: None,
        };
        self.apply(&[Change::Device { device, id: id.into(), group: "a".into() }, metric, reading(device, value)]);
    }

    fn says(&mut self, id: &str, value: f64) {
        let device = self.device(id);
        self.apply(&[reading(device, value)]);
    }

    fn go(&mut self, id: &str) {
        let device = self.device(id);
        self.numbers.remove(device.0);
        self.apply(&[Change::Removed { device }]);
    }

    /// Another moves so often that what was forgotten before lies behind the horizon.
    fn others_move(&mut self) {
        if self.numbers.iter().all(|(_, id)| id != MOVER) {
            self.come(MOVER, 0.0);
        }
        let device = self.device(MOVER);
        for n in 0..MEMBERSHIP_ENTRIES_MAX {
            let group = ["b", "c"][n % 2].into();
            self.apply(&[Change::Device { device, id: MOVER.into(), group }]);
        }
    }

    fn device(&self, id: &str) -> DeviceIndex {
        DeviceIndex(self.numbers.iter().find(|(_, known)| *known == id).unwrap().0)
    }

    fn open(&mut self, spec: &ViewSpec, at: Option<u64>) -> Subscription {
        let since = at.map(|at| StreamPosition { epoch: "e", version: at });
        self.views.open(SubscriberId(1), 1, spec, since).unwrap()
    }

    fn frame(&mut self, subscription: &mut Subscription, bytes_max: usize) -> Option<Value> {
        let mut out = Vec::new();
        loop {
            match self.views.frame(subscription, &JSON, &mut out, bytes_max) {
                Frame::Written => return Some(serde_json::from_slice(&out).unwrap()),
                Frame::MustFollow => self.views.follow(subscription),
                _ => return None,
            }
        }
    }

    fn settle(&mut self, subscription: &mut Subscription, client: &mut ClientView) -> Vec<Value> {
        let messages: Vec<Value> = std::iter::from_fn(|| self.frame(subscription, 1 << 20)).collect();
        for message in &messages {
            client.apply(message);
        }
        messages
    }

    /// Answers what a chart asks of history, which is empty.
    fn read_history(&mut self, subscription: &mut Subscription) {
        for (line, query) in self.views.wanted_history(subscription) {
            let answer = SeriesAnswer { through: Position(self.version), buckets: Vec::new() };
            self.views.seed(subscription, line, &query, &answer);
        }
    }
}

fn reading(device: DeviceIndex, value: f64) -> Change {
    let cells =
        smallvec![AppliedCell { metric: MetricIndex(0), value: Measured::Number(value), latest: true, is_new: true }];
    let (time_ms, class) = (BASE_MS, DeliveryClass::Envelope);
    let origin = TimeOrigin::Device;
    Change::Reading(AppliedReading { device, time_ms, origin, received_ms: time_ms, class, cells })
}

fn list(names: &[&str]) -> ViewSpec {
    let devices = Some(names.iter().map(ToString::to_string).collect());
    ViewSpec::Devices { devices, group: None, metrics: None, after: None, limit: None, hidden: false }
}

fn fleet() -> ViewSpec {
    ViewSpec::Fleet { group: String::new(), metric: Some("t".into()), heard: false, hidden: false }
}

/// Identifiers by row number, but for the mover.
fn ids(client: &ClientView) -> Vec<(u64, String)> {
    let id = |row: &Value| row.get("id").unwrap_or(&row[1]).as_str().unwrap().to_owned();
    let ids = client.map.iter().map(|(row, content)| (row.parse().unwrap(), id(content)));
    ids.filter(|(_, id)| id != MOVER).collect()
}

#[test]
fn two_hundred_generations_of_devices_take_the_rows_of_one_and_of_what_is_remembered() {
    let mut site = Site::new();
    let (mut highest, mut subscription, mut client) = (0, None, ClientView::new("fleet"));
    for generation in 0..200 {
        (0..100).for_each(|n| site.come(&format!("g{generation}-{n}"), 1.0));
        let open = subscription.get_or_insert_with(|| site.open(&fleet(), None));
        site.settle(open, &mut client);
        highest = highest.max(ids(&client).iter().map(|(row, _)| *row).max().unwrap());
        (0..100).for_each(|n| site.go(&format!("g{generation}-{n}")));
    }
    assert!(highest <= 100 + MEMBERSHIP_ENTRIES_MAX as u64, "row {highest}");
}

#[test]
fn who_slept_is_told_of_the_removal_though_another_has_the_number() {
    for spec in [fleet(), list(&["old"]), list(&["old", "new"])] {
        let mut site = Site::new();
        site.come("old", 1.0);
        let mut client = ClientView::new(if spec == fleet() { "fleet" } else { "devices" });
        let mut subscription = site.open(&spec, None);
        site.settle(&mut subscription, &mut client);
        assert_eq!(ids(&client), [(0, "old".into())]);
        let at = client.at;
        site.views.close(subscription);
        site.go("old");
        site.others_move();
        site.come("new", 2.0);
        let mut subscription = site.open(&spec, at);
        site.settle(&mut subscription, &mut client);
        let shown = if spec == list(&["old"]) { vec![] } else { vec![(0, "new".into())] };
        assert_eq!(ids(&client), shown, "{spec:?}");
    }
}

#[test]
fn a_list_that_was_not_read_keeps_the_row_and_still_knows_the_name() {
    let mut site = Site::new();
    site.come("old", 1.0);
    let (mut client, mut subscription) = (ClientView::new("devices"), site.open(&list(&["old"]), None));
    site.settle(&mut subscription, &mut client);
    site.go("old");
    site.others_move();
    site.come("new", 2.0);
    site.settle(&mut subscription, &mut client);
    assert_eq!(
        (ids(&client), client.gaps.len()),
        (vec![], 0),
        "what it holds tells that it went, though that is forgotten"
    );
    site.come("old", 3.0);
    site.settle(&mut subscription, &mut client);
    assert_eq!(ids(&client), [(0, "old".into())], "the row that was held is free once it has left");
    assert_eq!(client.map["0"]["cells"]["0"][0], 3.0);
}

#[test]
fn a_delta_under_way_shows_no_device_as_the_one_that_had_its_row_before() {
    let mut site = Site::new();
    (0..40).for_each(|n| site.come(&format!("a-rather-long-name-{n}"), 1.0));
    let (mut client, mut subscription) = (ClientView::new("fleet"), site.open(&fleet(), None));
    site.settle(&mut subscription, &mut client);
    (0..40).for_each(|n| site.says(&format!("a-rather-long-name-{n}"), 2.0));
    let first = site.frame(&mut subscription, 400).unwrap();
    assert_eq!(first["more"], true);
    client.apply(&first);
    site.go("a-rather-long-name-39");
    site.others_move();
    site.come("new", 99.0);
    let (mut all, mut whole) = (ClientView::new("fleet"), site.open(&fleet(), None));
    site.settle(&mut whole, &mut all);
    assert!(ids(&all).contains(&(39, "new".into())), "{:?}", ids(&all));
    loop {
        let message = site.frame(&mut subscription, 400).unwrap();
        client.apply(&message);
        if message.get("more").is_none() {
            break;
        }
    }
    assert_eq!((&client.map["39"][1], &client.map["39"][5]), (&"a-rather-long-name-39".into(), &1.into()));
    site.settle(&mut subscription, &mut client);
    assert_eq!((&client.map["39"][1], &client.map["39"][5]), (&"new".into(), &99.into()));
    assert_eq!(client.map, all.map);
}

#[test]
fn the_chart_of_a_forgotten_device_takes_nothing_of_another() {
    let mut site = Site::new();
    site.come("old", 1.0);
    let series = vec![SeriesSpec { device: "old".into(), metric: "t".into() }];
    let window = WindowSpec { last: Some(3_600_000), width: Some(600), ..WindowSpec::default() };
    let mut subscription = site.open(&ViewSpec::Series { series, window }, None);
    site.read_history(&mut subscription);
    let mut client = ClientView::new("series");
    site.settle(&mut subscription, &mut client);
    site.go("old");
    site.others_move();
    site.come("new", 5.0);
    site.says("new", 6.0);
    assert_eq!(site.settle(&mut subscription, &mut client), Vec::<Value>::new());
    let window = WindowSpec { last: Some(7_200_000), ..WindowSpec::default() };
    site.views.update(&mut subscription, &UpdateSpec { window: Some(window), ..UpdateSpec::default() }).unwrap();
    site.read_history(&mut subscription);
    assert!(!site.settle(&mut subscription, &mut client).is_empty(), "its history is there for another window");
    site.views.close(subscription);
    site.come("third", 7.0);
    let (mut all, mut whole) = (ClientView::new("fleet"), site.open(&fleet(), None));
    site.settle(&mut whole, &mut all);
    assert!(ids(&all).contains(&(0, "third".into())), "the row is free once the chart is closed: {:?}", ids(&all));
}

#[test]
fn who_slept_while_a_group_went_and_that_was_forgotten_begins_anew() {
    for sleeps in [true, false] {
        let mut site = Site::new();
        let states = |group: &str, fresh: u32| {
            let counts = StateCounts { fresh, ..StateCounts::default() };
            Change::States { group: group.into(), counts, in_alert: InAlert::default() }
        };
        site.apply(&[states("old", 1), states("stays", 1)]);
        let spec = ViewSpec::Group { group: String::new(), depth: 1, metrics: None };
        let (mut client, mut subscription) = (ClientView::new("group"), site.open(&spec, None));
        site.settle(&mut subscription, &mut client);
        site.apply(&[states("old", 0)]);
        for n in 0..=MEMBERSHIP_ENTRIES_MAX {
            site.apply(&[states(&format!("other{n}"), 1), states(&format!("other{n}"), 0)]);
        }
        if sleeps {
            let resumed = site.open(&spec, client.at);
            site.views.close(std::mem::replace(&mut subscription, resumed));
        }
        site.settle(&mut subscription, &mut client);
        assert_eq!(client.map.keys().collect::<Vec<_>>(), [r#"["stays",null]"#], "sleeps: {sleeps}");
    }
}
