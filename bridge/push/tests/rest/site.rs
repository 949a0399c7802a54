//! A server of the small fleet, on a port of its own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tidegate_push::{
    BackupError, BackupRequest, BackupStream, Hub, IntentError, Intents, LiveConfig, OperationStats, Operations,
    PushConfig, Readiness, RuleReach, Trial, router, serve,
};
use tidegate_telemetry::{
    AlertChange, AlertState, Change, Decoded, Import, Intent, Position, Publication, Reading, Reason, Rejection, Rule,
    SaidOfDevice, Value,
};
use tidegate_views::read::Lookup;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::{self, Answer};
use crate::clients::FakeClients;
use crate::description;
use crate::fleet::{self, FakeHistory, NOW_MS};

pub struct Site {
    pub address: SocketAddr,
    pub tracker: TaskTracker,
    pub cancel: CancellationToken,
    pub hub: Arc<Hub>,
    /// What the history was asked.
    pub asked: Arc<Mutex<Vec<String>>>,
    pub log: Arc<FakeLog>,
    pub operations: Arc<FakeOperations>,
    pub clients: Arc<FakeClients>,
    host: String,
}

impl Site {
    pub async fn new() -> Site {
        Site::with(PushConfig::default(), FakeHistory::default()).await
    }

    pub async fn with(config: PushConfig, history: FakeHistory) -> Site {
        let hub = fleet_hub();
        let asked = Arc::clone(&history.asked);
        let log = Arc::new(FakeLog { hub: Arc::clone(&hub), submitted: AtomicU64::new(0), is_stuck: false.into() });
        let operations = Arc::new(FakeOperations::default());
        let clients = Arc::new(FakeClients::default());
        let router = router(
            config.clone(),
            Arc::clone(&hub),
            Arc::new(history),
            Arc::clone(&log) as _,
            Arc::clone(&operations) as _,
            Arc::clone(&clients) as _,
            tokio::runtime::Handle::current(),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let (connections, stop) = (tracker.clone(), cancel.clone());
        tracker.spawn(async move { serve(&config, listener, router, connections, stop).await });
        Site { address, tracker, cancel, hub, asked, log, operations, clients, host: address.to_string() }
    }

    /// Asks, and checks the answer against the description of the API.
    pub async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let length = body.len().to_string();
        let mut all = vec![("host", self.host.as_str()), ("content-length", length.as_str())];
        all.extend(headers);
        let answer = client::send(self.address, method, target, &all, body).await;
        description::judge(method, target, &answer);
        answer
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[], "").await
    }

    pub async fn post(&self, target: &str, body: &str) -> Answer {
        self.ask("POST", target, &[], body).await
    }

    /// Ends the server; every task of it is gone afterwards.
    pub async fn stop(self) {
        self.cancel.cancel();
        self.tracker.close();
        tokio::time::timeout(Duration::from_secs(10), self.tracker.wait()).await.expect("an end within 10 s");
    }
}

fn fleet_hub() -> Arc<Hub> {
    let hub = Arc::new(Hub::new(tidegate_views::ViewsConfig::default(), LiveConfig::default(), || NOW_MS));
    hub.apply(Position(9), NOW_MS, &fleet::changes());
    hub
}

/// A log whose entries are applied as soon as they are in.
pub struct FakeLog {
    hub: Arc<Hub>,
    pub submitted: AtomicU64,
    pub is_stuck: AtomicBool,
}

impl Intents for FakeLog {
    fn submit(&self, intent: Intent) -> BoxFuture<'static, Result<Position, IntentError>> {
        if self.is_stuck.load(Ordering::Relaxed) {
            return std::future::pending().boxed();
        }
        let position = Position(10 + self.submitted.fetch_add(1, Ordering::Relaxed));
        let change = match intent {
            Intent::AcknowledgeAlert { received_ms, alert, by, comment } => Change::Alert(AlertChange {
                acknowledged: Some((received_ms, by.into())),
                comment: comment.map(Into::into),
                ..fleet::alert(&alert, AlertState::Acknowledged)
            }),
            Intent::UnacknowledgeAlert { received_ms, alert, by } => Change::Alert(AlertChange {
                unacknowledged: Some((received_ms, by.into())),
                ..fleet::alert(&alert, AlertState::Raised)
            }),
            Intent::SendCommand { by, request, .. } => fleet::command(position, &by, *request),
            Intent::DescribeDevice { received_ms, by, device, changes } => {
                let known = self.hub.read(|views| views.device(&device));
                let Lookup::Unique(known) = known else { unreachable!("asked for by its identifier") };
                let mut word = known.said.map(|said| said.word.clone()).unwrap_or_default();
                let undo = word.change(&changes);
                let said = SaidOfDevice { word, by: by.into(), at_ms: received_ms, undo };
                Change::Said { device: fleet::index_of(&device), said: said.into() }
            }
            Intent::EraseDevice { device, .. } => Change::Erased { device: device.into(), at_ms: NOW_MS },
            Intent::PutRule { .. } | Intent::RemoveRule { .. } => unreachable!("nobody asks for that by REST"),
        };
        self.hub.apply(position, NOW_MS, &[change]);
        std::future::ready(Ok(position)).boxed()
    }

    fn import(&self, imports: Vec<Import>) -> BoxFuture<'static, Result<Position, IntentError>> {
        let brought = imports.len() as u64;
        std::future::ready(Ok(Position(10 + self.submitted.fetch_add(brought, Ordering::Relaxed)))).boxed()
    }
}

#[derive(Default)]
pub struct FakeOperations {
    pub is_replaying: AtomicBool,
}

impl Operations for FakeOperations {
    fn stats(&self) -> OperationStats {
        OperationStats { started: NOW_MS, refused: [("not_utf8", 3)].into(), ..OperationStats::default() }
    }

    fn rules(&self) -> Vec<(Arc<Rule>, RuleReach)> {
        let reach = |number| {
            let devices = if number == 1 { 0 } else { 4 };
            RuleReach { devices, series: devices, texts: 0 }
        };
        fleet::rules().into_iter().enumerate().map(|(number, rule)| (Arc::new(rule), reach(number))).collect()
    }

    fn ready(&self) -> Readiness {
        match self.is_replaying.load(Ordering::Relaxed) {
            true => Readiness::NotReady("replaying the log, 40 MiB to go: wait".into()),
            false => Readiness::Ready,
        }
    }

    fn metrics_text(&self) -> String {
        recorder().render()
    }

    /// The payload is one value of a device of the topic.
    fn decode(&self, publication: &Publication) -> Trial {
        let mut decoded = Decoded::default();
        match std::str::from_utf8(&publication.payload).unwrap().parse() {
            Ok(number) => decoded.readings.push(Reading {
                device: (*publication.topic).into(),
                group: "site".into(),
                time_ms: None,
                corrects: false,
                metrics: [("temperature".into(), Value::Number(number))].into_iter().collect(),
                without_value: vec!["humidity".into()],
            }),
            Err(_) => decoded.rejection = Some(Rejection::new(Reason::NotUnderstood, "no number")),
        }
        Trial { source: None, format: Some("plain"), decoded, proposal: Some("[[source]]\n".to_owned()) }
    }

    /// One who holds anything is told what, and one who names `running` that a backup runs.
    fn backup(&self, asked: BackupRequest) -> BoxFuture<'static, Result<BackupStream, BackupError>> {
        let answer = match asked.held.first() {
            Some(held) if held.name == "running" => Err(BackupError::Running),
            held => {
                let text = format!("{:?} at {:?}", held.map(|held| held.name.clone()), asked.bytes_per_second);
                Ok(futures_util::stream::iter([Ok(Bytes::from(text))]).boxed())
            }
        };
        std::future::ready(answer).boxed()
    }
}

/// The recorder of this process; the tests share it.
pub fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
}
