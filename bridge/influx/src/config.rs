//! What the follower is told.

use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use tidegate_settings::{Reader, section};

section! {
    /// Where readings go, and how.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct InfluxConfig {}
    /// An InfluxDB 2 that gets every reading too; docs/influxdb.md.
    [influxdb] {
        /// http://host:8086, or https://…; empty: none.
        ///
        /// A path stays in front of `/api/v2/write`.
        pub url: String = text(String::new()),
        /// Its organization, by name.
        pub org: String = text(String::new()),
        /// Bucket that readings go into, by name.
        pub bucket: String = text(String::new()),
        /// File whose first line is a token that may write to the bucket; it is read again at each attempt.
        pub token_file: Option<PathBuf> = path(None),
        /// Authorities of its certificate, in PEM; empty: those that the system trusts.
        pub ca_file: Option<PathBuf> = path(None),
        /// Measurement of a value; %m is its metric's name. Without %m that is the tag "metric".
        pub measurement: String = text("%m".into()),
        /// Values of one request.
        pub request_lines_max: usize = count(10_000),
        /// Times that a request is refused (400) for no reason that InfluxDB is known to give; then the lines that it is
        /// about are looked for, and set aside.
        pub unclear_tries_max: usize = count(10),
        /// Time until a request has to be answered.
        pub request_timeout: Duration = timeout(Duration::from_secs(30)),
    }
    then InfluxConfig::read_on;
}

/// Whose history answers are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryRead {
    /// This program's own.
    Embedded,
    /// InfluxDB's, but for what is newer than it surely has.
    Influxdb,
    /// This program's, and InfluxDB's of what is older.
    Both,
}

section! {
    /// How far answers about the past reach.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct HistoryConfig {}
    /// Where charts and lists of readings are read from; docs/influxdb.md.
    [history] {
        /// "embedded", "influxdb" (all but the last hour or two), "both" (what is no longer kept here).
        pub read: HistoryRead = choice(HistoryRead::Embedded, &[
            ("embedded", HistoryRead::Embedded),
            ("influxdb", HistoryRead::Influxdb),
            ("both", HistoryRead::Both),
        ]),
        /// Time that an answer waits for InfluxDB; then it has what is here.
        pub timeout: Duration = timeout(Duration::from_secs(5)),
        /// File whose first line is a token that may read the bucket; empty: influxdb.token_file.
        pub token_file: Option<PathBuf> = path(None),
    }
}

/// Where the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub is_tls: bool,
    pub host: String,
    pub port: u16,
    /// Before `/api/v2/write`, without a slash at its end.
    pub path: String,
}

impl InfluxConfig {
    fn read_on(&mut self, reader: &mut Reader) {
        for (key, what) in self.mistakes() {
            reader.at("influxdb").wrong_key(key, what);
        }
    }

    /// Keys whose values cannot work, and what they have to be. Nothing where there is no URL.
    pub(crate) fn mistakes(&self) -> Vec<(&'static str, &'static str)> {
        if self.url.is_empty() {
            return Vec::new();
        }
        let wrong = [
            ("url", self.endpoint().is_none(), "is where InfluxDB is: \"http://host:8086\" or \"https://host:8086\""),
            ("org", self.org.is_empty(), "has to be there: the name of the organization that has the bucket"),
            ("bucket", self.bucket.is_empty(), "has to be there: the name of the bucket that readings go into"),
            (
                "token_file",
                self.token_file.is_none(),
                "has to be there: a file whose first line is a token that may write to the bucket",
            ),
            ("measurement", self.measurement.is_empty(), "cannot be empty: \"%m\" is the metric's name"),
            ("request_lines_max", self.request_lines_max == 0, "has to be 1 or more"),
        ];
        wrong.into_iter().filter(|(_, is_wrong, _)| *is_wrong).map(|(key, _, what)| (key, what)).collect()
    }

    pub(crate) fn endpoint(&self) -> Option<Endpoint> {
        let url: Uri = self.url.parse().ok()?;
        let is_tls = match url.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = url.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let path = url.path().trim_end_matches('/').to_owned();
        (url.query().is_none() && !host.is_empty()).then_some(Endpoint { is_tls, host, port, path })
    }

    /// What readings go into, for people.
    pub(crate) fn target(&self) -> String {
        format!("{} org {:?} bucket {:?}", self.url, self.org, self.bucket)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_url_is_a_host_a_port_and_perhaps_a_path() {
        let endpoint = |url: &str| InfluxConfig { url: url.into(), ..InfluxConfig::default() }.endpoint();
        let of = |is_tls, host: &str, port, path: &str| {
            Some(Endpoint { is_tls, host: host.into(), port, path: path.into() })
        };
        assert_eq!(endpoint("http://localhost:8086"), of(false, "localhost", 8086, ""));
        assert_eq!(endpoint("https://[::1]/influx/"), of(true, "::1", 443, "/influx"));
        for wrong in ["localhost:8086", "ftp://x", "http://", "/x", "http://u:p@x", "http://x/?a=b", "http://a b"] {
            assert_eq!(endpoint(wrong), None, "{wrong}");
        }
    }
}
