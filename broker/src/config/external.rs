use std::path::PathBuf;
use std::time::Duration;

use tidegate_telemetry::Qos;

/// The broker elsewhere, and how to be its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalConfig {
    /// Its address: `host:port`.
    pub address: String,
    /// The version of MQTT spoken with it.
    pub version: Version,
    /// Client identifier; each tidegate needs one of its own, and keeps it: what the broker holds for it is found by it.
    pub client_id: String,
    /// Group of the shared subscription (MQTT 5.0 section 4.8.2): each message goes to one tidegate of the group.
    /// Empty: a subscription of its own, which gets every message.
    pub share: String,
    /// What is subscribed to.
    pub filters: Vec<String>,
    /// Highest quality of service the broker hands messages over with.
    pub qos: Qos,
    /// User; empty: none.
    pub user: String,
    /// File whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// TLS; `None`: plain TCP.
    pub tls: Option<ExternalTls>,
    /// Longest silence before a ping.
    pub keep_alive: Duration,
    /// How long the broker keeps what it owes while the connection is away (MQTT 5; with 3.1.1 the broker decides).
    pub session_expiry: Duration,
    /// Messages on their way that are not yet acknowledged (MQTT 5; with 3.1.1 the broker decides).
    pub inflight_max: u16,
    /// Time until the broker has to answer.
    pub connect_timeout: Duration,
    /// Pause before the first further attempt to connect; each one doubles it.
    pub backoff: Duration,
    /// Longest pause.
    pub backoff_max: Duration,
}

/// Files of a TLS connection, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalTls {
    /// The authorities that may have issued the broker's certificate.
    pub ca: PathBuf,
    /// The client's certificate (with those between it and the root) and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A version of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 5.0.
    V5,
    /// 3.1.1.
    V3,
}

impl Default for ExternalConfig {
    fn default() -> Self {
        ExternalConfig {
            address: "127.0.0.1:1883".into(),
            version: Version::V5,
            client_id: "tidegate".into(),
            share: "tidegate".into(),
            filters: vec!["#".into()],
            qos: Qos::ExactlyOnce,
            user: String::new(),
            password_file: None,
            tls: None,
            keep_alive: Duration::from_secs(30),
            session_expiry: Duration::from_secs(7 * 24 * 3600),
            inflight_max: 1024,
            connect_timeout: Duration::from_secs(10),
            backoff: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
        }
    }
}

impl ExternalConfig {
    /// The filters as they are sent, shared or not.
    pub(crate) fn subscriptions(&self) -> Vec<String> {
        let shared = |filter: &String| match self.share.as_str() {
            "" => filter.clone(),
            group => format!("$share/{group}/{filter}"),
        };
        self.filters.iter().map(shared).collect()
    }

    /// What cannot work, as the key of `[external]` and what it has to be.
    #[must_use]
    pub fn mistakes(&self) -> Vec<(&'static str, &'static str)> {
        let is_address = self
            .address
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
        let checks = [
            (is_address, "address", "is host:port, such as \"broker.example:1883\""),
            (!self.client_id.is_empty(), "client_id", "is what the broker knows this tidegate by, and cannot be empty"),
            (!self.share.contains(['/', '+', '#']), "share", "is a name without /, + and #"),
            (!self.filters.is_empty(), "filters", "needs a filter: [\"#\"] is everything"),
            (self.keep_alive >= Duration::from_secs(5), "keep_alive", "is at least \"5 s\""),
            (self.inflight_max > 0, "inflight_max", "is at least 1"),
            (self.connect_timeout >= Duration::from_secs(1), "connect_timeout", "is at least \"1 s\""),
            (self.backoff_max >= self.backoff, "backoff_max", "is no shorter than backoff"),
            (self.password_file.is_none() || !self.user.is_empty(), "password_file", "needs a user"),
        ];
        checks.into_iter().filter(|(fits, ..)| !fits).map(|(_, key, what)| (key, what)).collect()
    }
}
