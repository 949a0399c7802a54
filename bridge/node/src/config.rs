//! What a node is told.

use std::path::PathBuf;
use std::time::Duration;

use tidegate_broker::{BrokerConfig, SessionStoreConfig};
use tidegate_decode::DecodeConfig;
use tidegate_identity::IdentityConfig;
use tidegate_log::LogConfig;
use tidegate_process::ProcessConfig;
use tidegate_push::{LiveConfig, PushConfig};
use tidegate_settings::section;
use tidegate_store::StoreConfig;
use tidegate_views::ViewsConfig;

use crate::backup::BackupConfig;
use crate::clock::ClockConfig;
use crate::whole::Loss;

/// Everything a node can be told.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Folder of the log, the sessions, the store and the checkpoint.
    pub data: PathBuf,
    /// Who is let in, and what they may do.
    pub identity: IdentityConfig,
    /// The MQTT edge.
    pub broker: BrokerConfig,
    /// What MQTT clients that are away are owed.
    pub sessions: SessionStoreConfig,
    /// The durable log.
    pub log: LogConfig,
    /// How payloads become readings.
    pub decode: DecodeConfig,
    /// Processing, with alert rules.
    pub process: ProcessConfig,
    /// History.
    pub store: StoreConfig,
    /// What a viewer sees.
    pub views: ViewsConfig,
    /// The HTTP server.
    pub push: PushConfig,
    /// Live sessions.
    pub live: LiveConfig,
    /// When state and history are written out.
    pub flush: FlushConfig,
    /// What is believed of the system's clock.
    pub clock: ClockConfig,
    /// How fast a backup is read.
    pub backup: BackupConfig,
    /// What a person goes on without; no key, an argument.
    pub accepted: Vec<Loss>,
}

impl NodeConfig {
    /// Every room as it is by default, and everything kept in a folder.
    #[must_use]
    pub fn new(data: PathBuf) -> NodeConfig {
        let mut config = NodeConfig {
            data: PathBuf::new(),
            identity: IdentityConfig::default(),
            broker: BrokerConfig::default(),
            sessions: SessionStoreConfig::default(),
            log: LogConfig::default(),
            decode: DecodeConfig::default(),
            process: ProcessConfig::default(),
            store: StoreConfig::default(),
            views: ViewsConfig::default(),
            push: PushConfig::default(),
            live: LiveConfig::default(),
            flush: FlushConfig::default(),
            clock: ClockConfig::default(),
            backup: BackupConfig::default(),
            accepted: Vec::new(),
        };
        config.keep_in(data);
        config
    }

    /// Moves everything that is kept to another folder.
    pub fn keep_in(&mut self, data: PathBuf) {
        self.sessions.directory = Some(data.join("sessions"));
        self.log.directory = data.join("log");
        self.store.directory = data.join("store");
        self.data = data;
    }
}

section! {
    /// When the state of processing and the newest history are written to their files.
    #[derive(Debug, Clone)]
    pub struct FlushConfig {}
    /// When the newest history and the state of processing go to their files.
    [flush] {
        /// Bytes of log after which they do; at most half of log.replay_bytes_max counts.
        pub log_bytes: u64 = bytes(32 << 20),
        /// Time after which they do in any case.
        ///
        /// If there is something to write.
        pub interval: Duration = duration(Duration::from_secs(15 * 60)),
    }
}
