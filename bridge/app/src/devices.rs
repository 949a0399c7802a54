//! `tidegate devices`: what people say of devices, as a table out of a running program and into one.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use tidegate_lines::csv::{fields, text_field, text_of_field};
use tidegate_lines::records;
use tidegate_settings::{duration_text, millis, parse_duration};

use crate::cli::{Devices, DevicesImport};
use crate::http::{self, encoded};

/// How long the program may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// For so long a program that has no time is asked again.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);
/// Flaws that are told; of more their number is.
const FLAWS_MAX: usize = 100;

const COLUMNS: [&str; 7] = ["id", "name", "group", "labels", "notes", "hidden", "interval"];

/// Writes the table, or takes it in.
///
/// # Errors
/// When the program or a file cannot be reached; and the flaws of a table, each with its line: the other lines count.
pub fn run(arguments: &Devices) -> Result<()> {
    match arguments {
        Devices::Export { file, http } => export(file, *http),
        Devices::Import(arguments) => import(arguments),
    }
}

/// A line for each device, with what people said of it.
fn export(file: &Path, server: SocketAddr) -> Result<()> {
    let mut table = COLUMNS.join(",") + "\n";
    let (mut count, mut cursor) = (0, None::<String>);
    loop {
        let after = cursor.as_deref().map_or(String::new(), |cursor| format!("&cursor={}", encoded(cursor)));
        let page = read(http::ask(server, &format!("/v1/devices?hidden=true&limit=1000{after}"), None, SILENCE_MAX)?)?;
        for device in page["devices"].as_array().into_iter().flatten() {
            table += &line_of(device);
            count += 1;
        }
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    fs::write(file, table).with_context(|| format!("cannot write {}", file.display()))?;
    println!("{count} devices are in {}", file.display());
    Ok(())
}

fn line_of(device: &Value) -> String {
    let (about, said) = (&device["about"], &device["about"]["said"]);
    let text = |value: &Value| text_field(value.as_str().unwrap_or_default(), false);
    let labels = about["labels"].as_object().into_iter().flatten();
    let labels = labels.map(|(key, value)| format!("{}={}", escaped(key), escaped(value.as_str().unwrap_or_default())));
    let interval = said["interval_ms"].as_u64().map(Duration::from_millis).map(duration_text);
    let fields = [
        text(&device["id"]),
        text(&said["name"]),
        text(&said["group"]),
        text_field(&labels.collect::<Vec<_>>().join(";"), false),
        text(&about["notes"]),
        if about["hidden"] == true { "yes" } else { "" }.to_owned(),
        interval.unwrap_or_default(),
    ];
    fields.join(",") + "\n"
}

/// Says of each device what its line says; what a line leaves empty stays as it is.
fn import(arguments: &DevicesImport) -> Result<()> {
    let DevicesImport { file, http: server, by } = arguments;
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut lines = Lines { rest: text.strip_prefix('\u{feff}').unwrap_or(&text), number: 1 };
    let head = lines.next().with_context(|| format!("{} is empty", file.display()))?;
    let columns = columns(head.1)?;
    let (mut count, mut flaws) = (0, Vec::new());
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        count += 1;
        let done = patch_of(&columns, line).and_then(|(id, patch)| say(*server, &id, patch, by.as_deref()));
        match done {
            Ok(()) => {}
            Err(Failure::Line(flaw)) => flaws.push(format!("line {number}: {flaw}")),
            Err(Failure::Server(error)) => {
                return Err(error.context(format!("stopped at line {number}, the lines before it count")));
            }
        }
    }
    if flaws.is_empty() {
        println!("{count} devices are as {} says", file.display());
        return Ok(());
    }
    let (more, good) = (flaws.len().saturating_sub(FLAWS_MAX), count - flaws.len());
    flaws.truncate(FLAWS_MAX);
    if more > 0 {
        flaws.push(format!("and {more} more"));
    }
    bail!("{good} of {count} lines of {} count:\n{}", file.display(), flaws.join("\n"));
}

/// Why a line does not count, or none does from there on.
enum Failure {
    Line(String),
    Server(anyhow::Error),
}

/// Records with the number of their first line.
struct Lines<'a> {
    rest: &'a str,
    number: u64,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (u64, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let end = records::first(self.rest.as_bytes(), records::Format::Csv, true).unwrap_or(self.rest.len());
        let (record, rest) = self.rest.split_at(end);
        let number = self.number;
        self.rest = rest;
        self.number += records::lines_in(record.as_bytes());
        Some((number, record))
    }
}

/// The columns of a table, in their order.
fn columns(head: &str) -> Result<Vec<&'static str>> {
    let names = fields(head).map_err(|flaw| anyhow::anyhow!("line 1: {flaw}"))?;
    let column = |name: &str| COLUMNS.into_iter().find(|known| known.eq_ignore_ascii_case(name.trim()));
    let mut columns = Vec::new();
    for name in &names {
        let Some(known) = column(name) else {
            bail!("line 1: there is no column {name:?}, only {}", COLUMNS.join(", "));
        };
        columns.push(known);
    }
    if !columns.contains(&"id") {
        bail!("line 1 names no column id: it begins with {}", COLUMNS.join(","));
    }
    Ok(columns)
}

/// Of a line the device, and what is said of it.
fn patch_of(columns: &[&str], line: &str) -> Result<(String, Map<String, Value>), Failure> {
    let flaw = |flaw: String| Failure::Line(flaw);
    let fields = fields(line).map_err(|it| flaw(it.to_owned()))?;
    if fields.len() != columns.len() {
        return Err(flaw(format!("it has {} fields, line 1 names {}", fields.len(), columns.len())));
    }
    let (mut id, mut patch) = (String::new(), Map::new());
    for (column, field) in columns.iter().zip(&fields) {
        let text = text_of_field(field);
        match *column {
            "id" => id = text.to_owned(),
            _ if text.trim().is_empty() => {}
            "labels" => _ = patch.insert("labels".to_owned(), labels(text).map_err(flaw)?),
            "hidden" => _ = patch.insert("hidden".to_owned(), hidden(text).map_err(flaw)?),
            "interval" => {
                let interval = parse_duration(text.trim()).map_err(|_| {
                    flaw(format!("interval {text:?} is no span of time: write it as 10 min, 1 h or 30 s"))
                })?;
                patch.insert("interval_ms".to_owned(), millis(interval).into());
            }
            column => _ = patch.insert(column.to_owned(), text.into()),
        }
    }
    if id.is_empty() {
        return Err(flaw("it names no device: put its full identifier into the column id".to_owned()));
    }
    Ok((id, patch))
}

fn hidden(text: &str) -> Result<Value, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" => Ok(json!(true)),
        "no" | "false" | "0" => Ok(json!(false)),
        _ => Err(format!("hidden is yes or no, not {text:?}")),
    }
}

/// `floor=2;kind=window`; a backslash takes the meaning from what follows.
fn labels(text: &str) -> Result<Value, String> {
    let (mut parts, mut is_escaped) = (vec![(String::new(), None::<String>)], false);
    for char in text.chars() {
        let Some((key, value)) = parts.last_mut() else { break };
        match char {
            '\\' if !is_escaped => {
                is_escaped = true;
                continue;
            }
            ';' if !is_escaped => parts.push((String::new(), None)),
            '=' if !is_escaped && value.is_none() => *value = Some(String::new()),
            char => value.as_mut().unwrap_or(key).push(char),
        }
        is_escaped = false;
    }
    let is_said = |part: &(String, Option<String>)| part.1.is_some() || !part.0.trim().is_empty();
    let mut labels = Map::new();
    for (key, value) in parts.into_iter().filter(is_said) {
        let value = value.ok_or_else(|| format!("label {key:?} has no value: write labels as key=value;key=value"))?;
        labels.insert(key.trim().to_owned(), value.into());
    }
    Ok(labels.into())
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace(';', "\\;")
}

fn say(server: SocketAddr, id: &str, mut patch: Map<String, Value>, by: Option<&str>) -> Result<(), Failure> {
    if let Some(by) = by {
        patch.insert("by".to_owned(), by.into());
    }
    let (path, body) = (format!("/v1/devices/{}", encoded(id)), Value::from(patch).to_string());
    let began = Instant::now();
    loop {
        let answer =
            http::request(server, "PATCH", &path, Some(body.as_bytes()), SILENCE_MAX).map_err(Failure::Server)?;
        match answer.status {
            200 => return Ok(()),
            503 if began.elapsed() < PATIENCE => thread::sleep(PAUSE),
            400 | 404 | 409 => return Err(Failure::Line(answer.problem().map_err(Failure::Server)?)),
            _ => return Err(Failure::Server(answer.problem().map_or_else(|error| error, anyhow::Error::msg))),
        }
    }
}

fn read(mut from: impl Read) -> Result<Value> {
    let mut text = String::new();
    from.read_to_string(&mut text).context("the answer broke off")?;
    serde_json::from_str(&text).context("the answer is no JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_back_whatever_is_in_them() -> Result<(), String> {
        let known = json!({"a;b": "c=d\\e", "floor": "-1", "x": ""});
        let written: Vec<String> = known
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{}={}", escaped(key), escaped(value.as_str().unwrap_or_default())))
            .collect();
        assert_eq!(labels(&written.join(";"))?, known);
        assert_eq!(labels(" floor = 2 ; ")?, json!({"floor": " 2 "}));
        assert!(labels("floor").is_err_and(|flaw| flaw.contains("key=value")));
        Ok(())
    }

    #[test]
    fn a_record_has_the_number_of_its_first_line() {
        let lines = Lines { rest: "id,notes\na,\"b\nc\"\nd,e", number: 1 };
        let numbered: Vec<(u64, &str)> = lines.collect();
        assert_eq!(numbered, [(1, "id,notes\n"), (2, "a,\"b\nc\"\n"), (4, "d,e")]);
    }
}
