//! What operators see of clients, and do about them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tidegate_identity::{Authority, IdentityConfig, set_password};
use tidegate_telemetry::clients::{
    Client, ClientName, ClientState, ClientsError, ClientsQuery, RefusalsQuery, TraceLine, TracedPacket,
};

use crate::support::{Raw, Served};

fn name(id: &str) -> ClientName {
    ClientName { id: id.to_owned(), principal: None }
}

async fn find(served: &Served, id: &str) -> Option<Client> {
    served.broker.client(name(id)).await.ok().map(|details| details.client)
}

/// Waits until the client is as wanted.
async fn until(served: &Served, id: &str, is_so: impl Fn(&Client) -> bool) -> Client {
    let mut last = None;
    for _ in 0..500 {
        last = find(served, id).await;
        if let Some(client) = last.clone().filter(&is_so) {
            return client;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{id} never was as wanted: {last:?}");
}

fn state(state: ClientState) -> impl Fn(&Client) -> bool {
    move |client| client.state == state
}

fn last_reason(client: &Client) -> Option<&'static str> {
    client.last_end.as_ref().map(|end| end.reason)
}

/// A v5 CONNECT with a keep-alive of 60 s and a session that is kept for 100 s.
async fn v5(served: &Served, client: &str, clean: bool) -> Raw {
    let mut raw = served.raw().await;
    let properties = [5, 0x11, 0, 0, 0, 100];
    let mut packet = vec![0x10, (17 + 1 + client.len()) as u8, 0, 4];
    packet.extend_from_slice(b"MQTT");
    packet.extend_from_slice(&[5, if clean { 2 } else { 0 }, 0, 60]);
    packet.extend_from_slice(&properties);
    packet.extend_from_slice(&(client.len() as u16).to_be_bytes());
    packet.extend_from_slice(client.as_bytes());
    raw.send(&packet).await;
    let head = raw.read(2).await;
    raw.read(head[1].into()).await;
    raw
}

#[tokio::test]
async fn a_client_is_seen_as_it_connects_sleeps_comes_back_and_goes() {
    let served = Served::start();
    assert_eq!(served.broker.client(name("dev")).await.unwrap_err(), ClientsError::Unknown("dev".into()));
    let mut raw = v5(&served, "dev", true).await;
    raw.suback(5, "a/+").await;
    raw.publish_v5(0x32, 7, "b/c", b"23.5").await;
    raw.read(4).await;

    let details = served.broker.client(name("dev")).await.unwrap();
    let client = &details.client;
    assert_eq!((client.state, client.version, client.transport), (ClientState::Connected, Some("5.0"), Some("tcp")));
    assert_eq!((client.principal.as_deref(), client.proof), (Some("anonymous"), Some("anonymous")));
    assert_eq!((client.keep_alive_s, client.clean, client.expiry_s), (Some(60), Some(true), Some(100)));
    assert_eq!(client.address, Some(raw.stream.local_addr().unwrap().to_string()));
    assert_eq!(client.totals.map(|totals| (totals.publications, totals.publication_bytes)), Some((1, 7)));
    assert!(client.heard >= client.since && client.last_end.is_none());
    until(&served, "dev", |client| client.rates.is_some_and(|rates| rates.bytes_per_second > 0.0)).await;
    assert_eq!((&*details.filters[0].filter, details.filters[0].qos, client.subscriptions), ("a/+", 1, 1));

    drop(raw);
    let client = until(&served, "dev", state(ClientState::Sleeping)).await;
    assert_eq!((last_reason(&client), client.subscriptions), (Some("lost"), 1));
    assert!(client.since == client.last_end.as_ref().map(|end| end.time) && client.expires > client.since);
    let mut other = served.v3("other").await;
    other.publish(0x32, 1, b"a/x", b"for the sleeper").await;
    other.read(4).await;
    let client = until(&served, "dev", |client| client.queued.messages == 1).await;
    assert!(client.queued.bytes > 15, "{:?}", client.queued);
    assert_eq!(served.broker.client(name("dev")).await.unwrap().filters.len(), 1);

    let mut raw = v5(&served, "dev", false).await;
    let delivered = raw.read(4).await;
    assert_eq!(delivered[0], 0x32, "what waited comes");
    let client = until(&served, "dev", |client| client.in_flight.outgoing == 1).await;
    assert_eq!((client.state, client.clean, last_reason(&client)), (ClientState::Connected, Some(false), Some("lost")));

    raw.send(b"\xe0\x07\0\x05\x11\0\0\0\0").await;
    raw.rest().await;
    let client = until(&served, "dev", state(ClientState::Gone)).await;
    assert_eq!((last_reason(&client), client.principal.as_deref()), (Some("disconnected"), Some("anonymous")));
}

#[tokio::test]
async fn a_take_over_is_the_reason_that_is_seen() {
    let served = Served::start();
    let mut first = served.v3("twin").await;
    let second = served.v3("twin").await;
    first.rest().await;
    let client = until(&served, "twin", |client| client.last_end.is_some()).await;
    assert_eq!((client.state, last_reason(&client)), (ClientState::Connected, Some("taken_over")));
    assert_eq!(client.address, Some(second.stream.local_addr().unwrap().to_string()));
    assert!(client.last_end.unwrap().detail.contains("same identifier"));
}

#[tokio::test]
async fn a_refused_client_is_listed_with_the_reason_and_two_principals_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    for user in ["ann", "ben"] {
        set_password(&file, user, b"secret").unwrap();
    }
    let identity = IdentityConfig { password_file: Some(file), ..IdentityConfig::default() };
    let authority = Arc::new(Authority::open(identity).unwrap());
    let served = Served::with(|config| config.authority = authority);
    let connect = async |user: &str, password: &str| {
        let mut raw = served.raw().await;
        let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
        let body = [b"\0\x04MQTT\x04\xc2\0\0".to_vec(), text("shared"), text(user), text(password)].concat();
        raw.send(&[&[0x10, body.len() as u8], &body[..]].concat()).await;
        let code = raw.read(4).await[3];
        (raw, code)
    };
    assert_eq!(connect("ann", "wrong").await.1, 4);
    let client = until(&served, "shared", state(ClientState::Gone)).await;
    assert_eq!((last_reason(&client), client.principal, client.proof), (Some("bad_credentials"), None, None));

    let (_ann, code) = connect("ann", "secret").await;
    assert_eq!(code, 0);
    let client = until(&served, "shared", state(ClientState::Connected)).await;
    assert_eq!((client.principal.as_deref(), client.proof), (Some("ann"), Some("password")));
    let (_ben, code) = connect("ben", "secret").await;
    assert_eq!(code, 0);
    let asked = served.broker.client(name("shared")).await;
    assert_eq!(asked.unwrap_err(), ClientsError::Ambiguous(vec!["ann".into(), "ben".into()]));
    let of_ben = ClientName { id: "shared".into(), principal: Some("ben".into()) };
    assert_eq!(served.broker.client(of_ben).await.unwrap().client.principal.as_deref(), Some("ben"));
    let q = ClientsQuery { q: "ann".into(), limit: 10, ..ClientsQuery::default() };
    assert_eq!(served.broker.clients(q).await.unwrap().clients.len(), 1);
}

#[tokio::test]
async fn pages_put_together_are_all_clients_in_order() {
    let served = Served::start();
    let mut open = Vec::new();
    for number in 0..300 {
        let client = format!("c{number:03}");
        match number % 3 {
            0 => open.push(served.v3(&client).await),
            1 => drop(v5(&served, &client, true).await),
            _ => served.v3(&client).await.send(b"\xe0\0").await,
        }
    }
    let settled = |page: &[Client]| page.iter().filter(|client| client.state == ClientState::Connected).count() == 100;
    let mut ids: Vec<String> = Vec::new();
    for _ in 0..500 {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let query = ClientsQuery { limit: 70, cursor, ..ClientsQuery::default() };
            let page = served.broker.clients(query).await.unwrap();
            all.extend(page.clients);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        ids = all.iter().map(|client| client.id.to_string()).collect();
        if settled(&all) && all.len() == 300 {
            let sleeping = all.iter().filter(|client| client.state == ClientState::Sleeping).count();
            assert_eq!(sleeping, 100);
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ids, (0..300).map(|number| format!("c{number:03}")).collect::<Vec<_>>());
    let query = |state| ClientsQuery { state: Some(state), q: "c00".into(), limit: 100, ..ClientsQuery::default() };
    let gone = served.broker.clients(query(ClientState::Gone)).await.unwrap();
    assert_eq!(gone.clients.iter().map(|client| &*client.id).collect::<Vec<_>>(), ["c002", "c005", "c008"]);
    assert_eq!((gone.counts.connected, gone.counts.sleeping, gone.next), (100, 100, None));
}

#[tokio::test]
async fn who_would_get_a_publication_is_asked_for_by_its_topic() {
    let served = Served::start();
    let mut open = Vec::new();
    for (client, filter) in [
        ("dev7", "site/a/dev7/command"),
        ("all", "site/#"),
        ("dev8", "site/a/dev8/#"),
        ("pool", "$share/g/site/+/dev7/+"),
    ] {
        let mut raw = v5(&served, client, true).await;
        raw.suback(5, filter).await;
        open.push(raw);
    }
    drop(open.remove(0));
    until(&served, "dev7", state(ClientState::Sleeping)).await;
    let topic = Some("site/a/dev7/command".to_owned());
    let query = ClientsQuery { topic, limit: 10, ..ClientsQuery::default() };
    let page = served.broker.clients(query).await.unwrap();
    assert_eq!(page.clients.iter().map(|client| &*client.id).collect::<Vec<_>>(), ["all", "dev7", "pool"]);
}

#[tokio::test]
async fn an_operator_ends_a_connection_and_with_it_the_session_if_told_so() {
    let served = Served::start();
    let mut raw = v5(&served, "dev", true).await;
    raw.suback(5, "a/+").await;
    served.broker.disconnect(name("dev"), false).await.unwrap();
    let said = raw.rest().await;
    assert_eq!((said[0], said[2]), (0xe0, 0x98), "administrative action");
    let client = find(&served, "dev").await.unwrap();
    assert_eq!((client.state, last_reason(&client)), (ClientState::Sleeping, Some("administrative")));

    let mut raw = v5(&served, "dev", false).await;
    served.broker.disconnect(name("dev"), true).await.unwrap();
    raw.rest().await;
    assert_eq!(find(&served, "dev").await.unwrap().state, ClientState::Gone);
    assert_eq!(served.stats().subscriptions, 0);

    drop(v5(&served, "sleeper", true).await);
    until(&served, "sleeper", state(ClientState::Sleeping)).await;
    served.broker.disconnect(name("sleeper"), true).await.unwrap();
    assert_eq!(find(&served, "sleeper").await.unwrap().state, ClientState::Gone);
    let nobody = served.broker.disconnect(name("nobody"), true).await;
    assert_eq!(nobody.unwrap_err(), ClientsError::Unknown("nobody".into()));
}

async fn next(trace: &mut BoxStream<'static, TraceLine>) -> TraceLine {
    tokio::time::timeout(Duration::from_secs(5), trace.next()).await.expect("a line").expect("it goes on")
}

async fn packet(trace: &mut BoxStream<'static, TraceLine>) -> TracedPacket {
    match next(trace).await {
        TraceLine::Packet(packet) => packet,
        other => panic!("{other:?} is no packet"),
    }
}

#[tokio::test]
async fn a_trace_waits_for_its_client_and_shows_what_passes_and_how_it_ends() {
    let served = Served::start();
    let mut trace = served.broker.trace("dev", false).unwrap();
    assert!(matches!(next(&mut trace).await, TraceLine::Begin { state: None, .. }));
    let mut with_payloads = served.broker.trace("dev", true).unwrap();
    next(&mut with_payloads).await;
    let mut raw = served.raw().await;
    // A user, and a password that must not be seen.
    raw.send(b"\x10\x22\0\x04MQTT\x04\xc2\0\x3c\0\x03dev\0\x03ann\0\x0ctop \x1b secret").await;
    raw.read(4).await;
    raw.publish(0x32, 7, b"a/b", b"23.5").await;
    raw.read(4).await;
    let connect = packet(&mut trace).await;
    assert_eq!((connect.name, connect.direction, connect.bytes), ("CONNECT", "in", 36));
    assert_eq!(connect.detail, "MQTT 3.1.1, clean start, keep-alive 60 s, user \"ann\"");
    assert_eq!(
        (packet(&mut trace).await.name, packet(&mut with_payloads).await.detail.contains("secret")),
        ("CONNACK", false)
    );
    let publish = packet(&mut trace).await;
    assert_eq!((publish.topic.as_deref(), publish.payload_bytes, publish.payload), (Some("a/b"), Some(4), None));
    packet(&mut with_payloads).await;
    assert_eq!(packet(&mut with_payloads).await.payload.as_deref(), Some("23.5"));
    let puback = packet(&mut trace).await;
    assert_eq!((puback.name, puback.direction, puback.packet_id), ("PUBACK", "out", Some(7)));
    drop(raw);
    assert!(matches!(next(&mut trace).await, TraceLine::End(end) if end.reason == "lost"));

    let mut again = served.v3("dev").await;
    assert_eq!((packet(&mut trace).await.name, packet(&mut trace).await.name), ("CONNECT", "CONNACK"));
    let mut late = served.broker.trace("dev", false).unwrap();
    assert!(matches!(next(&mut late).await, TraceLine::Begin { state: Some(ClientState::Connected), .. }));
    drop(trace);
    again.is_served().await;
    assert_eq!((packet(&mut late).await.name, packet(&mut late).await.name), ("PINGREQ", "PINGRESP"));
    served.stopped().await;
    assert!(matches!(next(&mut late).await, TraceLine::End(end) if end.reason == "shutdown"));
    assert_eq!(late.next().await, None, "a trace ends with the program");
}

/// What was refused: reason, client, count and detail, newest first.
async fn refusals(served: &Served, lines: usize) -> Vec<(&'static str, Option<String>, u64, String)> {
    served.until("the refusals", |served| served.broker.refusals(&all()).unwrap().refusals.len() == lines).await;
    let page = served.broker.refusals(&all()).unwrap();
    page.refusals.into_iter().map(|one| (one.reason, one.client, one.count, one.detail)).collect()
}

fn all() -> RefusalsQuery {
    RefusalsQuery { q: String::new(), limit: 100 }
}

#[tokio::test]
async fn a_refused_client_is_seen_with_what_was_wrong() {
    let served = Served::with(|config| {
        config.connect_timeout = Duration::from_millis(300);
        config.connections_per_address_max = 2;
    });
    let mut silent = served.raw().await;
    assert_eq!(silent.rest().await, b"");
    let [(reason, client, count, detail)] = &refusals(&served, 1).await[..] else { panic!("one line") };
    assert_eq!((*reason, client, *count), ("timeout", &None, 1));
    assert!(detail.contains("mqtt.connect_timeout"), "{detail}");

    for _ in 0..2 {
        let mut early = served.raw().await;
        early.send(b"\xc0\0").await;
        early.rest().await;
    }
    let lines = refusals(&served, 2).await;
    assert_eq!((lines[0].0, lines[0].2), ("malformed_packet", 2), "one line, with a count: {lines:?}");
    let mut second = v5(&served, "twin", true).await;
    let _third = v5(&served, "twin", true).await;
    second.rest().await;
    let lines = refusals(&served, 3).await;
    assert_eq!((lines[0].0, lines[0].1.as_deref()), ("taken_over", Some("twin")));
    let _fourth = v5(&served, "other", true).await;
    let mut past_the_limit = served.raw().await;
    past_the_limit.send(b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01c").await;
    past_the_limit.rest().await;
    let lines = refusals(&served, 4).await;
    assert!(lines[0].0 == "kept_out" && lines[0].3.contains("connections_per_address_max"), "{lines:?}");
}

#[tokio::test]
async fn what_is_remembered_of_refusals_is_bounded_and_counted() {
    let served = Served::with(|config| config.refusals_max = 1);
    for bytes in [&b"\xc0\0"[..], b"\x16\x03\x01\0\0"] {
        let mut raw = served.raw().await;
        raw.send(bytes).await;
        raw.rest().await;
    }
    served.until("the second", |served| served.broker.refusals(&all()).unwrap().forgotten == 1).await;
    assert_eq!(refusals(&served, 1).await[0].0, "other_protocol");
}
