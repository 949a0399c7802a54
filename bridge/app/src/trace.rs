//! `tidegate trace`: the packets of one client, for people.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cli::Trace;
use crate::http;

/// How long the server may take to answer, and longest silence of a trace: it sends empty lines meanwhile.
const SILENCE_MAX: Duration = Duration::from_secs(40);

/// Prints what the server tells until it ends, or the time is over.
///
/// # Errors
/// When the server does not answer, or refuses; with what to do.
pub fn run(arguments: &Trace) -> Result<()> {
    let until = arguments.span.map(|span| Instant::now() + span);
    let mut lines = open(arguments)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}: times are UTC, Ctrl-C ends", arguments.client)?;
    let mut text = String::new();
    loop {
        let left = until.map_or(SILENCE_MAX, |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Ok(());
        }
        lines.get_ref().set_read_timeout(Some(left.min(SILENCE_MAX)))?;
        match lines.read_line(&mut text) {
            Ok(0) => bail!("the server ended the trace"),
            Ok(_) => {
                if let Ok(line) = serde_json::from_str(&text) {
                    writeln!(out, "{}", words(&line))?;
                    out.flush()?;
                }
                text.clear();
            }
            // What was read of a line stays in `text`.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if left >= SILENCE_MAX {
                    bail!("the server is silent: does it still run?");
                }
            }
            Err(error) => return Err(error).context("the trace broke off"),
        }
    }
}

fn open(arguments: &Trace) -> Result<BufReader<TcpStream>> {
    let path = format!("/v1/clients/{}/trace?payloads={}", encoded(&arguments.client), arguments.payloads);
    http::ask(arguments.http, &path, None, SILENCE_MAX)
}

/// Percent-encoded as one part of a path (RFC 3986).
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn words(line: &Value) -> String {
    let at = clock(line["time"].as_i64().unwrap_or(0));
    match line["kind"].as_str() {
        Some("begin") => match line["state"].as_str() {
            Some("connected") => format!("{at}  it is connected"),
            Some("sleeping") => format!("{at}  it sleeps: waiting for it"),
            Some(_) => format!("{at}  it is gone: waiting for it"),
            None => format!("{at}  nobody with this identifier was here yet: waiting"),
        },
        Some("packet") => format!("{at}  {}", packet(line)),
        Some("end") => format!("{at}  ended: {}", said(&[&line["reason"], &line["detail"]])),
        Some("missed") => format!("… {} packets not shown: they came faster than they were read", line["count"]),
        _ => String::new(),
    }
}

fn packet(line: &Value) -> String {
    let mut text = format!(
        "{:<3}  {:<11} {:>6} B",
        line["direction"].as_str().unwrap_or_default(),
        line["type"].as_str().unwrap_or_default(),
        line["bytes"].as_u64().unwrap_or(0),
    );
    let mut add = |more: String| {
        text.push_str("  ");
        text.push_str(&more);
    };
    if let Some(qos) = line["qos"].as_u64() {
        add(format!("qos {qos}"));
    }
    if let Some(id) = line["packet_id"].as_u64() {
        add(format!("id {id}"));
    }
    for flag in ["dup", "retain"] {
        if line[flag] == true {
            add(flag.to_owned());
        }
    }
    match (line["topic"].as_str(), line["topic_alias"].as_u64()) {
        (Some(topic), _) => add(shown(topic)),
        (None, Some(alias)) => add(format!("topic alias {alias}")),
        (None, None) => {}
    }
    match (line["payload_bytes"].as_u64(), line["payload"].as_str()) {
        (Some(bytes), Some(payload)) => add(format!("{bytes} B: {}", shown(payload))),
        (Some(bytes), None) => add(format!("payload {bytes} B")),
        (None, _) => {}
    }
    let failed = line["codes"].as_array().into_iter().flatten().filter_map(Value::as_u64).filter(|code| *code >= 0x80);
    failed.for_each(|code| add(format!("0x{code:02x}")));
    if let Some(detail) = line["detail"].as_str() {
        add(shown(detail));
    }
    text
}

fn said(parts: &[&Value]) -> String {
    let parts: Vec<String> =
        parts.iter().filter_map(|part| part.as_str()).filter(|part| !part.is_empty()).map(shown).collect();
    parts.join(", ")
}

/// What clients send must not speak to the terminal.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn clock(unix_ms: i64) -> String {
    let ms = unix_ms.rem_euclid(86_400_000);
    format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_what_passed_and_nothing_to_the_terminal() {
        let publish = json!({
            "kind": "packet", "time": 1_704_723_845_120_i64, "direction": "in", "type": "PUBLISH", "bytes": 38, "qos": 1,
            "packet_id": 7, "retain": true, "topic": "a/b", "payload_bytes": 4, "payload": "2\u{1b}[2J",
        });
        assert_eq!(
            words(&publish),
            "14:24:05.120  in   PUBLISH         38 B  qos 1  id 7  retain  a/b  4 B: 2\u{fffd}[2J"
        );
        let refused = json!({"kind": "packet", "time": 0, "direction": "out", "type": "CONNACK", "bytes": 4,
            "codes": [0x87], "detail": "not authorized"});
        assert_eq!(words(&refused), "00:00:00.000  out  CONNACK          4 B  0x87  not authorized");
        let end = json!({"kind": "end", "time": 0, "reason": "lost", "detail": ""});
        assert_eq!(words(&end), "00:00:00.000  ended: lost");
        assert!(words(&json!({"kind": "missed", "count": 12})).starts_with("… 12 packets not shown"));
    }

    #[test]
    fn an_identifier_is_one_part_of_a_path() {
        assert_eq!(encoded("a/b c%é"), "a%2Fb%20c%25%C3%A9");
    }
}
