//! A node, as the program runs it, taken step by step, and what happens to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tidegate_broker::SessionStoreConfig;
use tidegate_decode::{DecodeConfig, FormatChoice, SameTime, SourceConfig};
use tidegate_follow::Names;
use tidegate_log::LogConfig;
use tidegate_node::{Batch, NodeConfig, Steps};
use tidegate_process::{Condition, ProcessConfig, Rule};
use tidegate_push::Hub;
use tidegate_store::{Store, StoreConfig};
use tidegate_telemetry::{
    AlertChange, AlertState, Change, Entry, Intent, Position, Publication, Qos, Reason, Severity, TimeOrigin,
};
use tidegate_testing::Dice;
use tidegate_views::read::{AlertsQuery, Device, DevicesQuery, Group};

use crate::devices::{Fleet, Meant, NAME_BYTES_MAX, Said, TEXT_BYTES_MAX};
use crate::oracle::{History, Known, Limits, Oracle, Taken};
use crate::viewers::Viewers;

/// Shortly before a month turns: hours, days and months do.
const BEGIN_MS: i64 = 1_798_755_000_000;

/// What views believe the time is, Unix ms.
static NOW_MS: AtomicI64 = AtomicI64::new(BEGIN_MS);

pub struct World {
    pub dice: Dice,
    pub oracle: Oracle,
    pub viewers: Viewers,
    pub now_ms: i64,
    /// Problems by reason and topic, as they were told; by a replay once more.
    pub told: Told,
    /// Every change of an alert, by position; one entry may make several.
    pub alerts: BTreeMap<u64, Vec<(String, AlertState)>>,
    /// Whose alerts they are.
    alerts_of: BTreeMap<String, String>,
    /// Series that were erased, whether or not their device came back.
    pub erased: BTreeSet<(String, String)>,
    _directory: TempDir,
    config: NodeConfig,
    /// `None` between two lives.
    node: Option<Steps>,
    fleet: Fleet,
    /// What each entry of the log means, if it is a publication.
    log: Vec<Option<Meaning>>,
    /// The last publication that may come again, and where it stands.
    last_sent: Option<(Publication, Said, Position)>,
    /// Processing knows the messages from there on when they come again.
    remembered_from: Position,
    checkpoint: Option<Checkpoint>,
    /// What there was when history was last written.
    in_files: (History, Told),
    /// Up to where history was written.
    flushed: Position,
    names: Names,
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

/// The file, and what the map knew then.
#[derive(Clone)]
struct Checkpoint {
    state: Vec<u8>,
    devices: BTreeMap<String, Known>,
    names: Names,
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
        let store =
            StoreConfig { retention_age_days, late_parts_max: 2 + dice.roll(5) as usize, ..StoreConfig::default() };
        let limits = Limits {
            devices_max: [4, 100][dice.roll(2) as usize],
            metrics_per_device_max: [5, 100][dice.roll(2) as usize],
            future_max_ms: 60_000,
            retention_ms: i64::from(retention_age_days) * 86_400_000,
            corrects: dice.one_in(4),
        };
        let same_time = if limits.corrects { SameTime::Last } else { SameTime::Each };
        let everywhere = "#".to_owned();
        let decode = DecodeConfig {
            sources: vec![SourceConfig {
                topic: everywhere,
                format: FormatChoice::Auto,
                timezone: None,
                same_time,
                device_tags: None,
            }],
            text_bytes_max: TEXT_BYTES_MAX,
            name_bytes_max: NAME_BYTES_MAX,
            names_cached_max: [3, 65_536][dice.roll(2) as usize],
            ..DecodeConfig::default()
        };
        let process = ProcessConfig {
            devices_max: limits.devices_max,
            metrics_per_device_max: limits.metrics_per_device_max,
            forget_after: dice.one_in(2).then_some(Duration::from_secs(1_800)),
            rules: rules(),
            ..ProcessConfig::default()
        };
        // An entry at a time is looked at; nothing that a file of before needs is trimmed away.
        let log =
            LogConfig { read_entries_max: 1, segment_bytes: 16 << 20, disk_reserve_bytes: 0, ..LogConfig::default() };
        let sessions = SessionStoreConfig::default();
        let mut config = NodeConfig { store, decode, process, log, sessions, ..NodeConfig::new(PathBuf::new()) };
        config.keep_in(directory.path().to_owned());
        // Nobody is owed anything.
        config.sessions.directory = None;
        let now_ms = BEGIN_MS + dice.roll(7_200_000) as i64;
        let fleet = Fleet::new(&mut dice);
        let mut world = World {
            oracle: Oracle::new(limits),
            viewers: Viewers::new(&mut dice),
            now_ms,
            told: BTreeMap::new(),
            alerts: BTreeMap::new(),
            alerts_of: BTreeMap::new(),
            erased: BTreeSet::new(),
            _directory: directory,
            config,
            node: None,
            fleet,
            log: Vec::new(),
            last_sent: None,
            remembered_from: Position::START,
            checkpoint: None,
            in_files: Default::default(),
            flushed: Position::START,
            names: Names::default(),
            dice,
        };
        world.live();
        world.put_rules();
        let World { node, viewers, .. } = &mut world;
        node.as_ref().expect("it lives").hub().write(|views| viewers.connect(views));
        world
    }

    fn node(&self) -> &Steps {
        self.node.as_ref().expect("it lives")
    }

    pub fn store(&self) -> &Store {
        self.node().store()
    }

    pub fn hub(&self) -> &Hub {
        self.node().hub()
    }

    /// Opens the node on what the files have.
    fn live(&mut self) {
        NOW_MS.store(self.now_ms, Ordering::Relaxed);
        let (config, clock) = (self.config.clone(), || NOW_MS.load(Ordering::Relaxed));
        let node = Steps::open(&config, self.now_ms, clock, &mut |batch| self.see(batch)).unwrap();
        self.node = Some(node);
    }

    /// As at each start of the program.
    fn put_rules(&mut self) {
        for intent in self.node().rules_to_change(self.now_ms) {
            self.append(Entry::Intent(intent), None);
        }
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
            10 if self.dice.one_in(3) => self.erase(),
            10 => self.acknowledge(),
            11..=16 => {
                let World { node, viewers, dice, .. } = self;
                node.as_ref().expect("it lives").hub().write(|views| viewers.step(dice, views));
            }
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
        let raised = self.hub().read(|views| views.alerts(&query).alerts);
        let Some(alert) = raised.first() else { return };
        let (received_ms, alert, by) = (self.now_ms, alert.id.to_string(), "Ünal \"<b>\"".to_owned());
        self.append(Entry::Intent(Intent::AcknowledgeAlert { received_ms, alert, by, comment: None }), None);
    }

    /// Somebody wants that nothing stays of a device: of one that is there, or that history alone knows.
    fn erase(&mut self) {
        let known: BTreeSet<String> = self.oracle.history.keys().map(|(device, _)| device.clone()).collect();
        if known.is_empty() {
            return;
        }
        let chosen = self.dice.roll(known.len() as u64) as usize;
        let device = known.into_iter().nth(chosen).expect("it is one of them");
        let (received_ms, by) = (self.now_ms, "ann".to_owned());
        self.append(Entry::Intent(Intent::EraseDevice { received_ms, by, device }), None);
    }

    /// Has the map follow an erasure; its history has, where the files do.
    fn see_erased(&mut self, position: Position, device: &str, was_there: bool, in_files: bool) {
        if was_there && self.oracle.devices.is_empty() {
            // It was the client's last one.
            self.remembered_from = position;
        }
        if in_files {
            return;
        }
        let World { oracle, erased, alerts, alerts_of, .. } = self;
        let series: Vec<_> = oracle.history.keys().filter(|(of, _)| of == device).cloned().collect();
        series.iter().for_each(|series| drop(oracle.history.remove(series)));
        erased.extend(series);
        alerts
            .values_mut()
            .for_each(|changes| changes.retain(|(id, _)| alerts_of.get(id).is_none_or(|of| of != device)));
        alerts.retain(|_, changes| !changes.is_empty());
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
        self.log.push(meaning);
        let mut node = self.node.take().expect("it lives");
        node.append(entry, &mut |batch| self.see(batch)).unwrap();
        self.node = Some(node);
    }

    /// Has the map follow an entry that was processed.
    fn see(&mut self, batch: &Batch) {
        let [(position, entry)] = batch.entries.as_slice() else { panic!("{} entries at once", batch.entries.len()) };
        let (output, changes) =
            (&batch.output, batch.changes.entries().next().map_or(&[][..], |(_, _, changes)| changes));
        let meaning = self.log[position.0 as usize - 1].clone();
        let in_files = *position <= self.flushed;
        if !in_files {
            self.alerts.remove(&position.0);
        }
        let (mut erased, mut removed) = (None, false);
        // Who is forgotten is so before the entry is looked at.
        for change in changes {
            match change {
                Change::Removed { device } => {
                    removed = true;
                    drop(self.oracle.devices.remove(&**self.names.device(*device).expect("it was named")));
                }
                Change::Erased { device, .. } => erased = Some(device.clone()),
                Change::Alert(alert) if !in_files => {
                    self.alerts_of.insert(alert.id.to_string(), alert.device_id.to_string());
                    self.alerts.entry(position.0).or_default().push((alert.id.to_string(), alert.state));
                }
                _ => {}
            }
            self.names.learn(change);
        }
        if let Some(device) = erased {
            self.see_erased(*position, &device, removed, in_files);
        }
        if let Some(Meaning { said, came_at }) = meaning {
            let is_again = came_at.is_some_and(|came_at| came_at > self.remembered_from);
            let taken =
                if is_again { Taken::default() } else { self.oracle.take(&said, entry.received_ms(), in_files) };
            let counts = &output.counts;
            assert_eq!(
                (counts.values, counts.values_duplicate, !output.problems.is_empty(), counts.publications_redelivered),
                (taken.values.len() as u64, taken.repeated, taken.told, u64::from(is_again)),
                "{said:#?}\n{:#?}\n{changes:#?}",
                output.problems,
            );
            let cells = changes.iter().flat_map(|change| match change {
                Change::Reading(reading) => reading.cells.as_slice(),
                _ => &[],
            });
            for (cell, is_new) in cells.zip(taken.values) {
                assert!(!cell.is_new || is_new != Some(false), "{cell:?} is not new: {said:#?}");
            }
        }
        for problem in &output.problems {
            *self.told.entry((problem.reason, problem.topic.to_string())).or_default() += 1;
        }
    }

    /// Log durable, history, checkpoint.
    pub fn flush(&mut self) {
        self.node.as_mut().expect("it lives").flush().unwrap();
        self.in_files = (self.oracle.history.clone(), self.told.clone());
        self.flushed = self.position();
        let (devices, names, remembered_from) = (self.oracle.devices.clone(), self.names.clone(), self.remembered_from);
        let state = fs::read(self.checkpoint_file()).unwrap();
        self.checkpoint = Some(Checkpoint { state, devices, names, remembered_from });
    }

    fn checkpoint_file(&self) -> PathBuf {
        self.config.data.join("checkpoint")
    }

    /// As long as there is time.
    pub fn maintain(&self, budget: Duration) {
        self.node().maintain(self.now_ms, budget).unwrap();
    }

    /// Ends without a word, and starts on what the files have. `lost`: without the checkpoint; then limits may be met by
    /// others than before.
    pub fn die(&mut self, lost: bool) {
        let before = self.shown();
        self.node = None;
        self.remembered_from = Position::START;
        self.oracle.devices.clear();
        self.names = Names::default();
        (self.oracle.history, self.told) = self.in_files.clone();
        self.checkpoint.take_if(|_| lost);
        if let Some(Checkpoint { state, devices, names, remembered_from }) = self.checkpoint.clone() {
            fs::write(self.checkpoint_file(), state).unwrap();
            self.oracle.devices = devices;
            self.names = names;
            self.remembered_from = remembered_from;
        } else {
            // There may be none yet.
            let _ = fs::remove_file(self.checkpoint_file());
        }
        self.viewers.lose();
        self.live();
        if !lost {
            let (devices, groups, alerts) = self.shown();
            judge_same(&devices, &before.0);
            judge_same(&groups, &before.1);
            judge_same(&alerts, &before.2);
        }
        self.put_rules();
    }

    /// What people see of the state.
    fn shown(&self) -> (Vec<Device>, Vec<Group>, Vec<Arc<AlertChange>>) {
        let query = DevicesQuery { limit: usize::MAX, ..DevicesQuery::default() };
        let all = AlertsQuery { limit: usize::MAX, looked_at_max: usize::MAX, ..AlertsQuery::default() };
        self.hub()
            .read(|views| (views.devices(&query).devices, views.groups(None, usize::MAX).0, views.alerts(&all).alerts))
    }
}

fn judge_same<T: PartialEq + Debug>(now: &[T], before: &[T]) {
    let differs = now.iter().zip(before).find(|(now, before)| now != before);
    assert!(differs.is_none() && now.len() == before.len(), "a restart changes what is shown: {differs:#?}");
}

fn rules() -> Vec<Rule> {
    let rule = |name: &str, metric: Option<&str>, condition| Rule {
        id: Rule::configured_id(name),
        name: name.into(),
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
