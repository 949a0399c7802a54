//! The sections `[metric.NAME]`.

use tidegate_settings::{Reader, Section, number};

use crate::conversion::Conversion;

/// Unit and decimals of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricConfig {
    /// Metric name, in full (`env.temperature`).
    pub name: String,
    /// Unit for people: `°C`; an empty one: it has none. `None`: what its name suggests.
    pub unit: Option<String>,
    /// Decimals to show; learnt from the values when absent.
    pub decimals: Option<u8>,
    /// From what devices send to what is kept, shown and compared with rules. `None`: they send that.
    pub conversion: Option<Conversion>,
    /// The same for devices whose full identifier a pattern matches; the first that does decides.
    pub by_device: Vec<(String, Conversion)>,
}

const METRIC_SAMPLE: &str = r#"
# Units and decimals of metrics that are not well known, or shown differently. `unit` names what devices send, and "" says
# that it has none; without it the unit is guessed from the name, and marked as a guess.
# [metric.soil_moisture]
# unit = "%"
# decimals = 0
# [metric.voltage]
# unit = "V"
# sent_unit = "mV"               # numbers are converted as they come in; or: scale = 0.001
# sent_units = { "meter/*" = "kV", "rack-7" = "V" }  # some devices send others: by full identifier, * is any text, the first counts
"#;

pub(super) fn metrics(reader: &mut Reader) -> Vec<MetricConfig> {
    let named = reader.named("metric", METRIC_SAMPLE);
    let read = |(name, path): (String, String)| {
        let mut section = reader.at(&path);
        let unit = section.optional("unit", |item| match item.as_str() {
            Some(unit) => Ok(unit.to_owned()),
            None => Err("is a text in quotes".into()),
        });
        let decimals = section.optional("decimals", |item| {
            let decimals =
                item.as_integer().and_then(|whole| u8::try_from(whole).ok()).filter(|decimals| *decimals <= 9);
            decimals.ok_or_else(|| "is a whole number from 0 to 9".into())
        });
        let conversion = conversion(&mut section, unit.as_deref());
        let by_device = conversions(&mut section, unit.as_deref());
        MetricConfig { name, unit, decimals, conversion, by_device }
    };
    named.into_iter().map(read).collect()
}

fn conversion(section: &mut Section<'_>, unit: Option<&str>) -> Option<Conversion> {
    let by_unit = section.optional("sent_unit", |item| {
        let sent = item.as_str().filter(|sent| !sent.is_empty()).ok_or("is a text in quotes")?;
        between(sent, unit, "give scale = … in its place")
    });
    let scaled = section.optional("scale", |item| {
        let scale = number(item).filter(|scale| *scale != 0.0 && (1.0 / scale).is_finite());
        scale.map(Conversion::scaled).ok_or_else(|| "is a number other than 0".into())
    });
    if by_unit.is_some() && scaled.is_some() {
        section.wrong("has sent_unit and scale: one of them is enough");
    }
    by_unit.or(scaled)
}

/// What some devices send, by patterns of their identifiers.
fn conversions(section: &mut Section<'_>, unit: Option<&str>) -> Vec<(String, Conversion)> {
    section.entries("sent_units", |pattern, sent| {
        let sent = sent.as_str().ok_or("is a unit in quotes")?;
        Ok((pattern.to_owned(), between(sent, unit, "convert it at the device")?))
    })
}

fn between(sent: &str, unit: Option<&str>, otherwise: &str) -> Result<Conversion, String> {
    let unit = unit.filter(|unit| !unit.is_empty()).ok_or("needs the unit to convert to: unit = \"…\"")?;
    let known = Conversion::between(sent, unit);
    known.ok_or_else(|| format!("cannot be converted from {sent:?} to {unit:?}: {otherwise}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_some_devices_send_is_said_by_their_names() {
        let text = "[metric.\"env.voltage\"]\nunit = \"V\"\nsent_unit = \"mV\"\n\
                    sent_units = { \"meter/*\" = \"kV\", \"a.b\" = \"V\" }\n";
        let mut reader = Reader::new(text);
        let metrics = metrics(&mut reader);
        assert_eq!(reader.finish().0, []);
        let metric = &metrics[0];
        let sent = |unit| Conversion::between(unit, "V").unwrap();
        assert_eq!((&*metric.name, metric.conversion), ("env.voltage", Some(sent("mV"))));
        assert_eq!(metric.by_device, [("meter/*".to_owned(), sent("kV")), ("a.b".to_owned(), sent("V"))]);

        let text = "[metric.voltage]\nunit = \"V\"\nsent_units = { a = \"furlong\", \"b/*\" = 3 }\n";
        let mut reader = Reader::new(text);
        super::metrics(&mut reader);
        let mistakes = reader.finish().0;
        let found: Vec<(usize, &str)> = mistakes.iter().map(|mistake| (mistake.line, mistake.key.as_str())).collect();
        assert_eq!(found, [(3, "metric.voltage.sent_units.a"), (3, "metric.voltage.sent_units.b/*")]);
    }
}
