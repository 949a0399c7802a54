//! One viewer of `/v1/live`: subscribes to a list of devices, applies deltas, says what it has seen.

use super::{Audience, session::ViewerProtocol, socket::Outbox};
use crate::unix_ms;
use rustc_hash::FxHashMap;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use std::{
    fmt,
    time::{Duration, Instant},
};

const SEEN_BYTES: u64 = 4096;
const STALE_AFTER: Duration = Duration::from_secs(12);
const PING_TICKS: u64 = 10;

/// A viewer's state.
pub struct LiveViewer {
    devices: Vec<String>,
    rate: Option<f64>,
    subscription: u64,
    epoch: String,
    time_base_ms: i64,
    /// Where the view stands; `None` until the snapshot is whole.
    at: Option<String>,
    rows: FxHashMap<u64, Row>,
    /// Parts of a delta whose last one has not come: not applied yet.
    parts: Vec<Delta>,
    bytes: u64,
    bytes_seen: u64,
    heard_at: Instant,
    stale: bool,
    ticks: u64,
}

/// What the viewer knows of a device.
struct Row {
    /// Place in the fleet, if it is of the fleet.
    index: Option<usize>,
    time_ms: i64,
}

/// The first two fields of a row; the values after them are only walked over.
#[derive(Debug, PartialEq)]
struct RowHead {
    row: u64,
    rt: i64,
}

impl<'de> Deserialize<'de> for RowHead {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Head;
        impl<'de> Visitor<'de> for Head {
            type Value = RowHead;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a row: [row, time, value, …]")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RowHead, A::Error> {
                let missing = || serde::de::Error::custom("a row without number or time");
                let row = seq.next_element()?.ok_or_else(missing)?;
                let rt = seq.next_element()?.ok_or_else(missing)?;
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(RowHead { row, rt })
            }
        }
        deserializer.deserialize_seq(Head)
    }
}

/// A row that is introduced: in a snapshot, or when it joins the view.
#[derive(Deserialize)]
struct Introduced {
    row: u64,
    id: String,
    #[serde(default)]
    cells: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Delta {
    d: (u64, String, String),
    #[serde(default)]
    r: Vec<RowHead>,
    #[serde(default)]
    a: Vec<Introduced>,
    #[serde(default)]
    x: Vec<u64>,
    /// Another part of the same delta follows.
    #[serde(default)]
    more: bool,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Message {
    Welcome {
        epoch: String,
        time_base: i64,
    },
    Snapshot {
        id: u64,
        at: String,
        last: bool,
        #[serde(default)]
        rows: Vec<Introduced>,
    },
    Pulse {},
    Error {
        code: u32,
        message: String,
    },
    Gap {
        id: u64,
    },
    Goaway {},
    /// A newer server may say more.
    #[serde(other)]
    Other,
}

impl LiveViewer {
    /// A viewer of these devices, at most `rate` deltas a second.
    pub fn new(devices: Vec<String>, rate: Option<f64>) -> Self {
        Self {
            devices,
            rate,
            subscription: 0,
            epoch: String::new(),
            time_base_ms: 0,
            at: None,
            rows: FxHashMap::default(),
            parts: Vec::new(),
            bytes: 0,
            bytes_seen: 0,
            heard_at: Instant::now(),
            stale: false,
            ticks: 0,
        }
    }

    fn subscribe(&mut self, out: &mut Outbox) {
        self.subscription += 1;
        let mut message = serde_json::json!({
            "type": "subscribe", "id": self.subscription, "view": {"kind": "devices", "devices": self.devices},
        });
        if let Some(at) = &self.at {
            message["since"] = at.as_str().into();
        }
        if let Some(rate) = self.rate {
            message["rate"] = rate.into();
        }
        out.text(&message.to_string());
    }

    fn delta(&mut self, payload: &[u8], audience: &Audience, out: &mut Outbox) -> Result<(), String> {
        let mut delta: Delta = serde_json::from_slice(payload).map_err(|error| unreadable(payload, &error))?;
        let (id, from, to) = std::mem::take(&mut delta.d);
        if id != self.subscription {
            return Ok(());
        }
        if self.at.as_ref() != Some(&from) {
            audience.stats.count(|counts| counts.wrong_bases += 1);
            self.at = None;
            self.parts.clear();
            out.text(&format!("{{\"type\":\"unsubscribe\",\"id\":{id}}}"));
            self.subscribe(out);
            return Ok(());
        }
        let is_last = !delta.more;
        self.parts.push(delta);
        if is_last {
            self.at = Some(to);
            std::mem::take(&mut self.parts).into_iter().for_each(|part| self.apply(part, audience));
        }
        Ok(())
    }

    fn apply(&mut self, delta: Delta, audience: &Audience) {
        for row in delta.x {
            self.rows.remove(&row);
        }
        self.introduce(delta.a, audience);
        let base_ms = self.time_base_ms;
        let rows = &mut self.rows;
        audience.stats.updates(delta.r.iter().map(|head| {
            let row = rows.get_mut(&head.row)?;
            row.time_ms = base_ms + head.rt;
            row.age(audience)
        }));
    }

    fn introduce(&mut self, rows: Vec<Introduced>, audience: &Audience) {
        for introduced in rows {
            let rt = introduced.cells.first().and_then(serde_json::Value::as_i64).unwrap_or(0);
            let index = audience.index.get(introduced.id.as_str()).copied();
            self.rows.insert(introduced.row, Row { index, time_ms: self.time_base_ms + rt });
        }
    }

    fn other(&mut self, payload: &[u8], audience: &Audience, out: &mut Outbox) -> Result<(), String> {
        match serde_json::from_slice(payload).map_err(|error| unreadable(payload, &error))? {
            Message::Welcome { epoch, time_base } => {
                if epoch != self.epoch {
                    self.at = None;
                    self.rows.clear();
                }
                (self.epoch, self.time_base_ms) = (epoch, time_base);
                self.subscribe(out);
            }
            Message::Snapshot { id, at, last, rows } if id == self.subscription => {
                self.introduce(rows, audience);
                if last {
                    self.at = Some(at);
                    audience.stats.count(|counts| counts.snapshots += 1);
                }
            }
            Message::Pulse {} => audience.stats.count(|counts| counts.pulses += 1),
            Message::Error { code, message } => return Err(format!("error {code}: {message}")),
            Message::Gap { id } if id == self.subscription => self.at = None,
            Message::Goaway {} => return Err("the server is shutting down".to_owned()),
            Message::Snapshot { .. } | Message::Gap { .. } | Message::Other => {}
        }
        Ok(())
    }

    fn say_seen(&mut self, out: &mut Outbox) {
        self.bytes_seen = self.bytes;
        out.text(&format!("{{\"type\":\"seen\",\"bytes\":{}}}", self.bytes));
    }
}

impl Row {
    /// How old the reading is: exact for a fleet of this process, by the clocks else.
    fn age(&self, audience: &Audience) -> Option<Duration> {
        match (&audience.sent, self.index) {
            (Some(sent), Some(index)) => sent.age(index, self.time_ms),
            (Some(_), None) => None,
            (None, _) => Some(Duration::from_millis((unix_ms() - self.time_ms).max(0) as u64)),
        }
    }
}

impl ViewerProtocol for LiveViewer {
    fn endpoint(&self) -> (&'static str, Option<&'static str>) {
        ("/v1/live", None)
    }

    fn open(&mut self, out: &mut Outbox) {
        (self.bytes, self.bytes_seen, self.heard_at) = (0, 0, Instant::now());
        self.parts.clear();
        out.text(r#"{"type":"hello","protocol":2,"encoding":"json"}"#);
    }

    fn message(&mut self, payload: &[u8], audience: &Audience, out: &mut Outbox) -> Result<(), String> {
        self.heard_at = Instant::now();
        if std::mem::take(&mut self.stale) {
            audience.stats.count(|counts| counts.stale += 1);
        }
        self.bytes += payload.len() as u64;
        if payload.starts_with(b"{\"type\":\"d\",") {
            self.delta(payload, audience, out)?;
        } else {
            self.other(payload, audience, out)?;
        }
        if self.bytes - self.bytes_seen >= SEEN_BYTES {
            self.say_seen(out);
        }
        Ok(())
    }

    fn tick(&mut self, out: &mut Outbox) {
        self.ticks += 1;
        self.stale |= self.heard_at.elapsed() > STALE_AFTER;
        if self.bytes > self.bytes_seen {
            self.say_seen(out);
        }
        if self.ticks.is_multiple_of(PING_TICKS) {
            out.text(&format!("{{\"type\":\"ping\",\"n\":{}}}", self.ticks / PING_TICKS));
        }
    }
}

fn unreadable(payload: &[u8], error: &serde_json::Error) -> String {
    let start = String::from_utf8_lossy(&payload[..payload.len().min(160)]);
    format!("not a message of docs/protocol.md ({error}): {start}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{latency::SentTimes, viewers::Stats};
    use std::sync::Arc;
    use tokio_util::sync::CancellationToken;

    const TIME_BASE_MS: i64 = 1_704_700_000_000;

    fn audience() -> Audience {
        let sent = SentTimes::new(1);
        sent.sent(0, TIME_BASE_MS + 23_850_000);
        Audience {
            index: [("dev7".into(), 0)].into_iter().collect(),
            sent: Some(Arc::new(sent)),
            stats: Stats::default(),
            stop: CancellationToken::new(),
        }
    }

    /// What the viewer says to these messages.
    fn tell(viewer: &mut LiveViewer, audience: &Audience, messages: &[&str]) -> String {
        let mut out = Outbox::default();
        for message in messages {
            viewer.message(message.as_bytes(), audience, &mut out).unwrap();
        }
        String::from_utf8_lossy(&out.0).into_owned()
    }

    const WELCOME: &str = r#"{"type":"welcome","protocol":2,"session":"s-17","epoch":"k3J","time_base":1704700000000}"#;
    const SNAPSHOT: &str = r#"{"type":"snapshot","id":1,"part":0,"at":"k3JRB84","last":true,"rows":[
        {"row":342,"id":"dev7","group":"b","state":"fresh","since":1,"alert":null,"metrics":[],"cells":[23845000,23.5]}]}"#;
    const DELTA: &str = r#"{"type":"d","d":[1,"k3JRB84","k3JRB8k"],"r":[[342,23850000,{"v":23.6,"n":3},45.1]]}"#;

    #[test]
    fn a_delta_on_its_base_is_applied_and_its_latency_measured() {
        let (audience, mut viewer) = (audience(), LiveViewer::new(vec!["dev7".to_owned()], None));
        let said = tell(&mut viewer, &audience, &[WELCOME, SNAPSHOT, DELTA]);
        assert!(said.contains(r#""devices":["dev7"]"#), "{said}");
        assert_eq!(viewer.at.as_deref(), Some("k3JRB8k"));
        assert_eq!(viewer.rows[&342].time_ms, TIME_BASE_MS + 23_850_000);
        let measured = audience.stats.measured();
        assert_eq!((measured.counts.updates, measured.samples, measured.counts.wrong_bases), (1, 1, 0));
    }

    #[test]
    fn a_delta_in_parts_is_applied_when_the_last_has_come_and_forgotten_when_the_link_breaks() {
        let (audience, mut viewer) = (audience(), LiveViewer::new(vec!["dev7".to_owned()], None));
        let part = DELTA.replace(r#","r""#, r#","more":true,"r""#);
        tell(&mut viewer, &audience, &[WELCOME, SNAPSHOT, &part]);
        assert_eq!((viewer.at.as_deref(), audience.stats.measured().counts.updates), (Some("k3JRB84"), 0));
        viewer.open(&mut Outbox::default());
        let last = r#"{"type":"d","d":[2,"k3JRB84","k3JRB8k"],"r":[]}"#;
        tell(&mut viewer, &audience, &[WELCOME, &part.replace("[1,", "[2,"), last]);
        let counts = audience.stats.measured().counts;
        assert_eq!((viewer.at.as_deref(), counts.updates, counts.wrong_bases), (Some("k3JRB8k"), 1, 0));
    }

    #[test]
    fn a_delta_on_another_base_is_refused_and_the_view_asked_for_anew() {
        let (audience, mut viewer) = (audience(), LiveViewer::new(vec!["dev7".to_owned()], None));
        let gap = DELTA.replace("RB84", "RB85");
        let said = tell(&mut viewer, &audience, &[WELCOME, SNAPSHOT, &gap]);
        assert!(said.contains(r#"{"type":"unsubscribe","id":1}"#) && said.contains(r#""id":2"#), "{said}");
        assert_eq!((&viewer.at, audience.stats.measured().counts.wrong_bases), (&None, 1));
    }

    #[test]
    fn what_was_received_is_confirmed_after_four_kilobytes() {
        let (audience, mut viewer) = (audience(), LiveViewer::new(vec!["dev7".to_owned()], None));
        tell(&mut viewer, &audience, &[WELCOME, SNAPSHOT]);
        let padding = format!(r#"{{"type":"pulse","time":1,"at":2,"sent":3,"padding":"{}"}}"#, "x".repeat(4096));
        let said = tell(&mut viewer, &audience, &[&padding]);
        let bytes = WELCOME.len() + SNAPSHOT.len() + padding.len();
        assert!(said.contains(&format!(r#"{{"type":"seen","bytes":{bytes}}}"#)), "{said}");
    }

    #[test]
    fn a_session_that_comes_back_says_where_it_stood() {
        let (audience, mut viewer) = (audience(), LiveViewer::new(vec!["dev7".to_owned()], None));
        tell(&mut viewer, &audience, &[WELCOME, SNAPSHOT, DELTA]);
        let mut out = Outbox::default();
        viewer.open(&mut out);
        let said = tell(&mut viewer, &audience, &[WELCOME]);
        assert!(said.contains(r#""since":"k3JRB8k""#), "{said}");
    }
}
