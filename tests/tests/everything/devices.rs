//! What devices publish, and what it means by docs/payloads: written from the meaning to the bytes, never back.

use serde_json::json;
use tidegate_telemetry::{Qos, Value};

use tidegate_testing::Dice;

/// One publication.
#[derive(Debug, Clone)]
pub struct Said {
    pub topic: String,
    pub payload: String,
    pub qos: Qos,
    /// What of it can be taken.
    pub readings: Vec<Meant>,
    /// Something of it cannot be taken, and is to be told.
    pub flawed: bool,
}

/// One reading.
#[derive(Debug, Clone)]
pub struct Meant {
    pub device: String,
    pub group: String,
    pub time_ms: Option<i64>,
    /// Each name once, in order of appearance.
    pub metrics: Vec<(String, Value)>,
}

/// Names that are legal everywhere.
const NAMES: &[&str] = &[
    "dev7",
    "site/b/dev7",
    "site/c/dev7",
    "a b c",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "toString",
    "null",
    "true",
    "0",
    "-1",
    "1e5",
    "日本語/机器",
    "dev\u{200d}🚀",
    "\u{feff}bom",
    "e\u{301}",
    "é",
    "\"quoted\"",
    "back\\slash",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "a//b",
    "/lead",
    "trail/",
    "/",
    "'; DROP TABLE device;--",
    "%2F",
    "a?b=c&d#e",
    "+",
    "#",
    "a/+/b",
    "x/commands",
    ".",
    "..",
    "{}",
    "[]",
    "\u{2028}",
    "\u{fffd}",
    " ",
    "İstanbul",
];

const METRICS: &[&str] = &[
    "temperature",
    "value",
    "v",
    "env.t",
    "env.h.x",
    "on",
    "state",
    "__proto__",
    "constructor",
    " ",
    "m\u{2028}",
    "a.",
    ".a",
    "ß",
    "names",
];

const LOCATIONS: &[(&str, &str)] = &[
    ("Building A, Floor 3", "Building A/Floor 3"),
    ("Building A", "Building A"),
    ("Building AB", "Building AB"),
    ("Building A,,  /Floor 3/ ", "Building A/Floor 3"),
    ("", ""),
    (" , / ", ""),
    ("a/b/c/d/e/f/g/h/i/j", "a/b/c/d/e/f/g/h/i/j"),
    ("__proto__", "__proto__"),
    ("Bât. ß, 地下", "Bât. ß/地下"),
];

pub const TEXT_BYTES_MAX: usize = 256;
pub const NAME_BYTES_MAX: usize = 256;

/// A fleet of its own kind: names and metrics are few, so that they meet again.
#[derive(Debug)]
pub struct Fleet {
    names: Vec<String>,
    metrics: Vec<String>,
    /// Times that were sent, to come again with another value.
    times: Vec<i64>,
}

impl Fleet {
    pub fn new(dice: &mut Dice) -> Self {
        let count = 3 + dice.roll(8);
        let mut names: Vec<String> = (0..count).map(|_| pick(dice, NAMES).to_owned()).collect();
        if dice.one_in(3) {
            names.push("é".repeat(NAME_BYTES_MAX / 2));
        }
        let mut metrics: Vec<String> = (0..2 + dice.roll(6)).map(|_| pick(dice, METRICS).to_owned()).collect();
        if dice.one_in(4) {
            metrics.push("m".repeat(NAME_BYTES_MAX));
        }
        Fleet { names, metrics, times: Vec::new() }
    }

    pub fn says(&mut self, dice: &mut Dice, now_ms: i64) -> Said {
        match dice.roll(40) {
            0 => return nothing(dice),
            1 | 2 => return flawed(dice, self),
            3..=8 => return self.plain(dice),
            _ => {}
        }
        let topic = self.topic(dice);
        let count = if dice.one_in(6) { 1 + dice.roll(30) } else { 1 };
        let (mut readings, mut flawed) = (Vec::new(), false);
        let mut bodies = Vec::new();
        for _ in 0..count {
            let (meant, body) = self.reading(dice, &topic, now_ms, &mut flawed);
            readings.push(meant);
            bodies.push(body);
        }
        let payload = if count > 1 || dice.one_in(10) { format!("[{}]", bodies.join(",")) } else { bodies.remove(0) };
        let payload = if dice.one_in(10) { format!(" \r\n\t{payload} ") } else { payload };
        Said { topic, payload, qos: qos(dice), readings, flawed }
    }

    fn name(&self, dice: &mut Dice) -> String {
        self.names[dice.roll(self.names.len() as u64) as usize].clone()
    }

    fn metric(&self, dice: &mut Dice) -> String {
        self.metrics[dice.roll(self.metrics.len() as u64) as usize].clone()
    }

    /// A topic that MQTT allows and brokers keep for nobody.
    fn topic(&self, dice: &mut Dice) -> String {
        let name = legal(&self.name(dice));
        match dice.roll(5) {
            1 if name.len() < 200 => format!("fleet/{name}/up"),
            2 if name.len() < 200 => format!("//{name}//x"),
            3 | 4 if name.len() < 200 => format!("hall/{name}"),
            _ => "up".to_owned(),
        }
    }

    fn plain(&self, dice: &mut Dice) -> Said {
        let path = legal(&format!("{}{}", ["", "hall/", "/"][dice.roll(3) as usize], self.name(dice)));
        let metric = legal(&self.metric(dice)).replace('/', "_");
        let value = value(dice);
        let payload = match &value {
            Value::Number(number) if dice.one_in(3) => format!(" {number:e}\n"),
            Value::Number(number) => number.to_string(),
            Value::Bool(true) if dice.one_in(3) => json!(pick(dice, &["ON", "open", "True"])).to_string(),
            Value::Bool(false) if dice.one_in(3) => json!(pick(dice, &["off", "CLOSED", "no"])).to_string(),
            Value::Bool(on) => on.to_string(),
            Value::Text(text) => json!(&**text).to_string(),
        };
        let is_too_long = |name: &str| name.len() > NAME_BYTES_MAX;
        // A plain text has something in it, and nothing that cannot be printed.
        let is_no_text = matches!(&value, Value::Text(text) if text.is_empty() || text.contains(char::is_control));
        let flawed = is_too_long(&path) || is_too_long(&metric) || is_no_text || path.is_empty();
        let meant =
            Meant { device: path.clone(), group: above(&path), time_ms: None, metrics: vec![(metric.clone(), value)] };
        let readings = if flawed { Vec::new() } else { vec![meant] };
        Said { topic: format!("{path}/{metric}"), payload, qos: qos(dice), readings, flawed }
    }

    /// `flawed` is set when something of it is to be told.
    fn reading(&mut self, dice: &mut Dice, topic: &str, now_ms: i64, flawed: &mut bool) -> (Meant, String) {
        let mut fields = Vec::new();
        let named = (!dice.one_in(5)).then(|| self.name(dice));
        if let Some(name) = &named {
            let key = pick(dice, &["deviceId", "device_id", "deviceid"]);
            fields.push(format!("\"{key}\":{}", text(dice, name)));
        }
        let time_ms = (!dice.one_in(5)).then(|| self.time(dice, now_ms));
        if let Some(time_ms) = time_ms {
            fields.push(format!("\"{}\":{}", pick(dice, &["timestamp", "time", "ts"]), written_time(dice, time_ms)));
        }
        let mut group = match &named {
            Some(name) => above_named(topic, name),
            None => above(topic),
        };
        if dice.one_in(3) {
            let (location, path) = LOCATIONS[dice.roll(LOCATIONS.len() as u64) as usize];
            fields.push(format!("\"location\":{}", text(dice, location)));
            group = path.to_owned();
        }
        let mut metrics = Vec::new();
        for _ in 0..1 + dice.roll(4) {
            fields.push(self.field(dice, &mut metrics, flawed));
        }
        if dice.one_in(6) {
            fields.push("\"nothing\":null".to_owned());
        }
        let device = named.unwrap_or_else(|| topic.to_owned());
        (Meant { device, group, time_ms, metrics }, format!("{{{}}}", fields.join(",")))
    }

    /// One key of a reading: a metric, or several below it.
    fn field(&self, dice: &mut Dice, metrics: &mut Vec<(String, Value)>, flawed: &mut bool) -> String {
        let name = self.metric(dice);
        let key = text(dice, &name);
        if name.len() + 8 > NAME_BYTES_MAX || !dice.one_in(6) {
            let value = value(dice);
            let written = written(dice, &value);
            *flawed |= take(metrics, name, value);
            return format!("{key}:{written}");
        }
        let values: Vec<Value> = (0..1 + dice.roll(3)).map(|_| value(dice)).collect();
        let as_array = dice.one_in(2);
        let mut parts = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            let inner = if as_array { index.to_string() } else { ["t", "h", "x"][index].to_owned() };
            let written = written(dice, &value);
            parts.push(if as_array { written } else { format!("\"{inner}\":{written}") });
            *flawed |= take(metrics, format!("{name}.{inner}"), value);
        }
        let parts = parts.join(",");
        if as_array { format!("{key}:[{parts},null]") } else { format!("{key}:{{{parts},\"no\":null}}") }
    }

    fn time(&mut self, dice: &mut Dice, now_ms: i64) -> i64 {
        let back = |dice: &mut Dice, most_ms: u64| now_ms - dice.roll(most_ms) as i64;
        let time_ms = match dice.roll(24) {
            0 | 1 => back(dice, 120_000),
            2 => back(dice, 3 * 3_600_000),
            3 => back(dice, 4 * 86_400_000),
            4 => now_ms + dice.roll(60_001) as i64,
            5 => now_ms + 60_000 + dice.roll(86_400_000) as i64,
            6 => [978_307_200_000, 7_258_118_399_999, 978_307_200_001][dice.roll(3) as usize],
            7..=9 if !self.times.is_empty() => self.times[dice.roll(self.times.len() as u64) as usize],
            10 => now_ms / 3_600_000 * 3_600_000 - dice.roll(2) as i64,
            _ => now_ms - dice.roll(300) as i64,
        };
        if self.times.len() < 20 || dice.one_in(10) {
            self.times.push(time_ms);
        }
        time_ms
    }
}

/// Nothing, on purpose: no reading and no flaw.
fn nothing(dice: &mut Dice) -> Said {
    let (topic, payload) = match dice.roll(2) {
        0 => ("hall/dev7", ""),
        _ => ("$SYS/broker/uptime", "{\"temperature\":1}"),
    };
    Said { topic: topic.to_owned(), payload: payload.to_owned(), qos: qos(dice), readings: Vec::new(), flawed: false }
}

/// What cannot be taken, in whole or in part.
fn flawed(dice: &mut Dice, fleet: &Fleet) -> Said {
    let device = fleet.name(dice);
    let key = json!(device);
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let taken = ("a".to_owned(), Value::Number(1.0));
    let (payload, metrics) = match dice.roll(12) {
        0 => (format!("{{\"deviceId\":{key},\"a\":1"), None),
        1 => (format!("{{\"deviceId\":{key},\"a\":1,\"b\":NaN}}"), Some(taken)),
        2 => (format!("{{\"deviceId\":{key},\"a\":1,\"b\":1e999}}"), Some(taken)),
        3 => (format!("{{\"deviceId\":{key},\"a\":1,\"b\":\"{long}\"}}"), Some(taken)),
        4 => (format!("{{\"deviceId\":{key},\"a\":1,\"{long}\":2}}"), Some(taken)),
        5 => (format!("{{\"deviceId\":{key},\"a\":1,\"\":2}}"), Some(taken)),
        6 => (format!("{{\"deviceId\":{key},\"a\":1,\"time\":7}}"), Some(taken)),
        7 => (format!("{{\"deviceId\":{key}}}"), None),
        8 => ("[]".to_owned(), None),
        9 => (format!("{{\"deviceId\":{key},\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200)), None),
        10 => (format!("{{\"deviceId\":{key},\"a\\u0000\":1,\"a\":1}}"), Some(taken)),
        _ => (format!("[7,{{\"deviceId\":{key},\"a\":1}},[[]]]"), Some(taken)),
    };
    let meant = |metric| Meant { device, group: "f".to_owned(), time_ms: None, metrics: vec![metric] };
    Said {
        topic: "f/up".to_owned(),
        payload,
        qos: qos(dice),
        readings: metrics.map(meant).into_iter().collect(),
        flawed: true,
    }
}

fn qos(dice: &mut Dice) -> Qos {
    Qos::from_level(dice.roll(3) as u8).unwrap()
}

fn pick(dice: &mut Dice, of: &[&'static str]) -> &'static str {
    of[dice.roll(of.len() as u64) as usize]
}

/// The later value counts; whether another was there before.
fn take(metrics: &mut Vec<(String, Value)>, name: String, value: Value) -> bool {
    match metrics.iter_mut().find(|(known, _)| *known == name) {
        Some((_, known)) => std::mem::replace(known, value.clone()) != value,
        None => {
            metrics.push((name, value));
            false
        }
    }
}

fn value(dice: &mut Dice) -> Value {
    const NUMBERS: &[f64] = &[
        0.0,
        -0.0,
        1.0,
        -1.0,
        9_007_199_254_740_993.0,
        9_223_372_036_854_775_807.0,
        18_446_744_073_709_551_615.0,
        1e308,
        -1e308,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        -5e-324,
        0.1,
        0.30000000000000004,
        1e15,
        123_456_789_012_345_680.0,
        1e21,
        1e-7,
    ];
    const TEXTS: &[&str] = &[
        "stuck",
        "switched on",
        "007",
        "9007199254740993",
        " x ",
        "a,\"b\"",
        "l1\nl2",
        "a\rb",
        "=1+1",
        "é🚀\u{2028}",
        "</script>",
        "\\u0000",
        "tab\there",
        "\u{0}",
    ];
    match dice.roll(12) {
        0 | 1 => Value::Number(NUMBERS[dice.roll(NUMBERS.len() as u64) as usize]),
        2 => Value::Bool(dice.one_in(2)),
        3 => Value::Text(pick(dice, TEXTS).into()),
        4 => match dice.roll(3) {
            0 => Value::Text("é".repeat(TEXT_BYTES_MAX / 2).into()),
            1 => Value::Text(format!("state {}", dice.roll(1_000)).into()),
            _ => Value::Number(f64::from_bits(dice.roll(u64::MAX))).finite(),
        },
        5 => Value::Number(dice.roll(1 << 60) as f64),
        _ => Value::Number((dice.roll(8_000) as f64 - 4_000.0) / 100.0),
    }
}

trait Finite {
    fn finite(self) -> Self;
}

impl Finite for Value {
    fn finite(self) -> Self {
        match self {
            Value::Number(number) if !number.is_finite() => Value::Number(0.5),
            other => other,
        }
    }
}

/// A value as JSON.
fn written(dice: &mut Dice, value: &Value) -> String {
    match value {
        Value::Number(number) if dice.one_in(4) => format!("{number:e}"),
        Value::Number(number) if dice.one_in(8) => format!("\"{number:e}\""),
        Value::Number(number) if number.fract() != 0.0 && dice.one_in(2) => json!(number).to_string(),
        Value::Number(number) => number.to_string(),
        Value::Bool(on) => on.to_string(),
        Value::Text(it) => text(dice, it),
    }
}

/// A text as JSON, sometimes with every character escaped.
fn text(dice: &mut Dice, text: &str) -> String {
    if dice.one_in(5) {
        let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        return format!("\"{escaped}\"");
    }
    json!(text).to_string()
}

fn written_time(dice: &mut Dice, ms: i64) -> String {
    match dice.roll(10) {
        0 if ms % 1_000 == 0 => (ms / 1_000).to_string(),
        0 | 1 => format!("{}.{:03}", ms / 1_000, ms % 1_000),
        2 => format!("{ms}{:03}", dice.roll(1_000)),
        3 => format!("{ms}{:06}", dice.roll(1_000_000)),
        4 => format!("\"{ms}\""),
        5 => format!("\"{}\"", rfc3339(ms, dice.roll(2_879) as i64 - 1_439)),
        _ => ms.to_string(),
    }
}

/// RFC 3339 with an offset in minutes.
fn rfc3339(ms: i64, offset: i64) -> String {
    let local = ms + offset * 60_000;
    let (days, of_day) = (local.div_euclid(86_400_000), local.rem_euclid(86_400_000));
    let (mut year, mut left) = (1970, days);
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = |year: i64| if leap(year) { 366 } else { 365 };
    while left >= length(year) {
        left -= length(year);
        year += 1;
    }
    let mut month = 1;
    for days in [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < days {
            break;
        }
        left -= days;
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1_000 % 60);
    let sign = if offset < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
    format!(
        "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{:03}{sign}{hours:02}:{minutes:02}",
        left + 1,
        of_day % 1_000
    )
}

/// A name as levels of a topic name: without wildcards, and not below `$`.
fn legal(name: &str) -> String {
    name.replace(['+', '#'], "w")
}

fn join<'a>(levels: impl Iterator<Item = &'a str>) -> String {
    levels.filter(|level| !level.is_empty()).collect::<Vec<_>>().join("/")
}

fn above(path: &str) -> String {
    let levels: Vec<&str> = path.split('/').collect();
    join(levels[..levels.len() - 1].iter().copied())
}

fn above_named(topic: &str, name: &str) -> String {
    if topic.split('/').any(|level| level == name) {
        return join(topic.split('/').take_while(|level| *level != name));
    }
    above(topic)
}
