//! Listeners besides the plain one.

use std::net::SocketAddr;
use std::path::PathBuf;

use tidegate_broker::{CERTIFICATE_CHECK_INTERVAL, ListenAddress, ListenerConfig, SOCKET_MODE, TlsConfig, Transport};
use toml_edit::Item;

use super::reader::{Reader, Section};
use super::units;

const LISTENER_SAMPLE: &str = r#"
# Listeners besides mqtt.listen, any number of them. What they are for: docs/listeners.md.
# [[listener]]
# kind = "tls"                   # "tcp", "tls", "websocket", "wss" or "unix"
# address = "0.0.0.0:8883"       # port 0 picks one
# certificate = "server.pem"     # tls and wss: the server's certificate and those between it and the root, in PEM
# key = "server.key"             # and its private key; changed files are used without a restart
# client_ca = "devices-ca.pem"   # authorities whose client certificates are accepted
# require_certificate = true     # refuse clients without one; default false
# check_interval = "5 s"         # how often the files are looked at
# proxy_protocol = false         # true: each connection starts with a PROXY protocol v2 header
#
# [[listener]]
# kind = "websocket"
# address = "127.0.0.1:9001"
# origins = ["https://wall.example"]  # pages that may connect, besides those of the same address; "*": all
#
# [[listener]]
# kind = "unix"
# path = "/run/tidegate/mqtt.sock"
# mode = "0660"                  # permissions of the socket's file
"#;

pub fn listeners(reader: &mut Reader) -> Vec<ListenerConfig> {
    let paths = reader.list("listener", LISTENER_SAMPLE);
    paths.iter().filter_map(|path| listener(&mut reader.at(path))).collect()
}

/// The keys of a listener, as they stand in the file.
struct Keys {
    address: Option<SocketAddr>,
    path: Option<String>,
    mode: Option<u32>,
    certificate: Option<String>,
    key: Option<String>,
    client_ca: Option<String>,
    require_certificate: bool,
    check_interval_ms: Option<i64>,
    proxy_protocol: bool,
    origins: Option<Vec<String>>,
}

fn listener(section: &mut Section<'_>) -> Option<ListenerConfig> {
    let kind = section.optional("kind", |item| match item.as_str() {
        Some("tcp") => Ok(Transport::Tcp),
        Some("tls") => Ok(Transport::Tls),
        Some("websocket") => Ok(Transport::WebSocket),
        Some("wss") => Ok(Transport::Wss),
        Some("unix") => Ok(Transport::Unix),
        _ => Err("is one of \"tcp\", \"tls\", \"websocket\", \"wss\", \"unix\"".into()),
    });
    let keys = Keys {
        address: section.optional("address", address),
        path: section.optional("path", text),
        mode: section.optional("mode", mode),
        certificate: section.optional("certificate", text),
        key: section.optional("key", text),
        client_ca: section.optional("client_ca", text),
        require_certificate: flag(section, "require_certificate"),
        check_interval_ms: section.optional("check_interval", interval),
        proxy_protocol: flag(section, "proxy_protocol"),
        origins: section.optional("origins", texts),
    };
    let Some(transport) = kind else {
        section.wrong("needs a kind: kind = \"tls\", for example");
        return None;
    };
    match keys.mistake(transport) {
        Some(what) => {
            section.wrong(what);
            None
        }
        None => keys.listener(transport),
    }
}

impl Keys {
    /// What does not go together.
    fn mistake(&self, transport: Transport) -> Option<&'static str> {
        let has_files = self.certificate.is_some() || self.key.is_some() || self.client_ca.is_some();
        let is_unix = transport == Transport::Unix;
        if is_unix && (self.path.is_none() || self.address.is_some() || self.proxy_protocol) {
            Some("of kind \"unix\" needs a path, and has no address and no proxy_protocol")
        } else if !is_unix && (self.address.is_none() || self.path.is_some() || self.mode.is_some()) {
            Some("needs an address; path and mode are for kind = \"unix\"")
        } else if transport.is_encrypted() && (self.certificate.is_none() || self.key.is_none()) {
            Some("needs a certificate and a key")
        } else if !transport.is_encrypted()
            && (has_files || self.require_certificate || self.check_interval_ms.is_some())
        {
            Some("has certificates only with kind = \"tls\" or \"wss\"")
        } else if self.require_certificate && self.client_ca.is_none() {
            Some("needs a client_ca to tell which certificates it requires")
        } else if !transport.is_websocket() && self.origins.is_some() {
            Some("has origins only with kind = \"websocket\" or \"wss\"")
        } else {
            None
        }
    }

    fn listener(self, transport: Transport) -> Option<ListenerConfig> {
        let at = match self.path {
            Some(path) => ListenAddress::Unix(PathBuf::from(path)),
            None => ListenAddress::Tcp(self.address?),
        };
        let files = self.certificate.zip(self.key);
        let check_interval = self.check_interval_ms.map(i64::unsigned_abs).map(std::time::Duration::from_millis);
        let tls = files.map(|(certificate, key)| TlsConfig {
            client_ca: self.client_ca.map(PathBuf::from),
            require_certificate: self.require_certificate,
            check_interval: check_interval.unwrap_or(CERTIFICATE_CHECK_INTERVAL),
            ..TlsConfig::new(PathBuf::from(certificate), PathBuf::from(key))
        });
        Some(ListenerConfig {
            tls,
            proxy_protocol: self.proxy_protocol,
            origins: self.origins.unwrap_or_default(),
            socket_mode: self.mode.unwrap_or(SOCKET_MODE),
            ..ListenerConfig::new(transport, at)
        })
    }
}

fn address(item: &Item) -> Result<SocketAddr, String> {
    let text = item.as_str().unwrap_or_default();
    text.parse().map_err(|_| format!("{text:?} is not an address such as \"0.0.0.0:8883\" or \"[::]:8883\""))
}

fn text(item: &Item) -> Result<String, String> {
    item.as_str().filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(|| "is a text in quotes".into())
}

fn texts(item: &Item) -> Result<Vec<String>, String> {
    let texts = item.as_array().and_then(|array| array.iter().map(|one| one.as_str().map(str::to_owned)).collect());
    texts.ok_or_else(|| "is a list of texts: [\"https://wall.example\"]".into())
}

fn mode(item: &Item) -> Result<u32, String> {
    let mode = item.as_str().and_then(|text| u32::from_str_radix(text, 8).ok()).filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "is three octal digits in quotes, such as \"0660\"".into())
}

fn interval(item: &Item) -> Result<i64, String> {
    match units::parse_duration_ms(item.as_str().unwrap_or_default())? {
        ms if ms >= 100 => Ok(ms),
        _ => Err("is at least \"100 ms\"".into()),
    }
}

fn flag(section: &mut Section<'_>, key: &str) -> bool {
    section.optional(key, |item| item.as_bool().ok_or_else(|| "is true or false".into())).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::parse;

    #[test]
    fn the_listeners_of_the_sample_load() {
        let text: String = LISTENER_SAMPLE
            .lines()
            .skip(2)
            .filter_map(|line| line.strip_prefix("# "))
            .map(|line| format!("{line}\n"))
            .collect();
        let config = parse(&text).unwrap().broker;
        let kinds: Vec<&str> = config.listeners.iter().map(|listener| listener.transport.name()).collect();
        assert_eq!(kinds, ["tls", "websocket", "unix"]);
        assert!(config.listeners[0].tls.as_ref().unwrap().require_certificate);
        assert_eq!(config.listeners[1].origins, ["https://wall.example"]);
        assert_eq!(config.listeners[2].socket_mode, 0o660);
    }

    #[test]
    fn what_does_not_go_together_is_reported_with_its_line() {
        for (keys, what) in [
            ("address = \"127.0.0.1:1\"", "needs a kind"),
            ("kind = \"quic\"\naddress = \"127.0.0.1:1\"", "is one of \"tcp\""),
            ("kind = \"tls\"\naddress = \"127.0.0.1:1\"", "needs a certificate and a key"),
            ("kind = \"tcp\"", "needs an address"),
            ("kind = \"tcp\"\naddress = \"localhost\"", "is not an address"),
            ("kind = \"tcp\"\naddress = \"127.0.0.1:1\"\nkey = \"k\"", "has certificates only"),
            ("kind = \"tcp\"\naddress = \"127.0.0.1:1\"\norigins = [\"*\"]", "has origins only"),
            ("kind = \"unix\"\naddress = \"127.0.0.1:1\"", "needs a path"),
            ("kind = \"unix\"\npath = \"s\"\nmode = 660", "is three octal digits"),
            (
                "kind = \"wss\"\naddress = \"127.0.0.1:1\"\ncertificate = \"c\"\nkey = \"k\"\nrequire_certificate = true",
                "needs a client_ca",
            ),
            (
                "kind = \"tls\"\naddress = \"127.0.0.1:1\"\ncertificate = \"c\"\nkey = \"k\"\ncheck_interval = \"1 ms\"",
                "is at least",
            ),
        ] {
            let mistakes = parse(&format!("\n[[listener]]\n{keys}\n")).unwrap_err();
            assert!(mistakes.iter().any(|m| m.what.contains(what) && m.line >= 2), "{keys}: {mistakes:?}");
        }
    }
}
