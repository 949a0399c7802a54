//! MQTT clients as people and programs see them.

use std::sync::Mutex;

use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use serde_json::{Value, json};
use tidegate_push::Clients;
use tidegate_telemetry::clients::{
    Client, ClientCounts, ClientDetails, ClientEnd, ClientInFlight, ClientName, ClientQueue, ClientRates, ClientState,
    ClientSubscription, ClientTotals, ClientsError, ClientsPage, ClientsQuery, Refusal, RefusalsPage, RefusalsQuery,
    TraceLine, TracedPacket,
};

use crate::client::Answer;
use crate::description;
use crate::fleet::NOW_MS;
use crate::site::Site;

/// A gateway that is connected, a meter that sleeps, and an identifier that two principals use.
#[derive(Default)]
pub struct FakeClients {
    pub disconnected: Mutex<Vec<(ClientName, bool)>>,
    pub asked: Mutex<Vec<ClientsQuery>>,
}

impl Clients for FakeClients {
    fn list(&self, query: ClientsQuery) -> BoxFuture<'static, Result<ClientsPage, ClientsError>> {
        self.asked.lock().unwrap().push(query);
        let counts = ClientCounts { connected: 1, sleeping: 1 };
        let page = ClientsPage { clients: vec![gateway(), meter()], next: Some("gateway-7".into()), counts };
        std::future::ready(Ok(page)).boxed()
    }

    fn refusals(&self, query: &RefusalsQuery) -> Result<RefusalsPage, ClientsError> {
        let all = vec![Refusal {
            time: NOW_MS,
            first: NOW_MS - 1000,
            count: 2,
            address: Some("192.0.2.8:51300".into()),
            transport: "tcp",
            reason: "other_protocol",
            detail: "this port speaks plain MQTT, and TLS came: TLS is at [::]:8883".into(),
            client: None,
        }];
        let refusals = all.into_iter().filter(|one| one.address.as_deref().is_some_and(|at| at.contains(&query.q)));
        Ok(RefusalsPage { refusals: refusals.take(query.limit).collect(), forgotten: 3 })
    }

    fn one(&self, name: ClientName) -> BoxFuture<'static, Result<ClientDetails, ClientsError>> {
        std::future::ready(find(&name)).boxed()
    }

    fn disconnect(&self, name: ClientName, session: bool) -> BoxFuture<'static, Result<(), ClientsError>> {
        let found = find(&name).map(drop);
        self.disconnected.lock().unwrap().push((name, session));
        std::future::ready(found).boxed()
    }

    fn trace(&self, id: &str, payloads: bool) -> Result<BoxStream<'static, TraceLine>, ClientsError> {
        if id == "one too many" {
            return Err(ClientsError::TooManyTraces(16));
        }
        let publish = TracedPacket {
            time: NOW_MS,
            direction: "in",
            name: "PUBLISH",
            bytes: 38,
            packet_id: Some(7),
            qos: Some(1),
            topic: Some("site/a/dev7/temperature".into()),
            payload_bytes: Some(4),
            payload: payloads.then(|| "23.5".into()),
            ..TracedPacket::default()
        };
        let lines = vec![
            TraceLine::Begin { time: NOW_MS, state: Some(ClientState::Connected) },
            TraceLine::Packet(publish),
            TraceLine::Missed { count: 12 },
            TraceLine::End(end()),
        ];
        Ok(stream::iter(lines).boxed())
    }
}

fn find(name: &ClientName) -> Result<ClientDetails, ClientsError> {
    match (name.id.as_str(), &name.principal) {
        ("shared", None) => Err(ClientsError::Ambiguous(vec!["ann".into(), "ben".into()])),
        ("gateway-7" | "a/b c" | "shared", _) => Ok(ClientDetails {
            client: gateway(),
            filters: vec![ClientSubscription {
                filter: "site/a/+/set".into(),
                qos: 1,
                no_local: false,
                retain_as_published: true,
                identifier: Some(3),
            }],
        }),
        _ => Err(ClientsError::Unknown(name.id.clone())),
    }
}

fn gateway() -> Client {
    Client {
        id: "gateway-7".into(),
        principal: Some("gateways".into()),
        proof: Some("password"),
        state: ClientState::Connected,
        since: Some(NOW_MS),
        version: Some("5.0"),
        transport: Some("tls"),
        address: Some("192.0.2.7:51234".into()),
        keep_alive_s: Some(60),
        clean: Some(false),
        expiry_s: Some(3600),
        expires: None,
        heard: Some(NOW_MS),
        subscriptions: 1,
        totals: Some(ClientTotals { publications: 1204, publication_bytes: 60_200, deliveries: 3 }),
        rates: Some(ClientRates { publications_per_second: 2.5, ..ClientRates::default() }),
        in_flight: ClientInFlight { incoming: 2, outgoing: 1 },
        queued: ClientQueue::default(),
        last_end: Some(end()),
    }
}

fn meter() -> Client {
    Client {
        id: "meter-3".into(),
        principal: Some("anonymous".into()),
        proof: None,
        state: ClientState::Sleeping,
        since: None,
        version: None,
        transport: None,
        address: None,
        keep_alive_s: None,
        clean: None,
        expiry_s: None,
        expires: Some(NOW_MS + 3_600_000),
        heard: None,
        totals: None,
        rates: None,
        queued: ClientQueue { messages: 12, bytes: 1440 },
        last_end: None,
        ..gateway()
    }
}

fn end() -> ClientEnd {
    let address = Some("192.0.2.7:51200".to_owned());
    ClientEnd { time: NOW_MS, reason: "keep_alive_timeout", detail: String::new(), address }
}

#[tokio::test]
async fn a_client_is_listed_with_who_it_is_how_it_stands_and_why_it_went() {
    let site = Site::new().await;
    let page = site.get("/v1/clients?q=GATE&state=connected&topic=site/a/set&limit=5&cursor=x%00y").await.json();
    let asked = site.clients.asked.lock().unwrap()[0].clone();
    assert_eq!((asked.q.as_str(), asked.state, asked.limit), ("gate", Some(ClientState::Connected), 5));
    assert_eq!((asked.cursor.as_deref(), asked.topic.as_deref()), (Some("x\0y"), Some("site/a/set")));
    assert_eq!((&page["counts"], &page["next"]), (&json!({"connected": 1, "sleeping": 1}), &json!("gateway-7")));
    let gateway = &page["clients"][0];
    assert_eq!(gateway["in_flight"], json!({"in": 2, "out": 1}));
    assert_eq!(gateway["rates"]["publications_per_second"], 2.5);
    assert_eq!(gateway["last_end"]["reason"], "keep_alive_timeout");
    assert_eq!((&page["clients"][1]["state"], &page["clients"][1]["rates"]), (&json!("sleeping"), &Value::Null));
    let details = site.get("/v1/clients/a%2Fb%20c").await.json();
    assert_eq!((&details["id"], &details["filters"][0]["filter"]), (&json!("gateway-7"), &json!("site/a/+/set")));
}

#[tokio::test]
async fn who_was_refused_is_told_with_its_address_and_what_was_wrong() {
    let site = Site::new().await;
    let page = site.get("/v1/refusals?q=192.0.2&limit=5").await.json();
    let [line] = &page["refusals"].as_array().unwrap()[..] else { panic!("{page}") };
    assert_eq!((&line["address"], &line["count"]), (&json!("192.0.2.8:51300"), &json!(2)));
    assert!(line["detail"].as_str().unwrap().contains("8883") && page["forgotten"] == 3);
    assert_eq!(site.get("/v1/refusals?q=198.51").await.json()["refusals"], json!([]));
}

#[tokio::test]
async fn mistakes_about_clients_are_named() {
    let site = Site::new().await;
    for (method, target, status, names) in [
        ("GET", "/v1/clients?state=asleep", 400, "connected, sleeping, gone, all"),
        ("GET", "/v1/clients?limit=1001", 400, "1 to 1000"),
        ("GET", "/v1/refusals?limit=0", 400, "1 to 1000"),
        ("GET", "/v1/clients/nobody", 404, "GET /v1/clients"),
        ("GET", "/v1/clients/shared", 409, "principal="),
        ("DELETE", "/v1/clients/nobody", 404, "nobody"),
        ("DELETE", "/v1/clients/gateway-7?session=yes", 400, "true nor false"),
        ("POST", "/v1/clients/gateway-7", 405, "POST"),
        ("GET", "/v1/clients/one%20too%20many/trace", 503, "mqtt.traces_max"),
    ] {
        let answer = site.ask(method, target, &[], "").await;
        assert_eq!(answer.header("content-type"), "application/problem+json", "{target}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(answer.status == status && detail.contains(names), "{target}: {} {detail}", answer.status);
    }
    assert_eq!(site.get("/v1/clients/shared").await.json()["candidates"], json!(["ann", "ben"]));
    assert_eq!(site.get("/v1/clients/shared?principal=ben").await.status, 200);
}

#[tokio::test]
async fn a_client_is_disconnected_from_our_own_pages_only() {
    let site = Site::new().await;
    let evil = [("origin", "https://evil.example")];
    assert_eq!(site.ask("DELETE", "/v1/clients/gateway-7", &evil, "").await.status, 403);
    assert!(site.clients.disconnected.lock().unwrap().is_empty());
    for (query, session) in [("", false), ("?session=true", true)] {
        assert_eq!(site.ask("DELETE", &format!("/v1/clients/gateway-7{query}"), &[], "").await.status, 204);
        let name = ClientName { id: "gateway-7".into(), principal: None };
        assert_eq!(site.clients.disconnected.lock().unwrap().pop(), Some((name, session)));
    }
}

#[tokio::test]
async fn a_trace_is_a_json_object_a_line_and_shows_payloads_only_when_asked() {
    let site = Site::new().await;
    let lines = async |query: &str| -> Vec<Value> {
        let answer: Answer = site.get(&format!("/v1/clients/gateway-7/trace{query}")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/x-ndjson"));
        answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let without = lines("").await;
    without.iter().for_each(|line| description::fits("TraceLine", line));
    let kinds: Vec<&str> = without.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["begin", "packet", "missed", "end"]);
    assert_eq!((&without[1]["payload_bytes"], &without[1]["payload"]), (&json!(4), &Value::Null));
    assert_eq!(lines("?payloads=true").await[1]["payload"], "23.5");
}
