//! A broker over a log in memory, and a client that speaks bytes.
#![allow(dead_code, clippy::unwrap_used)]

pub mod authority;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use std::sync::{Mutex, OnceLock};
use tidegate_broker::{Broker, BrokerConfig, BrokerStats, Clock, SessionStore, SessionStoreConfig};
use tidegate_log::{AppendError, Log, LogReader, ReadError, Room};
use tidegate_telemetry::{Entry, LogEntry, Position, Problem, ProblemSink, Publication, Reason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A log in memory whose durability the test holds in its hand.
pub struct MemoryLog {
    entries: Mutex<Vec<Entry>>,
    /// Entries that were appended and not kept.
    forgotten: AtomicU64,
    keeps: AtomicBool,
    durable: watch::Sender<Position>,
    follows: AtomicBool,
    has_room: AtomicBool,
    roomy: Arc<Notify>,
    behind_each: OnceLock<BehindEach>,
}

/// Sees an entry that was appended, and its position, before who appended it goes on.
type BehindEach = Box<dyn Fn(&Entry, Position) + Send + Sync>;

impl MemoryLog {
    pub fn new() -> Arc<Self> {
        Arc::new(MemoryLog {
            entries: Mutex::default(),
            forgotten: AtomicU64::new(0),
            keeps: AtomicBool::new(true),
            durable: watch::Sender::new(Position::START),
            follows: AtomicBool::new(true),
            has_room: AtomicBool::new(true),
            roomy: Arc::default(),
            behind_each: OnceLock::new(),
        })
    }

    /// From now on `then` runs within each append, after it: what others do at that moment is in the test's hand.
    pub fn behind_each(&self, then: impl Fn(&Entry, Position) + Send + Sync + 'static) {
        assert!(self.behind_each.set(Box::new(then)).is_ok(), "told once");
    }

    /// What is left after a crash: the entries that were durable.
    pub fn after_crash(&self) -> Arc<Self> {
        let durable = *self.durable.borrow();
        let log = MemoryLog::new();
        let kept = self.entries.lock().unwrap()[..durable.0 as usize].to_vec();
        *log.entries.lock().unwrap() = kept;
        log.durable.send_replace(durable);
        log
    }

    /// From now on nothing becomes durable by itself.
    pub fn hold(&self) {
        self.follows.store(false, Ordering::SeqCst);
    }

    /// From now on entries are counted and not kept, for measurements.
    pub fn forget(&self) {
        self.keeps.store(false, Ordering::SeqCst);
    }

    /// Everything appended is durable now; what comes is not.
    pub fn commit(&self) {
        self.durable.send_replace(self.appended());
    }

    /// Everything appended is durable now, and what comes will be.
    pub fn release(&self) {
        self.follows.store(true, Ordering::SeqCst);
        self.durable.send_replace(self.appended());
    }

    pub fn set_room(&self, has_room: bool) {
        self.has_room.store(has_room, Ordering::SeqCst);
        if has_room {
            self.roomy.notify_waiters();
        }
    }

    fn position(&self, entries: &[Entry]) -> Position {
        Position(entries.len() as u64 + self.forgotten.load(Ordering::Relaxed))
    }

    pub fn publications(&self) -> Vec<Publication> {
        let entries = self.entries.lock().unwrap();
        entries
            .iter()
            .map(|entry| match entry {
                Entry::Publication(publication) => publication.clone(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    pub fn payloads(&self) -> Vec<String> {
        self.publications().iter().map(|p| String::from_utf8_lossy(&p.payload).into_owned()).collect()
    }
}

impl Log for MemoryLog {
    fn append(&self, new: &mut Vec<Entry>) -> Result<Position, AppendError> {
        let last = self.behind_each.get().and_then(|_| new.last().cloned());
        let mut entries = self.entries.lock().unwrap();
        if self.keeps.load(Ordering::Relaxed) {
            entries.append(new);
        } else {
            self.forgotten.fetch_add(new.len() as u64, Ordering::Relaxed);
            new.clear();
        }
        let position = self.position(&entries);
        drop(entries);
        if self.follows.load(Ordering::SeqCst) {
            self.durable.send_replace(position);
        }
        if let (Some(then), Some(last)) = (self.behind_each.get(), last) {
            then(&last, position);
        }
        Ok(position)
    }

    fn appended(&self) -> Position {
        self.position(&self.entries.lock().unwrap())
    }

    fn durable(&self) -> watch::Receiver<Position> {
        self.durable.subscribe()
    }

    fn has_room(&self) -> bool {
        self.has_room.load(Ordering::SeqCst)
    }

    fn room(&self) -> Room {
        let roomy = Arc::clone(&self.roomy).notified_owned();
        Box::pin(roomy)
    }

    fn reader(&self, after: Position) -> Result<Box<dyn LogReader>, ReadError> {
        let entries = self.entries.lock().unwrap();
        let from = usize::try_from(after.0).unwrap();
        Ok(Box::new(MemoryReader { after, entries: entries[from..].to_vec() }))
    }

    fn trim(&self, _: Position) {}

    fn bytes_after(&self, _: Position) -> u64 {
        0
    }

    fn close(&self) {}
}

/// Reads what was there when it was made.
struct MemoryReader {
    after: Position,
    entries: Vec<Entry>,
}

impl LogReader for MemoryReader {
    fn read(&mut self, _: Duration, out: &mut Vec<(Position, Arc<LogEntry>)>) -> Result<bool, ReadError> {
        for entry in self.entries.drain(..) {
            self.after = self.after.next();
            out.push((self.after, Arc::new(entry.into())));
        }
        Ok(true)
    }
}

#[derive(Default)]
pub struct Problems(Mutex<Vec<Problem>>);

impl ProblemSink for Problems {
    fn report(&self, problem: Problem) {
        self.0.lock().unwrap().push(problem);
    }
}

impl Problems {
    pub fn count(&self, reason: Reason) -> usize {
        self.0.lock().unwrap().iter().filter(|problem| problem.reason == reason).count()
    }

    pub fn clients(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|problem| problem.client.to_string()).collect()
    }

    pub fn details(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|problem| problem.detail.clone()).collect()
    }
}

pub struct Served {
    pub broker: Broker,
    pub address: SocketAddr,
    pub log: Arc<MemoryLog>,
    pub problems: Arc<Problems>,
    pub sessions: SessionStore,
    cancel: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Served {
    pub fn start() -> Served {
        Served::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut BrokerConfig)) -> Served {
        Served::over(MemoryLog::new(), SessionStoreConfig::default(), change)
    }

    /// With sessions in `directory`, which may hold those of a run before.
    pub fn keeping(log: Arc<MemoryLog>, directory: &Path) -> Served {
        let config = SessionStoreConfig { directory: Some(directory.to_owned()), ..SessionStoreConfig::default() };
        Served::over(log, config, |_| {})
    }

    pub fn over(log: Arc<MemoryLog>, sessions: SessionStoreConfig, change: impl FnOnce(&mut BrokerConfig)) -> Served {
        let mut config = BrokerConfig { listen: ([127, 0, 0, 1], 0).into(), ..BrokerConfig::default() };
        change(&mut config);
        let sessions = SessionStore::open(sessions).unwrap();
        let problems = Arc::new(Problems::default());
        let (to, reports) = (Arc::clone(&log) as _, Arc::clone(&problems) as _);
        let broker = Broker::bind(config, to, sessions.clone(), reports, CLOCK).unwrap();
        let (serving, cancel) = (broker.clone(), CancellationToken::new());
        let until = cancel.clone();
        let running = tokio::spawn(async move { serving.run(TaskTracker::new(), until).await });
        Served { address: broker.address().parse().unwrap(), broker, log, problems, sessions, cancel, running }
    }

    /// Figures of now.
    pub fn stats(&self) -> BrokerStats {
        self.broker.stats().unwrap()
    }

    /// Ends as a crash would: what was not written is lost. Returns the log that is left.
    pub async fn crash(self) -> Arc<MemoryLog> {
        let sessions = self.sessions.clone();
        tokio::task::spawn_blocking(move || sessions.abandon()).await.unwrap();
        let left = self.log.after_crash();
        self.running.abort();
        let _ = self.running.await;
        left
    }

    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    pub async fn stopped(self) {
        self.cancel.cancel();
        tokio::time::timeout(Duration::from_secs(5), self.running).await.expect("it ends in time").unwrap();
    }

    pub async fn raw(&self) -> Raw {
        Raw { stream: TcpStream::connect(self.address).await.unwrap() }
    }

    /// From another address of this machine.
    pub async fn raw_at(&self, address: &str) -> Raw {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        Raw { stream: socket.connect(self.address).await.unwrap() }
    }

    /// A connected 3.1.1 client with a clean session and no keep-alive.
    pub async fn v3(&self, client: &str) -> Raw {
        let mut raw = self.raw().await;
        raw.connect(4, 2, client).await;
        assert_eq!(raw.read(4).await, b"\x20\x02\0\0");
        raw
    }

    /// Waits until `holds`, for a bounded time.
    pub async fn until(&self, what: &str, holds: impl Fn(&Served) -> bool) {
        for _ in 0..500 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came: {what}");
    }
}

/// Binds a broker that is not served.
pub fn bind(config: BrokerConfig) -> Result<Broker, tidegate_broker::BrokerError> {
    let sessions = SessionStore::open(SessionStoreConfig::default()).unwrap();
    Broker::bind(config, MemoryLog::new(), sessions, Arc::new(Problems::default()), CLOCK)
}

thread_local! {
    static AHEAD_MS: Cell<i64> = const { Cell::new(0) };
    /// When the clock was set forward, and by how much.
    static JUMPS: RefCell<Vec<(i64, i64)>> = const { RefCell::new(Vec::new()) };
}

const CLOCK: Clock = Clock { now_ms, elapsed_at };

fn elapsed_at(unix_ms: i64) -> i64 {
    let before =
        |jumps: &Vec<(i64, i64)>| jumps.iter().filter(|jump| jump.0 <= unix_ms).map(|jump| jump.1).sum::<i64>();
    unix_ms - JUMPS.with_borrow(before)
}

/// Moves the clock of this test's brokers on. A test has a thread, and its brokers with it.
pub fn pass(seconds: i64) {
    AHEAD_MS.set(AHEAD_MS.get() + seconds * 1000);
}

/// Sets the clock of this test's brokers forward.
pub fn set_forward(served: &Served, seconds: i64) {
    let (at_ms, by_ms) = (now_ms() + seconds * 1000, seconds * 1000);
    served.log.append(&mut vec![Entry::ClockSet { at_ms, by_ms }]).unwrap();
    JUMPS.with_borrow_mut(|jumps| jumps.push((at_ms, by_ms)));
    pass(seconds);
}

/// The log does not know of them.
pub fn forget_jumps() {
    JUMPS.with_borrow_mut(Vec::clear);
}

pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_millis() as i64 + AHEAD_MS.get()
}

/// A client that speaks bytes.
pub struct Raw {
    pub stream: TcpStream,
}

impl Raw {
    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub async fn connect(&mut self, level: u8, flags: u8, client: &str) {
        let properties: &[u8] = if level == 5 { b"\0" } else { b"" };
        let mut packet = vec![0x10, (12 + properties.len() + client.len()) as u8, 0, 4];
        packet.extend_from_slice(b"MQTT");
        packet.extend_from_slice(&[level, flags, 0, 0]);
        packet.extend_from_slice(properties);
        packet.extend_from_slice(&(client.len() as u16).to_be_bytes());
        packet.extend_from_slice(client.as_bytes());
        self.send(&packet).await;
    }

    pub async fn publish(&mut self, first: u8, packet_id: u16, topic: &[u8], payload: &[u8]) {
        let mut body = (topic.len() as u16).to_be_bytes().to_vec();
        body.extend_from_slice(topic);
        if first & 6 != 0 {
            body.extend_from_slice(&packet_id.to_be_bytes());
        }
        body.extend_from_slice(payload);
        let mut packet = vec![first, body.len() as u8];
        packet.extend_from_slice(&body);
        self.send(&packet).await;
    }

    /// As [`Raw::publish`], for a v5 client without properties.
    pub async fn publish_v5(&mut self, first: u8, packet_id: u16, topic: &str, payload: &[u8]) {
        let rest = [&packet_id.to_be_bytes()[..], &[0], payload].concat();
        let topic_bytes = (topic.len() as u16).to_be_bytes();
        let mut packet = vec![first, (2 + topic.len() + rest.len()) as u8];
        packet.extend([&topic_bytes[..], topic.as_bytes(), &rest].concat());
        self.send(&packet).await;
    }

    /// Subscribes with QoS 1 and gives the code that is answered.
    pub async fn suback(&mut self, level: u8, filter: &str) -> u8 {
        let properties: &[u8] = if level == 5 { b"\0" } else { b"" };
        let topic_bytes = (filter.len() as u16).to_be_bytes();
        let body = [&[0, 9], properties, &topic_bytes[..], filter.as_bytes(), &[1]].concat();
        self.send(&[&[0x82, body.len() as u8], &body[..]].concat()).await;
        let head = self.read(2).await;
        *self.read(head[1].into()).await.last().unwrap()
    }

    /// Reads what is left of a CONNACK with properties.
    pub async fn drained(&mut self) {
        let mut bytes = [0; 256];
        let read = tokio::time::timeout(Duration::from_millis(50), self.stream.read(&mut bytes));
        let _ = read.await;
    }

    pub async fn subscribe(&mut self, filter: &str, qos: u8) {
        let mut packet = vec![0x82, (5 + filter.len()) as u8, 0, 1];
        packet.extend_from_slice(&(filter.len() as u16).to_be_bytes());
        packet.extend_from_slice(filter.as_bytes());
        packet.push(qos);
        self.send(&packet).await;
        assert_eq!(self.read(5).await, [0x90, 3, 0, 1, qos]);
    }

    pub async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let read = self.stream.read_exact(&mut bytes);
        tokio::time::timeout(Duration::from_secs(5), read).await.expect("an answer").unwrap();
        bytes
    }

    /// Whatever comes within a little while.
    pub async fn silence(&mut self) -> bool {
        let mut byte = [0];
        tokio::time::timeout(Duration::from_millis(100), self.stream.read(&mut byte)).await.is_err()
    }

    /// Everything until the server closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = self.stream.read_to_end(&mut bytes);
        let _ = tokio::time::timeout(Duration::from_secs(5), read).await.expect("the connection is closed");
        bytes
    }

    /// The connection still serves.
    pub async fn is_served(&mut self) {
        self.send(b"\xc0\0").await;
        assert_eq!(self.read(2).await, b"\xd0\0");
    }
}
