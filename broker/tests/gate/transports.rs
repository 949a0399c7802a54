//! Every way in, over real sockets: what is let in, what is refused, and that refusing costs nobody else.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::Served;
use crate::support::authority::{Authority, loopback};
use futures_util::{SinkExt, StreamExt};
use tidegate_broker::{ListenAddress, ListenerConfig, TlsConfig, Transport};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::HandshakeKind;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message, http};

const CONNECT: &[u8] = b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01x";
const CONNACK: &[u8] = b"\x20\x02\0\0";

fn serve(listener: ListenerConfig) -> (Served, SocketAddr) {
    let served = Served::with(|config| config.listeners.push(listener));
    let ListenAddress::Tcp(address) = served.broker.listeners()[0].1.clone() else { panic!("it has an address") };
    (served, address)
}

async fn tls(connector: &TlsConnector, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
    connector.connect(name, TcpStream::connect(address).await?).await
}

/// Says CONNECT, and gives the answer; an error when the connection is closed instead.
async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<[u8; 4]> {
    stream.write_all(CONNECT).await?;
    stream.flush().await?;
    let mut answer = [0; 4];
    tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut answer)).await.expect("an answer or an end")?;
    Ok(answer)
}

#[tokio::test]
async fn a_client_is_served_over_tls_with_its_protocol_named_and_its_session_resumed() {
    let authority = Authority::new("an authority");
    let (_served, address) = serve(ListenerConfig { tls: Some(authority.issue("server")), ..loopback(Transport::Tls) });
    for alpn in [&[][..], &[&b"mqtt"[..]], &[b"x-other", b"mqtt"]] {
        assert_eq!(converse(tls(&authority.client(None, alpn), address).await.unwrap()).await.unwrap(), CONNACK);
    }
    let http = authority.client(None, &[b"http/1.1"]);
    assert!(tls(&http, address).await.is_err(), "a client of another protocol is not talked to");

    let client = authority.client(None, &[]);
    let first = tls(&client, address).await.unwrap();
    assert_eq!(first.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
    converse(first).await.unwrap();
    let again = tls(&client, address).await.unwrap();
    assert_eq!(again.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
    assert_eq!(converse(again).await.unwrap(), CONNACK);
}

#[tokio::test]
async fn bytes_that_are_not_tls_end_their_own_connection_only() {
    let authority = Authority::new("an authority");
    let (_served, address) = serve(ListenerConfig { tls: Some(authority.issue("server")), ..loopback(Transport::Tls) });
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(CONNECT).await.unwrap();
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer.first(), Some(&0x15), "a TLS alert, and the end: {answer:?}");
    let stranger = Authority::new("a stranger");
    assert!(tls(&stranger.client(None, &[]), address).await.is_err(), "a client that does not trust the server");
    assert!(converse(tls(&authority.client(None, &[]), address).await.unwrap()).await.is_ok());
}

#[tokio::test]
async fn a_large_exchange_over_tls_and_wss_arrives_whole() {
    const PAYLOAD: usize = 200_000;
    let authority = Authority::new("an authority");
    for transport in [Transport::Tls, Transport::Wss] {
        let (served, address) = serve(ListenerConfig { tls: Some(authority.issue("server")), ..loopback(transport) });
        let stream = tls(&authority.client(None, &[]), address).await.unwrap();
        let mut packet = vec![0x30];
        let length = 3 + PAYLOAD;
        packet.extend([(length & 0x7f) as u8 | 0x80, (length >> 7 & 0x7f) as u8 | 0x80, (length >> 14) as u8]);
        packet.extend(b"\0\x01t");
        packet.resize(4 + length, 7);
        let mut all = CONNECT.to_vec();
        all.extend(b"\x82\x06\0\x01\0\x01t\0");
        all.extend(&packet);
        let mut expected = CONNACK.to_vec();
        expected.extend(b"\x90\x03\0\x01\0");
        expected.extend(&packet);
        let received = match transport {
            Transport::Tls => {
                let (mut reader, mut writer) = tokio::io::split(stream);
                let mut received = vec![0; expected.len()];
                let (sent, read) = tokio::join!(writer.write_all(&all), reader.read_exact(&mut received));
                sent.and(read.map(drop)).unwrap();
                received
            }
            _ => {
                let request = upgrade(&format!("wss://{address}/mqtt"), Some("mqtt"), None);
                let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
                // Packets span frames, and frames hold parts of two packets.
                for part in all.chunks(50_001) {
                    socket.send(Message::binary(part.to_vec())).await.unwrap();
                }
                read_frames(&mut socket, expected.len()).await
            }
        };
        assert!(received == expected, "over {}", transport.name());
        drop(served);
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate_or_is_refused() {
    let authority = Authority::new("the devices' authority");
    let (device, stranger) = (authority.issue("device-7"), Authority::new("a stranger"));
    let files = TlsConfig { client_ca: Some(authority.ca()), require_certificate: true, ..authority.issue("server") };
    let (served, address) = serve(ListenerConfig { tls: Some(files.clone()), ..loopback(Transport::Tls) });

    let known = authority.client(Some(&device), &[]);
    assert_eq!(converse(tls(&known, address).await.unwrap()).await.unwrap(), CONNACK);
    let again = tls(&known, address).await.unwrap();
    assert_eq!(again.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed), "resumed with its certificate");
    assert_eq!(converse(again).await.unwrap(), CONNACK);
    for (what, client) in [
        ("no certificate", authority.client(None, &[])),
        ("a stranger's certificate", authority.client(Some(&stranger.issue("device-7")), &[])),
    ] {
        // In TLS 1.3 a client learns of it with its first read.
        let refused = match tls(&client, address).await {
            Ok(stream) => converse(stream).await.err(),
            Err(error) => Some(error),
        };
        assert!(refused.is_some(), "{what}");
    }
    drop(served);

    let optional = TlsConfig { require_certificate: false, ..files };
    let (_served, address) = serve(ListenerConfig { tls: Some(optional), ..loopback(Transport::Tls) });
    assert_eq!(converse(tls(&authority.client(None, &[]), address).await.unwrap()).await.unwrap(), CONNACK);
    assert_eq!(converse(tls(&known, address).await.unwrap()).await.unwrap(), CONNACK);
}

#[tokio::test]
async fn changed_certificates_are_used_without_a_restart_and_bad_ones_are_not() {
    let (before, after) = (Authority::new("before"), Authority::new("after"));
    let files = before.issue("server");
    let (_served, address) = serve(ListenerConfig { tls: Some(files.clone()), ..loopback(Transport::Tls) });
    let (old, new) = (before.client(None, &[]), after.client(None, &[]));
    let mut stands = tls(&old, address).await.unwrap();

    std::fs::write(&files.certificate, "-----BEGIN CERTIFICATE-----\nnonsense\n").unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(tls(&before.client(None, &[]), address).await.is_ok(), "the old certificate stays");
    let next = after.issue("server");
    std::fs::copy(&next.certificate, &files.certificate).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(tls(&before.client(None, &[]), address).await.is_ok(), "a certificate without its key is not used");
    std::fs::copy(&next.key, &files.key).unwrap();

    let end = Instant::now() + Duration::from_secs(5);
    while tls(&new, address).await.is_err() {
        assert!(Instant::now() < end, "the new certificate is never used");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(converse(&mut stands).await.unwrap(), CONNACK, "a connection of before goes on");
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_named_at_the_start() {
    let authority = Authority::new("an authority");
    let (one, other) = (authority.issue("one"), authority.issue("other"));
    let missing = Path::new("/nonexistent/server.pem").to_path_buf();
    for (files, named) in [
        (TlsConfig { certificate: missing.clone(), ..one.clone() }, "/nonexistent/server.pem"),
        (TlsConfig { key: other.key.clone(), ..one.clone() }, "one.pem"),
        (TlsConfig { certificate: one.key.clone(), ..one.clone() }, "no certificate in it"),
        (TlsConfig { client_ca: Some(missing), ..one.clone() }, "/nonexistent/server.pem"),
    ] {
        let config = tidegate_broker::BrokerConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            listeners: vec![ListenerConfig { tls: Some(files), ..loopback(Transport::Tls) }],
            ..Default::default()
        };
        let error = crate::support::bind(config).err().expect("it does not start").to_string();
        assert!(error.contains(named), "{error}");
    }
}

fn upgrade(url: &str, protocol: Option<&str>, origin: Option<&str>) -> http::Request<()> {
    let mut request = url.into_client_request().unwrap();
    for (name, value) in [("sec-websocket-protocol", protocol), ("origin", origin)] {
        if let Some(value) = value {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
    }
    request
}

async fn read_frames<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut tokio_tungstenite::WebSocketStream<S>,
    count: usize,
) -> Vec<u8> {
    let mut received = Vec::new();
    while received.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(5), socket.next()).await.expect("a frame");
        match next.expect("it stands").unwrap() {
            Message::Binary(bytes) => received.extend_from_slice(&bytes),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
    received
}

#[tokio::test]
async fn mqtt_over_websocket_is_served_however_frames_cut_the_packets() {
    let (_served, address) = serve(loopback(Transport::WebSocket));
    let request = upgrade(&format!("ws://{address}/mqtt"), Some("mqtt"), None);
    let (mut socket, response) = tokio_tungstenite::connect_async(request).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "mqtt");
    for byte in CONNECT {
        socket.send(Message::binary(vec![*byte])).await.unwrap();
    }
    socket.send(Message::binary(Vec::new())).await.unwrap();
    socket.send(Message::Ping("still there?".into())).await.unwrap();
    assert_eq!(read_frames(&mut socket, 4).await, CONNACK);
    socket.send(Message::binary(&b"\xc0\0\xc0\0\xc0\0"[..])).await.unwrap();
    assert_eq!(read_frames(&mut socket, 6).await, b"\xd0\0\xd0\0\xd0\0");
    socket.send(Message::text("MQTT comes in binary frames")).await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(5), async {
        while let Some(Ok(message)) = socket.next().await {
            assert!(!message.is_binary() && !message.is_text(), "{message:?}");
        }
    });
    end.await.expect("a text frame ends the connection");
}

#[tokio::test]
async fn a_websocket_is_opened_to_its_subprotocol_and_its_origins_only() {
    let listener = ListenerConfig { origins: vec!["https://wall.example".into()], ..loopback(Transport::WebSocket) };
    let (_served, address) = serve(listener);
    let same = format!("http://{}:8080", address.ip());
    for (protocol, origin, expected) in [
        (Some("mqtt"), None, 101),
        (Some("mqttv3.1"), None, 101),
        (Some("mqtt"), Some("https://wall.example"), 101),
        (Some("mqtt"), Some(same.as_str()), 101),
        (Some("mqtt"), Some("https://evil.example"), 403),
        (Some("chat"), None, 400),
        (None, None, 400),
    ] {
        let request = upgrade(&format!("ws://{address}/"), protocol, origin);
        let status = match tokio_tungstenite::connect_async(request).await {
            Ok((_, response)) => response.status(),
            Err(Error::Http(response)) => response.status(),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(status.as_u16(), expected, "{protocol:?} {origin:?}");
    }
}

#[tokio::test]
async fn a_message_larger_than_a_packet_may_be_ends_its_websocket() {
    let listener = loopback(Transport::WebSocket);
    let (_served, address) = serve(listener);
    let request = upgrade(&format!("ws://{address}/"), Some("mqtt"), None);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    // The server closes at the frame's header; whether all of it can still be written is open.
    let _ = socket.send(Message::binary(vec![0; 300 * 1024])).await;
    let end = tokio::time::timeout(Duration::from_secs(5), async { while let Some(Ok(_)) = socket.next().await {} });
    end.await.expect("it ends");
}

#[tokio::test]
async fn a_client_is_served_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mqtt.sock");
    let served = Served::with(|config| {
        config.listeners.push(ListenerConfig::new(Transport::Unix, ListenAddress::Unix(path.clone())));
    });
    assert_eq!(converse(UnixStream::connect(&path).await.unwrap()).await.unwrap(), CONNACK);
    served.stopped().await;
    assert!(!path.exists(), "the socket's file goes with the server");
}

#[tokio::test]
async fn behind_a_proxy_every_connection_says_where_it_comes_from() {
    let listener = ListenerConfig { proxy_protocol: true, ..loopback(Transport::Tcp) };
    let (served, address) = serve(listener);
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([203, 0, 113, 9, 127, 0, 0, 1, 0x30, 0x39, 0x07, 0x5b]);

    let mut client = TcpStream::connect(address).await.unwrap();
    for byte in &header {
        client.write_all(&[*byte]).await.unwrap();
    }
    assert_eq!(converse(&mut client).await.unwrap(), CONNACK);

    let mut bad = TcpStream::connect(address).await.unwrap();
    bad.write_all(&header).await.unwrap();
    bad.write_all(b"\0\0").await.unwrap();
    assert_eq!(bad.read(&mut [0]).await.unwrap_or(0), 0, "a malformed packet ends it");
    let names_it = |s: &Served| s.problems.clients().iter().any(|client| client == "203.0.113.9:12345");
    served.until("the problem names the address the proxy gave", names_it).await;
    let absent = TcpStream::connect(address).await.unwrap();
    assert!(converse(absent).await.is_err(), "without the header it is refused");
}

#[tokio::test]
async fn half_open_connections_end_at_the_deadline_and_hurt_nobody() {
    const EACH: usize = 100;
    let authority = Authority::new("an authority");
    let files = authority.issue("server");
    let deadline = Duration::from_millis(700);
    let served = Served::with(|config| {
        config.connect_timeout = deadline;
        config.listeners = vec![
            ListenerConfig { tls: Some(files.clone()), ..loopback(Transport::Tls) },
            loopback(Transport::WebSocket),
            ListenerConfig { proxy_protocol: true, ..loopback(Transport::Tcp) },
        ];
    });
    let mut bystander = served.v3("bystander").await;
    let mut addresses = vec![served.address];
    for (_, at) in served.broker.listeners() {
        let ListenAddress::Tcp(address) = at else { panic!("all have addresses") };
        addresses.push(address);
    }
    let begun = Instant::now();
    let mut ends = Vec::new();
    for (place, address) in addresses.into_iter().enumerate() {
        // The beginning of what each listener expects, then a byte now and then, then nothing.
        let start: &[u8] = [&b"\x10\x0d"[..], b"\x16\x03\x01", b"GET / HTTP/1.1\r\n", b"\r\n\r\n"][place];
        for number in 0..EACH {
            let mut stream = TcpStream::connect(address).await.unwrap();
            if number % 2 == 0 {
                stream.write_all(&start[..1]).await.unwrap();
            }
            ends.push(tokio::spawn(async move {
                if number % 2 == 0 {
                    for byte in &start[1..] {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        let _ = stream.write_all(&[*byte]).await;
                    }
                }
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                begun.elapsed()
            }));
        }
    }
    for _ in 0..10 {
        let asked = Instant::now();
        bystander.is_served().await;
        assert!(asked.elapsed() < Duration::from_millis(300), "{:?}", asked.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for end in ends {
        let after = tokio::time::timeout(Duration::from_secs(8), end).await.expect("it ends").unwrap();
        assert!(after >= deadline && after < deadline + Duration::from_secs(5), "{after:?}");
    }
    served.until("their places are free again", |s| s.stats().connections == 1).await;
    bystander.is_served().await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_handshakes() {
    let authority = Authority::new("an authority");
    let (served, address) = serve(ListenerConfig { tls: Some(authority.issue("server")), ..loopback(Transport::Tls) });
    let mut silent = TcpStream::connect(address).await.unwrap();
    served.v3("another").await;
    let begun = Instant::now();
    served.stopped().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0);
}

/// A CONNECT of version 5, and a packet that is none.
const V5_AND_A_BREACH: &[u8] = b"\x10\x0e\0\x04MQTT\x05\x02\0\0\0\0\x01x\xf1\0";
const MEBIBYTE: usize = 1 << 20;

/// Sends what is against the standard, goes on sending a megabyte, and only then reads: the DISCONNECT with its code and words
/// is there, and behind it an end that is no reset.
async fn reads_why(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    stream.write_all(V5_AND_A_BREACH).await.unwrap();
    stream.flush().await.unwrap();
    for _ in 0..64 {
        stream.write_all(&[0; MEBIBYTE / 64]).await.expect("what is still sent is taken");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    stream.flush().await.expect("all of it");
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.unwrap().expect("no reset");
    let disconnect = &answer[usize::from(answer[1]) + 2..];
    assert_eq!((disconnect[0], disconnect[2]), (0xe0, 0x81), "{answer:?}");
    assert!(String::from_utf8_lossy(disconnect).contains("reserved flags"), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_is_still_sending_reads_why_it_was_ended() {
    let authority = Authority::new("an authority");
    let (served, address) = serve(ListenerConfig { tls: Some(authority.issue("server")), ..loopback(Transport::Tls) });
    reads_why(served.raw().await.stream).await;
    // A TLS client takes the end of the stream without a `close_notify` for an error.
    reads_why(tls(&authority.client(None, &[]), address).await.unwrap()).await;
}

#[tokio::test]
async fn a_page_that_is_still_sending_reads_why_it_was_ended() {
    for (breach, code) in [(Message::binary(&b"\xf1\0"[..]), 0x81), (Message::text("text"), 0x81)] {
        let (_served, address) = serve(loopback(Transport::WebSocket));
        let request = upgrade(&format!("ws://{address}/mqtt"), Some("mqtt"), None);
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        socket.send(Message::binary(&V5_AND_A_BREACH[..16])).await.unwrap();
        socket.send(breach).await.unwrap();
        for _ in 0..64 {
            socket.send(Message::binary(vec![0; MEBIBYTE / 64])).await.expect("what is still sent is taken");
        }
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(5), async {
            while let Some(message) = socket.next().await {
                match message.expect("no reset") {
                    Message::Binary(bytes) => answer.extend_from_slice(&bytes),
                    Message::Close(_) => return true,
                    other => panic!("{other:?}"),
                }
            }
            false
        });
        assert!(closed.await.unwrap(), "a closing frame");
        let disconnect = &answer[usize::from(answer[1]) + 2..];
        assert_eq!((disconnect[0], disconnect[2]), (0xe0, code), "{answer:?}");
    }
}

#[tokio::test]
async fn who_goes_on_sending_for_ever_is_cut_off_in_time_and_its_identifier_is_free_at_once() {
    let served = Served::with(|config| {
        config.linger_bytes_max = 100_000;
        config.linger = Duration::from_secs(60);
    });
    let mut first = served.raw().await.stream;
    first.write_all(V5_AND_A_BREACH).await.unwrap();
    served.until("its end", |served| served.stats().connections == 0).await;
    let started = Instant::now();
    assert_eq!(converse(served.raw().await.stream).await.unwrap(), CONNACK);
    assert!(started.elapsed() < Duration::from_secs(1));
    let flood = async { while first.write_all(&[0; 4096]).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(10), flood).await.expect("it is reset");
}
