use std::cell::{Cell, RefCell};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tidegate_log::Log;
use tidegate_telemetry::{Entry, Position, Problem, ProblemSink};
use tokio::runtime::Runtime;

use super::client::{Client, Ghost};
use super::hand_log::HandLog;
use super::line::Line;
use super::promises::{Broken, Promises};
use crate::clock::Clock;
use crate::config::{Acknowledge, BrokerConfig};
use crate::engines::gate::connection::serve;
use crate::engines::gate::state::GateState;
use crate::fuzzing::Numbers;
use crate::listeners::{Peer, Transport};
use crate::sessions::{Cut, SessionStore, SessionStoreConfig, Writer};

/// How a world is made, and how hard it is treated.
#[derive(Debug, Clone)]
pub(super) struct Nature {
    pub clients: usize,
    /// Steps of a thousand that break a client's connection.
    pub cuts: u64,
    /// Steps of a thousand in which the system's clock is set forward.
    pub jumps: u64,
    /// Steps of ten thousand in which the broker dies.
    pub crashes: u64,
    pub acknowledge: Acknowledge,
    /// Done to the sessions' file while the broker is down, for checks of the checker.
    pub sabotage: Option<&'static str>,
    /// Connections sleep though something is left to send, for checks of the checker.
    pub forgets_what_is_left: bool,
}

impl Default for Nature {
    fn default() -> Self {
        Nature {
            clients: 3,
            cuts: 40,
            jumps: 5,
            crashes: 60,
            acknowledge: Acknowledge::Durable,
            sabotage: None,
            forgets_what_is_left: false,
        }
    }
}

/// Clients, a network, a broker and its disks in one thread: what happens next is decided by the numbers it is given
/// and by nothing else, so the same numbers make the same run.
///
/// The broker's parts are the real ones, from the connection's task to the SQLite file. In the world's hand are which
/// task runs, how many bytes arrive, when the log becomes durable and the store writes, and when it all dies.
pub(super) struct World {
    nature: Nature,
    clients: Vec<Client>,
    ghosts: Vec<Ghost>,
    log: Arc<HandLog>,
    promises: Promises,
    told: Told,
    broker: Option<Alive>,
    /// Timers are armed on it, and never fire: time stands still.
    runtime: Runtime,
    directory: tempfile::TempDir,
}

/// What happened, in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Told {
    pub crashes: u32,
    pub breaks: u32,
    pub jumps: u32,
    pub heard_bytes: usize,
}

/// A run of the broker.
struct Alive {
    tasks: Vec<Task>,
    gate: Arc<GateState>,
    writer: Writer,
    /// Cut, and waiting for the log to be durable as far.
    cut: Option<Cut>,
    problems: Arc<Problems>,
}

/// A task: the one that follows commits, or a connection's.
pub(super) struct Task {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_woken: Arc<Flag>,
}

impl Task {
    pub(super) fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Task { future: Box::pin(future), is_woken: Arc::new(Flag(AtomicBool::new(true))) }
    }

    pub(super) fn is_woken(&self) -> bool {
        self.is_woken.0.load(Ordering::Relaxed)
    }

    /// Runs until it waits; returns whether it is at its end.
    pub(super) fn run(&mut self) -> bool {
        self.is_woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&self.is_woken));
        self.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whatever was refused: in this world nothing is.
#[derive(Default)]
pub(super) struct Problems(Mutex<Vec<String>>);

impl ProblemSink for Problems {
    fn report(&self, problem: Problem) {
        self.0.lock().push(format!("{}: {}", problem.reason.name(), problem.detail));
    }
}

const BEGIN_MS: i64 = 1_700_000_000_000;

/// What the network holds for a client: little for some, and for some more than a connection ever writes at once.
const LINES: [usize; 3] = [200, 1 << 20, 400];

/// Publications of QoS 0 in a row, which no queue is too small for.
const BURST: u32 = 6;

/// What the clock is set forward by: every session would be over.
const JUMP_MS: i64 = 30 * 24 * 3600 * 1000;

thread_local! {
    static NOW_MS: Cell<i64> = const { Cell::new(BEGIN_MS) };
    /// When the clock was set forward: by the new time, and in the log.
    static JUMPS: RefCell<Vec<(i64, Position)>> = const { RefCell::new(Vec::new()) };
}

/// Every look at the clock is a millisecond later; sessions of two runs never have the same numbers. A world has a
/// thread.
pub(super) const CLOCK: Clock = Clock {
    now_ms: || NOW_MS.replace(NOW_MS.get() + 1),
    elapsed_at: |unix_ms| {
        let jumps = JUMPS.with_borrow(|jumps| jumps.iter().filter(|(at_ms, _)| *at_ms <= unix_ms).count());
        unix_ms - JUMP_MS * jumps as i64
    },
};

impl World {
    pub(super) fn new(nature: Nature) -> World {
        let clients = (0..nature.clients).map(|index| Client::new(index, filters(index, nature.clients))).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let directory = tempfile::tempdir().expect("a directory");
        let (log, promises) = (HandLog::new(), Promises::of(nature.clients));
        NOW_MS.set(BEGIN_MS);
        JUMPS.with_borrow_mut(Vec::clear);
        let broker = Some(Alive::start(&nature, &log, directory.path()));
        World { nature, clients, ghosts: Vec::new(), log, promises, told: Told::default(), broker, runtime, directory }
    }

    /// Something happens, as the number says.
    pub(super) fn step(&mut self, number: u64) -> Result<(), Broken> {
        let mut numbers = Numbers(number);
        let mut below = |bound: u64| numbers.next() % bound;
        let which = below(self.clients.len() as u64) as usize;
        let count = 1 + below(60) as usize;
        if below(10_000) < self.nature.crashes {
            self.crash()?;
        }
        if below(1000) < self.nature.jumps {
            self.set_clock();
        }
        if below(1000) < self.nature.cuts {
            self.break_connection(which, below(3), count);
        }
        let client = &mut self.clients[which];
        match below(16) {
            _ if client.is_away() => self.connect(which),
            0..3 => client.publish(below(3) as u8),
            3..5 => drop(client.answer()),
            5..8 => drop(client.bring(count)),
            8..11 => self.told.heard_bytes += client.hear(count, &mut self.promises, &self.log)?,
            11 => self.move_ghost(below(64) as usize, count),
            12 => drop(self.log.commit(below(8))),
            13 => drop(self.alive().store()),
            _ => {
                client.bring(usize::MAX);
                self.told.heard_bytes += client.hear(usize::MAX, &mut self.promises, &self.log)?;
            }
        }
        for _ in 0..below(4) {
            self.run_one(below(1 << 32) as usize);
        }
        self.alive().assert_nothing_refused()
    }

    /// No more faults: all that was begun comes to its end, and every promise must have been kept.
    pub(super) fn settle(&mut self) -> Result<(), Broken> {
        for ghost in std::mem::take(&mut self.ghosts) {
            ghost.line.cut(true);
        }
        self.clients.iter_mut().for_each(Client::begin_anew);
        while self.run_one(0) {}
        self.rest()?;
        self.is_complete()?;
        for from in 0..self.clients.len().min(2) {
            self.burst(from)?;
        }
        Ok(())
    }

    /// A client publishes with QoS 0 while nothing else moves: all of it reaches every subscriber.
    fn burst(&mut self, from: usize) -> Result<(), Broken> {
        let publisher = &mut self.clients[from];
        (0..BURST).for_each(|_| publisher.publish(0));
        let newest = publisher.published[0];
        self.rest()?;
        self.clients.iter().try_for_each(|client| self.promises.has_newest(client.index, &client.filters, from, newest))
    }

    /// Everybody goes on until nothing moves any more.
    fn rest(&mut self) -> Result<(), Broken> {
        // A round is a round trip of everybody; the last ones find nothing to do.
        let (mut quiet, mut rounds) = (0, 0);
        while quiet < 3 {
            rounds += 1;
            if rounds > 2000 + 10 * self.clients.len() {
                self.is_complete()?;
                return Err(Broken("the clients do not come to rest".to_owned()));
            }
            let mut moved = 0;
            for which in 0..self.clients.len() {
                if self.clients[which].is_away() {
                    self.connect(which);
                }
                let client = &mut self.clients[which];
                while client.answer() {}
                moved += client.bring(usize::MAX);
                moved += client.hear(usize::MAX, &mut self.promises, &self.log)?;
            }
            while self.run_one(moved) {
                moved += 1;
            }
            let has_committed = self.log.commit(u64::MAX);
            let has_written = self.alive().store();
            self.alive().assert_nothing_refused()?;
            quiet = if moved > 0 || has_committed || has_written { 0 } else { quiet + 1 };
        }
        Ok(())
    }

    pub(super) fn told(&self) -> Told {
        self.told
    }

    fn is_complete(&mut self) -> Result<(), Broken> {
        self.promises.read(&self.log)?;
        for client in &self.clients {
            client.is_at_rest()?;
            self.promises.has_all(client.index, &client.filters)?;
            for qos in 1..=2 {
                self.promises.holds(client.index, qos, client.published[usize::from(qos)])?;
            }
        }
        Ok(())
    }

    fn alive(&mut self) -> &mut Alive {
        self.broker.as_mut().expect("the broker is down within `crash` alone")
    }

    fn connect(&mut self, which: usize) {
        let _timers = self.runtime.enter();
        let (end, line) = Line::new(LINES[which % LINES.len()]);
        self.clients[which].connect(line);
        let peer = Peer { transport: Transport::Unix, address: None, certificate: None };
        let alive = self.broker.as_mut().expect("the broker is down within `crash` alone");
        let permit = alive.gate.access.permits.take().expect("permits enough");
        let future = serve(Arc::clone(&alive.gate), end, peer, Instant::now(), permit);
        alive.tasks.push(Task::new(future));
    }

    /// Runs one of the tasks that have something to do; returns whether there was any.
    fn run_one(&mut self, choice: usize) -> bool {
        let _timers = self.runtime.enter();
        let tasks = &mut self.broker.as_mut().expect("the broker is down within `crash` alone").tasks;
        let count = tasks.len();
        let is_woken = |at: &usize| tasks[*at].is_woken();
        let Some(at) = (0..count).map(|step| (choice + step) % count).find(is_woken) else { return false };
        if tasks[at].run() {
            drop(tasks.swap_remove(at));
        }
        true
    }

    fn break_connection(&mut self, which: usize, how: u64, brings: usize) {
        self.told.breaks += 1;
        let client = &mut self.clients[which];
        match how {
            0 => client.cut(brings, true),
            1 => client.cut(brings, false),
            _ => self.ghosts.extend(client.abandon()),
        }
    }

    /// A connection that was given up: bytes of it still arrive, or the server learns of its end.
    fn move_ghost(&mut self, which: usize, count: usize) {
        if self.ghosts.is_empty() {
            return;
        }
        let at = which % self.ghosts.len();
        let ghost = &mut self.ghosts[at];
        if ghost.outgoing.is_empty() {
            ghost.line.cut(count.is_multiple_of(2));
            drop(self.ghosts.swap_remove(at));
        } else {
            let count = count.min(ghost.outgoing.len());
            ghost.line.bring(ghost.outgoing.drain(..count));
        }
    }

    fn set_clock(&mut self) {
        self.told.jumps += 1;
        let at_ms = NOW_MS.get() + JUMP_MS;
        let set = self.log.append(&mut vec![Entry::ClockSet { at_ms, by_ms: JUMP_MS }]);
        JUMPS.with_borrow_mut(|jumps| jumps.push((at_ms, set.expect("this log takes anything"))));
        NOW_MS.set(at_ms);
    }

    /// The broker dies and starts again: the log is cut at what was durable, the sessions are read from their file.
    fn crash(&mut self) -> Result<(), Broken> {
        self.told.crashes += 1;
        let left = self.log.after_crash();
        // A jump that the log has lost is still to come: nobody could tell it from time in which the broker was down.
        let lost = JUMPS.with_borrow_mut(|jumps| jumps.extract_if(.., |(_, at)| !left.is_durable(*at)).count());
        NOW_MS.set(NOW_MS.get() - JUMP_MS * lost as i64);
        {
            let _timers = self.runtime.enter();
            drop(self.broker.take());
        }
        self.ghosts.clear();
        self.clients.iter_mut().for_each(Client::begin_anew);
        self.promises.crash(&left)?;
        self.log = left;
        if let Some(sql) = self.nature.sabotage {
            let file = rusqlite::Connection::open(self.directory.path().join("sessions.sqlite")).expect("the file");
            file.execute_batch(sql).expect("valid SQL");
        }
        self.broker = Some(Alive::start(&self.nature, &self.log, self.directory.path()));
        Ok(())
    }
}

impl Alive {
    fn start(nature: &Nature, log: &Arc<HandLog>, directory: &Path) -> Alive {
        let config = BrokerConfig {
            acknowledge: nature.acknowledge,
            publish_rate_max: 0,
            publish_bytes_rate_max: 0,
            delivery_inflight_max: 6,
            // A queue of a few messages: past it they come from the mailbox.
            queue_bytes_max: 700 + 20 * nature.clients,
            // Nothing may depend on how fast this machine is.
            connect_timeout: Duration::from_secs(24 * 3600),
            packet_timeout: Duration::from_secs(24 * 3600),
            ..BrokerConfig::default()
        };
        let sessions = SessionStoreConfig { directory: Some(directory.to_owned()), ..SessionStoreConfig::default() };
        let store = SessionStore::open(sessions).expect("a file that a crash left opens");
        let problems = Arc::new(Problems::default());
        let gate = Arc::new(GateState::new(config, Arc::clone(log) as _, Arc::clone(&problems) as _, CLOCK, store));
        gate.forgets_what_is_left.store(nature.forgets_what_is_left, Ordering::Relaxed);
        let mut writer = None;
        let take_writer = |store: &SessionStore, log, clock| {
            writer = store.writer(log, clock);
            Ok(())
        };
        gate.recover(take_writer).expect("what was written can be read");
        let writer = writer.expect("nobody else writes").fetching(500 + 20 * nature.clients);
        let following = {
            let gate = Arc::clone(&gate);
            async move { gate.commits.follow().await }
        };
        Alive { tasks: vec![Task::new(following)], gate, writer, cut: None, problems }
    }

    /// The store takes its next step: it cuts a batch, or writes it once the log is durable as far. Returns whether
    /// there was something to write.
    fn store(&mut self) -> bool {
        match self.cut.take() {
            Some(cut) if self.gate.log.durable().borrow().0 >= cut.through.0 => {
                self.writer.write(cut);
                true
            }
            Some(cut) => {
                self.cut = Some(cut);
                true
            }
            None if self.writer.has_work() => {
                self.cut = Some(self.writer.cut());
                true
            }
            None => false,
        }
    }

    fn assert_nothing_refused(&self) -> Result<(), Broken> {
        let mut problems = self.problems.0.lock();
        match problems.pop() {
            None => Ok(()),
            Some(problem) => Err(Broken(format!("refused for {problem}"))),
        }
    }
}

/// What a client subscribes to: everything, itself and its neighbours, or one filter within another.
fn filters(index: usize, clients: usize) -> Vec<(String, u8)> {
    let qos = [2, 1, 0][index / 2 % 3].max(u8::from(index.is_multiple_of(3)) * 2);
    let neighbour = format!("t/{}", (index + 1) % clients);
    match index {
        0 => vec![("t/+".to_owned(), 2)],
        1 => vec![("#".to_owned(), 1), ("t/0".to_owned(), 2)],
        2 => vec![("t/#".to_owned(), 1)],
        _ => vec![(neighbour, qos), (format!("t/{}", index * 7 % clients), 2)],
    }
}
