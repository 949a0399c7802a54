//! `tidegate import`: readings of before into a running program.
//!
//! - `sending`: records by the body, while the one before is under way; `delivery`: one body, and what becomes of it
//! - `text`: CSV and line protocol, as they are; `thingsboard`, `home_assistant`, `influxdb`: what others keep, as CSV
//! - `annotated`: InfluxDB's answers; `compare`: whether everything that it has is here

mod annotated;
mod compare;
mod delivery;
mod home_assistant;
mod influxdb;
mod sending;
mod text;
mod thingsboard;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use tidegate_lines::{Format, records};

use crate::cli::{Import, Written};
use sending::{LINE, Sending};
use text::Text;

/// Imports.
///
/// # Errors
/// What kept it from being done. To import the same again is safe: what is there stays once.
pub fn run(arguments: &Import) -> Result<()> {
    let file = match (&arguments.influxdb.influxdb, arguments.file.as_deref()) {
        (Some(url), _) => return influxdb::bucket(url, arguments),
        (None, Some(file)) => file,
        (None, None) => bail!("name a file, - for stdin, or --influxdb"),
    };
    let from: Box<dyn Read> = match file {
        file if file == Path::new("-") => Box::new(io::stdin().lock()),
        file => Box::new(File::open(file).with_context(|| format!("cannot read {}", file.display()))?),
    };
    let mut text = Text::open(from)?;
    match arguments.format.unwrap_or_else(|| guessed(text.rest())) {
        Written::HomeAssistant => home_assistant::recorder(file, arguments),
        Written::Thingsboard => thingsboard::table(&mut text, arguments),
        Written::Csv => text::lines(&mut text, Format::Csv, &mut Sending::new(arguments, Format::Csv, LINE)),
        Written::LineProtocol => {
            let format = Format::LineProtocol;
            text::lines(&mut text, format, &mut Sending::new(arguments, format, LINE))
        }
    }
}

/// What it looks like: SQLite by its first bytes, CSV where its first line names columns.
fn guessed(begins: &[u8]) -> Written {
    if home_assistant::is_sqlite(begins) {
        return Written::HomeAssistant;
    }
    let line = String::from_utf8_lossy(&begins[..records::first_line(begins)]).to_lowercase();
    let names: Vec<&str> = line.split(',').map(|name| name.trim().trim_matches(['"', '\u{feff}'])).collect();
    if names.contains(&"time") && names.contains(&"value") {
        Written::Csv
    } else if thingsboard::is_head(&line) {
        Written::Thingsboard
    } else {
        Written::LineProtocol
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_known_by_how_it_begins() {
        for (begins, written) in [
            (&b"device,group,metric,time,type,value\r\nd,,m,1,number,2\r\n"[..], Written::Csv),
            (b"\xef\xbb\xbf\"Time\",Value\n", Written::Csv),
            (b"timeseries,device=value time=1,value=2 3\n", Written::LineProtocol),
            (b"# a comment\nm v=1 1\n", Written::LineProtocol),
            (b"Timestamp;temperature;humidity\n", Written::Thingsboard),
            (b"\"Timestamp\",\"Entity name\",temperature\r\n", Written::Thingsboard),
            (b"SQLite format 3\0\x10\0", Written::HomeAssistant),
        ] {
            assert_eq!(guessed(begins), written, "{}", String::from_utf8_lossy(begins));
        }
    }
}
