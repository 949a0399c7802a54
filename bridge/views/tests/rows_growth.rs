//! What views of devices cost as the fleet, the view and what happened meanwhile grow: by what changed within the view since
//! its last frame. Figures: `cargo run --release -p tidegate-views --example views_cost`.

#![allow(clippy::unwrap_used, missing_docs)]

mod site;

use std::time::Duration;

use site::{Site, all, device, fleet, list, page};
use tidegate_push::Json;
use tidegate_views::{Frame, SubscriberId};

/// Positions as numbers, to count with.
const JSON: Json = Json::PROTOCOL_1;

/// Times that the larger size is the smaller one.
const LARGER: u32 = 8;

/// CPU at a size and at one eight times as large, the least of three runs each.
fn ratio(size: u32, mut run: impl FnMut(u32) -> Duration) -> f64 {
    let mut least = |size: u32| (0..3).map(|_| run(size)).min().unwrap().as_secs_f64();
    least(size * LARGER) / least(size)
}

/// Between linear (8) and quadratic (64).
fn assert_linear(ratio: f64) {
    assert!(ratio < 22.0, "{LARGER} times as many cost {ratio:.1} times as much");
}

/// Between constant (1) and linear (8).
fn assert_constant(ratio: f64) {
    assert!(ratio < 4.0, "{LARGER} times as many cost {ratio:.1} times as much");
}

#[test]
fn a_viewer_that_is_older_than_the_fleet_looks_at_each_coming_once() {
    for spec in [device("site/dev0"), list(0..20), page("", 20), fleet()] {
        assert_linear(ratio(500, |devices| {
            let mut site = Site::with(1);
            let mut subscription = site.open(&spec, None);
            site.drain(&mut subscription);
            site::cpu(|| {
                for n in 1..devices {
                    site.appear(n..n + 1);
                    site.drain(&mut subscription);
                }
            })
        }));
    }
}

#[test]
fn a_device_that_appears_outside_of_a_page_costs_the_page_nothing_that_grows_with_it() {
    assert_constant(ratio(1_000, |limit| {
        let mut site = Site::with(limit);
        let mut subscription = site.open(&page("", limit as usize), None);
        site.drain(&mut subscription);
        site::cpu(|| {
            for n in limit..limit + 400 {
                site.appear(n..n + 1);
                site.drain(&mut subscription);
            }
        })
    }));
}

#[test]
fn a_device_that_changes_costs_a_view_nothing_that_grows_with_the_view() {
    for spec in [|size: u32| list(0..size), |size: u32| page("", size as usize), |_| all(), |_| fleet()] {
        assert_constant(ratio(1_000, |devices| {
            let mut site = Site::with(devices);
            let mut subscription = site.open(&spec(devices), None);
            site.drain(&mut subscription);
            site::cpu(|| {
                for n in 0..400 {
                    site.says(n);
                    site.drain(&mut subscription);
                }
            })
        }));
    }
}

#[test]
fn a_large_page_is_opened_changed_and_closed_by_its_size_and_not_by_the_square_of_it() {
    assert_linear(ratio(2_000, |limit| {
        let mut site = Site::with(limit + 100);
        site::cpu(|| {
            let mut subscription = site.open(&page("", limit as usize), None);
            site.drain(&mut subscription);
            (0..50).for_each(|n| site.go(n));
            site.drain(&mut subscription);
            site.views.close(subscription);
        })
    }));
}

#[test]
fn names_that_are_missing_cost_nothing_when_others_come() {
    assert_constant(ratio(2_000, |names| {
        let mut site = Site::with(0);
        let mut subscription = site.open(&list(1_000_000..1_000_000 + names), None);
        site.drain(&mut subscription);
        site::cpu(|| {
            site.appear(0..1_500);
            site.drain(&mut subscription);
        })
    }));
}

#[test]
fn who_comes_back_pays_for_what_moved_meanwhile_and_not_for_that_times_the_fleet() {
    for spec in [fleet(), all(), page("", 500), list(0..500)] {
        assert_linear(ratio(1_000, |moves| {
            let mut site = Site::with(500);
            let at = site.version;
            site.appear(500..500 + moves);
            site::cpu(|| {
                let mut subscription = site.open(&spec, Some(at));
                site.drain(&mut subscription);
                site.views.close(subscription);
            })
        }));
    }
}

#[test]
fn who_comes_back_to_one_device_pays_nothing_for_others_that_came() {
    assert_constant(ratio(1_500, |devices| {
        let mut site = Site::with(1);
        let at = site.version;
        site.appear(1..devices);
        site::cpu(|| {
            for _ in 0..1_000 {
                let mut subscription = site.open(&device("dev0"), Some(at));
                site.drain(&mut subscription);
                site.views.close(subscription);
            }
        })
    }));
}

#[test]
fn a_change_wakes_each_viewer_that_has_everything_once_and_no_other() {
    let mut site = Site::with(10);
    let specs = [fleet(), all(), page("", 5), device("dev0"), list(1_000..1_020)];
    let mut subscriptions: Vec<_> = specs.iter().map(|spec| site.open_as(spec, None, 0)).collect();
    for (n, subscription) in (1..).zip(&mut subscriptions) {
        let other = site.open_as(&specs[n as usize - 1], None, n);
        site.views.close(std::mem::replace(subscription, other));
        site.drain(subscription);
    }
    site.woken.clear();
    site.appear(10..500);
    assert_eq!(site.woken.len(), 3);
    assert_eq!(site.woken, [1, 2, 3].map(SubscriberId), "the whole fleet, twice, and a page: each for the first");
    subscriptions.iter_mut().for_each(|subscription| site.drain(subscription));
    site.woken.clear();
    site.appear(1_003..1_004);
    assert_eq!(site.woken.len(), 4, "and the list that waits for it: {:?}", site.woken);
    assert!(site.woken.contains(&SubscriberId(5)));
    subscriptions.iter_mut().for_each(|subscription| site.drain(subscription));
    site.woken.clear();
    (0..100).for_each(|_| site.says(7));
    assert_eq!(site.woken.len(), 2);
    assert_eq!(site.woken, [1, 2].map(SubscriberId));
}

#[test]
fn nobody_waits_for_all_of_a_large_list() {
    let mut site = Site::with(8_000);
    for spec in [list(4_000..12_000), page("", 8_000)] {
        let (mut subscription, mut out, mut holds) = (site.open(&spec, None), Vec::new(), 1);
        while site.views.frame(&mut subscription, &JSON, &mut out, 4_096) == Frame::MustFollow {
            site.views.follow(&mut subscription);
            holds += 1;
        }
        assert!((8..12).contains(&holds), "opened in {holds}");
        let (mut rest, mut holds) = (Some(subscription), 0);
        while let Some(subscription) = rest {
            rest = site.views.close_some(subscription);
            holds += 1;
        }
        assert!((8..10).contains(&holds), "closed in {holds}");
    }
}
