//! Viewers on links of all kinds, over a paused clock and a seed: slow ones, such that never say what they saw, such that
//! ask for rates, hide their page, go and come back. Each ends at the truth, and none is sent more than it may be.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_telemetry::history::AlertEvent;
use tidegate_telemetry::{
    AlertChange, AlertState, AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex, History, MetricIndex,
    Position, Severity, TimeOrigin, Value as Measured,
};
use tidegate_testing::{ClientView, CommandsOfDevices, Dice};
use tidegate_views::ViewsConfig;
use tokio::time::{Instant, sleep};

use super::link::Link;
use super::{BASE_MS, Past};
use crate::live::LiveConfig;
use crate::live::hub::Hub;

const SEEDS: u64 = 60;
const STEPS: usize = 600;
const DEVICES: u64 = 12;
const STEP: Duration = Duration::from_millis(20);
/// A viewer of 300 bytes a second pays for a frame that long.
const QUIET: Duration = Duration::from_secs(10);

struct World {
    dice: Dice,
    hub: Arc<Hub>,
    past: Arc<Past>,
    history: Arc<dyn History>,
    position: u64,
    now_ms: i64,
    commands: CommandsOfDevices,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let views = ViewsConfig {
            alert_events_max: 4 + dice.roll(12) as usize,
            // Each change is owed as an event.
            alert_burst_min: 0,
            membership_entries_max: 16 + dice.roll(32) as usize,
            rows_per_lock: 1 + dice.roll(6) as usize,
            ..ViewsConfig::default()
        };
        let config = LiveConfig {
            bytes_in_flight_start: 4_096,
            bytes_in_flight_max: 65_536,
            frame_bytes_max: 1_500,
            ..LiveConfig::default()
        };
        let past = Arc::new(Past::default());
        let history = Arc::clone(&past) as Arc<dyn History>;
        let hub = Arc::new(Hub::new(views, config, || BASE_MS));
        let mut world =
            World { dice, hub, past, history, position: 0, now_ms: BASE_MS, commands: CommandsOfDevices::default() };
        for number in 0..DEVICES {
            let device = DeviceIndex(number as u32);
            let id = format!("site/dev{number}").into();
            let mut changes = vec![Change::Device { device, id, group: "site".into() }];
            changes.extend(["t", "h"].into_iter().zip(0..).map(|(name, column)| Change::Metric {
                device,
                metric: MetricIndex(column),
                name: name.into(),
                unit: None,
                guessed: false,
                decimals: None,
            }));
            world.apply(&changes);
        }
        world
    }

    fn apply(&mut self, changes: &[Change]) {
        self.position += 1;
        let mut events = self.past.events.lock();
        for change in changes {
            if let Change::Alert(alert) = change {
                let position = Position(self.position);
                events.push(AlertEvent { position, at_ms: self.now_ms, alert: alert.clone() });
            }
        }
        drop(events);
        self.past.through.store(self.position, Relaxed);
        self.hub.apply(Position(self.position), self.now_ms, changes);
    }

    fn happen(&mut self) {
        self.now_ms += 20;
        if self.dice.one_in(8) {
            let changes = self.commands.change(&mut self.dice, self.now_ms);
            return self.apply(&changes);
        }
        let device = DeviceIndex(self.dice.roll(DEVICES) as u32);
        if self.dice.one_in(12) {
            let alert = Change::Alert(self.alert(device));
            return self.apply(&[alert]);
        }
        let cells = (0..2).map(|column| AppliedCell {
            metric: MetricIndex(column),
            value: Measured::Number(self.dice.roll(10_000) as f64 / 10.0),
            latest: true,
            is_new: true,
        });
        let (time_ms, class) = (self.now_ms, DeliveryClass::Envelope);
        let (origin, cells) = (TimeOrigin::Receipt, cells.collect());
        let reading = AppliedReading { device, time_ms, origin, received_ms: time_ms, class, cells };
        self.apply(&[Change::Reading(reading)]);
    }

    fn alert(&mut self, device: DeviceIndex) -> AlertChange {
        AlertChange {
            id: format!("a-{}-0", self.position + 1).into(),
            rule: "hot".into(),
            severity: Severity::Warning,
            device_id: format!("site/dev{}", device.0).into(),
            group: "site".into(),
            metric: None,
            condition: None,
            unit: None,
            decimals: None,
            words: "Above 8.0 °C".into(),
            state: AlertState::Raised,
            value: Some(9.5),
            raised_ms: self.now_ms,
            acknowledged: None,
            cleared_ms: None,
            raised_value: None,
            peak: None,
            comment: None,
            unacknowledged: None,
        }
    }
}

/// A viewer with one view, and what it holds the server to.
struct Viewer {
    view: ClientView,
    /// Where the first snapshot stood: what changed after it is owed.
    first_at: Option<u64>,
    spec: Value,
    link: Option<Link>,
    epoch: Option<Value>,
    says_seen: bool,
    link_bytes_per_step: usize,
    max_rate: Option<u64>,
    bytes_per_second: Option<u64>,
    began: Instant,
    received: usize,
    frames: usize,
    seen: usize,
    paused: bool,
    deltas: VecDeque<Instant>,
}

impl Viewer {
    fn new(dice: &mut Dice) -> Self {
        let (kind, spec) = match dice.roll(8) {
            0 | 1 => ("alerts", json!({"kind":"alerts","group":""})),
            2 => ("fleet", json!({"kind":"fleet","group":"","metric":"t"})),
            3 => ("devices", json!({"kind":"devices","devices":["dev1","dev2","dev99"]})),
            4 => ("commands", json!({"kind":"commands","limit":4})),
            5 => ("commands", json!({"kind":"commands","device":"dev1","limit":2})),
            _ => ("devices", json!({"kind":"devices","group":"site"})),
        };
        Viewer {
            view: ClientView::new(kind),
            first_at: None,
            spec,
            link: None,
            epoch: None,
            says_seen: !dice.one_in(5),
            link_bytes_per_step: [60, 400, 1 << 20][dice.roll(3) as usize],
            max_rate: dice.one_in(3).then_some(5),
            bytes_per_second: dice.one_in(3).then_some(300),
            began: Instant::now(),
            received: 0,
            frames: 0,
            seen: 0,
            paused: false,
            deltas: VecDeque::new(),
        }
    }

    fn say(&self, message: &Value) {
        if let Some(link) = &self.link {
            link.say(message);
        }
    }

    fn connect(&mut self, world: &World) {
        self.link = Some(Link::open(&world.hub, &world.history));
        (self.received, self.seen, self.paused, self.began) = (0, 0, false, Instant::now());
        self.deltas.clear();
        let mut hello = json!({"type":"hello","protocol":1,"encoding":"json"});
        for (key, value) in [("max_rate", self.max_rate), ("max_bytes_per_second", self.bytes_per_second)] {
            if let Some(value) = value {
                hello[key] = json!(value);
            }
        }
        if let Some(epoch) = &self.epoch {
            hello["epoch"] = epoch.clone();
        }
        self.say(&hello);
        let mut subscribe = json!({"type":"subscribe","id":1,"view":self.spec});
        if let Some(at) = self.view.at {
            subscribe["since"] = json!(at);
        }
        // What half came before is worth nothing; the map that was reached is.
        self.view.parts.clear();
        self.say(&subscribe);
    }

    /// Takes what the link carries in one step.
    fn take(&mut self, mut bytes_max: usize) {
        while bytes_max > 0 {
            let Some(message) = self.link.as_mut().and_then(Link::heard) else { break };
            bytes_max = bytes_max.saturating_sub(message.len());
            self.received += message.len();
            self.check_limits();
            self.hear(&serde_json::from_slice(&message).unwrap());
        }
        if self.says_seen && self.received > self.seen {
            self.seen = self.received;
            self.say(&json!({"type":"seen","bytes":self.seen}));
        }
    }

    fn check_limits(&self) {
        // One frame may be under way when a limit is met; alerts and pulses go out whatever holds.
        const SLACK: usize = 2_000;
        if self.view.kind == "alerts" {
            return;
        }
        if !self.says_seen {
            assert!(self.received <= 4_096 + SLACK, "{} bytes and none was said to be seen", self.received);
        }
        if let Some(limit) = self.bytes_per_second {
            let may = limit as f64 * (self.began.elapsed().as_secs_f64() + 1.0);
            assert!(self.received as f64 <= may + SLACK as f64, "{} bytes, {may} were allowed", self.received);
        }
    }

    fn hear(&mut self, message: &Value) {
        match message["type"].as_str() {
            Some("welcome") => self.epoch = Some(message["epoch"].clone()),
            Some("pulse" | "pace" | "subscribed") => {}
            Some("error" | "goaway") => panic!("{message}"),
            _ => {
                let is_delta = message.get("d").is_some();
                self.frames += 1;
                let whole = self.view.apply(message);
                self.first_at = self.first_at.or(self.view.at);
                if is_delta && whole {
                    self.note_delta();
                }
            }
        }
    }

    fn note_delta(&mut self) {
        let Some(rate) = self.max_rate.filter(|_| self.view.kind != "alerts") else { return };
        let now = Instant::now();
        self.deltas.push_back(now);
        self.deltas.retain(|at| now - *at < Duration::from_secs(1));
        // A slow link may carry those of two seconds in one.
        if self.link_bytes_per_step == 1 << 20 {
            assert!(self.deltas.len() as u64 <= rate + 1, "{} deltas in a second, {rate} asked", self.deltas.len());
        }
    }

    fn live(&mut self, world: &mut World) {
        match world.dice.roll(100) {
            0 if self.link.is_some() => self.link = None,
            1..=9 if self.link.is_none() => self.connect(world),
            10 if self.link.is_some() => {
                self.paused = !self.paused;
                self.say(&json!({"type": if self.paused { "pause" } else { "continue" }}));
            }
            _ => {}
        }
        self.take(self.link_bytes_per_step);
    }

    /// Comes back if it must, is patient, and stands at the truth then.
    async fn settle(&mut self, world: &World) {
        self.says_seen = true;
        if self.link.is_none() || self.paused {
            self.connect(world);
        }
        let mut quiet_since = Instant::now();
        while quiet_since.elapsed() < QUIET {
            sleep(STEP).await;
            let before = self.frames;
            self.take(1 << 20);
            if self.frames != before {
                quiet_since = Instant::now();
            }
        }
    }
}

async fn newcomer(world: &World, viewer: &Viewer) -> ClientView {
    let mut fresh = Viewer {
        view: ClientView::new(viewer.view.kind),
        spec: viewer.spec.clone(),
        max_rate: None,
        bytes_per_second: None,
        ..Viewer::new(&mut Dice(0))
    };
    fresh.settle(world).await;
    fresh.view
}

/// Every change of an alert after the first snapshot, each once and in order, but where a gap was told.
fn check_events(world: &World, viewer: &Viewer, seed: u64) {
    let told: Vec<u64> = viewer.view.events.iter().map(|event| event.0).collect();
    assert!(told.is_sorted_by(|one, next| one < next), "seed {seed}: in order, each once: {told:?}");
    if viewer.view.kind != "alerts" || viewer.view.gaps.iter().any(|gap| gap["done"] == "snapshot") {
        return;
    }
    let Some(first) = viewer.first_at else { return };
    let happened = world.past.events.lock();
    let owed: Vec<u64> = happened.iter().map(|event| event.position.0).filter(|&at| at > first).collect();
    assert_eq!(told, owed, "seed {seed}: no change of an alert is left out");
}

async fn simulate(seed: u64) -> usize {
    let mut world = World::new(seed);
    let mut viewers: Vec<Viewer> = (0..4).map(|_| Viewer::new(&mut world.dice)).collect();
    for _ in 0..STEPS {
        for _ in 0..world.dice.roll(4) {
            world.happen();
        }
        for viewer in &mut viewers {
            viewer.live(&mut world);
        }
        sleep(STEP).await;
    }
    let mut filled = 0;
    for viewer in &mut viewers {
        viewer.settle(&world).await;
        let truth = newcomer(&world, viewer).await;
        assert_eq!(viewer.view.map, truth.map, "seed {seed}: {} ends at the truth", viewer.spec);
        check_events(&world, viewer, seed);
        filled += viewer.view.gaps.iter().filter(|gap| gap["done"] == "store").count();
    }
    filled
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_to_a_link_its_viewer_ends_at_the_truth_and_is_sent_no_more_than_it_may_be() {
    let mut filled = 0;
    for seed in 0..SEEDS {
        filled += simulate(seed).await;
    }
    assert!(filled > 0, "some receipts of alerts were filled from the store");
}
