//! A site with devices of one metric, views of it, and what both cost.

#![allow(clippy::unwrap_used, missing_docs, dead_code)]

use std::ops::Range;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use smallvec::smallvec;
use tidegate_push::Json;
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex, MetricIndex, Position, TimeOrigin,
    Value as Measured,
};
use tidegate_views::{Epoch, Frame, StreamPosition, SubscriberId, Subscription, ViewSpec, Views, ViewsConfig};

/// Positions as numbers, to count with.
const JSON: Json = Json::PROTOCOL_1;

const BASE_MS: i64 = 1_704_700_000_000;
const FRAME_BYTES_MAX: usize = 4_096;

pub struct Site {
    pub views: Views,
    pub version: u64,
    /// Who was woken, each time.
    pub woken: Vec<SubscriberId>,
}

impl Site {
    pub fn with(devices: u32) -> Self {
        let epoch = Epoch { name: "e".into(), time_base_ms: BASE_MS };
        let views = Views::new(epoch, ViewsConfig::default());
        let mut site = Site { views, version: 0, woken: Vec::new() };
        site.apply(&[]);
        site.appear(0..devices);
        site
    }

    pub fn apply(&mut self, changes: &[Change]) {
        self.version += 1;
        let woken = &mut self.woken;
        self.views.apply(Position(self.version), BASE_MS, changes, &mut |subscriber, _| woken.push(subscriber));
        woken.sort_unstable();
    }

    pub fn appear(&mut self, numbers: Range<u32>) {
        for n in numbers {
            let (device, group) = (DeviceIndex(n), format!("site/b{}", n % 10).as_str().into());
            let metric = Change::Metric {
                device,
                metric: MetricIndex(0),
                name: "t".into(),
                unit: None,
                guessed: false,
                decimals: None,
            };
            self.apply(&[Change::Device { device, id: name(n).as_str().into(), group }, metric]);
        }
    }

    pub fn says(&mut self, n: u32) {
        let value = Measured::Number(f64::from(n));
        let cells = smallvec![AppliedCell { metric: MetricIndex(0), value, latest: true, is_new: true }];
        let (time_ms, class) = (BASE_MS, DeliveryClass::Envelope);
        let reading = AppliedReading {
            device: DeviceIndex(n),
            time_ms,
            origin: TimeOrigin::Device,
            received_ms: time_ms,
            class,
            cells,
        };
        self.apply(&[Change::Reading(reading)]);
    }

    pub fn go(&mut self, n: u32) {
        self.apply(&[Change::Removed { device: DeviceIndex(n) }]);
    }

    pub fn open(&mut self, spec: &ViewSpec, at: Option<u64>) -> Subscription {
        self.open_as(spec, at, 0)
    }

    pub fn open_as(&mut self, spec: &ViewSpec, at: Option<u64>, subscriber: u32) -> Subscription {
        let since = at.map(|at| StreamPosition { epoch: "e", version: at });
        self.views.open(SubscriberId(subscriber), 1, spec, since).unwrap()
    }

    /// Reads all that is to be sent.
    pub fn drain(&mut self, subscription: &mut Subscription) {
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

/// By number, in order.
fn name(n: u32) -> String {
    if n == 0 { "site/dev0".into() } else { format!("site/dev{n:07}") }
}

pub fn device(name: &str) -> ViewSpec {
    ViewSpec::Device { device: name.into(), metrics: None }
}

pub fn list(numbers: Range<u32>) -> ViewSpec {
    ViewSpec::Devices {
        devices: Some(numbers.map(name).collect()),
        group: None,
        metrics: None,
        after: None,
        limit: None,
        hidden: false,
    }
}

pub fn page(group: &str, limit: usize) -> ViewSpec {
    ViewSpec::Devices {
        devices: None,
        group: Some(group.into()),
        metrics: None,
        after: None,
        limit: Some(limit),
        hidden: false,
    }
}

pub fn all() -> ViewSpec {
    ViewSpec::Devices {
        devices: None,
        group: Some(String::new()),
        metrics: None,
        after: None,
        limit: None,
        hidden: false,
    }
}

pub fn fleet() -> ViewSpec {
    ViewSpec::Fleet { group: String::new(), metric: None, heard: false, hidden: false }
}

/// CPU that this thread takes for something.
pub fn cpu(work: impl FnOnce()) -> Duration {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let before = now();
    work();
    now() - before
}

/// Memory of this process.
pub fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
