//! Wiring and life of the program: what is opened in which order, and how it ends.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tidegate_broker::{Broker, ListenAddress, SessionStore, Transport};
use tidegate_identity::Authority;
use tidegate_log::{EmbeddedLog, Log, LogReader, ReadError};
use tidegate_process::Process;
use tidegate_push::Hub;
use tidegate_store::Store;
use tidegate_telemetry::Position;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ages::{AgeFigures, Ages};
use crate::checkpoint::CheckpointFile;
use crate::clients::BrokerClients;
use crate::clock::{self, Jump};
use crate::config::{Config, FlushConfig};
use crate::figures::Figures;
use crate::flush::{FlushStatus, Flusher};
use crate::helps;
use crate::intents::LogIntents;
use crate::jumps::Jumps;
use crate::operations::{Program, Rates, rule_of, ways_in};
use crate::pipeline::Pipeline;
use crate::problems::Ledger;
use crate::whole::Known;

/// From SIGTERM to the end, whatever hangs.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// Runs until SIGTERM or SIGINT. Whatever people ask for, `viewers` does: HTTP and live sessions.
///
/// # Errors
/// What kept it from starting, with what to do.
pub async fn run(mut config: Config, viewers: &Handle) -> Result<()> {
    let prometheus = PrometheusBuilder::new().install_recorder().context("the metrics recorder")?;
    helps::describe();
    let authority = Arc::new(Authority::open(config.identity.clone()).context("[identity]")?);
    config.broker.authority = authority.clone();
    raise_open_files();
    std::fs::create_dir_all(&config.data).with_context(|| format!("cannot make {}", config.data.display()))?;

    let state = State::open(&config)?;
    let jumps = Jumps { log: state.log.clone(), sessions: state.sessions.clone(), problems: state.problems.clone() };
    let http = viewers.spawn(TcpListener::bind(config.http)).await?;
    let http = http.with_context(|| format!("cannot listen on {}", config.http))?;
    let replaying = tokio::task::spawn_blocking({
        let (mut pipeline, mut reader) = (state.pipeline, state.reader);
        move || pipeline.replay(reader.as_mut(), state.from).map(|()| (pipeline, reader))
    });
    // Mailboxes get what the log has for them while the state is restored.
    let (log, problems) = (state.log.clone(), state.problems.clone());
    let time = tidegate_broker::Clock { now_ms: clock::now_ms, waiting_at: clock::waiting_at };
    let broker = Broker::bind(config.broker.clone(), log, state.sessions.clone(), problems, time)?;
    let (mqtt_addr, http_addr) = (broker.address(), http.local_addr()?);
    let listeners = broker.listeners();
    let (pipeline, mut reader) = replaying.await??;
    let reach = pipeline.process.reach();
    // What was recovered is of the time before, and nothing is stamped yet.
    if let Some(jump) = state.jump {
        jumps.set(jump).context("the log takes nothing at the start")?;
    }

    let pipeline = thread::Builder::new().name("pipeline".into()).spawn({
        let broker = broker.clone();
        move || {
            if let Err(error) = pipeline.run(reader.as_mut(), &broker) {
                tracing::error!(%error, "nothing can be processed any more: check the disk, then start again");
                std::process::abort();
            }
        }
    })?;
    let program = Arc::new(Program {
        ways: ways_in(&config, &broker),
        started_ms: clock::now_ms(),
        prometheus: prometheus.clone(),
        broker: broker.clone(),
        log: state.log.clone(),
        store: state.store.clone(),
        applied: state.applied.clone(),
        figures: state.figures,
        problems: state.problems,
        flush: state.flush_status,
        ages: state.age_figures,
        rules: config.process.rules.iter().map(rule_of).collect(),
        reach,
        rates: Rates::default(),
    });
    let intents = Arc::new(LogIntents { log: state.log.clone(), applied: state.applied });
    let clients = Arc::new(BrokerClients(broker.clone()));
    let (push, hub, history) = (config.push.clone(), state.hub.clone(), Arc::new(state.store));
    let router = tidegate_push::router(push, hub, history, intents, program.clone(), clients);

    let (cancel, tracker) = (CancellationToken::new(), TaskTracker::new());
    let serving = {
        let (push, connections, cancel) = (config.push.clone(), tracker.clone(), cancel.child_token());
        let serve = async move { tidegate_push::serve(&push, http, router, connections, cancel).await };
        tracker.spawn_on(serve, viewers)
    };
    tracker.spawn(each_second(program, prometheus, cancel.child_token()));
    tracker.spawn(jumps.follow(cancel.child_token()));
    tracker.spawn(follow_files(authority, cancel.child_token()));
    let gate = tracker.spawn({
        let (tracker, cancel) = (tracker.clone(), cancel.child_token());
        async move { broker.run(tracker, cancel).await }
    });

    // Who reads that it is ready may end it at once.
    let stop = stop_signal()?;
    announce(&mqtt_addr, http_addr, &listeners)?;
    stop.await;
    tracing::info!("stopping");
    end_whatever_hangs();

    state.hub.goaway();
    cancel.cancel();
    tokio::join!(state.hub.drained(), async { gate.await.and(serving.await) }).1?;
    tracker.close();
    tracker.wait().await;
    let log = state.log;
    tokio::task::spawn_blocking(move || {
        log.close();
        pipeline.join().expect("a panic there has ended the program");
        state.flush_thread.join().expect("a panic there has ended the program");
    })
    .await?;
    tracing::info!("stopped");
    Ok(())
}

/// Everything that holds state, as the files have it.
struct State {
    log: Arc<dyn Log>,
    store: Store,
    sessions: SessionStore,
    hub: Arc<Hub>,
    pipeline: Pipeline,
    /// Reads what the files lack, after `from`.
    reader: Box<dyn LogReader>,
    from: Position,
    applied: watch::Receiver<Position>,
    figures: Arc<Figures>,
    problems: Arc<Ledger>,
    flush_status: Arc<FlushStatus>,
    age_figures: Arc<AgeFigures>,
    flush_thread: thread::JoinHandle<()>,
    /// To be told and followed before anything is received.
    jump: Option<Jump>,
}

impl State {
    fn open(config: &Config) -> Result<State> {
        let store = Store::open(config.store.clone())?;
        let begin_after = store.flushed();
        let log: Arc<dyn Log> =
            Arc::new(EmbeddedLog::open(tidegate_log::LogConfig { begin_after, ..config.log.clone() })?);
        let checkpoint = CheckpointFile::new(&config.data);
        let loaded = checkpoint.load()?;
        let known = Known::of(log.as_ref(), loaded.as_ref().map(|(position, _)| *position))?;
        known.check_history(store.flushed(), store.directory(), &config.accepted)?;
        known.check_sessions(config.sessions.is_empty(), &config.accepted)?;
        let sessions = SessionStore::open(config.sessions.clone())?;
        clock::configure(&config.clock, store.aged().and_then(|aged| aged.surely_ms).unwrap_or(i64::MIN));
        let (from, process) = match loaded {
            Some((position, state)) => (position, Process::restore(config.process.clone(), &state)?),
            None => (Position::START, Process::new(config.process.clone())),
        };
        let last_ms = last_received_ms(log.as_ref())?.or_else(|| process.last_received_ms());
        let jump = last_ms.and_then(clock::go_on_after);
        if config.clock.trusted {
            clock::trust();
        }
        let (from, reader) = reader(log.as_ref(), from, store.flushed())?;
        let hub = Arc::new(Hub::new(config.views.clone(), config.live.clone(), clock::now_ms));
        let problems = Arc::new(Ledger::new(store.clone()));
        let (figures, flush_status) = (Arc::new(Figures::default()), Arc::new(FlushStatus::default()));
        let (age_figures, begins_ms) =
            (Arc::new(AgeFigures::default()), jump.map_or_else(clock::now_ms, |jump| jump.at_ms));
        let ages = Ages::begin(
            &store,
            (begins_ms, config.clock.trusted),
            config.clock.age_rate_max,
            problems.clone(),
            age_figures.clone(),
        );
        let (flusher, flush_thread) = Flusher::spawn(
            log.clone(),
            store.clone(),
            sessions.clone(),
            checkpoint,
            Handle::current(),
            flush_status.clone(),
            ages,
        )?;
        let (applied_sender, applied) = watch::channel(from);
        let pipeline = Pipeline {
            log: log.clone(),
            process,
            store: store.clone(),
            hub: hub.clone(),
            problems: problems.clone(),
            flusher,
            flush: FlushConfig {
                // The log has room again only when a flush is done: it has to begin long before.
                log_bytes: config.flush.log_bytes.min(config.log.replay_bytes_max / 2),
                ..config.flush.clone()
            },
            applied: applied_sender,
            figures: figures.clone(),
        };
        Ok(State {
            log,
            store,
            sessions,
            hub,
            pipeline,
            reader,
            from,
            applied,
            figures,
            problems,
            flush_status,
            age_figures,
            flush_thread,
            jump,
        })
    }
}

/// A reader from the checkpoint on. Where the log was set aside by hand it begins later, and history already has what
/// lies between; only the state of alerts and devices does not.
fn reader(log: &dyn Log, from: Position, flushed: Position) -> Result<(Position, Box<dyn LogReader>)> {
    match log.reader(from) {
        Err(ReadError::Trimmed { first_kept, .. }) if first_kept <= flushed => {
            tracing::warn!(%from, %first_kept, "the log begins after the checkpoint: states may be older than history");
            Ok((first_kept, log.reader(first_kept)?))
        }
        reader => Ok((from, reader?)),
    }
}

/// When the newest entry was received, Unix ms.
fn last_received_ms(log: &dyn Log) -> Result<Option<i64>, ReadError> {
    let Some(before) = log.appended().0.checked_sub(1) else { return Ok(None) };
    let mut reader = match log.reader(Position(before)) {
        // It was trimmed away, and nothing came after it.
        Err(ReadError::Trimmed { .. }) => return Ok(None),
        reader => reader?,
    };
    let mut entries = Vec::new();
    reader.read(Duration::from_secs(1), &mut entries)?;
    Ok(entries.last().map(|(_, entry)| entry.received_ms()))
}

/// A connection is an open file: take as many as the system lets this program have.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::warn!(%error, ?limit, "the limit of open files stays as it is, and with it the number of connections");
    }
}

/// The line that says where everything is; programs wait for it.
fn announce(mqtt: &str, http: SocketAddr, listeners: &[(Transport, ListenAddress)]) -> Result<()> {
    let mut line = format!("tidegate ready: mqtt {mqtt} http {http}");
    for (transport, at) in listeners {
        let name = if *transport == Transport::WebSocket { "ws" } else { transport.name() };
        tracing::info!(transport = transport.name(), %at, "listening");
        line += &format!(" {name} {at}");
    }
    tracing::info!(mqtt, %http, "ready");
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{line}")?;
    stdout.flush().context("stdout")
}

async fn each_second(program: Arc<Program>, prometheus: PrometheusHandle, cancel: CancellationToken) {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    while cancel.run_until_cancelled(interval.tick()).await.is_some() {
        program.rates.sample(program.figures.sample());
        prometheus.run_upkeep();
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

/// Ready when the program is to stop; signals are caught from the call on.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// What is acknowledged is on disk, so ending the hard way loses nothing that was promised.
fn end_whatever_hangs() {
    thread::spawn(|| {
        thread::sleep(SHUTDOWN_MAX);
        tracing::error!("stopping took longer than {SHUTDOWN_MAX:?}: ending now; the log has everything acknowledged");
        std::process::exit(1);
    });
}
