//! The simulators against a real MQTT server, started here on free ports and ended by its pid.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tidegate_sim::{
    bench::server::{Kind, Server},
    fleet::{Fleet, FleetConfig},
    model::{FleetPlan, QosChoice, Scenario},
    replay::{Columns, Pace, Replay, Series},
};

fn mosquitto() -> PathBuf {
    let found =
        ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto", "/opt/homebrew/sbin/mosquitto"];
    let found = found.iter().map(PathBuf::from).find(|path| path.exists());
    found.expect("mosquitto is not installed: install the package mosquitto")
}

fn fleet_config(mqtt: std::net::SocketAddr, scenario: Scenario, report: PathBuf) -> FleetConfig {
    let interval = Duration::from_millis(100);
    let plan = FleetPlan {
        devices: 60,
        buildings: 2,
        first_building: 0,
        interval,
        scenario,
        qos: QosChoice::Mix,
        maker: None,
        seed: 3,
    };
    FleetConfig { plan, mqtt, connect_rate: 1000.0, handshakes_max: 64, report: Some(report) }
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_report_has_every_acknowledged_value_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.jsonl");
    let server = Server::start(Kind::Mosquitto, &mosquitto()).await.unwrap();
    let fleet = Fleet::start(&fleet_config(server.mqtt, Scenario::Office, report.clone()), None).unwrap();
    until("200 are acknowledged", || fleet.totals().acknowledged >= 200).await;
    let totals = fleet.stop().await;
    server.stop().await.unwrap();
    assert_eq!(totals.acknowledged + totals.published_qos0, totals.published, "{totals}");
    assert_eq!((totals.unacknowledged, totals.connections_lost, totals.connected), (0, 0, 0), "{totals}");
    let lines = std::fs::read_to_string(report).unwrap();
    let mut by_qos = BTreeMap::<u64, u64>::new();
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["device"].is_string() && line["metric"].is_string() && line["value"].is_number(), "{line}");
        *by_qos.entry(line["qos"].as_u64().unwrap()).or_default() += 1;
    }
    assert_eq!(by_qos.values().sum::<u64>(), totals.values_acknowledged);
    assert_eq!(by_qos.keys().copied().collect::<Vec<_>>(), [1, 2], "QoS 0 is never acknowledged");
}

#[tokio::test]
async fn a_fleet_comes_back_by_itself_after_the_server_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(Kind::Mosquitto, &mosquitto()).await.unwrap();
    let proxy = Proxy::start(server.mqtt);
    let config = fleet_config(proxy.address, Scenario::Storm, folder.path().join("report.jsonl"));
    let fleet = Fleet::start(&config, None).unwrap();
    until("some are acknowledged", || fleet.totals().acknowledged >= 50).await;
    server.kill_and_restart().await.unwrap();
    proxy.turn_to(server.mqtt);
    let lost = fleet.totals().acknowledged;
    until("they publish again", || fleet.totals().acknowledged >= lost + 200).await;
    let totals = fleet.stop().await;
    assert!(totals.connections_lost >= 10, "{totals}");
    let accounted = totals.acknowledged + totals.published_qos0 + totals.unacknowledged;
    assert_eq!(accounted, totals.published, "nothing is forgotten: {totals}");
    server.stop().await.unwrap();
}

/// A fixed address before a server that comes back on another port.
struct Proxy {
    address: std::net::SocketAddr,
    target: Arc<parking_lot::Mutex<std::net::SocketAddr>>,
}

impl Proxy {
    fn start(target: std::net::SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(parking_lot::Mutex::new(target));
        let current = Arc::clone(&target);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(*current.lock()) else { continue };
                relay(client.try_clone().unwrap(), server.try_clone().unwrap());
                relay(server, client);
            }
        });
        Self { address, target }
    }

    fn turn_to(&self, target: std::net::SocketAddr) {
        *self.target.lock() = target;
    }
}

fn relay(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

/// First byte and packet identifier of each PUBLISH.
type Heard = Arc<parking_lot::Mutex<Vec<(u8, u16)>>>;

/// Accepts MQTT 3.1.1 and 5, keeps the first PUBLISH of the first connection unanswered and hangs up; acknowledges
/// everything afterwards. Returns what it heard.
fn forgetful_server(stop: Arc<AtomicBool>) -> (std::net::SocketAddr, Heard) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let (heard, connections) = (Arc::clone(&seen), Arc::new(AtomicUsize::new(0)));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if stop.load(SeqCst) {
                return;
            }
            let first = connections.fetch_add(1, SeqCst) == 0;
            let heard = Arc::clone(&heard);
            std::thread::spawn(move || answer(stream, first, &heard));
        }
    });
    (address, seen)
}

fn answer(mut stream: TcpStream, forget: bool, heard: &parking_lot::Mutex<Vec<(u8, u16)>>) {
    while let Some((head, body)) = read_packet(&mut stream) {
        match head >> 4 {
            1 if body[6] == 5 => stream.write_all(&[0x20, 3, 0, 0, 0]).unwrap(),
            1 => stream.write_all(&[0x20, 2, 0, 0]).unwrap(),
            3 => {
                let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let id = [body[2 + topic], body[3 + topic]];
                heard.lock().push((head, u16::from_be_bytes(id)));
                if forget {
                    return;
                }
                stream.write_all(&[0x40, 2, id[0], id[1]]).unwrap();
            }
            _ => return,
        }
    }
}

fn read_packet(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut byte = [0];
    stream.read_exact(&mut byte).ok()?;
    let (head, mut length, mut shift) = (byte[0], 0, 0);
    loop {
        stream.read_exact(&mut byte).ok()?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again_with_dup_and_the_same_identifier() {
    let stop = Arc::new(AtomicBool::new(false));
    let (address, seen) = forgetful_server(Arc::clone(&stop));
    let series = Series::read("date,value\n2010-01-01,1.5\n".as_bytes(), &Columns::default()).unwrap();
    let replay = Replay {
        mqtt: address,
        device: "d".to_owned(),
        metric: "temperature".to_owned(),
        group: None,
        keep_times: true,
        pace: Pace::AtOnce,
    };
    let totals = replay.run(&series).await.unwrap();
    stop.store(true, SeqCst);
    assert_eq!((totals.acknowledged, totals.resent), (1, 1));
    let seen = seen.lock().clone();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].0, 0x32, "QoS 1, first time");
    assert_eq!(seen[1], (0x3a, seen[0].1), "QoS 1, DUP, same identifier");
}

#[tokio::test]
async fn a_replay_of_two_thousand_points_is_acknowledged_to_the_last() {
    let server = Server::start(Kind::Mosquitto, &mosquitto()).await.unwrap();
    let mut text = "date,value\n".to_owned();
    for hour in 0..2000 {
        text.push_str(&format!("{},{}.25\n", 1_262_304_000i64 + hour * 3600, hour % 40));
    }
    let series = Series::read(text.as_bytes(), &Columns::default()).unwrap();
    let replay = Replay {
        mqtt: server.mqtt,
        device: "d".to_owned(),
        metric: "temperature".to_owned(),
        group: Some("Building A, Floor 3".to_owned()),
        keep_times: false,
        pace: Pace::AtOnce,
    };
    let totals = replay.run(&series).await.unwrap();
    assert_eq!((totals.acknowledged, totals.refused, totals.resent), (2000, 0, 0));
    assert!((tidegate_sim::unix_ms() - totals.last_ms).abs() < 10_000, "the series ends now");
    assert_eq!(totals.last_ms - totals.first_ms, 1999 * 3_600_000);
    server.stop().await.unwrap();
}
