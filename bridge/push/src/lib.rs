//! What browsers and programs get: REST, the live protocol, the dashboard. The only crate that names axum.
//!
//! - [`router`], [`serve`]: every path, and the server around it; limits and names in [`PushConfig`]
//! - `rest`: the answers under `/v1`, described by `rest/openapi.json`
//! - `api`: the shapes of these answers
//! - `error`: why a request was not answered as asked
//! - `http`: whom the server answers, counts, the dashboard's files
//! - [`Hub`], `live`: the state that viewers see, and their sessions on `/v1/live`; limits in [`LiveConfig`]; [`Json`]: how
//!   what they get is written
//! - [`Intents`], [`Operations`], [`Clients`]: what push asks of the rest of the program

mod api;
mod archive;
mod clients;
mod config;
mod error;
mod http;
mod live;
mod ports;
mod rest;

pub use clients::Clients;
pub use config::{CommandsConfig, PrometheusConfig, PushConfig, QuestionsConfig};
pub use http::server::serve;
pub use live::{Hub, Json, LiveConfig, ViewsFollower};
pub use ports::{
    Anonymous, BackupError, BackupRequest, BackupStream, ClockStats, HeldFile, IntentError, Intents, LogStats,
    MqttListener, MqttStats, MqttWays, OperationStats, Operations, Readiness, ReadingStats, RuleReach, SinkStats,
    Trial,
};
pub use rest::router;
