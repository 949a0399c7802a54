use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde_json::{Value, json};

use bytes::Bytes;
use tidegate_buckets::Bucket;
use tidegate_telemetry::{
    AggregateChange, AlertChange, AlertState, AppliedCell, AppliedReading, Change, Command, CommandId, CommandRequest,
    CommandState, Condition, DeliveryClass, DeviceFacts, DeviceIndex, DeviceState, History, InAlert, MetricFacts,
    MetricIndex, Position, PowerSource, Qos, Severity, StateClass, StateCounts, TimeOrigin, Value as Measured,
};
use tidegate_views::ViewsConfig;

use super::link::Link;
use super::{BASE_MS, Past};
use crate::live::LiveConfig;
use crate::live::hub::Hub;

const DOCUMENT: &str = include_str!("../../../../../docs/protocol.md");
/// What only a client says; `pong` and the rest is the server's.
const OF_CLIENTS: [&str; 8] = ["hello", "subscribe", "update", "unsubscribe", "seen", "pause", "continue", "ping"];

/// Every JSON message of the document: those of clients, those of the server.
fn examples() -> (Vec<Value>, Vec<Value>) {
    let blocks = DOCUMENT.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let messages = blocks.flat_map(|block| {
        serde_json::Deserializer::from_str(block)
            .into_iter::<Value>()
            .map(move |message| message.unwrap_or_else(|error| panic!("{error} in {block}")))
    });
    messages.partition(|message| message["type"].as_str().is_some_and(|name| OF_CLIENTS.contains(&name)))
}

/// The same fields of the same types, and arrays of the same types in the same order. `null` stands for any type: what
/// may be absent is in the text of the document.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Null, _) | (_, Value::Null) => true,
        (Value::Bool(_), Value::Bool(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_)) => true,
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let fields = |(key, value): (&String, &Value)| other.get(key).is_some_and(|sent| alike(value, sent));
            one.len() == other.len() && one.get("type") == other.get("type") && one.iter().all(fields)
        }
        _ => false,
    }
}

/// A small site in which everything happens that the document has an example of.
struct Scene {
    hub: Arc<Hub>,
    past: Arc<Past>,
    history: Arc<dyn History>,
    position: u64,
    heard: Vec<Value>,
}

const DEV7: DeviceIndex = DeviceIndex(342);
const DEV8: DeviceIndex = DeviceIndex(343);

impl Scene {
    fn new() -> Self {
        let views = ViewsConfig { alert_burst_min: 3, ..ViewsConfig::default() };
        let hub = Arc::new(Hub::new(views, LiveConfig::default(), || BASE_MS));
        let bucket = Some((BASE_MS, Bucket::of(BASE_MS, 23.5)));
        let past = Arc::new(Past { bucket, ..Past::default() });
        Scene { hub, history: Arc::clone(&past) as Arc<dyn History>, past, position: 0, heard: Vec::new() }
    }

    fn happen(&mut self, changes: &[Change]) {
        self.position += 1;
        self.past.through.store(self.position, Relaxed);
        self.hub.apply(Position(self.position), BASE_MS, changes);
    }

    /// Says each message, and takes what comes until nothing does for a while (of the paused clock).
    async fn talk(&mut self, link: &mut Link, messages: &[Value]) {
        for message in messages {
            assert!(link.say(message), "the session ended before {message}");
        }
        let mut bytes = 0;
        while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(1_500), link.hear()).await {
            bytes += message.len();
            self.heard.push(serde_json::from_slice(&message).unwrap());
            link.say(&json!({"type":"seen","bytes":bytes}));
            if self.heard.last().unwrap()["type"] == "pulse" {
                break;
            }
        }
    }

    fn errors(&self) -> Vec<&Value> {
        self.heard.iter().filter(|message| message["type"] == "error").collect()
    }

    fn begin(&mut self) {
        self.happen(&[device(DEV7, "site/b/floor1/dev7"), metric(DEV7, 0, "temperature", "°C")]);
        self.happen(&[metric(DEV7, 1, "humidity", "%"), state(DEV7, DeviceState::Fresh)]);
        self.happen(&[reading(DEV7, &[23.5, 45.2])]);
        let counts = StateCounts { fresh: 1, ..StateCounts::default() };
        self.happen(&[aggregate(), Change::States { group: "site".into(), counts, in_alert: InAlert::default() }]);
    }
}

fn device(device: DeviceIndex, id: &str) -> Change {
    Change::Device { device, id: id.into(), group: "site/b/floor1".into() }
}

fn metric(device: DeviceIndex, column: u16, name: &str, unit: &str) -> Change {
    Change::Metric {
        device,
        metric: MetricIndex(column),
        name: name.into(),
        unit: Some(unit.into()),
        guessed: name == "temperature",
        decimals: Some(1),
    }
}

fn facts() -> Change {
    let facts = DeviceFacts {
        name: Some("Kitchen window".into()),
        model: Some("TS0203".into()),
        maker: Some("Aqara".into()),
        firmware: Some("1.0.6".into()),
        power: Some(PowerSource::Battery),
        report_ms: Some(3_600_000),
    };
    Change::Facts { device: DEV7, facts: facts.into() }
}

fn metric_facts() -> Change {
    let facts = MetricFacts {
        name: Some("Outdoor humidity".into()),
        class: Some("humidity".into()),
        state_class: Some(StateClass::Measurement),
        ..MetricFacts::default()
    };
    Change::MetricFacts { device: DEV7, metric: MetricIndex(1), facts: facts.into() }
}

fn state(device: DeviceIndex, state: DeviceState) -> Change {
    Change::State { device, state, since_ms: BASE_MS }
}

fn reading(device: DeviceIndex, values: &[f64]) -> Change {
    let cells = values.iter().zip(0..).map(|(&value, column)| AppliedCell {
        metric: MetricIndex(column),
        value: Measured::Number(value),
        latest: true,
        is_new: true,
    });
    let (time_ms, class) = (BASE_MS + 1_000, DeliveryClass::Envelope);
    let (origin, cells) = (TimeOrigin::Receipt, cells.collect());
    Change::Reading(AppliedReading { device, time_ms, origin, received_ms: time_ms, class, cells })
}

fn aggregate() -> Change {
    Change::Aggregate(AggregateChange {
        group: "site".into(),
        metric: "temperature".into(),
        count: 1,
        devices: 1,
        sum: 23.5,
        min: 23.5,
        max: 23.5,
        oldest_ms: Some(BASE_MS),
        min_device: Some("site/b/floor1/dev7".into()),
        max_device: Some("site/b/floor1/dev7".into()),
    })
}

fn alert(acknowledged: bool) -> Change {
    Change::Alert(hot(acknowledged))
}

fn silent(id: &str) -> Change {
    Change::Alert(AlertChange {
        id: id.into(),
        rule: "silent".into(),
        metric: None,
        value: None,
        raised_value: None,
        peak: None,
        ..hot(false)
    })
}

fn hot(acknowledged: bool) -> AlertChange {
    AlertChange {
        id: if acknowledged { "a-1-0" } else { "a-2-0" }.into(),
        rule: "hot".into(),
        severity: Severity::Critical,
        device_id: "site/b/floor1/dev7".into(),
        group: "site/b/floor1".into(),
        metric: Some("temperature".into()),
        condition: Some(Condition::Above { threshold: 8.0, hysteresis: 0.5, for_ms: 30_000 }),
        unit: Some("°C".into()),
        decimals: Some(1),
        words: "".into(),
        state: if acknowledged { AlertState::Acknowledged } else { AlertState::Raised },
        value: Some(9.5),
        raised_ms: BASE_MS,
        acknowledged: acknowledged.then(|| (BASE_MS + 1, "Ann".into())),
        cleared_ms: None,
        raised_value: Some(9.5),
        peak: Some(12.5),
        comment: acknowledged.then(|| "the door was open".into()),
        unacknowledged: None,
    }
}

const COMMAND: CommandId = CommandId(Position(7));

fn command(is_answered: bool) -> Change {
    use CommandState::{Accepted, Answered, Delivered, Sent};
    let request = CommandRequest {
        device: "site/b/floor1/dev7".into(),
        topic: "site/b/floor1/dev7/command".into(),
        payload: Bytes::from_static(b"open"),
        content_type: Some("text/plain".into()),
        qos: Qos::AtLeastOnce,
        response_topic: "site/b/floor1/dev7/response".into(),
        expires_in_s: 3_600,
        key: Some("6f1c".into()),
    };
    let states = [Accepted, Sent, Delivered].into_iter().chain(is_answered.then_some(Answered));
    Change::Command(Arc::new(Command {
        id: COMMAND,
        request,
        by: "Ann".into(),
        deadline_ms: BASE_MS + 3_600_000,
        steps: states.map(|state| (state, BASE_MS)).collect(),
        client: Some("dev7".into()),
        refusal: None,
        answer: is_answered.then(|| Bytes::from_static(b"done")),
    }))
}

#[tokio::test(start_paused = true)]
async fn every_message_of_a_client_in_the_document_is_taken() {
    let (clients, _) = examples();
    let said: BTreeSet<&str> = clients.iter().filter_map(|message| message["type"].as_str()).collect();
    assert_eq!(said, OF_CLIENTS.into(), "the document has an example of each");
    let kinds: BTreeSet<&str> = clients.iter().filter_map(|message| message["view"]["kind"].as_str()).collect();
    assert_eq!(kinds, ["alerts", "commands", "device", "devices", "fleet", "group", "series"].into());
    let mut scene = Scene::new();
    scene.begin();
    scene.happen(&[device(DEV8, "site/b/floor1/dev8")]);
    let mut link = Link::open(&scene.hub, &scene.history);
    for message in clients {
        scene.talk(&mut link, std::slice::from_ref(&message)).await;
        assert_eq!(scene.errors(), Vec::<&Value>::new(), "after {message}");
    }
    assert!(scene.heard.iter().any(|message| message["type"] == "pong"), "the session goes on to the last of them");
}

#[tokio::test(start_paused = true)]
async fn every_message_of_the_server_in_the_document_is_one_that_a_server_sends() {
    let (clients, servers) = examples();
    let mut scene = Scene::new();
    scene.begin();
    let mut link = Link::open(&scene.hub, &scene.history);
    let limits = json!({"max_rate":5,"max_bytes_per_second":1_000_000});
    let mut hello = json!({"type":"hello","protocol":2,"encoding":"json"});
    hello.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    scene.talk(&mut link, &[hello]).await;
    let subscribe = |id, view: Value| json!({"type":"subscribe","id":id,"view":view});
    let mut devices = subscribe(1, json!({"kind":"devices","group":"site/b"}));
    devices["since"] = json!("k3JRB84");
    let views = clients.iter().filter(|message| message["type"] == "subscribe" && message["id"] != 1);
    let views: Vec<Value> = views.cloned().collect();
    scene.happen(&[alert(true)]);
    scene.happen(&[command(false)]);
    scene.talk(&mut link, &[devices]).await;
    scene.talk(&mut link, &views).await;
    scene.talk(&mut link, &[subscribe(10, json!({"kind":"devices","devices":["dev99"]}))]).await;
    scene.talk(&mut link, &[subscribe(9, json!({"kind":"planets"})), json!({"type":"ping","n":1})]).await;
    for changes in [
        vec![reading(DEV7, &[23.6])],
        vec![device(DEV8, "site/b/floor1/dev8"), state(DEV8, DeviceState::Fresh), metric(DEV8, 0, "temperature", "°C")],
        vec![metric(DEV8, 1, "humidity", "%")],
        vec![state(DEV7, DeviceState::Late)],
        vec![Change::Removed { device: DEV8 }],
        vec![alert(false)],
        vec![silent("a-3-0"), silent("a-3-1")],
        vec![silent("a-4-0")],
        vec![command(true)],
        vec![Change::CommandForgotten(COMMAND)],
        vec![facts()],
        vec![metric_facts()],
    ] {
        scene.happen(&changes);
        scene.talk(&mut link, &[]).await;
    }
    scene.talk(&mut link, &[subscribe(11, json!({"kind":"fleet","metric":"temperature"}))]).await;
    // A second delta before its rate lets it go.
    scene.happen(&[reading(DEV7, &[23.5])]);
    tokio::time::sleep(Duration::from_millis(10)).await;
    scene.happen(&[reading(DEV7, &[23.6])]);
    scene.talk(&mut link, &[]).await;
    // Two readings of QoS 1 between two deltas.
    scene.talk(&mut link, &[json!({"type":"pause"})]).await;
    (0..3).for_each(|n| scene.happen(&[reading(DEV7, &[20.0 + f64::from(n)])]));
    scene.happen(&[reading(DEV7, &[23.6, 45.1])]);
    scene.talk(&mut link, &[json!({"type":"continue"})]).await;
    scene.talk(&mut link, &[]).await;
    // Asks for no rate: it is never held back, and says so after a pause.
    let mut free = Link::open(&scene.hub, &scene.history);
    let watch = subscribe(1, json!({"kind":"device","device":"dev7"}));
    scene.talk(&mut free, &[json!({"type":"hello","protocol":2,"encoding":"json"}), watch.clone()]).await;
    let update = json!({"type":"update","id":1,"rate":1});
    scene.talk(&mut free, &[update, json!({"type":"unsubscribe","id":1}), watch]).await;
    scene.talk(&mut free, &[json!({"type":"pause"})]).await;
    scene.happen(&[reading(DEV7, &[23.7])]);
    scene.talk(&mut free, &[json!({"type":"continue"})]).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    scene.talk(&mut link, &[]).await;
    scene.hub.goaway();
    // The first may end with a pulse.
    scene.talk(&mut link, &[]).await;
    scene.talk(&mut link, &[]).await;

    let names: BTreeSet<&str> = servers.iter().map(|message| message["type"].as_str().unwrap_or("none")).collect();
    let of_sessions = ["error", "gap", "goaway", "pace", "pong", "pulse", "welcome"];
    let of_views = ["d", "snapshot", "subscribed", "unsubscribed", "updated"];
    let all: BTreeSet<&str> = of_sessions.into_iter().chain(of_views).collect();
    assert_eq!(names, all, "the document has an example of each");
    for example in &servers {
        let of_its_type = || scene.heard.iter().filter(|message| message["type"] == example["type"]);
        if !of_its_type().any(|message| alike(example, message)) {
            let sent: Vec<String> = of_its_type().map(Value::to_string).collect();
            panic!("{example}\nnone sent is like it:\n{}", sent.join("\n"));
        }
    }
    // And nothing was sent that the document does not name.
    let told: BTreeSet<&str> =
        servers.iter().filter_map(Value::as_object).flat_map(|fields| fields.keys()).map(|key| &**key).collect();
    let sent: BTreeSet<&str> =
        scene.heard.iter().filter_map(Value::as_object).flat_map(|fields| fields.keys()).map(|key| &**key).collect();
    assert!(sent.is_subset(&told), "without an example: {:?}", sent.difference(&told).collect::<Vec<_>>());
}
