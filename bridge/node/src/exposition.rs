//! Every counter and gauge of the node, for Prometheus.

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

use crate::helps;

/// What `/metrics` answers from.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Counts from now on, for the whole process: call it once, before a [`Node`](crate::Node) starts.
    ///
    /// # Errors
    /// When the process counts already.
    pub fn install() -> Result<Metrics, BuildError> {
        let handle = PrometheusBuilder::new().install_recorder()?;
        helps::describe();
        Ok(Metrics(handle))
    }

    /// Counts nothing: for processes in which several nodes run.
    #[must_use]
    pub fn none() -> Metrics {
        Metrics(PrometheusBuilder::new().build_recorder().handle())
    }

    /// The figures in the format of Prometheus.
    pub(crate) fn text(&self) -> String {
        self.0.render()
    }

    /// Has to be called every few seconds, so that histograms stay small.
    pub(crate) fn upkeep(&self) {
        self.0.run_upkeep();
    }
}
