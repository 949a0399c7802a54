//! What a session gets is decided without knowing how it is written: another encoding takes JSON's place in a session.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex, History, MetricIndex, Position, TimeOrigin,
    Value as Measured,
};
use tidegate_views::message::{DeviceRow, Element, Head, List, ListName};
use tidegate_views::{Encoding, ViewsConfig};

use super::link::Link;
use super::{BASE_MS, Past};
use crate::live::LiveConfig;
use crate::live::encoding::LiveEncoding;
use crate::live::hub::Hub;
use crate::live::json::Json;
use crate::live::message::ServerMessage;
use crate::live::position::PositionForm;

/// A line for what a message is about, then a line an element.
#[derive(Debug)]
struct Lines;

impl Encoding for Lines {
    fn element(&self, out: &mut Vec<u8>, element: &Element<'_>, _: i64) {
        let line = match element {
            Element::Device(row) => format!("is {}:{}{}\n", row.number(), row.id(), values(row)),
            Element::Values(row) => format!("has {}:{}\n", row.number(), values(row)),
            Element::RowLeft(row) => format!("left {row}\n"),
            other => format!("{other:?}\n"),
        };
        out.extend_from_slice(line.as_bytes());
    }

    fn message(&self, out: &mut Vec<u8>, head: &Head<'_>, lists: &[(ListName, List)]) {
        let head = match head {
            Head::Snapshot { at, last, .. } => format!("snapshot {at} {last}\n"),
            Head::Delta { from, to, .. } => format!("delta {from} {to}\n"),
            Head::Gap { from, to, .. } => format!("gap {from} {to}\n"),
        };
        out.extend_from_slice(head.as_bytes());
        lists.iter().for_each(|(_, list)| out.extend_from_slice(list.bytes()));
    }
}

fn values(row: &DeviceRow<'_>) -> String {
    let value = |cell: Option<tidegate_views::message::Cell<'_>>| cell.and_then(|cell| cell.value.as_number());
    row.cells().map(|cell| value(cell).map_or_else(|| " -".into(), |value| format!(" {value}"))).collect()
}

impl LiveEncoding for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn protocol(&self) -> u32 {
        2
    }

    fn positions(&self) -> PositionForm {
        PositionForm::Text
    }

    fn is_text(&self) -> bool {
        false
    }

    fn say(&self, message: &ServerMessage<'_>) -> Vec<u8> {
        format!("{message:?}").into_bytes()
    }
}

const OFFERED: &[&dyn LiveEncoding] = &[&Json::PROTOCOL_2, &Lines];
const DEVICES: u32 = 300;

struct Scene {
    hub: Arc<Hub>,
    history: Arc<dyn History>,
    position: u64,
}

impl Scene {
    fn new() -> Self {
        let hub = Arc::new(Hub::new(ViewsConfig::default(), LiveConfig::default(), || BASE_MS));
        let mut scene = Scene { hub, history: Arc::new(Past::default()), position: 0 };
        let metric = |device, metric: u16, name: &str| {
            let (metric, name) = (MetricIndex(metric), name.into());
            Change::Metric { device, metric, name, unit: None, guessed: false, decimals: None }
        };
        for number in 0..DEVICES {
            let device = DeviceIndex(number);
            let id = format!("site/dev{number}").into();
            let appears = Change::Device { device, id, group: "site".into() };
            scene.happen(&[appears, metric(device, 0, "t"), metric(device, 1, "h")]);
            scene.measure(number, 0, f64::from(number));
        }
        scene
    }

    fn happen(&mut self, changes: &[Change]) {
        self.position += 1;
        self.hub.apply(Position(self.position), BASE_MS, changes);
    }

    fn measure(&mut self, device: u32, metric: u16, value: f64) {
        let (metric, value) = (MetricIndex(metric), Measured::Number(value));
        let cells = [AppliedCell { metric, value, latest: true, is_new: true }].into_iter().collect();
        let (device, time_ms, class) = (DeviceIndex(device), BASE_MS, DeliveryClass::Latest);
        let reading =
            AppliedReading { device, time_ms, origin: TimeOrigin::Receipt, received_ms: time_ms, class, cells };
        self.happen(&[Change::Reading(reading)]);
    }

    fn open(&self, encoding: &str, since: Option<&str>) -> Viewer {
        let link = Link::open_with(&self.hub, &self.history, OFFERED);
        link.say(&json!({"type":"hello","protocol":2,"encoding":encoding}));
        let view = json!({"kind":"devices","group":"site"});
        link.say(&json!({"type":"subscribe","id":1,"view":view,"since":since}));
        Viewer { link, frames: Vec::new(), bytes: 0 }
    }
}

struct Viewer {
    link: Link,
    frames: Vec<String>,
    bytes: usize,
}

impl Viewer {
    /// Takes what comes until nothing does for a while, of the paused clock.
    async fn hear(&mut self) {
        while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(500), self.link.hear()).await {
            assert!(message.len() <= LiveConfig::default().frame_bytes_max, "{} bytes", message.len());
            self.bytes += message.len();
            self.link.say(&json!({"type":"seen","bytes":self.bytes}));
            self.frames.push(String::from_utf8(message).unwrap());
        }
    }
}

type Shown = BTreeMap<String, Vec<Option<f64>>>;

/// What frames of lines lead to, and where.
fn of_lines(frames: &[String]) -> (Shown, String) {
    let (mut shown, mut at) = (Shown::new(), String::new());
    for line in frames.iter().flat_map(|frame| frame.lines()) {
        let words: Vec<&str> = line.split([' ', ':']).filter(|word| !word.is_empty()).collect();
        let values = |from: usize| words[from..].iter().map(|word| word.parse().ok());
        match words[0] {
            "snapshot" => at = words[1].to_owned(),
            "delta" => {
                assert_eq!(words[1], at, "a delta starts where the client stands");
                at = words[2].to_owned();
            }
            "is" => drop(shown.insert(words[1].to_owned(), values(3).collect())),
            "has" => {
                let row = shown.get_mut(words[1]).unwrap();
                row.resize(row.len().max(values(2).count()), None);
                row.iter_mut().zip(values(2)).for_each(|(cell, value)| *cell = value.or(*cell));
            }
            "left" => drop(shown.remove(words[1])),
            _ => {}
        }
    }
    (shown, at)
}

/// What frames of JSON lead to, and where.
fn of_json(frames: &[String]) -> (Shown, String) {
    let (mut shown, mut at) = (Shown::new(), Value::Null);
    for frame in frames.iter().map(|frame| serde_json::from_str::<Value>(frame).unwrap()) {
        let list = |key: &str| frame[key].as_array().cloned().unwrap_or_default();
        for row in list("rows") {
            let cells = row["cells"].as_array().unwrap().iter().skip(1).map(Value::as_f64);
            shown.insert(row["row"].to_string(), cells.chain([None; 2]).take(2).collect());
        }
        for row in list("r") {
            let cells = row.as_array().unwrap().iter().skip(2).map(Value::as_f64);
            let row = shown.get_mut(&row[0].to_string()).unwrap();
            row.iter_mut().zip(cells).for_each(|(cell, value)| *cell = value.or(*cell));
        }
        list("x").iter().for_each(|row| drop(shown.remove(&row.to_string())));
        at = frame.get("d").map_or(&frame["at"], |d| &d[2]).as_str().map_or(at, |reached| reached.into());
    }
    (shown, at.as_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_session_in_another_encoding_gets_what_one_in_json_gets_in_parts_as_small_and_resumes() {
    let mut scene = Scene::new();
    let (mut lines, mut json) = (scene.open("lines", None), scene.open("json", None));
    lines.hear().await;
    json.hear().await;
    let parts = lines.frames.iter().filter(|frame| frame.starts_with("snapshot")).count();
    assert!(parts > 1, "a snapshot of {DEVICES} devices in {parts} part");
    for round in 0..20 {
        for number in (0..DEVICES).filter(|number| number % 7 == round % 7) {
            scene.measure(number, (number % 2) as u16, f64::from(number + 1_000 * round));
        }
        scene.happen(&[Change::Removed { device: DeviceIndex(round) }]);
        lines.hear().await;
        json.hear().await;
    }
    let (shown, at) = of_lines(&lines.frames);
    assert_eq!(shown.len(), 280);
    assert_eq!((shown, at.clone()), of_json(&json.frames));

    drop(lines);
    scene.measure(250, 0, -1.0);
    let mut again = scene.open("lines", Some(&at));
    again.hear().await;
    let deltas: Vec<&String> = again.frames.iter().filter(|frame| frame.contains('\n')).collect();
    assert!(deltas.len() == 1 && deltas[0].starts_with(&format!("delta {at} ")), "{deltas:?}");
    assert!(deltas[0].contains("has 250: -1"), "{deltas:?}");
}

#[tokio::test(start_paused = true)]
async fn an_encoding_that_is_not_offered_is_refused_with_those_that_are() {
    let scene = Scene::new();
    let mut link = Link::open(&scene.hub, &scene.history);
    link.say(&json!({"type":"hello","protocol":2,"encoding":"lines"}));
    let error: Value = serde_json::from_slice(&link.hear().await.unwrap()).unwrap();
    let expected = "this server speaks protocol 1 with encoding \"json\", protocol 2 with encoding \"json\"";
    assert_eq!((&error["code"], &error["message"]), (&json!(4002), &json!(expected)));
}

#[tokio::test(start_paused = true)]
async fn a_position_goes_back_as_it_came_and_another_is_refused_with_what_to_do() {
    let mut scene = Scene::new();
    let subscribe =
        |since: Value| json!({"type":"subscribe","id":1,"view":{"kind":"device","device":"site/dev1"},"since":since});
    for (protocol, since, words) in [
        (2, json!("7123456"), "give back what this server sent"),
        (2, json!(7_123_456), "give back what this server sent"),
        (2, json!("k3JRb 8"), "leave it out and get a snapshot"),
        (1, json!("k3JRB8k"), "no number that protocol 1 has"),
        (1, json!(-1), "no number that protocol 1 has"),
    ] {
        let mut link = Link::open(&scene.hub, &scene.history);
        link.say(&json!({"type":"hello","protocol":protocol,"encoding":"json"}));
        link.say(&subscribe(since.clone()));
        link.hear().await.unwrap();
        let error: Value = serde_json::from_slice(&link.hear().await.unwrap()).unwrap();
        assert_eq!((&error["code"], &error["id"]), (&json!(4000), &json!(1)), "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(words) && message.contains(&since.to_string()), "{message}");
    }
    // What is of another life of the state is told as it came.
    let foreign = "k3JRB8k";
    let mut viewer = Viewer { link: Link::open(&scene.hub, &scene.history), frames: Vec::new(), bytes: 0 };
    viewer.link.say(&json!({"type":"hello","protocol":2,"encoding":"json"}));
    viewer.link.say(&subscribe(json!(foreign)));
    viewer.hear().await;
    scene.measure(1, 0, 5.0);
    viewer.hear().await;
    let frames: Vec<Value> = viewer.frames.iter().map(|frame| serde_json::from_str(frame).unwrap()).collect();
    let of = |kind: &str| frames.iter().find(|frame| frame["type"] == kind).unwrap_or_else(|| panic!("no {kind}"));
    assert_eq!((&of("gap")["from"], &of("gap")["reason"]), (&json!(foreign), &json!("epoch")));
    assert_eq!(of("gap")["to"], of("snapshot")["at"]);
    assert_eq!(of("d")["d"][1], of("snapshot")["at"]);
    assert!(frames.iter().all(|frame| frame["type"].is_string()), "each frame says what it is");
}
