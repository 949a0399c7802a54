//! Every limit has an answer that names its key, and hurts nobody who is within it. Which one answers how stands in
//! docs/operating.md.

use std::time::Duration;

use crate::support::authority::{Authority, loopback};
use crate::support::{Raw, Served};
use tidegate_broker::{BrokerConfig, ListenAddress, ListenerConfig, Transport};
use tidegate_telemetry::Reason;

const V3: u8 = 4;
const V5: u8 = 5;

/// Connects and gives everything that comes until the server closes.
async fn turned_away(served: &Served, level: u8) -> Vec<u8> {
    let mut client = served.raw().await;
    client.connect(level, 2, "late").await;
    client.rest().await
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// With one client that is in, the next one meets the limit of `key`.
async fn the_next_is_told(key: &str, code: u8, change: impl Fn(&mut BrokerConfig)) {
    let served = Served::with(change);
    let mut first = served.v3("first").await;
    assert_eq!(turned_away(&served, V3).await, b"\x20\x02\0\x03", "{key}");
    let told = turned_away(&served, V5).await;
    assert_eq!((told[0], told[3]), (0x20, code), "{key}: {told:x?}");
    assert!(holds(&told, key), "{key}: {told:x?}");
    served.until("both are counted", |s| s.problems.count(Reason::ClientLimit) == 2).await;
    assert!(served.problems.details().iter().all(|detail| detail.contains(key)), "{:?}", served.problems.details());
    first.is_served().await;
}

#[tokio::test]
async fn a_connection_past_a_limit_is_told_which() {
    the_next_is_told("mqtt.connections_max", 0x89, |config| config.connections_max = 1).await;
    the_next_is_told("mqtt.connections_per_address_max", 0x97, |config| config.connections_per_address_max = 1).await;
}

#[tokio::test]
async fn connections_that_come_too_fast_are_told_so() {
    let served = Served::with(|config| {
        config.connect_burst_per_address = 1;
        config.connect_rate_per_address = 1;
    });
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(served.raw().await);
    }
    let mut told = 0;
    for (n, client) in clients.iter_mut().enumerate() {
        client.connect(V5, 2, &format!("c{n}")).await;
        let head = client.read(4).await;
        assert!(matches!(head[3], 0 | 0x9f), "{head:x?}");
        if head[3] == 0x9f {
            told += 1;
            assert!(holds(&client.rest().await, "mqtt.connect_rate_per_address"));
        }
    }
    // How many are in by then depends on how slow this machine is.
    assert!(told > 0);
}

#[tokio::test]
async fn where_too_many_wait_to_be_told_the_next_is_closed_at_once() {
    let served = Served::with(|config| {
        config.connections_max = 1;
        config.connections_refused_waiting_max = 1;
    });
    let mut first = served.v3("first").await;
    let mut waiting = served.raw().await;
    served.until("it waits", |s| s.problems.count(Reason::ClientLimit) == 1).await;
    assert_eq!(served.raw().await.rest().await, b"");
    waiting.connect(V3, 2, "waiting").await;
    assert_eq!(waiting.rest().await, b"\x20\x02\0\x03");
    first.is_served().await;
}

#[tokio::test]
async fn a_connection_past_a_limit_costs_no_handshake() {
    let authority = Authority::new("an authority");
    let tls = ListenerConfig { tls: Some(authority.issue("server")), ..loopback(Transport::Tls) };
    let served = Served::with(|config| {
        config.connections_per_address_max = 1;
        config.listeners = vec![tls];
    });
    let ListenAddress::Tcp(address) = served.broker.listeners()[0].1.clone() else { panic!("it has an address") };
    let mut first = served.v3("first").await;
    let mut second = Raw { stream: tokio::net::TcpStream::connect(address).await.unwrap() };
    // Nothing was sent yet: it is closed for what it is, not for what it says.
    assert_eq!(second.rest().await, b"");
    served.until("it is counted", |s| s.problems.count(Reason::ClientLimit) == 1).await;
    first.is_served().await;
}

#[tokio::test]
async fn behind_a_proxy_the_limits_of_an_address_are_the_clients() {
    let proxied = ListenerConfig { proxy_protocol: true, ..loopback(Transport::Tcp) };
    let served = Served::with(|config| {
        config.connections_per_address_max = 1;
        config.listeners = vec![proxied];
    });
    let ListenAddress::Tcp(address) = served.broker.listeners()[0].1.clone() else { panic!("it has an address") };
    let from = async |last: u8| {
        let mut client = Raw { stream: tokio::net::TcpStream::connect(address).await.unwrap() };
        let header = *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\0\x0a\0\0\x01\x30\x39\x07\x5b";
        let mut header = header.to_vec();
        header[19] = last;
        client.send(&header).await;
        client.connect(V3, 2, &format!("c{last}")).await;
        client
    };
    let (mut first, mut other) = (from(1).await, from(2).await);
    assert_eq!(first.read(4).await, b"\x20\x02\0\0");
    assert_eq!(other.read(4).await, b"\x20\x02\0\0");
    assert_eq!(from(1).await.rest().await, b"\x20\x02\0\x03");
    first.is_served().await;
}

#[tokio::test]
async fn a_first_packet_that_comes_in_pieces_is_served_when_it_is_whole() {
    let served = Served::start();
    let mut slow = served.raw().await;
    for byte in b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01x" {
        slow.send(&[*byte]).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(slow.read(4).await, b"\x20\x02\0\0");
    slow.is_served().await;
}
