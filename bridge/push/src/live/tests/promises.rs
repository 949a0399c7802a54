//! Sessions keep their promises; over real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex, MetricIndex, Position, TimeOrigin,
    Value as Measured,
};
use tidegate_views::{StreamPosition, ViewsConfig};
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::{BASE_MS, Past};
use crate::live::hub::Hub;
use crate::live::{Live, LiveConfig, upgrade};

/// A hub with a number of five-metric devices, served on a socket.
pub(super) struct Site {
    hub: Arc<Hub>,
    address: SocketAddr,
    position: u64,
}

impl Site {
    pub async fn new(devices: u32, config: LiveConfig) -> Self {
        let hub = Arc::new(Hub::new(ViewsConfig::default(), config, || BASE_MS));
        let mut changes = Vec::new();
        for number in 0..devices {
            let device = DeviceIndex(number);
            changes.push(Change::Device { device, id: format!("site/dev{number}").into(), group: "site".into() });
            for (column, name) in ["temperature", "humidity", "pressure", "co2", "battery"].into_iter().enumerate() {
                let metric = MetricIndex(u16::try_from(column).unwrap());
                changes.push(Change::Metric {
                    device,
                    metric,
                    name: name.into(),
                    unit: None,
                    guessed: false,
                    decimals: Some(1),
                });
            }
        }
        hub.apply(Position(1), BASE_MS, &changes);
        let routes = get(upgrade).with_state(Live::new(
            Arc::clone(&hub),
            Arc::new(Past::default()),
            tokio::runtime::Handle::current(),
        ));
        let router = Router::new().route("/v1/live", routes);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Site { hub, address, position: 7_123_459 }
    }

    /// The newest position, as clients are told it.
    pub fn reached(&self) -> String {
        let version = self.position;
        self.hub.read(|views| StreamPosition { epoch: &views.epoch().name, version }.to_string())
    }

    pub fn publish(&mut self, device: u32, first: f64) {
        self.position += 1;
        let values = [first, 45.2, 1013.2, 412.0, 3.1];
        let cells = values.iter().enumerate().map(|(column, &value)| AppliedCell {
            metric: MetricIndex(u16::try_from(column).unwrap()),
            value: Measured::Number(value),
            latest: true,
            is_new: true,
        });
        let time_ms = BASE_MS + 23_850_000 + i64::try_from(self.position).unwrap();
        let reading = AppliedReading {
            device: DeviceIndex(device),
            time_ms,
            origin: TimeOrigin::Receipt,
            received_ms: time_ms,
            class: DeliveryClass::Envelope,
            cells: cells.collect(),
        };
        self.hub.apply(Position(self.position), time_ms, &[Change::Reading(reading)]);
    }

    /// A connection on which nothing was said.
    pub async fn dial(&self) -> Client {
        let (socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/v1/live", self.address)).await.unwrap();
        Client { socket, received: 0 }
    }

    pub async fn connect(&self) -> Client {
        let mut client = self.dial().await;
        client.say(json!({"type":"hello","protocol":2,"encoding":"json"})).await;
        assert_eq!(client.hear().await["type"], "welcome");
        client
    }
}

pub(super) struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>,
    received: usize,
}

impl Client {
    pub async fn say(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn hear_text(&mut self) -> String {
        let message =
            tokio::time::timeout(Duration::from_secs(10), self.socket.next()).await.unwrap().unwrap().unwrap();
        let text = message.into_text().unwrap().to_string();
        self.received += text.len();
        text
    }

    pub async fn hear(&mut self) -> Value {
        serde_json::from_str(&self.hear_text().await).unwrap()
    }

    pub async fn seen(&mut self) {
        self.say(json!({"type":"seen","bytes":self.received})).await;
    }

    /// The next message of a type, whatever else comes before.
    pub async fn hear_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.hear().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    pub async fn delta(&mut self) -> Value {
        self.hear_of("d").await
    }

    /// Subscribes; the snapshot.
    pub async fn subscribe(&mut self, message: Value) -> Value {
        self.say(message).await;
        assert_eq!(self.hear().await["type"], "subscribed");
        self.hear_of("snapshot").await
    }
}

#[tokio::test]
async fn a_five_metric_update_takes_at_most_eighty_five_bytes() {
    let mut site = Site::new(400, LiveConfig::default()).await;
    // Positions of six digits, as the benchmark has them; each further digit of theirs is two bytes more.
    site.position = 123_459;
    let mut client = site.connect().await;
    let watch = json!({"type":"subscribe","id":1,"view":{"kind":"devices","devices":["dev342"]}});
    assert_eq!(client.subscribe(watch).await["rows"][0]["id"], "site/dev342");
    site.publish(342, 23.5);
    client.delta().await;
    site.publish(342, 23.6);
    let text = client.hear_text().await;
    println!("a five-metric update: {} bytes: {text}", text.len());
    assert!(text.len() <= 85, "{text}");
}

#[tokio::test]
async fn a_page_that_slept_resumes_with_one_delta_that_shows_the_spike() {
    let mut site = Site::new(10, LiveConfig::default()).await;
    let mut client = site.connect().await;
    let watch = json!({"type":"subscribe","id":1,"view":{"kind":"devices","group":""}});
    let at = client.subscribe(watch).await["at"].clone();
    client.say(json!({"type":"pause"})).await;
    client.say(json!({"type":"ping","n":1})).await;
    while client.hear().await["type"] != "pong" {}
    for value in [20.0, 99.0, 21.0] {
        site.publish(3, value);
    }
    client.say(json!({"type":"continue"})).await;
    let delta = client.delta().await;
    assert_eq!((&delta["d"][1], &delta["d"][2]), (&at, &json!(site.reached())));
    let cell = &delta["r"][0][2];
    assert_eq!((&cell["v"], &cell["hi"], &cell["n"]), (&json!(21), &json!(99), &json!(3)));
}

#[tokio::test]
async fn a_reader_that_stops_costs_nobody_and_catches_up() {
    let mut site = Site::new(100, LiveConfig::default()).await;
    let (mut slow, mut quick) = (site.connect().await, site.connect().await);
    for client in [&mut slow, &mut quick] {
        client.subscribe(json!({"type":"subscribe","id":1,"view":{"kind":"devices","devices":["dev1"]}})).await;
    }
    for round in 0..2_000 {
        site.publish(1, f64::from(round));
        let delta = quick.delta().await;
        assert_eq!(delta["d"][2], site.reached());
        if round % 20 == 0 {
            quick.seen().await;
        }
    }
    let mut last = Value::Null;
    while last["d"][2] != site.reached() {
        last = slow.delta().await;
        slow.seen().await;
    }
    assert!(slow.received < 30_000, "{} bytes for 2,000 readings", slow.received);
    assert_eq!(last["r"][0][2]["v"], 1999);
}

#[tokio::test]
async fn on_shutdown_a_viewer_is_told_when_to_come_back() {
    let site = Site::new(1, LiveConfig::default()).await;
    let mut client = site.connect().await;
    site.hub.goaway();
    let goaway = client.hear().await;
    assert_eq!(goaway["type"], "goaway");
    assert!(goaway["reconnect_after_ms"].as_u64().unwrap() >= 1_000);
    site.hub.drained().await;
    assert_eq!(site.hub.sessions(), 0);
}

#[tokio::test]
async fn mistakes_are_told_by_number_and_the_session_goes_on() {
    let site = Site::new(1, LiveConfig::default()).await;
    let mut client = site.connect().await;
    for (message, code) in [
        (json!({"type":"dance"}), 4000),
        (json!({"type":"subscribe","id":1,"view":{"kind":"devices"}}), 4101),
        (json!({"type":"subscribe","id":1,"view":{"kind":"nothing"}}), 4101),
        (json!({"type":"unsubscribe","id":9}), 4100),
    ] {
        client.say(message).await;
        assert_eq!(client.hear().await["code"], code);
    }
    client.say(json!({"type":"ping","n":7})).await;
    assert_eq!(client.hear().await["n"], 7);
}

#[tokio::test]
async fn who_cannot_be_served_is_told_why_as_a_problem() {
    let site = Site::new(1, LiveConfig { sessions_max: 1, ..LiveConfig::default() }).await;
    let _first = site.connect().await;
    let second = tokio_tungstenite::connect_async(format!("ws://{}/v1/live", site.address)).await;
    let Err(tokio_tungstenite::tungstenite::Error::Http(refused)) = second else { panic!("{second:?}") };
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"2".parse().unwrap()));
    let problem: Value = serde_json::from_slice(refused.body().as_ref().unwrap()).unwrap();
    assert_eq!(
        (&problem["type"], &refused.headers()["content-type"]),
        (&json!("urn:tidegate:busy"), &"application/problem+json".parse().unwrap())
    );
}
