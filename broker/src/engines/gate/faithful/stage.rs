use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_log::Log;
use tidegate_telemetry::{Entry, Publication, Qos};
use tokio::runtime::Runtime;

use super::hand_log::HandLog;
use super::line::Line;
use super::world::{CLOCK, Problems, Task};
use crate::config::BrokerConfig;
use crate::engines::gate::connection::serve;
use crate::engines::gate::state::{GateState, Publisher};
use crate::engines::gate::turn::Turn;
use crate::listeners::{Peer, Transport};
use crate::sessions::{SessionStore, SessionStoreConfig, Writer};

/// A broker whose tasks run when a test says so; connections have the numbers in which they came.
pub(super) struct Stage {
    pub log: Arc<HandLog>,
    pub gate: Arc<GateState>,
    writer: Writer,
    tasks: Vec<Option<Task>>,
    runtime: Runtime,
}

impl Stage {
    pub(super) fn new() -> Stage {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let log = HandLog::new();
        let config = BrokerConfig {
            delivery_inflight_max: 6,
            queue_bytes_max: 700,
            connect_timeout: Duration::from_secs(24 * 3600),
            ..BrokerConfig::default()
        };
        let store = SessionStore::open(SessionStoreConfig::default()).expect("one in memory");
        let problems = Arc::new(Problems::default());
        let gate = Arc::new(GateState::new(config, Arc::clone(&log) as _, problems, CLOCK, store));
        let mut writer = None;
        let take_writer = |store: &SessionStore, log, clock| {
            writer = store.writer(log, clock);
            Ok(())
        };
        gate.recover(take_writer).expect("there is nothing to recover");
        let writer = writer.expect("nobody else writes").fetching(500);
        let following = {
            let gate = Arc::clone(&gate);
            async move { gate.commits.follow().await }
        };
        Stage { log, gate, writer, tasks: vec![Some(Task::new(following))], runtime }
    }

    /// A connection whose network holds so many bytes for the client; the first is number 1.
    pub(super) fn connect(&mut self, to_client_max: usize) -> Line {
        let _timers = self.runtime.enter();
        let (end, line) = Line::new(to_client_max);
        let peer = Peer { transport: Transport::Unix, address: None, certificate: None };
        let permit = self.gate.access.permits.take().expect("permits enough");
        let task = serve(Arc::clone(&self.gate), end, peer, Instant::now(), permit);
        self.tasks.push(Some(Task::new(task)));
        line
    }

    /// Runs the task of a connection once if it has something to do; returns whether it had.
    pub(super) fn run(&mut self, number: usize) -> bool {
        let _timers = self.runtime.enter();
        let Some(task) = self.tasks[number].as_mut().filter(|task| task.is_woken()) else { return false };
        if task.run() {
            self.tasks[number] = None;
        }
        true
    }

    /// Everything goes on but for clients, until nothing has anything to do.
    pub(super) fn rest(&mut self) {
        loop {
            let has_run = (0..self.tasks.len()).filter(|number| self.run(*number)).count() > 0;
            let has_written = self.store();
            if !has_run && !has_written {
                return;
            }
        }
    }

    /// The store writes what waits; returns whether anything did.
    pub(super) fn store(&mut self) -> bool {
        self.log.commit(u64::MAX);
        let has_work = self.writer.has_work();
        if has_work {
            let cut = self.writer.cut();
            self.writer.write(cut);
        }
        has_work
    }

    /// Somebody publishes with QoS 1.
    pub(super) fn publish(&self, topic: &str, payload: String, retain: bool) {
        let publication = Publication {
            received_ms: self.gate.now().unix_ms,
            client: "publisher".to_owned(),
            principal: String::new(),
            session: 1,
            packet_id: 1,
            topic: topic.to_owned(),
            payload: Bytes::from(payload),
            qos: Qos::AtLeastOnce,
            retain,
            dup: false,
            properties: None,
            scope: None,
            address: None,
        };
        let from = Publisher {
            session: 1,
            client: "publisher",
            owner: &tidegate_telemetry::Owner::Unknown,
            keeps: false,
            is_will: false,
        };
        let mut entries = vec![Entry::Publication(publication)];
        self.gate.publish(from, &mut entries, &mut Turn::new()).expect("this log takes anything");
        assert!(entries.is_empty() && self.log.appended().0 > 0);
    }
}
