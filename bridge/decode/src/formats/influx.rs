//! The line protocol of InfluxDB: a line is a reading, with time in nanoseconds.
//!
//! Nothing tells a line from a plain value, so the configuration of the topic says it, or the content type. The device is what
//! the tags of `[[source]] device_tags` say, else the tag `device`, else all tags together, else the topic.

use std::borrow::Cow;

use tidegate_lines::parse::{Field, Line, line};
use tidegate_lines::records::{self, Format as Records};
use tidegate_lines::{Naming, naming::METRIC_TAG};
use tidegate_telemetry::{Decoded, Reason, Rejection, Value};

use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input};
use crate::gather::{Gather, Place};
use crate::words::{self, EXACT_MAX};
use crate::{time, topic};

pub(super) const INFLUX: FormatEntry =
    FormatEntry { name: "influx", meaning: "line protocol of InfluxDB", new: |_| Box::new(Influx) };

const MEDIA_TYPES: [&str; 2] = ["application/vnd.influx.line-protocol", "text/vnd.influx.line-protocol"];

#[derive(Debug)]
struct Influx;

impl Format for Influx {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        MEDIA_TYPES.iter().any(|media_type| input.is_of_type(media_type))
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let (mut rest, mut flaws) = (input.text()?, Flaws::default());
        let mut gather = Gather::new(input.config, &mut out.readings);
        while !rest.is_empty() {
            let end =
                records::first(rest.as_bytes(), Records::LineProtocol, true).unwrap_or(rest.len()).min(rest.len());
            let (record, after) = rest.split_at_checked(end.max(1)).unwrap_or((rest, ""));
            rest = after;
            match line(record) {
                Ok(Some(read)) => take(&read, input, &mut gather, &mut flaws).unwrap_or_else(|flaw| flaws.add(flaw)),
                Ok(None) => {}
                Err(flaw) => flaws.add(Rejection::new(Reason::NotUnderstood, format!("a line is left out: {flaw}"))),
            }
        }
        gather.finish(&mut flaws);
        flaws.into_result(&mut out.further)
    }
}

fn take(line: &Line<'_>, input: &mut Input<'_>, gather: &mut Gather<'_>, flaws: &mut Flaws) -> Result<(), Rejection> {
    let naming = Naming::of(None, input.device_tags, None);
    let place = place(line, &naming, input)?;
    let time_ms = line.time.and_then(|time| time::from_integer(time).map_err(|flaw| flaws.add(flaw)).ok());
    let prefix = prefix(line, &naming, input);
    for (field, value) in &line.fields {
        let name = match line.tag(METRIC_TAG) {
            Some(metric) if Naming::is_own(field) => Cow::Borrowed(metric),
            _ => Naming::metric(&prefix, field, None),
        };
        let taken = input.name("field", &name).and_then(|metric| Ok((value_of(&metric, value, input, flaws)?, metric)));
        match taken {
            Ok((value, metric)) => drop(gather.add(&place, time_ms, metric, Some(value))),
            Err(flaw) => flaws.add(flaw),
        }
    }
    Ok(())
}

fn place(line: &Line<'_>, naming: &Naming, input: &mut Input<'_>) -> Result<Place, Rejection> {
    let by_tags = naming.device(&line.tags).ok().or_else(|| {
        let values =
            line.tags.iter().filter(|(key, _)| key != METRIC_TAG && !naming.uses(key)).map(|(_, value)| &**value);
        let device = topic::join(values);
        (input.device_tags.is_none() && !device.is_empty()).then_some(device)
    });
    let device = input.name("device of the line", by_tags.as_deref().unwrap_or(input.topic))?;
    let group = match line.tag(&naming.group_tag) {
        Some(group) => input.names.group_of_location(group)?,
        None => input.names.group_of_topic(input.topic, by_tags.as_deref())?,
    };
    Ok(Place { device, group })
}

/// What stands before the names of fields: the measurement, and where tags are chosen for the device the values of the others.
/// Otherwise two lines that differ in them would be one metric.
fn prefix<'l>(line: &'l Line<'_>, naming: &Naming, input: &Input<'_>) -> Cow<'l, str> {
    let is_other = |key: &str| key != METRIC_TAG && !naming.uses(key);
    if input.device_tags.is_none() || !line.tags.iter().any(|(key, _)| is_other(key)) {
        return Cow::Borrowed(&line.measurement);
    }
    let others = line.tags.iter().filter(|(key, _)| is_other(key)).map(|(_, value)| &**value);
    Cow::Owned(std::iter::once(&*line.measurement).chain(others).collect::<Vec<_>>().join("."))
}

fn value_of(metric: &str, field: &Field<'_>, input: &mut Input<'_>, flaws: &mut Flaws) -> Result<Value, Rejection> {
    let mut integer = |integer: i128| {
        let number = integer as f64;
        if integer.unsigned_abs() > u128::from(EXACT_MAX) && number as i128 != integer {
            flaws.add(words::not_exact(metric, &integer.to_string(), number));
        }
        Value::Number(number)
    };
    Ok(match field {
        Field::Float(number) => Value::Number(*number),
        Field::Integer(number) => integer((*number).into()),
        Field::Unsigned(number) => integer((*number).into()),
        Field::Bool(on) => Value::Bool(*on),
        Field::Text(text) if text.len() > input.config.text_bytes_max => {
            let max = input.config.text_bytes_max;
            let detail = format!("the text of {metric:?} is longer than decode.text_bytes_max ({max}): shorten it");
            return Err(Rejection::new(Reason::PayloadTooLarge, detail));
        }
        Field::Text(text) => Value::Text(input.names.text(text)),
    })
}
