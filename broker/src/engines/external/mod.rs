//! A broker elsewhere, of which this program is a client: what devices publish there is read through a subscription,
//! and acknowledged when the log has it on disk.
//!
//! - [`External`]: the engine; keeps a connection
//! - `connection`: rumqttc in both versions
//! - `inbox`: what has no answer yet
//! - `backoff`, `tls`: pauses between attempts; certificates

mod backoff;
mod connection;
mod inbox;
mod tls;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::metrics::{counter, gauge};
use parking_lot::Mutex;
use tidegate_log::{AppendError, Log};
use tidegate_telemetry::{Position, ProblemSink, Publication};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::backoff::Backoff;
use self::connection::{Client, Connection, Message, Said};
use self::inbox::Inbox;
use super::intake::Intake;
use super::{BrokerStats, Engine};
use crate::config::{BrokerConfig, ExternalConfig};
use crate::engines::BrokerError;
use crate::listeners::{ListenAddress, Transport};

pub use self::tls::ExternalError;

/// A client of a broker elsewhere.
pub(crate) struct External {
    own: ExternalConfig,
    intake: Intake,
    shutdown_grace: Duration,
    is_connected: AtomicBool,
    link: Mutex<Option<Link>>,
}

/// Everything about the connection that lasts longer than it.
struct Link {
    client: Client,
    connection: Connection,
    inbox: Inbox,
    durable: watch::Receiver<Position>,
    was_connected: bool,
}

/// Why a conversation ended.
enum Ended {
    /// There is no connection, or no longer.
    Lost(String),
    /// The program stops, or the log does.
    Stopping,
}

impl External {
    /// Prepares the connection, which [`Engine::run`] opens and keeps open.
    ///
    /// # Errors
    /// When a setting cannot work, a file cannot be used, or the log cannot be read.
    pub(crate) fn new(
        config: &BrokerConfig,
        own: ExternalConfig,
        log: Arc<dyn Log>,
        problems: Arc<dyn ProblemSink>,
        clock: fn() -> i64,
    ) -> Result<Self, BrokerError> {
        if let Some((key, what)) = own.mistakes().first() {
            return Err(ExternalError::Setting { key, what }.into());
        }
        let (client, connection) = connection::prepare(config, &own)?;
        let link = Link {
            client,
            connection,
            inbox: Inbox::recover(log.as_ref()).map_err(BrokerError::Log)?,
            durable: log.durable(),
            was_connected: false,
        };
        counter!("tidegate_engine_reconnects_total").increment(0);
        counter!("tidegate_engine_failures_total").increment(0);
        gauge!("tidegate_engine_connected").set(0.0);
        Ok(External {
            own,
            intake: Intake::new(config, log, problems, clock),
            shutdown_grace: config.shutdown_grace,
            is_connected: AtomicBool::new(false),
            link: Mutex::new(Some(link)),
        })
    }

    /// Keeps a conversation with the broker going until `cancel`.
    async fn keep(&self, mut link: Link, cancel: CancellationToken) {
        let mut backoff = Backoff::new(self.own.backoff, self.own.backoff_max);
        loop {
            let ended = self.converse(&mut link, &mut backoff, &cancel).await;
            self.note_connected(false);
            link.inbox.disconnected();
            link.connection.close();
            let Ended::Lost(why) = ended else { return };
            counter!("tidegate_engine_failures_total").increment(1);
            let pause = backoff.pause();
            tracing::warn!(broker = self.own.address, why, ?pause, "no connection to the broker; it is tried again");
            if cancel.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Hears and answers until the connection ends; after `cancel` until everything taken is answered, or the grace
    /// is over.
    async fn converse(&self, link: &mut Link, backoff: &mut Backoff, cancel: &CancellationToken) -> Ended {
        let mut is_stopping = false;
        let mut grace = pin!(async {
            cancel.cancelled().await;
            tokio::time::sleep(self.shutdown_grace).await;
        });
        loop {
            if is_stopping && link.inbox.is_settled() {
                link.client.disconnect();
                let _said_or_gone = tokio::time::timeout(self.shutdown_grace, link.connection.hear()).await;
                return Ended::Stopping;
            }
            let _has_room_or_stops = cancel.run_until_cancelled(self.intake.room()).await;
            let (connection, inbox, durable) = (&mut link.connection, &mut link.inbox, &mut link.durable);
            let said = {
                // Kept until it is done: rumqttc loses what it is just writing when it is dropped.
                let mut hearing = pin!(connection.hear());
                loop {
                    tokio::select! {
                        biased;
                        () = &mut grace => return Ended::Stopping,
                        () = cancel.cancelled(), if !is_stopping => {
                            is_stopping = true;
                            if inbox.is_settled() {
                                break Ok(Said::Other);
                            }
                        }
                        changed = durable.changed() => match changed {
                            Ok(()) => self.answer(&link.client, inbox, *durable.borrow_and_update()),
                            Err(_) => return Ended::Stopping,
                        },
                        said = &mut hearing => break said,
                    }
                    if is_stopping && inbox.is_settled() {
                        break Ok(Said::Other);
                    }
                }
            };
            match said {
                Err(why) => return Ended::Lost(why),
                Ok(Said::Connected { session_present }) => self.connected(link, backoff, session_present),
                Ok(Said::Subscribed { refused: Some(why) }) => {
                    let filters = self.own.subscriptions().join(", ");
                    return Ended::Lost(format!(
                        "the broker refuses the subscription to {filters} ({why}): check what it allows external.user, \
                         and whether it serves shared subscriptions (external.share = \"\" does without)"
                    ));
                }
                Ok(Said::Subscribed { refused: None }) => self.note_connected(true),
                // What comes while the program stops has no answer and comes again.
                Ok(Said::Message(message)) if !is_stopping => {
                    match self.take(&mut link.inbox, *message) {
                        Ok(()) => {}
                        Err(AppendError::Closed) => return Ended::Stopping,
                        // Without an answer it comes again on the next connection.
                        Err(error) => return Ended::Lost(error.to_string()),
                    }
                }
                Ok(Said::Released { packet_id }) => link.inbox.released(packet_id),
                Ok(_) => {}
            }
            let durable = *link.durable.borrow_and_update();
            self.answer(&link.client, &mut link.inbox, durable);
        }
    }

    fn note_connected(&self, is_connected: bool) {
        self.is_connected.store(is_connected, Ordering::Relaxed);
        gauge!("tidegate_engine_connected").set(f64::from(u8::from(is_connected)));
    }

    fn connected(&self, link: &mut Link, backoff: &mut Backoff, session_present: bool) {
        backoff.reset();
        if !session_present {
            link.inbox.begin_anew();
        }
        if link.was_connected {
            counter!("tidegate_engine_reconnects_total").increment(1);
        }
        link.was_connected = true;
        // Also where the session goes on: Mosquitto 2.0.11 forgets the shared subscriptions of one when it restarts.
        if !link.client.subscribe(self.own.subscriptions(), self.own.qos) {
            tracing::error!("rumqttc takes no subscription: nothing is received before the next connection");
        }
        tracing::info!(broker = self.own.address, session_present, "connected to the broker");
    }

    /// Brings a message into the log.
    fn take(&self, inbox: &mut Inbox, message: Message) -> Result<(), AppendError> {
        let Message { topic, payload, qos, packet_id, retain, dup, properties } = message;
        if inbox.is_known(packet_id, qos, dup, &topic, &payload) {
            counter!("tidegate_engine_repeated_total").increment(1);
            return Ok(());
        }
        let publication = self.intake.publication(topic, payload, qos);
        let publication = Publication { packet_id, retain, dup, properties, ..publication };
        inbox.take(packet_id, qos, self.intake.append(publication)?);
        Ok(())
    }

    fn answer(&self, client: &Client, inbox: &mut Inbox, durable: Position) {
        while let Some(waiting) = inbox.due(durable) {
            if !client.answer(waiting) {
                return;
            }
            inbox.answered();
            self.intake.metrics.acknowledgements.increment(1);
        }
    }
}

impl Engine for External {
    fn address(&self) -> String {
        self.own.address.clone()
    }

    fn listeners(&self) -> Vec<(Transport, ListenAddress)> {
        Vec::new()
    }

    fn stats(&self) -> Option<BrokerStats> {
        None
    }

    fn trouble(&self) -> Option<String> {
        let why = || format!("no connection to the broker at {}; see the log of the program", self.own.address);
        (!self.is_connected.load(Ordering::Relaxed)).then(why)
    }

    fn run(&self, _tracker: TaskTracker, cancel: CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let link = self.link.lock().take();
        Box::pin(async move {
            if let Some(link) = link {
                self.keep(link, cancel).await;
            }
        })
    }
}
