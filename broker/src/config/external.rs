use std::path::{Path, PathBuf};
use std::time::Duration;

use tidegate_settings::{Reader, section};
use tidegate_telemetry::Qos;

use crate::topics::TopicLimits;

section! {
    /// The broker elsewhere, and how to be its client.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ExternalConfig {}
    /// For engine = "external": the broker, and how to be its client.
    [external] {
        /// host:port of the broker.
        pub address: String = text("127.0.0.1:1883".into()),
        /// MQTT version: "5" or "3.1.1".
        pub version: Version = choice(Version::V5, &[("5", Version::V5), ("3.1.1", Version::V3)]),
        /// What the broker knows this tidegate by; each needs one of its own.
        ///
        /// It stays: what the broker holds for it is found by it.
        pub client_id: String = text("tidegate".into()),
        /// Group of the shared subscription: tidegates of one share the work. Empty: each gets everything.
        ///
        /// MQTT 5.0 section 4.8.2.
        pub share: String = text("tidegate".into()),
        /// What is subscribed to.
        pub filters: Vec<String> = texts(vec!["#".into()]),
        /// Highest quality of service of what the broker hands over: "0", "1" or "2".
        pub qos: Qos = choice(Qos::ExactlyOnce, &[
            ("2", Qos::ExactlyOnce),
            ("1", Qos::AtLeastOnce),
            ("0", Qos::AtMostOnce),
        ]),
        /// User at the broker; empty: none.
        pub user: String = text(String::new()),
        /// File whose first line is the user's password.
        pub password_file: Option<PathBuf> = path(None),
        /// Authorities of the broker's certificate, in PEM; with them the connection is TLS.
        pub ca: Option<PathBuf> = path(None),
        /// This client's certificate, in PEM, for a broker that asks for one.
        ///
        /// Followed by those between it and the root.
        pub certificate: Option<PathBuf> = path(None),
        /// Its private key.
        ///
        /// In PEM.
        pub key: Option<PathBuf> = path(None),
        /// Longest silence before a ping.
        pub keep_alive: Duration = duration(Duration::from_secs(30)),
        /// Time the broker keeps what it owes while the connection is away (MQTT 5).
        ///
        /// With 3.1.1 the broker decides.
        pub session_expiry: Duration = duration(Duration::from_secs(7 * 24 * 3600)),
        /// Messages on their way that are not yet acknowledged (MQTT 5).
        ///
        /// With 3.1.1 the broker decides.
        pub inflight_max: u16 = count(1024),
        /// Time until the broker has to answer.
        pub connect_timeout: Duration = timeout(Duration::from_secs(10)),
        /// Pause before the first further attempt to connect; each one doubles it…
        pub backoff: Duration = duration(Duration::from_millis(500)),
        /// …up to this time. Each pause is cut by up to half, at random.
        pub backoff_max: Duration = duration(Duration::from_secs(30)),
    }
    then ExternalConfig::read_on;
}

/// Files of a TLS connection, in PEM.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ExternalTls<'a> {
    /// The authorities that may have issued the broker's certificate.
    pub(crate) ca: &'a Path,
    /// The client's certificate (with those between it and the root) and its private key.
    pub(crate) identity: Option<(&'a Path, &'a Path)>,
}

/// A version of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 5.0.
    V5,
    /// 3.1.1.
    V3,
}

impl ExternalConfig {
    fn read_on(&mut self, reader: &mut Reader) {
        let mut section = reader.at("external");
        for (key, what) in self.mistakes() {
            section.wrong_key(key, what);
        }
        if self.certificate.is_some() != self.key.is_some() || (self.key.is_some() && self.ca.is_none()) {
            section.wrong("a certificate and its key go together, and need a ca");
        }
    }

    /// Files of a TLS connection; `None`: plain TCP.
    pub(crate) fn tls(&self) -> Option<ExternalTls<'_>> {
        let identity = self.certificate.as_deref().zip(self.key.as_deref());
        self.ca.as_deref().map(|ca| ExternalTls { ca, identity })
    }

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
            (
                self.filters.iter().all(|filter| is_filter(filter)),
                "filters",
                "uses a wildcard where none may stand, or is empty: + fills a level, # is the last level",
            ),
            (self.keep_alive >= Duration::from_secs(5), "keep_alive", "is at least \"5 s\""),
            (self.inflight_max > 0, "inflight_max", "is at least 1"),
            (self.connect_timeout >= Duration::from_secs(1), "connect_timeout", "is at least \"1 s\""),
            (self.backoff_max >= self.backoff, "backoff_max", "is no shorter than backoff"),
            (self.password_file.is_none() || !self.user.is_empty(), "password_file", "needs a user"),
        ];
        checks.into_iter().filter(|(fits, ..)| !fits).map(|(_, key, what)| (key, what)).collect()
    }
}

/// What every broker would refuse is none; how long it may be says the broker.
fn is_filter(filter: &str) -> bool {
    TopicLimits { bytes_max: usize::MAX, levels_max: usize::MAX }.check_filter(filter).is_ok()
}
