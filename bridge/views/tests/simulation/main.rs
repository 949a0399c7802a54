//! The test that matters: whatever happens to a client, its map ends equal to the server's view, no delta shows what the
//! view at its version does not hold, no envelope hides an extreme, and no session that has something to send is left asleep.

#![allow(clippy::unwrap_used, missing_docs)]

mod changes;
mod counts;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use tidegate_push::Json;
use tidegate_telemetry::{AlertChange, Change, Position};
use tidegate_testing::{ClientView, CommandsOfDevices, Dice};
use tidegate_views::{
    Epoch, Frame, StreamPosition, SubscriberId, Subscription, UpdateSpec, ViewSpec, Views, ViewsConfig,
};

/// Positions as numbers, to count with.
const JSON: Json = Json::PROTOCOL_1;

const BASE_MS: i64 = 1_704_700_000_000;
/// Groups of devices; the last two lie too deep to have branches of their own.
const GROUPS: [&str; 5] =
    ["a", "a/b", "c", "d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/e", "d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/f"];

/// One client and its only view.
struct Client {
    subscriber: SubscriberId,
    /// It had everything when it was served last: only a wake-up means that there is more.
    is_quiet: bool,
    spec: ViewSpec,
    view: ClientView,
    subscription: Option<Subscription>,
    /// The list as the client changed it.
    names: Vec<String>,
    /// A change of the list may not have been answered yet: the position belongs to the list before.
    list_pending: bool,
    bytes_max: usize,
    /// Rows that the client was told to drop, and versions at which rows came that it did not have: what such a device
    /// went through before is not owed.
    left: BTreeSet<u64>,
    joined: BTreeMap<u64, u64>,
    /// Version of what the client has of each device, where that is not its position.
    told: BTreeMap<String, u64>,
    /// Devices that it was told to drop by parts of a delta that is not whole, and the versions above of them.
    dropped: BTreeMap<String, Option<u64>>,
    /// It came back, and has had no delta since.
    has_resumed: bool,
}

struct World {
    dice: Dice,
    views: Views,
    version: u64,
    now_ms: i64,
    /// Devices by number; the numbers, and some of the names, of those that were forgotten come again.
    devices: Vec<Option<Known>>,
    appeared: usize,
    /// Version and Unix ms at which the device that has an identifier now appeared.
    lives: BTreeMap<String, (u64, i64)>,
    /// Version and device of each change of a group.
    moves: Vec<(u64, String)>,
    linger_ms: i64,
    /// Promised values: version, device, column, value.
    promised: Vec<(u64, String, usize, f64)>,
    alerts: Vec<AlertChange>,
    commands: CommandsOfDevices,
    /// An entry of which only the figures of groups were applied.
    begun: Option<(u64, Vec<Change>)>,
    clients: u32,
    /// Sessions that were woken and not served since.
    woken: BTreeSet<SubscriberId>,
}

#[derive(Clone)]
struct Known {
    id: String,
    group: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let linger_ms = 1 + dice.roll(20_000) as i64;
        let config = ViewsConfig {
            membership_entries_max: 1 + dice.roll(32) as usize,
            alert_events_max: 4 + dice.roll(40) as usize,
            cleared_alert_time: Duration::from_secs(5),
            cleared_alerts_max: 1 + dice.roll(12) as usize,
            alert_burst_min: [0, 2, 3, 5][dice.roll(4) as usize],
            alert_burst_window: Duration::from_millis(dice.roll(8_000)),
            envelope_linger: Duration::from_millis(linger_ms.unsigned_abs()),
            rows_per_lock: 1 + dice.roll(6) as usize,
            ..ViewsConfig::default()
        };
        let epoch = Epoch { name: "e".into(), time_base_ms: BASE_MS };
        let views = Views::new(epoch, config);
        let mut world = World {
            dice,
            views,
            version: 0,
            now_ms: BASE_MS,
            devices: Vec::new(),
            appeared: 0,
            lives: BTreeMap::new(),
            moves: Vec::new(),
            linger_ms,
            promised: Vec::new(),
            alerts: Vec::new(),
            commands: CommandsOfDevices::default(),
            begun: None,
            clients: 0,
            woken: BTreeSet::new(),
        };
        // The device whose commands are watched stays.
        let first = world.appear();
        world.views.apply(Position(0), BASE_MS, &first, &mut |_, _| ());
        world
    }

    /// One entry of the log, with one to three changes; sometimes the figures of groups come ahead.
    fn happen(&mut self) {
        self.finish();
        let before = self.version;
        self.version += 1 + self.dice.roll(2);
        self.now_ms += self.dice.roll(1_500) as i64;
        let changes: Vec<Change> = (0..=self.dice.roll(3)).flat_map(|_| self.change()).collect();
        let (figures, rest): (Vec<Change>, Vec<Change>) = changes.into_iter().partition(|it| it.group().is_some());
        self.begun = Some((self.version, rest));
        self.views.apply_figures(Position(self.version), &figures);
        if self.dice.one_in(4) {
            self.version = before;
        } else {
            self.finish();
        }
    }

    /// Applies the rest of an entry.
    fn finish(&mut self) {
        let Some((version, changes)) = self.begun.take() else { return };
        self.version = version;
        self.views
            .apply(Position(version), self.now_ms, &changes, &mut |subscriber, _| _ = self.woken.insert(subscriber));
    }

    fn client(&mut self) -> Client {
        let names: Vec<String> = (0..12).map(|_| self.name()).collect();
        let (kind, spec) = match self.dice.roll(18) {
            0 | 1 => (
                "devices",
                ViewSpec::Devices {
                    devices: Some(names.clone()),
                    group: None,
                    metrics: None,
                    after: None,
                    limit: None,
                    hidden: false,
                },
            ),
            2 => ("devices", ViewSpec::Device { device: names[0].clone(), metrics: None }),
            3 => (
                "devices",
                ViewSpec::Devices {
                    devices: None,
                    group: Some(self.group()),
                    metrics: None,
                    after: None,
                    limit: None,
                    hidden: false,
                },
            ),
            4 | 16 | 17 => (
                "devices",
                ViewSpec::Devices {
                    devices: None,
                    group: Some(self.group()),
                    metrics: None,
                    after: self.dice.one_in(2).then(|| format!("site/dev{}", self.dice.roll(3))),
                    limit: Some(self.dice.roll(9) as usize),
                    hidden: self.dice.one_in(2),
                },
            ),
            5 => (
                "fleet",
                ViewSpec::Fleet { group: self.group(), metric: Some("m1".into()), heard: false, hidden: false },
            ),
            10 => ("fleet", ViewSpec::Fleet { group: String::new(), metric: None, heard: true, hidden: true }),
            6 => ("group", ViewSpec::Group { group: String::new(), depth: 1, metrics: None }),
            11 => ("group", ViewSpec::Group { group: "a".into(), depth: 0, metrics: None }),
            12 => ("group", ViewSpec::Group { group: "a".into(), depth: 9, metrics: Some(vec!["t".into()]) }),
            7 => ("commands", ViewSpec::Commands { device: None, limit: Some(1 + self.dice.roll(6) as usize) }),
            8 => ("commands", ViewSpec::Commands { device: Some("dev0".into()), limit: Some(3) }),
            9 => {
                let group = ["a", "a/b", "c"][self.dice.roll(3) as usize].into();
                ("alerts", ViewSpec::Alerts { group, device: None, limit: None })
            }
            13 => {
                let device = Some("site/dev0".into());
                ("alerts", ViewSpec::Alerts { group: String::new(), device, limit: Some(2) })
            }
            _ => {
                let limit = Some(1 + self.dice.roll(6) as usize);
                ("alerts", ViewSpec::Alerts { group: String::new(), device: None, limit })
            }
        };
        let bytes_max = [400, 1_500, 16_384][self.dice.roll(3) as usize];
        self.clients += 1;
        Client {
            subscriber: SubscriberId(self.clients),
            is_quiet: false,
            spec,
            view: ClientView::new(kind),
            subscription: None,
            names,
            list_pending: false,
            bytes_max,
            left: BTreeSet::new(),
            joined: BTreeMap::new(),
            told: BTreeMap::new(),
            dropped: BTreeMap::new(),
            has_resumed: false,
        }
    }

    fn group(&mut self) -> String {
        ["", "a", "a/b", "c", "nobody/here", "d/d", GROUPS[3]][self.dice.roll(7) as usize].into()
    }

    fn name(&mut self) -> String {
        let number = self.dice.roll(30);
        if self.dice.one_in(2) { format!("dev{number}") } else { format!("site/dev{number}") }
    }

    /// Connects, or comes back.
    fn connect(&mut self, client: &mut Client) {
        if let ViewSpec::Devices { devices: Some(devices), .. } = &mut client.spec {
            devices.clone_from(&client.names);
        }
        let epoch = if self.dice.one_in(20) { "another" } else { "e" };
        let at = client.view.at.filter(|_| !std::mem::take(&mut client.list_pending));
        let since = at.map(|at| StreamPosition { epoch, version: at });
        let view = ClientView::new(client.view.kind);
        // The frames of a half-received snapshot are worth nothing; the map that was reached is.
        client.view = ClientView { at, map: std::mem::take(&mut client.view.map), ..view };
        client.subscription = Some(self.views.open(client.subscriber, 1, &client.spec, since).unwrap());
        client.is_quiet = false;
        (client.told, client.dropped) = (BTreeMap::new(), BTreeMap::new());
        client.has_resumed = since.is_some();
    }

    /// Sends the client one message; `false` when there is none.
    fn serve(&mut self, client: &mut Client) -> bool {
        let Some(subscription) = &mut client.subscription else { return false };
        let mut out = Vec::new();
        let is_woken = self.woken.remove(&client.subscriber);
        let frame = loop {
            match self.views.frame(subscription, &JSON, &mut out, client.bytes_max) {
                Frame::MustFollow => {
                    self.views.follow(subscription);
                    if subscription.must_follow() && self.dice.one_in(2) {
                        // Others get between.
                        client.is_quiet = false;
                        return true;
                    }
                }
                Frame::WantsEvents { after, through } => {
                    // A store that has none of them: the client is told, and gets a snapshot.
                    self.views.supply_events(subscription, (after, through), Vec::new(), false);
                }
                frame => break frame,
            }
        };
        // Who looks unasked may see figures ahead of their entry, which then wakes it and has them again.
        let was_asleep = std::mem::take(&mut client.is_quiet) && !is_woken && self.begun.is_none();
        // A receipt, that what others lost is forgotten, is given to who looks.
        let (shown, has_news) =
            (String::from_utf8_lossy(&out), frame == Frame::Written && !out.starts_with(b"{\"type\":\"gap\""));
        assert!(!was_asleep || !has_news, "{:?} was not woken for {shown}", client.spec);
        client.is_quiet = self.begun.is_none()
            && (frame == Frame::Nothing || !subscription.has_more() && subscription.at() == self.views.position());
        if frame == Frame::Nothing {
            client.list_pending = false;
            return false;
        }
        assert!(out.len() <= client.bytes_max.max(1_200), "{} bytes: {}", out.len(), String::from_utf8_lossy(&out));
        let message: Value = serde_json::from_slice(&out).unwrap();
        self.note_joined(&message, client);
        self.check_envelopes(&message, client);
        self.check_counts(&message, client);
        let in_one_part = message["part"] == 0 || message.get("d").is_some();
        let stands = client.view.apply(&message);
        if stands
            && in_one_part
            && !client.subscription.as_ref().unwrap().has_more()
            && client.view.at == Some(self.version)
        {
            self.compare(client);
        }
        true
    }

    /// Everything that is due is sent; then the client's map is the server's view.
    fn settle(&mut self, client: &mut Client) {
        self.finish();
        for _ in 0..10_000 {
            if !self.serve(client) {
                return self.compare(client);
            }
        }
        panic!("a view never comes to rest: {:?}", client.spec);
    }

    /// The map is what a newcomer would see.
    fn compare(&mut self, client: &Client) {
        let mut spec = client.spec.clone();
        if let ViewSpec::Devices { devices: Some(devices), .. } = &mut spec {
            devices.clone_from(&client.names);
        }
        let mut subscription = self.views.open(SubscriberId(0), 2, &spec, None).unwrap();
        let mut fresh = ClientView::new(client.view.kind);
        let mut out = Vec::new();
        loop {
            match self.views.frame(&mut subscription, &JSON, &mut out, 1 << 20) {
                Frame::Written => _ = fresh.apply(&serde_json::from_slice(&out).unwrap()),
                Frame::MustFollow => self.views.follow(&mut subscription),
                _ => break,
            }
            out.clear();
        }
        self.views.close(subscription);
        let keys = client.view.map.keys().chain(fresh.map.keys());
        for key in keys {
            let (has, should) = (client.view.map.get(key), fresh.map.get(key));
            assert_eq!(has, should, "{key} of {:?} at {:?} of {}", client.spec, client.view.at, self.version);
        }
    }

    fn note_joined(&self, message: &Value, client: &mut Client) {
        if client.view.kind != "devices" || message.get("d").is_none() {
            return;
        }
        client.left.extend(message["x"].as_array().into_iter().flatten().filter_map(Value::as_u64));
        for row in message["a"].as_array().into_iter().flatten().filter_map(|row| row["row"].as_u64()) {
            if client.left.remove(&row) || !client.view.map.contains_key(&row.to_string()) {
                client.joined.insert(row, self.version);
            }
        }
    }

    fn check_envelopes(&self, message: &Value, client: &Client) {
        if client.view.kind != "devices" || message.get("d").is_none() {
            return;
        }
        let (from, to) = (message["d"][1].as_u64().unwrap(), message["d"][2].as_u64().unwrap());
        for row in message["r"].as_array().into_iter().flatten() {
            for (column, cell) in row.as_array().unwrap()[2..].iter().enumerate().filter(|(_, cell)| !cell.is_null()) {
                let figure = |key: &str| cell.get(key).unwrap_or(cell).as_f64();
                let (low, high) = (figure("lo"), figure("hi"));
                let (low, high) = (low.unwrap_or(f64::INFINITY), high.unwrap_or(f64::NEG_INFINITY));
                let newest = figure("v").unwrap_or(low);
                let number = row[0].as_u64().unwrap();
                let Some(device) = client.view.map.get(&number.to_string()).map(|row| &row["id"]) else { continue };
                // A part of a snapshot that came late shows what was newest then.
                let had = client.told.get(device.as_str().unwrap()).copied().unwrap_or(0);
                let owed_after = from.max(client.joined.get(&number).copied().unwrap_or(0)).max(had);
                let between = self.promised.iter().filter(|(version, of, at, _)| {
                    *version > owed_after && *version <= to && *device == **of && *at == column
                });
                for (_, _, _, value) in between {
                    assert!(low.min(newest) <= *value && *value <= high.max(newest), "{value} is hidden: {message}");
                }
            }
        }
    }
}

fn step(world: &mut World, client: &mut Client) {
    match world.dice.roll(12) {
        0 => {
            // The connection breaks, at whatever step.
            if let Some(subscription) = client.subscription.take() {
                world.views.close(subscription);
            }
        }
        1 | 2 if client.subscription.is_none() => world.connect(client),
        3 if matches!(client.spec, ViewSpec::Devices { devices: Some(_), .. }) && client.subscription.is_some() => {
            let (added, removed) =
                (world.name(), client.names[world.dice.roll(client.names.len() as u64) as usize].clone());
            let change =
                UpdateSpec { add: vec![added.clone()], remove: vec![removed.clone()], ..UpdateSpec::default() };
            world.views.update(client.subscription.as_mut().unwrap(), &change).unwrap();
            let is_removed = |name: &String| name.trim_start_matches("site/") == removed.trim_start_matches("site/");
            (client.list_pending, client.is_quiet) = (true, false);
            client.names.retain(|name| !is_removed(name));
            client.names.push(added);
        }
        4..=8 => {
            world.serve(client);
        }
        // Asleep, or behind a slow link.
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_clients_final_map_equals_the_servers_view(seed in any::<u64>()) {
        let mut world = World::new(seed);
        let mut clients: Vec<Client> = (0..6).map(|_| world.client()).collect();
        for _ in 0..120 {
            world.happen();
            for client in &mut clients {
                step(&mut world, client);
            }
        }
        for client in &mut clients {
            if client.subscription.is_none() {
                world.connect(client);
            }
            world.settle(client);
        }
    }
}

#[test]
fn the_random_histories_give_the_rows_of_forgotten_devices_to_others() {
    let (mut appeared, mut rows) = (0, 0);
    for seed in 0..20 {
        let mut world = World::new(seed);
        (0..500).for_each(|_| world.happen());
        let mut client = world.client();
        (client.spec, client.view) = (
            ViewSpec::Fleet { group: String::new(), metric: None, heard: true, hidden: true },
            ClientView::new("fleet"),
        );
        world.connect(&mut client);
        world.settle(&mut client);
        appeared += world.appeared;
        rows += client.view.map.keys().map(|row| row.parse::<usize>().unwrap() + 1).max().unwrap();
    }
    assert!(appeared > 2 * rows, "{appeared} devices on {rows} rows");
}

#[test]
fn twenty_thousand_subscriptions_come_and_go_among_changes() {
    let mut world = World::new(7);
    for round in 0..20_000 {
        if round % 4 == 0 {
            world.happen();
        }
        let mut client = world.client();
        world.connect(&mut client);
        for _ in 0..world.dice.roll(3) {
            world.serve(&mut client);
        }
        world.views.close(client.subscription.take().unwrap());
    }
}
