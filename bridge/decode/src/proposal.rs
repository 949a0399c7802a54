//! A `[[source]]` that may have a payload understood. It is a guess, for a person to look at.

use serde_json::Value as Json;
use tidegate_telemetry::Publication;

use crate::config::DecodeConfig;
use crate::surroundings::without_surroundings;
use crate::time;

/// Levels at the end of a topic that say what is published there, not by whom.
const KINDS: [&str; 20] = [
    "data",
    "state",
    "status",
    "telemetry",
    "up",
    "uplink",
    "json",
    "event",
    "events",
    "sensor",
    "sensors",
    "reading",
    "readings",
    "value",
    "values",
    "out",
    "raw",
    "info",
    "report",
    "measurement",
];
/// Keys that are called so may hold the time.
const TIME_WORDS: [&str; 9] = ["time", "timestamp", "ts", "date", "datetime", "when", "at", "t", "measured"];
/// Ways to write a time that ISO 8601 does not have.
const TIME_FORMATS: [&str; 8] = [
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%d-%m-%Y %H:%M:%S",
    "%Y%m%d%H%M%S",
    "%a %b %e %H:%M:%S %Y",
];
/// Fields that are proposed at most.
const FIELDS_MAX: usize = 32;
/// How deep they are looked for.
const DEPTH_MAX: usize = 6;

/// `None`: nothing comes to mind.
pub(crate) fn propose(config: &DecodeConfig, publication: &Publication) -> Option<String> {
    let text = without_surroundings(std::str::from_utf8(&publication.payload).ok()?);
    let topic = &publication.topic;
    match serde_json::from_str::<Json>(text) {
        Ok(payload @ (Json::Object(_) | Json::Array(_))) => of_json(config, topic, &payload),
        _ => of_text(topic, text),
    }
}

fn of_json(config: &DecodeConfig, topic: &str, payload: &Json) -> Option<String> {
    let (readings, record) = records(payload)?;
    let mut leaves = Vec::new();
    find(record, &mut Vec::new(), &mut leaves);
    let mut beside = Vec::new();
    if readings.is_some() {
        find(payload, &mut Vec::new(), &mut beside);
    }
    let all = || leaves.iter().chain(&beside);
    let names_device = all().any(|(path, _)| path.len() == 1 && config.identifier_keys.contains(&path[0]));
    let mut lines = vec!["[[source]]".to_owned(), format!("topic = {:?}", filter(topic, names_device, false))];
    lines.extend(readings.map(|path| format!("readings = {:?}", written(&path))));
    let time = all().find(|(path, value)| is_time(path, value));
    if let Some((path, value)) = time {
        let is_found_anyway = path.len() == 1 && config.time_keys.contains(&path[0]);
        if !is_found_anyway {
            lines.push(format!("time = {:?}", written(path)));
        }
        if let Json::String(text) = value {
            lines.extend(format_of(text).map(|format| format!("time_format = {format:?}")));
            if time::from_text(text, None).is_err() {
                lines.push("timezone = \"Europe/Berlin\"  # where its clock is".to_owned());
            }
        }
    }
    if leaves.iter().any(|(_, value)| value.as_str().is_some_and(is_comma_number)) {
        lines.push("decimal = \",\"".to_owned());
    }
    let is_value = |path: &Vec<String>, value: &Json| {
        let is_time = time.is_some_and(|(known, _)| known == path);
        let is_name = path.len() == 1 && config.identifier_keys.contains(&path[0]);
        let is_number = value.as_str().is_some_and(|text| text.trim().parse::<f64>().is_ok() || is_comma_number(text));
        !is_time && !is_name && (value.is_number() || value.is_boolean() || is_number)
    };
    let mut names: Vec<String> = Vec::new();
    for (path, _) in leaves.iter().filter(|(path, value)| is_value(path, value)).take(FIELDS_MAX) {
        let name = name_of(path, &names);
        lines.push(format!("fields.{} = {:?}", key(&name), written(path)));
        names.push(name);
    }
    (!names.is_empty()).then(|| lines.join("\n") + "\n")
}

/// Where readings stand in an array, if they do, and one of them.
fn records(payload: &Json) -> Option<(Option<Vec<String>>, &Json)> {
    let first = |array: &'_ Vec<Json>| array.first().is_some_and(Json::is_object);
    match payload {
        Json::Object(members) => {
            let array = members.iter().find_map(|(key, value)| match value {
                Json::Array(elements) if first(elements) => Some((Some(vec![key.clone()]), &elements[0])),
                _ => None,
            });
            Some(array.unwrap_or((None, payload)))
        }
        // One of plain readings needs no mapping, and the whole has no name.
        Json::Array(elements) => {
            elements.first().filter(|element| element.is_object()).map(|element| (Some(Vec::new()), element))
        }
        _ => None,
    }
}

fn find<'v>(value: &'v Json, path: &mut Vec<String>, leaves: &mut Vec<(Vec<String>, &'v Json)>) {
    let mut below = |name: String, value: &'v Json| {
        path.push(name);
        if path.len() <= DEPTH_MAX {
            find(value, path, leaves);
        }
        path.pop();
    };
    match value {
        Json::Object(members) => members.iter().for_each(|(name, value)| below(name.clone(), value)),
        Json::Array(elements) => {
            elements.iter().take(FIELDS_MAX).enumerate().for_each(|(at, value)| below(at.to_string(), value));
        }
        _ => leaves.push((path.clone(), value)),
    }
}

/// As paths are written; with a name that has a dot, as a JSON pointer.
fn written(path: &[String]) -> String {
    if path.iter().any(|name| name.is_empty() || name.contains(['.', '/'])) {
        let escaped = path.iter().map(|name| name.replace('~', "~0").replace('/', "~1"));
        return escaped.map(|name| format!("/{name}")).collect();
    }
    path.join(".")
}

/// The last of its names that is no number, and more of them where there is one of that name.
fn name_of(path: &[String], known: &[String]) -> String {
    let is_number = |name: &&String| name.bytes().all(|byte| byte.is_ascii_digit());
    let short = path.iter().rev().find(|name| !is_number(name)).cloned();
    match short {
        Some(short) if !known.contains(&short) && !path.last().as_ref().is_some_and(is_number) => short,
        _ => path.join("_"),
    }
}

/// A name as a key of TOML.
fn key(name: &str) -> String {
    let is_bare = name.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '-'));
    if is_bare && !name.is_empty() { name.to_owned() } else { format!("{name:?}") }
}

fn is_time(path: &[String], value: &Json) -> bool {
    let name = path.last().map(|name| name.to_lowercase()).unwrap_or_default();
    let is_called_so = TIME_WORDS.contains(&&*name);
    match value {
        Json::String(text) => time::from_text(text, None).is_ok() || format_of(text).is_some(),
        Json::Number(number) => is_called_so && number.as_f64().is_some_and(|number| time::from_number(number).is_ok()),
        _ => false,
    }
}

fn format_of(text: &str) -> Option<&'static str> {
    let utc = jiff::tz::TimeZone::UTC;
    TIME_FORMATS.into_iter().find(|format| time::in_format(text, format, Some(&utc)).is_ok())
}

fn is_comma_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.trim().trim_start_matches(['-', '+']);
    unsigned.split_once(',').is_some_and(|(whole, fraction)| digits(&whole.replace('.', "")) && digits(fraction))
}

/// The topic with names in the place of what differs from device to device.
fn filter(topic: &str, names_device: bool, has_metric: bool) -> String {
    let levels: Vec<&str> = topic.split('/').collect();
    let mut named: Vec<String> = levels.iter().map(|level| (*level).to_owned()).collect();
    let mut last = levels.len();
    let is_kind = |level: &str| KINDS.contains(&&*level.to_lowercase());
    while last > 1 && is_kind(levels[last - 1]) {
        last -= 1;
    }
    if has_metric && last > 1 {
        last -= 1;
        named[last] = "+metric".to_owned();
    }
    if !names_device && last > 1 {
        last -= 1;
        named[last] = "+device".to_owned();
    }
    for (place, level) in named.iter_mut().enumerate().take(last).skip(1) {
        *level = if last == 2 { "+area".to_owned() } else { format!("+area{place}") };
    }
    named.join("/")
}

/// `T=23.5;H=40`, or `23,5;40;1`.
fn of_text(topic: &str, text: &str) -> Option<String> {
    let number = "[-+]?[0-9]+(?:[.,][0-9]+)?";
    let named = regex::Regex::new(&format!(r"([A-Za-z_]\w*)\s*([=:])\s*({number})")).ok()?;
    let mut pattern = String::new();
    let mut names: Vec<&str> = Vec::new();
    for found in named.captures_iter(text) {
        let (name, sign) = (found.get(1)?.as_str(), found.get(2)?.as_str());
        if !names.contains(&name) && names.len() < FIELDS_MAX {
            let gap = if names.is_empty() { "" } else { ".*?" };
            pattern.push_str(&format!(r"{gap}\b{name}\s*{sign}\s*(?<{name}>{number})"));
            names.push(name);
        }
    }
    if names.is_empty() {
        let separator = [';', '\t', '|', ' '].into_iter().find(|separator| text.contains(*separator));
        let parts: Vec<&str> = text.split(separator?).map(str::trim).collect();
        let is_number = |part: &&str| part.parse::<f64>().is_ok() || is_comma_number(part);
        if parts.len() < 2 || parts.len() > FIELDS_MAX || !parts.iter().all(is_number) {
            return None;
        }
        let groups: Vec<String> = (1..=parts.len()).map(|at| format!("(?<value{at}>{number})")).collect();
        pattern = groups.join(&format!(r"\s*{}\s*", regex::escape(&separator?.to_string())));
    }
    let mut lines = vec![
        "[[source]]".to_owned(),
        format!("topic = {:?}", filter(topic, false, false)),
        format!("pattern = '{pattern}'"),
    ];
    if text.split(|character: char| !"0123456789,.+-".contains(character)).any(is_comma_number) {
        lines.push("decimal = \",\"".to_owned());
    }
    Some(lines.join("\n") + "\n")
}
