use std::sync::Arc;

use serde::Serialize;
use tidegate_telemetry::history::Seam;

/// Where an answer goes on in another history than this program's own.
#[derive(Debug, Serialize)]
pub struct ToldSeam {
    /// Unix ms; what is older is of `older`.
    at: i64,
    older: &'static str,
    /// Why the older part is not in the answer.
    missing: Option<Arc<str>>,
}

impl From<Seam> for ToldSeam {
    fn from(Seam { at_ms, older, missing }: Seam) -> ToldSeam {
        ToldSeam { at: at_ms, older, missing }
    }
}
