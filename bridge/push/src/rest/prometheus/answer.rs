use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};
use serde_json::json;
use tidegate_promql::labels::Labels;
use tidegate_promql::{Answer, Line, QueryError, Range};

use crate::error::ApiError;
use crate::rest::selection::count_too_much;

/// The body of an answer that is one.
pub(super) fn success<T: Serialize>(data: &T) -> Response {
    #[derive(Serialize)]
    struct Success<'a, T> {
        status: &'static str,
        data: &'a T,
    }
    Json(Success { status: "success", data }).into_response()
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    kind: &'static str,
    detail: String,
}

impl Refused {
    /// A parameter is not what it should be.
    pub fn parameter(detail: impl Into<String>) -> Self {
        Refused { status: StatusCode::BAD_REQUEST, kind: "bad_data", detail: detail.into() }
    }

    /// A request asks for more than one may; the key says so.
    pub fn too_much(limit: &'static str, detail: impl Into<String>) -> Self {
        count_too_much(limit);
        Refused::parameter(detail)
    }
}

impl From<QueryError> for Refused {
    fn from(error: QueryError) -> Self {
        if let QueryError::TooMuch { limit, .. } = &error {
            count_too_much(limit);
        }
        let (status, kind) = match &error {
            QueryError::Question(_) => (StatusCode::BAD_REQUEST, "bad_data"),
            QueryError::Execution(_) | QueryError::TooMuch { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
            QueryError::Source(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            QueryError::Withdrawn => (StatusCode::SERVICE_UNAVAILABLE, "canceled"),
        };
        Refused { status, kind, detail: error.to_string() }
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        let status = error.status();
        let kind = match status {
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            status if status.is_server_error() => "internal",
            _ => "bad_data",
        };
        Refused { status, kind, detail: error.to_string() }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = json!({ "status": "error", "errorType": self.kind, "error": self.detail });
        (self.status, Json(body)).into_response()
    }
}

/// An answer to a question; of one moment where it was asked for one.
pub(super) struct Evaluated<'a> {
    pub answer: &'a Answer,
    pub range: Range,
    pub at_once: bool,
}

impl Serialize for Evaluated<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut data = serializer.serialize_struct("Evaluated", 2)?;
        match self.answer {
            Answer::Number(values) if self.at_once => {
                let value = values.first().map(|&value| point(self.range.start_ms, value));
                data.serialize_field("resultType", "scalar")?;
                data.serialize_field("result", &value)?;
            }
            Answer::Number(values) => {
                let values: Vec<_> =
                    self.range.steps().zip(values).map(|(at_ms, &value)| point(at_ms, value)).collect();
                data.serialize_field("resultType", "matrix")?;
                data.serialize_field("result", &[json!({ "metric": {}, "values": values })])?;
            }
            Answer::Series(lines) => {
                data.serialize_field("resultType", if self.at_once { "vector" } else { "matrix" })?;
                let lines: Vec<_> = lines.iter().map(|line| Written { line, of: self }).collect();
                data.serialize_field("result", &lines)?;
            }
            Answer::Points(series) => {
                let series = series.iter().map(|(labels, points)| {
                    let values: Vec<_> = points.iter().map(|&(at_ms, value)| point(at_ms, value)).collect();
                    json!({ "metric": Named(labels), "values": values })
                });
                data.serialize_field("resultType", "matrix")?;
                data.serialize_field("result", &series.collect::<Vec<_>>())?;
            }
        }
        data.end()
    }
}

/// Labels as an object.
pub(super) struct Named<'a>(pub &'a Labels);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

struct Written<'a> {
    line: &'a Line,
    of: &'a Evaluated<'a>,
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Values<'a>(&'a Line, Range);
        impl Serialize for Values<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.0.points(self.1).map(|(at_ms, value)| point(at_ms, value)))
            }
        }
        let mut series = serializer.serialize_map(Some(2))?;
        series.serialize_entry("metric", &Named(&self.line.labels))?;
        if self.of.at_once {
            let value = self.line.points(self.of.range).next().map(|(at_ms, value)| point(at_ms, value));
            series.serialize_entry("value", &value)?;
        } else {
            series.serialize_entry("values", &Values(self.line, self.of.range))?;
        }
        series.end()
    }
}

/// Unix seconds, and the value as text: JSON has no infinity.
#[allow(clippy::cast_precision_loss, reason = "Unix ms are exact in binary64 for 280,000 years")]
fn point(at_ms: i64, value: f64) -> (f64, String) {
    (at_ms as f64 / 1_000.0, number(value))
}

fn number(value: f64) -> String {
    match value {
        value if value == f64::INFINITY => "+Inf".to_owned(),
        value if value == f64::NEG_INFINITY => "-Inf".to_owned(),
        value if value != 0.0 && !(1e-6..1e21).contains(&value.abs()) && !value.is_nan() => format!("{value:e}"),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_written_as_prometheus_reads_them() {
        let written = [0.0, 21.5, -3.0, 1e300, 1e-9, f64::INFINITY, f64::NEG_INFINITY, f64::NAN].map(number);
        assert_eq!(written, ["0", "21.5", "-3", "1e300", "1e-9", "+Inf", "-Inf", "NaN"]);
    }
}
