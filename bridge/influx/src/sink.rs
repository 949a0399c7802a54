//! The follower.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use tidegate_follow::{Changes, Flushing, Followed, Follower, PositionFile, PositionFileError, Refused};
use tidegate_lines::line;
use tidegate_telemetry::{AppliedCell, AppliedReading, Change, History, Position, TimeOrigin};

use crate::batch::Batch;
use crate::client::Client;
use crate::config::InfluxConfig;
use crate::delivery::Delivery;
use crate::moment;
use crate::series::{Catalogue, Series};
use crate::tls::TlsError;

/// Bytes of lines that wait, after which they are written.
const BATCH_BYTES: usize = 1 << 20;

/// Its place in the folder of data.
const POSITION: &str = "influxdb.position";

/// Why it cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InfluxError {
    /// The configuration.
    #[error("influxdb.{0} {1}")]
    Setting(&'static str, &'static str),
    /// How far it was.
    #[error(transparent)]
    Position(#[from] PositionFileError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Writes every reading to a bucket.
pub struct Influx {
    config: InfluxConfig,
    client: Arc<Mutex<Client>>,
    position: PositionFile,
    followed: Followed,
    catalogue: Catalogue,
    history: Option<Arc<dyn History>>,
    batch: Batch,
}

impl Influx {
    /// Goes on where it was, as the folder of data has it; for another server, organization or bucket it begins anew.
    ///
    /// # Errors
    /// When the configuration cannot work, or the file of its position cannot be read.
    pub fn open(config: InfluxConfig, data: &Path) -> Result<Influx, InfluxError> {
        if let Some((key, what)) = config.mistakes().into_iter().next() {
            return Err(InfluxError::Setting(key, what));
        }
        let endpoint = config.endpoint().ok_or(InfluxError::Setting("url", "is not there"))?;
        let position = PositionFile::new(data.join(POSITION));
        let followed = match position.load()? {
            Some((followed, target)) if target == config.target().into_bytes() => followed,
            Some(_) => {
                tracing::info!("InfluxDB is another one than before: it is told everything");
                Followed::NOTHING
            }
            None => Followed::NOTHING,
        };
        let client = Arc::new(Mutex::new(Client::new(config.clone(), endpoint)?));
        let catalogue = Catalogue::new(config.measurement.clone());
        Ok(Influx { config, client, position, followed, catalogue, history: None, batch: Batch::default() })
    }

    /// `number`: which reading of its entry it is.
    fn reading(&mut self, reading: &AppliedReading, position: Position, number: u64) {
        for cell in &reading.cells {
            let Some((device, series)) = self.catalogue.series(reading.device, cell.metric) else {
                tracing::warn!(device = reading.device.0, metric = cell.metric.0, "a value of a metric without a name");
                continue;
            };
            let time_ns = match reading.origin {
                TimeOrigin::Receipt => moment::of_receipt(reading.time_ms, position, number),
                TimeOrigin::Correction => moment::of_device(reading.time_ms),
                TimeOrigin::Device if is_first(series, reading, cell) => moment::of_device(reading.time_ms),
                TimeOrigin::Device | TimeOrigin::Imported => {
                    moment::by_rank(self.history.as_deref(), (device, &series.name), reading.time_ms, &cell.value)
                }
                // When it was measured nobody knows.
                TimeOrigin::Before => continue,
            };
            if cell.latest || cell.is_new {
                series.newest_ms = series.newest_ms.max(Some(reading.time_ms));
            }
            self.batch.add(&series.head, |text| line::field(&cell.value, text), time_ns);
        }
    }
}

/// Whether nothing of this time can have come before.
fn is_first(series: &Series, reading: &AppliedReading, cell: &AppliedCell) -> bool {
    cell.is_new && series.newest_ms.is_some_and(|newest_ms| reading.time_ms > newest_ms)
}

impl Follower for Influx {
    fn begin(&mut self, history: Arc<dyn History>) {
        self.history = Some(history);
    }

    fn position(&self) -> Option<Followed> {
        Some(self.followed)
    }

    fn apply(&mut self, changes: &Changes, _: &mut Vec<Refused>) {
        for (position, _, changes) in changes.entries() {
            let mut number = 0;
            for change in changes {
                self.catalogue.learn(change);
                if let Change::Reading(reading) = change {
                    self.reading(reading, position, number);
                    number += 1;
                }
            }
        }
    }

    fn flush(&mut self, through: Followed) -> Option<Box<dyn Flushing>> {
        self.followed = through;
        let batch = std::mem::take(&mut self.batch);
        Some(Box::new(Delivery::new(Arc::clone(&self.client), batch, self.position.clone(), through)))
    }

    fn wants_flush(&self) -> bool {
        self.batch.len() >= self.config.request_lines_max || self.batch.bytes() >= BATCH_BYTES
    }
}
