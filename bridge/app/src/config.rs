//! The configuration of the program: the list of the rooms' sections, and what concerns several of them. The keys of a
//! section (defaults, units, texts, checks) are declared in its room.
//!
//! - [`parse`]: from a file's text; every mistake at once
//! - [`sample`]: the text of a configuration that holds every key with its default

use std::net::SocketAddr;
use std::path::PathBuf;

use tidegate_broker::{BrokerConfig, EngineConfig, ListenAddress, SessionStoreConfig};
use tidegate_decode::DecodeConfig;
use tidegate_identity::{Exposure, IdentityConfig};
use tidegate_influx::{HistoryConfig, HistoryRead, InfluxConfig};
use tidegate_log::LogConfig;
use tidegate_node::{BackupConfig, ClockConfig, FlushConfig, NodeConfig};
use tidegate_process::ProcessConfig;
use tidegate_push::{LiveConfig, PushConfig};
use tidegate_settings::{Mistake, Reader};
use tidegate_store::StoreConfig;
use tidegate_views::ViewsConfig;

/// All that a file says.
#[derive(Debug, Clone)]
pub struct Config {
    /// What any program with a node is told.
    pub node: NodeConfig,
    /// Where readings go besides.
    pub influxdb: InfluxConfig,
    /// Where answers about the past are from.
    pub history: HistoryConfig,
}

/// Reads a configuration file's text.
///
/// # Errors
/// Every mistake of the file, in order of line.
pub fn parse(text: &str) -> Result<Config, Vec<Mistake>> {
    let mut reader = Reader::new(text);
    let config = read(&mut reader);
    for (section, what) in without_the_gate(&config.node) {
        reader.at(section).wrong(what);
    }
    if config.history.read != HistoryRead::Embedded && config.influxdb.url.is_empty() {
        let what = "needs an InfluxDB to read from: set influxdb.url, or write \"embedded\"";
        reader.at("history").wrong_key("read", what);
    }
    let (mistakes, _) = reader.finish();
    if mistakes.is_empty() { Ok(config) } else { Err(mistakes) }
}

/// A configuration that holds every key with its default.
pub fn sample() -> String {
    let mut reader = Reader::new("");
    let _ = read(&mut reader);
    let keys = reader.finish().1;
    format!(
        "# Every key of tidegate with its default. Keep what you change, delete the rest.\n\
         # `tidegate check --config FILE` reports every mistake of a file, with key and line.\n{keys}"
    )
}

/// Every section, in the order of the sample.
fn read(reader: &mut Reader) -> Config {
    let folder = "Folder of the log, the sessions, the store and the checkpoint; --data overrides it.";
    let data = reader.section("data", "Where everything is kept.").text("directory", "data".into(), folder);
    let mut node = NodeConfig {
        push: PushConfig::read(reader),
        broker: BrokerConfig::read(reader),
        identity: IdentityConfig::read(reader),
        sessions: SessionStoreConfig::read(reader),
        log: LogConfig::read(reader),
        store: StoreConfig::read(reader),
        decode: DecodeConfig::read(reader),
        process: ProcessConfig::read(reader),
        views: ViewsConfig::read(reader),
        live: LiveConfig::read(reader),
        flush: FlushConfig::read(reader),
        clock: ClockConfig::read(reader),
        backup: BackupConfig::read(reader),
        data: PathBuf::new(),
        accepted: Vec::new(),
    };
    node.views.cleared_alerts_max = node.process.alerts_recent_max;
    node.keep_in(PathBuf::from(data));
    Config { node, influxdb: InfluxConfig::read(reader), history: HistoryConfig::read(reader) }
}

/// What only the gate does and is asked of another engine: nobody shall believe that it is done.
fn without_the_gate(config: &NodeConfig) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
    let is_gate = config.broker.engine == EngineConfig::Gate;
    let default = IdentityConfig::default();
    let identity = &config.identity;
    let has_identity = identity.password_file.is_some()
        || identity.token_keys.is_some()
        || identity.certificate_name != default.certificate_name
        || identity.anonymous != default.anonymous;
    let asked = [
        ("listener[0]", !config.broker.listeners.is_empty()),
        ("identity", has_identity),
        ("right[0]", !identity.rights.is_empty()),
    ];
    let what = "is served by engine = \"gate\" alone: take it out, or change broker.engine (docs/engines.md)";
    asked.into_iter().filter(move |(_, is)| *is && !is_gate).map(move |(section, _)| (section, what))
}

/// Listeners that cannot be: others reach them and nothing asks who connects, or two have one address. They are judged
/// when arguments have had their say; `text` is that of the file, for the lines.
pub fn unservable(config: &NodeConfig, text: &str, otherwise: Exposure) -> Vec<Mistake> {
    let reader = Reader::new(text);
    let mut mistakes = Vec::new();
    let mut taken: Vec<(SocketAddr, String)> = Vec::new();
    for (key, named, address, exposure) in listened_on(config, otherwise) {
        let mut say = |what| mistakes.push(Mistake { line: reader.line_of(&key), key: key.clone(), what });
        if let Err(exposed) = exposure.check(named, address) {
            say(exposed.to_string());
        }
        if let Some((_, other)) = taken.iter().find(|(other, _)| *other == address && address.port() != 0) {
            say(format!("\"{address}\" is that of {other} too: give each listener an address of its own"));
        }
        taken.push((address, key));
    }
    mistakes
}

/// Where anybody may connect: each place in the file, what to write there, the address, and how far it may reach.
fn listened_on(config: &NodeConfig, otherwise: Exposure) -> Vec<(String, &'static str, SocketAddr, Exposure)> {
    let asking = config.identity.exposure(otherwise);
    let of = |key: &'static str, address, exposure| (key.to_owned(), key, address, exposure);
    let mqtt = of("mqtt.listen", config.broker.listen, asking);
    let mut all = match &config.broker.engine {
        EngineConfig::Gate => vec![mqtt],
        EngineConfig::Rumqttd(own) => vec![mqtt, of("rumqttd.listen_v5", own.listen_v5, asking)],
        EngineConfig::External(_) => Vec::new(),
    };
    all.push(of("http.listen", config.push.listen, otherwise));
    for (number, listener) in config.broker.listeners.iter().enumerate() {
        // A certificate that is required says who connects.
        let is_asked = listener.tls.as_ref().is_some_and(|tls| tls.require_certificate);
        if let ListenAddress::Tcp(address) = listener.at {
            let exposure = if is_asked { Exposure::Identified } else { asking };
            all.push((format!("listener[{number}].address"), "address", address, exposure));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_sample_in_the_repository_holds_every_key_with_its_default() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/tidegate.sample.toml");
        let text = std::fs::read_to_string(file).unwrap();
        assert_eq!(text, sample(), "run `tidegate sample-config > docs/tidegate.sample.toml`");
        let loaded = parse(&text).unwrap();
        assert_eq!(format!("{loaded:?}"), format!("{:?}", parse("").unwrap()), "a shown default differs");
    }

    #[test]
    fn every_other_configuration_of_the_repository_loads() {
        let demo = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/demo.toml");
        assert!(!parse(&std::fs::read_to_string(demo).unwrap()).unwrap().node.process.rules.is_empty());
    }

    #[test]
    fn a_deadline_of_no_time_is_a_mistake() {
        let mistakes = parse("[mqtt]\nconnect_timeout = \"0 ms\"\npacket_timeout = \"0 s\"\n").unwrap_err();
        let found: Vec<(usize, &str)> = mistakes.iter().map(|mistake| (mistake.line, mistake.key.as_str())).collect();
        assert_eq!(found, [(2, "mqtt.connect_timeout"), (3, "mqtt.packet_timeout")]);
    }

    #[test]
    fn every_mistake_is_reported_with_its_line_and_key() {
        let text = "[mqtt]\nlisten = \"here\"\npacket_byte_max = 3\n\n[log]\ncommit_interval = 5\n\n[unknown]\na = 1\n\n\
                    [[alert]]\nname = \"x\"\nabove = \"hot\"\n\n[[alert]]\nabove = 3.0\nbelow = 2.0\n";
        let mistakes = parse(text).unwrap_err();
        let found: Vec<(usize, &str)> = mistakes.iter().map(|mistake| (mistake.line, mistake.key.as_str())).collect();
        for expected in [
            (2, "mqtt.listen"),
            (3, "mqtt.packet_byte_max"),
            (6, "log.commit_interval"),
            (8, "unknown"),
            (13, "alert[0].above"),
            (15, "alert[1]"),
        ] {
            assert!(found.contains(&expected), "{expected:?} is missing in {mistakes:#?}");
        }
        assert!(mistakes[1].what.contains("did you mean mqtt.packet_bytes_max?"), "{}", mistakes[1]);
    }

    #[test]
    fn what_does_not_go_together_is_reported_where_it_is_written() {
        let alert = "[[alert]]\nname = \"x\"\nabove = 1.0\n";
        for (text, expected) in [
            (format!("\n{alert}\n{alert}"), vec![(3, "alert[0].name"), (7, "alert[1].name")]),
            ("\n[process]\nlate_after_min = \"90 s\"\n".to_owned(), vec![(3, "process.late_after_min")]),
            ("\n[process]\nmetrics_per_device_max = 70000\n".to_owned(), vec![(3, "process.metrics_per_device_max")]),
            (
                "\n\n[log]\nsegment_bytes = 5\nread_entries_max = 0\n".to_owned(),
                vec![(4, "log.segment_bytes"), (5, "log.read_entries_max")],
            ),
            (
                "\n[broker]\nengine = \"rumqttd\"\n\n[identity]\nanonymous = \"never\"\n".to_owned(),
                vec![(5, "identity")],
            ),
            ("[[alert]]\nname = \"x\"\nno_reading_for = \"0 s\"\n".to_owned(), vec![(3, "alert[0].no_reading_for")]),
        ] {
            let mistakes = parse(&text).unwrap_err();
            let found: Vec<_> = mistakes.iter().map(|mistake| (mistake.line, mistake.key.as_str())).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn listeners_that_cannot_be_are_told_with_what_to_write() {
        let said = |text: &str, exposure| -> Vec<String> {
            let mistakes = unservable(&parse(text).unwrap().node, text, exposure);
            mistakes.iter().map(ToString::to_string).collect()
        };
        let text = "[mqtt]\nlisten = \"0.0.0.0:1884\"\n\n[http]\nlisten = \"[::]:8081\"\n\n\
                    [[listener]]\nkind = \"tcp\"\naddress = \"192.0.2.1:1885\"\n";
        let open = said(text, Exposure::LoopbackOnly);
        for (said, line) in
            open.iter().zip(["line 2: mqtt.listen: ", "line 5: http.listen: ", "line 9: listener[0].address: "])
        {
            assert!(said.starts_with(line), "{said}");
        }
        assert!(open[0].contains("write mqtt.listen = \"127.0.0.1:1884\", or let devices prove"), "{}", open[0]);
        assert!(open[1].contains("write http.listen = \"[::1]:8081\", and let a proxy"), "{}", open[1]);
        assert!(open[2].contains("write address = \"127.0.0.1:1885\""), "{}", open[2]);
        assert_eq!(said(text, Exposure::AnonymousAllowed), Vec::<String>::new());
        let asking = format!("[identity]\npassword_file = \"users\"\n{text}");
        assert_eq!(said(&asking, Exposure::LoopbackOnly).len(), 1, "HTTP asks nobody");
        let same = "[mqtt]\nlisten = \"127.0.0.1:8080\"\n";
        assert_eq!(
            said(same, Exposure::LoopbackOnly),
            ["http.listen: \"127.0.0.1:8080\" is that of mqtt.listen too: give each listener an address of its own"]
        );
    }

    #[test]
    fn a_metric_whose_name_has_a_dot_is_read_and_what_is_no_section_is_told() {
        let config = parse("[metric.\"env.temperature\"]\nunit = \"K\"\n").unwrap();
        assert_eq!(config.node.process.metrics[0].unit.as_deref(), Some("K"));
        for (text, line, key) in [
            ("metric = 5\n", 1, "metric"),
            ("[metric]\nx = 5\n", 2, "metric.x"),
            ("[metric.\"env.x\"]\nunits = \"K\"\n", 2, "metric.env.x.units"),
        ] {
            let mistakes = parse(text).unwrap_err();
            assert_eq!((mistakes[0].line, mistakes[0].key.as_str()), (line, key), "{mistakes:?}");
        }
    }

    #[test]
    fn text_that_is_not_toml_is_one_mistake_with_its_line() {
        let mistakes = parse("[mqtt]\nlisten = \n").unwrap_err();
        assert_eq!((mistakes.len(), mistakes[0].line), (1, 2), "{mistakes:?}");
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
