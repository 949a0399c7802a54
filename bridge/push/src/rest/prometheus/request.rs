use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::http::{Method, header};

use super::answer::Refused;
use crate::rest::{Api, instant, intent};

/// Parameters of a request, of its query and of a form in its body; one may be there several times. Those that nobody
/// knows are left alone, as Prometheus does: clients send what other versions take.
pub(super) struct Asked(Vec<(String, String)>);

const FORM: &str = "application/x-www-form-urlencoded";

impl FromRequest<Arc<Api>> for Asked {
    type Rejection = Refused;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        let mut pairs = pairs(parts.uri.query().unwrap_or_default().as_bytes());
        if parts.method == Method::POST {
            let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or(FORM);
            if !kind.trim().to_ascii_lowercase().starts_with(FORM) {
                return Err(Refused::parameter(format!("the body is {kind}: send a form ({FORM})")));
            }
            let body = intent::body(api, body).await?;
            pairs.extend(self::pairs(&body));
        }
        Ok(Asked(pairs))
    }
}

/// Those of a query or a form, which may be as lax as clients write them; what is not UTF-8 has U+FFFD in its place.
fn pairs(form: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(form).into_owned().collect()
}

impl Asked {
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn required(&self, name: &str) -> Result<&str, Refused> {
        self.first(name).ok_or_else(|| Refused::parameter(format!("{name} is missing: add {name}=…")))
    }

    /// Unix seconds or RFC 3339, in Unix ms.
    pub fn time(&self, name: &str) -> Result<Option<i64>, Refused> {
        let Some(text) = self.first(name) else { return Ok(None) };
        let seconds = text.parse::<f64>().ok().and_then(milliseconds);
        let time_ms = seconds.or_else(|| instant::parse(text).filter(|_| text.contains(':')));
        let wrong = || Refused::parameter(format!("{name}={text:?} is no time: give Unix seconds or RFC 3339"));
        time_ms.map(Some).ok_or_else(wrong)
    }

    /// Seconds or a duration as `5m`, in ms; above zero.
    pub fn duration(&self, name: &str) -> Result<Option<i64>, Refused> {
        let Some(text) = self.first(name) else { return Ok(None) };
        let seconds = text.parse::<f64>().ok().and_then(milliseconds);
        let duration_ms = seconds.or_else(|| tidegate_promql::parse_duration(text)).filter(|ms| *ms > 0);
        let wrong = || Refused::parameter(format!("{name}={text:?} is no duration above zero: give seconds or `5m`"));
        duration_ms.map(Some).ok_or_else(wrong)
    }

    pub fn step(&self) -> Result<i64, Refused> {
        self.duration("step")?.ok_or_else(|| Refused::parameter("step is missing: give seconds or a duration as `1m`"))
    }
}

/// Seconds in ms, within the years that JavaScript knows.
#[allow(clippy::cast_possible_truncation, reason = "the bounds were looked at")]
fn milliseconds(seconds: f64) -> Option<i64> {
    let ms = (seconds * 1_000.0).round();
    (ms.abs() <= 8.64e15).then_some(ms as i64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn asked(query: &str) -> Asked {
        Asked(pairs(query.as_bytes()))
    }

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        let time = |text: &str| asked(&format!("time={text}")).time("time");
        assert_eq!(time("1704723845.25").ok(), Some(Some(1_704_723_845_250)));
        assert_eq!(time("2024-01-08T14:24:05.5Z").ok(), Some(Some(1_704_723_845_500)));
        for wrong in ["", "yesterday", "NaN", "1e300", "2024-01"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn steps_are_above_zero() {
        assert_eq!(asked("step=15").step().ok(), Some(15_000));
        assert_eq!(asked("step=1h30m").step().ok(), Some(5_400_000));
        for wrong in ["", "step=0", "step=-1", "step=1x"] {
            assert!(asked(wrong).step().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_question_may_be_long_and_as_somebody_typed_it() {
        let long = format!("avg(temperature{{device=\"{}\"}})", "x".repeat(100_000));
        assert_eq!(asked(&format!("query={long}")).first("query"), Some(&*long));
        assert_eq!(Asked(pairs(b"query=\xff")).first("query"), Some("\u{fffd}"));
    }

    #[test]
    fn a_parameter_may_be_there_twice() {
        assert_eq!(asked("match[]=a&match%5B%5D=b").all("match[]").collect::<Vec<_>>(), ["a", "b"]);
    }
}
