//! Query parameters: each is known, is there once unless it may be several times, and says what is wrong with it.

use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use rustc_hash::FxHashSet;

use super::instant;
use super::numbers::whole;
use crate::error::ApiError;

/// What is wrong with a text that [`is_topic`] refuses.
pub const NO_TOPIC: &str =
    "no topic name to publish to: 1 to 65535 bytes, no wildcard or control character, no $ in front";

/// Whether a text can be published to by people: a topic name (MQTT 5.0 section 4.7) that is not the broker's own.
pub fn is_topic(text: &str) -> bool {
    let length = (1..=usize::from(u16::MAX)).contains(&text.len());
    length && !text.starts_with('$') && !text.contains(['+', '#']) && !text.chars().any(char::is_control)
}

/// The query parameters of a request: each known, and there once unless it may be several times.
#[derive(Debug)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads the query of `uri`, of which every parameter has to be in `known`.
    ///
    /// # Errors
    /// [`ApiError`] that names a parameter that is unknown or there twice.
    pub fn of(uri: &Uri, known: &[&str]) -> Result<Parameters, ApiError> {
        Parameters::with_several(uri, known, &[])
    }

    /// As [`Parameters::of`]; those in `several` may be there more than once, each time with another text.
    ///
    /// # Errors
    /// [`ApiError`] that names a parameter that is unknown or there twice.
    pub fn with_several(uri: &Uri, known: &[&str], several: &[&str]) -> Result<Parameters, ApiError> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| ApiError::parameter("", format!("the query cannot be read: {error}")))?;
        let written = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let mut seen: FxHashSet<(&str, &str)> = FxHashSet::default();
        for ((name, text), written) in pairs.iter().zip(written) {
            // What is not UTF-8 was read as U+FFFD; looking for something else than was asked helps nobody.
            if !is_utf8(written) {
                return Err(ApiError::parameter(
                    name,
                    format!("{name} is not UTF-8: percent-encode the text's UTF-8 bytes"),
                ));
            }
            if !known.contains(&name.as_str()) {
                let taken = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(ApiError::parameter(name, format!("unknown parameter {name:?}: this path takes {taken}")));
            }
            let text = if several.contains(&name.as_str()) { text.as_str() } else { "" };
            if !seen.insert((name, text)) {
                return Err(ApiError::parameter(name, format!("{name} is there twice: give it once")));
            }
        }
        Ok(Parameters(pairs))
    }

    /// The text of a parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The texts of a parameter that may be there several times, in the order in which they came.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The text of a parameter that has to be there.
    pub fn required(&self, name: &str) -> Result<&str, ApiError> {
        match self.text(name) {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(ApiError::parameter(name, format!("{name} is missing: add {name}=…"))),
        }
    }

    /// A number within `range`.
    pub fn number<T>(&self, name: &str, range: RangeInclusive<T>, default: T) -> Result<T, ApiError>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.text(name) else { return Ok(default) };
        whole(text).parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            ApiError::parameter(name, format!("{name}={text:?} is not a whole number from {least} to {most}"))
        })
    }

    /// An instant, in Unix ms.
    pub fn instant(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        instant::parse(text).map(Some).ok_or_else(|| {
            let detail = format!(
                "{name}={text:?} is no time: give Unix milliseconds (1704723845000) or RFC 3339 (2024-01-08T14:24:05Z)"
            );
            ApiError::parameter(name, detail)
        })
    }

    /// The span `[from, to)` in Unix ms: by default the hour before `to`, and `to` is `now_ms`. It is empty where `from` is
    /// not before `to`.
    pub fn span(&self, now_ms: i64) -> Result<(i64, i64), ApiError> {
        let to_ms = self.instant("to")?.unwrap_or(now_ms);
        let from_ms = self.instant("from")?.unwrap_or(to_ms.saturating_sub(3_600_000));
        Ok((from_ms.min(to_ms), to_ms))
    }

    /// What `next` of the page before said; made by this server, so anything else is an error.
    pub fn cursor<T: FromStr>(&self) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text("cursor") else { return Ok(None) };
        let text = Some(text).filter(|text| !text.is_empty());
        let unreadable =
            || ApiError::parameter("cursor", "cursor is not one of this path: give the `next` of the page before");
        text.and_then(|text| text.parse().ok()).map(Some).ok_or_else(unreadable)
    }
}

/// Whether a percent-encoded text (RFC 3986 section 2.1) is UTF-8 once decoded.
fn is_utf8(encoded: &str) -> bool {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = &after[if byte.is_some() { 2 } else { 0 }..];
    }
    std::str::from_utf8(&bytes).is_ok()
}

/// The name at the end or in the middle of a path, percent-decoded.
#[derive(Debug)]
pub struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Name, ApiError> {
        let unreadable = |_| ApiError::parameter("id", "the path does not decode to UTF-8: percent-encode it as UTF-8");
        Path::from_request_parts(parts, state).await.map(|Path(name)| Name(name)).map_err(unreadable)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(query: &str) -> Result<Parameters, ApiError> {
        Parameters::of(&format!("/?{query}").parse().unwrap(), &["from", "to", "limit", "cursor"])
    }

    #[test]
    fn unknown_and_repeated_parameters_are_named() {
        assert!(of("form=1").unwrap_err().to_string().contains("takes from, to, limit, cursor"));
        assert!(of("from=1&from=2").unwrap_err().to_string().contains("from is there twice"));
        let several = |query: &str| Parameters::with_several(&query.parse().unwrap(), &["from", "to"], &["from"]);
        let texts = several("/?from=1&to=2&from=").unwrap().all("from").map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(texts, ["1", ""]);
        assert!(several("/?from=1&from=1").unwrap_err().to_string().contains("from is there twice"));
    }

    #[test]
    fn a_query_is_utf8_also_where_it_has_the_character_that_stands_for_what_is_not() {
        let cursor = |query: &str| of(query).map(|parameters| parameters.text("cursor").unwrap().to_owned());
        assert_eq!(cursor("cursor=%EF%BF%BD").unwrap(), "\u{fffd}");
        assert_eq!(cursor("&cursor=a%2Bb+%zz%2&&").unwrap(), "a+b %zz%2");
        for wrong in ["cursor=%FF", "cursor=caf%E9", "from=1&cursor=%E2%82"] {
            assert!(cursor(wrong).unwrap_err().to_string().contains("cursor is not UTF-8"), "{wrong}");
        }
    }

    #[test]
    fn a_span_is_an_hour_up_to_now_unless_told_otherwise() {
        assert_eq!(of("").unwrap().span(7_200_000).unwrap(), (3_600_000, 7_200_000));
        assert_eq!(of("to=3600000").unwrap().span(9).unwrap(), (0, 3_600_000));
        assert_eq!(of("from=1970-01-01T00:00:01Z&to=2000").unwrap().span(9).unwrap(), (1_000, 2_000));
        assert_eq!(of("from=5&to=5").unwrap().span(9).unwrap(), (5, 5));
        assert_eq!(of("from=6&to=5").unwrap().span(9).unwrap(), (5, 5), "nothing lies between them");
        assert!(of("from=yesterday").unwrap().span(9).unwrap_err().to_string().contains("RFC 3339"));
    }

    #[test]
    fn numbers_out_of_range_name_the_range() {
        assert_eq!(of("limit=10").unwrap().number("limit", 1..=10, 5).unwrap(), 10);
        assert_eq!(of("").unwrap().number("limit", 1..=10, 5).unwrap(), 5);
        assert_eq!(of("limit=7.0").unwrap().number("limit", 1..=10, 5).unwrap(), 7, "an integer of JSON Schema");
        for wrong in ["limit=0", "limit=11", "limit=x", "limit=", "limit=7.5", "limit=7.", "limit=.0"] {
            assert!(of(wrong).unwrap().number("limit", 1..=10, 5).unwrap_err().to_string().contains("from 1 to 10"));
        }
    }
}
