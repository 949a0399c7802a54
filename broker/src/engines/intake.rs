use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegate_identity::Principal;
use tidegate_log::{AppendError, Log};
use tidegate_telemetry::{Entry, Owner, Position, Problem, ProblemSink, Publication, Qos, Reason};

use crate::config::BrokerConfig;
use crate::metrics::{self, Metrics};
use crate::topics::TopicLimits;

/// The way into the log for engines that are not told who publishes: publications carry no client, and the principal
/// of somebody who proved nothing.
pub(crate) struct Intake {
    log: Arc<dyn Log>,
    problems: Arc<dyn ProblemSink>,
    clock: fn() -> i64,
    topics: TopicLimits,
    principal: String,
    pub(crate) metrics: Metrics,
}

/// How often it is looked whether the disk has room again.
const ROOM_INTERVAL: Duration = Duration::from_secs(1);

impl Intake {
    pub(crate) fn new(
        config: &BrokerConfig,
        log: Arc<dyn Log>,
        problems: Arc<dyn ProblemSink>,
        clock: fn() -> i64,
    ) -> Self {
        let topics = TopicLimits { bytes_max: config.topic_bytes_max, levels_max: config.topic_levels_max };
        let principal = Principal::anonymous().name().to_owned();
        Intake { log, problems, clock, topics, principal, metrics: Metrics::new() }
    }

    /// Waits until the log has room, and its disk.
    pub(crate) async fn room(&self) {
        if !self.log.has_room() {
            self.log.room().await;
        }
        while self.log.is_disk_full() {
            tokio::time::sleep(ROOM_INTERVAL).await;
        }
    }

    /// A publication that arrives now.
    pub(crate) fn publication(&self, topic: String, payload: Bytes, qos: Qos) -> Publication {
        Publication {
            received_ms: (self.clock)(),
            client: String::new(),
            principal: self.principal.clone(),
            session: 0,
            packet_id: 0,
            topic,
            payload,
            qos,
            retain: false,
            dup: false,
            properties: None,
            scope: None,
            address: None,
        }
    }

    /// Appends a publication and says from which position on it is durable. One that cannot be taken is counted and
    /// reported, and counts as dealt with: it would be no better the next time.
    ///
    /// # Errors
    /// [`AppendError::Closed`] and [`AppendError::DiskFull`], when it is not dealt with.
    pub(crate) fn append(&self, publication: Publication) -> Result<Position, AppendError> {
        if let Err(error) = self.topics.check_name(&publication.topic) {
            self.refuse(Reason::InvalidTopic, error.to_string(), &publication.topic, publication.payload);
            return Ok(Position::START);
        }
        self.metrics.publications[usize::from(publication.qos.level())].increment(1);
        self.metrics.publication_bytes.increment(publication.payload.len() as u64);
        let (topic, payload) = (publication.topic.clone(), publication.payload.clone());
        match self.log.append(&mut vec![Entry::Publication(publication)]) {
            Err(error @ (AppendError::Closed | AppendError::DiskFull)) => Err(error),
            Err(error) => {
                self.refuse(Reason::PacketTooLarge, error.to_string(), &topic, payload);
                Ok(Position::START)
            }
            appended => appended,
        }
    }

    pub(crate) fn refuse(&self, reason: Reason, detail: String, topic: &str, payload: Bytes) {
        metrics::refused(reason, 1);
        let received_ms = (self.clock)();
        self.problems.report(Problem {
            reason,
            detail,
            topic: topic.into(),
            client: "".into(),
            owner: Owner::Unknown,
            received_ms,
            payload,
        });
    }
}
