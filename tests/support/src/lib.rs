//! What the simulations of several rooms share: a client of the live protocol as docs/protocol.md describes it (it keeps
//! a map for each view and applies frames), commands that come, get on and are forgotten, and the dice; and what their tests
//! begin with: a publication, and the CPU time of a thread.

#![allow(clippy::unwrap_used, reason = "a test that finds something missing has failed")]

pub mod sparkplug;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tidegate_telemetry::{Change, Command, CommandId, CommandRequest, CommandState, Position, Publication, Qos};

/// A publication with QoS 1 of the client `c1`, received at 2024-01-08 13:44:00 UTC; what a test is about it changes.
#[must_use]
pub fn publication(topic: &str, payload: impl Into<Vec<u8>>) -> Publication {
    Publication {
        received_ms: 1_704_723_840_000,
        client: "c1".into(),
        principal: "anonymous".into(),
        session: 1,
        packet_id: 1,
        topic: topic.into(),
        payload: Bytes::from(payload.into()),
        qos: Qos::AtLeastOnce,
        retain: false,
        dup: false,
        properties: None,
        scope: None,
        address: None,
    }
}

/// CPU time of this thread so far, ns.
#[must_use]
pub fn cpu_ns() -> u64 {
    // The system brings the figure up to date when it looks who is to run.
    std::thread::yield_now();
    let figures = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    figures.split(' ').next().unwrap().parse().unwrap()
}

/// A small generator (splitmix64): the seed is all there is.
pub struct Dice(pub u64);

impl Dice {
    /// One of so many numbers, from 0 on.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    /// `true` once in so many times.
    pub fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

/// Commands to `site/dev0` and `site/dev1`.
#[derive(Default)]
pub struct CommandsOfDevices {
    begun: u64,
    known: Vec<Command>,
}

impl CommandsOfDevices {
    /// One is asked for, gets a step further, or is forgotten; or all are.
    pub fn change(&mut self, dice: &mut Dice, now_ms: i64) -> Vec<Change> {
        if dice.one_in(12) {
            return self.known.drain(..).map(|command| Change::CommandForgotten(command.id)).collect();
        }
        let at = dice.roll(self.known.len().max(1) as u64) as usize;
        let change = match dice.roll(7) {
            0 if !self.known.is_empty() => Change::CommandForgotten(self.known.swap_remove(at).id),
            1 | 2 if !self.known.is_empty() => {
                let states = [CommandState::Sent, CommandState::Delivered, CommandState::Answered];
                let command = &mut self.known[at];
                let state = states[(command.steps.len() - 1).min(2)];
                command.steps.retain(|(before, _)| *before != state);
                command.steps.push((state, now_ms));
                command.answer = (state == CommandState::Answered).then(|| Bytes::from(now_ms.to_string()));
                Change::Command(Arc::new(command.clone()))
            }
            _ => {
                self.begun += 1;
                self.known.push(command(self.begun, &format!("site/dev{}", dice.roll(2)), now_ms));
                Change::Command(Arc::new(self.known.last().unwrap().clone()))
            }
        };
        vec![change]
    }
}

/// One that was just accepted.
pub fn command(id: u64, device: &str, now_ms: i64) -> Command {
    let request = CommandRequest {
        device: device.into(),
        topic: format!("{device}/command").into(),
        payload: Bytes::from_static(b"open"),
        content_type: Some("text/plain".into()),
        qos: Qos::AtLeastOnce,
        response_topic: format!("{device}/response").into(),
        expires_in_s: 60,
        key: None,
    };
    Command {
        id: CommandId(Position(id)),
        request,
        by: "Ann".into(),
        deadline_ms: now_ms + 60_000,
        steps: [(CommandState::Accepted, now_ms)].into_iter().collect(),
        client: None,
        refusal: None,
        answer: None,
    }
}

/// What one subscription shows.
#[derive(Debug, Clone)]
pub struct ClientView {
    /// What it shows: `devices`, `fleet`, `group`, `alerts`, `commands` or `series`.
    pub kind: &'static str,
    /// The position that was reached; `None` before the first snapshot is complete.
    pub at: Option<u64>,
    /// Cells by key, in one form for snapshots and deltas.
    pub map: BTreeMap<String, Value>,
    /// Events of alerts, as (position, identifier, state).
    pub events: Vec<(u64, String, String)>,
    /// What was told to be missing, as it was told.
    pub gaps: Vec<Value>,
    /// Names that fit no device.
    pub missing: Vec<String>,
    /// Parts of a message that is not complete yet.
    pub parts: Vec<Value>,
}

impl ClientView {
    /// A view that has received nothing.
    pub fn new(kind: &'static str) -> Self {
        ClientView {
            kind,
            at: None,
            map: BTreeMap::new(),
            events: Vec::new(),
            gaps: Vec::new(),
            missing: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Applies one message of this view; `true` when the view stands at a position now.
    pub fn apply(&mut self, message: &Value) -> bool {
        if message.get("d").is_some() {
            return self.apply_delta(message);
        }
        match message["type"].as_str().unwrap() {
            "gap" => {
                self.gaps.push(message.clone());
                false
            }
            "snapshot" => {
                assert_eq!(message["part"].as_u64().unwrap() as usize, self.parts.len(), "parts in order");
                self.parts.push(message.clone());
                if message["last"] == true {
                    self.take_snapshot();
                }
                message["last"] == true
            }
            other => panic!("{other} does not belong to a view"),
        }
    }

    fn take_snapshot(&mut self) {
        self.map.clear();
        self.missing.clear();
        let mut groups: Vec<Value> = Vec::new();
        for part in std::mem::take(&mut self.parts) {
            groups.extend(part["groups"].as_array().into_iter().flatten().cloned());
            for row in part["rows"].as_array().unwrap() {
                let mut row = row.clone();
                if self.kind == "fleet" {
                    row[2] = groups[row[2].as_u64().unwrap() as usize].clone();
                }
                self.put_whole(&row);
            }
            self.put_counts(&part["counts"]);
            self.at = part["at"].as_u64();
            let missing = part["missing"].as_array().into_iter().flatten();
            self.missing.extend(missing.map(|name| name.as_str().unwrap().to_owned()));
        }
    }

    fn apply_delta(&mut self, delta: &Value) -> bool {
        assert_eq!(delta["d"][1].as_u64(), self.at, "a delta starts where the client stands: {delta}");
        self.parts.push(delta.clone());
        if delta.get("more").is_some() {
            return false;
        }
        for part in std::mem::take(&mut self.parts) {
            self.apply_part(&part);
        }
        self.at = delta["d"][2].as_u64();
        true
    }

    fn apply_part(&mut self, delta: &Value) {
        let list = |key: &str| delta[key].as_array().cloned().unwrap_or_default();
        self.put_counts(&delta["n"]);
        for key in list("x") {
            if self.kind == "alerts" && key == "*" {
                self.map.retain(|key, _| key == "counts");
            }
            self.map.remove(&if self.kind == "devices" || self.kind == "fleet" {
                key.to_string()
            } else {
                text_key(&key)
            });
        }
        for row in list("a") {
            self.put_whole(&row);
        }
        for column in list("m") {
            let row = self.map.get_mut(&column[0].to_string()).unwrap();
            let metrics = row["metrics"].as_array_mut().unwrap();
            let index = column[1].as_u64().unwrap() as usize;
            metrics.resize(metrics.len().max(index + 1), Value::Null);
            metrics[index] = column.as_array().unwrap()[2..].into();
        }
        for about in list("f") {
            let row = self.map.get_mut(&about[0].to_string()).unwrap();
            match self.kind {
                "fleet" => row[FLEET_FIELDS - 1] = about[1].clone(),
                _ => row["about"] = about[1].clone(),
            }
        }
        for row in list("r") {
            self.put_change(&row);
        }
        for status in list("s") {
            let row = self.map.get_mut(&status[0].to_string()).unwrap();
            (row["state"], row["since"], row["alert"]) = (status[1].clone(), status[2].clone(), status[3].clone());
        }
        for event in list("e") {
            let text = |key: &str| event[2][key].as_str().unwrap().to_owned();
            self.events.push((event[0].as_u64().unwrap(), text("id"), text("state")));
        }
    }

    fn put_counts(&mut self, counts: &Value) {
        if self.kind == "alerts" && !counts.is_null() {
            self.map.insert("counts".into(), counts.clone());
        }
    }

    fn put_whole(&mut self, row: &Value) {
        match self.kind {
            "devices" => {
                let mut whole = row.clone();
                whole["cells"] = json!({});
                let key = row["row"].to_string();
                self.map.insert(key.clone(), whole);
                put_cells(self.map.get_mut(&key).unwrap(), row["cells"].as_array().unwrap());
            }
            "fleet" => {
                // What was last heard and the name stand at the end, where there are any.
                let mut whole = row.as_array().unwrap().clone();
                whole.resize(FLEET_FIELDS, Value::Null);
                self.map.insert(row[0].to_string(), whole.into());
            }
            _ => self.put_change(row),
        }
    }

    fn put_change(&mut self, row: &Value) {
        match self.kind {
            "devices" => {
                let cells = &row.as_array().unwrap()[1..];
                put_cells(self.map.get_mut(&row[0].to_string()).unwrap(), cells);
            }
            "fleet" => {
                let whole = self.map.get_mut(&row[0].to_string()).unwrap();
                for (index, field) in row.as_array().unwrap().iter().enumerate().skip(1) {
                    whole[index + 2] = field.clone();
                }
            }
            "group" | "series" => {
                self.map.insert(json!([row[0], row[1]]).to_string(), row.clone());
            }
            _ => {
                self.map.insert(row["id"].to_string(), row.clone());
            }
        }
    }
}

/// Fields of a row of a fleet, its name the last.
const FLEET_FIELDS: usize = 9;

fn text_key(key: &Value) -> String {
    key.to_string()
}

/// Value and time of each column, whatever form they came in.
fn put_cells(row: &mut Value, cells: &[Value]) {
    for (index, cell) in cells.iter().skip(1).enumerate().filter(|(_, cell)| !cell.is_null()) {
        let time = cell.get("t").unwrap_or(&cells[0]);
        let value = cell.get("v").unwrap_or(cell);
        row["cells"][index.to_string()] = json!([value, time]);
    }
}
