//! Views of alerts: counts that are exact, a window that is small, and one line for what happens to many at once.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_push::Json;
use tidegate_telemetry::{AlertChange, AlertState, Change, DeviceIndex, Position, Severity};
use tidegate_testing::ClientView;
use tidegate_views::read::AlertsQuery;
use tidegate_views::{Epoch, Frame, StreamPosition, SubscriberId, Subscription, ViewSpec, Views, ViewsConfig};

/// Positions as numbers, to count with.
const JSON: Json = Json::PROTOCOL_1;

const T0: i64 = 1_704_723_840_000;
const FRAME_BYTES: usize = 4_096;

struct World {
    views: Views,
    version: u64,
    now_ms: i64,
    woken: Vec<u32>,
}

/// One viewer.
struct Viewer {
    subscription: Subscription,
    view: ClientView,
    bytes: usize,
}

impl World {
    fn new(config: ViewsConfig) -> Self {
        let views = Views::new(Epoch { name: "e".into(), time_base_ms: 0 }, config);
        let mut world = World { views, version: 0, now_ms: T0, woken: Vec::new() };
        world.apply(&[]);
        world
    }

    fn apply(&mut self, changes: &[Change]) {
        self.version += 1;
        self.woken.clear();
        let woken = &mut self.woken;
        self.views.apply(Position(self.version), self.now_ms, changes, &mut |SubscriberId(id), _| woken.push(id));
    }

    fn open(&mut self, id: u32, spec: Value, since: Option<u64>) -> Viewer {
        let spec: ViewSpec = serde_json::from_value(spec).unwrap();
        let since = since.map(|at| StreamPosition { epoch: "e", version: at });
        let mut view = ClientView::new("alerts");
        view.at = since.map(|since| since.version);
        Viewer { subscription: self.views.open(SubscriberId(id), 1, &spec, since).unwrap(), view, bytes: 0 }
    }

    fn serve(&mut self, viewer: &mut Viewer) {
        let mut out = Vec::new();
        viewer.bytes = 0;
        while self.views.frame(&mut viewer.subscription, &JSON, &mut out, FRAME_BYTES) == Frame::Written {
            viewer.bytes += out.len();
            viewer.view.apply(&serde_json::from_slice(&out).unwrap());
            out.clear();
        }
    }

    fn page(&self, query: &AlertsQuery<'_>) -> Vec<Arc<str>> {
        let (mut ids, mut before) = (Vec::new(), None::<(i64, Arc<str>)>);
        loop {
            let before_this = before.as_ref().map(|(raised_ms, id)| (*raised_ms, &**id));
            let part = self.views.alerts(&AlertsQuery { before: before_this, ..*query });
            ids.extend(part.alerts.into_iter().map(|alert| alert.id.clone()));
            before = part.next;
            if before.is_none() {
                return ids;
            }
        }
    }
}

impl Viewer {
    fn lines(&self) -> Vec<&Value> {
        self.view.map.iter().filter(|(key, _)| *key != "counts").map(|(_, line)| line).collect()
    }

    fn counts(&self) -> &Value {
        &self.view.map["counts"]
    }
}

fn alert(number: usize, state: AlertState, raised_ms: i64) -> AlertChange {
    AlertChange {
        id: format!("a-{number}-0").into(),
        rule: "silent".into(),
        severity: Severity::Critical,
        device_id: format!("site/hall{}/dev{number}", number % 10).into(),
        group: format!("site/hall{}", number % 10).into(),
        metric: None,
        condition: None,
        unit: None,
        decimals: None,
        words: "No reading for 60 s".into(),
        state,
        value: None,
        raised_ms,
        acknowledged: (state == AlertState::Acknowledged).then(|| (raised_ms, "Ann".into())),
        cleared_ms: (state == AlertState::Cleared).then_some(raised_ms + 1_000),
        raised_value: None,
        peak: None,
        comment: None,
        unacknowledged: None,
    }
}

fn change(number: usize, state: AlertState, raised_ms: i64) -> Change {
    Change::Alert(alert(number, state, raised_ms))
}

#[test]
fn a_rule_that_flaps_sixty_thousand_times_holds_and_sends_no_more_than_it_may() {
    let cost = |flips: usize, alert_burst_min: usize| {
        let mut world = World::new(ViewsConfig { alert_burst_min, ..ViewsConfig::default() });
        for number in 0..flips {
            let raised_ms = world.now_ms;
            world.apply(&[change(number, AlertState::Raised, raised_ms)]);
            world.apply(&[change(number, AlertState::Cleared, raised_ms)]);
            world.now_ms += 100;
        }
        let all = AlertsQuery { cleared: true, limit: usize::MAX, looked_at_max: usize::MAX, ..AlertsQuery::default() };
        assert!(world.page(&all).len() <= 1_000, "{} are held", world.page(&all).len());
        let mut newcomer = world.open(1, json!({"kind": "alerts"}), None);
        world.serve(&mut newcomer);
        let snapshot_bytes = newcomer.bytes;
        let mut least = Duration::MAX;
        for number in flips..flips + 20 {
            let raised_ms = world.now_ms;
            world.apply(&[change(number, AlertState::Raised, raised_ms)]);
            let begun = Instant::now();
            world.serve(&mut newcomer);
            least = least.min(begun.elapsed());
            assert!(newcomer.bytes > 0);
        }
        (snapshot_bytes, least, world.views.alerts_crowded_out())
    };
    for alert_burst_min in [0, 20] {
        let (few, many) = (cost(1_000, alert_burst_min), cost(30_000, alert_burst_min));
        eprintln!("2,000 and 60,000 events: bytes of a snapshot, time of a delta, crowded out: {few:?}, {many:?}");
        assert!(many.0 < 60_000, "{} bytes", many.0);
        assert!(many.1 < 5 * few.1, "{many:?} {few:?}");
        assert_eq!(many.2, 29_000);
    }
}

#[test]
fn what_happens_to_a_hundred_thousand_devices_at_once_is_one_line() {
    const DEVICES: usize = 100_000;
    let mut world = World::new(ViewsConfig::default());
    let mut viewer = world.open(0, json!({"kind": "alerts"}), None);
    let mut of_hall = world.open(1, json!({"kind": "alerts", "group": "site/hall3"}), None);
    world.serve(&mut viewer);
    world.serve(&mut of_hall);
    let (mut bytes, mut most, mut applying) = (0, 0, Duration::MAX);
    for first in (0..DEVICES).step_by(256) {
        world.now_ms += 5;
        let raised_ms = world.now_ms;
        let numbers = first..(first + 256).min(DEVICES);
        let changes: Vec<Change> = numbers.map(|number| change(number, AlertState::Raised, raised_ms)).collect();
        let begun = Instant::now();
        world.apply(&changes);
        applying = applying.min(begun.elapsed());
        world.serve(&mut viewer);
        bytes += viewer.bytes;
        most = most.max(viewer.bytes);
    }
    world.serve(&mut of_hall);
    eprintln!(
        "{DEVICES} alerts, 256 an entry: {applying:?} to apply, {bytes} bytes to a viewer, {most} for one at most"
    );
    assert_eq!(viewer.counts(), &json!([[DEVICES, 0, 0], [0, 0, 0], 0]), "exact");
    let [line] = viewer.lines()[..] else { panic!("{} lines", viewer.lines().len()) };
    assert_eq!((&line["rule"], &line["count"], &line["raised"]), (&json!("silent"), &json!(DEVICES), &json!(DEVICES)));
    assert_eq!(of_hall.lines()[0]["raised"], DEVICES / 10, "a group's share");
    assert!(bytes < 500_000, "{bytes}");

    let id = line["id"].as_str().unwrap().to_owned();
    let of_line = AlertsQuery { burst: Some(&id), limit: 1_000, looked_at_max: 256, ..AlertsQuery::default() };
    assert_eq!(world.page(&of_line).len(), DEVICES, "which they are");
    let in_hall = AlertsQuery { group: "site/hall3", ..of_line };
    assert_eq!(world.page(&in_hall).len(), DEVICES / 10);
    let alone = AlertsQuery { alone: true, limit: 1_000, looked_at_max: 256, ..AlertsQuery::default() };
    assert_eq!(world.page(&alone).len(), 0, "a line stands for each");

    world.now_ms += 60_000;
    let raised_ms = T0 + 5;
    world.apply(&[change(7, AlertState::Acknowledged, raised_ms)]);
    world.serve(&mut viewer);
    assert_eq!(viewer.view.events.last().unwrap().1, "a-7-0", "that somebody took one on is told");
    assert_eq!(viewer.counts(), &json!([[DEVICES - 1, 0, 0], [1, 0, 0], 0]));
    for number in 0..DEVICES {
        world.apply(&[change(number, AlertState::Cleared, raised_ms)]);
    }
    world.serve(&mut viewer);
    assert_eq!(viewer.counts(), &json!([[0, 0, 0], [0, 0, 0], 1_000]));
    assert_eq!(viewer.lines()[0]["raised"], 0);
    world.now_ms += 3_600_001;
    world.apply(&[]);
    world.serve(&mut viewer);
    assert_eq!((viewer.lines().len(), viewer.counts()), (0, &json!([[0, 0, 0], [0, 0, 0], 0])));
}

#[test]
fn one_more_alert_later_stands_alone_beside_the_line() {
    let mut world = World::new(ViewsConfig::default());
    let mut viewer = world.open(0, json!({"kind": "alerts"}), None);
    for number in 0..19 {
        world.apply(&[change(number, AlertState::Raised, T0)]);
    }
    world.serve(&mut viewer);
    assert_eq!(viewer.lines().len(), 19, "nineteen are no burst");
    world.apply(&[change(19, AlertState::Raised, T0 + 9_000)]);
    world.serve(&mut viewer);
    assert_eq!(viewer.lines().len(), 1, "twenty are");
    world.apply(&[change(20, AlertState::Raised, T0 + 11_000)]);
    world.serve(&mut viewer);
    assert_eq!(viewer.lines().len(), 2);
    assert_eq!(viewer.view.events.last().unwrap().1, "a-20-0");
}

#[test]
fn the_window_has_the_worst_and_newest_that_hold_and_the_last_that_cleared() {
    let config = ViewsConfig { alert_burst_min: 0, ..ViewsConfig::default() };
    let mut world = World::new(config);
    let mut viewer = world.open(0, json!({"kind": "alerts", "limit": 3}), None);
    let changes = (0..300).map(|number| {
        let mut alert = alert(number, AlertState::Raised, T0 + number as i64);
        alert.severity = if number == 5 { Severity::Critical } else { Severity::Warning };
        Change::Alert(alert)
    });
    let changes: Vec<Change> = changes.collect();
    world.apply(&changes);
    world.serve(&mut viewer);
    let ids = |viewer: &Viewer| -> Vec<String> {
        viewer.lines().iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&viewer), ["a-298-0", "a-299-0", "a-5-0"]);
    assert_eq!(viewer.counts(), &json!([[1, 299, 0], [0, 0, 0], 0]));
    world.apply(&[change(298, AlertState::Cleared, T0 + 298), change(5, AlertState::Acknowledged, T0 + 5)]);
    world.serve(&mut viewer);
    assert_eq!(ids(&viewer), ["a-296-0", "a-297-0", "a-298-0", "a-299-0"]);
}

#[test]
fn a_viewer_that_comes_back_has_what_a_newcomer_sees_and_each_event_since() {
    let config = ViewsConfig { alert_burst_min: 0, ..ViewsConfig::default() };
    let mut world = World::new(config);
    let spec = json!({"kind": "alerts", "limit": 2});
    let mut viewer = world.open(0, spec.clone(), None);
    world.apply(&(0..9).map(|number| change(number, AlertState::Raised, T0)).collect::<Vec<_>>());
    world.serve(&mut viewer);
    let (at, had) = (viewer.view.at, viewer.view.map.clone());
    world.views.close(viewer.subscription);
    // Nothing happened: nothing is sent.
    let mut again = world.open(0, spec.clone(), at);
    world.serve(&mut again);
    assert_eq!(again.bytes, 0);
    world.views.close(again.subscription);
    world.apply(&[change(8, AlertState::Cleared, T0), change(7, AlertState::Acknowledged, T0)]);
    let mut again = world.open(0, spec.clone(), at);
    again.view.map = had;
    world.serve(&mut again);
    let mut newcomer = world.open(1, spec, None);
    world.serve(&mut newcomer);
    assert_eq!(again.view.map, newcomer.view.map);
    let told: Vec<&str> = again.view.events.iter().map(|(_, id, _)| &**id).collect();
    assert_eq!(told, ["a-8-0", "a-7-0"]);
}

#[test]
fn an_alert_wakes_those_whose_view_has_it() {
    let mut world = World::new(ViewsConfig::default());
    let device = Change::Device { device: DeviceIndex(3), id: "site/hall3/dev3".into(), group: "site/hall3".into() };
    world.apply(&[device]);
    let specs = [
        json!({"kind": "alerts"}),
        json!({"kind": "alerts", "group": "site/hall3"}),
        json!({"kind": "alerts", "group": "site/hall4"}),
        json!({"kind": "alerts", "device": "dev3"}),
    ];
    let viewers: Vec<Viewer> = (0..).zip(specs).map(|(id, spec)| world.open(id, spec, None)).collect();
    world.apply(&[change(3, AlertState::Raised, T0)]);
    assert_eq!(world.woken, [1, 0, 3]);
    world.apply(&[change(13, AlertState::Raised, T0)]);
    assert_eq!(world.woken, [1, 0]);
    viewers.into_iter().for_each(|viewer| world.views.close(viewer.subscription));
    world.apply(&[change(23, AlertState::Raised, T0)]);
    assert_eq!(world.woken, [0_u32; 0]);
}

#[test]
fn a_view_of_a_device_shows_each_of_its_alerts_also_where_a_line_stands_for_them() {
    let mut world = World::new(ViewsConfig::default());
    let device = Change::Device { device: DeviceIndex(3), id: "site/hall3/dev3".into(), group: "site/hall3".into() };
    world.apply(&[device]);
    let mut viewer = world.open(0, json!({"kind": "alerts", "device": "dev3"}), None);
    world.apply(&(0..40).map(|number| change(number, AlertState::Raised, T0)).collect::<Vec<_>>());
    world.serve(&mut viewer);
    assert_eq!(viewer.lines()[0]["id"], "a-3-0");
    assert_eq!(viewer.counts(), &json!([[1, 0, 0], [0, 0, 0], 0]));
}
