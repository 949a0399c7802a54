//! Answers to questions: CSV (RFC 4180) with a line of names before each table (InfluxDB 2.7, "Annotated CSV" without its
//! annotations).

use std::collections::BTreeMap;

use tidegate_buckets::{Bucket, Rung};
use tidegate_lines::csv::fields;
use tidegate_lines::records::{Format, first};
use tidegate_telemetry::Value;

const MS: i64 = 1_000_000;

/// One row of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    result: String,
    /// Unix ns.
    time_ns: i64,
    value: String,
}

/// Points with times in Unix ns, ascending; those of one time numbers first, then texts.
///
/// # Errors
/// What the server says went wrong, or why its answer is not understood.
pub fn points(csv: &str) -> Result<Vec<(i64, Value)>, String> {
    let mut points = Vec::new();
    for Row { result, time_ns, value } in rows(csv)? {
        let value = match &*result {
            "value" => Value::Number(number(&value)?),
            "on" => Value::Bool(value == "true"),
            // InfluxDB's writer of CSV (Go, encoding/csv, UseCRLF) makes \r\n of each line break within a text.
            _ => Value::Text(value.replace("\r\n", "\n").into()),
        };
        points.push((time_ns, value));
    }
    points.sort_by_key(|(time_ns, _)| *time_ns);
    Ok(points)
}

/// What is known of one bucket.
#[derive(Debug, Default)]
struct Part {
    count: u64,
    sum: f64,
    min: Option<f64>,
    max: Option<f64>,
    first: Option<(i64, f64)>,
    last: Option<(i64, f64)>,
    trues: u64,
    truths: u64,
}

/// Buckets by their start (Unix ms), ascending.
///
/// # Errors
/// As [`points`].
pub fn buckets(csv: &str, rung: Rung) -> Result<Vec<(i64, Bucket)>, String> {
    let mut parts: BTreeMap<i64, Part> = BTreeMap::new();
    for Row { result, time_ns, value } in rows(csv)? {
        let part = parts.entry(rung.start_ms(time_ns.div_euclid(MS))).or_default();
        match &*result {
            "count" => part.count += whole(&value)?,
            "sum" => part.sum += number(&value)?,
            "min" => part.min = Some(part.min.map_or(number(&value)?, |min| min.min(number(&value).unwrap_or(min)))),
            "max" => part.max = Some(part.max.map_or(number(&value)?, |max| max.max(number(&value).unwrap_or(max)))),
            "first" => part.begins((time_ns, number(&value)?)),
            "last" => part.ends((time_ns, number(&value)?)),
            "on_count" => part.truths += whole(&value)?,
            "on_true" => part.trues += whole(&value)?,
            "on_first" => part.begins((time_ns, f64::from(u8::from(value == "true")))),
            "on_last" => part.ends((time_ns, f64::from(u8::from(value == "true")))),
            other => return Err(format!("it gives a result {other:?} that was not asked for")),
        }
    }
    Ok(parts.into_iter().filter_map(|(start_ms, part)| Some((start_ms, part.bucket()?))).collect())
}

impl Part {
    fn begins(&mut self, point: (i64, f64)) {
        if self.first.is_none_or(|first| point.0 < first.0) {
            self.first = Some(point);
        }
    }

    fn ends(&mut self, point: (i64, f64)) {
        if self.last.is_none_or(|last| point.0 >= last.0) {
            self.last = Some(point);
        }
    }

    /// `None`: points came or went while the results were worked out.
    fn bucket(&self) -> Option<Bucket> {
        let ((first_ns, first), (last_ns, last)) = (self.first?, self.last?);
        let truths = (self.truths > 0)
            .then(|| (f64::from(u8::from(self.trues == self.truths)), f64::from(u8::from(self.trues > 0))));
        let min = [self.min, truths.map(|(min, _)| min)].into_iter().flatten().reduce(f64::min)?;
        let max = [self.max, truths.map(|(_, max)| max)].into_iter().flatten().reduce(f64::max)?;
        let (first_ms, last_ms) = (first_ns.div_euclid(MS), last_ns.div_euclid(MS));
        let (count, sum) = (self.count + self.truths, self.sum + self.trues as f64);
        (count > 0).then_some(Bucket { count, sum, min, max, first, last, first_ms, last_ms })
    }
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("it gives {text:?} where a number was asked for"))
}

fn whole(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("it gives {text:?} where a count was asked for"))
}

fn rows(csv: &str) -> Result<Vec<Row>, String> {
    let (mut rows, mut rest) = (Vec::new(), csv);
    // Which column is which, from the last line of names.
    let mut places: Option<[usize; 3]> = None;
    while !rest.is_empty() {
        let length = first(rest.as_bytes(), Format::Csv, true).unwrap_or(rest.len());
        let (record, after) = rest.split_at_checked(length).ok_or("its answer breaks off within a letter")?;
        rest = after;
        let fields = fields(record)?;
        if fields.len() <= 1 {
            // An empty line ends a table.
            places = None;
            continue;
        }
        let place = |name: &str| fields.iter().position(|field| field == name);
        match places {
            None => {
                if place("error").is_some() && place("_value").is_none() && place("v").is_none() {
                    let said = first(rest.as_bytes(), Format::Csv, true).map(|length| &rest[..length]);
                    return Err(format!("it broke off: {}", said.unwrap_or_default().trim()));
                }
                let found = [place("result"), place("t"), place("v")];
                let [Some(result), Some(time), Some(value)] = found else {
                    return Err(format!("it answers with columns {fields:?}, which were not asked for"));
                };
                places = Some([result, time, value]);
            }
            Some(at) => {
                let [result, time, value] = at.map(|at| fields.get(at).map(|field| field.to_string()));
                let (Some(result), Some(time), Some(value)) = (result, time, value) else {
                    return Err("it gives a row that is too short".to_owned());
                };
                let time_ns = time.parse().map_err(|_| format!("it gives {time:?} where a time was asked for"))?;
                rows.push(Row { result, time_ns, value });
            }
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NAMES: &str = ",result,table,t,v\r\n";

    #[test]
    fn points_of_all_fields_are_one_list() {
        let csv = format!(
            "{NAMES},value,0,2000000,1.5\r\n,value,0,2000001,-0.000125\r\n\r\n{NAMES},text,0,1000000,\"a, \"\"b\"\"\r\nc\"\r\n\
             ,text,0,3000000,\r\n\r\n{NAMES},on,0,2500000,true\r\n\r\n"
        );
        let expected = [
            (1_000_000, Value::Text("a, \"b\"\nc".into())),
            (2_000_000, Value::Number(1.5)),
            (2_000_001, Value::Number(-0.000_125)),
            (2_500_000, Value::Bool(true)),
            (3_000_000, Value::Text("".into())),
        ];
        assert_eq!(points(&csv).unwrap(), expected);
        assert_eq!(points("\r\n").unwrap(), []);
    }

    #[test]
    fn series_of_one_bucket_and_numbers_and_truths_are_put_together() {
        let row = |result: &str, ms: i64, value: &str| format!("{NAMES},{result},0,{},{value}\r\n\r\n", ms * MS);
        let csv: String = [
            row("count", 0, "2"),
            row("count", 0, "1"),
            row("sum", 0, "5"),
            row("sum", 0, "-1"),
            row("min", 0, "2"),
            row("min", 0, "-1"),
            row("max", 0, "3"),
            row("max", 0, "-1"),
            row("first", 10, "2"),
            row("first", 5, "-1"),
            row("last", 20, "3"),
            row("last", 5, "-1"),
            row("on_count", 0, "2"),
            row("on_true", 0, "1"),
            row("on_first", 1, "true"),
            row("on_last", 30, "false"),
        ]
        .concat();
        let bucket =
            Bucket { count: 5, sum: 5.0, min: -1.0, max: 3.0, first: 1.0, last: 0.0, first_ms: 1, last_ms: 30 };
        assert_eq!(buckets(&csv, Rung::Second).unwrap(), [(0, bucket)]);
    }

    #[test]
    fn what_went_wrong_halfway_is_told() {
        let csv = format!("{NAMES},value,0,2000000,1.5\r\n\r\nerror,reference\r\nout of memory,897\r\n");
        assert!(points(&csv).unwrap_err().contains("out of memory"));
        for wrong in
            ["a,b\r\n1,2\r\n", ",result,table,t,v\r\n,value,0,x,1\r\n", ",result,table,t,v\r\n,value,0,1,x\r\n"]
        {
            assert!(points(wrong).is_err(), "{wrong}");
        }
    }
}
