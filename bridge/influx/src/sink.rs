//! The follower.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tidegate_follow::{Changes, Flushing, Followed, Follower, PositionFile, PositionFileError, Refused};
use tidegate_lines::line;
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeviceIndex, History, MetricIndex, Position, TimeOrigin, Value,
};

use crate::across::AcrossInflux;
use crate::batch::Batch;
use crate::client::Client;
use crate::config::{HistoryConfig, InfluxConfig};
use crate::delivery::Delivery;
use crate::moment::{self, Unplaced};
use crate::reader::Reader;
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
    /// When the newest entry was received that is there, Unix ms.
    written_ms: Arc<AtomicI64>,
    catalogue: Catalogue,
    history: Option<Arc<dyn History>>,
    waiting: Vec<Waiting>,
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
        let (history, waiting, batch) = (None, Vec::new(), Batch::default());
        let written_ms = Arc::new(AtomicI64::new(followed.received_ms));
        Ok(Influx { config, client, position, followed, written_ms, catalogue, history, waiting, batch })
    }

    /// What makes of this program's history one that goes on in the bucket.
    ///
    /// # Errors
    /// When the authorities that the server's certificate is to be judged by cannot be read.
    pub fn across(
        &self,
        history: &HistoryConfig,
    ) -> Result<impl FnOnce(Arc<dyn History>) -> Arc<dyn History> + Send + use<>, InfluxError> {
        let reader = Reader::new(self.config.clone(), history)?;
        let (read, written_ms) = (history.read, Arc::clone(&self.written_ms));
        Ok(move |here| Arc::new(AcrossInflux::new(here, reader, read, written_ms)) as Arc<dyn History>)
    }

    /// `number`: which reading of its entry it is.
    fn reading(&mut self, reading: &AppliedReading, position: Position, number: u64) {
        for cell in &reading.cells {
            let Some((device, series)) = self.catalogue.series(reading.device, cell.metric) else {
                tracing::warn!(device = reading.device.0, metric = cell.metric.0, "a value of a metric without a name");
                continue;
            };
            let place = match reading.origin {
                TimeOrigin::Receipt => Place::Known(moment::of_receipt(reading.time_ms, position, number)),
                TimeOrigin::Correction => Place::Known(moment::of_device(reading.time_ms)),
                TimeOrigin::Device if is_first(series, reading.time_ms, cell) => {
                    Place::Known(moment::of_device(reading.time_ms))
                }
                TimeOrigin::Device | TimeOrigin::Imported => Place::Asked(Arc::clone(device), reading.time_ms),
                // When it was measured nobody knows.
                TimeOrigin::Before => continue,
            };
            if cell.latest || cell.is_new {
                series.newest_ms = series.newest_ms.max(Some(reading.time_ms));
            }
            match place {
                Place::Known(time_ns) if self.waiting.is_empty() => {
                    self.batch.add(&series.head, |text| line::field(&cell.value, text), time_ns);
                }
                place => {
                    let (head, metric, value) = (series.head.clone(), series.name.clone(), cell.value.clone());
                    self.waiting.push(Waiting { head, metric, value, place });
                }
            }
        }
    }

    /// Asks history for the places of what waits, for all series together, and makes lines of it, in order.
    fn settle(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut asked: FxHashMap<(Arc<str>, Arc<str>), Vec<usize>> = FxHashMap::default();
        for (number, it) in waiting.iter().enumerate() {
            if let Place::Asked(device, _) = &it.place {
                asked.entry((Arc::clone(device), Arc::clone(&it.metric))).or_default().push(number);
            }
        }
        let (series, numbers): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
        let of = |number: &usize| match &waiting[*number] {
            Waiting { place: Place::Asked(_, time_ms), value, .. } => (*time_ms, value.clone()),
            Waiting { value, .. } => (0, value.clone()),
        };
        let unplaced: Vec<Unplaced> = (series.into_iter().zip(&numbers))
            .map(|((device, metric), numbers)| Unplaced { device, metric, values: numbers.iter().map(of).collect() })
            .collect();
        let places = moment::by_rank(self.history.as_deref(), &unplaced);
        for (number, time_ns) in numbers.into_iter().flatten().zip(places.into_iter().flatten()) {
            waiting[number].place = Place::Known(time_ns);
        }
        for Waiting { head, value, place, .. } in waiting {
            if let Place::Known(time_ns) = place {
                self.batch.add(&head, |text| line::field(&value, text), time_ns);
            }
        }
    }
}

/// A value that waits for its place, or for one before it that does: lines stay in order.
struct Waiting {
    head: Arc<str>,
    metric: Arc<str>,
    value: Value,
    place: Place,
}

enum Place {
    /// Unix ns.
    Known(i64),
    /// History says where: device, and time in Unix ms.
    Asked(Arc<str>, i64),
}

/// Whether nothing of this time can have come before.
fn is_first(series: &Series, time_ms: i64, cell: &AppliedCell) -> bool {
    cell.is_new && series.newest_ms.is_none_or(|newest_ms| time_ms > newest_ms)
}

impl Follower for Influx {
    fn begin(&mut self, history: Arc<dyn History>) {
        self.history = Some(history);
    }

    fn position(&self) -> Option<Followed> {
        Some(self.followed)
    }

    fn newest(&mut self, newest: &mut dyn Iterator<Item = (DeviceIndex, MetricIndex, i64)>) {
        for (device, metric, time_ms) in newest {
            if let Some((_, series)) = self.catalogue.series(device, metric) {
                series.newest_ms = series.newest_ms.max(Some(time_ms));
            }
        }
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
        self.settle();
    }

    fn flush(&mut self, through: Followed) -> Option<Box<dyn Flushing>> {
        self.followed = through;
        let batch = std::mem::take(&mut self.batch);
        let place = (self.position.clone(), Arc::clone(&self.written_ms));
        Some(Box::new(Delivery::new(Arc::clone(&self.client), batch, place, through)))
    }

    fn wants_flush(&self) -> bool {
        self.batch.len() >= self.config.request_lines_max || self.batch.bytes() >= BATCH_BYTES
    }
}
