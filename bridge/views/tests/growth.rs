//! What a view costs follows what it sends, not what there is: the same work at two sizes, and the ratio.

#![allow(clippy::unwrap_used, missing_docs)]

use std::time::{Duration, Instant};

use tidegate_push::Json;
use tidegate_telemetry::{AggregateChange, Change, InAlert, Position, StateCounts};
use tidegate_views::{Epoch, Frame, StreamPosition, SubscriberId, Subscription, ViewSpec, Views, ViewsConfig};

/// Positions as numbers, to count with.
const JSON: Json = Json::PROTOCOL_1;

const METRICS: [&str; 3] = ["humidity", "pressure", "temperature"];
/// As a session sends them.
const FRAME_BYTES: usize = 4_096;
const RUNS: usize = 10;

fn views() -> Views {
    Views::new(Epoch { name: "e".into(), time_base_ms: 0 }, ViewsConfig::default())
}

/// The least time of some runs: what else the machine does makes runs longer, never shorter.
fn least(mut run: impl FnMut() -> Duration) -> Duration {
    (0..RUNS).map(|_| run()).min().unwrap()
}

fn ratio(large: Duration, small: Duration) -> f64 {
    large.as_secs_f64() / small.as_secs_f64()
}

/// Everything that is due; how many frames it was.
fn drain(views: &mut Views, subscription: &mut Subscription) -> usize {
    let (mut frames, mut out) = (0, Vec::new());
    loop {
        out.clear();
        match views.frame(subscription, &JSON, &mut out, FRAME_BYTES) {
            Frame::Written => frames += 1,
            Frame::MustFollow => views.follow(subscription),
            Frame::Nothing | Frame::WantsEvents { .. } => return frames,
        }
    }
}

/// `sites` with ten floors each; what one entry tells of all of them.
fn groups(sites: usize) -> Vec<Change> {
    let floors = (0..sites).flat_map(|site| (0..10).map(move |floor| format!("site{site:04}/floor{floor}")));
    let paths = std::iter::once(String::new()).chain((0..sites).map(|site| format!("site{site:04}"))).chain(floors);
    paths.flat_map(|path| group(&path, 20.0)).collect()
}

fn group(path: &str, sum: f64) -> Vec<Change> {
    let figures = |metric: &&str| {
        let (count, devices, min, max, oldest_ms) = (1, 1, sum, sum, Some(0));
        let (group, metric) = (path.into(), (*metric).into());
        Change::Aggregate(AggregateChange {
            group,
            metric,
            count,
            devices,
            sum,
            min,
            max,
            oldest_ms,
            min_device: None,
            max_device: None,
        })
    };
    let counts = StateCounts { fresh: 1, ..StateCounts::default() };
    METRICS
        .iter()
        .map(figures)
        .chain([Change::States { group: path.into(), counts, in_alert: InAlert::default() }])
        .collect()
}

fn of_groups(group: &str, depth: usize) -> ViewSpec {
    ViewSpec::Group { group: group.into(), depth, metrics: None }
}

#[test]
fn a_snapshot_of_ten_times_the_groups_costs_about_ten_times_as_much() {
    let cost = |sites: usize| {
        let mut views = views();
        views.apply(Position(1), 0, &groups(sites), &mut |_, _| ());
        least(|| {
            let mut subscription = views.open(SubscriberId(0), 1, &of_groups("", 8), None).unwrap();
            let begun = Instant::now();
            drain(&mut views, &mut subscription);
            let took = begun.elapsed();
            views.close(subscription);
            took
        })
    };
    let (small, large) = (cost(91), cost(909));
    eprintln!("snapshots of 1,000 and 10,000 groups: {small:?}, {large:?}");
    // Ten times, and what the caches of the processor do not hold any more; squared it would be a hundred and more.
    assert!(ratio(large, small) < 50.0, "{small:?}, {large:?}");
}

#[test]
fn a_delta_of_one_group_costs_the_same_however_many_there_are() {
    let cost = |sites: usize| {
        let mut views = views();
        views.apply(Position(1), 0, &groups(sites), &mut |_, _| ());
        let mut subscription = views.open(SubscriberId(0), 1, &of_groups("", 8), None).unwrap();
        drain(&mut views, &mut subscription);
        let mut version = 1;
        least(|| {
            let mut took = Duration::ZERO;
            for _ in 0..20 {
                version += 1;
                views.apply(Position(version), 0, &group("site0005/floor5", version as f64), &mut |_, _| ());
                let begun = Instant::now();
                assert_eq!(drain(&mut views, &mut subscription), 1);
                took += begun.elapsed();
            }
            took
        })
    };
    let (small, large) = (cost(91), cost(909));
    eprintln!("a delta of one group among 1,000 and 10,000: {small:?}, {large:?} for 20");
    assert!(ratio(large, small) < 4.0, "{small:?}, {large:?}");
}

#[test]
fn the_figures_of_one_group_cost_the_same_however_many_changed_beside_it() {
    let cost = |sites: usize| {
        let (mut views, all) = (views(), groups(sites));
        views.apply(Position(1), 0, &all, &mut |_, _| ());
        views.apply(Position(2), 0, &all, &mut |_, _| ());
        let since = Some(StreamPosition { epoch: "e", version: 1 });
        least(|| {
            let begun = Instant::now();
            for _ in 0..50 {
                let mut subscription = views.open(SubscriberId(0), 1, &of_groups("", 0), since).unwrap();
                assert_eq!(drain(&mut views, &mut subscription), 1);
                views.close(subscription);
            }
            begun.elapsed()
        })
    };
    let (small, large) = (cost(91), cost(909));
    eprintln!("the fleet's figures beside 1,000 and 10,000 groups: {small:?}, {large:?} for 50");
    assert!(ratio(large, small) < 4.0, "{small:?}, {large:?}");
}

#[test]
fn a_change_of_a_group_wakes_those_whose_view_has_it() {
    let mut views = views();
    views.apply(Position(1), 0, &groups(3), &mut |_, _| ());
    let shown = [("", 0), ("", 1), ("", 2), ("site0001", 0), ("site0001", 1), ("site0001/floor5", 3), ("site000", 9)];
    let open = |views: &mut Views, (id, (group, depth)): (u32, (&str, usize))| {
        views.open(SubscriberId(id), 1, &of_groups(group, depth), None).unwrap()
    };
    let subscriptions: Vec<Subscription> = (0..).zip(shown).map(|it| open(&mut views, it)).collect();
    let mut woken_by = |version: u64, path: &str| {
        let mut woken = Vec::new();
        let changes = group(path, version as f64);
        views.apply(Position(version), 0, &changes, &mut |SubscriberId(id), _| woken.push(id));
        woken.sort_unstable();
        woken.dedup();
        woken
    };
    assert_eq!(woken_by(2, "site0001/floor5"), [2, 4, 5]);
    assert_eq!(woken_by(3, "site0001"), [1, 2, 3, 4]);
    assert_eq!(woken_by(4, ""), [0, 1, 2]);
    assert_eq!(woken_by(5, "site0002"), [1, 2]);
    assert_eq!(woken_by(6, "site0001/floor5/shelf"), [5]);
    for subscription in subscriptions {
        views.close(subscription);
    }
    let mut woken = 0;
    views.apply(Position(7), 0, &group("site0001/floor5", 7.0), &mut |_, _| woken += 1);
    assert_eq!(woken, 0, "who has left is not woken");
}

#[test]
fn a_delta_too_large_for_one_frame_goes_on_where_it_stopped_though_groups_change_and_go_meanwhile() {
    let mut views = views();
    views.apply(Position(1), 0, &groups(20), &mut |_, _| ());
    let since = Some(StreamPosition { epoch: "e", version: 1 });
    let mut subscription = views.open(SubscriberId(0), 1, &of_groups("", 8), since).unwrap();
    let (mut version, mut rows, mut out) = (2, 0, Vec::new());
    views.apply(Position(2), 0, &groups(20), &mut |_, _| ());
    while views.frame(&mut subscription, &JSON, &mut out, 600) == Frame::Written && subscription.has_more() {
        let frame: serde_json::Value = serde_json::from_slice(&out).unwrap();
        rows += frame["r"].as_array().map_or(0, Vec::len);
        out.clear();
        version += 1;
        views.apply(Position(version), 0, &group("site0000/floor0", version as f64), &mut |_, _| ());
    }
    let last: serde_json::Value = serde_json::from_slice(&out).unwrap();
    rows += last["r"].as_array().map_or(0, Vec::len);
    assert_eq!(last["d"][2], 2);
    assert_eq!(rows, 4 * (1 + 20 + 200));
}
