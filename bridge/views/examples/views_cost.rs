//! What views of devices cost, at sizes of which each is twice the one before: CPU of one thread, and memory.
//!
//! `cargo run --release -p tidegate-views --example views_cost`, with the name of a scenario for one of them.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, missing_docs)]

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tidegate_push::Json;
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex, MetricIndex, Position, TimeOrigin, Value,
};
use tidegate_views::{Epoch, Frame, StreamPosition, SubscriberId, Subscription, ViewSpec, Views, ViewsConfig};

/// Positions as numbers, to count with.
const JSON: Json = Json::PROTOCOL_1;

const BASE_MS: i64 = 1_704_700_000_000;
const FRAME_BYTES_MAX: usize = 4_096;

fn main() {
    let wanted = std::env::args().nth(1);
    type Scenario = (&'static str, fn());
    let scenarios: [Scenario; 10] = [
        ("appear", viewers_first_then_devices_appear),
        ("sleeping-views", fleet_views_that_nobody_reads),
        ("page", devices_appear_outside_of_a_page),
        ("large_page", a_page_is_opened_and_followed),
        ("missing", others_come_beside_a_list_of_names_that_are_missing),
        ("resume", fleet_viewers_come_back),
        ("since", one_device_is_subscribed_to_after_many_came),
        ("close", views_are_opened_and_closed),
        ("hold", the_longest_hold),
        ("extremes", readings_of_devices_that_are_watched),
    ];
    for (name, run) in scenarios {
        if wanted.as_deref().is_none_or(|wanted| wanted == name) {
            run();
        }
    }
}

fn viewers_first_then_devices_appear() {
    println!("60 viewers (fleet, page of 100, one device) that are there first, then devices appear; us a device");
    for devices in [1_250, 2_500, 5_000, 10_000] {
        let mut site = Site::new();
        site.appear(0..1);
        let specs = [fleet(), page("", 100), device("dev00000")];
        let mut subscriptions: Vec<_> = (0..60).map(|n| site.open(n, &specs[n as usize % 3], None)).collect();
        subscriptions.iter_mut().for_each(|subscription| site.drain(subscription));
        let ((), appear_ns) = cpu(|| {
            for n in 1..devices {
                site.appear(n..n + 1);
                if n % 10 == 0 {
                    subscriptions.iter_mut().for_each(|subscription| site.drain(subscription));
                }
            }
        });
        println!("  {devices:>6} devices {:>8.1}", us(appear_ns) / f64::from(devices));
    }
}

fn fleet_views_that_nobody_reads() {
    println!("fleet views that nobody reads while 16,000 devices appear; ms in all, and wake-ups");
    for viewers in [125, 250, 500, 1_000] {
        let mut site = Site::new();
        let mut subscriptions: Vec<_> = (0..viewers).map(|n| site.open(n, &fleet(), None)).collect();
        subscriptions.iter_mut().for_each(|subscription| site.drain(subscription));
        let ((), ns) = cpu(|| (0..16_000).for_each(|n| site.appear(n..n + 1)));
        println!("  {viewers:>6} viewers {:>8.1}, {:>8}", us(ns) / 1e3, site.woken);
    }
}

fn devices_appear_outside_of_a_page() {
    println!("1,000 devices appear behind the end of a page that is full, a frame after each; us a device");
    for limit in [625, 1_250, 2_500, 5_000] {
        let mut site = Site::new();
        site.appear(0..limit);
        let mut subscription = site.open(0, &page("", limit as usize), None);
        site.drain(&mut subscription);
        let ((), ns) = cpu(|| {
            for n in limit..limit + 1_000 {
                site.appear(n..n + 1);
                site.drain(&mut subscription);
            }
        });
        println!("  limit {limit:>6} {:>8.1}", us(ns) / 1e3);
    }
}

fn a_page_is_opened_and_followed() {
    println!("a page is opened, read, and its first device goes; ms");
    for limit in [2_500, 5_000, 10_000, 20_000] {
        let mut site = Site::new();
        site.appear(0..limit + 100);
        let ((), ns) = cpu(|| {
            let mut subscription = site.open(0, &page("", limit as usize), None);
            site.drain(&mut subscription);
            site.apply(&[Change::Removed { device: DeviceIndex(0) }]);
            site.drain(&mut subscription);
            site.views.close(subscription);
        });
        println!("  limit {limit:>6} {:>8.1}", us(ns) / 1e3);
    }
}

fn others_come_beside_a_list_of_names_that_are_missing() {
    println!("8,000 others come beside a list whose names are missing, then a frame; ms");
    for names in [2_500, 5_000, 10_000, 19_900] {
        let mut site = Site::new();
        let devices = Some((0..names).map(|n| format!("site/nobody{n}")).collect());
        let list = ViewSpec::Devices { devices, group: None, metrics: None, after: None, limit: None, hidden: false };
        let mut subscription = site.open(0, &list, None);
        site.drain(&mut subscription);
        let ((), ns) = cpu(|| {
            site.appear(0..8_000);
            site.drain(&mut subscription);
        });
        println!("  {names:>6} names {:>8.1}", us(ns) / 1e3);
    }
}

fn fleet_viewers_come_back() {
    println!("20 fleet viewers are cut off while devices appear, and come back; ms in all");
    for devices in [2_000, 4_000, 8_000, 16_000] {
        let mut site = Site::new();
        site.appear(0..1_000);
        let at = site.version;
        (1_000..1_000 + devices).for_each(|n| site.appear(n..n + 1));
        let (mut subscriptions, opened_ns) =
            cpu(|| (0..20).map(|n| site.open(n, &fleet(), Some(at))).collect::<Vec<Subscription>>());
        let ((), read_ns) = cpu(|| subscriptions.iter_mut().for_each(|subscription| site.drain(subscription)));
        println!("  {devices:>6} devices: opened {:>8.1}, read {:>8.1}", us(opened_ns) / 1e3, us(read_ns) / 1e3);
    }
}

fn one_device_is_subscribed_to_after_many_came() {
    println!("one device is subscribed to from a position before many came; us a subscription");
    for devices in [1_875, 3_750, 7_500, 15_000] {
        let mut site = Site::new();
        site.appear(0..1);
        let at = site.version;
        (1..devices).for_each(|n| site.appear(n..n + 1));
        let ((), ns) = cpu(|| {
            for _ in 0..10 {
                let mut subscription = site.open(0, &device("dev00000"), Some(at));
                site.drain(&mut subscription);
                site.views.close(subscription);
            }
        });
        println!("  {devices:>6} came {:>8.1}", us(ns) / 10.0);
    }
}

fn views_are_opened_and_closed() {
    println!("a view of 10,000 devices is opened and closed; us each, and MB that stay");
    for times in [375, 750, 1_500, 3_000] {
        let mut site = Site::new();
        site.appear(0..10_000);
        let before = resident_kib();
        let all = ViewSpec::Devices {
            devices: None,
            group: Some("site".into()),
            metrics: None,
            after: None,
            limit: None,
            hidden: false,
        };
        let ((), ns) = cpu(|| {
            for _ in 0..times {
                let subscription = site.open(0, &all, None);
                site.views.close(subscription);
            }
        });
        let kept = resident_kib().saturating_sub(before) as f64 / 1024.0;
        println!("  {times:>6} times {:>8.1}, {kept:>6.1} MB", us(ns) / times as f64);
    }
}

fn the_longest_hold() {
    println!(
        "the longest hold of the lock by one call, of views of the largest size; us: to open, to take up, to write, to close"
    );
    let names = |range: std::ops::Range<u32>| {
        let devices = Some(range.map(|n| format!("site/dev{n:05}")).collect());
        ViewSpec::Devices { devices, group: None, metrics: None, after: None, limit: None, hidden: false }
    };
    let kinds = [
        ("page", page("", 20_000), false),
        ("list", names(0..20_000), false),
        ("list, resumed", names(0..20_000), true),
        ("half a list, resumed", names(16_000..36_000), true),
        ("fleet, resumed", fleet(), true),
        ("device, resumed", device("site/dev19999"), true),
    ];
    for (name, spec, resumes) in kinds {
        let runs = (0..5).map(|_| longest_holds(&spec, resumes));
        let least = runs.reduce(|a, b| std::array::from_fn(|n| a[n].min(b[n]))).unwrap();
        println!("  {name:>20} {:?}", least.map(|ns| ns / 1_000));
    }
}

fn readings_of_devices_that_are_watched() {
    println!(
        "20,000 readings of five metrics of 100 devices, of which each viewer sees one in 32; us a reading, without the frames"
    );
    for viewers in [0, 125, 250, 500, 1_000] {
        let mut site = Site::new();
        site.appear(0..100);
        (0..100).for_each(|n| site.define(n));
        let all = ViewSpec::Devices {
            devices: None,
            group: Some("site".into()),
            metrics: None,
            after: None,
            limit: None,
            hidden: false,
        };
        let mut subscriptions: Vec<_> = (0..viewers).map(|n| site.open(n, &all, None)).collect();
        subscriptions.iter_mut().for_each(|subscription| site.drain(subscription));
        let mut reading_ns = 0;
        for n in 0..20_000_u32 {
            reading_ns += cpu(|| site.measure(n % 100)).1;
            let served = subscriptions
                .iter_mut()
                .enumerate()
                .filter(|(viewer, _)| (*viewer as u32 + n / 100).is_multiple_of(32));
            if n % 100 == 0 {
                served.for_each(|(_, subscription)| site.drain(subscription));
            }
        }
        println!("  {viewers:>6} viewers {:>8.2}", us(reading_ns) / 20_000.0);
    }
}

fn longest_holds(spec: &ViewSpec, resumes: bool) -> [u64; 4] {
    let mut site = Site::new();
    site.appear(0..4_000);
    let at = resumes.then_some(site.version);
    site.appear(4_000..20_000);
    let mut longest = [0; 4];
    let mut note = |kind: usize, ns: u64| longest[kind] = longest[kind].max(ns);
    let (mut subscription, ns) = cpu(|| site.open(0, spec, at));
    note(0, ns);
    let mut out = Vec::with_capacity(2 * FRAME_BYTES_MAX);
    loop {
        out.clear();
        let (frame, ns) = cpu(|| site.views.frame(&mut subscription, &JSON, &mut out, FRAME_BYTES_MAX));
        note(2, ns);
        match frame {
            Frame::Written => {}
            Frame::MustFollow => note(1, cpu(|| site.views.follow(&mut subscription)).1),
            _ => break,
        }
    }
    let mut rest = Some(subscription);
    while let Some(subscription) = rest {
        let ns;
        (rest, ns) = cpu(|| site.views.close_some(subscription));
        note(3, ns);
    }
    longest
}

struct Site {
    views: Views,
    version: u64,
    woken: u64,
}

impl Site {
    fn new() -> Self {
        let epoch = Epoch { name: "e".into(), time_base_ms: BASE_MS };
        let mut site = Site { views: Views::new(epoch, ViewsConfig::default()), version: 0, woken: 0 };
        site.apply(&[]);
        site
    }

    fn apply(&mut self, changes: &[Change]) {
        self.version += 1;
        self.views.apply(Position(self.version), BASE_MS, changes, &mut |_, _| self.woken += 1);
    }

    fn appear(&mut self, numbers: std::ops::Range<u32>) {
        for n in numbers {
            let group = format!("site/b{}", n % 10).as_str().into();
            self.apply(&[Change::Device { device: DeviceIndex(n), id: format!("site/dev{n:05}").into(), group }]);
        }
    }

    fn define(&mut self, device: u32) {
        let named = |column: u16| {
            let (device, metric, name) = (DeviceIndex(device), MetricIndex(column), format!("m{column}").into());
            Change::Metric { device, metric, name, unit: None, guessed: false, decimals: None }
        };
        self.apply(&(0..5).map(named).collect::<Vec<_>>());
    }

    fn measure(&mut self, device: u32) {
        let value = Value::Number(f64::from((self.version % 1_000) as u32));
        let cell =
            |column| AppliedCell { metric: MetricIndex(column), value: value.clone(), latest: true, is_new: true };
        let (device, received_ms, class) = (DeviceIndex(device), BASE_MS, DeliveryClass::Envelope);
        let (origin, cells) = (TimeOrigin::Receipt, (0..5).map(cell).collect());
        let reading = AppliedReading { device, time_ms: BASE_MS, origin, received_ms, class, cells };
        self.apply(&[Change::Reading(reading)]);
    }

    fn open(&mut self, subscriber: u32, spec: &ViewSpec, at: Option<u64>) -> Subscription {
        let since = at.map(|at| StreamPosition { epoch: "e", version: at });
        self.views.open(SubscriberId(subscriber), 1, spec, since).unwrap()
    }

    fn drain(&mut self, subscription: &mut Subscription) {
        let mut out = Vec::with_capacity(2 * FRAME_BYTES_MAX);
        loop {
            out.clear();
            match self.views.frame(subscription, &JSON, &mut out, FRAME_BYTES_MAX) {
                Frame::Written => {}
                Frame::MustFollow => self.views.follow(subscription),
                _ => return,
            }
        }
    }
}

fn fleet() -> ViewSpec {
    ViewSpec::Fleet { group: String::new(), metric: None, heard: false, hidden: false }
}

fn page(group: &str, limit: usize) -> ViewSpec {
    ViewSpec::Devices {
        devices: None,
        group: Some(group.into()),
        metrics: None,
        after: None,
        limit: Some(limit),
        hidden: false,
    }
}

fn device(name: &str) -> ViewSpec {
    ViewSpec::Device { device: name.into(), metrics: None }
}

/// CPU of this thread, in ns.
fn cpu<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = cpu_ns();
    let result = work();
    (result, cpu_ns() - before)
}

fn cpu_ns() -> u64 {
    let now = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    u64::try_from(now.as_nanos()).unwrap()
}

fn resident_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn us(ns: u64) -> f64 {
    ns as f64 / 1e3
}
