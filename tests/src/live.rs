//! A client of the live protocol, written from docs/protocol.md alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// One WebSocket session.
pub struct Live {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The welcome.
    pub welcome: Value,
    /// Payload bytes received.
    pub bytes: u64,
    seen: u64,
}

/// A subscription to `device` or `devices`: what a page would show.
#[derive(Debug, Default)]
pub struct Rows {
    /// Subscription number.
    pub id: u64,
    /// Position the map stands at; `None` until the snapshot is whole.
    pub at: Option<String>,
    /// By row number: the descriptor of the snapshot, with the newest cells.
    pub rows: BTreeMap<u64, Value>,
    /// Deltas applied.
    pub deltas: usize,
    /// Every extended cell that came: row, column, cell.
    pub envelopes: Vec<(u64, usize, Value)>,
}

/// A subscription to a view of whole cells: each that comes replaces the one before.
#[derive(Debug)]
pub struct Cells<K> {
    /// Subscription number.
    pub id: u64,
    /// Position the map stands at; `None` until the snapshot is whole.
    pub at: Option<String>,
    /// Cells as they came.
    pub cells: BTreeMap<K, Value>,
}

/// `alerts` or `commands`: objects by their `id`.
pub type Objects = Cells<String>;

/// `series`: by index in `series` and start the buckets of a chart: both, then count, mean, minimum, maximum, last.
pub type Chart = Cells<(u64, i64)>;

/// What a cell is known by.
pub trait Key: Ord {
    /// The key of a cell.
    fn of(cell: &Value) -> Self;
    /// A key that left the view.
    fn gone(key: &Value) -> Self;
}

impl Key for String {
    fn of(cell: &Value) -> Self {
        Self::gone(&cell["id"])
    }

    fn gone(key: &Value) -> Self {
        key.as_str().expect("an identifier").to_owned()
    }
}

impl Key for (u64, i64) {
    fn of(cell: &Value) -> Self {
        (cell[0].as_u64().expect("an index"), cell[1].as_i64().expect("a start"))
    }

    fn gone(key: &Value) -> Self {
        Self::of(key)
    }
}

impl Live {
    /// Connects and says hello.
    ///
    /// # Panics
    /// When the server does not answer with a welcome.
    pub async fn connect(server: SocketAddr, hello: Value) -> Live {
        let (socket, _) =
            tokio_tungstenite::connect_async(format!("ws://{server}/v1/live")).await.expect("it upgrades");
        let mut live = Live { socket, welcome: Value::Null, bytes: 0, seen: 0 };
        let mut message = json!({"type": "hello", "protocol": 2, "encoding": "json"});
        for (key, value) in hello.as_object().into_iter().flatten() {
            message[key] = value.clone();
        }
        live.send(message).await;
        live.welcome = live.next().await.expect("a welcome");
        assert_eq!(live.welcome["type"], "welcome", "{}", live.welcome);
        live
    }

    /// Sends one message.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn send(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.expect("the session stands");
    }

    /// The next message; `None` when the server closed. Sends `seen` as the protocol asks.
    ///
    /// # Panics
    /// When nothing comes within 40 s, or a frame is not JSON.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(40), self.socket.next()).await;
            match next.expect("a frame or at least a pulse within 40 s")?.ok()? {
                Message::Text(text) => {
                    self.bytes += text.len() as u64;
                    if self.bytes - self.seen >= 4096 {
                        self.seen = self.bytes;
                        let bytes = self.bytes;
                        self.send(json!({"type": "seen", "bytes": bytes})).await;
                    }
                    return Some(serde_json::from_str(&text).expect("every frame is JSON"));
                }
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Subscribes to a view of rows and waits for the whole snapshot (or the delta that stands for it).
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn subscribe(&mut self, id: u64, view: Value, more: Value) -> Rows {
        let mut message = json!({"type": "subscribe", "id": id, "view": view});
        for (key, value) in more.as_object().into_iter().flatten() {
            message[key] = value.clone();
        }
        self.send(message).await;
        let mut rows = Rows { id, ..Rows::default() };
        while rows.at.is_none() {
            let message = self.next().await.expect("a snapshot");
            assert_ne!(message["type"], "error", "{message}");
            rows.apply(&message);
        }
        rows
    }

    /// Applies what comes until `done` holds.
    ///
    /// # Panics
    /// When it does not hold within `limit`, or the session ends.
    pub async fn until(&mut self, rows: &mut Rows, limit: Duration, mut done: impl FnMut(&Rows) -> bool) {
        let applied = async {
            while !done(rows) {
                let message = self.next().await.expect("the session stands");
                rows.apply(&message);
            }
        };
        tokio::time::timeout(limit, applied).await.expect("the view gets there in time");
    }
}

/// Where a map that stood at `at` stands after a delta, or a part of one.
///
/// # Panics
/// When it does not start there: the server broke its promise.
fn stands_after(delta: &Value, at: Option<String>) -> Option<String> {
    assert_eq!(delta["d"][1].as_str(), at.as_deref(), "a delta starts where the map stands: {delta}");
    if delta["more"] == true { at } else { delta["d"][2].as_str().map(str::to_owned) }
}

impl<K: Key + std::fmt::Debug> Cells<K> {
    /// Subscribes, and waits for the whole snapshot.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn open(live: &mut Live, id: u64, view: &Value) -> Self {
        live.send(json!({"type": "subscribe", "id": id, "view": view})).await;
        let mut view = Cells { id, at: None, cells: BTreeMap::new() };
        view.until(live, Duration::from_secs(10), |_| true).await;
        view
    }

    /// Applies what comes until `done` holds.
    ///
    /// # Panics
    /// When it does not hold within `limit`, the server refuses, or the session ends.
    pub async fn until(&mut self, live: &mut Live, limit: Duration, mut done: impl FnMut(&Self) -> bool) {
        let applied = async {
            while self.at.is_none() || !done(self) {
                let message = live.next().await.expect("the session stands");
                assert_ne!(message["type"], "error", "{message}");
                self.apply(&message);
            }
        };
        let in_time = tokio::time::timeout(limit, applied).await.is_ok();
        assert!(in_time, "the view gets there in time: {:?}", self.cells);
    }

    fn apply(&mut self, message: &Value) {
        let came = if message["type"] == "snapshot" && message["id"] == self.id {
            if message["part"] == 0 {
                self.cells.clear();
            }
            if message["last"] == true {
                self.at = message["at"].as_str().map(str::to_owned);
            }
            &message["rows"]
        } else if message["d"][0] == self.id {
            self.at = stands_after(message, self.at.take());
            for gone in message["x"].as_array().into_iter().flatten() {
                self.cells.remove(&K::gone(gone));
            }
            &message["r"]
        } else {
            return;
        };
        for cell in came.as_array().into_iter().flatten() {
            self.cells.insert(K::of(cell), cell.clone());
        }
    }
}

impl Rows {
    /// The newest value of a metric of a device.
    #[must_use]
    pub fn value(&self, device: &str, metric: &str) -> Option<&Value> {
        let row = self.rows.values().find(|row| row["id"] == device)?;
        let column = row["metrics"].as_array()?.iter().position(|one| one[0] == metric)?;
        let cell = row["cells"].get(column + 1)?;
        if cell.is_object() { cell.get("v") } else { Some(cell) }
    }

    /// Applies one message if it is about this subscription.
    ///
    /// # Panics
    /// When a delta does not start where the map stands: the server broke its promise.
    pub fn apply(&mut self, message: &Value) {
        if message["type"] == "snapshot" && message["id"] == self.id {
            if message["part"] == 0 {
                self.rows.clear();
            }
            self.add(&message["rows"]);
            if message["last"] == true {
                self.at = message["at"].as_str().map(str::to_owned);
            }
        } else if message["d"][0] == self.id {
            self.at = stands_after(message, self.at.take());
            self.deltas += usize::from(message["more"] != true);
            self.add(&message["a"]);
            for column in message["m"].as_array().into_iter().flatten() {
                self.column(column);
            }
            for change in message["r"].as_array().into_iter().flatten() {
                self.change(change);
            }
            for state in message["s"].as_array().into_iter().flatten() {
                let row = self.row(&state[0]);
                (row["state"], row["since"], row["alert"]) = (state[1].clone(), state[2].clone(), state[3].clone());
            }
            for about in message["f"].as_array().into_iter().flatten() {
                self.row(&about[0])["about"] = about[1].clone();
            }
            for gone in message["x"].as_array().into_iter().flatten() {
                self.rows.remove(&gone.as_u64().expect("a row number"));
            }
        }
    }

    fn add(&mut self, rows: &Value) {
        for row in rows.as_array().into_iter().flatten() {
            self.rows.insert(row["row"].as_u64().expect("a row number"), row.clone());
        }
    }

    fn row(&mut self, number: &Value) -> &mut Value {
        let number = number.as_u64().expect("a row number");
        self.rows.get_mut(&number).expect("a delta speaks of rows the map has")
    }

    fn column(&mut self, column: &Value) {
        let place = usize::try_from(column[1].as_u64().expect("a column number")).expect("a small one");
        let metrics = self.row(&column[0])["metrics"].as_array_mut().expect("a list of metrics");
        if metrics.len() <= place {
            metrics.resize(place + 1, Value::Null);
        }
        metrics[place] = json!([column[2], column[3], column[4]]);
    }

    fn change(&mut self, change: &Value) {
        let number = change[0].as_u64().expect("a row number");
        let change = change.as_array().expect("a row of values");
        let row = self.rows.get_mut(&number).expect("a delta speaks of rows the map has");
        let cells = row["cells"].as_array_mut().expect("a row of values");
        cells.resize(cells.len().max(change.len() - 1), Value::Null);
        cells[0] = change[1].clone();
        for (column, cell) in change[2..].iter().enumerate().filter(|(_, cell)| !cell.is_null()) {
            cells[column + 1] = cell.clone();
            if cell.is_object() {
                self.envelopes.push((number, column, cell.clone()));
            }
        }
    }
}
