//! Connections: slow ones, big ones, many, and their end.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tidegate_push::PushConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::client;
use crate::fleet::{COLD, FakeHistory};
use crate::site::Site;

#[tokio::test]
async fn a_client_that_never_ends_its_headers_is_cut_off() {
    let config = PushConfig { header_timeout: Duration::from_millis(100), ..PushConfig::default() };
    let site = Site::with(config, FakeHistory::default()).await;
    let mut slow = TcpStream::connect(site.address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: local").await.unwrap();
    let started = Instant::now();
    client::read_to_end(&mut slow).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(site.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn headers_and_bodies_beyond_their_limits_are_refused() {
    let config =
        PushConfig { body_timeout: Duration::from_millis(100), body_bytes_max: 16 * 1024, ..PushConfig::default() };
    let site = Site::with(config, FakeHistory::default()).await;
    let long = "x".repeat(20_000);
    let head = [("host", "localhost"), ("x-long", long.as_str())];
    assert_eq!(client::send(site.address, "GET", "/healthz", &head, "").await.status, 431);
    assert_eq!(site.post(&format!("/v1/alerts/{COLD}/acknowledge"), &long).await.status, 413);

    let head = format!("POST /v1/alerts/{COLD}/acknowledge HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n4e20\r\n{long}\r\n0\r\n\r\n");
    assert_eq!(client::send_raw(site.address, &chunked).await.status, 413, "a length that was not announced");
    let unfinished = format!("{head}content-length: 20\r\n\r\n{{");
    assert_eq!(client::send_raw(site.address, &unfinished).await.status, 408);
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_told_so_and_the_others_go_on() {
    let config = PushConfig { connections_max: 1, ..PushConfig::default() };
    let site = Site::with(config, FakeHistory::default()).await;
    let mut first = TcpStream::connect(site.address).await.unwrap();
    exchange(&mut first).await;
    let mut second = TcpStream::connect(site.address).await.unwrap();
    let told = client::parse(&client::read_to_end(&mut second).await);
    assert_eq!((told.status, told.header("retry-after")), (503, "5"));
    exchange(&mut first).await;
}

#[tokio::test]
async fn at_shutdown_idle_connections_end_at_once() {
    let site = Site::new().await;
    let mut idle = TcpStream::connect(site.address).await.unwrap();
    exchange(&mut idle).await;
    let address = site.address;
    let started = Instant::now();
    site.stop().await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(client::read_to_end(&mut idle).await.is_empty());
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn at_shutdown_a_client_that_holds_its_request_back_is_not_waited_for() {
    let config = PushConfig { drain_timeout: Duration::from_millis(100), ..PushConfig::default() };
    let site = Site::with(config, FakeHistory::default()).await;
    let mut slow = TcpStream::connect(site.address).await.unwrap();
    let head = format!("POST /v1/alerts/{COLD}/acknowledge HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n");
    slow.write_all(head.as_bytes()).await.unwrap();
    exchange(&mut TcpStream::connect(site.address).await.unwrap()).await;
    let started = Instant::now();
    site.stop().await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_live_session_opens_from_our_own_pages_only() {
    let site = Site::new().await;
    let own = format!("http://{}", site.address);
    for (origin, status) in [(own.as_str(), "101"), ("http://evil.example", "403"), ("null", "403")] {
        let request = format!(
            "GET /v1/live HTTP/1.1\r\nhost: {}\r\norigin: {origin}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            site.address
        );
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(line, *format!("HTTP/1.1 {status}").as_bytes(), "{origin}");
    }
}

#[tokio::test]
async fn a_download_that_nobody_reads_ends_and_a_live_session_that_sleeps_does_not() {
    crate::site::recorder();
    let config = PushConfig { write_timeout: Duration::from_millis(200), ..PushConfig::default() };
    let site = Site::with(config, FakeHistory { is_endless: true, ..FakeHistory::default() }).await;
    let (mut sleeping, _) = tokio_tungstenite::connect_async(format!("ws://{}/v1/live", site.address)).await.unwrap();
    let hello = r#"{"type":"hello","protocol":2,"encoding":"json"}"#;
    sleeping.send(Message::text(hello)).await.unwrap();

    let mut unread = TcpStream::connect(site.address).await.unwrap();
    let target = "/v1/readings?device=quiet&metric=temperature&from=0";
    let head = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\naccept: text/csv\r\n\r\n");
    unread.write_all(head.as_bytes()).await.unwrap();
    let counted = async || {
        let metrics = site.get("/metrics").await;
        metrics.text().contains(r#"tidegate_http_refused_total{reason="write_timeout"}"#)
    };
    while !counted().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = site.asked.lock().unwrap().len();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(site.asked.lock().unwrap().len(), asked, "nothing more is read for it");

    sleeping.send(Message::text(r#"{"type":"ping","n":7}"#)).await.unwrap();
    let heard = async { while !sleeping.next().await.unwrap().unwrap().to_text().unwrap().contains("pong") {} };
    tokio::time::timeout(Duration::from_secs(10), heard).await.unwrap();
}

/// One request and its answer on a connection that stays open.
async fn exchange(stream: &mut TcpStream) {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"ok\n") {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the connection stays open");
    }
}
