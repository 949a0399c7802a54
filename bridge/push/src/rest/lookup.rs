//! Which device and metric a request means.

use std::sync::Arc;

use tidegate_telemetry::Value;
use tidegate_views::Views;
use tidegate_views::read::{Device, Lookup};

use super::parameters::Parameters;
use crate::error::{ApiError, Kind};

/// A device and one of its metrics, as a query names them; both by their full names.
pub fn find_series(views: &Views, parameters: &Parameters) -> Result<(Arc<str>, Arc<str>), ApiError> {
    let (name, metric) = (parameters.required("device")?, parameters.required("metric")?);
    let device = find(views, name)?;
    match device.metrics.0.iter().find(|(known, _)| **known == *metric) {
        Some((metric, _)) => Ok((device.id, Arc::clone(metric))),
        None => {
            let known: Vec<&str> = device.metrics.0.iter().map(|(known, _)| &**known).collect();
            let detail = format!("{} has no metric {metric:?}: ask for one of the candidates", device.id);
            Err(ApiError::new(Kind::UnknownMetric, detail).with("candidates", known))
        }
    }
}

/// Whether the newest value of a metric is a word.
pub fn says_words(views: &Views, device: &str, metric: &str) -> bool {
    let Lookup::Unique(device) = views.device(device) else { return false };
    let newest = device.metrics.0.into_iter().find(|(known, _)| **known == *metric);
    newest.is_some_and(|(_, metric)| matches!(metric.value, Some(Value::Text(_))))
}

/// The device of a full identifier, or of a last level that only one has.
pub fn find(views: &Views, name: &str) -> Result<Device, ApiError> {
    match views.device(name) {
        Lookup::Unique(device) => Ok(device),
        Lookup::Ambiguous(candidates) => {
            let detail =
                format!("several devices are called {name:?}: ask by a full identifier, such as the candidates");
            let candidates: Vec<&str> = candidates.iter().map(|id| &**id).collect();
            Err(ApiError::new(Kind::AmbiguousDevice, detail).with("candidates", candidates))
        }
        Lookup::Unknown => {
            let detail = format!("no device {name:?} was ever heard of: GET /v1/devices lists those that were");
            Err(ApiError::new(Kind::UnknownDevice, detail))
        }
    }
}
