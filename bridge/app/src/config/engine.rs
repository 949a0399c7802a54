//! What serves MQTT.

use std::path::PathBuf;

use tidegate_broker::{EngineConfig, ExternalConfig, ExternalTls, RumqttdConfig, Version};
use tidegate_telemetry::Qos;

use super::reader::{Reader, Section};

/// The words of `broker.engine`.
#[derive(Clone, Copy)]
enum Word {
    Gate,
    Rumqttd,
    External,
}

pub fn engine(reader: &mut Reader) -> EngineConfig {
    let mut s = reader.section("broker", "What serves MQTT; docs/engines.md says what each can do.");
    let engines = [("gate", Word::Gate), ("rumqttd", Word::Rumqttd), ("external", Word::External)];
    let word = s.choice(
        "engine",
        &engines,
        "\"gate\": Tidegate itself. \"rumqttd\": the crate's server in this process. \"external\": a broker elsewhere.",
    );
    let (rumqttd, external) = (rumqttd(reader), external(reader));
    match word {
        Word::Gate => EngineConfig::Gate,
        Word::Rumqttd => EngineConfig::Rumqttd(rumqttd),
        Word::External => EngineConfig::External(Box::new(external)),
    }
}

fn rumqttd(reader: &mut Reader) -> RumqttdConfig {
    let d = RumqttdConfig::default();
    let mut s = reader.section("rumqttd", "For engine = \"rumqttd\". mqtt.listen serves 3.1.1.");
    RumqttdConfig {
        listen_v5: s.address("listen_v5", d.listen_v5, "Address of the listener for MQTT 5; port 0 picks one."),
        filter_bytes_max: s.bytes(
            "filter_bytes_max",
            d.filter_bytes_max,
            "Bytes of messages kept in memory for each filter; who is further behind loses the oldest.",
        ),
    }
}

fn external(reader: &mut Reader) -> ExternalConfig {
    let d = ExternalConfig::default();
    let mut s = reader.section("external", "For engine = \"external\": the broker, and how to be its client.");
    let config = ExternalConfig {
        address: s.text("address", &d.address, "host:port of the broker."),
        version: s.choice(
            "version",
            &[("5", Version::V5), ("3.1.1", Version::V3)],
            "MQTT version: \"5\" or \"3.1.1\".",
        ),
        client_id: s.text(
            "client_id",
            &d.client_id,
            "What the broker knows this tidegate by; each needs one of its own.",
        ),
        share: s.text(
            "share",
            &d.share,
            "Group of the shared subscription: tidegates of one share the work. Empty: each gets everything.",
        ),
        filters: s.texts("filters", &d.filters, "What is subscribed to."),
        qos: s.choice(
            "qos",
            &[("2", Qos::ExactlyOnce), ("1", Qos::AtLeastOnce), ("0", Qos::AtMostOnce)],
            "Highest quality of service of what the broker hands over: \"0\", \"1\" or \"2\".",
        ),
        user: s.text("user", &d.user, "User at the broker; empty: none."),
        password_file: path(&mut s, "password_file", "File whose first line is the user's password."),
        tls: tls(&mut s),
        keep_alive: s.duration("keep_alive", d.keep_alive, "Longest silence before a ping."),
        session_expiry: s.duration(
            "session_expiry",
            d.session_expiry,
            "Time the broker keeps what it owes while the connection is away (MQTT 5).",
        ),
        inflight_max: s.count(
            "inflight_max",
            d.inflight_max,
            "Messages on their way that are not yet acknowledged (MQTT 5).",
        ),
        connect_timeout: s.timeout("connect_timeout", d.connect_timeout, "Time until the broker has to answer."),
        backoff: s.duration(
            "backoff",
            d.backoff,
            "Pause before the first further attempt to connect; each one doubles it…",
        ),
        backoff_max: s.duration(
            "backoff_max",
            d.backoff_max,
            "…up to this time. Each pause is cut by up to half, at random.",
        ),
    };
    for (key, what) in config.mistakes() {
        s.wrong_key(key, what);
    }
    config
}

fn tls(s: &mut Section<'_>) -> Option<ExternalTls> {
    let ca = path(s, "ca", "Authorities of the broker's certificate, in PEM; with them the connection is TLS.");
    let certificate = path(s, "certificate", "This client's certificate, in PEM, for a broker that asks for one.");
    let key = path(s, "key", "Its private key.");
    match (ca, certificate, key) {
        (None, None, None) => None,
        (Some(ca), None, None) => Some(ExternalTls { ca, identity: None }),
        (Some(ca), Some(certificate), Some(key)) => Some(ExternalTls { ca, identity: Some((certificate, key)) }),
        _ => {
            s.wrong("a certificate and its key go together, and need a ca");
            None
        }
    }
}

fn path(s: &mut Section<'_>, key: &str, meaning: &str) -> Option<PathBuf> {
    Some(s.text(key, "", meaning)).filter(|path| !path.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::parse;
    use super::*;

    #[test]
    fn an_engine_is_read_as_written() {
        let engine = |text: &str| parse(text).unwrap().broker.engine;
        assert_eq!(engine(""), EngineConfig::Gate);
        let text = "[broker]\nengine = \"rumqttd\"\n[rumqttd]\nlisten_v5 = \"127.0.0.1:0\"\n";
        let EngineConfig::Rumqttd(rumqttd) = engine(text) else { panic!("it is rumqttd") };
        assert_eq!(rumqttd.listen_v5.port(), 0);
        let text = "[broker]\nengine = \"external\"\n[external]\naddress = \"hub:8883\"\nversion = \"3.1.1\"\n\
                    qos = \"1\"\nca = \"ca.pem\"\n";
        let EngineConfig::External(external) = engine(text) else { panic!("it is external") };
        assert_eq!((external.version, external.qos), (Version::V3, Qos::AtLeastOnce));
        assert_eq!(external.tls, Some(ExternalTls { ca: "ca.pem".into(), identity: None }));
    }

    #[test]
    fn what_cannot_work_is_reported_with_key_and_line() {
        let mistakes = |text: &str| {
            let all = parse(text).unwrap_err();
            all.iter().map(|mistake| format!("{mistake}\n")).collect::<String>()
        };
        for (keys, expected) in [
            ("address = \"hub\"", "line 2: external.address: is host:port"),
            ("client_id = \"\"", "line 2: external.client_id:"),
            ("share = \"a/b\"", "line 2: external.share:"),
            ("keep_alive = \"1 s\"", "line 2: external.keep_alive:"),
            ("password_file = \"p\"", "line 2: external.password_file: needs a user"),
            ("certificate = \"c\"", "external: a certificate and its key go together"),
            ("version = \"4\"", "line 2: external.version: is one of"),
        ] {
            let found = mistakes(&format!("[external]\n{keys}\n"));
            assert!(found.contains(expected), "{keys}: {found}");
        }
        let found = mistakes("[broker]\nengine = \"mosquitto\"\n");
        assert!(found.contains("broker.engine: is one of \"gate\", \"rumqttd\", \"external\""), "{found}");
    }

    #[test]
    fn what_only_the_gate_does_is_refused_with_another_engine() {
        for more in [
            "[[listener]]\nkind = \"websocket\"\naddress = \"127.0.0.1:1\"\n",
            "[identity]\npassword_file = \"users\"\n",
            "[[right]]\nuser = \"*\"\ntopic = \"a\"\npublish = true\n",
        ] {
            let found = parse(&format!("[broker]\nengine = \"rumqttd\"\n{more}")).unwrap_err();
            assert!(found.iter().any(|mistake| mistake.what.contains("engine = \"gate\"")), "{more}: {found:?}");
        }
    }
}
