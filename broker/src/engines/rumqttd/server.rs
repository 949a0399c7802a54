use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use rumqttd::local::{LinkError, LinkRx, LinkTx};
use rumqttd::{ConnectionSettings, Forward, Notification, RouterConfig, ServerSettings};
use tidegate_log::{AppendError, Log};
use tidegate_telemetry::{ProblemSink, Publication, PublishProperties, Qos, Reason};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{BrokerConfig, RumqttdConfig};
use crate::engines::intake::Intake;
use crate::engines::{BrokerStats, Engine};
use crate::listeners::{BindError, ListenAddress, Transport};

/// rumqttd keeps tables of this many connections from the start.
const CONNECTIONS_MAX: u32 = 10_000;

/// Parts the messages of a filter are kept in; the oldest part goes at once.
const SEGMENTS: usize = 8;

/// rumqttd refuses smaller ones.
const SEGMENT_BYTES_MIN: usize = 1024;

/// Packets rumqttd sends to a subscriber before it looks at another.
const OUTGOING_PACKETS: u64 = 200;

/// How long its listeners may take until they answer.
const START_MAX: Duration = Duration::from_secs(10);

/// The server and the link on everything.
pub(crate) struct Rumqttd {
    listen: SocketAddr,
    listen_v5: SocketAddr,
    link: Mutex<Option<(LinkTx, LinkRx)>>,
    intake: Intake,
}

impl Rumqttd {
    /// Starts the server's threads, which end with the program, and waits until its listeners answer.
    ///
    /// # Errors
    /// When an address cannot be listened on.
    pub(crate) fn start(
        config: &BrokerConfig,
        own: &RumqttdConfig,
        log: Arc<dyn Log>,
        problems: Arc<dyn ProblemSink>,
        clock: fn() -> i64,
    ) -> Result<Self, BindError> {
        let (listen, listen_v5) = (free(config.listen)?, free(own.listen_v5)?);
        let mut broker = rumqttd::Broker::new(settings(config, own, listen, listen_v5));
        let refused = |error: LinkError| refused(listen, io::Error::other(error));
        let (mut tx, rx) = broker.link("tidegate").map_err(refused)?;
        tx.subscribe("#").map_err(refused)?;
        let served = thread::Builder::new().name("rumqttd".into()).spawn(move || {
            if let Err(error) = broker.start() {
                tracing::error!(%error, "rumqttd ended");
            }
        });
        served.map_err(|error| self::refused(listen, error))?;
        for address in [listen, listen_v5] {
            answers(address)?;
        }
        tracing::warn!(
            "the engine is rumqttd: it acknowledges before anything is on disk and forgets sessions with the program; \
             docs/engines.md says what else it promises less than the gate"
        );
        let intake = Intake::new(config, log, problems, clock);
        Ok(Rumqttd { listen, listen_v5, link: Mutex::new(Some((tx, rx))), intake })
    }

    /// Brings what the link hands over into the log; ends when rumqttd does, or the log.
    async fn follow(&self, rx: &mut LinkRx) -> Result<(), LinkError> {
        loop {
            self.intake.room().await;
            match rx.next().await? {
                Some(Notification::Forward(forward)) => {
                    let Some(publication) = self.publication(forward) else { continue };
                    match self.intake.append(publication) {
                        Ok(_) => {}
                        Err(AppendError::Closed) => return Ok(()),
                        // It is acknowledged already, and rumqttd has it no more.
                        Err(error) => self.intake.refuse(Reason::DiskFull, error.to_string(), "", Bytes::new()),
                    }
                }
                Some(Notification::Unschedule) => rx.ready()?,
                _ => {}
            }
        }
    }

    /// What rumqttd passes on: no client, and neither quality of service nor flags as sent.
    fn publication(&self, forward: Forward) -> Option<Publication> {
        let topic = String::from_utf8(forward.publish.topic.to_vec()).ok()?;
        let properties = forward.properties.map(|from| PublishProperties {
            payload_format_indicator: from.payload_format_indicator,
            message_expiry_interval_s: from.message_expiry_interval,
            content_type: from.content_type,
            response_topic: from.response_topic,
            correlation_data: from.correlation_data,
            user_properties: from.user_properties,
        });
        Some(Publication {
            properties: properties.filter(|some| *some != PublishProperties::default()).map(Box::new),
            scope: None,
            address: None,
            ..self.intake.publication(topic, forward.publish.payload, Qos::AtMostOnce)
        })
    }
}

impl Engine for Rumqttd {
    fn address(&self) -> String {
        self.listen.to_string()
    }

    fn listeners(&self) -> Vec<(Transport, ListenAddress)> {
        vec![(Transport::Tcp, ListenAddress::Tcp(self.listen_v5))]
    }

    fn stats(&self) -> Option<BrokerStats> {
        None
    }

    fn run(&self, _tracker: TaskTracker, cancel: CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let link = self.link.lock().take();
        Box::pin(async move {
            let Some((_tx, mut rx)) = link else { return };
            if let Some(Err(error)) = cancel.run_until_cancelled(self.follow(&mut rx)).await {
                tracing::error!(%error, "rumqttd is gone, and nothing is received any more: start again");
                std::process::abort();
            }
        })
    }
}

fn settings(config: &BrokerConfig, own: &RumqttdConfig, listen: SocketAddr, listen_v5: SocketAddr) -> rumqttd::Config {
    let server = |name: &str, listen| {
        let server = ServerSettings {
            name: name.to_owned(),
            listen,
            tls: None,
            next_connection_delay_ms: 0,
            connections: ConnectionSettings {
                connection_timeout_ms: u16::try_from(config.connect_timeout.as_millis()).unwrap_or(u16::MAX),
                max_payload_size: config.packet_bytes_max,
                max_inflight_count: usize::from(config.receive_max),
                auth: None,
                external_auth: None,
                dynamic_filters: true,
            },
        };
        Some(HashMap::from([(name.to_owned(), server)]))
    };
    rumqttd::Config {
        router: RouterConfig {
            max_connections: config.connections_max.min(CONNECTIONS_MAX) as usize,
            max_outgoing_packet_count: OUTGOING_PACKETS,
            max_segment_size: (own.filter_bytes_max / SEGMENTS).max(SEGMENT_BYTES_MIN),
            max_segment_count: SEGMENTS,
            ..RouterConfig::default()
        },
        v4: server("rumqttd-3.1.1", listen),
        v5: server("rumqttd-5", listen_v5),
        ..rumqttd::Config::default()
    }
}

/// The address with a free port where it asks for one. rumqttd binds on a thread of its own and only logs a failure,
/// so that is found out here.
fn free(address: SocketAddr) -> Result<SocketAddr, BindError> {
    TcpListener::bind(address).and_then(|listener| listener.local_addr()).map_err(|error| refused(address, error))
}

fn answers(address: SocketAddr) -> Result<(), BindError> {
    let until = Instant::now() + START_MAX;
    loop {
        match TcpStream::connect_timeout(&address, START_MAX) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= until => return Err(refused(address, error)),
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn refused(address: SocketAddr, source: io::Error) -> BindError {
    BindError::Address { at: ListenAddress::Tcp(address), transport: Transport::Tcp, source }
}
