//! Questions about many series: what they say is what a plain model makes of the readings that were published.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::{Server, eventually, http, now_ms, tool};

const LIMIT: Duration = Duration::from_secs(30);
const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// East of UTC in Asia/Kolkata, the whole year.
const KOLKATA: i64 = 5 * HOUR + HOUR / 2;

/// The readings of a counter of each device, in order of time.
type Readings = BTreeMap<&'static str, Vec<(i64, f64)>>;

const DEVICES: [&str; 5] = ["plant/a/m1", "plant/a/m2", "plant/a/deep/m3", "plant/b/m4", "solo"];

fn group_of(device: &str) -> &str {
    device.rsplit_once('/').map_or("yard", |(group, _)| group)
}

/// Thirty hours of counters that begin anew, at odd times, with gaps, several readings of one millisecond, and values below
/// zero.
fn readings(from_ms: i64) -> Readings {
    let mut readings = Readings::new();
    for (number, device) in (0i64..).zip(DEVICES) {
        let of = readings.entry(device).or_default();
        for n in 0..900 {
            let time_ms = from_ms + n * 2 * MINUTE + (n * (37 + number) % 97) * 1_000;
            if device == "plant/b/m4" && (200..320).contains(&n) {
                continue;
            }
            let value = ((n % 170) * (number + 1)) as f64 / 8.0 - 3.0;
            of.push((time_ms, value));
            if n % 50 == 7 {
                of.push((time_ms, value + 0.5));
            }
        }
    }
    readings
}

/// As people send them: the later half first, in arrays of many devices, with words among the numbers.
async fn publish(server: &Server, readings: &Readings) {
    let mut all: Vec<(i64, &str, f64)> =
        readings.iter().flat_map(|(device, of)| of.iter().map(|&(time, value)| (time, *device, value))).collect();
    all.sort_by_key(|(time, ..)| *time);
    let middle = all[all.len() / 2].0;
    let half = all.partition_point(|(time, ..)| *time < middle);
    all.rotate_left(half);
    for part in all.chunks(500) {
        let reading = |&(time, device, value): &(i64, &str, f64)| {
            let location = group_of(device).replace('/', ", ");
            json!({ "deviceId": device, "location": location, "time": time, "energy": value })
        };
        let payload = json!(part.iter().map(reading).collect::<Vec<_>>()).to_string();
        tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "plant/up", "-m", &payload]).await;
    }
    let word = json!({ "deviceId": "solo", "location": "yard", "time": all[0].0 + 1, "energy": "blocked" }).to_string();
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "plant/up", "-m", &word]).await;
    eventually("all readings are in history", LIMIT, || async {
        (server.get("/v1/stats").await["store"]["points"].as_u64()? == all.len() as u64 + 1).then_some(())
    })
    .await;
}

/// A question, and how its windows lie.
#[derive(Debug, Clone, Copy)]
struct Question {
    from: i64,
    to: i64,
    every: (&'static str, i64),
    zone: (&'static str, i64),
    by: &'static str,
    hold: i64,
}

const FUNCTIONS: [&str; 12] =
    ["count", "sum", "mean", "min", "max", "first", "last", "p0", "p50", "p99.9", "time_mean", "increase"];

impl Question {
    fn path(&self, functions: &[&str]) -> String {
        let Question { from, to, every, zone, by, hold } = self;
        let functions: String = functions.iter().map(|name| format!("&function={name}")).collect();
        format!(
            "/v1/aggregate?group=&metric=energy&from={from}&to={to}&every={}&timezone={}&by={by}&hold={hold}ms{functions}",
            every.0, zone.0
        )
    }

    /// Group and device of the line that a device is in.
    fn line(&self, device: &str) -> (String, Option<String>) {
        let group = group_of(device).to_owned();
        match self.by {
            "all" => (String::new(), None),
            "device" => (group, Some(device.to_owned())),
            "1" => (group.split('/').next().unwrap_or_default().to_owned(), None),
            _ => (group, None),
        }
    }

    fn windows(&self) -> impl Iterator<Item = (i64, i64)> {
        let (every, offset) = (self.every.1, self.zone.1);
        let first = (self.from + offset).div_euclid(every) * every - offset;
        let to = self.to;
        (0..).map(move |n: i64| first + n * every).take_while(move |start| *start < to).map(move |s| (s, s + every))
    }

    /// What the readings say of a line and a window, function by function.
    fn figures(&self, of: &[&Vec<(i64, f64)>], (start, end): (i64, i64)) -> Vec<Option<f64>> {
        let (start, end) = (start.max(self.from), end.min(self.to));
        let mut points: Vec<(i64, f64)> = of.iter().flat_map(|points| points.iter().copied()).collect();
        points.retain(|(time, _)| (start..end).contains(time));
        points.sort_by_key(|(time, _)| *time);
        let mut sorted: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        sorted.sort_by(f64::total_cmp);
        let sum: f64 = sorted.iter().sum();
        let some = |value: f64| (!points.is_empty()).then_some(value);
        let rank = |share: f64| sorted.get(((share * sorted.len() as f64).ceil() as usize).max(1) - 1).copied();
        let (mut held, mut held_ms, mut grown) = (0.0, 0, None);
        for series in of {
            let known: Vec<_> =
                series.iter().filter(|(time, _)| (self.from - self.hold..self.to).contains(time)).collect();
            for (at, (time, value)) in known.iter().enumerate() {
                let until = known.get(at + 1).map_or(i64::MAX, |next| next.0).min(time + self.hold).min(end);
                let lasted = (until - (*time).max(start)).max(0);
                held += value * lasted as f64;
                held_ms += lasted;
                if at > 0 && (start..end).contains(time) {
                    let before = known[at - 1].1;
                    *grown.get_or_insert(0.0) += if *value < before { *value } else { value - before };
                }
            }
        }
        let count = points.len() as f64;
        vec![
            Some(count),
            some(sum),
            some(sum / count),
            sorted.first().copied(),
            sorted.last().copied(),
            points.first().map(|point| point.1),
            points.last().map(|point| point.1),
            rank(0.0),
            rank(0.5),
            rank(0.999),
            (held_ms > 0).then(|| held / held_ms as f64),
            grown,
        ]
    }

    /// Asks, and holds each value of the answer to the model; the first few of the functions alone where there are so many.
    async fn is_answered(&self, server: &Server, readings: &Readings, functions: usize, rung_ms: Value) {
        let answer = server.get(&self.path(&FUNCTIONS[..functions])).await;
        assert_eq!(answer["rung_ms"], rung_ms, "{self:?}: {answer}");
        let mut lines: BTreeMap<_, Vec<&Vec<(i64, f64)>>> = BTreeMap::new();
        readings.iter().for_each(|(device, of)| lines.entry(self.line(device)).or_default().push(of));
        let told = answer["lines"].as_array().unwrap_or_else(|| panic!("{self:?}: {answer}"));
        assert_eq!(told.len(), lines.len(), "{self:?}");
        for (told, ((group, device), of)) in told.iter().zip(lines) {
            assert_eq!((&told["group"], &told["device"]), (&json!(group), &json!(device)), "{self:?}");
            assert_eq!(told["series"], of.len());
            let expected = self.windows().map(|window| (window.0, self.figures(&of, window)));
            let is_there = |(_, figures): &(i64, Vec<Option<f64>>)| {
                figures[0] != Some(0.0) || (functions > 10 && (figures[10].is_some() || figures[11].is_some()))
            };
            let expected: Vec<_> = expected.filter(is_there).collect();
            let points = told["points"].as_array().unwrap();
            let starts: Vec<_> = points.iter().map(|point| point[0].as_i64().unwrap()).collect();
            assert_eq!(starts, expected.iter().map(|(start, _)| *start).collect::<Vec<_>>(), "{self:?} {group}");
            for (point, (start, figures)) in points.iter().zip(expected) {
                for (at, name) in FUNCTIONS[..functions].iter().enumerate() {
                    let (told, wanted) = (point[at + 1].as_f64(), figures[at]);
                    // Of more than 50 values a percentile is within 1 %.
                    let many = name.starts_with('p') && figures[0] > Some(50.0);
                    let off = if many { 0.01 + 1e-9 } else { 1e-9 };
                    let near = match (told, wanted) {
                        (Some(told), Some(wanted)) => {
                            (told - wanted).abs() <= off * wanted.abs().max(if many { 0.0 } else { 1.0 })
                        }
                        (told, wanted) => told == wanted,
                    };
                    let last = matches!(*name, "first" | "last");
                    assert!(
                        near || last && is_tied(&of, start, self),
                        "{self:?} {group} {name} at {start}: {told:?}, not {wanted:?}"
                    );
                }
            }
        }
    }
}

/// Whether several devices have the first or last time of a window: then either value is right.
fn is_tied(of: &[&Vec<(i64, f64)>], start: i64, question: &Question) -> bool {
    let (from, to) = (start.max(question.from), (start + question.every.1).min(question.to));
    let times = |of: &Vec<(i64, f64)>| {
        let within: Vec<i64> = of.iter().map(|(time, _)| *time).filter(|time| (from..to).contains(time)).collect();
        [within.first().copied(), within.last().copied()]
    };
    let all: Vec<_> = of.iter().flat_map(|of| times(of)).flatten().collect();
    let (first, last) = (all.iter().min(), all.iter().max());
    let count = |time: Option<&i64>| all.iter().filter(|known| Some(*known) == time).count();
    count(first) > 1 || count(last) > 1
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_groups_say_what_the_readings_say() {
    let mut server = Server::with_config("[flush]\ninterval = \"200 ms\"\n[questions]\nexact_max = 50\n").await;
    let begins = (now_ms() - 60 * HOUR).div_euclid(HOUR) * HOUR;
    let readings = readings(begins);
    publish(&server, &readings).await;
    let (utc, kolkata) = (("UTC", 0), ("Asia/Kolkata", KOLKATA));
    let all = Question {
        from: begins - HOUR,
        to: begins + 32 * HOUR,
        every: ("1h", HOUR),
        zone: utc,
        by: "group",
        hold: HOUR,
    };
    let odd = Question { from: begins + 5 * HOUR + 12_345, to: begins + 20 * HOUR + 678, ..all };
    for is_closed in [false, true] {
        if is_closed {
            eventually("its hours are closed", LIMIT, || async {
                tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "lab/tick/t", "-m", "1"]).await;
                (server.metric("tidegate_store_closed_hours_total").await >= 30.0).then_some(())
            })
            .await;
            server.kill_and_restart().await;
            eventually("it is there again", LIMIT, || async { server.value("m1", "energy").await }).await;
        }
        let whole = FUNCTIONS.len();
        for by in ["all", "group", "device", "1"] {
            for question in [all, odd] {
                let question = Question { by, ..question };
                question.is_answered(&server, &readings, whole, Value::Null).await;
                question.is_answered(&server, &readings, 7, json!(HOUR)).await;
                Question { every: ("5m", 5 * MINUTE), ..question }
                    .is_answered(&server, &readings, whole, Value::Null)
                    .await;
                Question { every: ("7m", 7 * MINUTE), hold: MINUTE, ..question }
                    .is_answered(&server, &readings, whole, Value::Null)
                    .await;
                Question { every: ("1d", DAY), ..question }.is_answered(&server, &readings, 7, json!(HOUR)).await;
                // Midnight is at half past an hour there.
                Question { every: ("6h", 6 * HOUR), zone: kolkata, ..question }
                    .is_answered(&server, &readings, 7, Value::Null)
                    .await;
            }
        }
    }
    // What one question says in windows adds up to what it says in one.
    let increase = |every: &str| format!("{}&function=increase", odd.path(&[]).replace("every=1h", every));
    let (fine, whole) = (server.get(&increase("every=1m")).await, server.get(&increase("every=900d")).await);
    let line = |answer: &Value, at: usize| -> f64 {
        answer["lines"][at]["points"].as_array().unwrap().iter().filter_map(|point| point[1].as_f64()).sum()
    };
    for at in 0..4 {
        assert!((line(&fine, at) - line(&whole, at)).abs() < 1e-6, "{whole}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_series_in_one_call_are_what_each_says_alone_as_json_and_as_csv() {
    let server = Server::start().await;
    let begins = (now_ms() - 40 * HOUR).div_euclid(HOUR) * HOUR;
    publish(&server, &readings(begins)).await;
    let window = format!("metric=energy&from={begins}&to={}&width=300", begins + 31 * HOUR);
    let list = server.get(&format!("/v1/series?group=&{window}")).await;
    let mut devices = DEVICES;
    devices.sort_unstable();
    let told = list["series"].as_array().unwrap();
    assert_eq!(told.iter().map(|it| it["device"].as_str().unwrap()).collect::<Vec<_>>(), devices);
    let csv = http::get(server.http, &format!("/v1/series?group=&{window}&format=csv")).await.body;
    let mut rows = csv.lines();
    assert_eq!(rows.next(), Some("device,metric,start,count,mean,min,max,last"));
    for told in told {
        let alone = server.get(&format!("/v1/series?device={}&{window}", told["device"].as_str().unwrap())).await;
        assert_eq!((&told["points"], &list["rung_ms"]), (&alone["points"], &alone["rung_ms"]));
        for point in alone["points"].as_array().unwrap() {
            let fields: Vec<&str> = rows.next().unwrap().split(',').collect();
            assert_eq!((fields[0], fields[1]), (told["device"].as_str().unwrap(), "energy"));
            let numbers: Vec<f64> = fields[2..].iter().map(|field| field.parse().unwrap()).collect();
            assert_eq!(numbers, point.as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect::<Vec<_>>());
        }
    }
    assert_eq!(rows.next(), None);
    let two = server.get(&format!("/v1/series?device=solo&device=m4&{window}")).await;
    assert_eq!(two["series"].as_array().unwrap().len(), 2);
    let below = server.get(&format!("/v1/series?group=plant/a&{window}")).await;
    assert_eq!(below["series"].as_array().unwrap().len(), 3, "groups below are in it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_about_much_is_refused_by_the_key_that_bounds_it_and_counted() {
    let server = Server::with_config("[questions]\nseries_max = 4\npoints_max = 1000\nvalues_max = 100\n").await;
    let begins = (now_ms() - 40 * HOUR).div_euclid(HOUR) * HOUR;
    publish(&server, &readings(begins)).await;
    let span = format!("metric=energy&from={begins}&to={}", begins + 31 * HOUR);
    for (path, limit) in [
        (format!("/v1/aggregate?group=&{span}"), "questions.series_max"),
        (format!("/v1/series?group=&{span}"), "questions.series_max"),
        (format!("/v1/aggregate?group=plant/a&{span}&every=10m"), "questions.values_max"),
        (format!("/v1/aggregate?group=plant/a&{span}&every=20h&function=p50"), "questions.values_max"),
        (format!("/v1/aggregate?group=plant/a&{span}&every=6h30m"), "questions.points_max"),
    ] {
        let before = server.metric("tidegate_history_refused_total").await;
        let answer = http::get(server.http, &path).await;
        assert_eq!((answer.status, &answer.json()["limit"]), (422, &json!(limit)), "{path}: {}", answer.body);
        assert!(server.metric("tidegate_history_refused_total").await > before, "{path}");
    }
    let text = http::get(server.http, "/metrics").await.body;
    assert!(text.contains("tidegate_history_refused_total{limit=\"questions.points_max\"} 1"), "{text}");
    assert_eq!(http::get(server.http, &format!("/v1/aggregate?group=plant/a&{span}")).await.status, 200);
}
