use std::net::{Ipv4Addr, SocketAddr};

use tidegate_settings::{Reader, section};

use super::external::ExternalConfig;

/// Which engine serves MQTT, with what it is told beyond the rest of [`crate::BrokerConfig`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum EngineConfig {
    /// Tidegate's own.
    #[default]
    Gate,
    /// The crate's server, in this process.
    Rumqttd(RumqttdConfig),
    /// A broker elsewhere, of which this program is a client.
    External(Box<ExternalConfig>),
}

section! {
    /// Settings of rumqttd besides those of the plain listener, which serves 3.1.1.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct RumqttdConfig {}
    /// For engine = "rumqttd". mqtt.listen serves 3.1.1.
    [rumqttd] {
        /// Address of the listener for MQTT 5; port 0 picks one.
        ///
        /// rumqttd serves one version on a port.
        pub listen_v5: SocketAddr = address(SocketAddr::from((Ipv4Addr::LOCALHOST, 1884))),
        /// Bytes of messages kept in memory for each filter; who is further behind loses the oldest.
        ///
        /// For each filter that was ever subscribed to.
        pub filter_bytes_max: usize = bytes(8 * 1024 * 1024),
    }
}

/// The words of `broker.engine`.
#[derive(Clone, PartialEq)]
enum Word {
    Gate,
    Rumqttd,
    External,
}

impl EngineConfig {
    /// Reads `[broker]` and a section for each engine that is told more.
    pub(super) fn read(reader: &mut Reader) -> EngineConfig {
        let mut section = reader.section("broker", "What serves MQTT; docs/engines.md says what each can do.");
        let text = "\"gate\": Tidegate itself. \"rumqttd\": the crate's server in this process. \"external\": a broker elsewhere.";
        let engines = [("gate", Word::Gate), ("rumqttd", Word::Rumqttd), ("external", Word::External)];
        let word = section.choice("engine", Word::Gate, text, &engines);
        let (rumqttd, external) = (RumqttdConfig::read(reader), ExternalConfig::read(reader));
        match word {
            Word::Gate => EngineConfig::Gate,
            Word::Rumqttd => EngineConfig::Rumqttd(rumqttd),
            Word::External => EngineConfig::External(Box::new(external)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use tidegate_telemetry::Qos;

    use super::super::external::{ExternalTls, Version};
    use super::*;

    fn read(text: &str) -> (EngineConfig, String) {
        let mut reader = Reader::new(text);
        let engine = EngineConfig::read(&mut reader);
        (engine, reader.finish().0.iter().map(|mistake| format!("{mistake}\n")).collect())
    }

    #[test]
    fn an_engine_is_read_as_written() {
        let engine = |text: &str| {
            let (engine, mistakes) = read(text);
            assert_eq!(mistakes, "");
            engine
        };
        assert_eq!(engine(""), EngineConfig::Gate);
        let text = "[broker]\nengine = \"rumqttd\"\n[rumqttd]\nlisten_v5 = \"127.0.0.1:0\"\n";
        let EngineConfig::Rumqttd(rumqttd) = engine(text) else { panic!("it is rumqttd") };
        assert_eq!(rumqttd.listen_v5.port(), 0);
        let text = "[broker]\nengine = \"external\"\n[external]\naddress = \"hub:8883\"\nversion = \"3.1.1\"\n\
                    qos = \"1\"\nca = \"ca.pem\"\n";
        let EngineConfig::External(external) = engine(text) else { panic!("it is external") };
        assert_eq!((external.version, external.qos), (Version::V3, Qos::AtLeastOnce));
        assert_eq!(external.tls(), Some(ExternalTls { ca: Path::new("ca.pem"), identity: None }));
    }

    #[test]
    fn what_cannot_work_is_reported_with_key_and_line() {
        for (keys, expected) in [
            ("address = \"hub\"", "line 2: external.address: is host:port"),
            ("client_id = \"\"", "line 2: external.client_id:"),
            ("share = \"a/b\"", "line 2: external.share:"),
            ("keep_alive = \"1 s\"", "line 2: external.keep_alive:"),
            ("password_file = \"p\"", "line 2: external.password_file: needs a user"),
            ("certificate = \"c\"", "external: a certificate and its key go together"),
            ("version = \"4\"", "line 2: external.version: is one of"),
        ] {
            let found = read(&format!("[external]\n{keys}\n")).1;
            assert!(found.contains(expected), "{keys}: {found}");
        }
        let found = read("[broker]\nengine = \"mosquitto\"\n").1;
        assert!(found.contains("broker.engine: is one of \"gate\", \"rumqttd\", \"external\""), "{found}");
    }
}
