//! What cells tell of the values between two deltas: each counted once, and exactly where nobody came back.

use serde_json::Value;
use tidegate_views::ViewSpec;

use super::{Client, World};

/// What a cell tells of how many values it took: exactly, at most, or not.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    Exactly(usize),
    AtMost(usize),
    Nothing,
}

impl Told {
    fn by(cell: &Value) -> Told {
        let figure = |key: &str| cell.get(key).and_then(Value::as_u64).map(|count| count as usize);
        figure("n").map(Told::Exactly).or(figure("n_max").map(Told::AtMost)).unwrap_or(Told::Nothing)
    }
}

impl World {
    /// Promised values of a cell after a version.
    fn taken(&self, id: &str, column: usize, after: u64) -> Vec<f64> {
        let is_wanted = |at: u64, of: &str, in_column: usize| at > after && of == id && in_column == column;
        let all = self.promised.iter().filter(|it| it.0 <= self.version);
        all.filter(|(at, of, in_column, _)| is_wanted(*at, of, *in_column)).map(|it| it.3).collect()
    }

    /// Every value is counted once: what a cell is said to have taken is what it took since the client was told of it last,
    /// whatever parts that came in.
    pub fn check_counts(&self, message: &Value, client: &mut Client) {
        if client.view.kind != "devices" || message["type"] == "gap" {
            return;
        }
        let whole = |key: &str| message[key].as_array().cloned().unwrap_or_default();
        for row in whole("rows") {
            client.told.insert(row["id"].as_str().unwrap().to_owned(), self.version);
        }
        let Some(from) = message["d"][1].as_u64() else { return };
        for row in whole("x") {
            let Some(known) = client.view.map.get(&row.to_string()) else { continue };
            let id = known["id"].as_str().unwrap().to_owned();
            let told = client.told.remove(&id);
            client.dropped.insert(id, told);
        }
        for row in whole("r") {
            let Some(known) = client.view.map.get(&row[0].to_string()) else { continue };
            let id = known["id"].as_str().unwrap().to_owned();
            self.check_row(message, &id, &row.as_array().unwrap()[2..], from, client, true);
        }
        for row in whole("a") {
            let id = row["id"].as_str().unwrap().to_owned();
            let cells = row["cells"].as_array();
            let cells = cells.map_or(&[][..], |cells| &cells[1.min(cells.len())..]);
            let (appeared, appeared_ms) = self.lives[&id];
            let dropped = client.dropped.remove(&id);
            let is_shown = dropped.is_none() && client.view.map.values().any(|row| row["id"] == *id);
            // One that moved twice may have been elsewhere between.
            let had_after = client.told.get(&id).copied().or(is_shown.then_some(from));
            let moves = |after| self.moves.iter().filter(|(version, of)| *version > after && *of == id).count();
            let had = had_after.is_some_and(|after| moves(after) < 2);
            let is_new = appeared > client.told.get(&id).copied().unwrap_or(from);
            let is_kept = !client.has_resumed
                && moves(appeared.saturating_sub(1)) == 0
                && match &client.spec {
                    ViewSpec::Devices { devices: None, limit: None, .. } => true,
                    ViewSpec::Devices { devices: Some(_), .. } => false,
                    _ => self.now_ms < appeared_ms + self.linger_ms,
                };
            // Dropped and taken again by one delta.
            client.told.extend(dropped.flatten().map(|told| (id.clone(), told)));
            if is_new {
                client.told.insert(id.clone(), appeared.saturating_sub(1));
            }
            self.check_row(message, &id, cells, from, client, if is_new { is_kept } else { had });
        }
        if message.get("more").is_none() {
            client.has_resumed = false;
            client.dropped.clear();
        }
    }

    fn check_row(&self, message: &Value, id: &str, cells: &[Value], from: u64, client: &mut Client, is_owed: bool) {
        let after = client.told.get(id).copied().unwrap_or(from);
        for (column, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_null()) {
            let taken = self.taken(id, column, after);
            let newest = cell.get("v").unwrap_or(cell).as_f64();
            match Told::by(cell) {
                Told::Exactly(count) => {
                    assert_eq!(count, taken.len(), "{id} {column} after {after}: {message}");
                    let (low, high) = (cell["lo"].as_f64().unwrap(), cell["hi"].as_f64().unwrap());
                    assert_eq!(low, taken.iter().copied().fold(f64::INFINITY, f64::min), "{message}");
                    assert_eq!(high, taken.iter().copied().fold(f64::NEG_INFINITY, f64::max), "{message}");
                }
                Told::AtMost(count) => {
                    assert!(count >= taken.len(), "{id} {column} after {after}: {message}");
                    let may_be = client.has_resumed || after != from;
                    assert!(may_be, "{id} {column} after {after} is not exact: {message}");
                }
                Told::Nothing if is_owed => {
                    let is_all = taken.is_empty() || taken.len() == 1 && newest == taken.first().copied();
                    assert!(is_all, "{id} {column} after {after} took {taken:?}: {message}");
                }
                Told::Nothing => {}
            }
        }
        client.told.insert(id.to_owned(), self.version);
    }
}
