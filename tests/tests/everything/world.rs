//! The rooms, wired as bridge/app wires them (pipeline, flush, replay), and what happens to them.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tidegate_decode::{DecodeConfig, Decoder, FormatChoice, SameTime, SourceConfig};
use tidegate_process::{Condition, Output, Process, ProcessConfig, RuleConfig};
use tidegate_store::{Store, StoreConfig};
use tidegate_telemetry::{
    AlertState, Change, DeviceIndex, Entry, Intent, Position, ProblemSink, Publication, Qos, Reason, Severity,
    TimeOrigin,
};
use tidegate_views::read::{AlertObject, AlertsQuery, Device, DevicesQuery, Group};
use tidegate_views::{Epoch, Views, ViewsConfig};

use crate::devices::{Fleet, Meant, NAME_BYTES_MAX, Said, TEXT_BYTES_MAX};
use crate::oracle::{History, Known, Limits, Oracle, Taken};
use crate::viewers::Viewers;
use tidegate_testing::Dice;

/// Shortly before a month turns: hours, days and months do.
const BEGIN_MS: i64 = 1_798_755_000_000;

pub struct World {
    pub dice: Dice,
    pub oracle: Oracle,
    pub store: Store,
    pub views: Views,
    pub viewers: Viewers,
    pub now_ms: i64,
    /// Problems by reason and topic, as they were told; by a replay once more.
    pub told: Told,
    /// Every change of an alert, by position; one entry may make several.
    pub alerts: BTreeMap<u64, Vec<(String, AlertState)>>,
    _directory: TempDir,
    store_config: StoreConfig,
    process_config: ProcessConfig,
    decode_config: DecodeConfig,
    decoder: Decoder,
    process: Process,
    fleet: Fleet,
    /// The log: every entry, encoded, and what a publication means.
    log: Vec<(Vec<u8>, Option<Meaning>)>,
    /// The last publication that may come again, and where it stands.
    last_sent: Option<(Publication, Said, Position)>,
    /// Processing knows the messages from there on when they come again.
    remembered_from: Position,
    checkpoint: Option<Checkpoint>,
    /// What there was when history was last written.
    in_files: (History, Told),
    names: HashMap<DeviceIndex, String>,
    epochs: u64,
}

/// What a publication means.
#[derive(Clone)]
struct Meaning {
    said: Said,
    /// Only the message there tells that it came before.
    came_at: Option<Position>,
}

/// How often something was told, by reason and topic.
type Told = BTreeMap<(Reason, String), u64>;

/// What the file has, and what the map knew then.
#[derive(Clone)]
struct Checkpoint {
    position: Position,
    /// `None`: the file is lost.
    state: Option<Vec<u8>>,
    devices: BTreeMap<String, Known>,
    remembered_from: Position,
}

impl World {
    pub fn steps_of(seed: u64) -> u64 {
        10 + Dice(!seed).roll(140)
    }

    pub fn new(seed: u64) -> World {
        let mut dice = Dice(seed);
        let directory = TempDir::new().unwrap();
        let retention_age_days = [400, 3][dice.roll(2) as usize];
        let store_config = StoreConfig {
            directory: directory.path().to_owned(),
            retention_age_days,
            late_parts_max: 2 + dice.roll(5) as usize,
            ..StoreConfig::default()
        };
        let limits = Limits {
            devices_max: [4, 100][dice.roll(2) as usize],
            metrics_per_device_max: [5, 100][dice.roll(2) as usize],
            future_max_ms: 60_000,
            retention_ms: i64::from(retention_age_days) * 86_400_000,
            corrects: dice.one_in(4),
        };
        let same_time = if limits.corrects { SameTime::Last } else { SameTime::Each };
        let everywhere = "#".to_owned();
        let decode_config = DecodeConfig {
            sources: vec![SourceConfig { topic: everywhere, format: FormatChoice::Auto, timezone: None, same_time }],
            text_bytes_max: TEXT_BYTES_MAX,
            name_bytes_max: NAME_BYTES_MAX,
            names_cached_max: [3, 65_536][dice.roll(2) as usize],
            ..DecodeConfig::default()
        };
        let process_config = ProcessConfig {
            devices_max: limits.devices_max,
            metrics_per_device_max: limits.metrics_per_device_max,
            forget_after_ms: dice.one_in(2).then_some(1_800_000),
            rules: rules(),
            ..ProcessConfig::default()
        };
        let now_ms = BEGIN_MS + dice.roll(7_200_000) as i64;
        let fleet = Fleet::new(&mut dice);
        let mut world = World {
            oracle: Oracle::new(limits),
            store: Store::open(store_config.clone()).unwrap(),
            views: views(0, now_ms),
            viewers: Viewers::new(&mut dice),
            now_ms,
            told: BTreeMap::new(),
            alerts: BTreeMap::new(),
            _directory: directory,
            store_config,
            process: Process::new(process_config.clone()),
            process_config,
            decoder: Decoder::new(decode_config.clone()),
            decode_config,
            fleet,
            log: Vec::new(),
            last_sent: None,
            remembered_from: Position::START,
            checkpoint: None,
            in_files: Default::default(),
            names: HashMap::new(),
            epochs: 0,
            dice,
        };
        world.viewers.connect(&mut world.views);
        world
    }

    pub fn step(&mut self) {
        match self.dice.roll(40) {
            0 | 1 => self.flush(),
            2 => {
                // The process dies when history is written and the checkpoint is not.
                let before = self.checkpoint.clone();
                self.flush();
                self.checkpoint = before;
                self.die(false);
            }
            3 => self.die(false),
            4 if self.dice.one_in(4) => self.die(true),
            5 | 6 => self.maintain(Duration::MAX),
            7 => self.maintain(Duration::ZERO),
            8 => self.wait(),
            9 => self.tick(),
            10 => self.acknowledge(),
            11..=16 => self.viewers.step(&mut self.dice, &mut self.views),
            17 => self.burst(),
            18 | 19 => self.send_again(),
            _ => self.publish(),
        }
    }

    fn position(&self) -> Position {
        Position(self.log.len() as u64)
    }

    fn wait(&mut self) {
        let most_ms = [5_000, 120_000, 3_600_000, 90_000_000][self.dice.roll(4) as usize];
        self.now_ms += self.dice.roll(most_ms) as i64;
        self.tick();
    }

    pub fn tick(&mut self) {
        self.append(Entry::Tick(self.now_ms), None);
    }

    fn acknowledge(&mut self) {
        let query = AlertsQuery { cleared: true, limit: 1, looked_at_max: usize::MAX, ..AlertsQuery::default() };
        let raised = self.views.alerts(&query).alerts;
        let Some(alert) = raised.first() else { return };
        let (received_ms, alert, by) = (self.now_ms, alert.id.to_string(), "Ünal \"<b>\"".to_owned());
        self.append(Entry::Intent(Intent::AcknowledgeAlert { received_ms, alert, by, comment: None }), None);
    }

    fn publish(&mut self) {
        self.now_ms += [0, 1, 700, 20_000][self.dice.roll(4) as usize];
        let said = self.fleet.says(&mut self.dice, self.now_ms);
        self.say(said);
    }

    /// One device says much between two flushes.
    fn burst(&mut self) {
        let mut said = self.fleet.says(&mut self.dice, self.now_ms);
        for _ in 0..self.dice.roll(300) {
            self.now_ms += self.dice.roll(3_000) as i64;
            if said.readings.iter().any(|meant| meant.time_ms.is_some()) || self.dice.one_in(50) {
                said = self.fleet.says(&mut self.dice, self.now_ms);
            }
            self.say(said.clone());
        }
    }

    fn say(&mut self, said: Said) {
        let packet_id = (self.log.len() % 60_000) as u16 + 1;
        let publication = Publication {
            received_ms: self.now_ms,
            client: "c".to_owned(),
            principal: "anonymous".to_owned(),
            session: 1,
            packet_id: if said.qos == Qos::AtMostOnce { 0 } else { packet_id },
            topic: said.topic.clone(),
            payload: Bytes::from(said.payload.clone()),
            qos: said.qos,
            retain: false,
            dup: false,
            properties: None,
            scope: None,
            address: None,
        };
        self.append(Entry::Publication(publication.clone()), Some(Meaning { said: said.clone(), came_at: None }));
        if said.qos == Qos::AtLeastOnce {
            self.last_sent = Some((publication, said, self.position()));
        }
    }

    /// A client has not seen the acknowledgement of its last message.
    fn send_again(&mut self) {
        let Some((sent, said, position)) = self.last_sent.clone() else { return };
        let has_no_time = |meant: &Meant| self.oracle.limits.origin(meant, sent.received_ms) == TimeOrigin::Receipt;
        let came_at = said.readings.iter().any(has_no_time).then_some(position);
        let again = Publication { received_ms: self.now_ms, dup: true, ..sent };
        self.append(Entry::Publication(again), Some(Meaning { said, came_at }));
    }

    fn append(&mut self, entry: Entry, meaning: Option<Meaning>) {
        let mut bytes = Vec::new();
        entry.encode_into(&mut bytes);
        self.log.push((bytes, meaning));
        let output = self.apply(self.position());
        let (position, received_ms) = (self.position(), self.now_ms);
        self.views.apply(position, received_ms, &output.changes, &mut |_, _| ());
        self.store.apply(position, &output.changes);
    }

    /// Processes the entry at a position, and has the map follow.
    fn apply(&mut self, position: Position) -> Output {
        let (bytes, meaning) = &self.log[position.0 as usize - 1];
        let entry = Entry::decode(bytes).unwrap();
        let mut output = Output::default();
        self.process.apply(position, &entry, self.decoder.entry(position, &entry), &mut output);
        let in_files = position <= self.store.flushed();
        if !in_files {
            self.alerts.remove(&position.0);
        }
        // Who is forgotten is so before the entry is looked at.
        for change in &output.changes {
            match change {
                Change::Device { device, id, .. } => drop(self.names.insert(*device, id.to_string())),
                Change::Removed { device } => drop(self.oracle.devices.remove(&self.names[device])),
                Change::Alert(alert) if !in_files => {
                    self.alerts.entry(position.0).or_default().push((alert.id.to_string(), alert.state));
                }
                _ => {}
            }
        }
        if let Some(Meaning { said, came_at }) = meaning {
            let is_again = came_at.is_some_and(|came_at| came_at > self.remembered_from);
            let taken = if is_again { Taken::default() } else { self.oracle.take(said, entry.received_ms(), in_files) };
            let counts = &output.counts;
            assert_eq!(
                (counts.values, counts.values_duplicate, !output.problems.is_empty(), counts.publications_redelivered),
                (taken.values.len() as u64, taken.repeated, taken.told, u64::from(is_again)),
                "{said:#?}\n{:#?}\n{:#?}",
                output.problems,
                output.changes
            );
            let cells = output.changes.iter().flat_map(|change| match change {
                Change::Reading(reading) => reading.cells.as_slice(),
                _ => &[],
            });
            for (cell, is_new) in cells.zip(taken.values) {
                assert!(!cell.is_new || is_new != Some(false), "{cell:?} is not new: {said:#?}");
            }
        }
        for problem in output.problems.drain(..) {
            *self.told.entry((problem.reason, problem.topic.to_string())).or_default() += 1;
            self.store.report(problem);
        }
        output
    }

    /// Log durable, history, checkpoint.
    pub fn flush(&mut self) {
        let state = self.process.checkpoint();
        self.store.seal(self.position()).run().unwrap();
        self.in_files = (self.oracle.history.clone(), self.told.clone());
        let (position, devices) = (self.position(), self.oracle.devices.clone());
        let remembered_from = self.remembered_from;
        self.checkpoint = Some(Checkpoint { position, state: Some(state), devices, remembered_from });
    }

    /// As long as there is time.
    pub fn maintain(&self, budget: Duration) {
        self.store.maintain_for(self.now_ms, budget).unwrap();
    }

    /// Ends without a word, and starts on what the files have. `lost`: without the checkpoint; then limits may be met by
    /// others than before.
    pub fn die(&mut self, lost: bool) {
        let before = self.shown();
        self.store = Store::open(self.store_config.clone()).unwrap();
        self.process = Process::new(self.process_config.clone());
        self.decoder = Decoder::new(self.decode_config.clone());
        self.remembered_from = Position::START;
        self.oracle.devices.clear();
        (self.oracle.history, self.told) = self.in_files.clone();
        let mut from = Position::START;
        if let Some(Checkpoint { position, state, devices, remembered_from }) = &mut self.checkpoint {
            // The log has forgotten what lies before it, also where the file is gone.
            from = *position;
            state.take_if(|_| lost);
            if let Some(state) = state {
                self.process = Process::restore(self.process_config.clone(), state).unwrap();
                self.oracle.devices = devices.clone();
                self.remembered_from = *remembered_from;
            } else {
                self.remembered_from = from;
            }
        }
        self.names.clear();
        self.learn_names();
        self.store.apply(from, &names(&self.process.snapshot()));
        for position in from.0 + 1..=self.log.len() as u64 {
            let output = self.apply(Position(position));
            self.store.apply(Position(position), &output.changes);
        }
        let snapshot = self.process.snapshot();
        self.store.apply(self.position(), &names(&snapshot));
        self.epochs += 1;
        self.viewers.lose();
        self.views = views(self.epochs, self.now_ms);
        self.views.apply(self.position(), self.now_ms, &snapshot, &mut |_, _| ());
        if !lost {
            let (devices, groups, alerts) = self.shown();
            judge_same(&devices, &before.0);
            judge_same(&groups, &before.1);
            judge_same(&alerts, &before.2);
        }
    }

    fn learn_names(&mut self) {
        for change in self.process.snapshot() {
            if let Change::Device { device, id, .. } = change {
                self.names.insert(device, id.to_string());
            }
        }
    }

    /// What people see of the state.
    fn shown(&self) -> (Vec<Device>, Vec<Group>, Vec<AlertObject>) {
        let query = DevicesQuery { limit: usize::MAX, ..DevicesQuery::default() };
        let all = AlertsQuery { limit: usize::MAX, looked_at_max: usize::MAX, ..AlertsQuery::default() };
        let alerts = self.views.alerts(&all).alerts;
        (self.views.devices(&query).devices, self.views.groups(None, usize::MAX).0, alerts)
    }
}

fn judge_same<T: PartialEq + Debug>(now: &[T], before: &[T]) {
    let differs = now.iter().zip(before).find(|(now, before)| now != before);
    assert!(differs.is_none() && now.len() == before.len(), "a restart changes what is shown: {differs:#?}");
}

fn names(snapshot: &[Change]) -> Vec<Change> {
    snapshot.iter().filter(|change| matches!(change, Change::Device { .. } | Change::Metric { .. })).cloned().collect()
}

fn views(epoch: u64, now_ms: i64) -> Views {
    let name: Arc<str> = format!("e{epoch}").into();
    Views::new(Epoch { name, time_base_ms: now_ms }, ViewsConfig::default())
}

fn rules() -> Vec<RuleConfig> {
    let rule = |name: &str, metric: Option<&str>, condition| RuleConfig {
        name: name.to_owned(),
        severity: Severity::Warning,
        metric: metric.map(str::to_owned),
        device: None,
        group: None,
        condition,
    };
    vec![
        rule("high", None, Condition::Above { threshold: 30.0, hysteresis: 1.0, for_ms: 0 }),
        rule(
            "low for a while",
            Some("temperature"),
            Condition::Below { threshold: -10.0, hysteresis: 0.0, for_ms: 20_000 },
        ),
        rule("silent", None, Condition::NoReading { for_ms: 600_000 }),
    ]
}
