//! Which protocol a connection's first bytes are, where that is not what its listener serves (TLS, HTTP, PROXY): for a warning.

use super::config::ListenAddress;
use super::peer::Transport;
use super::proxy;

/// A protocol that can be told by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    Tls,
    Http,
    Mqtt,
    /// A PROXY protocol header, of either version.
    Proxy,
}

/// Every listener there is: what it serves, and where.
pub(crate) type ListenerAddresses = [(Transport, ListenAddress)];

/// A TLS record that holds a handshake (RFC 8446 section 5.1), which no MQTT packet begins with.
const TLS: &[u8] = &[0x16, 3];
const CONNECT: u8 = 0x10;
const METHODS: [&[u8]; 9] =
    [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"TRACE "];

/// A fatal alert (RFC 8446 section 6).
const UNEXPECTED_MESSAGE: &[u8] = &[0x15, 3, 3, 0, 2, 2, 10];
const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    This port speaks MQTT. Pages and REST are at http.listen.\n";

/// So many bytes tell a method of HTTP from a packet of MQTT.
const METHOD_BYTES_MIN: usize = 3;

impl Spoken {
    /// `None`: none of these, or it is too early to tell.
    pub(crate) fn of(bytes: &[u8]) -> Option<Spoken> {
        let begins = |word: &[u8]| bytes.starts_with(word) || word.starts_with(bytes);
        match bytes {
            [] => None,
            [CONNECT, ..] => Some(Spoken::Mqtt),
            _ if begins(TLS) => Some(Spoken::Tls),
            _ if bytes.len() < METHOD_BYTES_MIN => None,
            _ if METHODS.into_iter().any(begins) => Some(Spoken::Http),
            _ if begins(b"PROXY ") || begins(&proxy::SIGNATURE) => Some(Spoken::Proxy),
            _ => None,
        }
    }

    /// Whether a listener of this kind serves it.
    pub(crate) fn fits(self, transport: Transport) -> bool {
        let expected = match transport {
            Transport::Tcp | Transport::Unix => Spoken::Mqtt,
            Transport::WebSocket => Spoken::Http,
            Transport::Tls | Transport::Wss => Spoken::Tls,
        };
        self == expected
    }

    /// Whether a listener of this kind serves it inside of TLS.
    pub(crate) fn fits_inside(self, transport: Transport) -> bool {
        self == if transport.is_websocket() { Spoken::Http } else { Spoken::Mqtt }
    }

    /// What it is answered inside of TLS.
    pub(crate) fn answer_inside(self) -> &'static [u8] {
        if self == Spoken::Http { BAD_REQUEST } else { b"" }
    }

    /// What came inside of TLS, and where to go with it.
    pub(crate) fn words_inside(self, listener: Transport, addresses: &ListenerAddresses) -> String {
        let (came, instead) = match self {
            Spoken::Tls => ("TLS within TLS", "encrypt once".to_owned()),
            Spoken::Http => {
                let websocket = there_is(Transport::Wss, addresses);
                ("HTTP over TLS", format!("pages and REST are at http.listen, and {websocket}"))
            }
            Spoken::Mqtt => ("MQTT over TLS", there_is(Transport::Tls, addresses)),
            Spoken::Proxy => ("a PROXY protocol header inside of TLS", PROXY_INSTEAD.to_owned()),
        };
        format!("this port speaks {}, and {came} came: {instead}", served_by(listener))
    }

    /// What it is answered by a listener that does not serve it, in its own words where it has any.
    pub(crate) fn answer(self, listener: Transport) -> &'static [u8] {
        match self {
            Spoken::Http => BAD_REQUEST,
            _ if self == Spoken::Tls || listener.is_encrypted() => UNEXPECTED_MESSAGE,
            _ => b"",
        }
    }

    /// What came to a listener that does not serve it, and where to go instead.
    pub(crate) fn words(self, listener: Transport, addresses: &ListenerAddresses) -> String {
        let (came, instead) = match self {
            Spoken::Tls if listener.is_websocket() => ("TLS", there_is(Transport::Wss, addresses)),
            Spoken::Tls => ("TLS", there_is(Transport::Tls, addresses)),
            Spoken::Http if listener == Transport::Wss => ("plain HTTP", "use wss:// or https://".to_owned()),
            Spoken::Http => {
                let websocket = there_is(Transport::WebSocket, addresses);
                ("HTTP", format!("pages and REST are at http.listen, and {websocket}"))
            }
            Spoken::Mqtt if listener.is_encrypted() => {
                ("plain MQTT", format!("use TLS here, or else {}", there_is(Transport::Tcp, addresses)))
            }
            Spoken::Mqtt => ("plain MQTT", there_is(Transport::Tcp, addresses)),
            Spoken::Proxy => ("a PROXY protocol header", PROXY_INSTEAD.to_owned()),
        };
        format!("this port speaks {}, and {came} came: {instead}", served_by(listener))
    }
}

const PROXY_INSTEAD: &str = "set proxy_protocol = true for a listener that only the proxy reaches";

fn served_by(listener: Transport) -> &'static str {
    match listener {
        Transport::Tcp | Transport::Unix => "plain MQTT",
        Transport::Tls => "MQTT over TLS",
        Transport::WebSocket => "MQTT over WebSocket",
        Transport::Wss => "MQTT over WebSocket over TLS",
    }
}

fn there_is(wanted: Transport, addresses: &ListenerAddresses) -> String {
    let name = match wanted {
        Transport::Tcp | Transport::Unix => "plain MQTT",
        Transport::Tls => "TLS",
        Transport::WebSocket => "MQTT over WebSocket",
        Transport::Wss => "MQTT over WebSocket over TLS",
    };
    let at: Vec<String> =
        addresses.iter().filter(|(transport, _)| *transport == wanted).map(|(_, at)| at.to_string()).collect();
    match at.is_empty() {
        true => format!("{name} is nowhere: add a [[listener]] with kind = {:?}", wanted.name()),
        false => format!("{name} is at {}", at.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_protocol_is_told_by_its_first_bytes_and_nothing_else_is_taken_for_one() {
        for (bytes, spoken) in [
            (&b"\x16"[..], Some(Spoken::Tls)),
            (b"\x16\x03\x01\x02\0", Some(Spoken::Tls)),
            (b"\x16\x02", None),
            (b"\x10\x0d\0\x04MQTT", Some(Spoken::Mqtt)),
            (b"G", None),
            (b"GET", Some(Spoken::Http)),
            (b"OPTIONS * HTTP/1.1", Some(Spoken::Http)),
            (b"PROXY TCP4", Some(Spoken::Proxy)),
            (b"\r\n\r\n\0\r\nQUIT\n\x21", Some(Spoken::Proxy)),
            (b"P\x02\0\x01", None),
            (b"", None),
        ] {
            assert_eq!(Spoken::of(bytes), spoken, "{bytes:?}");
        }
    }

    #[test]
    fn who_came_to_the_wrong_port_is_told_the_right_one() {
        let addresses = [
            (Transport::Tcp, ListenAddress::Tcp("127.0.0.1:1883".parse().unwrap())),
            (Transport::Tls, ListenAddress::Tcp("127.0.0.1:8883".parse().unwrap())),
        ];
        let says = |spoken: Spoken, listener, text: &str| {
            let words = spoken.words(listener, &addresses);
            assert!(words.contains(text), "{words}");
        };
        says(Spoken::Tls, Transport::Tcp, "this port speaks plain MQTT, and TLS came: TLS is at 127.0.0.1:8883");
        says(Spoken::Tls, Transport::WebSocket, "add a [[listener]] with kind = \"wss\"");
        says(Spoken::Mqtt, Transport::Tls, "or else plain MQTT is at 127.0.0.1:1883");
        says(Spoken::Http, Transport::Tcp, "http.listen");
        says(Spoken::Proxy, Transport::Tcp, "proxy_protocol = true");
        let inside = |spoken: Spoken, listener, text: &str| {
            let words = spoken.words_inside(listener, &addresses);
            assert!(words.contains(text), "{words}");
        };
        inside(Spoken::Http, Transport::Tls, "this port speaks MQTT over TLS, and HTTP over TLS came: pages");
        inside(Spoken::Mqtt, Transport::Wss, "and MQTT over TLS came: TLS is at 127.0.0.1:8883");
    }
}
