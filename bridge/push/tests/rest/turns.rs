//! Questions to the history take turns among those who ask, and go with them.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_push::PushConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::client;
use crate::fleet::FakeHistory;
use crate::site::Site;

struct Slow {
    site: Site,
    /// Each word lets one question be answered.
    open: Sender<()>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Slow {
    /// A server whose history answers one question at a time, and only when told to.
    async fn new(config: PushConfig) -> Slow {
        let (open, gate) = channel();
        let history = FakeHistory { gate: Some(gate).into(), ..FakeHistory::default() };
        let asked = Arc::clone(&history.asked);
        let config = PushConfig { history_concurrency: 1, history_wait: Duration::from_millis(60_000), ..config };
        Slow { site: Site::with(config, history).await, open, asked }
    }

    /// Asks for readings of a device from an address of this host.
    async fn ask(&self, from: &str, device: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        let mut stream = socket.connect(self.site.address).await.unwrap();
        let target = format!("/v1/readings?device={device}&metric=door.state");
        let request = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn until_asked(&self, what: &str, times: usize) {
        for _ in 0..3_000 {
            if self.asked.lock().unwrap().iter().filter(|asked| **asked == what).count() >= times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what} was not asked {times} times: {:?}", self.asked.lock().unwrap());
    }

    /// Waits until so many questions of REST have come to the server.
    async fn until_waiting(&self, questions: usize) {
        let gauge = |line: &str| line.strip_prefix("tidegate_history_waiting{from=\"rest\"} ")?.parse().ok();
        for _ in 0..3_000 {
            let metrics = self.site.get("/metrics").await;
            let waiting: f64 = metrics.text().lines().find_map(gauge).unwrap_or_default();
            if waiting >= questions as f64 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{questions} questions do not wait");
    }
}

#[tokio::test]
async fn an_address_that_asks_much_and_one_that_asks_once_are_served_in_turn() {
    crate::site::recorder();
    let slow = Slow::new(PushConfig::default()).await;
    let first = slow.ask("127.0.0.1", "site/a/dev7").await;
    slow.until_asked("site/a/dev7", 1).await;
    let mut greedy = vec![first];
    for _ in 0..40 {
        greedy.push(slow.ask("127.0.0.1", "site/a/dev7").await);
    }
    slow.until_waiting(38).await;
    let mut modest = Vec::new();
    for _ in 0..20 {
        modest.push(slow.ask("127.0.0.2", "quiet").await);
    }
    // Other tests have a few questions as well.
    slow.until_waiting(55).await;
    for _ in 0..61 {
        slow.open.send(()).unwrap();
    }
    for stream in modest.iter_mut().chain(&mut greedy) {
        assert_eq!(client::parse(&client::read_to_end(stream).await).status, 200);
    }
    let asked = slow.asked.lock().unwrap();
    let (tenth, _) = asked.iter().enumerate().filter(|(_, device)| **device == "site/b/quiet").nth(9).unwrap();
    assert!(tenth <= 30, "the tenth modest question came after {tenth} others: {asked:?}");
}

#[tokio::test]
async fn a_client_that_hangs_up_withdraws_its_question() {
    let slow = Slow::new(PushConfig::default()).await;
    let answered = slow.ask("127.0.0.1", "site/a/dev7").await;
    slow.until_asked("site/a/dev7", 1).await;
    drop(answered);
    slow.until_asked("site/a/dev7 withdrawn", 1).await;
    let mut next = slow.ask("127.0.0.1", "quiet").await;
    slow.open.send(()).unwrap();
    assert_eq!(client::parse(&client::read_to_end(&mut next).await).status, 200);
}

#[tokio::test]
async fn an_address_with_too_much_waiting_is_told_to_come_back_and_the_others_are_served() {
    let slow = Slow::new(PushConfig { history_waiting_max: 2, ..PushConfig::default() }).await;
    let _running = slow.ask("127.0.0.3", "site/a/dev7").await;
    slow.until_asked("site/a/dev7", 1).await;
    // Two of the three wait; which one is refused is theirs to find out.
    let mut three = Vec::new();
    for _ in 0..3 {
        three.push(slow.ask("127.0.0.3", "site/a/dev7").await);
    }
    let refused = three.iter_mut().map(|stream| Box::pin(client::read_to_end(stream)));
    let (refused, ..) = futures_util::future::select_all(refused).await;
    let refused = client::parse(&refused);
    assert_eq!((refused.status, refused.header("retry-after")), (503, "2"));
    let mut modest = slow.ask("127.0.0.4", "quiet").await;
    for _ in 0..4 {
        slow.open.send(()).unwrap();
    }
    assert_eq!(client::parse(&client::read_to_end(&mut modest).await).status, 200);
}

#[tokio::test]
async fn an_address_that_sends_half_bodies_keeps_no_other_from_importing_and_they_are_counted_as_what_they_are() {
    crate::site::recorder();
    let config =
        PushConfig { import_concurrency: 1, body_timeout: Duration::from_millis(300), ..PushConfig::default() };
    let site = Site::with(config, FakeHistory::default()).await;
    let from = async |address: &str, announced: usize, body: &str| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        let mut stream = socket.connect(site.address).await.unwrap();
        let head = format!("POST /v1/import HTTP/1.1\r\nhost: localhost\r\ncontent-length: {announced}\r\n\r\n{body}");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let mut greedy = Vec::new();
    for _ in 0..20 {
        greedy.push(from("127.0.0.1", 1_000, "temp").await);
    }
    let gauge = |line: &str| line.strip_prefix("tidegate_history_waiting{from=\"imports\"} ")?.parse().ok();
    while site.get("/metrics").await.text().lines().find_map(gauge).is_none_or(|waiting: f64| waiting < 18.0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Each of the others holds the turn for 300 ms: behind all of them it would be told that there is none.
    let mut modest = from("127.0.0.2", 3, "#x\n").await;
    let mut answer = vec![0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut modest, &mut answer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 200");
    drop(greedy);
    while !site.get("/metrics").await.text().contains("tidegate_http_refused_total{reason=\"body_broken\"}") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
