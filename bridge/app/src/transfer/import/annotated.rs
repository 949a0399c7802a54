//! Answers of InfluxDB 2: annotated CSV (InfluxDB 2.7, "Annotated CSV").

use std::borrow::Cow;

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use tidegate_lines::{Format, csv, records};
use tidegate_telemetry::Value;

/// Columns that are no tags.
const OWN: [&str; 9] = ["", "result", "table", "_start", "_stop", "_time", "_value", "_field", "_measurement"];

/// An answer, as it comes.
#[derive(Default)]
pub struct Answer {
    /// What came, up to the end of no record yet.
    rest: Vec<u8>,
    types: Vec<String>,
    /// Empty: the next record names the columns.
    names: Vec<String>,
}

/// A record of it.
pub struct Row<'a> {
    types: &'a [String],
    names: &'a [String],
    fields: Vec<Cow<'a, str>>,
}

impl Answer {
    /// Takes a piece, and hands on the rows that are whole.
    ///
    /// # Errors
    /// When it is no annotated CSV, or says that the question failed; or that of `take`.
    pub fn take(&mut self, piece: &[u8], take: &mut impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        self.rest.extend_from_slice(piece);
        self.records(false, take)
    }

    /// Hands on what is left.
    ///
    /// # Errors
    /// As of [`Answer::take`].
    pub fn end(&mut self, take: &mut impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        self.records(true, take)
    }

    fn records(&mut self, is_all: bool, take: &mut impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let rest = std::mem::take(&mut self.rest);
        let mut at = 0;
        while at < rest.len()
            && let Some(length) = records::first(&rest[at..], Format::Csv, is_all)
        {
            let record = std::str::from_utf8(&rest[at..at + length]).context("InfluxDB's answer is not UTF-8")?;
            self.record(record, take)?;
            at += length;
        }
        self.rest = rest[at..].to_vec();
        Ok(())
    }

    fn record(&mut self, record: &str, take: &mut impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        if record.trim_end_matches(['\r', '\n']).is_empty() {
            self.names.clear();
            return Ok(());
        }
        let fields = csv::fields(record).map_err(|flaw| anyhow!("InfluxDB's answer is no CSV: {flaw}"))?;
        let owned = |fields: &[Cow<'_, str>]| fields.iter().map(|field| field.clone().into_owned()).collect();
        if fields[0].starts_with('#') {
            self.names.clear();
            if fields[0] == "#datatype" {
                self.types = owned(&fields);
            }
        } else if self.names.is_empty() {
            self.names = owned(&fields);
        } else if self.names.iter().any(|name| name == "error") && !self.names.iter().any(|name| name == "_value") {
            bail!("InfluxDB says: {}", fields.iter().find(|field| !field.is_empty()).map_or("", |field| &**field));
        } else if fields.len() != self.names.len() || self.types.len() != self.names.len() {
            bail!("InfluxDB's answer has a row of {} fields under {} names", fields.len(), self.names.len());
        } else {
            take(&Row { types: &self.types, names: &self.names, fields })?;
        }
        Ok(())
    }
}

impl Row<'_> {
    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// What a column has; empty where there is none.
    pub fn named(&self, name: &str) -> &str {
        self.place(name).map_or("", |place| &self.fields[place])
    }

    /// Rows of one table are of one series.
    pub fn table(&self) -> u64 {
        self.named("table").parse().unwrap_or(u64::MAX)
    }

    /// Unix ms; what is finer is cut off.
    ///
    /// # Errors
    /// When it has none.
    pub fn time_ms(&self) -> Result<i64> {
        let text = self.named("_time");
        let instant: Timestamp = text.parse().with_context(|| format!("InfluxDB's answer has {text:?} for a time"))?;
        i64::try_from(instant.as_nanosecond().div_euclid(1_000_000)).context("a time")
    }

    /// Its value.
    ///
    /// # Errors
    /// Why it is none.
    pub fn value(&self) -> Result<Value, String> {
        let place = self.place("_value").ok_or("it has no value")?;
        let text = &*self.fields[place];
        match &*self.types[place] {
            "boolean" => Ok(Value::Bool(text == "true")),
            "double" | "long" | "unsignedLong" => {
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
                number.map(Value::Number).ok_or_else(|| format!("{text:?} is no finite number"))
            }
            // The writer of InfluxDB's answers (Go, encoding/csv, UseCRLF) makes \r\n of each line break within a text.
            _ => Ok(Value::Text(text.replace("\r\n", "\n").into())),
        }
    }

    /// Keys and values of its tags.
    pub fn tags(&self) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
        let named = self.names.iter().zip(&self.fields);
        let tags = named.filter(|(name, value)| !OWN.contains(&name.as_str()) && !value.is_empty());
        tags.map(|(name, value)| (Cow::Borrowed(name.as_str()), Cow::Borrowed(&**value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,string\r\n\
        ,result,table,_start,_stop,_time,_value,_field,_measurement,host\r\n\
        ,_result,0,1970-01-01T00:00:00Z,2030-01-01T00:00:00Z,2024-01-08T14:24:05.1239Z,1.5,idle,cpu,\"a,\"\"b\"\"\r\nc\"\r\n\r\n\
        #datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,string,string,string\r\n\
        ,result,table,_start,_stop,_time,_value,_field,_measurement\r\n\
        ,_result,1,1970-01-01T00:00:00Z,2030-01-01T00:00:00Z,1969-12-31T23:59:59.9999Z,1.5,mode,cpu\r\n";

    fn rows(text: &str, piece_bytes: usize) -> Result<Vec<String>> {
        let (mut answer, mut rows) = (Answer::default(), Vec::new());
        let mut take = |row: &Row<'_>| {
            rows.push(format!("{} {:?} {:?} {:?}", row.time_ms()?, row.value(), row.named("_field"), row.tags()));
            Ok(())
        };
        for piece in text.as_bytes().chunks(piece_bytes) {
            answer.take(piece, &mut take)?;
        }
        answer.end(&mut take)?;
        Ok(rows)
    }

    #[test]
    fn rows_are_read_wherever_the_answer_is_cut() -> Result<()> {
        for piece_bytes in [1, 7, 10_000] {
            let expected = [
                r#"1704723845123 Ok(Number(1.5)) "idle" [("host", "a,\"b\"\r\nc")]"#,
                r#"-1 Ok(Text("1.5")) "mode" []"#,
            ];
            assert_eq!(rows(TEXT, piece_bytes)?, expected, "{piece_bytes}");
        }
        Ok(())
    }

    #[test]
    fn a_question_that_failed_on_its_way_is_no_end() {
        let text = format!("{TEXT}\r\n#datatype,string,string\r\n,error,reference\r\n,the query was killed,1\r\n");
        assert!(rows(&text, 100).is_err_and(|error| error.to_string().contains("the query was killed")));
    }
}
