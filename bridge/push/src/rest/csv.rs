//! CSV (RFC 4180): when it is wanted, and how times stand in it.

use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::parameters::Parameters;
use crate::error::{ApiError, Kind};

/// How times are written.
#[derive(Debug, Clone, PartialEq)]
pub enum Times {
    /// Unix ms, for programs.
    UnixMs,
    /// ISO 8601 with the offset of a zone, for people: `2024-01-08T15:24:05.000+01:00`.
    In(TimeZone),
}

impl Times {
    /// A time, Unix ms, as a field.
    pub fn field(&self, time_ms: i64) -> String {
        let Times::In(zone) = self else { return time_ms.to_string() };
        // The calendar ends in the year 9999.
        let Ok(time) = Timestamp::from_millisecond(time_ms) else { return time_ms.to_string() };
        let offset = zone.to_offset(time);
        let (sign, minutes) = (if offset.is_negative() { '-' } else { '+' }, offset.seconds().unsigned_abs() / 60);
        format!("{:.3}{sign}{:02}:{:02}", offset.to_datetime(time), minutes / 60, minutes % 60)
    }
}

/// How times are to be written where CSV is wanted rather than JSON; `None`: JSON is. `format` says so, else that CSV
/// stands in `Accept` before JSON, if that is there at all.
pub fn wanted(parameters: &Parameters, headers: &HeaderMap) -> Result<Option<Times>, ApiError> {
    let as_csv = match parameters.text("format") {
        None => is_accepted(headers),
        Some("csv") => true,
        Some("json") => false,
        Some(other) => return Err(ApiError::parameter("format", format!("format={other:?} is none of csv, json"))),
    };
    let times = match parameters.text("timezone") {
        None => Times::UnixMs,
        // Times in JSON are Unix milliseconds whatever is asked for.
        Some(_) if !as_csv => return Ok(None),
        Some(name) => Times::In(zone(name)?),
    };
    Ok(as_csv.then_some(times))
}

/// The zone of a name.
pub fn zone(name: &str) -> Result<TimeZone, ApiError> {
    TimeZone::get(name).map_err(|_| {
        let detail = format!("timezone={name:?} is no zone of the IANA database, such as Europe/Berlin or UTC");
        ApiError::new(Kind::UnknownTimezone, detail)
    })
}

fn is_accepted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let mut types = accepted.flat_map(|accept| accept.split(',')).map(|one| one.split(';').next().unwrap_or("").trim());
    types.find(|one| matches!(*one, "text/csv" | "application/json")) == Some("text/csv")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn json_is_answered_unless_csv_is_preferred() {
        let wants = |accept: &'static str| {
            is_accepted(&HeaderMap::from_iter([(header::ACCEPT, header::HeaderValue::from_static(accept))]))
        };
        assert!(wants("text/csv") && wants("text/csv;q=1, application/json;q=0.5") && wants("text/html, text/csv"));
        assert!(!wants("*/*") && !wants("application/json, text/csv") && !is_accepted(&HeaderMap::new()));
    }

    #[test]
    fn a_time_is_written_with_the_offset_that_its_zone_had_then() {
        let zoned = |name: &str, time_ms: i64| Times::In(TimeZone::get(name).unwrap()).field(time_ms);
        assert_eq!(zoned("Europe/Berlin", 1_704_723_845_007), "2024-01-08T15:24:05.007+01:00");
        assert_eq!(zoned("Europe/Berlin", 1_720_448_645_000), "2024-07-08T16:24:05.000+02:00");
        assert_eq!(zoned("UTC", 1_704_723_845_000), "2024-01-08T14:24:05.000+00:00");
        assert_eq!((zoned("UTC", i64::MAX), Times::UnixMs.field(-5)), (i64::MAX.to_string(), "-5".to_owned()));
    }
}
