//! The life of a node: what is started in which order, and how it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tidegate_broker::{Broker, ListenAddress, Transport};
use tidegate_follow::Followed;
use tidegate_identity::Authority;
use tidegate_log::{AppendError, Log};
use tidegate_process::Process;
use tidegate_push::Hub;
use tidegate_telemetry::{Entry, History, Position};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backup::{Backups, Running as RunningFiles};
use crate::clients::BrokerClients;
use crate::clock;
use crate::clock_setter::ClockSetter;
use crate::config::{FlushConfig, NodeConfig};
use crate::error::{StartError, StopError};
use crate::exposition::Metrics;
use crate::flush::{FlushStatus, Flusher};
use crate::intents::LogIntents;
use crate::operations::{Program, Rates, ways_in};
use crate::rooms::{Begun, Rooms};
use crate::sinks::{Running, Sinks, Source};

/// A node that runs. Dropping it does not stop it: [`Node::stop`] does.
pub struct Node {
    mqtt: String,
    http: SocketAddr,
    listeners: Vec<(Transport, ListenAddress)>,
    log: Arc<dyn Log>,
    hub: Arc<Hub>,
    cancel: CancellationToken,
    tracker: TaskTracker,
    gate: task::JoinHandle<()>,
    serving: task::JoinHandle<()>,
    pipeline: JoinHandle<()>,
    flush: JoinHandle<()>,
    sinks: Running,
}

impl Node {
    /// Opens everything, applies what the files lack, and serves. The runtime that it is called in serves devices, and tells
    /// live sessions what these say; whatever people ask for, `viewers` does: HTTP, and views that are opened. `sinks` are
    /// told what changes, on threads of their own.
    ///
    /// # Errors
    /// What kept it from starting, with what to do.
    pub async fn start(
        mut config: NodeConfig,
        viewers: &Handle,
        metrics: Metrics,
        mut sinks: Sinks,
    ) -> Result<Node, StartError> {
        let authority = Arc::new(Authority::open(config.identity.clone()).map_err(StartError::Identity)?);
        config.broker.authority = authority.clone();
        let folder = |source| StartError::Folder { path: config.data.clone(), source };
        std::fs::create_dir_all(&config.data).map_err(folder)?;
        if tidegate_backup::is_unfinished(&config.data) {
            return Err(StartError::Restoring(config.data.clone()));
        }

        let across = sinks.across.take();
        let sinks = sinks.prepare();
        let rooms = Rooms::open(&config, clock::now_ms, &sinks)?;
        let Begun { jump, ages, age_figures } = rooms.begin_time(&config.clock);
        let clock_setter = ClockSetter { log: rooms.log.clone(), problems: rooms.problems.clone() };
        let bound = viewers.spawn(TcpListener::bind(config.push.listen)).await.map_err(std::io::Error::other)?;
        let http = bound.map_err(|source| StartError::Http { address: config.push.listen, source })?;
        let replaying = task::spawn_blocking({
            let (mut pipeline, mut reader) = (rooms.pipeline, rooms.reader);
            let from = Followed { position: rooms.from, received_ms: clock::now_ms() };
            move || pipeline.replay(reader.as_mut(), from, &mut |_| ()).map(|()| (pipeline, reader))
        });
        // Mailboxes get what the log has for them while the state is restored.
        let time = tidegate_broker::Clock { now_ms: clock::now_ms, elapsed_at: clock::elapsed_at };
        let (log, problems) = (rooms.log.clone(), rooms.problems.clone());
        let broker = Broker::bind(config.broker.clone(), log, rooms.sessions.clone(), problems, time)?;
        let http_address = http.local_addr()?;
        let (pipeline, mut reader) = replaying.await.map_err(std::io::Error::other)??;
        let reach = pipeline.stages.process.reach();
        // What was recovered is of the time before, and nothing is stamped yet.
        if let Some(jump) = jump {
            clock_setter.set(jump).map_err(StartError::Clock)?;
        }
        let rules = change_rules(&pipeline.stages.process, rooms.log.as_ref()).map_err(StartError::Rules)?;

        let flush_status = Arc::new(FlushStatus::default());
        let (status, store) = (flush_status.clone(), rooms.store.clone());
        let (flusher, flush_thread) = Flusher::spawn(flush_config(&config), rooms.writer, store, status, ages)?;
        let pipeline = thread::Builder::new().name("pipeline".into()).spawn({
            let broker = broker.clone();
            move || {
                if let Err(error) = pipeline.run(reader.as_mut(), &broker, flusher) {
                    tracing::error!(%error, "nothing can be processed any more: check the disk, then start again");
                    std::process::abort();
                }
            }
        })?;
        // Who asks for them from now on finds them.
        rooms.applied.clone().wait_for(|applied| *applied >= rules).await.map_err(std::io::Error::other)?;
        let (log, history) = (rooms.log.clone(), rooms.store.clone());
        let (progress, problems) = (sinks.progress(), rooms.problems.clone());
        let sinks = sinks.start(&Source { log, history, problems, config: config.clone() })?;
        let files = RunningFiles {
            log: rooms.log.clone(),
            log_folder: config.log.directory.clone(),
            sessions_folder: config.sessions.directory.clone(),
            store: rooms.store.clone(),
            data: config.data.clone(),
        };
        let backups = Backups::new(config.backup.clone(), files);
        let program = Arc::new(Program {
            backups,
            ways: ways_in(&config, &broker),
            started_ms: clock::now_ms(),
            metrics: metrics.clone(),
            broker: broker.clone(),
            log: rooms.log.clone(),
            store: rooms.store.clone(),
            applied: rooms.applied.clone(),
            figures: rooms.figures,
            problems: rooms.problems,
            disk_reserve_bytes: config.log.disk_reserve_bytes,
            flush: flush_status,
            ages: age_figures,
            reach,
            rates: Rates::default(),
            decode: config.decode.clone(),
            sinks: progress,
        });
        let intents = Arc::new(LogIntents { log: rooms.log.clone(), applied: rooms.applied });
        let clients = Arc::new(BrokerClients(broker.clone()));
        let history: Arc<dyn History> = Arc::new(rooms.store);
        let history = across.map_or_else(|| Arc::clone(&history), |across| across(Arc::clone(&history)));
        let (push, hub, devices) = (config.push.clone(), rooms.hub.clone(), Handle::current());
        let router = tidegate_push::router(push, hub, history, intents, program.clone(), clients, devices);

        let (cancel, tracker) = (CancellationToken::new(), TaskTracker::new());
        let serving = {
            let (push, connections, cancel) = (config.push.clone(), tracker.clone(), cancel.child_token());
            let serve = async move { tidegate_push::serve(&push, http, router, connections, cancel).await };
            tracker.spawn_on(serve, viewers)
        };
        tracker.spawn(each_second(program, metrics, cancel.child_token()));
        tracker.spawn(clock_setter.follow(cancel.child_token()));
        tracker.spawn(follow_files(authority, cancel.child_token()));
        let gate = tracker.spawn({
            let (broker, tracker, cancel) = (broker.clone(), tracker.clone(), cancel.child_token());
            async move { broker.run(tracker, cancel).await }
        });
        Ok(Node {
            mqtt: broker.address(),
            http: http_address,
            listeners: broker.listeners(),
            log: rooms.log,
            hub: rooms.hub,
            cancel,
            tracker,
            gate,
            serving,
            pipeline,
            flush: flush_thread,
            sinks,
        })
    }

    /// Where MQTT clients connect, `host:port`; with an engine elsewhere: that broker.
    #[must_use]
    pub fn mqtt(&self) -> &str {
        &self.mqtt
    }

    /// Where the HTTP server is.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Every further way in for MQTT clients.
    #[must_use]
    pub fn listeners(&self) -> &[(Transport, ListenAddress)] {
        &self.listeners
    }

    /// Ends: viewers and devices are told, what they sent is acknowledged, and everything is written to the files.
    ///
    /// # Errors
    /// When a task has panicked.
    pub async fn stop(self) -> Result<(), StopError> {
        self.hub.goaway();
        self.cancel.cancel();
        tokio::join!(self.hub.drained(), async { self.gate.await.and(self.serving.await) }).1?;
        self.tracker.close();
        self.tracker.wait().await;
        let (log, pipeline, flush, sinks) = (self.log, self.pipeline, self.flush, self.sinks);
        task::spawn_blocking(move || {
            log.close();
            pipeline.join().expect("a panic there has ended the program");
            flush.join().expect("a panic there has ended the program");
            sinks.ended();
        })
        .await?;
        Ok(())
    }
}

/// The log has room again only when a flush is done: it has to begin long before.
fn flush_config(config: &NodeConfig) -> FlushConfig {
    let log_bytes = config.flush.log_bytes.min(config.log.replay_bytes_max / 2);
    FlushConfig { log_bytes, ..config.flush.clone() }
}

/// Has the log say in which rules the configuration differs from the state, and gives the position from which on they are
/// the same.
fn change_rules(process: &Process, log: &dyn Log) -> Result<Position, AppendError> {
    let rules = process.rules_to_change(clock::now_ms());
    if rules.is_empty() {
        return Ok(Position::START);
    }
    log.append(&mut rules.into_iter().map(Entry::Intent).collect())
}

async fn each_second(program: Arc<Program>, metrics: Metrics, cancel: CancellationToken) {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    while cancel.run_until_cancelled(interval.tick()).await.is_some() {
        program.rates.sample(program.figures.sample());
        program.sinks.iter().for_each(|sink| sink.watch(program.problems.as_ref()));
        metrics.upkeep();
    }
}

/// Password files and keys that change count within a second or two.
async fn follow_files(authority: Arc<Authority>, cancel: CancellationToken) {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    while cancel.run_until_cancelled(interval.tick()).await.is_some() {
        let authority = authority.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || authority.refresh()).await {
            tracing::error!(%error, "the files of [identity] could not be looked at");
        }
    }
}
