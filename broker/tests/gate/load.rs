//! Measurements, run by hand: `cargo test --release -p tidegate-broker --test gate load -- --ignored --nocapture`.
//! Client and broker share the process and the cores; what the log costs is not in the figures.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::Served;
use crate::support::authority::{Authority, loopback};
use tidegate_broker::{ListenAddress, ListenerConfig, Transport};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn an_idle_connection_holds_little_memory() {
    const COUNT: usize = 8000;
    let served = Served::start();
    served.v3("first").await;
    let before = resident_bytes();
    let mut clients = Vec::new();
    for n in 0..COUNT {
        let mut client = std::net::TcpStream::connect(served.address).unwrap();
        let id = format!("{n:06}");
        client.write_all(b"\x10\x12\0\x04MQTT\x04\x02\0\x3c\0\x06").unwrap();
        client.write_all(id.as_bytes()).unwrap();
        clients.push(client);
    }
    served.until("all are in", |s| s.stats().connections >= COUNT).await;
    for client in &mut clients {
        client.read_exact(&mut [0; 4]).unwrap();
    }
    let each = (resident_bytes() - before) / COUNT;
    println!("{each} bytes an idle connection");
    assert!(each < 3200, "{each} bytes an idle connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn a_sleeping_session_holds_little_memory() {
    const COUNT: usize = 20_000;
    let served = Served::start();
    let sleep = |numbers: std::ops::Range<usize>| {
        for n in numbers {
            let (id, filter) = (format!("sleeper-{n:06}"), format!("commands/sleeper-{n:06}/#"));
            let mut client = std::net::TcpStream::connect(served.address).unwrap();
            let mut sent = b"\x10\x1a\0\x04MQTT\x04\0\0\x3c\0\x0e".to_vec();
            sent.extend_from_slice(id.as_bytes());
            sent.extend_from_slice(&[0x82, filter.len() as u8 + 5, 0, 1, 0, filter.len() as u8]);
            sent.extend_from_slice(filter.as_bytes());
            sent.push(1);
            client.write_all(&sent).unwrap();
            client.read_exact(&mut [0; 9]).unwrap();
            client.write_all(b"\xe0\0").unwrap();
            assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
        }
    };
    // What does not grow with the sessions is there before it is measured.
    tokio::task::block_in_place(|| sleep(0..COUNT));
    let before = resident_bytes();
    tokio::task::block_in_place(|| sleep(COUNT..2 * COUNT));
    served.until("all are away", |s| s.stats().connections == 0 && s.stats().subscriptions == 2 * COUNT).await;
    let each = (resident_bytes() - before) / COUNT;
    println!("{each} bytes a sleeping session");
    // On disk as well: the file of the sessions is in memory here.
    assert!(each < 500, "{each} bytes a sleeping session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn qos_1_publications_are_acknowledged_fast_over_a_hundred_connections() {
    const CONNECTIONS: usize = 100;
    const EACH: usize = 10_000;
    const WINDOW: usize = 50;
    let served = Arc::new(Served::start());
    served.log.forget();
    served.log.hold();
    let committing = {
        let log = Arc::clone(&served.log);
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(2));
            loop {
                tick.tick().await;
                log.commit();
            }
        })
    };
    let mut batch = Vec::new();
    for n in 0..WINDOW {
        let topic = b"site/b/floor1/dev7/temperature";
        let payload = b"{\"temperature\":23.5,\"humidity\":41.2,\"battery\":3.01}";
        batch.extend_from_slice(&[0x32, (4 + topic.len() + payload.len()) as u8, 0, topic.len() as u8]);
        batch.extend_from_slice(topic);
        batch.extend_from_slice(&(n as u16 + 1).to_be_bytes());
        batch.extend_from_slice(payload);
    }
    let batch = Arc::new(batch);
    let mut clients = Vec::new();
    for n in 0..CONNECTIONS {
        clients.push(served.v3(&format!("c{n}")).await);
    }
    let start = Instant::now();
    let mut tasks = Vec::new();
    for mut client in clients {
        let batch = Arc::clone(&batch);
        tasks.push(tokio::spawn(async move {
            for _ in 0..EACH / WINDOW {
                client.send(&batch).await;
                client.read(WINDOW * 4).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let rate = (CONNECTIONS * EACH) as f64 / start.elapsed().as_secs_f64();
    committing.abort();
    println!("{rate:.0} acknowledged publications a second");
    assert!(rate > 150_000.0, "{rate:.0} acknowledged publications a second");
}

/// What the process has had of the processors, in milliseconds.
fn processor_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn a_wildcard_subscription_costs_as_much_among_many_retained_messages_as_among_few() {
    const ROUNDS: usize = 500;
    // Filters of ten messages each, and of none.
    for (beginning, found) in [("dev", 10), ("non", 0)] {
        let mut costs = Vec::new();
        for count in [1000, 100_000] {
            let served = Served::start();
            let mut publisher = served.v3("publisher").await;
            for n in 0..count {
                publisher.publish(0x31, 0, format!("dev/{}/m{}", n / 10, n % 10).as_bytes(), b"23.5").await;
            }
            served.until("all are retained", |served| served.stats().retained == count).await;
            let mut subscriber = served.v3("subscriber").await;
            let subscribe = |n| [&b"\x82\x0d\0\x01\0\x08"[..], format!("{beginning}/{n}/#").as_bytes(), b"\0"].concat();
            let all: Vec<u8> = (10..100).flat_map(subscribe).collect();
            let before = processor_ms();
            for _ in 0..ROUNDS {
                subscriber.send(&all).await;
                subscriber.read(90 * (5 + found * 17)).await;
            }
            let cost_us = (processor_ms() - before) as f64 * 1000.0 / (90 * ROUNDS) as f64;
            println!("{beginning}/N/#: {cost_us:.2} us of processor among {count} retained messages");
            costs.push(cost_us);
        }
        assert!(costs[1] < 2.0 * costs[0] + 1.0, "{beginning}/N/#: {costs:?}");
    }
}

/// Two clients that ask for whatever costs most, in a few KB, and one that publishes beside them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn a_storm_of_subscriptions_delays_nobody_else() {
    for filter in ["none/#", "+/+/none", "#"] {
        let served = Arc::new(Served::with(|config| config.subscriptions_per_client_max = 100_000));
        let mut publisher = served.v3("publisher").await;
        for n in 0..99_000 {
            publisher.publish(0x31, 0, format!("dev/{}/m{}", n / 10, n % 10).as_bytes(), b"23.5").await;
        }
        served.until("all are retained", |served| served.stats().retained == 99_000).await;
        let body = [&[0, 1, 0, filter.len() as u8], filter.as_bytes(), &[0]].concat();
        let subscribe = [&[0x82, body.len() as u8][..], &body].concat();
        let mut storm = Vec::new();
        for n in 0..2 {
            let mut client = served.v3(&format!("storm{n}")).await;
            client.send(&subscribe.repeat(2000 / subscribe.len())).await;
            storm.push(tokio::spawn(async move {
                let mut bytes = [0; 65536];
                while tokio::io::AsyncReadExt::read(&mut client.stream, &mut bytes).await.is_ok_and(|count| count > 0) {
                }
            }));
        }
        let mut waits: Vec<Duration> = Vec::new();
        for n in 0..1000_u16 {
            let start = Instant::now();
            publisher.publish(0x32, n + 1, b"beside", b"x").await;
            publisher.read(4).await;
            waits.push(start.elapsed());
        }
        storm.iter().for_each(|task| task.abort());
        waits.sort_unstable();
        println!("{filter}: p50 {:?}, p99 {:?}, longest {:?}", waits[500], waits[990], waits[999]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn a_half_open_connection_holds_little_memory() {
    // Six rounds, two descriptors each: within 20,000.
    const COUNT: usize = 1500;
    let authority = Authority::new("an authority");
    let tls = ListenerConfig { tls: Some(authority.issue("server")), ..loopback(Transport::Tls) };
    let served = Served::with(|config| {
        config.connect_timeout = Duration::from_secs(60);
        config.listeners = vec![tls, loopback(Transport::WebSocket)];
    });
    let mut addresses = vec![("tcp", served.address)];
    for (transport, at) in served.broker.listeners() {
        let ListenAddress::Tcp(address) = at else { panic!("it has an address") };
        addresses.push((transport.name(), address));
    }
    let mut all = Vec::new();
    for (name, address) in addresses {
        for (what, bytes) in [("nothing", &b""[..]), ("one byte", b"\x16")] {
            let before = resident_bytes();
            for _ in 0..COUNT {
                let mut client = std::net::TcpStream::connect(address).unwrap();
                client.write_all(bytes).unwrap();
                all.push(client);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            let each = resident_bytes().saturating_sub(before) / COUNT;
            println!("{each} bytes a connection over {name} that sent {what}");
            assert!(each < 2048, "{each} bytes a connection over {name} that sent {what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, against Mosquitto"]
async fn tls_handshakes_are_as_fast_as_mosquittos() {
    let authority = Authority::new("an authority");
    let files = authority.issue("server");
    let tls = ListenerConfig { tls: Some(files.clone()), ..loopback(Transport::Tls) };
    let served = Served::with(|config| config.listeners.push(tls));
    let ListenAddress::Tcp(ours) = served.broker.listeners()[0].1.clone() else { panic!("it has an address") };

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = authority.folder.path().join("mosquitto.conf");
    let text = format!(
        "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\ncertfile {}\nkeyfile {}\n",
        files.certificate.display(),
        files.key.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut mosquitto = std::process::Command::new("mosquitto").arg("-c").arg(&config).spawn().unwrap();
    let theirs = SocketAddr::from(([127, 0, 0, 1], port));
    while std::net::TcpStream::connect(theirs).is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for resumes in [false, true] {
        for (name, address) in [("mosquitto", theirs), ("tidegate", ours), ("mosquitto", theirs), ("tidegate", ours)] {
            let rate = handshakes(authority.client_that(resumes), address).await;
            println!("{name}: {rate:.0} handshakes a second, {}", if resumes { "resumed" } else { "full" });
        }
    }
    mosquitto.kill().unwrap();
    mosquitto.wait().unwrap();
}

/// Handshakes a second, each with a CONNECT and its CONNACK, eight at a time.
async fn handshakes(connector: TlsConnector, address: SocketAddr) -> f64 {
    const TASKS: usize = 8;
    const EACH: usize = 250;
    handshake(&connector, address).await;
    let start = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..TASKS {
        let connector = connector.clone();
        tasks.push(tokio::spawn(async move {
            for _ in 0..EACH {
                handshake(&connector, address).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    (TASKS * EACH) as f64 / start.elapsed().as_secs_f64()
}

async fn handshake(connector: &TlsConnector, address: SocketAddr) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let name = ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
    let mut stream = connector.connect(name, stream).await.unwrap();
    stream.write_all(b"\x10\x0c\0\x04MQTT\x04\x02\0\0\0\0").await.unwrap();
    stream.read_exact(&mut [0; 4]).await.unwrap();
}
