//! For simulations: a client of the live protocol as docs/protocol.md describes it (it keeps a map for each view and
//! applies frames), and the dice.

#![allow(clippy::unwrap_used, missing_docs, dead_code)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A small generator (splitmix64): the seed is all there is.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    pub fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

/// What one subscription shows.
#[derive(Debug, Clone)]
pub struct ClientView {
    pub kind: &'static str,
    /// The position that was reached; `None` before the first snapshot is complete.
    pub at: Option<u64>,
    /// Cells by key, in one form for snapshots and deltas.
    pub map: BTreeMap<String, Value>,
    /// Events of alerts, as (position, identifier, state).
    pub events: Vec<(u64, String, String)>,
    pub gaps: Vec<Value>,
    pub missing: Vec<String>,
    pub parts: Vec<Value>,
}

impl ClientView {
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
        for key in list("x") {
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
            metrics[index] = json!([column[2], column[3], column[4]]);
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
                let key = row[0].to_string();
                self.map.insert(key, row.clone());
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
                for index in 1..5 {
                    whole[index + 2] = row[index].clone();
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
