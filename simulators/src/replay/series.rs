//! A CSV file as points. A bad line costs itself only, and is named with its number.

use super::date;
use std::io::Read;

/// One recorded value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Unix ms.
    pub time_ms: i64,
    /// The value.
    pub value: f64,
    /// Digits after the point, as the file writes them.
    pub decimals: u8,
}

/// Which columns to read; what is not said is found by name and by content.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// Name of the column with the time.
    pub time: Option<String>,
    /// Name of the column with the value.
    pub value: Option<String>,
}

/// A line that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineError {
    /// Number of the line, from 1.
    pub line: u64,
    /// What is wrong.
    pub reason: String,
}

/// Why a file cannot be replayed at all.
#[derive(Debug, thiserror::Error)]
pub enum SeriesError {
    /// A column that was named is not there.
    #[error("no column {wanted:?}; the file has {columns}: name one of them with {option}")]
    NoSuchColumn {
        /// The name that was given.
        wanted: String,
        /// Those there are.
        columns: String,
        /// How to name another.
        option: &'static str,
    },
    /// No column looks right.
    #[error("cannot tell which column is the {what} among {columns}; name it with {option}")]
    Unclear {
        /// `time` or `value`.
        what: &'static str,
        /// Those there are.
        columns: String,
        /// How to name it.
        option: &'static str,
    },
    /// Not one good line.
    #[error("no line with a time and a number{}", first.as_ref().map(|error| format!("; the first mistake is in \
        {error}")).unwrap_or_default())]
    Empty {
        /// The first mistake.
        first: Option<LineError>,
    },
    /// The file cannot be read.
    #[error("cannot read the file: {0}")]
    Csv(#[from] csv::Error),
}

/// A recorded series in order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The points.
    pub points: Vec<Point>,
    /// What was left out, and why.
    pub mistakes: Vec<LineError>,
}

impl Series {
    /// Reads CSV with a header line.
    ///
    /// # Errors
    /// When no column or no line can be used; single bad lines are in [`Series::mistakes`].
    pub fn read(input: impl Read, columns: &Columns) -> Result<Self, SeriesError> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(input);
        let header = reader.headers()?.clone();
        let mut records = reader.records().peekable();
        let sample = match records.peek() {
            Some(Ok(record)) => record.clone(),
            _ => csv::StringRecord::new(),
        };
        let time = find_time(&header, &sample, columns)?;
        let value = find_value(&header, &sample, columns, time)?;
        let mut series = Self { points: Vec::new(), mistakes: Vec::new() };
        for (index, record) in records.enumerate() {
            match record.map_err(|error| error.to_string()).map(|record| {
                let line = record.position().map_or(index as u64 + 2, csv::Position::line);
                (line, point(&record, time, value))
            }) {
                Ok((_, Ok(point))) => series.points.push(point),
                Ok((line, Err(reason))) => series.mistakes.push(LineError { line, reason }),
                Err(reason) => series.mistakes.push(LineError { line: index as u64 + 2, reason }),
            }
        }
        if series.points.is_empty() {
            return Err(SeriesError::Empty { first: series.mistakes.into_iter().next() });
        }
        series.points.sort_by_key(|point| point.time_ms);
        Ok(series)
    }
}

fn point(record: &csv::StringRecord, time: usize, value: usize) -> Result<Point, String> {
    let time_text = record.get(time).ok_or("it ends before the column of the time")?;
    let value_text = record.get(value).ok_or("it ends before the column of the value")?;
    let time_ms = date::parse(time_text)
        .ok_or_else(|| format!("{time_text:?} is not a time; write it as 2010-01-31 13:45 or as Unix time"))?;
    let number = value_text.parse::<f64>().ok().filter(|value| value.is_finite());
    let value = number.ok_or_else(|| format!("{value_text:?} is not a number"))?;
    let digits = value_text.split_once('.').map_or(0, |(_, digits)| digits.len());
    // An exponent hides how many digits there are; 15 keep every value exact.
    let decimals = if value_text.contains(['e', 'E']) { 15 } else { digits.min(17) as u8 };
    Ok(Point { time_ms, value, decimals })
}

fn find_time(header: &csv::StringRecord, sample: &csv::StringRecord, columns: &Columns) -> Result<usize, SeriesError> {
    if let Some(wanted) = &columns.time {
        return named(header, wanted, "--time-column");
    }
    let by_name = header.iter().position(|name| {
        let name = name.to_ascii_lowercase();
        ["time", "date", "timestamp", "datetime", "ts"].contains(&name.as_str())
    });
    by_name.or_else(|| sample.iter().position(|text| date::parse(text).is_some())).ok_or_else(|| SeriesError::Unclear {
        what: "time",
        columns: list(header),
        option: "--time-column",
    })
}

fn find_value(
    header: &csv::StringRecord,
    sample: &csv::StringRecord,
    columns: &Columns,
    time: usize,
) -> Result<usize, SeriesError> {
    if let Some(wanted) = &columns.value {
        return named(header, wanted, "--value-column");
    }
    let mut numbers = (0..header.len())
        .filter(|&column| column != time && sample.get(column).is_some_and(|text| text.parse::<f64>().is_ok()));
    let unclear = || SeriesError::Unclear { what: "value", columns: list(header), option: "--value-column" };
    let found = match (numbers.next(), numbers.next()) {
        (Some(only), None) => Some(only),
        (None, _) if header.len() == 2 => Some(1 - time),
        _ => None,
    };
    found.ok_or_else(unclear)
}

fn named(header: &csv::StringRecord, wanted: &str, option: &'static str) -> Result<usize, SeriesError> {
    let found = header.iter().position(|name| name == wanted);
    found.ok_or_else(|| SeriesError::NoSuchColumn { wanted: wanted.to_owned(), columns: list(header), option })
}

fn list(header: &csv::StringRecord) -> String {
    header.iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Series, SeriesError> {
        Series::read(text.as_bytes(), &Columns::default())
    }

    #[test]
    fn the_columns_of_the_measured_temperatures_are_found() {
        let series = read("temp,date\n47.8,2010/01/01 00:00\n47.4,2010/01/01 01:00\n").unwrap();
        assert_eq!(series.points[1], Point { time_ms: 1_262_307_600_000, value: 47.4, decimals: 1 });
        assert!(series.mistakes.is_empty());
    }

    #[test]
    fn a_bad_line_is_named_with_its_number_and_the_rest_goes_on() {
        let series = read(
            "date,temp\n2010/01/01 00:00,1\nlater,2\n2010/01/01 02:00,warm\n2010/01/01 03:00\n2010/01/01 04:00,5\n",
        );
        let series = series.unwrap();
        assert_eq!(series.points.len(), 2);
        let said: Vec<String> = series.mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(said[0], "line 3: \"later\" is not a time; write it as 2010-01-31 13:45 or as Unix time");
        assert_eq!(said[1], "line 4: \"warm\" is not a number");
        assert_eq!(said[2], "line 5: it ends before the column of the value");
    }

    #[test]
    fn points_come_in_order_of_time() {
        let series = read("date,v\n2010-01-02,2\n2010-01-01,1\n").unwrap();
        assert_eq!(series.points.iter().map(|point| point.value).collect::<Vec<_>>(), [1.0, 2.0]);
    }

    #[test]
    fn two_columns_of_numbers_ask_which_one_is_meant() {
        let error = read("date,in,out\n2010-01-02,2,3\n").unwrap_err().to_string();
        assert_eq!(error, "cannot tell which column is the value among date, in, out; name it with --value-column");
    }

    #[test]
    fn a_column_that_is_not_there_is_answered_with_those_that_are() {
        let columns = Columns { time: Some("when".to_owned()), value: None };
        let error = Series::read("date,in\n2010-01-02,2\n".as_bytes(), &columns).unwrap_err().to_string();
        assert_eq!(error, "no column \"when\"; the file has date, in: name one of them with --time-column");
    }

    #[test]
    fn a_file_without_a_good_line_is_refused_with_the_first_mistake() {
        let error = read("date,in\nnever,2\n").unwrap_err().to_string();
        assert!(error.contains("line 2: \"never\" is not a time"), "{error}");
    }
}
