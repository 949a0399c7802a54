use tidegate_lines::naming::METRIC_TAG;
use tidegate_lines::parse::{self, Field, Line, shortened};
use tidegate_lines::{Format, Naming, csv, records};
use tidegate_telemetry::Value;

use super::super::instant;
use super::batches::{Batches, Point};

/// Of what a time of the line protocol is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    Ns,
    Us,
    Ms,
    S,
}

impl Precision {
    pub fn of(text: &str) -> Option<Precision> {
        Some(match text {
            "ns" => Precision::Ns,
            "us" => Precision::Us,
            "ms" => Precision::Ms,
            "s" => Precision::S,
            _ => return None,
        })
    }

    /// Unix ms; what is finer is cut off.
    fn ms(self, time: i64) -> i64 {
        match self {
            Precision::Ns => time.div_euclid(1_000_000),
            Precision::Us => time.div_euclid(1_000),
            Precision::Ms => time,
            Precision::S => time.saturating_mul(1_000),
        }
    }
}

/// How lines become readings.
#[derive(Debug)]
pub struct Mapping {
    pub format: Format,
    /// Which device a line is of.
    pub naming: Naming,
    /// The metric of lines of CSV that name none.
    pub metric: Option<String>,
    pub precision: Precision,
    /// The number of the first line.
    pub first_line: u64,
}

impl Mapping {
    /// Reads all records. A flaw costs its own line, or value, alone.
    ///
    /// # Errors
    /// What is wrong with all of it.
    pub fn read(&self, body: &[u8], out: &mut Batches) -> Result<(), String> {
        let (mut rest, mut line) = (body, self.first_line);
        let columns = match self.format {
            Format::Csv if body.is_empty() => return Ok(()),
            Format::Csv => {
                let (head, after) = rest.split_at(records::first(rest, self.format, true).unwrap_or(rest.len()));
                (rest, line) = (after, line + records::lines_in(head));
                let head = std::str::from_utf8(head).map_err(|_| "the head of the CSV is not UTF-8".to_owned())?;
                Some(Columns::of(head, self)?)
            }
            Format::LineProtocol => None,
        };
        while !rest.is_empty() && !out.is_over() {
            let mut length = records::first(rest, self.format, true).unwrap_or(rest.len());
            if let Err(flaw) = self.record(&rest[..length], columns.as_ref(), line, out) {
                out.flaw(line, flaw);
                // Quotes that only a later line closes may have been meant to close here.
                length = records::first_line(&rest[..length]);
            }
            line += records::lines_in(&rest[..length]);
            rest = &rest[length..];
        }
        Ok(())
    }

    fn record(&self, record: &[u8], columns: Option<&Columns>, line: u64, out: &mut Batches) -> Result<(), String> {
        let text = std::str::from_utf8(record).map_err(|_| "it is not UTF-8: convert the file".to_owned())?;
        match columns {
            Some(columns) => self.csv(text, columns, line, out),
            None => match parse::line(text)? {
                Some(parsed) => self.protocol(&parsed, line, out),
                None => Ok(()),
            },
        }
    }

    fn csv(&self, text: &str, columns: &Columns, line: u64, out: &mut Batches) -> Result<(), String> {
        if text.trim_end_matches(['\r', '\n']).is_empty() {
            return Ok(());
        }
        let fields = csv::fields(text)?;
        if fields.len() != columns.count {
            let (has, wants) = (fields.len(), columns.count);
            return Err(format!("it has {has} fields, and the head names {wants}: quote what holds a comma"));
        }
        let field = |place: Option<usize>| place.map(|place| csv::text_of_field(&fields[place]));
        let time = &fields[columns.time];
        let time_ms = instant::parse(time).ok_or_else(|| {
            format!(
                "{:?} is no time: write Unix milliseconds, or RFC 3339 such as 2024-01-08T14:24:05Z",
                shortened(time)
            )
        })?;
        let device = field(columns.device).or(self.naming.device.as_deref()).unwrap_or_default();
        let metric = field(columns.metric).or(self.metric.as_deref()).unwrap_or_default();
        let kind = columns.kind.map(|place| &*fields[place]).unwrap_or_default();
        let value = value_of(&fields[columns.value], kind)?;
        let group = field(columns.group).unwrap_or_default();
        out.add(line, Point { device, group, metric, time_ms, value });
        Ok(())
    }

    fn protocol(&self, parsed: &Line<'_>, line: u64, out: &mut Batches) -> Result<(), String> {
        let time = parsed.time.ok_or("it has no time: history needs one")?;
        let device = self.naming.device(&parsed.tags)?;
        let own_metric = parsed.tag(METRIC_TAG);
        let mut uses_metric = false;
        let time_ms = self.precision.ms(time);
        for (key, field) in &parsed.fields {
            uses_metric |= Naming::is_own(key);
            let metric = Naming::metric(&parsed.measurement, key, own_metric);
            let value = match field {
                Field::Float(number) => Value::Number(*number),
                Field::Integer(whole) => Value::Number(nearest(i128::from(*whole), out)),
                Field::Unsigned(whole) => Value::Number(nearest(i128::from(*whole), out)),
                Field::Bool(on) => Value::Bool(*on),
                Field::Text(text) => Value::Text((&**text).into()),
            };
            let group = parsed.tag(&self.naming.group_tag).unwrap_or_default();
            out.add(line, Point { device: &device, group, metric: &metric, time_ms, value });
        }
        let is_used = |key: &str| self.naming.uses(key) || (uses_metric && key == METRIC_TAG);
        parsed.tags.iter().map(|(key, _)| &**key).filter(|key| !is_used(key)).for_each(|key| out.leaves_out(key));
        Ok(())
    }
}

/// The nearest number of binary64.
fn nearest(whole: i128, out: &mut Batches) -> f64 {
    let number = whole as f64;
    if number as i128 != whole {
        out.is_not_exact();
    }
    number
}

fn value_of(text: &str, kind: &str) -> Result<Value, String> {
    let number = || text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::Number);
    let truth = || match text {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => None,
    };
    let words = || Value::Text(csv::text_of_field(text).into());
    match kind {
        "" => Ok(number().or_else(truth).unwrap_or_else(words)),
        "number" => number().ok_or_else(|| format!("{:?} is no finite number: write it in digits", shortened(text))),
        "boolean" => truth().ok_or_else(|| format!("{:?} is neither true nor false", shortened(text))),
        "text" => Ok(words()),
        other => Err(format!("the type {:?} is none of number, boolean, text", shortened(other))),
    }
}

/// Which field of a record is what.
struct Columns {
    count: usize,
    device: Option<usize>,
    group: Option<usize>,
    metric: Option<usize>,
    time: usize,
    kind: Option<usize>,
    value: usize,
}

impl Columns {
    fn of(head: &str, mapping: &Mapping) -> Result<Columns, String> {
        let names = csv::fields(head.trim_start_matches('\u{feff}'))?;
        let place = |name: &str| names.iter().position(|known| known.trim().eq_ignore_ascii_case(name));
        let missing = |name: &str| {
            format!("the head of the CSV has no column {name:?}: its first line names device, metric, time and value")
        };
        let (device, metric) = (place("device"), place("metric"));
        if device.is_none() && mapping.naming.device.is_none() {
            return Err(missing("device"));
        }
        if metric.is_none() && mapping.metric.is_none() {
            return Err(missing("metric"));
        }
        let time = place("time").ok_or_else(|| missing("time"))?;
        let value = place("value").ok_or_else(|| missing("value"))?;
        Ok(Columns { count: names.len(), device, group: place("group"), metric, time, kind: place("type"), value })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::batches::Bounds;
    use super::*;

    fn mapping(format: Format) -> Mapping {
        let naming = Naming::of(None, Some("host,cpu"), None);
        Mapping { format, naming, metric: None, precision: Precision::Ns, first_line: 10 }
    }

    fn read(format: Format, text: &str) -> (Vec<String>, Vec<(u64, String)>) {
        let bounds = Bounds {
            now_ms: i64::MAX,
            kept_from_ms: 5,
            ahead_ms: i64::MAX,
            entry_points: 500,
            text_bytes_max: 4_096,
            flaws_told_max: 10,
        };
        let (taken, entries) = std::sync::mpsc::channel();
        let mut out = Batches::new(bounds, move |entry| taken.send(entry).is_ok());
        mapping(format).read(text.as_bytes(), &mut out).unwrap();
        let imported = out.end();
        let entries: Vec<_> = entries.into_iter().collect();
        let series = entries.iter().flat_map(|entry| &entry.series);
        let points = series.flat_map(|of| {
            let name = format!("{} {} {}", of.device, of.group, of.metric);
            of.points.iter().map(move |(time_ms, value)| format!("{name} {time_ms} {value:?}"))
        });
        (points.collect(), imported.flawed.into_iter().map(|flaw| (flaw.line, flaw.flaw)).collect())
    }

    #[test]
    fn a_line_of_many_fields_is_a_metric_each() {
        let (points, flaws) = read(Format::LineProtocol, "cpu,cpu=0,host=a,group=g idle=1.5,n=2i,value=3 6999999\n");
        assert_eq!(points, ["a/0 g cpu.idle 6 Number(1.5)", "a/0 g cpu.n 6 Number(2.0)", "a/0 g cpu 6 Number(3.0)"]);
        assert_eq!(flaws, []);
    }

    #[test]
    fn a_flaw_costs_its_line_and_is_told_with_its_number() {
        let text = "cpu,host=a v=1 6000000\ncpu,host=a v=\"x 7000000\ncpu,host=a s=\"a\nb\" 8000000\ncpu v=1 9000000\n";
        let (points, flaws) = read(Format::LineProtocol, text);
        assert_eq!(points, ["a  cpu.v 6 Number(1.0)", "a  cpu.s 8 Text(\"a\\nb\")"]);
        assert_eq!(flaws.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [11, 14]);
        let text = "time,device,metric,value\r\n7,d,\"m\",'=1\r\nnoon,d,m,1\r\n8,d,m\r\n9,d,m,true\r\n";
        let (points, flaws) = read(Format::Csv, text);
        assert_eq!(points, ["d  m 7 Text(\"=1\")", "d  m 9 Bool(true)"]);
        assert_eq!(flaws.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [12, 13]);
    }
}
