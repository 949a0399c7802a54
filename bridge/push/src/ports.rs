//! What push asks of the rest of the program.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use serde::Serialize;
use tidegate_telemetry::{Decoded, Import, Intent, Position, Publication, Rule};

/// Where what people do goes: into the log.
pub trait Intents: Send + Sync + 'static {
    /// Appends the intent, and returns its position once it is durable and applied to the views.
    fn submit(&self, intent: Intent) -> BoxFuture<'static, Result<Position, IntentError>>;

    /// Appends readings of before, all of them or none, and returns the position of the last entry once it is durable and
    /// applied.
    fn import(&self, imports: Vec<Import>) -> BoxFuture<'static, Result<Position, IntentError>>;
}

/// Why an intent was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntentError {
    /// The log takes no more entries.
    #[error("the program is stopping: try again after its restart")]
    Stopping,
    /// The log is behind by as much as it may be.
    #[error("the log has no room: try again in a few seconds")]
    Overloaded,
    /// The log refused it.
    #[error("the log did not take it: {0}")]
    Refused(String),
}

/// What the program knows of itself.
pub trait Operations: Send + Sync + 'static {
    /// Figures for the status page.
    fn stats(&self) -> OperationStats;

    /// What raises alerts, in the order of the configuration.
    fn rules(&self) -> Vec<(Arc<Rule>, RuleReach)>;

    /// Whether readings are taken and viewers served.
    fn ready(&self) -> Readiness;

    /// Every counter and gauge, in the Prometheus text format.
    fn metrics_text(&self) -> String;

    /// What would come of a publication. Nothing is kept of it.
    fn decode(&self, publication: &Publication) -> Trial;

    /// Takes a backup of everything that is kept, as a tar archive. It ends when the stream is dropped.
    fn backup(&self, asked: BackupRequest) -> BoxFuture<'static, Result<BackupStream, BackupError>>;
}

/// What would come of a publication, and why.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trial {
    /// The topic filter of the configuration's source that decides.
    pub source: Option<String>,
    /// The format that reads it; `None`: its source says where values stand, or it holds no telemetry.
    pub format: Option<&'static str>,
    /// What it means.
    pub decoded: Decoded,
    /// Configuration that would have more of it understood, ready to copy.
    pub proposal: Option<String>,
}

/// The bytes of a backup as they come; an error breaks it off.
pub type BackupStream = BoxStream<'static, io::Result<Bytes>>;

/// What somebody who takes a backup says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackupRequest {
    /// Files that need not come.
    pub held: Vec<HeldFile>,
    /// How many bytes are read in a second at most; `None`: as the configuration has it, which is never exceeded.
    pub bytes_per_second: Option<u64>,
}

/// A file of the data folder that is in somebody's hands already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFile {
    /// Its path in the data folder, with `/`.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

/// Why no backup is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// One at a time.
    #[error("a backup is being taken already, and there is one at a time: wait for its end (tidegate_backup_running)")]
    Running,
    /// The files cannot be read.
    #[error("no backup can be taken: {0}")]
    Unreadable(String),
}

/// What a rule looks at just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct RuleReach {
    /// Devices that its patterns choose.
    pub devices: u32,
    /// Metrics of these, or devices as a whole, that it looks at.
    pub series: u32,
    /// Of these, metrics whose newest value is a text: no threshold is above or below it.
    pub texts: u32,
}

/// Whether the program does its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It does.
    Ready,
    /// It does not, and why: `replaying the log, 40 MiB to go`.
    NotReady(String),
}

/// Figures of the whole program, but for those of store and views, which push knows itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct OperationStats {
    /// Unix ms of the program's start.
    pub started: i64,
    /// Resident memory; `None` where the system does not tell.
    pub memory_bytes: Option<u64>,
    /// The broker.
    pub mqtt: MqttStats,
    /// Processing.
    pub readings: ReadingStats,
    /// The log.
    pub log: LogStats,
    /// The time.
    pub clock: ClockStats,
    /// Bytes that may still be taken on the disk of history before publications are refused; `None`: not known.
    #[serde(skip)]
    pub disk_free_bytes: Option<u64>,
    /// Who follows to the outside.
    pub sinks: Vec<SinkStats>,
    /// Messages refused or not understood since the start, by the name of the reason.
    pub refused: BTreeMap<&'static str, u64>,
}

/// Where one stands that follows to the outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SinkStats {
    /// Its name.
    pub name: String,
    /// Number of the last entry that it has written.
    pub written: Position,
    /// Entries after that.
    pub behind_entries: u64,
    /// For how long it has not had everything, ms.
    pub behind_ms: i64,
    /// What keeps it from writing, and what to do; `None` when nothing does.
    pub trouble: Option<String>,
}

/// How the system's clock stands to the time that readings get.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ClockStats {
    /// It has agreed with the time that passed for long enough.
    pub confirmed: bool,
    /// It leapt, and is not followed.
    pub doubted: bool,
    /// By how much it is ahead, ms; negative: behind.
    pub ahead_ms: i64,
    /// When a doubted one will be followed if it stays, ms from now; `None`: never, or it is not doubted.
    pub followed_in_ms: Option<i64>,
    /// Values in history that are stamped later than now.
    pub values_ahead: u64,
    /// What is deleted by its age is kept for so much longer than told, ms; `None`: until a clock is confirmed.
    pub ages_behind_ms: Option<i64>,
}

/// How MQTT clients come in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct MqttWays {
    /// Where.
    pub listeners: Vec<MqttListener>,
    /// Who is let in without a proof.
    pub anonymous: Anonymous,
    /// By what one may prove who one is: `certificate`, `token`, `password`.
    pub proofs: Vec<&'static str>,
}

/// A place where MQTT is spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MqttListener {
    /// `tcp`, `tls`, `websocket`, `wss` or `unix`; `broker`: a broker elsewhere, whose publications this program takes.
    pub transport: &'static str,
    /// `host:port` with the true port, or the path of a socket.
    pub address: String,
    /// Whether a client certificate has to be shown.
    pub certificate: bool,
}

/// Who is let in without a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Anonymous {
    /// Everybody.
    #[default]
    Everywhere,
    /// Whoever is on the same machine.
    Loopback,
    /// Nobody.
    Never,
}

/// Figures of the broker.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct MqttStats {
    /// How clients come in.
    #[serde(flatten)]
    pub ways: MqttWays,
    /// Open now; absent where the engine does not know its clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// Received since the start.
    pub publications: u64,
    /// Over the last seconds.
    pub publications_per_second: f64,
}

/// Figures of processing.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ReadingStats {
    /// Since the start, late ones included.
    pub applied: u64,
    /// Over the last seconds.
    pub applied_per_second: f64,
    /// Older than the newest of their metric.
    pub late: u64,
    /// Same metric, time and value as the newest.
    pub duplicate: u64,
}

/// Figures of the log.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct LogStats {
    /// Number of the oldest entry that is there.
    pub first: Position,
    /// Number of the last entry readers can see.
    pub appended: Position,
    /// Number of the last entry that survives a crash.
    pub durable: Position,
    /// Number of the last entry that the views show.
    pub applied: Position,
    /// Bytes that a restart would replay.
    pub bytes: u64,
}
