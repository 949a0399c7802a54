//! What clients that misbehave cost those that do not.

use super::raw::Raw;
use super::relay::Relay;
use crate::{
    bench::{
        BenchConfig,
        server::{Kind, Server},
        table::Table,
    },
    mqtt::Dialer,
    viewers::peer::{packet, put_text},
};
use std::{io, time::Duration};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpStream, task::JoinSet, time::sleep};

const PAIRS: usize = 50;
const RATE: usize = 1000;
const HALF_OPEN: usize = 5000;
const SETTLE: Duration = Duration::from_millis(1500);
/// Pause between two malformed packets of a client that sends nothing else.
const MALFORMED_EVERY: Duration = Duration::from_millis(2);
/// Bytes a flooding client writes at once.
const FLOOD_BYTES: usize = 64 * 1024;

/// How clients misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hostile {
    Flood,
    NeverReads,
    NeverAcknowledges,
    HalfOpen,
    Malformed,
}

impl Hostile {
    const ALL: [(Hostile, &'static str); 5] = [
        (Hostile::Flood, "a client that publishes as fast as it is read"),
        (Hostile::NeverReads, "a subscriber to everything that never reads"),
        (Hostile::NeverAcknowledges, "a subscriber to everything that never acknowledges"),
        (Hostile::HalfOpen, "5000 connections that send half a CONNECT"),
        (Hostile::Malformed, "a client that sends 500 malformed packets a second"),
    ];
}

/// Both servers: the p99 of pairs that behave, alone and beside each kind of misbehaviour.
///
/// # Errors
/// When a server cannot be started, or ends a connection that behaves.
pub async fn run(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    let ours = p99s(config, Kind::Tidegate).await?;
    let peer = p99s(config, Kind::Mosquitto).await?;
    let pairs = format!("MQTT to MQTT, {RATE}/s, QoS 1");
    table.add(&format!("{pairs}, undisturbed"), "end to end p99, ms", ours.0, Some(peer.0), "");
    for (index, (_, name)) in Hostile::ALL.into_iter().enumerate() {
        let load = format!("{pairs}, beside {name}");
        table.add(&load, "end to end p99, times the undisturbed", ours.1[index], Some(peer.1[index]), "2");
    }
    Ok(())
}

/// Undisturbed, in ms, and times that beside each.
async fn p99s(config: &BenchConfig, kind: Kind) -> io::Result<(f64, [f64; 5])> {
    let server = Server::start(kind, config.program(kind)).await?;
    let relay = Relay::start(&server, PAIRS, RATE).await?;
    let length = config.measure / 2;
    let alone_ms = relay.measure(&server, length).await?.p99_ms;
    let mut times = [0.0; 5];
    for ((hostile, name), times) in Hostile::ALL.into_iter().zip(&mut times) {
        let misbehaving = misbehave(hostile, &server).await?;
        sleep(SETTLE).await;
        let beside = relay.measure(&server, length).await?;
        drop(misbehaving);
        *times = beside.p99_ms / alone_ms;
        eprintln!(
            "bench: {kind:?}, beside {name}: p50 {:.2} ms, p99 {:.2} ms, {:.0}/s, {:.1} x; server {:.2} cores",
            beside.p50_ms, beside.p99_ms, beside.delivered, *times, beside.cores
        );
        sleep(SETTLE).await;
    }
    relay.stop().await?;
    server.stop().await?;
    Ok((alone_ms, times))
}

/// Goes on until it is dropped.
async fn misbehave(hostile: Hostile, server: &Server) -> io::Result<JoinSet<()>> {
    let dialer = Dialer::new(server.mqtt);
    let mut tasks = JoinSet::new();
    match hostile {
        Hostile::Flood => {
            let client = Raw::connect(dialer, 0, "flood", true).await?;
            tasks.spawn(flood(client.stream));
        }
        Hostile::NeverReads => {
            let mut client = Raw::connect(dialer, 0, "never-reads", true).await?;
            client.subscribe(&["#".to_owned()], 1).await?;
            tasks.spawn(async move {
                let _open = client;
                std::future::pending::<()>().await;
            });
        }
        Hostile::NeverAcknowledges => {
            let mut client = Raw::connect(dialer, 0, "never-acknowledges", true).await?;
            client.subscribe(&["#".to_owned()], 1).await?;
            tasks.spawn(async move { while client.packet().await.is_ok() {} });
        }
        Hostile::HalfOpen => {
            for index in 0..HALF_OPEN {
                let mut stream = dialer.connect(index).await?;
                stream.write_all(b"\x10\x20\0\x04MQTT").await?;
                tasks.spawn(async move {
                    let _open = stream;
                    std::future::pending::<()>().await;
                });
            }
        }
        Hostile::Malformed => {
            tasks.spawn(malformed(dialer));
        }
    }
    Ok(tasks)
}

/// Publishes with QoS 0 without pause; what cannot be written waits.
async fn flood(mut stream: TcpStream) {
    let mut body = Vec::new();
    put_text(&mut body, "flood");
    body.extend_from_slice(&[b'x'; 100]);
    let one = packet(0x30, &body);
    let many = one.repeat(FLOOD_BYTES / one.len());
    while stream.write_all(&many).await.is_ok() {}
}

/// Connects, sends a packet that no server may take, sees the connection end, and again.
async fn malformed(dialer: Dialer) {
    /// A reserved type, a PUBLISH of QoS 3, a PUBACK with identifier 0, a SUBSCRIBE with wrong flags, one without
    /// filters, a second CONNECT, a length of five bytes, a topic that is not UTF-8.
    const PACKETS: [&[u8]; 8] = [
        &[0x00, 0],
        &[0x36, 5, 0, 1, b'a', 0, 1],
        &[0x40, 2, 0, 0],
        &[0x80, 6, 0, 1, 0, 1, b'a', 0],
        &[0x82, 2, 0, 1],
        b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01a",
        &[0x30, 0xff, 0xff, 0xff, 0xff, 0x01],
        &[0x30, 4, 0, 2, 0xc3, 0x28],
    ];
    for (round, packet) in PACKETS.iter().cycle().enumerate() {
        if let Ok(mut client) = Raw::connect(dialer, round, "malformed", true).await
            && client.stream.write_all(packet).await.is_ok()
        {
            // A broken connection is what is expected here.
            let _ = client.stream.read(&mut [0; 64]).await;
        }
        sleep(MALFORMED_EVERY).await;
    }
}
