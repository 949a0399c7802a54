//! A load of faithful clients on a server that comes and goes, and what was promised to them.

use std::cell::RefCell;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tidegate_log::{EmbeddedLog, Log, LogConfig};
use tidegate_telemetry::{Entry, Position, Publication};
use tidegate_tests::mqtt::{Client, Message, Session, Will};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Between two publications of a publisher.
const PAUSE: Duration = Duration::from_millis(6);
/// Publications of a publisher under way.
const WINDOW: usize = 16;
/// Topic, quality of service, retained.
const PUBLISHERS: [(&str, u8, bool); 3] =
    [("load/p0/count", 2, false), ("load/p1/count", 2, true), ("load/p2/count", 1, false)];
const WILL: &str = "will/w/count";

/// Publishers that count, subscribers that come and go, one that sleeps all the time, and one that is lost with a will.
pub struct Load {
    stop: Arc<AtomicBool>,
    publishers: Vec<JoinHandle<Client>>,
    restless: Vec<JoinHandle<Client>>,
    sleeper: Client,
    /// Keeps its connection until the first time the server goes, and never comes back.
    _lost: Client,
}

/// What came of it.
pub struct Outcome {
    publishers: Vec<Session>,
    /// Subscriptions of QoS 2, of which the last slept.
    exactly_once: Vec<Session>,
    at_least_once: Session,
    /// What a newcomer gets of the retained topic.
    retained: Vec<Message>,
}

impl Load {
    pub async fn start(server: SocketAddr) -> Load {
        let mut sleeper = subscribed(server, "sleeper", 2).await;
        sleeper.leave().await;
        let will = Will { topic: WILL.to_owned(), payload: b"1".to_vec(), qos: 2 };
        let mut lost = Client::v3("lost");
        lost.will = Some(will);
        lost.connect(server).await.unwrap();

        let stop = Arc::new(AtomicBool::new(false));
        let mut restless = Vec::new();
        for (client, qos) in [("restless-2", 2), ("restless-1", 1)] {
            let client = subscribed(server, client, qos).await;
            restless.push(tokio::spawn(come_and_go(client, server, Arc::clone(&stop))));
        }
        let mut publishers = Vec::new();
        for (number, (topic, qos, retain)) in PUBLISHERS.into_iter().enumerate() {
            let mut client = if number == 0 { Client::v5("p0") } else { Client::v3(&format!("p{number}")) };
            client.connect(server).await.unwrap();
            publishers.push(tokio::spawn(count(client, server, topic, qos, retain, Arc::clone(&stop))));
        }
        Load { stop, publishers, restless, sleeper, _lost: lost }
    }

    /// Lets everything under way come to its end.
    pub async fn finish(mut self, server: SocketAddr) -> Outcome {
        self.stop.store(true, Ordering::Release);
        let mut publishers = Vec::new();
        for publisher in self.publishers {
            publishers.push(publisher.await.unwrap().session);
        }
        let mut subscribers = Vec::new();
        for client in self.restless {
            subscribers.push(client.await.unwrap());
        }
        subscribers.push(self.sleeper);
        for client in &mut subscribers {
            client.connect_at_last(server).await;
            hear_the_last(client, &publishers).await;
        }
        self.sleeper = subscribers.pop().unwrap();
        let at_least_once = subscribers.pop().unwrap().session;
        let exactly_once = subscribers.into_iter().chain([self.sleeper]).map(|client| client.session).collect();

        let mut newcomer = Client::v3("newcomer");
        newcomer.connect(server).await.unwrap();
        newcomer.subscribe(PUBLISHERS[1].0, 1).await.unwrap();
        newcomer.listen_until(Duration::from_secs(10), |session| !session.inbox.is_empty()).await;
        Outcome { publishers, exactly_once, at_least_once, retained: newcomer.session.inbox }
    }
}

async fn subscribed(server: SocketAddr, client: &str, qos: u8) -> Client {
    let mut client = Client::v3(client);
    client.connect(server).await.unwrap();
    assert_eq!(client.subscribe("load/#", qos).await.unwrap(), qos);
    assert_eq!(client.subscribe("will/#", qos).await.unwrap(), qos);
    client
}

/// Publishes 0, 1, 2, …, whatever becomes of its connections; ends when everything is acknowledged.
async fn count(
    mut client: Client,
    server: SocketAddr,
    topic: &str,
    qos: u8,
    retain: bool,
    stop: Arc<AtomicBool>,
) -> Client {
    let (mut next, mut due) = (0, Instant::now());
    loop {
        let is_stopping = stop.load(Ordering::Acquire);
        if is_stopping && client.session.in_flight() == 0 {
            return client;
        }
        if !client.is_connected() {
            client.connect_at_last(server).await;
        }
        if !is_stopping && client.session.in_flight() < WINDOW && due <= Instant::now() {
            client.publish(topic, &next.to_string(), qos, retain).await;
            next += 1;
            due = Instant::now() + PAUSE;
        }
        // A lost connection is seen by the next round.
        let _ = timeout(PAUSE, client.step()).await;
    }
}

/// Is there for a while, then away, half of the time without a word.
async fn come_and_go(mut client: Client, server: SocketAddr, stop: Arc<AtomicBool>) -> Client {
    let mut round = 0;
    while !stop.load(Ordering::Acquire) {
        client.connect_at_last(server).await;
        let stay = Duration::from_millis(50 + round * 37 % 300);
        let _ = timeout(stay, async { while client.step().await.is_ok() {} }).await;
        if round % 2 == 0 {
            client.leave().await;
        }
        client.lose();
        tokio::time::sleep(Duration::from_millis(round * 53 % 200)).await;
        round += 1;
    }
    client
}

/// Listens until the last message of every topic came, and then a while longer for what should not come.
async fn hear_the_last(client: &mut Client, publishers: &[Session]) {
    let lasts = publishers.iter().map(|publisher| publisher.acknowledged.last().expect("it published"));
    let lasts: HashSet<(String, String)> = lasts.map(|last| (last.topic.clone(), last.payload.clone())).collect();
    let heard = client.session.inbox.iter().map(|message| (message.topic.clone(), message.payload.clone()));
    let missing = RefCell::new(&lasts - &heard.collect());
    let all_heard = |session: &Session| {
        if let Some(newest) = session.inbox.last() {
            missing.borrow_mut().remove(&(newest.topic.clone(), newest.payload.clone()));
        }
        missing.borrow().is_empty()
    };
    client.listen_until(Duration::from_secs(15), all_heard).await;
    client.listen_until(Duration::from_millis(300), |_| false).await;
}

impl Outcome {
    /// How many publications were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.publishers.iter().map(|publisher| publisher.acknowledged.len()).sum()
    }

    /// Acknowledged publications that a log lacks.
    pub fn lost(&self, data: &Path) -> usize {
        let (log, mut lost) = (logged(data), 0);
        for (publisher, (topic, ..)) in self.publishers.iter().zip(PUBLISHERS) {
            let there: HashSet<u64> = numbers(log.iter().map(|(of, n)| (of.as_str(), n.as_str())), topic).collect();
            lost +=
                publisher.acknowledged.iter().filter(|sent| !there.contains(&sent.payload.parse().unwrap())).count();
        }
        lost
    }

    /// Panics when the log lacks anything acknowledged, or has twice what was to be there once.
    pub fn check_log(&self, data: &Path) {
        let log = logged(data);
        let log = || log.iter().map(|(topic, payload)| (topic.as_str(), payload.as_str()));
        for (publisher, (topic, qos, _)) in self.publishers.iter().zip(PUBLISHERS) {
            let sent = publisher.acknowledged.len() as u64;
            match qos {
                2 => assert_exactly(numbers(log(), topic), sent, &format!("the log, {topic}")),
                _ => assert_at_least(numbers(log(), topic), sent, &format!("the log, {topic}")),
            }
        }
        assert_eq!(numbers(log(), WILL).count(), 1, "the will is published once");
    }

    /// Panics when a subscriber lacks anything promised to it, or has anything twice that was to come once.
    pub fn check_subscribers(&self) {
        for (publisher, (topic, qos, _)) in self.publishers.iter().zip(PUBLISHERS) {
            let sent = publisher.acknowledged.len() as u64;
            for session in &self.exactly_once {
                let who = format!("{}, {topic}", session.client);
                match qos {
                    2 => assert_exactly(numbers(inbox(session), topic), sent, &who),
                    _ => assert_at_least(numbers(inbox(session), topic), sent, &who),
                }
            }
            let who = format!("{}, {topic}", self.at_least_once.client);
            assert_at_least(numbers(inbox(&self.at_least_once), topic), sent, &who);
        }
        for session in &self.exactly_once {
            assert_eq!(numbers(inbox(session), WILL).count(), 1, "{} has the will once", session.client);
        }
        let last = self.publishers[1].acknowledged.last().unwrap();
        let [retained] = &self.retained[..] else { panic!("one message is retained: {:?}", self.retained) };
        assert!(retained.retain && retained.payload == last.payload, "{retained:?} is not the last one, {last:?}");
    }
}

fn inbox(session: &Session) -> impl Iterator<Item = (&str, &str)> {
    session.inbox.iter().map(|message| (message.topic.as_str(), message.payload.as_str()))
}

fn numbers<'a>(messages: impl Iterator<Item = (&'a str, &'a str)>, topic: &str) -> impl Iterator<Item = u64> {
    messages.filter(move |(of, _)| *of == topic).map(|(_, number)| number.parse().unwrap())
}

/// 0, 1, …, `count` - 1, each once and in order.
fn assert_exactly(numbers: impl Iterator<Item = u64>, count: u64, who: &str) {
    let mut expected = 0;
    for number in numbers {
        assert_eq!(number, expected, "{who}: {}", if number < expected { "doubled, or out of order" } else { "lost" });
        expected += 1;
    }
    assert_eq!(expected, count, "{who}: the last are lost");
}

/// 0, 1, …, `count` - 1: the first of each in order, with repetitions between them.
fn assert_at_least(numbers: impl Iterator<Item = u64>, count: u64, who: &str) {
    let mut expected = 0;
    for number in numbers {
        assert!(number <= expected, "{who}: {expected} is lost or late, {number} came instead");
        expected = expected.max(number + 1);
    }
    assert_eq!(expected, count, "{who}: the last are lost");
}

/// Topic and payload of everything in the log of a server that has ended.
fn logged(data: &Path) -> Vec<(String, String)> {
    let publications = publications(data).into_iter();
    publications.map(|one| (one.topic, String::from_utf8_lossy(&one.payload).into_owned())).collect()
}

/// Every publication in the log of a server that has ended.
pub fn publications(data: &Path) -> Vec<Publication> {
    let log = EmbeddedLog::open(LogConfig { directory: data.join("log"), ..LogConfig::default() }).unwrap();
    let mut reader = log.reader(Position::START).unwrap();
    let (mut entries, mut all, mut at) = (Vec::new(), Vec::new(), Position::START);
    while at < log.appended() {
        reader.read(Duration::from_secs(1), &mut entries).unwrap();
        for (position, entry) in entries.drain(..) {
            at = position;
            if let Entry::Publication(publication) = &entry.entry {
                all.push(publication.clone());
            }
        }
    }
    all
}
